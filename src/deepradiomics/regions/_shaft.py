"""The femoral shaft in an outline: its axis where both borders run in parallel, and the lesser trochanter above it."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from deepradiomics.regions._outline import _to_outline, lateral_axis

# All lengths here are shares of the head's radius, 23.5 mm.
_WIDTHS = (0.6, 2.3)
_BELOW_HEAD = 2.0
# The lesser trochanter ends 79 mm below the head's centre, give or take a neck.
_LESSER = (1.7, 4.7)
_LESSER_MEAN, _LESSER_SPREAD = 3.3, 0.6
_AXIS_LENGTH = 1.9
_LAST_LEVEL = 7.5
_STEP = 1 / 24
# A Gauss curve of 0.12 radii over twelve steps on either side.
_SMOOTH = np.exp(-((np.arange(-12, 13) * _STEP / 0.12) ** 2) / 2)
_SMOOTH /= _SMOOTH.sum()


@dataclass(frozen=True)
class Shaft:
    """The shaft of a left femur: a point on its midline, the unit vector down, and what its borders show.

    ``lesser_end`` is the point of the medial border where the lesser trochanter has run out, ``length`` how far both
    borders go on below it, in pixels, ``bend`` how far the midline departs from the axis as a share of the shaft's
    width, and ``lesser_seen`` tells whether a trochanter stands out there. ``seen`` is False where the picture ends
    above the shaft: then all is what the head lets expect.
    """

    point: np.ndarray
    axis: np.ndarray
    width: float
    lesser_end: np.ndarray
    lesser_seen: bool
    length: float
    bend: float
    seen: bool = True

    @property
    def lateral(self):
        """Unit vector across the shaft, away from the midline of the body."""
        return lateral_axis(self.axis)


def find_shaft(outline, head):
    """Find the shaft of a left femur below its head.

    Parameters
    ----------
    outline : Outline
        Of one proximal femur, the head up and to the left of the picture.
    head : Head
        Its head.

    Returns
    -------
    Shaft
        Axis and borders.
    """
    point, axis = _parallel_borders(outline.points, head.centre, head.radius)
    level = np.arange(0.8 * head.radius, _LAST_LEVEL * head.radius, _STEP * head.radius)
    point, axis, level, lateral, medial, lesser, seen = _followed(
        outline.points, head.centre, head.radius, level, point, axis
    )
    length = float(level[-1] - level[lesser]) if len(level) else 0.0
    # Without a trochanter above it and without length below, two parallel borders are no shaft.
    if not len(level) or (not seen and length < 0.2 * head.radius) or axis[0] < 0.5:
        return expected_shaft(head, np.array([1.0, 0.0]))
    zone = slice(lesser, np.searchsorted(level, level[lesser] + _AXIS_LENGTH * head.radius, side="right"))
    width = float(np.median(lateral[zone] + medial[zone]))
    return Shaft(
        point=point,
        axis=axis,
        width=width,
        lesser_end=point + ((head.centre - point) @ axis + level[lesser]) * axis - medial[lesser] * lateral_axis(axis),
        lesser_seen=seen,
        length=length,
        bend=float(np.std(lateral[zone] - medial[zone]) / 2 / max(width, 1e-9)),
    )


def expected_shaft(head, axis):
    """Where the shaft of a mean femur would run below a head, in a direction."""
    crossing = head.centre + head.radius * (1.3 * axis + 1.75 * lateral_axis(axis))
    lesser = crossing + head.radius * (1.9 * axis - 0.6 * lateral_axis(axis))
    return Shaft(crossing, axis, 1.3 * head.radius, lesser, False, 0.0, 0.0, seen=False)


@njit(cache=True, nogil=True)
def _parallel_borders(points, centre, radius):
    """A first midline: the commonest direction of pairs of points that face each other, and the middle of the pairs."""
    n = len(points)
    found = np.arange(0, n, 8)
    place, inwards = (points[found] - centre) / radius, np.empty((len(found), 2))
    for i in range(len(found)):
        down, across = points[(found[i] + 4) % n] - points[found[i] - 4]
        inwards[i] = across, -down
        inwards[i] /= max(np.hypot(down, across), 1e-9)
    pairs = [(0.0, 0.0, 0.0) for _ in range(0)]
    for i in range(len(place)):
        for j in range(i + 1, len(place)):
            down, across = place[j, 0] - place[i, 0], place[j, 1] - place[i, 1]
            distance = np.sqrt(down * down + across * across)
            if not _WIDTHS[0] < distance < _WIDTHS[1]:
                continue
            here = down * inwards[i, 0] + across * inwards[i, 1]
            there = -down * inwards[j, 0] - across * inwards[j, 1]
            if min(here, there) <= 0.93 * distance:
                continue
            row, column = (place[i, 0] + place[j, 0]) / 2, (place[i, 1] + place[j, 1]) / 2
            sign = 1 if down * column >= across * row else -1
            if row > 0 and row * row + column * column > _BELOW_HEAD**2 and -sign * across > 0.5 * distance:
                pairs.append((row, column, np.arctan2(sign * down, -sign * across)))
    if len(pairs) < 2:
        return centre, np.array([-1.0, 0.0])  # upwards is no shaft
    middle = np.array(pairs)
    angle, near = middle[:, 2].copy(), np.deg2rad(8)
    # How many angles lie within 8 degrees of each, by their place among the sorted ones.
    ordered = np.sort(angle)
    alike = np.searchsorted(ordered, angle + near) - np.searchsorted(ordered, angle - near)
    commonest = np.abs(angle - angle[np.argmax(alike)]) < near
    row, column, mean = middle[commonest].sum(axis=0) / commonest.sum()
    return centre + radius * np.array([row, column]), np.array([np.cos(mean), np.sin(mean)])


@njit(cache=True, nogil=True)
def _followed(points, centre, radius, levels, point, axis):
    """The midline fitted twice to the shaft that both borders show, and what is seen from it.

    Returns point, axis, the levels below the head's centre, the distances to the lateral and the medial border there,
    the number of the level where the lesser trochanter has run out, and whether that was seen. Without a shaft there
    are no levels.
    """
    for turn in range(3):
        level, lateral, medial = _borders(points, centre, levels, point, axis)
        if len(level) < 8:
            return point, axis, level[:0], lateral, medial, 0, False
        lesser, seen = _lesser_end(level, medial, radius)
        if turn == 2:
            break
        first, stop = lesser, np.searchsorted(level, level[lesser] + _AXIS_LENGTH * radius, side="right")
        if stop - first < 6:
            first, stop = np.searchsorted(level, level[-1] - 0.6 * radius), len(level)
        middle = (lateral[first:stop] - medial[first:stop]) / 2
        mean = level[first:stop].mean()
        away = level[first:stop] - mean
        across = np.array([-axis[1], axis[0]])
        down = ((centre - point) * axis).sum() + mean
        point = point + down * axis + middle.mean() * across
        axis = axis + (away * middle).sum() / (away * away).sum() * across
        axis = axis / np.hypot(axis[0], axis[1])
    return point, axis, level, lateral, medial, lesser, seen


@njit(cache=True, nogil=True)
def _borders(points, centre, levels, point, axis):
    """Levels below the head's centre, and the distances from a midline to both borders there, up to the cut end."""
    head_level = ((centre - point) * axis).sum()
    last = (points[:, 0] * axis[0] + points[:, 1] * axis[1]).max() - (centre * axis).sum()
    level = levels[: np.searchsorted(levels, last)]
    spine = point + (head_level + level).reshape(-1, 1) * axis
    lateral, medial = _to_outline(points, spine, np.array([-axis[1], axis[0]]))
    if len(level) < 8:
        return level, lateral, medial
    # Where one border is the cut end of the bone, and one level on both sides of that, is no shaft.
    step = level[1] - level[0]
    falls = np.minimum(_slope(lateral, step), _slope(medial, step)) < -0.6
    end = len(level)
    while end and (falls[max(end - 2, 0) : end + 1].any() or lateral[end - 1] + medial[end - 1] <= 0):
        end -= 1
    return level[:end], lateral[:end], medial[:end]


