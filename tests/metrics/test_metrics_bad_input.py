"""Every measure names what is wrong with labels, scores, folds and names; nothing is computed on a hole."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepradiomics import compare_feature_sets
from deepradiomics.comparison import Comparison, compare_models
from deepradiomics.exceptions import InputError
from deepradiomics.metrics import (
    RocPlot,
    bootstrap_interval,
    calibration_curve,
    calibration_measures,
    delong_test,
    delong_tests,
    holm,
    icc,
    mcnemar,
    net_benefit,
    reader_study,
    roc_auc_ci,
    sensitivity_threshold,
    weighted_kappa,
    youden_threshold,
)

RNG = np.random.default_rng(0)
Y = np.arange(40) % 2
SCORE = RNG.random(40)
X = pd.DataFrame({"age": RNG.normal(Y, 1), "entropy": RNG.normal(size=40)})

MEASURES = [
    roc_auc_ci,
    lambda y, score: delong_test(y, SCORE, score),
    lambda y, score: delong_tests(y, {"a": score, "b": SCORE}),
    calibration_measures,
    calibration_curve,
    net_benefit,
    youden_threshold,
    sensitivity_threshold,
    RocPlot.from_predictions,
    lambda y, score: reader_study(y, {"a": Y, "b": Y}, score),
]
BAD_SCORES = {
    "hole": np.where(np.arange(40) == 3, np.nan, SCORE),
    "infinite": np.where(np.arange(40) == 3, np.inf, SCORE),
    "words": ["a", "b"] * 20,
    "short": SCORE[:5],
    "nothing": None,
    "two a row": np.column_stack([SCORE, SCORE]),
}
BAD_LABELS = {
    "hole": np.where(np.arange(40) == 3, np.nan, Y),
    "one class": np.zeros(40),
    "three classes": np.arange(40) % 3,
    "mixed": np.array([0, "b"] * 20, dtype=object),
    "two a row": np.column_stack([Y, Y]),
    "nothing": None,
}


@pytest.mark.parametrize("score", BAD_SCORES.values(), ids=BAD_SCORES)
@pytest.mark.parametrize("measure", MEASURES)
def test_scores(measure, score):
    with pytest.raises(InputError):
        measure(Y, score)


@pytest.mark.parametrize("y", BAD_LABELS.values(), ids=BAD_LABELS)
@pytest.mark.parametrize("measure", MEASURES)
def test_labels(measure, y):
    with pytest.raises(InputError):
        measure(y, SCORE)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: delong_tests(Y, [SCORE, SCORE]), "give a dict or DataFrame"),
        (lambda: holm([0.1, np.nan]), "p-value is missing"),
        (lambda: holm([0.1, 1.2]), r"not within 0\.\.1"),
        (lambda: mcnemar(SCORE, SCORE), "must hold 0 and 1"),
        (lambda: icc([["a", "b"], ["c", "d"]]), "not numbers"),
        (lambda: weighted_kappa(["a"], ["b"]), "not numbers"),
        (lambda: bootstrap_interval(np.corrcoef, Y, SCORE, n_resamples=0), "at least 1"),
    ],
)
def test_other_measures(call, message):
    with pytest.raises(InputError, match=message):
        call()


def model():
    blocks = [("clinical", StandardScaler(), ["age"]), ("texture", StandardScaler(), ["entropy"])]
    return make_pipeline(ColumnTransformer(blocks), LogisticRegression())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cv": 1}, "cv is 1; it must be a whole number of at least 2"),
        ({"cv": True}, "cv is True"),
        ({"cv": "5"}, "cv is '5'; give a number of folds"),
        ({"cv": 2.5}, "cv is 2.5"),
        ({"n_repeats": 1.5}, "n_repeats is 1.5"),
        ({"n_repeats": "2"}, "n_repeats is '2'"),
        ({"random_state": np.random.default_rng(0)}, "random_state is a Generator"),
        ({"feature_sets": [("clinical", "texture")]}, "give a list of names"),
        ({"feature_sets": 3}, "give a list of names"),
        ({"external": {"B": (X, Y, Y, Y, Y)}}, r"give \(X, y\), \(X, y, groups\) or"),
    ],
)
def test_comparisons(options, message):
    with pytest.raises(InputError, match=message):
        compare_feature_sets(model(), X, Y, **options)


def test_tables_and_models():
    with pytest.raises(InputError, match="give a DataFrame or an array"):
        compare_feature_sets(model(), X.to_numpy().tolist(), Y)
    with pytest.raises(InputError, match="give a dict of names"):
        compare_models([LogisticRegression()], X, Y)
    with pytest.raises(InputError, match="a model is a NoneType"):
        compare_models({"a": None}, X, Y)


@pytest.fixture(scope="module")
def comparison():
    sets = {"$x_{a$": ["clinical"], "all": ["clinical", "texture"]}
    return compare_feature_sets(model(), X, Y, feature_sets=sets, random_state=0)


def test_a_name_with_dollars_is_no_formula(comparison, tmp_path):
    assert "$x_{a$" in comparison.to_html(tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_or_made(comparison, tmp_path):
    with pytest.raises(InputError, match=r"the folder of page.html does not exist") as caught:
        comparison.to_html(tmp_path / "missing" / "page.html")
    assert "missing" not in str(caught.value)
    with pytest.raises(InputError, match=r"image of row .* is a str"):
        comparison.to_html(tmp_path / "page.html", images=["patient_7.png"] * 40)
    bare = Comparison(comparison.predictions, comparison.folds, comparison.classes)
    with pytest.raises(InputError, match="lacks feature_sets"):
        bare.to_html(tmp_path / "page.html")


def test_subgroups_lose_no_row(comparison):
    with pytest.raises(InputError, match="row 1 is in no subgroup"):
        comparison.subgroups([*"a", None, *"b" * 38])
    with pytest.raises(InputError, match=r"cohort 'Oslo'"):
        comparison.subgroups(["a"] * 40, cohort="Oslo")
    with pytest.raises(InputError, match=r"no feature set \['Q'\]"):
        comparison.subgroups(["a"] * 40, features=["Q"])
