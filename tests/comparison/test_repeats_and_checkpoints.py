"""Repeated folds, finished folds on disk, near duplicates, worst cases."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from deepradiomics import Radiograph, compare_feature_sets
from deepradiomics.comparison import near_duplicates
from deepradiomics.exceptions import InputError
from deepradiomics.metrics import rates_from_counts
from deepradiomics.metrics.roc import delong_covariance

Y = np.arange(80) % 2


def patients(seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"age": rng.normal(Y), "entropy": rng.normal(Y * 0.5)})


class Counting(LogisticRegression):
    """Counts how often it is fitted."""

    fitted = 0

    def fit(self, X, y, sample_weight=None):
        type(self).fitted += 1
        return super().fit(X, y, sample_weight)


def model(classifier=None):
    blocks = ColumnTransformer([("clinical", StandardScaler(), ["age"]), ("texture", StandardScaler(), ["entropy"])])
    return make_pipeline(blocks, classifier or LogisticRegression())


def test_repeats_average_areas_rates_and_variances():
    comparison = compare_feature_sets(model(), patients(), Y, cv=4, n_repeats=3, random_state=0)
    rows = comparison.predictions.query("features == 'TC'")
    assert rows.groupby("repeat")["row"].apply(list).tolist() == [list(range(80))] * 3
    assert len({tuple(own["fold"]) for _, own in rows.groupby("repeat")}) == 3
    auc = comparison.formatted().loc[("internal", "TC"), "auc"]
    alone = list(rows.groupby("repeat"))
    assert auc.estimate == pytest.approx(np.mean([roc_auc_score(own["y"], own["score"]) for _, own in alone]))
    # The texture alone errs often enough for a normal interval.
    auc = comparison.formatted().loc[("internal", "T"), "auc"]
    alone = comparison.predictions.query("features == 'T'").groupby("repeat")
    variances = [delong_covariance(own["y"].to_numpy(), [own["score"].to_numpy()])[1][0, 0] for _, own in alone]
    half = norm.ppf(0.975) * np.sqrt(np.mean(variances) * (1 + 4 * 20 / 60))
    assert (auc.high - auc.low) / 2 == pytest.approx(half)
    hits = rows.query("y == 1")["call"].sum() / 3
    assert (
        comparison.formatted().loc[("internal", "TC"), "sensitivity"]
        == rates_from_counts(hits, 0, 40 - hits, 0).sensitivity
    )
    assert (comparison.table["n"] == 80).all()
    assert len(comparison.folds.query("features == 'TC'")) == 12
    assert comparison.subgroups(np.arange(80) < 40)["n"].tolist() == [40] * 6
    assert comparison.tests.loc[("internal", "C", "T"), "auc_a"] == pytest.approx(
        np.mean(
            [
                roc_auc_score(o["y"], o["score"])
                for _, o in comparison.predictions.query("features == 'C'").groupby("repeat")
            ]
        )
    )


def test_one_repeat_is_what_it_was():
    once = compare_feature_sets(model(), patients(), Y, cv=4, random_state=0).predictions
    first = compare_feature_sets(model(), patients(), Y, cv=4, n_repeats=2, random_state=0).predictions
    pd.testing.assert_frame_equal(once.reset_index(drop=True), first.query("repeat == 0").reset_index(drop=True))


def test_repeats_need_a_number_of_folds():
    with pytest.raises(InputError, match="n_repeats is 2 with cv StratifiedKFold"):
        compare_feature_sets(model(), patients(), Y, cv=StratifiedKFold(4), n_repeats=2)
    with pytest.raises(InputError, match="n_repeats is 0"):
        compare_feature_sets(model(), patients(), Y, n_repeats=0)


def test_what_is_finished_is_not_fitted_again(tmp_path):
    keywords = {"cv": 4, "external": {"B": (patients(1), Y)}, "random_state": 0}
    clean = compare_feature_sets(model(), patients(), Y, **keywords).predictions
    Counting.fitted = 0
    compare_feature_sets(model(Counting()), patients(), Y, checkpoint=tmp_path, **keywords)
    whole = Counting.fitted
    files = sorted(tmp_path.iterdir())
    assert len(files) == 5
    # Three sets are fitted for the external cohort; in each fold once, and three times more for the threshold.
    assert whole == 3 + 4 * 12
    for file in files:
        file.unlink()
        again = compare_feature_sets(model(Counting()), patients(), Y, checkpoint=tmp_path, **keywords).predictions
        pd.testing.assert_frame_equal(again, clean)
    assert Counting.fitted == 2 * whole
    compare_feature_sets(model(Counting(C=0.5)), patients(), Y, checkpoint=tmp_path, **keywords)
    assert len(list(tmp_path.iterdir())) == 10


def test_a_checkpoint_serves_another_process_and_holds_no_patient(tmp_path):
    script = f"""
