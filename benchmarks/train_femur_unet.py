"""Train the weights that `UNetSegmenter.pretrained("femur")` loads, on real and on simulated radiographs.

``python benchmarks/train_femur_unet.py ../shared/data --output femur.safetensors`` reads the part of the real hips that
is for training (`real_hips.films`), half of the knees, crops of vertebrae and spines as pictures without a proximal
femur, and `simulated_hips`. The encoder starts from the ImageNet weights of the extra ``imagenet``; ``--start`` goes
on from a file of weights instead. About an hour on two cores. The weights are written after each stage;
only with the stages of this file they are calibrated at the end, else call it again with ``--calibrate``.
``--only real`` and ``--only simulated`` leave the other out; ``--judge FILE FILE`` trains nothing and prints a row of
figures for each file, of the part ``--part``.
"""

import argparse
import hashlib
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from deepradiomics import UNetSegmenter
from deepradiomics.simulation import make_spines
from real_hips import MISSED, UNKNOWN, dice_by_kind, films
from simulated_hips import many

CLASSES = ("left femur", "right femur")
AUGMENTATION = {
    "rotation": 15,
    "scale": 0.25,
    "shift": 0.1,
    "stretch": 0.3,
    "gamma": 0.5,
    "exposure": 0.25,
    "blur": 1.2,
    "noise": 0.05,
    "erasing": 0.2,
}
BATCH = 8
# (side of the frame, steps, learning rate): most of the work at the coarse size.
STAGES = ((256, 1000, 1.5e-3), (320, 350, 7e-4))
SIDE_IN_USE = 352
# Films of FracAtlas that show a trunk or an arm and no femur, by eye.
NO_FEMUR = ("IMG0002117", "IMG0002319", "IMG0002716", "IMG0002717")


def real_pairs(folder, seed):
    """Real hips for training, each whole and as a crop round a part of it that shows a femur."""
    rng = np.random.default_rng(seed)
    for film in films(folder / "pelvis"):
        if film.part != "train":
            continue
        pixels, labels = film.read()
        yield pixels, labels
        height, width = pixels.shape
        while True:
            size = rng.uniform(0.45, 0.95) * np.array([height, width]) * np.exp(rng.uniform(-0.15, 0.15, 2))
            rows, columns = np.minimum(size, pixels.shape).astype(int)
            top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
            part = labels[top : top + rows, left : left + columns]
            if ((part == 1) | (part == 2)).sum() > 0.02 * part.size:
                break
        yield pixels[top : top + rows, left : left + columns], part


def knees(folder, part):
    """Half of the knees for training, half to judge by; equal pictures are in the same half."""
    for path in sorted((folder / "knees" / "images").glob("*.jpg")):
        pixels = np.asarray(Image.open(path).convert("L"))
        is_train = hashlib.sha256(pixels.tobytes()).digest()[0] % 2 == 0
        if is_train == (part == "train"):
            yield pixels.astype(np.float32)


def without_femur(folder):
    """Real pictures that show no proximal femur: knees, crops of vertebrae, trunks."""
    yield from knees(folder, "train")
    paths = [folder / "pelvis" / "unlabelled" / f"{name}.jpg" for name in NO_FEMUR]
    for path in [*paths, *sorted((folder / "vertebrae").rglob("*.png"))]:
        yield np.asarray(Image.open(path).convert("L"), dtype=np.float32)


def training_pairs(arguments):
    """All images and label maps, the real ones, the simulated ones, or both."""
    pairs, empty = [], []
    if arguments.only != "simulated":
        pairs += real_pairs(arguments.data, arguments.seed)
        empty += without_femur(arguments.data)
    if arguments.only != "real":
        pairs += zip(*many(arguments.simulated, arguments.seed, 1), strict=True)
        spines = make_spines(10, random_state=arguments.seed).data
        empty += [cell.pixels for view in ("ap", "lateral") for cell in spines[view]]
    pairs += [(pixels, np.zeros(pixels.shape, dtype=np.uint8)) for pixels in empty]
    return zip(*pairs, strict=True)


