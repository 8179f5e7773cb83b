"""The femoral head in an outline: the medial, cranial circle that the longest arc of the outline supports."""

from dataclasses import dataclass

import numpy as np

from deepradiomics.exceptions import RegionError

# Lengths of the arcs to which candidate circles are fitted, and the radii allowed, as shares of the outline's size,
# which is 65 to 85 mm: arcs of 25, 37 and 52 mm, radii of 10 to 37 mm.
_ARCS = (0.33, 0.5, 0.7)
_RADII = (0.13, 0.5)
# The neck leaves the head downwards and to the side: the rest of the head is free.
_FREE_DIRECTION, _FREE_HALF_ANGLE = np.deg2rad(-143.0), np.deg2rad(105.0)
# How far a point of the outline may lie from a circle that it supports, as a share of the radius.
_NEAR = 0.06
_SECTORS = 36
_MEDIAL_CRANIAL = np.array([-0.6, -0.8])
# An arc is tried every so many points, 6 mm.
_EVERY = 12


@dataclass(frozen=True)
class Head:
    """A circle in an outline: centre (row, column), radius in pixels, and how well the outline follows it.

    ``stretch`` is the height over the width of the upright ellipse that fits the head best, ``arc`` the share of its 36
    sectors that lie on the outline, ``residual`` the deviation there as a share of the radius.
    """

    centre: np.ndarray
    radius: float
    arc: float
    residual: float
    stretch: float


def find_head(outline):
    """Find the head of a left femur.

    Parameters
    ----------
    outline : Outline
        Of one proximal femur, the head up and to the left of the picture.

    Returns
    -------
    Head
        The circle.

    Raises
    ------
    RegionError
        If no arc of the outline is round enough.
    """
    centres, radii = _candidates(outline)
    sparse = outline.points[::8]
    score = _sectors(sparse, centres, radii).sum(axis=1) / _SECTORS
    # A trochanter may be as round as a head, but the head is what lies farthest medially and cranially.
    reach = (sparse @ _MEDIAL_CRANIAL).max()
    score = score - 1.2 * np.abs(reach - centres @ _MEDIAL_CRANIAL - radii) / outline.size
    best = int(np.argmax(score))
    centre, radius = _refined(outline.points, centres[best], radii[best])
    centre, axes = _best_ellipse(outline.points[::2], centre, radius)
    round_head = (outline.points - centre) / axes
    arc = _arc(outline.points, centre, axes)
    distance = np.abs(np.hypot(*round_head.T) - 1)
    residual = np.sqrt(np.mean(distance[distance < 2 * _NEAR] ** 2)) if (distance < 2 * _NEAR).any() else 1.0
    return Head(centre, float(np.sqrt(axes.prod())), arc, float(residual), float(axes[0] / axes[1]))


