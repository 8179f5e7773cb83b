"""First-order features: grey values of a region, whatever their places."""

import numpy as np


def firstorder(values, counts, probabilities, *, shift=0.0, pixel_area=1.0):
    """Measure the distribution of grey values.

    Parameters
    ----------
    values : float array of shape (n, P)
        Grey values of each region in rising order; infinity fills up shorter rows.
    counts : int array of shape (n,)
        Number of values of each region.
    probabilities : float array of shape (n, L)
        Share of pixels at each grey level.
    shift : float, default=0.0
        Added to the values in Energy, TotalEnergy and RootMeanSquared.
    pixel_area : float array of shape (n,), default=1.0
        In mm2.

    Returns
    -------
    dict of str to float array of shape (n,)
        Features in alphabetical order, the order of pyradiomics.

    References
    ----------
    IBSI reference manual, intensity-based statistics (code UHIW) and intensity histogram (ZVCW). Kurtosis is not
    reduced by 3, as in pyradiomics 3.0.1.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.features.firstorder import firstorder
    >>> found = firstorder(np.array([[1.0, 2.0, 6.0]]), np.array([3]), np.array([[0.5, 0.5]]))
    >>> float(found["Mean"][0]), float(found["Median"][0]), round(float(found["Entropy"][0]), 6)
    (3.0, 2.0, 1.0)
    """
    n = counts.astype(float)
    inside = np.arange(values.shape[1]) < counts[:, None]
    known = np.where(inside, values, 0.0)
    total = known.sum(axis=1)
    mean = total / n
    centred = (known - mean[:, None]) * inside
    square = centred * centred
    m2, m3, m4 = (np.einsum("np,np->n", square, other) / n for other in (inside, centred, square))
    spread = np.where(m2 == 0, 1.0, m2)
    p10, p25, p50, p75, p90 = (_percentile(values, counts, q) for q in (10, 25, 50, 75, 90))
    energy = np.einsum("np,np->n", known, known) + shift * (2 * total + n * shift)
    mean_deviation, robust_deviation = _absolute_deviations(values, centred, counts, p10, p90)
    smallest, largest = values[:, 0], np.take_along_axis(values, counts[:, None] - 1, axis=1)[:, 0]
    eps = np.spacing(1)
    return {
        "10Percentile": p10,
        "90Percentile": p90,
        "Energy": energy,
        "Entropy": -(probabilities * np.log2(probabilities + eps)).sum(axis=1),
        "InterquartileRange": p75 - p25,
        "Kurtosis": m4 / spread**2,
        "Maximum": largest,
        "MeanAbsoluteDeviation": mean_deviation,
        "Mean": mean,
        "Median": p50,
        "Minimum": smallest,
        "Range": largest - smallest,
        "RobustMeanAbsoluteDeviation": robust_deviation,
        "RootMeanSquared": np.sqrt(energy / n),
        "Skewness": m3 / spread**1.5,
        "TotalEnergy": energy * pixel_area,
        "Uniformity": (probabilities**2).sum(axis=1),
        "Variance": m2,
    }


def _absolute_deviations(values, centred, counts, p10, p90):
    """Mean absolute deviation of all values, and of those from the 10th to the 90th percentile.

    In a row that rises, what lies below a centre is one piece, so sums up to a place are enough.
    """
    sums = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(centred, axis=1, out=sums[:, 1:])
    found = np.empty((2, len(values)))
    for row, (own, total, count) in enumerate(zip(values, sums, counts, strict=True)):
        own = own[:count]
        first, last = np.searchsorted(own, p10[row]), np.searchsorted(own, p90[row], side="right")
        found[0, row] = _deviation(centred[row, :count], total, 0, count)
        found[1, row] = _deviation(centred[row, :count], total, first, last)
    return found


def _deviation(values, sums, first, last):
    """Mean absolute deviation of values[first:last], which rise, from their mean; NaN of none."""
    if last <= first:
        return np.nan
    mean = (sums[last] - sums[first]) / (last - first)
    middle = min(max(int(np.searchsorted(values, mean)), first), last)
    above = sums[last] - sums[middle] - mean * (last - middle)
    below = sums[middle] - sums[first] - mean * (middle - first)
    return (above - below) / (last - first)


def _percentile(values, counts, q):
    """Linear interpolation between order statistics, as numpy.percentile does."""
    position = (counts - 1) * (q / 100)
    below = np.floor(position).astype(int)
    above = np.minimum(below + 1, counts - 1)
    share = position - below
    low, high = (np.take_along_axis(values, index[:, None], axis=1)[:, 0] for index in (below, above))
    # numpy's lerp, which is exact at both ends.
    return np.where(share >= 0.5, high - (high - low) * (1 - share), low + (high - low) * share)
