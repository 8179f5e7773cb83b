"""Find steps of a model that hold the answer, saw the rows before, or tear patients apart."""

from functools import partial
from numbers import Real
from types import CellType, FunctionType

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from deepradiomics.exceptions import LeakageError
from deepradiomics.splits import splits_by_group

# How deep functions and frozen estimators are looked into.
_DEEPEST = 3
# A list of fewer values is a setting; y with more different values holds numbers.
_SHORT = 20


def suspicious_steps(model, y, groups):
    """Refuse steps that hold an array that tells the rows apart as y (codes or numbers) does.

    Returns a sentence for each step that was frozen after a fit on a table, holds an array with a row a case, or
    chooses by folds that tear patients apart. Looked into are parameters, fitted attributes, closures, defaults and
    `functools.partial`; not files, globals and what a function computes.
    """
    found, n_rows = [], len(y)
    several = groups is not None and len(np.unique(groups)) < n_rows
    for name, step in ({type(model).__name__: model} | model.get_params()).items():
        if isinstance(step, Pipeline | ColumnTransformer | str) or not hasattr(step, "__dict__"):
            continue
        held = [values for values in _held(step) if len(values) == n_rows]
        if any(_are_labels(values, y) for values in held):
            raise LeakageError(
                f"step {name!r} holds the labels of the rows; take it out of the model", code="held_labels"
            )
        inner = getattr(step, "estimator", None) if isinstance(step, FrozenEstimator) else None
        seen = [getattr(inner, key, None) for key in ("n_samples_seen_", "n_samples_fit_", "n_samples_")]
        if held or any(np.ndim(size) == 0 and size == n_rows for size in seen):
            found.append(f"step {name!r} holds {n_rows} rows, as many as X has, and may have been fitted on them")
        elif hasattr(inner, "feature_names_in_") or hasattr(inner, "coef_"):
            found.append(f"step {name!r} is frozen after a fit on a table; make sure that it was of other patients")
        cv = getattr(step, "cv", ...)
        # Steps that take groups hand them to their folds.
        plain = cv is None or (isinstance(cv, int) and cv > 1) or (hasattr(cv, "split") and not isinstance(cv, str))
        if several and plain and type(step).__module__.startswith("sklearn.") and not splits_by_group(cv):
            n_folds = cv if isinstance(cv, int) else 5
            found.append(
                f"step {name!r} chooses by cv={cv!r}, which tears patients apart; give it "
                f"StratifiedGroupKFold({n_folds}) or GroupKFold({n_folds})"
            )
    return found


def _held(holder, depth=0):
    """Yield the arrays that an estimator or a function holds."""
    if isinstance(holder, np.ndarray | pd.Series | pd.DataFrame):
        if np.ndim(holder):
            yield np.asarray(holder)
        return
    parts = list(getattr(holder, "__dict__", {}).values())
    if isinstance(holder, list | tuple | dict):
        parts = list(holder.values() if isinstance(holder, dict) else holder)
        # A list of single values is an array by another name; an id to label dictionary, too.
        if len(parts) >= _SHORT and all(isinstance(value, str | Real) for value in parts):
            yield np.array(parts, dtype=object)
            return
    if isinstance(holder, partial):
        parts += [holder.func, *holder.args, *holder.keywords.values()]
    if isinstance(holder, FunctionType):
        parts += [cell.cell_contents for cell in holder.__closure__ or () if cell != CellType()]
        parts += [*(holder.__defaults__ or ()), *(holder.__kwdefaults__ or {}).values()]
    for part in parts if depth < _DEEPEST else ():
        inside = isinstance(part, BaseEstimator) and isinstance(holder, FrozenEstimator | Pipeline | list | tuple)
        if inside or isinstance(
            part, np.ndarray | pd.Series | pd.DataFrame | list | tuple | dict | partial | FunctionType
        ):
            yield from _held(part, depth + 1)


def _are_labels(values, y):
    """Tell whether an array of the length of y tells rows apart as y does, or holds its numbers."""
    if values.ndim > 1:
        return any(_are_labels(column, y) for column in values.T) if values.ndim == 2 else False
    if len(np.unique(y)) > _SHORT:
        return values.dtype.kind in "biuf" and np.allclose(values, y)
    try:
        return np.array_equal(pd.factorize(values)[0], pd.factorize(y)[0])
    except TypeError:
        return False
