"""The outline of a bone: its signed distance in a window round it, and how far it is from here to there."""

import numpy as np
from scipy import ndimage

from deepradiomics.exceptions import RegionError

# Steps of half a pixel in which most outlines are found.
_NEAR = 120
# Steps from one far look along a ray to the next.
_STRIDE = 12


class Bone:
    """The largest part of a mask in a window round it, its signed distance, and where the window lies."""

    def __init__(self, mask, pixels_per_mm):
        bone, self.flags = _largest_part(mask)
        rows, columns = np.flatnonzero(bone.any(axis=1)), np.flatnonzero(bone.any(axis=0))
        self.mask = np.pad(bone[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], ((3, 0), (3, 3)))
        self.bottom = len(self.mask)
        self.origin = np.array([rows[0] - 3, columns[0] - 3])
        self.pixels_per_mm = pixels_per_mm
        # The shaft goes on below its cut end: an outline there would cut off what is measured near it.
        self.distance = _signed_distance(np.pad(self.mask, ((0, 40), (0, 0)), mode="edge"))


def _largest_part(mask):
    """The largest component, and flags for what is left out and for borders it is cut by."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise RegionError("the mask has no pixel; is this hip in the image?", code="empty_region")
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    labels, _ = ndimage.label(mask[window])
    sizes = np.bincount(labels.ravel())[1:]
    bone = np.zeros(mask.shape, dtype=bool)
    bone[window] = ndimage.binary_fill_holes(labels == 1 + int(np.argmax(sizes)))
    flags = ["two_components"] * bool((sizes > 0.02 * sizes.max()).sum() > 1)
    cut = bone[0].any() or bone[:, 0].any() or bone[:, -1].any()
    return bone, flags + ["touches_border"] * bool(cut)


def _signed_distance(bone):
    """Distance to the outline in pixels, positive inside; 0 midway between an inner and an outer pixel."""
    inner, outer = ndimage.distance_transform_edt(bone), ndimage.distance_transform_edt(~bone)
    return np.where(bone, inner - 0.5, 0.5 - outer)


def sample(distance, points):
    """Read the signed distance at points (..., 2); pixel centres lie at +0.5. Far outside beyond the array."""
    points = np.asarray(points, dtype=float)
    coordinates = points.reshape(-1, 2).T - 0.5
    values = ndimage.map_coordinates(distance, coordinates, order=1, mode="constant", cval=-1e3)
    return values.reshape(points.shape[:-1])


def first_outside(distance, starts, directions, steps):
    """Number of the first of some steps at which rays are outside; the number of steps where none is.

    ``starts`` and ``directions`` are (n, 2), ``steps`` rise. The result is that of looking at each step: along a ray
    the distance changes by at most sqrt(2) a pixel, so between two far points that are deep enough inside it is not
    looked at.
    """
    far = np.append(np.arange(0, len(steps) - 1, _STRIDE), len(steps) - 1)
    depth = sample(distance, starts[:, None] + steps[far][:, None] * directions[:, None])
    outside = depth <= 0
    last = np.where(outside.any(axis=1), outside.argmax(axis=1), len(far))
    result = np.where(outside[:, 0], 0, len(steps))
    sure = depth[:, :-1] + depth[:, 1:] > np.sqrt(2) * np.diff(steps[far]) + 1e-6
    rays, gaps = np.nonzero(~sure & (np.arange(len(far) - 1) < last[:, None]))
    near = np.minimum(far[gaps, None] + np.arange(1, _STRIDE + 1), far[gaps + 1, None])
    there = sample(distance, starts[rays, None] + steps[near][..., None] * directions[rays, None]) <= 0
    hit = there.any(axis=1)
    np.minimum.at(result, rays[hit], near[hit, there[hit].argmax(axis=1)])
    return result


def lateral_axis(shaft_axis):
    """Unit vector (row, column) across the shaft, away from the midline of the body."""
    return np.array([-shaft_axis[1], shaft_axis[0]])


def reach(distance, start, direction):
    """Distance in pixels from a point inside the bone to the outline in a direction."""
    return float(reaches(distance, np.asarray(start)[None], direction)[0])


def reaches(distance, starts, direction):
    """Distances in pixels from points (n, 2) to the outline in a direction; 0 from points outside."""
    steps = np.arange(0, max(distance.shape), 0.5)
    result = np.full(len(starts), steps[-1])
    # The outline is mostly near: the rest of the way is looked at only from where it is not.
    left = np.arange(len(starts))
    for n_steps in (_NEAR, len(steps)):
        depth = sample(distance, starts[left, None] + steps[:n_steps, None] * direction)
        found = (depth <= 0).any(axis=1)
        depth, rows = depth[found], np.arange(found.sum())
        outside = np.argmax(depth <= 0, axis=1)
        inner, outer = depth[rows, outside - 1], np.maximum(depth[rows, outside], -1.0)
        span = np.where(outside > 0, inner - outer, 1.0)
        result[left[found]] = np.where(outside > 0, steps[outside - 1] + 0.5 * inner / span, 0.0)
        left = left[~found]
        if not len(left):
            break
    return result
