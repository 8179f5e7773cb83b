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
    """Measure the distribution of grey values: {feature: array (n,)} in pyradiomics' order.

    statistics : float (n, 15), as `STATISTICS` lists them; the robust deviation is that of the values from the 10th to
    the 90th percentile. probabilities : fraction of pixels at each gray level (n, L). shift : added to the values in
    Energy, TotalEnergy and RootMeanSquared. pixel_area : in mm2. excess : whether 3 is taken from Kurtosis, as the IBSI
    does.

    IBSI reference manual, intensity-based statistics (code UHIW) and intensity histogram (ZVCW).
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
