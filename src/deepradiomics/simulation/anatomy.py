"""Femur and pelvis from parametric curves, in mm: signed distances, inner structure, bone along the beam."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Femur:
    """Dimensions of a proximal femur.

    Local coordinates have the head's centre as origin, x pointing away from the midline of the body and y down.

    Parameters
    ----------
    head_radius : float, default=23.5
        In mm.
    neck_shaft_angle : float, default=127.0
        Between the neck axis and the shaft axis, in degrees.
    neck_length : float, default=49.0
        From the head's centre to the shaft axis, in mm.
    neck_half_width : float, default=15.5
        Half of the narrowest width of the neck, in mm.
    shaft_half_width : float, default=15.0
        Half of the outer width of the shaft, in mm.
    shaft_tilt : float, default=6.0
        Lean of the shaft towards the midline on its way down, in degrees.
    cortex : float, default=5.0
        Thickness of the shaft's cortex, in mm.
    trabeculae : float, default=1.0
        Strength of the trabecular groups; 1 is a healthy adult, 0.3 severe osteoporosis.

    References
    ----------
    Dimensions: Noble PC et al. The anatomic basis of femoral component design. Clin Orthop 235, 148-165 (1988).

    Examples
    --------
    >>> from deepradiomics.simulation.anatomy import Femur
    >>> Femur().junction.round(1).tolist()
    [35.8, 33.4]
    """

    head_radius: float = 23.5
    neck_shaft_angle: float = 127.0
    neck_length: float = 49.0
    neck_half_width: float = 15.5
    shaft_half_width: float = 15.0
    shaft_tilt: float = 6.0
    cortex: float = 5.0
    trabeculae: float = 1.0

    @property
    def shaft_axis(self):
        """Unit vector (x, y) down the shaft."""
        tilt = np.deg2rad(self.shaft_tilt)
        return np.array([-np.sin(tilt), np.cos(tilt)])

    @property
    def neck_axis(self):
        """Unit vector (x, y) from the head's centre along the neck."""
        angle = np.deg2rad(180 - self.neck_shaft_angle - self.shaft_tilt)
        return np.array([np.sin(angle), np.cos(angle)])

    @property
    def lateral(self):
        """Unit vector (x, y) across the shaft, away from the midline."""
        return np.array([self.shaft_axis[1], -self.shaft_axis[0]])

    @property
    def junction(self):
        """Point (x, y) in mm where the neck axis meets the shaft axis."""
        return self.neck_length * self.neck_axis

    @property
    def lesser_trochanter(self):
        """Centre (x, y) of the lesser trochanter in mm."""
        return self.junction + 30 * self.shaft_axis - (self.shaft_half_width - 3) * self.lateral


def femur_distance(femur, x, y):
    """Measure the distance to the outline of a femur.

    Parameters
    ----------
    femur : Femur
        Its dimensions.
    x, y : float arrays of one shape
        Local coordinates in mm.

    Returns
    -------
    outline : float array
        Signed distance in mm, negative inside; exact away from fillets.
    half_thickness : float array
        Half of the bone's extent along the beam at its thickest near the point, in mm.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.anatomy import Femur, femur_distance
    >>> outline, half = femur_distance(Femur(), np.array([0.0, -30.0]), np.array([0.0, 0.0]))
    >>> (outline < 0).tolist()
    [True, False]
    """
    s, j, lateral = femur.shaft_axis, femur.junction, femur.lateral
    head = np.hypot(x, y) - femur.head_radius
    along, across = _along(x, y, (0.0, 0.0), femur.neck_axis)
    share = np.clip(along / femur.neck_length, 0, 1)
    waist = femur.neck_half_width + 11 * np.clip(2 * share - 1, 0, 1) ** 2
    neck = np.hypot(along - share * femur.neck_length, across) - waist
    down, aside = _along(x, y, j, s)
    width = femur.shaft_half_width + 9 * np.exp(-np.maximum(down, 0) / 30)
    shaft = np.maximum(np.abs(aside) - width, -(down + 2))
    greater = _capsule(x, y, j + 8 * lateral + 8 * s, j + 12 * lateral - 21 * s, 16.0, 9.5)
    lesser = np.hypot(x - femur.lesser_trochanter[0], y - femur.lesser_trochanter[1]) - 10.5
    body = _joined(_joined(_joined(shaft, greater, 9), neck, 9), lesser, 7)
    weights = [np.exp(-np.clip(part, -60, 60) / 5) for part in (head, neck, shaft, greater)]
    radii = (femur.head_radius, waist, width, 13.0)
    half = sum(weight * radius for weight, radius in zip(weights, radii, strict=True)) / sum(weights)
    return _joined(body, head, 4), half


