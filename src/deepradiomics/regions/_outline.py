"""The outline of a bone: a closed line of points round the largest part of a mask, and distances to it."""

import numpy as np
from contourpy import contour_generator
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
    line, where, sign = [0 for _ in range(0)], [0.0 for _ in range(0)], [0.0 for _ in range(0)]
    for k in range(len(starts)):
        level = starts[k, 1] * direction[0] - starts[k, 0] * direction[1]
        start = starts[k, 0] * direction[0] + starts[k, 1] * direction[1]
        before = n - 1
        for i in range(n):
            if (aside[before] <= level) != (aside[i] <= level):
                share = (level - aside[before]) / (aside[i] - aside[before])
                line.append(k)
                where.append(along[before] + share * (along[i] - along[before]) - start)
                sign.append(1.0 if aside[i] > level else -1.0)
            before = i
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
    lines = contour_generator(z=shares, name="serial").lines(0.5)
    areas = [_area(line) for line in lines]
    largest = int(np.argmax(np.abs(areas)))
    area = areas[largest]
    n_parts = sum(other / area > 0.02 for other in areas)
    line = lines[largest][:-1, ::-1]
    points = _equally_spaced(line if area > 0 else line[::-1], abs(area) ** 0.5 / ROOT_AREA_MM / 2)
    return points, abs(area) ** 0.5, n_parts


def _area(line):
    """Signed area within a closed line of (column, row)."""
    return 0.5 * float(line[:-1, 0] @ line[1:, 1] - line[1:, 0] @ line[:-1, 1])


def _equally_spaced(line, step):
    """A closed line in equal steps, without the stairs that pixels make."""
    closed = np.vstack([line, line[:1]])
    way = np.append(0.0, np.cumsum(np.hypot(*np.diff(closed, axis=0).T)))
    n_points = int(np.clip(way[-1] / step, 40, _MAX_POINTS))
    wanted = np.arange(n_points) * way[-1] / n_points
    points = np.column_stack([np.interp(wanted, way, closed[:, axis]) for axis in (0, 1)])
    return ndimage.gaussian_filter1d(points, 1.5, axis=0, mode="wrap")
