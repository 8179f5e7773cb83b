"""What the transformers of femora and of vertebrae share: columns in, columns out, and what becomes of a failure."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from deepradiomics.estimators import _as_pandas, _refuse_polars, check_names_differ
from deepradiomics.exceptions import InputError
from deepradiomics.reading import as_radiograph, read_label_map

# Columns of the tables of what failed, or is unsure.
LINE = ["row", "region", "code", "reason"]


class _Regions(TransformerMixin, BaseEstimator):
    """Base of the transformers: a table in, the same table with columns of regions out."""

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the segmenter, if there is one and it is not frozen.

        Parameters
        ----------
        X : DataFrame
            With the image column, and the one of masks or boxes if it is needed.
        y : None, default=None
            Ignored.

        Returns
        -------
        self
            The transformer.

        Raises
        ------
        InputError
            If a column is missing.
        """
        X = table(X, self._needed())
        _check_feature_names(self, X, reset=True)
        self.n_features_in_ = X.shape[1]
        if self.segmenter is not None:
            self._fit_segmenter(X)
        return self

    def place(self, X):
        """Place the boxes of each row without cutting them out.

        Parameters
        ----------
        X : DataFrame
            As for transform.

        Returns
        -------
        Series of dict of str to Box
            The boxes of each row by names such as ``left_neck`` or ``L1``, in pixels of its image. As a column of
            the table it can be looked at, corrected, and given back with ``boxes=``.

        Raises
        ------
        RegionError
            If boxes cannot be placed, under ``on_error="raise"``.
        """
        self._validate_params()
        X = table(X, self._needed())
        failures, cells = [], np.empty(len(X), dtype=object)
        for position in range(len(X)):
            known = self._is_rejected(X, position, failures)
            cells[position] = {} if known else self._placed(X, position, failures)
        self._write_down(failures)
        return pd.Series(cells, index=X.index)

    def get_feature_names_out(self, input_features=None):
        """Name the columns of the output.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Columns of the input; None means those seen by fit.

        Returns
        -------
        object array of str
            The columns of the input, then those of the regions.

        Raises
        ------
        NotFittedError
            If there are no ``input_features`` and neither fit nor transform has seen any.
        """
        if input_features is None:
            check_is_fitted(self, "feature_names_in_")
        names = self.feature_names_in_ if input_features is None else input_features
        return np.asarray([*names, *self._region_names()], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.no_validation = True
        tags.requires_fit = self.segmenter is not None and not isinstance(self.segmenter, FrozenEstimator)
        return tags

    def _transformed(self, X, read_row):
        """Add the regions of each row; ``read_row(position)`` returns them by name."""
        _refuse_polars(self)
        if not hasattr(self, "n_features_in_"):
            # Nothing is learned, so fit may be left out; set_output still needs the names.
            _check_feature_names(self, X, reset=True)
        twice = [name for name in self._region_names() if name in X.columns]
        if twice:
            raise InputError(
                f"X holds a column {twice[0]!r} already ({len(twice)} such columns); drop it, or rename it",
                code="columns",
            )
        columns = {name: np.full(len(X), None, dtype=object) for name in self._region_names()}
        failures = []
        for position in range(len(X)):
            if self._is_rejected(X, position, failures):
                continue
            for name, region in read_row(position, failures).items():
                columns[name][position] = region
        self._write_down(failures)
        return pd.concat([X, pd.DataFrame(columns, index=X.index)], axis=1)

    def _write_down(self, failures):
        self.failures_ = pd.DataFrame(failures, columns=LINE)

    def _is_rejected(self, X, position, failures):
        """Whether a reader rejected the row; then it is written down and raises nothing, since it is known."""
        reason = None if self.rejected is None else X[self.rejected].iloc[position]
        if reason is None or pd.isna(reason):
            return False
        failures.append({"row": position, "region": "all", "code": "rejected", "reason": str(reason)})
        return True

    def _failed(self, failures, position, what, error):
        """Raise the error with its place, or write it down."""
        if self.on_error == "raise":
            raise error.at(f"row {position}, {what}") from error
        failures.append({"row": position, "region": what, "code": error.code, "reason": str(error)})

    def _fit_segmenter(self, X):
        """Fit the segmenter on the masks, unless it is frozen."""
        self.segmenter_ = clone(self.segmenter)
        if not isinstance(self.segmenter, FrozenEstimator):
            table(X, [self.mask])
            maps = [read_label_map(cell) for cell in X[self.mask]]
            self.segmenter_.fit([as_radiograph(cell) for cell in X[self.image]], maps)


def table(X, columns):
    """Refuse what is not a data frame with the columns."""
    X = _as_pandas(X)
    if not isinstance(X, pd.DataFrame):
        raise InputError(f"X is a pandas.DataFrame with the columns {columns}, not {type(X).__name__}", code="table")
    missing = [column for column in columns if column not in X]
    if missing:
        raise InputError(f"X lacks the columns {missing}; it has {list(X.columns)}", code="columns")
    check_names_differ(X)
    return X
