"""Features of the grey level run length matrix."""

from array_api_compat import array_namespace, device

from deepradiomics.texture.features._sizes import size_features

_NAMES = {
    "GrayLevelNonUniformity": "gray_nonuniformity",
    "GrayLevelNonUniformityNormalized": "gray_nonuniformity_normalized",
    "GrayLevelVariance": "gray_variance",
    "HighGrayLevelRunEmphasis": "high_gray",
    "LongRunEmphasis": "large",
    "LongRunHighGrayLevelEmphasis": "large_high_gray",
    "LongRunLowGrayLevelEmphasis": "large_low_gray",
    "LowGrayLevelRunEmphasis": "low_gray",
    "RunEntropy": "entropy",
    "RunLengthNonUniformity": "size_nonuniformity",
    "RunLengthNonUniformityNormalized": "size_nonuniformity_normalized",
    "RunPercentage": "percentage",
    "RunVariance": "size_variance",
    "ShortRunEmphasis": "small",
    "ShortRunHighGrayLevelEmphasis": "small_high_gray",
    "ShortRunLowGrayLevelEmphasis": "small_low_gray",
}


def glrlm_features(counts):
    """Measure run length matrices (n, n_directions, L, R), averaged over those with runs: {feature: array (n,)}.

    Galloway 1975, IBSI code TP0I.
    """
    xp = array_namespace(counts)
    lengths = xp.arange(1.0, counts.shape[-1] + 1, dtype=counts.dtype, device=device(counts))
    found = size_features(counts, xp.broadcast_to(lengths, (*counts.shape[:2], len(lengths))))
    valid = counts.sum(axis=(2, 3)) > 0
    number = xp.astype(valid, counts.dtype).sum(axis=1)
    every = xp.stack([found[key] for key in _NAMES.values()])
    averaged = xp.where(valid, every, 0.0).sum(axis=-1) / xp.where(number == 0, xp.nan, number)
    return dict(zip(_NAMES, averaged, strict=True))
