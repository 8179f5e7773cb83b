"""Shape of a plane region as a slab one slice thick: the class "shape" where an image is taken for a volume."""

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from deepradiomics.texture.features._shape2d import principal_variances


def slab_shape(mask, spacing=(1.0, 1.0), thickness=1.0):
    """Measure the three-dimensional shape of a slab from its surface at half height (marching cubes), in mm.

    mask : bool (H, W). The 14 features of pyradiomics' class ``shape`` in its order. A radiograph is a projection: what
    is said of the third dimension follows from the thickness alone. Lorensen and Cline 1987.
    """
    height, width = (float(value) for value in spacing)
    padded = np.pad(np.asarray(mask, dtype=bool), 1)
    area, volume = _surface(padded, height, width, float(thickness))
    minor, major = principal_variances(padded, (height, width))
    middle, top = _vertices(padded, (height, width))
    return {
        "Elongation": float(np.sqrt(minor / major)) if major > 0 else float("nan"),
        "Flatness": 0.0 if major > 0 else float("nan"),
        "LeastAxisLength": 0.0,
        "MajorAxisLength": float(4 * np.sqrt(major)),
        "Maximum2DDiameterColumn": _diameter_in_planes(middle, top, thickness, 0),
        "Maximum2DDiameterRow": _diameter_in_planes(middle, top, thickness, 1),
        "Maximum2DDiameterSlice": max(_diameter(middle), _diameter(top)),
        "Maximum3DDiameter": _diameter_of_slab(middle, top, thickness),
        "MeshVolume": volume,
        "MinorAxisLength": float(4 * np.sqrt(minor)),
        "Sphericity": float((36 * np.pi * volume**2) ** (1 / 3) / area),
        "SurfaceArea": area,
        "SurfaceVolumeRatio": area / volume,
        "VoxelVolume": float(padded.sum() * height * width * thickness),
    }


def _surface(padded, height, width, thickness):
    """Area and volume under the patches over each square of four pixel centres, above and below the slab."""
    corners = np.stack([padded[:-1, :-1], padded[:-1, 1:], padded[1:, 1:], padded[1:, :-1]])
    number = corners.sum(axis=0)
    opposite = (number == 2) & (corners[0] == corners[2])
    rising = opposite & corners[1]
    level = (number == 2) & ~opposite & (corners[0] == corners[1])
    upright = (number == 2) & ~opposite & ~level
    a, b, c = height / 2, width / 2, thickness / 2
    corner = np.sqrt((a * b) ** 2 + (b * c) ** 2 + (c * a) ** 2) / 2
    # Three corners: half a square on top, and a trapezoid that falls from the diagonal to half-way to the fourth.
    diagonal = np.hypot(height, width)
    fall = np.hypot(height * width / (2 * diagonal), c)
    kinds = (
        (number == 1, corner, 1 / 48),
        # pyradiomics' table counts four patches where there are two, on one of the diagonals.
        (rising, 4 * corner, 2 / 48),
        (opposite & ~rising, 2 * corner, 2 / 48),
        (level, width * np.hypot(a, c), 1 / 8),
        (upright, height * np.hypot(b, c), 1 / 8),
        (number == 3, height * width / 2 + 0.75 * diagonal * fall, 17 / 48),
        (number == 4, height * width, 1 / 2),
    )
    area = 2 * sum(int(cells.sum()) * patch for cells, patch, _ in kinds)
    volume = 2 * sum(int(cells.sum()) * share for cells, _, share in kinds) * height * width * thickness
    return float(area), float(volume)


def _vertices(padded, spacing):
    """Corners of the surface in mm: half-way between inside and outside in the plane, and over each pixel centre."""
    rows = np.argwhere(padded[:-1] != padded[1:]) + (0.5, 0.0)
    columns = np.argwhere(padded[:, :-1] != padded[:, 1:]) + (0.0, 0.5)
    return np.concatenate([rows, columns]) * spacing, np.argwhere(padded) * spacing


def _hull(points):
    """The points that can be furthest from another."""
    try:
        return points[ConvexHull(points).vertices]
    except (QhullError, ValueError):
        # Fewer than three points, or all on a line.
        return points[[np.lexsort(points.T)[0], np.lexsort(points.T)[-1]]]


def _diameter(points):
    return float(pdist(_hull(points)).max(initial=0.0))


def _diameter_of_slab(middle, top, thickness):
    """Largest distance between two corners of the surface, of which those over pixels lie above and below."""
    middle, top = _hull(middle), _hull(top)
    across = np.hypot(pdist(top).max(initial=0.0), thickness)
    apart = np.sqrt(((middle[:, None] - top[None]) ** 2).sum(axis=2)).max()
    return float(max(_diameter(middle), across, np.hypot(apart, thickness / 2)))


def _diameter_in_planes(middle, top, thickness, axis):
    """Largest distance between two corners that share a coordinate of the plane."""
    other, largest = 1 - axis, 0.0
    for place in np.unique(np.concatenate([middle[:, axis], top[:, axis]])):
        own = middle[np.isclose(middle[:, axis], place), other]
        over = top[np.isclose(top[:, axis], place), other]
        if len(own):
            largest = max(largest, np.ptp(own))
        if len(over):
            largest = max(largest, np.hypot(np.ptp(over), thickness))
        if len(own) and len(over):
            apart = max(own.max() - over.min(), over.max() - own.min())
            largest = max(largest, np.hypot(apart, thickness / 2))
    return float(largest)
