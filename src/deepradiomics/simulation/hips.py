"""AP pelvis radiographs with two proximal femora each, and the truth about them."""

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from deepradiomics.exceptions import InputError
from deepradiomics.radiograph import Radiograph
from deepradiomics.simulation._arguments import checked_number, checked_shape, drawn_entropy
from deepradiomics.simulation.bone import _weave, femur_bone, pelvis_bone
from deepradiomics.simulation.pelvic import _plane, lumbar_bone, soft_tissue
from deepradiomics.simulation.projection import expose, site_named, tone
from deepradiomics.simulation.rarities import deposits, finish, operate
from deepradiomics.simulation.rays import Beam
from deepradiomics.simulation.skeleton import SIDES, draw_skeleton


def make_hips(n_patients=100, *, site="A", random_state=None, image_shape=(512, 512)):
    """Simulate AP pelvis radiographs of patients with and without osteoporosis.

    A latent T-score depends on age, sex and weight and on a part that only the image shows. It drives the thickness
    of the cortex and the trabecular groups, of which the tensile one fades first. Brightness alone says little, since
    soft tissue and exposure vary from patient to patient.

    Parameters
    ----------
    n_patients : int, default=100
        Number of patients; the first ones do not depend on it.
    site : {"A", "B", "C", "rare"}, default="A"
        The hospital: pixel spacing, tube voltage, blur, noise and processing. ``"rare"`` is for training: a wide range
        of postures and processing, one hip alone, metal, clips, shields, spurs, calcified arteries, collimation.
    random_state : int, RandomState instance or None, default=None
        Seed.
    image_shape : tuple of two ints, default=(512, 512)
        Rows and columns, at most one and a half times as many rows as columns. The field of view is 369 mm x 369 mm at
        site A or just holds it, so smaller pictures have larger pixels and no shape cuts a femur off.

    Returns
    -------
    sklearn.utils.Bunch
        ``data``: DataFrame with ``patient``, ``radiograph`` (`Radiograph`, AP, with spacing), ``mask`` (its
        label map), ``age`` in years, ``sex`` (``"F"``, ``"M"``) and ``weight`` in kg. ``target``: int array, T-score
        <= -2.5. ``t_score``: float array. ``groups``: array of patients. ``masks``: list of the uint8 label maps, 1 for
        the patient's left femur, which lies in the right half of the picture, 2 for the right one. ``landmarks``:
        DataFrame with, for each side, rows and columns of ``head``, ``neck`` (middle of the narrowest cross-section)
        and ``lesser`` (lesser trochanter) in pixels, ``head_radius_mm``, ``neck_width_mm``, ``neck_angle`` (of the
        neck axis, from the head outwards, in degrees below the horizontal) and ``neck_shaft_angle`` in degrees.

    Raises
    ------
    InputError
        If there is no such site, the number of patients or a side of the picture is no whole number, fewer than one
        patient or 32 pixels a side are asked for, more than one and a half times as many rows as columns are, or the
        seed is none.

    Notes
    -----
    Bones are drawn from a shape model of 26 adults, so their landmarks are its vertices. Lengths are true in the plane
    through the hips, for which the spacing holds. At site ``"rare"`` metal and what was sawn off are not outlined, a
    femur may lie outside the picture or the collimation, and landmarks are those before the operation.

    References
    ----------
    Zhang J, Fernandez J, Hislop-Jambrich J, Besier TF. Lower limb estimation from sparse landmarks using an
    articulated shape model. J Biomech 49, 3875-3881 (2016).

    Singh M, Nagrath AR, Maini PS. Changes in trabecular pattern of the upper end of the femur as an index of
    osteoporosis. J Bone Joint Surg Am 52, 457-467 (1970).

    Examples
    --------
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(2, random_state=0, image_shape=(256, 256))
    >>> hips.data["radiograph"][0]
    Radiograph(256 x 256, 1.44 x 1.44 mm, AP)
    >>> list(hips.data)
    ['patient', 'radiograph', 'mask', 'age', 'sex', 'weight']
    """
    n_patients, shape, settings = checked_number(n_patients), _checked_shape(image_shape), site_named(site)
    entropy = drawn_entropy(random_state)
    patients = [
        _patient(settings, shape, np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(number,))))
        for number in range(n_patients)
    ]
    names = [f"{site}{number:05d}" for number in range(n_patients)]
    data = pd.DataFrame({"patient": names, "radiograph": [patient["radiograph"] for patient in patients]})
    for column in ("mask", "age", "sex", "weight"):
        data[column] = [patient[column] for patient in patients]
    t_score = np.array([patient["t_score"] for patient in patients])
    return Bunch(
        data=data,
        target=(t_score <= -2.5).astype(int),
        t_score=t_score,
        groups=np.array(names),
        masks=list(data["mask"]),
        landmarks=pd.DataFrame([patient["landmarks"] for patient in patients]),
    )


def _checked_shape(image_shape):
    """Return rows and columns; a taller picture would show more of the thigh than a femur is long."""
    rows, columns = checked_shape(image_shape)
    if 2 * rows > 3 * columns:
        raise InputError(
            f"image_shape is {rows} x {columns}; both femora side by side fill the columns, and a femur ends before "
            f"{rows} rows: give at most {3 * columns // 2} rows, or at least {-(-2 * rows // 3)} columns"
        )
    return rows, columns


