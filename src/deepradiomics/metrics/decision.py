"""Decision curves: what a model is worth at each threshold."""

import numpy as np
import pandas as pd

from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import check_probabilities


def net_benefit(y, probability, thresholds=None):
    """Compute the net benefit of acting on a probability, at each threshold.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels of two classes; the larger one is the event.
    probability : array-like of shape (n_samples,)
        Predicted probability of the event, 0 to 1.
    thresholds : array-like of shape (n_thresholds,), default=None
        Probabilities from which on one would act, above 0 and below 1. None is 0.01, 0.02, ..., 0.99.

    Returns
    -------
    DataFrame
        One row a threshold: ``threshold``, ``model``, ``treat_all`` and ``treat_none`` (0): true positives a patient,
        less false positives weighted by the odds of the threshold.

    Raises
    ------
    InputError
        If lengths differ, there are not two classes, a probability is not within 0..1, or a threshold is impossible.

    References
    ----------
    Vickers AJ, Elkin EB. Decision curve analysis: a novel method for evaluating prediction models. Medical Decision
    Making 2006;26:565-574.

    Examples
    --------
    >>> from deepradiomics.metrics import net_benefit
    >>> net_benefit([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.8], [0.2, 0.5])
       threshold   model  treat_all  treat_none
    0        0.2  0.4375      0.375         0.0
    1        0.5  0.0000      0.000         0.0
    """
    event, probability = check_probabilities(y, probability)
    thresholds = np.linspace(0.01, 0.99, 99) if thresholds is None else np.asarray(thresholds, dtype=float)
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise InputError("a threshold lies above 0 and below 1")
    odds = thresholds / (1 - thresholds)
    true_positives, false_positives = (_above(probability[rows], thresholds) for rows in (event, ~event))
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "model": (true_positives - odds * false_positives) / len(event),
            "treat_all": event.mean() - odds * (1 - event.mean()),
            "treat_none": np.zeros_like(thresholds),
        }
    )


def _above(values, thresholds):
    """Number of values at or above each threshold."""
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="left")
