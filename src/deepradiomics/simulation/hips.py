"""AP pelvis radiographs with two proximal femora each, and the truth about them."""

import numpy as np
import pandas as pd
from scipy import ndimage
from sklearn.utils import Bunch

from deepradiomics.exceptions import InputError
from deepradiomics.radiograph import Radiograph
from deepradiomics.simulation._arguments import checked_number, checked_shape, drawn_entropy
from deepradiomics.simulation.anatomy import Femur, femur_bone, femur_distance, pelvis_bone
from deepradiomics.simulation.projection import expose, site_named

_SIDES = {"left": (1, 1), "right": (2, -1)}  # label in the masks, and the side of the picture it lies on


def make_hips(n_patients=100, *, site="A", random_state=None, image_shape=(512, 512)):
    """Simulate AP pelvis radiographs of patients with and without osteoporosis.

    A latent T-score depends on age, sex and weight and on a part that only the image shows. It drives the thickness
    of the cortex and the trabecular groups, of which the tensile one fades first. Brightness alone says little, since
    soft tissue and exposure vary from patient to patient.

    Parameters
    ----------
    n_patients : int, default=100
        Number of patients; the first ones do not depend on it.
    site : {"A", "B", "C"}, default="A"
        The hospital: pixel spacing, tube voltage, blur and noise.
    random_state : int, RandomState instance or None, default=None
        Seed.
    image_shape : tuple of two ints, default=(512, 512)
        Rows and columns, at most twice as many rows as columns. The field of view is 369 mm x 369 mm at site A or
        just holds it, so smaller pictures have larger pixels and no shape cuts a femur off.

    Returns
    -------
    sklearn.utils.Bunch
        ``data``: DataFrame with ``patient``, ``radiograph`` (`Radiograph`, AP, with spacing), ``age`` in years,
        ``sex`` (``"F"``, ``"M"``) and ``weight`` in kg. ``target``: int array, T-score <= -2.5. ``t_score``: float
        array. ``groups``: array of patients. ``masks``: list of uint8 label maps, 1 for the patient's left femur,
        which lies in the right half of the picture, 2 for the right one. ``landmarks``: DataFrame with, for each side,
        rows and columns of ``head``, ``neck`` (middle of the narrowest cross-section) and ``lesser`` (lesser
        trochanter) in pixels, ``head_radius_mm``, ``neck_width_mm``, ``neck_angle`` (of the neck axis, from the head
        outwards, in degrees below the horizontal) and ``neck_shaft_angle`` in degrees.

    Raises
    ------
    InputError
        If there is no such site, the number of patients or a side of the picture is no whole number, fewer than one
        patient or 32 pixels a side are asked for, more than twice as many rows as columns are, or the seed is none.

    References
    ----------
    Singh M, Nagrath AR, Maini PS. Changes in trabecular pattern of the upper end of the femur as an index of
    osteoporosis. J Bone Joint Surg Am 52, 457-467 (1970).

    Examples
    --------
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(2, random_state=0, image_shape=(256, 256))
    >>> hips.data["radiograph"][0]
    Radiograph(256 x 256, 1.44 x 1.44 mm, AP)
    >>> list(hips.data)
    ['patient', 'radiograph', 'age', 'sex', 'weight']
    """
    n_patients, shape, settings = checked_number(n_patients), _checked_shape(image_shape), site_named(site)
    entropy = drawn_entropy(random_state)
    patients = [
        _patient(settings, shape, np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(number,))))
        for number in range(n_patients)
    ]
    names = [f"{site}{number:05d}" for number in range(n_patients)]
    data = pd.DataFrame({"patient": names, "radiograph": [patient["radiograph"] for patient in patients]})
    for column in ("age", "sex", "weight"):
        data[column] = [patient[column] for patient in patients]
    t_score = np.array([patient["t_score"] for patient in patients])
    return Bunch(
        data=data,
        target=(t_score <= -2.5).astype(int),
        t_score=t_score,
        groups=np.array(names),
        masks=[patient["mask"] for patient in patients],
        landmarks=pd.DataFrame([patient["landmarks"] for patient in patients]),
    )


