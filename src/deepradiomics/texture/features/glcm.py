"""Features of the grey level co-occurrence matrix."""

import numpy as np
from array_api_compat import array_namespace, device


def glcm_features(counts, n_levels, n_present):
    """Measure co-occurrence matrices, averaged over directions.

    Parameters
    ----------
    counts : float array of shape (n, n_directions, L, L)
        Pairs of grey levels; a direction without any is left out.
    n_levels : int array of shape (n,)
        Largest level of each region, which Idmn and Idn are normalised by.
    n_present : int array of shape (n,)
        Number of different levels of each region; MCC is 1 where there is one only.

    Returns
    -------
    dict of str to float array of shape (n,)
        Features in the order of pyradiomics; NaN where no direction has a pair.

    References
    ----------
    Haralick RM, Shanmugam K, Dinstein I. Textural features for image classification. IEEE Trans Syst Man Cybern 3,
    610-621 (1973). IBSI code LFYI. Conventions (a flat region, the guard in logarithms) as in pyradiomics 3.0.1.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.features.glcm import glcm_features
    >>> found = glcm_features(np.array([[[[2.0, 1.0], [1.0, 0.0]]]]), np.array([2]), np.array([2]))
    >>> float(found["Contrast"][0]), float(found["JointEnergy"][0])
    (0.5, 0.375)
    """
    xp = array_namespace(counts)
    totals = counts.sum(axis=(2, 3))
    valid = totals > 0
    p = counts / xp.where(valid, totals, 1.0)[:, :, None, None]
    features = _cluster_and_moments(p) | _differences(p, n_levels) | _information(p)
    features["MaximumProbability"] = xp.max(p, axis=(2, 3))
    features["JointEnergy"] = (p * p).sum(axis=(2, 3))
    averaged = {name: _over_directions(value, valid) for name, value in features.items()}
    averaged["MCC"] = _maximal_correlation(p, valid, n_present)
    return {name: averaged[name] for name in _ORDER}


_ORDER = (
    "Autocorrelation",
    "ClusterProminence",
    "ClusterShade",
    "ClusterTendency",
    "Contrast",
    "Correlation",
    "DifferenceAverage",
    "DifferenceEntropy",
    "DifferenceVariance",
    "Id",
    "Idm",
    "Idmn",
    "Idn",
    "Imc1",
    "Imc2",
    "InverseVariance",
    "JointAverage",
    "JointEnergy",
    "JointEntropy",
    "MCC",
    "MaximumProbability",
    "SumAverage",
    "SumEntropy",
    "SumSquares",
)


def _over_directions(values, valid):
    """Mean over the directions that have pairs and a number."""
    xp = array_namespace(values)
    known = valid & ~xp.isnan(values)
    number = xp.astype(known, values.dtype).sum(axis=1)
    return xp.where(known, values, 0.0).sum(axis=1) / xp.where(number == 0, xp.nan, number)


def _entropy(p):
    return -(p * array_namespace(p).log2(p + np.spacing(1))).sum(axis=-1)


def _range(first, last, like):
    """Numbers first to last - 1, of the kind of another array and where it lies."""
    return array_namespace(like).arange(float(first), float(last), dtype=like.dtype, device=device(like))


def _cluster_and_moments(p):
    """Features of i + j and of the two marginals."""
    xp, size = array_namespace(p), p.shape[-1]
    i = _range(1, size + 1, p)
    px, py = p.sum(axis=3), p.sum(axis=2)
    ux, uy = px @ i, py @ i
    from_x, from_y = i - ux[..., None], i - uy[..., None]
    vx, vy = (px * from_x**2).sum(axis=-1), (py * from_y**2).sum(axis=-1)
    weighted = (p @ from_y[..., None])[..., 0]
    deviations = xp.sqrt(vx) * xp.sqrt(vy)
    correlation = (weighted * from_x).sum(axis=-1) / (deviations + np.spacing(1))
    total = _antidiagonal_sums(p)
    k = _range(2, 2 * size + 1, p)
    from_centre = k - (ux + uy)[..., None]
    square = from_centre * from_centre
    return {
        "Autocorrelation": ((p @ i) * i).sum(axis=-1),
        "ClusterProminence": (total * square * square).sum(axis=-1),
        "ClusterShade": (total * square * from_centre).sum(axis=-1),
        "ClusterTendency": (total * square).sum(axis=-1),
        "Correlation": xp.where(deviations == 0, 1.0, correlation),
        "JointAverage": ux,
        "SumAverage": total @ k,
        "SumEntropy": _entropy(total),
        "SumSquares": vx,
    }


