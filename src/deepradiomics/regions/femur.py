"""Landmarks of a proximal femur from its mask, and the boxes that are placed by them. Mask in, boxes out."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from deepradiomics.box import Box, fraction_inside, mirror_box
from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.regions._outline import Bone, first_outside, lateral_axis, reach, reaches, sample

# Mean diameter of an adult femoral head in mm (Noble 1988): the yardstick where the spacing is unknown.
HEAD_DIAMETER_MM = 47.0
_MIN_HEAD_RADIUS_PIXELS = 6.0
_MIN_INSIDE = 0.95


@dataclass(frozen=True)
class FemurGeometry:
    """Landmarks and measures of one proximal femur.

    Parameters
    ----------
    head_centre : tuple of two floats
        Row and column of the head's centre, in pixels; 0 is the outer edge of the first pixel.
    head_radius : float
        In pixels.
    neck_centre : tuple of two floats
        Middle of the narrowest cross-section of the neck, in pixels.
    neck_axis : tuple of two floats
        Unit vector (row, column) from the head along the neck.
    neck_width : float
        Narrowest width of the neck, in pixels.
    shaft_point, shaft_axis : tuple of two floats
        A point on the shaft's midline in pixels, and the unit vector (row, column) down the shaft.
    lesser_end : tuple of two floats
        Where the lesser trochanter has run out into the medial border of the shaft, in pixels.
    neck_shaft_angle : float
        In degrees.
    neck_axis_length : float
        From the head's surface to the lateral border along the neck axis, in pixels.
    pixels_per_mm : float
        From the spacing, else from the head's diameter taken as 47 mm.
    confidence : float
        Between 0 and 1: 1 for a round head and a mean neck-shaft angle.
    flags : tuple of str
        ``touches_border``, ``two_components``, ``head_not_round``, ``unusual_angle``: what to look at.

    Examples
    --------
    >>> from deepradiomics.regions import femur_geometry
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(1, random_state=0)
    >>> geometry = femur_geometry(hips.masks[0] == 1, hips.data["radiograph"][0].spacing, side="L")
    >>> round(geometry.head_radius / geometry.pixels_per_mm), geometry.flags
    (24, ())
    """

    head_centre: tuple[float, float]
    head_radius: float
    neck_centre: tuple[float, float]
    neck_axis: tuple[float, float]
    neck_width: float
    shaft_point: tuple[float, float]
    shaft_axis: tuple[float, float]
    lesser_end: tuple[float, float]
    neck_shaft_angle: float
    neck_axis_length: float
    pixels_per_mm: float
    confidence: float
    flags: tuple[str, ...]


def femur_geometry(mask, spacing=None, side="L"):
    """Measure a proximal femur in an AP radiograph from its mask.

    Parameters
    ----------
    mask : bool array of shape (H, W)
        One femur, its shaft pointing down.
    spacing : tuple of two floats, default=None
        Height and width of a pixel in mm; None means unknown.
    side : {"L", "R"}, default="L"
        The patient's side. The head of a left femur points to the left of the picture.

    Returns
    -------
    FemurGeometry
        In the pixels of the mask given.

    Raises
    ------
    InputError
        If the mask is not a two-dimensional bool array, the spacing differs between rows and columns, or the side is
        unknown.
    RegionError
        If the mask does not look like a proximal femur: empty, too small, without a head, neck or shaft.

    Examples
    --------
    >>> from deepradiomics.regions import femur_geometry
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(1, random_state=0)
    >>> 115 < femur_geometry(hips.masks[0] == 2, side="R").neck_shaft_angle < 140
    True
    """
    bone = Bone(*_as_left(mask, spacing, side))
    geometry = _moved(_measure(bone), bone.origin)
    return geometry if side == "L" else _mirrored(geometry, np.shape(mask)[1])


def place_femur_boxes(mask, spacing=None, side="L"):
    """Place the boxes from which a proximal femur is read.

    Parameters
    ----------
    mask : bool array of shape (H, W)
        One femur, its shaft pointing down.
    spacing : tuple of two floats, default=None
        Height and width of a pixel in mm. Where it is None, sizes follow the head, whose diameter is taken as 47 mm.
    side : {"L", "R"}, default="L"
        The patient's side. The head of a left femur points to the left of the picture.

    Returns
    -------
    dict of str to Box
        ``femur``: the whole proximal femur, upright, cut 25 mm below the lesser trochanter. ``neck``: 16 mm along the
        neck's axis at its narrowest, four fifths of the width across, so that the cortex stays outside. ``cortex``: 20
        x 5 mm of the medial cortex of the shaft from 5 mm below the lesser trochanter on. ``ward``: 10 x 10 mm round
        Ward's triangle, 12 mm from the neck's narrowest place towards the trochanters. ``trochanter``: a square of at
        most 18 mm in the greater trochanter. All but ``femur`` are aligned to their axis and lie in the bone by 95 %
        or more.

    Raises
    ------
    InputError
        If the mask is not a two-dimensional bool array, the spacing differs between rows and columns, or the side is
        unknown.
    RegionError
        If the mask does not look like a proximal femur, or a box would not lie in the bone.

    Examples
    --------
    >>> from deepradiomics.regions import place_femur_boxes
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(1, random_state=0)
    >>> boxes = place_femur_boxes(hips.masks[0] == 1, hips.data["radiograph"][0].spacing, side="L")
    >>> sorted(boxes)
    ['cortex', 'femur', 'neck', 'trochanter', 'ward']
    """
    bone = Bone(*_as_left(mask, spacing, side))
    boxes = _boxes(bone, _measure(bone))
    for name, box in boxes.items():
        inside = fraction_inside(box, bone.mask)
        if name != "femur" and inside < _MIN_INSIDE:
            raise RegionError(
                f"only {inside:.0%} of the box {name!r} would lie in the bone, at least {_MIN_INSIDE:.0%} is needed; "
                "look at the mask with plot_regions",
                code="box_outside_bone",
            )
    row, column = bone.origin
    boxes = {name: replace(box, top=box.top + row, left=box.left + column) for name, box in boxes.items()}
    return boxes if side == "L" else {name: mirror_box(box, np.shape(mask)[1]) for name, box in boxes.items()}


def _as_left(mask, spacing, side):
    """Check the mask and show it as a left femur; the pixels a mm, or None where the spacing is unknown."""
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype != bool:
        raise InputError(
            f"the mask of a femur is a two-dimensional bool array, not {mask.dtype} of shape {mask.shape}; write "
            "label_map == 1",
            code="mask_values",
        )
    if side not in ("L", "R"):
        raise InputError(f"side is 'L' or 'R', not {side!r}", code="side")
    if spacing is not None and abs(spacing[0] / spacing[1] - 1) > 0.01:
        raise InputError(
            f"pixels of {spacing[0]} x {spacing[1]} mm are not square; resample the image first", code="spacing"
        )
    return (mask if side == "L" else mask[:, ::-1]), None if spacing is None else 2 / (spacing[0] + spacing[1])


def _measure(bone):
    """Geometry of a left femur in the pixels of its window."""
    shaft_point, shaft_axis = _shaft(bone.mask[3:], offset=3)
    head, radius, residual = _head(bone.distance, shaft_point, shaft_axis)
    neck, neck_axis, neck_width = _neck(bone.distance, head, radius, shaft_axis)
    angle = float(np.degrees(np.arccos(np.clip(-neck_axis @ shaft_axis, -1, 1))))
    _check_plausible(radius, residual, neck_width, angle)
    crossing = _crossing(head, neck_axis, shaft_point, shaft_axis)
    lesser = _lesser_end(bone.distance, crossing, shaft_axis, radius, bone.bottom)
    flags = ["head_not_round"] * (residual > 0.05) + ["unusual_angle"] * (not 112 < angle < 145)
    return FemurGeometry(
        head_centre=tuple(head),
        head_radius=radius,
        neck_centre=tuple(neck),
        neck_axis=tuple(neck_axis),
        neck_width=neck_width,
        shaft_point=tuple(shaft_point),
        shaft_axis=tuple(shaft_axis),
        lesser_end=tuple(lesser),
        neck_shaft_angle=angle,
        neck_axis_length=radius + reach(bone.distance, neck, neck_axis) + float(np.hypot(*(neck - head))),
        pixels_per_mm=bone.pixels_per_mm or 2 * radius / HEAD_DIAMETER_MM,
        confidence=float(np.exp(-((residual / 0.06) ** 2) - ((angle - 127) / 25) ** 2)),
        flags=tuple(bone.flags + flags),
    )


def _shaft(bone, offset):
    """Midline of the shaft from the lower third of the bone: a point and the unit vector down."""
    height = bone.shape[0]
    if height < 4 * _MIN_HEAD_RADIUS_PIXELS:
        raise RegionError(
            f"the bone is {height} pixels high, at least {4 * _MIN_HEAD_RADIUS_PIXELS:.0f} are needed; give the image "
            "at a higher resolution",
            code="too_small",
        )
    rows = np.arange(int(0.68 * height), height)
    columns = np.arange(bone.shape[1]) + 0.5
    counts = bone[rows].sum(axis=1)
    rows, counts = rows[counts > 0], counts[counts > 0]
    if len(rows) < 5 or counts.std() > 0.35 * counts.mean():
        raise RegionError("no straight shaft was found in the lower third of the mask; is it a femur?", code="no_shaft")
    middle = (bone[rows] * columns).sum(axis=1) / counts
    slope, start = np.polyfit(rows + 0.5, middle, 1)
    axis = np.array([1.0, slope]) / np.hypot(1, slope)
    centre_row = float(rows.mean()) + 0.5
    return np.array([centre_row + offset, slope * centre_row + start]), axis


def _head(distance, shaft_point, shaft_axis):
    """Circle fit of the head: centre, radius, and the outline's deviation from the circle as a share of the radius."""
    rows, columns = np.indices(distance.shape, sparse=True)
    across = (rows + 0.5 - shaft_point[0]) * lateral_axis(shaft_axis)[0]
    across = across + (columns + 0.5 - shaft_point[1]) * lateral_axis(shaft_axis)[1]
    width = sample(distance, shaft_point)
    medial = np.where(across < -1.1 * max(float(width), 1.0), distance, -1.0)
    centre = np.array(np.unravel_index(np.argmax(medial), distance.shape)) + 0.5
    radius = float(medial.max()) + 0.5
    if radius < _MIN_HEAD_RADIUS_PIXELS:
        raise RegionError(
            f"no femoral head of at least {_MIN_HEAD_RADIUS_PIXELS:.0f} pixels radius was found on the medial side; is "
            "the side right, and is it a femur?",
            code="no_head",
        )
    outwards = -lateral_axis(shaft_axis) - shaft_axis
    residual = 0.0
    for _ in range(4):
        points = _arc(distance, centre, radius, outwards / np.hypot(*outwards))
        centre, radius, residual = _fit_circle(points)
    return centre, radius, residual


