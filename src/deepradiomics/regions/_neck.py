"""The femoral neck in an outline: its axis, its width and where it ends at the trochanters."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from deepradiomics.exceptions import RegionError
from deepradiomics.regions._outline import lateral_axis

# The mean angle between neck and shaft of adults in degrees, from which the search sets out.
MEAN_ANGLE = 127.0
# The upper end of the lesser trochanter lies about 20 mm above its lower end, in radii of the head.
_LESSER_LENGTH = 0.85
_STEP = 1 / 24
# Circles round the head, in its radii; an arc up to 1.3 wide is a neck, half as good when 0.3 wider.
_CIRCLES = np.linspace(1.1, 1.6, 11)
_NARROW, _WIDER, _PRIOR = 1.3, 0.35, 0.15
# The usual end (intercept in radii, slope) on the shaft's offset, fitted to hand outlines of intact femora, and the
# share of what is seen beyond it that is believed.
_END, _TRUST_IN_END = (1.035, 0.343), 0.4


@dataclass(frozen=True)
class Neck:
    """The neck of a left femur.

    ``axis`` is the unit vector from the head's centre along the neck, ``seen_axis`` the same without what is expected
    of a neck, by which its angle is measured, ``centre`` the middle of the narrowest place and ``width`` its length in
    pixels, ``end`` the distance from the head's centre along the axis to the intertrochanteric line, ``seen_end`` the
    same before it is drawn towards the usual one, ``saddle_depth`` how deep the outline dips between head and greater
    trochanter, in pixels.
    """

    axis: np.ndarray
    seen_axis: np.ndarray
    centre: np.ndarray
    width: float
    end: float
    seen_end: float
    saddle: np.ndarray
    saddle_depth: float


def find_neck(outline, head, shaft):
    """Find the neck of a left femur between its head and its trochanters."""
    turn = np.deg2rad(180 - MEAN_ANGLE)
    expected = np.cos(turn) * shaft.axis + np.sin(turn) * lateral_axis(shaft.axis)
    axis, seen_axis = _axes(outline, head, expected)
    saddle, trochanter, depth = _saddle(outline, head, shaft, axis)
    lesser_top = shaft.lesser_end - _LESSER_LENGTH * head.radius * shaft.axis
    across = (lesser_top - trochanter)[::-1] * [-1, 1]
    # Where the line through both crosses the axis.
    seen = float((trochanter - head.centre) @ across / np.copysign(max(abs(axis @ across), 1e-6), axis @ across))
    offset = (shaft.point - head.centre) @ lateral_axis(shaft.axis)
    usual = _END[0] * head.radius + _END[1] * offset
    # What is seen of the trochanters jumps with small changes of the outline; the offset does not.
    end = usual + _TRUST_IN_END * float(np.clip(seen - usual, -0.4 * head.radius, 0.4 * head.radius))
    # The box follows the steadied axis; what is measured of the neck is measured where it is seen.
    up = np.array([-seen_axis[1], seen_axis[0]])
    along = np.arange(0.8, max(end / head.radius, 1.3), _STEP) * head.radius
    above, below = outline.to_outline(head.centre + along[:, None] * seen_axis, up)
    width = above + below
    bone = np.isfinite(width) & (width > 0)
    if bone.sum() < 3:
        raise RegionError("no neck was found beside the head; is it a femur?", code="no_neck")
    # A neck is about as narrow over some millimetres: the middle of these, not the first of them.
    smallest = float(width[bone].min())
    narrow = bone & (width <= 1.03 * smallest)
    centre = head.centre + along[narrow].mean() * seen_axis + (above - below)[narrow].mean() / 2 * up
    return Neck(axis, seen_axis, centre, smallest, float(end), float(seen), saddle, depth)


def _axes(outline, head, expected):
    """Two unit vectors from the head's centre along the middle of the neck: steadied, and as it is seen.

    On circles round the head the neck is an arc of bone. The middles of these arcs are averaged, those of narrow arcs
    the most: what is wide holds the greater trochanter. In the first the expected direction counts like one narrow arc
    in three, so that a box does not turn with each wave of the outline; angles are measured by the second.
    """
    up = np.array([-expected[1], expected[0]])
    offset = (outline.points - head.centre) / head.radius
    total, weight = _middles(np.hypot(*offset.T), np.arctan2(offset @ up, offset @ expected))
    turns = total / (weight + _PRIOR * len(_CIRCLES)), total / max(weight, 1e-9)
    return tuple(np.cos(turn) * expected + np.sin(turn) * up for turn in turns)


@njit(cache=True, nogil=True)
def _middles(distance, angle):
    """Sum of the weighted middles of the neck's arcs on circles round the head, by angle, and of the weights."""
    total = weights = 0.0
    for radius in _CIRCLES:
        enters, leaves = [0.0 for _ in range(0)], [0.0 for _ in range(0)]
        for i in range(len(distance)):
            before, after = distance[i - 1], distance[i]
            if (before < radius) != (after < radius):
                turn = (angle[i] - angle[i - 1] + np.pi) % (2 * np.pi) - np.pi
                at = angle[i - 1] + (radius - before) / (after - before) * turn
                if after < radius:
                    enters.append(at)
                else:
                    leaves.append(at)
        nearest, lower, upper = np.inf, 0.0, 0.0
        for start in enters:
            # An arc of bone ends where the next one of its borders is.
            end = min([leave + 2 * np.pi * (leave < start) for leave in leaves])
            away = max(start, -end, 0.0)
            if away < nearest:
                nearest, lower, upper = away, start, end
        if len(enters):
            width = 2 * radius * np.sin(min(upper - lower, np.pi) / 2)
            weight = np.exp(-((max(width - _NARROW, 0.0) / _WIDER) ** 2))
            total += weight * (upper + lower) / 2
            weights += weight
    return total, weights


