"""Find what would let a model know the answer: images stored twice, and columns that are the label in disguise."""

from math import comb
from numbers import Real

import numpy as np
import pandas as pd

from deepradiomics.exceptions import LeakageError
from deepradiomics.splits import names_patients

# Columns that separate the classes by chance in fewer than one of a million tables are refused.
_CHANCE = 1e-6
# A column of words with more levels than this is an identifier or free text, which purity says nothing about.
_MOST_LEVELS = 20


def check_id_columns(X, groups, columns):
    """Refuse a column that names the patient: a model could only learn it by heart.

    Parameters
    ----------
    X : DataFrame
        The table that goes into a model.
    groups : int array of shape (n_samples,) or None
        Patient of each row.
    columns : list of str
        Columns that the model reads.

    Raises
    ------
    LeakageError
        Names the column.

    Notes
    -----
    Refused are a column ``patient`` (``PatientID``, ``mrn`` ...), one that differs from patient to
    patient and only there, where patients have
    several rows, and words that are another one in each row, unless they are files. A number of another name that
    nobody shares cannot be told from a measurement.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from deepradiomics.comparison.leakage import check_id_columns
    >>> table = pd.DataFrame({"age": [50, 60, 61, 70], "number": [3, 3, 4, 4]})
    >>> check_id_columns(table, np.array([0, 0, 1, 1]), ["age"])
    >>> check_id_columns(table, np.array([0, 0, 1, 1]), ["age", "number"])
    Traceback (most recent call last):
    ...
    deepradiomics.exceptions.LeakageError: column 'number' names the patient; take it out of the model's columns
    """
    for name in columns:
        if names_patients(name) or _names_groups(X[name], groups) or _names_rows(X[name]):
            raise LeakageError(
                f"column {name!r} names the patient; take it out of the model's columns", code="id_column"
            )


def check_hidden_patients(X, columns):
    """Refuse rows that are independent by the call and of one patient by the table.

    Parameters
    ----------
    X : DataFrame
        The table, for which no patients were given.
    columns : list of str
        Columns that the model reads.

    Raises
    ------
    LeakageError
        If a column or the index is called as patients are and holds one twice, or two rows have equal measurements
        that chance would not make equal in a million tables.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.comparison.leakage import check_hidden_patients
    >>> check_hidden_patients(pd.DataFrame({"mrn": [3, 3], "age": [50, 51]}), ["age"])
    Traceback (most recent call last):
    ...
    deepradiomics.exceptions.LeakageError: 'mrn' holds the same value in rows 0 and 1, ...
    """
    advice = "give groups=, the patient of each row, or groups=range(len(X)) where each row is a patient of its own"
    for name, values in [(X.index.name, X.index.to_series()), *((name, X[name]) for name in X.columns)]:
        if names_patients(name) and values.notna().all():
            again = values.duplicated(keep=False).to_numpy()
            if again.any():
                first = np.flatnonzero(values.to_numpy() == values.to_numpy()[again][0])[:2]
                raise LeakageError(
                    f"{name!r} holds the same value in rows {first[0]} and {first[1]}, as patients with several rows "
                    f"do; {advice}",
                    code="hidden_patients",
                )
    numbers = X[columns].select_dtypes("number")
    # Expected pairs of equal rows, were the columns independent of one another.
    # Those that rank rows alike count once.
    own = numbers.loc[:, ~numbers.rank(method="dense").T.duplicated().to_numpy()]
    shares = [(own.iloc[:, place].value_counts(normalize=True) ** 2).sum() for place in range(own.shape[1])]
    by_chance = len(X) ** 2 / 2 * np.prod(shares)
    again = numbers.duplicated(keep=False).to_numpy() & numbers.notna().all(axis=1).to_numpy()
    # A row of zeros is an empty region, not a patient.
    again &= numbers.nunique(axis=1).gt(1).to_numpy()
    if numbers.shape[1] and by_chance < _CHANCE and again.any():
        place = np.flatnonzero(again)[0]
        other = np.flatnonzero((numbers == numbers.iloc[place]).all(axis=1))[:2]
        raise LeakageError(
            f"rows {other[0]} and {other[1]} are equal in all {numbers.shape[1]} numbers that the model reads, and may "
            f"be one patient; {advice}",
            code="duplicate_rows",
        )


def _names_groups(column, groups):
    if groups is None or len(np.unique(groups)) == len(groups) or not _is_plain(column):
        return False
    codes = pd.factorize(column)[0]
    pairs = len(set(zip(codes.tolist(), np.asarray(groups).tolist(), strict=True)))
    return codes.min() >= 0 and pairs == len(np.unique(codes)) == len(np.unique(groups))


def _names_rows(column):
    words = not pd.api.types.is_numeric_dtype(column) and _is_plain(column)
    return words and len(column) > _MOST_LEVELS and column.is_unique and not any(map(_is_file, column))


def _is_plain(column):
    """Tell numbers and words from images, masks and boxes."""
    return all(isinstance(cell, str | bool | float | int | np.generic) for cell in column)


def check_separating_columns(X, y, columns=None):
    """Refuse a column that alone separates the classes: it is the label, or was computed from it.

    Parameters
    ----------
    X : DataFrame
        The table that goes into a model.
    y : array-like of shape (n_samples,)
        Labels of two classes.
    columns : list of str, default=None
        Columns to check; None checks all. Numbers and words are checked, images are not.

    Raises
    ------
    LeakageError
        Names the column.

    Notes
    -----
    A numeric column separates if all values of one class lie above all of the other; a column of words if no word
    occurs in both classes. Small tables, in which this happens by chance more often than once in a million, pass.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.comparison import check_separating_columns
    >>> table = pd.DataFrame({"age": [50, 70, 60, 80] * 10, "t_score": [-1.0, -1.2, -2.9, -3.1] * 10})
    >>> check_separating_columns(table, [0, 0, 1, 1] * 10)
    Traceback (most recent call last):
    ...
    deepradiomics.exceptions.LeakageError: column 't_score' alone separates the classes ...
    """
    y = np.asarray(y)
    first = y == np.unique(y)[0]
    # A random order puts one class wholly above the other in 2 of (n choose m) cases.
    if 2 / comb(len(y), int(first.sum())) * X.shape[1] > _CHANCE:
        return
    for name in X.columns if columns is None else columns:
        if _separates(X[name], first):
            raise LeakageError(
                f"column {name!r} alone separates the classes without an error; it is the label in another form or was "
                "made from it, so take it out of the model's columns",
                code="separating_column",
            )


def _separates(column, first):
    # Numbers that came as objects, after a merge or out of a spreadsheet, and dates are numbers too.
    if column.dtype == object and all(isinstance(cell, Real) or cell is None for cell in column):
        column = pd.to_numeric(column)
    elif pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype("int64").where(column.notna())
    known = column.notna().to_numpy()
    if not known[first].any() or not known[~first].any():
        return False
    one, other = column[known & first], column[known & ~first]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return bool(known.mean() > 0.5 and (one.max() < other.min() or one.min() > other.max()))
    if not all(isinstance(cell, str | bool | np.bool_) for cell in column[known]):
        return False
    words = set(one), set(other)
    return known.all() and len(words[0] | words[1]) <= _MOST_LEVELS and not words[0] & words[1]
