"""Energies of banks of small filters: Gabor by orientation, Laws' masks, and histograms of local binary patterns."""

from itertools import combinations_with_replacement

import numpy as np
from scipy.ndimage import convolve1d, uniform_filter

from deepradiomics.texture.filters import local_binary_pattern

_WAVELENGTHS = (4, 8)
_ORIENTATIONS = (0, 45, 90, 135)
_LAWS = {
    "L5": (1, 4, 6, 4, 1),
    "E5": (-1, -2, 0, 2, 1),
    "S5": (-1, 0, 2, 0, -1),
    "W5": (-1, 2, 0, -2, 1),
    "R5": (1, -4, 6, -4, 1),
}
_LOCAL_MEAN = 15
_RADII, _SAMPLES = (1, 2, 3), 8


def gabor_energies(pixels, mask):
    """Measure the energy of waves of two lengths running in four directions.

    Log-Gabor filters of an image that is continued by mirroring. See docs/texture.md.
    """
    margin = 2 * max(_WAVELENGTHS)
    padded = np.pad(pixels - pixels[mask].mean(), margin, "symmetric")
    spectrum = np.fft.fft2(padded)
    y, x = -np.fft.fftfreq(padded.shape[0])[:, None], np.fft.fftfreq(padded.shape[1])[None, :]
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    radius[0, 0] = 1.0
    result = {}
    for wavelength in _WAVELENGTHS:
        # exp(-ln(f / f0)^2 / (2 s^2)) is 1/2 at f0 * 2^(+-0.75)
        ring = np.exp(-(np.log(radius * wavelength) ** 2) / (2 * 0.4415**2))
        ring[0, 0] = 0.0
        energies = []
        for orientation in _ORIENTATIONS:
            # Lines that run at an angle vary across it.
            turn = np.angle(np.exp(1j * (angle - np.radians(orientation + 90))))
            response = np.fft.ifft2(2 * spectrum * ring * np.exp(-(turn**2) / (2 * np.radians(25) ** 2)))
            inside = response[margin:-margin, margin:-margin][mask]
            energies.append(float(np.mean(inside.real**2 + inside.imag**2)))
            result[f"Wavelength{wavelength}Orientation{orientation}"] = energies[-1]
        both = max(energies) + min(energies)
        result[f"Wavelength{wavelength}Anisotropy"] = (max(energies) - min(energies)) / both if both > 0 else 0.0
    return result


def laws_energies(pixels, mask):
    """Measure the texture energies of Laws.

    The mean over 15 x 15 pixels is subtracted first; the image is continued by mirroring. See docs/texture.md.
    """
    level = pixels - uniform_filter(pixels, _LOCAL_MEAN, mode="reflect")
    along = {name: convolve1d(level, weights, axis=1, mode="reflect") for name, weights in _LAWS.items()}

    def energy(first, second):
        return np.abs(convolve1d(along[first], _LAWS[second], axis=0, mode="reflect")[mask]).mean()

    pairs = [pair for pair in combinations_with_replacement(_LAWS, 2) if pair != ("L5", "L5")]
    return {first + second: float(energy(first, second) + energy(second, first)) / 2 for first, second in pairs}


def lbp_histogram(pixels, mask):
    """Count the uniform local binary patterns of a region at three radii.

    The image is continued by repeating its edge. See docs/texture.md.
    """
    result = {}
    for radius in _RADII:
        padded = np.pad(pixels, radius, "edge")
        code = local_binary_pattern(padded, lbp2d_radius=radius, lbp2d_samples=_SAMPLES)["lbp-2D"]
        inside = code[radius:-radius, radius:-radius][mask].astype(np.int64)
        share = np.bincount(inside, minlength=_SAMPLES + 2) / inside.size
        result |= {f"Radius{radius}Uniform{k}": float(share[k]) for k in range(_SAMPLES + 1)}
        result[f"Radius{radius}NonUniform"] = float(share[-1])
    return result