def degraded(pixels, labels, rng):
    """A film as it is, and worse copies of it, on which outlines fail now and then: (pixels, labels) each."""
    yield pixels, labels
    yield ndimage.gaussian_filter(pixels, rng.uniform(4, 9)), labels
    yield pixels + rng.uniform(20, 70) * ndimage.gaussian_filter(rng.standard_normal(pixels.shape), 1.5) * 3, labels
    yield 255 * (pixels / 255) ** rng.choice([0.15, 5.0]), labels
    angle = rng.uniform(25, 60) * rng.choice([-1, 1])
    turned = ndimage.rotate(labels, angle, reshape=False, order=0, cval=UNKNOWN)
    yield ndimage.rotate(pixels, angle, reshape=False, order=1, mode="nearest"), turned
    rows = slice(rng.integers(0, 2) * len(pixels) // 3, None)
    columns = slice(None, int(rng.uniform(0.3, 0.8) * pixels.shape[1]))
    yield pixels[rows, columns], labels[rows, columns]
    covered = pixels.copy()
    top, left = (rng.integers(length // 4, length // 2) for length in pixels.shape)
    covered[top : top + len(pixels) // 5, left : left + pixels.shape[1] // 3] = rng.uniform(0, 255)
    yield covered, labels


def calibrate(segmenter, folder, seed):
    """Fit the confidence on the films that choices are made on, as they are and degraded."""
    rng = np.random.default_rng(seed)
    pairs = [
        pair
        for film in films(folder / "pelvis")
        if film.part == "choice"
        for pair in degraded(*film.read(), rng)
        if np.isin(pair[1], (1, 2)).any()
    ]
    segmenter.set_params(ignore_label=UNKNOWN).calibrate_confidence(*zip(*pairs, strict=True))


def judge(arguments):
    """Print a row of figures for each file of weights. Nothing is left out for a low confidence."""
    chosen = [film for film in films(arguments.data / "pelvis") if film.part == arguments.part and not film.full_size]
    # Knees are in two parts only; those that were trained on help to choose.
    without = list(knees(arguments.data, "test" if arguments.part == "test" else "train"))
    print(f"| weights | femora | n | Dice: median | tenth percentile | missed (below {MISSED}) | knees with a femur |")
    print("|---|---|---|---|---|---|---|")
    for path in arguments.judge:
        segmenter = UNetSegmenter.from_weights(path).set_params(min_confidence=0.0)
        invented = sum(outline.any() for outline in segmenter.predict(without))
        found = dice_by_kind(segmenter, chosen)
        for kind, values in found.items():
            print(
                f"| {path.stem} | {kind} | {len(values)} | {np.median(values):.3f} | {np.quantile(values, 0.1):.3f} | "
                f"{np.mean(values < MISSED):.1%} | {invented} of {len(without)} |",
                flush=True,
            )


def finish(segmenter, arguments):
    """Set the side of the frame in use, calibrate, and write the weights."""
    # At this side, and averaged with the mirror image, films of the part for choices are outlined best.
    segmenter.set_params(image_size=SIDE_IN_USE, test_time_mirroring=True)
    segmenter.architecture_ = replace(segmenter.architecture_, image_size=SIDE_IN_USE)
    calibrate(segmenter, arguments.data, arguments.seed)
    segmenter.save_weights(arguments.output)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder that holds pelvis, knees and vertebrae")
    parser.add_argument("--output", type=Path, default=Path("femur.safetensors"))
    parser.add_argument("--start", type=Path, help="go on from this file of weights")
    parser.add_argument("--encoder", default="tu-tf_efficientnet_lite0", help="another one starts at random")
    parser.add_argument("--decoder", type=int, nargs="+", default=[96, 64, 48, 32, 16])
    parser.add_argument("--simulated", type=int, default=120)
    parser.add_argument("--only", choices=("real", "simulated"), help="train on these alone")
    parser.add_argument("--stages", type=float, nargs="+", help="side, steps and rate of each stage")
    parser.add_argument("--judge", type=Path, nargs="+", help="only print figures of these files of weights")
    parser.add_argument("--part", default="choice", choices=("choice", "test"), help="part that --judge looks at")
    parser.add_argument("--calibrate", action="store_true", help="only calibrate the weights of the file --output")
    parser.add_argument("--smoke", action="store_true", help="two simulated images, a few steps: trains nothing of use")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    stages = np.reshape(arguments.stages, (-1, 3)) if arguments.stages else STAGES
    start = time.perf_counter()
    if arguments.calibrate:
        finish(UNetSegmenter.from_weights(arguments.output), arguments)
        return
    if arguments.judge:
        judge(arguments)
        return
    if arguments.smoke:
        stages, (images, masks) = [(64, 1, 1e-3)], many(2, arguments.seed, 1)
    else:
        images, masks = training_pairs(arguments)
    print(f"{len(images)} images in {time.perf_counter() - start:.0f} s", flush=True)
    segmenter = UNetSegmenter(
        CLASSES,
        encoder=arguments.encoder,
        encoder_weights="imagenet" if arguments.encoder == "tu-tf_efficientnet_lite0" else None,
        decoder_channels=tuple(arguments.decoder),
        mirror_classes=(CLASSES,),
    )
    if arguments.start:
        segmenter = UNetSegmenter.from_weights(arguments.start)
    segmenter.set_params(
        augmentation=AUGMENTATION,
        ignore_label=UNKNOWN,
        batch_size=BATCH,
        warm_start=True,
        random_state=arguments.seed,
        verbose=1,
    )
    for side, steps, rate in stages:
        epochs = max(1, round(steps * BATCH / len(images)))
        segmenter.set_params(image_size=int(side), epochs=epochs, learning_rate=float(rate)).fit(images, masks)
        print(f"{segmenter.history_.to_string(index=False)}\n{time.perf_counter() - start:.0f} s", flush=True)
        segmenter.save_weights(arguments.output)
    if not arguments.smoke and not arguments.stages:
        finish(segmenter, arguments)


if __name__ == "__main__":
    sys.exit(main())
