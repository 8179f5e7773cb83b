"""One self-contained page about a comparison: tables, tests, plots, settings."""

import base64
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from deepradiomics.exceptions import InputError, require
from deepradiomics.metrics.calibration import calibration_measures
from deepradiomics.metrics.displays import (
    CalibrationPlot,
    DecisionCurvePlot,
    ForestPlot,
    plot_roc_panels,
)
from deepradiomics.metrics.intervals import Interval, join_intervals

_TEMPLATE = "report.html.jinja"
_SETTINGS = (
    "feature_sets",
    "folds",
    "n_repeats",
    "groups",
    "near_duplicates",
    "failures",
    "random_state",
    "model",
    "study",
    "possible_leaks",
)


def write_report(comparison, path, *, title, subgroups=None, excluded=None, figures=None, images=None):
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
    figures : dict of str to matplotlib Figure, default=None
        More figures by caption.
    images : sequence of Radiographs or arrays of shape (H, W), default=None
        Image of each row of the internal cohort, to show the worst cases; None shows none.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MissingDependencyError
        If Jinja2 is not installed.
    InputError
        If there is not one image a row, one is no picture, the folder of ``path`` does not exist, or the comparison
        was put together by hand and lacks its settings.

    Examples
    --------
    See ``examples/compare_feature_sets.py``.
    """
    path = _checked(comparison, Path(path))
    record = comparison.record()
    jinja2 = require("jinja2", "report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("deepradiomics.comparison"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    from matplotlib import rc_context

    cohorts = list(comparison.predictions["cohort"].unique())
    parts = {name: comparison.subgroups(labels) for name, labels in (subgroups or {}).items()}
    # A name with a dollar sign is a name, not a formula.
    with rc_context({"text.parse_math": False}):
        drawn = _figures(comparison, cohorts)
        worst = None if images is None else _worst_cases(comparison, images)
    page = environment.get_template(_TEMPLATE).render(
        title=title,
        date=date.today().isoformat(),
        classes=comparison.classes,
        settings=comparison.settings,
        inflation=comparison.inflation,
        flow=_flow(comparison, excluded or {}),
        table=_cells(comparison.formatted().reset_index()),
        tests=_cells(comparison.tests.reset_index()) if len(comparison.tests) else None,
        folds=_cells(_fold_table(comparison.folds)),
        calibration=_cells(_calibration_table(comparison.predictions)),
        subgroups={name: _cells(join_intervals(part).reset_index()) for name, part in parts.items()},
        associated=_associated(parts),
        told_apart=_told_apart(parts),
        near_duplicates=_near_duplicates(comparison.settings["near_duplicates"]),
        failures=_failures(comparison.settings["failures"]),
        figures=drawn + [(caption, _data_uri(figure)) for caption, figure in (figures or {}).items()],
        worst=worst,
        versions=record["versions"],
        checklist=_checklist(record),
    )
    path.write_text(page, encoding="utf-8")
    return path


def _checked(comparison, path):
    lacking = [name for name in _SETTINGS if name not in comparison.settings]
    if lacking:
        raise InputError(
            f"the comparison lacks {', '.join(lacking)} among its settings; give what compare_feature_sets or "
            "compare_models returned",
            code="settings",
        )
    if not path.parent.is_dir():
        raise InputError(f"the folder of {path.name} does not exist; make it first", code="no_folder")
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
    table = folds.pivot_table(index="features", columns=["repeat", "fold"], values="auc", sort=False, dropna=False)
    several = folds["repeat"].max() > 0
    table.columns = [
        (f"repeat {repeat + 1}, " if several else "") + f"fold {fold + 1}" for repeat, fold in table.columns
    ]
    return table.reset_index()


def _is_probability(score):
    return bool(((score >= 0) & (score <= 1)).all())


def _near_duplicates(pairs):
    """The first pairs of rows that look like copies, in words, and how many there are."""
    named = [
        f"row {pair.row_a} of {pair.cohort_a} and row {pair.row_b} of {pair.cohort_b}"
        for pair in pairs.sort_values("likeness", ascending=False, kind="stable").head(5).itertuples()
    ]
    return {"n": len(pairs), "named": named}


def _failures(failures):
    """How many regions were left empty in each cohort, and why."""
    counts = failures.groupby(["cohort", "code"], sort=False).size()
    return [f"{n} in {cohort} ({code.replace('_', ' ')})" for (cohort, code), n in counts.items()]


def _worst_cases(comparison, images):
    """Caption and picture of the rows on which the set with most blocks erred most."""
    from matplotlib.figure import Figure

    sets = comparison.settings["feature_sets"]
    features = max(sets, key=lambda name: len(sets[name]))
    n_rows = comparison.table["n"].iloc[0]
    if len(images) != n_rows:
        raise InputError(
            f"{len(images)} images for {n_rows} rows; give one a row, None where there is none", code="length"
        )
    comparison.check_rows("images", images)
    cases = comparison.worst_cases(features, n=6)
    figure = Figure(figsize=(12, 2.6), layout="constrained")
    for ax, case in zip(figure.subplots(1, 6), cases.itertuples(), strict=False):
        image = images[case.row] if not hasattr(images, "iloc") else images.iloc[case.row]
        if image is not None:
            ax.imshow(_picture(image, case.row), cmap="gray")
        called = comparison.classes[case.y]
        ax.set_title(f"row {case.row}: {called}\nscore {case.score:.2f}", fontsize="small")
    for ax in figure.axes:
        ax.set_axis_off()
    return f"Rows on which {features} erred most, the worst first", _data_uri(figure)


def _picture(image, row):
    pixels = np.asarray(getattr(image, "pixels", image))
    if pixels.ndim != 2 or pixels.dtype.kind not in "biuf":
        raise InputError(
            f"the image of row {row} is a {type(image).__name__}; give Radiographs or arrays of shape (H, W)",
            code="image",
        )
    return pixels


def _calibration_table(predictions):
    rows = []
    for (cohort, features), part in _first_repeat(predictions).groupby(["cohort", "features"], sort=False):
        if part["y"].nunique() == 2 and _is_probability(part["score"]):
            measures = calibration_measures(part["y"], part["score"])
            names = ("brier", "intercept", "slope", "ici")
            rows.append({"cohort": cohort, "features": features} | {name: getattr(measures, name) for name in names})
    return pd.DataFrame(rows, columns=["cohort", "features", "brier", "intercept", "slope", "ici"])


def _associated(subgroups):
    """Names of the subgroupings whose shares of events differ, with the p-value."""
    found = {name: part["p_association"].iloc[0] for name, part in subgroups.items()}
    return {name: f"{p_value:.2g}" for name, p_value in found.items() if p_value < 0.05}


def _told_apart(subgroups):
    """Feature sets whose scores differ between subgroups of rows without the event (Bonferroni over the sets)."""
    found = {}
    for name, part in subgroups.items():
        p_values = part.reset_index().drop_duplicates("features").set_index("features")["p_score"]
        low = p_values[p_values < 0.05 / len(p_values)]
        if len(low):
            found[name] = f"{', '.join(low.index)} (smallest p = {low.min():.2g})"
    return found


def _first_repeat(predictions):
    return predictions[predictions["repeat"] == 0]


def _figures(comparison, cohorts):
    """(caption, PNG as data URI) of each figure, drawn without pyplot so that no window or state is touched."""
    from matplotlib.figure import Figure

    predictions, figures = comparison.predictions, []
    figure = Figure(figsize=(5.2 * len(cohorts), 5.0), layout="constrained")
    plot_roc_panels(predictions, comparison.formatted()["auc"], axes=figure.subplots(1, len(cohorts), squeeze=False)[0])
    figures.append(("ROC curves with the areas and their 95 % intervals", _data_uri(figure)))
    if len(comparison.tests):
        tests = comparison.tests.loc[cohorts[0]].reset_index()
        figure = Figure(figsize=(6.4, 1.0 + 0.27 * len(tests)), layout="constrained")
        ForestPlot(tests).plot(figure.subplots())
        caption = f"Differences of areas, {cohorts[0]} cohort; red: the interval leaves out 0; grey: not defined"
        figures.append((caption, _data_uri(figure)))
    for cohort in cohorts:
        part = _first_repeat(predictions[predictions["cohort"] == cohort])
        if part["y"].nunique() == 2:
            figures.append((f"Precision and recall, and the calls, {cohort}", _data_uri(_calls_figure(part))))
        if part["y"].nunique() == 2 and _is_probability(part["score"]):
            sets = comparison.settings["feature_sets"]
            most = max(map(len, sets.values()))
            shown = [name for name, blocks in sets.items() if len(blocks) in (1, most)]
            caption = f"Calibration and net benefit of single blocks and of all together, {cohort}"
            figures.append((caption, _data_uri(_calibration_figure(part, shown))))
    return figures


def _calls_figure(part):
    """Precision-recall curves of all sets, and the confusion matrix of each."""
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay, PrecisionRecallDisplay

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


def _calibration_figure(part, shown):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.4, 5.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for features, own in part[part["features"].isin(shown)].groupby("features", sort=False):
        CalibrationPlot.from_predictions(own["y"], own["score"], n_bins=5, name=features, ax=left)
        DecisionCurvePlot.from_predictions(own["y"], own["score"], name=features, ax=right)
    return figure


def _data_uri(figure):
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


# What no run can show, by checklist.
_FOR_THE_AUTHOR = (
    "CLEAR: ethics, eligibility, imaging protocol, clinical reference",
    "METRICS: adherence to guidelines, eligibility, quality of the reference standard",
    "TRIPOD+AI: source of data, participants, outcome and its blinding, sample size, fairness",
    "CLAIM: study design, annotation by whom, intended use, limits",
    "CLEAR, METRICS, TRIPOD+AI, CLAIM: sharing of code, model and data",
)


def _checklist(record):
    """Subjects of CLEAR, METRICS, TRIPOD+AI and CLAIM with what the record shows; None is left to the author."""
    settings, checks = record["settings"], record["leak_checks"]
    inside, *outside = record["data"]
    first = [row for row in record["results"] if row["cohort"] == inside]
    fewest = min(first[0]["events"], first[0]["n"] - first[0]["events"])
    widest = max(row["n_features"] for row in first)
    sizes = [
        f"{name}: {own['rows']} rows, {own['patients'] or own['rows']} patients" for name, own in record["data"].items()
    ]
    return [
        ("CLEAR, TRIPOD+AI: participants in each part", "; ".join(sizes)),
        (
            "CLEAR, CLAIM: data partition; METRICS: proper split",
            f"{settings['folds']} folds, {settings['n_repeats']} time(s), seed {settings['random_state']}",
        ),
        (
            "CLEAR: dependence of samples; CLAIM: level of the split",
            f"patients in two parts: {checks['patients in two parts']}",
        ),
        ("CLEAR: leakage", "; ".join(f"{what}: {found}" for what, found in checks.items())),
        ("CLEAR: feature selection", "inside each fold, on its training rows"),
        ("CLEAR: comparison with a model without radiomics", ", ".join(settings["feature_sets"])),
        ("CLEAR, TRIPOD+AI, CLAIM: uncertainty", "95 % intervals of all rates; DeLong, corrected for cross-validation"),
        ("CLEAR: multiple testing", "Holm, over the pairs of each cohort" if record["tests"] else "no pair was tested"),
        ("METRICS, TRIPOD+AI, CLAIM: external testing", ", ".join(outside) if outside else "none"),
        ("METRICS: calibration and clinical utility", "calibration, decision curve above"),
        ("CLAIM, TRIPOD+AI: failures and missing regions", str(sum(own["n"] for own in record["failures"]))),
        ("CLEAR, CLAIM: software", ", ".join(f"{name} {number}" for name, number in record["versions"].items())),
        ("Events per feature", f"{fewest / max(widest, 1):.1f} ({fewest} of the smaller class, {widest:.0f} features)"),
        *((item, None) for item in _FOR_THE_AUTHOR),
    ]
