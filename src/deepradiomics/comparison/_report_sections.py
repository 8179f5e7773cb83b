"""What the report shows of each kind of answer, two classes, several or numbers: tables, each with its figures."""

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay, confusion_matrix

from deepradiomics.comparison._answer import larger_first, main_figure
from deepradiomics.comparison.class_result import ClassComparison
from deepradiomics.comparison.regression_result import RegressionComparison
from deepradiomics.metrics.calibration import calibration_measures
from deepradiomics.metrics.displays import CalibrationPlot, DecisionCurvePlot, ForestPlot
from deepradiomics.metrics.intervals import join_intervals

_CALIBRATION = ("brier", "intercept", "slope", "ici")
_DELONG = (
    "DeLong's paired test, two-sided; internal variances are enlarged for what folds share and for the luck of the "
    "split. "
)
_RATES = (
    "Sensitivity and the other rates have Wilson's intervals with continuity correction, at thresholds chosen on "
    "training rows; predictive values hold for the prevalence of the cohort. "
)


class Section(NamedTuple):
    """A heading, tables by caption, what they mean, figures by caption, and what must not be overlooked."""

    title: str
    tables: dict
    note: str = ""
    figures: tuple | list = ()
    alerts: tuple | list = ()


def report_sections(comparison, cuts):
    """List the sections of what was found, in the order of the page; figures are drawn without pyplot."""
    if isinstance(comparison, RegressionComparison):
        return _of_numbers(comparison, cuts)
    return _of_classes(comparison) if isinstance(comparison, ClassComparison) else _of_two_classes(comparison)


def overview(comparison):
    """The main figure of the widest set by cohort, a caption, and a figure of all sets with their intervals."""
    table, sets = comparison.formatted(), comparison.settings["feature_sets"]
    (main, what, more_is_better), widest = main_figure(comparison), max(sets, key=lambda name: len(sets[name]))
    cohorts = table.index.get_level_values("cohort").unique()
    figure = _figure(6.2, 0.7 + len(cohorts) * (0.55 + 0.27 * table.groupby(level="cohort").size().max()))
    axes = figure.subplots(len(cohorts), 1, sharex=True, squeeze=False)[:, 0]
    for ax, cohort in zip(axes, cohorts, strict=True):
        rows = table.loc[cohort, main]
        for place, interval in enumerate(rows):
            ax.plot([interval.low, interval.high], [place, place], color="tab:blue", linewidth=1.6)
            ax.plot(interval.estimate, place, "s", color="tab:blue", markersize=6)
        ax.set_yticks(range(len(rows)), [f"{name}:  {interval}" for name, interval in rows.items()])
        ax.set(title=cohort, ylim=(len(rows) - 0.5, -0.5))
        ax.grid(axis="x", color="0.9")
        if main == "auc":
            ax.axvline(0.5, color="0.6", linewidth=0.8)
    axes[-1].set_xlabel(f"{what} [95 % interval]" + ("" if more_is_better else "; less is better"))
    first = [(f"{what} of {widest}, {cohort}", table.loc[(cohort, widest), main]) for cohort in cohorts]
    return first, f"The {what} of each feature set, with its 95 % interval", figure


def _of_two_classes(comparison):
    predictions, views = comparison.predictions, {"": comparison}
    cohorts = list(predictions["cohort"].unique())
    calls = [
        (f"Precision (positive predictive value) and recall (sensitivity), {cohort}", _precision(part))
        for cohort in cohorts
        if (part := _first_repeat(predictions, cohort))["y"].nunique() == 2
    ]
    calls += [_confusion(comparison, cohort) for cohort in cohorts]
    return [
        Section(
            "ROC curves and rates",
            {"": comparison.formatted().reset_index()},
            "Estimate [95 % interval]. Internal areas are of the pooled out-of-fold scores; their variance is DeLong's "
            f"times {comparison.inflation:.2f}, since the models of the folds share training rows. {_RATES}"
            "No feature: nothing was selected, and the prevalence is predicted.",
            [*_roc(views, cohorts), *calls],
        ),
        *_contrasts(comparison, _DELONG),
        *_probabilities(views, cohorts),
        Section("Areas of each fold", {"": _by_fold(comparison.folds, [], "auc")}),
    ]


