"""Areas under ROC curves: DeLong intervals and tests, for independent and for clustered rows."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import as_numbers, check_scores, check_two_classes
from deepradiomics.metrics.intervals import Interval, check_level
from deepradiomics.splits import encode_groups


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
        The area and the ends of its interval, clipped to 0..1.

    Raises
    ------
    InputError
        If lengths differ, a score is not finite, or there are not two classes.

    Notes
    -----
    The variance of DeLong from mid-ranks, in O(n log n) (Sun and Xu); with groups the variance for clustered data of
    Obuchowski, which equals DeLong's where each patient has one row. The interval is symmetric before it is clipped; at
    an area of exactly 0 or 1 its length is 0, however few the rows. It describes scores that were fixed before the
    rows were seen; cross-validated scores vary more (see :func:`deepradiomics.comparison.compare_feature_sets`).

    References
    ----------
    DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more correlated receiver operating
    characteristic curves. Biometrics 1988;44:837-845.
    Sun X, Xu W. Fast implementation of DeLong's algorithm. IEEE Signal Processing Letters 2014;21:1389-1393.
    Obuchowski NA. Nonparametric analysis of clustered ROC curve data. Biometrics 1997;53:567-578.

    Examples
    --------
    >>> from deepradiomics.metrics import roc_auc_ci
    >>> print(roc_auc_ci([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6]))
    0.89 [0.58, 1.00]
    """
    auc, covariance = delong_covariance(y, [score], groups=groups)
    return auc_interval(auc[0], covariance[0, 0], level)


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
        Areas, difference with its interval, z and the two-sided p-value. Where the difference has no variance, z is
        NaN and p is 1 (no difference) or 0.

    Raises
    ------
    InputError
        If lengths differ, a score is not finite, or there are not two classes.

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
    (0.875, 0.5, 0.009)
    """
    auc, covariance = delong_covariance(y, [score_a, score_b], groups=groups)
    return difference_test(auc, covariance, 0, 1, level)


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
    0  T  D    0.009   0.028
    1  T  C    0.386   0.386
    2  D  C    0.046   0.091
    """
    if not hasattr(scores, "keys"):
        raise InputError(f"scores is a {type(scores).__name__}; give a dict or DataFrame, scores by name", code="kind")
    names = list(scores)
    auc, covariance = delong_covariance(y, [scores[name] for name in names], groups=groups)
    return pairwise_tests(names, auc, inflation * covariance, level)


def pairwise_tests(names, auc, covariance, level=0.95):
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
        test = difference_test(auc, covariance, i, j, level)
        difference = Interval(test.difference, test.low, test.high)
        rows.append((names[i], names[j], test.auc_a, test.auc_b, difference, test.z, test.p_value))
    table = pd.DataFrame(rows, columns=["a", "b", "auc_a", "auc_b", "difference", "z", "p_value"])
    return table.assign(p_holm=holm(table["p_value"]))


def holm(p_values):
    """Correct p-values for their number after Holm.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        Raw p-values.

    Returns
    -------
    float array of shape (n_tests,)
        Corrected p-values, in the order given.

    Raises
    ------
    InputError
        If a p-value is missing or not within 0..1.

    Examples
    --------
    >>> from deepradiomics.metrics import holm
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p_values = as_numbers(p_values, "p-values")
    if p_values.ndim != 1 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise InputError("a p-value is missing or not within 0..1; leave that test out", code="p_value")
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(stepped, 1)
    return corrected


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


def auc_interval(auc, variance, level=0.95):
    """Return an area under the ROC curve with its interval.

    Parameters
    ----------
    auc, variance : float
        The area and its variance.
    level : float, default=0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    Interval
        The area and the ends of its normal interval, clipped to 0..1.

    Examples
    --------
    >>> from deepradiomics.metrics.roc import auc_interval
    >>> print(auc_interval(0.8, 0.0025))
    0.80 [0.70, 0.90]
    """
    check_level(level)
    spread = norm.isf((1 - level) / 2) * np.sqrt(variance)
    return Interval(float(auc), float(max(auc - spread, 0)), float(min(auc + spread, 1)))


def difference_test(auc, covariance, i, j, level=0.95):
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
    # Rounding leaves about 1e-9 where two scores rank the rows alike.
    if error < 1e-8:
        z, p_value = np.nan, float(abs(difference) < 1e-12)
    else:
        z = difference / error
        p_value = 2 * norm.sf(abs(z))
    spread = norm.isf((1 - level) / 2) * error
    numbers = (auc[i], auc[j], difference, difference - spread, difference + spread, z, p_value)
    return DelongResult(*map(float, numbers))


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
