"""Another hospital: probabilities brought back to its patients, and how many of them that takes."""

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.utils import check_random_state

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import check_number, check_probabilities, given_axes
from deepradiomics.metrics.calibration import EDGE, calibration_line
from deepradiomics.metrics.intervals import Interval
from deepradiomics.metrics.rates import diagnostic_rates, youden_threshold
from deepradiomics.splits import encode_groups

METHODS = ("intercept", "slope", "isotonic")
_MEASURES = ("intercept", "slope", "brier", "sensitivity", "specificity")
# With more failed draws than this share a size has no line, since the draws that could be fitted are a choice.
_MOST_FAILED = 0.1


def fit_recalibration(y, probability, method="slope"):
    """Find the map from a model's probabilities to those of other patients.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of two classes; the larger one is the event.
    probability : array-like of shape (n_samples,)
        What the model says of them.
    method : {"intercept", "slope", "isotonic"}, default="slope"
        ``"intercept"`` moves the log odds by one number, ``"slope"`` also stretches them (both by maximum likelihood),
        ``"isotonic"`` takes any rising steps.

    Returns
    -------
    float array of shape (2,) or (n_knots, 2)
        Intercept and slope on the log odds, or the corners of the steps.

    Raises
    ------
    InputError
        If the method is not known, there are not two classes, a slope has no maximum likelihood, or the event is rarer
        where the probability is larger, as with swapped labels.

    References
    ----------
    Steyerberg EW, Borsboom GJJM, van Houwelingen HC, et al. Validation and updating of predictive logistic regression
    models. Stat Med 2004;23:2567-2586.

    Examples
    --------
    >>> from deepradiomics.metrics.recalibration import fit_recalibration
    >>> fit_recalibration([0, 1, 0, 0], [0.5, 0.5, 0.5, 0.5], "intercept").round(2)
    array([-1.1,  1. ])
    """
    _check_method(method)
    event, probability = check_probabilities(y, probability)
    reverse = InputError(
        f"the larger the probability, the rarer the event among {len(event)} patients, so that the model would be "
        'turned round; check which label is the event, or take method="intercept" or more patients'
    )
    if method == "isotonic":
        steps = IsotonicRegression(y_min=0.0, y_max=1.0).fit(probability, event)
        if np.ptp(steps.y_thresholds_) == 0:
            raise reverse
        return np.column_stack([steps.X_thresholds_, steps.y_thresholds_])
    intercept, offset, slope = calibration_line(event, probability)
    if method == "intercept":
        return np.array([intercept, 1.0])
    if slope <= 0:
        raise reverse
    if not np.isfinite(slope):
        raise InputError(
            f"the probabilities of {len(event)} patients are all equal or separate the classes, so that no slope fits "
            'best; take method="intercept", or more patients'
        )
    return np.array([offset, slope])


def _check_method(method):
    if method not in METHODS:
        raise InputError(f"method is one of {', '.join(METHODS)}, not {method!r}")


def apply_recalibration(found, probability):
    """Map probabilities as `fit_recalibration` found.

    Parameters
    ----------
    found : float array of shape (2,) or (n_knots, 2)
        Of :func:`fit_recalibration`.
    probability : float array of shape (n_samples,)
        What the model says.

    Returns
    -------
    float array of shape (n_samples,)
        Probabilities for the other patients.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics.recalibration import apply_recalibration
    >>> apply_recalibration(np.array([0.0, 1.0]), np.array([0.2])).round(2)
    array([0.2])
    """
    if found.ndim == 2:
        return np.interp(probability, *found.T)
    return expit(found[0] + found[1] * logit(np.clip(probability, EDGE, 1 - EDGE)))


