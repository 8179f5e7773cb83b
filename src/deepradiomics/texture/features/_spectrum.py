"""Power spectrum of bone: how it falls with frequency, and in which direction it lies."""

import numpy as np

from deepradiomics.exceptions import RegionError

_FEWEST_PIXELS = 16
# The lowest waves do not fit the window, the highest are noise of the detector.
_LOWEST_WAVE, _HIGHEST_FRACTION = 2, 0.7


def power_spectrum(pixels, mask, spacing):
    """Describe the power spectrum of a region by its slope, its centre and its orientation.

    The box of the mask should be at least 16 x 16 pixels, and filled by it. See docs/texture.md.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    pixels, mask = pixels[box], mask[box]
    if min(pixels.shape) < _FEWEST_PIXELS:
        raise RegionError(
            f"the region is {pixels.shape[0]} x {pixels.shape[1]} pixels, a power spectrum needs {_FEWEST_PIXELS} x "
            f"{_FEWEST_PIXELS}; use a larger region",
            code="image_too_small",
        )
    window = np.outer(np.hanning(pixels.shape[0] + 2)[1:-1], np.hanning(pixels.shape[1] + 2)[1:-1]) * mask
    power = np.abs(np.fft.fft2(_without_plane(pixels, mask) * window)) ** 2
    # y points up, so that angles are counter-clockwise as the image is seen.
    y, x = -np.fft.fftfreq(pixels.shape[0], spacing[0])[:, None], np.fft.fftfreq(pixels.shape[1], spacing[1])[None, :]
    radius = np.hypot(y, x)
    lowest = _LOWEST_WAVE / min(np.multiply(pixels.shape, spacing))
    band = (radius >= lowest) & (radius <= _HIGHEST_FRACTION * 0.5 / max(spacing))
    total = power[band].sum()
    # Rounding leaves a flat region some 1e-30 of the square of its grey values.
    if total <= 1e-20 * max(1.0, float(np.square(pixels[mask]).sum()) * window.sum()):
        return dict.fromkeys(("Slope", "CentralFrequency", "Orientation", "Anisotropy"), 0.0)
    y, x = (np.broadcast_to(part, band.shape)[band] for part in (y, x))
    orientation, anisotropy = _orientation(power[band], y, x)
    return {
        "Slope": _radial_slope(power[band], radius[band]),
        "CentralFrequency": float((power[band] * radius[band]).sum() / total),
        "Orientation": orientation,
        "Anisotropy": anisotropy,
    }


def _without_plane(pixels, mask):
    """Subtract the plane that fits the region best."""
    rows, columns = np.indices(pixels.shape)
    design = np.column_stack([np.ones(mask.sum()), rows[mask], columns[mask]])
    plane = np.linalg.lstsq(design, pixels[mask], rcond=None)[0]
    return np.where(mask, pixels - plane[0] - plane[1] * rows - plane[2] * columns, 0.0)


def _radial_slope(power, radius):
    """Exponent of the mean power in rings of equal width in the logarithm of the frequency."""
    edges = np.geomspace(radius.min() * (1 - 1e-9), radius.max() * (1 + 1e-9), 13)
    ring = np.digitize(radius, edges)
    count = np.bincount(ring, minlength=14)
    used = count > 0
    mean_power = np.bincount(ring, power, 14)[used] / count[used]
    mean_radius = np.bincount(ring, radius, 14)[used] / count[used]
    return float(-np.polyfit(np.log(mean_radius), np.log(mean_power), 1)[0])


def _orientation(power, y, x):
    """Direction of the structures in degrees, and anisotropy, from the tensor of the frequencies."""
    xx, yy, xy = (power * x * x).sum(), (power * y * y).sum(), (power * x * y).sum()
    across = 0.5 * np.arctan2(2 * xy, xx - yy)
    anisotropy = np.hypot(xx - yy, 2 * xy) / (xx + yy)
    return float((np.degrees(across) + 90) % 180), float(anisotropy)
