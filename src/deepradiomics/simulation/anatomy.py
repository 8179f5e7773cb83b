"""Shapes in a plane, in mm: signed distances, thick lines, noise along them."""

import numpy as np


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
    # Chords below the surface of a cylinder; the full width beyond its axis.
    inside = np.minimum(depth, half_thickness)
    chord = 2 * np.sqrt(np.maximum(2 * half_thickness * inside - inside**2, 0))
    return np.where(distance < 0, shell * (0.5 + np.exp(-depth / 1.5)) + fraction * chord, 0.0)


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


def _enlarged(picture, shape):
    """Bring a picture to a larger shape, linearly between the centers of its pixels.

    As ``scipy.ndimage.zoom(order=1, grid_mode=True, mode="nearest")``, which took a tenth of the time of make_hips.
    """
    for axis, length in enumerate(shape):
        held = picture.shape[axis]
        places = np.clip((np.arange(length) + 0.5) * held / length - 0.5, 0, held - 1)
        low = places.astype(int)
        share = np.expand_dims((places - low).astype(picture.dtype), 1 - axis)
        first = picture.take(low, axis)
        picture = first + share * (picture.take(np.minimum(low + 1, held - 1), axis) - first)
    return picture
