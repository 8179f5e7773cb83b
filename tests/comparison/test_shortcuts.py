"""Shortcuts: a block that reads the site is found, one that does not is left alone, and matching is by hand."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepradiomics import compare_feature_sets
from deepradiomics.comparison.shortcuts import matched_areas
from deepradiomics.exceptions import InputError
from deepradiomics.metrics import delong_covariance


def twins(shift, n=200):
    """Texture that knows of the diagnosis only through the site, where the sick are more; and an honest age."""
    rng = np.random.default_rng(3)
    y = np.arange(n) % 2
    site = np.where(rng.random(n) < np.where(y == 1, 0.8, 0.2), "A", "B")
    X = pd.DataFrame(rng.normal(size=(n, 3)) + shift * (site == "A")[:, None], columns=list("abc"))
    return X.assign(age=rng.normal(y, 1), site=site, sex=rng.choice(["F", "M"], n)), y


def compared(shift):
    X, y = twins(shift)
    blocks = [("texture", StandardScaler(), list("abc")), ("clinical", StandardScaler(), ["age"])]
    model = make_pipeline(ColumnTransformer(blocks), LogisticRegression())
    return compare_feature_sets(model, X, y, cv=3, random_state=0), X


def test_a_site_that_is_read_is_found_and_its_advantage_goes():
    comparison, X = compared(2.0)
    found = comparison.shortcuts(X[["site", "sex"]])
    assert found.told.loc[("site", "texture"), "auc_low"] > 0.75
    assert found.told.loc[("sex", "texture"), "auc_low"] < 0.5 < found.told.loc[("sex", "texture"), "auc_high"]
    assert found.matched.loc["T", "auc"] > 0.7
    assert found.matched.loc["T", "auc_matched_low"] < 0.5
    assert found.matched.loc["C", "auc_matched_low"] > 0.5
    assert found.prevalence.loc[("site", "A"), "prevalence"] > 0.7
    assert "difference_all" in found.advantage
    assert "texture" in repr(found)


def test_twins_without_a_site_effect_stay_at_a_half():
    comparison, X = compared(0.0)
    told = comparison.shortcuts(X[["site", "sex"]]).told
    assert (told["auc_low"] < 0.5).all()
    assert (told.loc[[("site", "texture"), ("sex", "texture")], "auc"] - 0.5).abs().max() < 0.1


def test_matched_areas_by_hand_and_delong():
    rng = np.random.default_rng(0)
    y, scores = np.arange(40) % 2, rng.integers(0, 9, (2, 40)).astype(float)
    auc, covariance = matched_areas(y, scores, np.zeros(40, int), np.arange(40))
    expected = delong_covariance(y, scores)
    np.testing.assert_allclose(auc, expected[0])
    np.testing.assert_allclose(covariance, expected[1])
    stratum = rng.integers(0, 5, 40)
    pairs = [(i, j) for i in range(40) for j in range(40) if y[i] > y[j] and stratum[i] == stratum[j]]
    wins = [[(own[i] > own[j]) + 0.5 * (own[i] == own[j]) for i, j in pairs] for own in scores]
    np.testing.assert_allclose(matched_areas(y, scores, stratum, np.arange(40))[0], np.mean(wins, axis=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.iloc[:5], "for 200 rows"),
        (lambda table: table.assign(site="A"), "has 1 different values"),
        (lambda table: table.assign(site=[None] + ["A", "B"] * 99 + ["A"]), "missing in row 0"),
    ],
)
def test_nuisances_that_are_refused(change, message):
    comparison, X = compared(0.0)
    with pytest.raises(InputError, match=message):
        comparison.shortcuts(change(X[["site", "sex"]]))


def test_few_matched_events_give_wide_or_no_limits():
    """Of 40 rows with the event one has a partner: what it adds tells nothing of how it varies."""
    comparison, _ = compared(2.0)
    y = comparison.predictions.query("features == 'T'").sort_values("row")["y"].to_numpy()
    site = np.where(y == 1, "A", "B").astype(object)
    site[np.flatnonzero(y == 1)[0]] = "B"
    site[np.flatnonzero(y == 0)[0]] = "C"
    matched = comparison.shortcuts(pd.DataFrame({"site": site})).matched
    assert matched["auc_matched"].notna().all()
    assert matched[["auc_matched_low", "auc_matched_high"]].isna().all(axis=None)


def test_codes_of_sites_are_levels_and_a_lone_level_is_named():
    comparison, X = compared(2.0)
    code = np.arange(len(X)) // 2 % 6
    assert len(comparison.shortcuts(pd.DataFrame({"code": code})).prevalence) == 6
    y = comparison.predictions.query("features == 'T'").sort_values("row")["y"].to_numpy()
    site = np.where((y == 1) & (np.arange(len(y)) > 10), "A", "B")
    with pytest.raises(InputError, match="all rows without the event have one level of 'site'"):
        comparison.shortcuts(pd.DataFrame({"site": site}))


def test_a_saved_comparison_holds_no_table():
    X, y = twins(2.0)
    X["word"] = [f"secret{i}" for i in range(len(X))]
    model = make_pipeline(ColumnTransformer([("clinical", StandardScaler(), ["age"])]), LogisticRegression())
    saved = pickle.dumps(compare_feature_sets(model, X, y, cv=3, random_state=0))
    assert b"secret" not in saved
    with pytest.raises(InputError, match="not one that was saved"):
        pickle.loads(saved).shortcuts(X[["site"]])
