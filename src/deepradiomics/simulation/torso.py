"""What lies round the lumbar spine: ribs, pelvis, sacrum, muscles, bowel gas, lungs."""

import numpy as np
from scipy import ndimage

from deepradiomics.simulation.anatomy import _bell, _capsule, _enlarged, _flat_bone, _joined, _sigmoid


def bones_front(pose, sacrum, thorax, rng, n_ribs=2):
    """Project ribs, iliac wings and sacrum from the front.

    Parameters
    ----------
    pose : object
        Has ``shape``, and ``x`` (1, W) and ``y`` (H, 1) in mm from the middle between L2 and L3.
    sacrum, thorax : float
        Height of the middle of S1 and of T12 in mm.
    rng : numpy.random.Generator
        Draws the ribs.
    n_ribs : int, default=2
        Pairs of ribs, from the twelfth upwards.

    Returns
    -------
    float array of shape (H, W)
        Compact bone along the beam, in mm.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from deepradiomics.simulation.torso import bones_front
    >>> y, x = np.ogrid[-120:170.0, -100:100.0]
    >>> bone = bones_front(SimpleNamespace(shape=(290, 200), x=x, y=y), 110.0, -110.0, np.random.default_rng(0))
    >>> bool(bone[235, 100] > 1), float(bone[150, 100])
    (True, 0.0)
    """
    x, y = pose.x[:, ::2], pose.y[::2]
    u = np.abs(x)
    wing = _joined(
        _capsule(u, y, (62, sacrum + 24), (104, sacrum - 20), 20, 34),
        _capsule(u, y, (58, sacrum + 30), (70, sacrum + 90), 22, 30),
        14,
    )
    bone = _flat_bone(wing, 2.4, 0.10, 13)
    bone += _flat_bone(
        _joined(
            _capsule(x, y, (-34, sacrum + 2), (34, sacrum + 2), 17, 17),
            _capsule(x, y, (0, sacrum + 10), (0, sacrum + 80), 40, 16),
            10,
        ),
        1.5,
        0.10,
        24,
    )
    for depth in (22, 44):
        bone -= 3.0 * _bell(np.hypot((u - 24 + 0.1 * depth) / 6.0, (y - sacrum - depth) / 4.5), 0, 0.9)
    ribs = ((rng.uniform(45, 95), 0.40), (130, 0.20), *(n_ribs - 2) * [(150, 0.15)])
    for rib, (length, drop) in enumerate(ribs):
        spread = rng.uniform(-6, 6)
        for side in (-1, 1):
            start = side * x - 24
            bent = y - thorax + 6 + 34 * rib - drop * start - 0.003 * np.maximum(start, 0) ** 2
            end = np.maximum(np.maximum(start - length - side * spread, -start), 0)
            rod = np.hypot(bent, end) - 5.5
            bone += _flat_bone(rod, 1.3, 0.13, 4)
    return _whole(np.maximum(bone, 0), pose.shape)


def bones_lateral(pose, rng):
    """Project ribs, iliac wings and sacrum from the side.

    Parameters
    ----------
    pose : object
        Has ``shape``, ``x`` (1, W), ``y`` (H, 1) and ``frames``, the centre (x, y) and tilt of each vertebra from T11
        to S1.
    rng : numpy.random.Generator
        Draws the ribs.

    Returns
    -------
    float array of shape (H, W)
        Compact bone along the beam, in mm.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from deepradiomics.simulation.torso import bones_lateral
    >>> y, x = np.ogrid[-120:170.0, -120:100.0]
    >>> frames = [(9.0, -120.0, -0.3), (0.0, -90.0, -0.2), *6 * [(0.0, 110.0, 0.7)]]
    >>> pose = SimpleNamespace(shape=(290, 220), x=x, y=y, frames=frames)
    >>> float(bones_lateral(pose, np.random.default_rng(0)).min())
    0.0
    """
    x, y = pose.x[:, ::2], pose.y[::2]
    (sx, sy, tilt), (tx, ty, _) = pose.frames[-1], pose.frames[-7]
    down, across = np.array([-np.sin(tilt), np.cos(tilt)]), np.array([np.cos(tilt), np.sin(tilt)])
    first = (sx, sy) + 14 * down - 4 * across
    second, third = first + 34 * down - 4 * across, first + 62 * down + 4 * across
    sacrum = _joined(_capsule(x, y, first, second, 15, 10), _capsule(x, y, second, third, 10, 7), 6)
    crest = (sx, sy) - 30 * down - 16 * across
    bone = _flat_bone(sacrum, 2.2, 0.10, 24)
    for _ in range(2):
        top = crest + rng.normal(0, 3, 2)
        wing = _joined(
            _capsule(x, y, (top[0] - 26, top[1] + 26), (top[0] + 12, top[1] + 22), 16, 17),
            _capsule(x, y, (top[0], top[1] + 40), (top[0] + 14, top[1] + 110), 22, 30),
            16,
        )
        bone += _flat_bone(wing, 1.7, 0.05, 10)
        for rib in range(len(pose.frames) - 6):
            start = np.array([tx - 28 - 3 * max(rib - 1, 0), ty - 2 - 32 * rib]) + rng.normal(0, 3, 2)
            reach = rng.uniform(45, 70) + 40 * min(rib, 2)
            rod = _capsule(x, y, start, start + (reach, 0.75 * reach), 4.6, 3.4)
            bone += _flat_bone(rod, 1.1, 0.10, 3.5)
    return _whole(bone, pose.shape)


