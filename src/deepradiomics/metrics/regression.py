"""Predicted numbers against measured ones, such as the T-score: error, bias, agreement, intervals of prediction."""

import numpy as np

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import check_row
from deepradiomics.metrics.bootstrap import resampled_sums
from deepradiomics.metrics.intervals import Interval, check_level

MEASURES = ("mae", "bias", "limit_low", "limit_high", "pearson", "concordance", "slope", "intercept")


def regression_measures(y, predicted, *, groups=None, level=0.95, n_resamples=2000, random_state=None):
    """Compute error, bias, limits of agreement, correlations and calibration of predicted numbers, with intervals.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Measured values.
    predicted : array-like of shape (n_samples,)
        Predictions, in the same unit.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row; None takes rows for independent.
    level : float, default=0.95
        Confidence level, between 0 and 1.
    n_resamples : int, default=2000
        Resamples of patients behind the intervals.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    dict of str to Interval
        ``mae``; ``bias`` (mean of predicted less measured); ``limit_low`` and ``limit_high`` (Bland and Altman: bias
        less and plus 1.96 standard deviations of the differences); ``pearson``; ``concordance`` (Lin); ``slope`` and
        ``intercept`` of the line of measured on predicted values (1 and 0 are right).

    Raises
    ------
    InputError
        If lengths differ, a value is not finite, or there are fewer than three rows.

    References
    ----------
    Bland JM, Altman DG. Statistical methods for assessing agreement between two methods of clinical measurement.
    Lancet 1986;1:307-310.
    Lin LI. A concordance correlation coefficient to evaluate reproducibility. Biometrics 1989;45:255-268.

    Examples
    --------
    >>> from deepradiomics.metrics import regression_measures
    >>> found = regression_measures([-1.0, -2.0, -3.0, 0.0], [-1.5, -2.0, -2.5, -0.5], random_state=0)
    >>> float(found["mae"]), float(found["bias"]), round(float(found["slope"]), 2)
    (0.375, -0.125, 1.49)
    """
    check_level(level)
    check_same_rows("y", y, predicted=predicted, groups=groups)
    predicted = check_row(predicted, np.size(y), "predictions")
    y = check_row(y, len(predicted), "measured values")
    if len(y) < 3:
        raise InputError(f"{len(y)} rows; agreement needs three at least")
    drawn = resampled_sums(
        moments(y, predicted),
        np.arange(len(y)) if groups is None else groups,
        n_resamples=n_resamples,
        random_state=random_state,
    )
    ends = [(1 - level) / 2, (1 + level) / 2]
    found = measures_of_moments(drawn)
    return {
        name: Interval(float(values[0]), *np.nanquantile(values[1:], ends).tolist()) for name, values in found.items()
    }


def moments(y, predicted):
    """Return what the measures are sums of.

    Parameters
    ----------
    y, predicted : float arrays of shape (n_samples,)
        Measured and predicted values.

    Returns
    -------
    float array of shape (n_samples, 7)
        1, y, p, y squared, p squared, y times p, and the absolute difference.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics.regression import moments
    >>> moments(np.array([2.0]), np.array([3.0])).tolist()
    [[1.0, 2.0, 3.0, 4.0, 9.0, 6.0, 1.0]]
    """
    return np.stack([np.ones_like(y), y, predicted, y**2, predicted**2, y * predicted, np.abs(predicted - y)], axis=1)


def measures_of_moments(sums):
    """Compute the measures from sums of moments.

    Parameters
    ----------
    sums : float array of shape (n_resamples, 7)
        Sums of `moments`.

    Returns
    -------
    dict of str to float array of shape (n_resamples,)
        The measures by name; NaN where nothing varies.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics.regression import measures_of_moments, moments
    >>> y = np.array([1.0, 2.0, 4.0])
    >>> measures_of_moments(moments(y, y + 1).sum(axis=0)[None])["bias"].tolist()
    [1.0]
    """
    n, y, p, yy, pp, yp, absolute = sums.T
    mean_y, mean_p = y / n, p / n
    var_y, var_p, cov = yy / n - mean_y**2, pp / n - mean_p**2, yp / n - mean_y * mean_p
    bias = mean_p - mean_y
    spread = 1.96 * np.sqrt(np.maximum(var_y + var_p - 2 * cov, 0) * n / (n - 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(var_p > 1e-12, cov / var_p, np.nan)
        pearson = np.where((var_p > 1e-12) & (var_y > 1e-12), cov / np.sqrt(var_y * var_p), np.nan)
        concordance = 2 * cov / (var_y + var_p + bias**2)
    values = (absolute / n, bias, bias - spread, bias + spread, pearson, concordance, slope, mean_y - slope * mean_p)
    return dict(zip(MEASURES, values, strict=True))


def conformal_radius(errors, groups=None, level=0.95):
    """Find the radius round a prediction that holds the measured value of a new patient with a given probability.

    Parameters
    ----------
    errors : array-like of shape (n_samples,)
        Predicted less measured, of rows that the model was not fitted on.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row; each patient counts once, however many rows there are.
    level : float, default=0.95
        Probability to reach, between 0 and 1.

    Returns
    -------
    float
        The radius, in the unit of the errors; infinite where there are too few patients for the level.

    References
    ----------
    Vovk V. Cross-conformal predictors. Ann Math Artif Intell 2015;74:9-28.
    Dunn R, Wasserman L, Ramdas A. Distribution-free prediction sets for two-layer hierarchical models. JASA
    2023;118:2491-2502.

    Examples
    --------
    >>> from deepradiomics.metrics import conformal_radius
    >>> conformal_radius([0.1, -0.4, 0.2, 0.3], level=0.8)
    0.4
    >>> conformal_radius([0.1, -0.4, 0.2, 0.3], level=0.95)
    inf
    """
    check_level(level)
    check_same_rows("errors", errors, groups=groups)
    size = np.abs(check_row(errors, np.size(errors), "errors"))
    codes = np.unique(np.arange(len(size)) if groups is None else np.asarray(groups), return_inverse=True)[1]
    counts = np.bincount(codes)
    order = np.argsort(size, kind="stable")
    reached = np.cumsum(1 / counts[codes[order]]) / (len(counts) + 1)
    enough = np.flatnonzero(reached >= level - 1e-12)
    return float(size[order][enough[0]]) if len(enough) else np.inf
