"""What joins blocks of features into one answer: late and stacked fusion, and a classifier of ordered classes."""

import re
from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, indexable, validate_data

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.splits import cross_validation_splits, encode_groups


def columns_of(block):
    """Build the selector of the columns that a block of a ColumnTransformer has given.

    Parameters
    ----------
    block : str
        Name of the block, such as ``"texture"``.

    Returns
    -------
    callable
        Takes a data frame, gives the names of its columns that begin with the block's name and two underscores, as a
        `ColumnTransformer` with ``set_output(transform="pandas")`` names them.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.fusion import columns_of
    >>> columns_of("deep")(pd.DataFrame({"deep__0": [0.1], "deep__1": [0.2], "clinical__age": [70]}))
    ['deep__0', 'deep__1']
    """
    return make_column_selector(pattern=f"^{re.escape(block)}__")


def late_fusion(blocks, classifier, *, weights=None):
    """Build a classifier that fits one classifier a block and averages their probabilities.

    Parameters
    ----------
    blocks : ColumnTransformer or list of str
        Named blocks. A `ColumnTransformer` gives a model of the table that it would transform. A list of names gives a
        model of its pandas output, to stand behind it: the blocks are then fitted once, and
        :func:`deepradiomics.compare_feature_sets` can share them.
    classifier : estimator
        A classifier with ``predict_proba``; each block gets a clone.
    weights : list of float, default=None
        Weight of each block in the mean, such as :func:`learn_weights` finds; None is the plain mean.

    Returns
    -------
    sklearn.ensemble.VotingClassifier
        Soft vote; its estimators carry the names of the blocks, and one is left out by ``set_params(texture="drop")``.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.compose import ColumnTransformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from deepradiomics import late_fusion
    >>> X = pd.DataFrame({"age": [50, 60, 70, 80], "entropy": [5.0, 4.0, 4.5, 3.0]})
    >>> blocks = ColumnTransformer([("clinical", "passthrough", ["age"]), ("texture", "passthrough", ["entropy"])])
    >>> model = late_fusion(blocks, LogisticRegression()).fit(X, [0, 0, 1, 1])
    >>> model.predict(X).tolist()
    [0, 0, 1, 1]
    """
    voters = [(part[0], make_pipeline(ColumnTransformer([part]), clone(classifier))) for part in _parts(blocks)]
    return VotingClassifier(voters, voting="soft", weights=weights)


def learn_weights(blocks, classifier, X, y, *, groups=None, cv=5, random_state=None):
    """Learn how much each block should count in a late fusion, from out-of-fold probabilities.

    Parameters
    ----------
    blocks : ColumnTransformer or list of str
        Named blocks, as in :func:`late_fusion`.
    classifier : estimator
        A classifier with ``predict_proba``; each block gets a clone.
    X : DataFrame of shape (n_samples, n_columns)
        Training rows.
    y : array-like of shape (n_samples,)
        Labels.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row; no patient is on both sides of a split.
    cv : int, splitter or iterable, default=5
        How out-of-fold probabilities are made, as in :class:`StackedFusionClassifier`.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds.

    Returns
    -------
    float array of shape (n_blocks,)
        Weights from 0 on that add up to 1: the mean of probabilities with the smallest logarithmic loss.

    Raises
    ------
    InputError
        If a class has fewer patients than folds.
    LeakageError
        If a group is on both sides of a split.

    Notes
    -----
    Weights learned on all rows and then cross-validated would have seen the test rows. To learn them anew in each
    fold, stack: :class:`StackedFusionClassifier` is the same idea with a logistic regression for the mean.

    References
    ----------
    Breiman L. Stacked regressions. Machine Learning 1996;24:49-64, for weights that are not negative.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.compose import ColumnTransformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from deepradiomics.fusion import learn_weights
    >>> y, rng = np.arange(100) % 2, np.random.default_rng(0)
    >>> X = pd.DataFrame({"age": rng.normal(2 * y), "noise": rng.normal(size=100)})
    >>> blocks = ColumnTransformer([("clinical", "passthrough", ["age"]), ("texture", "passthrough", ["noise"])])
    >>> learn_weights(blocks, LogisticRegression(), X, y, random_state=0).round(1)
    array([1., 0.])
    """
    check_same_rows("X", X, y=y, groups=groups)
    X, y, groups = indexable(X, y, groups)
    splits = _splits(cv, y, groups, random_state, None)
    voters = [make_pipeline(ColumnTransformer([part]), clone(classifier)) for part in _parts(blocks)]
    own = np.unique(y, return_inverse=True)[1]
    # Probability of each row's own class, by block: the loss of a mean of blocks is that of the mean of these.
    of_own = np.stack(
        [
            cross_val_predict(voter, X, y, cv=splits, method="predict_proba")[np.arange(len(own)), own]
            for voter in voters
        ]
    )

    def loss(weights):
        mixed = np.maximum(weights @ of_own, 1e-12)
        return -np.log(mixed).mean(), -(of_own / mixed).mean(axis=1)

    equal = np.full(len(of_own), 1 / len(of_own))
    total = {"type": "eq", "fun": lambda weights: weights.sum() - 1}
    found = minimize(loss, equal, jac=True, method="SLSQP", bounds=[(0, 1)] * len(equal), constraints=total)
    return np.maximum(found.x, 0) / np.maximum(found.x, 0).sum()


