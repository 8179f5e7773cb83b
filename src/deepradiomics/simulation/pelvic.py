"""What lies round the hips: lumbar vertebrae, coccyx, muscles, fat planes, skin, bowel gas."""

import numpy as np
from scipy import ndimage

from deepradiomics.simulation.anatomy import _bell, _capsule, _enlarged, _flat_bone, _sigmoid
from deepradiomics.simulation.bone import _cloud
from deepradiomics.simulation.skeleton import model
from deepradiomics.simulation.vertebra import Body, Outline, arch_front, body_bone

_FAT = 0.19  # by which a mm of fat attenuates less than one of muscle


def lumbar_bone(beam, skeleton, trabeculae, rng):
    """Project L4, L5 and the coccyx, which the shape model lacks.

    Parameters
    ----------
    beam : Beam
        Tube and picture.
    skeleton : Skeleton
        On whose sacrum they stand.
    trabeculae : float
        Strength of the trabeculae; 1 is a healthy adult.
    rng : numpy.random.Generator
        Draws them.

    Returns
    -------
    float array of shape (H, W)
        Compact bone along each ray, in mm.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.pelvic import lumbar_bone
    >>> from deepradiomics.simulation.rays import Beam
    >>> from deepradiomics.simulation.skeleton import draw_skeleton
    >>> beam = Beam((100, 100), 3.0, (-150.0, 150.0), (0.0, -1000.0, 0.0))
    >>> bone = lumbar_bone(beam, draw_skeleton(np.random.default_rng(0)), 1.0, np.random.default_rng(0))
    >>> bool(bone[:20].max() > 3), float(bone[80:].max())
    (True, 0.0)
    """
    x, y = _plane(beam, 1)
    bone = np.zeros(beam.shape)
    sacrum = beam.flat(skeleton.pelvis[model()["pelvis_part"] == 2])
    top = sacrum[sacrum[:, 1] > sacrum[:, 1].max() - 25].mean(axis=0)
    for step, tilt in ((16.0, 0.75), (49.0, 0.92)):
        across, down = x - top[0] - rng.normal(0, 1), y + top[1] + step * skeleton.size
        rows = np.flatnonzero(np.abs(down[:, 0]) < 60)
        columns = np.flatnonzero(np.abs(across[0]) < 62)
        if not rows.size or not columns.size:
            continue
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        u, v = across[:, window[1]], down[window[0]]
        outline = Outline(25 * skeleton.size, 27.0, 25.0, 27.0, (3.0, 3.0))
        body = Body(
            outline, 17.0, shell=0.55, trabeculae=min(trabeculae, 1.8), spread=18.0, free=(), pixel=beam.spacing
        )
        u, v = np.broadcast_arrays(u, v / tilt)
        bone[window] += body_bone(body, u, v, rng)[0] + 0.7 * arch_front(outline, u, v, skeleton.size)
    low = sacrum[:, 1].min()
    columns, rows = (
        np.flatnonzero(np.abs(axis - middle) < 30) for axis, middle in ((x[0], top[0]), (y[:, 0], 10 - low))
    )
    if rows.size and columns.size:
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        u, v = x[:, window[1]] - top[0] - rng.normal(0, 1), y[window[0]] + low - 2
        for piece in range(3):
            radius = 7.0 - 1.6 * piece
            bone[window] += _flat_bone(_capsule(u, v, (-2, 8 * piece), (2, 8 * piece), radius, radius), 0.8, 0.1, 4)
    return bone


