"""Selectors: scikit-learn's checks, a brute-force twin of each, and repeated measurements of real pixels."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from deepradiomics import Radiograph
from deepradiomics.exceptions import InputError
from deepradiomics.metrics import icc
from deepradiomics.selection import BilateralSelector, CorrelationPruner, MRMRSelector, StabilitySelector, remeasure

RNG = np.random.default_rng(0)
Y = np.arange(90) % 2
X = RNG.normal(size=(90, 12)) + np.outer(Y, np.linspace(0, 1.5, 12))
X[:, 6:9] = X[:, :3] + 0.1 * RNG.normal(size=(90, 3))


@parametrize_with_checks([CorrelationPruner(), MRMRSelector(), StabilitySelector()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("threshold", [0.3, 0.9])
def test_pruning_is_the_plain_loop(threshold):
    kept = []
    for j in range(12):
        if all(abs(spearmanr(X[:, i], X[:, j])[0]) <= threshold for i in kept):
            kept.append(j)
    assert np.flatnonzero(CorrelationPruner(threshold).fit(X).get_support()).tolist() == kept


def test_pruning_by_relevance_keeps_the_better_of_two():
    pruner = CorrelationPruner(order="relevance").fit(X, Y)
    f = f_classif(X, Y)[0]
    for i, j in [(0, 6), (1, 7), (2, 8)]:
        assert pruner.get_support()[[i, j]].tolist() == [f[i] >= f[j], f[i] < f[j]]
    with pytest.raises(InputError, match="needs labels"):
        CorrelationPruner(order="relevance").fit(X)


def test_constant_features_are_dropped():
    assert CorrelationPruner().fit(np.column_stack([np.ones(90), X])).get_support().tolist()[:2] == [False, True]


def test_mrmr_is_the_plain_loop():
    f, corr = f_classif(X, Y)[0], np.abs(np.corrcoef(X.T))
    chosen = [int(np.argmax(f))]
    while len(chosen) < 6:
        rest = [j for j in range(12) if j not in chosen]
        chosen.append(max(rest, key=lambda j: f[j] / corr[j, chosen].mean()))
    assert MRMRSelector(6).fit(X, Y).ranking_.tolist() == chosen


@pytest.mark.parametrize("keep", ["both", "either", "mean"])
def test_sides_are_joined(keep):
    left, right = X[:, :6], X[:, 6:]
    masks = [SelectKBest(k=3).fit(side, Y).get_support() for side in (left, right)]
    selector = BilateralSelector(SelectKBest(k=3), keep=keep)
    out = selector.fit_transform(X, Y)
    if keep == "mean":
        np.testing.assert_allclose(out, SelectKBest(k=3).fit_transform((left + right) / 2, Y))
        return
    mask = masks[0] & masks[1] if keep == "both" else masks[0] | masks[1]
    np.testing.assert_array_equal(out, np.hstack([left[:, mask], right[:, mask]]))


def test_sides_keep_their_names_and_must_be_equal():
    frame = pd.DataFrame(X, columns=[f"{side}_{i}" for side in ("left", "right") for i in range(6)])
    out = BilateralSelector(SelectKBest(k=3), keep="either").set_output(transform="pandas").fit_transform(frame, Y)
    half = out.shape[1] // 2
    assert [name.replace("left", "right") for name in out.columns[:half]] == list(out.columns[half:])
    with pytest.raises(InputError, match="two sides"):
        BilateralSelector().fit(X[:, :5], Y)


def test_a_missing_side_leaves_the_mean_to_the_other():
    holes = X.copy()
    holes[3, :6] = np.nan
    out = BilateralSelector(SelectKBest(k=6), keep="mean").fit_transform(holes, Y)
    np.testing.assert_array_equal(out[3], X[3, 6:])


@pytest.mark.parametrize("kind", ["ICC(2,1)", "ICC(3,1)"])
def test_stability_is_the_icc_of_each_feature(kind):
    repeats = RNG.normal(size=(25, 4, 1)) + RNG.normal(size=(25, 4, 3)) * [[0.1], [0.5], [1], [3]] + [0, 0.2, 0.5]
    selector = StabilitySelector(repeats, kind=kind).fit(repeats[:, :, 0])
    expected = [icc(repeats[:, j], kind) for j in range(4)]
    np.testing.assert_allclose(selector.icc_, [float(e) for e in expected])
    np.testing.assert_allclose(selector.icc_low_, [e.low for e in expected])
    with pytest.raises(InputError, match="for 3 features"):
        StabilitySelector(repeats).fit(repeats[:, :3, 0])


def test_a_feature_that_depends_on_the_box_is_less_stable_than_one_that_does_not():
    films = []
    for level in RNG.normal(100, 10, 20):
        pixels = level + np.linspace(0, 60, 40)[None, :] + RNG.normal(size=(40, 40))
        films.append(Radiograph(pixels, np.pad(np.ones((20, 20), bool), 10), (0.5, 0.5)))
    measure = FunctionTransformer(
        lambda table: np.array([[r.pixels[r.mask].mean(), r.pixels[r.mask].std()] for r in table["bone"]])
    )
    frame = pd.DataFrame({"bone": films})
    repeats = remeasure(measure, frame, n_repeats=4, random_state=0)
    assert repeats.shape == (20, 2, 4)
    np.testing.assert_array_equal(repeats[:, :, 0], measure.transform(frame))
    np.testing.assert_array_equal(repeats, remeasure(measure, frame, n_repeats=4, random_state=0))
    assert np.ptp(repeats[:, 0], axis=1).max() > 1
    still = remeasure(measure, frame, n_repeats=4, shift_mm=0, angle=0, random_state=0)
    np.testing.assert_allclose(still, still[:, :, :1].repeat(4, axis=2))