def femur_bone(femur, x, y, rng):
    """Project a femur along the beam.

    Parameters
    ----------
    femur : Femur
        Its dimensions.
    x, y : float arrays of shape (H, W)
        Local coordinates in mm.
    rng : numpy.random.Generator
        Draws the individual trabeculae.

    Returns
    -------
    bone : float array of shape (H, W)
        Compact bone along the beam, in mm.
    outline : float array of shape (H, W)
        Signed distance in mm, negative inside.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.anatomy import Femur, femur_bone
    >>> y, x = np.mgrid[-40:100.0, -40:80.0]
    >>> bone, outline = femur_bone(Femur(), x, y, np.random.default_rng(0))
    >>> float(bone[outline > 1].max())
    0.0
    """
    outline, half = femur_distance(femur, x, y)
    depth = np.maximum(-outline, 0)
    down, aside = _along(x, y, femur.junction, femur.shaft_axis)
    # The cortex is thick in the shaft and at the calcar, the medial side of the neck, and a thin shell elsewhere.
    calcar = _sigmoid(-(aside + 4) / 4) * _bell(down, 6, 26)
    shell = 0.5 + femur.cortex * (0.95 * _sigmoid((down - 22) / 14) + 0.42 * calcar)
    outer = _chord(depth, half)
    inner = np.minimum(_chord(np.maximum(depth - shell, 0), np.maximum(half - shell, 1)), outer)
    return outer - inner + inner * _trabeculae(femur, x, y, rng), outline


def pelvis_bone(x, y, half_width, head_radius):
    """Project a pelvis along the beam: iliac wings, acetabula, ischia, pubic rami and sacrum.

    Parameters
    ----------
    x, y : float arrays of shape (H, W)
        Distance to the midline and depth below the heads' centres, in mm.
    half_width : float
        Distance of each head's centre from the midline, in mm.
    head_radius : float
        Radius of the femoral head, in mm.

    Returns
    -------
    float array of shape (H, W)
        Compact bone along the beam, in mm.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.anatomy import pelvis_bone
    >>> float(pelvis_bone(np.array([[0.0, 0.0]]), np.array([[-90.0, 120.0]]), 90.0, 23.5)[0, 1])
    0.0
    """
    u, w = np.abs(x), half_width
    iliac = _joined(
        _capsule(u, y, (w - 4, -40), (w + 24, -125), 24, 48), _capsule(u, y, (w - 26, -60), (w - 50, -125), 17, 28), 16
    )
    ischium = _joined(
        _capsule(u, y, (w - 22, 12), (w - 28, 60), 17, 15), _capsule(u, y, (w - 28, 62), (w - 66, 50), 11, 7), 8
    )
    pubis = _joined(_capsule(u, y, (w - 16, -6), (12, 24), 15, 8), _capsule(u, y, (10, 24), (14, 48), 9, 8), 6)
    sacrum = _capsule(x, y, (0.0, -140.0), (0.0, -42.0), 48, 9)
    bone = _flat_bone(iliac, 2.4, 0.10, 14) + _flat_bone(ischium, 1.6, 0.20, 15)
    bone += _flat_bone(pubis, 1.4, 0.20, 12) + _flat_bone(sacrum, 2.5, 0.10, 30)
    # The acetabular roof is a bright crescent over the head; a thin line marks the rest of the socket.
    radius, angle = np.hypot(u - w, y), np.arctan2(-y, u - w)
    roof = _bell(radius, head_radius + 4.5, 2.6) * _bell(angle, 1.45, 0.75)
    wall = _bell(radius, head_radius + 4.0, 1.2) * _bell(np.abs(angle) - np.pi, 0, 1.1)
    return bone + 7 * roof + 3 * wall


