"""Vertebra from parametric curves, in mm: outline of the body, bone along the beam, arch behind it."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from deepradiomics.simulation.anatomy import _bell, _capsule, _flat_bone, _joined, _lines, _sigmoid


@dataclass(frozen=True)
class Outline:
    """Outline of a vertebral body in one view.

    Local coordinates have the middle of the body as origin, x to the right of the picture and y down. In a lateral view
    the anterior wall is on the right.

    Parameters
    ----------
    half_width : float
        Half of the width of the upper endplate, in mm.
    left, middle, right : float
        Heights of the body at the left wall, in its middle and at the right wall, in mm.
    waists : tuple of two floats, default=(1.0, 2.5)
        How far the left and right walls are drawn in at half height, in mm; negative where a wall bulges.
    taper : float, default=0.0
        Share of the width that is lost on the way down, as in the sacrum.
    step : float, default=0.0
        Depth of a break in the upper endplate, in mm.

    Examples
    --------
    >>> from deepradiomics.simulation.vertebra import Outline
    >>> Outline(17.0, 28.0, 26.0, 27.0).corners.tolist()
    [[-17.0, -14.0], [17.0, -13.5], [-17.0, 14.0], [17.0, 13.5]]
    """

    half_width: float
    left: float
    middle: float
    right: float
    waists: tuple[float, float] = (1.0, 2.5)
    taper: float = 0.0
    step: float = 0.0

    @property
    def corners(self):
        """Upper left, upper right, lower left and lower right corner (x, y) in mm: array of shape (4, 2)."""
        w, lower = self.half_width, self.half_width * (1 - self.taper)
        ends = [(-w, -self.left / 2), (w, -self.right / 2), (-lower, self.left / 2), (lower, self.right / 2)]
        return np.array(ends)

    @property
    def heights(self):
        """Heights at the left wall, in the middle and at the right wall, in mm."""
        corners = self.corners
        walls = np.hypot(*(corners[2:] - corners[:2]).T)
        return float(walls[0]), float(self.middle), float(walls[1])

    def plates(self, x):
        """Read the endplates off.

        Parameters
        ----------
        x : float array
            Local coordinate in mm.

        Returns
        -------
        upper, lower, rim : float arrays
            Depth of the upper and the lower endplate and half of the height between the rims, in mm.

        Examples
        --------
        >>> import numpy as np
        >>> from deepradiomics.simulation.vertebra import Outline
        >>> upper, lower, rim = Outline(17.0, 28.0, 24.0, 28.0).plates(np.array([0.0]))
        >>> upper.tolist(), lower.tolist(), rim.tolist()
        ([-12.0], [12.0], [14.0])
        """
        s = np.clip(x / self.half_width, -1, 1)
        rim = (self.left * (1 - s) + self.right * (1 + s)) / 4
        sag = ((self.left + self.right) / 2 - self.middle) / 2
        # A real endplate is flat in its middle, a parabola is not.
        depth = sag * (1 - np.abs(s) ** 2.6)
        broken = self.step * np.clip((s - 0.22) / 0.08, 0, 1) * np.clip((1 - s) / 0.7, 0, 1)
        return depth - rim + broken, rim - depth, rim

    def distance(self, x, y):
        """Measure the distance to the outline.

        Parameters
        ----------
        x, y : float arrays of one shape
            Local coordinates in mm.

        Returns
        -------
        plates, walls : float arrays
            Signed distance to the nearer endplate and to the nearer wall in mm, negative inside.

        Examples
        --------
        >>> import numpy as np
        >>> from deepradiomics.simulation.vertebra import Outline
        >>> plates, walls = Outline(17.0, 28.0, 26.0, 28.0).distance(np.array([0.0, 20.0]), np.array([0.0, 0.0]))
        >>> plates.tolist(), walls.tolist()
        ([-13.0, -14.0], [-14.5, 5.5])
        """
        upper, lower, rim = self.plates(x)
        t = np.clip(y / rim, -1, 1)
        half = self.half_width * (1 - self.taper * (1 + t) / 2)
        right = x - half + self.waists[1] * (1 - t * t)
        left = -x - half + self.waists[0] * (1 - t * t)
        return np.maximum(upper - y, y - lower), np.maximum(left, right)


@dataclass(frozen=True)
class Body:
    """Inner structure of a vertebral body in one view.

    Parameters
    ----------
    outline : Outline
        Its outline.
    half_thickness : float, default=22.0
        Half of the body's extent along the beam, in mm.
    shell : float, default=1.0
        Thickness of the endplates and walls; 1 is a healthy adult.
    trabeculae : float, default=1.0
        Strength of the trabeculae; 1 is a healthy adult, 0.3 severe osteoporosis.
    spread : float, default=0.0
        Width over which an endplate that is not hit edge on is smeared, in mm.
    cause : {"acute", "chronic", "pathologic"}, default=None
        Cause of a fracture.
    free : tuple of ints, default=(1,)
        Sides on which a wall is free, 1 for the right and -1 for the left: it shows brighter there than where the
        arch begins, and a chronic fracture has osteophytes.
    pixel : float, default=0.5
        Size of a pixel in mm; no line is drawn thinner.

    Examples
    --------
    >>> from deepradiomics.simulation.vertebra import Body, Outline
    >>> Body(Outline(17.0, 28.0, 26.0, 27.0)).cause is None
    True
    """

    outline: Outline
    half_thickness: float = 22.0
    shell: float = 1.0
    trabeculae: float = 1.0
    spread: float = 0.0
    cause: str | None = None
    free: tuple[int, ...] = (1,)
    pixel: float = 0.5


def body_bone(body, x, y, rng):
    """Project a vertebral body along the beam.

    Parameters
    ----------
    body : Body
        Its shape and structure.
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
    >>> from deepradiomics.simulation.vertebra import Body, Outline, body_bone
    >>> y, x = np.mgrid[-20:21.0, -24:25.0]
    >>> bone, outline = body_bone(Body(Outline(17.0, 28.0, 26.0, 27.0)), x, y, np.random.default_rng(0))
    >>> bool(bone[outline < 0].mean() > 20 * bone[outline > 3].mean())
    True
    """
    outline = body.outline
    plates, walls = outline.distance(x, y)
    s = np.clip(x / outline.half_width, -1, 1)
    # The cross-section is a rounded kidney: the beam's way through it is shorter near the walls.
    beam = 2 * body.half_thickness * (1 - np.abs(s) ** 3) ** 0.4
    upper, lower, rim = outline.plates(x)
    inside = _sigmoid(-plates / 0.35) * _sigmoid(-walls / 0.35)
    lens = _sigmoid((rim - np.abs(y)) / 0.35) * _sigmoid(-walls / 0.35)
    fraction = _trabeculae(body, x, y, rng)
    # Bone is denser towards the endplates.
    fraction *= 1 + 0.4 * np.exp(np.minimum(plates, 0) / 3.5)
    bone = inside * beam * fraction + 0.45 * np.maximum(lens - inside, 0) * beam * fraction
    bone += _shell(body, x, y, (upper, lower, rim), walls, rng)
    if body.cause == "acute":
        impacted = 4.0 + 0.8 * _lines(rng, x, 11.0, x.shape)
        patchy = np.maximum(1 + 0.35 * _grain(rng, x / 2, y / 2, (1.0, 1.0)), 0)
        bone += inside * 7.5 * patchy * _bell(y - upper, impacted, 2.8) * (1 - s**4)
    elif body.cause == "chronic":
        bone += inside * 2.5 * (_bell(y, upper, 3.0) + _bell(y, lower, 3.0))
        for side in body.free:
            bone += _osteophytes(outline, side * x, y, side)
    elif body.cause == "pathologic":
        bone *= 1 - 0.85 * _lysis(outline, x, y, rng)
    return bone, np.maximum(plates, walls)


def _trabeculae(body, x, y, rng):
    """Bone volume fraction: upright trabeculae, of which fewer and coarser are left, and crossbars that fade first."""
    strength = body.trabeculae
    coarse = strength**-0.25
    fraction = 0.078 * strength**0.8 + 0.010
    fraction = fraction + 0.022 * strength * _grain(rng, x / coarse, y, (3.2, 0.6))
    fraction += 0.015 * strength**1.9 * _grain(rng, x, y, (0.6, 1.8))
    fraction += 0.020 * strength**1.2 * rng.standard_normal(x.shape, dtype=np.float32)
    return np.maximum(fraction * (1 + 0.10 * _grain(rng, x / 8, y / 8, (1.0, 1.0))), 0)


def _grain(rng, x, y, lengths):
    """Noise of mean 0 and deviation about 1 in a plane, drawn out along y and x by lengths in cells of 0.5 mm."""
    tile = ndimage.gaussian_filter(rng.standard_normal((128, 128), dtype=np.float32), lengths, mode="wrap")
    places = np.array([2 * y + 64, 2 * x + 64])
    return ndimage.map_coordinates(tile / tile.std(), places, order=1, mode="grid-wrap", output=np.float32)


def _shell(body, x, y, plates, walls, rng):
    """Bone mm of endplates, of the rims that stand above them, and of the walls, all seen edge on."""
    outline, (upper, lower, rim) = body.outline, plates
    across, wide = _sigmoid(-(walls - 0.4) / 0.5), np.hypot(1.0, 0.35 * body.spread)
    s = np.clip(x / outline.half_width, -1, 1)
    patchy = 1 + 0.16 * _lines(rng, x, 6.0, x.shape)
    # Below S1 the sacrum is grown together: a remnant of a disc.
    fused = 0.25 if outline.taper else 1.0
    plate = _line(y - upper - 0.3, wide, body.pixel) + fused * _line(lower - y - 0.3, wide, body.pixel)
    # The beam spreads, so the near and the far rim do not cover each other.
    above, below = rng.uniform(0.2, 1.8, 2)[:, None, None] * (1 - s * s)
    rims = _line(y + rim + above, 0.8, body.pixel) + fused * _line(rim + below - y, 0.8, body.pixel)
    between = _sigmoid((y - upper + 0.5) / 0.5) * _sigmoid((lower - y + 0.5) / 0.5)
    wall = _line(walls + 0.4, 0.75, body.pixel) * between * np.where(np.isin(np.sign(x), body.free), 1.0, 0.5)
    sheet = 0.5 * _sigmoid((rim - np.abs(y)) / 0.5)
    shell = across * (patchy * (13.0 - 5.0 * s**4) * plate / wide**0.85 + 4.5 * rims) + 5.5 * wall + across * sheet
    return body.shell * shell


def _line(distance, width, pixel):
    """Profile of a thin sheet seen edge on; no thinner than a pixel, and then fainter."""
    drawn = np.hypot(width, 0.5 * pixel)
    return width / drawn * _bell(distance, 0, drawn)


def _osteophytes(outline, x, y, side):
    """Bone mm of bony spurs at the corners of one side, x pointing to it."""
    bone = 0.0
    for corner, sign in zip(outline.corners[side > 0 :: 2] * (side, 1), (-1, 1), strict=True):
        spur = _capsule(x, y, corner - (3.0, 1.6 * sign), corner + (3.5, 1.0 * sign), 2.2, 0.8)
        bone = bone + _flat_bone(spur, 2.6, 0.12, 5) * _sigmoid((x - corner[0] + 1.0) / 0.6)
    return bone


def _lysis(outline, x, y, rng):
    """Share of bone eaten away: a few confluent holes that break through the wall."""
    hole = np.inf
    side = rng.choice([-1.0, 1.0])
    for _ in range(3):
        centre = rng.uniform((0.1, -0.6), (0.95, 0.6)) * (side * outline.half_width, outline.middle / 2)
        hole = np.minimum(hole, np.hypot(x - centre[0], y - centre[1]) - rng.uniform(4.0, 8.0))
    ragged = hole + 0.8 * _lines(rng, x + y, 3.0, x.shape) + 0.8 * _lines(rng, x - y, 3.0, x.shape)
    return _sigmoid(-ragged / 0.9)


def arch_lateral(outline, x, y, scale):
    """Project the arch of a vertebra from the side: pedicles, articular pillars, spinous process.

    Parameters
    ----------
    outline : Outline
        The body in the lateral view.
    x, y : float arrays of shape (H, W)
        Local coordinates in mm.
    scale : float
        Size of the patient; 1 is a woman of average height.

    Returns
    -------
    float array of shape (H, W)
        Compact bone along the beam, in mm.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.vertebra import Outline, arch_lateral
    >>> arch = arch_lateral(Outline(17.0, 28.0, 26.0, 27.0), np.array([[-24.0, 30.0]]), np.array([[-6.0, 0.0]]), 1.0)
    >>> bool(arch[0, 0] > 1), float(arch[0, 1])
    (True, 0.0)
    """
    back, k = -outline.half_width, scale
    top = -outline.left / 2
    pedicle = _capsule(x, y, (back + 1, top + 8 * k), (back - 9 * k, top + 8.5 * k), 6.5 * k, 5.0 * k)
    upper = _capsule(x, y, (back - 12 * k, top + 8 * k), (back - 12.5 * k, top - 5 * k), 5.0 * k, 3.2 * k)
    pars = _capsule(x, y, (back - 12 * k, top + 9 * k), (back - 18 * k, top + 21 * k), 5.0 * k, 4.6 * k)
    lower = _capsule(x, y, (back - 18 * k, top + 21 * k), (back - 17.5 * k, top + 33 * k), 5.0 * k, 3.4 * k)
    spine = _capsule(x, y, (back - 25 * k, top + 22 * k), (back - 46 * k, top + 28 * k), 7.5 * k, 8.5 * k)
    pillar = _joined(_joined(_joined(pedicle, upper, 4), pars, 4), lower, 4)
    pillar = _flat_bone(pillar, 2.6, 0.22, 7 * k) * _sigmoid((back - x + 0.5) / 0.8)
    return pillar + _flat_bone(spine, 1.3, 0.14, 3.5 * k)


def arch_front(outline, x, y, scale, missing=0):
    """Project the arch of a vertebra from the front: pedicles, lamina, spinous and transverse processes, facets.

    Parameters
    ----------
    outline : Outline
        The body in the AP view.
    x, y : float arrays of shape (H, W)
        Local coordinates in mm.
    scale : float
        Size of the patient; 1 is a woman of average height.
    missing : {-1, 0, 1}, default=0
        Side of the picture on which the pedicle is eaten away, the winking owl of a metastasis; 0 is none.

    Returns
    -------
    float array of shape (H, W)
        Compact bone along the beam, in mm.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.vertebra import Outline, arch_front
    >>> outline = Outline(22.0, 28.0, 26.0, 28.0, (3.0, 3.0))
    >>> x, y = np.array([[-14.3, 14.3]]), np.array([[-10.0, -10.0]])
    >>> bone = arch_front(outline, x, y, 1.0, missing=1)[0]
    >>> bool(bone[0] > bone[1])
    True
    """
    half, k = outline.half_width, scale
    top, u = -outline.middle / 2, np.abs(x)
    ring = np.hypot((u - 0.65 * half) / 4.6, (y - top - 9 * k) / 7.0) - k
    rings = 3.6 * _bell(ring * 5.0, -0.9, 1.3) + 1.2 * _sigmoid(-8 * ring)
    bone = np.where(np.sign(x) == missing, 0.0, rings)
    spine = _capsule(x, y, (0, top + 21 * k), (0, top + 31 * k), 2.6 * k, 4.2 * k)
    bone = bone + np.where(spine < 0, 2.0 + 3.2 * _bell(spine, -0.9, 1.2), 0.0)
    lamina = _capsule(u, y, (3 * k, top + 20 * k), (0.55 * half, top + 14 * k), 5 * k, 5 * k)
    upper = _capsule(u, y, (0.74 * half, top + 9 * k), (0.82 * half, top - 4 * k), 4.6 * k, 4.2 * k)
    lower = _capsule(u, y, (0.48 * half, top + 18 * k), (0.56 * half, top + 33 * k), 5.0 * k, 4.2 * k)
    transverse = _capsule(u, y, (0.8 * half, top + 9 * k), (half + 21 * k, top + 6 * k), 4.6 * k, 3.4 * k)
    bone += _flat_bone(_joined(lamina, lower, 4), 1.5, 0.12, 4 * k) + _flat_bone(upper, 1.6, 0.14, 4 * k)
    return bone + _flat_bone(transverse, 1.0, 0.12, 3 * k)
