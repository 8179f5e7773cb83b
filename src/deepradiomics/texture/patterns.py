"""Local binary patterns: which points on a circle round a pixel are at least as bright as it is."""

import math

import numpy as np


def local_binary_pattern(pixels, *, spacing=(1.0, 1.0), lbp2d_radius=1, lbp2d_samples=8, lbp2d_method="uniform"):
    """Code each pixel by which points on a circle round it are at least as bright.

    Parameters
    ----------
    pixels : float64 array of shape (H, W)
        Grey values; outside the image they count as 0.
    spacing : tuple of two floats, default=(1.0, 1.0)
        Not used: the radius is in pixels.
    lbp2d_radius : float, default=1
        Radius of the circle in pixels.
    lbp2d_samples : int, default=8
        Number of points P on the circle, interpolated bilinearly.
    lbp2d_method : str, default="uniform"
        ``"default"``: the bits as a number; ``"ror"``: the smallest such number over all rotations; ``"uniform"``:
        the number of set bits where at most two changes occur along the circle, else P + 1; ``"var"``: the variance
        of the points' grey values, NaN where it is 0.

    Returns
    -------
    dict of {str: float64 array of shape (H, W)}
        ``{"lbp-2D": image}``.

    References
    ----------
    Ojala T, Pietikäinen M, Mäenpää T. Multiresolution gray-scale and rotation invariant texture classification with
    local binary patterns. IEEE TPAMI 2002;24(7):971-987. As in scikit-image, which pyradiomics calls, the change
    between the last and the first point is not counted.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.patterns import local_binary_pattern
    >>> local_binary_pattern(np.array([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]))["lbp-2D"][1, 1]
    np.float64(0.0)
    """
    points = circle_points(pixels, lbp2d_radius, lbp2d_samples)
    if lbp2d_method == "var":
        variance = (np.sum(points**2, axis=0) - np.sum(points, axis=0) ** 2 / lbp2d_samples) / lbp2d_samples
        return {"lbp-2D": np.where(variance == 0, np.nan, variance)}
    bits = (points - pixels >= 0).astype(np.int64)
    if lbp2d_method == "uniform":
        changes = np.count_nonzero(np.diff(bits, axis=0), axis=0)
        code = np.where(changes <= 2, bits.sum(axis=0), lbp2d_samples + 1)
    else:
        code = np.tensordot(1 << np.arange(lbp2d_samples), bits, axes=1)
    if lbp2d_method == "ror":
        turned = [(code >> k) | ((code & ((1 << k) - 1)) << (lbp2d_samples - k)) for k in range(lbp2d_samples)]
        code = np.min(turned, axis=0)
    return {"lbp-2D": code.astype(np.float64)}


def circle_points(pixels, radius, samples):
    """Interpolate the grey values on a circle round each pixel.

    Parameters
    ----------
    pixels : float64 array of shape (H, W)
        Grey values; outside the image they count as 0.
    radius : float
        Radius in pixels.
    samples : int
        Number of points; the first lies to the right, the others follow counter-clockwise.

    Returns
    -------
    float64 array of shape (samples, H, W)
        The grey value of each point.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.patterns import circle_points
    >>> circle_points(np.array([[1.0, 2.0, 3.0]]), radius=1, samples=2)[:, 0, 1]
    array([3., 1.])
    """
    angles = 2 * np.pi * np.arange(samples) / samples
    margin = math.ceil(radius) + 1
    padded = np.pad(pixels, margin)
    places = [np.arange(size, dtype=float) for size in pixels.shape]
    # Five decimals, as in scikit-image: points that lie on a pixel but for rounding are that pixel.
    offsets = zip(np.round(-radius * np.sin(angles), 5), np.round(radius * np.cos(angles), 5), strict=True)
    return np.stack([_between(padded, margin, places[0] + row, places[1] + column) for row, column in offsets])


def _between(padded, margin, rows, columns):
    """Interpolate an array bilinearly at (rows, columns), which are fractional and count from behind its margin.

    The shares are those of each row and column with its own rounding, as in scikit-image: codes hang on it, since whole
    grey values are often equal to the centre but for the last bit.
    """
    tops, lefts = np.floor(rows), np.floor(columns)
    down, right = (rows - tops)[:, None], columns - lefts
    top, left = tops.astype(int) + margin, lefts.astype(int) + margin
    bottom, side = np.ceil(rows).astype(int) + margin, np.ceil(columns).astype(int) + margin
    upper = (1 - right) * padded[np.ix_(top, left)] + right * padded[np.ix_(top, side)]
    lower = (1 - right) * padded[np.ix_(bottom, left)] + right * padded[np.ix_(bottom, side)]
    return (1 - down) * upper + down * lower
