"""What is inside a bone: cortex by place, trabecular groups, and how much bone each ray meets."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy import fft

from deepradiomics.simulation.rays import path_length
from deepradiomics.simulation.skeleton import _frame, model, sphere_through

_ANGLES = 12  # directions in which trabeculae are drawn and between which is blended


def femur_bone(beam, femur, rng, *, cortex=1.0, trabeculae=1.0, weave=None):
    """Project a femur along the rays.

    Parameters
    ----------
    beam : Beam
        Tube and picture.
    femur : Femur
        Where it lies.
    rng : numpy.random.Generator
        Draws the trabeculae.
    cortex : float, default=1.0
        Factor of the cortex' thickness; 1 is a healthy adult, about 6 mm in the shaft.
    trabeculae : float, default=1.0
        Strength of the trabecular groups; 1 is a healthy adult, 0.3 severe osteoporosis.
    weave : tuple of float array and float, default=None
        Pattern of lines and its step in mm, to draw it once a picture; None draws one.

    Returns
    -------
    bone, outer : float32 arrays of shape (H, W)
        Compact bone, and the way through the whole bone, along each ray in mm.

    Notes
    -----
    Cortex is the shell between the surface and the surface moved inwards. With bone loss the tensile group and the
    trochanter fade before the compressive group (Singh 1970).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.bone import femur_bone
    >>> from deepradiomics.simulation.rays import Beam
    >>> from deepradiomics.simulation.skeleton import draw_skeleton
    >>> femur = draw_skeleton(np.random.default_rng(0)).femora["left"]
    >>> beam = Beam((100, 100), 2.0, (20.0, 80.0), (0.0, -1000.0, 0.0))
    >>> bone, outer = femur_bone(beam, femur, np.random.default_rng(0))
    >>> bool((bone <= outer).all())
    True
    """
    bone, whole = (np.zeros(beam.shape, dtype=np.float32) for _ in range(2))
    window = _window(beam, femur.vertices)
    if window is None:
        return bone, whole
    rows, columns = window
    corner = beam.corner[0] + columns.start * beam.spacing, beam.corner[1] - rows.start * beam.spacing
    part = replace(beam, shape=(rows.stop - rows.start, columns.stop - columns.start), corner=corner)
    outer = path_length(part, femur.vertices, femur.faces)
    moved = femur.vertices - femur.normals * (cortex_thickness() * cortex)[:, None]
    inner = np.minimum(path_length(part, moved, femur.faces), outer)
    weave = _weave(beam.spacing, rng) if weave is None else weave
    fraction = _fraction(*_places(part, femur), trabeculae, weave, rng)
    bone[window], whole[window] = 0.95 * (outer - inner) + fraction * inner, outer
    return bone, whole


def pelvis_bone(beam, skeleton, rng, *, cortex=1.0, trabeculae=1.0):
    """Project hip bones and sacrum along the rays.

    Parameters
    ----------
    beam : Beam
        Tube and picture.
    skeleton : Skeleton
        Where they lie.
    rng : numpy.random.Generator
        Draws texture and thickness.
    cortex, trabeculae : float, default=1.0
        As in `femur_bone`; the cortex is about 1.2 mm thick, more at the brim and round the sockets.

    Returns
    -------
    float32 array of shape (H, W)
        Compact bone along each ray, in mm.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.bone import pelvis_bone
    >>> from deepradiomics.simulation.rays import Beam
    >>> from deepradiomics.simulation.skeleton import draw_skeleton
    >>> beam = Beam((100, 100), 3.0, (-150.0, 150.0), (0.0, -1000.0, 0.0))
    >>> bone = pelvis_bone(beam, draw_skeleton(np.random.default_rng(0)), np.random.default_rng(0))
    >>> float(bone[99, 50])
    0.0
    """
    shape = model()
    thickness = np.full(len(skeleton.pelvis), 1.0) + 0.25 * (shape["pelvis_part"] < 2)
    for side in ("left", "right"):
        centre, radius = sphere_through(skeleton.pelvis[shape[f"{side}_socket"]])
        away = np.abs(np.linalg.norm(skeleton.pelvis - centre, axis=1) - radius)
        above = skeleton.pelvis[:, 2] > centre[2] + 0.3 * radius
        thickness += 1.6 * np.exp(-((away / 4) ** 2)) * above
    moved = skeleton.pelvis - skeleton.pelvis_normals * (thickness * cortex)[:, None]
    outer = path_length(beam, skeleton.pelvis, skeleton.pelvis_faces)
    inner = np.minimum(path_length(beam, moved, skeleton.pelvis_faces), outer)
    texture = 1 + 0.22 * _cloud(beam.shape, beam.spacing, rng, slope=0.9, longest=12.0)
    return 0.85 * (outer - inner) + np.maximum((0.03 + 0.10 * trabeculae) * texture, 0.02) * inner


@lru_cache(maxsize=1)
def cortex_thickness():
    """Thickness of a healthy cortex at each vertex of the femur, in mm: thin head, calcar, thick shaft."""
    lateral, down = _resting()
    thick = 1.0 + 0.9 * _smooth((down - 5) / 25) + 4.2 * _smooth((down - 45) / 90)
    axis = np.interp(down, [0, 40, 60, 100, 300, 420], [10, 28, 33, 33, 14, 0])
    thick += 1.9 * _smooth((axis - lateral) / 12) * np.exp(-(((down - 55) / 28) ** 2))
    return thick * (1 - 0.75 * _smooth((down - 300) / 60))


def _weave(spacing, rng):
    """Draw a tile of lines along x at all scales, drawn out three times, of unit spread; it repeats."""
    step = max(0.2, spacing / 3)
    fy, fx = fft.fftfreq(256, step)[:, None].astype(np.float32), fft.rfftfreq(256, step)[None].astype(np.float32)
    size = np.hypot(fx * 4, fy) + 0.05
    gain = (
        size**-1.0 * np.exp(-2 * (np.pi * 0.35 * spacing) ** 2 * (fx**2 + fy**2)) * (1 - np.exp(-((size / 0.12) ** 2)))
    )
    tile = fft.irfft2(fft.rfft2(rng.standard_normal((256, 256), dtype=np.float32)) * gain)
    # At large pixels fine lines are averaged away: the spread is that at 0.5 mm, less what is lost.
    return (tile / max(float(tile.std()), 1e-9) * min(1.0, (0.7 / spacing) ** 0.5)).astype(np.float32), step


def _cloud(shape, spacing, rng, *, slope, longest):
    """Draw noise whose amplitude falls with frequency to a power, up to a wavelength in mm; unit spread, (H, W)."""
    fy, fx = fft.fftfreq(shape[0], spacing)[:, None], fft.rfftfreq(shape[1], spacing)[None]
    gain = ((fx**2 + fy**2) + longest**-2.0) ** (-slope / 2)
    noise = fft.rfft2(rng.standard_normal(shape, dtype=np.float32)) * gain.astype(np.float32)
    drawn = fft.irfft2(noise, shape)
    return (drawn / drawn.std()).astype(np.float32)


@lru_cache(maxsize=1)
def _resting():
    """Each vertex of the mean femur, lateral of and below the head's centre, in mm."""
    femur = model()["femur_mean"].astype(np.float64)
    centre = sphere_through(femur[model()["head"]])[0]
    medial, lateral = femur[model()["epicondyles"]]
    placed = (femur - centre) @ _frame(lateral - medial, centre - (medial + lateral) / 2).T
    return placed[:, 0], -placed[:, 2]


