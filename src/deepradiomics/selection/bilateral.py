"""Choose features of both sides of the body together."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context, clone
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.selection.redundancy import MRMRSelector


class BilateralSelector(TransformerMixin, BaseEstimator):
    """Choose features of both sides of the body together.

    The columns are two halves of equal length: all features of the left side, then the same of the right side. A
    selector is fitted on each half, and the two choices are joined.

    Parameters
    ----------
    selector : estimator, default=None
        A selector with ``get_support``; None chooses the 10 features with the largest F statistic by mRMR.
    keep : {"both", "either", "mean"}, default="both"
        Keep a feature, on both sides, where it was chosen on both sides or on either; or let the selector choose among
        the means of the two sides and give those.

    Attributes
    ----------
    selectors_ : list of estimators
        The fitted selectors: of the left and the right side, or one of the means.
    support_ : bool array of shape (`n_features_in_` / 2,)
        Features of one side that were chosen.
    n_features_in_ : int
        Number of features of both sides.
    feature_names_in_ : array of str of shape (`n_features_in_`,)
        Their names, where X is a data frame with names.

    Notes
    -----
    A value that is missing on one side (NaN) leaves the mean to the other side, with ``keep="mean"``.

    References
    ----------
    Kim S, Kim BR, Chae HD, et al. Deep radiomics-based approach to the diagnosis of osteoporosis using hip
    radiographs. Radiology: Artificial Intelligence 2022;4(4):e210212.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.feature_selection import SelectKBest
    >>> from deepradiomics.selection import BilateralSelector
    >>> y = np.arange(60) % 2
    >>> left, right = np.random.default_rng(0).normal(size=(2, 60, 3)) + 2 * y[None, :, None] * [1, 0, 0]
    >>> BilateralSelector(SelectKBest(k=1)).fit_transform(np.hstack([left, right]), y).shape
    (60, 2)
    """

    _parameter_constraints = {  # noqa: RUF012
        "selector": [HasMethods(["fit", "get_support"]), None],
        "keep": [StrOptions({"both", "either", "mean"})],
    }

    def __init__(self, selector=None, *, keep="both"):
        self.selector = selector
        self.keep = keep

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Choose features.

        Parameters
        ----------
        X : array-like of shape (n_samples, 2 * n_features)
            Features of the left side, then of the right side.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        BilateralSelector
            The fitted selector.

        Raises
        ------
        InputError
            If the number of columns is odd.
        """
        check_same_rows("X", X, y=y)
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_features=2)
        selector = MRMRSelector() if self.selector is None else self.selector
        sides = [_mean_of_sides(X)] if self.keep == "mean" else _sides(X)
        self.selectors_ = [clone(selector).fit(side, y) for side in sides]
        chosen = [fitted.get_support() for fitted in self.selectors_]
        self.support_ = np.logical_or.reduce(chosen) if self.keep == "either" else np.logical_and.reduce(chosen)
        return self

    def transform(self, X):
        """Keep the chosen features.

        Parameters
        ----------
        X : array-like of shape (n_samples, 2 * n_features)
            Features of the left side, then of the right side.

        Returns
        -------
        float array of shape (n_samples, n_chosen)
            Chosen features of the left side, then of the right side; or their means.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        if self.keep == "mean":
            return _mean_of_sides(X)[:, self.support_]
        return X[:, np.tile(self.support_, 2)]

    def get_feature_names_out(self, input_features=None):
        """Name the features that come out.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the features that go in.

        Returns
        -------
        array of str of shape (n_chosen,)
            Their own names; those of the left side for means.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        half = len(names) // 2
        return names[:half][self.support_] if self.keep == "mean" else names[np.tile(self.support_, 2)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = False
        return tags


def _sides(X):
    if X.shape[1] % 2:
        raise InputError(
            f"{X.shape[1]} columns cannot be two sides of equal length; give the features of the left side, then the "
            "same of the right side"
        )
    half = X.shape[1] // 2
    return [X[:, :half], X[:, half:]]


def _mean_of_sides(X):
    """Mean of left and right (n_samples, n_features / 2); of one of them where the other is missing."""
    left, right = _sides(X)
    return (np.where(np.isnan(left), right, left) + np.where(np.isnan(right), left, right)) / 2