def recalibration_curve(
    y,
    probability,
    *,
    method="slope",
    sizes=(0, 25, 50, 100, 200, 500),
    threshold=0.5,
    groups=None,
    n_draws=200,
    random_state=None,
):
    """Show what recalibration on a number of local patients brings, on patients not used for it.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of local patients, of two classes; the larger one is the event.
    probability : array-like of shape (n_samples,)
        What the model says of them.
    method : {"intercept", "slope", "isotonic"}, default="slope"
        As in :func:`deepradiomics.recalibrate`.
    sizes : sequence of int, default=(0, 25, 50, 100, 200, 500)
        Numbers of patients; 0 is the model as it came.
    threshold : float, default=0.5
        From which probability on the model as it came calls the event. With local patients the threshold is theirs
        (Youden).
    groups : array-like of shape (n_samples,), default=None
        Patient of each row; None takes rows for patients.
    n_draws : int, default=200
        How often so many patients are drawn.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    DataFrame
        A row a size: ``intercept`` (0 is right), ``slope`` (1 is right), ``brier``, ``sensitivity`` and
        ``specificity`` on the patients that were not drawn, each the median over draws with ``_low`` and ``_high``, the
        2.5th and 97.5th percentiles; ``failed``, the share of draws that :func:`fit_recalibration` refuses, or that
        leave others who lack a class or are separated. A size with more than a tenth of such draws has no numbers.

    Raises
    ------
    InputError
        If a size leaves fewer than half of the patients to judge by, or an argument is impossible.

    Notes
    -----
    The percentiles tell how much the luck of the drawn patients matters. They are no confidence interval: all draws are
    of the same patients.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics import recalibration_curve
    >>> rng = np.random.default_rng(0)
    >>> probability = rng.random(1000)
    >>> y = rng.random(1000) < probability / 2
    >>> curve = recalibration_curve(y, probability, sizes=[0, 100], n_draws=20, random_state=0)
    >>> curve["intercept"].round(1).tolist()
    [-1.5, -0.0]
    """
    _check_method(method)
    check_same_rows("y", y, probability=probability, groups=groups)
    event, probability = check_probabilities(y, probability)
    check_number("n_draws", n_draws, low=1)
    patients = encode_groups(np.arange(len(event)) if groups is None else groups, len(event))
    n_patients, rng = patients.max() + 1, check_random_state(random_state)
    largest = max(check_number("sizes", size, low=0) for size in sizes)
    if largest > n_patients / 2:
        raise InputError(
            f"{largest} of {n_patients} patients leave fewer than half to judge by; give sizes up to {n_patients // 2}"
        )
    rows = []
    for size in sizes:
        draws = []
        for _ in range(n_draws if size else 1):
            drawn = np.isin(patients, rng.choice(n_patients, size, replace=False))
            draws.append(_judged(event, probability, drawn, method, threshold))
        draws = np.array(draws)
        failed = ~np.isfinite(draws).all(axis=1)
        row = {"patients": size}
        for name, values in zip(_MEASURES, draws[~failed].T, strict=True):
            enough = failed.mean() <= _MOST_FAILED
            ends = np.quantile(values, [0.5, 0.025, 0.975]).tolist() if enough else [np.nan] * 3
            row |= Interval(*ends).columns(name)
        rows.append(row | {"failed": float(failed.mean())})
    return pd.DataFrame(rows).set_index("patients")


def _judged(event, probability, drawn, method, threshold):
    """Calibration and rates on the rows not drawn; NaN where one part cannot be used."""
    if event[~drawn].all() or not event[~drawn].any():
        return [np.nan] * len(_MEASURES)
    if drawn.any():
        try:
            found = fit_recalibration(event[drawn], probability[drawn], method)
        except InputError:
            return [np.nan] * len(_MEASURES)
        probability = apply_recalibration(found, probability)
        threshold = youden_threshold(event[drawn], probability[drawn])
    event, probability = event[~drawn], probability[~drawn]
    intercept, _, slope = calibration_line(event, probability)
    rates = diagnostic_rates(event, probability >= threshold)
    brier = np.mean((probability - event) ** 2)
    return [intercept, slope, brier, float(rates.sensitivity), float(rates.specificity)]


def plot_recalibration_curve(curve, *, axes=None):
    """Draw calibration, sensitivity and specificity against the number of local patients.

    Parameters
    ----------
    curve : DataFrame
        As of :func:`recalibration_curve`.
    axes : array of matplotlib Axes of shape (4,), default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    array of matplotlib Axes of shape (4,)
        Intercept, slope, sensitivity, specificity.

    Examples
    --------
    See ``docs/external_validation.md``.
    """
    axes = given_axes(axes, 1, 4, figsize=(13, 3.4))
    places = np.arange(len(curve))
    right_values = {"intercept": 0, "slope": 1, "sensitivity": None, "specificity": None}
    for ax, (name, right) in zip(axes, right_values.items(), strict=True):
        ends = np.abs(curve[[f"{name}_low", f"{name}_high"]].to_numpy().T - curve[name].to_numpy())
        ax.errorbar(places, curve[name], ends, fmt="o-", markersize=4, capsize=3)
        if right is not None:
            ax.axhline(right, color="0.6", linewidth=0.8, zorder=0)
        ax.set_xticks(places, curve.index)
        ax.set(xlabel="local patients", title=name)
    return np.asarray(axes)
