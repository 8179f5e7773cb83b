"""Dice against the number of one's own outlines: a network that knows simulated hips only is trained on with real ones.

``python benchmarks/fine_tuning.py ../shared/data/pelvis --start simulated.safetensors`` trains it on 10, 20, 50 and 100
real films of the training part with 20 simulated ones mixed in, the encoder frozen or not, and prints the Dice of
intact femora of the part for choices. ``--start`` is a file of weights that has seen no real film, such as
``femur.safetensors`` of version 0.1.0.dev0 before real films were used (commit fff288d).
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from deepradiomics import UNetSegmenter
from deepradiomics.metrics import dice
from deepradiomics.simulation import make_hips
from real_hips import UNKNOWN, films


def intact_dice(segmenter, chosen):
    """Dice of each intact femur."""
    found = []
    for film in chosen:
        pixels, labels = film.read()
        (outline,) = segmenter.predict([pixels])
        for code in set(np.unique(labels)) - {0, UNKNOWN} - film.broken():
            found.append(dice((outline == code) & (labels != UNKNOWN), labels == code))
    return np.array(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--start", type=Path)
    parser.add_argument("--numbers", type=int, nargs="+", default=[10, 20, 50, 100])
    parser.add_argument("--smoke", action="store_true", help="no real film: ten simulated ones, an epoch")
    arguments = parser.parse_args()
    hips = make_hips(10 if arguments.smoke else 20, random_state=0, image_shape=(256, 256))
    simulated = [cell.pixels for cell in hips.data["radiograph"]], hips.masks
    settings = {"warm_start": True, "ignore_label": UNKNOWN, "random_state": 0}
    if arguments.smoke:
        small = UNetSegmenter(
            ("left femur", "right femur"), encoder="tu-resnet10t", decoder_channels=(16, 8), image_size=32, epochs=1
        ).fit(*simulated)
        small.set_params(**settings, frozen_encoder=True).fit(*simulated)
        print(f"loss {small.history_['loss'].iloc[-1]:.2f}")
        return
    every = films(arguments.folder)
    chosen = [film for film in every if film.part == "choice" and not film.full_size]
    own = [film for film in every if film.part == "train"]
    order = np.random.default_rng(0).permutation(len(own))
    before = intact_dice(UNetSegmenter.from_weights(arguments.start), chosen)
    print(f"before: median {np.median(before):.3f}, tenth percentile {np.quantile(before, 0.1):.3f} (n {len(before)})")
    for number in arguments.numbers:
        images, masks = zip(*(own[place].read() for place in order[:number]), strict=True)
        for frozen in (True, False):
            segmenter = UNetSegmenter.from_weights(arguments.start)
            # As many steps for few films as for many, within bounds.
            epochs = int(np.clip(600 // (number + len(hips.masks)), 5, 15))
            segmenter.set_params(
                **settings, frozen_encoder=frozen, epochs=epochs, learning_rate=5e-4, augmentation={"stretch": 0.2}
            )
            segmenter.fit([*images, *simulated[0]], [*masks, *simulated[1]])
            with tempfile.TemporaryDirectory() as folder:
                segmenter.save_weights(f"{folder}/tuned.safetensors")
                after = intact_dice(UNetSegmenter.from_weights(f"{folder}/tuned.safetensors"), chosen)
            print(
                f"{number} films, encoder {'frozen' if frozen else 'learns'}: median {np.median(after):.3f}, tenth "
                f"percentile {np.quantile(after, 0.1):.3f}, lost (below 0.5) {(after < 0.5).sum()}",
                flush=True,
            )


if __name__ == "__main__":
    main()
