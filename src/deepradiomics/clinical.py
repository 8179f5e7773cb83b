"""Clinical covariates as numbers: one transformer for age, sex, weight and the like."""

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


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
    is a category of its own where ``fit`` saw one missing. A category that ``fit`` did not see, missing or not, gives 0
    in every column of its covariate: it counts as none of the known ones. A numeric column that is empty in the rows
    given to ``fit`` becomes 0. Numbers stored as text are categories: convert them first.

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
    categorical = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=float)
    return ColumnTransformer(
        [
            ("numeric", numeric, make_column_selector(dtype_include=["number", "bool"])),
            ("categorical", categorical, make_column_selector(dtype_exclude=["number", "bool"])),
        ],
        verbose_feature_names_out=False,
    )