@njit(cache=True, nogil=True)
def _slope(values, step):
    """Central differences of values a step apart, one-sided at both ends."""
    slope = np.empty(len(values))
    slope[1:-1] = (values[2:] - values[:-2]) / (2 * step)
    slope[0], slope[-1] = (values[1] - values[0]) / step, (values[-1] - values[-2]) / step
    return slope


@njit(cache=True, nogil=True)
def _lesser_end(level, medial, radius):
    """Number of the level where the lesser trochanter has run out, and whether it was seen.

    The medial border falls towards the midline along the distal slope of the lesser trochanter, or where that is
    turned out of sight along the end of the calcar, by more than 0.15, about 9 degrees. Where several stretches
    fall so, the deeper fall nearer to the usual level is the trochanter: the others are waves of an outline.
    """
    n, rim = len(level), len(_SMOOTH) // 2
    padded = np.concatenate((np.full(rim, medial[0]), medial, np.full(rim, medial[-1])))
    slope = _slope(np.convolve(padded, _SMOOTH)[2 * rim : 2 * rim + n], _STEP * radius)
    falls = (slope < -0.15) & (level > _LESSER[0] * radius) & (level < _LESSER[1] * radius)
    best, end, drop = 0.0, -1, 0.0
    for i in range(n):
        if not falls[i]:
            continue
        drop -= slope[i] * _STEP
        if i == n - 1 or not falls[i + 1]:
            weight = drop * np.exp(-(((level[i] / radius - _LESSER_MEAN) / _LESSER_SPREAD) ** 2) / 2)
            if drop > 0.08 and weight > best:
                best, end = weight, i
            drop = 0.0
    if end >= 0:
        return end, True
    return min(int(np.searchsorted(level, _LESSER_MEAN * radius)), n - 1), False
