"""One self-contained page about a comparison: tables, tests, plots, settings."""

import base64
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from deepradiomics.evaluation.calibration import calibration_measures
from deepradiomics.evaluation.displays import (
    CalibrationDisplay,
    DecisionCurveDisplay,
    ForestDisplay,
    plot_roc_panels,
)
from deepradiomics.evaluation.intervals import Interval
from deepradiomics.exceptions import require

_PACKAGES = ("deepradiomics", "scikit-learn", "numpy", "scipy", "pandas", "xgboost", "torch")
_TEMPLATE = "report.html.jinja"


def write_report(comparison, path, *, title, subgroups=None, excluded=None):
    """Write a comparison as one HTML page that needs no network.

    Parameters
    ----------
    comparison : Comparison
        What to report.
    path : str or Path
        File to write.
    title : str
        Heading of the page.
    subgroups : dict of str to array-like of shape (n_rows,), default=None
        Labels of the rows of the internal cohort by what they are.
    excluded : dict of str to int, default=None
        Patients left out before the comparison, by reason.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MissingDependencyError
        If Jinja2 is not installed.

    Examples
    --------
    See ``examples/compare_feature_sets.py``.
    """
    jinja2 = require("jinja2", "report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("deepradiomics.evaluation"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    cohorts = list(comparison.predictions["cohort"].unique())
    parts = {name: comparison.subgroups(labels) for name, labels in (subgroups or {}).items()}
    page = environment.get_template(_TEMPLATE).render(
        title=title,
        date=date.today().isoformat(),
        classes=comparison.classes,
        settings=comparison.settings,
        inflation=comparison.inflation,
        flow=_flow(comparison, excluded or {}),
        table=_cells(comparison.table.reset_index()),
        tests=_cells(comparison.tests.reset_index()) if len(comparison.tests) else None,
        folds=_cells(_fold_table(comparison.folds)),
        calibration=_cells(_calibration_table(comparison.predictions)),
        subgroups={name: _cells(part.reset_index()) for name, part in parts.items()},
        associated=_associated(parts),
        figures=_figures(comparison, cohorts),
        versions=_versions(),
        checklist=_checklist(comparison, cohorts),
    )
    path = Path(path)
    path.write_text(page, encoding="utf-8")
    return path


def _cells(table):
    """A DataFrame as dict of column names and of rows of (text, number to sort by)."""
    return {"columns": list(table.columns), "rows": [[_cell(value) for value in row] for row in table.to_numpy(object)]}


def _cell(value):
    if isinstance(value, Interval):
        return str(value), float(value)
    if isinstance(value, float | np.floating):
        return _number(value), float(value)
    if isinstance(value, int | np.integer):
        return str(value), int(value)
    return str(value), str(value)


def _number(value):
    if np.isnan(value):
        return "-"
    return f"{value:.2g}" if 0 < abs(value) < 1e-3 else f"{value:.3f}".rstrip("0").rstrip(".")


def _flow(comparison, excluded):
    """Rows, patients and events of each cohort, and who was left out."""
    first = comparison.predictions.drop_duplicates(["cohort", "row"])
    groups = first.groupby("cohort", sort=False)
    cohorts = [
        {"cohort": name, "rows": len(part), "patients": part["patient"].nunique(), "events": int(part["y"].sum())}
        for name, part in groups
    ]
    return {"cohorts": cohorts, "excluded": excluded}


def _fold_table(folds):
    table = folds.pivot_table(index="features", columns="fold", values="auc", sort=False, dropna=False)
    return table.rename(columns=lambda fold: f"fold {fold + 1}").reset_index()


def _is_probability(score):
    return bool(((score >= 0) & (score <= 1)).all())


def _calibration_table(predictions):
    rows = []
    for (cohort, features), part in predictions.groupby(["cohort", "features"], sort=False):
        if part["y"].nunique() == 2 and _is_probability(part["score"]):
            measures = calibration_measures(part["y"], part["score"])
            names = ("brier", "intercept", "slope", "ici")
            rows.append({"cohort": cohort, "features": features} | {name: getattr(measures, name) for name in names})
    return pd.DataFrame(rows, columns=["cohort", "features", "brier", "intercept", "slope", "ici"])


def _associated(subgroups):
    """Names of the subgroupings whose shares of events differ, with the p-value."""
    found = {name: part["p_association"].iloc[0] for name, part in subgroups.items()}
    return {name: f"{p_value:.2g}" for name, p_value in found.items() if p_value < 0.05}


def _figures(comparison, cohorts):
    """(caption, PNG as data URI) of each figure, drawn without pyplot so that no window or state is touched."""
    from matplotlib.figure import Figure

    predictions, figures = comparison.predictions, []
    figure = Figure(figsize=(5.2 * len(cohorts), 5.0), layout="constrained")
    plot_roc_panels(predictions, comparison.table["auc"], axes=figure.subplots(1, len(cohorts), squeeze=False)[0])
    figures.append(("ROC curves with the areas and their 95 % intervals", _data_uri(figure)))
    if len(comparison.tests):
        tests = comparison.tests.loc[cohorts[0]].reset_index()
        figure = Figure(figsize=(6.4, 1.0 + 0.27 * len(tests)), layout="constrained")
        ForestDisplay(tests).plot(figure.subplots())
        figures.append(
            (f"Differences of areas, {cohorts[0]} cohort; red: the interval leaves out 0", _data_uri(figure))
        )
    for cohort in cohorts:
        part = predictions[predictions["cohort"] == cohort]
        if part["y"].nunique() == 2 and _is_probability(part["score"]):
            figures.append((f"Calibration and net benefit, {cohort}", _data_uri(_calibration_figure(part))))
    return figures


def _calibration_figure(part):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.4, 5.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for features, own in part.groupby("features", sort=False):
        CalibrationDisplay.from_predictions(own["y"], own["score"], n_bins=5, name=features, ax=left)
        DecisionCurveDisplay.from_predictions(own["y"], own["score"], name=features, ax=right)
    return figure


def _data_uri(figure):
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _versions():
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _checklist(comparison, cohorts):
    """Items of CLEAR and METRICS that the run itself answers, each with its evidence."""
    settings, first = comparison.settings, comparison.predictions.drop_duplicates(["cohort", "row"])
    external = [cohort for cohort in cohorts if cohort != "internal"]
    fewest = int(first[first["cohort"] == "internal"]["y"].value_counts().min())
    widest = comparison.folds["n_features"].max()
    return [
        ("CLEAR: data partition, METRICS: proper split", f"{settings['folds']} folds, seed {settings['random_state']}"),
        (
            "CLEAR: dependence of samples",
            "patients kept together, proven for each fold" if settings["groups"] else "each row taken as one patient",
        ),
        ("CLEAR: leakage", "identical images and columns that separate the classes were looked for and refused"),
        ("CLEAR: feature selection", "inside each fold, on its training rows"),
        ("CLEAR: comparison with a model without radiomics", ", ".join(settings["feature_sets"])),
        ("CLEAR: uncertainty", "95 % intervals of all rates; DeLong, corrected for cross-validation"),
        ("CLEAR: multiple testing", "Holm, over the pairs of each cohort"),
        ("METRICS: external testing", ", ".join(external) if external else "none"),
        ("METRICS: calibration and clinical utility", "calibration, decision curve below"),
        (
            "Events per feature",
            f"{fewest / max(widest, 1):.1f} ({fewest} of the smaller class, up to {widest} features)",
        ),
    ]