def _of_classes(comparison):
    views, cohorts = comparison.views, list(comparison.predictions["cohort"].unique())
    overall = (
        "Estimate [95 % interval]. The area is the mean of those of each class against the rest, of the pooled "
        f"out-of-fold scores; the internal variance is the jackknife's over patients times {comparison.inflation:.2f}, "
        "since the models of the folds share training rows. The call is the class with the largest score. Kappa has "
        + ("quadratic weights. " if comparison.ordered else "no weights. ")
    )
    tables = {
        "All classes together": comparison.formatted().drop(columns=[f"auc {label}" for label in views]).reset_index(),
        "Each class against the rest": join_intervals(comparison.by_class).reset_index(),
    }
    figures = [*_roc(views, cohorts), *(_confusion(comparison, cohort) for cohort in cohorts)]
    return [
        Section("ROC curves and rates", tables, overall + _RATES, figures),
        *_contrasts(comparison, f"{_DELONG}Macro: the mean of the areas, with the jackknife's covariance. "),
        *_probabilities(views, cohorts),
        Section("Areas of each fold", {"": _by_fold(comparison.folds, ["class"], "auc")}),
    ]


def _of_numbers(comparison, cuts):
    table, predictions = comparison.formatted().reset_index(), comparison.predictions
    drawn = []
    for cohort in predictions["cohort"].unique():
        for name in _shown(comparison.settings["feature_sets"]):
            figure = _figure()
            comparison.plot_predictions(name, cohort=cohort, cuts=cuts, ax=figure.subplots())
            drawn.append((f"Predicted and measured: {name}, {cohort}", figure))
            figure = _figure()
            comparison.plot_agreement(name, cohort=cohort, ax=figure.subplots())
            drawn.append((f"Plot of Bland and Altman: {name}, {cohort}", figure))
    folds = predictions[predictions["fold"] >= 0].assign(mae=(predictions["score"] - predictions["y"]).abs())
    agreement = ["pearson", "concordance", "slope", "intercept"]
    return [
        Section(
            "Errors",
            {"": table.drop(columns=agreement)},
            "Estimate [95 % interval], in the unit of the numbers. Bias: predicted less measured; limits of agreement "
            "after Bland and Altman; coverage: share of measured values within their 95 % interval of prediction, with "
            "Wilson's interval over patients. Other intervals come from 2,000 resamples of patients; internal ones are "
            f"stretched by {comparison.inflation**0.5:.2f}, since the models of the folds share training rows.",
            drawn,
        ),
        *_contrasts(comparison, "Difference of the mean absolute errors over the same resampled patients. "),
        Section(
            "Agreement and calibration",
            {"": table[["cohort", "features", *agreement]]},
            "Slope and intercept are of the line of measured on predicted values; 1 and 0 are right. A slope below 1: "
            "the predictions are too far from the mean.",
        ),
        _diagnoses(comparison, cuts),
        Section("Mean absolute error of each fold", {"": _by_fold(folds, [], "mae")}),
    ]


def _diagnoses(comparison, cuts):
    """What each cut gives as a diagnosis; a cut with all values on one side is named."""
    cohorts, figures, tables, one_sided = comparison.predictions["cohort"].unique(), [], {}, []
    for cut in cuts:
        if (comparison.predictions["y"] <= cut).nunique() < 2:
            one_sided.append(f"All measured values lie on one side of {cut:g}, which gives no diagnosis. ")
            continue
        diagnosis = comparison.diagnosis(cut)
        tables[f"Measured values up to {cut:g}"] = diagnosis.formatted().reset_index()
        figures += _roc({f"up to {cut:g}": diagnosis}, cohorts)
    note = "The call is a prediction at or below the cut; no threshold was chosen. Areas: DeLong's intervals."
    return Section("As a diagnosis", tables, "".join(one_sided) + note, figures)


def _contrasts(comparison, note):
    """The planned tests, then those of all pairs, with the differences of the planned ones drawn."""
    if comparison.tests.empty:
        return []
    sets = comparison.sets
    planned, pairs = (larger_first(tests, sets) for tests in (comparison.contrasts, comparison.tests))
    _, what, more_is_better = main_figure(comparison)
    note += (
        "The difference is that of the set less the set that it is compared with: "
        f"{'above' if more_is_better else 'below'} 0 is a gain. Holm-"
        "corrected p: for the tests of this table in a cohort" + (" and class. " if "class" in planned else ". ")
    )
    figures = []
    for cohort, own in planned.groupby("cohort", sort=False):
        own = own[own["class"] == "macro"] if "class" in own else own
        if len(own):
            figure = _figure(5.2, 1.2 + 0.27 * len(own))
            ForestPlot(own).plot(figure.subplots()).ax_.set(
                xlabel=f"difference of the {what}\n[95 % interval]", title=""
            )
            figures.append((f"Differences, {cohort}; red: the interval leaves out 0; gray: not defined", figure))
    tables = {"Planned contrasts": planned} | ({"All pairs": pairs} if len(pairs) > len(planned) else {})
    return [Section("Planned contrasts", tables, note, figures)]


