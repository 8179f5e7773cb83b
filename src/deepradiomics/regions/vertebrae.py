"""Bodies of vertebrae from a label map: their measures, and boxes to read them from."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from deepradiomics.box import Box
from deepradiomics.exceptions import InputError, RegionError

# What the labels 1, 2, 3 ... of a mask stand for, and the order of the vertebrae from top to bottom.
LEVELS = ("L1", "L2", "L3", "L4", "L5", "T12", "S1")
CHAIN = ("T12", "L1", "L2", "L3", "L4", "L5", "S1")
# Mean depth of a lumbar body in mm (Zhou 2000): the yardstick of the margin where the spacing is unknown.
BODY_WIDTH_MM = 42.0
_FEWEST_PIXELS = 40
# A body fills most of its convex hull, which its four corners span, and is wider than high or nearly so. Severe
# fractures reach down to 0.75 of the hull; below 0.5 it is no body.
_SOLID, _NO_BODY, _CORNERED, ASPECT = 0.8, 0.5, 0.75, (0.75, 6.0)
# Neighbours turn against each other by less than this, in degrees.
_TURN = 35.0


@dataclass(frozen=True)
class VertebraGeometry:
    """Where a vertebral body lies, and its measures.

    Parameters
    ----------
    corners : float array of shape (4, 2)
        Row and column of the upper left, upper right, lower right and lower left corner, in pixels; 0 is the outer
        edge of the first pixel.
    tilt : float
        Of the body's width against the rows of the picture, in degrees, counter-clockwise as the picture is seen.
    heights : tuple of three floats
        At the left edge, in the middle and at the right edge, along the body's own axis: in mm, or in pixels where the
        spacing is unknown; None in the middle where only the corners are known.
    width : float
        In the unit of the heights: the depth in a lateral picture.
    confidence : float
        Between 0 and 1: how much of its convex hull the mask fills, less a tenth for each flag.
    flags : tuple of str
        ``touches_border``, ``two_components``, ``not_solid``, ``no_corners``, ``unusual_aspect``, ``no_body``: what to
        look at.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.regions import vertebra_geometry
    >>> mask = np.zeros((100, 100), dtype=np.uint8)
    >>> mask[30:60, 20:62] = 1
    >>> body = vertebra_geometry(mask, (0.5, 0.5))["L1"]
    >>> body.heights, body.width, body.flags
    ((15.0, 15.0, 15.0), 21.0, ())
    """

    corners: np.ndarray
    tilt: float
    heights: tuple
    width: float
    confidence: float
    flags: tuple

    @property
    def wedge(self):
        """Angle between both endplates in degrees, above 0 where the body is higher at its right edge."""
        rows, columns = (self.corners[[1, 2]] - self.corners[[0, 3]]).T
        upper, lower = np.degrees(np.arctan2(-rows, columns))
        return float(upper - lower)


def vertebra_geometry(mask, spacing=None, *, levels=LEVELS):
    """Measure each vertebral body of a label map.

    Parameters
    ----------
    mask : int array of shape (H, W)
        0 is background, k the body named ``levels[k - 1]``.
    spacing : tuple of two floats, default=None
        Height and width of a pixel in mm; None means unknown.
    levels : sequence of str, default=("L1", "L2", "L3", "L4", "L5", "T12", "S1")
        Names of the labels.

    Returns
    -------
    dict of str to VertebraGeometry
        The bodies present, from top to bottom.

    Raises
    ------
    InputError
        If the mask is no two-dimensional array of whole numbers, a label has no name, or pixels are not square.
    RegionError
        If there is no body, or one has fewer than 40 pixels.

    Notes
    -----
    The tilt is that of the line midway between both endplates. The corners are the points furthest out in the four
    diagonal directions; the middle height is that of the middle tenth of the width.

    Examples
    --------
    >>> from deepradiomics.regions import vertebra_geometry
    >>> from deepradiomics.simulation import make_spines
    >>> spines = make_spines(1, random_state=0)
    >>> list(vertebra_geometry(spines.masks_lateral[0], spines.data["lateral"][0].spacing))
    ['T12', 'L1', 'L2', 'L3', 'L4', 'L5', 'S1']
    """
    mask, mm = _checked(mask, spacing, levels)
    labels = np.setdiff1d(np.unique(mask), [0])
    if not len(labels):
        raise RegionError("the label map has no vertebra; is the spine in the image?", code="empty_region")
    found = {levels[label - 1]: _measure(levels[label - 1], mask == label, mm, near=0.0) for label in labels}
    names = sorted(found, key=lambda name: found[name].corners[:, 0].mean())
    # From the most upright body on, each one's width is the side that lies nearest to that of its neighbour.
    start = int(np.argmin([abs(found[name].tilt) for name in names]))
    for path in (names[start:], names[start::-1]):
        for before, name in pairwise(path):
            label = list(levels).index(name) + 1
            if abs(found[name].tilt - found[before].tilt) > _TURN:
                found[name] = _measure(name, mask == label, mm, near=found[before].tilt)
    return {name: found[name] for name in names}


def unsure_levels(mask, *, levels=LEVELS):
    """Tell which vertebrae of an automatic label map may have a wrong name, and why.

    Names are counted from the sacrum or from the vertebra of the last rib. Where neither is outlined, or the row of
    bodies from there on has a gap, a doubled body or another order, the name of a body may be off by one.

    Parameters
    ----------
    mask : int array of shape (H, W)
        0 is background, k the body named ``levels[k - 1]``.
    levels : sequence of str, default=("L1", "L2", "L3", "L4", "L5", "T12", "S1")
        Names of the labels.

    Returns
    -------
    dict of str to str
        Reason for each body present whose level is unsure, from top to bottom. Other names than those of T12 to S1
        are left out.

    Raises
    ------
    InputError
        If the mask is no two-dimensional array of whole numbers, or a label has no name.

    Notes
    -----
    S1 or T12 counts if it does not touch the border of the picture. Two bodies are neighbours if their centers lie 0.65
    to 1.5 times as far apart as those of the others in the median. A map in which all bodies are shifted together, S1
    or T12 included, is not found out.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.regions import unsure_levels
    >>> mask = np.zeros((200, 60), dtype=np.uint8)
    >>> for place, label in enumerate((2, 3, 4)):  # L2, L3, L4
    ...     mask[20 + 40 * place : 50 + 40 * place, 10:50] = label
    >>> unsure_levels(mask)["L3"]
    'neither S1 nor T12 is outlined whole'
    >>> mask[140:170, 10:50], mask[175:195, 10:50] = 5, 7  # L5 and S1
    >>> unsure_levels(mask)
    {}
    """
    mask, _ = _checked(mask, None, levels)
    labels = {name: list(levels).index(name) + 1 for name in CHAIN if name in levels}
    present = [name for name, label in labels.items() if (mask == label).any()]
    centres = {name: np.mean(np.nonzero(mask == labels[name]), axis=1) for name in present}
    in_picture = [centres[name] for name in sorted(present, key=lambda name: centres[name][0])]
    usual = np.median([np.hypot(*(b - a)) for a, b in pairwise(in_picture)]) if len(present) > 1 else 0.0
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    anchors = [name for name in ("S1", "T12") if name in present and labels[name] not in border]
    sure = set(anchors)
    for path in (CHAIN, CHAIN[::-1]):
        for before, name in pairwise(path):
            if before in sure and name in present:
                step = (centres[name] - centres[before]) * (1 if path is CHAIN else -1)
                if step[0] > 0 and 0.65 * usual < np.hypot(*step) < 1.5 * usual:
                    sure.add(name)
    reason = (
        f"the row of bodies from {' or '.join(anchors)} to it has a gap, a doubled body or another order"
        if anchors
        else "neither S1 nor T12 is outlined whole"
    )
    return {name: reason for name in present if name not in sure}


def place_vertebra_boxes(mask, spacing=None, *, levels=LEVELS, margin_mm=2.0, tilted=False):
    """Place a box on each vertebral body: the smallest rectangle round it, up to the middle of the discs.

    Parameters
    ----------
    mask : int array of shape (H, W)
        0 is background, k the body named ``levels[k - 1]``.
    spacing : tuple of two floats, default=None
        Height and width of a pixel in mm. Where it is None, the margin follows the width of the body, taken as 42 mm.
    levels : sequence of str, default=("L1", "L2", "L3", "L4", "L5", "T12", "S1")
        Names of the labels.
    margin_mm : float, default=2.0
        Margin on both sides.
    tilted : bool, default=False
        Whether each box turns with its vertebra; otherwise it is upright.

    Returns
    -------
    dict of str to Box
        From top to bottom. The upper and lower edges lie half-way to the next vertebra, or as far on the side where
        none is as on the other; a vertebra alone has its own edges. A box may stick out of the image.

    Raises
    ------
    InputError
        If the mask is no two-dimensional array of whole numbers, a label has no name, or pixels are not square.
    RegionError
        If there is no body, or a mask is no body: fewer than 40 pixels, ragged, or higher than wide by a third.

    References
    ----------
    Mao L, Xia Z, Pan L, et al. Deep learning for screening primary osteopenia and osteoporosis using spine radiographs
    and patient clinical covariates. Front Endocrinol 2022;13:971877, for margins and mid-disc edges.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.regions import place_vertebra_boxes
    >>> mask = np.zeros((120, 100), dtype=np.uint8)
    >>> mask[20:40, 30:70], mask[50:70, 30:70] = 1, 2
    >>> place_vertebra_boxes(mask, (1.0, 1.0))
    {'L1': Box(top=15.0, left=28.0, height=30.0, width=44.0, angle=0.0), 'L2': Box(top=45.0, left=28.0, ...)}
    """
    bodies = vertebra_geometry(mask, spacing, levels=levels)
    for name, body in bodies.items():
        if {"no_body", "unusual_aspect"} & set(body.flags):
            raise RegionError(
                f"the mask of {name} is no vertebral body ({', '.join(body.flags)}); look at it with plot_regions",
                code="no_body",
            )
    mask, boxes = np.asarray(mask), {}
    for name, body in bodies.items():
        angle = body.tilt if tilted else 0.0
        outline = _outline(mask == list(levels).index(name) + 1)
        margin = margin_mm / spacing[0] if spacing is not None else margin_mm * body.width / BODY_WIDTH_MM
        boxes[name] = _box(outline, angle, margin, _half_discs(name, bodies, angle))
    return boxes


def _levels_between(level):
    """List the vertebrae that a name stands for: of ``"L1-L4"`` four, of ``"L2"`` itself."""
    ends = level.split("-")
    if len(ends) != 2 or not set(ends) <= set(CHAIN):
        return [level]
    return list(CHAIN[CHAIN.index(ends[0]) : CHAIN.index(ends[1]) + 1])


def _with_neighbours(levels):
    """List, from head to foot, the vertebrae of some names and those above and below, whose discs end their boxes."""
    wanted = [name for level in levels for name in _levels_between(level)]
    places = {CHAIN.index(name) + step for name in wanted if name in CHAIN for step in (-1, 0, 1)}
    return [name for place, name in enumerate(CHAIN) if place in places] + [
        name for name in dict.fromkeys(wanted) if name not in CHAIN
    ]


def _box_round_levels(level, boxes):
    """Box of a vertebra, or the smallest upright one round those of ``"L1-L4"``; None where one is missing."""
    names = _levels_between(level)
    if not names or any(name not in boxes for name in names):
        return None
    if len(names) == 1:
        return boxes[names[0]]
    corners = np.concatenate([boxes[name].corners for name in names])
    (top, left), (bottom, right) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return Box(top, left, bottom - top, right - left)


def _checked(mask, spacing, levels):
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype.kind not in "iu":
        raise InputError(
            f"a label map is a two-dimensional array of whole numbers, not {mask.dtype} of shape {mask.shape}",
            code="mask_values",
        )
    if mask.size and not 0 <= mask.min() <= mask.max() <= len(levels):
        raise InputError(
            f"labels reach from {mask.min()} to {mask.max()}; there are names for 1 to {len(levels)}, give levels=",
            code="mask_values",
        )
    return mask, _square_mm(spacing)


def _square_mm(spacing):
    """Side of a pixel in mm, 1 where it is unknown."""
    if spacing is None:
        return 1.0
    if not 0.99 < spacing[0] / spacing[1] < 1.01:
        raise InputError(
            f"pixels of {spacing[0]} x {spacing[1]} mm are not square; resample the image first", code="spacing"
        )
    return (spacing[0] + spacing[1]) / 2


def _measure(name, body, mm, near):
    """Geometry of one body, from its largest component; its width is the side nearest to a tilt."""
    parts, count = ndimage.label(body)
    sizes = np.bincount(parts.ravel())[1:]
    if sizes.max() < _FEWEST_PIXELS:
        raise RegionError(
            f"{name} has {sizes.max()} connected pixels, at least {_FEWEST_PIXELS} are needed; is it a body?",
            code="too_small",
        )
    largest = parts == 1 + int(np.argmax(sizes))
    outline = _outline(largest)
    tilt = _tilt(outline, near)
    for _ in range(2):
        # The endplates, of which there are two, tell the tilt better than the smallest rectangle.
        corners = _corners(outline, tilt)
        rows, columns = corners[1] - corners[0] + corners[2] - corners[3]
        tilt = float(np.degrees(np.arctan2(-rows, columns)))
    tilt = round(tilt + _slope(largest, outline, tilt), 6)
    corners = _corners(outline, tilt)
    upper_left, upper_right, lower_right, lower_left = _rotated(corners, tilt)
    # The mean of nine lines down the body, over the middle tenth of its width.
    middle = 0.1 * _crossed(largest, outline, tilt, np.linspace(0.45, 0.55, 9)).sum() / 9
    heights = (lower_left[1] - upper_left[1], middle, lower_right[1] - upper_right[1])
    width = (upper_right[0] + lower_right[0] - upper_left[0] - lower_left[0]) / 2
    rows, columns = corners.T
    area = abs(rows @ np.roll(columns, 1) - columns @ np.roll(rows, 1)) / 2  # Gauss's formula
    hull = ConvexHull(outline).volume
    solid = sizes.max() / hull
    edges = largest[0].any() or largest[-1].any() or largest[:, 0].any() or largest[:, -1].any()
    aspect = width / max(np.mean(heights), 1e-9)
    found = {
        "touches_border": edges,
        "two_components": count > 1 and np.sort(sizes)[-2] > 0.02 * sizes.max(),
        "not_solid": solid < _SOLID,
        "no_body": solid < _NO_BODY,
        "no_corners": area < _CORNERED * hull,
        "unusual_aspect": not ASPECT[0] < aspect < ASPECT[1],
    }
    flags = [flag for flag, holds in found.items() if holds]
    confidence = float(np.clip(solid - 0.1 * len(flags), 0, 1))
    measured = tuple(float(round(height * mm, 6)) for height in heights)
    return VertebraGeometry(corners, tilt, measured, float(round(width * mm, 6)), confidence, tuple(flags))


def _outline(body):
    """Corners of the pixels at the rim of a body (n, 2), row and column."""
    rows, columns = np.nonzero(body & ~ndimage.binary_erosion(body))
    return np.unique(np.concatenate([np.column_stack([rows + a, columns + b]) for a in (0, 1) for b in (0, 1)]), axis=0)


def _rotated(points, tilt):
    """Coordinates (n, 2) along the width and down, of points given as row and column."""
    sine, cosine = np.sin(np.deg2rad(tilt)), np.cos(np.deg2rad(tilt))
    rows, columns = np.asarray(points, dtype=float).T
    return np.column_stack([columns * cosine - rows * sine, rows * cosine + columns * sine])


def _tilt(outline, near):
    """Angle in degrees of the smallest rectangle round the points, within 45 of another."""
    hull = outline[ConvexHull(outline).vertices].astype(float)
    edges = np.diff(np.vstack([hull, hull[:1]]), axis=0)
    angles = np.degrees(np.arctan2(-edges[:, 0], edges[:, 1]))
    angles = np.unique(np.round((angles - near + 45) % 90 - 45, 6)) + near
    # Of rectangles that are equally small, the one that turns least.
    angles = angles[np.argsort(np.abs(angles - near), kind="stable")]
    areas = [np.prod(np.ptp(_rotated(hull, angle), axis=0)) for angle in angles]
    return float(angles[int(np.argmin(np.round(areas, 6)))])


def _corners(outline, tilt):
    """Upper left, upper right, lower right and lower left corner (4, 2): the points furthest out in each diagonal."""
    across, down = _rotated(outline, tilt).T
    found = []
    for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        out = a * across + b * down
        found.append(outline[out >= out.max() - 1e-6].mean(axis=0))
    return np.array(found)


def _crossed(body, outline, tilt, places):
    """Which points of lines down the body lie in it: bool (n_steps, n_lines), a tenth of a pixel apart.

    Lines stand at places across the body, from 0 at its left edge to 1 at its right one.
    """
    across, down = _rotated(outline, tilt).T
    sine, cosine = np.sin(np.deg2rad(tilt)), np.cos(np.deg2rad(tilt))
    u = across.min() + np.ptp(across) * places
    v = np.arange(down.min(), down.max(), 0.1)[:, None]
    rows, columns = np.floor(v * cosine - u * sine).astype(int), np.floor(u * cosine + v * sine).astype(int)
    inside = (rows >= 0) & (columns >= 0) & (rows < body.shape[0]) & (columns < body.shape[1])
    return inside & body[np.where(inside, rows, 0), np.where(inside, columns, 0)]


def _slope(body, outline, tilt):
    """Angle in degrees by which both endplates together still fall, by straight lines through their middle parts."""
    places = np.linspace(0.12, 0.88, 39)
    hit = _crossed(body, outline, tilt, places)
    met = hit.any(axis=0)
    if met.sum() < 10:
        return 0.0
    middle = (np.argmax(hit, axis=0) + len(hit) - 1 - np.argmax(hit[::-1], axis=0)) / 2
    width = np.ptp(_rotated(outline, tilt)[:, 0])
    rise = np.polyfit(places[met] * width, 0.1 * middle[met], 1)[0]
    return float(-np.degrees(np.arctan(rise)))


def _half_discs(name, bodies, angle):
    """Down coordinates of the middles of the discs above and below, or None where no vertebra is next to it."""
    body = bodies[name]
    upper, lower = (_endplate(body, side) for side in ("upper", "lower"))
    above, below = (_next_to(name, bodies, step) for step in (-1, 1))
    edges = [
        None if above is None else (upper + _endplate(above, "lower")) / 2,
        None if below is None else (lower + _endplate(below, "upper")) / 2,
    ]
    down = [None if edge is None else float(_rotated(edge[None], angle)[0, 1]) for edge in edges]
    own = [float(_rotated(plate[None], angle)[0, 1]) for plate in (upper, lower)]
    if down[0] is None and down[1] is not None:
        down[0] = own[0] - (down[1] - own[1])
    if down[1] is None and down[0] is not None:
        down[1] = own[1] + (own[0] - down[0])
    return down


def _endplate(body, side):
    """Middle of an endplate, row and column."""
    return body.corners[:2].mean(axis=0) if side == "upper" else body.corners[2:].mean(axis=0)


def _next_to(name, bodies, step):
    """The vertebra above or below, if it is there and none is missing between; unknown names go by their place."""
    names = list(bodies)
    place = names.index(name) + step
    if not 0 <= place < len(names):
        return None
    other = names[place]
    if name in CHAIN and other in CHAIN and CHAIN.index(other) != CHAIN.index(name) + step:
        return None
    return bodies[other]


def _box(outline, angle, margin, discs):
    """Smallest rectangle at an angle round the points, wider by a margin, and up to the middles of the discs."""
    across, down = _rotated(outline, angle).T
    left, right = across.min() - margin, across.max() + margin
    top = down.min() if discs[0] is None else min(down.min(), discs[0])
    bottom = down.max() if discs[1] is None else max(down.max(), discs[1])
    sine, cosine = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    u, v = (left + right) / 2, (top + bottom) / 2
    row, column = v * cosine - u * sine, u * cosine + v * sine
    height, width = bottom - top, right - left
    return Box(float(row - height / 2), float(column - width / 2), float(height), float(width), float(angle))