def _differences(p, n_levels):
    """Features of |i - j|."""
    xp, size = array_namespace(p), p.shape[-1]
    signed = _antidiagonal_sums(xp.flip(p, axis=-1))
    difference = xp.asarray(signed[..., size - 1 :], copy=True)
    difference[..., 1:] += xp.flip(signed[..., : size - 1], axis=-1)
    k = _range(0, size, p)
    average = difference @ k
    largest = xp.astype(n_levels[:, None], p.dtype)
    # 1 / (1 + k^2 / N^2) and 1 / (1 + k / N), whose N differs between regions.
    idmn = (difference / (1 + (k / largest) ** 2)[:, None, :]).sum(axis=-1)
    idn = (difference / (1 + k / largest)[:, None, :]).sum(axis=-1)
    return {
        "Contrast": difference @ k**2,
        "DifferenceAverage": average,
        "DifferenceEntropy": _entropy(difference),
        "DifferenceVariance": (difference * (k - average[..., None]) ** 2).sum(axis=-1),
        "Id": difference @ (1 / (1 + k)),
        "Idm": difference @ (1 / (1 + k**2)),
        "Idmn": idmn,
        "Idn": idn,
        "InverseVariance": difference[..., 1:] @ (1 / k[1:] ** 2),
    }


def _information(p):
    """Joint entropy and the informational measures of correlation."""
    xp, eps = array_namespace(p), np.spacing(1)
    px, py = p.sum(axis=3), p.sum(axis=2)
    hx, hy = _entropy(px), _entropy(py)
    hxy = _entropy(p.reshape(*p.shape[:2], -1))
    product = px[..., :, None] * py[..., None, :]
    logarithm = xp.log2(product + eps)
    hxy1, hxy2 = -(p * logarithm).sum(axis=(2, 3)), -(product * logarithm).sum(axis=(2, 3))
    larger = xp.maximum(hx, hy)
    gain = 1 - xp.exp(-2 * (hxy2 - hxy))
    return {
        "Imc1": xp.where(larger == 0, 0.0, (hxy - hxy1) / xp.where(larger == 0, 1.0, larger)),
        # Where rounding makes the gain negative there is no root, and the direction does not count.
        "Imc2": xp.sqrt(xp.where(gain < 0, xp.nan, gain)),
        "JointEntropy": hxy,
    }


def _maximal_correlation(p, valid, n_present):
    """Second largest singular value of p / sqrt(px py), averaged; 1 where there is one grey level only.

    Its square is the second eigenvalue of Haralick's Q, which is not symmetric.
    """
    xp = array_namespace(p)
    px, py = p.sum(axis=3), p.sum(axis=2)
    if p.shape[-1] < 2:
        return xp.ones_like(px[:, 0, 0])
    scale = xp.sqrt(px[..., :, None] * py[..., None, :])
    b = p / xp.where(scale == 0, 1.0, scale)
    if xp.all(p == p.swapaxes(2, 3)):
        second = xp.sort(xp.abs(xp.linalg.eigvalsh(b)), axis=-1)[..., -2]
    else:
        second = xp.linalg.svdvals(b)[..., 1]
    return xp.where(n_present < 2, 1.0, _over_directions(second, valid))


def _antidiagonal_sums(p):
    """Sum over i + j = k: (n, d, L, L) -> (n, d, 2L - 1), by shifting each row one further to the right."""
    n, directions, size, _ = p.shape
    wide = array_namespace(p).zeros((n, directions, size, 2 * size), dtype=p.dtype, device=device(p))
    wide[..., :size] = p
    skewed = wide.reshape(n, directions, -1)[..., : size * (2 * size - 1)]
    return skewed.reshape(n, directions, size, 2 * size - 1).sum(axis=2)
