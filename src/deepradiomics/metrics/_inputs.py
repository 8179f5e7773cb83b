"""What every measure asks of labels, scores and probabilities, and every plot of its axes."""

import numpy as np
import pandas as pd

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError


def check_two_classes(y):
    """Return which rows are events (bool array of shape (n_samples,)): those of the larger one of two labels."""
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise InputError(f"labels of shape {labels.shape}; give one label a row", code="length")
    return two_classes(labels, "an ROC curve needs exactly 2")[1].astype(bool)


def two_classes(labels, need):
    """Return the two classes of labels of shape (n_samples,) and each row's number (0 or 1)."""
    classes, codes = class_codes(labels)
    if len(classes) != 2:
        raise InputError(f"y holds {len(classes)} class(es), {classes[:5].tolist()}; {need}")
    return classes, codes


def class_codes(labels):
    """Return the sorted classes of labels of shape (n_samples,) and each row's number."""
    missing = np.flatnonzero(pd.isna(labels))
    if len(missing):
        raise InputError(f"row {missing[0]} has no label ({len(missing)} such rows); leave them out")
    try:
        return np.unique(labels, return_inverse=True)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in labels.tolist()})
        raise InputError(f"labels are of several types, {', '.join(kinds)}; use one") from None


def check_scores(scores, n_rows, what="scores"):
    """Return scores of shape (..., n_rows) as floats, finite and one a row."""
    values = as_numbers(scores, what)
    if values.shape[-1:] != (n_rows,):
        raise InputError(f"{what} of shape {values.shape} for {n_rows} labels; give one a row", code="length")
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise InputError(f"{n_bad} {what} are not finite numbers; leave those rows out", code="not_finite")
    return values


def as_numbers(values, what):
    """Return values of any shape as floats."""
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{what} are not numbers, or differ in length; give one number a row") from None


def check_calls(values, what):
    """Return values that are 0 and 1, or False and True, as a bool array."""
    values = np.asarray(values)
    if values.dtype != bool and not np.isin(values, (0, 1)).all():
        raise InputError(f"{what} holds {np.unique(values)[:5].tolist()}; it must hold 0 and 1 only")
    return values.astype(bool)


def check_probabilities(y, probability):
    """Return which rows are events, and the probability of each."""
    check_same_rows("y", y, probability=probability)
    event = check_two_classes(y)
    probability = check_row(probability, len(event), "probabilities")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise InputError("a probability is not within 0..1; calibrate decision values first")
    return event, probability


def check_row(scores, n_rows, what="scores"):
    """Return one score a row as a float array of shape (n_rows,)."""
    values = check_scores(scores, n_rows, what)
    if values.ndim != 1:
        raise InputError(f"{what} of shape {values.shape} for {n_rows} labels; give one a row", code="length")
    return values


def check_number(name, value, *, low):
    """Return a whole number that is not below a limit."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise InputError(f"{name} is {value!r}; it must be a whole number of at least {low}")
    return int(value)


def given_axes(ax, *shape, **options):
    """Return the axes given, or those of a new figure."""
    if ax is not None:
        return ax
    from matplotlib.pyplot import subplots

    return subplots(*shape, layout="constrained", **options)[1]
