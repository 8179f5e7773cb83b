"""segment, train, predict, compare, report: from a table of patients to masks, models, tables and a page."""

import csv
import gzip
import json
import sys
from pathlib import Path

from deepradiomics.cli._checks import check_file, check_folder, check_new
from deepradiomics.cli._log import LOG
from deepradiomics.cli._tables import (
    check_ending,
    find_files,
    problems_in,
    read_cells,
    read_cohort,
    read_table,
    reads_of,
    write_table,
)
from deepradiomics.exceptions import DeepRadiomicsError, InputError, did_you_mean, require

# A column with more kinds of words than this is no diagnosis.
_MOST_CLASSES = 10


def segment(options):
    """Write the label maps, and a table with the confidence in each bone, or why an image was left out."""
    images = [path for given in options.images for path in (_files_in(given) if given.is_dir() else [given])]
    stems, drawn = [path.stem.removesuffix(".nii") for path in images], {}
    coco = options.output / "outlines.json"
    targets = [coco if options.format == "coco" else coco.with_name(f"{stem}_mask.{options.format}") for stem in stems]
    _check_maps(options, images, stems, targets)
    from deepradiomics.annotations import write_coco

    segmenter, n_left_out = _segmenter(options.model), 0
    options.output.mkdir(parents=True, exist_ok=True)
    table = options.output / "confidence.csv"
    before = []
    if table.exists():
        with table.open(encoding="utf-8", newline="") as file:
            before = [line for line in csv.reader(file) if line and line[0] not in {path.name for path in images}]
    with table.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerows(before or [["image", "mask", "bone", "confidence", "reason"]])
        for path, stem, target in zip(images, stems, targets, strict=True):
            overlay = coco.with_name(f"{stem}_overlay.png") if options.overlays else None
            try:
                mask, bones = _outlined(segmenter, path, target, overlay)
            except DeepRadiomicsError as error:
                n_left_out += 1
                LOG.warning(str(error))
                lines.writerow([path.name, "", "", "", str(error)])
                continue
            if target == coco:
                drawn[path.name] = mask
            lines.writerows([path.name, target.name, bone, f"{value:.4f}", ""] for bone, value in bones.items())
            lines.writerows([] if bones else [[path.name, target.name, "", "", "nothing found"]])
            file.flush()
            found = ", ".join(f"{bone} {value:.2f}" for bone, value in bones.items())
            LOG.info(f"{path.name}: {found or 'nothing found'}")
    if drawn:
        shapes, maps = [mask.shape for mask in drawn.values()], list(drawn.values())
        write_coco(coco, list(drawn), shapes, label_maps=maps, classes=[str(name) for name in segmenter.classes_])
    if len(images) > 1:
        LOG.info(f"{len(images) - n_left_out} of {len(images)} images outlined: {table.name}")
    return 1 if n_left_out else 0


def _outlined(segmenter, path, target, overlay):
    """Outline one radiograph and write its label map, except to the COCO file of all; confidence by bone."""
    from deepradiomics.reading import read_radiograph

    radiograph, names = read_radiograph(path), [str(name) for name in segmenter.classes_]
    (mask,), (confidence,) = segmenter.predict_with_confidence([radiograph])
    if target.suffix != ".json":
        _write_map(target, mask, path, radiograph.spacing, names)
    if overlay is not None:
        from matplotlib.figure import Figure

        figure = Figure(layout="constrained")
        radiograph.plot(mask, ax=figure.subplots())
        figure.savefig(overlay, dpi=150)
    return mask, {name: value for name, value in zip(names, confidence, strict=True) if value == value}


def _write_map(path, mask, image, spacing, classes):
    """Write a label map as PNG, DICOM SEG or NIfTI."""
    if path.suffix == ".dcm":
        from deepradiomics.reading import write_segmentation

        write_segmentation(path, mask, image, classes=classes)
    elif path.suffix == ".png":
        from PIL import Image

        Image.fromarray(mask).save(path)
    else:
        import SimpleITK as sitk

        placed = image.name.lower().endswith((".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"))
        place = sitk.ReadImage(str(image)) if placed else None
        made = sitk.GetImageFromArray(mask if place is None else mask.reshape(place.GetSize()[::-1]))
        if place is not None:  # the label map lies where its image does
            made.CopyInformation(place)
        elif spacing is not None:
            made.SetSpacing(spacing[::-1])
        sitk.WriteImage(made, str(path))
        if spacing is None:  # ITK would say 1 mm; without a unit it is unknown
            content = bytearray(gzip.decompress(path.read_bytes()))
            content[123] = 0
            path.write_bytes(gzip.compress(content, mtime=0))


