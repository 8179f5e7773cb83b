"""Features of the neighbourhood grey tone difference matrix."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def ngtdm_features(matrix):
    """Measure neighbourhood gray tone difference matrices (n, L, 2): float (n, 5) in the order of the catalogue.

    By level: pixels, and the sum of their differences to their neighbours' mean. Coarseness of a region without
    differences is 10^6; 0 stands for other quotients over 0. Amadasun and King 1989, IBSI code IPET.
    """
    found = np.zeros((len(matrix), 5))
    for n in range(len(matrix)):
        counts, differences = matrix[n, :, 0].copy(), matrix[n, :, 1].copy()
        pixels, away = counts.sum(), differences.sum()
        if pixels == 0:
            found[n, 1] = found[n, 2] = np.nan
            continue
        coarse = contrast = spread = strength = complexity = n_present = 0.0
        for i in range(counts.size):
            p = counts[i] / pixels
            if p == 0:
                continue
            n_present += 1
            coarse += p * differences[i]
            # Each pair of levels counts both ways.
            for j in range(i):
                q, apart = counts[j] / pixels, i - j
                if q > 0:
                    contrast += 2 * p * q * apart * apart
                    spread += 2 * abs((i + 1) * p - (j + 1) * q)
                    strength += 2 * (p + q) * apart * apart
                    complexity += 2 * apart * (p * differences[i] + q * differences[j]) / (p + q)
        found[n, 0] = coarse / spread if spread > 0 else 0.0
        found[n, 1] = 1 / coarse if coarse > 0 else 1e6
        found[n, 2] = complexity / pixels
        found[n, 3] = contrast * away / pixels / (n_present * (n_present - 1)) if n_present > 1 else 0.0
        found[n, 4] = strength / away if away > 0 else 0.0
    return found