def soft_tissue(beam, skeleton, weight, sex, rng):
    """Soft tissue along each ray: trunk, thighs, muscles with fat between them, bladder, bowel gas.

    Parameters
    ----------
    beam : Beam
        Tube and picture.
    skeleton : Skeleton
        The thighs follow its femora.
    weight : float
        In kg.
    sex : {"F", "M"}
        Men have a scrotum.
    rng : numpy.random.Generator
        Draws shapes and gas.

    Returns
    -------
    float32 array of shape (H, W)
        In mm of muscle.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.pelvic import soft_tissue
    >>> from deepradiomics.simulation.rays import Beam
    >>> from deepradiomics.simulation.skeleton import draw_skeleton
    >>> beam = Beam((60, 60), 5.0, (-150.0, 150.0), (0.0, -1000.0, 0.0))
    >>> soft = soft_tissue(beam, draw_skeleton(np.random.default_rng(0)), 62.0, "F", np.random.default_rng(0))
    >>> bool(100 < soft.mean() < 250)
    True
    """
    step = max(1, min(int(2.4 / beam.spacing), min(beam.shape) // 16))
    x, y = (axis.astype(np.float32) for axis in _plane(beam, step))
    size = 1 + 0.006 * (weight - 62)
    reach, thickness = rng.uniform(178, 200) * size, 185 * size * rng.uniform(0.93, 1.07)
    trunk = thickness * np.clip(1 - np.abs(x / reach) ** 2.8, 0, 1) ** 0.4 * (1 + 0.0004 * y)
    soft, thighs, apart = 0.0, 0.0, rng.uniform(-12, 14)
    for femur in skeleton.femora.values():
        sign = 1 if femur.side == "left" else -1
        head, shaft = beam.flat(femur.head[0][None])[0] * (1, -1), beam.flat(femur.shaft) * (1, -1)
        lean = (shaft[-1, 0] - shaft[0, 0]) / (shaft[-1, 1] - shaft[0, 1])
        axis = shaft[0, 0] + lean * (y - shaft[0, 1])
        outer = (76 * size - 0.06 * np.clip(y - 60, 0, None)) * rng.uniform(0.92, 1.05)
        # Thighs meet, or nearly: each reaches inwards to a gap that grows downwards.
        inner = np.maximum(sign * axis - apart - 0.06 * np.clip(y - 60, 0, None), 40)
        out = sign * (x - axis)
        leg = np.clip(1 - np.abs(out / np.where(out > 0, outer, inner)) ** 2.6, 0, 1) ** 0.45
        thighs = np.maximum(thighs, 0.88 * thickness * leg)
        # Muscles beside fat: gluteals, iliopsoas, vastus, adductors; (x outwards and y down from the head), radii.
        for start, end, radii in (
            ((16, -75), (44, -8), (26, 13)),
            ((30, -95), (52, -20), (34, 18)),
            ((-32, -90), (-2, 48), (17, 11)),
            ((56, 40), (50, 190), (17, 19)),
            ((-40, 44), (12, 150), (20, 26)),
            ((-8, 30), (22, 190), (18, 22)),
        ):
            first, second = (head + np.array([sign * p[0], p[1]]) * size + rng.normal(0, 3, 2) for p in (start, end))
            inside = np.maximum(-_capsule(x, y, first, second, *radii), 0)
            soft = soft + _FAT * 1.1 * np.sqrt(inside * (2 * max(radii) - np.minimum(inside, max(radii))))
    crotch = skeleton.pelvis[:, 2].min() * -1 - 8
    below = _sigmoid((y - crotch - 0.2 * (np.abs(x) - 60) * (np.abs(x) > 60)) / rng.uniform(5, 10))
    body = trunk * (1 - below) + np.maximum(thighs, 6) * below
    fat = np.clip(0.10 + 0.004 * (weight - 62), 0.02, 0.3)
    soft = soft + body * (1 - fat)
    soft = soft + rng.uniform(5, 12) * _bell(np.hypot(x / 45, (y + 25) / 32), 0, 0.9)  # bladder
    scrotum = rng.uniform(20, 50)
    if sex == "M":
        soft = soft + scrotum * np.sqrt(np.maximum(1 - (x / 30) ** 2 - ((y - crotch - 30) / 42) ** 2, 0))
    soft = soft + 3.0 * _cloud(soft.shape, beam.spacing * step, rng, slope=2.2, longest=80.0)
    soft = np.maximum(soft - _gas(x, y, rng), 2.0)
    if step > 1:
        soft = _enlarged(soft, beam.shape)
    # Fibres, lobules of fat and folds: finer than all of this, on a tile that repeats.
    side = min(256, max(beam.shape))
    tile = _cloud((side, side), beam.spacing, rng, slope=1.5, longest=14.0)
    rows, columns = beam.shape
    fine = np.tile(tile, (-(-rows // side), -(-columns // side)))[:rows, :columns]
    return (soft + rng.uniform(0.8, 2.6) * fine * (soft > 12)).astype(np.float32)


def _gas(x, y, rng):
    """Gas in rectum and bowel along each ray, in mm, with faeces between its bubbles."""
    gas = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    for _ in range(rng.poisson(2.5)):
        place = rng.normal((0, -80), (42, 40))
        for _ in range(rng.integers(2, 9)):
            middle, radii = place + rng.normal(0, 13, 2), rng.uniform(5, 17, 2)
            depth = 1 - ((x - middle[0]) / radii[0]) ** 2 - ((y - middle[1]) / radii[1]) ** 2
            gas = np.maximum(gas, rng.uniform(0.6, 2.0) * radii.min() * np.sqrt(np.maximum(depth, 0)))
    return ndimage.gaussian_filter(gas, 1.0)


def _plane(beam, step):
    """x and y (down) in mm of every step-th pixel: (1, W) and (H, 1)."""
    rows, columns = (-(-length // step) for length in beam.shape)
    x = beam.corner[0] + (np.arange(columns) + 0.5) * (beam.shape[1] / columns * beam.spacing)
    y = -beam.corner[1] + (np.arange(rows) + 0.5) * (beam.shape[0] / rows * beam.spacing)
    return x[None, :], y[:, None]
