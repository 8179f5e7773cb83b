"""compare_feature_sets against scikit-learn's own cross-validation, and the guards against leaks."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectFromModel, SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LassoCV, LogisticRegression, LogisticRegressionCV, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

from deepradiomics import TextureExtractor, compare_feature_sets, late_fusion
from deepradiomics.clinical import clinical_encoder
from deepradiomics.comparison import compare_models
from deepradiomics.exceptions import InputError, LeakageError
from deepradiomics.metrics import delong_test
from deepradiomics.metrics.roc import delong_covariance

SEVEN = ["C", "T", "D", "TC", "DC", "DT", "DTC"]


class Picture:
    """An image that only knows its numbers, as a cell of a data frame."""

    def __init__(self, numbers):
        self.numbers = np.asarray(numbers)


class Measure(TransformerMixin, BaseEstimator):
    """Turns pictures into numbers, learns nothing, and counts the pictures it has measured."""

    measured = 0

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def fit(self, X, y=None):
        self.columns_ = list(X.columns)
        return self

    def transform(self, X):
        type(self).measured += X.size
        return np.array([np.concatenate([cell.numbers for cell in row]) for row in X.itertuples(index=False)])

    def get_feature_names_out(self, input_features=None):
        return np.array([f"{column}__{i}" for column in self.columns_ for i in range(3)], dtype=object)


class Embedding(TransformerMixin, BaseEstimator):
    """A supervised transformer that demands groups, as a cross-fitted network does."""

    def __init__(self, cv=None):
        self.cv = cv

    def fit(self, X, y, *, groups=None):
        numbers = self._numbers(X)
        self.direction_ = numbers[y == 1].mean(axis=0) - numbers[y == 0].mean(axis=0)
        return self

    def fit_transform(self, X, y=None, *, groups=None):
        if groups is None:
            raise LeakageError("no groups reached the embedding")
        embedding = np.empty((len(X), 1))
        for train, test in self.cv.split(X, y, groups):
            assert not set(groups[train]) & set(groups[test])
            part = clone(self).fit(X.iloc[train], y[train])
            embedding[test] = part.transform(X.iloc[test])
        self.fit(X, y)
        return embedding

    def transform(self, X):
        return (self._numbers(X) @ self.direction_)[:, None]

    def get_feature_names_out(self, input_features=None):
        return np.array(["0"], dtype=object)

    def _numbers(self, X):
        return np.array([np.concatenate([cell.numbers for cell in row]) for row in X.itertuples(index=False)])


def cohort(n=90, *, seed=0, signal=1.0, site="A"):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    y[:10] = np.arange(10) % 2
    pictures = [Picture(rng.normal([signal * label, 0, 0])) for label in y]
    others = [Picture(rng.normal([0, signal * label, 0])) for label in y]
    table = pd.DataFrame({"left": pictures, "right": others, "age": rng.normal(60 + 5 * signal * y, 8)})
    table["sex"] = rng.choice(["F", "M"], n)
    table["patient"] = [f"{site}{i // 2:04d}" for i in range(n)]
    return table.set_index(np.arange(n) * 3 + 7), y


def blocks(**options):
    return ColumnTransformer(
        [
            ("texture", make_pipeline(Measure(), StandardScaler(), SelectKBest(k=2)), ["left", "right"]),
            ("deep", Embedding(StratifiedGroupKFold(3)), ["left"]),
            ("clinical", clinical_encoder(), ["age", "sex"]),
        ],
        **options,
    )


def model(**options):
    return Pipeline([("blocks", blocks(**options)), ("scale", StandardScaler()), ("classifier", LogisticRegression())])


@pytest.fixture(scope="module")
def comparison():
    X, y = cohort()
    other, z = cohort(60, seed=1, site="B")
    return compare_feature_sets(model(), X, y, cv=3, external={"site B": (other, z)}, random_state=0)


def test_the_seven_sets_in_the_published_order(comparison):
    assert list(comparison.table.loc["internal"].index) == SEVEN
    assert list(comparison.table.loc["site B"].index) == SEVEN
    assert len(comparison.tests.loc["internal"]) == 21
    assert list(comparison.table["n"].unique()) == [90, 60]


def test_predictions_are_complete_and_the_table_is_made_of_them(comparison):
    for (group, features), own in comparison.predictions.groupby(["cohort", "features"]):
        assert own["row"].tolist() == list(range(len(own)))
        assert own["fold"].between(0, 2).all() if group == "internal" else (own["fold"] == -1).all()
        row = comparison.table.loc[(group, features)]
        assert row["auc"] == pytest.approx(roc_auc_score(own["y"], own["score"]))
        assert row["sensitivity"] == pytest.approx(own["call"][own["y"] == 1].mean())


def test_intervals_of_cross_validated_areas_are_wider():
    """Where errors are many and intervals normal; those of few errors are no multiples of one another."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 2
    X = pd.DataFrame({"age": rng.normal(y * 0.6), "weight": rng.normal(y * 0.4)})
    models = {
        name: make_pipeline(ColumnTransformer([("x", StandardScaler(), [name])]), LogisticRegression()) for name in X
    }
    comparison = compare_models(models, X, y, cv=3, external={"B": (X + rng.normal(size=X.shape), y)})
    for (group, _), own in comparison.predictions.groupby(["cohort", "features"]):
        row = comparison.table.loc[(group, own["features"].iloc[0])]
        variance = delong_covariance(own["y"].to_numpy(), [own["score"].to_numpy()])[1][0, 0]
        # Three folds: each tests half as many rows as it trains on, so the variance grows by 1 + 3 / 2.
        widening = 2.5 if group == "internal" else 1.0
        assert (1 - row["auc"]) * 45 > 10
        assert row["auc_high"] - row["auc_low"] == pytest.approx(2 * norm.ppf(0.975) * np.sqrt(widening * variance))


