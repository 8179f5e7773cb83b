"""Several classes against scikit-learn, a brute-force jackknife and the bootstrap."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score

from deepradiomics.exceptions import InputError
from deepradiomics.metrics import (
    bootstrap_interval,
    multiclass_auc,
    multiclass_rates,
    rates_from_counts,
    roc_auc_ci,
    wilsoncc,
)

RNG = np.random.default_rng(0)
Y = RNG.choice(["acute", "chronic", "pathologic"], size=200, p=[0.5, 0.3, 0.2])
CLASSES = ["acute", "chronic", "pathologic"]
SCORES = np.exp(np.eye(3)[np.searchsorted(CLASSES, Y)] + RNG.normal(size=(200, 3)))
PROBABILITY = SCORES / SCORES.sum(axis=1, keepdims=True)
CALLS = np.array(CLASSES)[PROBABILITY.argmax(axis=1)]


def test_rates_are_scikit_learns():
    table = multiclass_rates(Y, CALLS)
    precision, recall, f1, support = precision_recall_fscore_support(Y, CALLS)
    for column, values in (("ppv", precision), ("sensitivity", recall), ("f1", f1)):
        np.testing.assert_allclose(table[column].astype(float), [*values, values.mean()])
    assert table["n"].tolist() == [*support, 200]
    accuracy, right = table.loc["macro", "accuracy"], int((Y == CALLS).sum())
    assert accuracy == wilsoncc(right, 200)
    assert float(accuracy) == accuracy_score(Y, CALLS)


def test_areas_are_scikit_learns_and_the_macro_interval_is_the_jackknifes():
    found = multiclass_auc(Y, PROBABILITY)
    assert float(found["macro"]) == pytest.approx(roc_auc_score(Y, PROBABILITY, multi_class="ovr"))
    assert found["chronic"] == roc_auc_ci(Y == "chronic", PROBABILITY[:, 1])
    kept = [np.delete(np.arange(200), i) for i in range(200)]
    areas = np.array([roc_auc_score(Y[rows], PROBABILITY[rows], multi_class="ovr") for rows in kept])
    spread = 1.959964 * np.sqrt(199 / 200 * ((areas - areas.mean()) ** 2).sum())
    assert found["macro"].high - float(found["macro"]) == pytest.approx(spread, rel=1e-6)


def test_the_macro_interval_knows_patients():
    patients = np.arange(200) // 4
    found = multiclass_auc(Y, PROBABILITY, groups=patients)["macro"]
    kept = [np.flatnonzero(patients != i) for i in range(50)]
    areas = np.array([roc_auc_score(Y[rows], PROBABILITY[rows], multi_class="ovr") for rows in kept])
    spread = 1.959964 * np.sqrt(49 / 50 * ((areas - areas.mean()) ** 2).sum())
    assert found.high - float(found) == pytest.approx(spread, rel=1e-6)

    def macro(labels, probability):
        return roc_auc_score(labels, probability, multi_class="ovr")

    drawn = bootstrap_interval(macro, Y, PROBABILITY, groups=patients, n_resamples=300, random_state=0)
    np.testing.assert_allclose([found.low, found.high], [drawn.low, drawn.high], atol=0.02)


def test_rates_from_a_printed_table():
    rates = rates_from_counts(34, 9, 6, 51)
    assert rates.sensitivity == wilsoncc(34, 40)
    assert rates.counts == (34, 9, 6, 51)
    with pytest.raises(InputError, match="negative"):
        rates_from_counts(1, -1, 2, 3)


def test_what_it_refuses():
    with pytest.raises(InputError, match=r"pred holds \['old'\]"):
        multiclass_rates(["acute", "chronic"], ["acute", "old"])
    with pytest.raises(InputError, match="one column a class"):
        multiclass_auc(Y, PROBABILITY[:, :2])
    with pytest.raises(InputError, match="which is none of the classes"):
        multiclass_auc(Y, PROBABILITY, classes=["acute", "chronic", "healthy"])
    some = np.isin(Y, ["acute", "chronic"])
    with pytest.raises(InputError, match="'healthy' has no row"):
        multiclass_auc(Y[some], PROBABILITY[some], classes=["acute", "chronic", "healthy"])
