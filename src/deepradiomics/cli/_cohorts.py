"""segment, train, predict, compare, report: from a table of patients to masks, models, tables and a page."""

import sys
from pathlib import Path


def segment(options):
    """Write the label maps."""
    from deepradiomics.exceptions import InputError

    names = [f"{path.stem}_mask.png" for path in options.images]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(f"two images would be written to {sorted(twice)[0]}; rename one", code="output")
    from PIL import Image

    segmenter = _segmenter(options.model)
    options.output.mkdir(parents=True, exist_ok=True)
    for path, name in zip(options.images, names, strict=True):
        (mask,), (confidence,) = segmenter.predict_with_confidence([path])
        Image.fromarray(mask).save(options.output / name)
        found = ", ".join(
            f"{bone} {value:.2f}" for bone, value in zip(segmenter.classes_, confidence, strict=True) if value == value
        )
        print(f"{name}: {found or 'nothing found'}", flush=True)
    return 0


def _segmenter(name):
    from deepradiomics.exceptions import InputError
    from deepradiomics.persistence import load
    from deepradiomics.segmentation import UNetSegmenter

    if not Path(name).exists():
        return UNetSegmenter.pretrained(name)
    found = load(name)
    if not isinstance(found, UNetSegmenter):
        raise InputError(f"{Path(name).name} holds a {type(found).__name__}, not a segmenter", code="model")
    return found


def train(options):
    """Fit a recipe on a table and save it."""
    import numpy as np

    from deepradiomics.evaluation.fitting import group_routing, with_groups
    from deepradiomics.persistence import save

    X, y = _cohort(options.table, options.label)
    classes, codes = np.unique(y, return_inverse=True)
    if classes.dtype.kind not in "bui":
        y = codes
    groups = X["patient"].to_numpy() if "patient" in X else None
    model = _recipe(options, X)
    with group_routing(model, groups):
        model = with_groups(model, groups)
        takes = groups is not None and model.get_metadata_routing().consumes("fit", ["groups"])
        model.fit(X, y, **({"groups": groups} if takes else {}))
    failed = _say_failures(model)
    save(model, options.output)
    meanings = ", ".join(f"{code} = {name}" for code, name in zip(model.classes_, classes, strict=True))
    print(f"{options.recipe} trained on {len(y)} rows, classes {meanings}: {options.output.name}")
    return failed


def predict(options):
    """Write the probability of each class for each row."""
    import pandas as pd

    from deepradiomics.persistence import load

    model = load(options.model)
    X, _ = _cohort(options.table)
    columns = [f"probability_{label}" for label in model.classes_]
    found = pd.DataFrame(model.predict_proba(X), columns=columns)
    found.insert(0, "row", range(len(found)))
    if options.output is None:
        found.to_csv(sys.stdout, index=False)
    else:
        found.to_csv(options.output, index=False)
        print(f"{len(found)} rows: {options.output.name}")
    return _say_failures(model)


def _say_failures(model):
    """Name the rows that a step could not do, on stderr; the exit code."""
    failed = 0
    for step in (model, *model.get_params().values()):
        failures = getattr(step, "failures_", None)
        for failure in () if failures is None else failures.itertuples():
            print(f"deepradiomics: row {failure.row}: {failure.reason}", file=sys.stderr)
            failed = 1
    return failed


def compare(options):
    """Compare feature sets; write table, tests and predictions."""
    _compared(options)
    return 0


def _compared(options):
    """Run the comparison or take it from its finished folds; the comparison and the table it was made on."""
    from deepradiomics.evaluation import compare_feature_sets

    X, y = _cohort(options.table, options.label)
    external = {}
    for given in options.external:
        name, table = _pair(given)
        external[name] = _cohort(Path(table), options.label)
    options.output.mkdir(parents=True, exist_ok=True)
    comparison = compare_feature_sets(
        _recipe(options, X),
        X,
        y,
        cv=options.folds,
        n_repeats=options.repeats,
        external=external,
        checkpoint=options.output / "finished_folds",
        n_jobs=options.jobs,
        random_state=options.seed,
    )
    for name in ("table", "tests", "predictions"):
        found = getattr(comparison, name)
        found.drop(columns="group", errors="ignore").to_csv(options.output / f"{name}.csv", index=name != "predictions")
    print(comparison.table.to_string())
    return comparison, X


