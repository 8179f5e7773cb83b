"""Fit the blocks once, then each feature set behind them on its slice of the columns."""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.utils import _safe_indexing

from deepradiomics.metrics.rates import youden_threshold
from deepradiomics.splits import check_groups_given, splits_by_group, stratified_splitter

# Folds inside the training part for the threshold: 3 keeps the cost of a feature set at four fits of its classifier.
_THRESHOLD_FOLDS = 3


@dataclass(frozen=True)
class SetResult:
    """What one feature set gave in one fit.

    Parameters
    ----------
    name : str
        The feature set.
    n_features : int
        Columns that reached the classifier.
    threshold : float
        Score from which on to call the event, chosen on training rows.
    scores : list of float arrays
        Score of each row of each test table.

    Examples
    --------
    >>> from deepradiomics.comparison.fitting import SetResult
    >>> SetResult("C", 3, 0.5, []).name
    'C'
    """

    name: str
    n_features: int
    threshold: float
    scores: list


def fit_feature_sets(parts, sets, train, tests, seed):
    """Fit the blocks on the training rows, then every feature set, and score the test tables.

    Parameters
    ----------
    parts : ModelParts
        The unfitted model.
    sets : dict of str to list of str
        Blocks of each feature set.
    train : tuple (table, labels, groups)
        Training rows: a table, int array of 0 and 1, and int array or None.
    tests : list of tables
        What to score.
    seed : int
        Seed of the folds inside the training part on which thresholds are chosen.

    Returns
    -------
    list of SetResult
        One a feature set.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.compose import ColumnTransformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from deepradiomics.comparison.fitting import fit_feature_sets
    >>> from deepradiomics.comparison.stateless import cut_model
    >>> model = make_pipeline(ColumnTransformer([("age", "passthrough", [0])]), LogisticRegression())
    >>> X, y = np.array([[50.0], [60.0], [70.0], [80.0]]), np.array([0, 0, 1, 1])
    >>> result, = fit_feature_sets(cut_model(model), {"age": ["age"]}, (X, y, None), [X], seed=0)
    >>> (result.scores[0] > 0.5).tolist()
    [False, False, True, True]
    """
    table, y, groups = train
    with group_routing(parts.front, groups), _empty_selections_are_results():
        front = with_groups(parts.front, groups)
        features = front.fit_transform(table, y, **_routed(front, "fit_transform", groups))
        others = [front.transform(test) for test in tests]
    indices = front[-1].output_indices_
    results = []
    for name, members in sets.items():
        columns = np.concatenate([np.arange(features.shape[1])[indices[block]] for block in members])
        own = [_safe_indexing(part, columns, axis=1) for part in (features, *others)]
        tail = _without_blocks(parts.tail, [block for block in members if not _is_empty(indices[block])], parts.blocks)
        threshold = _training_threshold(tail, own[0], y, groups, seed)
        fitted = _fitted(tail, own[0], y, groups)
        results.append(SetResult(name, len(columns), threshold, [fitted(part) for part in own[1:]]))
    return results


def group_routing(model, groups):
    """Switch scikit-learn's metadata routing on where a step of the model takes groups.

    Parameters
    ----------
    model : estimator
        The model.
    groups : array or None
        Patient of each row.

    Returns
    -------
    context manager
        Routing is on inside it, if there are groups and a step that takes them.

    Raises
    ------
    LeakageError
        If a step splits by group and there are no groups.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from deepradiomics.comparison.fitting import group_routing
    >>> with group_routing(LogisticRegression(), None):
    ...     pass
    """
    for name, value in model.get_params().items():
        check_groups_given(value, groups, name)
    return config_context(enable_metadata_routing=groups is not None and _takes_groups(model))


def with_groups(model, groups):
    """Clone a model in which every step that takes groups asks for them.

    Parameters
    ----------
    model : estimator
        The model.
    groups : array or None
        Patient of each row; None is a plain clone.

    Returns
    -------
    estimator
        The unfitted clone. What the user has requested or refused by ``set_fit_request`` stays.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from deepradiomics.comparison.fitting import with_groups
    >>> with_groups(LogisticRegression(), None)
    LogisticRegression()
    """
    copy = clone(model)
    if groups is not None and _takes_groups(copy):
        for step in (copy, *copy.get_params().values()):
            if _fit_has_groups(step) and step.get_metadata_routing().fit.requests.get("groups") is None:
                step.set_fit_request(groups=True)
    return copy


def _takes_groups(model):
    return any(_fit_has_groups(step) or splits_by_group(step) for step in (model, *model.get_params().values()))


def _fit_has_groups(step):
    return hasattr(step, "set_fit_request") and "groups" in signature(step.fit).parameters


def _routed(model, method, groups):
    """The keyword with the groups, if a step of the model takes them in this method."""
    if groups is None or not _takes_groups(model):
        return {}
    return {"groups": groups} if model.get_metadata_routing().consumes(method, ["groups"]) else {}


@contextmanager
def _empty_selections_are_results():
    """Let scikit-learn's warning that nothing was selected be what it is here: a result, shown as 0 features."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No features were selected", category=UserWarning)
        yield


def _is_empty(columns):
    return columns.start == columns.stop


def _without_blocks(tail, present, blocks):
    """Drop the voters of a late fusion whose block is not there."""
    classifier = tail[-1]
    absent = {block: "drop" for block in blocks if block not in present and block in classifier.get_params()}
    return clone(tail).set_params(**{f"{tail.steps[-1][0]}__{block}": word for block, word in absent.items()})


def _fitted(tail, features, y, groups):
    """Fit the steps behind the blocks; return the function that scores rows."""
    with group_routing(tail, groups), _empty_selections_are_results():
        tail = with_groups(tail, groups)
        if features.shape[1] == 0 or len(np.unique(y)) == 1:
            return _scorer(DummyClassifier(strategy="prior").fit(features, y))
        for _, step in tail.steps[:-1]:
            transformed = step.fit_transform(features, y, **_routed(step, "fit_transform", groups))
            if transformed.shape[1] == 0:
                return _scorer(DummyClassifier(strategy="prior").fit(features, y))
            features = transformed
        classifier = tail[-1].fit(features, y, **_routed(tail[-1], "fit", groups))
    return _scorer(classifier, tail[:-1] if len(tail) > 1 else None)


def _scorer(classifier, before=None):
    def score(features):
        features = features if before is None else before.transform(features)
        if not hasattr(classifier, "predict_proba"):
            return np.asarray(classifier.decision_function(features), dtype=float)
        event = np.flatnonzero(classifier.classes_ == 1)
        return np.asarray(classifier.predict_proba(features), dtype=float)[:, event].sum(axis=1)

    return score


def _training_threshold(tail, features, y, groups, seed):
    """Youden's threshold on scores of training rows, each from a classifier that did not see the row."""
    counts = [
        len(members if groups is None else np.unique(groups[members]))
        for members in map(np.flatnonzero, (y == 0, y == 1))
    ]
    n_folds = min(_THRESHOLD_FOLDS, *counts)
    if n_folds < 2:
        return youden_threshold(y, _fitted(tail, features, y, groups)(features))
    scores = np.empty(len(y))
    for train, test in stratified_splitter(n_folds, groups, seed).split(y, y, groups):
        inner_groups = None if groups is None else groups[train]
        score = _fitted(tail, _safe_indexing(features, train), y[train], inner_groups)
        scores[test] = score(_safe_indexing(features, test))
    return youden_threshold(y, scores)
