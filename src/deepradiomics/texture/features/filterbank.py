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

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Grey values; what lies round the region is used as context.
    mask : bool array of shape (H, W)
        The region.

    Returns
    -------
    dict of {str: float}
        ``Wavelength<w>Orientation<a>``: mean squared modulus of the response in the region, in squared grey values,
        for lines w = 4 and 8 pixels apart that run at an angle of a = 0 (along a row), 45, 90 and 135 degrees,
        counter-clockwise as the image is seen; ``Wavelength<w>Anisotropy``: largest less smallest over their sum,
        0 in a flat region.

    Notes
    -----
    Log-Gabor filters, which do not answer to brightness: a Gaussian in the logarithm of the frequency, 1.5 octaves
    wide at half height, times a Gaussian in the angle with a standard deviation of 25 degrees. The image is continued
    by mirroring. A wave of amplitude A with the filter's own length and direction has energy A^2.

    References
    ----------
    Field DJ. Relations between the statistics of natural images and the response properties of cortical cells.
    Journal of the Optical Society of America A 1987;4(12):2379-2394.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.features.filterbank import gabor_energies
    >>> stripes = np.tile(3 * np.sin(np.arange(64) * 2 * np.pi / 8), (64, 1))
    >>> round(gabor_energies(stripes, np.pad(np.ones((32, 32), bool), 16))["Wavelength8Orientation90"], 1)
    9.0
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

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Grey values; what lies round the region is used as context.
    mask : bool array of shape (H, W)
        The region.

    Returns
    -------
    dict of {str: float}
        Fourteen energies ``<a><b>`` of level, edge, spot, wave and ripple (L5, E5, S5, W5, R5), in grey values: the
        mean absolute response in the region, averaged over a b and b a; L5L5 is left out.

    Notes
    -----
    The mean over 15 x 15 pixels is subtracted first; the image is continued by mirroring.

    References
    ----------
    Laws KI. Textured image segmentation. USCIPI report 940, University of Southern California, 1980.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.features.filterbank import laws_energies
    >>> flat = laws_energies(np.full((20, 20), 7.0), np.ones((20, 20), bool))
    >>> len(flat), max(flat.values())
    (14, 0.0)
    """
    level = pixels - uniform_filter(pixels, _LOCAL_MEAN, mode="reflect")
    along = {name: convolve1d(level, weights, axis=1, mode="reflect") for name, weights in _LAWS.items()}

    def energy(first, second):
        return np.abs(convolve1d(along[first], _LAWS[second], axis=0, mode="reflect")[mask]).mean()

    pairs = [pair for pair in combinations_with_replacement(_LAWS, 2) if pair != ("L5", "L5")]
    return {first + second: float(energy(first, second) + energy(second, first)) / 2 for first, second in pairs}


def lbp_histogram(pixels, mask):
    """Count the uniform local binary patterns of a region at three radii.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Grey values; what lies round the region is used as context.
    mask : bool array of shape (H, W)
        The region.

    Returns
    -------
    dict of {str: float}
        ``Radius<r>Uniform<k>``: fraction of the region's pixels with k = 0 ... 8 of 8 points on a circle of r = 1, 2,
        3 pixels at least as bright, in at most two changes; ``Radius<r>NonUniform``: the rest.

    Notes
    -----
    The codes are those of :func:`deepradiomics.texture.filters.local_binary_pattern`. The image is continued by
    repeating its edge.

    References
    ----------
    Ojala T, Pietikäinen M, Mäenpää T. Multiresolution gray-scale and rotation invariant texture classification with
    local binary patterns. IEEE TPAMI 2002;24(7):971-987.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.features.filterbank import lbp_histogram
    >>> lbp_histogram(np.zeros((5, 5)), np.ones((5, 5), bool))["Radius1Uniform8"]
    1.0
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
