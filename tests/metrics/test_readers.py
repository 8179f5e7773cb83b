"""Readers: the published analysis of Van Dyke's study, and the size of the test under no difference."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score
from statsmodels.stats.multitest import multipletests

from deepradiomics.exceptions import InputError
from deepradiomics.metrics import delong_test, obuchowski_rockette, reader_study, roc_auc_ci

# Van Dyke et al. 1993, 5 readers, cine and spin-echo MRI, as analysed by the R packages RJafroc (dataset02) and
# MRMCaov with the empirical area: areas, mean covariances, F, denominator degrees of freedom, p.
VAN_DYKE = [
    [0.9196457, 0.8587762, 0.9038647, 0.9731079, 0.8297907],
    [0.9478261, 0.9053140, 0.9217391, 0.9993559, 0.9299517],
]
SAME_TEST, NEITHER = 3.440748e-4, 2.390284e-4
# Neither enters the test: the variance of an area, and the covariance of a reader's areas in the two tests.
VARIANCE, SAME_READER = 8.0e-4, 3.5e-4


def test_the_published_analysis_of_van_dyke():
    covariance = np.empty((2, 5, 2, 5))
    same_reader, same_test = np.eye(5, dtype=bool)[None, :, None, :], np.eye(2, dtype=bool)[:, None, :, None]
    covariance[:] = np.where(
        same_test, np.where(same_reader, VARIANCE, SAME_TEST), np.where(same_reader, SAME_READER, NEITHER)
    )
    result = obuchowski_rockette(VAN_DYKE, covariance)
    assert result.auc_b - result.auc_a == pytest.approx(0.0438003, abs=1e-6)
    assert result.f_value == pytest.approx(4.456319, rel=1e-5)
    assert result.degrees == pytest.approx(15.25967, rel=1e-5)
    assert result.p_value == pytest.approx(0.05166569, rel=1e-5)


def study(rng, gain=0.0, n=100, n_readers=4):
    y = (np.arange(n) < 40).astype(int)
    case = rng.normal(size=n) * 0.7

    def read(extra):
        skill = rng.normal(1.2, 0.15, n_readers) + extra
        raw = y * skill[:, None] + case + rng.normal(size=(n_readers, n))
        return {f"r{i}": np.digitize(raw[i], [-0.5, 0.3, 1.0, 1.7]) + 1 for i in range(n_readers)}

    return y, read(0.0), read(gain), y + case + rng.normal(size=n)


@pytest.mark.slow
def test_no_gain_is_found_in_about_one_of_twenty():
    rng = np.random.default_rng(0)
    found = [reader_study(y, a, model, b).gain.p_value < 0.05 for y, a, b, model in (study(rng) for _ in range(300))]
    assert 0.01 <= np.mean(found) <= 0.08


def test_a_gain_is_found_and_the_tables_agree_with_their_parts():
    y, alone, helped, model = study(np.random.default_rng(1), gain=1.2)
    result = reader_study(y, alone, model, helped)
    assert result.gain.difference > 0.1
    assert result.gain.p_value < 0.01
    assert result.table.loc[("r0", "unaided"), "auc"] == roc_auc_ci(y, alone["r0"])
    assert result.against_model["p_value"][2] == pytest.approx(delong_test(y, model, alone["r2"]).p_value)
    assert len(result.agreement) == 6
    called = np.asarray(alone["r1"]) >= 3
    assert float(result.table.loc[("r1", "unaided"), "sensitivity"]) == pytest.approx(called[y == 1].mean())


def test_the_model_is_read_off_at_the_readers_specificity():
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    result = reader_study(y, {"calls": [0, 0, 0, 1, 0, 1, 1, 1]}, [1, 2, 3, 6, 4, 5, 7, 8])
    row = result.against_model.iloc[0]
    assert float(row["reader_sensitivity"]) == 0.75
    # Three of four are below 4, so the model may call from 4 on and misses none.
    assert float(row["model_sensitivity"]) == 1.0


def test_aided_readers_may_stand_in_a_table():
    y, alone, helped = np.arange(8) % 2, {"a": np.arange(8) % 5 + 1}, {"a": np.arange(8) % 2 * 4 + 1}
    found = reader_study(y, pd.DataFrame(alone), y, pd.DataFrame(helped))
    pd.testing.assert_frame_equal(found.table, reader_study(y, alone, y, helped).table)


def test_refusals():
    y = [0, 1, 0, 1]
    with pytest.raises(InputError, match=r"reader .* give one a row"):
        reader_study(y, {"a": [1, 2]}, [1, 2, 3, 4])
    with pytest.raises(InputError, match="differ"):
        reader_study(y, {"a": [1, 2, 3, 4]}, [1, 2, 3, 4], {"b": [1, 2, 3, 4]})
    with pytest.raises(InputError, match="two readers"):
        obuchowski_rockette([[0.9], [0.8]], np.zeros((2, 1, 2, 1)))
    assert isinstance(reader_study(y, {"a": [1, 2, 3, 4]}, [1, 2, 3, 4]).table, pd.DataFrame)


def test_scores_that_are_no_steps_are_refused_and_not_cut():
    y = np.arange(40) % 2
    with pytest.raises(InputError, match="not whole"):
        reader_study(y, {"a": np.linspace(0.1, 0.9, 40)}, np.linspace(0, 1, 40))


def test_a_reader_who_is_always_sure_of_nothing_calls_nothing():
    y = np.arange(40) % 2
    study = reader_study(y, {"a": np.ones(40, int), "b": 1 + 3 * y}, np.linspace(0, 1, 40))
    assert study.table.loc[("a", "unaided"), "sensitivity"].estimate == 0
    assert study.table.loc[("a", "unaided"), "specificity"].estimate == 1
    calls = reader_study(y, {"a": np.ones(40, int), "b": y}, np.linspace(0, 1, 40))
    assert calls.table.loc[("a", "unaided"), "sensitivity"].estimate == 1


def test_readers_of_three_classes_against_scikit_learn():
    rng = np.random.default_rng(0)
    names = ["normal", "osteopenia", "osteoporosis"]
    codes = rng.integers(3, size=90)
    model = np.eye(3)[codes] + rng.normal(size=(90, 3))

    def read(skill):
        return {
            name: np.array(names)[(skill * np.eye(3)[codes] + rng.normal(size=(90, 3))).argmax(axis=1)]
            for name in "abc"
        }

    alone, helped = read(1.0), read(3.0)
    y = pd.Categorical(np.array(names)[codes], names, ordered=True)
    found = reader_study(y, alone, model, helped)
    called = pd.Categorical(alone["a"], names).codes
    row = found.table.loc[("a", "unaided")]
    assert float(row["accuracy"]) == (called == codes).mean()
    assert float(row["kappa"]) == pytest.approx(cohen_kappa_score(codes, called, weights="quadratic"))
    other = pd.Categorical(alone["b"], names).codes
    expected = cohen_kappa_score(called, other, weights="quadratic")
    assert float(found.agreement["kappa"][0]) == pytest.approx(expected)
    view = found.views["osteopenia"]
    area = balanced_accuracy_score(codes == 1, called == 1)
    assert float(view.table.loc[("a", "unaided"), "auc"]) == pytest.approx(area)
    assert view.table.loc[("model", "alone"), "auc"] == roc_auc_ci(codes == 1, model[:, 1])
    # Without an order, kappa has no weights.
    plain = reader_study(np.asarray(y), alone, model)
    assert float(plain.table.loc[("a", "unaided"), "kappa"]) == pytest.approx(cohen_kappa_score(codes, called))
    assert plain.gain.empty
    assert (found.gain["difference"] > 0).all()
    assert found.gain.loc["normal", "p_value"] < 0.01
    np.testing.assert_allclose(found.gain["p_holm"], multipletests(found.gain["p_value"], method="holm")[1])
    with pytest.raises(InputError, match="none of the classes"):
        reader_study(y, {"a": np.repeat("fine", 90)}, model)
    with pytest.raises(InputError, match="a column a class"):
        reader_study(y, alone, model[:, :2])
