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
    mean = known.sum(axis=1) / n
    centred = np.where(inside, known - mean[:, None], 0.0)
    square = centred * centred
    m2, m3 = square.sum(axis=1) / n, (square * centred).sum(axis=1) / n
    m4 = (square * square).sum(axis=1) / n
    spread = np.where(m2 == 0, 1.0, m2)
    p10, p25, p50, p75, p90 = (_percentile(values, counts, q) for q in (10, 25, 50, 75, 90))
    middle = inside & (values >= p10[:, None]) & (values <= p90[:, None])
    n_middle = middle.sum(axis=1)
    n_middle = np.where(n_middle == 0, np.nan, n_middle)
    centre = np.where(middle, known, 0.0).sum(axis=1) / n_middle
    smallest, largest = values[:, 0], np.take_along_axis(values, counts[:, None] - 1, axis=1)[:, 0]
    energy = (np.where(inside, known + shift, 0.0) ** 2).sum(axis=1)
    eps = np.spacing(1)
    return {
        "10Percentile": p10,
        "90Percentile": p90,
        "Energy": energy,
        "Entropy": -(probabilities * np.log2(probabilities + eps)).sum(axis=1),
        "InterquartileRange": p75 - p25,
        "Kurtosis": m4 / spread**2,
        "Maximum": largest,
        "MeanAbsoluteDeviation": np.abs(centred).sum(axis=1) / n,
        "Mean": mean,
        "Median": p50,
        "Minimum": smallest,
        "Range": largest - smallest,
        "RobustMeanAbsoluteDeviation": np.where(middle, np.abs(known - centre[:, None]), 0.0).sum(axis=1) / n_middle,
        "RootMeanSquared": np.sqrt(energy / n),
        "Skewness": m3 / spread**1.5,
        "TotalEnergy": energy * pixel_area,
        "Uniformity": (probabilities**2).sum(axis=1),
        "Variance": m2,
    }


def _percentile(values, counts, q):
    """Linear interpolation between order statistics, as numpy.percentile does."""
    position = (counts - 1) * (q / 100)
    below = np.floor(position).astype(int)
    above = np.minimum(below + 1, counts - 1)
    share = position - below
    low, high = (np.take_along_axis(values, index[:, None], axis=1)[:, 0] for index in (below, above))
    # numpy's lerp, which is exact at both ends.
    return np.where(share >= 0.5, high - (high - low) * (1 - share), low + (high - low) * share)
