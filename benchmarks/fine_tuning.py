"""Dice against the number of one's own outlines: a network that knows simulated hips only is trained on with real ones.

``python benchmarks/fine_tuning.py ../shared/data/pelvis --start simulated.safetensors`` trains it on 5, 10, 20, 50 and
100 real films of the training part with 20 simulated ones mixed in, the encoder frozen, at a low rate, and prints the
Dice of intact femora of the part for choices; ``--figure`` draws it. ``--start`` is a file of weights that has seen no
real film: of ``train_femur_unet.py --only simulated``, or ``femur.safetensors`` of commit fff288d with
``"calibration": null`` added to its metadata.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from deepradiomics import UNetSegmenter
from deepradiomics.simulation import make_hips
from real_hips import MISSED, UNKNOWN, dice_by_kind, films


def draw(rows, path):
    """Draw the median and the tenth percentile of Dice against the number of own outlines, in rows of these three."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axis = figure.subplots()
    numbers, medians, tenths = zip(*rows, strict=True)
    places = np.arange(len(rows))
    axis.plot(places, medians, "o-", color="#0072b2", label="median")
    axis.plot(places, tenths, "s--", color="#d55e00", label="tenth percentile")
    axis.set_xticks(places, numbers)
    axis.set_xlabel("own outlined films")
    axis.set_ylabel("Dice of intact femora")
    axis.grid(alpha=0.3)
    axis.legend()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fine_tuning"}):
        figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--start", type=Path)
    parser.add_argument("--numbers", type=int, nargs="+", default=[5, 10, 20, 50, 100])
    parser.add_argument("--steps", type=int, default=80, help="steps of training, for each number")
    parser.add_argument("--figure", type=Path, help="draw the figure here, SVG or PNG")
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
    print("| own films | n | Dice: median | tenth percentile | missed (below 0.3) |\n|---|---|---|---|---|")
    rows = []
    for number in (0, *arguments.numbers):
        segmenter = UNetSegmenter.from_weights(arguments.start)
        if number:
            images, masks = zip(*(own[place].read() for place in order[:number]), strict=True)
            # As many steps for few films as for many.
            epochs = round(arguments.steps * segmenter.batch_size / (number + len(hips.masks)))
            segmenter.set_params(
                **settings, frozen_encoder=True, epochs=epochs, learning_rate=5e-4, augmentation={"stretch": 0.2}
            )
            segmenter.fit([*images, *simulated[0]], [*masks, *simulated[1]])
        with tempfile.TemporaryDirectory() as folder:  # as it is used: in 16 bits
            segmenter.save_weights(f"{folder}/tuned.safetensors")
            found = dice_by_kind(UNetSegmenter.from_weights(f"{folder}/tuned.safetensors"), chosen)["intact"]
        rows.append((number, np.median(found), np.quantile(found, 0.1)))
        median, tenth = rows[-1][1:]
        print(f"| {number} | {len(found)} | {median:.3f} | {tenth:.3f} | {(found < MISSED).sum()} |", flush=True)
        if arguments.figure:
            draw(rows, arguments.figure)


if __name__ == "__main__":
    main()
