"""Fit the blocks once, then each feature set behind them on its slice of the columns."""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from inspect import signature
from itertools import product

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from deepradiomics.estimators import estimators_in
from deepradiomics.exceptions import InputError
from deepradiomics.metrics.rates import youden_threshold
from deepradiomics.splits import check_groups_given, splits_by_group, stratified_splitter

# Folds inside the training part for the threshold: 3 keeps the cost of a feature set at four fits of its classifier.
_THRESHOLD_FOLDS = 3
# Methods that groups and sites are handed to.
_TAKE = ("fit", "transform")


@dataclass(frozen=True)
class SetResult:
    """What one feature set gave in one fit; its classifier was given ``n_features`` columns.

    ``threshold``: score from which on to call the event, or each of several classes, chosen on training rows; None for
    numbers, and where none was asked for. ``scores``: a float array a test table, (n_rows,), or (n_rows, n_classes) for
    more than two classes; for numbers the prediction. ``chosen``: names of the columns that reached the classifier, by
    block, none of a block that names columns after words of the table; empty where columns have no names.
    """

    name: str
    n_features: int
    threshold: float
    scores: list
    chosen: dict = field(default_factory=dict)


def fit_feature_sets(parts, sets, train, tests, seed, n_classes=2):
    """Fit the blocks on the training rows, then every feature set, and score the test tables: a list of `SetResult`.

    ``parts`` is the unfitted model, ``sets`` has the blocks of each set. ``train`` is (table, labels, metadata):
    numbers of the classes (int, from 0) or values (float), and a dict with the ``groups`` and ``site`` of each row, or
    none of them; ``tests`` is a list of (table, metadata). ``seed`` is of the folds inside the training part on which
    thresholds are chosen, None chooses none. ``n_classes`` is None for values.
    """
    table, y, metadata = train
    with metadata_routing(parts.front, metadata), _empty_selections_are_results():
        front = with_metadata(parts.front, metadata)
        features = front.fit_transform(table, y, **_routed(front, "fit_transform", metadata))
        others = [front.transform(test, **_routed(front, "transform", own)) for test, own in tests]
    _check_names(parts.tail, features)
    indices = front[-1].output_indices_
    names = getattr(features, "columns", None)
    results = []
    for name, members in sets.items():
        columns = np.concatenate([np.arange(features.shape[1])[indices[block]] for block in members])
        own = [_safe_indexing(part, columns, axis=1) for part in (features, *others)]
        present = [block for block in members if indices[block].start < indices[block].stop]
        tail = _without_blocks(parts.tail, present, parts.blocks)
        threshold = None
        if seed is not None and n_classes is not None:
            threshold = _training_threshold(tail, own[0], y, metadata, seed, n_classes)
        score, kept, n_features = _fitted(tail, own[0], y, metadata, n_classes)
        scores = [score(part, of_rows) for part, (_, of_rows) in zip(own[1:], tests, strict=True)]
        # A column that is named after a word of one patient would bring it into checkpoints and onto pages.
        chosen = {block: [] for block in members if names is not None}
        for block in chosen.keys() & parts.named:
            chosen[block] = [str(names[n]) for n in columns[kept] if indices[block].start <= n < indices[block].stop]
        results.append(SetResult(name, n_features, threshold, scores, chosen))
    return results


def _check_names(tail, features):
    """Refuse, before XGBoost does, names of features that it cannot hold."""
    wrong = [str(name) for name in getattr(features, "columns", ()) if set(str(name)) & set("[]<")]
    if wrong and any(type(step).__module__.startswith("xgboost") for step in estimators_in(tail)):
        raise InputError(
            f"{len(wrong)} features have [, ] or < in their names, which XGBoost refuses, first {wrong[0]!r}; rename "
            "the column"
        )


def metadata_routing(model, metadata):
    """Context in which scikit-learn's metadata routing is on, if a step of the model takes the groups or sites there
    are.

    A step that splits by group where there are no groups is a LeakageError.
    """
    for name, value in model.get_params().items():
        check_groups_given(value, metadata.get("groups"), name)
    return config_context(enable_metadata_routing=any(_is_taken(model, name) for name in metadata))


def with_metadata(model, metadata):
    """Clone a model in which every step that takes groups or sites asks for them; what the user has requested stays."""
    copy = clone(model)
    for name, step, method in product(metadata, _steps(copy), _TAKE):
        if _takes(step, method, name) and getattr(step.get_metadata_routing(), method).requests.get(name) is None:
            getattr(step, f"set_{method}_request")(**{name: True})
    return copy


def _steps(model):
    return model, *model.get_params().values()


def _is_taken(model, name):
    return any(
        any(_takes(step, method, name) for method in _TAKE) or (name == "groups" and splits_by_group(step))
        for step in _steps(model)
    )


def _takes(step, method, name):
    return _class_takes(type(step), method, name)


@cache
def _class_takes(kind, method, name):
    return hasattr(kind, f"set_{method}_request") and name in signature(getattr(kind, method)).parameters


def _routed(model, method, metadata):
    """Those of the groups and sites that a step of the model takes in this method."""
    taken = [name for name in metadata if _is_taken(model, name)]
    known = model.get_metadata_routing().consumes(method, taken) if taken else ()
    return {name: metadata[name] for name in known}


