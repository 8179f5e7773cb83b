"""Recalibration and drift: against statsmodels, scikit-learn, scipy and what was simulated."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from scipy.stats import ks_2samp
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.naive_bayes import GaussianNB

from deepradiomics import recalibrate
from deepradiomics.comparison import RecalibratedClassifier
from deepradiomics.exceptions import InputError
from deepradiomics.metrics import drift, plot_drift, plot_recalibration_curve, recalibration_curve
from deepradiomics.metrics.recalibration import apply_recalibration, fit_recalibration

matplotlib.use("Agg")
RNG = np.random.default_rng(0)
SCORE = expit(RNG.normal(0, 1.5, 1200))
# Rarer than the model says, and its log odds are too far apart.
Y = RNG.random(1200) < expit(0.6 * logit(SCORE) - 1)


def test_maps_are_those_of_statsmodels_and_scikit_learn():
    odds = logit(SCORE)
    moved = sm.GLM(Y, np.ones(1200), family=sm.families.Binomial(), offset=odds).fit()
    np.testing.assert_allclose(fit_recalibration(Y, SCORE, "intercept"), [moved.params[0], 1])
    line = sm.Logit(Y, sm.add_constant(odds)).fit(disp=False)
    np.testing.assert_allclose(fit_recalibration(Y, SCORE, "slope"), line.params, rtol=1e-6)
    found = apply_recalibration(fit_recalibration(Y, SCORE, "slope"), SCORE)
    np.testing.assert_allclose(found, line.predict(), rtol=1e-6)


def table(n, seed, n_classes=2):
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n)
    return rng.normal(y[:, None], 1.0, (n, 2)), y


@pytest.mark.parametrize("n_classes", [2, 3])
def test_steps_are_scikit_learns_and_the_model_stays(n_classes):
    model = GaussianNB().fit(*table(200, 0, n_classes))
    X, y = table(300, 1, n_classes)
    before = model.predict_proba(X)
    local = recalibrate(model, X, y, method="isotonic")
    expected = CalibratedClassifierCV(FrozenEstimator(model), method="isotonic")
    np.testing.assert_allclose(local.predict_proba(X), expected.fit(X, y).predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    np.testing.assert_allclose(local.predict_proba(X).sum(axis=1), 1)


def test_the_threshold_is_local_and_the_event_may_be_the_first_class():
    X, y = table(300, 0)
    words = np.where(y == 1, "case", "control")
    model = LogisticRegression().fit(X, words)
    Z, z = table(300, 1)
    local = recalibrate(model, Z, np.where(z == 1, "case", "control"), sensitivity=0.9)
    called = local.predict(Z) == "case"
    assert recall_score(z, called) >= 0.9
    assert recall_score(z, local.predict_proba(Z)[:, 0] > local.threshold_ + 0.02) < 0.9
    numbers = recalibrate(LogisticRegression().fit(X, y), Z, z, sensitivity=0.9)
    np.testing.assert_allclose(local.predict_proba(Z)[:, 0], numbers.predict_proba(Z)[:, 1], atol=1e-5)


def test_a_clone_is_fitted_anew_and_its_model_is_not():
    local = recalibrate(GaussianNB().fit(*table(100, 0)), *table(80, 1))
    again = clone(local).fit(*table(80, 1))
    np.testing.assert_array_equal(again.predict_proba(table(9, 2)[0]), local.predict_proba(table(9, 2)[0]))
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        clone(RecalibratedClassifier(local.classifier.estimator)).fit(*table(80, 1))


def test_more_local_patients_bring_calibration_and_none_is_judged_on_its_own():
    settings = {"sizes": [0, 50, 400], "n_draws": 25, "random_state": 0}
    curve = recalibration_curve(Y, SCORE, **settings)
    whole = sm.Logit(Y, sm.add_constant(logit(SCORE))).fit(disp=False)
    assert curve.loc[0, "slope"] == pytest.approx(whole.params[1], rel=1e-5)
    assert curve.loc[0, "sensitivity"] == recall_score(Y, SCORE >= 0.5)
    assert abs(curve.loc[400, "intercept"]) < 0.15 < abs(curve.loc[0, "intercept"])
    spread = curve["slope_high"] - curve["slope_low"]
    assert spread[400] < spread[50]
    assert curve.loc[400, "brier"] < curve.loc[0, "brier"]
    # Steps fitted on 50 rows of noise are perfect on these rows, and on others no better than nothing.
    noise = recalibration_curve(Y, RNG.random(1200), method="isotonic", sizes=[50], n_draws=10, random_state=0)
    assert noise.loc[50, "brier"] > Y.mean() * (1 - Y.mean())
    assert len(plot_recalibration_curve(curve)[1].get_xticks()) == 3
    plt.close("all")


def test_draws_that_cannot_be_fitted_are_counted():
    rare = np.zeros(400, dtype=bool)
    rare[:8] = True
    curve = recalibration_curve(rare, SCORE[:400], sizes=[20], n_draws=50, random_state=0)
    assert curve.loc[20, "failed"] > 0.5
    assert np.isnan(curve.loc[20, "slope"])
    # All events may be drawn, so that none is left to judge by.
    few = recalibration_curve(rare[5:65], SCORE[:60], method="intercept", sizes=[30], n_draws=40, random_state=0)
    assert 0.1 < few.loc[30, "failed"] < 0.6


def test_refusals_of_recalibration():
    with pytest.raises(InputError, match="method is one of"):
        fit_recalibration(Y, SCORE, "platt")
    with pytest.raises(InputError, match="separate the classes"):
        fit_recalibration([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9])
    with pytest.raises(InputError, match="fewer than half"):
        recalibration_curve(Y, SCORE, sizes=[700])
    with pytest.raises(InputError, match="method is one of"):
        recalibration_curve(Y, SCORE, method="platt", sizes=[0])
    for method in ("slope", "isotonic"):
        with pytest.raises(InputError, match="the rarer the event"):
            fit_recalibration([1, 1, 0, 1, 0, 0], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], method)
    X, y = table(60, 0, 3)
    model = LogisticRegression().fit(X, y)
    with pytest.raises(InputError, match="of the classes"):
        recalibrate(model, X[y < 2], y[y < 2])


def test_drift_is_found_where_it_was_put_and_only_there():
    rng = np.random.default_rng(1)
    before = pd.DataFrame(
        {"age": rng.normal(70, 8, 400), "score": rng.random(400), "view": rng.choice(["AP", "PA"], 400)}
    )
    after = pd.DataFrame(
        {"age": rng.normal(70, 8, 400), "score": rng.random(400), "view": rng.choice(["AP", "PA"], 400)}
    )
    year = np.repeat([2025, 2026], 200)
    after.loc[year == 2026, "age"] += 6
    after.loc[year == 2026, "view"] = "AP"
    found = drift(before, after, year)
    row = found.loc[(2026, "age")]
    test = ks_2samp(before["age"], after["age"][year == 2026])
    assert row["p_value"] == pytest.approx(test.pvalue)
    assert row["shift"] == pytest.approx((after["age"][200:].mean() - before["age"].mean()) / before["age"].std())
    cuts = [-np.inf, *np.quantile(before["age"], np.arange(1, 10) / 10), np.inf]
    shares = [np.append(np.histogram(own, cuts)[0], 0) + 0.5 for own in (before["age"], after["age"][200:])]
    p, q = (own / own.sum() for own in shares)
    assert row["psi"] == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert list(found.index[found["p_holm"] < 0.05]) == [(2026, "age"), (2026, "view")]
    assert (found.loc[2025, "psi"] < 0.2).all()
    ax = plot_drift(found)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(before)
    plt.close("all")


def test_missing_values_count_as_drift_and_odd_tables_are_refused():
    before = pd.DataFrame({"age": np.arange(200.0)})
    after = before.where(before["age"] < 50)
    assert drift(before, after, [1] * 200)["missing"].item() == 0.75
    assert drift(before, after, [1] * 200)["psi"].item() > drift(before, before, [1] * 200)["psi"].item() == 0
    with pytest.raises(InputError, match="same columns"):
        drift(before, after.rename(columns={"age": "weight"}), [1] * 200)
    with pytest.raises(InputError, match="one a row"):
        drift(before, after, [1])
    with pytest.raises(InputError, match="column 'age' holds numbers") as caught:
        drift(before, after.astype(object).fillna("Smith"), [1] * 200)
    assert "Smith" not in str(caught.value)
    # A period without a value has no test, and the others are corrected for one test less.
    gone = drift(before, before.where(before["age"] < 150), [1] * 150 + [2] * 50)
    assert gone["p_value"].isna().tolist() == gone["p_holm"].isna().tolist() == [False, True]
    assert gone["p_holm"].iloc[0] == gone["p_value"].iloc[0]
