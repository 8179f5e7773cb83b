"""Sensitivity, specificity and their kin with intervals, and the thresholds that turn scores into calls."""

from dataclasses import dataclass, fields

import numpy as np
from sklearn.metrics import roc_curve

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import check_calls, check_row, check_two_classes
from deepradiomics.metrics.intervals import METHODS, Interval


@dataclass(frozen=True, slots=True)
class DiagnosticRates:
    """Rates of a binary test, each with its interval, as fractions.

    Parameters
    ----------
    sensitivity, specificity, ppv, npv, accuracy, f1 : Interval
        The rates; NaN where a rate has no denominator.
    counts : tuple of int
        True positives, false positives, false negatives, true negatives.

    Examples
    --------
    >>> from deepradiomics.metrics import diagnostic_rates
    >>> print(diagnostic_rates([1, 1, 0, 0], [1, 0, 0, 0]))
    sensitivity 0.50 [0.03, 0.97]
    specificity 1.00 [0.20, 1.00]
    ppv         1.00 [0.05, 1.00]
    npv         0.67 [0.13, 0.98]
    accuracy    0.75 [0.22, 0.99]
    f1          0.67 [0.05, 0.99]
    """

    sensitivity: Interval
    specificity: Interval
    ppv: Interval
    npv: Interval
    accuracy: Interval
    f1: Interval
    counts: tuple

    def __str__(self):
        return "\n".join(f"{field.name:<11} {getattr(self, field.name)}" for field in fields(self)[:-1])


def diagnostic_rates(y, pred, ci="wilsoncc", level=0.95):
    """Compute sensitivity, specificity, predictive values, accuracy and F1, each with its interval.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels: 0 and 1, or booleans.
    pred : array-like of shape (n_samples,)
        Calls: 0 and 1, or booleans.
    ci : {"wilsoncc", "wilson", "clopper-pearson"}, default="wilsoncc"
        Method of the intervals of proportions.
    level : float, default=0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    DiagnosticRates
        The rates, as fractions.

    Raises
    ------
    InputError
        If lengths differ, a value is neither 0 nor 1, or the method is not known.

    Notes
    -----
    F1 is ``2 J / (1 + J)`` of the proportion J of TP out of TP + FP + FN; its interval is that of J, carried over. So
    an F1 of 1 has a lower end, too.

    References
    ----------
    Newcombe RG. Two-sided confidence intervals for the single proportion. Statistics in Medicine 1998;17:857-872.

    Examples
    --------
    >>> from deepradiomics.metrics import diagnostic_rates
    >>> rates = diagnostic_rates([1] * 40 + [0] * 60, [1] * 34 + [0] * 6 + [1] * 9 + [0] * 51)
    >>> print(rates.sensitivity)
    0.85 [0.69, 0.94]
    """
    check_same_rows("y", y, pred=pred)
    y, pred = check_calls(y, "y"), check_calls(pred, "pred")
    if y.shape != pred.shape:
        raise InputError(f"{len(y)} labels for {len(pred)} calls; give one call a row", code="length")
    counts = (int(np.sum(mask)) for mask in (y & pred, ~y & pred, y & ~pred, ~y & ~pred))
    return rates_from_counts(*counts, ci=ci, level=level)


def rates_from_counts(tp, fp, fn, tn, *, ci="wilsoncc", level=0.95):
    """Compute the rates of a published two-by-two table, each with its interval.

    Parameters
    ----------
    tp, fp, fn, tn : int or float
        True positives, false positives, false negatives and true negatives; means over repeats may be fractions.
    ci : {"wilsoncc", "wilson", "clopper-pearson"}, default="wilsoncc"
        Method of the intervals of proportions.
    level : float, default=0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    DiagnosticRates
        The rates, as fractions.

    Raises
    ------
    InputError
        If a count is negative, or the method is not known.

    Examples
    --------
    >>> from deepradiomics.metrics import rates_from_counts
    >>> print(rates_from_counts(34, 9, 6, 51).specificity)
    0.85 [0.73, 0.92]
    """
    if ci not in METHODS:
        raise InputError(f"ci is one of {', '.join(METHODS)}, not {ci!r}")
    if min(tp, fp, fn, tn) < 0:
        raise InputError(f"a count of ({tp}, {fp}, {fn}, {tn}) is negative; counts are 0 or more")
    proportions = ((tp, tp + fn), (tn, tn + fp), (tp, tp + fp), (tn, tn + fn), (tp + tn, tp + fp + fn + tn))
    rates = [METHODS[ci](successes, n, level) for successes, n in proportions]
    return DiagnosticRates(*rates, _f1(tp, fp, fn, METHODS[ci], level), (tp, fp, fn, tn))


def youden_threshold(y, score):
    """Find the score from which on to call the event, so that sensitivity + specificity is largest.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of two classes; the larger one is the event. Give training rows only.
    score : array-like of shape (n_samples,)
        Larger means the event is more likely.

    Returns
    -------
    float
        The threshold, half-way to the next lower score: the call is ``score >= threshold``. Among equals the one with
        the highest sensitivity.

    Raises
    ------
    InputError
        If there are not two classes.

    References
    ----------
    Youden WJ. Index for rating diagnostic tests. Cancer 1950;3:32-35.

    Examples
    --------
    >>> from deepradiomics.metrics import youden_threshold
    >>> youden_threshold([0, 0, 0, 1, 1], [0.1, 0.2, 0.6, 0.5, 0.9])
    0.35
    """
    false_positive, true_positive, cuts = _curve(y, score)
    gain = true_positive - false_positive
    best = np.flatnonzero(gain >= gain.max() - 1e-12)[-1]
    return _between(cuts, best)


def sensitivity_threshold(y, score, sensitivity=0.9):
    """Find the highest score from which on to call the event, so that a sensitivity is reached.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of two classes; the larger one is the event. Give training rows only.
    score : array-like of shape (n_samples,)
        Larger means the event is more likely.
    sensitivity : float, default=0.9
        What to reach at least, above 0 and at most 1.

    Returns
    -------
    float
        The threshold: the call is ``score >= threshold``.

    Raises
    ------
    InputError
        If there are not two classes, or the sensitivity is impossible.

    Examples
    --------
    >>> from deepradiomics.metrics import sensitivity_threshold
    >>> sensitivity_threshold([0, 0, 0, 1, 1], [0.1, 0.2, 0.6, 0.5, 0.9], 1.0)
    0.35
    """
    if not 0 < sensitivity <= 1:
        raise InputError(f"a sensitivity to reach lies above 0 and at most at 1, not {sensitivity}")
    _, true_positive, cuts = _curve(y, score)
    return _between(cuts, np.flatnonzero(true_positive >= sensitivity - 1e-12)[0])


def _curve(y, score):
    check_same_rows("y", y, score=score)
    event = check_two_classes(y)
    return roc_curve(event, check_row(score, len(event)), drop_intermediate=False)


def _between(cuts, position):
    """Half-way between a score that is called and the next lower one."""
    if position + 1 == len(cuts):
        return float(cuts[position])
    if not np.isfinite(cuts[position]):
        return float(np.nextafter(cuts[position + 1], np.inf))
    # Between neighbouring numbers the middle is the lower one, which is not called.
    middle = float((cuts[position] + cuts[position + 1]) / 2)
    return middle if middle > cuts[position + 1] else float(cuts[position])


def _f1(tp, fp, fn, method, level):
    shared = method(tp, tp + fp + fn, level)
    return Interval(*(2 * value / (1 + value) for value in (shared.estimate, shared.low, shared.high)))
