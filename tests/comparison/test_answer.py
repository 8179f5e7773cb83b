"""Planned contrasts, the table at 80 columns and the summary in words."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from statsmodels.stats.multitest import multipletests

from deepradiomics import compare_feature_sets
from deepradiomics.comparison import compare_models
from deepradiomics.comparison._answer import planned_pairs

BLOCKS = ["clinical", "texture", "deep"]


def cohort(n, seed):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=BLOCKS)
    return X.assign(clinical=X["clinical"] + 0.8 * y, texture=X["texture"] + 2 * y), y


@pytest.fixture(scope="module")
def compared():
    (X, y), (other, z) = cohort(200, 0), cohort(80, 1)
    blocks = ColumnTransformer([(name, "passthrough", [name]) for name in BLOCKS])
    options = {"cv": 3, "external": {"site B": (other, z)}, "random_state": 0}
    words = np.array(["healthy", "osteoporosis"])
    return {
        "two": compare_feature_sets(
            make_pipeline(blocks, LogisticRegression()),
            X,
            words[y],
            event="osteoporosis",
            **options | {"external": {"site B": (other, words[z])}},
        ),
        "numbers": compare_feature_sets(
            make_pipeline(blocks, LinearRegression()),
            X,
            X["texture"] - X["clinical"] + np.random.default_rng(2).normal(size=200),
            cv=3,
            random_state=0,
        ),
        "classes": compare_feature_sets(
            make_pipeline(blocks, LogisticRegression()), X, y + (np.arange(200) % 4 == 3), cv=3, random_state=0
        ),
    }


def test_pairs_by_hand():
    seven = {"C": "C", "T": "T", "D": "D", "TC": "TC", "DC": "DC", "DT": "DT", "DTC": "DTC"}
    names = {"C": "clinical", "T": "texture", "D": "deep"}
    found = planned_pairs({name: [names[letter] for letter in letters] for name, letters in seven.items()})
    alone = [("C", other) for other in ("T", "D", "TC", "DC", "DT", "DTC")]
    assert found == [*alone, ("TC", "DTC"), ("DC", "DTC"), ("DT", "DTC")]
    assert planned_pairs({"hip": ["hip"], "spine": ["spine"]}) == [("hip", "spine")]
    assert planned_pairs({"a": ["a"], "b": ["b"], "ab": ["a", "b"]}) == [("a", "ab"), ("b", "ab")]
    assert planned_pairs({"only": ["a", "b"]}) == []


@pytest.mark.parametrize("kind", ["two", "numbers", "classes"])
def test_holm_counts_the_planned_tests_only(compared, kind):
    comparison = compared[kind]
    contrasts, tests = comparison.contrasts, comparison.tests
    levels = list(tests.index.names[:-2])
    for key, part in contrasts.groupby(levels):
        assert len(part) == 9
        expected = multipletests(part["p_value"], method="holm")[1]
        np.testing.assert_allclose(part["p_holm"], expected, atol=1e-12)
        of_all = tests.xs(key, level=levels).loc[part.droplevel(levels).index, "p_holm"]
        assert (part["p_holm"].to_numpy() <= of_all.to_numpy()).all()


@pytest.mark.parametrize("kind", ["two", "numbers", "classes"])
def test_the_table_is_whole_at_80_columns(compared, kind):
    comparison = compared[kind]
    shown = repr(comparison)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    for name, column in comparison.formatted().drop(columns=list(comparison._not_printed)).items():
        if name not in ("n", "events"):
            assert all(str(cell) in shown for cell in column if not isinstance(cell, float))
            assert name in shown
    assert "internal: n 200" in shown
    if kind == "two":
        assert lines[:2] == ["event: osteoporosis; others: healthy", "internal: n 200, events 100"]
        assert lines[2].split()[:2] == ["features", "auc"]
        assert comparison._repr_html_() == f"<pre>{shown}</pre>"
        assert "site B: n 80, events 40" in shown


def test_the_summary_says_what_helps(compared):
    said = compared["two"].summary()
    gain = compared["two"].contrasts.loc[("internal", "C", "TC")]
    change = gain["auc_b"] - gain["auc_a"]
    assert said.startswith(
        "event: osteoporosis; others: healthy. internal (200 rows, 100 events): the area under the ROC curve of C is "
    )
    assert (
        f"texture added to C: {change:+.2f} [{-gain['difference'].high:+.2f}, {-gain['difference'].low:+.2f}]" in said
    )
    assert "p < 0.001, better" in said
    assert "deep added to TC: " in said
    assert "no difference is shown" in said
    assert "p, not the interval, is corrected after Holm for 9 planned tests" in said
    assert "in place of" not in said
    assert "site B (80 rows, 40 events)" in said
    numbers = compared["numbers"].summary()
    assert "mean absolute error" in numbers
    assert "texture added to C: -" in numbers
    assert "better" in numbers
    assert "clinical" not in compared["classes"].summary().split("of C is")[0]


def test_models_are_compared_with_the_first():
    X, y = cohort(60, 0)
    models = {name: LogisticRegression(C=strength) for name, strength in (("a", 1.0), ("b", 0.1), ("c", 0.01))}
    contrasts = compare_models(models, X, y, cv=3, random_state=0).contrasts
    assert [key[-2:] for key in contrasts.index] == [("a", "b"), ("a", "c")]


def test_no_block_is_said_to_be_added_to_another_model():
    X, y = cohort(60, 0)
    c, tc = (ColumnTransformer([(name, "passthrough", [name]) for name in BLOCKS[:n]]) for n in (1, 2))
    models = {"lr TC": (tc, LogisticRegression()), "nb C": (c, GaussianNB()), "lr C": (c, LogisticRegression())}
    models = {name: make_pipeline(*steps) for name, steps in models.items()}
    found = compare_models(models, X, y, cv=2, random_state=0)
    assert [key[-2:] for key in found.contrasts.index] == [("lr TC", "nb C"), ("lr TC", "lr C")]
    assert "nb C in place of lr TC: " in found.summary()
    assert "added to" not in found.summary()
    # Blocks that differ make no addition of it either.
    two = {name: models[name] for name in ("nb C", "lr TC")}
    assert "lr TC in place of nb C: " in compare_models(two, X, y, cv=2, random_state=0).summary()
