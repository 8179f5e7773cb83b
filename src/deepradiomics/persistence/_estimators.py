"""What a model consists of: its estimators in a fixed order, and what of each is written in another way."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

# No estimator itself, it holds those that were fitted in each fold.
from sklearn.calibration import _CalibratedClassifier

# What an estimator is given back by load: {kind of part: attribute}.
KINDS = {"network": "network_", "trees": "_Booster", "history": "history_"}
# Rows of patients, what the last table could not do, and what fit asked its callers for: never written.
LEFT_OUT = ("failures_", "cross_fitted_proba_", "cross_fitted_prediction_", "_metadata_request")
# Parameters that matter to fit alone and may hold rows of patients or a place on somebody's disk.
_ROWS, _CACHES, _FILES = "repeats", ("memory", "checkpoint"), ("pretrained", "encoder_weights")
# The attribute in which an estimator keeps, in the file, the kinds of its parts.
MARK = "_saved_parts"


def estimators_of(model):
    """All estimators in a model, each once, in a fixed order."""
    found, seen, waiting = [], set(), [model]
    while waiting:
        value = waiting.pop()
        if isinstance(value, BaseEstimator | _CalibratedClassifier | dict | list | tuple | np.ndarray):
            if id(value) in seen:
                continue
            seen.add(id(value))
            found += [value] if isinstance(value, BaseEstimator) else []
            waiting += reversed(_inside(value))
    return found


def _inside(value):
    """Values that an estimator or container holds."""
    if isinstance(value, BaseEstimator | _CalibratedClassifier):
        return list(vars(value).values())
    if isinstance(value, np.ndarray):
        return value.ravel().tolist() if value.dtype == object else []
    return list(value.values()) if isinstance(value, dict) else list(value)


def without_places(owner):
    """Take rows of patients and places on a disk out of an estimator's parameters, in place."""
    fitted = vars(owner)
    for name in LEFT_OUT:
        fitted.pop(name, None)
    if isinstance(fitted.get(_ROWS), np.ndarray | pd.DataFrame | list | tuple):
        fitted[_ROWS] = None
    for name in _CACHES:
        if fitted.get(name) is not None:
            fitted[name] = None
    for name in _FILES:
        if isinstance(fitted.get(name), str):
            fitted[name] = fitted[name].replace("\\", "/").rpartition("/")[2]
