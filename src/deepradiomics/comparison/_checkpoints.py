"""Finished folds on disk, so that a long comparison goes on where it was stopped."""

import json
import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np

from deepradiomics.comparison._fitting import SetResult, fit_feature_sets
from deepradiomics.exceptions import InputError


def fit_or_read(folder, parts, sets, train, tests, seed, n_classes=2):
    """Do what `fit_feature_sets` does, or read what it gave before for the same arguments from a JSON file in the
    folder.

    The name of a file is a hash of the model with its parameters, of the rows and of the version of the library, and
    the file holds scores and names of features. It is written whole or not at all; the folder is made if missing.
    """
    if Path(folder).exists() and not Path(folder).is_dir():
        raise InputError(f"checkpoint {Path(folder).name} is a file; give a folder")
    key = joblib.hash((version("deepradiomics"), parts, sets, train, tests, seed, n_classes))
    path = Path(folder) / f"{key}.json"
    if path.exists():
        return _read(path)
    results = fit_feature_sets(parts, sets, train, tests, seed, n_classes)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{key}.{os.getpid()}.unfinished")
    rows = [asdict(result) | {"scores": [score.tolist() for score in result.scores]} for result in results]
    unfinished.write_text(json.dumps(rows), encoding="utf-8")
    unfinished.replace(path)
    return results


def _read(path):
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [
            SetResult(**row | {"scores": [np.array(score, dtype=float) for score in row["scores"]]}) for row in rows
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"the checkpoint {path.name} is damaged ({type(error).__name__}); delete it, and its fold is fitted anew"
        ) from error
