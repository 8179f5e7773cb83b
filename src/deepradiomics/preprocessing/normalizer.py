"""GrayscaleNormalizer: a table of images in, the same table on one grey scale out."""

from dataclasses import replace
from numbers import Real

import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names

from deepradiomics.estimators import _as_pandas, _refuse_polars
from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.preprocessing.intensity import equalize, normalize, smooth
from deepradiomics.reading import as_radiograph


class GrayscaleNormalizer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Bring the grey values of each image to one scale, image by image; nothing is learned.

    Parameters
    ----------
    method : {"zscore", "minmax", "percentile", "equalize"}, default="zscore"
        As in `normalize`, or `equalize`.
    percentiles : tuple of two floats, default=(1.0, 99.0)
        For ``method="percentile"``.
    sigma : float, default=0.0
        Standard deviation in pixels of a Gaussian blur before; 0 is none.
    within_mask : bool, default=True
        Whether the statistics are those of the mask, where an image has one.

    Attributes
    ----------
    feature_names_in_ : array of str
        Columns seen by fit.
    n_features_in_ : int
        Number of columns seen by fit.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from deepradiomics.preprocessing import GrayscaleNormalizer
    >>> X = pd.DataFrame({"hip": [np.array([[1, 2, 3]]), None]})
    >>> GrayscaleNormalizer(method="minmax").fit_transform(X)["hip"][0].pixels
    array([[0. , 0.5, 1. ]], dtype=float32)
    """

    _parameter_constraints = {  # noqa: RUF012
        "method": [StrOptions({"zscore", "minmax", "percentile", "equalize"})],
        "percentiles": ["array-like"],
        "sigma": [Interval(Real, 0, None, closed="left")],
        "within_mask": ["boolean"],
    }

    def __init__(self, *, method="zscore", percentiles=(1.0, 99.0), sigma=0.0, within_mask=True):
        self.method = method
        self.percentiles = percentiles
        self.sigma = sigma
        self.within_mask = within_mask

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.no_validation = True
        tags.requires_fit = False
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Note the columns; nothing is learned.

        Parameters
        ----------
        X : DataFrame
            Columns of images: paths, arrays, `Radiograph` or None.
        y : None, default=None
            Ignored.

        Returns
        -------
        GrayscaleNormalizer
            The transformer.

        Raises
        ------
        InputError
            If X is not a data frame.
        """
        _check_feature_names(self, _table(X), reset=True)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        """Normalise each image.

        Parameters
        ----------
        X : DataFrame
            Columns of images: paths, arrays, `Radiograph` or None.

        Returns
        -------
        DataFrame
            The same columns, each cell a `Radiograph`, or None where the image is missing.

        Raises
        ------
        InputError
            If X is not a data frame, or an image cannot be read; the message names row and column.
        RegionError
            If a mask is empty or an image is flat; the message names row and column.
        """
        self._validate_params()
        _refuse_polars(self)
        X = _table(X)
        if not hasattr(self, "n_features_in_"):  # fit may be left out; set_output still needs the names
            _check_feature_names(self, X, reset=True)
        columns = {
            name: pd.Series(
                [self._normalised(cell, position, name) for position, cell in enumerate(X[name])],
                index=X.index,
                dtype=object,
            )
            for name in X
        }
        return pd.DataFrame(columns, index=X.index)

    def _normalised(self, cell, position, name):
        """Return one cell."""
        try:
            radiograph = as_radiograph(cell)
            if radiograph is None:
                return None
            mask = radiograph.mask if self.within_mask else None
            if self.sigma > 0:
                radiograph = replace(radiograph, pixels=smooth(radiograph.pixels, self.sigma))
            if self.method == "equalize":
                return replace(radiograph, pixels=equalize(radiograph.pixels, mask))
            return replace(
                radiograph,
                pixels=normalize(radiograph.pixels, mask, method=self.method, percentiles=self.percentiles),
            )
        except DeepRadiomicsError as error:
            raise error.at(f"row {position}, column {name!r}") from error


def _table(X):
    X = _as_pandas(X)
    if not isinstance(X, pd.DataFrame):
        raise InputError(f"X is a pandas.DataFrame of images, not {type(X).__name__}", code="table")
    return X
