"""Features of the grey level size zone matrix."""

from deepradiomics.texture.features._sizes import size_features

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
    """Measure size zone matrices (n, L, S) whose columns have sizes (n, S) in pixels: {feature: array (n,)}.

    Thibault et al. 2009, IBSI code 9SAK.
    """
    found = size_features(counts, sizes)
    return {name: found[key] for name, key in _NAMES.items()}
