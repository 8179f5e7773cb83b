"""Check the trees of XGBoost (JSON) and scikit-learn, whose own code would follow an invalid child out of its array."""

import json
from itertools import pairwise
from math import isfinite

import numpy as np

from deepradiomics.estimators import estimators_in
from deepradiomics.exceptions import InputError

_MOST_DEPTH, _MOST_GROUPS = 10_000, 10_000
_PER_NODE = (
    "base_weights",
    "default_left",
    "left_children",
    "loss_changes",
    "parents",
    "right_children",
    "split_conditions",
    "split_indices",
    "split_type",
    "sum_hessian",
)
_CATEGORICAL = ("categories", "categories_nodes", "categories_segments", "categories_sizes")


def booster_bytes(booster):
    """Trees of XGBoost in its JSON."""
    return checked_booster(bytes(booster.save_raw("json")), "the model")


def give_booster(owner, data, name):
    """Give an estimator of XGBoost its trees."""
    from xgboost import Booster
    from xgboost.core import XGBoostError

    try:
        owner._Booster = Booster(model_file=bytearray(checked_booster(data, name)))
    except XGBoostError as error:
        raise _invalid(name, "trees that XGBoost cannot read") from error


def checked_booster(data, name):
    """XGBoost's JSON written anew from what was checked."""
    try:
        model = json.loads(data, parse_constant=lambda word: _raise(_invalid(name, f"a weight of {word}")))
        learner = model["learner"]
        booster = learner["gradient_booster"]
        if booster["name"] != "gbtree" or any(booster["model"].get("cats", {}).values()):
            raise InputError(
                f"{name} has XGBoost's {str(booster['name'])[:20]!r} or trees of categories; plain trees "
                "(booster='gbtree', enable_categorical=False) are saved and loaded",
                code="untrusted",
            )
        _check_forest(booster["model"], learner["learner_model_param"], name)
    except InputError:
        # An InputError is a ValueError, too.
        raise
    except (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise _invalid(name, f"trees that cannot be read ({type(error).__name__})") from error
    return json.dumps(model).encode()


def _check_forest(forest, settings, name):
    n_columns = int(settings["num_feature"])
    n_groups = max(1, int(settings["num_class"])) * max(1, int(settings["num_target"]))
    trees, groups, rounds = forest["trees"], forest["tree_info"], forest["iteration_indptr"]
    counted = int(forest["gbtree_model_param"]["num_trees"]) == len(trees) == len(groups) == rounds[-1]
    ordered = rounds[0] == 0 and all(a <= b for a, b in pairwise(rounds))
    if not (counted and ordered and n_groups <= _MOST_GROUPS and all(group in range(n_groups) for group in groups)):
        raise _invalid(name, "another number of trees than it says")
    for tree in trees:
        _check_tree(tree, n_columns, name)


def _check_tree(tree, n_columns, name):
    """Refuse a tree of XGBoost whose arrays differ in length, are not finite, or lead out of the tree."""
    settings = tree["tree_param"]
    n_nodes = int(settings["num_nodes"])
    lengths = {len(tree[key]) for key in _PER_NODE}
    plain = int(settings["size_leaf_vector"]) <= 1 and not any(tree[key] for key in _CATEGORICAL)
    if lengths != {n_nodes} or not plain or any(tree["split_type"]):
        raise _invalid(name, "a tree of another shape than XGBoost's plain ones")
    if not all(isfinite(value) for key in ("base_weights", "split_conditions") for value in tree[key]):
        raise _invalid(name, "a weight that is not finite")
    children = np.array([tree["left_children"], tree["right_children"]], dtype=np.int64)
    check_children(children, np.array(tree["split_indices"], dtype=np.int64), n_columns, name)


def check_children(children, columns, n_columns, name):
    """Check that each node has no child or two that come after it, and asks for a column that there is.

    children : int array (2, n_nodes), -1 for none. columns : int array (n_nodes,). Returns the depth.
    """
    n_nodes = children.shape[1]
    if n_nodes == 0:
        raise _invalid(name, "a tree without a node")
    depth, level = 0, np.array([0])
    while True:
        inner = level[(children[:, level] != -1).any(axis=0)]
        following = children[:, inner]
        if (following <= inner).any() or (following >= n_nodes).any() or depth > _MOST_DEPTH:
            raise _invalid(name, "a tree that leads out of itself")
        if (columns[inner] < 0).any() or (columns[inner] >= n_columns).any():
            raise _invalid(name, "a tree that asks for a column that there is not")
        if not inner.size:
            return depth
        depth, level = depth + 1, np.sort(following, axis=None)
        if (np.diff(level) == 0).any():
            raise _invalid(name, "a tree whose branches meet")


def check_forests(model, name):
    """Refuse trees of scikit-learn that lead out of their arrays, or stand in another forest than their own."""
    for owner in estimators_in(model):
        tree = vars(owner).get("tree_")
        if tree is not None:
            children = np.array([tree.children_left, tree.children_right])
            depth = check_children(children, tree.feature, owner.n_features_in_, name)
            if (tree.n_features, tree.max_depth) != (owner.n_features_in_, depth):
                raise _invalid(name, "a tree of another size than its estimator says")
        for part in _parts_of_forest(owner):
            if part.n_features_in_ != owner.n_features_in_:
                raise _invalid(name, "a tree of another number of columns than its forest")


def _parts_of_forest(owner):
    """Trees that a forest hands its rows to without a check of their own."""
    from sklearn.ensemble._forest import BaseForest

    return owner.estimators_ if isinstance(owner, BaseForest) and hasattr(owner, "estimators_") else ()


def _raise(error):
    raise error


def _invalid(name, what):
    return InputError(f"{name} holds {what}; it was not written by save, do not use it", code="untrusted")
