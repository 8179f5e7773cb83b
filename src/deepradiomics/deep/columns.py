"""The image columns of whatever table the user has."""

import numpy as np
import pandas as pd

from deepradiomics.estimators import _as_pandas
from deepradiomics.exceptions import InputError


def image_columns(X):
    """Take a table of images apart.

    Parameters
    ----------
    X : DataFrame, Series, object array of shape (n_samples, n_columns) or list of images
        Cells are paths, 2-D arrays, `Radiograph` or None. A list, a Series and a numeric array of shape
        (n_samples, H, W) are one column.

    Returns
    -------
    names : list of str
        Names of the columns; ``image``, or ``image0``, ``image1`` ... where X has none.
    columns : list of lists
        The cells, column by column.

    Raises
    ------
    InputError
        If there is no row or no column, two columns have one name, or X is a numeric table.

    Examples
    --------
    >>> from deepradiomics.deep import image_columns
    >>> image_columns(["a.png", None])
    (['image'], [['a.png', None]])
    """
    X = _as_pandas(X)
    if isinstance(X, pd.DataFrame):
        names, columns = [str(name) for name in X.columns], [X.iloc[:, i].tolist() for i in range(X.shape[1])]
    elif isinstance(X, pd.Series):
        names, columns = [str(X.name if X.name is not None else "image")], [X.tolist()]
    elif isinstance(X, np.ndarray) and X.ndim == 2:
        names, columns = [f"image{i}" for i in range(X.shape[1])], [list(X[:, i]) for i in range(X.shape[1])]
    else:
        names, columns = ["image"], [list(X)]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"X has two columns {twice[0]!r}; rename one", code="columns")
    if not columns or not columns[0]:
        raise InputError("X holds no image; give a data frame of image columns, one row a patient")
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "biufc":
        raise InputError(
            f"X is a table of numbers of shape {X.shape}; give images: paths, 2-D arrays or Radiographs in a data "
            "frame, an object array or a list"
        )
    return names, columns


def clinical_columns(X, names):
    """Take the clinical columns out of a table of images.

    Parameters
    ----------
    X : DataFrame, Series, object array or list
        The table; a data frame where there are clinical columns.
    names : list of str or None
        Numeric columns.

    Returns
    -------
    images : as X
        X without these columns.
    clinical : float64 array of shape (n_samples, n_clinical)
        Their numbers, NaN where unknown; no column where there are no names.

    Raises
    ------
    InputError
        If a column is missing, does not hold numbers, or holds an infinite one.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.deep.columns import clinical_columns
    >>> images, clinical = clinical_columns(pd.DataFrame({"hip": ["a.png"], "age": [71]}), ["age"])
    >>> list(images), clinical
    (['hip'], array([[71.]]))
    """
    if not names:
        return X, np.empty((len(X), 0))
    absent = [name for name in names if not isinstance(X, pd.DataFrame) or name not in X.columns]
    if absent:
        raise InputError(
            f"X has no column {absent[0]!r}, which clinical names; give a data frame with it", code="columns"
        )
    words = [name for name in names if not pd.api.types.is_numeric_dtype(X[name])]
    if words:
        raise InputError(
            f"the clinical column {words[0]!r} does not hold numbers; encode it first, with clinical_encoder() in a "
            "ColumnTransformer or by hand"
        )
    clinical = X[list(names)].to_numpy(dtype=float, copy=True, na_value=np.nan)
    if np.isinf(clinical).any():
        row, column = np.argwhere(np.isinf(clinical))[0]
        raise InputError(
            f"row {row}, column {names[column]!r} is infinite; give a number, or NaN where it is unknown",
            code="not_finite",
        )
    return X.drop(columns=list(names)), clinical
