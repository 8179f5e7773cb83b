"""Rates against scikit-learn, and thresholds against a search through all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from deepradiomics.exceptions import InputError
from deepradiomics.metrics import diagnostic_rates, sensitivity_threshold, wilsoncc, youden_threshold


def test_rates_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, pred = rng.integers(0, 2, (2, 90))
    rates = diagnostic_rates(y, pred)
    assert float(rates.sensitivity) == recall_score(y, pred)
    assert float(rates.specificity) == recall_score(1 - y, 1 - pred)
    assert float(rates.ppv) == precision_score(y, pred)
    assert float(rates.npv) == precision_score(1 - y, 1 - pred)
    assert float(rates.accuracy) == accuracy_score(y, pred)
    assert float(rates.f1) == pytest.approx(f1_score(y, pred))
    assert rates.sensitivity == wilsoncc(int((y & pred).sum()), int(y.sum()))


def test_the_interval_of_f1_covers():
    rng = np.random.default_rng(1)
    y = rng.random((2000, 300)) < 0.3
    pred = np.where(y, rng.random(y.shape) < 0.8, rng.random(y.shape) < 0.1)
    # Precision 0.24 / 0.31 and recall 0.8: F1 = 2 * 0.24 / (0.3 + 0.31).
    covered = [0.48 / 0.61 in diagnostic_rates(*rows).f1 for rows in zip(y, pred, strict=True)]
    assert 0.93 <= np.mean(covered) <= 0.97


def test_no_event_leaves_sensitivity_open():
    rates = diagnostic_rates([0, 0, 0], [0, 0, 1])
    assert np.isnan(float(rates.sensitivity))
    assert float(rates.ppv) == 0


scores = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=4, max_size=40).filter(
    lambda rows: 0 < sum(row[0] for row in rows) < len(rows)
)


def sensitivity_and_specificity(y, score, threshold):
    call = score >= threshold
    return call[y].mean(), (~call[~y]).mean()


@given(scores)
@settings(deadline=None)
def test_no_threshold_beats_youdens(rows):
    y, score = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=float)
    reached = sum(sensitivity_and_specificity(y, score, youden_threshold(y, score)))
    best = max(sum(sensitivity_and_specificity(y, score, cut)) for cut in np.arange(-0.5, 11))
    assert reached == pytest.approx(best)


@given(scores, st.sampled_from([0.3, 0.8, 1.0]))
@settings(deadline=None)
def test_a_sensitivity_is_reached_at_the_best_specificity(rows, wanted):
    y, score = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=float)
    sensitivity, specificity = sensitivity_and_specificity(y, score, sensitivity_threshold(y, score, wanted))
    assert sensitivity >= wanted
    alternatives = [sensitivity_and_specificity(y, score, cut) for cut in np.arange(-0.5, 11)]
    assert specificity == pytest.approx(max(spec for sens, spec in alternatives if sens >= wanted))


@pytest.mark.parametrize(
    ("y", "pred", "options", "message"),
    [
        ([0, 1, 2], [0, 1, 1], {}, "0 and 1 only"),
        ([0, 1], [0, 1, 1], {}, "one call a row"),
        ([0, 1], [0, 1], {"ci": "wald"}, "wilsoncc"),
    ],
)
def test_refusals(y, pred, options, message):
    with pytest.raises(InputError, match=message):
        diagnostic_rates(y, pred, **options)


def test_a_threshold_between_neighbouring_numbers_calls_the_upper_one_alone():
    low = np.nextafter(0.5, 0)
    threshold = youden_threshold([0, 0, 1, 1], [low, low, 0.5, 0.5])
    assert low < threshold <= 0.5
