"""Whether probabilities mean what they say."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from deepradiomics.metrics._inputs import check_probabilities
from deepradiomics.metrics.intervals import wilson

# Probabilities of exactly 0 and 1 have no logit; this is the nearest that is used.
EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well probabilities agree with what happened.

    Parameters
    ----------
    brier : float
        Mean squared difference of probability and outcome; 0 is perfect.
    intercept : float
        Calibration in the large: 0 is right, below 0 the probabilities are too high on the whole (log odds).
    slope : float
        1 is right, below 1 the probabilities are too extreme.
    ici : float
        Integrated calibration index: mean distance of the probability to the smoothed share of events.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics import calibration_measures
    >>> probability = np.repeat([0.2, 0.5, 0.8], 10)
    >>> y = np.concatenate([np.arange(10) < n for n in (2, 5, 8)])
    >>> result = calibration_measures(y, probability)
    >>> round(result.brier, 3), abs(round(result.intercept, 3)), round(result.slope, 3)
    (0.19, 0.0, 1.0)
    """

    brier: float
    intercept: float
    slope: float
    ici: float


def calibration_measures(y, probability):
    """Compute Brier score, calibration intercept and slope, and the integrated calibration index.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of two classes; the larger one is the event.
    probability : array-like of shape (n_samples,)
        Predicted probability of the event, 0 to 1.

    Returns
    -------
    Calibration
        The four numbers. The slope is NaN where all probabilities are equal, and infinite where they separate the
        classes.

    Raises
    ------
    InputError
        If lengths differ, there are not two classes, or a probability is not within 0..1.

    Notes
    -----
    The slope is that of a logistic regression of the outcome on the log odds; the intercept is fitted with the slope
    held at 1. The index smooths the outcome by a local linear regression with tricube weights over the nearest 75 % of
    the rows (Austin and Steyerberg use a local quadratic one).

    References
    ----------
    Van Calster B, McLernon DJ, van Smeden M, et al. Calibration: the Achilles heel of predictive analytics. BMC
    Medicine 2019;17:230.
    Austin PC, Steyerberg EW. The Integrated Calibration Index (ICI) and related metrics for quantifying the calibration
    of logistic regression models. Statistics in Medicine 2019;38:4051-4065.

    Examples
    --------
    >>> from deepradiomics.metrics import calibration_measures
    >>> round(calibration_measures([0, 0, 1, 0, 1, 1], [0.1, 0.3, 0.4, 0.6, 0.7, 0.9]).brier, 3)
    0.153
    """
    event, probability = check_probabilities(y, probability)
    intercept, _, slope = calibration_line(event, probability)
    return Calibration(
        brier=float(np.mean((probability - event) ** 2)),
        intercept=intercept,
        slope=slope,
        ici=float(np.mean(np.abs(smoothed_events(event, probability) - probability))),
    )


def calibration_line(event, probability):
    """Fit the log odds of what happened on those of the probabilities.

    Parameters
    ----------
    event : bool array of shape (n_samples,)
        Whether the event happened.
    probability : float array of shape (n_samples,)
        Predicted probabilities.

    Returns
    -------
    intercept : float
        With the slope held at 1.
    offset, slope : float
        Both fitted. The slope is NaN where all probabilities are equal, and infinite where they separate the classes;
        the offset is NaN then.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics.calibration import calibration_line
    >>> calibration_line(np.arange(4) < 2, np.array([0.9, 0.4, 0.6, 0.1]))[2] > 0
    True
    """
    odds = logit(np.clip(probability, EDGE, 1 - EDGE))
    intercept = float(_logistic_fit(np.ones((len(odds), 1)), event, offset=odds)[0])
    if np.ptp(odds) == 0:
        return intercept, np.nan, np.nan
    # Touching at one value is separation, too: the likelihood has no maximum.
    if odds[event].min() >= odds[~event].max():
        return intercept, np.nan, np.inf
    if odds[event].max() <= odds[~event].min():
        return intercept, np.nan, -np.inf
    offset, slope = _logistic_fit(np.column_stack([np.ones_like(odds), odds]), event)
    return intercept, float(offset), float(slope)


