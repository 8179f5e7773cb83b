"""Write the shape model of pelvis and femur that comes with the package.

``python benchmarks/export_hip_shape.py llp26_dense_f16.npz src/deepradiomics/simulation/hip_shape.npz`` reads the lower
limb model of the package musculoskeletal-models as dense surfaces (arrays ``pelvis_mean``, ``pelvis_modes``,
``pelvis_faces`` and the same of ``femur``, in mm) and writes 15 of its modes, with the vertices that are landmarks,
which are found here on the mean shape, once. ``--smoke`` fits the head of the shape that comes with the package.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from deepradiomics import simulation

N_MODES = 15
# Landmarks of the model's own mean shape in mm, from the same package: hip joint centres, epicondyles, spines.
NAMED = {
    "head": (118.3, 1.3, 1202.5),
    "left_socket": (113.0, -3.2, 1195.8),
    "right_socket": (-56.1, 1.6, 1209.6),
    "medial": (39.4, 46.8, 820.8),
    "lateral": (116.7, 67.3, 820.7),
}


def sphere(points):
    """Centre and radius of the sphere through points (n, 3), by least squares."""
    system = np.column_stack([2 * points, np.ones(len(points))])
    solved = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    return solved[:3], float(np.sqrt(solved[3] + solved[:3] @ solved[:3]))


def unit(vector):
    """The vector at length 1."""
    return vector / np.linalg.norm(vector)


def on_sphere(vertices, near, reach):
    """Vertices (indices) of the spherical part of a joint, and its centre and radius."""
    away = np.linalg.norm(vertices - near, axis=1)
    found = np.flatnonzero(away < reach)
    for _ in range(5):
        centre, radius = sphere(vertices[found])
        away = np.linalg.norm(vertices - centre, axis=1)
        found = np.flatnonzero((np.abs(away - radius) < 1.5) & (np.linalg.norm(vertices - near, axis=1) < reach))
    return found, centre, radius


def neck_rings(femur, head, radius, shaft):
    """Rings of vertices across the neck, -1 elsewhere: each belongs to one slice of 2.5 mm along the axis."""
    axis = unit(shaft - head)
    for _ in range(10):
        along, across = split(femur - head, axis)
        middles = [
            (femur[chosen].min(0) + femur[chosen].max(0)) / 2
            for low in np.arange(24, 36, 3.0)
            if (chosen := (along > low) & (along < low + 3) & (across < 30)).sum() > 8
        ]
        axis = unit(np.mean(middles, axis=0) - head)
    along, across = split(femur - head, axis)
    rings = np.floor((along - 0.8 * radius) / 2.5).astype(int)
    return np.where((rings >= 0) & (rings < 12) & (across < 30), rings, -1).astype(np.int8), axis


def split(points, axis):
    """Parts of points along an axis and away from it."""
    along = points @ axis
    return along, np.linalg.norm(points - along[:, None] * axis, axis=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dense", type=Path, nargs="?")
    parser.add_argument("target", type=Path, nargs="?")
    parser.add_argument("--smoke", action="store_true", help="only measure the head of the shipped shape")
    arguments = parser.parse_args()
    if arguments.smoke:
        shipped = np.load(Path(simulation.__file__).parent / "hip_shape.npz")
        print(f"head of {sphere(shipped['femur_mean'][shipped['head']])[1]:.1f} mm")
        return
    dense, target = np.load(arguments.dense), arguments.target
    pelvis, femur = dense["pelvis_mean"].astype(float), dense["femur_mean"].astype(float)
    head, centre, radius = on_sphere(femur, NAMED["head"], 27)
    sockets = {f"{side}_socket": on_sphere(pelvis, NAMED[f"{side}_socket"], 33) for side in ("left", "right")}
    epicondyles = cKDTree(femur).query([NAMED["medial"], NAMED["lateral"]])[1]
    down = unit(femur[epicondyles].mean(0) - centre)
    depth = (femur - centre) @ down
    # The shaft's axis runs through the middles of its slices, on the mean shape and on every other one.
    slices = np.where((depth > 85) & (depth < 200), np.floor((depth - 85) / 11.5), -1).astype(np.int8)
    middles = np.array([femur[slices == k].mean(0) for k in range(10)])
    axis = unit(np.linalg.svd(middles - middles.mean(0))[2][0])
    outwards = unit(np.cross(np.cross(down, femur[epicondyles[1]] - femur[epicondyles[0]]), down))
    rings, neck = neck_rings(femur, centre, radius, middles[0] - 60 * unit(middles[-1] - middles[0]))
    medial = -(femur - middles[0]) @ outwards - 0.6 * (femur - middles[0]) @ -np.cross(outwards, down)
    lesser = np.flatnonzero((depth > 42) & (depth < 78))[np.argmax(medial[(depth > 42) & (depth < 78)])]
    arrays = {
        "pelvis_mean": (pelvis - centre).astype(np.float32),
        "femur_mean": (femur - centre).astype(np.float32),
        "pelvis_modes": dense["pelvis_modes"][:N_MODES],
        "femur_modes": dense["femur_modes"][:N_MODES],
        "pelvis_faces": dense["pelvis_faces"],
        "femur_faces": dense["femur_faces"],
        "pelvis_part": dense["pelvis_body"],
        "head": head.astype(np.uint16),
        **{name: found[0].astype(np.uint16) for name, found in sockets.items()},
        "epicondyles": epicondyles.astype(np.uint16),
        "neck_ring": rings,
        "shaft_slice": slices,
        "lesser": np.uint16(lesser),
    }
    np.savez_compressed(target, **arrays)
    print(f"{target.stat().st_size / 1e6:.2f} MB; head of {radius:.1f} mm, {len(head)} vertices")
    for name, (found, _, size) in sockets.items():
        print(f"{name} of {size:.1f} mm, {len(found)} vertices")
    print(f"neck and shaft at {180 - np.degrees(np.arccos(abs(axis @ neck))):.0f} degrees")
    print(f"lesser trochanter {depth[lesser]:.0f} mm below the head, at {femur[lesser] - centre}")
    print("vertices a ring", np.bincount(rings[rings >= 0]), "a slice", np.bincount(slices[slices >= 0]))


if __name__ == "__main__":
    main()
