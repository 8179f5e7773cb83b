"""Fractal signature of bone by the blanket method, along rows and along columns."""

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from deepradiomics.exceptions import RegionError

# Half lengths of the rods in pixels, evenly spaced in the logarithm as far as whole numbers allow.
_RADII = (1, 2, 3, 4, 6, 8)
_DIRECTIONS = {"Horizontal": 1, "Vertical": 0}


def blanket_signature(pixels, mask):
    """Estimate the fractal dimension at several scales along rows and along columns.

    pixels : float (H, W) with context round the region, at least 17 x 17. See docs/texture.md.
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
