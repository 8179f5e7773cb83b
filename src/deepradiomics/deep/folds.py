"""Which rows train a network and which it must not see."""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from deepradiomics.exceptions import InputError, LeakageError


def check_groups(cv, groups):
    """Refuse a splitter by group without groups.

    Parameters
    ----------
    cv : int, splitter or None
        How to split.
    groups : array-like of shape (n_samples,) or None
        Patients.

    Raises
    ------
    LeakageError
        If the splitter asks for groups and there are none.

    Examples
    --------
    >>> from sklearn.model_selection import StratifiedKFold
    >>> from deepradiomics.deep.folds import check_groups
    >>> check_groups(StratifiedKFold(5), None)
    """
    if groups is None and _splits_by_group(cv):
        raise LeakageError(
            f"cv={cv} splits by group, and no groups were given; call fit(X, y, groups=patients), or inside a Pipeline "
            "use set_fit_request(groups=True) under sklearn.config_context(enable_metadata_routing=True)",
            code="groups_missing",
        )


def cross_fit_splits(cv, codes, groups, usable, seed):
    """Split rows so that each usable one is tested exactly once.

    Parameters
    ----------
    cv : int, splitter or None
        None is 5 folds.
    codes : int array of shape (n_samples,)
        Class of each row.
    groups : array of shape (n_samples,) or None
        Patients.
    usable : bool array of shape (n_samples,)
        Rows that have an image; the others are in no fold.
    seed : int
        Of the shuffle, where cv is a number.

    Returns
    -------
    list of (train, test)
        Sorted row numbers.

    Raises
    ------
    InputError
        If a class is too small, a training part lacks a class, or a row is tested never or twice.
    LeakageError
        If a group is on both sides of a split.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.deep.folds import cross_fit_splits
    >>> splits = cross_fit_splits(2, np.array([0, 1, 0, 1]), None, np.ones(4, dtype=bool), seed=0)
    >>> [train.tolist() for train, _ in splits]
    [[0, 3], [1, 2]]
    """
    rows = np.flatnonzero(usable)
    splitter = _splitter(cv, codes[rows], groups, seed)
    splits = []
    # All rows are split, so that row numbers which the user wrote down mean what they say.
    given = groups if _takes_groups(splitter) else None
    for parts in splitter.split(np.zeros(len(codes)), codes, given):
        train, test = (np.intersect1d(part, rows) for part in parts)
        if not len(test):
            continue
        _check_split(train, test, codes, groups)
        splits.append((train, test))
    tested = [test for _, test in splits] or [np.empty(0, int)]
    if not np.array_equal(np.sort(np.concatenate(tested)), rows):
        raise InputError(
            f"cv={cv} does not test each row exactly once; give a splitter that partitions the rows, such as "
            "StratifiedKFold(5)",
            code="cv_no_partition",
        )
    return splits


def validation_split(rows, codes, groups, fraction, seed):
    """Hold out a stratified share of the rows, whole groups where there are any.

    Parameters
    ----------
    rows : int array of shape (n,)
        Rows to split.
    codes : int array of shape (n_samples,)
        Class of each row.
    groups : array of shape (n_samples,) or None
        Patients.
    fraction : float
        Share to hold out; the nearest of 1/2, 1/3, 1/4 ... is taken.
    seed : int
        Of the shuffle.

    Returns
    -------
    train, validation : int arrays
        Sorted row numbers.

    Raises
    ------
    InputError
        If a class is too small.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.deep.folds import validation_split
    >>> codes = np.repeat([0, 1], 10)
    >>> [len(part) for part in validation_split(np.arange(20), codes, None, 0.2, seed=0)]
    [16, 4]
    """
    some_groups = None if groups is None else groups[rows]
    splitter = _splitter(max(2, round(1 / fraction)), codes[rows], some_groups, seed, what="validation_fraction")
    train, validation = next(splitter.split(np.zeros(len(rows)), codes[rows], some_groups))
    train, validation = np.sort(rows[train]), np.sort(rows[validation])
    _check_split(train, validation, codes, groups)
    return train, validation


def _splits_by_group(cv):
    """Tell whether a splitter asks for groups, by scikit-learn's own metadata."""
    routing = getattr(cv, "get_metadata_routing", None)
    return routing is not None and routing().split.requests.get("groups") is True


def _takes_groups(splitter):
    """Tell whether groups may be handed to a splitter; scikit-learn's others warn that they ignore them."""
    return _splits_by_group(splitter) or not hasattr(splitter, "get_metadata_routing")


def _splitter(cv, codes, groups, seed, *, what="cv"):
    """Turn a number of folds into a shuffled, stratified splitter; leave a splitter as it is."""
    if hasattr(cv, "split"):
        return cv
    if cv is not None and not isinstance(cv, int | np.integer):
        return _Listed(list(cv))
    n_splits = 5 if cv is None else int(cv)
    counts = np.unique(codes, return_counts=True)[1]
    if counts.min() < n_splits:
        raise InputError(
            f"{what} asks for {n_splits} folds, and a class has {counts.min()} rows with an image; give at most "
            f"{counts.min()} folds",
            code="few_rows",
        )
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    return kind(n_splits, shuffle=True, random_state=seed)


class _Listed:
    """Splits that the user wrote down."""

    def __init__(self, splits):
        self.splits = splits

    def split(self, X, y, groups):
        """Give the splits back."""
        return iter(self.splits)


def _check_split(train, test, codes, groups):
    """Refuse a split that leaks or that leaves a class out of training."""
    missing = np.setdiff1d(codes[test], codes[train])
    if len(missing) or len(np.unique(codes[train])) < 2:
        raise InputError(
            f"a fold of {len(train)} rows lacks a class to train on; give fewer folds or a stratified splitter",
            code="fold_without_class",
        )
    if groups is not None:
        both = np.intersect1d(groups[train], groups[test])
        if len(both):
            raise LeakageError(
                f"{len(both)} groups are on both sides of a split of cv; give a splitter by group, such as "
                "StratifiedGroupKFold(5)",
                code="group_in_both",
            )