class StackedFusionClassifier(ClassifierMixin, BaseEstimator):
    """Fit one classifier a block, and a last one on their out-of-fold probabilities.

    Parameters
    ----------
    blocks : ColumnTransformer, list of str or None, default=None
        Named blocks, as in :func:`late_fusion`. A block of which a table has no column is left out. None makes all
        columns one block.
    classifier : estimator, default=None
        Fitted on each block, with ``predict_proba``; None is a logistic regression.
    final_classifier : estimator, default=None
        Fitted on the probabilities; None is a logistic regression.
    cv : int, splitter or iterable, default=5
        How out-of-fold probabilities are made. A number of folds is stratified and shuffled, and keeps groups
        together where ``groups`` are given.
    n_jobs : int, default=None
        Blocks that are fitted at a time.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels.
    stacking_ : StackingClassifier
        The fitted classifiers.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : array of str of shape (`n_features_in_`,)
        Their names, where X is a data frame with names.

    Notes
    -----
    scikit-learn's `StackingClassifier` does the work; it is handed explicit splits, as it does not pass groups on to
    its splitter. Blocks whose transformers themselves need groups belong in front of this classifier, not in it.

    References
    ----------
    Wolpert DH. Stacked generalization. Neural Networks 1992;5:241-259.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.fusion import StackedFusionClassifier
    >>> y = np.arange(40) % 2
    >>> X = np.random.default_rng(0).normal(size=(40, 3)) + y[:, None]
    >>> StackedFusionClassifier(random_state=0).fit(X, y, groups=np.arange(40) // 2).predict_proba(X).shape
    (40, 2)
    """

    _parameter_constraints = {  # noqa: RUF012
        "blocks": [ColumnTransformer, list, None],
        "classifier": [HasMethods(["fit", "predict_proba"]), None],
        "final_classifier": [HasMethods(["fit", "predict_proba"]), None],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(self, blocks=None, classifier=None, *, final_classifier=None, cv=5, n_jobs=None, random_state=None):
        self.blocks = blocks
        self.classifier = classifier
        self.final_classifier = final_classifier
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, groups=None):
        """Fit the classifier of each block and the last one.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,), default=None
            Patient of each row; no patient is on both sides of a split.

        Returns
        -------
        StackedFusionClassifier
            The fitted estimator.

        Raises
        ------
        InputError
            If the table has no column of any block, or a class has fewer patients than folds.
        LeakageError
            If a group is on both sides of a split.
        """
        check_same_rows("X", X, y=y, groups=groups)
        X, y, groups = indexable(X, y, groups)
        if self.blocks is None:
            X, y = validate_data(self, X, y, ensure_min_samples=2)
        else:
            validate_data(self, X, skip_check_array=True)
        check_classification_targets(y)
        splits = _splits(self.cv, y, groups, self.random_state, type(self).__name__)
        self.stacking_ = self._stacking(_present(_parts(self.blocks), X), splits).fit(X, y)
        self.classes_ = self.stacking_.classes_
        return self

    def predict_proba(self, X):
        """Estimate the probability of each class.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            The table.

        Returns
        -------
        float array of shape (n_samples, n_classes)
            Probabilities in the order of ``classes_``.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, skip_check_array=self.blocks is not None)
        return self.stacking_.predict_proba(X)

    def predict(self, X):
        """Predict the most probable class.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            The table.

        Returns
        -------
        array of shape (n_samples,)
            Labels.
        """
        probability = self.predict_proba(X)
        return self.classes_[probability.argmax(axis=1)]

    def _stacking(self, parts, cv):
        """Build scikit-learn's stacking of one classifier a block."""
        classifier = LogisticRegression(max_iter=1000) if self.classifier is None else self.classifier
        return StackingClassifier(
            [(part[0], make_pipeline(ColumnTransformer([part]), clone(classifier))) for part in parts],
            final_estimator=LogisticRegression() if self.final_classifier is None else clone(self.final_classifier),
            cv=cv,
            stack_method="predict_proba",
            n_jobs=self.n_jobs,
        )

    def _sk_visual_block_(self):
        return self._stacking(_parts(self.blocks), self.cv)._sk_visual_block_()


