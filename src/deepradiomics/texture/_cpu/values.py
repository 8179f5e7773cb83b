"""Grey values: their bins, moments and percentiles."""

import numpy as np
from numba import njit

# Into so many bins the range of the grey values is cut to find percentiles, into so many parts what lies in one of
# them, and so few are sorted.
_BINS, _PARTS, _FEW = 2048, 64, 24


@njit(cache=True, nogil=True)
def inside(pixels, mask):
    """Grey values of the pixels in a mask (H, W), row by row: (n,)."""
    found, n = np.empty(mask.size, pixels.dtype), 0
    for r in range(mask.shape[0]):
        for c in range(mask.shape[1]):
            found[n] = pixels[r, c]
            n += mask[r, c]
    return found[:n]


@njit(cache=True, nogil=True)
def discretize(values, mask, edges):
    """Number the bin of each grey value of a region from 1, exactly as numpy.digitize with these edges.

    edges : rising, at equal distances; the last may be moved. Levels of the pixels, int32 (H, W), 0 outside the mask,
    and how many there are of each from 0 to the largest.
    """
    own, last = np.empty(values.size, np.int32), edges.size - 1
    counts = np.zeros(last + 1, np.int64)
    start, per_step = edges[0], 1 / (edges[1] - edges[0])
    for k in range(values.size):
        own[k] = min(max(int((values[k] - start) * per_step) + 1, 1), last)
    largest = 0
    for k in range(values.size):
        # Rounding may miss by one bin; the edges decide.
        level, value = own[k], values[k]
        while level > 1 and value < edges[level - 1]:
            level -= 1
        while level < last and value >= edges[level]:
            level += 1
        own[k] = level
        counts[level] += 1
        largest = max(largest, level)
    levels, k = np.empty(mask.shape, np.int32), 0
    for r in range(mask.shape[0]):
        for c in range(mask.shape[1]):
            levels[r, c] = own[min(k, own.size - 1)] * mask[r, c]
            k += mask[r, c]
    return levels, counts[: largest + 1]


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _central_sums(values, mean, sums):
    """Sums of the powers 2, 3 and 4 of the distances to the mean, and of their absolute values."""
    second = third = fourth = absolute = 0.0
    for value in values:
        away = value - mean
        square = away * away
        second += square
        third += square * away
        fourth += square * square
        absolute += abs(away)
    sums[0], sums[1], sums[2], sums[3] = second, third, fourth, absolute


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "nnan"})
def _sums(values):
    """Sum, sum of squares, smallest and largest."""
    total = squares = 0.0
    smallest = largest = values[0]
    for value in values:
        total += value
        squares += value * value
        smallest = min(smallest, value)
        largest = max(largest, value)
    return total, squares, smallest, largest


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _inner_deviation(values, low, high):
    """Mean absolute deviation of the values from low to high, from their own mean; NaN where there is none."""
    total, n = 0.0, 0.0
    for value in values:
        inside = 1.0 if (value >= low) & (value <= high) else 0.0
        total += value * inside
        n += inside
    if n == 0:
        return np.nan
    mean, away = total / n, 0.0
    for value in values:
        away += abs(value - mean) if (value >= low) & (value <= high) else 0.0
    return away / n


@njit(cache=True, nogil=True)
def _neighbours_in_size(values, k, memory):
    """The k-th of the values by size, and the one after it, infinite where there is none.

    The values are cut into parts by size, and only the part of the k-th is kept, until few are left to sort. Nothing
    here branches on a value: which of two values is larger cannot be foretold, and to guess wrong is dear.
    """
    n, after = values.size, np.inf
    counts = np.empty(_PARTS, np.int64)
    while n > _FEW:
        low = high = values[0]
        for i in range(n):
            low, high = min(low, values[i]), max(high, values[i])
        # Halves, since the range of any two numbers may be infinite.
        start, span = low / 2, high / 2 - low / 2
        scale = (_PARTS - 1) / span if 0 < span < np.inf else np.inf
        if scale == np.inf:
            break
        counts[:] = 0
        for i in range(n):
            counts[int((values[i] / 2 - start) * scale)] += 1
        part = 0
        while k >= counts[part]:
            k -= counts[part]
            part += 1
        kept = 0
        for i in range(n):
            value = values[i]
            its_part = int((value / 2 - start) * scale)
            memory[kept] = value
            kept += its_part == part
            after = min(after, value if its_part > part else np.inf)
        values, n = memory, kept
    for i in range(1, n):
        value, j = values[i], i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    return values[k], values[k + 1] if k + 1 < n else after


