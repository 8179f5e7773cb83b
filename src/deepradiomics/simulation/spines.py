"""AP and lateral radiographs of the lumbar spine of the same patients, and the truth about them."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from deepradiomics.radiograph import Radiograph
from deepradiomics.simulation._arguments import (
    checked_fractures,
    checked_number,
    checked_shape,
    drawn_entropy,
)
from deepradiomics.simulation.hips import _covariates
from deepradiomics.simulation.projection import expose, site_named
from deepradiomics.simulation.torso import bones_front, bones_lateral, tissue_front, tissue_lateral
from deepradiomics.simulation.vertebra import Body, Outline, arch_front, arch_lateral, body_bone

LEVELS = ("L1", "L2", "L3", "L4", "L5", "T12", "S1")
"""What the labels 1 to 7 of the masks stand for."""

# From top to bottom: height at the posterior wall, depth and width in mm, wedge of the body and of the disc below it in
# degrees, height of that disc in mm.
# T11 is in the picture and has no label.
_CHAIN = {
    "T11": (25.0, 29.0, 38.5, -3.5, 2.0, 5.5),
    "T12": (26.0, 30.5, 40.0, -3.0, 3.0, 6.5),
    "L1": (27.0, 32.5, 41.5, -2.0, 5.0, 8.0),
    "L2": (27.5, 33.5, 43.0, 0.0, 7.0, 9.5),
    "L3": (27.0, 34.5, 45.0, 1.5, 8.0, 10.5),
    "L4": (26.5, 35.0, 47.0, 3.5, 10.0, 11.0),
    "L5": (24.5, 35.0, 49.0, 8.0, 12.0, 10.0),
    "S1": (27.0, 32.0, 50.0, 0.0, 0.0, 0.0),
}
_WEIGHTS = {"T12": 0.24, "L1": 0.30, "L2": 0.17, "L3": 0.13, "L4": 0.11, "L5": 0.05}
_SHAPES, _CAUSES = ("wedge", "biconcave", "crush"), ("acute", "chronic", "pathologic")
_CORNERS = {
    "AP": ("upper_left", "upper_right", "lower_left", "lower_right"),
    "LAT": ("upper_posterior", "upper_anterior", "lower_posterior", "lower_anterior"),
}


@dataclass(frozen=True)
class _Placed:
    """One vertebra where it lies: its outline in each view, its tilt from the side, and what broke it."""

    level: str
    lateral: Outline
    front: Outline
    tilt: float
    x: float
    y: float
    fracture: dict | None


def make_spines(n_patients=100, *, site="A", random_state=None, image_shape=(512, 384), fractures=None):
    """Simulate AP and lateral radiographs of the lumbar spine, T12 to S1, some with vertebral fractures.

    The T-score, which age, sex and weight explain in part, drives the thickness of endplates and walls and the
    trabeculae, of which the crossbars fade before the upright ones. Vertebrae break more often with age and a low
    T-score; metastases do not care. L1 to L4 are wholly visible in every picture.

    Parameters
    ----------
    n_patients : int, default=100
        Number of patients; the first ones do not depend on it.
    site : {"A", "B", "C"}, default="A"
        The hospital: pixel spacing, tube voltage, blur and noise.
    random_state : int, RandomState instance or None, default=None
        Seed.
    image_shape : tuple of two ints, default=(512, 384)
        Rows and columns. The field of view is 295 mm x 221 mm at site A or just holds it, so smaller pictures have
        larger pixels.
    fractures : dict of str to tuple, default=None
        Level, such as ``"L1"``, and cause, shape and lost share of the height of the fracture that each patient
        has there, such as ``("acute", "wedge", 0.3)``; None draws fractures from age and T-score.

    Returns
    -------
    sklearn.utils.Bunch
        ``data``: DataFrame with ``patient``, ``ap`` and ``lateral`` (`Radiograph`, with view and spacing),
        their label maps ``ap_mask`` and ``lateral_mask``, ``age`` in years, ``sex``, ``weight`` in kg,
        ``height`` in cm and ``bmi``. ``target``: int array, T-score <= -2.5. ``t_score``: float array.
        ``bmd_class``: int array, 0 normal, 1 osteopenia, 2 osteoporosis. ``groups``: array of patients.
        ``masks_ap``, ``masks_lateral``: lists of uint8 label maps of the vertebral bodies, 1 to 7 for `LEVELS`.
        ``corners``: DataFrame, a row for each patient, view and level, with rows and columns in pixels of the
        four corners of the body (``upper_anterior_row``, ...; ``upper_left_row``, ... as seen in an AP picture)
        and in lateral views ``anterior_mm``, ``middle_mm`` and ``posterior_mm``, its heights. ``fractures``:
        DataFrame, a row for each broken vertebra, with ``patient``, ``level``, ``cause``, ``shape``, ``loss``
        (share of the height lost where it is lost most), ``before_mm`` (height there before) and ``grade``
        (Genant's, 1 to 3). The front of the patient is on the right of the lateral picture.

    Raises
    ------
    InputError
        If there is no such site, level, cause, shape or loss, the number of patients or a side of the picture is no
        whole number, fewer than one patient or 32 pixels a side are asked for, or the seed is none.

    References
    ----------
    Genant HK, Wu CY, van Kuijk C, Nevitt MC. Vertebral fracture assessment using a semiquantitative technique. J Bone
    Miner Res 8, 1137-1148 (1993).

    Panjabi MM, Goel V, Oxland T, et al. Human lumbar vertebrae: quantitative three-dimensional anatomy. Spine 17,
    299-306 (1992).

    Examples
    --------
    >>> from deepradiomics.simulation import make_spines
    >>> spines = make_spines(2, random_state=0, image_shape=(128, 96), fractures={"L1": ("acute", "wedge", 0.3)})
    >>> spines.data["lateral"][0]
    Radiograph(128 x 96, 2.304 x 2.304 mm, LAT)
    >>> spines.fractures[["patient", "level", "shape", "grade"]].values.tolist()
    [['A00000', 'L1', 'wedge', 2], ['A00001', 'L1', 'wedge', 2]]
    """
    n_patients, shape = checked_number(n_patients), checked_shape(image_shape)
    settings = site_named(site, ("A", "B", "C"))  # what is rare is drawn for hips alone
    fractures = checked_fractures(fractures, tuple(_WEIGHTS), _CAUSES, _SHAPES)
    entropy = drawn_entropy(random_state)
    patients = []
    for number in range(n_patients):
        rng = np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(number,)))
        patients.append(_patient(f"{site}{number:05d}", settings, shape, fractures, rng))
    columns = ("patient", "ap", "lateral", "ap_mask", "lateral_mask", "age", "sex", "weight", "height", "bmi")
    t_score = np.array([patient["t_score"] for patient in patients])
    return Bunch(
        data=pd.DataFrame({column: [patient[column] for patient in patients] for column in columns}),
        target=(t_score <= -2.5).astype(int),
        t_score=t_score,
        bmd_class=(t_score < -1.0).astype(int) + (t_score <= -2.5),
        groups=np.array([patient["patient"] for patient in patients]),
        masks_ap=[patient["ap_mask"] for patient in patients],
        masks_lateral=[patient["lateral_mask"] for patient in patients],
        corners=pd.DataFrame([row for patient in patients for row in patient["corners"]]),
        fractures=pd.DataFrame(
            [row for patient in patients for row in patient["fractures"]],
            columns=["patient", "level", "cause", "shape", "loss", "before_mm", "grade"],
        ),
    )


def _patient(name, site, shape, fractures, rng):
    """Draw one patient: clinical covariates, T-score, spine, two pictures and the truth."""
    patient = {"patient": name} | _body_size(_covariates(rng), rng)
    broken = _draw_fractures(patient, rng) if fractures is None else fractures
    quality = patient["t_score"] + 1.5
    bone = {
        "shell": float(np.clip(1.0 + 0.11 * quality + rng.normal(0, 0.06), 0.4, 1.6)),
        "trabeculae": float(np.clip(np.exp(0.27 * quality + rng.normal(0, 0.20)), 0.25, 1.8)),
    }
    scale = patient["height"] / 162
    spine = _spine(scale, broken, rng)
    spacing = 0.8 * site.spacing * max(512 / shape[0], 384 / shape[1])
    views = {"ap": _front, "lateral": _lateral}
    truth = []
    for view, draw in views.items():
        pose = _Pose(shape, spacing, spine, view, rng)
        bones, soft, beam, mask = draw(spine, bone, patient, pose, site, rng)
        picture = expose(bones, soft, beam, spacing, rng)
        word = "AP" if view == "ap" else "LAT"
        patient[view] = Radiograph(picture, spacing=(spacing, spacing), view=word)
        patient[f"{view}_mask"] = mask
        truth += [_corners(name, word, vertebra, pose) for vertebra in spine if vertebra.level in LEVELS]
    lost = [{"patient": name, "level": vertebra.level} | vertebra.fracture for vertebra in spine if vertebra.fracture]
    return patient | {"corners": truth, "fractures": lost}


def _body_size(patient, rng):
    """Add height and body mass index."""
    height = float(np.clip(np.round(rng.normal(160 + 12 * (patient["sex"] == "M"), 6), 1), 140, 190))
    return patient | {"height": height, "bmi": round(patient["weight"] / (height / 100) ** 2, 1)}


def _draw_fractures(patient, rng):
    """Draw fractures: level -> cause, shape, loss. Osteoporotic ones follow age and T-score, metastases nothing."""
    fragile = min(0.30 * np.exp(-0.75 * (patient["t_score"] + 2.0) + 0.03 * (patient["age"] - 68)), 2.5)
    fractures = {}
    for level, weight in _WEIGHTS.items():
        draws = rng.random(4)
        cause = "pathologic" if draws[0] < 0.012 else ("acute", "chronic")[int(draws[1] < 0.55)]
        if cause == "pathologic" or draws[0] < 0.012 + fragile * weight:
            shape = _SHAPES[np.searchsorted([0.52, 0.82], draws[2])]
            fractures[level] = (cause, shape, round(float(0.20 + 0.38 * draws[3] ** 2.4), 3))
    return fractures


def _spine(scale, broken, rng, chain=_CHAIN):
    """Stack the vertebrae of a chain down to S1: a list of _Placed, the middle of L2 and L3 at the origin."""
    lordosis, worn = max(rng.normal(0.95, 0.15), 0.4), np.clip(rng.normal(0.92, 0.12, len(chain)), 0.55, 1.15)
    size = scale * np.array([1.0, rng.normal(1, 0.03), rng.normal(1, 0.03)])
    x = y = tilt = 0.0
    spine = []
    for (level, numbers), wear in zip(chain.items(), worn, strict=True):
        dimensions = np.array(numbers[:3]) * size * rng.normal(1, 0.012, 3)
        lateral, front, fracture = _vertebra(level, dimensions, numbers[3], broken.get(level), rng)
        wedge = np.arctan2(lateral.right - lateral.left, 2 * lateral.half_width)
        half = (lateral.left + lateral.right) / 4
        tilt += wedge / 2
        x, y = x - np.sin(tilt) * half, y + np.cos(tilt) * half
        spine.append(_Placed(level, lateral, front, tilt, x, y, fracture))
        x, y = x - np.sin(tilt) * half, y + np.cos(tilt) * half
        tilt += wedge / 2
        opening = np.deg2rad(numbers[4] * lordosis * wear)
        gap = numbers[5] * wear * scale
        x, y = x - np.sin(tilt + opening / 2) * gap, y + np.cos(tilt + opening / 2) * gap
        tilt += opening
    return _upright(spine, rng)


def _upright(spine, rng):
    """Turn the spine until L3 is nearly level and move the middle of L2 and L3 to the origin."""
    turn = np.deg2rad(rng.normal(-2.0, 3.0)) - spine[-4].tilt
    points = np.array([(vertebra.x, vertebra.y) for vertebra in spine])
    points = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points -= (points[-5] + points[-4]) / 2
    return [
        replace(vertebra, tilt=vertebra.tilt + turn, x=float(x), y=float(y))
        for vertebra, (x, y) in zip(spine, points, strict=True)
    ]


def _vertebra(level, dimensions, wedge, broken, rng):
    """Shape one vertebra: its outline from the side and from the front, and its fracture."""
    posterior, depth, width = dimensions
    anterior = posterior + depth * np.tan(np.deg2rad(wedge))
    middle = (anterior + posterior) / 2 - (0.5 if level == "S1" else rng.uniform(1.5, 3.2))
    heights, waists, step, fracture = [posterior, middle, anterior], [1.2, rng.uniform(2.0, 3.2)], 0.0, None
    if broken is not None:
        cause, shape, loss = broken
        where = {"wedge": 2, "biconcave": 1, "crush": 1}[shape]
        before = heights[where]
        heights = _broken_heights(heights, shape, loss)
        grade = 1 + int(loss > 0.25) + int(loss > 0.40)
        fracture = {"cause": cause, "shape": shape, "loss": loss, "before_mm": float(before), "grade": grade}
        step = rng.uniform(1.2, 2.4) if cause == "acute" else 0.0
        waists = {"acute": [0.6, 0.8], "chronic": waists, "pathologic": [-1.6, 0.8]}[cause]
    taper = 0.28 if level == "S1" else 0.0
    lateral = Outline(depth / 2, *map(float, heights), waists=tuple(waists), taper=taper, step=step)
    edge, waist = (heights[0] + heights[2]) / 2, 0.5 if level == "S1" else 3.0
    return lateral, Outline(width / 2, edge, min(heights[1] + 0.5, edge), edge, (waist, waist), taper / 2), fracture


def _broken_heights(heights, shape, loss):
    """Take a share of the height away in front, in the middle, or everywhere: posterior, middle, anterior in mm."""
    posterior, middle, anterior = heights
    if shape == "wedge":
        anterior *= 1 - loss
        return [posterior, min(middle, (posterior + anterior) / 2 - 0.5), anterior]
    if shape == "biconcave":
        return [posterior, middle * (1 - loss), anterior]
    return [height * (1 - loss) for height in heights]


class _Pose:
    """Where the patient lies in one view: coordinates in mm from the middle between L2 and L3."""

    def __init__(self, shape, spacing, spine, view, rng):
        self.shape, self.spacing, self.view = shape, spacing, view
        self.slope, self.bend = rng.normal(0, 0.02), (rng.normal(0, 3.0), rng.uniform(70, 120), rng.uniform(0, 6.3))
        aside = 0.5 if view == "ap" else 0.56
        self.origin = np.array([shape[1] * aside, shape[0] * 0.43]) + rng.normal(0, (5, 4), 2) / spacing
        self.x = ((np.arange(shape[1], dtype=np.float32) + 0.5 - self.origin[0]) * spacing)[None, :]
        self.y = ((np.arange(shape[0], dtype=np.float32) + 0.5 - self.origin[1]) * spacing)[:, None]
        self.frames = [self._frame(vertebra) for vertebra in spine]

    def _frame(self, vertebra):
        """Centre (x, y) in mm and tilt of a vertebra."""
        if self.view == "lateral":
            return vertebra.x, vertebra.y, vertebra.tilt
        x, lean = self.midline(vertebra.y)
        return x, vertebra.y, -np.arctan(lean)

    def midline(self, y):
        """Offset in mm of a slightly scoliotic spine at a height, and its slope."""
        size, length, phase = self.bend
        inside = y / length + phase
        return self.slope * y + size * np.sin(inside), self.slope + size / length * np.cos(inside)

    def window(self, frame, reach):
        """Slices round a centre: reach is left, right, up and down in mm; then the local coordinates there."""
        x0, y0, tilt = frame
        columns = np.flatnonzero((self.x[0] > x0 - reach[0]) & (self.x[0] < x0 + reach[1]))
        rows = np.flatnonzero((self.y[:, 0] > y0 - reach[2]) & (self.y[:, 0] < y0 + reach[3]))
        # A vertebra beyond the edge of the picture has an empty window.
        window = tuple(slice(held[0], held[-1] + 1) if held.size else slice(0, 0) for held in (rows, columns))
        x, y = self.x[:, window[1]] - x0, self.y[window[0]] - y0
        return window, np.cos(tilt) * x + np.sin(tilt) * y, np.cos(tilt) * y - np.sin(tilt) * x

    def pixel(self, frame, points):
        """Rows and columns of local points (x, y) in mm; 0 is the outer edge of the first pixel."""
        x0, y0, tilt = frame
        x, y = np.asarray(points).T
        column = (x0 + np.cos(tilt) * x - np.sin(tilt) * y) / self.spacing + self.origin[0]
        row = (y0 + np.sin(tilt) * x + np.cos(tilt) * y) / self.spacing + self.origin[1]
        return row, column


def _lateral(spine, quality, patient, pose, site, rng):
    """What the lateral radiograph shows: bone and soft tissue along the beam in mm, the beam, and the mask."""
    bone, mask = bones_lateral(pose, rng), np.zeros(pose.shape, dtype=np.uint8)
    scale = patient["height"] / 162
    for vertebra, frame in zip(spine, pose.frames, strict=True):
        cause = vertebra.fracture and vertebra.fracture["cause"]
        body = Body(vertebra.lateral, vertebra.front.half_width, **quality, cause=cause, pixel=pose.spacing)
        window, x, y = pose.window(frame, (30, 32, 32, 32))
        if not x.size:
            continue
        projected, outline = body_bone(body, x, y, rng)
        bone[window] += projected
        _label(mask[window], vertebra.level, outline)
        if vertebra.level != "S1":
            window, x, y = pose.window(frame, (86, 0, 34, 52))
            bone[window] += arch_lateral(vertebra.lateral, x, y, scale)
    beam = replace(site, kilovolts=site.kilovolts + 12, photons=1.6 * site.photons)
    return bone, tissue_lateral(pose, patient["weight"], rng), beam, mask


def _front(spine, quality, patient, pose, site, rng):
    """What the AP radiograph shows: bone and soft tissue along the beam in mm, the beam, and the mask."""
    bone, mask = bones_front(pose, spine[-1].y, spine[-7].y, rng, len(spine) - 6), np.zeros(pose.shape, dtype=np.uint8)
    scale, owl = patient["height"] / 162, rng.choice([-1, 1])
    for vertebra, frame in zip(spine, pose.frames, strict=True):
        cause = vertebra.fracture and vertebra.fracture["cause"]
        spread = 2 * vertebra.lateral.half_width * abs(np.sin(vertebra.tilt))
        front, sacral = vertebra.front, vertebra.level == "S1"
        body = Body(
            front,
            (0.3 if sacral else 1.0) * vertebra.lateral.half_width,
            **quality,
            spread=spread,
            free=() if sacral else (-1, 1),
            cause=cause,
            pixel=pose.spacing,
        )
        window, x, y = pose.window(frame, (34, 34, 28, 28))
        if not x.size:
            continue
        projected, outline = body_bone(body, x, y / np.cos(vertebra.tilt), rng)
        bone[window] += projected
        _label(mask[window], vertebra.level, outline)
        if not sacral:
            window, x, y = pose.window(frame, (62, 62, 30, 52))
            bone[window] += arch_front(front, x, y, scale, owl if cause == "pathologic" else 0)
    soft = tissue_front(pose, patient["weight"], rng, lungs=len(spine) > len(_CHAIN))
    return bone, soft, site, mask


def _label(mask, level, outline):
    """Mark a body in the mask, unless it has no label."""
    if level in LEVELS:
        mask[outline < 0] = LEVELS.index(level) + 1


def _corners(patient, view, vertebra, pose):
    """The truth of one body in pixels of one picture, and its heights in mm."""
    frame = pose.frames[list(_CHAIN).index(vertebra.level)]
    outline = vertebra.lateral if view == "LAT" else vertebra.front
    points = outline.corners if view == "LAT" else outline.corners * (1, np.cos(vertebra.tilt))
    values = {"patient": patient, "view": view, "level": vertebra.level}
    for name, row, column in zip(_CORNERS[view], *pose.pixel(frame, points), strict=True):
        values |= {f"{name}_row": row, f"{name}_column": column}
    if view == "LAT":
        values |= dict(zip(("posterior_mm", "middle_mm", "anterior_mm"), outline.heights, strict=True))
    return values
