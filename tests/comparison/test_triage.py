"""A triage keeps its promises in cohorts it never saw, refuses those it cannot keep, and follows Bayes elsewhere."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, norm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from deepradiomics import Triage
from deepradiomics.exceptions import InputError


class Known(ClassifierMixin, BaseEstimator):
    """Gives the only column as the probability of the second class, so that the truth can be computed."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.column_stack([1 - np.asarray(X)[:, 0], np.asarray(X)[:, 0]])

    def predict(self, X):
        return self.classes_[(np.asarray(X)[:, 0] > 0.5).astype(int)]


def cohort(n, rng, prevalence=0.4, shift=2.2):
    y = (rng.random(n) < prevalence).astype(int)
    return norm.cdf(rng.normal(shift * y) - shift / 2)[:, None], y


def true_values(triage, prevalence=0.4, shift=2.2):
    """PPV and NPV of the thresholds in the population that the cohorts come from; 1 where nobody is decided."""
    upper, lower = norm.ppf([min(triage.upper_, 1), max(triage.lower_, 0)]) + shift / 2
    sick_in, healthy_in = prevalence * norm.sf(upper - shift), (1 - prevalence) * norm.sf(upper)
    sick_out, healthy_out = prevalence * norm.cdf(lower - shift), (1 - prevalence) * norm.cdf(lower)
    return (
        sick_in / (sick_in + healthy_in) if sick_in + healthy_in else 1.0,
        healthy_out / (sick_out + healthy_out) if sick_out + healthy_out else 1.0,
    )


def test_the_promise_holds_in_95_of_100_cohorts():
    rng, kept, decided = np.random.default_rng(0), [], []
    for _ in range(400):
        try:
            triage = Triage(Known(), ppv=0.9, npv=0.9, cv=2, random_state=0).fit(*cohort(600, rng))
        except InputError:
            # What is not promised is not broken, and decides nobody.
            kept.append(True)
            decided.append(0.0)
            continue
        ppv, npv = true_values(triage)
        kept.append(ppv >= 0.9 and npv >= 0.9)
        decided.append(triage.decided_.estimate)
    assert np.mean(kept) >= 0.95
    # Refusing everybody would keep any promise.
    assert np.mean(decided) > 0.3


def test_each_threshold_passes_the_exact_test_of_its_group():
    X, y = cohort(600, np.random.default_rng(1))
    triage = Triage(Known(), ppv=0.9, npv=0.9, cv=2, random_state=0).fit(X, y)
    ruled_in = X[:, 0] >= triage.upper_
    n, right = ruled_in.sum(), y[ruled_in].sum()
    # Lower end after Clopper and Pearson at half of half of the allowed error.
    assert beta.ppf(0.0125, right, n - right + 1) >= 0.9
    assert triage.table_.loc["rule in", ["n", "correct"]].tolist() == [n, right / n]
    assert triage.table_["n"].sum() == 600
    assert triage.table_["share"].sum() == pytest.approx(1)


def test_other_prevalences_follow_bayes():
    X, y = cohort(900, np.random.default_rng(2))
    triage = Triage(Known(), ppv=0.9, npv=0.9, cv=2, random_state=0).fit(X, y)
    own = triage.at_prevalence([y.mean()]).iloc[0]
    assert own["ppv"] == pytest.approx(triage.table_.loc["rule in", "correct"])
    assert own["npv"] == pytest.approx(triage.table_.loc["rule out", "correct"])
    assert own["decided"] == pytest.approx(triage.decided_.estimate)
    rare = triage.at_prevalence([0.05])["ppv"].item()
    sensitivity, false_alarms = ((X[y == k, 0] >= triage.upper_).mean() for k in (1, 0))
    assert rare == pytest.approx(0.05 * sensitivity / (0.05 * sensitivity + 0.95 * false_alarms))
    assert rare < own["ppv"]
    with pytest.raises(InputError, match="between 0 and 1"):
        triage.at_prevalence([30])


def test_what_cannot_be_promised_is_said():
    rng = np.random.default_rng(3)
    with pytest.raises(InputError, match="neither promise can be kept: of 60 patients"):
        Triage(Known(), cv=2).fit(*cohort(60, rng))
    X, y = cohort(400, rng, prevalence=0.08)
    rare = Triage(Known(), ppv=0.9, npv=0.9, cv=2, random_state=0).fit(X, y)
    assert rare.upper_ == np.inf
    assert rare.notes_ == [
        "nobody is ruled in: no group of 42 or more patients is pure enough to promise 0.9",
        f"promised for a prevalence of {100 * y.mean():.0f} %; at_prevalence tells PPV and NPV for others",
    ]
    assert rare.table_.loc["rule in", "n"] == 0
    assert np.isnan(rare.at_prevalence([0.08])["ppv"].item())
    assert set(rare.predict([[1.0], [0.0]])) == {"refer", "rule out"}


def test_it_knows_the_disease_by_name_and_counts_patients_once():
    X, y = cohort(700, np.random.default_rng(7))
    words = np.where(y == 1, "abnormal", "normal")
    twice = np.repeat(np.arange(700), 2)
    settings = {"ppv": 0.9, "npv": 0.9, "random_state": 0}
    triage = Triage(LogisticRegression(), **settings, event="abnormal").fit(X[twice], words[twice], groups=twice)
    assert triage.classes_.tolist() == ["normal", "abnormal"]
    assert triage.table_["n"].sum() == 700
    assert triage.predict(np.array([[0.999], [0.001]])).tolist() == ["rule in", "rule out"]
    assert triage.predict_proba(np.array([[0.999]]))[0, 1] > 0.9


def test_patients_of_equal_score_are_decided_together():
    X, y = cohort(600, np.random.default_rng(5))
    coarse = np.round(X, 1)
    triage = Triage(Known(), ppv=0.8, npv=0.8, cv=2, random_state=0).fit(coarse, y)
    table = pd.crosstab(coarse[:, 0], triage.predict(coarse))
    assert (table.gt(0).sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    ("settings", "y", "message"),
    [({"ppv": 95}, [0, 1] * 50, "share between 0 and 1"), ({}, [0, 1, 2, 1] * 25, "y has 3")],
)
def test_bad_input_gets_one_clear_error(settings, y, message):
    with pytest.raises(InputError, match=message):
        Triage(Known(), **settings).fit(np.zeros((100, 1)), y)