def report(options):
    """Compare and write the page."""
    from deepradiomics.exceptions import InputError

    comparison, X = _compared(options)
    missing = [name for name in options.subgroups if name not in X]
    if missing:
        raise InputError(f"{options.table.name} has no column {missing[0]!r} to divide patients by", code="columns")
    subgroups = {name: X[name] for name in options.subgroups}
    page = comparison.to_html(options.output / "report.html", title=options.recipe, subgroups=subgroups or None)
    print(f"\nreport: {page.name}")
    return 0


def _cohort(path, label=None):
    """Read a table of patients; paths in it start from its folder. The table without the label, and the labels."""
    import pandas as pd

    from deepradiomics.exceptions import InputError

    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read ({type(error).__name__})", code="table") from None
    if label is not None and (label not in table or table[label].isna().any()):
        what = "has rows without a value in" if label in table else "has no"
        raise InputError(f"{path.name} {what} the column {label!r}", code="columns")
    for name in table.select_dtypes(exclude="number"):
        files = [None if pd.isna(cell) else path.parent / str(cell) for cell in table[name]]
        if any(file is not None and file.is_file() for file in files):
            table[name] = pd.Series([None if file is None else str(file) for file in files], dtype=object)
    return (table, None) if label is None else (table.drop(columns=label), table[label].to_numpy())


def _recipe(options, table):
    """Build the recipe; the weights of the package stand in for masks that the table does not have."""
    from difflib import get_close_matches
    from inspect import signature

    from deepradiomics import recipes
    from deepradiomics.exceptions import InputError

    if options.recipe not in recipes.__all__:
        raise InputError(
            f"there is no recipe {options.recipe!r}; there are {', '.join(recipes.__all__)}", code="recipe"
        )
    build = getattr(recipes, options.recipe)
    given = {name: _value(text) for name, text in map(_pair, options.set)}
    known = list(signature(build).parameters)
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known)}"
            raise InputError(f"{options.recipe} has no argument {name!r}{hint}", code="setting")
    model = build(**_outlines(options.recipe, table, given) | {"random_state": options.seed} | given)
    if options.on_error == "empty":
        # A missing region is a None among regions and a NaN among numbers.
        words = {name: "none" if "regions" in type(step).__module__ else "nan" for name, step in _steps(model)}
        model.set_params(**{f"{name}__on_error": word for name, word in words.items()})
    return model


def _steps(model):
    """Steps of a model, by name, that can leave a row empty."""
    return [(name, step) for name, step in model.get_params().items() if hasattr(step, "on_error")]


def _outlines(recipe, table, given):
    """Say where a recipe's outlines come from: columns of the table, or the weights of the package."""
    from sklearn.frozen import FrozenEstimator

    from deepradiomics.segmentation import UNetSegmenter

    def frozen(name):
        return FrozenEstimator(UNetSegmenter.pretrained(name))

    if recipe == "kim2022":
        return {"mask": "mask"} if "mask" in table else {"segmenter": frozen("femur")}
    if recipe == "mao2022":
        views = {"AP": ["ap"], "LAT": ["lateral"]}.get(given.get("view"), ["ap", "lateral"])
        return {"segmenters": {view: frozen(f"lumbar-{view}") for view in views if f"{view}_mask" not in table}}
    if recipe == "lumbar_transfer2024":
        return {} if "lateral_mask" in table else {"segmenter": frozen("lumbar-lateral")}
    return {"boxes": "boxes"} if "boxes" in table else {}


def _pair(text):
    from deepradiomics.exceptions import InputError

    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InputError(f"{text!r} is not of the form NAME=VALUE", code="setting")
    return name, value


def _value(text):
    """A number, true, false or null where the text is one, else the text."""
    import json

    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