def _files_in(folder):
    """Files of a folder, without its folders, hidden files and tables."""
    others = {".csv", ".json", ".jsonl", ".txt", ".log", ".xlsx", ".xml", ".parquet"}
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    found = [path for path in files if path.suffix.lower() not in others]
    if not found:
        raise InputError(f"there is no image in the folder {folder.name}", code="no_file")
    return found


def _check_maps(options, images, stems, targets):
    """Refuse images that are not there, and label maps that are: somebody may have corrected them by hand."""
    twice = {stem for stem in stems if stems.count(stem) > 1}
    if twice:
        raise InputError(f"two images would be written as {sorted(twice)[0]}; rename one", code="output")
    missing = [path.name for path in images if not path.is_file()]
    if missing:
        raise InputError(f"there is no image {missing[0]} ({len(missing)} missing)", code="no_file")
    check_folder(options.output)
    there = sorted({target.name for target in targets if target.exists() or target.is_symlink()})
    if there and not options.overwrite:
        raise InputError(
            f"{there[0]} exists already ({len(there)} such files); give another folder, or --overwrite", code="exists"
        )


def _segmenter(name):
    from deepradiomics.persistence import load
    from deepradiomics.segmentation import UNetSegmenter

    if not Path(name).exists():
        return UNetSegmenter.pretrained(name)
    found = load(name)
    if not isinstance(found, UNetSegmenter):
        raise InputError(f"{Path(name).name} holds a {type(found).__name__}, not a segmenter")
    return found


def train(options):
    """Fit a recipe on a table and save it."""
    import numpy as np

    from deepradiomics.comparison._fitting import metadata_routing, with_metadata
    from deepradiomics.persistence import save
    from deepradiomics.splits import patient_groups

    check_new(options.output)
    model = _recipe(options)
    if options.dry_run:
        return _dry_run(options, model)
    X, y = read_cohort(options.table, model, options.label)
    classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise InputError(
            f"column {options.label!r} of {options.table.name} holds {len(classes)} different values in {len(y)} rows, "
            "one of them in a single row; a diagnosis has several rows of each class"
        )
    groups = patient_groups(X)
    metadata = {} if groups is None else {"groups": groups}
    with metadata_routing(model, metadata):
        model = with_metadata(model, metadata)
        takes = groups is not None and model.get_metadata_routing().consumes("fit", ["groups"])
        model.fit(X, codes, **({"groups": groups} if takes else {}))
    failed = _say_failures(model)
    model.class_names_ = [str(name) for name in classes]
    save(model, options.output)
    meanings = ", ".join(f"{code} = {name}" for code, name in zip(model.classes_, classes, strict=True))
    LOG.info(f"{options.recipe} trained on {len(y)} rows, classes {meanings}: {options.output.name}")
    return failed


def _dry_run(options, model):
    """Name each cell of the tables that cannot be used; nothing is fitted or written."""
    tables = [options.table, *(Path(_pair(text)[1]) for text in getattr(options, "external", []))]
    n_problems, before = 0, None
    for path in tables:
        table, problems = problems_in(path, model, getattr(options, "label", None), before)
        before = table if before is None else before
        n_problems += len(problems)
        for problem in problems:
            LOG.info(f"{path.name}: {problem}")
        LOG.info(f"{path.name}: {len(table)} rows, {len(problems)} problems; nothing was fitted or written")
    return 2 if n_problems else 0