def test_external_tests_are_plain_delong(comparison):
    part = comparison.predictions.query("cohort == 'site B'")
    score = {name: own["score"].to_numpy() for name, own in part.groupby("features")}
    y, patient = (part.query("features == 'C'")[name].to_numpy() for name in ("y", "patient"))
    test = comparison.tests.loc[("site B", "C", "T")]
    assert test["p_value"] == pytest.approx(delong_test(y, score["C"], score["T"], groups=patient).p_value)


@pytest.mark.parametrize(("letters", "names"), [("T", ["texture"]), ("TC", ["texture", "clinical"])])
def test_scores_are_those_of_scikit_learns_cross_validation(letters, names, comparison):
    X, y = cohort()
    fold = comparison.predictions.query(f"cohort == 'internal' and features == '{letters}'")["fold"].to_numpy()
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
    parts = [part for part in blocks().transformers if part[0] in names]
    alone = make_pipeline(ColumnTransformer(parts), StandardScaler(), LogisticRegression())
    expected = cross_val_predict(alone, X, y, cv=splits, method="predict_proba")[:, 1]
    own = comparison.predictions.query(f"cohort == 'internal' and features == '{letters}'")
    np.testing.assert_allclose(own["score"], expected, atol=1e-12)


def test_external_scores_are_those_of_the_model_fitted_on_everything(comparison):
    X, y = cohort()
    other, _ = cohort(60, seed=1, site="B")
    parts = [part for part in blocks().transformers if part[0] != "deep"]
    alone = make_pipeline(ColumnTransformer(parts), StandardScaler(), LogisticRegression()).fit(X, y)
    own = comparison.predictions.query("cohort == 'site B' and features == 'TC'")
    np.testing.assert_allclose(own["score"], alone.predict_proba(other)[:, 1], atol=1e-12)


@pytest.mark.parametrize("container", ["default", "pandas"])
def test_what_learns_nothing_is_computed_once(container):
    X, y = cohort()
    other, z = cohort(60, seed=1, site="B")
    Measure.measured = 0
    compare_feature_sets(
        model().set_params(blocks=blocks().set_output(transform=container)), X, y, cv=4, external={"B": (other, z)}
    )
    assert Measure.measured == 2 * (90 + 60)


def test_a_stateless_step_before_the_blocks_is_computed_once():
    X, y = cohort()
    read = FunctionTransformer(lambda table: table.assign(left=table["left"].map(lambda p: Picture(p.numbers / 2))))
    calls = []
    count = FunctionTransformer(lambda table: calls.append(len(table)) or table)
    steps = [("read", read), ("count", FrozenEstimator(count.fit(X))), *model().steps]
    calls.clear()
    twice = compare_feature_sets(Pipeline(steps), X, y, cv=3, random_state=0)
    assert calls == [90]
    # Halving a picture changes nothing behind a scaler.
    once = compare_feature_sets(model(), X, y, cv=3, random_state=0)
    np.testing.assert_allclose(twice.predictions["score"], once.predictions["score"], atol=1e-9)


