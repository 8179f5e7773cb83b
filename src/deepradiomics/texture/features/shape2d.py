"""Shape of a plane region."""

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist


def shape2d(mask, spacing=(1.0, 1.0)):
    """Measure the shape of a region from its outline at half height (marching squares).

    Parameters
    ----------
    mask : bool array of shape (H, W)
        The region, with at least one pixel.
    spacing : tuple of two floats, default=(1.0, 1.0)
        Height and width of a pixel in mm.

    Returns
    -------
    dict of str to float
        Features in the order of pyradiomics, in mm and mm2.

    References
    ----------
    Lorensen WE, Cline HE. Marching cubes: a high resolution 3D surface construction algorithm. Comput Graph 21,
    163-169 (1987), in the plane. Two pixels that touch at a corner are told apart, as in pyradiomics 3.0.1.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.features.shape2d import shape2d
    >>> found = shape2d(np.ones((1, 1), dtype=bool))
    >>> found["MeshSurface"], round(found["Perimeter"], 6), found["MaximumDiameter"]
    (0.5, 2.828427, 1.0)
    """
    height, width = (float(value) for value in spacing)
    padded = np.pad(np.asarray(mask, dtype=bool), 1)
    corners = np.stack([padded[:-1, :-1], padded[:-1, 1:], padded[1:, 1:], padded[1:, :-1]])
    number = corners.sum(axis=0)
    opposite = (number == 2) & (corners[0] == corners[2])
    across = (number == 2) & ~opposite
    level = across & (corners[0] == corners[1])
    counts = {
        name: int(cells.sum())
        for name, cells in {
            "one": number == 1,
            "opposite": opposite,
            "level": level,
            "upright": across & ~level,
            "three": number == 3,
            "four": number == 4,
        }.items()
    }
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
    minor, major = _principal_variances(padded, spacing)
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


# Share of a cell that belongs to a region of which it holds two opposite corners.
_OPPOSITE_SHARE = 1 / 4


def _principal_variances(mask, spacing):
    """Variances of the pixel centres along the principal axes in mm2, the smaller first."""
    points = np.argwhere(mask) * np.asarray(spacing, dtype=float)
    centred = points - points.mean(axis=0)
    return np.maximum(np.linalg.eigvalsh(centred.T @ centred / len(points)), 0.0)


def _diameter(mask, spacing):
    """Largest distance between two points of the outline, in mm."""
    rows = np.argwhere(mask[:-1] != mask[1:]) + (0.5, 0.0)
    columns = np.argwhere(mask[:, :-1] != mask[:, 1:]) + (0.0, 0.5)
    points = np.concatenate([rows, columns]) * np.asarray(spacing, dtype=float)
    return float(pdist(points[ConvexHull(points).vertices]).max())
