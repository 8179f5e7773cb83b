"""The femoral shaft in an outline: its axis where both borders run in parallel, and the lesser trochanter above it."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import ndimage

from deepradiomics.exceptions import RegionError
from deepradiomics.regions._outline import lateral_axis

# All lengths here are shares of the head's radius, 23.5 mm.
_WIDTHS = (0.6, 2.3)
_BELOW_HEAD = 2.0
# The lesser trochanter ends 79 mm below the head's centre, give or take a neck.
_LESSER = (1.7, 4.7)
_LESSER_MEAN, _LESSER_SPREAD = 3.3, 0.6
_SMOOTH = 0.12
_AXIS_LENGTH = 1.9
_LAST_LEVEL = 7.5
_STEP = 1 / 24


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
    try:
        point, axis = _parallel_borders(outline, head)
        for _ in range(2):
            point, axis = _Borders(outline, head, point, axis).fitted()
        shaft = _Borders(outline, head, point, axis).shaft()
    except RegionError:
        shaft = None
    # Without a trochanter above it and without length below, two parallel borders are no shaft.
    if shaft is None or (not shaft.lesser_seen and shaft.length < 0.2 * head.radius) or shaft.axis[0] < 0.5:
        return expected_shaft(head, np.array([1.0, 0.0]))
    return shaft


def expected_shaft(head, axis):
    """Where the shaft of a mean femur would run below a head, in a direction."""
    crossing = head.centre + head.radius * (1.3 * axis + 1.75 * lateral_axis(axis))
    lesser = crossing + head.radius * (1.9 * axis - 0.6 * lateral_axis(axis))
    return Shaft(crossing, axis, 1.3 * head.radius, lesser, False, 0.0, 0.0, seen=False)


def _parallel_borders(outline, head):
    """A first midline: the commonest direction of pairs of points that face each other, and the middle of the pairs."""
    every = 8
    tangent = np.roll(outline.points, -4, axis=0)[::every] - np.roll(outline.points, 4, axis=0)[::every]
    inwards = np.column_stack([tangent[:, 1], -tangent[:, 0]]) / np.hypot(*tangent.T)[:, None].clip(1e-9)
    rows, columns, angle = _facing_pairs((outline.points[::every] - head.centre) / head.radius, inwards)
    if len(angle) < 2:
        raise RegionError("no shaft with parallel borders was found below the head; is it a femur?", code="no_shaft")
    middle = head.centre + head.radius * np.column_stack([rows, columns])
    # How many angles lie within 8 degrees of each, by their place among the sorted ones.
    ordered, near = np.sort(angle), np.deg2rad(8)
    alike = np.searchsorted(ordered, angle + near) - np.searchsorted(ordered, angle - near)
    commonest = np.abs(angle - angle[np.argmax(alike)]) < near
    mean = angle[commonest].mean()
    return middle[commonest].mean(axis=0), np.array([np.cos(mean), np.sin(mean)])


@njit(cache=True, nogil=True)
def _facing_pairs(points, inwards):
    """Pairs of points that face each other below the head (0, 0) of radius 1: middles, and angles of the shaft."""
    rows, columns, angles = [0.0 for _ in range(0)], [0.0 for _ in range(0)], [0.0 for _ in range(0)]
    for i in range(len(points)):
        for j in range(i + 1, len(points)):
            down, across = points[j] - points[i]
            distance = np.hypot(down, across)
            if not _WIDTHS[0] < distance < _WIDTHS[1]:
                continue
            here = down * inwards[i, 0] + across * inwards[i, 1]
            there = -down * inwards[j, 0] - across * inwards[j, 1]
            if min(here, there) <= 0.93 * distance:
                continue
            row, column = (points[i, 0] + points[j, 0]) / 2, (points[i, 1] + points[j, 1]) / 2
            axis = np.array([-across, down]) / distance
            if axis[0] * row + axis[1] * column < 0:
                axis = -axis
            if np.hypot(row, column) > _BELOW_HEAD and axis[0] > 0.5 and row > 0:
                rows.append(row)
                columns.append(column)
                angles.append(np.arctan2(axis[1], axis[0]))
    return np.array(rows), np.array(columns), np.array(angles)


class _Borders:
    """Both borders of the shaft seen from an axis: distances to the outline at levels below the head's centre."""

    def __init__(self, outline, head, point, axis):
        self.point, self.axis, self.radius = point, axis, head.radius
        self.head_level = float((head.centre - point) @ axis)
        last = float(((outline.points - point) @ axis).max()) - self.head_level
        self.level = np.arange(0.8 * head.radius, min(last, _LAST_LEVEL * head.radius), _STEP * head.radius)
        spine = point + (self.head_level + self.level)[:, None] * axis
        self.lateral, self.medial = outline.to_outline(spine, lateral_axis(axis))
        self._leave_out_the_cut_end()
        self.lesser, self.lesser_seen = self._lesser_end()

    def _leave_out_the_cut_end(self):
        """Drop the levels where one border is the cut end of the bone."""
        step = _STEP * self.radius
        if len(self.level) < 8:
            raise RegionError("the picture ends just below the head; give more of the femur", code="no_shaft")
        falls = np.minimum(np.gradient(self.lateral, step), np.gradient(self.medial, step)) < -0.6
        is_cut = ndimage.maximum_filter1d(falls, 3) | (self.lateral + self.medial <= 0)
        good = np.flatnonzero(~is_cut)
        end = int(good[-1]) + 1 if len(good) else 0
        if end < 8:
            raise RegionError("no shaft was found below the head; is it a femur?", code="no_shaft")
        self.level, self.lateral, self.medial = self.level[:end], self.lateral[:end], self.medial[:end]

    def _lesser_end(self):
        """Number of the level where the lesser trochanter has run out, and whether it was seen.

        The medial border falls towards the midline along the distal slope of the lesser trochanter, or where that is
        turned out of sight along the end of the calcar, by more than 0.15, about 9 degrees. Where several stretches
        fall so, the deeper fall nearer to the usual level is the trochanter: the others are waves of an outline.
        """
        smooth = ndimage.gaussian_filter1d(self.medial, _SMOOTH / _STEP, mode="nearest")
        slope = np.gradient(smooth, _STEP * self.radius)
        at_trochanter = (self.level > _LESSER[0] * self.radius) & (self.level < _LESSER[1] * self.radius)
        runs, n_runs = ndimage.label((slope < -0.15) & at_trochanter)
        best, end = 0.0, -1
        for run in range(1, n_runs + 1):
            inside = np.flatnonzero(runs == run)
            drop = -slope[inside].sum() * _STEP
            away = (self.level[inside[-1]] / self.radius - _LESSER_MEAN) / _LESSER_SPREAD
            weight = drop * np.exp(-(away**2) / 2)
            if drop > 0.08 and weight > best:
                best, end = weight, int(inside[-1])
        if end >= 0:
            return end, True
        return min(int(np.searchsorted(self.level, _LESSER_MEAN * self.radius)), len(self.level) - 1), False

    def _zone(self):
        """Levels of the shaft to which the axis is fitted."""
        start = self.level[self.lesser]
        return (self.level >= start) & (self.level <= start + _AXIS_LENGTH * self.radius)

    def fitted(self):
        """Point and unit vector of the midline, fitted to the shaft that is seen."""
        zone = self._zone()
        if zone.sum() < 6:
            zone = self.level >= self.level[-1] - 0.6 * self.radius
        level = self.level[zone]
        middle = (self.lateral[zone] - self.medial[zone]) / 2
        slope, start = (level - level.mean()) @ middle / ((level - level.mean()) ** 2).sum(), middle.mean()
        axis = self.axis + slope * lateral_axis(self.axis)
        point = self.point + (self.head_level + level.mean()) * self.axis + start * lateral_axis(self.axis)
        return point, axis / np.hypot(*axis)

    def shaft(self):
        """What the borders show."""
        zone = self._zone()
        middle, width = (self.lateral[zone] - self.medial[zone]) / 2, self.lateral[zone] + self.medial[zone]
        lesser = self.point + (self.head_level + self.level[self.lesser]) * self.axis
        return Shaft(
            point=self.point,
            axis=self.axis,
            width=float(np.median(width)),
            lesser_end=lesser - self.medial[self.lesser] * lateral_axis(self.axis),
            lesser_seen=self.lesser_seen,
            length=float(self.level[-1] - self.level[self.lesser]),
            bend=float(np.std(middle) / max(np.median(width), 1e-9)),
        )
