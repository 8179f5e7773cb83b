"""How well repeated measurements, readers or calls agree."""

import numpy as np
from scipy.stats import binom, f, norm

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import as_numbers, check_calls
from deepradiomics.metrics.intervals import Interval, check_level


def icc(ratings, kind="ICC(2,1)", level=0.95):
    """Compute the intraclass correlation of single measurements, with its interval.

    Parameters
    ----------
    ratings : array-like of shape (n_subjects, n_raters)
        One row a subject, one column a rater or repetition; no value may be missing.
    kind : {"ICC(1,1)", "ICC(2,1)", "ICC(3,1)"}, default="ICC(2,1)"
        One-way; two-way with random raters (absolute agreement); two-way with fixed raters (consistency).
    level : float, default=0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    Interval
        The correlation and the ends of its interval; NaN where nothing varies.

    Raises
    ------
    InputError
        If there are fewer than two subjects or raters, a value is not finite, or the kind is not known.

    References
    ----------
    Shrout PE, Fleiss JL. Intraclass correlations: uses in assessing rater reliability. Psychological Bulletin
    1979;86:420-428.

    Examples
    --------
    >>> from deepradiomics.metrics import icc
    >>> ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    >>> print(icc(ratings))
    0.29 [0.02, 0.76]
    """
    ratings = _checked_ratings(ratings)
    check_level(level)
    forms = {"ICC(1,1)": _one_way, "ICC(2,1)": _two_way_random, "ICC(3,1)": _two_way_fixed}
    if kind not in forms:
        raise InputError(f"kind is one of {', '.join(forms)}, not {kind!r}")
    if np.ptp(ratings) == 0:
        return Interval(np.nan, np.nan, np.nan)
    return Interval(*(float(value) for value in forms[kind](ratings, (1 - level) / 2)))


def weighted_kappa(a, b, weights="quadratic", level=0.95, *, n_categories=None):
    """Compute Cohen's kappa of two raters on an ordinal scale, with its interval.

    Parameters
    ----------
    a, b : array-like of shape (n_subjects,)
        Ratings of each subject, integers from 1 or from 0.
    weights : {"quadratic", "linear", "none"}, default="quadratic"
        How a disagreement counts by its distance.
    level : float, default=0.95
        Confidence level, between 0 and 1.
    n_categories : int, default=None
        Length of the scale; None is what occurs.

    Returns
    -------
    Interval
        Kappa and the ends of its interval (Fleiss, Cohen and Everitt), clipped to -1..1; NaN where both raters used
        one category only.

    Raises
    ------
    InputError
        If lengths differ or the weights are not known.

    References
    ----------
    Fleiss JL, Cohen J, Everitt BS. Large sample standard errors of kappa and weighted kappa. Psychological Bulletin
    1969;72:323-327.

    Examples
    --------
    >>> from deepradiomics.metrics import weighted_kappa
    >>> print(weighted_kappa([1, 2, 3, 4, 5, 3, 2, 4], [1, 2, 4, 4, 5, 3, 1, 5]))
    0.90 [0.80, 1.00]
    """
    check_level(level)
    agreement, table = _agreement_weights(a, b, weights, n_categories)
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    observed, expected = (agreement * table).sum(), (agreement * np.outer(rows, columns)).sum()
    if expected > 1 - 1e-12:
        return Interval(np.nan, np.nan, np.nan)
    kappa = (observed - expected) / (1 - expected)
    margins = (agreement @ columns)[:, None] + (agreement.T @ rows)[None, :]
    variance = (table * (agreement * (1 - expected) - margins * (1 - observed)) ** 2).sum()
    variance -= (observed * expected - 2 * expected + observed) ** 2
    spread = norm.isf((1 - level) / 2) * np.sqrt(max(variance, 0) / len(np.asarray(a))) / (1 - expected) ** 2
    return Interval(float(kappa), float(max(kappa - spread, -1)), float(min(kappa + spread, 1)))


def mcnemar(correct_a, correct_b):
    """Test whether two sets of calls on the same rows are right equally often (exact, two-sided).

    Parameters
    ----------
    correct_a, correct_b : bool array-like of shape (n_samples,)
        Whether each call was right.

    Returns
    -------
    float
        The p-value, from the binomial distribution of the discordant pairs.

    Raises
    ------
    InputError
        If lengths differ, or a value is neither 0 nor 1.

    References
    ----------
    McNemar Q. Note on the sampling error of the difference between correlated proportions. Psychometrika
    1947;12:153-157.

    Examples
    --------
    >>> from deepradiomics.metrics import mcnemar
    >>> mcnemar([True] * 8 + [False] * 2, [True] * 3 + [False] * 5 + [False] * 2)
    0.0625
    """
    check_same_rows("correct_a", correct_a, correct_b=correct_b)
    a, b = check_calls(correct_a, "correct_a"), check_calls(correct_b, "correct_b")
    if a.shape != b.shape:
        raise InputError(f"{a.shape} and {b.shape} calls; give both for the same rows", code="length")
    first, second = int((a & ~b).sum()), int((b & ~a).sum())
    return float(min(2 * binom.cdf(min(first, second), first + second, 0.5), 1.0))


