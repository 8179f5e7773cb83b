"""The classes of bone texture that pyradiomics lacks, each with the function that measures it."""

from deepradiomics.texture.discretization import discretize
from deepradiomics.texture.features.direction import directional_glcm
from deepradiomics.texture.features.filterbank import gabor_energies, laws_energies, lbp_histogram
from deepradiomics.texture.features.fractal import blanket_signature
from deepradiomics.texture.features.spectrum import power_spectrum
from deepradiomics.texture.features.variogram import variogram_slopes

# Each takes (pixels, mask, spacing, binning), of which it uses what it needs.
_CLASSES = {
    "fractal": lambda pixels, mask, spacing, binning: blanket_signature(pixels, mask),
    "variogram": lambda pixels, mask, spacing, binning: variogram_slopes(pixels, mask, spacing),
    "spectrum": lambda pixels, mask, spacing, binning: power_spectrum(pixels, mask, spacing),
    "gabor": lambda pixels, mask, spacing, binning: gabor_energies(pixels, mask),
    "laws": lambda pixels, mask, spacing, binning: laws_energies(pixels, mask),
    "lbp": lambda pixels, mask, spacing, binning: lbp_histogram(pixels, mask),
    "glcmdirection": lambda pixels, mask, spacing, binning: directional_glcm(*discretize(pixels, mask, **binning)),
}


def measure_bone(pixels, mask, classes, spacing, binning):
    """Measure the bone texture of one region.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Grey values, with context round the region.
    mask : bool array of shape (H, W)
        The region.
    classes : dict of {str: list of str}
        Classes, and the features of each.
    spacing : tuple of two floats
        Height and width of a pixel in mm.
    binning : dict
        ``bin_count`` and ``bin_width``, one of them None.

    Returns
    -------
    list of float
        The features in the order of ``classes``.

    Raises
    ------
    RegionError
        If the region or its image is too small for a class.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.bone import measure_bone
    >>> ramp, all_of_it = np.tile(np.arange(30.0), (30, 1)), np.ones((30, 30), bool)
    >>> measure_bone(ramp, all_of_it, {"fractal": ["VerticalDimension"]}, (0.2, 0.2), {})
    [2.0]
    """
    values = []
    for name, features in classes.items():
        found = _CLASSES[name](pixels, mask, spacing, binning)
        values += [found[feature] for feature in features]
    return values