def _checked_shape(image_shape):
    """Return rows and columns; a taller picture would show more of the thigh than a femur is long."""
    rows, columns = checked_shape(image_shape)
    if rows > 2 * columns:
        raise InputError(
            f"image_shape is {rows} x {columns}; both femora side by side fill the columns, and a femur ends before "
            f"{rows} rows: give at most {2 * columns} rows, or at least {-(-rows // 2)} columns",
            code="simulation_size",
        )
    return rows, columns


def _patient(site, shape, rng):
    """Draw one patient: clinical covariates, T-score, picture and truth."""
    patient = _covariates(rng)
    spacing = site.spacing * 512 / min(shape)
    scale = 1.0 + 0.07 * (patient["sex"] == "M") + rng.normal(0, 0.03)
    half_width = 92 * scale + rng.normal(0, 2)
    femora = _femora(patient, scale, rng)
    pose = _Pose(shape, spacing, rng)
    bone = _pelvis(pose, half_width, femora["left"].head_radius)
    mask, landmarks = np.zeros(shape, dtype=np.uint8), {}
    for side, (label, sign) in _SIDES.items():
        window = pose.window(sign, half_width)
        x, y = sign * pose.x[window] - half_width, pose.y[window]
        projected, outline = femur_bone(femora[side], x, y, rng)
        bone[window] += projected
        mask[window][outline < 0] = label
        landmarks |= _landmarks(side, femora[side], sign, half_width, pose)
    picture = expose(bone, _soft_tissue(pose, patient["weight"], rng), site, spacing, rng)
    return patient | {
        "radiograph": Radiograph(picture, spacing=(spacing, spacing), view="AP"),
        "mask": mask,
        "landmarks": landmarks,
    }


def _covariates(rng):
    """Age, sex, weight, and a T-score that they explain in part; about three in ten are osteoporotic."""
    age = float(np.clip(np.rint(rng.normal(68, 10)), 45, 95))
    sex = "M" if rng.random() < 0.25 else "F"
    weight = float(np.clip(np.round(rng.normal(60 + 9 * (sex == "M"), 10), 1), 35, 130))
    explained = -0.055 * (age - 68) + 0.035 * (weight - 62) + 0.5 * ((sex == "M") - 0.25)
    return {"age": age, "sex": sex, "weight": weight, "t_score": -1.95 + explained + rng.normal(0, 0.85)}


def _femora(patient, scale, rng):
    """Draw both femora of a patient: alike, not equal."""
    quality = patient["t_score"] + 1.5
    cortex = 4.7 * scale + 0.55 * quality + rng.normal(0, 0.3)
    strength = np.exp(0.27 * quality + rng.normal(0, 0.10))
    shared = rng.normal(0, 1, 5)
    femora = {}
    for side in _SIDES:
        draw = 0.9 * shared + 0.44 * rng.normal(0, 1, 5)
        femora[side] = Femur(
            head_radius=scale * (23.3 + 0.9 * draw[0]),
            neck_shaft_angle=127.0 + 4.0 * draw[1],
            neck_length=scale * (49.0 + 2.5 * draw[2]),
            neck_half_width=scale * (15.4 + 0.8 * draw[3]),
            shaft_half_width=scale * (14.8 + 0.8 * draw[4]),
            shaft_tilt=6.0 + rng.normal(0, 2),
            cortex=float(np.clip(cortex + rng.normal(0, 0.15), 1.6, 8.5)),
            trabeculae=float(np.clip(strength * np.exp(rng.normal(0, 0.05)), 0.25, 1.7)),
        )
    return femora


