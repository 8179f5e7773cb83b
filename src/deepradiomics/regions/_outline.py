"""The outline of a bone: a closed line of points round the largest part of a mask, and distances to it."""

import numpy as np
from numba import njit, types

from deepradiomics.exceptions import RegionError

# The root of the area of a proximal femur is 65 to 85 mm, whatever is shown of the shaft: a scale before any is known.
ROOT_AREA_MM = 75.0
# Masks are averaged to about this many mm a pixel; the outline through halves of it is exact to a tenth of that.
_FINE_MM = 0.5
_MIN_BONE_PIXELS = 400
_MAX_POINTS = 2400
# A Gauss curve of 1.5 points.
_SMOOTH = np.exp(-((np.arange(-6, 7) / 1.5) ** 2) / 2)
_SMOOTH /= _SMOOTH.sum()


class Outline:
    """The outline of the largest part of a mask, in pixels of the mask.

    Attributes
    ----------
    points : float array of shape (n_points, 2)
        Row and column, equally spaced by about half a millimetre, with the bone on the right-hand side of the way as
        the picture is seen.
    size : float
        Root of the area inside, in pixels.
    flags : list of str
        ``two_components`` and ``touches_border``.
    """

    def __init__(self, mask, pixels_per_mm=None):
        window, area, self.flags = _window(mask)
        if area < _MIN_BONE_PIXELS:
            raise RegionError(
                f"the bone has {area} pixels, at least {_MIN_BONE_PIXELS} are needed; give the image at a higher "
                "resolution",
                code="too_small",
            )
        side = max(int(_FINE_MM * (pixels_per_mm or area**0.5 / ROOT_AREA_MM)), 1)
        line, areas = _largest_line(mask[window], side)
        if not len(areas):
            raise RegionError("the mask is thinner than a millimetre everywhere; is it a bone?", code="too_small")
        largest = float(areas.max())
        points = _equally_spaced(line, largest**0.5 / ROOT_AREA_MM / 2)
        self.points = (points - 0.5) * side + [window[0].start, window[1].start]
        self.size = largest**0.5 * side
        self.flags += ["two_components"] * bool((areas > 0.02 * largest).sum() > 1)

    def to_outline(self, starts, direction):
        """Measure how far it is from points in the bone to its outline, forwards and backwards.

        Parameters
        ----------
        starts : float array of shape (n, 2)
            Row and column.
        direction : float array of shape (2,)
            Unit vector.

        Returns
        -------
        forwards, backwards : float array of shape (n,)
            In pixels; 0 from points outside the bone.
        """
        return _to_outline(self.points, starts, direction)

    def share_inside(self, box):
        """Measure the share of a box that lies in the bone, by lines along it."""
        lines = (np.arange(24) + 0.5) / 24 - 0.5
        angle = np.deg2rad(box.angle)
        along, down = np.array([-np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), np.sin(angle)])
        starts = box.centre + lines[:, None] * box.height * down
        _, where, sign = _crossings(self.points, starts, along)
        # What is inside ends where the outline is crossed one way, and begins where it is crossed the other way.
        return abs(float(sign @ np.clip(where, -box.width / 2, box.width / 2))) / (len(lines) * box.width)

    def depth(self, starts):
        """Measure how far points (n, 2) lie from the outline, in pixels; 0 outside the bone."""
        return _depth(self.points, starts)

    def clipped(self, point, direction):
        """Points of the outline on this side of a line across a direction through a point, and where it is crossed."""
        across = np.array([-direction[1], direction[0]])
        _, where, _ = _crossings(self.points, point[None], across)
        return np.vstack([self.points[(self.points - point) @ direction <= 0], point + where[:, None] * across])


