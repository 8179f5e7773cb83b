"""How thick the cortex of the femoral shaft is, from the radiograph and the mask."""

import numpy as np
from scipy import ndimage

from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.regions.femur import femur_geometry

# The profile runs from border to border in this many steps; the cortices end before its middle.
_STEPS = 201


def cortical_thickness_index(pixels, mask, spacing=None, *, laterality="L", from_mm=15.0, to_mm=40.0):
    """Measure the share of the femoral shaft's width that is cortex.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Grey values, brighter is denser.
    mask : bool array of shape (H, W)
        One femur, its shaft pointing down.
    spacing : tuple of two floats, default=None
        Height and width of a pixel in mm. Where it is None, lengths follow the head, whose diameter is taken as 47 mm.
    laterality : {"L", "R"}, default="L"
        The patient's side.
    from_mm : float, default=15.0
        Where, below the lesser trochanter, the stretch of the shaft begins over which profiles are averaged.
    to_mm : float, default=40.0
        Where it ends; the picture may end before.

    Returns
    -------
    float
        (Outer width - width of the medullary canal) / outer width, between 0 and 1.

    Raises
    ------
    InputError
        If pixels and mask differ in shape.
    RegionError
        If the mask is no femur, less than 8 mm of shaft is left below the lesser trochanter, or the profile across the
        shaft has no canal.

    Notes
    -----
    The brightness across a tube rises to the inner border of its wall and falls steeply inside it. The inner borders
    are the steepest places between each bright band and the middle.

    References
    ----------
    Sah AP, Thornhill TS, LeBoff MS, Glowacki J. Correlation of plain radiographic indices of the hip with quantitative
    bone mineral density. Osteoporos Int 2007;18:1119-1126, who measure 10 cm below the lesser trochanter, where pelvis
    radiographs have ended.

    Examples
    --------
    >>> from deepradiomics.regions import cortical_thickness_index
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(1, random_state=0)
    >>> picture = hips.data["radiograph"][0]
    >>> 0.2 < cortical_thickness_index(picture.pixels, hips.masks[0] == 1, picture.spacing) < 0.8
    True
    """
    pixels = np.asarray(pixels, dtype=float)
    if pixels.shape != np.shape(mask):
        raise InputError(
            f"the mask has shape {np.shape(mask)}, its image {pixels.shape}; give both of one shape", code="mask_shape"
        )
    geometry = femur_geometry(mask, spacing, laterality=laterality)
    profile = _profile(pixels, np.asarray(mask), geometry, from_mm, to_mm)
    middle = _STEPS // 2
    inner = [_inner_border(profile[: middle + 1]), _inner_border(profile[: middle - 1 : -1])]
    if None in inner:
        raise RegionError(
            "the profile across the shaft has no canal darker than its walls; is it a femur, and are bones bright?",
            code="no_canal",
        )
    return float(sum(inner) / (_STEPS - 1))


def _profile(pixels, mask, geometry, from_mm, to_mm):
    """Mean brightness from the left border of the shaft to the right one, below the lesser trochanter."""
    mm, down = geometry.pixels_per_mm, np.array(geometry.shaft_axis)
    across = np.array([-down[1], down[0]])
    lesser = np.array(geometry.lesser_end)
    start = np.array(geometry.shaft_point) + ((lesser - geometry.shaft_point) @ down) * down
    lines = []
    for depth in np.arange(from_mm * mm, to_mm * mm, 1.0):
        centre = start + depth * down
        ends = [_border(mask, centre, sign * across) for sign in (-1, 1)]
        if None in ends:
            break
        points = np.linspace(centre - ends[0] * across, centre + ends[1] * across, _STEPS) - 0.5
        lines.append(ndimage.map_coordinates(pixels, points.T, order=1, mode="nearest"))
    if len(lines) < 8 * mm:
        raise RegionError(
            f"{len(lines) / mm:.0f} mm of shaft are left from {from_mm:.0f} mm below the lesser trochanter on, 8 are "
            "needed; give more of the femur",
            code="short_shaft",
        )
    return np.mean(lines, axis=0)


def _border(mask, centre, direction):
    """Distance in pixels to the border of the mask; None where the line begins outside or leaves the picture."""
    reach = np.arange(0, max(mask.shape), 0.25)
    rows, columns = np.floor(centre + reach[:, None] * direction).astype(int).T
    there = (rows >= 0) & (columns >= 0) & (rows < mask.shape[0]) & (columns < mask.shape[1])
    inside = there & mask[np.where(there, rows, 0), np.where(there, columns, 0)]
    out = int(np.argmin(inside))
    if out == 0 or not there[out]:
        return None
    return float(reach[out])


def _inner_border(half):
    """Steps from the outer border to the steepest fall behind the bright band; None where nothing falls."""
    smooth = ndimage.gaussian_filter1d(half, 1.5)
    peak = int(np.argmax(smooth[: int(0.9 * len(smooth))]))
    fall = np.gradient(smooth)[peak:]
    if smooth[peak] - smooth[-1] <= 0.05 * np.ptp(smooth) or not len(fall):
        return None
    return peak + int(np.argmin(fall))
