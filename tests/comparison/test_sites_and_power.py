"""Sites reach ComBat in a comparison, the paired test has power, and the record says what was done."""

import json
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepradiomics import compare_feature_sets
from deepradiomics.comparison import compare_models
from deepradiomics.exceptions import InputError
from deepradiomics.harmonization import ComBat
from deepradiomics.metrics import delong_covariance

LETTERS = list("abcd")


def cohort(n=80, seed=0, shift=4.0):
    """Four texture features that tell the diagnosis a little, and the site (B is shifted) much more."""
    rng = np.random.default_rng(seed)
    y, site = np.arange(n) % 2, np.where(rng.random(n) < 0.5, "A", "B")
    X = pd.DataFrame(rng.normal(size=(n, 4)) + 0.6 * y[:, None], columns=LETTERS)
    X[LETTERS] += shift * (site == "B")[:, None]
    return X.assign(age=rng.normal(y, 1), site=site), y


def model(*steps, tail=()):
    blocks = [("texture", make_pipeline(StandardScaler(), *steps), LETTERS), ("clinical", StandardScaler(), ["age"])]
    return make_pipeline(ColumnTransformer(blocks), *tail, LogisticRegression())


@pytest.mark.parametrize("place", ["block", "tail"])
def test_combat_gets_the_site_in_folds_and_outside(place):
    (X, y), (X_b, y_b) = cohort(), cohort(40, seed=1)
    own = model(ComBat()) if place == "block" else model(tail=(ComBat(),))
    found = compare_feature_sets(own, X, y, site="site", cv=3, external={"B": (X_b, y_b)}, random_state=0)
    by_array = compare_feature_sets(
        own, X, y, site=X["site"], cv=3, external={"B": (X_b, y_b, None, X_b["site"])}, random_state=0
    )
    pd.testing.assert_frame_equal(found.predictions, by_array.predictions)
    # By hand, outside: scaled, adjusted with the sites of each cohort, then the classifier.
    scaler = StandardScaler().fit(X[LETTERS])
    combat = ComBat().fit(scaler.transform(X[LETTERS]), site=X["site"])
    last = LogisticRegression().fit(combat.transform(scaler.transform(X[LETTERS]), site=X["site"]), y)
    expected = last.predict_proba(combat.transform(scaler.transform(X_b[LETTERS]), site=X_b["site"]))[:, 1]
    scores = found.predictions.query("cohort == 'B' and features == 'T'")["score"]
    np.testing.assert_allclose(scores, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs the site of each row; give site="),
        ({"site": "scanner"}, "no column 'scanner'"),
        ({"site": ["A"]}, "give one a row"),
        ({"site": [None] * 80}, "row 0 has no site"),
        ({"site": ["A", "B"] * 40, "external": {"B": cohort(40, seed=1)}}, "cohort 'B' has no site"),
    ],
)
def test_sites_that_are_not_there(options, message):
    X, y = cohort()
    with pytest.raises(InputError, match=message):
        compare_feature_sets(model(ComBat()), X, y, **options)


def test_a_site_that_no_step_takes_and_one_that_is_no_input():
    X, y = cohort()
    with pytest.raises(InputError, match="no step of the model takes it"):
        compare_feature_sets(model(), X, y, site="site")
    whole = {"m": make_pipeline(StandardScaler(), ComBat(), LogisticRegression())}
    found = compare_models(whole, X, y, site="site", cv=3, random_state=0)
    assert (found.predictions["n_features"] == 5).all()


@pytest.mark.parametrize("n_repeats", [1, 3])
def test_the_paired_test_by_hand(n_repeats):
    X, y = cohort()
    found = compare_feature_sets(model(), X, y, cv=4, n_repeats=n_repeats, random_state=0, feature_sets=["C", "TC"])
    differences, variances = [], []
    for _, own in found.predictions.groupby("repeat"):
        scores = [own[own["features"] == name]["score"].to_numpy() for name in ("C", "TC")]
        auc, cov = delong_covariance(y, scores)
        differences.append(auc[0] - auc[1])
        variances.append(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    # Four folds of 20 that train on 60, a fifth for the split, and what the repeats differ by.
    between = np.var(differences, ddof=1) if n_repeats > 1 else 0.0
    variance = 4 * 20 / 60 * np.mean(variances) + (0.2 * np.mean(variances) + between) / n_repeats
    test = found.tests.loc[("internal", "C", "TC")]
    assert test["p_value"] == pytest.approx(2 * norm.sf(abs(np.mean(differences)) / np.sqrt(variance)))


def test_the_record_is_json_without_patients_and_follows_its_schema(tmp_path):
    X, y = cohort()
    X = X.assign(patient=[f"secret{i}" for i in range(len(X))])
    found = compare_feature_sets(model(ComBat()), X, y, site="site", cv=3, random_state=7)
    again = compare_feature_sets(model(ComBat()), X, y, site="site", cv=3, random_state=7)
    record = found.record()
    schema = json.loads(files("deepradiomics.comparison").joinpath("templates/record.schema.json").read_text())
    assert sorted(record) == sorted(schema["required"])
    assert sorted(record["data"]["internal"]) == sorted(
        schema["properties"]["data"]["additionalProperties"]["properties"]
    )
    assert record == again.record()
    assert "secret" not in json.dumps(record)
    assert record["data"]["internal"]["patients"] == 80
    assert record["data"]["internal"]["sites"] == 2
    assert len(record["splits"]) == 3
    assert record["settings"]["random_state"] == 7
    assert record["results"][0]["auc"] == found.table["auc"].iloc[0]
    # The same table out of a file is the same table.
    X.round(3).to_csv(tmp_path / "table.csv", index=False)
    written, read = X.round(3), pd.read_csv(tmp_path / "table.csv")
    back = compare_feature_sets(model(ComBat()), read, y, site="site", cv=3, random_state=7).record()
    again = compare_feature_sets(model(ComBat()), written, y, site="site", cv=3, random_state=7).record()
    assert back["data"] == again["data"] != record["data"]
    assert "ComBat" in [step["class"] for step in record["settings"]["model"]]
    X.loc[0, "age"] += 1e-9
    changed = compare_feature_sets(model(ComBat()), X, y, site="site", cv=3, random_state=7).record()
    assert changed["data"]["internal"]["table"] != record["data"]["internal"]["table"]
    assert changed["splits"] == record["splits"]