def _arc(distance, centre, radius, outwards):
    """Points of the outline round the head, on rays within 110 degrees of the direction away from the shaft."""
    turn = np.deg2rad(np.linspace(-110, 110, 111))
    base = np.arctan2(outwards[0], outwards[1])
    rays = np.stack([np.sin(base + turn), np.cos(base + turn)], axis=-1)
    steps = np.arange(0.5 * radius, 1.5 * radius, 0.25)
    reach = first_outside(distance, np.broadcast_to(centre, rays.shape), rays, steps)
    found = (reach > 0) & (reach < len(steps))
    if found.sum() < 40:
        raise RegionError("the head has no outline to fit a circle to; is it a femur?", code="no_head")
    return centre + (steps[reach[found]] - 0.125)[:, None] * rays[found]


def _fit_circle(points):
    """Least-squares circle (Kasa 1976), once more without the worst tenth of the points."""
    for keep in (1.0, 0.9):
        design = np.column_stack([2 * points, np.ones(len(points))])
        solution = np.linalg.lstsq(design, (points**2).sum(axis=1), rcond=None)[0]
        centre, radius = solution[:2], float(np.sqrt(max(solution[2] + solution[:2] @ solution[:2], 1e-9)))
        error = np.abs(np.hypot(*(points - centre).T) - radius)
        points = points[error <= np.quantile(error, keep - 0.1 * (keep == 1.0))]
    return centre, radius, float(np.sqrt(np.mean(error**2)) / radius)


