"""Choose features by redundancy, and by relevance and redundancy together."""

from numbers import Integral, Real

import numpy as np
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, _fit_context
from sklearn.feature_selection import SelectorMixin, f_classif
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError


class CorrelationPruner(SelectorMixin, BaseEstimator):
    """Drop features that say what an earlier feature says.

    Features are gone through in the order of their columns, or of their relevance where labels are given; one is kept
    unless it correlates with a kept one more than the threshold. Constant features are dropped.

    Parameters
    ----------
    threshold : float, default=0.9
        Largest absolute correlation of two kept features.
    method : {"pearson", "spearman"}, default="spearman"
        Kind of correlation.
    order : {"columns", "relevance"}, default="columns"
        Which of two comes first: the left one, or the one with the larger F statistic against ``y``.

    Attributes
    ----------
    support_ : bool array of shape (n_features,)
        Kept features.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of str of shape (`n_features_in_`,)
        Their names, where X is a data frame with names.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.selection import CorrelationPruner
    >>> X = np.array([[1.0, 2.0, 5.0], [2.0, 4.0, 1.0], [3.0, 6.1, 4.0], [4.0, 8.0, 2.0]])
    >>> CorrelationPruner().fit(X).get_support().tolist()
    [True, False, True]
    """

    _parameter_constraints = {  # noqa: RUF012
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "method": [StrOptions({"pearson", "spearman"})],
        "order": [StrOptions({"columns", "relevance"})],
    }

    def __init__(self, threshold=0.9, *, method="spearman", order="columns"):
        self.threshold = threshold
        self.method = method
        self.order = order

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Choose features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, finite.
        y : array-like of shape (n_samples,), default=None
            Labels, used for ``order="relevance"``.

        Returns
        -------
        CorrelationPruner
            The fitted selector.

        Raises
        ------
        InputError
            If the order is relevance and there are no labels.
        """
        if self.order == "relevance" and y is None:
            raise InputError("order='relevance' needs labels; give y, or order='columns'")
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        varies = np.ptp(X, axis=0) > 0
        order = np.arange(X.shape[1]) if self.order == "columns" else np.argsort(-_relevance(X, y), kind="stable")
        unit = _unit_columns(X if self.method == "pearson" else rankdata(X, axis=0))
        self.support_ = _keep_distinct(unit, order[varies[order]], self.threshold)
        return self

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_


class MRMRSelector(SelectorMixin, BaseEstimator):
    """Choose features that are relevant to the label and not redundant among themselves (mRMR).

    The first feature has the largest F statistic; each next one the largest F over the mean absolute correlation with
    those already chosen.

    Parameters
    ----------
    n_features : int, default=10
        How many to choose; all, where there are fewer.

    Attributes
    ----------
    support_ : bool array of shape (n_features,)
        Chosen features.
    ranking_ : int array of shape (n_chosen,)
        Their columns, first choice first.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of str of shape (`n_features_in_`,)
        Their names, where X is a data frame with names.

    References
    ----------
    Ding C, Peng H. Minimum redundancy feature selection from microarray gene expression data. Journal of Bioinformatics
    and Computational Biology 2005;3:185-205 (the quotient FCQ).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.selection import MRMRSelector
    >>> y = np.arange(40) % 2
    >>> a, b, c = np.random.default_rng(3).normal(size=(3, 40))
    >>> X = np.column_stack([a + 2 * y, a + 2 * y + 0.01 * c, b + 2 * y])
    >>> MRMRSelector(2).fit(X, y).ranking_.tolist()[1]
    2
    """

    _parameter_constraints = {"n_features": [Interval(Integral, 1, None, closed="left")]}  # noqa: RUF012

    def __init__(self, n_features=10):
        self.n_features = n_features

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Choose features.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, finite.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        MRMRSelector
            The fitted selector.
        """
        check_same_rows("X", X, y=y)
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(y)
        relevance, unit = _relevance(X, y), _unit_columns(X)
        chosen, redundancy = [int(np.argmax(relevance))], np.zeros(X.shape[1])
        while len(chosen) < min(self.n_features, X.shape[1]):
            redundancy += np.abs(unit.T @ unit[:, chosen[-1]])
            score = relevance / np.maximum(redundancy / len(chosen), 1e-3)
            score[chosen] = -np.inf
            chosen.append(int(np.argmax(score)))
        self.ranking_ = np.array(chosen)
        self.support_ = np.isin(np.arange(X.shape[1]), chosen)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_


def _relevance(X, y):
    """F statistic of each feature (n_features,), 0 where it does not vary."""
    varies = np.ptp(X, axis=0) > 0
    relevance = np.zeros(X.shape[1])
    if varies.any():
        relevance[varies] = np.nan_to_num(f_classif(X[:, varies], y)[0], posinf=np.finfo(float).max)
    return relevance


def _unit_columns(X):
    """Columns centred and of length 1, so that products are correlations; constant ones are 0."""
    centred = X - X.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    return centred / np.where(length > 0, length, 1)


def _keep_distinct(unit, order, threshold):
    """Go through columns in order; keep those that correlate with no kept one above the threshold."""
    kept = []
    for column in order:
        if not kept or np.abs(unit[:, kept].T @ unit[:, column]).max() <= threshold:
            kept.append(column)
    return np.isin(np.arange(unit.shape[1]), kept)
