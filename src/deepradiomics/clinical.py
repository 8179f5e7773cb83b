"""Clinical covariates as numbers: one transformer for age, sex, weight and the like."""

from datetime import date
from numbers import Number

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from deepradiomics.exceptions import InputError

_DATE = r"\s*(\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4})([ T][\d:.]+)?\s*"
# Codes of sex, menopause or smoking are a handful; more different numbers are a measurement.
_MOST_CODES = 10


def clinical_encoder():
    """Build the transformer that turns clinical columns into numbers.

    Numeric columns (integers, floats, booleans) get the median for missing values and are standardised; all others,
    such as sex, become one column of 0 and 1 a category. Columns are told apart by their dtype, so the same encoder
    serves any set of covariates.

    Returns
    -------
    sklearn.compose.ColumnTransformer
        Parts ``numeric`` and ``categorical``; feature names such as ``age``, ``weight``, ``sex_F``, ``sex_M``.

    Notes
    -----
    Everything is learned from the rows given to ``fit``: medians, means, deviations and categories. A missing category
    (None, NaN, pandas.NA) is a category of its own where ``fit`` saw one missing. A category that ``fit`` did not see,
    missing or not, gives 0 in every column of its covariate: it counts as none of the known ones. A numeric column that
    is empty in the rows given to ``fit`` becomes 0. Numbers stored as text are categories; ``fit`` raises an
    `InputError` where there are more than ten of them, where a column holds dates, and where most of its cells are
    numbers and some are words; ``fit`` and ``transform`` do where a column holds text beside other things. In the names
    of categories ``[``, ``]`` and ``<``, which XGBoost refuses, become ``(``, ``)`` and ``lt``.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from deepradiomics import clinical_encoder
    >>> patients = pd.DataFrame({"age": [60, 70, np.nan], "sex": ["F", "M", "F"], "weight": [55.0, 80.0, 60.0]})
    >>> encoder = clinical_encoder().set_output(transform="pandas")
    >>> encoder.fit_transform(patients).round(2)
        age  weight  sex_F  sex_M
    0 -1.22   -0.93    1.0    0.0
    1  1.22    1.39    0.0    1.0
    2  0.00   -0.46    1.0    0.0
    """
    numeric = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    encoder = OneHotEncoder(
        handle_unknown="ignore", sparse_output=False, dtype=float, feature_name_combiner=category_name
    )
    categorical = make_pipeline(FunctionTransformer(one_kind, feature_names_out="one-to-one"), encoder)
    return ColumnTransformer(
        [
            ("numeric", numeric, make_column_selector(dtype_include=["number", "bool"])),
            ("categorical", categorical, words_in),
        ],
        verbose_feature_names_out=False,
    )


def one_kind(table):
    """Give missing cells of columns of words one spelling, and refuse a column of several kinds.

    Parameters
    ----------
    table : DataFrame
        Columns of categories: text, numbers or booleans.

    Returns
    -------
    object array of shape (n_samples, n_columns)
        The same cells; NaN where one is missing (None, NaN, ``pandas.NA``).

    Raises
    ------
    InputError
        If a column holds dates, text beside other things, or cells that are neither text nor numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.clinical import one_kind
    >>> one_kind(pd.DataFrame({"sex": pd.array(["F", pd.NA], dtype="string")})).tolist()
    [['F'], [nan]]
    """
    cells = {name: table[name].astype(object).where(table[name].notna(), np.nan) for name in table}
    for name, column in cells.items():
        kinds = {str if isinstance(cell, str) else type(cell) for cell in column.dropna()}
        if any(issubclass(kind, date | np.datetime64) for kind in kinds):
            raise InputError(
                f"column {name!r} holds dates; give a number, such as the age in years or days since another date",
                code="dates",
            )
        if len(kinds) > 1 if str in kinds else not all(issubclass(kind, Number | np.bool_) for kind in kinds):
            raise InputError(
                f"column {name!r} holds {' and '.join(sorted(kind.__name__ for kind in kinds))}; write all cells as "
                "text, table[column].astype('string'), or all as numbers",
                code="mixed_column",
            )
    return np.column_stack([column.to_numpy() for column in cells.values()])


