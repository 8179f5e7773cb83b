"""Features of the grey level co-occurrence matrix."""

import numpy as np


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
    totals = counts.sum(axis=(2, 3))
    valid = totals > 0
    p = counts / np.where(valid, totals, 1.0)[:, :, None, None]
    features = _cluster_and_moments(p) | _differences(p, n_levels) | _information(p)
    features["MaximumProbability"] = p.max(axis=(2, 3))
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
    known = valid & ~np.isnan(values)
    number = known.sum(axis=1)
    return np.where(known, values, 0.0).sum(axis=1) / np.where(number == 0, np.nan, number)


def _entropy(p):
    return -(p * np.log2(p + np.spacing(1))).sum(axis=-1)


def _cluster_and_moments(p):
    """Features of i + j and of the two marginals."""
    size = p.shape[-1]
    i = np.arange(1.0, size + 1)
    px, py = p.sum(axis=3), p.sum(axis=2)
    ux, uy = px @ i, py @ i
    from_x, from_y = i - ux[..., None], i - uy[..., None]
    vx, vy = (px * from_x**2).sum(axis=-1), (py * from_y**2).sum(axis=-1)
    weighted = (p @ from_y[..., None])[..., 0]
    deviations = np.sqrt(vx) * np.sqrt(vy)
    correlation = (weighted * from_x).sum(axis=-1) / (deviations + np.spacing(1))
    total = _antidiagonal_sums(p)
    k = np.arange(2.0, 2 * size + 1)
    from_centre = k - (ux + uy)[..., None]
    square = from_centre * from_centre
    return {
        "Autocorrelation": ((p @ i) * i).sum(axis=-1),
        "ClusterProminence": (total * square * square).sum(axis=-1),
        "ClusterShade": (total * square * from_centre).sum(axis=-1),
        "ClusterTendency": (total * square).sum(axis=-1),
        "Correlation": np.where(deviations == 0, 1.0, correlation),
        "JointAverage": ux,
        "SumAverage": total @ k,
        "SumEntropy": _entropy(total),
        "SumSquares": vx,
    }


def _differences(p, n_levels):
    """Features of |i - j|."""
    size = p.shape[-1]
    signed = _antidiagonal_sums(p[..., ::-1])
    difference = signed[..., size - 1 :].copy()
    difference[..., 1:] += signed[..., : size - 1][..., ::-1]
    k = np.arange(float(size))
    average = difference @ k
    largest = n_levels[:, None].astype(float)
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
    eps = np.spacing(1)
    px, py = p.sum(axis=3), p.sum(axis=2)
    hx, hy = _entropy(px), _entropy(py)
    hxy = _entropy(p.reshape(*p.shape[:2], -1))
    product = px[..., :, None] * py[..., None, :]
    logarithm = np.log2(product + eps)
    hxy1, hxy2 = -(p * logarithm).sum(axis=(2, 3)), -(product * logarithm).sum(axis=(2, 3))
    larger = np.maximum(hx, hy)
    gain = 1 - np.exp(-2 * (hxy2 - hxy))
    return {
        "Imc1": np.where(larger == 0, 0.0, (hxy - hxy1) / np.where(larger == 0, 1.0, larger)),
        # Where rounding makes the gain negative there is no root, and the direction does not count.
        "Imc2": np.sqrt(np.where(gain < 0, np.nan, gain)),
        "JointEntropy": hxy,
    }


def _maximal_correlation(p, valid, n_present):
    """Second largest singular value of p / sqrt(px py), averaged; 1 where there is one grey level only.

    Its square is the second eigenvalue of Haralick's Q, which is not symmetric.
    """
    px, py = p.sum(axis=3), p.sum(axis=2)
    scale = np.sqrt(px[..., :, None] * py[..., None, :])
    b = p / np.where(scale == 0, 1.0, scale)
    if np.array_equal(p, p.swapaxes(2, 3)):
        singular = np.sort(np.abs(np.linalg.eigvalsh(b)), axis=-1)
    else:
        singular = np.linalg.svd(b, compute_uv=False)[..., ::-1]
    if p.shape[-1] < 2:
        return np.ones(len(p))
    return np.where(n_present < 2, 1.0, _over_directions(singular[..., -2], valid))


def _antidiagonal_sums(p):
    """Sum over i + j = k: (n, d, L, L) -> (n, d, 2L - 1), by shifting each row one further to the right."""
    n, directions, size, _ = p.shape
    wide = np.zeros((n, directions, size, 2 * size))
    wide[..., :size] = p
    skewed = wide.reshape(n, directions, -1)[..., : size * (2 * size - 1)]
    return skewed.reshape(n, directions, size, 2 * size - 1).sum(axis=2)
