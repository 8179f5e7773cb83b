"""Intervals of any measure by drawing patients with replacement."""

import numpy as np
from sklearn.utils import check_random_state

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import check_number
from deepradiomics.metrics.intervals import Interval, check_level
from deepradiomics.splits import encode_groups

# A single patient of a class is missing from 37 of 100 resamples.
_FEWEST_KNOWN = 0.7
# Whole numbers of so few kinds are labels, also as floats; more are a continuous target.
_MOST_CLASSES = 10


def bootstrap_interval(metric, y, *predictions, groups=None, n_resamples=2000, level=0.95, random_state=None):
    """Return a measure with its percentile interval over resampled patients.

    Parameters
    ----------
    metric : callable
        Takes y and the predictions, gives a number: ``metric(y, *predictions)``.
    y : array-like of shape (n_samples,)
        Labels, or a continuous target.
    *predictions : array-like of shape (n_samples, ...)
        Scores, probabilities or calls. Two of them and a metric that subtracts give the interval of a difference.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row: all rows of a drawn patient are drawn. None draws rows.
    n_resamples : int, default=2000
        Number of resamples.
    level : float, default=0.95
        Confidence level, between 0 and 1.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    Interval
        The measure on all rows, and percentiles of the measure over the resamples. A resample on which the measure is
        not defined (one class only) is left out.

    Raises
    ------
    InputError
        If lengths differ, or more than three in ten resamples leave the measure undefined.

    References
    ----------
    Field CA, Welsh AH. Bootstrapping clustered data. J R Stat Soc B 2007;69:369-390.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.metrics import balanced_accuracy_score
    >>> from deepradiomics.metrics import bootstrap_interval
    >>> y = np.arange(200) % 2
    >>> calls = np.where(np.arange(200) < 150, y, 1 - y)
    >>> print(bootstrap_interval(balanced_accuracy_score, y, calls, random_state=0))
    0.75 [0.69, 0.81]
    """
    check_level(level)
    check_number("n_resamples", n_resamples, low=1)
    check_same_rows("y", y, groups=groups, **{f"prediction {place}": one for place, one in enumerate(predictions)})
    arrays = [np.atleast_1d(values) for values in (y, *predictions)]
    lengths = {len(values) for values in arrays} | ({len(groups)} if groups is not None else set())
    if len(lengths) > 1:
        raise InputError(f"arrays of {sorted(lengths)} rows; give one value a row in each", code="length")
    patients = _rows_of_patients(groups, len(arrays[0]))
    rng = check_random_state(random_state)
    found = np.array([_on_resample(metric, arrays, patients, rng) for _ in range(n_resamples)])
    known = found[np.isfinite(found)]
    if len(known) < _FEWEST_KNOWN * n_resamples:
        raise InputError(
            f"the measure is undefined on {n_resamples - len(known)} of {n_resamples} resamples of {len(patients)} "
            "patients; there are too few patients of one class",
            code="few_patients",
        )
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(metric(*arrays)), float(low), float(high))


def resampled_sums(values, groups, *, n_resamples=2000, random_state=None):
    """Sum values over all rows, and over patients drawn with replacement, for measures that are made of sums.

    Parameters
    ----------
    values : float array of shape (n_samples, n_values)
        What is summed.
    groups : array of shape (n_samples,)
        Patient of each row.
    n_resamples : int, default=2000
        Number of resamples.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    float array of shape (1 + n_resamples, n_values)
        The sums over all rows first.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.metrics.bootstrap import resampled_sums
    >>> resampled_sums(np.ones((4, 1)), np.array([0, 0, 1, 1]), n_resamples=1, random_state=0).tolist()
    [[4.0], [4.0]]
    """
    codes = encode_groups(groups, len(values))
    n = codes.max() + 1
    sums = np.stack([np.bincount(codes, weights=column, minlength=n) for column in np.transpose(values)], axis=1)
    drawn = check_random_state(random_state).multinomial(n, np.full(n, 1 / n), size=n_resamples)
    return np.concatenate([sums.sum(axis=0)[None], drawn @ sums])


def _rows_of_patients(groups, n_rows):
    """Row numbers of each patient."""
    if groups is None:
        return list(np.arange(n_rows)[:, None])
    codes = encode_groups(groups, n_rows)
    return np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])


def _on_resample(metric, arrays, patients, rng):
    """Measure on patients drawn with replacement; NaN where a class of the labels is not drawn."""
    rows = np.concatenate([patients[i] for i in rng.randint(len(patients), size=len(patients))])
    y = arrays[0]
    classes = np.unique(y)
    are_labels = y.dtype.kind != "f" or (len(classes) <= _MOST_CLASSES and (classes == np.rint(classes)).all())
    if are_labels and len(np.unique(y[rows])) < len(classes):
        return np.nan
    return float(metric(*(values[rows] for values in arrays)))
