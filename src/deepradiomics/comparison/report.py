"""One self-contained page about a comparison: tables, tests, plots, settings."""

import base64
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from deepradiomics.comparison.report_sections import CUTS, report_sections
from deepradiomics.exceptions import InputError, require
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


def write_report(comparison, path, *, title, subgroups=None, excluded=None, figures=None, images=None, cuts=CUTS):
    """Write a comparison as one HTML page that needs no network.

    Parameters
    ----------
    comparison : Comparison, ClassComparison or RegressionComparison
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
    cuts : sequence of float, default=(-1.0, -2.5)
        Numbers at or below a cut are read as a diagnosis; classes need none.

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

    parts = {name: comparison.subgroups(labels) for name, labels in (subgroups or {}).items()}
    two_classes = _two_classes(parts)
    # A name with a dollar sign is a name, not a formula.
    with rc_context({"text.parse_math": False}):
        sections = [
            section._asdict() | {"table": _cells(section.table), "figures": _drawn(section.figures)}
            for section in report_sections(comparison, cuts)
        ]
        worst = None if images is None else _worst_cases(comparison, images)
    page = environment.get_template(_TEMPLATE).render(
        title=title,
        date=date.today().isoformat(),
        subject=comparison._above,
        settings=comparison.settings,
        notes=comparison.notes,
        flow=_cells(_flow(comparison)),
        excluded=excluded or {},
        sections=sections,
        subgroups={name: _cells(join_intervals(part).reset_index()) for name, part in parts.items()},
        associated=_associated(two_classes),
        told_apart=_told_apart(two_classes),
        near_duplicates=_near_duplicates(comparison.settings["near_duplicates"]),
        failures=_failures(comparison.settings["failures"]),
        figures=_drawn((figures or {}).items()),
        worst=worst,
        versions=record["versions"],
        checklist=_checklist(comparison, record),
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


def _flow(comparison):
    """Rows and patients of each cohort, and its events, classes or values."""
    rows, classes = [], getattr(comparison, "classes", ())
    for name, part in comparison.predictions.drop_duplicates(["cohort", "row"]).groupby("cohort", sort=False):
        row = {"cohort": name, "rows": len(part), "patients": part["patient"].nunique()}
        if not classes:
            row |= {"mean": part["y"].mean(), "SD": part["y"].std(), "from": part["y"].min(), "to": part["y"].max()}
        elif len(classes) == 2:
            row["events"] = int(part["y"].sum())
        else:
            row |= {label: int((part["y"] == code).sum()) for code, label in enumerate(classes)}
        rows.append(row)
    return pd.DataFrame(rows)


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
        is_a = comparison.classes[case.y] if hasattr(comparison, "classes") else f"measured {case.y:.2f}"
        ax.set_title(f"row {case.row}: {is_a}\nscore {case.score:.2f}", fontsize="small")
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


def _two_classes(parts):
    """Tables of subgroups with areas: those of several classes one by one, none of numbers."""
    found = {}
    for name, part in parts.items():
        if "class" in part.index.names:
            by_class = part.groupby(level="class", sort=False)
            found |= {f"{name} ({label} or not)": own.droplevel("class") for label, own in by_class}
        elif "p_association" in part:
            found[name] = part
    return found


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


def _drawn(figures):
    return [(caption, _data_uri(figure)) for caption, figure in figures]


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


def _checklist(comparison, record):
    """Subjects of CLEAR, METRICS, TRIPOD+AI and CLAIM with what the record shows; None is left to the author."""
    settings, checks = record["settings"], record["leak_checks"]
    inside, *outside = record["data"]
    first = [row for row in record["results"] if row["cohort"] == inside]
    widest = max(row["n_features"] for row in first)
    rows, are_classes = comparison.predictions.query("cohort == @inside").drop_duplicates("row"), settings["classes"]
    smallest = int(rows["y"].value_counts().min()) if are_classes else len(rows)
    intervals = "95 % intervals of all rates; DeLong, corrected for cross-validation"
    utility = "calibration, decision curve above"
    per_feature = f"{smallest / max(widest, 1):.1f} ({smallest} of the smallest class, {widest:.0f} features)"
    if not are_classes:
        per_feature = f"{smallest / max(widest, 1):.1f} rows ({widest:.0f} features)"
        intervals, utility = "95 % intervals over resampled patients", "slope and intercept, thresholds above"
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
        ("CLEAR, TRIPOD+AI, CLAIM: uncertainty", intervals),
        ("CLEAR: multiple testing", "Holm, over the pairs of each cohort" if record["tests"] else "no pair was tested"),
        ("METRICS, TRIPOD+AI, CLAIM: external testing", ", ".join(outside) if outside else "none"),
        ("METRICS: calibration and clinical utility", utility),
        ("CLAIM, TRIPOD+AI: failures and missing regions", str(sum(own["n"] for own in record["failures"]))),
        ("CLEAR, CLAIM: software", ", ".join(f"{name} {number}" for name, number in record["versions"].items())),
        ("Events per feature", per_feature),
        *((item, None) for item in _FOR_THE_AUTHOR),
    ]
