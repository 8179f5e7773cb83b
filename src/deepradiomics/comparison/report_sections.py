"""What the report shows of each kind of answer, two classes, several or numbers: tables, each with its figures."""

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay

from deepradiomics.comparison.class_result import ClassComparison
from deepradiomics.comparison.regression_result import RegressionComparison
from deepradiomics.metrics.calibration import calibration_measures
from deepradiomics.metrics.displays import CalibrationPlot, DecisionCurvePlot, ForestPlot
from deepradiomics.metrics.intervals import join_intervals

# T-scores at or below which the WHO speaks of osteopenia and of osteoporosis.
CUTS = (-1.0, -2.5)
_CALIBRATION = ("brier", "intercept", "slope", "ici")
_FOREST = "cohort; red: the interval leaves out 0; grey: not defined"
_DELONG = (
    "DeLong, paired, two-sided; internal variances are enlarged for what folds share and for the luck of the split; "
    "p_holm is corrected for the pairs of a cohort"
)


class Section(NamedTuple):
    """A heading, a table, what it means, and figures by caption.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.comparison.report_sections import Section
    >>> Section("Results", pd.DataFrame({"auc": [0.9]})).figures
    ()
    """

    title: str
    table: pd.DataFrame
    note: str = ""
    figures: tuple | list = ()


def report_sections(comparison, cuts=CUTS):
    """Gather tables and figures of a comparison, in the order of the page.

    Parameters
    ----------
    comparison : Comparison, ClassComparison or RegressionComparison
        What to report.
    cuts : sequence of float, default=(-1.0, -2.5)
        Numbers at or below a cut are read as a diagnosis.

    Returns
    -------
    list of Section
        The figures are drawn without pyplot, so that no window or state is touched.

    Examples
    --------
    See ``docs/comparison.md``.
    """
    if isinstance(comparison, RegressionComparison):
        return _of_numbers(comparison, cuts)
    return _of_classes(comparison) if isinstance(comparison, ClassComparison) else _of_two_classes(comparison)


def _of_two_classes(comparison):
    predictions = comparison.predictions
    cohorts = list(predictions["cohort"].unique())
    figure = Figure(figsize=(5.2 * len(cohorts), 5.0), layout="constrained")
    comparison.plot_roc(axes=figure.subplots(1, len(cohorts), squeeze=False)[0])
    figures, tests = [("ROC curves with the areas and their 95 % intervals", figure)], comparison.tests
    if len(tests):
        figures.append((f"Differences of areas, {cohorts[0]} {_FOREST}", _forest(tests.loc[cohorts[0]])))
    for cohort in cohorts:
        part = _first_repeat(predictions, cohort)
        if part["y"].nunique() == 2:
            figures.append((f"Precision and recall, and the calls, {cohort}", _calls_figure(part)))
        if part["y"].nunique() == 2 and _are_probabilities(part["score"]):
            caption = f"Calibration and net benefit of single blocks and of all together, {cohort}"
            figures.append((caption, _calibration_figure({"": comparison}, cohort)))
    note = (
        "Estimate [95 % interval]. Internal areas are of the pooled out-of-fold scores; their variance is DeLong's "
        f"times {comparison.inflation:.2f}, since the models of the folds share training rows. Rates: Wilson with "
        "continuity correction, at thresholds chosen on training rows. n_features 0: nothing was selected, and the "
        "prevalence is predicted."
    )
    return [
        Section("Results", comparison.formatted().reset_index(), note, figures),
        *_tests(tests, _DELONG),
        Section("Areas of each fold", _by_fold(comparison.folds, ["features"], "auc")),
        Section("Calibration", _calibration_table({"": comparison}), "Perfect: intercept 0, slope 1, ici 0."),
    ]


