"""Pelvis and femora of a patient, drawn from a shape model of adults and laid before the tube."""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

SIDES = {"left": 1, "right": -1}
"""The side of the picture on which each femur lies."""


@dataclass(frozen=True)
class Femur:
    """One femur in the room.

    Parameters
    ----------
    side : {"left", "right"}
        Of the patient.
    vertices, normals : float arrays of shape (n, 3)
        Surface in mm and unit vectors that point out of it. The room's x points to the right of the picture, y away
        from the tube, z up; the origin lies between the heads.
    faces : int array of shape (m, 3)
        Triangles.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.skeleton import draw_skeleton
    >>> femur = draw_skeleton(np.random.default_rng(0)).femora["left"]
    >>> 20 < femur.head[1] < 28
    True
    """

    side: str
    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray

    @property
    def head(self):
        """Centre (3,) and radius of the head in mm, by the sphere through its vertices."""
        return sphere_through(self.vertices[model()["head"]])

    @property
    def lesser(self):
        """Tip of the lesser trochanter, (3,) in mm."""
        return self.vertices[int(model()["lesser"])]

    @property
    def shaft(self):
        """Middles (10, 3) of slices of the shaft below the trochanters, in mm, from above."""
        slices = model()["shaft_slice"]
        return np.array([self.vertices[slices == number].mean(axis=0) for number in range(10)])

    @property
    def neck_rings(self):
        """Rings of vertices (n, 3) across the neck, in mm, from the head outwards."""
        rings = model()["neck_ring"]
        return [self.vertices[rings == number] for number in range(rings.max() + 1)]


@dataclass(frozen=True)
class Skeleton:
    """Pelvis with sacrum, and both femora.

    Parameters
    ----------
    pelvis, pelvis_normals : float arrays of shape (n, 3)
        Surface in mm and its normals.
    pelvis_faces : int array of shape (m, 3)
        Triangles of two hip bones and the sacrum, each closed.
    femora : dict of str to Femur
        ``left`` and ``right``.
    size : float
        Scale of the patient against the mean of the model.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.skeleton import draw_skeleton
    >>> draw_skeleton(np.random.default_rng(0)).pelvis.shape
    (5402, 3)
    """

    pelvis: np.ndarray
    pelvis_normals: np.ndarray
    pelvis_faces: np.ndarray
    femora: dict[str, Femur]
    size: float


@lru_cache(maxsize=1)
def model():
    """Load the shape model.

    Returns
    -------
    dict of str to array
        ``pelvis_mean`` and ``femur_mean`` in mm, ``pelvis_modes`` and ``femur_modes`` in standard deviations, faces,
        and the vertices that are landmarks; a left femur in the place and posture of the model.

    References
    ----------
    Zhang J, Fernandez J, Hislop-Jambrich J, Besier TF. Lower limb estimation from sparse landmarks using an
    articulated shape model. J Biomech 49, 3875-3881 (2016).

    Examples
    --------
    >>> from deepradiomics.simulation.skeleton import model
    >>> model()["femur_modes"].shape
    (15, 2626, 3)
    """
    with resources.files("deepradiomics.simulation").joinpath("hip_shape.npz").open("rb") as file:
        arrays = dict(np.load(file))
    for name in ("pelvis_modes", "femur_modes"):
        arrays[name] = arrays[name].astype(np.float32)
    return arrays


def sphere_through(points):
    """Fit a sphere.

    Parameters
    ----------
    points : float array of shape (n, 3)
        Points near it.

    Returns
    -------
    centre : float array of shape (3,)
        Its centre.
    radius : float
        Its radius, in the unit of the points.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.skeleton import sphere_through
    >>> centre, radius = sphere_through(np.vstack([np.eye(3), -np.eye(3)]) * 2.0 + 5.0)
    >>> centre.round(6).tolist(), round(radius, 6)
    ([5.0, 5.0, 5.0], 2.0)
    """
    middle = points.mean(axis=0)
    system = np.column_stack([2 * (points - middle), np.ones(len(points))])
    solved = np.linalg.solve(system.T @ system, system.T @ ((points - middle) ** 2).sum(axis=1))
    return solved[:3] + middle, float(np.sqrt(solved[3] + solved[:3] @ solved[:3]))


