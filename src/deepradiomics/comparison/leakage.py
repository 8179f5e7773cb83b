"""Find what would let a model know the answer: hidden patients, and columns that are the label."""

from itertools import combinations
from numbers import Real

import numpy as np
import pandas as pd
from scipy.stats import hypergeom, spearmanr

from deepradiomics.comparison.copies import is_image_source
from deepradiomics.exceptions import LeakageError
from deepradiomics.splits import PATIENT_COLUMN, names_patients, normalized_ids

# Rows that are equal by chance in fewer than one of a million tables are one patient.
_CHANCE = 1e-6
# A column of words with more levels than this is an identifier or free text, which purity says nothing about; row
# numbers are looked for in so many rows or more.
_MOST_LEVELS = 20
# Area from which on a column nearly separates, and how often chance may reach it in tables with so many columns.
_NEAR, _CHANCE_OF_AREA = 0.95, 0.02
# Rank correlation with the place of the row from which on a column is its number with noise.
_NOISY_ROW_NUMBER = 0.9


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


def check_hidden_patients(X, columns, groups=None):
    """Refuse rows that are independent by the call and of one patient by the table.

    Parameters
    ----------
    X : DataFrame
        The table.
    columns : list of str
        Columns that the model reads.
    groups : int array of shape (n_samples,), default=None
        Patient of each row. Where patients are given, equal rows of two of them are named and not refused.

    Returns
    -------
    list of str
        A sentence, if rows of two patients are equal.

    Raises
    ------
    LeakageError
        If there are no groups, and a column or the index is called as patients are and holds one twice, or two rows
        have equal measurements that chance would not make equal in a million tables.

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
    named = [(X.index.name, X.index.to_series()), *((name, X[name]) for name in X.columns)] if groups is None else []
    for name, values in named:
        if names_patients(name) and values.notna().all():
            again = values.duplicated(keep=False).to_numpy()
            if again.any():
                first = np.flatnonzero(values.to_numpy() == values.to_numpy()[again][0])[:2]
                raise LeakageError(
                    f"{name!r} holds the same value in rows {first[0]} and {first[1]}, as patients with several rows "
                    f"do; {advice}",
                    code="hidden_patients",
                )
    pair = _equal_rows(X[columns], np.arange(len(X)) if groups is None else groups)
    if pair is None:
        return []
    said = f"rows {pair[0]} and {pair[1]} are equal in all numbers that the model reads, and may be one patient"
    if groups is None:
        raise LeakageError(f"{said}; {advice}", code="duplicate_rows")
    return [f"{said} under two ids"]


def _equal_rows(X, groups):
    """First two rows of different groups with equal numbers that chance would not make equal; else None."""
    numbers = X.select_dtypes("number")
    if not numbers.shape[1]:
        return None
    # How often two different rows agree in a column; columns that rank rows alike count once.
    own = numbers.loc[:, ~numbers.rank(method="dense").T.duplicated().to_numpy()]
    different = own.drop_duplicates()
    counts = [different.iloc[:, place].value_counts().to_numpy() for place in range(own.shape[1])]
    agree = [((count * (count - 1)).sum() + 2) / (len(different) * (len(different) - 1) + 2) for count in counts]
    if len(X) ** 2 / 2 * np.prod(agree) >= _CHANCE:
        return None
    values, weights = own.to_numpy(dtype=float, na_value=np.nan), np.log(agree)
    # A row of zeros is an empty region, not a patient.
    may = numbers.notna().all(axis=1) & numbers.nunique(axis=1).gt(1)
    same = np.flatnonzero(numbers.duplicated(keep=False).to_numpy() & may.to_numpy())
    again = numbers.iloc[same].set_axis(range(numbers.shape[1]), axis=1)
    for places in again.groupby(list(again), sort=False).indices.values():
        rows = same[places]
        other = rows[groups[rows] != groups[rows[0]]]
        if len(other):
            # Each row that is like this one in some columns could be so in the others, by chance. Columns that go
            # together, such as findings that most patients lack, make rows that differ in one or two of them only.
            # Further rows of the same patients are like this one by right.
            unlike = values != values[rows[0]]
            others = unlike.any(axis=1) & ~np.isin(groups, groups[rows])
            if len(X) * np.exp(unlike @ weights)[others].sum() < _CHANCE:
                return int(rows[0]), int(other[0])
    return None


def _names_groups(column, groups):
    if groups is None or len(np.unique(groups)) == len(groups) or not _is_plain(column):
        return False
    # A number with a fraction is a measurement, such as a body mass index, which both hips of a patient share.
    if column.dtype.kind == "f" and (column.dropna() % 1 != 0).any():
        return False
    codes = pd.factorize(column)[0]
    pairs = len(set(zip(codes.tolist(), np.asarray(groups).tolist(), strict=True)))
    return codes.min() >= 0 and pairs == len(np.unique(codes)) == len(np.unique(groups))


def _names_rows(column):
    words = not pd.api.types.is_numeric_dtype(column) and _is_plain(column)
    return words and len(column) > _MOST_LEVELS and column.is_unique and not any(map(is_image_source, column))


def _is_plain(column):
    """Tell numbers and words from images, masks and boxes."""
    return all(isinstance(cell, str | bool | float | int | np.generic) for cell in column)


def check_separating_columns(X, y, columns=None, groups=None):
    """Refuse a column that alone separates the classes: it is the label, or was computed from it.

    Parameters
    ----------
    X : DataFrame
        The table that goes into a model.
    y : array-like of shape (n_samples,)
        Labels of two classes.
    columns : list of str, default=None
        Columns to check; None checks all. Numbers and words are checked, images are not.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row; rows of one patient count as one draw of chance.

    Returns
    -------
    DataFrame
        Columns that nearly separate the classes, with ``column``, ``area`` (0.95 to 1) and ``split``: look at how these
        were made. A strong true predictor may be among them.

    Raises
    ------
    LeakageError
        Names the column that separates without an error.

    Notes
    -----
    Each column is judged by the largest area that it reaches by its order, by a band of its values, by sorting its
    levels (20 at most) into two heaps, by even and odd, and by whether it is missing. A column counts if chance, a
    permutation of the labels, would reach that area in fewer than 2 of 100 tables with so many columns: by
    ``n_splits * P(hypergeometric)``, with as many splits as this kind of split allows. So small tables, in which
    columns separate by chance, pass.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.comparison import check_separating_columns
    >>> table = pd.DataFrame({"age": [50, 70, 60, 80, 65] * 8, "t_score": [-1.0, -1.2, -2.9, -3.1] * 10})
    >>> check_separating_columns(table, [0, 0, 1, 1] * 10)
    Traceback (most recent call last):
    ...
    deepradiomics.exceptions.LeakageError: column 't_score' alone separates the classes ...
    """
    y = np.asarray(y)
    event = y != np.unique(y)[0]
    patients = np.arange(len(y)) if groups is None else np.asarray(groups)
    n_patients = [len(np.unique(patients[rows])) for rows in (event, ~event)]
    names, found = list(X.columns if columns is None else columns), []
    for name in names:
        best = (0.0, "")
        for area, split, true, false, n_splits in _splits(X[name], event):
            if area >= _NEAR:
                # The same rates among the patients, were the labels dealt anew.
                hits, misses = round(true * n_patients[0]), round(false * n_patients[1])
                chance = n_splits * hypergeom.sf(hits - 1, sum(n_patients), n_patients[0], hits + misses)
                best = max(best, (area if chance * len(names) < _CHANCE_OF_AREA else 0.0, split))
        area, split = best
        if area > 1 - 1e-12:
            raise LeakageError(
                f"column {name!r} alone separates the classes without an error (by {split}); it is the label in "
                "another form or was made from it, so take it out of the model's columns",
                code="separating_column",
            )
        if area:
            found.append((name, area, split))
    return pd.DataFrame(found, columns=["column", "area", "split"])


def _splits(column, event):
    """Yield (area, kind, sensitivity, 1 - specificity, number of such splits) of the best split of each kind."""
    values, is_number = _as_plain(column)
    known = ~pd.isna(values)
    if not known.all():
        yield _binary(~known, event, "what is missing", 2)
    if not known[event].any() or not known[~event].any() or known.mean() <= 0.5:
        return
    codes = np.full(len(values), -1)
    levels, codes[known] = np.unique(values[known], return_inverse=True)
    # Share of the events and of the others in each level. A split gathers levels; its area is half of 1 + their gains.
    true, false = (np.bincount(codes[known & part], minlength=len(levels)) / part.sum() for part in (event, ~event))
    if len(levels) <= _MOST_LEVELS:
        yield _binary(np.isin(codes, np.flatnonzero(true > false)), event, "its levels", 2 ** len(levels))
    if not is_number:
        return
    area = (true @ (false.cumsum() - false / 2)) / (true.sum() * false.sum())
    sums = np.concatenate([[0], (true - false).cumsum()])
    if max(area, 1 - area) >= _NEAR:
        _, kind, *rates, _ = _binary(known & (codes < np.abs(sums).argmax()), event, "its order", 2)
        yield max(area, 1 - area), kind, *rates, 2 if abs(area - 0.5) > 0.5 - 1e-12 else 2 * len(levels)
    # No band gains more than the sums differ.
    for signed in (sums, -sums) if np.ptp(sums) >= 2 * _NEAR - 1 else ():
        end = (signed - np.minimum.accumulate(signed)).argmax()
        inside = (codes >= signed[: end + 1].argmin()) & (codes < end)
        yield _binary(inside, event, "a band of its values", 2 * len(levels))
    if len(levels) > 2 and (levels == np.rint(levels)).all():
        yield _binary(known & (values % 2 == 1), event, "even and odd", 2)


def _binary(side, event, kind, n_splits):
    true, false = side[event].mean(), side[~event].mean()
    if true < false:
        true, false = 1 - true, 1 - false
    return (1 + true - false) / 2, kind, true, false, n_splits


def _as_plain(column):
    """Values of a column, NaN where missing, and whether they are numbers; a column of images is all missing."""
    dtype = column.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return np.where(column.isna(), np.nan, column.astype("int64")), True
    if isinstance(dtype, np.dtype) and dtype.kind in "iuf":
        values = column.to_numpy(dtype=float)
        return np.where(np.isfinite(values), values, np.nan), True
    # Numbers come as objects after a merge or out of a spreadsheet.
    known = column[column.notna().to_numpy()]
    if all(isinstance(cell, Real) for cell in known):
        values = pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan)
        return np.where(np.isfinite(values), values, np.nan), True
    if all(isinstance(cell, str | bool | np.bool_) for cell in known):
        return column.map(str, na_action="ignore").to_numpy(dtype=object), False
    return np.full(len(column), np.nan), True


def row_numbers(X, columns):
    """Refuse a column that numbers the rows, and name those that nearly do.

    Parameters
    ----------
    X : DataFrame
        The table that goes into a model.
    columns : list of str
        Columns that the model reads.

    Returns
    -------
    list of str
        A sentence a column that rises or falls with the place of the row, but for noise.

    Raises
    ------
    LeakageError
        If 20 rows or more hold equally spaced numbers in their order, or each whole number of a range once.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.comparison.leakage import row_numbers
    >>> row_numbers(pd.DataFrame({"age": [50, 60] * 20}), ["age"])
    []
    """
    noisy = []
    for name in columns if len(X) >= _MOST_LEVELS else []:
        column = X[name]
        if not pd.api.types.is_numeric_dtype(column) or column.isna().any() or column.nunique() < len(X) / 2:
            continue
        values = column.to_numpy(dtype=float)
        steps, gaps = np.diff(values), np.diff(np.sort(values))
        counted = np.array_equal(values, np.rint(values)) and (gaps == 1).all()
        if counted or np.allclose(steps, steps[0], rtol=1e-6, atol=0):
            raise LeakageError(
                f"column {name!r} numbers the rows; take it out of the model's columns, since tables are often "
                "sorted by the result",
                code="row_number",
            )
        # A table that was sorted by a measurement has no noise in it.
        is_sorted = (steps >= 0).all() or (steps <= 0).all()
        if not is_sorted and abs(spearmanr(values, np.arange(len(X))).statistic) >= _NOISY_ROW_NUMBER:
            noisy.append(f"column {name!r} follows the number of the row")
    return noisy


def check_shared_patients(cohorts, columns):
    """Refuse a patient in two cohorts: by the ids, or by equal measurements under other ids.

    Parameters
    ----------
    cohorts : dict of str to tuple (X, groups)
        Table, and what was given as groups or None, by name of the cohort. Ids are groups unless these merely number
        the rows, else columns of names such as ``patient`` or ``mrn``, and of cases and studies.
    columns : list of str
        Columns that the models read.

    Raises
    ------
    LeakageError
        Names the cohorts and the rows, never the ids.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.comparison.leakage import check_shared_patients
    >>> one, other = pd.DataFrame({"age": [50, 60]}), pd.DataFrame({"age": [70, 80]})
    >>> check_shared_patients({"A": (one, [1, 2]), "B": (other, ["3", "02"])}, ["age"])
    Traceback (most recent call last):
    ...
    deepradiomics.exceptions.LeakageError: row 1 of A and row 1 of B are of one patient by their ids ...
    """
    ids = {name: _ids(*cohort) for name, cohort in cohorts.items()}
    for name, other in combinations(cohorts, 2):
        n_shared, row, other_row = _shared(ids[name], ids[other])
        if n_shared:
            raise LeakageError(
                f"row {row} of {name} and row {other_row} of {other} are of one patient by their ids ({n_shared} such "
                "patients); leave them out of one, or make the ids unique where they are of other persons",
                code="patient_overlap",
            )
        X, Z = cohorts[name][0], cohorts[other][0]
        both = [column for column in columns if column in getattr(Z, "columns", ())]
        if both:
            rows = pd.concat([X[both], Z[both]], ignore_index=True)
            pair = _equal_rows(rows, np.repeat([0, 1], [len(X), len(Z)]))
            if pair is not None:
                raise LeakageError(
                    f"row {pair[0]} of {name} and row {pair[1] - len(X)} of {other} are equal in all numbers that the "
                    "model reads, and may be one patient under two ids; leave one out",
                    code="duplicate_rows",
                )


def _ids(X, groups):
    """Ids of the rows by kind; ``groups`` if they are given and are ids."""
    if groups is not None:
        different = pd.factorize(np.asarray(groups, dtype=object))[1]
        # Numbers from 0 in the order of appearance, as of duplicate_groups or range, are no ids.
        if not np.array_equal(different, np.arange(len(different))):
            return {"groups": np.asarray(groups, dtype=object)}
    found = {}
    # Ids of patients may be called otherwise in another table; those of cases and studies are others.
    for name in sorted(filter(names_patients, getattr(X, "columns", ())), key=lambda name: name != PATIENT_COLUMN):
        kind = str(name).lower()[:4] if str(name).lower().startswith(("case", "stud")) else PATIENT_COLUMN
        found.setdefault(kind, X[name].to_numpy(dtype=object))
    return found


def _shared(first, second):
    """Rows of the same patient in two cohorts, by ids of the same kind, or by groups against the first ids."""
    pairs = [(first[key], second[key]) for key in first if key in second]
    if not pairs and first and second and "groups" in (*first, *second):
        pairs = [(next(iter(first.values())), next(iter(second.values())))]
    for pair in pairs:
        # A missing id is nobody's.
        known = [np.flatnonzero([pd.notna(value) and bool(str(value).strip()) for value in ids]) for ids in pair]
        ids = [normalized_ids(own[rows]) for own, rows in zip(pair, known, strict=True)]
        shared, *places = np.intersect1d(*ids, return_indices=True)
        if len(shared):
            return len(shared), *(rows[place[0]] for rows, place in zip(known, places, strict=True))
    return 0, None, None
