"""Agreement against the published table of Shrout and Fleiss, statsmodels, scikit-learn and simulation."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.inter_rater import cohens_kappa

from deepradiomics.exceptions import InputError
from deepradiomics.metrics import icc, mcnemar, weighted_kappa

# Shrout and Fleiss 1979, Table 2: four judges' ratings of six targets; Table 4: .17, .29, .71.
SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


# Intervals as printed by the R package psych for this table (ICC help page).
@pytest.mark.parametrize(
    ("kind", "estimate", "low", "high"),
    [("ICC(1,1)", 0.17, -0.13, 0.72), ("ICC(2,1)", 0.29, 0.02, 0.76), ("ICC(3,1)", 0.71, 0.34, 0.95)],
)
def test_the_published_table(kind, estimate, low, high):
    interval = icc(SHROUT_FLEISS, kind)
    assert (round(interval.estimate, 2), round(interval.low, 2), round(interval.high, 2)) == (estimate, low, high)


@pytest.mark.parametrize("kind", ["ICC(2,1)", "ICC(3,1)"])
def test_the_interval_covers_the_truth(kind):
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        subjects = rng.normal(size=(40, 1))
        raters = rng.normal(size=(1, 5)) * (kind == "ICC(2,1)") * 0.5
        truth = 1 / 1.5 if kind == "ICC(3,1)" else 1 / 1.75
        covered.append(truth in icc(subjects + raters + np.sqrt(0.5) * rng.normal(size=(40, 5)), kind))
    assert np.mean(covered) >= 0.92


def test_a_rater_who_adds_a_constant_is_consistent_but_does_not_agree():
    ratings = np.array([[1.0, 2.0], [2.0, 3.0], [4.0, 5.0]])
    assert icc(ratings, "ICC(3,1)").estimate == pytest.approx(1)
    assert icc(ratings, "ICC(2,1)").estimate < 0.9
    assert np.isnan(float(icc(np.ones((3, 2)))))


@pytest.mark.parametrize(("weights", "name"), [("quadratic", "quadratic"), ("linear", "linear"), ("none", None)])
def test_kappa_is_that_of_scikit_learn_and_its_error_that_of_statsmodels(weights, name):
    rng = np.random.default_rng(1)
    a = rng.integers(1, 6, 80)
    b = np.clip(a + rng.integers(-1, 2, 80), 1, 5)
    interval = weighted_kappa(a, b, weights)
    assert interval.estimate == pytest.approx(cohen_kappa_score(a, b, weights=name))
    table = np.zeros((5, 5))
    np.add.at(table, (a - 1, b - 1), 1)
    wt = {"quadratic": "fc", "linear": "ca", "none": None}[weights]
    reference = cohens_kappa(table, wt=wt)
    np.testing.assert_allclose([interval.low, interval.high], [reference.kappa_low, reference.kappa_upp], rtol=1e-6)


def test_mcnemar_is_that_of_statsmodels():
    rng = np.random.default_rng(2)
    a, b = rng.random((2, 60)) < [[0.8], [0.6]]
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    assert mcnemar(a, b) == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue)
    assert mcnemar(a, a) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: icc([[1, 2]]), "two of each"),
        (lambda: icc([[1, np.nan], [2, 3]]), "missing"),
        (lambda: icc(SHROUT_FLEISS, "ICC(4,1)"), "kind is one of"),
        (lambda: weighted_kappa([1, 2], [1]), "shapes"),
        (lambda: weighted_kappa([1, 2], [1, 2], "cubic"), "weights is one of"),
        (lambda: mcnemar([1, 0], [1]), "same rows"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("ratings", [[1.5, 2], [np.nan, 2]])
def test_ratings_that_are_no_steps_are_refused(ratings):
    with pytest.raises(InputError, match="whole numbers"):
        weighted_kappa(ratings, [1, 2])
    with pytest.raises(InputError, match="n_categories is 3"):
        weighted_kappa([1, 5], [1, 2], n_categories=3)