@njit(cache=True, nogil=True)
def _crossings(points, starts, direction):
    """Where lines through points (m, 2) cross the outline: number of the line, how far from its point, which way."""
    n = len(points)
    along = points[:, 0] * direction[0] + points[:, 1] * direction[1]
    aside = points[:, 1] * direction[0] - points[:, 0] * direction[1]
    level = starts[:, 1] * direction[0] - starts[:, 0] * direction[1]
    start = starts[:, 0] * direction[0] + starts[:, 1] * direction[1]
    order = np.argsort(level)
    ordered = level[order]
    line, where, sign = [0 for _ in range(0)], [0.0 for _ in range(0)], [0.0 for _ in range(0)]
    at = 0
    for i in range(n):
        before = i - 1 if i else n - 1
        low, high = min(aside[before], aside[i]), max(aside[before], aside[i])
        # Only the lines between both ends of a piece cross it; those of the next piece are near.
        while at > 0 and ordered[at - 1] >= low:
            at -= 1
        while at < len(ordered) and ordered[at] < low:
            at += 1
        while at < len(ordered) and ordered[at] < high:
            k = order[at]
            share = (ordered[at] - aside[before]) / (aside[i] - aside[before])
            line.append(k)
            where.append(along[before] + share * (along[i] - along[before]) - start[k])
            sign.append(1.0 if aside[i] > ordered[at] else -1.0)
            at += 1
    return np.array(line), np.array(where), np.array(sign)


@njit(cache=True, nogil=True)
def _to_outline(points, starts, direction):
    """Distances (m,) from points to the outline in a direction and against it; 0 from points outside the bone."""
    forwards, backwards = np.full(len(starts), np.inf), np.full(len(starts), np.inf)
    inside = np.zeros(len(starts), dtype=np.bool_)
    line, where, _ = _crossings(points, starts, direction)
    for i in range(len(line)):
        k = line[i]
        if where[i] > 0:
            forwards[k] = min(forwards[k], where[i])
            inside[k] = not inside[k]
        else:
            backwards[k] = min(backwards[k], -where[i])
    return np.where(inside, forwards, 0.0), np.where(inside, backwards, 0.0)


@njit(cache=True, nogil=True)
def _depth(points, starts):
    """Distances (m,) of points from the outline; 0 outside the bone."""
    depth, _ = _to_outline(points, starts, np.array([0.0, 1.0]))
    for k in range(len(starts)):
        if depth[k] > 0:
            nearest, row, column = np.inf, starts[k, 0], starts[k, 1]
            for i in range(0, len(points), 4):
                nearest = min(nearest, (points[i, 0] - row) ** 2 + (points[i, 1] - column) ** 2)
            depth[k] = np.sqrt(nearest)
    return depth


def lateral_axis(shaft_axis):
    """Unit vector (row, column) across the shaft, away from the midline of the body."""
    return np.array([-shaft_axis[1], shaft_axis[0]])


