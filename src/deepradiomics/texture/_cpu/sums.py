"""Matrices summed into what their features are made of."""

import numpy as np
from numba import njit

# pyradiomics' guard of logarithms.
_EPS = 2.0**-52


@njit(cache=True, nogil=True)
def _information(count, p, memory):
    """p log2 p of a count; a logarithm is dear, and most counts are small and come again.

    ``memory`` (2, M) holds what was found for the counts of one matrix, and whether it was (not below 0).
    """
    whole = int(count)
    if whole != count or whole >= memory.shape[1]:
        return p * np.log2(p + _EPS)
    if memory[1, whole] < 0:
        memory[0, whole], memory[1, whole] = p * np.log2(p + _EPS), 1.0
    return memory[0, whole]


@njit(cache=True, nogil=True)
def _sums_of_pairs(pairs, n_pairs, memory, found, correlation):
    """Fill what the features of one matrix (L, L) are made of; whether it is symmetric.

    ``found`` is (px, py, i + j, |i - j|, scalars); ``memory`` is that of `_information`.
    """
    px, py, total, difference, scalars = found
    for i in range(px.size):
        for j in range(px.size):
            px[i] += pairs[i, j]
            py[j] += pairs[i, j]
    px /= n_pairs
    py /= n_pairs
    mean_x = mean_y = 0.0
    for i in range(px.size):
        mean_x += (i + 1) * px[i]
        mean_y += (i + 1) * py[i]
    root_x, root_y = 1 / np.sqrt(np.where(px > 0, px, 1.0)), 1 / np.sqrt(np.where(py > 0, py, 1.0))
    memory[1] = -1.0
    covariance = entropy = energy = largest = rarity = 0.0
    symmetric = True
    for i in range(px.size):
        for j in range(px.size):
            count = pairs[i, j]
            if count > 0:
                p = count / n_pairs
                total[i + j] += p
                difference[abs(i - j)] += p
                covariance += p * (i + 1 - mean_x) * (j + 1 - mean_y)
                energy += p * p
                largest = max(largest, p)
                scaled = root_x[i] * root_y[j]
                correlation[i, j] = p * scaled
                rarity += p * scaled * scaled
                entropy -= _information(count, p, memory)
                symmetric &= count == pairs[j, i]
    scalars[0], scalars[1], scalars[2], scalars[3], scalars[4] = covariance, entropy, energy, largest, rarity
    return symmetric


@njit(cache=True, nogil=True)
def _pair_sums(counts, totals, px, py, total, difference, scalars, correlation):
    memory, symmetric = np.empty((2, 512)), True
    for n in range(counts.shape[0]):
        for k in range(counts.shape[1]):
            if totals[n, k] > 0:
                found = (px[n, k], py[n, k], total[n, k], difference[n, k], scalars[n, k])
                symmetric &= _sums_of_pairs(counts[n, k], totals[n, k], memory, found, correlation[n, k])
    return symmetric


def pair_sums(counts, totals):
    """Sum matrices (n, d, L, L) of pairs into what their features are made of: `glcm._PairSums`' fields, in order."""
    n, directions, size, _ = counts.shape
    px, py, difference = np.zeros((3, n, directions, size))
    total, scalars, correlation = (
        np.zeros((n, directions, 2 * size - 1)),
        np.zeros((n, directions, 5)),
        np.zeros_like(counts),
    )
    symmetric = _pair_sums(counts, totals, px, py, total, difference, scalars, correlation)
    return px, py, total, difference, *np.moveaxis(scalars, 2, 0), correlation, symmetric


@njit(cache=True, nogil=True)
def _size_sums(counts, totals, small, large, found):
    by_size, by_level, level_small, level_large, entropy = found
    memory = np.empty((2, 512))
    for n in range(counts.shape[0]):
        memory[1] = -1.0
        for i in range(counts.shape[1]):
            for k in range(counts.shape[2]):
                count = counts[n, i, k]
                if count > 0:
                    p = count / totals[n]
                    by_size[n, k] += p
                    by_level[n, i] += p
                    level_small[n, i] += p * small[n, k]
                    level_large[n, i] += p * large[n, k]
                    entropy[n] -= _information(count, p, memory)


def size_sums(counts, totals, small, large):
    """Sum tables (..., L, S) into what their features are made of: `sizes._SizeSums`' fields, in order."""
    *several, n_levels, n_sizes = counts.shape
    n = int(np.prod(several))
    by_size, by_level, entropy = np.zeros((n, n_sizes)), np.zeros((3, n, n_levels)), np.zeros(n)
    columns = [np.broadcast_to(own, (*several, n_sizes)).reshape(n, n_sizes) for own in (small, large)]
    found = (by_size, *by_level, entropy)
    _size_sums(counts.reshape(n, n_levels, n_sizes), totals.reshape(n), *columns, found)
    return [own.reshape((*several, *own.shape[1:])) for own in found]