def predict(options):
    """Write the columns that the model does not read, probabilities by class, the call and its threshold."""
    import pandas as pd
    from sklearn.base import is_regressor

    from deepradiomics.persistence import load

    if options.output is not None:
        check_file(options.output, options.table, options.model)
        check_ending(options.output)
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise InputError(f"--threshold is {options.threshold:g}; a probability is 0 to 1")
    model = load(options.model)
    if not hasattr(model, "predict_proba") and not is_regressor(model):
        raise InputError(
            f"{options.model.name} holds a {type(model).__name__}, which gives no probabilities; give what train wrote"
        )
    if options.dry_run:
        return _dry_run(options, model)
    X, _ = read_cohort(options.table, model)
    answers = _answers(model, X, options.threshold)
    reads, given = reads_of(model), read_cells(options.table)
    kept = [name for name in given if name not in {*reads.files, *reads.others, *answers, "row"}]
    found = pd.concat([pd.Series(range(len(X)), name="row"), given[kept], answers], axis=1)
    if options.output is None:
        found.to_csv(sys.stdout, index=False)
    else:
        write_table(found, options.output)
        LOG.info(f"{len(found)} rows: {options.output.name}")
    return _say_failures(model)


def _answers(model, X, threshold):
    """Probabilities by the names of the classes, the call, and the threshold of two classes; or predicted numbers."""
    import numpy as np
    import pandas as pd

    if not hasattr(model, "predict_proba"):
        if threshold is not None:
            raise InputError("--threshold is for two classes, the model predicts a number")
        return pd.DataFrame({"prediction": model.predict(X)})
    names = np.array(getattr(model, "class_names_", [str(label) for label in model.classes_]))
    probabilities = model.predict_proba(X)
    found = pd.DataFrame(probabilities, columns=[f"probability_{name}" for name in names])
    if len(names) == 2:
        threshold = 0.5 if threshold is None else threshold
        return found.assign(call=names[(probabilities[:, 1] >= threshold).astype(int)], threshold=threshold)
    if threshold is not None:
        raise InputError(f"--threshold is for two classes, the model has {len(names)}")
    return found.assign(call=names[probabilities.argmax(axis=1)])


def _say_failures(model):
    """Name the rows that a step could not do, on stderr; the exit code."""
    from deepradiomics.estimators import failures_of

    failures = failures_of(model)
    for row, item, _, reason in failures:
        LOG.warning(f"row {row}, {item}: {reason}")
    return int(len(failures) > 0)


def compare(options):
    """Compare feature sets; write table, tests and predictions."""
    if options.dry_run:
        return _dry_run(options, _recipe(options))
    return _compared(options)[2]


def _compared(options):
    """Run the comparison or take it from its finished folds; the comparison, its table and the exit code."""
    from deepradiomics.comparison import compare_feature_sets

    check_folder(options.output)
    model = _recipe(options)
    X, y = _classes(options.table, model, options)
    external = {}
    for name, table in map(_pair, options.external):
        if name in external:
            raise InputError(f"--external names {name!r} twice; give each cohort a name of its own")
        external[name] = _classes(Path(table), model, options, X)
    missing = [name for name in options.subgroups if name not in X]
    if missing:
        raise InputError(f"{options.table.name} has no column {missing[0]!r} to divide patients by", code="columns")
    options.output.mkdir(parents=True, exist_ok=True)
    comparison = compare_feature_sets(
        model,
        X,
        y,
        event=next((label for label in y.tolist() if str(label) == options.event), options.event),
        cv=options.folds,
        n_repeats=options.repeats,
        external=external,
        checkpoint=options.output / "finished_folds",
        n_jobs=options.jobs,
        random_state=options.seed,
    )
    for name in ("table", "contrasts", "tests", "predictions"):
        found = getattr(comparison, name)
        found.drop(columns="group", errors="ignore").to_csv(options.output / f"{name}.csv", index=name != "predictions")
    (options.output / "record.json").write_text(json.dumps(comparison.record(), indent=1), encoding="utf-8")
    LOG.info(f"{comparison}\n\n{comparison.summary()}")
    failures = comparison.settings["failures"]
    for row in failures.itertuples():
        LOG.warning(f"{row.cohort}, row {row.row}, {row.item}: {row.reason}")
    return comparison, X, int(len(failures) > 0)


def _classes(path, model, options, before=None):
    """Read a cohort with labels of some classes, in the order given; what they are called belongs to the patients."""
    import pandas as pd

    X, y = read_cohort(path, model, options.label, before)
    n_classes = len(set(y.tolist()))
    if n_classes > _MOST_CLASSES:
        raise InputError(
            f"column {options.label!r} of {path.name} holds {n_classes} classes; a comparison takes 2 to "
            f"{_MOST_CLASSES}"
        )
    if options.classes is None:
        return X, y
    words, order = [str(label) for label in y.tolist()], options.classes.split(",")
    if len(set(order)) < max(len(order), 2) or not set(words) <= set(order):
        raise InputError(
            f"column {options.label!r} of {path.name} holds {n_classes} classes, and not only those of --classes; name "
            "each class once, with commas between them, the healthiest first"
        )
    return X, pd.Categorical(words, order, ordered=True)


