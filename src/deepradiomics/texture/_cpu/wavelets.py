"""Stationary wavelets of an image."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _tap(step, beyond):
    """Tap that PyWavelets adds at a step; those past the end come first. With its order bands are equal to the bit."""
    return beyond - step if step <= beyond else step


@njit(cache=True, nogil=True)
def _filter_rows(pixels, filters, halves):
    """Filter an image (H, W) along its rows, wrapped round, by a low and a high pass (2, F) into two of zeros."""
    columns, taps, ahead = pixels.shape[1], filters.shape[1], filters.shape[1] // 2
    line, n_inner = np.empty(columns + taps - 1), max(columns - ahead, 0)
    for r in range(pixels.shape[0]):
        for k in range(line.size):
            line[k] = pixels[r, (k + ahead - taps + 1) % columns]
        for f in range(2):
            own = halves[f, r]
            for k in range(taps):
                weight, shifted = filters[f, k], line[taps - 1 - k :]
                for c in range(n_inner):
                    own[c] += weight * shifted[c]
            for c in range(n_inner, columns):
                for step in range(taps):
                    k = _tap(step, c + ahead - columns)
                    own[c] += filters[f, k] * line[c + taps - 1 - k]


@njit(cache=True, nogil=True)
def wavelet_bands(pixels, filters):
    """Filter an image (H, W) along its rows, then along its columns, wrapped round, by a low and a high pass (2, F).

    Bands (2, 2, H, W): the first place says which filter went along the rows, the second along the columns.
    """
    (rows, columns), taps, ahead = pixels.shape, filters.shape[1], filters.shape[1] // 2
    bands, halves = np.zeros((2, 2, rows, columns)), np.zeros((2, rows, columns))
    _filter_rows(pixels, filters, halves)
    for r in range(rows):
        for step in range(taps):
            k = _tap(step, r + ahead - rows)
            for f in range(2):
                source, low, high = halves[f, (r + ahead - k) % rows], bands[f, 0, r], bands[f, 1, r]
                for c in range(columns):
                    low[c] += filters[0, k] * source[c]
                    high[c] += filters[1, k] * source[c]
    return bands
