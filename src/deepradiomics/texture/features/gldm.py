"""Features of the grey level dependence matrix."""

from array_api_compat import array_namespace, device

from deepradiomics.texture.features.sizes import size_features

_NAMES = {
    "DependenceEntropy": "entropy",
    "DependenceNonUniformity": "size_nonuniformity",
    "DependenceNonUniformityNormalized": "size_nonuniformity_normalized",
    "DependenceVariance": "size_variance",
    "GrayLevelNonUniformity": "gray_nonuniformity",
    "GrayLevelVariance": "gray_variance",
    "HighGrayLevelEmphasis": "high_gray",
    "LargeDependenceEmphasis": "large",
    "LargeDependenceHighGrayLevelEmphasis": "large_high_gray",
    "LargeDependenceLowGrayLevelEmphasis": "large_low_gray",
    "LowGrayLevelEmphasis": "low_gray",
    "SmallDependenceEmphasis": "small",
    "SmallDependenceHighGrayLevelEmphasis": "small_high_gray",
    "SmallDependenceLowGrayLevelEmphasis": "small_low_gray",
}


def gldm_features(counts):
    """Measure dependence matrices.

    Parameters
    ----------
    counts : float array of shape (n, L, 1 + n_neighbours)
        Pixels by level and number of dependent neighbours; the pixel itself is added to the number.

    Returns
    -------
    dict of str to float array of shape (n,)
        Features in the order of pyradiomics.

    References
    ----------
    Sun C, Wee WG. Neighboring gray level dependence matrix for texture classification. Comput Vis Graph Image Process
    23, 341-352 (1983). IBSI code REK0.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.features.gldm import gldm_features
    >>> float(gldm_features(np.array([[[1.0, 1.0]]]))["LargeDependenceEmphasis"][0])
    2.5
    """
    xp = array_namespace(counts)
    dependences = xp.arange(1.0, counts.shape[-1] + 1, dtype=counts.dtype, device=device(counts))
    found = size_features(counts, xp.broadcast_to(dependences, (len(counts), len(dependences))))
    return {name: found[key] for name, key in _NAMES.items()}
