"""What few films show: metal in a femur, clips, shields, spurs, calcified arteries, collimation, letters, bed lines."""

import numpy as np
from PIL import Image, ImageDraw

from deepradiomics.simulation.anatomy import _capsule, _sigmoid

_STEEL = 7.0  # mm of compact bone that stop as much as a mm of metal


def operate(bone, mask, femur, label, plane, kind, rng):
    """Put metal into a femur.

    Parameters
    ----------
    bone : float array of shape (H, W)
        Compact bone along each ray in mm, of this femur alone; changed in place.
    mask : uint8 array of shape (H, W)
        Label map; metal and what was sawn off are taken out of it, in place.
    femur : Femur
        Which one.
    label : int
        Its label.
    plane : tuple of callable and two float arrays
        `Beam.flat`, and x (1, W) and y down (H, 1) of each pixel in mm.
    kind : {"prosthesis", "nail", "screws"}
        A stem with head and perhaps a cup; a nail with a screw into the head; two or three screws.
    rng : numpy.random.Generator
        Draws sizes.

    Returns
    -------
    float array of shape (H, W)
        The metal along each ray, in mm of compact bone.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.rarities import operate
    >>> from deepradiomics.simulation.rays import Beam
    >>> from deepradiomics.simulation.skeleton import draw_skeleton
    >>> femur = draw_skeleton(np.random.default_rng(0)).femora["left"]
    >>> x, y = np.arange(200.0)[None], np.arange(-50.0, 250.0)[:, None]
    >>> flat, mask = Beam((300, 200), 1.0, (0.0, 50.0), (0.0, -1000.0, 0.0)).flat, np.ones((300, 200), dtype=np.uint8)
    >>> metal = operate(np.ones((300, 200)), mask, femur, 1, (flat, x, y), "nail", np.random.default_rng(0))
    >>> bool((metal > 0).any() and not mask[metal > 7].any())
    True
    """
    flat, x, y = plane
    head, shaft = flat(femur.head[0][None])[0] * (1, -1), flat(femur.shaft) * (1, -1)
    neck = np.mean([flat(ring).mean(axis=0) for ring in femur.neck_rings], axis=0) * (1, -1)
    down = (shaft[-1] - shaft[0]) / np.hypot(*(shaft[-1] - shaft[0]))
    inwards = (head - neck) / np.hypot(*(head - neck))
    elbow = shaft[0] - down * ((shaft[0] - head) @ down - rng.uniform(18, 28))  # where neck and shaft meet
    if kind == "prosthesis":
        cut = neck - inwards * rng.uniform(2, 9)
        kept = _sigmoid(-((x - cut[0]) * inwards[0] + (y - cut[1]) * inwards[1]) / 0.4)
        bone *= kept
        mask[(mask == label) & (kept < 0.5)] = 0
        radius = rng.uniform(14, 24)
        end = elbow + down * rng.uniform(110, 150)
        metal = _rod(x, y, elbow - 2 * inwards, end, rng.uniform(9, 12), rng.uniform(4, 6))
        metal = np.maximum(metal, _rod(x, y, elbow, head, 7, 6.5))
        metal = np.maximum(metal, _rod(x, y, head, head + (0.01, 0), radius, radius))
        if radius < 20:  # a small head runs in a cup
            shell = np.hypot(x - head[0], y - head[1])
            above = _sigmoid(((x - head[0]) * inwards[0] + (y - head[1]) * inwards[1] + 4) / 1.0)
            metal = metal + 2.5 * np.sqrt(np.maximum(1 - (shell / (radius + 9)) ** 2, 0)) * above
    elif kind == "nail":
        across = rng.uniform(10, 13) / 2
        metal = _rod(x, y, elbow - down * 22, elbow + down * rng.uniform(120, 320), across, across)
        metal = np.maximum(metal, _rod(x, y, elbow - 24 * inwards, head + 9 * inwards, 5, 5))
    else:
        metal = np.zeros(np.broadcast_shapes(x.shape, y.shape))
        for offset in np.linspace(-8, 8, rng.integers(2, 4)):
            aside = offset * np.array([-inwards[1], inwards[0]])
            start, end = elbow - 22 * inwards + aside, head + 6 * inwards + 0.7 * aside
            metal = metal + _rod(x, y, start, end, 3.2, 3.2) + _rod(x, y, start, start + 3 * inwards, 5, 5)
    mask[(mask == label) & (metal > 0.5)] = 0
    return _STEEL * metal


