"""The estimators that a model consists of, and what they could not do."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

# No estimator itself, it holds those that were fitted in each fold.
from sklearn.calibration import _CalibratedClassifier
from sklearn.utils._set_output import _get_output_config

from deepradiomics.exceptions import InputError


def check_names_differ(table):
    """Refuse a table with two columns of one name, of which nobody knows which is meant.

    Parameters
    ----------
    table : DataFrame, or anything else
        Only a DataFrame is looked at.

    Raises
    ------
    InputError
        Names the column.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.estimators import check_names_differ
    >>> check_names_differ(pd.DataFrame([[1, 2]], columns=["age", "age"]))
    Traceback (most recent call last):
    ...
    deepradiomics.exceptions.InputError: 2 columns are named 'age'; give each a name of its own, or drop one
    """
    twins = table.columns[table.columns.duplicated()] if isinstance(table, pd.DataFrame) else []
    if len(twins):
        raise InputError(
            f"{(table.columns == twins[0]).sum()} columns are named {twins[0]!r}; give each a name of its own, or drop "
            "one",
            code="columns",
        )


def check_same_rows(what, first, **others):
    """Refuse a Series or table whose index says that its rows are others, or stand in another order, than those before.

    Parameters
    ----------
    what : str
        What the first is called, for the message.
    first : Series, DataFrame, or anything else
        What the others must fit. Values without an index go by their place; the others must fit the first with one.
    **others : Series, DataFrame, or anything else
        What is given with it, by name.

    Raises
    ------
    InputError
        Names the first that does not fit. No message holds an index.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.estimators import check_same_rows
    >>> X = pd.DataFrame({"age": [50, 60]}, index=["a", "b"])
    >>> check_same_rows("X", X, y=[0, 1], groups=pd.Series([1, 2], index=["a", "b"]))
    >>> check_same_rows("X", X, y=pd.Series([0, 1], index=["b", "a"]))
    Traceback (most recent call last):
    ...
    deepradiomics.exceptions.InputError: the index of y is not that of X, so rows may not belong together; ...
    """
    given = {what: first} | others
    known = {name: own.index for name, own in given.items() if isinstance(own, pd.Series | pd.DataFrame)}
    leading = next(iter(known), what)
    for name, index in known.items():
        if not index.equals(known[leading]):
            raise _other_rows(name, leading)


def _as_pandas(X):
    """A frame of polars as one of pandas, and all else as it is."""
    return X.to_pandas() if hasattr(X, "to_pandas") else X


def _refuse_polars(estimator):
    """Refuse to put images into a frame of polars, which holds none."""
    if _get_output_config("transform", estimator)["dense"] == "polars":
        raise InputError(f"{type(estimator).__name__} gives images, which polars does not hold; use pandas")


def _other_rows(name, what):
    """Return the error of values whose index is not that of what they belong to."""
    return InputError(
        f"the index of {name} is not that of {what}, so rows may not belong together; put both in one order by a "
        "column that names each row once, and where they are in one order already give them one index (set_axis)",
        code="index",
    )


def estimators_in(model):
    """List the estimators in a model.

    Parameters
    ----------
    model : estimator, or list, tuple, dict or array of them
        What is searched, fitted or not: parameters and fitted attributes, however deep.

    Returns
    -------
    list of estimators
        Each once, a model before what it holds, in the order of its attributes.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from deepradiomics.estimators import estimators_in
    >>> [type(step).__name__ for step in estimators_in(make_pipeline("passthrough", LogisticRegression()))]
    ['Pipeline', 'LogisticRegression']
    """
    found, seen, waiting = [], set(), [model]
    while waiting:
        value = waiting.pop()
        if isinstance(value, BaseEstimator | _CalibratedClassifier | dict | list | tuple | np.ndarray):
            if id(value) in seen:
                continue
            seen.add(id(value))
            found += [value] if isinstance(value, BaseEstimator) else []
            waiting += reversed(_inside(value))
    return found


def failures_of(model):
    """List what the estimators of a model could not do in their last call.

    Parameters
    ----------
    model : estimator
        A model whose steps may have a table ``failures_``, as those that cut out and measure regions have.

    Returns
    -------
    list of (int, str, str, str)
        Row of the table, the column or region in question, code and reason of the error; each once.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from deepradiomics import TextureExtractor
    >>> from deepradiomics.estimators import failures_of
    >>> images = pd.DataFrame({"neck": pd.Series([np.ones((9, 9)), np.arange(81.0).reshape(9, 9)], dtype=object)})
    >>> extractor = TextureExtractor(feature_classes=["firstorder"], on_error="skip").fit(images)
    >>> extractor.transform(images).shape
    (2, 18)
    >>> [failure[:3] for failure in failures_of(extractor)]
    [(0, 'neck', 'too_few_levels')]
    """
    failures = (
        (int(row["row"]), str(row.get("column", row.get("region", ""))), str(row["code"]), str(row["reason"]))
        for owner in estimators_in(model)
        if isinstance(getattr(owner, "failures_", None), pd.DataFrame)
        for row in owner.failures_.to_dict("records")
    )
    # A step that was fitted in several folds fails in each.
    return list(dict.fromkeys(failures))


def _inside(value):
    """Values that an estimator or container holds."""
    if isinstance(value, BaseEstimator | _CalibratedClassifier):
        return list(vars(value).values())
    if isinstance(value, np.ndarray):
        return value.ravel().tolist() if value.dtype == object else []
    return list(value.values()) if isinstance(value, dict) else list(value)
