"""Features of the grey level co-occurrence matrix."""

import numpy as np
from numba import njit

from deepradiomics.texture._cpu.sums import EPS, SHARE


@njit(cache=True, nogil=True)
def _of_margins(px, py, total):
    """Features of i + j and of the two marginals."""
    ux = uy = vx = vy = tendency = shade = prominence = average = entropy = 0.0
    for k in range(px.size):
        ux += px[k] * (k + 1)
        uy += py[k] * (k + 1)
    for k in range(px.size):
        vx += px[k] * (k + 1 - ux) ** 2
        vy += py[k] * (k + 1 - uy) ** 2
    for k in range(total.size):
        p = total[k]
        if p > 0:
            away = k + 2 - (ux + uy)
            square = away * away
            tendency += p * square
            shade += p * square * away
            prominence += p * square * square
            average += p * (k + 2)
            entropy -= p * np.log2(p + EPS)
    return ux, uy, vx, np.sqrt(vx) * np.sqrt(vy), tendency, shade, prominence, average, entropy


@njit(cache=True, nogil=True)
def _of_differences(difference, largest_level):
    """Features of |i - j|: contrast, average, entropy, variance, id, idm, idmn, idn, inverse variance."""
    contrast = average = entropy = variance = by_one = by_square = idmn = idn = inverse = 0.0
    for k in range(difference.size):
        average += difference[k] * k
    for k in range(difference.size):
        p = difference[k]
        if p > 0:
            square, share = k * k, k / largest_level
            contrast += p * square
            variance += p * (k - average) ** 2
            entropy -= p * np.log2(p + EPS)
            by_one += p / (1 + k)
            by_square += p / (1 + square)
            idmn += p / (1 + share * share)
            idn += p / (1 + share)
            inverse += p / square if k else 0.0
    return contrast, average, entropy, variance, by_one, by_square, idmn, idn, inverse


@njit(cache=True, nogil=True)
def _of_information(px, py, joint, guard):
    """The informational measures of correlation.

    Where a = px py > 0, log2(a + eps) is log2(px) + log2(py) and what eps adds, eps / (a ln 2) in a sum over a
    itself; so the two entropies of the product are sums over the marginals, with the share of eps that pyradiomics has.
    """
    hx = hy = 0.0
    nx = ny = 0
    for k in range(px.size):
        if px[k] > 0:
            hx -= px[k] * np.log2(px[k])
            nx += 1
        if py[k] > 0:
            hy -= py[k] * np.log2(py[k])
            ny += 1
    # A single cell has no information, not even that of a rounding.
    alone = nx * ny == 1
    hxy1 = joint if alone else hx + hy - guard
    hxy2 = joint if alone else hx + hy - SHARE * nx * ny
    larger, gain = max(hx - SHARE * nx, hy - SHARE * ny), 1 - np.exp(-2 * (hxy2 - joint))
    # Where rounding makes the gain negative there is no root, and the direction does not count.
    return (joint - hxy1) / larger if larger != 0 else 0.0, np.sqrt(gain) if gain >= 0 else np.nan


@njit(cache=True, nogil=True)
def glcm_features(px, py, total, difference, numbers, largest_levels, n_present):
    """Measure co-occurrence matrices p: float (n, 24), averaged over directions, in the order of the catalogue.

    px, py : marginals (n, d, L). total, difference : p summed over i + j (n, d, 2L - 1) and over |i - j| (n, d, L).
    numbers : number of pairs (a direction without any is left out), covariance, entropy in bit, sum of squares and
    largest of p, what the guard adds to the sum of p log2(px py), and second largest singular value of
    p / sqrt(px py), whose square is the second eigenvalue of Haralick's Q (n, d, 7).
    largest_levels : largest level of each region (n,), by which Idmn and Idn are
    normalized. n_present : number of its different levels (n,); MCC is 1 for a single one.

    Haralick et al. 1973, IBSI code LFYI; conventions (a flat region, the guard in logarithms) as in pyradiomics 3.0.1.
    """
    found, known = np.zeros((len(px), 24)), np.zeros(24)
    for n in range(len(px)):
        known[:] = 0.0
        for d in range(px.shape[1]):
            own = numbers[n, d]
            if own[0] == 0:
                continue
            ux, uy, vx, deviations, tendency, shade, prominence, average, sum_entropy = _of_margins(
                px[n, d], py[n, d], total[n, d]
            )
            contrast, apart, entropy, variance, by_one, by_square, idmn, idn, inverse = _of_differences(
                difference[n, d], largest_levels[n]
            )
            imc1, imc2 = _of_information(px[n, d], py[n, d], own[2], own[5])
            correlation = own[1] / (deviations + EPS) if deviations != 0 else 1.0
            of_clusters = (own[1] + ux * uy, prominence, shade, tendency, contrast, correlation)
            of_differences = (apart, entropy, variance, by_one, by_square, idmn, idn, imc1, imc2, inverse)
            of_joint = (ux, own[3], own[2], own[6], own[4], average, sum_entropy, vx)
            for k, value in enumerate(of_clusters + of_differences + of_joint):
                if not np.isnan(value):
                    found[n, k] += value
                    known[k] += 1
        for k in range(24):
            found[n, k] = found[n, k] / known[k] if known[k] > 0 else np.nan
        # A flat region has pairs of one kind; where rounding left no direction of Imc2, there is no information.
        if n_present[n] == 1 and known[19] > 0:
            found[n, 19] = 1.0
        if known[14] == 0 and known[13] > 0:
            found[n, 14] = 0.0
    return found
