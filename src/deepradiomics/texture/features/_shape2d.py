"""Shape of a plane region."""

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist


def shape2d(mask, spacing=(1.0, 1.0)):
    """Measure the shape of a region, bool (H, W), from its outline at half height (marching squares), in mm and mm2.

    Lorensen and Cline 1987, in the plane. Two pixels that touch at a corner are told apart, as in pyradiomics 3.0.1.
    """
    height, width = (float(value) for value in spacing)
    padded = np.pad(np.asarray(mask, dtype=bool), 1)
    # Each cell by which of its four corners lie in the region, clockwise: 1, 2, 4 and 8.
    corners = padded.view(np.uint8)
    cells = corners[:-1, :-1] | corners[:-1, 1:] << 1 | corners[1:, 1:] << 2 | corners[1:, :-1] << 3
    found = np.bincount(cells.ravel(), minlength=16).tolist()
    counts = {name: sum(found[cell] for cell in own) for name, own in _CELLS.items()}
    slanted = np.hypot(height, width) / 2
    perimeter = slanted * (counts["one"] + counts["three"] + 2 * counts["opposite"])
    perimeter += width * counts["level"] + height * counts["upright"]
    surface = (
        height
        * width
        * (
            counts["four"]
            + 7 / 8 * counts["three"]
            + (counts["level"] + counts["upright"]) / 2
            + counts["opposite"] * _OPPOSITE_SHARE
            + counts["one"] / 8
        )
    )
    minor, major = principal_variances(padded, spacing)
    return {
        "Elongation": float(np.sqrt(minor / major)) if major > 0 else float("nan"),
        "MajorAxisLength": float(4 * np.sqrt(major)),
        "MaximumDiameter": _diameter(padded, spacing),
        "MeshSurface": float(surface),
        "MinorAxisLength": float(4 * np.sqrt(minor)),
        "Perimeter": float(perimeter),
        "PerimeterSurfaceRatio": float(perimeter / surface),
        "PixelSurface": float(padded.sum() * height * width),
        "Sphericity": float(2 * np.sqrt(np.pi * surface) / perimeter),
    }


# Cells by their corners in the region: one, two (opposite, side by side, one above the other), three, four.
_CELLS = {
    "one": (1, 2, 4, 8),
    "opposite": (5, 10),
    "level": (3, 12),
    "upright": (6, 9),
    "three": (7, 11, 13, 14),
    "four": (15,),
}
# Share of a cell that belongs to a region of which it holds two opposite corners.
_OPPOSITE_SHARE = 1 / 4


def principal_variances(mask, spacing):
    """Variances of the pixel centres along the principal axes in mm2, the smaller first."""
    inside = mask.astype(np.float64)
    n = inside.sum()
    away = []
    for axis, size in enumerate(spacing):
        places, weights = np.arange(mask.shape[axis]) * float(size), inside.sum(axis=1 - axis)
        away.append(places - places @ weights / n)
    spread = [away[axis] ** 2 @ inside.sum(axis=1 - axis) for axis in (0, 1)]
    together = away[0] @ inside @ away[1]
    return np.maximum(np.linalg.eigvalsh(np.array([[spread[0], together], [together, spread[1]]]) / n), 0.0)


def _diameter(mask, spacing):
    """Largest distance between two points of the outline, in mm."""
    # The outline lies between pixels; of each row and column only its two ends can lie farthest from anything.
    (rows, left, right), (columns, top, bottom) = _ends(mask), _ends(np.ascontiguousarray(mask.T))
    ends = np.concatenate(
        [[rows, left - 0.5], [rows, right - 0.5], [top - 0.5, columns], [bottom - 0.5, columns]], axis=1
    )
    points = ends.T * np.asarray(spacing, dtype=float)
    return float(pdist(points[ConvexHull(points).vertices]).max())


def _ends(mask):
    """The rows that hold a pixel, the first pixel of each and the one behind its last."""
    first = mask.argmax(axis=1)
    rows = np.flatnonzero(mask[np.arange(len(mask)), first])
    return rows, first[rows], mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
