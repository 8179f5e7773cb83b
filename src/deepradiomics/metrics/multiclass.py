"""More than two classes: each against the rest, and their mean."""

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import as_numbers
from deepradiomics.metrics.intervals import Interval
from deepradiomics.metrics.rates import diagnostic_rates
from deepradiomics.metrics.roc import auc_interval, class_counts, delong_covariance

_RATES = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1")


def multiclass_rates(y, pred, *, classes=None, ci="wilsoncc", level=0.95):
    """Compute the rates of each class against the rest, and their macro means.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels.
    pred : array-like of shape (n_samples,)
        Calls.
    classes : sequence, default=None
        The classes in the order wanted; None sorts those of y.
    ci : {"wilsoncc", "wilson", "clopper-pearson"}, default="wilsoncc"
        Method of the intervals of proportions.
    level : float, default=0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    DataFrame
        A row a class and one named ``macro``; ``sensitivity``, ``specificity``, ``ppv``, ``npv``, ``accuracy``, ``f1``
        (each an `Interval`; the macro means have none), ``n``. The accuracy of the row ``macro`` is that of all
        classes, with its interval.

    Raises
    ------
    InputError
        If a label or a call is none of the classes.

    Examples
    --------
    >>> from deepradiomics.metrics import multiclass_rates
    >>> table = multiclass_rates(["acute", "chronic", "acute", "other"], ["acute", "chronic", "other", "other"])
    >>> table["sensitivity"].astype(float).round(2).to_dict()
    {'acute': 0.5, 'chronic': 1.0, 'other': 1.0, 'macro': 0.83}
    """
    y, pred, classes = _checked(y, pred, classes)
    rows = []
    for label in classes:
        rates = diagnostic_rates(y == label, pred == label, ci, level)
        rows.append({name: getattr(rates, name) for name in _RATES} | {"n": int((y == label).sum())})
    macro = {name: _mean([row[name] for row in rows]) for name in _RATES}
    # One class, in which every row is an event and a right answer a call: its sensitivity is the share of right ones.
    macro["accuracy"] = diagnostic_rates(np.ones(len(y), dtype=int), (y == pred).astype(int), ci, level).sensitivity
    return pd.DataFrame([*rows, macro | {"n": len(y)}], index=[*classes, "macro"])


def multiclass_auc(y, probability, *, classes=None, groups=None, level=0.95):
    """Compute the area under the ROC curve of each class against the rest, and their mean.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels.
    probability : array-like of shape (n_samples, n_classes)
        Score of each class, larger means more likely; columns in the order of the classes.
    classes : sequence, default=None
        The classes in the order of the columns; None sorts those of y.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row; None takes rows for independent.
    level : float, default=0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    dict of {label: Interval}
        DeLong's interval for each class, and under ``"macro"`` the plain mean of the areas, whose variance is the
        jackknife's over patients.

    Raises
    ------
    InputError
        If there is not one column a class, or a class has no row or all of them.

    References
    ----------
    Provost F, Domingos P. Well-trained PETs: improving probability estimation trees. CeDER working paper 00-04 (2000),
    for the mean over classes. Efron B, Stein C. The jackknife estimate of variance. Ann Stat 1981;9:586-596.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics import multiclass_auc
    >>> y = np.arange(90) % 3
    >>> probability = np.eye(3)[y] + np.random.default_rng(0).normal(size=(90, 3))
    >>> round(float(multiclass_auc(y, probability)["macro"]), 2)
    0.72
    """
    check_same_rows("y", y, probability=probability, groups=groups)
    y, _, classes = _checked(y, y, classes)
    probability = as_numbers(probability, "probabilities")
    if probability.shape != (len(y), len(classes)):
        raise InputError(
            f"probabilities of shape {probability.shape} for {len(y)} rows and {len(classes)} classes; give one column "
            "a class",
            code="length",
        )
    absent = [label for label in classes if not 0 < (y == label).sum() < len(y)]
    if absent:
        raise InputError(f"class {absent[0]!r} has no row, or all of them; an ROC curve needs both")
    found = {}
    for label, score in zip(classes, probability.T, strict=True):
        auc, covariance = delong_covariance(y == label, [score], groups=groups)
        counts = class_counts(y == label, groups)
        found[label] = auc_interval(auc[0], covariance[0, 0], level, counts=counts, clustered=groups is not None)
    codes = np.argmax([y == label for label in classes], axis=0)
    auc, covariance = macro_areas(codes, probability.T[None], np.arange(len(y)) if groups is None else groups)
    macro = auc_interval(auc[0], covariance[0, 0], level)
    # Where one class has a single patient, neither its area nor the mean has an interval.
    single = next((area.reason for area in found.values() if area.reason), "")
    return found | {"macro": Interval(macro.estimate, np.nan, np.nan, single) if single else macro}