def _of_classes(comparison):
    cohorts = list(comparison.predictions["cohort"].unique())
    shown, views = _shown(comparison.settings["feature_sets"]), comparison.views
    figures, by_class = [], []
    for cohort in cohorts:
        caption = f"What rows are and what they are called, {cohort}"
        figures.append((caption, _confusion_figure(comparison, cohort, shown)))
    tests = comparison.tests
    if len(tests):
        macro = tests.xs("macro", level="class").loc[cohorts[0]]
        figures.append((f"Differences of macro areas, {cohorts[0]} {_FOREST}", _forest(macro)))
    figure = Figure(figsize=(4.4 * len(views), 4.6 * len(cohorts)), layout="constrained")
    comparison.plot_roc(axes=figure.subplots(len(cohorts), len(views), squeeze=False))
    by_class.append(("ROC curves of each class against the rest, with the areas and their 95 % intervals", figure))
    for cohort in cohorts:
        parts = [_first_repeat(view.predictions, cohort) for view in views.values()]
        if all(part["y"].nunique() == 2 and _are_probabilities(part["score"]) for part in parts):
            caption = f"Calibration and net benefit by class, single blocks and all together, {cohort}"
            by_class.append((caption, _calibration_figure(views, cohort)))
    table = comparison.formatted().drop(columns=[f"auc {label}" for label in views])
    overall = (
        "Estimate [95 % interval]. auc is the mean of the areas of each class against the rest, of the pooled "
        f"out-of-fold scores; the internal variance is the jackknife's over patients times {comparison.inflation:.2f}, "
        "since the models of the folds share training rows. The call is the class with the largest score. Kappa has "
        + ("quadratic weights." if comparison.ordered else "no weights.")
    )
    rates = (
        "Area: DeLong's interval. Rates: Wilson with continuity correction, at a threshold of each class that was "
        "chosen on training rows. PPV and NPV hold for the prevalence of the cohort."
    )
    return [
        Section("Results", table.reset_index(), overall, figures),
        Section("Each class against the rest", join_intervals(comparison.by_class).reset_index(), rates, by_class),
        *_tests(tests, f"{_DELONG} and class. Macro: the mean of the areas, with the jackknife's covariance."),
        Section("Areas of each fold", _by_fold(comparison.folds, ["features", "class"], "auc")),
        Section("Calibration of each class", _calibration_table(views), "Perfect: intercept 0, slope 1, ici 0."),
    ]


def _of_numbers(comparison, cuts):
    table, sets = comparison.formatted(), _shown(comparison.settings["feature_sets"])
    predictions = comparison.predictions
    drawn = []
    for cohort in predictions["cohort"].unique():
        figure = Figure(figsize=(max(4.4 * len(sets), 8.8), 8.4), layout="constrained")
        axes = figure.subplots(2, max(len(sets), 2), squeeze=False)
        for name, (above, below) in zip(sets, axes.T, strict=False):
            comparison.plot_predictions(name, cohort=cohort, cuts=cuts, ax=above)
            comparison.plot_agreement(name, cohort=cohort, ax=below)
        for ax in axes.T[len(sets) :].ravel():
            ax.set_axis_off()
        drawn.append((f"Predicted and measured, and the plot of Bland and Altman, {cohort}", figure))
    folds = predictions[predictions["fold"] >= 0].assign(mae=(predictions["score"] - predictions["y"]).abs())
    folds = folds.groupby(["features", "repeat", "fold"], sort=False)["mae"].mean().reset_index()
    agreement = ["pearson", "concordance", "slope", "intercept"]
    return [
        Section(
            "Results",
            table.drop(columns=agreement).reset_index(),
            "Estimate [95 % interval], in the unit of the numbers. bias: predicted less measured; limits of agreement "
            "after Bland and Altman; coverage: share of measured values within their 95 % interval of prediction, with "
            "Wilson's interval over patients. Other intervals come from 2,000 resamples of patients; internal ones are "
            f"stretched by {comparison.inflation**0.5:.2f}, since the models of the folds share training rows.",
            drawn,
        ),
        Section(
            "Agreement and calibration",
            table[agreement].reset_index(),
            "Slope and intercept are of the line of measured on predicted values; 1 and 0 are right. A slope below 1: "
            "the predictions are too far from the mean.",
        ),
        _diagnoses(comparison, cuts),
        *_tests(comparison.tests, "Difference of the mean absolute errors over the same resampled patients; Holm's p."),
        Section("Mean absolute error of each fold", _by_fold(folds, ["features"], "mae")),
    ]


def _diagnoses(comparison, cuts):
    """What each cut gives as a diagnosis; a cut with all values on one side is named."""
    predictions, figures, rows, one_sided = comparison.predictions, [], [], []
    for cut in cuts:
        if (predictions["y"] <= cut).nunique() < 2:
            one_sided.append(f"All measured values lie on one side of {cut:g}, which gives no diagnosis.")
            continue
        diagnosis = comparison.diagnosis(cut)
        rows.append(diagnosis.formatted().reset_index().assign(cut=f"up to {cut:g}"))
        n_cohorts = predictions["cohort"].nunique()
        figure = Figure(figsize=(5.2 * n_cohorts, 5.0), layout="constrained")
        diagnosis.plot_roc(axes=figure.subplots(1, n_cohorts, squeeze=False)[0])
        figures.append((f"ROC curves of the predicted number for measured values up to {cut:g}", figure))
    known = pd.concat(rows) if rows else pd.DataFrame(columns=["cut", "cohort", "features"])
    known = known[["cut", *(name for name in known if name not in ("cut", "n_features"))]]
    note = " ".join(
        [*one_sided, "The call is a prediction at or below the cut; no threshold was chosen. Areas: DeLong."]
    )
    return Section("As a diagnosis", known, note, figures)


