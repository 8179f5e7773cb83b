"""What of an estimator is a part of its own, or is not written at all."""

from os import PathLike

import numpy as np
import pandas as pd

# What an estimator is given back by load: {kind of part: attribute}.
KINDS = {"network": "network_", "trees": "_Booster", "history": "history_"}
# Rows of patients, what the last table could not do, and what fit asked its callers for: never written.
LEFT_OUT = ("failures_", "unsure_", "cross_fitted_proba_", "cross_fitted_prediction_", "_metadata_request")
# Parameters that matter to fit alone and may hold rows of patients or a place on somebody's disk.
_ROWS, _CACHES, _FILES = "repeats", ("memory", "checkpoint"), ("pretrained", "encoder_weights", "weights")
# The attribute in which an estimator keeps, in the file, the kinds of its parts.
MARK = "_saved_parts"


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
        if isinstance(fitted.get(name), str | PathLike):
            fitted[name] = str(fitted[name]).replace("\\", "/").rpartition("/")[2]