def macro_areas(y, scores, groups):
    """Compute the mean area over classes of several feature sets, and the covariance of these means.

    Parameters
    ----------
    y : int array of shape (n_samples,)
        Number of each row's class, all of them present.
    scores : float array of shape (n_sets, n_classes, n_samples)
        Score of each class.
    groups : array of shape (n_samples,)
        Patient of each row.

    Returns
    -------
    auc : float array of shape (n_sets,)
        Mean areas.
    covariance : float array of shape (n_sets, n_sets)
        Of the jackknife over patients.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics.multiclass import macro_areas
    >>> y = np.array([0, 1, 2, 0, 1, 2])
    >>> macro_areas(y, np.eye(3)[y].T[None], np.arange(6))[0]
    array([1.])
    """
    events = np.array([y == code for code in range(scores.shape[1])])
    patients = np.unique(groups, return_inverse=True)[1]
    auc = [
        np.mean([_wins(event, score)[event].mean() / (~event).sum() for event, score in zip(events, own, strict=True)])
        for own in scores
    ]
    left_out = np.array([_areas_without(events, own, patients).mean(axis=0) for own in scores])
    centred, n = left_out - left_out.mean(axis=1, keepdims=True), left_out.shape[1]
    return np.array(auc), (n - 1) / n * centred @ centred.T


def _areas_without(events, scores, patients):
    """Area of each class with each patient left out: (n_classes, n_patients); 0.5 where a class is gone too."""
    n = patients.max() + 1
    areas = np.empty((len(events), n))
    for row, (event, score) in enumerate(zip(events, scores, strict=True)):
        # How many of the other class each row beats; leaving a patient out takes its own sums and its pairs away.
        wins = _wins(event, score)
        total, lost = wins[event].sum(), np.zeros(n)
        np.add.at(lost, patients, wins)
        lost -= _wins_inside(event, score, patients, n)
        n_events, n_others = (np.bincount(patients, weights=part, minlength=n) for part in (event, ~event))
        pairs = (event.sum() - n_events) * ((~event).sum() - n_others)
        areas[row] = np.where(pairs > 0, (total - lost) / np.maximum(pairs, 1), 0.5)
    return areas


def _wins(event, score):
    """Number of rows of the other class over which the event scores higher, ties counting half, seen from each row."""
    wins = np.empty(len(score))
    ranks = rankdata(score)
    wins[event] = ranks[event] - rankdata(score[event])
    wins[~event] = event.sum() - (ranks[~event] - rankdata(score[~event]))
    return wins


def _wins_inside(event, score, patients, n):
    """Wins among the rows of one patient, which leaving it out would take away twice."""
    inside = np.zeros(n)
    for patient in np.flatnonzero(np.bincount(patients) > 1):
        own = patients == patient
        if event[own].any() and not event[own].all():
            inside[patient] = _wins(event[own], score[own])[event[own]].sum()
    return inside


def _checked(y, pred, classes):
    check_same_rows("y", y, pred=pred)
    y, pred = np.asarray(y), np.asarray(pred)
    if y.shape != pred.shape or y.ndim != 1:
        raise InputError(
            f"labels of shape {y.shape} for calls of shape {pred.shape}; give one call a row", code="length"
        )
    classes = np.unique(y).tolist() if classes is None else list(classes)
    for what, values in (("y", y), ("pred", pred)):
        unknown = sorted(set(values.tolist()) - set(classes), key=str)
        if unknown:
            raise InputError(f"{what} holds {unknown[:5]}, which is none of the classes {classes}")
    return y, pred, classes


def _mean(intervals):
    return Interval(float(np.mean([float(interval) for interval in intervals])), np.nan, np.nan)
