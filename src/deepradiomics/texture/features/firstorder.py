"""First-order features: grey values of a region, whatever their places."""

import numpy as np
from array_api_compat import array_namespace

# What the kernels read off the grey values of a region; the rest are formulas.
STATISTICS = (
    "count",
    "minimum",
    "maximum",
    "mean",
    "squares",
    "variance",
    "third_moment",
    "fourth_moment",
    "absolute_deviation",
    "p10",
    "p25",
    "p50",
    "p75",
    "p90",
    "robust_absolute_deviation",
)


def firstorder(statistics, probabilities, *, shift=0.0, pixel_area=1.0, excess=False):
    """Measure the distribution of grey values.

    Parameters
    ----------
    statistics : float array of shape (n, 15)
        Number, range, mean, sum of squares, central moments, mean absolute deviation, percentiles and the mean
        absolute deviation of the values from the 10th to the 90th percentile, as `STATISTICS` lists them.
    probabilities : float array of shape (n, L)
        Share of pixels at each grey level.
    shift : float, default=0.0
        Added to the values in Energy, TotalEnergy and RootMeanSquared.
    pixel_area : float array of shape (n,), default=1.0
        In mm2.
    excess : bool, default=False
        Whether 3 is taken from Kurtosis, as the IBSI does and pyradiomics does not.

    Returns
    -------
    dict of str to float array of shape (n,)
        Features in alphabetical order, the order of pyradiomics.

    References
    ----------
    IBSI reference manual, intensity-based statistics (code UHIW) and intensity histogram (ZVCW).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture._levels import gray_statistics
    >>> from deepradiomics.texture.features.firstorder import firstorder
    >>> found = firstorder(gray_statistics([np.array([1.0, 2.0, 6.0])]), np.array([[0.5, 0.5]]))
    >>> float(found["Mean"][0]), float(found["Median"][0]), round(float(found["Entropy"][0]), 6)
    (3.0, 2.0, 1.0)
    """
    xp = array_namespace(statistics)
    s = dict(zip(STATISTICS, statistics.T, strict=True))
    variance = s["variance"]
    spread = xp.where(variance == 0, 1.0, variance)
    energy = s["squares"] + shift * s["count"] * (2 * s["mean"] + shift)
    return {
        "10Percentile": s["p10"],
        "90Percentile": s["p90"],
        "Energy": energy,
        "Entropy": -(probabilities * xp.log2(probabilities + np.spacing(1))).sum(axis=1),
        "InterquartileRange": s["p75"] - s["p25"],
        "Kurtosis": xp.where(variance == 0, 0.0, s["fourth_moment"] / spread**2 - (3.0 if excess else 0.0)),
        "Maximum": s["maximum"],
        "MeanAbsoluteDeviation": s["absolute_deviation"],
        "Mean": s["mean"],
        "Median": s["p50"],
        "Minimum": s["minimum"],
        "Range": s["maximum"] - s["minimum"],
        "RobustMeanAbsoluteDeviation": s["robust_absolute_deviation"],
        "RootMeanSquared": xp.sqrt(energy / s["count"]),
        "Skewness": s["third_moment"] / spread**1.5,
        "TotalEnergy": energy * pixel_area,
        "Uniformity": (probabilities**2).sum(axis=1),
        "Variance": variance,
    }
