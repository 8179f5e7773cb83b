"""Features of the grey level size zone matrix."""

from deepradiomics.texture.features.sizes import size_features

_NAMES = {
    "GrayLevelNonUniformity": "gray_nonuniformity",
    "GrayLevelNonUniformityNormalized": "gray_nonuniformity_normalized",
    "GrayLevelVariance": "gray_variance",
    "HighGrayLevelZoneEmphasis": "high_gray",
    "LargeAreaEmphasis": "large",
    "LargeAreaHighGrayLevelEmphasis": "large_high_gray",
    "LargeAreaLowGrayLevelEmphasis": "large_low_gray",
    "LowGrayLevelZoneEmphasis": "low_gray",
    "SizeZoneNonUniformity": "size_nonuniformity",
    "SizeZoneNonUniformityNormalized": "size_nonuniformity_normalized",
    "SmallAreaEmphasis": "small",
    "SmallAreaHighGrayLevelEmphasis": "small_high_gray",
    "SmallAreaLowGrayLevelEmphasis": "small_low_gray",
    "ZoneEntropy": "entropy",
    "ZonePercentage": "percentage",
    "ZoneVariance": "size_variance",
}


def glszm_features(counts, sizes):
    """Measure size zone matrices.

    Parameters
    ----------
    counts : float array of shape (n, L, S)
        Zones by level and size.
    sizes : float array of shape (n, S)
        Size in pixels of each column.

    Returns
    -------
    dict of str to float array of shape (n,)
        Features in the order of pyradiomics.

    References
    ----------
    Thibault G et al. Texture indexes and gray level size zone matrix. Pattern Recognition and Information Processing,
    140-145 (2009). IBSI code 9SAK.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.features.glszm import glszm_features
    >>> float(glszm_features(np.array([[[1.0, 1.0]]]), np.array([[1.0, 3.0]]))["ZonePercentage"][0])
    0.5
    """
    found = size_features(counts, sizes)
    return {name: found[key] for name, key in _NAMES.items()}
