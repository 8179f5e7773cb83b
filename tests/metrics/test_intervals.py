"""Intervals of proportions against statsmodels and against Newcombe's published table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from deepradiomics.exceptions import InputError
from deepradiomics.metrics import Interval, clopper_pearson, wilson, wilsoncc

# Newcombe RG, Statistics in Medicine 1998;17:857-872, Table I, 95 % intervals to four digits.
NEWCOMBE = [
    (wilson, 81, 263, 0.2553, 0.3662),
    (wilson, 15, 148, 0.0624, 0.1605),
    (wilson, 0, 20, 0.0000, 0.1611),
    (wilson, 1, 29, 0.0061, 0.1718),
    (wilsoncc, 81, 263, 0.2535, 0.3682),
    (wilsoncc, 15, 148, 0.0598, 0.1644),
    (wilsoncc, 0, 20, 0.0000, 0.2005),
    (wilsoncc, 1, 29, 0.0018, 0.1963),
    (clopper_pearson, 81, 263, 0.2527, 0.3676),
    (clopper_pearson, 15, 148, 0.0578, 0.1617),
    (clopper_pearson, 0, 20, 0.0000, 0.1684),
    (clopper_pearson, 1, 29, 0.0009, 0.1776),
]


@pytest.mark.parametrize(("method", "successes", "n", "low", "high"), NEWCOMBE)
def test_published_intervals(method, successes, n, low, high):
    interval = method(successes, n)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


counts = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_statsmodels_agrees(count, level):
    for method, name in [(wilson, "wilson"), (clopper_pearson, "beta")]:
        interval = method(*count, level)
        expected = proportion_confint(*count, alpha=1 - level, method=name)
        np.testing.assert_allclose([interval.low, interval.high], expected, atol=1e-9)


@given(counts)
def test_the_correction_only_widens_and_failures_mirror_successes(count):
    successes, n = count
    corrected, plain = wilsoncc(successes, n), wilson(successes, n)
    assert corrected.low <= plain.low + 1e-12
    assert corrected.high >= plain.high - 1e-12
    mirrored = wilsoncc(n - successes, n)
    np.testing.assert_allclose([1 - mirrored.high, 1 - mirrored.low], [corrected.low, corrected.high], atol=1e-12)


def test_no_trial_is_not_defined():
    assert np.isnan(float(wilsoncc(0, 0)))
    assert str(wilsoncc(0, 0)) == "-"


def test_an_interval_sorts_prints_and_holds():
    interval = Interval(0.842, 0.781, 0.903)
    assert f"{interval:.1f}" == "0.8 [0.8, 0.9]"
    assert interval > Interval(0.8, 0.0, 1.0)
    assert 0.79 in interval
    assert 0.95 not in interval


@pytest.mark.parametrize("method", [wilson, wilsoncc, clopper_pearson])
def test_refusals(method):
    with pytest.raises(InputError, match="successes"):
        method(5, 4)
    with pytest.raises(InputError, match="level"):
        method(1, 4, 95)
