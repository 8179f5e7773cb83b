"""What is found in the mask of one femur: head, shaft and neck, and how usual their measures are."""

from dataclasses import dataclass

import numpy as np

from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.regions._head import Head, find_head
from deepradiomics.regions._neck import MEAN_ANGLE, Neck, find_neck
from deepradiomics.regions._outline import Outline, lateral_axis
from deepradiomics.regions._shaft import Shaft, expected_shaft, find_shaft

# Mean diameter of an adult femoral head in mm (Noble 1988): the yardstick where the spacing is unknown.
HEAD_DIAMETER_MM = 47.0
# The heads of both femora in a film differ by 5 % (one standard deviation) in height over width: three of these.
_MAX_STRETCH = 1.15
# Median and robust standard deviation of intact femora, from the outlines drawn by hand and by the shipped network in
# the real radiographs on which the rules were tuned ("Proximal Femur Fracture", CC BY 4.0), and the logistic curve that
# tells them from broken ones.
_USUAL = {
    "stretch": (-0.061, 0.127),
    "residual": (0.032, 0.006),
    "arc": (0.750, 0.041),
    "neck_shaft_angle": (129.2, 6.2),
    "neck_width": (1.482, 0.143),
    "neck_end": (1.582, 0.262),
    "saddle_depth": (0.536, 0.157),
    "trochanter_level": (-0.316, 0.235),
    "lesser_level": (3.133, 0.371),
    "bend": (0.004, 0.002),
}
_STEEPNESS, _EVEN_ODDNESS = 1.30, 2.13


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
        angle = np.degrees(np.arccos(np.clip(-self.neck.seen_axis @ self.shaft.axis, -1, 1)))
        return float(angle) if self.shaft.seen else float("nan")

    @property
    def flags(self):
        """What to look at, as a tuple of str."""
        seen = {
            "head_not_round": self.head.residual > 0.05 or self.head.arc < 0.5,
            "stretched": abs(np.log(self.head.stretch)) > np.log(_MAX_STRETCH),
            "unusual_angle": self.shaft.seen and not 112 < self.neck_shaft_angle < 145,
            "no_lesser": self.shaft.seen and not self.shaft.lesser_seen,
            "no_shaft": not self.shaft.seen,
        }
        return (*self.outline.flags, *(flag for flag, is_so in seen.items() if is_so))

    @property
    def measures(self):
        """What tells intact from broken femora; NaN where it is not seen."""
        head, shaft, neck = self.head, self.shaft, self.neck
        lesser_level = (shaft.lesser_end - head.centre) @ shaft.axis
        points = self.outline.points
        lateral = ((points - shaft.lesser_end) @ shaft.axis < 0) & ((points - shaft.point) @ shaft.lateral > 0)
        # The highest point of the greater trochanter: where a neck is broken, the head has sunk towards it.
        tip = ((points[lateral] - head.centre) @ shaft.axis).min(initial=np.inf)
        return {
            "stretch": float(np.log(head.stretch)),
            "residual": head.residual,
            "arc": head.arc,
            "neck_shaft_angle": self.neck_shaft_angle,
            "neck_width": neck.width / head.radius,
            "neck_end": neck.seen_end / head.radius,
            "saddle_depth": neck.saddle_depth / head.radius,
            "trochanter_level": tip / head.radius if shaft.seen else np.nan,
            "lesser_level": lesser_level / head.radius if shaft.seen else np.nan,
            "bend": shaft.bend,
        }

    @property
    def confidence(self):
        """How likely it is intact, 0 to 1."""
        found = self.measures
        away = np.array([(found[name] - usual) / spread for name, (usual, spread) in _USUAL.items()])
        oddness = float(np.nanmean(np.clip(away, -3, 3) ** 2)) + ("two_components" in self.outline.flags)
        return float(1 / (1 + np.exp(_STEEPNESS * (oddness - _EVEN_ODDNESS))))


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
    femur = FoundFemur(outline, head, shaft, neck, pixels_per_mm or 2 * head.radius / HEAD_DIAMETER_MM)
    # Refused is what no femur looks like, broken or not.
    width = neck.width / head.radius
    if not 0.3 < width < 4.5:
        raise RegionError(
            f"the neck would be {width / 2:.0%} as wide as the head; is it a femur, and is the side right?",
            code="no_neck",
        )
    if head.arc < 0.15 or not 0.6 * head.radius < outline.depth(head.centre[None])[0]:
        raise RegionError("no round head was found; is it a femur, and is the side right?", code="no_head")
    offset = (shaft.point - head.centre) @ lateral_axis(shaft.axis) / head.radius
    if shaft.seen and offset < -0.8:
        raise RegionError(
            f"the head would lie {-offset / 2:.0%} of its width on the lateral side of the shaft; is the side right?",
            code="wrong_side",
        )
    return femur