@njit(cache=True, nogil=True)
def _bins_of(values, smallest, largest):
    """Bin of each value, in an order that is theirs, and how many values lie in the bins up to each."""
    # Halves, since the range of any two numbers may be infinite.
    start, span = smallest / 2, largest / 2 - smallest / 2
    scale = (_BINS - 1) / span if span > 0 else 0.0
    scale = scale if scale < np.inf else 0.0
    bins, ends = np.empty(values.size, np.int32), np.zeros(_BINS, np.int64)
    for k in range(values.size):
        bins[k] = int((values[k] / 2 - start) * scale)
    for k in range(values.size):
        ends[bins[k]] += 1
    for k in range(1, _BINS):
        ends[k] += ends[k - 1]
    return bins, ends


@njit(cache=True, nogil=True)
def _percentiles(values, bins, ends, percents, found):
    """Linear interpolation between neighbours in size, as numpy.percentile does: its lerp is exact at both ends.

    The neighbours are looked for among the values of one bin or two. percents : rising.
    """
    n, wanted, bin_of, above = values.size, np.zeros(_BINS, np.int64), 0, np.zeros((2, percents.size), np.int64)
    for k in range(percents.size):
        rank = int((n - 1) * (percents[k] / 100))
        while ends[bin_of] <= rank:
            bin_of += 1
        above[0, k] = above[1, k] = bin_of
        while ends[above[1, k]] <= min(rank + 1, n - 1):
            above[1, k] += 1
        wanted[above[0, k]] = wanted[above[1, k]] = 1
    kept, their_bins, n_kept = np.empty(n), np.empty(n, np.int32), 0
    for k in range(n):
        kept[n_kept], their_bins[n_kept] = values[k], bins[k]
        n_kept += wanted[bins[k]]
    part, memory = np.empty((2, n_kept))
    for k in range(percents.size):
        place, n_part, high = (n - 1) * (percents[k] / 100), 0, np.inf
        rank, first = int(place), ends[above[0, k] - 1] if above[0, k] else 0
        for i in range(n_kept):
            part[n_part] = kept[i]
            n_part += their_bins[i] == above[0, k]
            high = min(high, kept[i] if their_bins[i] == above[1, k] else np.inf)
        low, after = _neighbours_in_size(part[:n_part], rank - first, memory)
        high = after if above[0, k] == above[1, k] else high
        high = low if rank + 1 == n else high
        share = place - rank
        found[k] = high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share


@njit(cache=True, nogil=True)
def statistics(values):
    """Measure the grey values of one region: what `firstorder` is made of, (15,).

    Number, smallest, largest, mean, sum of squares; variance, third and fourth moment about the mean, and mean absolute
    deviation from it; the percentiles 10, 25, 50, 75 and 90; mean absolute deviation of the values from the 10th to the
    90th percentile from their own mean.
    """
    n, found, sums = values.size, np.empty(15), np.empty(4)
    total, squares, smallest, largest = _sums(values)
    mean = total / n if smallest < largest else smallest
    _central_sums(values, mean, sums)
    found[0], found[1], found[2], found[3], found[4] = n, smallest, largest, mean, squares
    found[5:9] = sums / n
    bins, ends = _bins_of(values, smallest, largest)
    _percentiles(values, bins, ends, np.array([10.0, 25.0, 50.0, 75.0, 90.0]), found[9:14])
    found[14] = _inner_deviation(values, found[9], found[13])
    return found
