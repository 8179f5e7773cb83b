"""Decide what is sure and refer the rest to DXA, with predictive values that are promised."""

import numpy as np
import pandas as pd
from scipy.stats import binom
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import cross_val_predict
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, indexable

from deepradiomics.comparison._target import read_target
from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.metrics.intervals import clopper_pearson
from deepradiomics.splits import cross_validation_splits, encode_groups

DECISIONS = ("rule in", "refer", "rule out")
# Sequences of tests, each with its part of the allowed error: the first finds small groups, the second large ones.
_N_STARTS = 2


class Triage(BaseEstimator):
    """Rule in, rule out, or refer to DXA: two thresholds that promise predictive values.

    Parameters
    ----------
    classifier : estimator
        A classifier of two classes with ``predict_proba``.
    ppv : float, default=0.95
        Smallest share of the sick among those ruled in.
    npv : float, default=0.95
        Smallest share of the healthy among those ruled out.
    confidence : float, default=0.95
        Share of cohorts in which both promises hold.
    event : label, default=None
        Which label is the disease; None as in :func:`deepradiomics.compare_feature_sets`.
    cv : int, splitter or iterable, default=5
        How out-of-fold probabilities are made.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, and of the row that speaks for a patient with several.

    Attributes
    ----------
    classifier_ : estimator
        The classifier, fitted on all rows.
    classes_ : array of shape (2,)
        The labels, the disease last.
    upper_, lower_ : float
        Probability of the disease from which on a patient is ruled in, and up to which one is ruled out; infinity and
        minus infinity where no threshold keeps the promise.
    table_ : DataFrame of shape (3, 6)
        Of each decision, out of fold, a row a patient: ``n``, ``share`` with the ends of its interval (Clopper and
        Pearson), ``correct`` (PPV or NPV) and ``at_least``, what is promised of it. NaN is undefined.
    decided_ : Interval
        Share of the patients who are not referred.
    notes_ : list of str
        Promises that the cohort is too small or the classifier too weak for, and the prevalence for which the others
        hold.

    Notes
    -----
    Patients are sorted by their out-of-fold probability. From a smallest group on, groups grow by one patient while a
    one-sided binomial test (that of Clopper and Pearson) says that their predictive value is high enough. This is
    fixed-sequence testing, so looking at many thresholds costs nothing; two sequences start at the smallest group that
    could pass and at twice its size, and share the allowed error. With a confidence of 0.95 the smallest group is 42
    patients without an error for a promise of 0.9 and 86 for 0.95, so a promise needs some hundred patients.

    The promise is made for patients like those of the training and for the classifiers of the folds; that of all rows
    is mostly a little better. Predictive values move with the prevalence, see :meth:`at_prevalence`.

    References
    ----------
    Angelopoulos AN et al. Learn then test: calibrating predictive algorithms to achieve risk control. Ann Appl Stat
    2025;19:1641-1662. Hsieh CI et al. Nat Commun 2021;12:5472, who decided 84.8 % of patients so.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from deepradiomics import Triage
    >>> y = np.arange(600) % 2
    >>> X = np.random.default_rng(0).normal(2.5 * y)[:, None]
    >>> triage = Triage(LogisticRegression(), ppv=0.9, npv=0.9, random_state=0).fit(X, y)
    >>> triage.predict([[-2.0], [1.25], [4.5]])
    array(['rule out', 'refer', 'rule in'], dtype='<U8')
    """

    def __init__(self, classifier, ppv=0.95, npv=0.95, *, confidence=0.95, event=None, cv=5, random_state=None):
        self.classifier = classifier
        self.ppv = ppv
        self.npv = npv
        self.confidence = confidence
        self.event = event
        self.cv = cv
        self.random_state = random_state

    def fit(self, X, y, *, groups=None):
        """Fit the classifier and find both thresholds.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,)
            Labels of two classes.
        groups : array-like of shape (n_samples,), default=None
            Patient of each row; of several rows one, drawn by chance, speaks for the patient.

        Returns
        -------
        Triage
            The fitted estimator.

        Raises
        ------
        InputError
            If a promise is no share between 0 and 1, y has not two classes, or neither promise can be kept.
        LeakageError
            If a patient is on both sides of a split.
        """
        for name in ("ppv", "npv", "confidence"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)!r}; give a share between 0 and 1")
        check_same_rows("X", X, y=y, groups=groups)
        X, y, groups = indexable(X, y, groups)
        target, codes = read_target(y, [self.classifier], self.event)
        if len(target.classes or ()) != 2:
            raise InputError(f"a triage is between two classes, y has {len(target.classes or ())}")
        rng = check_random_state(self.random_state)
        patients = np.arange(len(codes)) if groups is None else encode_groups(groups, len(codes))
        splits = cross_validation_splits(
            self.cv, codes, None if groups is None else patients, random_state=rng.randint(2**31 - 1)
        )
        chosen = rng.permutation(len(codes))
        chosen = chosen[np.unique(patients[chosen], return_index=True)[1]]
        scores = cross_val_predict(self.classifier, X, codes, cv=splits, method="predict_proba")[chosen, 1]
        self._sick = codes[chosen] == 1
        allowed = (1 - self.confidence) / 2
        self.upper_ = _threshold(scores, self._sick, self.ppv, allowed)
        self.lower_ = -_threshold(-scores, ~self._sick, self.npv, allowed)
        if np.isinf(self.upper_) and np.isinf(self.lower_):
            least = min(_smallest(wanted, allowed) for wanted in (self.ppv, self.npv))
            raise InputError(
                f"neither promise can be kept: of {len(scores)} patients ({self._sick.sum()} with the event) no group "
                f"of {least} or more is pure enough; promise less, or bring more patients"
            )
        self.notes_ = [
            f"nobody is ruled {way}: no group of {_smallest(wanted, allowed)} or more patients is pure enough to "
            f"promise {wanted:g}"
            for way, wanted, threshold in (("in", self.ppv, self.upper_), ("out", self.npv, self.lower_))
            if np.isinf(threshold)
        ]
        prevalence = f"{100 * self._sick.mean():.0f} %"
        self.notes_.append(f"promised for a prevalence of {prevalence}; at_prevalence tells PPV and NPV for others")
        # A score of which both promises hold is ruled in; those below are a smaller group that passed its test, too.
        if self.lower_ >= self.upper_:
            self.lower_ = np.nextafter(self.upper_, -np.inf)
        self._decisions = self._decide(scores)
        self.table_ = self._table()
        n_decided = int((self._decisions != "refer").sum())
        self.decided_ = clopper_pearson(n_decided, len(scores))
        self.classes_ = np.asarray(target.classes)
        self.classifier_ = clone(self.classifier).fit(X, np.asarray(y))
        return self

    def predict(self, X):
        """Decide for each row.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            The table.

        Returns
        -------
        array of str of shape (n_samples,)
            ``"rule in"``, ``"refer"`` or ``"rule out"``.
        """
        check_is_fitted(self)
        return self._decide(self.predict_proba(X)[:, 1])

    def predict_proba(self, X):
        """Estimate the probability of each class, the disease last.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            The table.

        Returns
        -------
        float array of shape (n_samples, 2)
            Probabilities in the order of ``classes_``.
        """
        check_is_fitted(self)
        place = self.classifier_.classes_.tolist().index(self.classes_[1])
        sick = self.classifier_.predict_proba(X)[:, place]
        return np.column_stack([1 - sick, sick])

    def at_prevalence(self, prevalences):
        """Tell what the predictive values would be where the disease is rarer or more frequent.

        Parameters
        ----------
        prevalences : sequence of float
            Shares of the sick, between 0 and 1.

        Returns
        -------
        DataFrame of shape (n_prevalences, 4)
            ``prevalence``, ``ppv``, ``npv`` and ``decided``, the share who are not referred, by Bayes' rule from the
            out-of-fold decisions; NaN where nobody is ruled in or out.

        Raises
        ------
        InputError
            If a prevalence is not between 0 and 1.
        """
        check_is_fitted(self)
        prevalences = np.asarray(prevalences, dtype=float)
        if prevalences.ndim != 1 or not ((prevalences > 0) & (prevalences < 1)).all():
            raise InputError("give a list of prevalences between 0 and 1, such as [0.1, 0.3]")
        shares = {}
        for decision in ("rule in", "rule out"):
            of_all = self._decisions == decision
            sick, healthy = of_all[self._sick].mean(), of_all[~self._sick].mean()
            shares[decision] = prevalences * sick, (1 - prevalences) * healthy
        n_in, n_out = (np.sum(shares[decision], axis=0) for decision in ("rule in", "rule out"))
        with np.errstate(invalid="ignore"):
            ppv, npv = shares["rule in"][0] / n_in, shares["rule out"][1] / n_out
        return pd.DataFrame({"prevalence": prevalences, "ppv": ppv, "npv": npv, "decided": n_in + n_out})

    def _decide(self, scores):
        return np.select([scores >= self.upper_, scores <= self.lower_], ["rule in", "rule out"], "refer")

    def _table(self):
        rows = []
        for decision in DECISIONS:
            of_all = self._decisions == decision
            share = clopper_pearson(int(of_all.sum()), len(of_all))
            right = {"rule in": self._sick, "rule out": ~self._sick}.get(decision)
            correct, promised = np.nan, np.nan
            if right is not None and of_all.any():
                correct, promised = right[of_all].mean(), {"rule in": self.ppv, "rule out": self.npv}[decision]
            rows.append([int(of_all.sum()), share.estimate, share.low, share.high, correct, promised])
        columns = ["n", "share", "share_low", "share_high", "correct", "at_least"]
        return pd.DataFrame(rows, index=pd.Index(DECISIONS, name="decision"), columns=columns)


def _smallest(wanted, allowed):
    """Size of the smallest group that can pass: all right, and yet not by chance."""
    return int(np.ceil(np.log(allowed / _N_STARTS) / np.log(wanted)))


def _threshold(scores, is_right, wanted, allowed):
    """Lowest score from which on the share of the right is as wanted, by fixed-sequence tests; infinity if none."""
    order = np.argsort(-scores, kind="stable")
    scores, n_right = scores[order], np.cumsum(is_right[order])
    # Patients of equal score are decided together.
    ends = np.flatnonzero(np.append(scores[1:] < scores[:-1], True)) + 1
    passes = binom.sf(n_right[ends - 1] - 1, ends, wanted) <= allowed / _N_STARTS
    last = 0
    for start in range(_N_STARTS):
        first = int(np.searchsorted(ends, _smallest(wanted, allowed) * 2**start))
        n_passed = int(np.argmin(np.append(passes[first:], False)))
        if n_passed:
            last = max(last, first + n_passed)
    return scores[ends[last - 1] - 1] if last else np.inf
