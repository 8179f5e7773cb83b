"""Matrices summed into what their features are made of."""

import numpy as np
from numba import njit

# pyradiomics' guard of logarithms, and what it adds to p log2 p where p is well above it, in bit.
EPS = 2.0**-52
SHARE = EPS / np.log(2)


@njit(cache=True, nogil=True)
def _information(count, p, memory):
    """p log2 p of a count; a logarithm is dear, and most counts are small and come again.

    ``memory`` (2, M) holds what was found for the counts of one matrix, and whether it was (not below 0).
    """
    whole = int(count)
    if whole != count or whole >= memory.shape[1]:
        return p * np.log2(p + EPS)
    if memory[1, whole] < 0:
        memory[0, whole], memory[1, whole] = p * np.log2(p + EPS), 1.0
    return memory[0, whole]


@njit(cache=True, nogil=True)
def _largest_eigenvalue(diagonal, squares):
    """Largest eigenvalue of a tridiagonal matrix that has no negative one; ``squares[k]`` lies between k - 1 and k.

    Laguerre's iteration from Gershgorin's bound: it falls towards the largest root and never passes it, however near
    the next one is. Right of it all pivots of T - x are negative. Wilkinson, The Algebraic Eigenvalue Problem, 1965.
    """
    size, x = diagonal.size, 0.0
    for k in range(size):
        after = np.sqrt(squares[k + 1]) if k + 1 < size else 0.0
        x = max(x, diagonal[k] + np.sqrt(squares[k]) + after)
    for _ in range(100):
        # The first and second derivative of each pivot, over the pivot; of their product, those of its logarithm.
        pivot, first, second = np.inf, 0.0, 0.0
        slope = bend = 0.0
        for k in range(size):
            share = squares[k] / pivot
            pivot = diagonal[k] - x - share
            if pivot >= 0:
                return x
            second = share * (second - 2 * first * first) / pivot
            first = (share * first - 1) / pivot
            slope += first
            bend += first * first - second
        step = size / (slope + np.sqrt(max((size - 1) * (size * bend - slope * slope), 0.0)))
        if x - step == x:
            return x
        x -= step
    return x


@njit(cache=True, nogil=True)
def _make_tridiagonal(m):
    """Diagonal of a symmetric matrix, and squares beside it as `_largest_eigenvalue` takes them; m is overwritten.

    Householder's reflections, each of which leaves of the last row one number beside the diagonal.
    """
    size = m.shape[0]
    diagonal, squares, w = np.empty(size), np.zeros(size), np.empty(size)
    for last in range(size - 1, -1, -1):
        v, norm, along = m[last, :last], 0.0, 0.0
        for j in range(last):
            norm += v[j] * v[j]
        diagonal[last], squares[last] = m[last, last], norm
        if last < 2 or norm < 1e-200:
            continue
        root = np.copysign(np.sqrt(norm), v[last - 1])
        v[last - 1] += root
        half = root * v[last - 1]
        w[:last] = 0.0
        for i in range(last):
            for j in range(last):
                w[j] += v[i] * m[i, j]
        for j in range(last):
            along += w[j] * v[j] / (2 * half)
        for j in range(last):
            w[j] = (w[j] - along * v[j]) / half
        for i in range(last):
            for j in range(last):
                m[i, j] -= v[i] * w[j] + w[i] * v[j]
    return diagonal, squares


@njit(cache=True, nogil=True)
def spectral_norm(matrix):
    """Largest singular value of a square matrix a: root of the largest eigenvalue of a' a.

    At 32 levels LAPACK, which finds all eigenvalues, takes three times as long; so does squaring a' a over and over.
    Beyond 128 levels LAPACK's blocks win.
    """
    if matrix.shape[0] > 128:
        return np.sqrt(np.linalg.eigvalsh(matrix.T @ matrix)[-1])
    gram = np.zeros(matrix.shape)
    for k in range(matrix.shape[0]):
        for i in range(matrix.shape[0]):
            for j in range(matrix.shape[0]):
                gram[i, j] += matrix[k, i] * matrix[k, j]
    return np.sqrt(_largest_eigenvalue(*_make_tridiagonal(gram)))