def report(options):
    """Compare and write the page."""
    require("jinja2", "report")
    if options.dry_run:
        return _dry_run(options, _recipe(options))
    comparison, X, code = _compared(options)
    subgroups = {name: X[name] for name in options.subgroups}
    page = comparison.to_html(options.output / "report.html", title=options.recipe, subgroups=subgroups or None)
    LOG.info(f"report: {page.name}")
    return code


def _recipe(options):
    """Build the recipe and check its settings; the weights of the package stand in for masks that the table lacks."""
    from inspect import signature

    from deepradiomics import recipes

    able = [name for name in recipes.__all__ if name != "frozen"]
    if options.recipe not in able:
        raise InputError(f"the command line runs no recipe {options.recipe!r}; {did_you_mean(options.recipe, able)}")
    build = getattr(recipes, options.recipe)
    given = {name: _value(name, text) for name, text in map(_pair, options.set)}
    known = list(signature(build).parameters)
    for name in given:
        if name not in known:
            raise InputError(f"{options.recipe} has no argument {name!r}; {did_you_mean(name, known)}")
    outlines = _outlines(options.recipe, list(read_cells(options.table)), given)
    model = build(**outlines | {"random_state": options.seed} | given)
    if options.on_error == "skip":
        able = [name for name, step in model.get_params().items() if hasattr(step, "on_error")]
        model.set_params(**{f"{name}__on_error": "skip" for name in able})
    # Check the parameters of all steps now: fit checks those of a step when it gets there.
    for step in (model, *model.get_params().values()):
        if hasattr(step, "_parameter_constraints"):
            step._validate_params()
    return model


def _outlines(recipe, table, given):
    """Name the columns of the table that hold a recipe's outlines; without them it uses the weights of the package."""
    if recipe == "kim2022":
        return {"mask": "mask"} if "mask" in table else {}
    if recipe == "mao2022":
        views = {"AP": ["ap"], "LAT": ["lateral"]}.get(given.get("view"), ["ap", "lateral"])
        return {"mask": {view: f"{view}_mask" for view in views if f"{view}_mask" in table}}
    if recipe == "lumbar_transfer2024":
        return {"mask": "lateral_mask"} if "lateral_mask" in table else {}
    return {"boxes": "boxes"} if "boxes" in table else {}


def _pair(text):
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InputError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def _value(name, text):
    """A number, true, false or null where the text is one, else the text."""
    # Python's words for the same.
    words = {"True": "true", "False": "false", "None": "null"}
    try:
        value = json.loads(words.get(text, text))
    except json.JSONDecodeError:
        value = text
    if isinstance(value, list | dict) or (name.startswith("segmenter") and value is not None):
        raise InputError(
            f"--set {name}: {text!r} is no number, word, true, false or null that it takes; give what is more than "
            "that in Python"
        )
    return value


def review(options):
    """Write the page on which outlines are judged and corrected."""
    import deepradiomics as dr

    (check_file if options.output.suffix.lower() in (".html", ".htm") else check_folder)(options.output)
    table = read_table(options.table)
    find_files(table, options.table.parent, list({options.image, options.masks} & set(table)))
    regions = None
    if options.boxes is not None:
        if options.masks is None:
            raise InputError(
                "--boxes needs --masks, the column of the outlines that they are placed on", code="columns"
            )
        kind = dr.FemurRegions if options.boxes == "femur" else dr.VertebraRegions
        regions = kind(image=options.image, mask=options.masks, on_error="skip")
    columns = ("image", "masks", "names", "group", "site", "target", "flags", "confidence")
    page = dr.review(
        table,
        regions=regions,
        labels=options.labels.split(","),
        output=options.output,
        **{name: getattr(options, name) for name in columns},
    )
    LOG.info(f"{len(table)} rows: open {page.relative_to(options.output.parent)} in a browser")
    return 0
