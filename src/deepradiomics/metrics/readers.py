"""Readers against a model: areas, operating points, agreement, and the multi-reader multi-case test."""

from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import f, t

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import check_row, check_scores, check_two_classes, class_codes
from deepradiomics.metrics.agreement import weighted_kappa
from deepradiomics.metrics.holm import holm_of_known
from deepradiomics.metrics.intervals import Interval, check_level
from deepradiomics.metrics.rates import diagnostic_rates
from deepradiomics.metrics.roc import delong_covariance, delong_test, roc_auc_ci

_RATES = ("sensitivity", "specificity", "accuracy")


class MRMCResult(NamedTuple):
    """The mean areas of two ways of reading, and the test of their difference.

    Attributes
    ----------
    auc_a, auc_b : float
        Mean area over readers.
    difference, low, high : float
        ``auc_a - auc_b`` and the ends of its interval.
    f_value, degrees : float
        F statistic and its denominator degrees of freedom; the numerator has one.
    p_value : float
        Two-sided.

    Examples
    --------
    >>> from deepradiomics.metrics import MRMCResult
    >>> MRMCResult(0.9, 0.8, 0.1, 0.02, 0.18, 6.3, 12.0, 0.027).p_value
    0.027
    """

    auc_a: float
    auc_b: float
    difference: float
    low: float
    high: float
    f_value: float
    degrees: float
    p_value: float


def obuchowski_rockette(auc, covariance, level=0.95):
    """Compare two ways of reading over random readers and random cases, given areas and their covariance.

    Parameters
    ----------
    auc : array-like of shape (2, n_readers)
        Area of each reader in each way of reading.
    covariance : array-like of shape (2, n_readers, 2, n_readers)
        Covariance of these areas, from DeLong.
    level : float, default=0.95
        Confidence level of the interval of the difference.

    Returns
    -------
    MRMCResult
        The test with the degrees of freedom of Hillis.

    Raises
    ------
    InputError
        If there are not two ways of reading and two readers at least.

    References
    ----------
    Obuchowski NA, Rockette HE. Hypothesis testing of diagnostic accuracy for multiple readers and multiple tests.
    Communications in Statistics 1995;24:285-308.
    Hillis SL. A comparison of denominator degrees of freedom methods for multiple observer ROC analysis. Statistics in
    Medicine 2007;26:596-619.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics import obuchowski_rockette
    >>> covariance = np.einsum("ab,cd->acbd", [[1, 0.5], [0.5, 1]], [[8e-4, 3e-4], [3e-4, 8e-4]])
    >>> round(obuchowski_rockette([[0.90, 0.86], [0.84, 0.81]], covariance).p_value, 3)
    0.003
    """
    auc, covariance = np.asarray(auc, dtype=float), np.asarray(covariance, dtype=float)
    check_level(level)
    if auc.ndim != 2 or len(auc) != 2 or auc.shape[1] < 2 or covariance.shape != (*auc.shape, *auc.shape):
        raise InputError(
            f"areas of shape {auc.shape} and covariance of shape {covariance.shape}; give (2, n_readers), two readers "
            "at least, and (2, n_readers, 2, n_readers)"
        )
    n_readers = auc.shape[1]
    same = np.eye(n_readers, dtype=bool)
    of_tests = covariance.transpose(0, 2, 1, 3)
    other_test = of_tests[0, 1]
    within = [of_tests[0, 0], of_tests[1, 1]]
    cov2, cov3 = np.mean([table[~same].mean() for table in within]), other_test[~same].mean()
    means, readers, grand = auc.mean(axis=1), auc.mean(axis=0), auc.mean()
    between = n_readers * ((means - grand) ** 2).sum()
    residual = ((auc - means[:, None] - readers + grand) ** 2).sum() / (n_readers - 1)
    error = residual + max(n_readers * (cov2 - cov3), 0)
    difference = float(means[0] - means[1])
    if error <= 0:
        return MRMCResult(*means.tolist(), difference, difference, difference, np.nan, np.inf, float(difference == 0))
    degrees = error**2 / (residual**2 / (n_readers - 1)) if residual > 0 else np.inf
    spread = t.isf((1 - level) / 2, degrees) * np.sqrt(2 * error / n_readers)
    p_value = f.sf(between / error, 1, degrees)
    numbers = (difference, difference - spread, difference + spread, between / error, degrees, p_value)
    return MRMCResult(*means.tolist(), *(float(number) for number in numbers))


@dataclass(frozen=True, eq=False)
class ReaderStudy:
    """What :func:`reader_study` gives.

    Parameters
    ----------
    table : DataFrame
        A row a reader (and the model), unaided and aided: ``auc``, ``sensitivity``, ``specificity``, ``accuracy``.
    against_model : DataFrame
        A row a reader: DeLong's test against the model, and the model's sensitivity at the reader's specificity.
    agreement : DataFrame
        A row a pair of readers: weighted kappa.
    gain : MRMCResult or None
        Aided against unaided reading over all readers; None without aided scores.

    Examples
    --------
    See :func:`reader_study`.
    """

    table: pd.DataFrame
    against_model: pd.DataFrame
    agreement: pd.DataFrame
    gain: MRMCResult | None