def _neck(distance, head, radius, shaft_axis):
    """Narrowest cross-section of the neck: its middle, the unit vector from the head to it, its width."""
    turn = np.deg2rad(180 - 127)
    axis = np.cos(turn) * shaft_axis + np.sin(turn) * lateral_axis(shaft_axis)
    for _ in range(8):
        middle, width = _narrowest(distance, head, axis, radius)
        wanted = (middle - head) / np.hypot(*(middle - head))
        if np.hypot(*(wanted - axis)) < 1e-3:
            break
        axis = wanted
    return middle, wanted, width


def _narrowest(distance, head, axis, radius):
    """Middle and width of the narrowest of the cross-sections from 0.75 to 2 head radii along an axis."""
    along = np.arange(0.75 * radius, 2.0 * radius, 0.5)
    across = np.array([-axis[1], axis[0]])
    steps = np.arange(0.25, 1.6 * radius, 0.25)
    spine = head + along[:, None] * axis
    beyond, ends = np.append(steps - 0.125, np.inf), []
    for sign in (1, -1):
        ends.append(beyond[first_outside(distance, spine, np.broadcast_to(sign * across, spine.shape), steps)])
    width = np.where(sample(distance, spine) > 0, ends[0] + ends[1], np.inf)
    best = int(np.argmin(width))
    if not np.isfinite(width[best]):
        raise RegionError("no neck was found beside the head; is it a femur?", code="no_neck")
    # The narrowest place is often a flat valley; its middle is steadier than its lowest point.
    valley = np.flatnonzero(width <= 1.02 * width[best] + 0.25)
    best = int(np.rint(valley[np.abs(valley - best) <= radius].mean()))
    middle = spine[best] + across * (ends[0][best] - ends[1][best]) / 2
    return middle, float(width[best])


