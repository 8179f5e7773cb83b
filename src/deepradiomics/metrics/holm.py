"""P-values corrected for the number of tests."""

import numpy as np

from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import as_numbers


def holm(p_values):
    """Correct p-values for their number after Holm.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        Raw p-values.

    Returns
    -------
    float array of shape (n_tests,)
        Corrected p-values, in the order given.

    Raises
    ------
    InputError
        If a p-value is missing or not within 0..1.

    Examples
    --------
    >>> from deepradiomics.metrics import holm
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p_values = as_numbers(p_values, "p-values")
    if p_values.ndim != 1 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise InputError("a p-value is missing or not within 0..1; leave that test out")
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def holm_of_known(p_values):
    """Correct the p-values of the tests that are defined; the others are no tests, and count for nothing.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        Raw p-values, NaN where a test is not defined.

    Returns
    -------
    float array of shape (n_tests,)
        As of :func:`holm`, NaN where they were.

    Examples
    --------
    >>> from deepradiomics.metrics.holm import holm_of_known
    >>> holm_of_known([0.01, float("nan"), 0.03])
    array([0.02,  nan, 0.03])
    """
    corrected = np.array(p_values, dtype=float)
    known = ~np.isnan(corrected)
    corrected[known] = holm(corrected[known])
    return corrected