def _by_fold(folds, by, value):
    table = folds.pivot_table(index=[*by, "repeat", "fold"], columns="features", values=value, sort=False, dropna=False)
    sets = list(table.columns)
    table = table.dropna(how="all").reset_index().rename_axis(columns=None)
    several, repeat, fold = table["repeat"].max() > 0, table.pop("repeat"), table["fold"]
    table["fold"] = [
        (f"repeat {r + 1}, " if several else "") + f"fold {f + 1}" for r, f in zip(repeat, fold, strict=True)
    ]
    table.attrs["own_names"] = sets
    return table


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
            if part["y"].nunique() == 2 and part["score"].between(0, 1).all():
                measures = calibration_measures(part["y"], part["score"])
                row = {"cohort": cohort, "features": features} | ({"class": label} if len(views) > 1 else {})
                rows.append(row | {name: getattr(measures, name) for name in _CALIBRATION})
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["cohort", "features", *_CALIBRATION])


def _figure(width=5.2, height=5.0):
    return Figure(figsize=(width, height), layout="constrained")


def _roc(views, cohorts):
    """ROC curves by class and cohort."""
    found = []
    for label, view in views.items():
        figures = [_figure() for _ in cohorts]
        axes = view.plot_roc(axes=[figure.subplots() for figure in figures])
        for ax, figure, cohort in zip(axes, figures, cohorts, strict=True):
            ax.set_title(f"{label}, {ax.get_title()}" if label else ax.get_title(), fontsize="medium")
            of = f", {label}" if label else ""
            found.append((f"ROC curves with the areas and their 95 % intervals{of}, {cohort}", figure))
    return found


def _precision(part):
    figure = _figure()
    ax = figure.subplots()
    for features, own in part.groupby("features", sort=False):
        PrecisionRecallDisplay.from_predictions(own["y"], own["score"], name=features, ax=ax)
    ax.set(xlabel="recall (sensitivity)", ylabel="precision (PPV)", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ax.legend(fontsize="small", frameon=False)
    return figure


def _confusion(comparison, cohort):
    """Counts of what rows are and what they are called, a panel a feature set."""
    shown, classes = _shown(comparison.settings["feature_sets"]), comparison.classes
    part = comparison.predictions[comparison.predictions["cohort"] == cohort]
    figure = _figure(2.6 * len(shown), 2.9)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for name, ax in zip(shown, panels, strict=True):
        own = part[part["features"] == name]
        counts = confusion_matrix(own["y"], own["call"].astype(int), labels=range(len(classes)))
        matrix = ConfusionMatrixDisplay(counts / own["repeat"].nunique(), display_labels=list(map(str, classes)))
        matrix.plot(ax=ax, colorbar=False, cmap="Blues", values_format=".4g", xticks_rotation=30)
        ax.set(title=name, xlabel="called", ylabel="true" if ax is panels[0] else "")
    return f"What rows are and what they are called, {cohort}", figure


def _probabilities(views, cohorts):
    """Calibration and decision curves by class and cohort, where scores are probabilities."""
    figures = {CalibrationPlot: [], DecisionCurvePlot: []}
    for label, view in views.items():
        for cohort in cohorts:
            part, shown = _first_repeat(view.predictions, cohort), _shown(view.settings["feature_sets"])
            if part["y"].nunique() < 2 or not part["score"].between(0, 1).all():
                continue
            for plot, drawn in figures.items():
                figure, where = _figure(), f"{label}, {cohort}" if label else cohort
                ax = figure.subplots()
                for features, own in part[part["features"].isin(shown)].groupby("features", sort=False):
                    options = {"n_bins": 5} if plot is CalibrationPlot else {}
                    plot.from_predictions(own["y"], own["score"], name=features, ax=ax, **options)
                ax.set_title(where, fontsize="medium")
                caption = "Calibration" if plot is CalibrationPlot else "Net benefit"
                drawn.append((f"{caption} of single blocks and of all together, {where}", figure))
    note = (
        "Perfect: intercept 0, slope 1, integrated calibration index 0. Points: fifths of the rows, with intervals."
        if figures[CalibrationPlot]
        else "The scores are no probabilities, or a class is missing, so that neither can be drawn."
    )
    return [
        Section("Calibration", {"": _calibration_table(views)}, note, figures[CalibrationPlot]),
        Section(
            "Decision curve",
            {},
            "Net benefit: rows rightly called less those wrongly called, which weigh as the threshold probability "
            "says; a model helps where its curve is above both that of treating all and that of treating none.",
            figures[DecisionCurvePlot],
        ),
    ]
