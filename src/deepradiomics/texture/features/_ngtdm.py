"""Features of the neighbourhood grey tone difference matrix."""

from array_api_compat import array_namespace, device


def ngtdm_features(matrix):
    """Measure neighbourhood gray tone difference matrices (n, L, 2): {feature: array (n,)}.

    By level: pixels, and the sum of their differences to their neighbours' mean. Coarseness of a region without
    differences is 10^6. Amadasun and King 1989, IBSI code IPET.
    """
    xp = array_namespace(matrix)
    counts, differences = matrix[..., 0], matrix[..., 1]
    pixels = counts.sum(axis=1)
    p = counts / xp.where(pixels == 0, xp.nan, pixels)[:, None]
    i = xp.arange(1.0, counts.shape[1] + 1, dtype=matrix.dtype, device=device(matrix))
    present = counts > 0
    n_present = xp.astype(present, matrix.dtype).sum(axis=1)
    both = present[:, :, None] & present[:, None, :]
    apart = xp.abs(i[:, None] - i[None, :])
    weight = p * differences
    coarse, all_differences = weight.sum(axis=1), differences.sum(axis=1)
    pairs = n_present * (n_present - 1)
    contrast = (p[:, :, None] * p[:, None, :] * apart**2).sum(axis=(1, 2)) * all_differences / pixels
    ip = i * p
    spread = xp.where(both, xp.abs(ip[:, :, None] - ip[:, None, :]), 0.0).sum(axis=(1, 2))
    joint = p[:, :, None] + p[:, None, :]
    shared = xp.where(both, weight[:, :, None] + weight[:, None, :], 0.0) / xp.where(joint == 0, 1.0, joint)
    strength = xp.where(both, joint * apart**2, 0.0).sum(axis=(1, 2))
    return {
        "Busyness": _ratio(coarse, spread, 0.0),
        "Coarseness": _ratio(xp.ones_like(coarse), coarse, 1e6),
        "Complexity": (apart * shared).sum(axis=(1, 2)) / pixels,
        "Contrast": _ratio(contrast, pairs, 0.0),
        "Strength": _ratio(strength, all_differences, 0.0),
    }


def _ratio(numerator, denominator, otherwise):
    """Quotient, and a conventional value where the denominator is 0."""
    xp = array_namespace(denominator)
    return xp.where(denominator == 0, otherwise, numerator / xp.where(denominator == 0, 1.0, denominator))
