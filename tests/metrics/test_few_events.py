"""Few events: what is not defined says so, what is covers; Newcombe's printed ends, and simulation."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from deepradiomics.exceptions import InputError
from deepradiomics.harmonization import ComBat
from deepradiomics.metrics import (
    ForestPlot,
    bootstrap_interval,
    delong_test,
    delong_tests,
    diagnostic_rates,
    multiclass_auc,
    rates_from_counts,
    roc_auc_ci,
    wilsoncc,
)
from deepradiomics.metrics.intervals import join_intervals


@pytest.mark.parametrize(("n", "low"), [(5, 0.64), (10, 0.80), (20, 0.90), (50, 0.96)])
def test_an_area_of_one_has_the_lower_end_of_newcombe(n, low):
    y = np.repeat([0, 1], n)
    found, mirrored = roc_auc_ci(y, np.arange(2 * n)), roc_auc_ci(y, -np.arange(2 * n))
    assert (found.estimate, round(found.low, 2), found.high) == (1, low, 1)
    assert mirrored.high == pytest.approx(1 - found.low)


def test_one_event_has_no_interval_and_says_why():
    y, scores = np.arange(20) == 0, np.random.default_rng(0).normal(size=(2, 20))
    found = roc_auc_ci(y, scores[0])
    assert np.isnan([found.low, found.high]).all()
    assert found.estimate == roc_auc_score(y, scores[0])
    assert "one patient of a class" in str(found)
    assert np.isnan(delong_test(y, *scores).p_value)
    assert delong_tests(y, dict(zip("ab", scores, strict=True)))["p_holm"].isna().all()
    of_three = multiclass_auc(np.repeat(["a", "b", "c"], [1, 9, 10]), np.random.default_rng(1).random((20, 3)))
    assert np.isnan(of_three["a"].low)
    assert np.isnan(of_three["macro"].low)
    assert of_three["b"].low < of_three["b"].high
    # Three rows of one patient are one event, too.
    assert np.isnan(roc_auc_ci(np.repeat([0, 1], [9, 3]), scores[0, :12], groups=[*range(9), 9, 9, 9]).low)


@pytest.mark.parametrize("n_events", [2, 3, 5, 10, 20])
@pytest.mark.parametrize("area", [0.6, 0.8, 0.9, 0.99])
def test_few_events_are_covered(n_events, area):
    rng = np.random.default_rng([n_events, round(100 * area)])
    y = np.repeat([0, 1], [100, n_events])
    scores = rng.normal(np.sqrt(2) * norm.ppf(area) * y, size=(600, len(y)))
    covered = np.mean([area in roc_auc_ci(y, score) for score in scores])
    # 600 draws of 0.95 lie within 0.93..0.97 nearly always; some areas and counts leave only longer intervals.
    assert covered >= 0.93


@pytest.mark.parametrize("n_events", [2, 5, 20])
def test_random_scores_differ_no_more_often_than_they_should(n_events):
    rng = np.random.default_rng(n_events)
    y = np.repeat([0, 1], [100, n_events])
    p_values = [delong_test(y, *rng.normal(size=(2, len(y)))).p_value for _ in range(600)]
    assert np.mean(np.array(p_values) < 0.05) < 0.075


def test_an_f1_of_one_has_a_lower_end():
    assert diagnostic_rates([1] * 5 + [0] * 5, [1] * 5 + [0] * 5).f1.low < 0.8
    shared = wilsoncc(40, 60)
    assert rates_from_counts(40, 12, 8, 50).f1.low == pytest.approx(2 * shared.low / (1 + shared.low))


def test_labels_that_came_as_floats_are_labels():
    y = np.repeat([0.0, 1.0], [2, 4])
    score = np.arange(6.0)
    as_ints = bootstrap_interval(roc_auc_score, y.astype(int), score, n_resamples=200, random_state=0)
    assert bootstrap_interval(roc_auc_score, y, score, n_resamples=200, random_state=0) == as_ints


@pytest.mark.parametrize("parametric", [True, False])
def test_a_feature_that_is_constant_at_a_site_leaves_the_others_alone(parametric):
    rng = np.random.default_rng(0)
    site = np.repeat(["A", "B"], 20)
    X = rng.normal(size=(40, 4)) + 3 * (site == "B")[:, None]
    without = ComBat(parametric=parametric).fit(X, site=site).transform(X, site=site)
    X = np.column_stack([X, rng.normal(size=40)])
    X[site == "B", 4] = 7.0
    out = ComBat(parametric=parametric).fit(X, site=site).transform(X, site=site)
    assert np.isfinite(out).all()
    np.testing.assert_allclose(out[site == "B", :4], without[site == "B"])
    assert out[site == "B", 4].std() == pytest.approx(0, abs=1e-12)


def test_combat_without_a_site_is_no_site():
    X, site = np.random.default_rng(0).normal(size=(20, 3)), np.repeat([0, 1], 10)
    with pytest.raises(InputError, match="no site"):
        ComBat().fit(X, site=site).transform(X)


def test_combat_that_learned_one_site_needs_none():
    X = np.random.default_rng(0).normal(size=(20, 3))
    np.testing.assert_allclose(ComBat().fit(X, site=["A"] * 20).transform(X), X)


def test_a_difference_that_is_not_defined_is_grey_and_says_why():
    matplotlib.use("Agg")
    y, scores = np.arange(20) == 0, np.random.default_rng(0).normal(size=(2, 20))
    tests = delong_tests(y, dict(zip("ab", scores, strict=True)))
    assert "one patient of a class" in str(tests["difference"][0])
    assert {line.get_color() for line in ForestPlot(tests).plot().ax_.lines[:2]} == {"tab:gray"}
    table = pd.DataFrame({"auc": [0.8], "auc_low": [np.nan], "auc_high": [np.nan]})
    assert "one patient of a class" in join_intervals(table).to_html()
