"""Areas under ROC curves: DeLong intervals and tests, for independent and for clustered rows."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm, rankdata
from scipy.stats import t as student

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import check_scores, check_two_classes
from deepradiomics.metrics.holm import holm_of_known
from deepradiomics.metrics.intervals import ONE_PATIENT, Interval, check_level
from deepradiomics.splits import encode_groups

# The normal interval is kept where the smaller class would err ten times or more, as for a proportion.
_FEWEST_ERRORS = 10
# From so many patients of each class on, the quantiles of differences and clusters are normal.
_MANY = 30


class DelongResult(NamedTuple):
    """Two areas under the ROC curve and the test of their difference.

    Attributes
    ----------
    auc_a, auc_b : float
        The two areas.
    difference, low, high : float
        ``auc_a - auc_b`` and the ends of its confidence interval.
    z, p_value : float
        The test statistic and its two-sided p-value.

    Examples
    --------
    >>> from deepradiomics.metrics import delong_test
    >>> delong_test([0, 0, 1, 1], [1, 3, 2, 4], [1, 2, 3, 4]).difference
    -0.25
    """

    auc_a: float
    auc_b: float
    difference: float
    low: float
    high: float
    z: float
    p_value: float


def roc_auc_ci(y, score, level=0.95, *, groups=None):
    """Return the area under the ROC curve with its DeLong interval.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of two classes; the larger one is the event.
    score : array-like of shape (n_samples,)
        Larger means the event is more likely.
    level : float, default=0.95
        Confidence level, between 0 and 1.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row, where patients have several rows; None means that rows are independent.

    Returns
    -------
    Interval
        The area and the ends of its interval. With one patient of a class the ends are NaN, and ``reason`` says so.

    Raises
    ------
    InputError
        If lengths differ, a score is not finite, or there are not two classes.

    Notes
    -----
    The variance of DeLong from mid-ranks, in O(n log n) (Sun and Xu); with groups the variance for clustered data of
    Obuchowski, which equals DeLong's where each patient has one row. The interval is normal where the smaller class
    times ``min(area, 1 - area)`` is 10 or more, and then that of pROC. Below, the normal interval misses the truth too
    often, and the ends are the areas that a score test does not refuse: its variance is that of Newcombe's fifth
    method, and larger by the ratio of DeLong's to it where DeLong's is the larger one. Clustered rows of fewer than 30
    patients of a class take quantiles of Student's t. ``benchmarks/few_events.py`` prints how often each covers. The
    interval describes scores that were fixed before the rows were seen; cross-validated scores vary more (see
    :func:`deepradiomics.comparison.compare_feature_sets`).

    References
    ----------
    DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more correlated receiver operating
    characteristic curves. Biometrics 1988;44:837-845.
    Sun X, Xu W. Fast implementation of DeLong's algorithm. IEEE Signal Processing Letters 2014;21:1389-1393.
    Obuchowski NA. Nonparametric analysis of clustered ROC curve data. Biometrics 1997;53:567-578.
    Newcombe RG. Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part 2: asymptotic
    methods and evaluation. Statistics in Medicine 2006;25:559-573.

    Examples
    --------
    >>> from deepradiomics.metrics import roc_auc_ci
    >>> print(roc_auc_ci([0] * 5 + [1] * 5, range(10)))
    1.00 [0.64, 1.00]
    """
    auc, covariance = delong_covariance(y, [score], groups=groups)
    counts = class_counts(y, groups)
    return auc_interval(auc[0], covariance[0, 0], level, counts=counts, clustered=groups is not None)


def delong_test(y, score_a, score_b, level=0.95, *, groups=None):
    """Compare the areas under the ROC curves of two scores of the same rows.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of two classes; the larger one is the event.
    score_a, score_b : array-like of shape (n_samples,)
        The two scores of each row.
    level : float, default=0.95
        Confidence level of the interval of the difference.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row, where patients have several rows; None means that rows are independent.

    Returns
    -------
    DelongResult
        Areas, difference with its interval, z and the two-sided p-value. Where both scores rank the rows alike, z is
        NaN and p is 1. With one patient of a class, and where the difference varies between no rows, the test is not
        defined: z, p and the ends are NaN.

    Raises
    ------
    InputError
        If lengths differ, a score is not finite, or there are not two classes.

    Notes
    -----
    From 30 patients of each class on, z is normal, as in pROC. Below, it is compared with Student's t with one degree
    of freedom less than the smaller class has patients, as the variance is hardly known.

    References
    ----------
    DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more correlated receiver operating
    characteristic curves. Biometrics 1988;44:837-845.

    Examples
    --------
    >>> from deepradiomics.metrics import delong_test
    >>> y = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> result = delong_test(y, [1, 2, 3, 6, 4, 5, 7, 8], [1, 4, 5, 8, 2, 3, 6, 7])
    >>> result.auc_a, result.auc_b, round(result.p_value, 3)
    (0.875, 0.5, 0.081)
    """
    auc, covariance = delong_covariance(y, [score_a, score_b], groups=groups)
    return difference_test(auc, covariance, 0, 1, level, counts=class_counts(y, groups))


def delong_tests(y, scores, level=0.95, *, groups=None, inflation=1.0):
    """Compare each pair of several scores of the same rows, with Holm's correction.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of two classes; the larger one is the event.
    scores : dict or DataFrame
        Scores of shape (n_samples,) by name.
    level : float, default=0.95
        Confidence level of the intervals of the differences.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row, where patients have several rows; None means that rows are independent.
    inflation : float, default=1.0
        Factor by which variances are multiplied, as for cross-validated scores.

    Returns
    -------
    DataFrame
        One row a pair: ``a``, ``b``, ``auc_a``, ``auc_b``, ``difference`` (an `Interval`), ``z``, ``p_value`` and
        ``p_holm``.

    Raises
    ------
    InputError
        If lengths differ, a score is not finite, or there are not two classes.

    References
    ----------
    Holm S. A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 1979;6:65-70.

    Examples
    --------
    >>> from deepradiomics.metrics import delong_tests
    >>> y = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> scores = {"T": [1, 2, 3, 6, 4, 5, 7, 8], "D": [1, 4, 5, 8, 2, 3, 6, 7], "C": [4, 3, 1, 2, 5, 8, 7, 6]}
    >>> delong_tests(y, scores)[["a", "b", "p_value", "p_holm"]].round(3)
       a  b  p_value  p_holm
    0  T  D    0.081   0.242
    1  T  C    0.450   0.450
    2  D  C    0.139   0.279
    """
    if not hasattr(scores, "keys"):
        raise InputError(f"scores is a {type(scores).__name__}; give a dict or DataFrame, scores by name")
    names = list(scores)
    auc, covariance = delong_covariance(y, [scores[name] for name in names], groups=groups)
    return pairwise_tests(names, auc, inflation * covariance, level, counts=class_counts(y, groups))


def pairwise_tests(names, auc, covariance, level=0.95, *, counts=None):
    """Compare each pair of areas, given their covariance, with Holm's correction.

    Parameters
    ----------
    names : list of str
        Name of each area.
    auc : float array of shape (n_scores,)
        The areas.
    covariance : float array of shape (n_scores, n_scores)
        Their covariance.
    level : float, default=0.95
        Confidence level of the intervals of the differences.
    counts : tuple of int, default=None
        Patients of each class, see :func:`class_counts`; None takes both for many.

    Returns
    -------
    DataFrame
        As of :func:`delong_tests`.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics.roc import pairwise_tests
    >>> pairwise_tests(["T", "C"], np.array([0.9, 0.8]), np.diag([0.001, 0.001]))["p_holm"].round(3).tolist()
    [0.025]
    """
    rows = []
    for i, j in combinations(range(len(names)), 2):
        test = difference_test(auc, covariance, i, j, level, counts=counts)
        reason = ""
        if np.isnan(test.low):
            reason = ONE_PATIENT if counts is not None and min(counts) < 2 else "varies between no rows"
        difference = Interval(test.difference, test.low, test.high, reason)
        rows.append((names[i], names[j], test.auc_a, test.auc_b, difference, test.z, test.p_value))
    table = pd.DataFrame(rows, columns=["a", "b", "auc_a", "auc_b", "difference", "z", "p_value"])
    return table.assign(p_holm=holm_of_known(table["p_value"]))


def delong_covariance(y, scores, *, groups=None):
    """Return the areas under the ROC curves of several scores and their covariance matrix.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of two classes; the larger one is the event.
    scores : array-like of shape (n_scores, n_samples)
        The scores of each row.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row, where patients have several rows; None means that rows are independent.

    Returns
    -------
    auc : float array of shape (n_scores,)
        The areas.
    covariance : float array of shape (n_scores, n_scores)
        Their covariance. A class with a single row (or patient) adds nothing to it, as its spread is not known.

    Raises
    ------
    InputError
        If lengths differ, a score is not finite, or there are not two classes.

    Examples
    --------
    >>> from deepradiomics.metrics import delong_covariance
    >>> auc, covariance = delong_covariance([0, 0, 1, 1], [[1, 3, 2, 4]])
    >>> auc, covariance
    (array([0.75]), array([[0.125]]))
    """
    by_name = (
        {f"score {number}": score for number, score in enumerate(scores)} if isinstance(scores, list | tuple) else {}
    )
    check_same_rows("y", y, groups=groups, **by_name)
    event = check_two_classes(y)
    scores = check_scores(scores, len(event))
    of_events, of_others = _placements(event, scores)
    auc = of_events.mean(axis=1)
    counts = np.array([event.sum(), (~event).sum()])
    if groups is None:
        return auc, _covariance(of_events) / counts[0] + _covariance(of_others) / counts[1]
    cluster = encode_groups(groups, len(event))
    events = _sum_by_cluster(of_events - auc[:, None], cluster[event], cluster.max() + 1)
    others = _sum_by_cluster(of_others - auc[:, None], cluster[~event], cluster.max() + 1)
    n_clusters = [len(np.unique(cluster[event])), len(np.unique(cluster[~event])), cluster.max() + 1]
    first, second, both = (n / max(n - 1, 1) for n in n_clusters)
    cross = both * (events @ others.T) / counts.prod()
    return auc, first * events @ events.T / counts[0] ** 2 + second * others @ others.T / counts[
        1
    ] ** 2 + cross + cross.T


def class_counts(y, groups=None):
    """Count the patients of each class.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of two classes; the larger one is the event.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row; None counts rows.

    Returns
    -------
    tuple of int
        Patients with the event, and patients with rows without it.

    Examples
    --------
    >>> from deepradiomics.metrics.roc import class_counts
    >>> class_counts([0, 0, 0, 1], ["a", "a", "b", "b"])
    (1, 2)
    """
    event = check_two_classes(y)
    rows = np.arange(len(event)) if groups is None else encode_groups(groups, len(event))
    return len(np.unique(rows[event])), len(np.unique(rows[~event]))


def auc_interval(auc, variance, level=0.95, *, counts=None, clustered=False, inflation=1.0):
    """Return an area under the ROC curve with its interval.

    Parameters
    ----------
    auc, variance : float
        The area and its variance, ``inflation`` included.
    level : float, default=0.95
        Confidence level, between 0 and 1.
    counts : tuple of int, default=None
        Patients of each class, see :func:`class_counts`; None takes both for many.
    clustered : bool, default=False
        Whether patients have several rows, and the variance comes from patients.
    inflation : float, default=1.0
        Factor on the variance, as for cross-validated scores.

    Returns
    -------
    Interval
        The area and the ends of its interval, see :func:`roc_auc_ci`.

    Examples
    --------
    >>> from deepradiomics.metrics.roc import auc_interval
    >>> print(auc_interval(0.8, 0.0025))
    0.80 [0.70, 0.90]
    >>> print(auc_interval(1.0, 0.0, counts=(50, 50)))
    1.00 [0.96, 1.00]
    """
    check_level(level)
    tail, auc = (1 - level) / 2, float(auc)
    if counts is not None and min(counts) < 2:
        return Interval(auc, np.nan, np.nan, ONE_PATIENT)
    few = counts is not None and min(counts) < _MANY
    quantile = student.isf(tail, min(counts) - 1) if few and clustered else norm.isf(tail)
    spread = quantile * np.sqrt(variance)
    if counts is None or min(auc, 1 - auc) * min(counts) >= _FEWEST_ERRORS:
        return Interval(auc, float(max(auc - spread, 0)), float(min(auc + spread, 1)))
    # Newcombe's fifth method, with DeLong's variance in place of his where that is the larger one.
    at_estimate = inflation * _newcombe_variance(auc, *counts)
    factor = inflation * (max(variance / at_estimate, 1.0) if at_estimate > 0 else 1.0)

    def excess(area):
        return (area - auc) ** 2 - quantile**2 * factor * _newcombe_variance(area, *counts)

    low = brentq(excess, 0.0, auc) if auc > 0 and excess(0.0) > 0 > excess(auc) else _end(excess, auc, 0.0)
    high = brentq(excess, auc, 1.0) if auc < 1 and excess(1.0) > 0 > excess(auc) else _end(excess, auc, 1.0)
    return Interval(auc, float(low), float(high))


def _end(excess, auc, limit):
    """End of a score interval at an area of 0 or 1, at which the variance vanishes: the root that is not the area."""
    if auc == limit:
        return limit
    inside = auc + np.sign(limit - auc) * 1e-9
    return brentq(excess, inside, limit) if excess(inside) < 0 < excess(limit) else limit


def _newcombe_variance(area, n_events, n_others):
    """Variance of an area after Newcombe's fifth method: Hanley and McNeil's, with classes of the mean size."""
    others = (n_events + n_others) / 2 - 1
    return area * (1 - area) * (1 + others * ((1 - area) / (2 - area) + area / (1 + area))) / (n_events * n_others)


def difference_test(auc, covariance, i, j, level=0.95, *, counts=None):
    """Test the difference of two of several areas, given their covariance.

    Parameters
    ----------
    auc : array of shape (n_scores,)
        The areas.
    covariance : array of shape (n_scores, n_scores)
        Their covariance.
    i, j : int
        Which two.
    level : float, default=0.95
        Confidence level of the interval of the difference.
    counts : tuple of int, default=None
        Patients of each class, see :func:`class_counts`; None takes both for many.

    Returns
    -------
    DelongResult
        The test of ``auc[i] - auc[j]``.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics.roc import difference_test
    >>> round(difference_test(np.array([0.9, 0.8]), np.diag([0.001, 0.001]), 0, 1).p_value, 3)
    0.025
    """
    check_level(level)
    difference = auc[i] - auc[j]
    error = np.sqrt(max(covariance[i, i] + covariance[j, j] - 2 * covariance[i, j], 0))
    few = counts is not None and min(counts) < _MANY
    # Rounding leaves about 1e-9 where two scores rank the rows alike.
    if (few and min(counts) < 2) or (error < 1e-8 and abs(difference) > 1e-12):
        low = high = z = p_value = np.nan
    elif error < 1e-8:
        low, high, z, p_value = difference, difference, np.nan, 1.0
    else:
        law = student(min(counts) - 1) if few else norm
        z = difference / error
        low, high = difference - law.isf((1 - level) / 2) * error, difference + law.isf((1 - level) / 2) * error
        p_value = 2 * law.sf(abs(z))
    return DelongResult(*map(float, (auc[i], auc[j], difference, low, high, z, p_value)))


def _placements(event, scores):
    """Share of the other class that each row beats: (n_scores, n_events) and (n_scores, n_others)."""
    ranks = rankdata(scores, axis=1)
    n_events, n_others = event.sum(), (~event).sum()
    of_events = (ranks[:, event] - rankdata(scores[:, event], axis=1)) / n_others
    of_others = 1 - (ranks[:, ~event] - rankdata(scores[:, ~event], axis=1)) / n_events
    return of_events, of_others


def _covariance(placements):
    """Covariance (n_scores, n_scores) of placements (n_scores, n); zero where there is one row."""
    centred = placements - placements.mean(axis=1, keepdims=True)
    return centred @ centred.T / max(placements.shape[1] - 1, 1)


def _sum_by_cluster(values, cluster, n_clusters):
    """Sum values (n_scores, n) over the rows of each cluster: (n_scores, n_clusters)."""
    return np.stack([np.bincount(cluster, weights=row, minlength=n_clusters) for row in values])
