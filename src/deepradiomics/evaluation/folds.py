"""Who is trained on and who is tested: patients kept together, and proof that they were."""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv

from deepradiomics.evaluation._inputs import check_number
from deepradiomics.exceptions import InputError, LeakageError
from deepradiomics.patients import number_patients

PATIENT_COLUMN = "patient"


def patient_groups(X, groups=None):
    """Return the patient of each row: what was given, else the column ``patient``, else None.

    Parameters
    ----------
    X : DataFrame or array of shape (n_samples, n_columns)
        The table.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row, or a coarser grouping such as identical images.

    Returns
    -------
    int array of shape (n_samples,) or None
        A number a group, in the order of first appearance.

    Raises
    ------
    InputError
        If there is not one group a row, or a patient is missing.
    LeakageError
        If the rows of one patient in the column ``patient`` lie in different groups.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.evaluation.folds import patient_groups
    >>> patient_groups(pd.DataFrame({"patient": ["b", "a", "b"]}))
    array([0, 1, 0])
    """
    patients = X[PATIENT_COLUMN].to_numpy() if PATIENT_COLUMN in getattr(X, "columns", ()) else None
    if groups is None and patients is None:
        return None
    codes = number_patients(patients if groups is None else groups, len(X))
    if groups is not None and patients is not None:
        _check_within_one(number_patients(patients, len(X)), codes)
    return codes


def patient_splits(cv, y, groups=None, random_state=None):
    """Split the rows into training and test parts with whole patients.

    Parameters
    ----------
    cv : int, splitter or iterable of (train, test)
        A number of folds is stratified and shuffled, and keeps groups together where there are groups.
    y : int array of shape (n_samples,)
        Labels.
    groups : int array of shape (n_samples,), default=None
        Patient of each row.
    random_state : int, RandomState instance or None, default=None
        Shuffles the rows when ``cv`` is a number.

    Returns
    -------
    list of (train, test)
        Row numbers of each fold. Each row is tested exactly once.

    Raises
    ------
    InputError
        If a class has fewer patients than folds, a row is not tested exactly once, or a training part lacks a class.
    LeakageError
        If a patient stands on both sides of a split, or ``cv`` splits by group and there are no groups.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.evaluation.folds import patient_splits
    >>> splits = patient_splits(2, np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2, 3, 3]), 0)
    >>> [test.tolist() for _, test in splits]
    [[2, 3, 4, 5], [0, 1, 6, 7]]
    """
    if isinstance(cv, int | np.integer):
        check_number("cv", cv, low=2)
        _check_enough(cv, y, groups)
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        cv = kind(int(cv), shuffle=True, random_state=random_state)
    splitter = _splitter(cv, y)
    if splits_by_group(splitter) and groups is None:
        raise LeakageError(
            f"{type(splitter).__name__} splits by group and there are no groups; give groups= or a column "
            f"{PATIENT_COLUMN!r}",
            code="no_groups",
        )
    # scikit-learn's own splitters warn of groups that they do not use.
    used = groups if splits_by_group(splitter) or not hasattr(splitter, "get_metadata_routing") else None
    splits = [tuple(map(np.asarray, split)) for split in splitter.split(np.zeros((len(y), 1)), y, used)]
    _check_partition(splits, len(y))
    for number, (train, test) in enumerate(splits, start=1):
        _check_fold(number, train, test, y, groups)
    return splits


def splits_by_group(splitter):
    """Tell whether a splitter needs groups.

    Parameters
    ----------
    splitter : object
        A splitter of scikit-learn, or anything else.

    Returns
    -------
    bool
        True for `GroupKFold` and its kin.

    Examples
    --------
    >>> from sklearn.model_selection import GroupKFold, KFold
    >>> from deepradiomics.evaluation.folds import splits_by_group
    >>> splits_by_group(GroupKFold()), splits_by_group(KFold()), splits_by_group(5)
    (True, False, False)
    """
    # Group splitters are those that ask for groups by default: scikit-learn's own mark, its mixin being private.
    routing = getattr(splitter, "get_metadata_routing", None)
    return routing is not None and bool(routing().consumes("split", ["groups"]))


def _splitter(cv, y):
    if not (hasattr(cv, "split") or np.iterable(cv)) or isinstance(cv, str):
        raise InputError(
            f"cv is {cv!r}; give a number of folds, a splitter of scikit-learn, or (train, test) row numbers", code="cv"
        )
    return check_cv(cv, y, classifier=True)


def _check_within_one(patients, groups):
    for patient in range(patients.max() + 1):
        rows = np.flatnonzero(patients == patient)
        if len(set(groups[rows])) > 1:
            raise LeakageError(
                f"rows {rows[:5].tolist()} are one patient by the column {PATIENT_COLUMN!r}, and groups= puts them "
                "into different groups; give groups that keep each patient together",
                code="patient_overlap",
            )


def _check_enough(n_folds, y, groups):
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        n_patients = len(members) if groups is None else len(np.unique(groups[members]))
        if n_patients < n_folds:
            raise InputError(
                f"class {label} has {n_patients} patient(s), fewer than the {n_folds} folds; "
                f"use cv={max(n_patients, 2)} or collect more",
                code="few_patients",
            )


def _check_partition(splits, n_rows):
    tested = np.bincount(np.concatenate([test for _, test in splits]), minlength=n_rows)
    if (tested != 1).any():
        row = np.flatnonzero(tested != 1)[0]
        raise InputError(
            f"row {row} is tested {tested[row]} times; give a cv that tests each row once, such as a number of folds",
            code="not_a_partition",
        )


def _check_fold(number, train, test, y, groups):
    if np.intersect1d(train, test).size:
        raise LeakageError(
            f"fold {number} trains on row {np.intersect1d(train, test)[0]} and tests it; split anew", code="row_overlap"
        )
    if len(np.unique(y[train])) < len(np.unique(y)):
        raise InputError(f"the training part of fold {number} lacks a class; use fewer folds", code="class_missing")
    if groups is None:
        return
    shared = np.intersect1d(groups[train], groups[test])
    if len(shared):
        pairs = [(int(train[groups[train] == g][0]), int(test[groups[test] == g][0])) for g in shared[:5]]
        named = ", ".join(f"rows {a} and {b}" for a, b in pairs)
        raise LeakageError(
            f"fold {number}: {len(shared)} patient(s) stand on both sides of the split ({named}); use a splitter that "
            "keeps groups together, such as StratifiedGroupKFold",
            code="patient_overlap",
        )