def calibration_curve(y, probability, *, n_bins=10, level=0.95):
    """Compare predicted probabilities with the share of events, in groups of equal size.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of two classes; the larger one is the event.
    probability : array-like of shape (n_samples,)
        Predicted probability of the event, 0 to 1.
    n_bins : int, default=10
        Number of groups; groups that equal probabilities make indistinguishable are merged.
    level : float, default=0.95
        Confidence level of the Wilson intervals.

    Returns
    -------
    DataFrame
        One row a group: ``predicted`` (mean probability), ``observed`` (an `Interval`), ``n``.

    Raises
    ------
    InputError
        If lengths differ, there are not two classes, or a probability is not within 0..1.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics import calibration_curve
    >>> y = np.concatenate([np.arange(10) < n for n in (2, 8)])
    >>> calibration_curve(y, np.repeat([0.2, 0.7], 10), n_bins=2)
       predicted           observed   n
    0        0.2  0.20 [0.06, 0.51]  10
    1        0.7  0.80 [0.49, 0.94]  10
    """
    event, probability = check_probabilities(y, probability)
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, n_bins + 1)[1:-1]))
    groups = np.searchsorted(edges, probability, side="left")
    rows = [
        (probability[groups == g].mean(), wilson(int(event[groups == g].sum()), int((groups == g).sum()), level))
        for g in np.unique(groups)
    ]
    counts = np.unique(groups, return_counts=True)[1]
    return pd.DataFrame(rows, columns=["predicted", "observed"]).assign(n=counts)


def smoothed_events(event, probability, *, span=0.75, n_points=400):
    """Smooth the share of events over the predicted probability.

    Parameters
    ----------
    event : bool array of shape (n_samples,)
        Whether the event happened.
    probability : float array of shape (n_samples,)
        Predicted probabilities.
    span : float, default=0.75
        Share of the rows whose outcome each point is smoothed over.
    n_points : int, default=400
        Points at which the curve is fitted at most; between them it is interpolated.

    Returns
    -------
    float array of shape (n_samples,)
        The smoothed share of events at each row's probability.

    References
    ----------
    Cleveland WS. Robust locally weighted regression and smoothing scatterplots. JASA 1979;74:829-836.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics.calibration import smoothed_events
    >>> smoothed_events(np.array([False, True, True]), np.array([0.5, 0.5, 0.5])).round(2)
    array([0.67, 0.67, 0.67])
    """
    points = np.unique(probability)
    if len(points) > n_points:
        points = np.unique(np.quantile(probability, np.linspace(0, 1, n_points)))
    n_near = max(int(span * len(probability) + 1e-10), 2)
    curve = [_local_line(point, probability, event, n_near) for point in points]
    return np.interp(probability, points, curve)


def _local_line(point, x, y, n_near):
    """Value at a point of the line fitted to its nearest rows with tricube weights."""
    distance = np.abs(x - point)
    reach = np.partition(distance, n_near - 1)[n_near - 1]
    weight = np.clip(1 - (distance / reach) ** 3, 0, None) ** 3 if reach > 0 else (distance == 0).astype(float)
    mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
    spread = (weight * (x - mean_x) ** 2).sum()
    slope = (weight * (x - mean_x) * y).sum() / spread if spread > 1e-12 * weight.sum() else 0.0
    return mean_y + slope * (point - mean_x)


def _logistic_fit(design, event, offset=0.0, n_steps=100):
    """Maximum likelihood by Newton's method: design (n_samples, n_terms) -> coefficients (n_terms,)."""
    coefficients = np.zeros(design.shape[1])
    for _ in range(n_steps):
        fitted = expit(design @ coefficients + offset)
        hessian = (design * (fitted * (1 - fitted))[:, None]).T @ design
        step = np.linalg.lstsq(hessian, design.T @ (event - fitted), rcond=None)[0]
        # Half-way where the step overshoots: a log odds of 5 is a factor of 150.
        coefficients += step * min(1.0, 5.0 / max(np.abs(step).max(), 1e-12))
        if np.abs(step).max() < 1e-10:
            break
    return coefficients