@contextmanager
def _empty_selections_are_results():
    """Let scikit-learn's warning that nothing was selected be what it is here: a result, shown as 0 features."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No features were selected", category=UserWarning)
        yield


def _without_blocks(tail, present, blocks):
    """Drop the voters of a late fusion whose block is not there."""
    classifier = tail[-1]
    absent = {block: "drop" for block in blocks if block not in present and block in classifier.get_params()}
    return clone(tail).set_params(**{f"{tail.steps[-1][0]}__{block}": word for block, word in absent.items()})


def _fitted(tail, features, y, metadata, n_classes):
    """Fit the steps behind the blocks; return the function that scores rows, given their sites, which columns reached
    the classifier (all of what a step mixes, none if one then chooses), and how many it was given.
    """
    # What predicts without features: the share of each class, or the mean.
    constant = DummyRegressor() if n_classes is None else DummyClassifier(strategy="prior")
    kept, is_mixed = np.arange(features.shape[1]), False
    with metadata_routing(tail, metadata), _empty_selections_are_results():
        tail = with_metadata(tail, metadata)
        if features.shape[1] == 0 or len(np.unique(y)) == 1:
            return _scorer(constant.fit(features, y), n_classes), kept, len(kept)
        for _, step in tail.steps[:-1]:
            transformed = step.fit_transform(features, y, **_routed(step, "fit_transform", metadata))
            if transformed.shape[1] == 0:
                return _scorer(constant.fit(features, y), n_classes), kept[:0], 0
            is_mixed = is_mixed or (sources := _sources(step, features.shape[1])) is None
            if not is_mixed:
                kept = kept[sources]
            elif any(hasattr(part, "get_support") for part in estimators_in(step)):
                kept = kept[:0]
            features = transformed
        classifier = tail[-1].fit(features, y, **_routed(tail[-1], "fit", metadata))
    return _scorer(classifier, n_classes, tail[:-1] if len(tail) > 1 else None), kept, features.shape[1]


def _sources(step, n_columns):
    """Which of the columns that a fitted step was given each of its own is, int (n,); None where it makes others."""
    given = {name: n for n, name in enumerate(getattr(step, "feature_names_in_", [f"x{n}" for n in range(n_columns)]))}
    try:
        return np.array([given[name] for name in step.get_feature_names_out(list(given))], dtype=int)
    except (AttributeError, KeyError, ValueError):  # It names no columns, or others than it was given.
        return None


def _scorer(final, n_classes, before=None):
    def score(features, metadata):
        # Splitters are of no use here, so that groups need not be there.
        def ask(step, method):
            with config_context(enable_metadata_routing=any(_is_taken(step, name) for name in metadata)):
                return getattr(step, method)(features, **_routed(step, method, metadata))

        features = features if before is None else ask(before, "transform")
        if n_classes is None:
            return np.asarray(ask(final, "predict"), dtype=float).reshape(len(features))
        is_probability = hasattr(final, "predict_proba")
        scores = np.asarray(ask(final, "predict_proba" if is_probability else "decision_function"), dtype=float)
        if n_classes > 2:
            _check_columns(final, scores, is_probability)
            return _all_classes(scores, final.classes_, n_classes)
        return scores[:, np.flatnonzero(final.classes_ == 1)].sum(axis=1) if is_probability else scores

    return score


def _check_columns(final, scores, is_probability):
    """Refuse scores that are not one a class; those of pairs are as many as the classes where there are three."""
    n_columns = 2 if scores.ndim == 1 else scores.shape[1]
    inner = getattr(final, "best_estimator_", final)
    inner = inner[-1] if isinstance(inner, Pipeline) else inner
    of_pairs = not is_probability and getattr(inner, "decision_function_shape", None) == "ovo"
    if (of_pairs and len(final.classes_) > 2) or n_columns != len(final.classes_):
        raise InputError(
            f"{type(final).__name__} scores pairs of classes or gives {n_columns} scores for {len(final.classes_)} "
            "classes; give one score a class: set decision_function_shape='ovr', or use a classifier with "
            "probabilities"
        )


def _all_classes(scores, known, n_classes):
    """Scores (n_rows, n_classes); a class that the training rows lack gets what the least likely one has, or 0."""
    if scores.ndim == 1:
        scores = np.column_stack([-scores, scores])
    is_probability = np.allclose(scores.sum(axis=1), 1) and (scores >= 0).all()
    least = np.zeros(len(scores)) if is_probability else scores.min(axis=1, initial=0)
    found = np.repeat(least[:, None], n_classes, axis=1)
    found[:, known] = scores
    return found


def _training_threshold(tail, features, y, metadata, seed, n_classes):
    """Youden's threshold on scores of training rows, each from a classifier that did not see the row."""
    groups = metadata.get("groups")
    counts = [
        len(members if groups is None else np.unique(groups[members]))
        for members in (np.flatnonzero(y == code) for code in range(n_classes))
    ]
    n_folds = min(_THRESHOLD_FOLDS, *counts)
    if n_folds < 2:
        return _youden(y, _fitted(tail, features, y, metadata, n_classes)[0](features, metadata))
    scores = np.empty(len(y) if n_classes == 2 else (len(y), n_classes))
    for train, test in stratified_splitter(n_folds, groups, seed).split(y, y, groups):
        inner, other = ({name: values[rows] for name, values in metadata.items()} for rows in (train, test))
        score, *_ = _fitted(tail, _safe_indexing(features, train), y[train], inner, n_classes)
        scores[test] = score(_safe_indexing(features, test), other)
    return _youden(y, scores)


def _youden(y, scores):
    if scores.ndim == 1:
        return youden_threshold(y, scores)
    return [youden_threshold(y == code, score) for code, score in enumerate(scores.T)]
