"""Calibration against statsmodels and scikit-learn; net benefit against its definition."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss
from statsmodels.nonparametric.smoothers_lowess import lowess

from deepradiomics.exceptions import InputError
from deepradiomics.metrics import calibration_curve, calibration_measures, net_benefit

RNG = np.random.default_rng(0)
ODDS = RNG.normal(-0.5, 1.5, 300)
Y = (RNG.random(300) < expit(0.3 + 0.7 * ODDS)).astype(int)
P = expit(ODDS)


def test_intercept_and_slope_are_those_of_statsmodels():
    result = calibration_measures(Y, P)
    slope = sm.GLM(Y, sm.add_constant(logit(P)), family=sm.families.Binomial()).fit().params[1]
    intercept = sm.GLM(Y, np.ones(300), family=sm.families.Binomial(), offset=logit(P)).fit().params[0]
    assert result.slope == pytest.approx(slope, rel=1e-6)
    assert result.intercept == pytest.approx(intercept, rel=1e-6)
    assert result.brier == pytest.approx(brier_score_loss(Y, P))


def test_the_index_is_that_of_a_lowess_of_statsmodels():
    smooth = lowess(Y, P, frac=0.75, it=0, xvals=P)
    assert calibration_measures(Y, P).ici == pytest.approx(np.mean(np.abs(smooth - P)), abs=1e-6)


def test_a_hundred_thousand_rows_are_interpolated():
    rng = np.random.default_rng(1)
    p = rng.random(20_000)
    assert calibration_measures((rng.random(20_000) < p).astype(int), p).ici < 0.02


def test_corner_cases():
    assert calibration_measures([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]).slope == np.inf
    assert calibration_measures([0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1]).slope == -np.inf
    # The classes touch at 0.5, and no slope is the likeliest.
    assert calibration_measures([0, 0, 1, 1], [0.1, 0.5, 0.5, 0.9]).slope == np.inf
    assert calibration_measures([1, 1, 0, 0], [0.1, 0.5, 0.5, 0.9]).slope == -np.inf
    assert np.isnan(calibration_measures([0, 1, 1], [0.5, 0.5, 0.5]).slope)
    assert np.isfinite(calibration_measures([0, 1, 0, 1], [0.0, 1.0, 1.0, 0.0]).intercept)


def test_groups_hold_every_row_once():
    curve = calibration_curve(Y, P, n_bins=7)
    assert curve["n"].sum() == 300
    assert curve["predicted"].is_monotonic_increasing
    assert np.average(curve["observed"].astype(float), weights=curve["n"]) == pytest.approx(Y.mean())


def test_net_benefit_is_its_definition():
    curve = net_benefit(Y, P, [0.1, 0.35, 0.8])
    for threshold, model, treat_all in zip(curve["threshold"], curve["model"], curve["treat_all"], strict=True):
        weight = threshold / (1 - threshold)
        call = threshold <= P
        assert model == pytest.approx((call & (Y == 1)).mean() - weight * (call & (Y == 0)).mean())
        assert treat_all == pytest.approx(Y.mean() - weight * (1 - Y.mean()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration_measures(Y, P * 2), "within 0..1"),
        (lambda: calibration_measures(Y, P[:5]), "one a row"),
        (lambda: net_benefit(Y, P, [0.0]), "above 0"),
        (lambda: net_benefit(Y, P[:5]), "one a row"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InputError, match=message):
        call()
