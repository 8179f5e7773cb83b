"""Simulate hips over a wide range, wider than any site's, for training: poses, crops, exposures, borders, metal.

``python benchmarks/simulated_hips.py folder`` writes some of them beside their outlines, to be looked at.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from scipy import ndimage

from deepradiomics.simulation.bone import femur_bone, pelvis_bone
from deepradiomics.simulation.pelvic import _plane, lumbar_bone
from deepradiomics.simulation.pelvic import soft_tissue as plain_tissue
from deepradiomics.simulation.projection import SITES, attenuation
from deepradiomics.simulation.rarities import deposits, operate
from deepradiomics.simulation.rays import Beam
from deepradiomics.simulation.skeleton import draw_skeleton


def simulate(seed):
    """Simulate one radiograph of one or two hips: float32 grey values in 0..1 and uint8 labels, both (H, W)."""
    rng = np.random.default_rng(seed)
    half_width = rng.uniform(78, 102)
    shape, spacing, centre = field(half_width, rng)
    angle = float(np.clip(rng.normal(0, 9), -30, 30))
    x, y = body_coordinates(shape, spacing, centre, angle)
    corner = centre[0] - shape[1] / 2 * spacing, shape[0] / 2 * spacing - centre[1]
    beam = Beam(shape, spacing, corner, (rng.normal(0, 25), -rng.uniform(750, 1500), rng.normal(-20, 40)))
    skeleton = turned(posed(half_width, rng), angle)
    bone, labels = femora(beam, skeleton, rng)
    bone += pelvis(beam, skeleton, rng)
    bone += deposits(skeleton, (beam.flat, *_plane(beam, 1)), SITES["rare"], rng)
    weight, sex = rng.normal(66, 14), rng.choice(["F", "M"])
    soft = plain_tissue(beam, skeleton, weight, sex, rng) if rng.random() < 0.5 else soft_tissue(x, y, rng)
    integral = rays(bone, soft, spacing, rng)
    inside = collimated(shape, rng)
    grey = develop(integral, inside, spacing, rng)
    grey = marked(grey, rng)
    return mark_borders(grey, inside, rng), np.where(inside > 0.5, labels, 0).astype(np.uint8)


def field(half_width, rng):
    """Draw what the picture shows: rows and columns, mm a pixel, and its centre (x, y) in mm."""
    side = rng.choice((-1, 1))
    kind = rng.choice(4, p=(0.27, 0.48, 0.20, 0.05))
    if kind == 0:  # the pelvis
        height, width = rng.uniform(260, 440), rng.uniform(330, 460)
        centre = rng.normal(0, 12), rng.uniform(-60, 60)
    elif kind == 1:  # one hip, from a narrow strip to a wide plate
        height = rng.uniform(120, 300)
        width = height * np.exp(rng.uniform(np.log(0.45), np.log(1.1)))
        centre = side * (half_width + rng.normal(18, 14)), height * rng.uniform(-0.05, 0.35)
    elif kind == 3:  # anywhere: often no femur, or a piece of one
        height, width = rng.uniform(80, 250, 2)
        centre = rng.normal(0, 60), rng.normal(-60, 70)
    else:  # one hip with the middle of the pelvis
        height, width = rng.uniform(260, 440), rng.uniform(200, 360)
        centre = side * (half_width + rng.uniform(-60, 20)), rng.uniform(-50, 70)
    spacing = max(height, width) / rng.uniform(190, 280)
    return (round(height / spacing), round(width / spacing)), spacing, centre


def body_coordinates(shape, spacing, centre, degrees):
    """Coordinates of each pixel in mm: x from the midline, y below the heads, of a body that is turned."""
    angle = np.deg2rad(degrees)
    rows, columns = ((np.arange(n) + 0.5 - n / 2) * spacing for n in shape)
    x, y = columns + centre[0], rows[:, None] + centre[1]
    return np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x


def posed(half_width, rng):
    """Draw a skeleton; a leg in three lies abducted, or turned and flexed like a frog's."""
    legs = {}
    for side in ("left", "right"):
        pose = rng.normal((3, -2, 2), (5, 12, 6))
        if rng.random() < 0.3:
            pose = pose + rng.uniform((0, -10, -5), (35, 60, 50))
        legs[side] = tuple(pose)
    turn = tuple(rng.normal(0, (9, 6, 0)))
    return draw_skeleton(rng, size=half_width / 88, variety=1.1, pelvis_turn=turn, legs=legs)