def category_name(column, category):
    """Name the column of a category, without the characters that XGBoost refuses.

    Parameters
    ----------
    column : str
        The covariate.
    category : str, number or None
        One of its values.

    Returns
    -------
    str
        ``column_category``; ``[``, ``]`` and ``<`` become ``(``, ``)`` and ``lt``.

    Examples
    --------
    >>> from deepradiomics.clinical import category_name
    >>> category_name("age", "<60")
    'age_lt60'
    """
    return f"{column}_{str(category).replace('[', '(').replace(']', ')').replace('<', 'lt')}"


def words_in(table):
    """Choose the columns of words: what the encoder turns into categories.

    Parameters
    ----------
    table : DataFrame
        A row a patient.

    Returns
    -------
    list of str
        Columns that are neither numbers nor booleans.

    Raises
    ------
    InputError
        If one is a column of numbers with words in it, a number is infinite, or a column of words has a number
        for a name, holds dates, several kinds of cells, or more different numbers as text than there are codes of
        anything.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.clinical import words_in
    >>> words_in(pd.DataFrame({"age": [60, 70], "sex": ["F", "M"]}))
    ['sex']
    """
    check_numbers(table, list(table.columns))
    words = make_column_selector(dtype_exclude=["number", "bool"])(table)
    for name in words:
        if not isinstance(name, str):
            raise InputError(f"column {name!r} has no text for a name; rename it", code="column_name")
        one_kind(table[[name]])
        text = table[name].dropna().astype(str)
        if not text.empty and text.str.fullmatch(_DATE).all():
            raise InputError(
                f"column {name!r} holds dates as text; give a number, such as the age in years", code="dates"
            )
        n_different = table[name].nunique()
        coded = n_different <= _MOST_CODES or isinstance(table[name].dtype, pd.CategoricalDtype)
        if not coded and pd.to_numeric(table[name], errors="coerce").notna().equals(table[name].notna()):
            raise InputError(
                f"column {name!r} holds numbers as text, {n_different} different ones; convert it with "
                "pandas.to_numeric, or to the dtype 'category' where the numbers are codes",
                code="numbers_as_text",
            )
    return words


def check_numbers(table, columns, *, numeric=()):
    """Refuse words in columns of numbers, and numbers that are not finite.

    Parameters
    ----------
    table : DataFrame
        A row a patient.
    columns : list of str
        Columns to check: one whose cells are numbers for the most part is a column of numbers, and an infinite number
        is refused anywhere. Empty cells are allowed.
    numeric : collection of str, default=()
        Those among the columns in which each cell must be a number, such as those that were numbers in training.

    Raises
    ------
    InputError
        Names row and column, and not the cell, which belongs to a patient.

    Notes
    -----
    One word, such as "unknown", makes a whole column text when a table is read, and :func:`clinical_encoder` takes text
    for categories: each age would be a category of its own, and an age that was not seen in training would count as
    nothing. Text in which all cells are numbers passes, as do columns of the dtype ``category``. A number with a
    decimal comma is not read as one and counts as a word.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.clinical import check_numbers
    >>> table = pd.DataFrame({"age": ["61", "70", "unknown", None], "sex": ["F", "M", "F", "F"]})
    >>> check_numbers(table, ["sex"])
    >>> check_numbers(table, ["age", "sex"])
    Traceback (most recent call last):
    ...
    deepradiomics.exceptions.InputError: row 2, column 'age' holds no number (1 such rows) in a column of numbers; ...
    """
    for name in columns:
        cells = table[name]
        if isinstance(cells.dtype, pd.CategoricalDtype):
            continue
        known = cells.notna().to_numpy()
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        words = known & np.isnan(numbers)
        meant = pd.to_numeric(cells.astype(str).str.replace(",", "."), errors="coerce").notna().to_numpy() & known
        if words.any() and (name in numeric or 2 * meant.sum() > known.sum()):
            raise InputError(
                f"row {words.argmax()}, column {name!r} holds no number ({words.sum()} such rows) in a column of "
                "numbers; leave the cell empty where it is unknown, write a point before decimals, or write words in "
                "all rows if these are categories",
                code="word_among_numbers",
            )
        if np.isinf(numbers).any():
            raise InputError(
                f"row {np.isinf(numbers).argmax()}, column {name!r} is infinite; give a number, or an empty cell",
                code="not_finite",
            )