@dataclass(frozen=True, eq=False)
class ClassReaderStudy:
    """What :func:`reader_study` gives for more than two classes.

    Parameters
    ----------
    views : dict of {label: ReaderStudy}
        Each class against the rest; a call of the class is a call of the event, so a reader's area is the mean of
        sensitivity and specificity.
    table : DataFrame
        A row a reader (and the model), unaided and aided: ``accuracy``, and ``kappa`` with the truth.
    agreement : DataFrame
        A row a pair of readers: kappa. Its weights are quadratic for ordered classes, else there are none.

    Examples
    --------
    See ``docs/reader_studies.md``.
    """

    views: dict
    table: pd.DataFrame
    agreement: pd.DataFrame

    @property
    def gain(self):
        """DataFrame: class x areas with and without the model over all readers, their test, corrected after Holm."""
        found = {label: view.gain._asdict() for label, view in self.views.items() if view.gain is not None}
        table = pd.DataFrame.from_dict(found, orient="index")
        return table.assign(p_holm=holm_of_known(table["p_value"])) if len(table) else table


def reader_study(y, readers, model, aided=None, *, call_from=3):
    """Set readers' scores against a model, alone and with its help.

    Parameters
    ----------
    y : array-like of shape (n_cases,)
        Labels of two classes; the larger one is the event. Of more classes, an ordered `pandas.Categorical` where their
        order means something.
    readers : dict or DataFrame
        Score of each case by reader: 1 (surely not) to 5 (surely), or calls of 0 and 1. Of more classes, the label that
        the reader calls.
    model : array-like of shape (n_cases,) or (n_cases, n_classes)
        Score of the model; larger means the event. Of more classes a column a class, sorted or in the order of y.
    aided : dict or DataFrame, default=None
        Scores of the same readers with the model's help.
    call_from : int, default=3
        Score from which on a reader calls the event; calls of 0 and 1 count as they are.

    Returns
    -------
    ReaderStudy or ClassReaderStudy
        Tables of areas and rates, tests against the model, agreement, and the gain from reading with it.

    Raises
    ------
    InputError
        If a reader lacks a case, has a score that is not whole or calls an unknown class, or aided and unaided readers
        differ.

    References
    ----------
    Kim S, Kim BR, Chae HD, et al. Deep radiomics-based approach to the diagnosis of osteoporosis using hip
    radiographs. Radiology: Artificial Intelligence 2022;4(4):e210212.

    Examples
    --------
    >>> from deepradiomics.metrics import reader_study
    >>> y = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> readers = {"trainee": [1, 3, 2, 4, 2, 4, 3, 5], "expert": [1, 2, 1, 3, 4, 5, 3, 5]}
    >>> study = reader_study(y, readers, [0.1, 0.2, 0.4, 0.5, 0.3, 0.8, 0.7, 0.9])
    >>> study.table["auc"].astype(float).round(2).to_dict()
    {('trainee', 'unaided'): 0.72, ('expert', 'unaided'): 0.97, ('model', 'alone'): 0.88}
    """
    aided = {} if aided is None else aided
    given = {f"scores of {name}": score for name, score in dict(readers).items()}
    given |= {f"aided scores of {name}": score for name, score in dict(aided).items()}
    check_same_rows("y", y, **{"scores of the model": model}, **given)
    if len(pd.unique(np.asarray(y).ravel())) > 2:
        return _of_classes(y, dict(readers), model, dict(aided))
    event = check_two_classes(y)
    model = check_row(model, len(event), "scores of the model")
    readers = {name: _checked(name, score, len(event)) for name, score in dict(readers).items()}
    aided = {name: _checked(name, score, len(event)) for name, score in dict(aided).items()}
    if aided and list(aided) != list(readers):
        raise InputError(
            f"aided readers {list(aided)} and unaided readers {list(readers)} differ; give the same, in one order"
        )
    first, first_aided = _first_called(readers, call_from), _first_called(aided or readers, call_from)
    rows = {(name, "unaided"): _reader_row(event, score, first[name]) for name, score in readers.items()}
    rows |= {(name, "aided"): _reader_row(event, score, first_aided[name]) for name, score in aided.items()}
    rows[("model", "alone")] = {"auc": roc_auc_ci(event, model)}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return ReaderStudy(
        table=table,
        against_model=pd.DataFrame([_against(name, event, readers[name], model, first[name]) for name in readers]),
        agreement=pd.DataFrame([_pair(a, b, readers) for a, b in combinations(readers, 2)]),
        gain=_gain(event, aided, readers) if aided and len(readers) > 1 else None,
    )