def _saddle(outline, head, shaft, axis):
    """The deepest point between head and greater trochanter, where the trochanter begins, and the depth in pixels."""
    points = outline.points
    up = np.array([-axis[1], axis[0]])
    from_head = points - head.centre
    near = np.hypot(*from_head.T) < 1.15 * head.radius
    if not near.any():
        raise RegionError("the head lies off the outline; is it a femur?", code="no_head")
    first = int(np.argmax(np.where(near, from_head @ up, -np.inf)))
    above = (points - shaft.lesser_end) @ shaft.axis < 0
    last = int(np.argmax(np.where(above, from_head @ lateral_axis(shaft.axis), -np.inf)))
    arc = np.take(points, np.arange(first, first + (last - first) % len(points) + 1), axis=0, mode="wrap")
    if len(arc) < 5:
        raise RegionError("no greater trochanter was found beside the head; is it a femur?", code="no_neck")
    depth = _below_bridges(arc)
    deepest = int(np.argmax(depth))
    # The intertrochanteric line begins where the outline has climbed half out of the saddle.
    climbed = int(np.argmax(np.append(depth[deepest:] <= 0.5 * depth[deepest], True)))
    return arc[deepest], arc[min(deepest + climbed, len(arc) - 1)], float(depth[deepest])


@njit(cache=True, nogil=True)
def _below_bridges(arc):
    """How deep the points of an arc lie under the straight lines that bridge it: between corners of its hull."""
    depth = np.zeros(len(arc))
    start = 0
    while start < len(arc) - 1:
        stop = start + 1
        for i in range(start + 2, len(arc)):
            way, other = arc[stop] - arc[start], arc[i] - arc[start]
            if other[0] * way[1] < other[1] * way[0]:
                stop = i
        way = arc[stop] - arc[start]
        for i in range(start + 1, stop):
            other = arc[i] - arc[start]
            depth[i] = (other[0] * way[1] - other[1] * way[0]) / np.hypot(way[0], way[1])
        start = stop
    return depth


@njit(cache=True, nogil=True)
def first_outside_head(radius, length, across, most):
    """How far from the head's centre a box along the neck lies with at most a share in the circle, or two radii."""
    rim = np.sqrt(np.maximum(radius**2 - ((np.arange(16) + 0.5) / 16 - 0.5) ** 2 * across**2, 0.0))
    near, far = 0.0, 2.0 * radius
    for _ in range(20):
        start = (near + far) / 2
        if np.minimum(np.maximum(rim - start, 0.0), length).mean() > most * length:
            near = start
        else:
            far = start
    return far + length / 2
