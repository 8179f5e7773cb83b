"""Fractal signature of bone by the blanket method, along rows and along columns."""

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from deepradiomics.exceptions import RegionError

# Half lengths of the rods in pixels, evenly spaced in the logarithm as far as whole numbers allow.
_RADII = (1, 2, 3, 4, 6, 8)
_DIRECTIONS = {"Horizontal": 1, "Vertical": 0}


def blanket_signature(pixels, mask):
    """Estimate the fractal dimension at several scales along rows and along columns.

    The image is dilated and eroded by flat rods that are one pixel wide; the mean gap between the two blankets grows
    as a power of the length of the rod, and its exponent is 3 minus the fractal dimension of the surface.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Grey values, at least 17 x 17; what lies round the region is used as context.
    mask : bool array of shape (H, W)
        The region.

    Returns
    -------
    dict of {str: float}
        For ``Horizontal`` (rods along a row) and ``Vertical``: ``<Direction>Dimension`` over all scales, and
        ``<Direction>Dimension<r>``, the slope between the neighbours of radius r = 2, 3, 4 and 6 pixels;
        ``DimensionDifference`` is horizontal minus vertical. 2 is a smooth surface, 3 fills space; a flat region has
        2 by convention.

    Raises
    ------
    RegionError
        If the image is smaller than the longest rod (code ``image_too_small``).

    Notes
    -----
    Scales are in pixels: bring images to a common pixel spacing before they are compared. For a surface of fractional
    Brownian motion with exponent H the dimension is 3 - H, but rods of few pixels miss the extremes between the
    pixels: for dimensions 2.7, 2.5, 2.3 and 2.1 the mean over all scales is 2.46, 2.36, 2.24 and 2.14. The order is
    kept, the span is narrowed.

    References
    ----------
    Lynch JA, Hawkes DJ, Buckland-Wright JC. Analysis of texture in macroradiographs of osteoarthritic knees using the
    fractal signature. Physics in Medicine and Biology 1991;36(6):709-722.
    Peleg S, Naor J, Hartley R, Avnir D. Multiple resolution texture analysis and classification. IEEE TPAMI
    1984;6(4):518-523.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.features.fractal import blanket_signature
    >>> ramp = np.tile(np.arange(40.0), (40, 1))
    >>> found = blanket_signature(ramp, np.pad(np.ones((20, 20), bool), 10))
    >>> round(found["HorizontalDimension"], 6), found["VerticalDimension"]
    (2.0, 2.0)
    """
    longest = 2 * _RADII[-1] + 1
    if min(pixels.shape) < longest:
        raise RegionError(
            f"the image has {pixels.shape[0]} x {pixels.shape[1]} pixels, the fractal signature needs {longest} x "
            f"{longest}; leave more context round the region",
            code="image_too_small",
        )
    result = {}
    for name, axis in _DIRECTIONS.items():
        gaps = np.array([_gap(pixels, mask, radius, axis) for radius in _RADII])
        result[f"{name}Dimension"] = _dimension(_RADII, gaps)
        for k in range(1, len(_RADII) - 1):
            result[f"{name}Dimension{_RADII[k]}"] = _dimension(_RADII[k - 1 : k + 2], gaps[k - 1 : k + 2])
    result["DimensionDifference"] = result["HorizontalDimension"] - result["VerticalDimension"]
    return result


def _gap(pixels, mask, radius, axis):
    """Mean distance in the region between the image dilated and eroded by a rod."""
    size = 2 * radius + 1
    upper = maximum_filter1d(pixels, size, axis=axis, mode="nearest")
    return (upper - minimum_filter1d(pixels, size, axis=axis, mode="nearest"))[mask].mean()


def _dimension(radii, gaps):
    """3 minus the slope of the gap over the radius, both in logarithms; 2 where there is no gap at all."""
    if gaps.min() <= 0:
        return 2.0
    return float(3 - np.polyfit(np.log(radii), np.log(gaps), 1)[0])
