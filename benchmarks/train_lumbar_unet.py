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
from deepradiomics.simulation.hips import _covariates
from deepradiomics.simulation.projection import attenuation, site_named
from deepradiomics.simulation.spines import _CHAIN, _body_size, _draw_fractures, _front, _lateral, _Pose, _spine
from simulated_hips import collimated, develop, mark_borders, smooth
from train_femur_unet import AUGMENTATION

CLASSES = ("L1", "L2", "L3", "L4", "L5", "T12", "S1")
# Films reach higher than those of make_spines. Numbers as there; these bodies have no label, like T11.
CHAIN = {
    "T7": (20.0, 26.5, 31.0, -4.5, 0.0, 4.0),
    "T8": (21.0, 27.5, 32.5, -4.5, 0.5, 4.0),
    "T9": (22.0, 28.0, 34.0, -4.0, 1.0, 4.5),
    "T10": (23.5, 28.5, 36.0, -4.0, 1.5, 5.0),
} | _CHAIN
# (side of the frame, epochs, learning rate)
STAGES = ((160, 8, 2e-3), (224, 4, 1e-3))


def foreign(gray, spacing, rng):
    """Add surgical clips, wires and a burnt marker, brighter than bone."""
    rows, columns = np.mgrid[: gray.shape[0], : gray.shape[1]]
    for _ in range(rng.integers(0, 8) if rng.random() < 0.4 else 0):
        middle, angle = rng.uniform(0, 1, 2) * gray.shape, rng.uniform(0, np.pi)
        along = np.cos(angle) * (rows - middle[0]) + np.sin(angle) * (columns - middle[1])
        across = np.cos(angle) * (columns - middle[1]) - np.sin(angle) * (rows - middle[0])
        half_length, half_width = rng.uniform(2, 6) / spacing, max(0.5, rng.uniform(0.5, 1.5) / spacing)
        clip = (np.abs(along) < half_length) & (np.abs(across) < half_width)
        gray = np.where(clip, np.maximum(gray, rng.uniform(0.8, 1)), gray)
    if rng.random() < 0.25:
        height, width = rng.integers(5, 20, 2)
        top, left = rng.integers(0, gray.shape[0] - height), rng.integers(0, gray.shape[1] - width)
        gray = gray.copy()
        gray[top : top + height, left : left + width] = rng.choice((0.0, 1.0), size=(height, width), p=(0.4, 0.6))
    return gray


def simulate(view, seed):
    """Simulate one radiograph: float32 grey values in 0..1 and uint8 labels, both (H, W)."""
    rng = np.random.default_rng(seed)
    site = site_named(str(rng.choice(list("ABC"))))
    patient = _body_size(_covariates(rng), rng) | {"weight": rng.uniform(40, 100)}
    broken = _draw_fractures(patient | {"t_score": rng.uniform(-4, 1)}, rng)
    spine = _spine(patient["height"] / 162, broken, rng, CHAIN)
    # From a lumbar film to one of the trunk.
    rows, height = 288, np.exp(rng.uniform(np.log(240), np.log(440)))
    columns = int(rows * rng.uniform(0.55, 1.0))
    pose = _Pose((rows, columns), height / rows, spine, view, rng)
    pose.origin = np.array([columns * rng.uniform(0.35, 0.65), rows * rng.uniform(0.38, 0.58)])
    pose.x = ((np.arange(columns, dtype=np.float32) + 0.5 - pose.origin[0]) * pose.spacing)[None, :]
    pose.y = ((np.arange(rows, dtype=np.float32) + 0.5 - pose.origin[1]) * pose.spacing)[:, None]
    if view == "ap" and rng.random() < 0.6:  # scoliosis
        pose.slope, pose.bend = rng.normal(0, 0.08), (rng.normal(0, 15), rng.uniform(55, 110), rng.uniform(0, 6.3))
    pose.frames = [pose._frame(vertebra) for vertebra in spine]
    bone = {"shell": rng.uniform(0.2, 1.1), "trabeculae": rng.uniform(0.25, 1.5)}
    bone, soft, beam, labels = {"ap": _front, "lateral": _lateral}[view](spine, bone, patient, pose, site, rng)
    mu_bone, mu_soft = attenuation(beam.kilovolts)
    integral = covered(mu_bone * faint(bone, pose.spacing, rng) + mu_soft * soft, pose.spacing, rng)
    integral = integral + rng.uniform(0, 0.03) * rng.standard_normal(integral.shape)
    integral, labels = moved(integral, labels, rng)
    inside = collimated(labels.shape, rng)
    grey = develop(integral, inside, pose.spacing, rng)
    grey = foreign(grey, pose.spacing, rng)
    return mark_borders(grey, inside, rng), np.where(inside > 0.5, labels, 0).astype(np.uint8)