def deposits(skeleton, plane, site, rng):
    """Draw what lies beside the bones: spurs of the sockets, calcified arteries, clips, a gonad shield.

    Parameters
    ----------
    skeleton : Skeleton
        Round which they lie.
    plane : tuple of callable and two float arrays
        As in `operate`.
    site : Site
        Chances.
    rng : numpy.random.Generator
        Draws which there are, and where.

    Returns
    -------
    float array of shape (H, W)
        In mm of compact bone.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.projection import SITES
    >>> from deepradiomics.simulation.rarities import deposits
    >>> from deepradiomics.simulation.rays import Beam
    >>> from deepradiomics.simulation.skeleton import draw_skeleton
    >>> skeleton, flat = draw_skeleton(np.random.default_rng(0)), Beam((9, 9), 9.0, (0, 0), (0, -1000, 0)).flat
    >>> x, y = np.arange(-99.0, 99)[None], np.arange(-50.0, 50)[:, None]
    >>> float(deposits(skeleton, (flat, x, y), SITES["A"], np.random.default_rng(0)).max())
    0.0
    """
    flat, x, y = plane
    drawn = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.float32)
    for femur in skeleton.femora.values():
        sign = 1 if femur.side == "left" else -1
        head, radius = flat(femur.head[0][None])[0] * (1, -1), femur.head[1]
        if rng.random() < site.osteophytes:
            for angle in np.deg2rad(rng.normal((-35, 60, -75), 10)):  # at the rim of the socket, and below the head
                start = head + (radius + 3) * np.array([sign * np.cos(angle), np.sin(angle)])
                end = start + rng.uniform(2, 8) * np.array([sign * np.cos(angle - 0.6), np.sin(angle - 0.6)])
                drawn += rng.uniform(0.3, 0.8) * _rod(x, y, start, end, 4.0, 0.8)
        if rng.random() < site.calcification:  # both walls of the femoral artery, in pieces
            wave, calcium = rng.uniform(0, 6, 2), rng.uniform(0.4, 1.6)
            course = head[0] - sign * (12 + 0.14 * (y - head[1])) + 3 * np.sin(y / 25 + wave[0])
            pieces = _sigmoid(6 * (np.sin(y / 6 + wave[1]) + np.sin(y / 14 + wave[0]) - 0.3))
            walls = sum(np.exp(-(((x - course - side * 3.2) / 0.7) ** 2)) for side in (-1, 1))
            drawn += calcium * walls * pieces * (y > head[1] - 30)
    if rng.random() < site.clips:
        for _ in range(rng.integers(1, 9)):
            start, angle = rng.normal((0, -20), (80, 60)), rng.uniform(0, np.pi)
            end = start + rng.uniform(3, 9) * np.array([np.cos(angle), np.sin(angle)])
            drawn += _STEEL * _rod(x, y, start, end, 0.5, 0.5)
    if rng.random() < site.shield:  # lead, a heart or an apron's corner over the pubis
        middle, width = rng.normal((0, 20), (8, 20)), rng.uniform(35, 60)
        height = (y - middle[1]) / rng.uniform(45, 80)
        inside = width * (1 - height) / 2 * (np.abs(height) < 1) - np.abs(x - middle[0])
        drawn += 90.0 * np.clip(inside / 0.7, 0, 1)
    return drawn


def finish(picture, mask, spacing, site, rng):
    """Add what is on the film and not in the patient: lines of a grid and of the bed, collimation, a letter.

    Parameters
    ----------
    picture : float32 array of shape (H, W)
        Grey values 0..4095; changed in place.
    mask : uint8 array of shape (H, W)
        Label map; changed in place, nothing is outlined where no rays arrive.
    spacing : float
        Pixel size in mm.
    site : Site
        Chances.
    rng : numpy.random.Generator
        Draws.

    Examples
    --------
    >>> import numpy as np
    >>> from dataclasses import replace
    >>> from deepradiomics.simulation.projection import SITES
    >>> from deepradiomics.simulation.rarities import finish
    >>> picture, mask = np.full((200, 200), 900, np.float32), np.ones((200, 200), np.uint8)
    >>> finish(picture, mask, 1.0, replace(SITES["A"], collimated=1.0), np.random.default_rng(0))
    >>> bool((mask == 0).any())
    True
    """
    rows, columns = picture.shape
    y, x = np.ogrid[:rows, :columns]
    if site.grid:  # seen as beats with the raster
        turn = 2 * np.pi * x / rng.uniform(2.5, 12)
        picture += rng.uniform(0, site.grid) * 4095 * np.sin(turn) * (picture > 0)
    if rng.random() < site.bed_lines:
        for _ in range(rng.integers(1, 4)):
            away = (y - rng.uniform(0, rows) + rng.normal(0, 0.01) * x) * spacing
            picture += rng.normal(0, 60) * np.exp(-((away / rng.uniform(0.5, 3)) ** 2))
    if rng.random() < site.collimated:
        angle, far = rng.normal(0, 0.02), max(rows, columns)
        u, v = x + angle * y, y - angle * x
        sides = np.where(rng.random(4) < 0.6, rng.uniform(0.0, 0.16, 4), -1)
        sides[rng.integers(4)] = rng.uniform(0.04, 0.16)
        inside = np.minimum(
            np.minimum(u - sides[0] * columns, (1 - sides[1]) * columns - u),
            np.minimum(v - sides[2] * rows, (1 - sides[3]) * rows - v),
        )
        beam = np.clip(0.5 + inside * 512 / far / rng.uniform(0.5, 4), 0, 1)
        picture *= beam
        picture += (1 - beam) * rng.choice((0.0, rng.uniform(200, 1500), 4095.0), p=(0.5, 0.2, 0.3))
        mask[beam < 0.5] = 0
    if rng.random() < site.letter:
        image = Image.new("L", (columns, rows))
        place = rng.uniform(0.03, 0.1) * columns, rng.uniform(0.05, 0.9) * rows
        ImageDraw.Draw(image).text(place, "R", fill=255, font_size=max(6, round(rng.uniform(8, 14) / spacing)))
        np.maximum(picture, rng.uniform(0.75, 1.0) * 4095 * (np.asarray(image) / 255), out=picture)
    np.rint(np.clip(picture, 0, 4095), out=picture)


def _rod(x, y, start, end, first, last):
    """Way of each ray through a round rod whose radius changes on its way, in mm."""
    inside, wide = np.maximum(-_capsule(x, y, start, end, first, last), 0), max(first, last)
    return 2 * np.sqrt(inside * np.maximum(2 * wide - inside, 0))
