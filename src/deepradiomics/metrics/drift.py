"""Do patients, films or scores of later months still look like those that a model was judged on?"""

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, ks_2samp

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import given_axes
from deepradiomics.metrics.holm import holm_of_known

# A rule of thumb from credit scoring: above these a distribution is said to have moved a little, and much.
LITTLE, MUCH = 0.1, 0.25
_N_BINS = 10


def drift(reference, later, period):
    """Compare inputs and scores of each later period with those of a reference.

    Parameters
    ----------
    reference : DataFrame of shape (n_rows, n_columns)
        Inputs and scores of the patients on whom the model was judged, one row a patient; numbers or words.
    later : DataFrame of shape (n_later, n_columns)
        The same columns of later patients.
    period : array-like of shape (n_later,)
        Month, quarter or year of each later row; sorted as they are.

    Returns
    -------
    DataFrame
        (period, column) x ``n``; ``missing``, the share without a value; ``shift``, the difference of the means in
        standard deviations of the reference (NaN for words); ``psi``, the population stability index (0 is no change;
        by a rule of thumb 0.1 is a little and 0.25 much); ``p_value`` (Kolmogorov and Smirnov for numbers, chi-square
        for words) and ``p_holm``, corrected for all columns and periods.

    Raises
    ------
    InputError
        If columns differ, a column is empty or mixes numbers and words, or there is not one period a row.

    Notes
    -----
    The index sums ``(p - q) ln(p / q)`` over tenths of the reference, or over words, a missing value counting as one;
    half a row is added to each. With fewer than some 100 rows in a period it is large by chance: read the p-value.
    No drift of inputs and scores does not mean that the model is right: its labels may have changed.

    References
    ----------
    Yurdakul B, Naranjo J. Statistical properties of the population stability index. J Risk Model Valid 2020;14:89-100.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from deepradiomics.metrics import drift
    >>> rng = np.random.default_rng(0)
    >>> before = pd.DataFrame({"score": rng.normal(0.4, 0.1, 300)})
    >>> after = pd.DataFrame({"score": rng.normal([0.4] * 200 + [0.6] * 200, 0.1)})
    >>> drift(before, after, [2025] * 200 + [2026] * 200)["shift"].round(1).tolist()
    [0.0, 2.0]
    """
    check_same_rows("later", later, period=period)
    period = np.asarray(period)
    if list(reference) != list(later) or not len(reference.columns):
        raise InputError(
            f"the reference has {len(reference.columns)} columns and later rows {len(later.columns)}, or other ones; "
            "give the same columns in the same order",
            code="columns",
        )
    if period.shape != (len(later),) or pd.isna(period).any():
        raise InputError(f"periods of shape {period.shape} for {len(later)} rows; give one a row", code="length")
    empty = [name for name in reference if reference[name].notna().sum() < 2]
    if empty:
        raise InputError(
            f"column {empty[0]!r} of the reference has fewer than two values; leave it out", code="columns"
        )
    are_numbers = {name: pd.api.types.is_numeric_dtype(reference[name]) for name in reference}
    for name in [name for name, is_number in are_numbers.items() if is_number]:
        try:
            later[name].astype(float)
        except (TypeError, ValueError):
            raise InputError(
                f"column {name!r} holds numbers in the reference, and later also something else; give numbers, or "
                "words in both",
                code="columns",
            ) from None
    rows = []
    for name, is_number in are_numbers.items():
        before = reference[name]
        for label in np.unique(period):
            after = later.loc[period == label, name]
            row = {"period": label, "column": name, "n": len(after), "missing": after.isna().mean()}
            rows.append(row | (_of_numbers(before, after) if is_number else _of_words(before, after)))
    table = pd.DataFrame(rows).sort_values("period", kind="stable").set_index(["period", "column"])
    return table.assign(p_holm=holm_of_known(table["p_value"]))


def _of_numbers(before, after):
    before, after = before.astype(float), after.astype(float)
    known = before.dropna().to_numpy(), after.dropna().to_numpy()
    edges = np.unique(np.quantile(known[0], np.linspace(0, 1, _N_BINS + 1)[1:-1]))
    counts = [
        np.append(np.bincount(np.searchsorted(edges, own), minlength=len(edges) + 1), values.isna().sum())
        for own, values in zip(known, (before, after), strict=True)
    ]
    spread = known[0].std(ddof=1)
    both = len(known[1]) > 0
    shift = (known[1].mean() - known[0].mean()) / spread if both and spread > 0 else np.nan
    p_value = ks_2samp(*known).pvalue if both else np.nan
    return {"shift": shift, "psi": _stability(*counts), "p_value": float(p_value)}


def _of_words(before, after):
    words = pd.concat([before, after]).astype("str").where(lambda own: pd.concat([before, after]).notna(), "missing")
    counts = pd.crosstab(words.to_numpy(), np.repeat([0, 1], [len(before), len(after)])).to_numpy().T
    p_value = chi2_contingency(counts).pvalue if counts.shape[1] > 1 else 1.0
    return {"shift": np.nan, "psi": _stability(*counts), "p_value": float(p_value)}


def _stability(before, after):
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (before, after))
    return float(((q - p) * np.log(q / p)).sum())


def plot_drift(table, *, ax=None):
    """Draw the population stability index of each column over time.

    Parameters
    ----------
    table : DataFrame
        As of :func:`drift`.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib Axes
        The chart; large points are changes with a corrected p-value below 0.05.

    Examples
    --------
    See ``docs/external_validation.md``.
    """
    ax = given_axes(ax, figsize=(7, 4))
    labels = list(table.index.unique(level="period"))
    for name in table.index.unique(level="column"):
        own = table.xs(name, level="column")
        places = [labels.index(label) for label in own.index]
        line = ax.plot(places, own["psi"], marker=".", label=name)[0]
        sure = (own["p_holm"] < 0.05).to_numpy()
        ax.plot(np.array(places)[sure], own["psi"][sure], "o", markersize=9, color=line.get_color())
    for height in (LITTLE, MUCH):
        ax.axhline(height, color="0.5", linestyle=":", linewidth=0.9)
    ax.set_xticks(range(len(labels)), list(map(str, labels)))
    ax.set(ylabel="population stability index", xlabel="period")
    ax.legend(fontsize="small", frameon=False)
    return ax
