"""Several classes and numbers: against scikit-learn, statsmodels, scipy, plain loops and simulation."""

from html import unescape

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.stats import pearsonr
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import brier_score_loss, cohen_kappa_score, f1_score, mean_absolute_error, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from statsmodels.stats.proportion import proportion_confint

from deepradiomics import compare_feature_sets
from deepradiomics.comparison import ClassComparison, RegressionComparison, compare_models
from deepradiomics.exceptions import InputError, LeakageError
from deepradiomics.metrics import bootstrap_interval, delong_test, regression_measures, wilsoncc
from deepradiomics.metrics.intervals import join_intervals

matplotlib.use("Agg")
NAMES = ["normal", "osteopenia", "osteoporosis"]


def cohort(n=150, seed=0):
    rng = np.random.default_rng(seed)
    t_score = rng.normal(-1.7, 1.2, n)
    table = pd.DataFrame({"age": -t_score + rng.normal(0, 1.0, n), "entropy": t_score + rng.normal(0, 2.0, n)})
    words = np.array(NAMES)[(t_score < -1).astype(int) + (t_score <= -2.5)]
    return table.assign(patient=np.arange(n) // 2 + 1000 * seed), words, t_score


def model(final):
    blocks = ColumnTransformer([("clinical", StandardScaler(), ["age"]), ("texture", StandardScaler(), ["entropy"])])
    return make_pipeline(blocks, final)


@pytest.fixture(scope="module")
def three():
    (X, words, _), (Z, other, _) = cohort(), cohort(80, 1)
    y = pd.Categorical(words, NAMES, ordered=True)
    return compare_feature_sets(model(LogisticRegression()), X, y, cv=3, external={"B": (Z, other)}, random_state=0)


def test_probabilities_areas_and_calls_are_scikit_learns(three):
    assert isinstance(three, ClassComparison)
    X, words, _ = cohort()
    own = three.predictions.query("cohort == 'internal' and features == 'TC'")
    fold = own["fold"].to_numpy()
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
    expected = cross_val_predict(model(LogisticRegression()), X, words, cv=splits, method="predict_proba")
    probability = own[[f"score {name}" for name in NAMES]].to_numpy()
    np.testing.assert_allclose(probability, expected, atol=1e-10)
    row = three.table.loc[("internal", "TC")]
    assert row["auc"] == pytest.approx(roc_auc_score(words, expected, multi_class="ovr"))
    for k, name in enumerate(NAMES):
        assert row[f"auc {name}"] == pytest.approx(roc_auc_score(words == name, expected[:, k]))
    calls = np.array(NAMES)[expected.argmax(axis=1)]
    assert row["f1_macro"] == pytest.approx(f1_score(words, calls, average="macro"))
    assert row["f1_weighted"] == pytest.approx(f1_score(words, calls, average="weighted"))
    codes = [np.searchsorted(NAMES, part) for part in (words, calls)]
    assert row["kappa"] == pytest.approx(cohen_kappa_score(*codes, weights="quadratic"))
    assert row["accuracy_low"] == wilsoncc(int((calls == words).sum()), 150).low
    table = three.confusion("TC")
    assert table.loc["normal", "osteopenia"] == ((words == "normal") & (calls == "osteopenia")).sum()


def test_the_macro_interval_and_test_are_those_of_a_bootstrap(three):
    part = three.predictions.query("cohort == 'B'").sort_values("row")
    columns = [f"score {name}" for name in NAMES]
    a, b = (part.query(f"features == '{name}'")[columns].to_numpy() for name in ("C", "T"))
    first = part.query("features == 'C'")

    def gap(y, one, other):
        return roc_auc_score(y, one, multi_class="ovr") - roc_auc_score(y, other, multi_class="ovr")

    drawn = bootstrap_interval(
        gap, first["y"].to_numpy(), a, b, groups=first["patient"].to_numpy(), n_resamples=400, random_state=0
    )
    test = three.tests.loc[("B", "macro", "C", "T")]
    assert test["difference"].estimate == pytest.approx(drawn.estimate)
    np.testing.assert_allclose([test["difference"].low, test["difference"].high], [drawn.low, drawn.high], atol=0.04)
    own = delong_test(first["y"] == 2, a[:, 2], b[:, 2], groups=first["patient"])
    assert three.tests.loc[("B", "osteoporosis", "C", "T"), "p_value"] == pytest.approx(own.p_value)


def test_each_class_has_a_threshold_from_training_and_rates(three):
    rates = three.by_class
    assert list(rates.loc["internal"].loc["C"].index) == NAMES
    own = three.predictions.query("cohort == 'internal' and features == 'C' and y == 2")
    called = own["score osteoporosis"] >= own["threshold osteoporosis"]
    assert rates.loc[("internal", "C", "osteoporosis"), "sensitivity"] == pytest.approx(called.mean())
    assert own.groupby("fold")["threshold osteoporosis"].nunique().eq(1).all()
    assert three.subgroups(np.arange(150) // 2 % 2)["n"].sum() == 150 * 3 * 3


def test_each_class_has_its_roc_panel_and_its_worst_cases(three):
    axes = three.plot_roc()
    assert axes.shape == (2, 3)
    assert axes[1, 2].get_title() == "osteoporosis, B (18 of 80)"
    curve = axes[1, 2].lines[0]
    assert np.trapezoid(curve.get_ydata(), curve.get_xdata()) == pytest.approx(
        three.table.loc[("B", "C"), "auc osteoporosis"]
    )
    with pytest.raises(InputError, match="one a cohort and class"):
        three.plot_roc(axes=axes[0])
    plt.close("all")
    worst = three.worst_cases("TC", n=1).iloc[0]
    own = three.predictions.query("cohort == 'internal' and features == 'TC'").set_index("row")
    name = NAMES[own.loc[worst["row"], "y"]]
    others = own.loc[own["y"] != worst["y"], f"score {name}"]
    assert worst["percentile"] == (others > own.loc[worst["row"], f"score {name}"]).mean()
    assert worst["percentile"] > 0.8


def test_the_page_of_classes_has_each_class(three, tmp_path):
    sex = np.arange(150) // 2 % 2
    path = three.to_html(tmp_path / "page.html", subgroups={"sex": sex}, images=[np.eye(4)] * 150)
    page = unescape(path.read_text(encoding="utf-8"))
    assert "classes: normal < osteopenia < osteoporosis" in page
    for cell in three.formatted().loc[("internal", "TC"), ["auc", "f1_macro", "kappa"]]:
        assert f">{cell}<" in page
    for name in NAMES:
        rates = three.views[name].formatted().loc[("B", "TC")]
        assert all(f">{rates[column]}<" in page for column in ("auc", "sensitivity", "npv"))
        assert f">{brier_score(three, name):.3f}".rstrip("0") in page
    # By cohort: three ROC curves, three of calibration and of net benefit, calls, differences; overview, worst cases.
    assert page.count("<figure") == 2 * 11 + 2


def brier_score(three, name):
    own = three.predictions.query("cohort == 'B' and features == 'TC'")
    return brier_score_loss(own["y"] == NAMES.index(name), own[f"score {name}"])


def test_few_patients_of_a_class_are_said(tmp_path):
    X, words, _ = cohort(60)
    rare = np.where(np.arange(60) < 8, "rare", np.where(words == "normal", "a", "b"))
    found = compare_models({"lr": LogisticRegression()}, X, rare, cv=2, random_state=0)
    assert "4 patient(s) of class rare, too few for a conclusion" in repr(found)
    page = found.to_html(tmp_path / "page.html").read_text()
    assert '<p class="alert">internal: 4 patient(s) of class rare' in page


def test_checkpoints_keep_all_classes(tmp_path):
    X, words, _ = cohort()
    runs = [compare_models({"lr": LogisticRegression()}, X, words, checkpoint=tmp_path, random_state=0) for _ in "ab"]
    pd.testing.assert_frame_equal(runs[0].predictions, runs[1].predictions)


@pytest.fixture(scope="module")
def numbers():
    (X, _, t_score), (Z, _, other) = cohort(), cohort(80, 1)
    return compare_feature_sets(model(LinearRegression()), X, t_score, external={"B": (Z, other)}, random_state=0)


def test_measures_of_numbers_are_statsmodels_and_scipys(numbers):
    assert isinstance(numbers, RegressionComparison)
    own = numbers.predictions.query("cohort == 'B' and features == 'TC'")
    y, predicted = own["y"].to_numpy(), own["score"].to_numpy()
    row = numbers.table.loc[("B", "TC")]
    line = sm.OLS(y, sm.add_constant(predicted)).fit()
    np.testing.assert_allclose([row["intercept"], row["slope"]], line.params)
    assert row["pearson"] == pytest.approx(pearsonr(y, predicted).statistic)
    assert row["mae"] == pytest.approx(mean_absolute_error(y, predicted))
    gap = predicted - y
    assert row["limit_high"] == pytest.approx(gap.mean() + 1.96 * gap.std(ddof=1))
    lin = 2 * np.cov(y, predicted, ddof=0)[0, 1] / (y.var() + predicted.var() + gap.mean() ** 2)
    assert row["concordance"] == pytest.approx(lin)
    alone = regression_measures(y, predicted, random_state=0)["pearson"]
    fisher = pearsonr(y, predicted).confidence_interval()
    np.testing.assert_allclose([alone.low, alone.high], [fisher.low, fisher.high], atol=0.05)
    assert float(row["mae_low"]) < row["mae"] < row["mae_high"]


def test_a_worse_set_of_numbers_is_found_and_equal_ones_are_not(numbers):
    tests = numbers.tests
    assert tests.loc[("B", "C", "T"), "p_value"] < 0.05
    X, _, t_score = cohort()
    same = compare_models({"a": LinearRegression(), "b": LinearRegression()}, X, t_score, random_state=0)
    assert same.tests["p_value"].iloc[0] == 1


def test_numbers_give_a_diagnosis(numbers):
    found = numbers.diagnosis(-2.5)
    own = numbers.predictions.query("cohort == 'B' and features == 'C'")
    row = found.table.loc[("B", "C")]
    assert row["auc"] == pytest.approx(roc_auc_score(own["y"] <= -2.5, -own["score"]))
    assert row["sensitivity"] == pytest.approx((own["score"] <= -2.5)[own["y"] <= -2.5].mean())


def test_the_page_of_numbers_has_errors_agreement_and_diagnoses(numbers, tmp_path):
    sex = np.arange(150) // 2 % 2
    path = numbers.to_html(tmp_path / "page.html", subgroups={"sex": sex}, cuts=(-2.5, 9), images=[np.eye(4)] * 150)
    page = unescape(path.read_text(encoding="utf-8"))
    for cell in numbers.formatted().loc[("B", "TC"), ["mae", "limit_low", "limit_high", "concordance", "slope"]]:
        assert f">{cell}<" in page
    assert f">{numbers.diagnosis(-2.5).formatted().loc[('B', 'C'), 'sensitivity']}<" in page
    assert "All measured values lie on one side of 9" in page
    # By cohort: predictions and agreement of three sets, differences, ROC curves at -2.5; overview, worst cases.
    assert page.count("<figure") == 2 * 8 + 2


def test_plots_of_numbers_show_what_was_measured(numbers):
    own = numbers.predictions.query("cohort == 'B' and features == 'C'")
    gap = own["score"] - own["y"]
    ax = numbers.plot_agreement("C", cohort="B")
    heights = sorted(line.get_ydata()[0] for line in ax.lines[1:])
    np.testing.assert_allclose(heights, gap.mean() + 1.96 * gap.std(ddof=1) * np.array([-1, 0, 1]))
    np.testing.assert_array_equal(numbers.plot_predictions("C", cohort="B").lines[0].get_ydata(), own["score"])
    with pytest.raises(InputError, match="there are C, T, TC"):
        numbers.plot_predictions("D")
    plt.close("all")
    worst = numbers.worst_cases("C", cohort="B", n=1)
    assert worst["error"].abs().item() == gap.abs().max()


def test_subgroups_of_numbers_are_those_rows_alone(numbers):
    sex = np.arange(80) // 2 % 2
    row = numbers.subgroups(sex, cohort="B").loc[(1, "C")]
    own = numbers.predictions.query("cohort == 'B' and features == 'C'")[(sex == 1)]
    assert row["mae"] == pytest.approx(mean_absolute_error(own["y"], own["score"]))
    inside = own["y"].between(own["low"], own["high"])
    assert row["coverage"] == pytest.approx(inside.mean())
    expected = proportion_confint(inside.mean() * 20, 20, method="wilson")
    np.testing.assert_allclose([row["coverage_low"], row["coverage_high"]], expected)


def test_numbers_stand_with_the_set_they_are_of_and_one_patient_has_no_interval(numbers):
    turned = RegressionComparison(numbers.predictions[::-1], settings=numbers.settings)
    pd.testing.assert_series_equal(turned.table["mae"].sort_index(), numbers.table["mae"].sort_index())
    sex = np.where(np.arange(80) // 2 == 0, "b", "a")
    found, alone = (own.subgroups(sex, cohort="B") for own in (turned, numbers))
    pd.testing.assert_series_equal(found["mae"].sort_index(), alone["mae"].sort_index())
    alone = alone.loc["b"]
    assert alone["mae"].notna().all()
    assert alone["mae_low"].isna().all()
    assert str(join_intervals(alone)["mae"]["C"]).endswith("[one patient]")
    one = numbers.predictions.query("cohort == 'B' and patient == patient.min()")
    assert RegressionComparison(one, settings=numbers.settings).tests["p_holm"].isna().all()


def test_intervals_of_prediction_cover_new_patients():
    held = []
    for seed in range(60):
        (X, _, t_score), (Z, _, other) = cohort(80, 2 * seed), cohort(80, 2 * seed + 1)
        own = make_pipeline(ColumnTransformer([("clinical", StandardScaler(), ["age"])]), LinearRegression())
        found = compare_feature_sets(own, X, t_score, external={"B": (Z, other)}, random_state=0)
        rows = found.predictions
        held.append(rows["y"].between(rows["low"], rows["high"]).groupby(rows["cohort"]).mean())
    assert 0.93 <= np.mean([one["internal"] for one in held]) <= 0.98
    assert 0.93 <= np.mean([one["B"] for one in held]) <= 0.98
    # The tables say what was counted.
    assert found.table.loc["B", "coverage"].iloc[0] == pytest.approx(held[-1]["B"])
    assert found.subgroups(np.arange(80) % 2, cohort="B")["n"].sum() == 80


def test_refusals_of_classes_and_numbers():
    X, words, t_score = cohort()
    with pytest.raises(InputError, match="end it in a regressor"):
        compare_feature_sets(model(LogisticRegression()), X, t_score)
    with pytest.raises(InputError, match="end the model in a classifier"):
        compare_feature_sets(model(LinearRegression()), X, np.arange(150) % 3)
    with pytest.raises(InputError, match="compare one kind"):
        compare_models({"a": LogisticRegression(), "b": LinearRegression()}, X, t_score)
    with pytest.raises(LeakageError, match="ranks the rows as y does"):
        compare_models({"a": LinearRegression()}, X.assign(bmd=np.exp(t_score)), t_score)
    with pytest.raises(LeakageError, match="separates the classes"):
        compare_models({"a": LogisticRegression()}, X.assign(t_score=t_score), words)


def test_scores_of_pairs_of_classes_are_refused():
    X, words, _ = cohort()
    pairs = SVC(decision_function_shape="ovo")
    for svm in (pairs, GridSearchCV(make_pipeline(StandardScaler(), pairs), {"svc__C": [1.0]}, cv=2)):
        with pytest.raises(InputError, match="decision_function_shape='ovr'"):
            compare_models({"svm": svm}, X.drop(columns="patient"), words, cv=2, random_state=0)
    assert len(compare_models({"svm": SVC()}, X, words, cv=2, random_state=0).table) == 1


def test_ordered_grades_may_be_fractions():
    X, words, _ = cohort()
    grades = pd.Categorical(pd.Series(words).map({"normal": 0, "osteopenia": 0.5, "osteoporosis": 1}), ordered=True)
    found = compare_models({"lr": LogisticRegression()}, X, grades, cv=2, random_state=0)
    assert (found.classes, found.ordered) == ((0, 0.5, 1), True)


def test_one_patient_of_a_class_leaves_no_macro_interval_and_says_so():
    X, words, _ = cohort(60)
    Z, other, _ = cohort(60, 1)
    y, z = (np.where(labels == "normal", "<b>", "c") for labels in (words, other))
    y[:12], z[:2] = "a", "a"
    models = {"one": LogisticRegression(), "two": LogisticRegression(C=0.01)}
    found = compare_models(models, X, y, cv=2, external={"B": (Z, z)}, random_state=0)
    assert np.isnan(found.table.loc["B", "auc_low"]).all()
    assert "one patient of a class" in repr(found)
    assert "one patient of a class" in found._repr_html_()
    assert "<b>" not in found._repr_html_()
    test = found.tests.loc[("B", "macro", "one", "two")]
    assert np.isnan(test["p_value"])
    assert "one patient" in str(test["difference"])


def test_a_diagnosis_has_folds_and_a_page(numbers, tmp_path):
    found = numbers.diagnosis(-2)
    own = found.predictions.query("cohort == 'internal' and features == 'C' and fold == 1")
    area = found.folds.query("features == 'C' and fold == 1")["auc"].item()
    assert area == pytest.approx(roc_auc_score(own["y"], own["score"]))
    assert found.to_html(tmp_path / "page.html").exists()
