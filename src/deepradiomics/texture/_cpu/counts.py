"""Counts of grey levels: pairs, runs, zones, dependences, and differences to neighbours."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _count_cells(cells, counts):
    for cell in cells:
        counts[cell] += 1


@njit(cache=True, nogil=True)
def glcm(levels, pad, heights, widths, n_levels, offsets, symmetric):
    """Count pairs (level, level at the offset), both ways if symmetric: (n, n_offsets, L, L)."""
    found = np.empty((levels.shape[0], offsets.shape[0], n_levels, n_levels))
    # Cells of level 0 take what lies outside, so nothing is asked.
    side = n_levels + 1
    cells = np.empty(levels.shape[2], np.int32)
    for n in range(levels.shape[0]):
        width = widths[n]
        counts = np.zeros((offsets.shape[0], side * side), np.int32)
        for r in range(pad, pad + heights[n]):
            here = levels[n, r, pad : pad + width]
            for k in range(offsets.shape[0]):
                start = pad + offsets[k, 1]
                other = levels[n, r + offsets[k, 0], start : start + width]
                for c in range(width):
                    cells[c] = here[c] * side + other[c]
                _count_cells(cells[:width], counts[k])
        for k in range(offsets.shape[0]):
            for i in range(n_levels):
                for j in range(n_levels):
                    back = counts[k, (j + 1) * side + i + 1] if symmetric else 0
                    found[n, k, i, j] = counts[k, (i + 1) * side + j + 1] + back
    return found


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
    side = longest_possible + 1
    reached = np.zeros((n_levels + 1) * side, np.int32)
    lengths = np.zeros((2, width + 2), np.int32)
    cells = np.empty(width, np.int32)
    neighbours = 0
    for r in range(height):
        own, before = lengths[r % 2, 1 : 1 + width], lengths[(r - dr) % 2, 1 - dc : 1 - dc + width]
        here, behind = levels[n, r + pad, pad : pad + width], levels[n, r + pad - dr, pad - dc : pad - dc + width]
        length = 0
        for c in range(width):
            if dr == 0:
                # Along a row, each length waits for the one before it; elsewhere many are found at once.
                length = length + 1 if here[c] == behind[c] else 1
                own[c] = length
            else:
                own[c] = before[c] + 1 if here[c] == behind[c] else 1
        for c in range(width):
            cells[c] = here[c] * side + own[c] - 1
        if neighbours == 0:
            for c in range(width):
                neighbours |= (here[c] > 0) & (behind[c] > 0)
        _count_cells(cells, reached)
    longest = 1
    for level in range(n_levels):
        for k in range(longest_possible):
            cell = (level + 1) * side + k
            if reached[cell] > 0:
                runs[level, k] = reached[cell] - reached[cell + 1]
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
    return counts[:, :, :, :longest].copy()


@njit(cache=True, nogil=True)
def _tie(link, a, b):
    """Make two components one, under the smaller number of both."""
    while link[a] != a:
        a = link[a]
    while link[b] != b:
        b = link[b]
    link[max(a, b)] = min(a, b)


@njit(cache=True, nogil=True)
def _label(levels, pad, height, width, link, size, level):
    """Number the components of equal level, some of them in several pieces, which link ties; how many numbers.

    Number 0 is the outside. Of the neighbours already seen, the left one, the one above and the one above to the left
    touch each other, so only the one above to the right can bring a second component.
    """
    numbers = np.zeros((2, width + 2), np.int32)
    pieces, others = np.empty((2, width), np.int32)
    link[0], level[0], found = 0, 0, 1
    for r in range(height):
        here, above = levels[r + pad], levels[r + pad - 1]
        own_row, row_above = numbers[r % 2], numbers[1 - r % 2]
        number, n_ties = 0, 0
        for c in range(width):
            # Every neighbour is read and everything is written, needed or not: no branch depends on a level.
            q, own = c + pad, here[c + pad]
            up_left, up, right = row_above[c], row_above[c + 1], row_above[c + 2]
            left = up_left if above[q - 1] == own else found
            left = up if above[q] == own else left
            left = number if here[q - 1] == own else left
            right = right if above[q + 1] == own else found
            number = left if left != found else right
            link[found], level[found] = found, own
            pieces[n_ties], others[n_ties] = left, right
            n_ties += (left != right) & (left != found) & (right != found)
            found += number == found
            own_row[c + 1] = number
            size[number] += 1
        for k in range(n_ties):
            _tie(link, pieces[k], others[k])
    return found


@njit(cache=True, nogil=True)
def _zones(levels, pad, height, width, zone_levels, zone_sizes):
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
def glszm(levels, pad, heights, widths, n_levels):
    """Count zones by level and by the sizes that occur: counts (n, L, S), sizes (n, S)."""
    # Zones of k different sizes have at least k (k + 1) / 2 pixels.
    n, n_sizes, most = levels.shape[0], 1, 1 + int(np.sqrt(2.0 * (heights * widths).max()))
    counts, sizes = np.zeros((n, n_levels, most)), np.ones((n, most))
    for row in range(n):
        zone_levels, zone_sizes = np.empty((2, heights[row] * widths[row]), np.int32)
        n_zones, largest = _zones(levels[row], pad, heights[row], widths[row], zone_levels, zone_sizes)
        column = np.zeros(largest + 1, np.int32)
        for k in range(n_zones):
            column[zone_sizes[k]] = 1
        found = 0
        for size in range(1, largest + 1):
            if column[size]:
                sizes[row, found], column[size] = size, found
                found += 1
        for k in range(n_zones):
            counts[row, zone_levels[k] - 1, column[zone_sizes[k]]] += 1.0
        n_sizes = max(n_sizes, found)
    return counts[:, :, :n_sizes].copy(), sizes[:, :n_sizes].copy()


@njit(cache=True, nogil=True)
def gldm(levels, pad, heights, widths, n_levels, offsets, largest_difference):
    """Count pixels by level and number of neighbours of about equal level: (n, L, 1 + n_offsets)."""
    side = 1 + offsets.shape[0]
    found = np.empty((levels.shape[0], n_levels, side))
    for n in range(levels.shape[0]):
        width = widths[n]
        counts, cells = np.zeros((n_levels + 1) * side, np.int32), np.empty(width, np.int32)
        for r in range(pad, pad + heights[n]):
            here = levels[n, r, pad : pad + width]
            for c in range(width):
                cells[c] = here[c] * side
            for k in range(offsets.shape[0]):
                start = pad + offsets[k, 1]
                other = levels[n, r + offsets[k, 0], start : start + width]
                for c in range(width):
                    cells[c] += (other[c] > 0) & (abs(other[c] - here[c]) <= largest_difference)
            _count_cells(cells, counts)
        for i in range(n_levels):
            for k in range(side):
                found[n, i, k] = counts[(i + 1) * side + k]
    return found


@njit(cache=True, nogil=True)
def ngtdm(levels, pad, heights, widths, n_levels, offsets, lone):
    """Pixels, and how far they are from the mean of their neighbours, by level: (n, L, 2).

    Pixels without neighbours differ from nothing; they are counted with ``lone`` only. The distance to the mean of k
    neighbours is a whole number over k, so whole numbers are added by level and k, and divided after that.
    """
    side = 1 + offsets.shape[0]
    found = np.zeros((levels.shape[0], n_levels, 2))
    for n in range(levels.shape[0]):
        width = widths[n]
        counts, away = np.zeros((2, (n_levels + 1) * side), np.int64)
        total, cells = np.empty((2, width), np.int32)
        for r in range(pad, pad + heights[n]):
            here = levels[n, r, pad : pad + width]
            total[:], cells[:] = 0, 0
            for k in range(offsets.shape[0]):
                start = pad + offsets[k, 1]
                other = levels[n, r + offsets[k, 0], start : start + width]
                for c in range(width):
                    total[c] += other[c]
                    cells[c] += other[c] > 0
            for c in range(width):
                total[c] = abs(here[c] * cells[c] - total[c])
                cells[c] += here[c] * side
            for c in range(width):
                counts[cells[c]] += 1
                away[cells[c]] += total[c]
        for i in range(n_levels):
            for k in range(0 if lone else 1, side):
                found[n, i, 0] += counts[(i + 1) * side + k]
                found[n, i, 1] += away[(i + 1) * side + k] / max(k, 1) * (k > 0)
    return found
