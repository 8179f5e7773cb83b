"""Features of the grey level co-occurrence matrix."""

from typing import NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from deepradiomics.texture._levels import kernels


def glcm_features(counts, n_levels, n_present):
    """Measure co-occurrence matrices, averaged over directions: {feature: array (n,)} in pyradiomics' order.

    counts : float (n, n_directions, L, L); a direction without pairs is left out. n_levels : largest level of each
    region (n,), by which Idmn and Idn are normalized. n_present : number of its different levels (n,); MCC is 1 for a
    single one.

    Haralick et al. 1973, IBSI code LFYI; conventions (a flat region, the guard in logarithms) as in pyradiomics 3.0.1.
    """
    totals = counts.sum(axis=(2, 3))
    valid = totals > 0
    sums = _PairSums(*kernels(counts).pair_sums(counts, totals))
    features = _cluster_and_moments(sums) | _differences(sums, n_levels) | _information(sums)
    features |= {"MaximumProbability": sums.largest, "JointEnergy": sums.energy}
    xp = array_namespace(counts)
    averaged = dict(zip(features, _over_directions(xp.stack(list(features.values())), valid), strict=True))
    averaged["MCC"] = _maximal_correlation(sums, valid, n_present)
    return {name: averaged[name] for name in _ORDER}


class _PairSums(NamedTuple):
    """What the features of co-occurrence matrices p are made of, by region and direction (n, d)."""

    px: object  # marginals (n, d, L)
    py: object
    total: object  # p summed over i + j (n, d, 2L - 1)
    difference: object  # p summed over |i - j| (n, d, L)
    covariance: object
    entropy: object  # of p, in bit
    energy: object  # sum of squares
    largest: object
    rarity: object  # sum of p / (px py)
    correlation: object  # p / sqrt(px py) (n, d, L, L)
    symmetric: bool  # whether all p are


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
    number = xp.astype(known, values.dtype).sum(axis=-1)
    return xp.where(known, values, 0.0).sum(axis=-1) / xp.where(number == 0, xp.nan, number)


def _entropy(p):
    return -(p * array_namespace(p).log2(p + np.spacing(1))).sum(axis=-1)


def _range(first, last, like):
    """Numbers first to last - 1, of the kind of another array and where it lies."""
    return array_namespace(like).arange(float(first), float(last), dtype=like.dtype, device=device(like))


def _cluster_and_moments(sums):
    """Features of i + j and of the two marginals."""
    px, py, total = sums.px, sums.py, sums.total
    xp, size = array_namespace(px), px.shape[-1]
    i = _range(1, size + 1, px)
    ux, uy = px @ i, py @ i
    vx, vy = ((own * (i - mean[..., None]) ** 2).sum(axis=-1) for own, mean in ((px, ux), (py, uy)))
    deviations = xp.sqrt(vx) * xp.sqrt(vy)
    k = _range(2, 2 * size + 1, px)
    from_centre = k - (ux + uy)[..., None]
    square = from_centre * from_centre
    return {
        "Autocorrelation": sums.covariance + ux * uy,
        "ClusterProminence": (total * square * square).sum(axis=-1),
        "ClusterShade": (total * square * from_centre).sum(axis=-1),
        "ClusterTendency": (total * square).sum(axis=-1),
        "Correlation": xp.where(deviations == 0, 1.0, sums.covariance / (deviations + np.spacing(1))),
        "JointAverage": ux,
        "SumAverage": total @ k,
        "SumEntropy": _entropy(total),
        "SumSquares": vx,
    }


def _differences(sums, n_levels):
    """Features of |i - j|."""
    difference = sums.difference
    xp = array_namespace(difference)
    k = _range(0, difference.shape[-1], difference)
    average = difference @ k
    largest = xp.astype(n_levels[:, None], difference.dtype)
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


def _information(sums):
    """Joint entropy and the informational measures of correlation.

    Where a = px py > 0, log2(a + eps) is log2(px) + log2(py) + eps / (a ln 2), with an error that has no effect on the
    sums; so the two entropies of the product are sums over the marginals, with the share of eps that pyradiomics has.
    """
    xp = array_namespace(sums.px)
    hx, hy = _entropy(sums.px), _entropy(sums.py)
    plain = sum(-(own * xp.log2(xp.where(own > 0, own, 1.0))).sum(axis=-1) for own in (sums.px, sums.py))
    n_cells = xp.astype(sums.px > 0, plain.dtype).sum(axis=-1) * xp.astype(sums.py > 0, plain.dtype).sum(axis=-1)
    share = np.spacing(1) / np.log(2)
    # A single cell has no information, not even that of a rounding.
    alone = n_cells == 1
    hxy1 = xp.where(alone, sums.entropy, plain - share * sums.rarity)
    hxy2 = xp.where(alone, sums.entropy, plain - share * n_cells)
    larger = xp.maximum(hx, hy)
    gain = 1 - xp.exp(-2 * (hxy2 - sums.entropy))
    return {
        "Imc1": xp.where(larger == 0, 0.0, (sums.entropy - hxy1) / xp.where(larger == 0, 1.0, larger)),
        # Where rounding makes the gain negative there is no root, and the direction does not count.
        "Imc2": xp.sqrt(xp.where(gain < 0, xp.nan, gain)),
        "JointEntropy": sums.entropy,
    }


def _maximal_correlation(sums, valid, n_present):
    """Second largest singular value of p / sqrt(px py), averaged; 1 where there is one grey level only.

    Its square is the second eigenvalue of Haralick's Q, which is not symmetric.
    """
    b = sums.correlation
    xp = array_namespace(b)
    if b.shape[-1] < 2:
        return xp.ones_like(sums.px[:, 0, 0])
    if sums.symmetric:
        second = xp.sort(xp.abs(xp.linalg.eigvalsh(b)), axis=-1)[..., -2]
    else:
        second = xp.linalg.svdvals(b)[..., 1]
    return xp.where(n_present < 2, 1.0, _over_directions(second, valid))
