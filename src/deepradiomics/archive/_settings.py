"""Hash what decides the values: the estimator, what it learned, its code, and versions."""

import functools
import inspect
import json
import types
from hashlib import blake2b
from importlib.metadata import version

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

from deepradiomics.estimators import estimators_in

_FORMAT = 1
_PACKAGES = ("deepradiomics", "numpy", "scipy", "scikit-learn", "numba", "PyWavelets", "pydicom", "SimpleITK")
# Their versions are in the hash, so their code need not be.
_VERSIONED = {"deepradiomics", "sklearn", "numpy", "scipy", "xgboost", "builtins", "pywt", "torch", "pandas"}
# What a function may read from its module and never sees changed.
_FIXED = (types.FunctionType, str, bytes, int, float, complex, tuple, frozenset, np.generic, np.ndarray)
# They change how fast values come, and what is said meanwhile, but no value.
_WITHOUT_EFFECT = {"n_jobs", "verbose", "memory", "pre_dispatch"}
# Left behind by a call, not learned.
_LEFT_BEHIND = {"failures_", "unsure_", "history_", "_seen", "_sklearn_output_config"}


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
        for function in _own_functions(type(value)):
            _add_function(digest, function, set())
    elif isinstance(value, types.FunctionType):
        _add_function(digest, value, set())
    elif isinstance(value, dict):
        _add_pairs(digest, value)
    elif (inner := _inside(value)) is not None:
        for one in inner:
            _add(digest, one)
    else:
        digest.update(_bytes(value))
        for function in _own_functions(type(value)):
            _add_function(digest, function, set())
    digest.update(b">")


def _inside(value):
    """What a value is made of, or None."""
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, set | frozenset):
        # Their order differs from process to process.
        return sorted(map(repr, value))
    return value if isinstance(value, list | tuple) else None


def _add_pairs(digest, pairs):
    for name in sorted(pairs, key=str):
        digest.update(f"{name!r}=".encode())
        _add(digest, pairs[name])


def _own_functions(kind):
    """Functions of the classes that the user wrote: no version says when these change."""
    own = [one for one in kind.__mro__ if not _is_versioned(one)]
    # Of a staticmethod, classmethod or property, the function inside.
    values = [value for one in own for _, value in sorted(vars(one).items())]
    inside = [getattr(value, "__func__", getattr(value, "fget", value)) for value in values]
    return [value for value in inside if isinstance(value, types.FunctionType)]


def _is_versioned(value):
    return (value.__module__ or "").partition(".")[0] in _VERSIONED


def _add_function(digest, function, seen):
    """Feed what a function does: its code, its defaults, and what it reads outside itself where that is plain."""
    if function in seen:
        return
    seen.add(function)
    digest.update(f"{function.__module__}.{function.__qualname__}".encode())
    _add_code(digest, function.__code__)
    outside = inspect.getclosurevars(function)
    # A list or dict of the module may be a cache, which changes and decides nothing.
    fixed = {name: value for name, value in outside.globals.items() if isinstance(value, _FIXED)}
    for pairs in (fixed, outside.nonlocals):
        for name in sorted(pairs):
            digest.update(f"{name}=".encode())
            _add_read(digest, pairs[name], seen)
    for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        _add_read(digest, value, seen)


def _add_read(digest, value, seen):
    if isinstance(value, types.FunctionType):
        if not _is_versioned(value):
            _add_function(digest, value, seen)
    elif not isinstance(value, types.ModuleType | type):
        _add(digest, value)


def _add_code(digest, code):
    digest.update(code.co_code + repr(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _add_code(digest, constant)
        else:
            _add(digest, constant)


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
    if hasattr(value, "state_dict"):
        tensors = value.state_dict()
        return b"".join(name.encode() + _bytes(tensors[name].detach().cpu().numpy()) for name in sorted(tensors))
    if hasattr(value, "save_raw"):
        return bytes(value.save_raw("ubj"))
    return joblib.hash(value).encode()