@njit(cache=True, nogil=True)
def _sums_of_pairs(pairs, n_pairs, memory, px, py, total, difference, numbers):
    """Fill what the features of one matrix (L, L) are made of; ``memory`` is that of `_information`."""
    size = px.size
    for i in range(size):
        for j in range(size):
            p = pairs[i, j] / n_pairs
            px[i] += p
            py[j] += p
    mean_x = mean_y = 0.0
    root_x, root_y, inverse_x, inverse_y = np.sqrt(px), np.sqrt(py), np.zeros(size), np.zeros(size)
    for i in range(size):
        mean_x += (i + 1) * px[i]
        mean_y += (i + 1) * py[i]
        inverse_x[i] = 1 / root_x[i] if px[i] > 0 else 0.0
        inverse_y[i] = 1 / root_y[i] if py[i] > 0 else 0.0
    memory[1] = -1.0
    covariance = entropy = energy = largest = guard = 0.0
    # Of thousands of levels in narrow bins most are in no pair.
    present = np.flatnonzero(px + py)
    correlation = np.empty((present.size, present.size))
    for row, i in enumerate(present):
        for column, j in enumerate(present):
            # Without the largest singular value, which is 1 and belongs to the roots of the marginals.
            correlation[row, column] = -root_x[i] * root_y[j]
            count = pairs[i, j]
            if count > 0:
                p = count / n_pairs
                total[i + j] += p
                difference[abs(i - j)] += p
                covariance += p * (i + 1 - mean_x) * (j + 1 - mean_y)
                energy += p * p
                largest = max(largest, p)
                scaled = inverse_x[i] * inverse_y[j]
                correlation[row, column] += p * scaled
                rarity = scaled * scaled
                # log2(a + eps) - log2(a); its first term, but for the rarest pairs of weighted matrices.
                guard += p * (SHARE * rarity if rarity < 1e10 else np.log2(1 + EPS * rarity))
                entropy -= _information(count, p, memory)
    numbers[0], numbers[1], numbers[2], numbers[3], numbers[4] = n_pairs, covariance, entropy, energy, largest
    numbers[5], numbers[6] = guard, spectral_norm(correlation)


@njit(cache=True, nogil=True)
def pair_sums(counts):
    """Sum matrices of pairs (n, d, L, L) into what `glcm_features` takes: its first five arguments, in order."""
    n, directions, size, _ = counts.shape
    px, py, difference = np.zeros((3, n, directions, size))
    total, numbers = np.zeros((n, directions, 2 * size - 1)), np.zeros((n, directions, 7))
    memory = np.empty((2, 512))
    for row in range(n):
        for k in range(directions):
            own, n_pairs = counts[row, k], 0.0
            for i in range(size):
                for j in range(size):
                    n_pairs += own[i, j]
            if n_pairs > 0:
                sums = px[row, k], py[row, k], total[row, k], difference[row, k], numbers[row, k]
                _sums_of_pairs(own, n_pairs, memory, *sums)
    return px, py, total, difference, numbers


@njit(cache=True, nogil=True)
def size_sums(counts, sizes):
    """Sum tables (n, L, S) of level by size into what `size_features` takes: its arguments, in order.

    sizes : (n, S), or (1, S) where all tables have the same.
    """
    n, n_levels, n_sizes = counts.shape
    by_size, by_level, numbers = np.zeros((n, n_sizes)), np.zeros((n, 3, n_levels)), np.zeros((n, 2))
    memory = np.empty((2, 512))
    for row in range(n):
        memory[1] = -1.0
        own_sizes, total = sizes[row % sizes.shape[0]], counts[row].sum()
        for i in range(n_levels):
            for k in range(n_sizes):
                count = counts[row, i, k]
                if count > 0:
                    p, square = count / total, own_sizes[k] * own_sizes[k]
                    by_size[row, k] += p
                    by_level[row, 0, i] += p
                    by_level[row, 1, i] += p / square
                    by_level[row, 2, i] += p * square
                    numbers[row, 1] -= _information(count, p, memory)
        numbers[row, 0] = total
    return sizes, by_size, by_level, numbers
