"""One self-contained page about a comparison: the answer first, then tables, tests, plots, settings, the record."""

import json
import re
from datetime import date
from io import StringIO
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from deepradiomics.comparison._answer import question, sentences
from deepradiomics.comparison._covariates import describe_covariates
from deepradiomics.comparison._report_sections import Section, overview, report_sections
from deepradiomics.comparison.result import INTERNAL
from deepradiomics.estimators import _as_pandas
from deepradiomics.exceptions import InputError, require
from deepradiomics.metrics.intervals import Interval, join_intervals

# Features that are in every fit are listed up to this number in a block: more of them were hardly chosen.
_ALL_ALWAYS = 40
_WORDS_STAY = (
    "Names that encoders make, or steps of others than this library and scikit-learn, may hold words of a patient and "
    "are not kept; nor are those of columns that a step such as PCA mixes before others are chosen."
)
_TEMPLATE = "report.html.jinja"
_SETTINGS = "feature_sets folds n_repeats groups near_duplicates failures random_state model study possible_leaks"
# Columns with counts, which are means over fits or repeats.
_COUNTS = ("n", "events", "n_features", "features in a fit, mean")


def write_report(comparison, path, title, covariates, cuts, given):
    """Write the page that `Comparison.to_html` describes; return its path."""
    path, images, figures = _checked(comparison, Path(path)), given["images"], given["figures"]
    record = comparison.record()
    jinja2 = require("jinja2", "report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("deepradiomics.comparison"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    from matplotlib import rc_context

    # A name with a dollar sign is a name, not a formula; text stays text, which the page's own font draws.
    with rc_context({"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "report", "font.size": 9.5}):
        parts = [
            _patients(comparison, given["excluded"] or {}),
            _table_one(comparison, covariates),
            *report_sections(comparison, cuts),
            *_subgroups({name: comparison.subgroups(labels) for name, labels in (given["subgroups"] or {}).items()}),
            _chosen(comparison.settings),
            _failed(comparison.settings["failures"]),
            *([] if images is None else [_worst_cases(comparison, images)]),
            *([Section("More figures", {}, "", list(figures.items()))] if figures else []),
            Section("What the run itself answers", {"": _checklist(comparison, record)}, _GUIDELINES),
            Section("Settings", {"": comparison.settings["model"]}, "Step names are those of set_params."),
        ]
        numbers = count()
        sections = [
            part._asdict()
            | {
                "id": re.sub(r"[^a-z0-9]+", "-", part.title.lower()),
                "tables": [(caption, _cells(table)) for caption, table in part.tables.items() if len(table)],
                "figures": [(caption, _svg(figure, next(numbers))) for caption, figure in part.figures],
            }
            for part in parts
        ]
        main, caption, figure = overview(comparison)
        first = caption, _svg(figure, next(numbers))
    page = environment.get_template(_TEMPLATE).render(
        title=title,
        date=date.today().isoformat(),
        question=question(comparison),
        sentences=sentences(comparison),
        main=main,
        sets=comparison.settings["feature_sets"],
        overview=first,
        alerts=_alerts(comparison),
        sections=sections,
        record=json.dumps(record, indent=1, ensure_ascii=False),
    )
    path.write_text(page, encoding="utf-8")
    return path


def _checked(comparison, path):
    lacking = [name for name in [*_SETTINGS.split(), "covariates", "chosen"] if name not in comparison.settings]
    if lacking:
        raise InputError(
            f"the comparison lacks {', '.join(lacking)} among its settings; give what compare_feature_sets or "
            "compare_models returned"
        )
    if not path.parent.is_dir():
        raise InputError(f"the folder of {path.name} does not exist; make it first", code="no_file")
    return path


def _cells(table):
    """A DataFrame as dict of (heading, is it a user's own name) and of rows of (text, number to sort by)."""
    own = table.attrs.get("own_names", ())
    columns = [[_cell(None if name in own else name, value) for value in table[name]] for name in table.columns]
    return {"columns": [(str(name), name in own) for name in table.columns], "rows": list(zip(*columns, strict=True))}


def _cell(name, value):
    if isinstance(value, Interval):
        return str(value), float(value)
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return "-", float(value)
        if name in ("p", "p_value", "p_holm", "p_association", "p_score") and value < 1e-3:
            return "< 0.001", float(value)
        digits = ".1f" if name in _COUNTS else ".2g" if 0 < abs(value) < 1e-3 else ".3f"
        return f"{value:{digits}}", float(value)
    if isinstance(value, int | np.integer):
        return str(value), int(value)
    return str(value), str(value)


def _svg(figure, number):
    """A figure as SVG that stands in a page: no header, and names of parts that no other figure has."""
    stream = StringIO()
    figure.savefig(stream, format="svg", dpi=150, metadata=dict.fromkeys(["Creator", "Date", "Format", "Type"]))
    svg = stream.getvalue()
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>f{number}-", svg[svg.index("<svg") :])
    # The browser knows the names of the formats, and the page has a font.
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg, count=2)
    return re.sub(r"font-family: [^;\"]*sans-serif", "font-family: sans-serif", svg)


def _alerts(comparison):
    """What must not be overlooked: few patients, copies, leaks, failures."""
    settings = comparison.settings
    found, pairs = list(comparison.notes), len(settings["near_duplicates"])
    if pairs:
        found.append(
            f"{pairs} pair(s) of images look like copies of one another, or like two exposures of one patient. They "
            "are listed under Who was compared; groups=duplicate_groups(images, min_likeness=0.8) keeps them together."
        )
    if settings["possible_leaks"]:
        leaks = "; ".join(settings["possible_leaks"])
        found.append(f"Ways in which the answer may have reached the model; look at each: {leaks}.")
    counts = settings["failures"].groupby(["cohort", "code"], sort=False).size()
    if len(counts):
        failures = "; ".join(f"{n} in {cohort} ({code.replace('_', ' ')})" for (cohort, code), n in counts.items())
        found.append(f"Images or regions that could not be read, outlined or measured count as missing: {failures}.")
    return found


def _patients(comparison, excluded):
    settings = comparison.settings
    tables = {
        "Cohorts": _flow(comparison),
        "Left out before": pd.DataFrame(excluded.items(), columns=["reason", "patients"]),
    }
    pairs = settings["near_duplicates"].sort_values("likeness", ascending=False, kind="stable")
    note = f"{settings['folds']} folds{f', {n} times' if (n := settings['n_repeats']) > 1 else ''}; each block is "
    note += "fitted once in each fold and shared by the sets. " + ("" if excluded else "No exclusions were named.")
    return Section("Who was compared", tables | {"Images that look like copies": pairs}, note)


def _flow(comparison):
    """Rows and patients of each cohort, and its events, classes or values."""
    rows, classes = [], getattr(comparison, "classes", ())
    for name, part in comparison.predictions.drop_duplicates(["cohort", "row"]).groupby("cohort", sort=False):
        row = {"cohort": name, "rows": len(part), "patients": part["patient"].nunique()}
        if not classes:
            row |= {"mean": part["y"].mean(), "SD": part["y"].std()}
        elif len(classes) == 2:
            row["events"] = int(part["y"].sum())
        else:
            row |= {label: int((part["y"] == code).sum()) for code, label in enumerate(classes)}
        rows.append(row)
    table = pd.DataFrame(rows)
    table.attrs["own_names"] = list(classes) if len(classes) > 2 else []
    return table


def _table_one(comparison, covariates):
    tables = dict(comparison.settings["covariates"])
    if covariates is not None:
        covariates = _as_pandas(covariates)
        comparison.check_rows("covariates", covariates)
        rows = comparison.predictions.query("cohort == @INTERNAL").drop_duplicates("row").sort_values("row")
        if not isinstance(covariates, pd.DataFrame) or len(covariates) != len(rows):
            what = f"{type(covariates).__name__} of shape {np.shape(covariates)}"
            raise InputError(f"covariates is a {what}; give a DataFrame of {len(rows)} rows", code="length")
        classes = getattr(comparison, "classes", None)
        tables[INTERNAL] = describe_covariates(covariates, rows["y"], rows["patient"], classes)
    note = (
        "Patients, each once in a class; missing: patients without a value. The tests are not corrected for their "
        "number. What fewer than 5 patients share is not shown in this table; other tables, as of subgroups, show all "
        "counts. ≥ and ≥ 0.05 or < 0.05 stand where more would tell a hidden count."
    )
    if not any(map(len, tables.values())):
        note = "No block is named clinical, so nothing is described; covariates=X[['age', 'sex']] in to_html does it."
    return Section("Table 1: the patients", tables, note)


def _subgroups(parts):
    """Tables of the subgroups; named are those that differ in prevalence, and the sets whose scores know them."""
    # Of several classes each is looked at alone; numbers have no prevalence.
    by_class = {
        f"{name} ({label} or not)": own.droplevel("class")
        for name, part in parts.items()
        if "class" in part.index.names
        for label, own in part.groupby(level="class", sort=False)
    }
    two_classes = by_class or {name: part for name, part in parts.items() if "p_association" in part}
    confounders, told_apart = [], []
    for name, part in two_classes.items():
        p_value, scores = part["p_association"].iloc[0], part.groupby(level="features", sort=False)["p_score"].first()
        if p_value < 0.05:
            confounders.append(
                f"Possible confounder: the prevalence differs by {name} (p = {p_value:.2g}). A model that reads {name} "
                "off the image would do better than chance without looking at bone."
            )
        # Bonferroni over the sets.
        low = scores[scores < 0.05 / len(scores)]
        if len(low):
            told_apart.append(
                f"Among rows without the event, scores differ by {name}: {', '.join(low.index)} (smallest p = "
                f"{low.min():.2g}). These feature sets know {name}, from the image or from what goes with it."
            )
    tables = {name: join_intervals(part).reset_index() for name, part in parts.items()}
    return [Section("Subgroups", tables, "", (), confounders + told_apart)] if parts else []


def _chosen(settings):
    """How often each feature reached the classifier, and how stable that is in a block."""
    chosen, n_fits = settings["chosen"], settings["folds"] * settings["n_repeats"]
    if chosen.empty:
        advice = "set_output(transform='pandas') on the ColumnTransformer gives some"
        note = "nothing was chosen, or no name is kept" if chosen.attrs.get("has_names") else advice
        return Section("Chosen features", {}, f"No names; {note}. {_WORDS_STAY}")
    by = [name for name in ("model", "block") if chosen[name].any()]
    rows = [
        dict(zip(by, key, strict=True))
        | {
            "features in any fit": len(own),
            "features in a fit, mean": own["fits"].sum() / n_fits,
            "features in every fit": int((own["fits"] == n_fits).sum()),
        }
        for key, own in chosen.groupby(by, sort=False)
    ]
    fits = chosen.groupby(by)["fits"]
    listed = chosen[(fits.transform("min") < n_fits) | (fits.transform("size") <= _ALL_ALWAYS)]
    listed = listed[[*by, "feature", "fits"]].sort_values("fits", ascending=False, kind="stable")
    note = (
        f"In how many of {n_fits} fits a feature reached the classifier, of the largest feature set that holds its "
        f"block; blocks of more than {_ALL_ALWAYS} features that are all in every fit are not listed."
    )
    several, told = chosen["model"].any(), set(zip(chosen["model"], chosen["block"], strict=True))
    sets = settings["feature_sets"].items()
    blocks = dict.fromkeys((name if several else "", block) for name, members in sets for block in members)
    if silent := [": ".join(filter(None, block)) for block in blocks if block not in told]:
        note += f" Not listed: {', '.join(silent)}; nothing was chosen, or no name is kept. {_WORDS_STAY}"
    return Section("Chosen features", {"By block": pd.DataFrame(rows), "By feature": listed}, note)


def _failed(failures):
    counts = failures.groupby(["cohort", "item", "code"], sort=False).size().rename("n").reset_index()
    counts["code"] = counts["code"].str.replace("_", " ")
    note = "What could not be read, outlined or measured, and counts as missing." if len(counts) else "None."
    return Section("Failures", {"": counts.rename(columns={"code": "reason"})}, note)


def _worst_cases(comparison, images):
    """Pictures of the rows on which the set with most blocks erred most."""
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
        is_a, gave = f"measured {case.y:.2f}", "predicted"
        if hasattr(comparison, "classes"):
            is_a, gave = comparison.classes[case.y], "score"
        ax.set_title(f"row {case.row}: {is_a}\n{gave} {case.score:.2f}", fontsize="small")
    for ax in figure.axes:
        ax.set_axis_off()
    return Section("Worst cases", {}, "", [(f"Rows on which {features} erred most, the worst first", figure)])


def _picture(image, row):
    pixels = np.asarray(getattr(image, "pixels", image))
    if pixels.ndim != 2 or pixels.dtype.kind not in "biuf":
        raise InputError(
            f"the image of row {row} is a {type(image).__name__}; give Radiographs or arrays of shape (H, W)"
        )
    return pixels


_GUIDELINES = (
    "Subjects of CLEAR (Kocak et al. 2023), METRICS (Kocak et al. 2024), TRIPOD+AI (Collins et al. 2024) and CLAIM "
    "(Tejani et al. 2024), without their numbers; filled from the record of the run."
)
# What no run can show, by checklist.
_FOR_THE_AUTHOR = (
    "CLEAR: ethics, eligibility, imaging protocol, clinical reference",
    "METRICS: adherence to guidelines, eligibility, quality of the reference standard",
    "TRIPOD+AI: source of data, participants, outcome and its blinding, sample size, fairness",
    "CLAIM: study design, annotation by whom, intended use, limits",
    "CLEAR, METRICS, TRIPOD+AI, CLAIM: sharing of code, model and data",
)


def _checklist(comparison, record):
    """Subjects of CLEAR, METRICS, TRIPOD+AI and CLAIM with what the record shows."""
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
    rows = [
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
        *((item, "left to the author") for item in _FOR_THE_AUTHOR),
    ]
    return pd.DataFrame(rows, columns=["subject", "answer"])
