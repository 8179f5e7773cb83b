"""The boxes from which a proximal femur is read, placed by its landmarks. Mask in, boxes out."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from deepradiomics.box import Box, mirror_box
from deepradiomics.exceptions import RegionError

FEMUR_BOXES = ("femur", "neck", "cortex", "ward", "trochanter")
_MIN_INSIDE = 0.96
# At most so much of the neck's box may lie in the head's circle; a box that is moved stops a little before.
_MAX_IN_HEAD = 0.08
_NECK_LENGTH_MM = 16.0
_MIN_NECK_LENGTH_MM = 10.0
_WARD_MM = 10.0
_MIN_TROCHANTER_MM = 4.0
# The cortex is read from 5 to 25 mm below the lesser trochanter; where the picture ends before, from 8 mm at least.
_CORTEX_FROM_MM, _CORTEX_TO_MM, _MIN_CORTEX_MM = 5.0, 25.0, 8.0


class FemurBoxes(Mapping):
    """The boxes of one femur by name, and what is to be known about them.

    Parameters
    ----------
    boxes : dict of str to Box
        What could be placed, in pixels of the mask.
    missing : dict of str to str
        The reason, in words, for each box that could not be placed.
    flags : tuple of str
        What to look at: those of `FemurGeometry`, and ``short_cortex``, ``short_femur`` and ``short_neck`` for boxes
        that are smaller than they should be because the picture or the neck ends.
    confidence : float
        Between 0 and 1, as in `FemurGeometry`.
    pixels_per_mm : float
        From the spacing, else from the head's diameter taken as 47 mm.

    Examples
    --------
    >>> from deepradiomics import Box
    >>> from deepradiomics.regions import FemurBoxes
    >>> boxes = FemurBoxes({"neck": Box(0, 0, 4, 6)}, {"cortex": "the picture ends above it"}, (), 0.9, 2.0)
    >>> list(boxes), boxes.missing["cortex"]
    (['neck'], 'the picture ends above it')
    """

    def __init__(self, boxes, missing, flags, confidence, pixels_per_mm):
        self._boxes = dict(boxes)
        self._missing = dict(missing)
        self._flags = tuple(flags)
        self._confidence = float(confidence)
        self._pixels_per_mm = float(pixels_per_mm)

    @property
    def missing(self):
        """The reason for each box that could not be placed, by name; read-only."""
        return MappingProxyType(self._missing)

    @property
    def flags(self):
        """What to look at, as a tuple of str."""
        return self._flags

    @property
    def confidence(self):
        """How much it looks like an intact femur, 0 to 1."""
        return self._confidence

    @property
    def pixels_per_mm(self):
        """How many pixels a millimetre has."""
        return self._pixels_per_mm

    def __getitem__(self, name):
        """The box of a name."""
        return self._boxes[name]

    def __iter__(self):
        """The names of the boxes that could be placed."""
        return iter(self._boxes)

    def __len__(self):
        """How many could be placed."""
        return len(self._boxes)

    def __repr__(self):
        return f"FemurBoxes({', '.join(self)}; missing: {', '.join(self._missing) or 'none'}; {self._confidence:.2f})"


def place_femur_boxes(mask, spacing=None, *, laterality="L"):
    """Place the boxes from which a proximal femur is read.

    Parameters
    ----------
    mask : bool array of shape (H, W)
        One femur, its shaft pointing down.
    spacing : tuple of two floats, default=None
        Height and width of a pixel in mm. Where it is None, sizes follow the head, whose diameter is taken as 47 mm.
    laterality : {"L", "R"}, default="L"
        The patient's side. The head of a left femur points to the left of the picture.

    Returns
    -------
    FemurBoxes
        A mapping of name to `Box` of what could be placed. ``femur``: the whole proximal femur, upright, cut 25 mm
        below the lesser trochanter, or where the picture ends before. ``neck``: 16 mm (at least 10) along the neck's
        axis, midway between the head and the intertrochanteric line, four fifths of the width across, so that the
        cortex stays outside; at most a tenth of it lies in the head's circle. ``cortex``: 20 x 5 mm (at least 8 x 5)
        of the medial cortex of the shaft from 5 mm below the lesser trochanter on. ``ward``: 10 x 10 mm round Ward's
        triangle, 12 mm from the middle of the neck towards the trochanters. ``trochanter``: a square of at most 18 mm
        in the greater trochanter. All but ``femur`` are aligned to their axis and lie in the bone by 95 % or more.

    Raises
    ------
    InputError
        If the mask is not a two-dimensional bool array, the spacing differs between rows and columns, or the side is
        unknown.
    RegionError
        If no femur is seen in the mask.

    Examples
    --------
    >>> from deepradiomics.regions import place_femur_boxes
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(1, random_state=0)
    >>> boxes = place_femur_boxes(hips.masks[0] == 1, hips.data["radiograph"][0].spacing, laterality="L")
    >>> list(boxes), dict(boxes.missing)
    (['femur', 'neck', 'cortex', 'ward', 'trochanter'], {})
    """
    from deepradiomics.regions._femur import find_femur

    femur = find_femur(mask, spacing, laterality)
    boxes, missing, flags = {}, {}, list(femur.flags)
    for name in FEMUR_BOXES:
        try:
            box, flag = _PLACED[name](femur, boxes)
            inside = 1.0 if name == "femur" else femur.outline.share_inside(box)
            if inside < _MIN_INSIDE:
                raise RegionError(f"only {inside:.0%} of it would lie in the bone", code="box_outside_bone")
        except RegionError as error:
            missing[name] = _with_cause(femur, str(error))
        else:
            boxes[name] = box
            flags += [flag] * (flag is not None)
    if laterality == "R":
        boxes = {name: mirror_box(box, np.shape(mask)[1]) for name, box in boxes.items()}
    return FemurBoxes(boxes, missing, flags, femur.confidence, femur.pixels_per_mm)


def _with_cause(femur, reason):
    """The reason, after what the picture does not show."""
    if "the picture ends" in reason:
        return reason
    if not femur.shaft.seen:
        return f"the picture ends above the shaft; {reason}"
    if "touches_border" in femur.outline.flags:
        return f"the picture ends within the bone; {reason}"
    return reason


def _femur_box(femur, _):
    """Upright box round the bone above a line across the shaft."""
    shaft, points = femur.shaft, femur.outline.points
    if not shaft.seen:
        raise RegionError("the picture ends above the shaft", code="short_shaft")
    wanted = 25 * femur.pixels_per_mm
    short = shaft.length < wanted
    cut = shaft.lesser_end + (points.max() if short else wanted) * shaft.axis
    ends = femur.outline.clipped(cut, shaft.axis)
    (top, left), (bottom, right) = ends.min(axis=0), ends.max(axis=0)
    return Box(float(top), float(left), float(bottom - top), float(right - left)), "short_femur" if short else None


def _neck_box(femur, _):
    """Midway between head and intertrochanteric line, moved or shortened where that is too near the head."""
    from deepradiomics.regions._neck import first_outside_head

    head, neck, mm = femur.head, femur.neck, femur.pixels_per_mm
    across = min(0.8 * neck.width, 1.3 * head.radius)
    midway = max((head.radius + neck.end) / 2, head.radius)
    lengths = np.linspace(_NECK_LENGTH_MM, _MIN_NECK_LENGTH_MM, 4) * mm
    middles = [max(midway, first_outside_head(head.radius, length, across, _MAX_IN_HEAD)) for length in lengths]
    # Behind the intertrochanteric line is no neck: a shorter box may stay before it.
    length = float(np.interp(0.0, neck.end - np.array(middles) - 0.25 * lengths, lengths))
    for _ in range(2):
        middle = max(midway, first_outside_head(head.radius, length, across, _MAX_IN_HEAD))
        box = _across(femur, head.centre + middle * neck.axis, neck.axis, length, across)
        # What is less wide lies deeper in a circle.
        across = box.height
    return box, "short_neck" if length < (_NECK_LENGTH_MM - 2) * mm else None


def _ward_box(femur, boxes):
    """Towards the trochanters from the box of the neck."""
    if "neck" not in boxes:
        raise RegionError("there is no box of the neck beside which it lies", code="no_neck")
    neck, mm = femur.neck, femur.pixels_per_mm
    centre = np.array(boxes["neck"].centre) + 12 * mm * neck.axis
    return _across(femur, centre, neck.axis, _WARD_MM * mm, _WARD_MM * mm), None


def _cortex_box(femur, _):
    """Along the shaft, its medial edge on the innermost point of the medial border."""
    shaft, mm = femur.shaft, femur.pixels_per_mm
    end = min(_CORTEX_TO_MM, shaft.length / mm - 1) if shaft.seen else 0.0
    if end - _CORTEX_FROM_MM < _MIN_CORTEX_MM:
        raise RegionError(
            f"the picture ends {max(shaft.length / mm, 0):.0f} mm below the lesser trochanter, "
            f"{_CORTEX_FROM_MM + _MIN_CORTEX_MM + 1:.0f} are needed",
            code="short_shaft",
        )
    lateral, length = shaft.lateral, end - _CORTEX_FROM_MM
    stations = np.linspace(_CORTEX_FROM_MM, end, 11)[:, None] * mm * shaft.axis
    line = shaft.lesser_end + 0.4 * shaft.width * lateral + stations
    edge = femur.outline.to_outline(line, lateral)[1].min()
    centre = line[5] - (edge - 2.5 * mm - 0.25 * mm) * lateral
    return _tilted(centre, lateral, 5 * mm, length * mm), "short_cortex" if end < _CORTEX_TO_MM else None


def _trochanter_box(femur, _):
    """Square in the thickest place of the greater trochanter: lateral of the shaft's midline, level with the neck."""
    shaft, mm, points = femur.shaft, femur.pixels_per_mm, femur.outline.points
    lateral = shaft.lateral
    head_level = float((femur.head.centre - shaft.point) @ shaft.axis)
    aside, level = (points - shaft.point) @ lateral, (points - shaft.point) @ shaft.axis
    beside = (aside > 5 * mm) & (level < head_level + femur.head.radius)
    if not beside.any():
        raise RegionError("no greater trochanter is seen lateral of the shaft", code="no_trochanter")
    levels = np.arange(level[beside].min(), head_level + 1.1 * femur.head.radius, 2.5 * mm)
    asides = np.arange(8 * mm, max(aside.max(), 9 * mm), 2.5 * mm)
    grid = (shaft.point + levels[:, None, None] * shaft.axis + asides[:, None] * lateral).reshape(-1, 2)
    depth = femur.outline.depth(grid)
    if not depth.any():
        raise RegionError("no greater trochanter is seen lateral of the shaft", code="no_trochanter")
    # The centroid of the deepest places moves smoothly when the mask does; a single maximum jumps.
    centre = grid[depth >= 0.9 * depth.max()].mean(axis=0)
    side = min(18 * mm, 2**0.5 * 0.9 * float(femur.outline.depth(centre[None])[0]))
    if side < _MIN_TROCHANTER_MM * mm:
        raise RegionError(
            f"the greater trochanter has room for {max(side, 0) / mm:.0f} mm, {_MIN_TROCHANTER_MM:.0f} are needed",
            code="no_trochanter",
        )
    return _tilted(centre, lateral, side, side), None


_PLACED = {
    "femur": _femur_box,
    "neck": _neck_box,
    "cortex": _cortex_box,
    "ward": _ward_box,
    "trochanter": _trochanter_box,
}


def _tilted(centre, axis, along, across):
    """Box whose width lies along an axis (row, column)."""
    axis = axis if axis[1] >= 0 else -axis
    angle = -float(np.degrees(np.arctan2(axis[0], axis[1])))
    return Box(float(centre[0] - across / 2), float(centre[1] - along / 2), float(across), float(along), angle)


def _across(femur, centre, axis, along, largest):
    """Box along an axis that takes four fifths of the bone's width where it is narrowest."""
    stations = centre + np.linspace(-along / 2, along / 2, 9)[:, None] * axis
    half = np.min(femur.outline.to_outline(stations, np.array([-axis[1], axis[0]])))
    if not 0 < half < 2 * femur.head.radius:
        raise RegionError("the bone ends in its place", code="box_outside_bone")
    return _tilted(centre, axis, along, min(1.6 * half, largest))
