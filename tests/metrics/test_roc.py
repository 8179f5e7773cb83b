"""DeLong against the definition in O(n^2), against Obuchowski's published example of laws, and against bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

from deepradiomics.exceptions import InputError
from deepradiomics.metrics import bootstrap_interval, delong_covariance, delong_test, delong_tests, holm, roc_auc_ci


def naive_delong(y, scores):
    """The definition of DeLong, DeLong and Clarke-Pearson 1988, pair by pair."""
    auc, of_events, of_others = [], [], []
    for score in scores:
        wins = np.array([[(a > b) + (a == b) / 2 for b in score[y == 0]] for a in score[y == 1]])
        auc.append(wins.mean())
        of_events.append(wins.mean(axis=1))
        of_others.append(wins.mean(axis=0))
    m, n = np.sum(y == 1), np.sum(y == 0)
    return np.array(auc), np.cov(of_events).reshape(len(auc), -1) / m + np.cov(of_others).reshape(len(auc), -1) / n


labelled_scores = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 6)), min_size=6, max_size=40
).filter(lambda rows: 2 <= sum(row[0] for row in rows) <= len(rows) - 2)


@given(labelled_scores)
@settings(max_examples=100, deadline=None)
def test_areas_and_covariance_are_those_of_the_definition(rows):
    y, a, b = np.array(rows, dtype=int).T
    auc, covariance = delong_covariance(y, [a, b])
    expected_auc, expected_covariance = naive_delong(y, [a, b])
    np.testing.assert_allclose(auc, expected_auc, atol=1e-12)
    np.testing.assert_allclose(covariance, expected_covariance, atol=1e-12)
    assert auc[0] == pytest.approx(roc_auc_score(y, a))


@given(labelled_scores)
@settings(max_examples=50, deadline=None)
def test_one_row_a_patient_is_the_unclustered_variance(rows):
    y, a, b = np.array(rows, dtype=int).T
    _, plain = delong_covariance(y, [a, b])
    _, clustered = delong_covariance(y, [a, b], groups=np.arange(len(y)))
    np.testing.assert_allclose(clustered, plain, atol=1e-12)


@given(labelled_scores)
@settings(max_examples=50, deadline=None)
def test_only_ranks_matter_and_roles_swap(rows):
    y, a, b = np.array(rows, dtype=int).T
    test = delong_test(y, a, b)
    np.testing.assert_allclose(delong_test(y, np.exp(a), b * 3 - 7), test, atol=1e-10)
    swapped = delong_test(y, b, a)
    np.testing.assert_allclose([swapped.difference, swapped.p_value], [-test.difference, test.p_value], atol=1e-10)


def test_rows_written_twice_do_not_shrink_the_interval_of_clustered_data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    score = rng.normal(y)
    once = delong_covariance(y, [score], groups=np.arange(60))[1][0, 0]
    twice = delong_covariance(np.tile(y, 2), [np.tile(score, 2)], groups=np.tile(np.arange(60), 2))[1][0, 0]
    assert twice == pytest.approx(once, rel=1e-9)
    assert delong_covariance(np.tile(y, 2), [np.tile(score, 2)])[1][0, 0] < 0.6 * once


def test_the_clustered_variance_is_that_of_a_bootstrap_of_patients():
    rng = np.random.default_rng(1)
    patient = np.repeat(np.arange(150), 3)
    y = (rng.random(450) < 0.4).astype(int)
    score = y + rng.normal(size=150)[patient] + 0.5 * rng.normal(size=450)
    _, covariance = delong_covariance(y, [score], groups=patient)
    draws = []
    for _ in range(400):
        rows = (3 * rng.integers(0, 150, 150)[:, None] + np.arange(3)).ravel()
        draws.append(roc_auc_score(y[rows], score[rows]))
    assert np.sqrt(covariance[0, 0]) == pytest.approx(np.std(draws), rel=0.15)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    # Two unit normals whose means differ by 1 have an area of Phi(1 / sqrt(2)) = 0.7602.
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], 80)
    covered = [0.76025 in roc_auc_ci(y, rng.normal(y)) for _ in range(1000)]
    assert 0.93 <= np.mean(covered) <= 0.97


def test_holm_is_that_of_statsmodels():
    p_values = np.random.default_rng(3).random(20) ** 3
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])


def test_pairs_and_correction():
    rng = np.random.default_rng(4)
    y = np.arange(100) % 2
    scores = {name: rng.normal(shift * y) for name, shift in [("a", 0), ("b", 1), ("c", 2)]}
    table = delong_tests(y, scores)
    assert list(zip(table["a"], table["b"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert table["p_value"][1] == pytest.approx(delong_test(y, scores["a"], scores["c"]).p_value)
    np.testing.assert_allclose(table["p_holm"], multipletests(table["p_value"], method="holm")[1])
    wider = delong_tests(y, scores, inflation=4.0)
    np.testing.assert_allclose(wider["z"], table["z"] / 2)


def test_equal_ranks_are_no_difference():
    result = delong_test([0, 1, 0, 1], [1, 3, 2, 4], [10, 30, 20, 40])
    assert result.difference == 0
    assert result.p_value == 1


def test_a_hundred_thousand_rows_at_once():
    # The definition would take 2.5e9 pairs, 20 GB of them.
    rng = np.random.default_rng(5)
    y = np.arange(100_000) % 2
    interval = roc_auc_ci(y, rng.normal(y))
    assert 0.7602 in interval
    assert interval.high - interval.low < 0.01


@pytest.mark.parametrize(
    ("y", "score", "message"),
    [
        ([0, 0, 0], [1, 2, 3], "1 class"),
        ([0, 1, 2], [1, 2, 3], "3 class"),
        ([0, 1, 1], [1, 2], "scores of shape"),
        ([0, 1, 1], [1, np.nan, 2], "not finite"),
    ],
)
def test_refusals(y, score, message):
    with pytest.raises(InputError, match=message):
        roc_auc_ci(y, score)


@pytest.mark.parametrize(("groups", "code"), [([np.nan] * 8, "missing_patient"), ([1, 2], "length")])
def test_patients_that_are_missing_are_refused(groups, code):
    with pytest.raises(InputError) as caught:
        roc_auc_ci([0, 1] * 4, np.arange(8), groups=groups)
    assert caught.value.code == code
    with pytest.raises(InputError) as caught:
        bootstrap_interval(roc_auc_score, [0, 1] * 4, np.arange(8), groups=groups)
    assert caught.value.code == code