class _Pose:
    """Where the patient lies: body coordinates (x from the midline, y below the heads) of each pixel, in mm."""

    def __init__(self, shape, spacing, rng):
        self.shape, self.spacing = shape, spacing
        angle = np.deg2rad(rng.normal(0, 1.8))
        self.turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        self.origin = np.array([shape[1] * 0.5, shape[0] * 0.40]) + rng.normal(0, 6, 2) / spacing
        columns = np.arange(shape[1], dtype=np.float32) + 0.5 - np.float32(self.origin[0])
        rows = (np.arange(shape[0], dtype=np.float32) + 0.5 - np.float32(self.origin[1]))[:, None]
        turn = (self.turn * spacing).astype(np.float32)
        self.x = turn[0, 0] * columns + turn[0, 1] * rows
        self.y = turn[1, 0] * columns + turn[1, 1] * rows

    def pixel(self, point):
        """Row and column of a point (x, y) in mm; 0 is the outer edge of the first pixel."""
        column, row = self.turn.T @ np.asarray(point) / self.spacing + self.origin
        return row, column

    def window(self, sign, half_width):
        """Slices that hold one femur."""
        held = (sign * self.x > half_width - 62) & (sign * self.x < half_width + 95) & (self.y > -45)
        rows, columns = np.flatnonzero(held.any(axis=1)), np.flatnonzero(held.any(axis=0))
        return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _pelvis(pose, half_width, head_radius):
    """Bone of the pelvis at half resolution, which its smooth shapes bear, brought to the picture's."""
    coarse = pelvis_bone(pose.x[::2, ::2], pose.y[::2, ::2], half_width, head_radius)
    bone = ndimage.zoom(coarse, 2, order=1, grid_mode=True, mode="nearest")
    return np.ascontiguousarray(bone[: pose.shape[0], : pose.shape[1]])


def _soft_tissue(pose, weight, rng):
    """Soft tissue along the beam in mm: trunk above, two thighs below, muscle and fat unevenly spread."""
    thickness = 175 + 1.6 * (weight - 62)
    trunk = np.sqrt(np.clip(1 - (pose.x / 215) ** 2, 0.03, 1))
    thighs = 0.88 * np.sqrt(np.clip(1 - ((np.abs(pose.x) - 92) / 98) ** 2, 0.05, 1))
    below = 1 / (1 + np.exp(-np.clip((pose.y - 55) / 16, -50, 50)))
    uneven = ndimage.zoom(rng.normal(0, 3.5, (9, 9)), np.array(pose.shape) / 9, order=3, grid_mode=True, mode="nearest")
    return thickness * (trunk * (1 - below) + thighs * below) + uneven


def _landmarks(side, femur, sign, half_width, pose):
    """The truth of one femur in pixels of the picture."""
    neck, width = _narrowest_neck(femur)
    axis = pose.turn.T @ (femur.neck_axis * (sign, 1))
    values = {
        f"{side}_head_radius_mm": femur.head_radius,
        f"{side}_neck_width_mm": width,
        f"{side}_neck_shaft_angle": femur.neck_shaft_angle,
        f"{side}_neck_angle": float(np.degrees(np.arctan2(axis[1], abs(axis[0])))),
    }
    for name, point in (("head", (0.0, 0.0)), ("neck", neck), ("lesser", femur.lesser_trochanter)):
        row, column = pose.pixel((sign * (point[0] + half_width), point[1]))
        values |= {f"{side}_{name}_row": row, f"{side}_{name}_column": column}
    return values


def _narrowest_neck(femur):
    """Centre and width in mm of the narrowest cross-section of the neck, read off the outline itself."""
    along = np.arange(0.8 * femur.head_radius, femur.neck_length, 0.5)[:, None]
    across = np.arange(-40, 40.01, 0.25)[None, :]
    (nx, ny), (px, py) = femur.neck_axis, (femur.neck_axis[1], -femur.neck_axis[0])
    inside = femur_distance(femur, along * nx + across * px, along * ny + across * py)[0] < 0
    middle = across.size // 2
    upper = middle + np.argmin(inside[:, middle:], axis=1)
    lower = middle - np.argmin(inside[:, middle::-1], axis=1)
    width = np.where(inside[:, middle:].all(axis=1) | inside[:, : middle + 1].all(axis=1), np.inf, upper - lower)
    # The middle of the stretch that is within 2 % of the narrowest: a neck is nearly straight over a centimetre.
    best = int(np.rint(np.flatnonzero(width <= 1.02 * width.min()).mean()))
    offset = float(across[0, upper[best]] + across[0, lower[best]]) / 2
    centre = along[best, 0] * np.array([nx, ny]) + offset * np.array([px, py])
    return centre, 0.25 * float(width[best] - 1)
