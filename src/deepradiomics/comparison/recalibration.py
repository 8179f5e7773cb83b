"""A fitted model in another hospital: its probabilities and its threshold are set anew on local patients."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from deepradiomics.comparison._target import read_target
from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.metrics.rates import sensitivity_threshold, youden_threshold
from deepradiomics.metrics.recalibration import apply_recalibration, fit_recalibration


def recalibrate(model, X, y, *, method="slope", sensitivity=None, event=None):
    """Fit a model's probabilities, and its threshold, to local patients; the model itself is not fitted again.

    Parameters
    ----------
    model : estimator
        A fitted classifier with ``predict_proba``.
    X : DataFrame or array of shape (n_samples, n_features)
        Table of local patients, none of whom it was fitted on.
    y : array-like of shape (n_samples,)
        Their labels.
    method : {"intercept", "slope", "isotonic"}, default="slope"
        ``"intercept"`` moves the log odds by one number, which serves another prevalence and few patients; ``"slope"``
        also stretches them; ``"isotonic"`` takes any rising steps, and needs hundreds of patients.
    sensitivity : float, default=None
        The threshold is the highest one that reaches it on the local patients; None takes Youden's. Classes beyond
        two are called by the largest probability.
    event : label, default=None
        Which of two labels is the event; None as in :func:`deepradiomics.compare_feature_sets`.

    Returns
    -------
    RecalibratedClassifier
        Fitted.

    Raises
    ------
    InputError
        If the labels are not those of the model, a class has no patient, or what is fitted is refused by
        :func:`deepradiomics.metrics.recalibration.fit_recalibration`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from deepradiomics import recalibrate
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(400, 1)), np.arange(400) % 2
    >>> model = LogisticRegression().fit(X + y[:, None], y)
    >>> rare = np.arange(400) % 8 == 0
    >>> local = recalibrate(model, X + rare[:, None], rare.astype(int), method="intercept")
    >>> round(float(local.predict_proba(X + rare[:, None])[:, 1].mean()), 3)
    0.125
    """
    frozen = FrozenEstimator(model)
    return RecalibratedClassifier(frozen, method=method, sensitivity=sensitivity, event=event).fit(X, y)


class RecalibratedClassifier(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose probabilities and threshold are those of other patients.

    Parameters
    ----------
    classifier : estimator
        A fitted classifier with ``predict_proba``, in :class:`sklearn.frozen.FrozenEstimator`, so that no clone is
        fitted again.
    method : {"intercept", "slope", "isotonic"}, default="slope"
        As in :func:`recalibrate`.
    sensitivity : float, default=None
        As in :func:`recalibrate`.
    event : label, default=None
        As in :func:`recalibrate`.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels in the order of the classifier.
    event_ : label
        The event of two classes; None for more.
    maps_ : list of arrays
        What :func:`deepradiomics.metrics.recalibration.fit_recalibration` found: one for the event of two classes, or
        one a class, each against the rest; these are brought back to a sum of 1.
    threshold_ : float
        Probability of the event from which on it is called; NaN for more than two classes.

    Examples
    --------
    See :func:`recalibrate`.
    """

    def __init__(self, classifier, *, method="slope", sensitivity=None, event=None):
        self.classifier = classifier
        self.method = method
        self.sensitivity = sensitivity
        self.event = event

    def fit(self, X, y):
        """Fit probabilities and threshold, and not the classifier.

        Parameters
        ----------
        X : DataFrame or array of shape (n_samples, n_features)
            Table of local patients.
        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        RecalibratedClassifier
            The fitted estimator.

        Raises
        ------
        InputError
            If the labels are not those of the model, a class has no patient, or the map is refused.
        """
        check_is_fitted(self.classifier, msg="the classifier is not fitted; give FrozenEstimator(fitted classifier)")
        check_same_rows("X", X, y=y)
        target, codes = read_target(y, [self.classifier], self.event)
        self.classes_ = np.asarray(self.classifier.classes_)
        known = self.classes_.tolist()
        if set(target.classes) != set(known):
            raise InputError(
                f"the local patients are of the classes {list(target.classes)}, the model knows {known}; give patients "
                "of each class, and no other"
            )
        scores = self.classifier.predict_proba(X)[:, [known.index(label) for label in target.classes]]
        two = len(known) == 2
        self.event_ = target.classes[1] if two else None
        order = [1] if two else [target.classes.index(label) for label in known]
        self.maps_ = [fit_recalibration(codes == code, scores[:, code], self.method) for code in order]
        self.threshold_ = np.nan
        if two:
            local = apply_recalibration(self.maps_[0], scores[:, 1])
            if self.sensitivity is None:
                self.threshold_ = youden_threshold(codes, local)
            else:
                self.threshold_ = sensitivity_threshold(codes, local, self.sensitivity)
        return self

    def predict_proba(self, X):
        """Estimate the probability of each class among the local patients.

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
        scores = self.classifier.predict_proba(X)
        if self.event_ is not None:
            place = self.classes_.tolist().index(self.event_)
            event = apply_recalibration(self.maps_[0], scores[:, place])
            found = np.column_stack([1 - event, event])
            return found if place == 1 else found[:, ::-1]
        found = np.column_stack(
            [apply_recalibration(own, score) for own, score in zip(self.maps_, scores.T, strict=True)]
        )
        total = found.sum(axis=1, keepdims=True)
        # Where steps give every class 0, nothing is known of the row.
        return np.where(total > 0, found / np.where(total > 0, total, 1), 1 / found.shape[1])

    def predict(self, X):
        """Call the event from the local threshold on, or the class with the largest probability.

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
        if self.event_ is None:
            return self.classes_[probability.argmax(axis=1)]
        place = self.classes_.tolist().index(self.event_)
        return self.classes_[np.where(probability[:, place] >= self.threshold_, place, 1 - place)]