def _check_plausible(radius, residual, neck_width, angle):
    """Refuse what no femur looks like."""
    if residual > 0.12:
        raise RegionError(
            f"the head's outline departs from a circle by {residual:.0%} of its radius, at most 12 % is allowed",
            code="head_not_round",
        )
    if not 0.6 * radius < neck_width < 1.9 * radius:
        raise RegionError(
            f"the neck would be {neck_width / (2 * radius):.0%} as wide as the head, 30 % to 95 % is allowed",
            code="no_neck",
        )
    if not 95 < angle < 165:
        raise RegionError(
            f"the neck-shaft angle would be {angle:.0f} degrees, 95 to 165 is allowed; is the side right?",
            code="neck_shaft_angle",
        )


def _crossing(head, neck_axis, shaft_point, shaft_axis):
    """Where the neck axis meets the shaft's midline."""
    along = np.linalg.solve(np.column_stack([neck_axis, -shaft_axis]), shaft_point - head)[0]
    return head + along * neck_axis


def _lesser_end(distance, crossing, shaft_axis, radius, bottom):
    """Point on the medial border where the lesser trochanter has run out into the shaft.

    The last place where the border still falls towards the midline by more than 0.15, about 9 degrees: the distal slope
    of the lesser trochanter, or where that is turned out of sight the end of the calcar. It lies 45 mm, 1.9 radii of
    the head, below the crossing of the axes; beyond 3 radii the waves of a network's outline are no trochanter.
    """
    along = np.arange(0.4 * radius, (bottom - crossing[0]) / shaft_axis[0] - 0.3 * radius)
    if len(along) < radius:
        raise RegionError("the shaft ends above the lesser trochanter; give more of the femur", code="short_shaft")
    spine = crossing + along[:, None] * shaft_axis
    medial = -lateral_axis(shaft_axis)
    border = reaches(distance, spine, medial)
    slope = np.gradient(ndimage.uniform_filter1d(border, max(3, round(0.3 * radius)), mode="nearest"))
    runs, n_runs = ndimage.label((slope < -0.15) & (along < 3 * radius))
    drop = ndimage.sum_labels(-slope, runs, np.arange(1, n_runs + 1))
    # A fall of less than 0.08 radii, 2 mm, is the wave of an outline.
    falling = np.flatnonzero(np.isin(runs, 1 + np.flatnonzero(drop > 0.08 * radius)))
    end = int(falling[-1]) if len(falling) else 0
    return spine[end] + border[end] * medial


def _boxes(bone, geometry):
    """Boxes of a left femur in the pixels of its window."""
    mm, distance = geometry.pixels_per_mm, bone.distance
    neck, neck_axis = np.array(geometry.neck_centre), np.array(geometry.neck_axis)
    shaft_axis, lesser = np.array(geometry.shaft_axis), np.array(geometry.lesser_end)
    _check_shaft_length(bone.bottom, lesser, shaft_axis, mm)
    return {
        "femur": _proximal_box(bone.mask, lesser + 25 * mm * shaft_axis, shaft_axis),
        "neck": _across_box(distance, neck, neck_axis, 16 * mm, share=0.8, largest=np.inf),
        "cortex": _cortex_box(distance, lesser, shaft_axis, mm),
        "ward": _across_box(distance, neck + 12 * mm * neck_axis, neck_axis, 10 * mm, share=0.8, largest=10 * mm),
        "trochanter": _trochanter_box(distance, geometry),
    }


