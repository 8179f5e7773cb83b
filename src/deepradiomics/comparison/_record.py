"""What a comparison did, as a file that a journal or a later self can check: hashes, settings, checks, results."""

import hashlib
import json
import platform
import re
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath, PureWindowsPath

import joblib
import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator

SCHEMA = "deepradiomics study record 1"
_PACKAGES = ("deepradiomics", "scikit-learn", "numpy", "scipy", "pandas", "xgboost", "torch")


def versions():
    """Versions of Python and of the packages that numbers depend on, or "not installed"."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def study_facts(models, cohorts, splits, seeds):
    """Hash the data, the splits and the frozen weights of a comparison, before it is fitted.

    ``models`` is a list of (ModelParts, feature sets), ``splits`` of (train, test) row numbers. Returns ``data`` (rows,
    columns, patients, hashes by cohort), ``splits``, ``seeds``, ``weights``: numbers and hashes, no row and no patient;
    ``model``, the steps with settings that are numbers or single words.
    """
    data = {
        cohort.name: {
            "rows": len(cohort.y),
            "columns": int(np.shape(cohort.X)[1]),
            "patients": len(np.unique(cohort.groups)) if cohort.groups is not None else None,
            "sites": len(np.unique(cohort.site)) if cohort.site is not None else None,
            "table": _hash_table(cohort.X),
            "index": hash_index(cohort.X) if isinstance(cohort.X, pd.DataFrame) else None,
            "labels": joblib.hash(np.asarray(cohort.y), hash_name="sha1"),
        }
        for cohort in cohorts
    }
    frozen = {
        name: joblib.hash(step.estimator, hash_name="sha1")
        for parts, _ in models
        for part in (parts.front, parts.tail)
        for name, step in part.get_params().items()
        if isinstance(step, FrozenEstimator)
    }
    hashes = [
        {
            side: joblib.hash(np.sort(rows).astype(np.int64), hash_name="sha1")
            for side, rows in zip(("train", "test"), split, strict=True)
        }
        for split in splits
    ]
    steps = [step for parts, _ in models for part in (parts.front, parts.tail) for step in _steps(part)]
    return {"data": data, "splits": hashes, "seeds": seeds, "weights": frozen, "model": steps}


def _hash_table(X):
    """Hash names and values column by column, since how a DataFrame lies in memory depends on how it was made."""
    columns = [(str(name), X.iloc[:, place].to_numpy()) for place, name in enumerate(getattr(X, "columns", ()))]
    return joblib.hash(columns or np.asarray(X), hash_name="sha1")


def hash_index(table):
    """Hash the names of the rows in their order (SHA-1): what `Index.equals` calls equal has one hash."""
    found = hashlib.sha1()
    for place in range(table.index.nlevels):
        names = table.index.get_level_values(place)
        if names.dtype == object:  # one moment in two time zones is one name
            zoned = [isinstance(name, pd.Timestamp) and name.tzinfo is not None for name in names]
            names = names.map(lambda name: name.tz_convert("UTC")) if zoned and all(zoned) else names.infer_objects()
        if isinstance(names, pd.DatetimeIndex | pd.TimedeltaIndex):
            # A day in seconds is the day in nanoseconds.
            names = names.map(str)
        elif names.dtype.kind == "i" or (
            names.dtype.kind == "f" and (names % 1 == 0).all() and (abs(names) < 2**53).all()
        ):
            names = names.astype("int64")
        found.update(pd.util.hash_pandas_object(names).to_numpy().tobytes())
    return found.hexdigest()


def _steps(model):
    """Class and plain settings of each estimator; what may be a path, a name or a table is left out."""
    found = []
    for name, step in model.get_params().items():
        if hasattr(step, "get_params") and not isinstance(step, type):
            plain = {
                key: value
                for key, value in step.get_params(deep=False).items()
                if value is None
                or isinstance(value, bool | int | float)
                or (isinstance(value, str) and value.isidentifier())
            }
            found.append({"step": name, "class": type(step).__name__, "settings": plain})
    return found


def _all_settings(models):
    """A row an estimator of models by name, however deep: step, class, the columns that a block reads, settings."""
    rows = [row for name, model in models.items() for row in _settings(model, name)]
    return pd.DataFrame(rows, columns=["step", "class", "columns", "settings"])


def _settings(model, step, columns=""):
    plain, held = [], []
    for name, value in model.get_params(deep=False).items():
        if hasattr(value, "get_params") and not isinstance(value, type):
            held.append((name, value))
        elif isinstance(value, list) and value and all(isinstance(part, tuple) and len(part) > 1 for part in value):
            held += value
        else:
            plain.append(f"{name}={_in_full(value)}")
    yield step or "model", type(model).__name__, columns, ", ".join(plain)
    for name, part, *read in held:
        own = [f"{step}__{name}" if step else name, "".join(map(_in_full, read))]
        if hasattr(part, "get_params"):
            yield from _settings(part, *own)
        else:
            yield own[0], _in_full(part), own[1], ""


def _in_full(value):
    """A setting in words; of an array or a table the kind and the shape, of a path the name of the file."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_in_full(key)}: {_in_full(held)}" for key, held in value.items()) + "}"
    if isinstance(value, list | tuple):
        start, end = "[]" if isinstance(value, list) else ("(", ",)" if len(value) == 1 else ")")
        return start + ", ".join(map(_in_full, value)) + end
    if isinstance(value, partial):
        named = (f"{key}={_in_full(held)}" for key, held in value.keywords.items())
        return f"functools.partial({', '.join([*map(_in_full, (value.func, *value.args)), *named])})"
    # A class, such as np.float64, has an attribute of this name, too.
    shape = () if isinstance(value, type) else getattr(value, "shape", ())
    if isinstance(shape, tuple) and shape:
        return f"{type(value).__name__} of shape {tuple(shape)}"
    for kind in (PurePath, PureWindowsPath) if isinstance(value, str | PurePath) else ():
        if kind(value).is_absolute():
            return repr(kind(value).name)
    # The address in memory says nothing, and differs from run to run.
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def study_record(comparison):
    """What a comparison did and found, of JSON's own types; ``templates/record.schema.json`` describes it."""
    settings = comparison.settings
    failures, copies = settings["failures"], settings["near_duplicates"]
    counts = failures.groupby(["cohort", "code"], sort=False).size()
    plain = {name: settings[name] for name in ("feature_sets", "folds", "n_repeats", "random_state")}
    study = dict(settings["study"])
    plain["model"] = study.pop("model")
    return json.loads(
        json.dumps(
            {
                "schema": SCHEMA,
                "versions": versions(),
                "settings": plain | {"classes": list(getattr(comparison, "classes", ()))},
                **study,
                "failures": [{"cohort": cohort, "code": code, "n": n} for (cohort, code), n in counts.items()],
                # A comparison that finds one of the first four does not come to an end; images are looked at where a
                # table holds them or their paths, columns where it is known that the model reads them.
                "leak_checks": {
                    "patients in two parts": "none" if settings["groups"] else "each row taken as one patient",
                    "identical images in two parts": "none among the images of the tables",
                    "columns that separate the classes": "none",
                    "columns that name the patient": "none among the columns that the model is known to read",
                    "images that look like copies": len(copies),
                    "other ways to look at": len(settings["possible_leaks"]),
                },
                "results": _rows(comparison.table),
                "tests": _rows(comparison.tests),
            },
            default=_plain,
        )
    )


def _rows(table):
    """Rows of a table as dicts, the index included; what is not defined is null."""
    rows = table.reset_index().to_dict("records")
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows]


def _plain(value):
    if hasattr(value, "low"):
        return {name: _plain(getattr(value, name)) for name in ("estimate", "low", "high")}
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, int | str | bool | None) else str(value)
