"""Compiled loops over grey levels, on the CPU.

Levels (n, H, W) are padded with zeros on all sides, ``pad`` pixels wide, so no loop checks a border. The functions that
:mod:`deepradiomics.texture.matrices` calls have twins of the same names and arguments in `_gpu`.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def discretize(pixels, mask, edges, start, step, levels):
    """Number the bin of each pixel in the mask from 1, exactly as numpy.digitize with these edges; the largest."""
    largest = 0
    for r in range(mask.shape[0]):
        for c in range(mask.shape[1]):
            if mask[r, c]:
                value = pixels[r, c]
                level = min(max(int((value - start) / step) + 1, 1), edges.size - 1)
                # Rounding may miss by one bin; the edges decide.
                while level > 1 and value < edges[level - 1]:
                    level -= 1
                while level < edges.size - 1 and value >= edges[level]:
                    level += 1
                levels[r, c] = level
                largest = max(largest, level)
    return largest


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
    total, n = 0.0, 0
    for value in values:
        inside = (value >= low) & (value <= high)
        total += value * inside
        n += inside
    if n == 0:
        return np.nan
    mean, away = total / n, 0.0
    for value in values:
        away += abs(value - mean) * ((value >= low) & (value <= high))
    return away / n


@njit(cache=True, nogil=True)
def _select(values, low, high, k):
    """Bring the values between low and high (inclusive) so far into order that the k-th stands in its place."""
    while low < high:
        span = high - low + 1
        # The middle one of three, one of them from anywhere, so that no order of the pixels makes this slow.
        a, b, c = values[low + span // 2], values[high], values[low + (k * 7919 + high * 104729) % span]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            return


@njit(cache=True, nogil=True)
def _percentiles(values, levels, starts, percents, found):
    """Linear interpolation between neighbours in size, as numpy.percentile does: its lerp is exact at both ends.

    Levels rise with the values, and ``starts[k]`` values lie at levels up to k, so the neighbours are looked for among
    the values of one level or two.
    """
    n, n_kept = values.size, 0
    place = np.full(starts.size, -1)
    step = np.zeros(starts.size, np.int64)
    for percent in percents:
        below = int(np.floor((n - 1) * (percent / 100)))
        for wanted in (below, min(below + 1, n - 1)):
            level = np.searchsorted(starts, wanted, side="right")
            if step[level] == 0:
                place[level], step[level] = n_kept, 1
                n_kept += starts[level] - starts[level - 1]
    # Values of other levels all go to one cell behind the rest, which costs less than to ask.
    kept, filled = np.empty(n_kept + 1), np.where(step > 0, place, n_kept)
    for k in range(n):
        kept[filled[levels[k]]] = values[k]
        filled[levels[k]] += step[levels[k]]
    for k in range(percents.size):
        below = int(np.floor((n - 1) * (percents[k] / 100)))
        level, above = np.searchsorted(starts, np.array([below, min(below + 1, n - 1)]), side="right")
        wanted = place[level] + below - starts[level - 1]
        _select(kept, place[level], filled[level] - 1, wanted)
        low = high = kept[wanted]
        if below + 1 < n:
            first = wanted + 1 if above == level else place[above]
            high = kept[first : filled[above]].min()
        share = (n - 1) * (percents[k] / 100) - below
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


def grey_statistics(values, levels):
    """Measure the grey values of each region, whose levels rise with them: (n, 15)."""
    found = np.empty((len(values), 15))
    for own, own_levels, row in zip(values, levels, found, strict=True):
        _statistics(own, own_levels, np.cumsum(np.bincount(own_levels)), row)
    return found


@njit(cache=True, nogil=True)
def glcm(levels, pad, heights, widths, n_levels, offsets):
    """Count pairs (level, level at the offset): (n, n_offsets, L, L)."""
    counts = np.zeros((levels.shape[0], offsets.shape[0], n_levels, n_levels))
    for n in range(levels.shape[0]):
        for k in range(offsets.shape[0]):
            dr, dc = offsets[k, 0], offsets[k, 1]
            for r in range(pad, pad + heights[n]):
                for c in range(pad, pad + widths[n]):
                    a, b = levels[n, r, c], levels[n, r + dr, c + dc]
                    if a > 0 and b > 0:
                        counts[n, k, a - 1, b - 1] += 1.0
    return counts


@njit(cache=True, nogil=True)
def _sums_of_pairs(pairs, n_pairs, memory, found, correlation):
    """Fill what the features of one matrix (L, L) are made of; whether it is symmetric.

    ``found`` is (px, py, i + j, |i - j|, scalars); ``memory`` (2, M) holds the entropies of the counts seen so far.
    """
    px, py, total, difference, scalars = found
    eps = 2.0**-52
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
                p, whole = count / n_pairs, int(count)
                total[i + j] += p
                difference[abs(i - j)] += p
                covariance += p * (i + 1 - mean_x) * (j + 1 - mean_y)
                energy += p * p
                largest = max(largest, p)
                scaled = root_x[i] * root_y[j]
                correlation[i, j] = p * scaled
                rarity += p * scaled * scaled
                # A logarithm is dear, and most counts are small and come again.
                if whole == count and whole < memory.shape[1]:
                    if memory[1, whole] < 0:
                        memory[0, whole], memory[1, whole] = p * np.log2(p + eps), 1.0
                    entropy -= memory[0, whole]
                else:
                    entropy -= p * np.log2(p + eps)
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
def _line_holds_two(levels, n, pad, height, width, dr, dc):
    """Whether some line in a direction holds two pixels of the region, next to each other or not."""
    seen = np.zeros(height + width + 1, np.bool_)
    for r in range(height):
        for c in range(width):
            if levels[n, r + pad, c + pad] > 0:
                # Number of the line: all its pixels have the same r * dc - c * dr.
                line = r * dc - c * dr
                line = line + width if dr > 0 else line
                if dc < 0:
                    line += height
                if seen[line]:
                    return True
                seen[line] = True
    return False


@njit(cache=True, nogil=True)
def _runs(levels, n, pad, height, width, dr, dc, runs):
    """Count the runs of one region in one direction; the longest, and whether two neighbours are in the region.

    Each pixel adds to the cell of its level and of its run's length so far, without a branch; a run of length k has
    then added to cells 1 to k, so the runs of length k are cell k less cell k + 1. Row 0 takes what lies outside.
    """
    n_levels, longest_possible = runs.shape
    reached = np.zeros((n_levels + 1, longest_possible + 1), np.int32)
    lengths = np.zeros((2, width + 2), np.int32)
    neighbours = 0
    for r in range(height):
        own, before = lengths[r % 2, 1 : 1 + width], lengths[(r - dr) % 2, 1 - dc : 1 - dc + width]
        here, behind = levels[n, r + pad, pad : pad + width], levels[n, r + pad - dr, pad - dc : pad - dc + width]
        for c in range(width):
            same = (here[c] == behind[c]) & (here[c] > 0)
            length = before[c] * same + 1
            own[c] = length
            reached[here[c], length - 1] += 1
            neighbours |= (here[c] > 0) & (behind[c] > 0)
    longest = 1
    for level in range(n_levels):
        for k in range(longest_possible):
            if reached[level + 1, k] > 0:
                runs[level, k] = reached[level + 1, k] - reached[level + 1, k + 1]
                longest = max(longest, k + 1)
    return longest, neighbours > 0


@njit(cache=True, nogil=True)
def glrlm(levels, pad, heights, widths, n_levels, directions, lone):
    """Count runs: (n, n_directions, L, longest run); lines of one pixel alone make a direction with ``lone`` only."""
    longest = 1
    counts = np.zeros((levels.shape[0], directions.shape[0], n_levels, max(heights.max(), widths.max())))
    for n in range(levels.shape[0]):
        h, w = heights[n], widths[n]
        for k in range(directions.shape[0]):
            dr, dc = directions[k, 0], directions[k, 1]
            length, neighbours = _runs(levels, n, pad, h, w, dr, dc, counts[n, k])
            longest = max(longest, length)
            if not (lone or neighbours or _line_holds_two(levels, n, pad, h, w, dr, dc)):
                counts[n, k] = 0.0
    return counts[:, :, :, :longest]


@njit(cache=True, nogil=True)
def _join(link, a, b):
    """Make two components one; the smaller number of both stays."""
    while link[a] != a:
        a = link[a]
    while link[b] != b:
        b = link[b]
    link[max(a, b)] = min(a, b)
    return min(a, b)


@njit(cache=True, nogil=True)
def _label(levels, pad, height, width, link, size, level):
    """Number the components of equal level, some of them in several pieces, which link ties; how many numbers.

    Number 0 is the outside. Of the neighbours already seen, the left one, the one above and the one above to the left
    touch each other, so only the one above to the right can bring a second component.
    """
    numbers = np.zeros((2, width + 2), np.int32)
    link[0], level[0], found = 0, 0, 1
    for r in range(height):
        here, above = levels[r + pad], levels[r + pad - 1]
        own_row, row_above = numbers[r % 2], numbers[1 - r % 2]
        number = 0
        for c in range(width):
            # Every neighbour is read and every number written, so that only two pieces that meet cost a branch.
            q, own = c + pad, here[c + pad]
            up_left, up, right = row_above[c], row_above[c + 1], row_above[c + 2]
            left = up_left if above[q - 1] == own else found
            left = up if above[q] == own else left
            left = number if here[q - 1] == own else left
            right = right if above[q + 1] == own else found
            number = left if left != found else right
            link[found], level[found] = found, own
            if (left != right) & (left != found) & (right != found):
                number = _join(link, left, right)
            found += number == found
            own_row[c + 1] = number
            size[number] += 1
    return found


@njit(cache=True, nogil=True)
def zones(levels, pad, height, width, zone_levels, zone_sizes):
    """List the zones of one region: 8-connected pixels of equal level. The number of zones, and the largest size."""
    most = height * width + 2
    link, size, level = np.empty(most, np.int32), np.zeros(most, np.int32), np.empty(most, np.int32)
    numbers = _label(levels, pad, height, width, link, size, level)
    for k in range(numbers - 1, 0, -1):
        # A piece is tied to a smaller number, so the largest hand over first.
        if link[k] != k:
            size[link[k]] += size[k]
    found, largest = 0, 0
    for k in range(1, numbers):
        if link[k] == k and level[k] > 0:
            zone_levels[found], zone_sizes[found] = level[k], size[k]
            largest = max(largest, size[k])
            found += 1
    return found, largest


@njit(cache=True, nogil=True)
def tabulate_zones(zone_levels, zone_sizes, n_levels, largest):
    """Count zones by level and by the sizes that occur: counts (L, S) and sizes (S,)."""
    column = np.zeros(largest + 1, np.int32)
    for size in zone_sizes:
        column[size] = 1
    sizes = np.flatnonzero(column)
    for k in range(sizes.size):
        column[sizes[k]] = k
    counts = np.zeros((n_levels, sizes.size))
    for k in range(zone_sizes.size):
        counts[zone_levels[k] - 1, column[zone_sizes[k]]] += 1.0
    return counts, sizes


def glszm(levels, pad, heights, widths, n_levels):
    """Count zones by level and by the sizes that occur: counts (n, L, S), sizes (n, S)."""
    tables = []
    for region, height, width in zip(levels, heights, widths, strict=True):
        zone_levels, zone_sizes = np.empty((2, height * width), dtype=np.int32)
        n_zones, largest = zones(region, pad, height, width, zone_levels, zone_sizes)
        tables.append(tabulate_zones(zone_levels[:n_zones], zone_sizes[:n_zones], n_levels, largest))
    n_sizes = max(1, max(len(sizes) for _, sizes in tables))
    counts, all_sizes = np.zeros((len(tables), n_levels, n_sizes)), np.ones((len(tables), n_sizes))
    for row, (own, sizes) in enumerate(tables):
        counts[row, :, : len(sizes)], all_sizes[row, : len(sizes)] = own, sizes
    return counts, all_sizes


@njit(cache=True, nogil=True)
def gldm(levels, pad, heights, widths, n_levels, offsets, largest_difference):
    """Count pixels by level and number of neighbours of about equal level: (n, L, 1 + n_offsets)."""
    counts = np.zeros((levels.shape[0], n_levels, 1 + offsets.shape[0]))
    for n in range(levels.shape[0]):
        width = widths[n]
        for r in range(pad, pad + heights[n]):
            here, dependent = levels[n, r, pad : pad + width], np.zeros(width, np.int32)
            for k in range(offsets.shape[0]):
                start = pad + offsets[k, 1]
                other = levels[n, r + offsets[k, 0], start : start + width]
                for c in range(width):
                    dependent[c] += (other[c] > 0) & (abs(other[c] - here[c]) <= largest_difference)
            for c in range(width):
                if here[c] > 0:
                    counts[n, here[c] - 1, dependent[c]] += 1.0
    return counts


@njit(cache=True, nogil=True)
def ngtdm(levels, pad, heights, widths, n_levels, offsets, lone):
    """Pixels, and how far they are from the mean of their neighbours, by level: (n, L, 2).

    Pixels without neighbours differ from nothing; they are counted with ``lone`` only.
    """
    found = np.zeros((levels.shape[0], n_levels, 2))
    for n in range(levels.shape[0]):
        width = widths[n]
        for r in range(pad, pad + heights[n]):
            here = levels[n, r, pad : pad + width]
            total, known = np.zeros(width, np.int32), np.zeros(width, np.int32)
            for k in range(offsets.shape[0]):
                start = pad + offsets[k, 1]
                other = levels[n, r + offsets[k, 0], start : start + width]
                for c in range(width):
                    total[c] += other[c]
                    known[c] += other[c] > 0
            for c in range(width):
                if here[c] > 0 and (lone or known[c] > 0):
                    found[n, here[c] - 1, 0] += 1.0
                if here[c] > 0 and known[c] > 0:
                    found[n, here[c] - 1, 1] += abs(here[c] - total[c] / known[c])
    return found
