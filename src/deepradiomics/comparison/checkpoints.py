"""Finished folds on disk, so that a long comparison goes on where it was stopped."""

import json
import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np

from deepradiomics.comparison.fitting import SetResult, fit_feature_sets
from deepradiomics.exceptions import InputError


def fit_or_read(folder, parts, sets, train, tests, seed, n_classes=2):
    """Do what `fit_feature_sets` does, or read what it gave before for the same arguments.

    Parameters
    ----------
    folder : str or Path
        Where results lie, one small JSON file a fold; it is made if missing.
    parts : ModelParts
        The unfitted model.
    sets : dict of str to list of str
        Blocks of each feature set.
    train : tuple (table, labels, metadata)
        Training rows.
    tests : list of tuples (table, metadata)
        What to score.
    seed : int or None
        Seed of the folds for thresholds; None chooses none.
    n_classes : int or None, default=2
        Number of classes; None for values.

    Returns
    -------
    list of SetResult
        One a feature set.

    Raises
    ------
    InputError
        If the folder is a file, or a file in it is not what was written there.

    Notes
    -----
    The name of a file is a hash of the model with its parameters, of the rows and of the version of the library, and
    the file holds scores and names of features. It is written whole or not at all.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from sklearn.compose import ColumnTransformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from deepradiomics.comparison.checkpoints import fit_or_read
    >>> from deepradiomics.comparison.stateless import cut_model
    >>> model = make_pipeline(ColumnTransformer([("age", "passthrough", [0])]), LogisticRegression())
    >>> X, y = np.array([[50.0], [60.0], [70.0], [80.0]]), np.array([0, 0, 1, 1])
    >>> job = (cut_model(model), {"age": ["age"]}, (X, y, {}), [(X, {})], 0)
    >>> with TemporaryDirectory() as folder:
    ...     first, again = fit_or_read(folder, *job), fit_or_read(folder, *job)
    >>> (first[0].scores[0] == again[0].scores[0]).all()
    np.True_
    """
    if Path(folder).exists() and not Path(folder).is_dir():
        raise InputError(f"checkpoint {Path(folder).name} is a file; give a folder", code="checkpoint")
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
            f"the checkpoint {path.name} is damaged ({type(error).__name__}); delete it, and its fold is fitted anew",
            code="checkpoint",
        ) from error