class Learned(Measure):
    """The same numbers, computed in each fold anew."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = True
        return tags


@pytest.mark.parametrize("columns", [["left", "right"], [0, 1], slice("left", "right"), lambda X: ["left", "right"]])
@pytest.mark.parametrize("rest", [[], [StandardScaler()], [Normalizer(), StandardScaler()]])
def test_computing_once_changes_no_score(columns, rest):
    X, y = cohort()
    parts = [("texture", None, columns), ("clinical", StandardScaler(), ["age"]), ("raw", "passthrough", ["age"])]
    scores = []
    for head in (Measure(), Learned()):
        parts[0] = ("texture", make_pipeline(head, *rest) if rest else head, columns)
        own = make_pipeline(ColumnTransformer(parts), LogisticRegression(max_iter=1000))
        scores.append(compare_feature_sets(own, X, y, cv=3, random_state=0).predictions["score"])
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-12)


def test_arrays_and_remainder():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.normal(size=(60, 4)) + y[:, None] * [1, 0, 0, 0.5]
    scores = []
    for head in (Normalizer(), FunctionTransformer(lambda part: part / np.linalg.norm(part, axis=1)[:, None])):
        parts = [("unit", make_pipeline(head, StandardScaler()), [0, 1]), ("age", StandardScaler(), [2])]
        own = make_pipeline(ColumnTransformer(parts, remainder="passthrough"), LogisticRegression())
        result = compare_feature_sets(own, X, y, cv=3, random_state=0)
        assert list(result.table.loc["internal"].index)[-1] == "unit+age+remainder"
        scores.append(result.predictions["score"])
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-12)


def test_results_do_not_depend_on_n_jobs():
    X, y = cohort()
    own = make_pipeline(
        ColumnTransformer([("texture", StandardScaler(), ["age"]), ("clinical", clinical_encoder(), ["sex"])]),
        LogisticRegression(),
    )
    results = [
        compare_feature_sets(own, X.drop(columns=["left", "right"]), y, n_jobs=n, random_state=3) for n in (1, 2)
    ]
    pd.testing.assert_frame_equal(results[0].predictions, results[1].predictions)


def test_groups_reach_inner_splitters_unasked(comparison):
    assert "D" in comparison.table.loc["internal"].index  # Embedding raises unless groups reach it.
    X, y = cohort()
    tuned = Pipeline(
        [
            ("blocks", blocks()),
            (
                "classifier",
                LogisticRegressionCV(
                    Cs=2, cv=GroupKFold(3), l1_ratios=(0.0,), use_legacy_attributes=False, scoring="roc_auc"
                ),
            ),
        ]
    )
    assert len(compare_feature_sets(tuned, X, y, cv=3, feature_sets=["C", "D"]).table) == 2


def test_a_group_splitter_without_groups_is_refused():
    X, y = cohort()
    X = X.drop(columns="patient")
    with pytest.raises(LeakageError, match="blocks__deep__cv"):
        compare_feature_sets(model(), X, y)
    with pytest.raises(LeakageError, match="StratifiedGroupKFold"):
        compare_feature_sets(make_pipeline(clinical(), LogisticRegression()), X, y, cv=StratifiedGroupKFold(3))


def clinical():
    return ColumnTransformer([("clinical", StandardScaler(), ["age"])])


def test_patients_stay_together():
    X, y = cohort()
    own = make_pipeline(clinical(), LogisticRegression())
    predictions = compare_feature_sets(own, X, y, random_state=0).predictions
    assert len(predictions[["patient", "fold"]].drop_duplicates()) == 45
    with pytest.raises(LeakageError, match="both sides of the split"):
        compare_feature_sets(own, X, y, cv=KFold(5, shuffle=True, random_state=0))
    with pytest.raises(LeakageError, match="are one patient"):
        compare_feature_sets(own, X, y, groups=np.arange(90))
    coarser = compare_feature_sets(own, X, y, groups=np.arange(90) // 6, random_state=0).predictions
    assert len({(row // 6, fold) for row, fold in zip(coarser["row"], coarser["fold"], strict=True)}) == 15


def test_a_patient_in_two_cohorts_is_refused():
    X, y = cohort()
    later = {"later": (X.iloc[38:60], y[38:60])}
    with pytest.raises(
        LeakageError, match="row 38 of internal and row 0 of later are of one patient by their ids \\(1 such"
    ):
        compare_feature_sets(make_pipeline(clinical(), LogisticRegression()), X.iloc[:40], y[:40], external=later)


def test_nothing_selected_predicts_the_share_of_events():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = pd.DataFrame({"noise": rng.normal(size=80), "age": rng.normal(y)})
    nothing = make_pipeline(StandardScaler(), SelectFromModel(LassoCV(alphas=20), threshold=10.0))
    own = make_pipeline(
        ColumnTransformer([("texture", nothing, ["noise"]), ("clinical", StandardScaler(), ["age"])]).set_output(
            transform="pandas"
        ),
        LogisticRegression(),
    )
    result = compare_feature_sets(own, X, y, random_state=0)
    assert result.table["n_features"].tolist() == [1, 0, 1]
    assert (result.predictions.query("features == 'T'")["score"] == 0.5).all()
    same = [result.predictions.query(f"features == '{name}'")["score"].to_numpy() for name in ("C", "TC")]
    np.testing.assert_allclose(*same)
    behind = make_pipeline(own[0], SelectFromModel(LassoCV(alphas=20), threshold=10.0), LogisticRegression())
    assert (compare_feature_sets(behind, X, y, random_state=0).predictions["score"] == 0.5).all()


def test_late_fusion_behind_shared_blocks_drops_absent_voters():
    X, y = cohort()
    shared = Pipeline(
        [
            ("blocks", blocks().set_output(transform="pandas")),
            ("classifier", late_fusion(["texture", "deep", "clinical"], LogisticRegression())),
        ]
    )
    result = compare_feature_sets(shared, X, y, cv=3, random_state=0)
    scores = {name: own["score"].to_numpy() for name, own in result.predictions.groupby("features")}
    np.testing.assert_allclose(scores["DTC"], (scores["C"] + scores["T"] + scores["D"]) / 3, atol=1e-12)


def test_decision_functions_string_labels_and_one_patient_out():
    X, y = cohort(30)
    own = make_pipeline(clinical(), RidgeClassifier())
    words = np.where(y == 1, "osteoporosis", "healthy")
    result = compare_feature_sets(own, X, words, cv=LeaveOneGroupOut())
    assert result.classes == ("healthy", "osteoporosis")
    assert result.predictions["y"].tolist() == y.tolist()
    assert result.folds["auc"].isna().any()
    assert 0.5 < float(result.table["auc"].iloc[0]) <= 1


@pytest.mark.parametrize(
    ("feature_sets", "names"),
    [
        (["C", "DTC"], ["C", "DTC"]),
        (["texture+clinical"], ["texture+clinical"]),
        ({"all we have": ["clinical", "texture", "deep"]}, ["all we have"]),
    ],
)
def test_feature_sets_are_free(feature_sets, names):
    X, y = cohort()
    table = compare_feature_sets(model(), X, y, cv=3, feature_sets=feature_sets).table
    assert list(table.loc["internal"].index) == names


def test_the_table_is_of_numbers_and_prints_with_intervals(comparison):
    table = comparison.table
    assert all(kind.kind in "if" for kind in table.dtypes)
    first = table.iloc[0]
    cell = f"{first['auc']:.2f} [{first['auc_low']:.2f}, {first['auc_high']:.2f}]"
    assert cell == str(comparison.formatted()["auc"].iloc[0])
    assert cell in repr(comparison)
    assert cell in comparison._repr_html_()


def test_an_external_cohort_needs_only_the_columns_that_are_read():
    X, y = cohort()
    other, z = cohort(60, seed=1, site="B")
    fewer = other.drop(columns="patient")
    own = make_pipeline(
        ColumnTransformer([("texture", make_pipeline(Measure(), StandardScaler()), ["left"])]), LogisticRegression()
    )
    found = [compare_feature_sets(own, X, y, cv=2, external={"B": (t, z)}, random_state=0) for t in (other, fewer)]
    np.testing.assert_array_equal(*(one.predictions["score"] for one in found))


def test_roc_panels(comparison):
    import matplotlib

    matplotlib.use("Agg")
    axes = comparison.plot_roc()
    assert [ax.get_title().split(" (")[0] for ax in axes] == ["internal", "site B"]
    labels = axes[0].get_legend_handles_labels()[1]
    assert labels[-1] == f"DTC {comparison.formatted().loc[('internal', 'DTC'), 'auc']}"
    with pytest.raises(InputError, match="1 axes for 2 cohorts"):
        comparison.plot_roc(axes=axes[:1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": LogisticRegression()}, "give a Pipeline"),
        ({"model": make_pipeline(StandardScaler(), LogisticRegression())}, "ColumnTransformer"),
        ({"model": make_pipeline(clinical(), StandardScaler())}, "must be a classifier"),
        ({"feature_sets": ["X"]}, "blocks of the model are clinical"),
        ({"feature_sets": []}, "feature_sets is empty"),
        ({"y": np.zeros(90)}, "on 2 or more"),
        ({"y": np.zeros(9)}, "one label a row"),
        ({"cv": 40}, "fewer than the 40 folds"),
        ({"groups": np.arange(9)}, "one patient a row"),
        ({"groups": [None] * 90}, "has no patient"),
        ({"external": {"B": (cohort(60, site="B")[0], np.full(60, 7))}}, "classes \\[7\\]"),
        ({"external": {"internal": (cohort(60, site="B")[0], np.zeros(60))}}, "choose another name"),
        ({"cv": [(np.arange(60), np.arange(60, 90))]}, "tests each row once"),
    ],
)
def test_refusals(change, message):
    X, y = cohort()
    arguments = {"model": make_pipeline(clinical(), LogisticRegression()), "X": X, "y": y} | change
    with pytest.raises(InputError, match=message):
        compare_feature_sets(**arguments)


def test_models_are_compared_as_scikit_learn_would():
    X, y = cohort()
    numbers = X[["age", "patient"]]
    models = {
        "plain": make_pipeline(FunctionTransformer(lambda table: table[["age"]]), LogisticRegression(max_iter=1000)),
        "blocks": make_pipeline(clinical(), LogisticRegression()),
        "images": model(),
    }
    result = compare_models(models, X, y, cv=3, random_state=0)
    assert list(result.table.loc["internal"].index) == list(models)
    assert len(result.tests) == 3
    own = result.predictions.query("features == 'plain'")
    splits = [(np.flatnonzero(own["fold"] != k), np.flatnonzero(own["fold"] == k)) for k in range(3)]
    expected = cross_val_predict(models["plain"], numbers, y, cv=splits, method="predict_proba")[:, 1]
    np.testing.assert_allclose(own["score"], expected, atol=1e-9)
    alone = compare_feature_sets(model(), X, y, cv=3, feature_sets=["DTC"], random_state=0)
    np.testing.assert_allclose(result.predictions.query("features == 'images'")["score"], alone.predictions["score"])


def test_models_on_plain_matrices_and_refusals():
    X, y = RNG_X, np.arange(60) % 2
    table = compare_models({"a": LogisticRegression(), "b": RidgeClassifier()}, X, y, random_state=0).table
    assert list(table["n"]) == [60, 60]
    with pytest.raises(InputError, match="give a dict of names"):
        compare_models({}, X, y)
    with pytest.raises(InputError, match="must be a classifier"):
        compare_models({"a": StandardScaler()}, X, y)


RNG_X = np.random.default_rng(0).normal(size=(60, 3))


def test_what_was_left_empty_is_listed(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    images = [rng.normal(size=(12, 12)) for _ in y]
    images[3] = np.zeros((12, 12))
    X = pd.DataFrame({"hip": pd.Series(images, dtype=object), "age": rng.normal(y)})
    other = X.assign(hip=pd.Series([rng.normal(size=(12, 12)) for _ in y[:39]] + [images[3] + 1], dtype=object))
    texture = make_pipeline(
        TextureExtractor(feature_classes={"firstorder": ["Mean"]}, min_levels=2, on_error="skip"), SimpleImputer()
    )
    blocks = ColumnTransformer([("texture", texture, ["hip"]), ("clinical", StandardScaler(), ["age"])])
    pipeline = make_pipeline(blocks, LogisticRegression())
    comparison = compare_feature_sets(pipeline, X, y, cv=2, external={"B": (other, y)}, random_state=0)
    failures = comparison.settings["failures"]
    assert failures[["cohort", "row", "item", "code"]].to_numpy().tolist() == [
        ["internal", 3, "hip", "too_few_levels"],
        ["B", 39, "hip", "too_few_levels"],
    ]
    page = comparison.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "1 in internal (too few levels); 1 in B (too few levels)" in page
    both = compare_models({"a": pipeline, "b": clone(pipeline)}, X, y, cv=2, random_state=0)
    assert len(both.settings["failures"]) == 1
