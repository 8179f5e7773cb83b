"""Transform a chunk in one worker: in batches, halved where memory runs out, failing images apart."""

import sys
from copy import deepcopy
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from deepradiomics.estimators import estimators_in, failures_of
from deepradiomics.exceptions import DeepRadiomicsError, InputError

# What an image may make an estimator raise. Anything else stops the run.
_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
# These are about the call and not about an image: they stop the run at once.
_ABOUT_THE_CALL = {"columns", "device", "table"}
# So many images at the start of a chunk that all raise, and no error of ours, stop the run: it is not the images.
_ALL = 10
RETRYABLE = {"missing_dependency", "no_file", "out_of_memory"}


class Measured(NamedTuple):
    """Features of a chunk."""

    names: list | None  # None if no image could be transformed
    values: np.ndarray | None  # float64 (n_images, n_features)
    failures: list  # (position, item, code)


class _Part(NamedTuple):
    """Features of consecutive images, or what a single one raised."""

    n: int
    names: list | None
    values: np.ndarray | None
    failures: list
    error: Exception | None = None


def measure(estimator, rows, batch_size):
    """Transform a chunk of rows, DataFrame in, `Measured` out."""
    own, parts, start = _own(estimator), [], 0
    while start < len(rows):
        batch = rows.iloc[start : start + batch_size]
        try:
            parts += _isolate(own, batch)
            start += len(batch)
        except _FAULTS as error:
            if not _is_memory(error):
                raise
            # What does not fit in memory now will not fit in the rest of the chunk.
            batch_size = len(batch) // 2
        if start >= _ALL and all(_is_strange(part.error) for part in parts):
            raise parts[-1].error
    return _joined(parts)


def _is_strange(error):
    return error is not None and not isinstance(error, DeepRadiomicsError) and not _is_memory(error)


def _isolate(estimator, batch):
    """Transform a batch; halve it until the images that fail stand alone."""
    try:
        return [_transform(estimator, batch)]
    except _FAULTS as error:
        if _stops(error, len(batch)):
            raise
        if len(batch) == 1:
            return [_Part(1, None, None, [], error)]
    half = len(batch) // 2
    return _isolate(estimator, batch.iloc[:half]) + _isolate(estimator, batch.iloc[half:])


def _stops(error, n_images):
    if isinstance(error, NotFittedError | InvalidParameterError):
        return True
    if isinstance(error, DeepRadiomicsError) and error.code in _ABOUT_THE_CALL:
        return True
    if _is_memory(error):
        return n_images > 1
    # A GPU that failed gives no image more; what is finished is kept, and the next run begins with a new process.
    if "torch" not in sys.modules:
        return False
    from deepradiomics.training._cuda import is_device_fault

    return is_device_fault(error)


def _is_memory(error):
    """Whether memory ran out, of the machine or of its GPU."""
    if isinstance(error, MemoryError) or getattr(error, "code", None) == "out_of_memory":
        return True
    if "torch" not in sys.modules:  # then no GPU was asked for anything
        return False
    from deepradiomics.training._cuda import is_out_of_memory

    return is_out_of_memory(error)


def _code(error):
    if _is_memory(error):
        return "out_of_memory"
    return error.code if isinstance(error, DeepRadiomicsError) else type(error).__name__


def _transform(estimator, batch):
    """Features of a batch, and what its estimators wrote down as failed."""
    batch = batch.reset_index(drop=True)
    for owner in estimators_in(estimator):
        vars(owner).pop("failures_", None)
    found = estimator.transform(batch)
    values = _numbers(found, len(batch))
    failures = [(row, item, code) for row, item, code, _ in failures_of(estimator)]
    return _Part(len(batch), _names(estimator, found, values.shape[1]), values, failures)


def _numbers(found, n_rows):
    try:
        values = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            "the estimator gives columns that are not numbers; let it end in features, such as those of "
            "TextureExtractor",
            code="table",
        ) from error
    if values.ndim != 2 or len(values) != n_rows:
        raise InputError(
            f"the estimator gave an array of shape {values.shape} for {n_rows} images; one row an image is needed",
            code="table",
        )
    return values


def _names(estimator, found, n_features):
    """Names of the features."""
    if isinstance(found, pd.DataFrame):
        names = [str(name) for name in found.columns]
    elif hasattr(estimator, "get_feature_names_out"):
        names = [str(name) for name in estimator.get_feature_names_out()]
    else:
        names = [f"x{number}" for number in range(n_features)]
    if len(set(names)) != n_features:
        raise InputError(
            f"the estimator names {len(set(names))} features and gives {n_features}; names must differ", code="columns"
        )
    return names


def _joined(parts):
    """Put the parts of a chunk together; images that failed are rows of NaN."""
    names = next((part.names for part in parts if part.names is not None), None)
    failures, start = [], 0
    for part in parts:
        failures += [(start + row, item, code) for row, item, code in part.failures]
        if part.error is not None:
            failures.append((start, "", _code(part.error)))
        start += part.n
    if names is None:
        return Measured(None, None, failures)
    empty = np.full((1, len(names)), np.nan)
    return Measured(names, np.vstack([empty if part.values is None else part.values for part in parts]), failures)


def _own(estimator):
    """Copy the estimators, which write down their failures, but not what they have learned: threads share that."""
    shared = {
        id(value): value
        for owner in estimators_in(estimator)
        for value in vars(owner).values()
        if not isinstance(value, BaseEstimator | dict | list | tuple)
    }
    return deepcopy(estimator, shared)
