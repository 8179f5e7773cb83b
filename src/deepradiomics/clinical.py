"""Clinical covariates as numbers: one transformer for age, sex, weight and the like."""

import re
import warnings
from datetime import date
from numbers import Number
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from deepradiomics.estimators import _as_pandas, check_names_differ
from deepradiomics.exceptions import InputError, InputWarning

_DATE = r"\s*(\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{2,4})([ T][\d:.]+)?\s*"
# Codes of sex, menopause or smoking are a handful; more different numbers are a measurement.
_MOST_CODES = 10
# Fewer values say little about what is usual.
_FEWEST_VALUES = 20
# Fewer rows say little about how a table spells its categories.
_FEWEST_ROWS = 5
# Spellings of one meaning, without capitals and blanks. Numbers of sex are those of ISO/IEC 5218.
_MEANINGS = {
    "F": "2 f female w weiblich frau woman femme féminin mujer femenino donna femmina",
    "M": "1 m male männlich maennlich mann man homme masculin hombre masculino uomo maschio",
    "yes": "1 yes y true ja j oui sí si",
    "no": "0 no n false nein non",
}
_SEX, _ANSWER = (
    {word: meaning for meaning in pair for word in _MEANINGS[meaning].split()} for pair in (("F", "M"), ("yes", "no"))
)
_NAMES_OF_SEX = re.compile("sex|gender|geschlecht|genre|género|sesso", re.IGNORECASE)
# Ages as DICOM writes them (value representation AS), in years.
_AGE = re.compile(r"(\d{3})([DWMY])")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
# One thousand two hundred thirty-four, or a little more than one: such a cell alone does not say.
_THOUSAND = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
# Ratios of medians that units make, and what is then written in place of what.
_UNITS = (
    (1.9, 2.9, "pounds", "kilograms, or centimeters in place of inches"),
    (8, 14, "months", "years, or millimeters in place of centimeters"),
    (85, 115, "centimeters", "meters"),
    (300, 420, "days", "years"),
    (850, 1150, "grams", "kilograms"),
)


def clinical_encoder():
    """Build the transformer that turns clinical columns into numbers.

    Numeric columns (integers, floats, booleans) get the median for missing values and are standardised; all others,
    such as sex, become one column of 0 and 1 a category. Columns are told apart by their dtype, so the same encoder
    serves any set of covariates.

    Returns
    -------
    sklearn.pipeline.Pipeline
        `ClinicalReader`, which reads known spellings and says what does not fit, and a ``ColumnTransformer`` with the
        parts ``numeric`` and ``categorical``; feature names such as ``age``, ``weight``, ``sex_F``, ``sex_M``.

    Notes
    -----
    Everything is learned from the rows given to ``fit``: medians, means, deviations and categories. A missing category
    (None, NaN, pandas.NA) is a category of its own where ``fit`` saw one missing, else it gives 0 in every column of
    its covariate, as a category that ``fit`` did not see does after a warning. A numeric column that is empty in the
    rows given to ``fit`` becomes 0. In the names of categories ``[``, ``]`` and ``<``, which XGBoost refuses, become
    ``(``, ``)`` and ``lt``.

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
    >>> encoder.transform(pd.DataFrame({"age": ["073Y"], "sex": ["female"], "weight": ["61,5"]})).round(2)
        age  weight  sex_F  sex_M
    0  1.96   -0.32    1.0    0.0
    """
    numeric = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    categorical = OneHotEncoder(
        handle_unknown="ignore", sparse_output=False, dtype=float, feature_name_combiner=category_name
    )
    columns = ColumnTransformer(
        [
            ("numeric", numeric, make_column_selector(dtype_include=["number", "bool"])),
            ("categorical", categorical, make_column_selector(dtype_exclude=["number", "bool"])),
        ],
        verbose_feature_names_out=False,
    )
    return make_pipeline(ClinicalReader(), columns)