def _trabeculae(femur, x, y, rng):
    """Bone volume fraction inside the shell: compressive and tensile groups, Ward's triangle between them.

    With bone loss the tensile group and the trochanter fade before the compressive group (Singh 1970).
    """
    s, j, lateral = femur.shaft_axis, femur.junction, femur.lateral
    calcar = j + 12 * s - (femur.shaft_half_width + 4) * lateral
    fan = calcar + 40 * s + 6 * lateral
    radius, angle = np.hypot(x - fan[0], y - fan[1]), np.arctan2(x - fan[0], fan[1] - y)
    compressive = _bell(angle, np.arctan2(-fan[0], fan[1]) + 0.02, 0.18) * _sigmoid((radius - 34) / 6)
    arch = calcar - 14 * lateral + 8 * s
    arc = np.hypot(x - arch[0], 1.15 * (y - arch[1]))
    tensile = _bell(arc, np.hypot(*(j + 10 * lateral - 4 * s - arch)), 13)
    down, aside = _along(x, y, j, s)
    trochanter = _bell(aside, 14, 12) * _bell(down, -6, 20)
    head = _sigmoid((1.05 * femur.head_radius - np.hypot(x, y)) / 3)
    strength = femur.trabeculae
    fraction = 0.06 + 0.07 * strength * head
    fraction += compressive * (0.13 + 0.075 * _lines(rng, angle * 95, 2.0, x.shape)) * strength
    fraction += tensile * (0.06 + 0.04 * _lines(rng, arc, 2.2, x.shape)) * strength**1.6
    fraction += trochanter * (0.035 + 0.02 * _lines(rng, 0.9 * aside + 0.5 * down, 2.6, x.shape)) * strength**1.3
    fraction += 0.03 * strength * (0.3 + head) * rng.standard_normal(x.shape, dtype=np.float32)
    return np.maximum(fraction, 0) * (1 - 0.93 * _sigmoid((down - 24) / 9))


def _lines(rng, coordinate, wavelength, shape):
    """Random lines along the level sets of a coordinate, broken up by a slow change of their strength."""
    fine = _noise(rng, coordinate, wavelength) + 0.6 * _noise(rng, coordinate, 0.6 * wavelength)
    knots = rng.normal(size=(9, 9))
    rows, columns = _hats(shape[0], 9), _hats(shape[1], 9)
    slow = rows @ knots @ columns.T
    return fine * (1 + 0.4 * slow)


def _hats(n, n_knots):
    """Weights of linear interpolation from knots to n points, (n, n_knots)."""
    position = np.linspace(0, n_knots - 1, n)[:, None]
    return np.maximum(1 - np.abs(position - np.arange(n_knots)), 0)


def _noise(rng, coordinate, wavelength):
    """One-dimensional smooth noise of mean 0 and deviation about 0.7, read at a coordinate."""
    position = (coordinate - coordinate.min()) * (2 / wavelength)
    knots = rng.normal(size=int(position.max()) + 2)
    whole = position.astype(np.int32)
    share = position - whole
    share = share * share * (3 - 2 * share)
    return knots[whole] * (1 - share) + knots[whole + 1] * share


def _flat_bone(distance, shell, fraction, half_thickness):
    """Bone mm of a spongy plate: a bright rim where the shell is seen edge on, a grey inside."""
    depth = np.maximum(-distance, 0)
    return np.where(distance < 0, shell * (0.5 + np.exp(-depth / 1.5)) + fraction * _chord(depth, half_thickness), 0.0)


def _chord(depth, radius):
    """Length of a chord at a depth below the surface of a cylinder; the full width beyond its axis."""
    inside = np.minimum(depth, radius)
    return 2 * np.sqrt(np.maximum(2 * radius * inside - inside**2, 0))


def _along(x, y, origin, axis):
    """Coordinates along an axis and across it, positive to the lateral side."""
    dx, dy = x - origin[0], y - origin[1]
    return dx * axis[0] + dy * axis[1], dx * axis[1] - dy * axis[0]


def _capsule(x, y, start, end, radius_start, radius_end):
    """Signed distance to a thick line whose radius changes on its way."""
    axis = np.subtract(end, start)
    length = np.hypot(*axis)
    along, across = _along(x, y, start, axis / length)
    share = np.clip(along / length, 0, 1)
    return np.hypot(along - share * length, across) - (radius_start + (radius_end - radius_start) * share)


def _joined(a, b, fillet):
    """Union of two signed distances with a fillet (polynomial smooth minimum)."""
    h = np.clip(0.5 + 0.5 * (b - a) / fillet, 0, 1)
    return b + (a - b) * h - fillet * h * (1 - h)


def _bell(values, centre, width):
    return np.exp(-(((values - centre) / width) ** 2))


def _sigmoid(values):
    return 1 / (1 + np.exp(-np.clip(values, -50, 50)))
