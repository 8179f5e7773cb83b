"""Confidence intervals of a proportion, and the small type that holds an estimate with its interval."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import betaincinv
from scipy.stats import norm

from deepradiomics.exceptions import InputError

# Why an area, and an error of predicted numbers, has an estimate and no interval.
ONE_PATIENT, ALONE = "one patient of a class", "one patient"
_NO_ENDS = {"auc": ONE_PATIENT, "mae": ALONE, "bias": ALONE}


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """An estimate and the ends of its confidence interval.

    Parameters
    ----------
    estimate : float
        The point estimate; NaN where it is not defined.
    low, high : float
        The ends of the interval, in the unit of the estimate; NaN where they are not known.
    reason : str, default=""
        Why they are not known.

    Notes
    -----
    Intervals sort by their estimate, turn into it by ``float()`` and print as ``0.84 [0.78, 0.90]``; a format such
    as ``f"{interval:.3f}"`` applies to all three numbers.

    Examples
    --------
    >>> from deepradiomics.metrics import Interval
    >>> auc = Interval(0.842, 0.781, 0.903)
    >>> print(auc)
    0.84 [0.78, 0.90]
    >>> float(auc), 0.5 in auc
    (0.842, False)
    """

    estimate: float
    low: float
    high: float
    reason: str = field(default="", compare=False)

    def __float__(self):
        return float(self.estimate)

    def __contains__(self, value):
        return bool(self.low <= value <= self.high)

    def __format__(self, spec):
        spec = spec or ".2f"
        if np.isnan(self.estimate):
            return "-"
        if np.isnan(self.low) and np.isnan(self.high):
            return f"{self.estimate:{spec}} [{self.reason or '-'}]"
        return f"{self.estimate:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def __str__(self):
        return format(self)

    def columns(self, name):
        """Return the three numbers under the names that tables give them.

        Parameters
        ----------
        name : str
            What was estimated, such as ``"auc"``.

        Returns
        -------
        dict of str to float
            ``auc``, ``auc_low`` and ``auc_high``.
        """
        return {name: self.estimate, f"{name}_low": self.low, f"{name}_high": self.high}


def join_intervals(table):
    """Join each estimate of a table with the ends of its interval, for display.

    Parameters
    ----------
    table : DataFrame
        Columns such as ``auc``, ``auc_low`` and ``auc_high``, and others. An area (``auc``, ``auc normal``) or an error
        (``mae``, ``bias``) without ends is one that a single patient left without them, and says so.

    Returns
    -------
    DataFrame
        ``auc`` holds an `Interval` and prints as ``0.93 [0.90, 0.96]``; the ends have no column of their own.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.metrics.intervals import join_intervals
    >>> print(join_intervals(pd.DataFrame({"auc": [0.93], "auc_low": [0.9], "auc_high": [0.96], "n": [80]})))
                     auc   n
    0  0.93 [0.90, 0.96]  80
    """
    joined = table.copy()
    for name in table.columns:
        parts = [name, f"{name}_low", f"{name}_high"]
        if set(parts) <= set(table.columns):
            reason = _NO_ENDS.get(str(name).split(" ")[0], "")
            cells = [Interval(*row, reason) for row in table[parts].to_numpy(dtype=float).tolist()]
            joined[name] = pd.Series(cells, index=table.index, dtype=object)
            joined = joined.drop(columns=parts[1:])
    return joined


def wilson(successes, n, level=0.95):
    """Return a proportion with its Wilson score interval.

    Parameters
    ----------
    successes : int
        Number of successes, 0 to ``n``.
    n : int
        Number of trials. With none, all three numbers are NaN.
    level : float, default=0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    Interval
        The proportion and the ends of its interval, as fractions.

    Raises
    ------
    InputError
        If the counts or the level are impossible.

    References
    ----------
    Wilson EB. Probable inference, the law of succession, and statistical inference. JASA 1927;22:209-212.

    Examples
    --------
    >>> from deepradiomics.metrics import wilson
    >>> print(format(wilson(81, 263), ".4f"))
    0.3080 [0.2553, 0.3662]
    """
    p, z = _checked(successes, n, level)
    if n == 0:
        return _UNDEFINED
    centre, spread = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return _clipped(p, (centre - spread) / (1 + z**2 / n), (centre + spread) / (1 + z**2 / n))


def wilsoncc(successes, n, level=0.95):
    """Return a proportion with its Wilson score interval, corrected for continuity.

    Parameters
    ----------
    successes : int
        Number of successes, 0 to ``n``.
    n : int
        Number of trials. With none, all three numbers are NaN.
    level : float, default=0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    Interval
        The proportion and the ends of its interval, as fractions.

    Raises
    ------
    InputError
        If the counts or the level are impossible.

    References
    ----------
    Newcombe RG. Two-sided confidence intervals for the single proportion. Statistics in Medicine 1998;17:857-872
    (method 4).

    Examples
    --------
    >>> from deepradiomics.metrics import wilsoncc
    >>> print(format(wilsoncc(81, 263), ".4f"))
    0.3080 [0.2535, 0.3682]
    """
    p, z = _checked(successes, n, level)
    if n == 0:
        return _UNDEFINED
    inside = z**2 - 1 / n + 4 * n * p * (1 - p)
    low = 0.0 if p == 0 else (2 * n * p + z**2 - 1 - z * np.sqrt(inside + 4 * p - 2)) / (2 * (n + z**2))
    high = 1.0 if p == 1 else (2 * n * p + z**2 + 1 + z * np.sqrt(inside - 4 * p + 2)) / (2 * (n + z**2))
    return _clipped(p, low, high)


def clopper_pearson(successes, n, level=0.95):
    """Return a proportion with its exact interval after Clopper and Pearson.

    Parameters
    ----------
    successes : int
        Number of successes, 0 to ``n``.
    n : int
        Number of trials. With none, all three numbers are NaN.
    level : float, default=0.95
        Confidence level, between 0 and 1.

    Returns
    -------
    Interval
        The proportion and the ends of its interval, as fractions.

    Raises
    ------
    InputError
        If the counts or the level are impossible.

    References
    ----------
    Clopper CJ, Pearson ES. The use of confidence or fiducial limits illustrated in the case of the binomial.
    Biometrika 1934;26:404-413.

    Examples
    --------
    >>> from deepradiomics.metrics import clopper_pearson
    >>> print(format(clopper_pearson(81, 263), ".4f"))
    0.3080 [0.2527, 0.3676]
    """
    p, _ = _checked(successes, n, level)
    if n == 0:
        return _UNDEFINED
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else betaincinv(successes, n - successes + 1, tail)
    high = 1.0 if successes == n else betaincinv(successes + 1, n - successes, 1 - tail)
    return _clipped(p, low, high)


_UNDEFINED = Interval(np.nan, np.nan, np.nan)

# The names by which functions that compute rates know the methods.
METHODS = {"wilson": wilson, "wilsoncc": wilsoncc, "clopper-pearson": clopper_pearson}


def check_level(level):
    """Refuse a confidence level that is not between 0 and 1.

    Parameters
    ----------
    level : float
        The level to check.

    Raises
    ------
    InputError
        If the level is not strictly between 0 and 1.

    Examples
    --------
    >>> from deepradiomics.metrics.intervals import check_level
    >>> check_level(0.95)
    """
    if not 0 < level < 1:
        raise InputError(f"a confidence level lies between 0 and 1, such as 0.95, not {level}")


def _checked(successes, n, level):
    """Return the proportion and the normal quantile of the level."""
    check_level(level)
    if not 0 <= successes <= n:
        raise InputError(f"{successes} successes out of {n} trials; give 0 <= successes <= n")
    return successes / n if n else np.nan, norm.isf((1 - level) / 2)


def _clipped(estimate, low, high):
    return Interval(float(estimate), float(max(low, 0.0)), float(min(high, 1.0)))