def _checked_ratings(ratings):
    ratings = as_numbers(ratings, "ratings")
    if ratings.ndim != 2 or min(ratings.shape) < 2:
        raise InputError(
            f"ratings of shape {ratings.shape}; give one row a subject and one column a rater, two of each at least"
        )
    if not np.isfinite(ratings).all():
        raise InputError("a rating is missing or not finite; leave that subject out", code="not_finite")
    return ratings


def _mean_squares(ratings):
    """Mean squares between subjects, between raters, residual, and within subjects."""
    n, k = ratings.shape
    grand, subjects, raters = ratings.mean(), ratings.mean(axis=1), ratings.mean(axis=0)
    between_subjects = k * ((subjects - grand) ** 2).sum() / (n - 1)
    between_raters = n * ((raters - grand) ** 2).sum() / (k - 1)
    residual = ((ratings - subjects[:, None] - raters + grand) ** 2).sum() / ((n - 1) * (k - 1))
    within = ((ratings - subjects[:, None]) ** 2).sum() / (n * (k - 1))
    return between_subjects, between_raters, residual, within


def _ratio(subjects, error, k):
    """(F - 1) / (F + k - 1), also where there is no error."""
    return (subjects - error) / (subjects + (k - 1) * error)


def _one_way(ratings, tail):
    n, k = ratings.shape
    subjects, _, _, within = _mean_squares(ratings)
    degrees = n - 1, n * (k - 1)
    low, high = subjects / f.isf(tail, *degrees), subjects * f.isf(tail, *degrees[::-1])
    return _ratio(subjects, within, k), _ratio(low, within, k), _ratio(high, within, k)


def _two_way_fixed(ratings, tail):
    n, k = ratings.shape
    subjects, _, residual, _ = _mean_squares(ratings)
    degrees = n - 1, (n - 1) * (k - 1)
    low, high = subjects / f.isf(tail, *degrees), subjects * f.isf(tail, *degrees[::-1])
    return _ratio(subjects, residual, k), _ratio(low, residual, k), _ratio(high, residual, k)


def _two_way_random(ratings, tail):
    n, k = ratings.shape
    subjects, raters, residual, _ = _mean_squares(ratings)
    estimate = (subjects - residual) / (subjects + (k - 1) * residual + k * (raters - residual) / n)
    if subjects == 0 or residual + raters == 0:
        return estimate, estimate, estimate
    # Satterthwaite's degrees of freedom of k ICC MSR + (n + (k - 1) n ICC - k ICC) MSE.
    a, b = k * estimate / (n * (1 - estimate)), 1 + k * estimate * (n - 1) / (n * (1 - estimate))
    degrees = (a * raters + b * residual) ** 2 / (
        (a * raters) ** 2 / (k - 1) + (b * residual) ** 2 / ((n - 1) * (k - 1))
    )
    lower, upper = f.isf(tail, n - 1, degrees), f.isf(tail, degrees, n - 1)
    error = k * raters + (k * n - k - n) * residual
    return (
        estimate,
        n * (subjects - lower * residual) / (lower * error + n * subjects),
        n * (upper * subjects - residual) / (error + n * upper * subjects),
    )


def _agreement_weights(a, b, weights, n_categories):
    """Weights of agreement and the table of proportions, both (n_categories, n_categories)."""
    check_same_rows("a", a, b=b)
    given = as_numbers(a, "ratings"), as_numbers(b, "ratings")
    if not all(np.array_equal(part, np.rint(part)) for part in given):
        raise InputError("ratings are whole numbers, steps of a scale, none missing")
    a, b = (part.astype(int) for part in given)
    if a.shape != b.shape or a.ndim != 1 or len(a) == 0:
        raise InputError(
            f"ratings of shapes {a.shape} and {b.shape}; give both raters' for each subject", code="length"
        )
    low = min(a.min(), b.min())
    size = max(a.max(), b.max()) - low + 1 if n_categories is None else n_categories
    low = low if n_categories is None else min(low, 1)
    if max(a.max(), b.max()) - low >= size:
        raise InputError(f"ratings go up to {max(a.max(), b.max())}, n_categories is {n_categories}")
    table = np.zeros((size, size))
    np.add.at(table, (a - low, b - low), 1 / len(a))
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / max(size - 1, 1)
    forms = {"quadratic": distance**2, "linear": distance, "none": (distance > 0).astype(float)}
    if weights not in forms:
        raise InputError(f"weights is one of {', '.join(forms)}, not {weights!r}", code="weights")
    return 1 - forms[weights], table
