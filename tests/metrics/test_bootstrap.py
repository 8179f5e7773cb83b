"""The bootstrap over patients against closed forms and DeLong."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from deepradiomics.exceptions import InputError
from deepradiomics.metrics import bootstrap_interval, roc_auc_ci, wilson


def test_a_proportion_has_its_binomial_interval():
    y = np.ones(400, dtype=int)
    calls = (np.arange(400) < 300).astype(int)
    found, exact = bootstrap_interval(accuracy_score, y, calls, random_state=0), wilson(300, 400)
    assert found.estimate == 0.75
    np.testing.assert_allclose([found.low, found.high], [exact.low, exact.high], atol=0.01)


def test_an_area_has_delongs_interval_and_clusters_widen_both_alike():
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(150), 4)
    y = np.repeat(np.arange(150) % 2, 4)
    score = y + np.repeat(rng.normal(size=150), 4) * 1.5 + 0.3 * rng.normal(size=600)
    for groups in (None, patient):
        found = bootstrap_interval(roc_auc_score, y, score, groups=groups, n_resamples=400, random_state=0)
        delong = roc_auc_ci(y, score, groups=groups)
        np.testing.assert_allclose([found.low, found.high], [delong.low, delong.high], atol=0.015)
    assert found.high - found.low > 1.7 * (roc_auc_ci(y, score).high - roc_auc_ci(y, score).low)


def test_a_difference_of_two_scores():
    rng = np.random.default_rng(1)
    y = np.arange(300) % 2
    better, worse = y + rng.normal(size=300), 0.2 * y + rng.normal(size=300)

    def gain(labels, a, b):
        return roc_auc_score(labels, a) - roc_auc_score(labels, b)

    assert bootstrap_interval(gain, y, better, worse, n_resamples=500, random_state=0).low > 0
    assert 0 in bootstrap_interval(gain, y, better, better + 0.0, n_resamples=100, random_state=0)


def test_what_it_refuses():
    with pytest.raises(InputError, match=r"arrays of \[3, 4\] rows"):
        bootstrap_interval(accuracy_score, [0, 1, 1], [0, 1, 1, 1])
    with pytest.raises(InputError, match="too few patients of one class"):
        bootstrap_interval(roc_auc_score, [0, 1], [0.1, 0.2], groups=[0, 1], n_resamples=50, random_state=0)
