"""Features of the grey level dependence matrix."""

from array_api_compat import array_namespace, device

from deepradiomics.texture.features._sizes import size_features

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
    """Measure dependence matrices (n, L, 1 + n_neighbours): {feature: array (n,)}; a pixel depends on itself, too.

    Sun and Wee 1983, IBSI code REK0.
    """
    xp = array_namespace(counts)
    dependences = xp.arange(1.0, counts.shape[-1] + 1, dtype=counts.dtype, device=device(counts))
    found = size_features(counts, xp.broadcast_to(dependences, (len(counts), len(dependences))))
    return {name: found[key] for name, key in _NAMES.items()}