def turned(skeleton, degrees):
    """Turn a skeleton in the picture, clockwise."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]).T
    femora = {
        side: replace(femur, vertices=femur.vertices @ turn, normals=femur.normals @ turn)
        for side, femur in skeleton.femora.items()
    }
    normals = skeleton.pelvis_normals @ turn
    return replace(skeleton, pelvis=skeleton.pelvis @ turn, pelvis_normals=normals, femora=femora)


def femora(beam, skeleton, rng):
    """Bone of both femora along the rays in mm, and their labels."""
    bone, labels, quality = np.zeros(beam.shape), np.zeros(beam.shape, dtype=np.uint8), rng.normal(0, 1)
    cortex = float(np.clip(0.75 + 0.2 * quality + rng.normal(0, 0.1), 0.25, 1.5))
    strength = float(np.clip(0.75 * np.exp(0.5 * quality + rng.normal(0, 0.3)), 0.12, 2.2))
    for label, femur in enumerate(skeleton.femora.values(), 1):
        projected, outer = femur_bone(beam, femur, rng, cortex=cortex, trabeculae=strength)
        labels[outer > 0] = label
        projected *= np.exp(0.25 * smooth(beam.shape, 5, rng))
        if rng.random() < SITES["rare"].metal:
            kind, plane = rng.choice(("prosthesis", "nail", "screws")), (beam.flat, *_plane(beam, 1))
            bone += operate(projected, labels, femur, label, plane, kind, rng)
        bone += projected
    return bone, labels


def pelvis(beam, skeleton, rng):
    """Bone of pelvis and lumbar spine along the rays in mm."""
    cortex, strength = rng.uniform(0.3, 1.8), rng.uniform(0.3, 1.8)
    bone = pelvis_bone(beam, skeleton, rng, cortex=cortex, trabeculae=strength)
    bone = bone + rng.uniform(0.3, 1.5) * lumbar_bone(beam, skeleton, rng.uniform(0.4, 1.5), rng)
    return bone * rng.uniform(0.6, 1.4) * np.exp(0.3 * smooth(beam.shape, 7, rng))


def soft_tissue(x, y, rng):
    """Soft tissue along the beam in mm: trunk, thighs, folds, gas, and air beside the body."""
    thickness, reach = rng.uniform(110, 260), rng.uniform(140, 260)
    trunk = np.sqrt(np.clip(1 - (x / reach) ** 2, 0, 1))
    apart = rng.uniform(75, 120)
    thighs = rng.uniform(0.7, 1) * np.sqrt(
        np.clip(1 - ((np.abs(x) - apart) / (apart + rng.uniform(-10, 25))) ** 2, 0, 1)
    )
    below = 1 / (1 + np.exp(-np.clip((y - rng.uniform(30, 90)) / rng.uniform(6, 25), -50, 50)))
    soft = thickness * (trunk * (1 - below) + thighs * below) + rng.uniform(2, 14) * smooth(x.shape, 9, rng)
    for _ in range(rng.integers(0, 6)):  # gas in the bowel
        middle = rng.normal(0, 45), rng.uniform(-190, -15)
        depth = 1 - np.hypot((x - middle[0]) / rng.uniform(6, 30), (y - middle[1]) / rng.uniform(6, 30))
        soft = soft - rng.uniform(10, 60) * np.clip(3 * depth, 0, 1)
    for _ in range(rng.integers(0, 8)):  # muscles and fat, where the hips are
        middle = rng.choice((-1, 1)) * rng.uniform(50, 160), rng.uniform(-80, 130)
        turn, radii = rng.uniform(0, np.pi), rng.uniform(10, 60, 2)
        u = np.cos(turn) * (x - middle[0]) + np.sin(turn) * (y - middle[1])
        v = np.cos(turn) * (y - middle[1]) - np.sin(turn) * (x - middle[0])
        soft = soft + rng.uniform(-18, 30) * np.clip(
            rng.uniform(1, 6) * (1 - np.hypot(u / radii[0], v / radii[1])), 0, 1
        )
    for _ in range(rng.integers(0, 4)):  # folds of the skin
        angle, offset = rng.uniform(0, np.pi), rng.uniform(-150, 150)
        away = np.cos(angle) * x + np.sin(angle) * y - offset
        soft = soft + rng.uniform(-14, 20) * np.clip(away / rng.uniform(1, 12), 0, 1)
    return np.maximum(soft, 0)


def rays(bone, soft, spacing, rng):
    """Attenuation along each beam, blurred and noisy."""
    mu_bone, mu_soft = attenuation(rng.uniform(60, 95))
    integral = rng.uniform(0.6, 1.2) * mu_bone * bone + mu_soft * soft
    integral = ndimage.gaussian_filter(integral, rng.uniform(0.2, 1.1) / spacing)
    return integral + rng.uniform(0, 0.06) * rng.standard_normal(bone.shape)


def collimated(shape, rng):
    """Share of each pixel that the beam reaches: 1 inside the collimation, 0 outside."""
    if rng.random() < 0.55:
        return np.ones(shape)
    angle = np.deg2rad(rng.normal(0, 3))
    rows, columns = np.ogrid[-0.5 : 0.5 : shape[0] * 1j, -0.5 : 0.5 : shape[1] * 1j]
    u, v = np.cos(angle) * columns + np.sin(angle) * rows, np.cos(angle) * rows - np.sin(angle) * columns
    left, right, top, bottom = np.where(rng.random(4) < 0.6, rng.uniform(0.25, 0.5, 4), 1)
    inside = np.minimum(np.minimum(u + left, right - u), np.minimum(v + top, bottom - v))
    return np.clip(0.5 + inside * max(shape) / rng.uniform(0.5, 4), 0, 1)


def develop(integral, inside, spacing, rng):
    """Turn attenuation into grey values in 0..1 as the processing of some vendor would."""
    if rng.random() < 0.6:
        wide = ndimage.gaussian_filter(integral, rng.uniform(6, 30) / spacing)
        integral = integral + rng.uniform(0, 2.0) * (integral - wide)
    if rng.random() < 0.3:
        fine = ndimage.gaussian_filter(integral, rng.uniform(1, 3) / spacing)
        integral = integral + rng.uniform(0, 1.5) * (integral - fine)
    low, high = np.percentile(integral[inside > 0.5], (rng.uniform(0, 30), rng.uniform(88, 100)))
    grey = np.clip((integral - low) / max(high - low, 1e-6), 0, 1) ** np.exp(rng.uniform(-0.7, 0.7))
    if rng.random() < 0.3:
        grey = grey * grey * (3 - 2 * grey)
    return rng.uniform(0, 0.2) + rng.uniform(0.45, 0.8) * grey


def marked(grey, rng):
    """Add a marker, brighter than bone."""
    if rng.random() < 0.25:
        height, width = rng.integers(5, 20, 2)
        top, left = rng.integers(0, grey.shape[0] - height), rng.integers(0, grey.shape[1] - width)
        grey = grey.copy()
        grey[top : top + height, left : left + width] = rng.choice((0.0, 1.0), size=(height, width), p=(0.4, 0.6))
    return grey


def mark_borders(grey, inside, rng):
    """Fill what lies outside the collimation: bright as an unexposed plate, black, or grey with a wedge of scatter."""
    border = rng.choice((1.0, 1.0, 0.0, rng.uniform(0.3, 1)))
    outside = np.clip(border + rng.uniform(0, 0.3) * smooth(grey.shape, 3, rng), 0, 1)
    grey = inside * grey + (1 - inside) * outside
    if rng.random() < 0.15:
        rows = slice(-int(rng.integers(1, 12)), None)
        grey[rows] = np.clip(grey[rows] * rng.uniform(0, 1) + rng.uniform(0, 1), 0, 1)
    return (grey + 0.01 * rng.standard_normal(grey.shape)).astype(np.float32)


def smooth(shape, n_knots, rng):
    """Slowly changing noise of standard deviation about 1."""
    return ndimage.zoom(
        rng.normal(0, 1, (n_knots, n_knots)), np.array(shape) / n_knots, order=1, grid_mode=True, mode="nearest"
    )[: shape[0], : shape[1]]


def many(n_images, seed, n_jobs):
    """Simulate images and label maps; every seed gives others."""
    return zip(*Parallel(n_jobs)(delayed(simulate)((seed, number)) for number in range(n_images)), strict=True)


def write_pictures(folder, n_images, seed):
    """Write simulated radiographs beside their outlines."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n_images):
        grey, labels = simulate((seed, number))
        pair = np.hstack([np.clip(grey, 0, 1), labels / 2])
        Image.fromarray((255 * pair).astype(np.uint8)).save(folder / f"wide_{number:03d}.png")
    print(f"{n_images} pictures in {folder}")


if __name__ == "__main__":
    smoke = sys.argv[1] == "--smoke"
    write_pictures(Path("." if smoke else sys.argv[1]), 1 if smoke else 24, seed=0)