def tissue_front(pose, weight, rng, *, lungs=False):
    """Soft tissue along the beam from the front: belly, psoas muscles, bowel gas.

    Parameters
    ----------
    pose : object
        Has ``shape``, ``x`` (1, W) and ``y`` (H, 1).
    weight : float
        In kg.
    rng : numpy.random.Generator
        Draws unevenness and gas.
    lungs : bool, default=False
        Whether the picture reaches up to the lungs.

    Returns
    -------
    float array of shape (H, W)
        In mm.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from deepradiomics.simulation.torso import tissue_front
    >>> y, x = np.ogrid[-120:170.0, -100:100.0]
    >>> pose = SimpleNamespace(shape=(290, 200), x=x, y=y)
    >>> bool(tissue_front(pose, 100.0, np.random.default_rng(0)).mean() > 200)
    True
    """
    x, y = pose.x[:, ::2], pose.y[::2]
    tissue = (172 + 1.6 * (weight - 62)) * np.sqrt(np.clip(1 - (x / 185) ** 2, 0.05, 1)) + 0.08 * y
    edge = 26 + 0.22 * np.clip(y + 50, 0, 190)
    tissue = tissue + 13 * _sigmoid((edge - np.abs(x)) / 2.0) * _sigmoid((y + 60) / 12)
    for side in (-1, 1) if lungs else ():  # lungs above the domes of the diaphragm
        dome = rng.uniform(-165, -105) + 0.006 * (side * x - 70) ** 2
        lung = _sigmoid((dome - y) / 3.0) * _sigmoid((side * x - 22) / 6.0)
        tissue = tissue * (1 - rng.uniform(0.3, 0.55) * lung)
    return _whole(tissue + _uneven(tissue.shape, rng) - 26 * _gas(x, y, rng, (-95, 95)), pose.shape)


def tissue_lateral(pose, weight, rng):
    """Soft tissue along the beam from the side: trunk, back muscles, lungs above the diaphragm, bowel gas.

    Parameters
    ----------
    pose : object
        Has ``shape``, ``x`` (1, W), ``y`` (H, 1) and ``frames``, the centre (x, y) and tilt of each vertebra from T11
        to S1.
    weight : float
        In kg.
    rng : numpy.random.Generator
        Draws unevenness, diaphragm and gas.

    Returns
    -------
    float array of shape (H, W)
        In mm.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from deepradiomics.simulation.torso import tissue_lateral
    >>> y, x = np.ogrid[-120:170.0, -120:100.0]
    >>> frames = [(9.0, -120.0, -0.3), (0.0, -90.0, -0.2), *6 * [(0.0, 110.0, 0.7)]]
    >>> pose = SimpleNamespace(shape=(290, 220), x=x, y=y, frames=frames)
    >>> tissue = tissue_lateral(pose, 62.0, np.random.default_rng(0))
    >>> bool(tissue[5, 150] < tissue[150, 150])
    True
    """
    x, y, (tx, ty, _) = pose.x[:, ::2], pose.y[::2], pose.frames[-7]
    trunk = np.sqrt(np.clip(1 - ((x - 25) / 165) ** 2, 0.04, 1))
    tissue = (235 + 1.5 * (weight - 62)) * trunk * (1 + 0.0012 * np.clip(y, -40, 200))
    for _ in range(2):
        dome = ty + rng.uniform(-30, 0) + 0.0022 * (x - tx - 45) ** 2
        tissue = tissue - 30 * _sigmoid((dome - y) / 1.5) * (0.6 + 0.4 * _sigmoid((x - tx + 40) / 10))
    return _whole(tissue + _uneven(tissue.shape, rng) - 34 * _gas(x, y, rng, (30, 110)), pose.shape)


def _uneven(shape, rng):
    """Slow and not so slow changes of soft tissue, of mean 0, in mm."""
    tissue = 0.0
    for knots, size in ((7, 4.0), (22, 2.5), (48, 2.2), (110, 2.0)):
        tissue = tissue + _enlarged(rng.normal(0, size, (knots, knots)), shape)
    return ndimage.gaussian_filter(tissue, max(shape) / 320)


def _gas(x, y, rng, columns):
    """Gas in the bowel, a share of the deepest: blobs with a soft edge, between two columns in mm."""
    gas = np.zeros((y.size, x.size))
    for _ in range(rng.poisson(8)):
        dx, dy = x - rng.uniform(*columns), y - rng.uniform(-65, 145)
        a, b, turn = rng.uniform(5, 15), rng.uniform(5, 11), rng.uniform(0, np.pi)
        along, across = np.cos(turn) * dx + np.sin(turn) * dy, np.cos(turn) * dy - np.sin(turn) * dx
        gas += rng.uniform(0.3, 1) * np.sqrt(np.maximum(1 - (along / a) ** 2 - (across / b) ** 2, 0))
    return ndimage.gaussian_filter(gas, 1.2 / float(y[1, 0] - y[0, 0]))


def _whole(coarse, shape):
    """Bring a picture drawn at half resolution to the full one."""
    return np.ascontiguousarray(_enlarged(coarse, [2 * n for n in coarse.shape])[: shape[0], : shape[1]])