def _check_shaft_length(bottom, lesser, shaft_axis, mm):
    left = (bottom - lesser[0]) / shaft_axis[0] / mm
    if left < 26:
        raise RegionError(
            f"the shaft goes on for {left:.0f} mm below the lesser trochanter, 26 are needed; give more of the femur",
            code="short_shaft",
        )


def _tilted(centre, axis, along, across):
    """Box whose width lies along an axis (row, column)."""
    axis = axis if axis[1] >= 0 else -np.asarray(axis)
    angle = -float(np.degrees(np.arctan2(axis[0], axis[1])))
    return Box(centre[0] - across / 2, centre[1] - along / 2, across, along, angle)


def _across_box(distance, centre, axis, along, *, share, largest):
    """Box along an axis that takes a share of the bone's width where it is narrowest."""
    across = np.array([-axis[1], axis[0]])
    stations = centre + np.linspace(-along / 2, along / 2, 9)[:, None] * axis
    half = min(reach(distance, point, sign * across) for point in stations for sign in (1, -1))
    return _tilted(centre, axis, along, max(min(2 * share * half, largest), 1.0))


def _cortex_box(distance, lesser, shaft_axis, mm):
    """Upright along the shaft, its medial edge on the innermost point of the medial border."""
    lateral = lateral_axis(shaft_axis)
    centre_line = lesser + 15 * mm * shaft_axis + 12 * mm * lateral
    stations = centre_line + np.linspace(-10, 10, 11)[:, None] * mm * shaft_axis
    edge = min(reach(distance, point, -lateral) for point in stations)
    centre = centre_line - (edge - 2.5 * mm - 0.5) * lateral
    return _tilted(centre, lateral, 5 * mm, 20 * mm)


def _trochanter_box(distance, geometry):
    """Square in the thickest place of the greater trochanter: lateral of the shaft's midline, level with the neck."""
    mm, lateral = geometry.pixels_per_mm, lateral_axis(geometry.shaft_axis)
    rows, columns = np.indices(distance.shape, sparse=True)
    dr, dc = rows + 0.5 - geometry.shaft_point[0], columns + 0.5 - geometry.shaft_point[1]
    aside = dr * lateral[0] + dc * lateral[1]
    down = dr * geometry.shaft_axis[0] + dc * geometry.shaft_axis[1]
    head = np.array(geometry.head_centre) - geometry.shaft_point
    level = head @ np.array(geometry.shaft_axis)
    place = (aside > 10 * mm) & (down < level + 0.9 * geometry.head_radius) & (distance > 0)
    if not place.any():
        raise RegionError("no greater trochanter was found lateral of the shaft", code="no_trochanter")
    thickest = np.where(place, distance, -1.0)
    # The centroid of the deepest places moves smoothly when the mask does; a single maximum jumps.
    deep = thickest >= 0.9 * thickest.max()
    centre = np.argwhere(deep).mean(axis=0) + 0.5
    side = min(18 * mm, 2**0.5 * 0.9 * float(sample(distance, centre)))
    return _tilted(centre, lateral, max(side, 1.0), max(side, 1.0))


def _proximal_box(mask, cut, shaft_axis):
    """Upright box round the bone above a line across the shaft."""
    rows, columns = np.nonzero(mask)
    above = (rows + 0.5 - cut[0]) * shaft_axis[0] + (columns + 0.5 - cut[1]) * shaft_axis[1] <= 0
    top, bottom, left, right = rows[above].min(), rows[above].max(), columns[above].min(), columns[above].max()
    return Box(float(top), float(left), float(bottom + 1 - top), float(right + 1 - left))


_POINTS = ("head_centre", "neck_centre", "shaft_point", "lesser_end")


def _moved(geometry, origin):
    """The geometry in the pixels of the whole image."""
    points = {name: tuple(float(value) for value in np.add(getattr(geometry, name), origin)) for name in _POINTS}
    return replace(geometry, **points)


def _mirrored(geometry, width):
    """The geometry in the mirrored image."""
    points = {name: (getattr(geometry, name)[0], width - getattr(geometry, name)[1]) for name in _POINTS}
    axes = {name: (getattr(geometry, name)[0], -getattr(geometry, name)[1]) for name in ("neck_axis", "shaft_axis")}
    return replace(geometry, **points, **axes)