def draw_skeleton(rng, *, size=1.0, variety=0.8, pelvis_turn=(0.0, 0.0, 0.0), legs=None):
    """Draw the bones of one patient, the heads in their sockets.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the shape; both femora are alike, not equal.
    size : float, default=1.0
        Scale against the mean of the model.
    variety : float, default=0.8
        Standard deviation of the scores; 1 is as varied as the adults of the model.
    pelvis_turn : tuple of three floats, default=(0, 0, 0)
        Tilt about the line through the hips, rotation about the body's axis, and turn in the picture, in degrees.
    legs : dict of str to tuple of three floats, default=None
        For each side flexion, outward rotation and abduction in degrees; None means neutral legs.

    Returns
    -------
    Skeleton
        The origin lies between the centres of the heads.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.skeleton import draw_skeleton
    >>> skeleton = draw_skeleton(np.random.default_rng(0))
    >>> heads = [femur.head[0] for femur in skeleton.femora.values()]
    >>> bool(150 < heads[0][0] - heads[1][0] < 190)
    True
    """
    shape, scores = model(), np.clip(rng.normal(0, variety, 15), -2.2, 2.2)
    pelvis = size * (shape["pelvis_mean"] + _moved(scores, shape["pelvis_modes"]))
    left, right = (sphere_through(pelvis[shape[f"{side}_socket"]])[0] for side in SIDES)
    # The line through the hips is level; the body's axis comes second.
    frame = _frame(np.array([0, 0, 1.0]), left - right)[[2, 1, 0]] * np.array([[1], [-1], [1]])
    turn = _turn(*pelvis_turn)
    pelvis = (pelvis - (left + right) / 2) @ (turn @ frame).T
    sockets = {"left": turn @ frame @ (left - right) / 2, "right": turn @ frame @ (right - left) / 2}
    femora = {}
    for side, sign in SIDES.items():
        own = scores + rng.normal(0, 0.25 * variety, 15)
        bone = size * (shape["femur_mean"] + _moved(own, shape["femur_modes"]))
        centre = sphere_through(bone[shape["head"]])[0]
        medial, lateral = bone[shape["epicondyles"]]
        bone = (bone - centre) @ _frame(lateral - medial, centre - (medial + lateral) / 2).T
        flexion, outward, abduction = (0.0, 0.0, 0.0) if legs is None else legs[side]
        bone = bone @ _turn(-flexion, outward, abduction).T * (sign, 1, 1) + sockets[side]
        faces = shape["femur_faces"].astype(np.int64)[:, ::sign]
        femora[side] = Femur(side, bone, _normals(bone, faces), faces)
    faces = shape["pelvis_faces"].astype(np.int64)
    return Skeleton(pelvis, _normals(pelvis, faces), faces, femora, size)


def _moved(scores, modes):
    """How far scores (15,) move each vertex, (n, 3) in mm."""
    return (scores.astype(np.float32) @ modes.reshape(len(modes), -1)).reshape(modes.shape[1:]).astype(np.float64)


def _frame(x, z):
    """Rows are unit vectors: the part of x across z, the third that completes them, and z."""
    z = z / np.linalg.norm(z)
    x = x - z * (x @ z)
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _turn(about_x, about_z, about_y):
    """Rotation matrix of angles in degrees, the one about the body's axis z first."""
    (a, b, c), eye = np.deg2rad([about_x, about_z, about_y]), np.eye(3)
    x, y, z = eye.copy(), eye.copy(), eye.copy()
    x[1:, 1:] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    y[::2, ::2] = [[np.cos(c), -np.sin(c)], [np.sin(c), np.cos(c)]]
    z[:2, :2] = [[np.cos(b), -np.sin(b)], [np.sin(b), np.cos(b)]]
    return y @ x @ z


def _normals(vertices, faces):
    """Unit normals (n, 3) of a surface at its vertices."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for axis in range(3):
        for k in range(3):
            normals[:, axis] += np.bincount(faces[:, k], across[:, axis], len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