class OrdinalLogisticRegression(ClassifierMixin, BaseEstimator):
    """Tell ordered classes, such as normal, osteopenia and osteoporosis, by cuts of one score.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the ridge, as in scikit-learn's `LogisticRegression`; it weighs on slopes for a unit of each
        column, so the columns should be standardized.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels in their order: that of an ordered `pandas.Categorical`, else sorted.
    coef_ : array of shape (n_features,)
        Slopes of the score.
    cuts_ : array of shape (n_classes - 1,)
        Scores between neighboring classes, rising.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : array of str of shape (`n_features_in_`,)
        Their names, where X is a data frame with names.

    Notes
    -----
    ``P(y <= class k) = 1 / (1 + exp(x coef - cut_k))``: the slopes are the same for each cut (proportional odds). Where
    this is far from true, the multinomial model is much better; ``docs/comparison.md`` has both measured.

    Votes, stacks and `cross_val_predict` number words by the alphabet and hand the numbers on: give them 0, 1, 2.

    References
    ----------
    McCullagh P. Regression models for ordinal data. Journal of the Royal Statistical Society B 1980;42:109-142.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.fusion import OrdinalLogisticRegression
    >>> model = OrdinalLogisticRegression().fit(np.arange(9.0)[:, None], np.repeat([0, 1, 2], 3))
    >>> model.predict([[0.0], [4.0], [8.0]])
    array([0, 1, 2])
    """

    _parameter_constraints = {"C": [Interval(Real, 0, None, closed="neither")]}  # noqa: RUF012

    def __init__(self, C=1.0):
        self.C = C

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # scikit-learn's checks ask for classes that lie in no order to be told apart.
        tags.classifier_tags.poor_score = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Fit slopes and cuts.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            Numbers.
        y : array-like of shape (n_samples,)
            Labels; words need an ordered `pandas.Categorical` unless they are sorted by the alphabet.

        Returns
        -------
        OrdinalLogisticRegression
            The fitted estimator.

        Raises
        ------
        InputError
            If there is one class, or a label is missing in a Categorical.
        """
        kind, categories = getattr(y, "dtype", None), None
        if isinstance(kind, pd.CategoricalDtype) and kind.ordered:
            categories, y = list(kind.categories), np.asarray(pd.Categorical(y).codes)
            if (y < 0).any():
                raise InputError(f"y lacks {(y < 0).sum()} of {len(y)} labels; leave these rows out")
        X, y = validate_data(self, X, y, dtype=float)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if categories is not None:
            self.classes_ = np.array([categories[code] for code in self.classes_])
        if len(self.classes_) < 2:
            raise InputError("y has one class; an ordinal model needs two or more")
        n_columns, shares = X.shape[1], np.cumsum(np.bincount(codes))[:-1] / len(codes)
        cuts = logit(shares)
        # Slopes, the first cut, and the logarithms of the steps to the next ones.
        start = np.concatenate([np.zeros(n_columns), cuts[:1], np.log(np.diff(cuts))])
        limits = [(None, None)] * (n_columns + 1) + [(-20, 6)] * (len(cuts) - 1)
        # Far from 0 or of unlike sizes, columns would stop the search early; the ridge stays that of the slopes given.
        mean, scale = X.mean(axis=0), X.std(axis=0)
        scale[scale == 0] = 1.0
        given = ((X - mean) / scale, codes, self.C, scale)
        careful = {"ftol": 1e-13, "gtol": 1e-8, "maxiter": 10000, "maxfun": 100000}
        found = minimize(_ordinal_loss, start, given, "L-BFGS-B", True, bounds=limits, options=careful).x
        self.coef_ = found[:n_columns] / scale
        self.cuts_ = np.cumsum(np.append(found[n_columns], np.exp(found[n_columns + 1 :]))) + mean @ self.coef_
        return self

    def predict_proba(self, X):
        """Estimate the probability of each class.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            Numbers.

        Returns
        -------
        float array of shape (n_samples, n_classes)
            Probabilities in the order of ``classes_``.
        """
        check_is_fitted(self)
        score = validate_data(self, X, dtype=float, reset=False) @ self.coef_
        below = expit(self.cuts_ - score[:, None])
        return np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))))

    def predict(self, X):
        """Predict the most probable class.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            Numbers.

        Returns
        -------
        array of shape (n_samples,)
            Labels.
        """
        probability = self.predict_proba(X)
        return self.classes_[probability.argmax(axis=1)]


def _parts(blocks):
    """Return (name, transformer, columns) of each block."""
    if blocks is None:
        return [("all", "passthrough", _all_columns)]
    if isinstance(blocks, ColumnTransformer):
        return list(blocks.transformers)
    return [(name, "passthrough", columns_of(name)) for name in blocks]


def _all_columns(X):
    return list(range(X.shape[1]))


def _present(parts, X):
    """Return the blocks of which the table has columns."""
    present = [part for part in parts if not callable(part[2]) or len(part[2](X))]
    if not present:
        names = ", ".join(name for name, _, _ in parts)
        raise InputError(f"the table has no column of the blocks {names}; is it the pandas output of a transformer?")
    return present


def _splits(cv, y, groups, random_state, owner):
    """List (train, test) of each fold, with whole patients."""
    codes = None if groups is None else encode_groups(groups, len(y), sort=True)
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    return cross_validation_splits(cv, np.asarray(y), codes, random_state=seed, owner=owner)


def _ordinal_loss(values, X, codes, strength, scale):
    """Half of the squared slopes over the scale and the weighted log loss, and the gradient."""
    n_columns = X.shape[1]
    slopes, steps = values[:n_columns], np.append(values[n_columns], np.exp(values[n_columns + 1 :]))
    edges = np.concatenate([[-np.inf], np.cumsum(steps), [np.inf]])
    low, high = (edges[codes + side] - X @ slopes for side in (0, 1))
    log_likelihood = log_expit(high) + log_expit(-low) + np.log1p(-np.exp(low - high))
    shared = 1 / np.expm1(high - low)
    by_high, by_low = expit(-high) + shared, -expit(low) - shared
    by_edge = np.bincount(codes + 1, by_high, len(edges)) + np.bincount(codes, by_low, len(edges))
    by_step = np.cumsum(by_edge[-2:0:-1])[::-1] * np.append(1.0, steps[1:])
    gradient = np.append(X.T @ (by_high + by_low), -by_step)
    ridge = slopes / scale**2
    return slopes @ ridge / 2 - strength * log_likelihood.sum(), np.append(ridge, 0 * steps) + strength * gradient
