"""Grey values: their bins, moments and percentiles."""

import numpy as np
from numba import njit

# Into so many parts values are cut to find the k-th, and so few are sorted.
_PARTS, _FEW = 64, 24


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
    those of the values (n,), and how many there are of each from 0 to the largest.
    """
    own, last = np.empty(values.size, np.int32), edges.size - 1
    counts = np.zeros(last + 1, np.int64)
    start, step = edges[0], edges[1] - edges[0]
    for k in range(values.size):
        own[k] = min(max(int((values[k] - start) / step) + 1, 1), last)
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
    return levels, own, counts[: largest + 1]


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
def _level_of(rank, starts):
    """The level at which the value of this rank lies; up to level k lie ``starts[k]`` values."""
    level = 0
    while starts[level] <= rank:
        level += 1
    return level


@njit(cache=True, nogil=True)
def _gather(values, levels, starts, wanted):
    """Copy the values of some levels, one level after the other; the copy, and where each level begins in it."""
    first, step, ends = np.zeros((3, starts.size), np.int64)
    n_kept = 0
    for level in wanted:
        if step[level] == 0:
            first[level], step[level] = n_kept, 1
            n_kept += starts[level] - starts[level - 1]
    for level in range(starts.size):
        ends[level] = first[level] if step[level] else n_kept
    # Values of other levels all go to one cell behind the rest, which costs less than to ask.
    kept = np.empty(n_kept + 1)
    for k in range(values.size):
        kept[ends[levels[k]]] = values[k]
        ends[levels[k]] += step[levels[k]]
    return kept, first


@njit(cache=True, nogil=True)
def _percentiles(values, levels, starts, percents, found):
    """Linear interpolation between neighbours in size, as numpy.percentile does: its lerp is exact at both ends.

    Levels rise with the values, so the neighbours are looked for among the values of one level or two.
    """
    n, wanted = values.size, np.empty(2 * percents.size, np.int64)
    for k in range(percents.size):
        rank = int((n - 1) * (percents[k] / 100))
        wanted[2 * k], wanted[2 * k + 1] = _level_of(rank, starts), _level_of(min(rank + 1, n - 1), starts)
    kept, first = _gather(values, levels, starts, wanted)
    memory = np.empty(kept.size)
    for k in range(percents.size):
        place = (n - 1) * (percents[k] / 100)
        rank, level, above = int(place), wanted[2 * k], wanted[2 * k + 1]
        own = kept[first[level] : first[level] + starts[level] - starts[level - 1]]
        low, high = _neighbours_in_size(own, rank - starts[level - 1], memory)
        if above > level:
            high = np.inf
            for value in kept[first[above] : first[above] + starts[above] - starts[above - 1]]:
                high = min(high, value)
        if rank + 1 == n:
            high = low
        share = place - rank
        found[k] = high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share


@njit(cache=True, nogil=True)
def _statistics(values, levels, starts, found):
    """Fill found with what first-order features are made of, in the order of `firstorder.STATISTICS`."""
    n = values.size
    total, squares, smallest, largest = _sums(values)
    mean = total / n if smallest < largest else smallest
    sums = np.empty(4)
    _central_sums(values, mean, sums)
    found[0], found[1], found[2], found[3], found[4] = n, smallest, largest, mean, squares
    found[5], found[6], found[7], found[8] = sums[0] / n, sums[1] / n, sums[2] / n, sums[3] / n
    _percentiles(values, levels, starts, np.array([10.0, 25.0, 50.0, 75.0, 90.0]), found[9:14])
    found[14] = _inner_deviation(values, found[9], found[13])


def statistics(values, levels, counts):
    """Measure the grey values of one region, ``counts[k]`` of which lie at level k and which rise with it: (15,)."""
    found = np.empty(15)
    _statistics(values, levels, np.cumsum(counts), found)
    return found
