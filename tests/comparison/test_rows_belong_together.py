"""Whatever is given a row a row of something is refused where its index says that the rows are others."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from deepradiomics import DeepExtractor, Triage, UNetSegmenter, compare_models, metrics, recalibrate
from deepradiomics.comparison._record import hash_index
from deepradiomics.exceptions import InputError
from deepradiomics.fusion import StackedFusionClassifier, learn_weights
from deepradiomics.harmonization import ComBat
from deepradiomics.selection import BilateralSelector, MRMRSelector

N = 60
RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(N, 2)), columns=["a", "b"], index=[f"row {i}" for i in range(N)])
LABELS = np.arange(N) % 2
SHUFFLED = X.index[RNG.permutation(N)]
Y, PROBABILITY = pd.Series(LABELS, index=X.index), pd.Series(RNG.random(N), index=X.index)
# The same values, told by their index to be of other rows.
Z, P = Y.set_axis(SHUFFLED), PROBABILITY.set_axis(SHUFFLED)
MODEL = {"m": LogisticRegression()}
BLOCKS = ColumnTransformer([("one", "passthrough", ["a"]), ("other", "passthrough", ["b"])])
SITE = make_pipeline(ComBat(), LogisticRegression())
FILM = pd.Series([np.eye(32)] * N, index=X.index, dtype=object)


@pytest.fixture(scope="module")
def compared():
    outside = (X + 9, Y)
    numbers = compare_models({"m": LinearRegression()}, X, PROBABILITY, cv=2, random_state=0)
    return compare_models(MODEL, X, Y, cv=2, random_state=0, external={"B": outside}), numbers


CALLS = {
    "y of a comparison": lambda: compare_models(MODEL, X, Z),
    "groups of a comparison": lambda: compare_models(MODEL, X, Y, groups=Z.cumsum()),
    "site of a comparison": lambda: compare_models({"m": SITE}, X, Y, site=Z),
    "y of a cohort": lambda: compare_models(MODEL, X, Y, external={"B": (X + 9, Z)}),
    "groups of a cohort": lambda: compare_models(MODEL, X, Y, external={"B": (X + 9, Y, Z.cumsum())}),
    "site of a cohort": lambda: compare_models({"m": SITE}, X, Y, site=Y, external={"B": (X + 9, Y, None, Z)}),
    "y of a triage": lambda: Triage(LogisticRegression()).fit(X, Z),
    "groups of a triage": lambda: Triage(LogisticRegression()).fit(X, Y, groups=Z.cumsum()),
    "groups of a fusion": lambda: StackedFusionClassifier(BLOCKS, LogisticRegression()).fit(X, Y, groups=Z),
    "y of weights": lambda: learn_weights(BLOCKS, LogisticRegression(), X, Z),
    "site of ComBat": lambda: ComBat().fit(X, site=Z),
    "site of ComBat later": lambda: ComBat().fit(X, site=Y).transform(X, site=Z),
    "y of a selection": lambda: MRMRSelector(1).fit(X, Z),
    "y of a selection of sides": lambda: BilateralSelector().fit(X, Z),
    "y of a network": lambda: DeepExtractor().fit(FILM.to_frame("film"), Z),
    "masks": lambda: UNetSegmenter().fit(FILM, FILM.set_axis(SHUFFLED)),
    "score": lambda: metrics.roc_auc_ci(Y, P),
    "groups of an area": lambda: metrics.roc_auc_ci(Y, PROBABILITY, groups=Z),
    "second score": lambda: metrics.delong_test(Y, PROBABILITY, P),
    "score of a threshold": lambda: metrics.youden_threshold(Y, P),
    "calls": lambda: metrics.diagnostic_rates(Y, Z),
    "calls of classes": lambda: metrics.multiclass_rates(Y, Z),
    "scores of classes": lambda: metrics.multiclass_auc(Y, pd.DataFrame({0: 1 - P, 1: P})),
    "probability": lambda: metrics.calibration_measures(Y, P),
    "net benefit": lambda: metrics.net_benefit(Y, P),
    "second rater": lambda: metrics.weighted_kappa(Y, Z),
    "second reader": lambda: metrics.mcnemar(Y, Z),
    "readers": lambda: metrics.reader_study(Y, {"R": P, "S": PROBABILITY}, PROBABILITY),
    "resampled": lambda: metrics.bootstrap_interval(lambda y, p: p.mean(), Y, P),
    "y of a recalibration": lambda: recalibrate(LogisticRegression().fit(X, Y), X, Z),
    "patients of a recalibration curve": lambda: metrics.recalibration_curve(Y, PROBABILITY, groups=Z, sizes=[0]),
    "scores in a tuple": lambda: metrics.delong_covariance(Y, (PROBABILITY, P)),
    "scores of an array": lambda: metrics.delong_test(LABELS, PROBABILITY, P),
    "readers and a model": lambda: metrics.reader_study(LABELS, {"R": Y}, P),
    "period": lambda: metrics.drift(X, X, Z),
    "predicted numbers": lambda: metrics.regression_measures(PROBABILITY, P),
    "patients of errors": lambda: metrics.conformal_radius(PROBABILITY, groups=Z),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_an_index_that_disagrees_is_refused(call):
    with pytest.raises(InputError, match=r"the index of .* is not that of") as caught:
        call()
    assert caught.value.code == "index"
    assert "row 1" not in str(caught.value)


DAYS = pd.date_range("2026-01-01", periods=3)
ZONED = pd.Index([DAYS[0].tz_localize("UTC"), DAYS[1].tz_localize("Europe/Berlin")], dtype=object)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pd.Index([0, 1]), pd.Index([0.0, 1.0])),
        (pd.Index([1, 2], dtype=object), pd.Index([1, 2])),
        (pd.Index([-1, 2], dtype="int8"), pd.Index([-1, 2])),
        (DAYS.as_unit("s"), DAYS.as_unit("ns")),
        (pd.MultiIndex.from_tuples([(1, "a"), (2, "b")]), pd.MultiIndex.from_tuples([(1.0, "a"), (2.0, "b")])),
        (pd.Index([0.5, 1.0]), pd.Index([0, 1])),
        (pd.Index([1, 2]), pd.Index([2, 1])),
        (pd.Index(["1", "2"]), pd.Index([1, 2])),
        (DAYS, DAYS[::-1]),
        (pd.Index([2**60, 2**60 + 1]), pd.Index([2**60, 2**60 + 2])),
        (ZONED, pd.Index([ZONED[0].tz_convert("Asia/Tokyo"), ZONED[1]], dtype=object)),
    ],
)
def test_hashes_of_rows_are_equal_where_pandas_calls_them_equal(one, other):
    a, b = (hash_index(pd.Series(0, index=index)) for index in (one, other))
    assert (a == b) == one.equals(other)


@pytest.mark.parametrize(
    "ask",
    [
        lambda found, _, labels: found.subgroups(labels),
        lambda found, _, labels: found.subgroups(labels, cohort="B"),
        lambda found, _, labels: found.shortcuts(pd.DataFrame({"site": labels})),
        lambda found, path, labels: found.to_html(path / "page.html", subgroups={"sex": labels}),
    ],
    ids=["subgroups", "subgroups of a cohort", "shortcuts", "report"],
)
def test_a_finished_comparison_knows_its_rows(ask, compared, tmp_path):
    site = pd.Series(np.arange(N) // 2 % 2, index=X.index)
    with pytest.raises(InputError, match=r"index of \w+ is not that of X of cohort"):
        ask(compared[0], tmp_path, site.set_axis(SHUFFLED))
    ask(compared[0], tmp_path, site)
    ask(compared[0], tmp_path, site.sample(frac=1, random_state=0).loc[X.index])


def test_images_and_subgroups_of_numbers_too(compared, tmp_path):
    found, numbers = compared
    with pytest.raises(InputError, match="index of images"):
        found.to_html(tmp_path / "page.html", images=FILM.set_axis(SHUFFLED))
    with pytest.raises(InputError, match="index of labels"):
        numbers.subgroups(Z)
    assert len(numbers.subgroups(Y)) == 2
