"""The outline of a bone: a closed line of points round the largest part of a mask, and distances to it."""

import numpy as np
from numba import njit
from scipy import ndimage

from deepradiomics.exceptions import RegionError

# The root of the area of a proximal femur is 65 to 85 mm, whatever is shown of the shaft: a scale before any is known.
ROOT_AREA_MM = 75.0
# Masks are averaged to about this many mm a pixel; the outline through halves of it is exact to a tenth of that.
_FINE_MM = 0.5
_MIN_BONE_PIXELS = 400
_MAX_POINTS = 2400


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
        window, self.flags = _window(mask)
        area = np.count_nonzero(mask[window])
        if area < _MIN_BONE_PIXELS:
            raise RegionError(
                f"the bone has {area} pixels, at least {_MIN_BONE_PIXELS} are needed; give the image at a higher "
                "resolution",
                code="too_small",
            )
        per_block = max(int(_FINE_MM * (pixels_per_mm or area**0.5 / ROOT_AREA_MM)), 1)
        self.points, self.size, n_parts = _traced(_shares(mask[window], per_block))
        self.points = (self.points - 0.5) * per_block + [window[0].start, window[1].start]
        self.size *= per_block
        self.flags += ["two_components"] * (n_parts > 1)

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
        return _to_outline(self.points, _rows(starts), direction)

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
        """Measure how far points (n, 2) lie from the outline, in pixels; negative outside the bone."""
        return _depth(self.points, _rows(starts))

    def clipped(self, point, direction):
        """Points of the outline on this side of a line across a direction through a point, and where it is crossed."""
        across = np.array([-direction[1], direction[0]])
        _, where, _ = _crossings(self.points, _rows(point[None]), across)
        return np.vstack([self.points[(self.points - point) @ direction <= 0], point + where[:, None] * across])


def _rows(points):
    return np.ascontiguousarray(points, dtype=np.float64)


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
    for i in range(n):
        before = i - 1 if i else n - 1
        low, high = min(aside[before], aside[i]), max(aside[before], aside[i])
        # Only the lines between both ends of a piece cross it.
        at = np.searchsorted(ordered, low)
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
    """Distances (m,) of points from the outline; negative outside the bone."""
    inside, _ = _to_outline(points, starts, np.array([0.0, 1.0]))
    depth = np.empty(len(starts))
    for k in range(len(starts)):
        nearest = np.inf
        for i in range(0, len(points), 4):
            nearest = min(nearest, (points[i, 0] - starts[k, 0]) ** 2 + (points[i, 1] - starts[k, 1]) ** 2)
        depth[k] = np.sqrt(nearest) if inside[k] > 0 else -np.sqrt(nearest)
    return depth


def lateral_axis(shaft_axis):
    """Unit vector (row, column) across the shaft, away from the midline of the body."""
    return np.array([-shaft_axis[1], shaft_axis[0]])


def _window(mask):
    """Rows and columns that hold the bone, and a flag where it is cut by the upper border or a side."""
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
    return window, ["touches_border"] * bool(cut)


def _shares(mask, per_block):
    """Share of bone in blocks of pixels, 0 to 1, with a rim of zeros round all."""
    height, width = (-(-length // per_block) for length in mask.shape)
    padded = np.zeros((height * per_block, width * per_block), dtype=np.uint16 if per_block > 15 else np.uint8)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    rows = sum(padded[start::per_block] for start in range(per_block))
    shares = np.zeros((height + 2, width + 2))
    shares[1:-1, 1:-1] = sum(rows[:, start::per_block] for start in range(per_block))
    return shares / per_block**2


def _traced(shares):
    """The outline of the largest part (row, column, in blocks), the root of its area, and how many parts are large."""
    line, areas = _largest_line(shares)
    if not len(areas):
        raise RegionError("the mask is thinner than a millimetre everywhere; is it a bone?", code="too_small")
    area = float(areas.max())
    points = _equally_spaced(line, area**0.5 / ROOT_AREA_MM / 2)
    return points, area**0.5, int((areas > 0.02 * area).sum())


@njit(cache=True, nogil=True)
def _largest_line(shares):
    """The longest way round halves, bone on its right, as points (row, column), and the area within each way.

    Marching squares: between a block of bone and its neighbour outside lies a point; the next one follows from the two
    blocks ahead. Holes have a negative area.
    """
    seen = np.zeros(shares.shape, dtype=np.bool_)
    largest, areas = np.empty((0, 2)), [0.0 for _ in range(0)]
    for top in range(1, len(shares)):
        for left in range(shares.shape[1]):
            if seen[top, left] or not shares[top - 1, left] <= 0.5 < shares[top, left]:
                continue
            # Every way passes below a block that is outside.
            row, column, down, across = top, left, -1, 0
            rows, columns = [0.0 for _ in range(0)], [0.0 for _ in range(0)]
            while not (down == -1 and seen[row, column]):
                seen[row, column] |= down == -1
                here, there = shares[row, column], shares[row + down, column + across]
                share = (here - 0.5) / (here - there)
                rows.append(row + share * down)
                columns.append(column + share * across)
                ahead, beside = (row + across, column - down), (row + across + down, column - down + across)
                bone_ahead, bone_beside = shares[ahead] > 0.5, shares[beside] > 0.5
                if bone_beside and (bone_ahead or here + there + shares[ahead] + shares[beside] > 2):
                    (row, column), down, across = beside, -across, down
                elif bone_ahead:
                    row, column = ahead
                else:
                    down, across = across, -down
            area = 0.0
            for i in range(len(rows)):
                area += (columns[i - 1] * rows[i] - columns[i] * rows[i - 1]) / 2
            if len(areas) == 0 or area > max(areas):
                largest = np.column_stack((np.array(rows[-1:] + rows[:-1]), np.array(columns[-1:] + columns[:-1])))
            areas.append(area)
    return largest, np.array(areas)


def _equally_spaced(line, step):
    """A closed line in equal steps, without the stairs that pixels make."""
    closed = np.vstack([line, line[:1]])
    way = np.append(0.0, np.cumsum(np.hypot(*np.diff(closed, axis=0).T)))
    n_points = int(np.clip(way[-1] / step, 40, _MAX_POINTS))
    wanted = np.arange(n_points) * way[-1] / n_points
    points = np.column_stack([np.interp(wanted, way, closed[:, axis]) for axis in (0, 1)])
    return ndimage.gaussian_filter1d(points, 1.5, axis=0, mode="wrap")