import sys; sys.path.insert(0, {str(__file__).rsplit("/", 1)[0]!r})
from test_repeats_and_checkpoints import *
images = [Radiograph(np.full((9, 9), i + np.eye(9))) for i in range(80)]
X = patients().assign(patient=[f"Mrs. Canary {{i}}" for i in range(80)], image=images)
compare_feature_sets(model(), X, Y, cv=2, checkpoint={str(tmp_path)!r}, random_state=0)
"""
    for _ in range(2):
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=120)
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    for path in files:
        assert "Canary" not in path.read_text()
        assert set(json.loads(path.read_text())[0]) == {"name", "n_features", "threshold", "scores", "chosen"}


def test_a_checkpoint_holds_no_word_of_a_patient(tmp_path):
    X = patients().assign(job=["organist of Steinkirch", *["none"] * 79])
    blocks = [("jobs", OneHotEncoder(sparse_output=False, handle_unknown="ignore", dtype=float), ["job"])]
    jobs = make_pipeline(ColumnTransformer(blocks).set_output(transform="pandas"), LogisticRegression())
    compare_feature_sets(jobs, X, Y, cv=2, checkpoint=tmp_path, random_state=0)
    assert all("Steinkirch" not in path.read_text() for path in tmp_path.iterdir())


def test_a_checkpoint_is_a_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="checkpoint file is a file"):
        compare_feature_sets(model(), patients(), Y, cv=2, checkpoint=tmp_path / "file", random_state=0)


def test_a_damaged_checkpoint_is_named(tmp_path):
    compare_feature_sets(model(), patients(), Y, cv=2, checkpoint=tmp_path, random_state=0)
    path = next(tmp_path.iterdir())
    path.write_text(path.read_text()[:50])
    with pytest.raises(InputError, match=f"checkpoint {path.name} is damaged"):
        compare_feature_sets(model(), patients(), Y, cv=2, checkpoint=tmp_path, random_state=0)


def test_copies_that_are_not_identical_are_listed():
    rng = np.random.default_rng(0)
    images = [np.kron(rng.normal(size=(8, 8)), np.ones((8, 8))).cumsum(axis=0) for _ in range(80)]
    images[70] = 2 * images[3] + 5
    X = patients().assign(image=[Radiograph(image) for image in images])
    comparison = compare_feature_sets(model(), X, Y, cv=2, random_state=0)
    pairs = comparison.settings["near_duplicates"]
    assert [3, 70] in pairs[["row_a", "row_b"]].to_numpy().tolist()
    together = np.arange(80)
    together[70] = 3
    assert [3, 70] not in near_duplicates({"internal": X}, together)[["row_a", "row_b"]].to_numpy().tolist()


def test_worst_cases_stand_on_the_wrong_side():
    X = patients()
    X.loc[6, ["age", "entropy"]], X.loc[9, ["age", "entropy"]] = 9.0, -9.0
    comparison = compare_feature_sets(model(), X, Y, cv=KFold(4), random_state=0)
    worst = comparison.worst_cases("TC", n=2)
    assert set(worst["row"]) == {6, 9}
    assert (worst["percentile"] == 1).all()
    with pytest.raises(InputError, match="no feature set 'D'"):
        comparison.worst_cases("D")


def test_the_report_shows_worst_cases_only_when_asked(tmp_path):
    rng = np.random.default_rng(0)
    images = [Radiograph(rng.normal(size=(20, 20))) for _ in range(80)]
    comparison = compare_feature_sets(model(), patients(), Y, cv=2, n_repeats=2, random_state=0)
    plain = comparison.to_html(tmp_path / "plain.html").read_text()
    shown = comparison.to_html(tmp_path / "shown.html", images=images).read_text()
    assert "Worst cases" in shown
    assert "Worst cases" not in plain
    assert "repeat 2, fold 1" in plain
    with pytest.raises(InputError, match="3 images for 80 rows"):
        comparison.to_html(tmp_path / "wrong.html", images=images[:3])