def _patient(site, shape, rng):
    """Draw one patient: clinical covariates, T-score, picture and truth."""
    patient = _covariates(rng)
    spacing = site.spacing * 512 / min(shape)
    posture = np.transpose([site.flexion, site.outward, site.abduction])
    legs = {side: rng.normal(*posture) for side in SIDES}
    for side in SIDES:
        if rng.random() < site.frog:
            legs[side] = legs[side] + rng.uniform((25, 20, 15), (50, 50, 40))
    skeleton = draw_skeleton(
        rng,
        size=0.96 + 0.05 * (patient["sex"] == "M") + rng.normal(0, 0.02),
        pelvis_turn=tuple(rng.normal(0, (5, 2, 1.8))),
        legs=legs,
    )
    aside, up = rng.normal(0, 6, 2)
    if rng.random() < site.one_hip:
        aside, spacing = aside + rng.choice((-95, 95)), spacing * rng.uniform(0.45, 0.7)
    corner = aside - shape[1] * 0.5 * spacing, up + shape[0] * 0.40 * spacing
    beam = Beam(shape, spacing, corner, (rng.normal(0, 10), -rng.uniform(950, 1080), rng.normal(-30, 15)))
    quality = patient["t_score"] + 1.5
    strength = np.exp(0.27 * quality + rng.normal(0, 0.10))
    cortex = 0.80 + 0.14 * quality + rng.normal(0, 0.03)
    bone = pelvis_bone(
        beam, skeleton, rng, cortex=float(np.clip(cortex + rng.normal(0, 0.1), 0.3, 1.6)), trabeculae=float(strength)
    )
    bone += lumbar_bone(beam, skeleton, float(strength), rng)
    mask, landmarks, weave = np.zeros(shape, dtype=np.uint8), {}, _weave(spacing, rng)
    for label, (side, femur) in enumerate(skeleton.femora.items(), 1):
        projected, outer = femur_bone(
            beam,
            femur,
            rng,
            cortex=float(np.clip(cortex + rng.normal(0, 0.025), 0.25, 1.5)),
            trabeculae=float(np.clip(strength * np.exp(rng.normal(0, 0.05)), 0.25, 1.7)),
            weave=weave,
        )
        mask[outer > 0] = label
        if rng.random() < site.metal:
            kind, plane = rng.choice(("prosthesis", "nail", "screws")), (beam.flat, *_plane(beam, 1))
            bone += operate(projected, mask, femur, label, plane, kind, rng)
        bone += projected
        landmarks |= _landmarks(side, femur, beam)
    bone += deposits(skeleton, (beam.flat, *_plane(beam, 1)), site, rng)
    soft = soft_tissue(beam, skeleton, patient["weight"], patient["sex"], rng)
    scatter = site.scatter, site.glare
    picture = expose(bone, soft, site, spacing, rng, scatter=scatter, enhancement=site.enhancement, gain=900.0)
    picture = tone(picture, site, rng)
    finish(picture, mask, spacing, site, rng)
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


def _landmarks(side, femur, beam):
    """The truth of one femur in pixels of the picture."""
    centre, radius = femur.head
    head, shaft = beam.flat(centre[None])[0], beam.flat(femur.shaft)
    neck, width = _narrowest_neck(femur, beam)
    axis = (neck - head) / np.hypot(*(neck - head))
    down = np.linalg.svd(shaft - shaft.mean(axis=0))[2][0]
    down = down * np.sign(down @ (shaft[-1] - shaft[0]))
    values = {
        f"{side}_head_radius_mm": float(
            radius * np.hypot(*(head - beam.flat(centre[None] + (radius, 0, 0))[0])) / radius
        ),
        f"{side}_neck_width_mm": width,
        f"{side}_neck_shaft_angle": float(180 - np.degrees(np.arccos(axis @ down))),
        f"{side}_neck_angle": float(np.degrees(np.arctan2(-axis[1], abs(axis[0])))),
    }
    lesser = beam.flat(femur.lesser[None])[0]
    for name, (x, z) in (("head", head), ("neck", neck), ("lesser", lesser)):
        values[f"{side}_{name}_row"] = float(beam.corner[1] - z) / beam.spacing
        values[f"{side}_{name}_column"] = float(x - beam.corner[0]) / beam.spacing
    return values


def _narrowest_neck(femur, beam):
    """Centre (x, z) and width in mm of the narrowest ring of the neck, as the rays show it."""
    head, rings = beam.flat(femur.head[0][None])[0], [beam.flat(ring) for ring in femur.neck_rings]
    axis = np.mean([ring.mean(axis=0) for ring in rings], axis=0) - head
    for _ in range(3):
        axis = axis / np.hypot(*axis)
        across = np.array([-axis[1], axis[0]])
        low, high = (np.array([pick(ring @ across) for ring in rings]) for pick in (np.min, np.max))
        along = np.array([ring.mean(axis=0) @ axis for ring in rings])
        middles = along[:, None] * axis + ((low + high) / 2)[:, None] * across
        # A neck is nearly straight over a centimetre: the middle of the rings that are nearly the narrowest.
        narrow = (high - low) <= 1.03 * (high - low).min()
        axis = middles[narrow].mean(axis=0) - head
    return middles[narrow].mean(axis=0), float((high - low).min())
