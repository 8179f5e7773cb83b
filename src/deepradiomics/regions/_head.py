"""The femoral head in an outline: the medial, cranial circle that the longest arc of the outline supports."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from deepradiomics.exceptions import RegionError

# Lengths of the arcs to which candidate circles are fitted, and the radii allowed, as shares of the outline's size,
# which is 65 to 85 mm: arcs of 25, 37 and 52 mm, radii of 10 to 37 mm. Nearly all heads are 0.24 to 0.34 of it.
_ARCS = (0.33, 0.5, 0.7)
_RADII, _USUAL_RADII = (0.13, 0.5), (0.24, 0.34)
# The neck leaves the head downwards and to the side: the rest of the head is free.
_FREE_DIRECTION, _FREE_HALF_ANGLE = np.deg2rad(-143.0), np.deg2rad(130.0)
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
    circles = _candidates(outline.points, outline.size)
    if not len(circles):
        raise RegionError("no part of the outline is round like a femoral head; is it a femur?", code="no_head")
    centres, radii = np.ascontiguousarray(circles[:, :2]), circles[:, 2]
    sparse = np.ascontiguousarray(outline.points[::8])
    score = _arcs(sparse, centres, np.column_stack([radii, radii]))
    # A trochanter or a part of the head may be as round; the head lies farthest medially and cranially, and is larger.
    reach, shares = (sparse @ _MEDIAL_CRANIAL).max(), radii / outline.size
    score = score - 1.2 * np.abs(reach - centres @ _MEDIAL_CRANIAL - radii) / outline.size
    score -= np.abs(np.log(shares / np.clip(shares, *_USUAL_RADII)))
    best = int(np.argmax(score))
    centre, radius = _refined(outline.points, centres[best], radii[best])
    centre, axes = _best_ellipse(np.ascontiguousarray(outline.points[::2]), centre, radius)
    round_head = (outline.points - centre) / axes
    arc = float(_arcs(outline.points, centre[None], axes[None])[0])
    distance = np.abs(np.hypot(*round_head.T) - 1)
    residual = np.sqrt(np.mean(distance[distance < 2 * _NEAR] ** 2)) if (distance < 2 * _NEAR).any() else 1.0
    return Head(centre, float(np.sqrt(axes.prod())), arc, float(residual), float(axes[0] / axes[1]))


@njit(cache=True, nogil=True)
def _candidates(points, size):
    """Least-squares circles (Kasa 1976) of arcs of the outline that bulge outwards: row, column and radius (n, 3)."""
    n, found = len(points), [(0.0, 0.0, 0.0) for _ in range(0)]
    step = np.hypot(points[1, 0] - points[0, 0], points[1, 1] - points[0, 1])
    middle = points[:, 0].mean(), points[:, 1].mean()
    # Sums over arcs are differences of sums.
    sums = np.zeros((2 * n + 1, 8))
    for i in range(2 * n):
        y, x = points[i % n, 0] - middle[0], points[i % n, 1] - middle[1]
        s = x * x + y * y
        for j, term in enumerate((x, y, x * x, y * y, x * y, x * s, y * s, s)):
            sums[i + 1, j] = sums[i, j] + term
    for share in _ARCS:
        length = min(max(int(share * size / step), 8), n - 1)
        for start in range(0, n, _EVERY):
            x, y, xx, yy, xy, xs, ys, s = (sums[start + length] - sums[start]) / length
            xx, yy, xy, xs, ys = xx - x * x, yy - y * y, xy - x * y, xs - x * s, ys - y * s
            determinant = xx * yy - xy * xy
            if determinant <= 1e-6 * (xx + yy) ** 2:  # flat
                continue
            column, row = (xs * yy - ys * xy) / determinant / 2, (ys * xx - xs * xy) / determinant / 2
            radius = np.sqrt(max(s - 2 * (column * x + row * y) + column**2 + row**2, 0.0))
            row, column = row + middle[0], column + middle[1]
            here = points[(start + length // 2) % n]
            tangent = points[(start + length // 2 + 3) % n] - here
            # The bone lies on the right of the way, so does the centre of what bulges outwards.
            bulges = (row - here[0]) * tangent[1] > (column - here[1]) * tangent[0]
            if bulges and _RADII[0] * size < radius < _RADII[1] * size:
                found.append((row, column, radius))
    circles = np.empty((len(found), 3))  # numba makes no array of an empty list
    for k in range(len(found)):
        circles[k, 0], circles[k, 1], circles[k, 2] = found[k]
    return circles


@njit(cache=True, nogil=True)
def _arcs(points, centres, axes):
    """Share (n,) of the sectors of ellipses that lie on the outline, less those that it crosses inside."""
    shares = np.empty(len(centres))
    for k in range(len(centres)):
        on_it, within, high, wide = np.zeros(_SECTORS), np.zeros(_SECTORS), 1 / axes[k, 0], 1 / axes[k, 1]
        for i in range(len(points)):
            y, x = (points[i, 0] - centres[k, 0]) * high, (points[i, 1] - centres[k, 1]) * wide
            square = y * y + x * x
            if square < (1 + _NEAR) ** 2 and not 0.85**2 <= square <= (1 - _NEAR) ** 2:
                sector = min(int((np.arctan2(y, x) / (2 * np.pi) + 0.5) * _SECTORS), _SECTORS - 1)
                if square < 0.85**2:
                    within[sector] = 1
                else:
                    on_it[sector] = 1
        shares[k] = (on_it - within).mean()
    return shares


@njit(cache=True, nogil=True)
def _refined(points, centre, radius):
    """The circle fitted again to the points near it, closer from turn to turn."""
    for near in (0.15, 0.1, 0.08, _NEAR, _NEAR):
        matrix, right, n_close = 1e-9 * np.eye(3), np.zeros(3), 0
        for i in range(len(points)):
            y, x = points[i, 0] - centre[0], points[i, 1] - centre[1]
            if abs(np.sqrt(y * y + x * x) / radius - 1) < near:
                _add(matrix, right, (2 * y, 2 * x, 1.0), y * y + x * x)
                n_close += 1
        if n_close < 8:
            break
        shift = np.linalg.solve(matrix, right)
        new_radius = np.sqrt(max(shift[2] + shift[0] ** 2 + shift[1] ** 2, 0.0))
        if not 0.7 * radius < new_radius < 1.4 * radius:
            break
        centre, radius = centre + shift[:2], new_radius
    return centre, radius


@njit(cache=True, nogil=True)
def _add(matrix, right, terms, value):
    """Add one equation to the normal equations: four unknowns of like size, and ten times as fast as lstsq."""
    for j in range(len(terms)):
        right[j] += terms[j] * value
        for k in range(len(terms)):
            matrix[j, k] += terms[j] * terms[k]


def _best_ellipse(points, centre, radius):
    """The upright ellipse round which most of the head lies: centre and half axes (down, across).

    A picture that was squeezed or stretched makes upright ellipses of heads, and a circle then finds a part of one:
    ellipses are tried that grow from there away from the free side.
    """
    best = None
    for growth in np.array([[1.0, 1.0], [1.0, 1.35], [1.0, 1.7], [1.35, 1.0], [1.7, 1.0]]):
        start = centre + (growth - 1) * radius
        middle, axes = _ellipse(points, start, growth * radius)
        score = _arcs(points, middle[None], axes[None])[0] - 0.15 * abs(np.log(axes[0] / axes[1]))
        if best is None or score > best[0] + 0.02:
            best = score, middle, axes
        # What is round over most of its way needs no other start.
        if best[0] > 0.68:
            break
    return best[1:]


@njit(cache=True, nogil=True)
def _ellipse(points, centre, axes):
    """The ellipse fitted again to the free points near it, closer from turn to turn."""
    for near in (0.25, 0.15, 0.1, 0.1):
        matrix, right, n_free = 1e-9 * np.eye(4), np.zeros(4), 0
        for i in range(len(points)):
            y, x = (points[i, 0] - centre[0]) / axes[0], (points[i, 1] - centre[1]) / axes[1]
            if abs(np.sqrt(y * y + x * x) - 1) < near:
                from_free = (np.arctan2(y, x) - _FREE_DIRECTION + np.pi) % (2 * np.pi) - np.pi
                if abs(from_free) < _FREE_HALF_ANGLE:
                    _add(matrix, right, (x * x, y, x, 1.0), -y * y)
                    n_free += 1
        if n_free < 20:
            break
        wide, down, across, rest = np.linalg.solve(matrix, right)
        size = down**2 / 4 + across**2 / (4 * wide) - rest if wide > 0.3 else -1.0
        if not 0.4 < size < 2.0 or not 0.4 < size / wide < 2.0:
            break
        centre = centre - axes * np.array([down / 2, across / (2 * wide)])
        axes = axes * np.sqrt(np.array([size, size / wide]))
    return centre, axes