def _tests(tests, note):
    return [Section("Tests", tests.reset_index(), note)] if len(tests) else []


def _by_fold(folds, index, value):
    table = folds.pivot_table(index=index, columns=["repeat", "fold"], values=value, sort=False, dropna=False)
    several = folds["repeat"].max() > 0
    table.columns = [
        (f"repeat {repeat + 1}, " if several else "") + f"fold {fold + 1}" for repeat, fold in table.columns
    ]
    return table.dropna(how="all").reset_index()


def _are_probabilities(score):
    return bool(((score >= 0) & (score <= 1)).all())


def _first_repeat(predictions, cohort):
    return predictions[(predictions["cohort"] == cohort) & (predictions["repeat"] == 0)]


def _shown(sets):
    """Single blocks and all together, since more curves than that hide one another."""
    most = max(map(len, sets.values()))
    return [name for name, blocks in sets.items() if len(blocks) in (1, most)]


def _calibration_table(views):
    """Calibration of each cohort and feature set, where scores are probabilities; of several classes by class."""
    rows = []
    for label, view in views.items():
        first = view.predictions[view.predictions["repeat"] == 0]
        for (cohort, features), part in first.groupby(["cohort", "features"], sort=False):
            if part["y"].nunique() == 2 and _are_probabilities(part["score"]):
                measures = calibration_measures(part["y"], part["score"])
                row = {"cohort": cohort, "features": features} | ({"class": label} if len(views) > 1 else {})
                rows.append(row | {name: getattr(measures, name) for name in _CALIBRATION})
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["cohort", "features", *_CALIBRATION])


def _forest(tests):
    figure = Figure(figsize=(6.4, 1.0 + 0.27 * len(tests)), layout="constrained")
    ForestPlot(tests.reset_index()).plot(figure.subplots())
    return figure


def _calls_figure(part):
    """Precision-recall curves of all sets, and the confusion matrix of each."""
    sets = list(part.groupby("features", sort=False))
    figure = Figure(figsize=(5.2 + 1.7 * len(sets), 4.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(5.2, 1.7 * len(sets)))
    ax = left.subplots()
    for features, own in sets:
        PrecisionRecallDisplay.from_predictions(own["y"], own["score"], name=features, ax=ax)
    ax.set(xlabel="recall (sensitivity)", ylabel="precision (PPV)", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ax.legend(fontsize="small", frameon=False)
    for panel, (features, own) in zip(right.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
        matrix = ConfusionMatrixDisplay.from_predictions(
            own["y"], own["call"].astype(int), ax=panel, colorbar=False, cmap="Blues"
        )
        matrix.ax_.set(title=features, xlabel="called", ylabel="is" if panel is right.axes[0] else "")
    return figure


def _confusion_figure(comparison, cohort, shown):
    """Counts of what rows are and what they are called, a panel a feature set."""
    figure = Figure(figsize=(3.6 * max(len(shown), 2), 3.9), layout="constrained")
    panels = figure.subplots(1, max(len(shown), 2), squeeze=False)[0]
    for name, ax in zip(shown, panels, strict=False):
        counts = comparison.confusion(name, cohort=cohort)
        matrix = ConfusionMatrixDisplay(counts.to_numpy(), display_labels=list(map(str, counts)))
        matrix.plot(ax=ax, colorbar=False, cmap="Blues", values_format=".4g", xticks_rotation=30)
        ax.set(title=name, xlabel="called", ylabel="is" if ax is panels[0] else "")
    for ax in panels[len(shown) :]:
        ax.set_axis_off()
    return figure


def _calibration_figure(views, cohort):
    """Calibration and net benefit, side by side for two classes, one above the other for each of several."""
    shape = (1, 2) if len(views) == 1 else (2, len(views))
    size = (10.4, 5.0) if len(views) == 1 else (4.4 * len(views), 9.2)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(*shape, squeeze=False).reshape(2, len(views))
    for (label, view), (upper, lower) in zip(views.items(), axes.T, strict=True):
        part, shown = _first_repeat(view.predictions, cohort), _shown(view.settings["feature_sets"])
        for features, own in part[part["features"].isin(shown)].groupby("features", sort=False):
            CalibrationPlot.from_predictions(own["y"], own["score"], n_bins=5, name=features, ax=upper)
            DecisionCurvePlot.from_predictions(own["y"], own["score"], name=features, ax=lower)
        if label:
            upper.set_title(f"{label}: calibration")
            lower.set_title(f"{label}: decision curve")
    return figure
