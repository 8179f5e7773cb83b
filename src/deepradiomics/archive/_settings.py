"""What decides the values: a hash over the estimator, what it learned, and versions."""

import functools
import json
import types
from hashlib import blake2b
from importlib.metadata import version

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

_FORMAT = 1
_PACKAGES = ("deepradiomics", "numpy", "scipy", "scikit-learn", "numba", "PyWavelets", "pydicom", "SimpleITK")
# They change how fast values come, and what is said meanwhile, but no value.
_WITHOUT_EFFECT = {"n_jobs", "verbose", "memory", "pre_dispatch"}
# Left behind by a call, not learned.
_LEFT_BEHIND = {"failures_", "history_", "_seen", "_sklearn_output_config"}


def settings_of(estimator, id_column, columns):
    """Describe what decides the values: dict of plain values, ``hash`` among them.

    The hash covers what was learned, too; the rest is for people to read.
    """
    text = json.dumps([_FORMAT, id_column, columns, _versions(estimator)])
    digest = blake2b(text.encode(), digest_size=8)
    _add(digest, estimator)
    return {
        "format": _FORMAT,
        "hash": digest.hexdigest(),
        "estimator": f"{type(estimator).__module__}.{type(estimator).__qualname__}",
        "parameters": {name: _readable(value) for name, value in sorted(estimator.get_params(deep=True).items())},
        "versions": _versions(estimator),
        "id_column": id_column,
        "columns": columns,
    }


def estimators_in(value, seen=None):
    """Yield each estimator inside an estimator or a list of them, itself first, each once."""
    seen = set() if seen is None else seen
    if id(value) in seen or not isinstance(value, BaseEstimator | dict | list | tuple):
        return
    seen.add(id(value))
    if isinstance(value, BaseEstimator):
        yield value
        value = vars(value)
    for inner in value.values() if isinstance(value, dict) else value:
        yield from estimators_in(inner, seen)


def _versions(estimator):
    """Versions of what computes; torch's if a network takes part."""
    packages = list(_PACKAGES)
    modules = {type(owner).__module__ for owner in estimators_in(estimator)}
    if any(name.startswith(("deepradiomics.deep", "deepradiomics.segmentation")) for name in modules):
        packages.append("torch")
    return {package: version(package) for package in packages}


def _readable(value):
    """A parameter for people: plain values as they are, of paths the last part, of objects the class."""
    if isinstance(value, str):
        return value.replace("\\", "/").rpartition("/")[2]
    plain = value is None or isinstance(value, bool | int | float)
    return value if plain else type(value).__name__


def _add(digest, value):
    """Feed a value, however nested, to the digest; equal values give equal bytes in every process."""
    digest.update(f"<{type(value).__module__}.{type(value).__qualname__}".encode())
    if isinstance(value, BaseEstimator):
        _add_pairs(digest, _state(value))
    elif isinstance(value, dict):
        _add_pairs(digest, value)
    elif isinstance(value, list | tuple):
        for inner in value:
            _add(digest, inner)
    else:
        digest.update(_bytes(value))
    digest.update(b">")


def _add_pairs(digest, pairs):
    for name in sorted(pairs, key=str):
        digest.update(f"{name!r}=".encode())
        _add(digest, pairs[name])


def _state(estimator):
    """Parameters, and what was learned where something is learned."""
    state = vars(estimator) if get_tags(estimator).requires_fit else estimator.get_params(deep=False)
    return {name: value for name, value in state.items() if name not in _WITHOUT_EFFECT | _LEFT_BEHIND}


def _bytes(value):
    """Bytes of a value that is no container."""
    if value is None or isinstance(value, str | bytes | int | float | complex | np.generic):
        return repr(value).encode()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    if isinstance(value, np.ndarray | pd.DataFrame | pd.Series | pd.Index):
        return repr(np.asarray(value, dtype=object).tolist()).encode()
    if isinstance(value, types.FunctionType):
        return f"{value.__module__}.{value.__qualname__}".encode() + value.__code__.co_code
    return _bytes_of_object(value)


def _bytes_of_object(value):
    """Bytes of a network, trees, or anything else."""
    if hasattr(value, "state_dict"):
        tensors = value.state_dict()
        return b"".join(name.encode() + _bytes(tensors[name].detach().cpu().numpy()) for name in sorted(tensors))
    if hasattr(value, "save_raw"):
        return bytes(value.save_raw("ubj"))
    if isinstance(value, functools.partial):
        return joblib.hash((value.func, value.args, value.keywords)).encode()
    return joblib.hash(value).encode()