def _candidates(outline):
    """Circles through arcs of the outline that bulge outwards: centres (n, 2) and radii (n,)."""
    points = outline.points
    centres, radii = [], []
    step = float(np.hypot(*(points[1] - points[0])))
    for share in _ARCS:
        n_points = min(max(int(share * outline.size / step), 8), len(points) - 1)
        centre, radius = _circles_of_arcs(points, n_points, every=_EVERY)
        middle = np.take(points, np.arange(0, len(points), _EVERY) + n_points // 2, axis=0, mode="wrap")
        tangent = np.take(points, np.arange(0, len(points), _EVERY) + n_points // 2 + 3, axis=0, mode="wrap") - middle
        # The bone lies on the right of the way, so does the centre of what bulges outwards.
        bulges = ((centre - middle) * np.column_stack([tangent[:, 1], -tangent[:, 0]])).sum(axis=1) > 0
        allowed = bulges & (radius > _RADII[0] * outline.size) & (radius < _RADII[1] * outline.size)
        centres.append(centre[allowed])
        radii.append(radius[allowed])
    if not sum(map(len, radii)):
        raise RegionError("no part of the outline is round like a femoral head; is it a femur?", code="no_head")
    return np.concatenate(centres), np.concatenate(radii)


def _circles_of_arcs(points, n_points, every):
    """Least-squares circles (Kasa 1976) of all arcs of some points: sums over arcs are differences of sums."""
    origin = points.mean(axis=0)
    y, x = (points - origin).T
    square = x * x + y * y
    terms = np.stack([x, y, x * x, y * y, x * y, x * square, y * square, square])
    sums = np.cumsum(np.concatenate([np.zeros((8, 1)), terms, terms[:, :n_points]], axis=1), axis=1)
    starts = np.arange(0, len(points), every)
    x, y, xx, yy, xy, xs, ys, s = (sums[:, starts + n_points] - sums[:, starts]) / n_points
    xx, yy, xy, xs, ys = xx - x * x, yy - y * y, xy - x * y, xs - x * s, ys - y * s
    determinant = xx * yy - xy * xy
    flat = determinant <= 1e-6 * (xx + yy) ** 2
    determinant = np.where(flat, 1.0, 2 * determinant)
    column, row = (xs * yy - ys * xy) / determinant, (ys * xx - xs * xy) / determinant
    radius = np.sqrt(np.maximum(s - 2 * (column * x + row * y) + column**2 + row**2, 0.0))
    return np.column_stack([row, column]) + origin, np.where(flat, np.inf, radius)


def _sectors(points, centres, radii):
    """Which sectors of circles lie on the outline, less those that it crosses inside: (n, 36), each 1, 0 or -1."""
    offset = points - centres[:, None]
    distance = np.hypot(offset[..., 0], offset[..., 1]) / radii[:, None]
    angle = np.arctan2(offset[..., 0], offset[..., 1])
    sector = np.minimum(((angle / (2 * np.pi) + 0.5) * _SECTORS).astype(int), _SECTORS - 1)
    place = sector + _SECTORS * np.arange(len(radii))[:, None]
    size = len(radii) * _SECTORS
    on_it = np.bincount(place[np.abs(distance - 1) < _NEAR], minlength=size) > 0
    within = np.bincount(place[distance < 0.85], minlength=size) > 0
    return (on_it * 1.0 - within).reshape(-1, _SECTORS)


def _refined(points, centre, radius):
    """The circle fitted again to the points near it, closer from turn to turn."""
    for near in (0.15, 0.1, 0.08, _NEAR, _NEAR):
        close = points[np.abs(np.hypot(*(points - centre).T) / radius - 1) < near]
        if len(close) < 8:
            break
        design = np.column_stack([2 * (close - centre), np.ones(len(close))])
        square = ((close - centre) ** 2).sum(axis=1)
        shift = np.linalg.solve(design.T @ design + 1e-9 * np.eye(3), design.T @ square)
        new_radius = float(np.sqrt(max(shift[2] + shift[:2] @ shift[:2], 0.0)))
        if not 0.7 * radius < new_radius < 1.4 * radius:
            break
        centre, radius = centre + shift[:2], new_radius
    return centre, float(radius)


def _best_ellipse(points, centre, radius):
    """The upright ellipse round which most of the head lies: centre and half axes (down, across).

    A picture that was squeezed or stretched makes upright ellipses of heads, and a circle then finds a part of one:
    ellipses are tried that grow from there away from the free side.
    """
    best = None
    for growth in np.array([[1.0, 1.0], [1.0, 1.35], [1.0, 1.7], [1.35, 1.0], [1.7, 1.0]]):
        start = centre + (growth - 1) * radius
        middle, axes = _ellipse(points, start, growth * radius)
        score = _arc(points, middle, axes) - 0.15 * abs(np.log(axes[0] / axes[1]))
        if best is None or score > best[0] + 0.02:
            best = score, middle, axes
        # What is round over most of its way needs no other start.
        if best[0] > 0.68:
            break
    return best[1:]


def _arc(points, centre, axes):
    """Share of the sectors of an ellipse that lie on the outline."""
    return float(_sectors((points - centre) / axes, np.zeros((1, 2)), np.ones(1)).mean())


def _ellipse(points, centre, axes):
    """The ellipse fitted again to the free points near it, closer from turn to turn."""
    for near in (0.25, 0.15, 0.1, 0.1):
        offset = (points - centre) / axes
        distance, angle = np.hypot(*offset.T), np.arctan2(offset[:, 0], offset[:, 1])
        from_free = (angle - _FREE_DIRECTION + np.pi) % (2 * np.pi) - np.pi
        free = (np.abs(from_free) < _FREE_HALF_ANGLE) & (np.abs(distance - 1) < near)
        if free.sum() < 20:
            break
        y, x = offset[free].T
        design = np.column_stack([x * x, y, x, np.ones(len(x))])
        # Normal equations: four unknowns of like size, and ten times as fast as lstsq.
        wide, down, across, rest = np.linalg.solve(design.T @ design + 1e-9 * np.eye(4), design.T @ -(y * y))
        size = down**2 / 4 + across**2 / (4 * wide) - rest if wide > 0.3 else -1.0
        if not 0.4 < size < 2.0 or not 0.4 < size / wide < 2.0:
            break
        centre = centre - axes * [down / 2, across / (2 * wide)]
        axes = axes * np.sqrt([size, size / wide])
    return centre, axes
