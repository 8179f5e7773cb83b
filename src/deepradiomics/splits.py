"""Patients and folds: the one meaning of `groups` and of `cv` in this library."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)

from deepradiomics.exceptions import InputError, LeakageError

PATIENT_COLUMN = "patient"
# Names of columns that hold patients, in small letters and without signs.
_PATIENT_NAMES = frozenset(
    [
        "patient",
        "patientid",
        "patientno",
        "patientnumber",
        "pid",
        "subject",
        "subjectid",
        "mrn",
        "caseid",
        "studyuid",
        "studyinstanceuid",
    ]
)


def names_patients(name):
    """Tell whether a column is called as columns of patients are.

    Parameters
    ----------
    name : object
        Name of a column or of an index.

    Returns
    -------
    bool
        True for ``patient``, ``PatientID``, ``mrn``, ``study_uid`` and their kin.

    Examples
    --------
    >>> from deepradiomics.splits import names_patients
    >>> names_patients("PatientID"), names_patients("age")
    (True, False)
    """
    return "".join(filter(str.isalnum, str(name).lower())) in _PATIENT_NAMES


def normalized_ids(ids):
    """Write ids so that the same patient has the same id in two tables.

    Parameters
    ----------
    ids : array-like of shape (n_rows,)
        Numbers or text.

    Returns
    -------
    array of str of shape (n_rows,)
        Small letters without blanks at the ends; whole numbers without zeros in front or a decimal point.

    Examples
    --------
    >>> from deepradiomics.splits import normalized_ids
    >>> normalized_ids([7, 7.0, "007", "P1", "p1 "]).tolist()
    ['7', '7', '7', 'p1', 'p1']
    """
    words = [str(value).strip().lower().removesuffix(".0") for value in np.asarray(ids, dtype=object)]
    return np.array([word.lstrip("0") or "0" if word.isdigit() else word for word in words], dtype=object)


def encode_groups(groups, n_rows, *, sort=False):
    """Number the patients of some rows.

    Parameters
    ----------
    groups : array-like of shape (n_rows,)
        Patient of each row: numbers or text.
    n_rows : int
        How many rows there are.
    sort : bool, default=False
        Number the patients in their sorted order, not in the order of first appearance.

    Returns
    -------
    int array of shape (n_rows,)
        The same number for rows of one patient.

    Raises
    ------
    InputError
        If there is not one patient a row, or one is missing. No message holds a patient.

    Examples
    --------
    >>> from deepradiomics.splits import encode_groups
    >>> encode_groups(["b", "a", "b"], 3).tolist()
    [0, 1, 0]
    """
    try:
        values = np.asarray(groups, dtype=object)
        if values.shape != (n_rows,):
            raise InputError(f"groups of shape {values.shape} for {n_rows} rows; give one patient a row", code="length")
        codes = pd.factorize(values, sort=sort)[0]
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("a group is no number or text; give one patient a row", code="length") from None
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise InputError(
            f"row {missing[0]} has no patient ({len(missing)} such rows); name the patient of each row, a made-up "
            "one where unknown",
            code="missing_patient",
        )
    return codes


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
        If the rows of one patient in the column ``patient`` are in different groups.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.splits import patient_groups
    >>> patient_groups(pd.DataFrame({"patient": ["b", "a", "b"]}))
    array([0, 1, 0])
    """
    named = PATIENT_COLUMN in getattr(X, "columns", ())
    patients = encode_groups(X[PATIENT_COLUMN], len(X)) if named else None
    if groups is None:
        return patients
    codes = encode_groups(groups, len(X))
    if patients is not None:
        first = np.unique(patients, return_index=True)[1]
        parted = np.flatnonzero(codes != codes[first[patients]])
        if len(parted):
            rows = np.flatnonzero(patients == patients[parted].min())
            raise LeakageError(
                f"rows {rows[:5].tolist()} are one patient by the column {PATIENT_COLUMN!r}, and groups= puts them "
                "into different groups; give groups that keep each patient together",
                code="patient_overlap",
            )
    return codes


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
    >>> from deepradiomics.splits import splits_by_group
    >>> splits_by_group(GroupKFold()), splits_by_group(KFold()), splits_by_group(5)
    (True, False, False)
    """
    # Group splitters are those that ask for groups by default: scikit-learn's own mark, its mixin being private.
    routing = getattr(splitter, "get_metadata_routing", None)
    return routing is not None and bool(routing().consumes("split", ["groups"]))


def check_groups_given(splitter, groups, name="cv"):
    """Refuse a splitter by group without groups.

    Parameters
    ----------
    splitter : object
        A splitter of scikit-learn, or anything else.
    groups : array-like or None
        Patients.
    name : str, default="cv"
        The parameter that holds the splitter.

    Raises
    ------
    LeakageError
        If the splitter needs groups and there are none.

    Examples
    --------
    >>> from deepradiomics.splits import check_groups_given
    >>> check_groups_given(5, None)
    """
    if groups is None and splits_by_group(splitter):
        raise LeakageError(
            f"{name}={type(splitter).__name__} splits by group and there are no groups; give groups=patients (or a "
            f"column {PATIENT_COLUMN!r} in a comparison), and inside a Pipeline use set_fit_request(groups=True) under "
            "sklearn.config_context(enable_metadata_routing=True)",
            code="groups_missing",
        )


def stratified_splitter(n_splits, groups, random_state):
    """Build what a number of folds means: stratified and shuffled, with whole patients where there are groups.

    Parameters
    ----------
    n_splits : int
        Number of folds.
    groups : array of shape (n_samples,) or None
        Patients.
    random_state : int, RandomState instance or None
        Seed of the shuffle.

    Returns
    -------
    StratifiedKFold or StratifiedGroupKFold
        The splitter.

    Examples
    --------
    >>> from deepradiomics.splits import stratified_splitter
    >>> stratified_splitter(5, None, 0)
    StratifiedKFold(n_splits=5, random_state=0, shuffle=True)
    """
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    return kind(n_splits, shuffle=True, random_state=random_state)


def cross_validation_splits(cv, y, groups=None, *, random_state=None, rows=None, owner=None):
    """Split rows into training and test parts with whole patients.

    Parameters
    ----------
    cv : int, splitter, iterable of (train, test) or None
        A number of folds is stratified and shuffled, and keeps patients together; None is 5.
    y : array of shape (n_samples,)
        Class of each row.
    groups : array of shape (n_samples,), default=None
        Patient of each row; None takes each row for a patient.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffle where ``cv`` is a number.
    rows : int array, default=None
        Rows that take part, sorted; None is all.
    owner : str, default=None
        Whose inner ``cv`` it is, for messages.

    Returns
    -------
    list of (train, test)
        Row numbers of each fold. Each row that takes part is tested exactly once.

    Raises
    ------
    InputError
        If a class has fewer patients than folds, a row is not tested exactly once, or a training part lacks a class.
    LeakageError
        If a patient is on both sides of a split, or ``cv`` splits by group and there are no groups.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.splits import cross_validation_splits
    >>> y, groups = np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    >>> [test.tolist() for _, test in cross_validation_splits(2, y, groups, random_state=0)]
    [[2, 3, 4, 5], [0, 1, 6, 7]]
    """
    cv = 5 if cv is None else cv
    takes_part = np.isin(np.arange(len(y)), np.arange(len(y)) if rows is None else rows)
    if isinstance(cv, Integral):
        if isinstance(cv, bool) or cv < 2:
            raise InputError(f"cv is {cv!r}; it must be a whole number of at least 2")
        advice = "use cv={}" if owner is None else f"use cv={{}} of {owner}, whose inner folds these are,"
        advice += " or collect more"
        _check_enough(int(cv), y, groups, takes_part, advice)
        cv = stratified_splitter(int(cv), groups, random_state)
    elif isinstance(cv, str) or not (hasattr(cv, "split") or np.iterable(cv)):
        raise InputError(
            f"cv is {cv!r}; give a number of folds, a splitter of scikit-learn, or (train, test) row numbers"
        )
    check_groups_given(cv, groups)
    splitter = check_cv(cv, y, classifier=True)
    # scikit-learn's own splitters warn of groups that they do not use.
    used = groups if splits_by_group(splitter) or not hasattr(splitter, "get_metadata_routing") else None
    # All rows are split, so that row numbers which the user wrote down mean what they say.
    found = [[np.asarray(part) for part in split] for split in splitter.split(np.zeros((len(y), 1)), y, used)]
    splits = [(train[takes_part[train]], test[takes_part[test]]) for train, test in found]
    splits = [(train, test) for train, test in splits if len(test)]
    tested = np.bincount(np.concatenate([np.empty(0, int), *(test for _, test in splits)]), minlength=len(y))
    if (tested != takes_part).any():
        row = np.flatnonzero(tested != takes_part)[0]
        raise InputError(
            f"row {row} is tested {tested[row]} times; give a cv that tests each row once, such as a number of folds"
        )
    for number, (train, test) in enumerate(splits, start=1):
        _check_split(f"fold {number}", train, test, y, groups, y[takes_part])
    return splits


def validation_split(rows, fraction, *, y=None, groups=None, random_state=None):
    """Hold out a part of the rows, with whole patients; stratified where there are classes.

    Parameters
    ----------
    rows : int array of shape (n,)
        Rows to split.
    fraction : float
        Proportion to hold out, below 1; 0 holds out nothing. With classes the nearest of 1/2, 1/3, 1/4 ... is taken.
    y : array of shape (n_samples,), default=None
        Class of each row; None splits without regard to classes.
    groups : array of shape (n_samples,), default=None
        Patients.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffle.

    Returns
    -------
    train, validation : int arrays
        Row numbers.

    Raises
    ------
    InputError
        If there are too few patients, in all or in a class.
    LeakageError
        If a patient is on both sides.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.splits import validation_split
    >>> [len(part) for part in validation_split(np.arange(20), 0.2, y=np.repeat([0, 1], 10), random_state=0)]
    [16, 4]
    """
    if not fraction:
        return rows, rows[:0]
    own = None if groups is None else groups[rows]
    if y is None:
        n_units = len(rows if own is None else np.unique(own))
        if n_units < 2:
            raise InputError("a validation part needs two images of different patients at least", code="few_patients")
        if np.ceil(fraction * n_units) >= n_units:
            raise InputError(
                f"a validation_fraction of {fraction} of {n_units} {'images' if own is None else 'patients'} leaves "
                f"none to train on; give at most {np.floor(1000 * (n_units - 1) / n_units) / 1000}"
            )
        kind = ShuffleSplit if own is None else GroupShuffleSplit
        splitter, classes = kind(1, test_size=fraction, random_state=random_state), None
    else:
        n_splits, classes = max(2, round(1 / fraction)), y[rows]
        _check_enough(n_splits, y, groups, np.isin(np.arange(len(y)), rows), "validation_fraction asks for them")
        splitter = stratified_splitter(n_splits, own, random_state)
    train, validation = (rows[part] for part in next(splitter.split(np.zeros(len(rows)), classes, own)))
    if y is not None:
        _check_split("validation_fraction", train, validation, y, groups, classes)
    return train, validation


def _check_enough(n_folds, y, groups, takes_part, advice):
    """Refuse folds of which some would hold no patient of a class."""
    for label in np.unique(y[takes_part]):
        members = np.flatnonzero((y == label) & takes_part)
        n_patients = len(members if groups is None else np.unique(groups[members]))
        if n_patients < n_folds:
            raise InputError(
                f"class {label} has {n_patients} patient(s), fewer than the {n_folds} folds; "
                + advice.format(max(n_patients, 2)),
                code="few_patients",
            )


def _check_split(name, train, test, y, groups, classes):
    """Refuse a split that leaks, or whose training part lacks one of the classes."""
    both = np.intersect1d(train, test)
    if both.size:
        raise LeakageError(f"{name} trains on row {both[0]} and tests it; split anew", code="row_overlap")
    if len(np.unique(y[train])) < len(np.unique(classes)):
        raise InputError(f"the training part of {name} lacks a class; use fewer folds")
    shared = np.empty(0) if groups is None else np.intersect1d(groups[train], groups[test])
    if len(shared):
        pairs = [(int(train[groups[train] == g][0]), int(test[groups[test] == g][0])) for g in shared[:5]]
        named = ", ".join(f"rows {a} and {b}" for a, b in pairs)
        raise LeakageError(
            f"{name}: {len(shared)} patient(s) are on both sides of the split ({named}); use a splitter that "
            "keeps groups together, such as StratifiedGroupKFold",
            code="patient_overlap",
        )
