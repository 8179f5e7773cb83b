"""What run lengths, zone sizes and dependences have in common: features of a table of grey level by size."""

import numpy as np
from numba import njit

# What `size_features` finds, in the order of GLRLM, and in the orders in which the other matrices have it.
_WORDS = """
    gray_nonuniformity gray_nonuniformity_normalized gray_variance high_gray large large_high_gray large_low_gray
    low_gray entropy size_nonuniformity size_nonuniformity_normalized percentage size_variance small small_high_gray
    small_low_gray"""
_RUNS = _WORDS.split()
_ZONES = [*_RUNS[:8], *_RUNS[9:11], *_RUNS[13:], "entropy", "percentage", "size_variance"]
_DEPENDENCES = [*_RUNS[8:11], "size_variance", "gray_nonuniformity", *_RUNS[2:8], *_RUNS[13:]]
SIZE_ORDER = {
    name: [_RUNS.index(word) for word in words]
    for name, words in (("glrlm", _RUNS), ("glszm", _ZONES), ("gldm", _DEPENDENCES))
}


@njit(cache=True, nogil=True)
def size_features(sizes, by_size, by_level, numbers, n_directions):
    """Measure tables p of gray level by size: float (n, 16), each the mean over some tables, in the order of GLRLM.

    sizes : (1 or n_tables, S). by_size : p summed over levels (n_tables, S). by_level : p, p over the square of the
    size, and p times it, summed over sizes (n_tables, 3, L). numbers : sum of the counts, and entropy of p in bit
    (n_tables, 2); a table without counts is left out of the mean, which is NaN where there is no other.

    Galloway 1975, Thibault et al. 2009, Sun and Wee 1983. The IBSI reference manual defines the same sums three times,
    under codes TP0I, 9SAK and REK0.
    """
    found = np.zeros((len(numbers) // n_directions, 16))
    for row in range(len(found)):
        number = 0
        for table in range(row * n_directions, (row + 1) * n_directions):
            if numbers[table, 0] == 0:
                continue
            number += 1
            mean_level = low = high = small_low = small_high = large_low = large_high = level_squares = 0.0
            for i in range(by_level.shape[2]):
                p, square = by_level[table, 0, i], (i + 1.0) ** 2
                mean_level += p * (i + 1)
                low += p / square
                high += p * square
                small_low += by_level[table, 1, i] / square
                small_high += by_level[table, 1, i] * square
                large_low += by_level[table, 2, i] / square
                large_high += by_level[table, 2, i] * square
                level_squares += p * p
            mean_size = small = large = size_squares = level_variance = size_variance = 0.0
            own_sizes = sizes[table % len(sizes)]
            for k in range(by_size.shape[1]):
                p, square = by_size[table, k], own_sizes[k] * own_sizes[k]
                mean_size += p * own_sizes[k]
                small += p / square
                large += p * square
                size_squares += p * p
            for i in range(by_level.shape[2]):
                level_variance += by_level[table, 0, i] * (i + 1 - mean_level) ** 2
            for k in range(by_size.shape[1]):
                size_variance += by_size[table, k] * (own_sizes[k] - mean_size) ** 2
            total, entropy = numbers[table, 0], numbers[table, 1]
            of_levels = (total * level_squares, level_squares, level_variance, high, large, large_high, large_low, low)
            of_sizes = (entropy, total * size_squares, size_squares, 1 / mean_size, size_variance, small)
            for k, value in enumerate(of_levels + of_sizes + (small_high, small_low)):
                found[row, k] += value
        for k in range(16):
            found[row, k] = found[row, k] / number if number else np.nan
    return found