class ClinicalReader(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Read clinical columns by a table of known spellings, and say where new rows do not look like those of fit.

    Attributes
    ----------
    spellings_ : dict of str to dict
        For columns of categories and of two numbers: how ``fit`` saw each meaning spelled.
    ranges_ : dict of str to tuple
        For columns of numbers with at least 20 values, more than two of them different: least value, 1st percentile,
        median, 99th percentile and largest value.
    feature_names_in_ : ndarray of str
        The columns.

    Raises
    ------
    InputError
        In ``fit`` and ``transform``: a word or an infinite number in a column of numbers, dates, text beside other
        things. In ``fit``: more than ten different numbers as text; categories that differ only in capitals or blanks.
        In ``transform``, of five rows or more: all categories are none that ``fit`` saw, and differ; half of them in
        a column of sex or of yes and no. There also, where ``fit`` saw words: a number that is none of the table.

    Warns
    -----
    InputWarning
        In ``transform``: fewer are; a column of two numbers holds a third; the median lies beyond the 1st or
        99th percentile of ``fit``, perhaps in another unit; a value lies farther from the values of ``fit`` than they
        lie from each other.

    Notes
    -----
    ``docs/clinical.md`` has the table. A table of meanings counts only where it has all values that ``fit`` saw.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.clinical import ClinicalReader
    >>> reader = ClinicalReader().fit(pd.DataFrame({"sex": ["F", "M"], "age": ["073Y", "061Y"]}))
    >>> reader.transform(pd.DataFrame({"sex": ["male", "Weiblich "], "age": [61, 73]}))
      sex   age
    0   M  61.0
    1   F  73.0
    """

    _sklearn_output_config: ClassVar = {"transform": "default"}  # a DataFrame, whatever set_config says

    def set_output(self, *, transform=None):
        """Do nothing: what comes out is a DataFrame, which the encoder's next step needs.

        Parameters
        ----------
        transform : str, default=None
            Ignored.

        Returns
        -------
        ClinicalReader
            Itself.
        """
        return self

    def fit(self, X, y=None):
        """Learn the spellings and the usual values of each column.

        Parameters
        ----------
        X : DataFrame
            A row a patient.
        y : None, default=None
            Ignored.

        Returns
        -------
        ClinicalReader
            Itself.
        """
        X = _as_table(X)
        check_numbers(X, list(X.columns))
        self.feature_names_in_, self.n_features_in_ = np.asarray(X.columns, dtype=object), X.shape[1]
        self.spellings_, self.ranges_, self.numeric_ = {}, {}, []
        for name in X:
            cells, numbers = _without_blanks(X[name]), numbers_in(X[name])
            if _is_numeric(X[name], numbers):
                self.numeric_.append(name)
                known = pd.Series(numbers[np.isfinite(numbers)])
                enough = len(known) >= _FEWEST_VALUES
                if known.nunique() == 2 and (enough or known.map(_plain).isin(list(_table_of(name))).all()):
                    self.spellings_[name] = _spellings(name, known)
                elif enough:
                    self.ranges_[name] = tuple(np.percentile(known, [0, 1, 50, 99, 100]).tolist())
            else:
                _check_words(name, X[name], numbers)
                self.spellings_[name] = _spellings(name, cells.dropna())
        return self

    def transform(self, X):
        """Write known spellings as ``fit`` saw them, and numbers as numbers.

        Parameters
        ----------
        X : DataFrame
            A row a patient, with the columns of ``fit``.

        Returns
        -------
        DataFrame
            The same columns: float64 where they hold numbers, else objects, NaN where a cell is empty.
        """
        check_is_fitted(self)
        X = _as_table(X)
        lacking = [name for name in self.feature_names_in_ if name not in X]
        if lacking:
            raise InputError(f"the table has no column {lacking[0]!r} ({len(lacking)} missing)", code="columns")
        return pd.DataFrame({name: self._read(name, X[name]) for name in self.feature_names_in_}, index=X.index)

    def _read(self, name, cells):
        """One column, in the spelling of fit."""
        seen = self.spellings_.get(name, {})
        if name not in self.numeric_:
            _check_kind(name, cells)
            cells = _without_blanks(cells)
            found = cells.map(lambda cell: seen.get(_meaning(name, cell, seen), cell), na_action="ignore")
            found = found.astype(object)
            _compare_categories(name, found, seen, "count as none of those it saw")
            return found
        numbers = numbers_in(cells)
        words = cells.notna().to_numpy() & np.isnan(numbers)
        for row in np.flatnonzero(words):
            numbers[row] = seen.get(_meaning(name, cells.iloc[row], seen), np.nan)
        readable = cells.where(~words | np.isnan(numbers), None)
        check_numbers(pd.DataFrame({name: readable}), [name], numeric=[name])
        if seen:
            _compare_categories(name, pd.Series(numbers), seen, "are taken as numbers; are the codes the same?")
        elif name in self.ranges_:
            _compare_values(name, numbers, self.ranges_[name])
        return pd.Series(numbers, index=cells.index)


def _as_table(X):
    """A DataFrame of pandas, also of a polars one, whose columns have words for names."""
    X = _as_pandas(X)
    if not isinstance(X, pd.DataFrame):
        raise InputError(
            f"clinical columns are a DataFrame, whose columns have names, not {type(X).__name__}", code="table"
        )
    # scikit-learn would take a name that is a number for a position.
    X = X.set_axis([str(name) for name in X.columns], axis=1)
    check_names_differ(X)
    return X


def _is_numeric(cells, numbers):
    """Whether a column holds numbers: by its dtype, or as text of which each cell is one and some no plain one."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return False
    if pd.api.types.is_numeric_dtype(cells):
        return True
    known = cells.notna().to_numpy()
    plain = pd.to_numeric(cells, errors="coerce").notna().to_numpy()
    return bool(np.isfinite(numbers[known]).all() and not plain[known].all())


def _without_blanks(cells):
    """Cells as objects, NaN where they are missing or blank."""
    cells = cells.astype(object).where(cells.notna(), np.nan)
    return cells.where(~cells.map(lambda cell: isinstance(cell, str) and not cell.strip()).astype(bool), np.nan)


def _plain(cell):
    """A cell without capitals and blanks; 2.0 is 2."""
    whole = isinstance(cell, Number) and not isinstance(cell, bool) and cell == int(cell)
    return str(int(cell) if whole else cell).strip().casefold()


def _table_of(name):
    return _SEX if _NAMES_OF_SEX.search(name) else _ANSWER


def _spellings(name, cells):
    """How each meaning is spelled, the most frequent first; a table of meanings counts where it has all cells."""
    counts, table = cells.value_counts(), _table_of(name)
    known = all(_plain(value) in table for value in counts.index)
    found = {}
    for value in sorted(counts.index, key=lambda value: (-counts[value], str(value))):
        meaning = table[_plain(value)] if known else _plain(value)
        if meaning in found and not known:
            raise InputError(
                f"column {name!r} writes a category in two ways, with other capitals or blanks; write it in one"
            )
        found.setdefault(meaning, value)
    return found


def _meaning(name, cell, seen):
    """Meaning of a cell among those seen, by the table if they are of it."""
    plain, table = _plain(cell), _table_of(name)
    return table.get(plain, plain) if set(seen) <= set(table.values()) else plain


def _compare_categories(name, cells, seen, fate):
    """Warn of cells that are none of the values seen; among categories, refuse what shows another way of spelling."""
    known = cells.dropna()
    unseen = known[~known.isin(list(seen.values()))]
    if not len(unseen):
        return
    words = f"column {name!r} holds values that fit did not see in {len(unseen)} of {len(known)} rows"
    enough = len(known) >= _FEWEST_ROWS
    if set(seen) <= set(_table_of(name).values()):
        # A code, such as 0 beside the 1 that was read as male, puts the others in doubt.
        coded = unseen.map(_plain).str.isdigit().any() and not any(_plain(cell).isdigit() for cell in seen.values())
        refused = coded or (enough and 2 * len(unseen) >= len(known))
    else:  # one new value in all rows is what another site has in a column such as the scanner
        refused = enough and len(unseen) == len(known) and len(set(unseen)) > 1
    if known.dtype == object and refused:
        raise InputError(
            f"{words}; spell them as in training (docs/clinical.md lists what is read as one), or leave cells empty "
            "where the value is unknown"
        )
    warnings.warn(f"{words}; they {fate}", InputWarning, stacklevel=2)


def _compare_values(name, numbers, usual):
    """Warn of a column whose values lie elsewhere than those of fit, and of single values far away."""
    least, low, median, high, largest = usual
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return
    middle = np.median(known)
    if len(known) > 1 and not low <= middle <= high:
        hint = _unit(middle / median) if middle * median > 0 else ""
        warnings.warn(
            f"column {name!r}: the median of {len(known)} rows is beyond 98 % of the values that fit saw{hint}; is it "
            "the same quantity?",
            InputWarning,
            stacklevel=2,
        )
        return
    far = (numbers > 2 * largest - least) | (numbers < 2 * least - largest)
    if far.any():
        hint = _unit(known[0] / median) if len(known) == 1 and known[0] * median > 0 else ""
        warnings.warn(
            f"row {far.argmax()}, column {name!r} is far from all values that fit saw ({far.sum()} such rows){hint}; "
            "leave the cell empty if it means unknown",
            InputWarning,
            stacklevel=2,
        )


def _unit(ratio):
    """Which unit may stand in place of which."""
    for low, high, large, small in _UNITS:
        if low <= ratio <= high:
            return f", as {large} in place of {small} would be"
        if low <= 1 / ratio <= high:
            return f", as the reverse of {large} in place of {small} would be"
    return ""


def _check_kind(name, column):
    """Refuse dates, and text beside other things."""
    kinds = {str if isinstance(cell, str) else type(cell) for cell in column.dropna()}
    if any(issubclass(kind, date | np.datetime64) for kind in kinds):
        raise InputError(
            f"column {name!r} holds dates; give a number, such as the age in years or days since another date"
        )
    if len(kinds) > 1 if str in kinds else not all(issubclass(kind, Number | np.bool_) for kind in kinds):
        raise InputError(
            f"column {name!r} holds {' and '.join(sorted(kind.__name__ for kind in kinds))}; write all cells as "
            "text, table[column].astype('string'), or all as numbers",
            code="table",
        )


def _check_words(name, cells, numbers):
    """Refuse what can be no column of categories."""
    _check_kind(name, cells)
    text = cells.dropna().astype(str)
    if not text.empty and text.str.fullmatch(_DATE).all():
        raise InputError(f"column {name!r} holds dates as text; give a number, such as the age in years")
    n_different = cells.nunique()
    coded = n_different <= _MOST_CODES or isinstance(cells.dtype, pd.CategoricalDtype)
    if not coded and np.isfinite(numbers[cells.notna()]).all():
        raise InputError(
            f"column {name!r} holds numbers as text, {n_different} different ones; convert it with pandas.to_numeric, "
            "or to the dtype 'category' where the numbers are codes"
        )


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


def numbers_in(cells):
    """Read a column as numbers, also with a decimal comma and ages as DICOM writes them.

    Parameters
    ----------
    cells : Series
        Numbers, or text.

    Returns
    -------
    float64 array of shape (n_rows,)
        NaN where a cell is empty or no number. An age is in years.

    Notes
    -----
    A cell such as ``1,234`` may be a thousand, so it is read only where another cell of the column shows a decimal
    comma.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.clinical import numbers_in
    >>> numbers_in(pd.Series(["61,5", "070Y", "018M", "old", None]))
    array([61.5, 70. ,  1.5,  nan,  nan])
    """
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float, na_value=np.nan).copy()
    if pd.api.types.is_numeric_dtype(cells):
        return numbers
    text = {row: cells.iloc[row].strip() for row in range(len(cells)) if isinstance(cells.iloc[row], str)}
    commas = [row for row, cell in text.items() if _DECIMAL_COMMA.fullmatch(cell)]
    if any(not _THOUSAND.fullmatch(text[row]) for row in commas):
        for row in commas:
            numbers[row] = float(text[row].replace(",", "."))
    for row, cell in text.items():
        age = _AGE.fullmatch(cell)
        if age:
            numbers[row] = int(age[1]) * _YEARS[age[2]]
    return numbers


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
    nothing. Text in which all cells are numbers passes, as do columns of the dtype ``category``. What is a number is
    said by :func:`numbers_in`.

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
        numbers = numbers_in(cells)
        words = cells.notna().to_numpy() & np.isnan(numbers)
        if words.any() and (name in numeric or 2 * (~np.isnan(numbers)).sum() > cells.notna().sum()):
            raise InputError(
                f"row {words.argmax()}, column {name!r} holds no number ({words.sum()} such rows) in a column of "
                "numbers; leave the cell empty where it is unknown, or write words in all rows if these are categories"
            )
        if np.isinf(numbers).any():
            raise InputError(
                f"row {np.isinf(numbers).argmax()}, column {name!r} is infinite; give a number, or an empty cell",
                code="not_finite",
            )
