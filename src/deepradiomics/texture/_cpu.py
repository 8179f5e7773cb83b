"""Compiled loops over grey levels. Levels are padded with zeros on all sides, so no loop checks a border."""

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


@njit(cache=True, nogil=True)
def glcm(levels, pad, heights, widths, offsets, counts):
    """Add pairs (level, level at the offset) to counts (n, n_offsets, L, L)."""
    for n in range(levels.shape[0]):
        for k in range(offsets.shape[0]):
            dr, dc = offsets[k, 0], offsets[k, 1]
            for r in range(pad, pad + heights[n]):
                for c in range(pad, pad + widths[n]):
                    a, b = levels[n, r, c], levels[n, r + dr, c + dc]
                    if a > 0 and b > 0:
                        counts[n, k, a - 1, b - 1] += 1.0


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
def glrlm(levels, pad, heights, widths, directions, counts):
    """Add runs to counts (n, 4, L, R); a direction in which no line holds two pixels stays empty. The longest run."""
    longest = 1
    for n in range(levels.shape[0]):
        h, w = heights[n], widths[n]
        for k in range(directions.shape[0]):
            dr, dc = directions[k, 0], directions[k, 1]
            if abs(dr) < h and abs(dc) < w:
                length, neighbours = _runs(levels, n, pad, h, w, dr, dc, counts[n, k])
                longest = max(longest, length)
                if not neighbours and not _line_holds_two(levels, n, pad, h, w, dr, dc):
                    counts[n, k] = 0.0
    return longest


@njit(cache=True, nogil=True)
def _root(parent, p):
    while parent[p] != p:
        p = parent[p]
    return p


@njit(cache=True, nogil=True)
def _parent(flat, parent, p, stride):
    """Component of a pixel among those above and to the left; the parent always has the smaller number.

    Where the pixel above is of the same level, the three others that are have been joined to it already.
    """
    level = flat[p]
    if flat[p - stride] == level:
        return _root(parent, p - stride)
    left = p
    if flat[p - 1] == level:
        left = _root(parent, p - 1)
    elif flat[p - stride - 1] == level:
        left = _root(parent, p - stride - 1)
    if flat[p - stride + 1] != level:
        return left
    right = _root(parent, p - stride + 1)
    if left in (p, right):
        return right
    parent[max(left, right)] = min(left, right)
    return min(left, right)


@njit(cache=True, nogil=True)
def _join(flat, parent, stride, pad, height, width, first):
    """Give each pixel its component so far, and list the pixels that began one; how many there are."""
    found = 0
    for r in range(pad, pad + height):
        for p in range(r * stride + pad, r * stride + pad + width):
            if flat[p] > 0:
                parent[p] = _parent(flat, parent, p, stride)
                if parent[p] == p:
                    first[found] = p
                    found += 1
    return found


@njit(cache=True, nogil=True)
def zones(levels, pad, height, width, zone_levels, zone_sizes):
    """List the zones of one region: 8-connected pixels of equal level. The number of zones, and the largest size."""
    stride = levels.shape[1]
    flat = levels.ravel()
    parent, size = np.empty(flat.size, np.int32), np.zeros(flat.size, np.int32)
    first = np.empty(height * width, np.int32)
    begun = _join(flat, parent, stride, pad, height, width, first)
    for r in range(pad, pad + height):
        for p in range(r * stride + pad, r * stride + pad + width):
            if flat[p] > 0:
                # Parents come before their children, so one step reaches the root.
                parent[p] = parent[parent[p]]
                size[parent[p]] += 1
    found, largest = 0, 0
    for p in first[:begun]:
        if size[p] > 0:
            zone_levels[found], zone_sizes[found] = flat[p], size[p]
            largest = max(largest, size[p])
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


@njit(cache=True, nogil=True)
def gldm(levels, pad, heights, widths, offsets, largest_difference, counts):
    """Add pixels by level and number of neighbours of about equal level to counts (n, L, 1 + n_offsets)."""
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


@njit(cache=True, nogil=True)
def ngtdm(levels, pad, heights, widths, offsets, counts, differences):
    """Add pixels, and how far they are from the mean of their neighbours, if they have any, by level (n, L)."""
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
                if here[c] > 0:
                    counts[n, here[c] - 1] += 1.0
                    if known[c] > 0:
                        differences[n, here[c] - 1] += abs(here[c] - total[c] / known[c])
