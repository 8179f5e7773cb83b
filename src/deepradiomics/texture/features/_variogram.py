"""Slope of the variogram of bone, with lags in mm."""

import numpy as np

from deepradiomics.exceptions import RegionError

# Steps (row, column) of the four directions; names are the direction in which a pair of pixels lies.
_STEPS = {"Horizontal": (0, 1), "Vertical": (1, 0), "Diagonal": (1, 1), "Antidiagonal": (1, -1)}
_MAX_LAG_MM = 3.0
_MAX_STEPS = 12
_FEWEST_LAGS = 3


def variogram_slopes(pixels, mask, spacing):
    """Fit straight lines to the variogram over the lag in mm, both in logarithms.

    Lags are in mm; only pairs with both pixels in the mask count. See docs/texture.md.
    """
    lags, values = {}, {}
    for name, step in _STEPS.items():
        lags[name], values[name] = _direction(pixels, mask, np.array(step), spacing)
        if len(lags[name]) < _FEWEST_LAGS:
            raise RegionError(
                f"the {name.lower()} variogram has {len(lags[name])} lags of up to {_MAX_LAG_MM:g} mm with pairs of "
                f"pixels, at least {_FEWEST_LAGS} are needed (pixels of {spacing[0]:g} x {spacing[1]:g} mm); use a "
                "larger region or a finer image"
            )
    slope, intercept = _line(np.concatenate(list(lags.values())), np.concatenate(list(values.values())))
    horizontal, _ = _line(lags["Horizontal"], values["Horizontal"])
    vertical, _ = _line(lags["Vertical"], values["Vertical"])
    return {
        "Slope": slope,
        "Intercept": intercept,
        "HorizontalSlope": horizontal,
        "VerticalSlope": vertical,
        "SlopeDifference": horizontal - vertical,
    }


def _direction(pixels, mask, step, spacing):
    """Lags in mm and semivariances along one direction."""
    length = float(np.hypot(*(step * spacing)))
    found = []
    for k in range(1, min(_MAX_STEPS, int(_MAX_LAG_MM / length + 1e-9)) + 1):
        here, there = _pair_slices(k * step, pixels.shape)
        both = mask[here] & mask[there]
        if both.any():
            found.append((k * length, 0.5 * np.mean((pixels[here][both] - pixels[there][both]) ** 2)))
    table = np.array(found).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _pair_slices(shift, shape):
    """Slices of the two windows whose pixels lie ``shift`` (row, column) apart; rows go down."""
    rows, columns = (int(value) for value in shift)
    left = slice(max(-columns, 0), max(shape[1] - max(columns, 0), 0))
    right = slice(max(columns, 0), max(shape[1] + min(columns, 0), 0))
    return (slice(0, max(shape[0] - rows, 0)), left), (slice(rows, None), right)


def _line(lags, values):
    """Slope and intercept of the decadic logarithms; 0 and 0 where a semivariance is zero."""
    if values.min() <= 0:
        return 0.0, 0.0
    slope, intercept = np.polyfit(np.log10(lags), np.log10(values), 1)
    return float(slope), float(intercept)
