"""Landmarks and measures of a proximal femur from its mask."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class FemurGeometry:
    """Landmarks and measures of one proximal femur.

    Parameters
    ----------
    head_centre : tuple of two floats
        Row and column of the head's centre, in pixels; 0 is the outer edge of the first pixel.
    head_radius : float
        In pixels; of an ellipse the mean.
    head_stretch : float
        Height over width of the head, 1 for a circle.
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
        In degrees; NaN where no shaft is seen.
    neck_axis_length : float
        From the head's surface to the lateral border along the neck axis, in pixels.
    pixels_per_mm : float
        From the spacing, else from the head's diameter taken as 47 mm.
    confidence : float
        Between 0 and 1: how likely this is an intact femur, were as many intact as fractured or dislocated; it follows
        from how far the measures lie from those of real intact femora.
    flags : tuple of str
        What to look at: ``touches_border``, ``two_components``, ``head_not_round``, ``stretched`` (the head is an
        ellipse: the picture was squeezed or stretched), ``unusual_angle``, ``no_lesser`` (no lesser trochanter stands
        out) and ``no_shaft`` (the picture ends above the shaft: its axis is what the neck lets expect).

    Examples
    --------
    >>> from deepradiomics.regions import femur_geometry
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(1, random_state=0)
    >>> geometry = femur_geometry(hips.masks[0] == 1, hips.data["radiograph"][0].spacing, laterality="L")
    >>> round(geometry.head_radius / geometry.pixels_per_mm), geometry.flags
    (23, ())
    """

    head_centre: tuple[float, float]
    head_radius: float
    head_stretch: float
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


def femur_geometry(mask, spacing=None, *, laterality="L"):
    """Measure a proximal femur in an AP radiograph from its mask.

    Parameters
    ----------
    mask : bool array of shape (H, W)
        One femur, its shaft pointing down.
    spacing : tuple of two floats, default=None
        Height and width of a pixel in mm; None means unknown.
    laterality : {"L", "R"}, default="L"
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
        If no femur is seen in the mask: empty, too small, without a head or a neck beside it.

    Examples
    --------
    >>> from deepradiomics.regions import femur_geometry
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(1, random_state=0)
    >>> 115 < femur_geometry(hips.masks[0] == 2, laterality="R").neck_shaft_angle < 140
    True
    """
    from deepradiomics.regions._femur import find_femur

    femur = find_femur(mask, spacing, laterality)
    geometry = _geometry(femur)
    return geometry if laterality == "L" else _mirrored(geometry, np.shape(mask)[1])


def _geometry(femur):
    """Landmarks and measures of a left femur."""
    head, shaft, neck = femur.head, femur.shaft, femur.neck
    beyond = femur.outline.to_outline(neck.centre[None], neck.axis)[0][0]
    return FemurGeometry(
        head_centre=tuple(head.centre.tolist()),
        head_radius=head.radius,
        head_stretch=head.stretch,
        neck_centre=tuple(neck.centre.tolist()),
        neck_axis=tuple(neck.axis.tolist()),
        neck_width=neck.width,
        shaft_point=tuple(shaft.point.tolist()),
        shaft_axis=tuple(shaft.axis.tolist()),
        lesser_end=tuple(shaft.lesser_end.tolist()),
        neck_shaft_angle=femur.neck_shaft_angle,
        neck_axis_length=float(head.radius + np.hypot(*(neck.centre - head.centre)) + beyond),
        pixels_per_mm=femur.pixels_per_mm,
        confidence=femur.confidence,
        flags=femur.flags,
    )


def _mirrored(geometry, width):
    """The geometry in the mirrored image."""
    points = ("head_centre", "neck_centre", "shaft_point", "lesser_end")
    turned = {name: (getattr(geometry, name)[0], width - getattr(geometry, name)[1]) for name in points}
    axes = {name: (getattr(geometry, name)[0], -getattr(geometry, name)[1]) for name in ("neck_axis", "shaft_axis")}
    return replace(geometry, **turned, **axes)
