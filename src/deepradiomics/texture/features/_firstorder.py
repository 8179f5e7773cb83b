"""First-order features: grey values of a region, whatever their places."""

import numpy as np
from numba import njit

from deepradiomics.texture._cpu.sums import EPS


@njit(cache=True, nogil=True)
def firstorder(statistics, counts, shift, pixel_area, excess):
    """Measure the distribution of grey values: float (n, 18) in the order of the catalogue.

    statistics : float (n, 15), as `_cpu.statistics` finds them; the robust deviation is that of the values from the
    10th to the 90th percentile. counts : pixels at each gray level (n, L). shift : added to the values in Energy,
    TotalEnergy and RootMeanSquared. pixel_area : in mm2 (n,). excess : whether 3 is taken from Kurtosis, as the IBSI
    does.

    IBSI reference manual, intensity-based statistics (code UHIW) and intensity histogram (ZVCW).
    """
    found = np.empty((len(statistics), 18))
    for n in range(len(statistics)):
        s = statistics[n]
        number, low, high, mean, variance = s[0], s[1], s[2], s[3], s[5]
        energy = s[4] + shift * number * (2 * mean + shift)
        entropy = uniformity = 0.0
        for k in range(counts.shape[1]):
            if counts[n, k] > 0:
                p = counts[n, k] / number
                entropy -= p * np.log2(p + EPS)
                uniformity += p * p
        spread = 1.0 if variance == 0 else variance
        kurtosis = 0.0 if variance == 0 else s[7] / spread**2 - (3.0 if excess else 0.0)
        moments = (kurtosis, high, s[8], mean, s[11], low, high - low, s[14], np.sqrt(energy / number))
        rest = (s[6] / spread**1.5, energy * pixel_area[n], uniformity, variance)
        for k, value in enumerate((s[9], s[13], energy, entropy, s[12] - s[10]) + moments + rest):
            found[n, k] = value
    return found