def faint(bone, spacing, rng):
    """Bring bone near to that of films: fine trabeculae fade, bone before and behind fills the gaps of the discs."""
    bone = ndimage.gaussian_filter(bone, rng.uniform(0.3, 1.2) / spacing)
    haze = rng.uniform(0, 0.55)
    bone = (1 - haze) * bone + haze * ndimage.gaussian_filter(bone, rng.uniform(5, 16) / spacing)
    return rng.uniform(0.6, 1.3) * bone


def covered(integral, spacing, rng):
    """Lay soft tissue over a picture that the simulation does not know: gradients, organs, gas, air beside the body."""
    integral = ndimage.gaussian_filter(integral, rng.uniform(0, 0.7) / spacing)
    integral = integral + rng.uniform(0.05, 0.4) * smooth(integral.shape, 4, rng)
    integral = integral + rng.uniform(0.02, 0.1) * smooth(integral.shape, 15, rng)
    rows, columns = (np.arange(n)[:, None] * spacing for n in integral.shape)
    for _ in range(rng.integers(0, 25)):
        middle = rng.uniform(0, 1, 2) * (rows[-1, 0], columns[-1, 0])
        turn, radii = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(5), np.log(90), 2))
        dx, dy = columns.T - middle[1], rows - middle[0]
        u, v = (np.cos(turn) * dx + np.sin(turn) * dy) / radii[0], (np.cos(turn) * dy - np.sin(turn) * dx) / radii[1]
        blob = np.clip(rng.uniform(0.7, 6) * (1 - np.hypot(u, v)), 0, 1)
        strength = rng.uniform(-0.5, 0.1) if radii.max() < 30 else rng.uniform(-0.4, 0.4)
        integral = integral + strength * blob
    for _ in range(rng.integers(0, 6)):  # loops of bowel: gas and what is digested
        middle = rng.uniform(0, 1, 2) * (rows[-1, 0], columns[-1, 0])
        away = np.hypot((columns.T - middle[1]) / rng.uniform(20, 80), (rows - middle[0]) / rng.uniform(20, 60))
        inside = np.clip(3 - 3 * away, 0, 1)
        grains = np.clip(smooth(integral.shape, int(rng.integers(15, 60)), rng) + rng.uniform(-1, 1), 0, 1.5)
        integral = integral - rng.uniform(0.05, 0.35) * inside * grains
    if rng.random() < 0.4:
        side = columns.T if rng.random() < 0.5 else columns.T[:, ::-1]
        edge = rng.uniform(0, 0.3) * columns[-1, 0] + 15 * smooth(integral.shape, 3, rng)
        integral = integral - rng.uniform(0.8, 2.5) * np.clip((edge - side) / rng.uniform(5, 40), 0, 1)
    return integral


def moved(integral, labels, rng):
    """Turn, scale and crop a picture and its labels; L1 to L4 stay in it."""
    angle, scale = np.deg2rad(np.clip(rng.normal(0, 5), -15, 15)), np.exp(rng.uniform(-0.2, 0.3))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    middle = np.array(labels.shape) / 2
    offset = middle - turn @ middle
    integral = ndimage.affine_transform(integral, turn, offset, order=1, mode="nearest")
    labels = ndimage.affine_transform(labels, turn, offset, order=0)
    rows, columns = np.nonzero((labels >= 1) & (labels <= 4))
    if not len(rows) or rng.random() < 0.65:
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
        encoder_weights=None if arguments.smoke else arguments.imagenet,
        decoder_channels=(64, 48, 32, 24, 16),
        mirror_classes=(),
        augmentation=AUGMENTATION,
        batch_size=8,
        warm_start=True,
        random_state=arguments.seed,
    )
    if arguments.start:
        segmenter = UNetSegmenter.from_weights(arguments.start)
        segmenter.set_params(augmentation=AUGMENTATION, batch_size=8, warm_start=True, random_state=arguments.seed)
    start = time.perf_counter()
    images, masks = many(arguments.view, arguments.images, arguments.seed + 1, arguments.jobs)
    print(f"{len(images)} images in {time.perf_counter() - start:.0f} s", flush=True)
    stages = np.reshape(arguments.stages, (-1, 3)) if arguments.stages else STAGES
    for side, epochs, rate in [(64, 1, 1e-3)] if arguments.smoke else stages:
        segmenter.set_params(image_size=int(side), epochs=int(epochs), learning_rate=float(rate)).fit(images, masks)
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
    parser.add_argument("--encoder", default="tu-tf_efficientnet_lite0")
    parser.add_argument("--imagenet", default="imagenet", help="weights of the encoder: a name, or a safetensors file")
    parser.add_argument("--start", type=Path, help="go on from this file of weights; give another seed for new images")
    parser.add_argument("--stages", type=float, nargs="+", help="side, epochs and rate of each stage")
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
