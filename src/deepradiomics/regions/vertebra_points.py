"""Heights of vertebral bodies from points that a reader set, without a mask."""

import numpy as np

from deepradiomics.exceptions import InputError
from deepradiomics.regions.vertebrae import ASPECT, VertebraGeometry, _rotated, _square_mm


def vertebra_geometry_from_points(points, spacing=None):
    """Measure each vertebral body by its corners, and by the middles of its endplates where they are set.

    Parameters
    ----------
    points : list of (str, (float, float))
        Level, row and column of each point in pixels, as `read_labelme` gives them. A level has its four corners, or
        these and the middles of both endplates, in any order.
    spacing : tuple of two floats, default=None
        Height and width of a pixel in mm; None means unknown.

    Returns
    -------
    dict of str to VertebraGeometry
        The bodies, from top to bottom. Without the middles of the endplates the middle height is None. The only flag is
        ``unusual_aspect``.

    Raises
    ------
    InputError
        If a level has not four or six points, they surround no body, or pixels are not square.

    Notes
    -----
    The six points are those of vertebral morphometry. Heights lie along the body's own axis, as those of
    `vertebra_geometry` do. Which edges are the endplates is told from the way to the neighbours; a body alone is taken
    to stand upright.

    Examples
    --------
    >>> from deepradiomics.regions import genant_grade, vertebra_geometry_from_points
    >>> corners = [("L1", (26, 10)), ("L1", (20, 50)), ("L1", (45, 50)), ("L1", (45, 10))]
    >>> body = vertebra_geometry_from_points(corners, (1, 1))["L1"]
    >>> [round(height, 1) for height in body.heights if height], round(body.wedge, 1)
    ([18.9, 24.9], 8.5)
    >>> genant_grade(*body.heights).grade
    1
    """
    mm, bodies = _square_mm(spacing), {}
    for level, place in points:
        bodies.setdefault(level, []).append(place)
    bodies = {level: np.array(places, dtype=float) for level, places in bodies.items()}
    names = sorted(bodies, key=lambda level: bodies[level][:, 0].mean())
    centres = [bodies[level].mean(axis=0) for level in names]
    ways = [centres[min(i + 1, len(names) - 1)] - centres[max(i - 1, 0)] for i in range(len(names))]
    return {level: _measured(level, bodies[level], way, mm) for level, way in zip(names, ways, strict=True)}


def _measured(level, places, way, mm):
    """Geometry of one body from its four or six points (n, 2), and the way (2,) from the one above to the one below."""
    if places.shape not in ((4, 2), (6, 2)) or not np.isfinite(places).all():
        raise InputError(
            f"{level} has {len(places)} points; set its four corners, or these and the middles of both endplates, each "
            "as row and column"
        )
    # Round the body as a clock goes, from the one point on that leaves the upper half first.
    rows, columns = (places - places.mean(axis=0)).T
    ring, half, starts = places[np.argsort(np.arctan2(rows, columns))], len(places) // 2, range(len(places))
    if half == 3:  # the middle of an endplate lies nearly between its neighbours
        bend = np.linalg.norm(ring - (np.roll(ring, 1, axis=0) + np.roll(ring, -1, axis=0)) / 2, axis=1)
        starts = np.argmin(bend[:3] + bend[3:]) + np.array([-1, 2])
    rings = [np.roll(ring, -start, axis=0) for start in starts]
    way = way if way.any() else np.array([1.0, 0.0])
    ring = max(rings, key=lambda turned: (turned[half:] - turned[:half]).sum(axis=0) @ way)
    corners = ring[[0, half - 1, half, -1]]
    row, column = corners[1] - corners[0] + corners[2] - corners[3]
    tilt = float(np.degrees(np.arctan2(-row, column)))
    down = _rotated(ring, tilt)[:, 1]
    heights = [float(mm * height) for height in down[half:][::-1] - down[:half]]
    width = float(mm * np.hypot(row, column) / 2)
    if min(*heights, width) <= 0:
        raise InputError(f"the points of {level} surround no body; set each corner once")
    flags = () if ASPECT[0] < width / np.mean(heights) < ASPECT[1] else ("unusual_aspect",)
    measured = (heights[0], heights[1] if half == 3 else None, heights[-1])
    return VertebraGeometry(corners, tilt, measured, width, 1.0 - 0.1 * len(flags), flags)
