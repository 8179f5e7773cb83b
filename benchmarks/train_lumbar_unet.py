"""Train the weights that `UNetSegmenter.pretrained("lumbar-ap")` and ``("lumbar-lateral")`` load, on simulation only.

``python benchmarks/train_lumbar_unet.py lateral --output lateral.safetensors`` simulates spines, turns, scales and
crops them, lets exposure, processing, collimation, borders and markers vary as `train_femur_unet.py` does, trains, and
prints Dice on patients it has not seen.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from scipy import ndimage

from deepradiomics import UNetSegmenter
from deepradiomics.simulation import make_spines
from simulated_hips import collimated, develop, foreign, mark_borders

CLASSES = ("L1", "L2", "L3", "L4", "L5", "T12", "S1")
# (side of the frame, epochs, learning rate)
STAGES = ((160, 6, 2e-3), (256, 3, 1e-3))


def simulate(view, seed):
    """Simulate one radiograph: float32 grey values in 0..1 and uint8 labels, both (H, W)."""
    rng = np.random.default_rng(seed)
    spine = make_spines(
        1, site=str(rng.choice(list("ABC"))), random_state=int(rng.integers(2**31)), image_shape=(384, 288)
    )
    radiograph, labels = spine.data[view][0], spine[f"masks_{view}"][0]
    # Grey values of the simulation are a line of the attenuation, so they can be developed again.
    integral = (radiograph.pixels - radiograph.pixels.min()) / max(np.ptp(radiograph.pixels), 1)
    integral, labels = moved(integral, labels, rng)
    inside = collimated(labels.shape, rng)
    grey = develop(integral, inside, radiograph.spacing[0], rng)
    grey = foreign(grey, radiograph.spacing[0], rng)
    return mark_borders(grey, inside, rng), np.where(inside > 0.5, labels, 0).astype(np.uint8)


def moved(integral, labels, rng):
    """Turn, scale and crop a picture and its labels; L1 to L4 stay in it."""
    angle, scale = np.deg2rad(np.clip(rng.normal(0, 5), -15, 15)), np.exp(rng.uniform(-0.2, 0.3))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    middle = np.array(labels.shape) / 2
    offset = middle - turn @ middle
    integral = ndimage.affine_transform(integral, turn, offset, order=1, mode="nearest")
    labels = ndimage.affine_transform(labels, turn, offset, order=0)
    rows, columns = np.nonzero((labels >= 1) & (labels <= 4))
    if not len(rows):
        return integral, labels
    top, left = int(rng.uniform(0, 0.9) * rows.min()), int(rng.uniform(0, 0.9) * columns.min())
    height, width = labels.shape
    bottom = height - int(rng.uniform(0, 0.9) * (height - 1 - rows.max()))
    right = width - int(rng.uniform(0, 0.9) * (width - 1 - columns.max()))
    return integral[top:bottom, left:right], labels[top:bottom, left:right]


def many(view, n_images, seed, n_jobs):
    """Simulate images and label maps; every seed gives others."""
    return zip(*Parallel(n_jobs)(delayed(simulate)(view, (seed, number)) for number in range(n_images)), strict=True)


def train(arguments):
    """Train stage by stage on the same patients."""
    segmenter = UNetSegmenter(
        CLASSES,
        encoder=arguments.encoder,
        decoder_channels=(64, 48, 32, 16),
        mirror_classes=(),
        augmentation={"rotation": 6, "scale": 0.1, "shift": 0.05, "gamma": 0.3, "exposure": 0.15},
        batch_size=8,
        warm_start=True,
        mixed_precision=True,
        random_state=arguments.seed,
    )
    start = time.perf_counter()
    images, masks = many(arguments.view, arguments.images, arguments.seed + 1, arguments.jobs)
    print(f"{len(images)} images in {time.perf_counter() - start:.0f} s", flush=True)
    for side, epochs, rate in [(64, 1, 1e-3)] if arguments.smoke else STAGES:
        segmenter.set_params(image_size=side, epochs=epochs, learning_rate=rate).fit(images, masks)
        print(f"{segmenter.history_.to_string(index=False)}\n{time.perf_counter() - start:.0f} s", flush=True)
        segmenter.save_weights(arguments.output)


def report(arguments, n_images):
    """Print Dice of the file written, on the wide range and on plain pictures of both sites."""
    segmenter = UNetSegmenter.from_weights(arguments.output)
    images, masks = many(arguments.view, n_images, arguments.seed + 999_999, arguments.jobs)
    print(f"wide range: Dice {segmenter.score(images, masks):.3f}")
    for site in "AB":
        spines = make_spines(min(20, n_images), site=site, random_state=arguments.seed)
        found = segmenter.score(list(spines.data[arguments.view]), spines[f"masks_{arguments.view}"])
        print(f"site {site}: Dice {found:.3f}", flush=True)


def main():
    """Train and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("view", nargs="?", default="lateral", choices=["ap", "lateral"])
    parser.add_argument("--output", type=Path, default=Path("lumbar.safetensors"))
    parser.add_argument("--images", type=int, default=1200)
    parser.add_argument("--encoder", default="tu-resnet18")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--smoke", action="store_true", help="a run of seconds that trains nothing of use")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.images = 10
    train(arguments)
    report(arguments, 3 if arguments.smoke else 60)


if __name__ == "__main__":
    main()
