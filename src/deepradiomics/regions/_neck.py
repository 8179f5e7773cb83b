"""The femoral neck in an outline: its axis, its width and where it ends at the trochanters."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

from deepradiomics.exceptions import RegionError
from deepradiomics.regions._outline import lateral_axis

# The mean angle between neck and shaft of adults in degrees, from which the search sets out.
MEAN_ANGLE = 127.0
# The upper end of the lesser trochanter lies about 20 mm above its lower end, in radii of the head.
_LESSER_LENGTH = 0.85
_STEP = 1 / 24
# How far from the mean angle a neck is sought.
_LARGEST_TURN, _STEEP = np.deg2rad(50), np.deg2rad(30)


@dataclass(frozen=True)
class Neck:
    """The neck of a left femur.

    ``axis`` is the unit vector from the head's centre along the neck, ``centre`` the middle of the narrowest
    cross-section and ``width`` its length in pixels, ``end`` the distance from the head's centre along the axis to the
    intertrochanteric line, ``saddle_depth`` how deep the outline dips between head and greater trochanter, in pixels.
    """

    axis: np.ndarray
    centre: np.ndarray
    width: float
    end: float
    saddle: np.ndarray
    saddle_depth: float


def find_neck(outline, head, shaft):
    """Find the neck of a left femur between its head and its trochanters."""
    turn = np.deg2rad(180 - MEAN_ANGLE)
    axis = np.cos(turn) * shaft.axis + np.sin(turn) * lateral_axis(shaft.axis)
    saddle, trochanter, depth = _saddle(outline, head, shaft, axis)
    lesser_top = shaft.lesser_end - _LESSER_LENGTH * head.radius * shaft.axis
    try:
        return _followed(outline, head, axis, 0.0, (saddle, trochanter, lesser_top, depth))
    except RegionError:
        # In abduction or turned outwards the neck runs on almost straight into the shaft.
        return _followed(outline, head, axis, -_STEEP, (saddle, trochanter, lesser_top, depth))


def _followed(outline, head, expected, angle, landmarks):
    """The neck along an axis that follows its middle, begun at an angle to the expected one."""
    saddle, trochanter, lesser_top, depth = landmarks
    axis = np.cos(angle) * expected + np.sin(angle) * np.array([-expected[1], expected[0]])
    for _ in range(6):
        end = _where_line_crosses(head.centre, axis, trochanter, lesser_top)
        stop = min((saddle - head.centre) @ axis, end)
        along = np.arange(0.9 * head.radius, max(stop, 1.3 * head.radius), _STEP * head.radius)
        spine = head.centre + along[:, None] * axis
        above, below = outline.to_outline(spine, np.array([-axis[1], axis[0]]))
        width = above + below
        seen = np.isfinite(width) & (width > 0)
        if (seen & (along >= head.radius)).sum() < 3:
            raise RegionError("no neck was found beside the head; is it a femur?", code="no_neck")
        beside = seen & (along >= head.radius)
        narrow = beside & (width <= 1.12 * width[beside].min(initial=np.inf))
        tilt = float(np.median((above[narrow] - below[narrow]) / 2 / along[narrow]))
        angle = float(np.clip(angle + np.arctan(tilt), -_LARGEST_TURN, _LARGEST_TURN))
        turned = np.cos(angle) * expected + np.sin(angle) * np.array([-expected[1], expected[0]])
        if np.hypot(*(turned - axis)) < 1e-3:
            break
        axis = turned
    narrowest = int(np.argmin(np.where(seen, width, np.inf)))
    middle = spine[narrowest] + (above[narrowest] - below[narrowest]) / 2 * np.array([-axis[1], axis[0]])
    return Neck(axis, middle, float(width[narrowest]), float(end), saddle, depth)


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
    # A point far below makes the hull a bridge over the arc, however deep it dips.
    far = arc[[0, -1]].mean(axis=0) - 100 * head.radius * up
    corners = np.unique([0, *ConvexHull(np.vstack([arc, far])).vertices, len(arc) - 1, len(arc)])[:-1]
    bridge = np.searchsorted(corners, np.arange(len(arc)), side="right").clip(1, len(corners) - 1)
    start, stop = arc[corners[bridge - 1]], arc[corners[bridge]]
    way = stop - start
    depth = ((arc - start) * np.column_stack([way[:, 1], -way[:, 0]])).sum(axis=1) / np.hypot(*way.T)
    deepest = int(np.argmax(depth))
    # The intertrochanteric line begins where the outline has climbed half out of the saddle.
    climbed = int(np.argmax(np.append(depth[deepest:] <= 0.5 * depth[deepest], True)))
    return arc[deepest], arc[min(deepest + climbed, len(arc) - 1)], float(depth[deepest])


def _where_line_crosses(start, axis, one, other):
    """How far along an axis from a start the line through two points lies."""
    line = other - one
    across = np.array([-line[1], line[0]])
    return float((one - start) @ across / (np.sign(axis @ across) * max(abs(axis @ across), 1e-6)))