def _of_classes(y, readers, model, aided):
    """Each class against the rest, and calls of all classes against the truth and one another."""
    ordered = isinstance(getattr(y, "dtype", None), pd.CategoricalDtype) and bool(y.dtype.ordered)
    classes, codes = class_codes(np.asarray(y))
    if ordered:
        classes = np.array([label for label in y.dtype.categories if label in set(classes.tolist())])
        codes = pd.Categorical(np.asarray(y), classes).codes
    model = check_scores(np.transpose(model), len(codes), "scores of the model")
    if model.shape != (len(classes), len(codes)):
        raise InputError(
            f"scores of the model of shape {model.T.shape} for {len(codes)} cases and {len(classes)} classes; give a "
            "column a class",
            code="length",
        )
    calls = {(name, "unaided"): _called(name, own, classes, len(codes)) for name, own in readers.items()}
    calls |= {(name, "aided"): _called(name, own, classes, len(codes)) for name, own in aided.items()}
    views = {}
    for code, label in enumerate(classes.tolist()):
        alone, helped = (
            {name: (own == code).astype(int) for (name, kind), own in calls.items() if kind == wanted}
            for wanted in ("unaided", "aided")
        )
        views[label] = reader_study((codes == code).astype(int), alone, model[code], helped or None)

    def kappa(a, b):
        return weighted_kappa(a + 1, b + 1, "quadratic" if ordered else "none", n_categories=len(classes))

    calls[("model", "alone")] = model.argmax(axis=0)
    rows = {
        key: {
            "accuracy": diagnostic_rates(np.ones(len(own), dtype=int), (own == codes).astype(int)).sensitivity,
            "kappa": kappa(codes, own),
        }
        for key, own in calls.items()
    }
    pairs = [
        {"a": a, "b": b, "kappa": kappa(calls[a, "unaided"], calls[b, "unaided"])} for a, b in combinations(readers, 2)
    ]
    return ClassReaderStudy(views, pd.DataFrame.from_dict(rows, orient="index"), pd.DataFrame(pairs))


def _called(name, own, classes, n_cases):
    """Number of the class that a reader calls in each case."""
    own = np.asarray(own)
    if own.shape != (n_cases,):
        raise InputError(
            f"calls of reader {name!r} of shape {own.shape} for {n_cases} cases; give one each", code="length"
        )
    is_class = own[:, None] == classes
    n_unknown = int((~is_class.any(axis=1)).sum())
    if n_unknown:
        raise InputError(
            f"reader {name!r} calls {n_unknown} cases by none of the classes {classes.tolist()}; give one of them"
        )
    return is_class.argmax(axis=1)


def _checked(name, score, n_cases):
    score = check_row(score, n_cases, f"scores of reader {name!r}")
    broken = score[score != np.rint(score)]
    if len(broken):
        raise InputError(
            f"reader {name!r} has scores that are not whole, such as {broken[0]}; give steps of a scale, 1 to 5 or 1 "
            "to 100, or calls of 0 and 1"
        )
    return score.astype(int)


def _first_called(readers, call_from):
    """Score from which on each reader calls: 1 where there are calls of 0 and 1, not a scale from 1 on."""
    is_scale = max(int(score.max()) for score in readers.values()) > 1
    return {
        name: 1 if score.max() <= 1 and (score.min() < 1 or not is_scale) else call_from
        for name, score in readers.items()
    }


def _reader_row(event, score, call_from):
    rates = diagnostic_rates(event, score >= call_from)
    return {"auc": roc_auc_ci(event, score)} | {name: getattr(rates, name) for name in _RATES}


def _against(name, event, score, model, call_from):
    """DeLong's test of a reader against the model, and the model at the reader's specificity."""
    test = delong_test(event, model, score)
    rates = diagnostic_rates(event, score >= call_from)
    # The lowest cut at which the model is at least as specific as the reader.
    cuts = np.append(np.unique(model), np.inf)
    specific = np.array([(model[~event] < cut).mean() for cut in cuts])
    cut = cuts[np.flatnonzero(specific >= float(rates.specificity) - 1e-12)[0]]
    return {
        "reader": name,
        "difference": Interval(test.difference, test.low, test.high),
        "p_value": test.p_value,
        "reader_sensitivity": rates.sensitivity,
        "model_sensitivity": diagnostic_rates(event, model >= cut).sensitivity,
    }


def _pair(a, b, readers):
    return {"a": a, "b": b, "kappa": weighted_kappa(readers[a], readers[b])}


def _gain(event, aided, readers):
    scores = [*aided.values(), *readers.values()]
    auc, covariance = delong_covariance(event, scores)
    n = len(readers)
    return obuchowski_rockette(auc.reshape(2, n), covariance.reshape(2, n, 2, n))