def _places(beam, femur):
    """Where each pixel lies on the mean femur: mm lateral of and below the head's centre, (H, W) each."""
    lateral, down = _resting()
    upper = down < 110
    flat = beam.flat(femur.vertices[upper])
    system = np.column_stack([flat, np.ones(len(flat))])
    (a, b), (c, d), shift = np.linalg.lstsq(system, np.column_stack([lateral, down])[upper], rcond=None)[0]
    x = (beam.corner[0] + (np.arange(beam.shape[1]) + 0.5) * beam.spacing)[None, :]
    z = (beam.corner[1] - (np.arange(beam.shape[0]) + 0.5) * beam.spacing)[:, None]
    places = a * x + c * z + shift[0], b * x + d * z + shift[1]
    return tuple(place.astype(np.float32) for place in places)


def _fraction(x, y, strength, weave, rng):
    """Bone volume fraction inside the cortex by place on the mean femur, (H, W)."""
    from deepradiomics.simulation._kernels import woven

    middle = 2 + 0.30 * (y + 20)  # the compressive group, from the calcar to the dome
    compressive = (
        _bell(x - middle, 11 + 0.1 * np.clip(20 - y, 0, None)) * _smooth((62 - y) / 25) * _smooth((y + 30) / 8)
    )
    arch = 8 + 0.012 * (x - 22) ** 2  # the tensile group, through the upper neck
    tensile = _bell(y - arch, 8) * _smooth((x + 22) / 12) * _smooth((72 - x) / 12)
    trochanter = _smooth((x - 38) / 12) * _smooth((y - 5) / 15) * _smooth((95 - y) / 35)
    head = _smooth((26 - np.hypot(x, y)) / 6)
    fan = np.arctan2(1.0, -(0.30 - 0.010 * (x - middle)))  # upwards, x to the right
    groups = (
        (compressive, fan, 0.115, 0.32, strength),
        (tensile, np.arctan(-0.024 * (x - 22)), 0.055, 0.34, strength**1.6),
        (trochanter, np.full_like(x, np.deg2rad(-62 % 180)), 0.035, 0.34, strength**1.3),
        (np.maximum(0.3, head), np.full_like(x, np.deg2rad(75)), 0.05, 0.22, strength),
    )
    tile, step = weave
    fraction = np.full(x.shape, 0.015, dtype=np.float32)
    for place, angle, amount, contrast, power in groups:
        lines = np.empty(x.shape, dtype=np.float32)
        woven(x, y, angle.astype(np.float32), place, tile, step, rng.uniform(0, 256, (_ANGLES, 2)), lines)
        fraction += power * amount * place * (1 + contrast * (1 + 0.4 * power) * lines)
    return np.maximum(fraction, 0.004) * (1 - 0.93 * _smooth((y - 40) / 75))


def _window(beam, vertices):
    """Slices of the picture that hold a surface, or None where it lies outside."""
    pixels = beam.pixel(vertices)
    low, high = np.floor(pixels.min(0)).astype(int) - 1, np.ceil(pixels.max(0)).astype(int) + 1
    low, high = np.maximum(low, 0), np.minimum(high, beam.shape)
    return None if (low >= high).any() else (slice(low[0], high[0]), slice(low[1], high[1]))


def _bell(values, width):
    return np.exp(-0.5 * (values / width) ** 2)


def _smooth(values):
    """0 below 0, 1 above 1, smooth between."""
    values = np.clip(values, 0, 1)
    return values * values * (3 - 2 * values)