def _window(mask):
    """Rows and columns that hold the bone, how many pixels it has, and a flag where the border cuts it."""
    # Every few pixels is enough to see where a bone lies; what is thinner may be cut off.
    step = max(max(mask.shape) // 250, 1)
    for stride in (step, 1):
        seen = mask[::stride, ::stride]
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        if len(rows):
            break
    else:
        raise RegionError("the mask has no pixel; is this hip in the image?", code="empty_region")
    window = tuple(
        slice(max((found[0] - 1) * stride, 0), min((found[-1] + 1) * stride + 1, length))
        for found, length in zip((rows, columns), mask.shape, strict=True)
    )
    cut = mask[0].any() or mask[:, 0].any() or mask[:, -1].any()
    return window, np.count_nonzero(mask[window]), ["touches_border"] * bool(cut)


@njit(cache=True, nogil=True)
def _share(mask, row, column, side):
    """Share of bone in a block of pixels, 0 to 1; blocks are counted from 1, round them is no bone."""
    seen = 0
    for i in range(max((row - 1) * side, 0), min(row * side, mask.shape[0])):
        for j in range(max((column - 1) * side, 0), min(column * side, mask.shape[1])):
            seen += mask[i, j]
    return seen / side**2


@njit(cache=True, nogil=True)
def _middle(mask, row, column, side):
    """Whether the pixel in the middle of a block is bone."""
    if row < 1 or (row - 1) * side >= mask.shape[0]:
        return False
    return mask[min((row - 1) * side + side // 2, mask.shape[0] - 1), column]


# One compiled version takes every mask: a part of one, a mirrored one, and one that cannot be written to.
@njit((types.Array(types.boolean, 2, "A", readonly=True), types.int64), cache=True, nogil=True)
def _largest_line(mask, side):
    """The longest way round halves, bone on its right, as points (row, column), and the area within each way.

    Marching squares on the shares of bone in blocks of pixels: between a block of bone and its neighbour outside lies a
    point; the next one follows from the two blocks ahead. Only what lies on the way is read, and of the rest a pixel a
    block. Lengths are in blocks; holes have a negative area.
    """
    height, width = -(-mask.shape[0] // side), -(-mask.shape[1] // side)
    seen = np.zeros((height + 2, width + 2), dtype=np.bool_)
    largest, areas, most = np.empty((0, 2)), [0.0 for _ in range(0)], -np.inf
    for top in range(1, height + 1):
        for left in range(1, width + 1):
            at = min((left - 1) * side + side // 2, mask.shape[1] - 1)
            # A way begins within a block of where the pixels in the middle change.
            middle = _middle(mask, top, at, side)
            if (
                _middle(mask, top - 2, at, side) == middle
                and _middle(mask, top - 1, at, side) == middle
                and _middle(mask, top + 1, at, side) == middle
            ) or seen[top, left]:
                continue
            if not _share(mask, top - 1, left, side) <= 0.5 < _share(mask, top, left, side):
                continue
            # Every way passes below a block that is outside.
            row, column, down, across, here = top, left, -1, 0, _share(mask, top, left, side)
            rows, columns = [0.0 for _ in range(0)], [0.0 for _ in range(0)]
            while not (down == -1 and seen[row, column]):
                seen[row, column] |= down == -1
                there = _share(mask, row + down, column + across, side)
                share = (here - 0.5) / (here - there)
                rows.append(row + share * down)
                columns.append(column + share * across)
                ahead = _share(mask, row + across, column - down, side)
                beside = _share(mask, row + across + down, column - down + across, side)
                if beside > 0.5 and (ahead > 0.5 or here + there + ahead + beside > 2):
                    row, column, here = row + across + down, column - down + across, beside
                    down, across = -across, down
                elif ahead > 0.5:
                    row, column, here = row + across, column - down, ahead
                else:
                    down, across = across, -down
            area = 0.0
            for i in range(len(rows)):
                area += (columns[i - 1] * rows[i] - columns[i] * rows[i - 1]) / 2
            if area > most:
                most = area
                largest = np.column_stack((np.array(rows[-1:] + rows[:-1]), np.array(columns[-1:] + columns[:-1])))
            areas.append(area)
    return largest, np.array(areas)


@njit(cache=True, nogil=True)
def _equally_spaced(line, step):
    """A closed line in equal steps, without the stairs that pixels make.

    As ``numpy.interp`` and ``scipy.ndimage.gaussian_filter1d(sigma=1.5, mode="wrap")``, in one compiled loop.
    """
    way = np.zeros(len(line) + 1)
    for i in range(len(line)):
        after = (i + 1) % len(line)
        way[i + 1] = way[i] + np.hypot(line[after, 0] - line[i, 0], line[after, 1] - line[i, 1])
    n_points = min(max(int(way[-1] / step), 40), _MAX_POINTS)
    stairs, points, at = np.empty((n_points, 2)), np.zeros((n_points, 2)), 0
    for k in range(n_points):
        wanted = k * way[-1] / n_points
        while way[at + 1] <= wanted:
            at += 1
        share = (wanted - way[at]) / (way[at + 1] - way[at])
        for axis in range(2):
            stairs[k, axis] = (1 - share) * line[at, axis] + share * line[(at + 1) % len(line), axis]
    for k in range(n_points):
        for i in range(len(_SMOOTH)):
            near = (k + i - len(_SMOOTH) // 2) % n_points
            points[k, 0] += _SMOOTH[i] * stairs[near, 0]
            points[k, 1] += _SMOOTH[i] * stairs[near, 1]
    return points
