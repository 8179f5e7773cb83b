"""Landmarks and measures of a proximal femur from its mask."""

from dataclasses import dataclass, replace

import numpy as np

from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.regions._head import Head, find_head
from deepradiomics.regions._neck import MEAN_ANGLE, Neck, find_neck
from deepradiomics.regions._outline import Outline, lateral_axis
from deepradiomics.regions._shaft import Shaft, expected_shaft, find_shaft

# Mean diameter of an adult femoral head in mm (Noble 1988): the yardstick where the spacing is unknown.
HEAD_DIAMETER_MM = 47.0


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


@dataclass(frozen=True)
class FoundFemur:
    """What is found in the mask of one femur, shown as a left one, in pixels."""

    outline: Outline
    head: Head
    shaft: Shaft
    neck: Neck
    pixels_per_mm: float

    @property
    def neck_shaft_angle(self):
        """In degrees; NaN where no shaft is seen."""
        angle = np.degrees(np.arccos(np.clip(-self.neck.axis @ self.shaft.axis, -1, 1)))
        return float(angle) if self.shaft.seen else float("nan")

    @property
    def flags(self):
        """What to look at, as a tuple of str."""
        return tuple(self.outline.flags)

    @property
    def confidence(self):
        return 1.0


def find_femur(mask, spacing, laterality):
    """Check the mask and find head, shaft and neck in it, shown as a left femur."""
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype != bool:
        raise InputError(
            f"the mask of a femur is a two-dimensional bool array, not {mask.dtype} of shape {mask.shape}; write "
            "label_map == 1",
            code="mask_values",
        )
    if laterality not in ("L", "R"):
        raise InputError(f"laterality is 'L' or 'R', not {laterality!r}", code="laterality")
    if spacing is not None and abs(spacing[0] / spacing[1] - 1) > 0.01:
        raise InputError(
            f"pixels of {spacing[0]} x {spacing[1]} mm are not square; resample the image first", code="spacing"
        )
    pixels_per_mm = None if spacing is None else 2 / (spacing[0] + spacing[1])
    outline = Outline(mask if laterality == "L" else mask[:, ::-1], pixels_per_mm)
    head = find_head(outline)
    shaft = find_shaft(outline, head)
    neck = find_neck(outline, head, shaft)
    if not shaft.seen:
        turn = np.deg2rad(180 - MEAN_ANGLE)
        axis = np.cos(turn) * neck.axis - np.sin(turn) * lateral_axis(neck.axis)
        shaft = expected_shaft(head, axis)
    return FoundFemur(outline, head, shaft, neck, pixels_per_mm or 2 * head.radius / HEAD_DIAMETER_MM)


