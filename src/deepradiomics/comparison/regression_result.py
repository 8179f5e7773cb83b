"""What a comparison of predicted numbers gives: errors, agreement, tests, intervals of prediction, diagnoses."""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd

from deepradiomics.comparison.result import INTERNAL, Comparison, _Readable
from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import given_axes
from deepradiomics.metrics.bootstrap import resampled_sums
from deepradiomics.metrics.holm import holm_of_known
from deepradiomics.metrics.intervals import ALONE, Interval, wilson
from deepradiomics.metrics.regression import conformal_radius, measures_of_moments, moments
from deepradiomics.metrics.roc import delong_covariance


@dataclass(frozen=True, eq=False, repr=False)
class RegressionComparison(_Readable):
    """What :func:`compare_feature_sets` gives for numbers, such as the T-score.

    Parameters
    ----------
    predictions : DataFrame
        One row a feature set and row of a cohort: ``cohort``, ``features``, ``row``, ``patient``, ``repeat``, ``fold``,
        ``y``, ``score`` (the prediction), ``low`` and ``high`` (95 % interval of prediction), ``n_features``.
    inflation : float, default=1.0
        Factor on the variance of cross-validated measures.
    settings : dict, default=<factory>
        How the comparison was made, in words.

    Notes
    -----
    Intervals are percentiles of 2,000 resamples of patients; internal ones are stretched by the root of ``inflation``,
    as areas are. An interval of prediction comes from the out-of-fold errors of the other folds (internal), or of all
    folds (external), each patient counting once.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.linear_model import LinearRegression
    >>> from deepradiomics.comparison import compare_models
    >>> X = pd.DataFrame({"age": np.random.default_rng(0).normal(65, 8, 100)})
    >>> t_score = -0.05 * (X["age"] - 30) + np.random.default_rng(1).normal(0, 0.5, 100)
    >>> comparison = compare_models({"age": LinearRegression()}, X, t_score, random_state=0)
    >>> round(float(comparison.table["mae"].iloc[0]), 1)
    0.3
    """

    predictions: pd.DataFrame
    inflation: float = 1.0
    settings: dict = field(default_factory=dict)

    _above = (
        "mae: mean absolute error; bias: predicted less measured",
        "coverage: of the 95 % intervals of prediction",
    )
    _not_printed = ("pearson", "slope", "intercept")

    @property
    def table(self):
        """DataFrame: (cohort, features) x mae, bias, limits of agreement, correlations, calibration, coverage, n."""
        parts = self.predictions.groupby(["cohort", "features"], sort=False)
        rows = {key: self._row(part) | {"n_features": part["n_features"].mean()} for key, part in parts}
        index = pd.MultiIndex.from_tuples(rows, names=["cohort", "features"])
        return pd.DataFrame(list(rows.values()), index=index)

    def _row(self, part, names=None):
        """Measures of one feature set on some rows of one cohort, with their intervals."""
        cohort, row, measures = part["cohort"].iloc[0], {}, measures_of_moments(self._drawn(part))
        share, n_patients = part["y"].between(part["low"], part["high"]).mean(), part["patient"].nunique()
        for name in measures if names is None else names:
            row |= self._interval(measures[name], cohort, n_patients < 2).columns(name)
        # As if each patient counted once, which is wide enough where one has several rows.
        return row | wilson(share * n_patients, n_patients).columns("coverage") | {"n": part["row"].nunique()}

    @property
    def tests(self):
        """DataFrame: each pair of sets, difference of MAE over the same resampled patients, corrected after Holm."""
        tables = []
        for cohort, part in self.predictions.groupby("cohort", sort=False):
            drawn = {
                name: measures_of_moments(self._drawn(own))["mae"] for name, own in part.groupby("features", sort=False)
            }
            rows, is_one = [], part["patient"].nunique() < 2
            for a, b in combinations(drawn, 2):
                found = drawn[a] - drawn[b]
                interval, values = self._interval(found, cohort, is_one), self._stretched(found, cohort)
                below, n = int((values <= 0).sum()), len(values)
                p_value = min(1.0, 2 * (1 + min(below, n - int((values < 0).sum()))) / (1 + n))
                p_value = np.nan if is_one else p_value
                rows.append((cohort, a, b, drawn[a][0], drawn[b][0], interval, p_value))
            table = pd.DataFrame(rows, columns=["cohort", "a", "b", "mae_a", "mae_b", "difference", "p_value"])
            if rows:
                tables.append(table.assign(p_holm=holm_of_known(table["p_value"])).set_index(["cohort", "a", "b"]))
        return pd.concat(tables) if tables else pd.DataFrame()

    def diagnosis(self, cut=-2.5):
        """Return what a threshold on the prediction gives as a diagnosis.

        Parameters
        ----------
        cut : float, default=-2.5
            A value at or below the cut is the event, for measured and predicted values.

        Returns
        -------
        Comparison
            Of two classes, with areas, rates and tests; the call is a prediction at or below the cut.

        Raises
        ------
        InputError
            If no row, or every row, is at or below the cut.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        y = self.predictions["y"] <= cut
        if y.nunique() < 2:
            raise InputError(f"all values are on one side of {cut}; give another cut")
        columns = {"y": y.astype(int), "score": -self.predictions["score"], "threshold": -float(cut)}
        found = self.predictions.drop(columns=["low", "high"]).assign(**columns)
        found["call"] = found["score"] >= found["threshold"]
        rows = []
        internal = found[found["cohort"] == INTERNAL]
        for (features, repeat, fold), part in internal.groupby(["features", "repeat", "fold"], sort=False):
            row = {"features": features, "repeat": repeat, "fold": fold, "n": len(part), "events": int(part["y"].sum())}
            row |= {"n_features": part["n_features"].iloc[0], "threshold": -float(cut)}
            both = part["y"].nunique() == 2
            rows.append(row | {"auc": delong_covariance(part["y"], [part["score"]])[0][0] if both else np.nan})
        return Comparison(found, pd.DataFrame(rows), (f"above {cut}", f"up to {cut}"), self.inflation, self.settings)

    def subgroups(self, labels, *, cohort=INTERNAL):
        """Split one cohort by sex, age band or site, and see whether errors and intervals of prediction hold.

        Parameters
        ----------
        labels : array-like of shape (n_rows,)
            Subgroup of each row of the cohort's table.
        cohort : str, default="internal"
            Which cohort.

        Returns
        -------
        DataFrame
            (subgroup, features) x ``mae``, ``bias``, ``coverage`` of the 95 % intervals of prediction, each with the
            ends of its interval (NaN for the errors of one patient), and ``n``.

        Raises
        ------
        InputError
            If there is not one label a row, or one is missing.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        self.check_rows("labels", labels, cohort)
        part, labels = self.predictions[self.predictions["cohort"] == cohort], np.asarray(labels)
        if labels.shape != (part["row"].nunique(),) or pd.isna(labels).any():
            raise InputError(
                f"labels of shape {labels.shape} for a cohort of {part['row'].nunique()} rows; give one a row, none "
                "missing",
                code="length",
            )
        groups = part.assign(subgroup=labels[part["row"]]).groupby(["subgroup", "features"], sort=False)
        rows = {key: self._row(own, ["mae", "bias"]) for key, own in groups}
        index = pd.MultiIndex.from_tuples(rows, names=["subgroup", "features"])
        return pd.DataFrame(list(rows.values()), index=index).sort_index(level=0, sort_remaining=False)

    def worst_cases(self, features, *, cohort=INTERNAL, n=5):
        """List the rows whose prediction is farthest from what was measured.

        Parameters
        ----------
        features : str
            The feature set.
        cohort : str, default="internal"
            Which cohort.
        n : int, default=5
            How many rows.

        Returns
        -------
        DataFrame
            Worst first: ``row``, ``y``, ``score`` (the prediction, mean over repeats) and ``error``, predicted less
            measured.

        Raises
        ------
        InputError
            If there is no such feature set or cohort.

        Examples
        --------
        See :meth:`Comparison.worst_cases`.
        """
        rows = self._part(features, cohort).groupby("row")[["y", "score"]].mean().reset_index()
        rows["error"] = rows["score"] - rows["y"]
        return rows.sort_values("error", key=np.abs, ascending=False, kind="stable").head(n)

    def plot_predictions(self, features, *, cohort=INTERNAL, cuts=(-1.0, -2.5), ax=None):
        """Draw predicted against measured values, and the cuts that turn both into a diagnosis.

        Parameters
        ----------
        features : str
            The feature set.
        cohort : str, default="internal"
            Which cohort.
        cuts : sequence of float, default=(-1.0, -2.5)
            Where to draw lines; rows in the lower left and upper right of a crossing are called rightly.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        matplotlib Axes
            The plot.

        Raises
        ------
        InputError
            If there is no such feature set or cohort.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        part = self._part(features, cohort).query("repeat == 0")
        ax = given_axes(ax)
        ax.plot(part["y"], part["score"], ".", alpha=0.6)
        ends = [min(part["y"].min(), part["score"].min()), max(part["y"].max(), part["score"].max())]
        ax.plot(ends, ends, color="0.6", linewidth=0.8)
        for cut in cuts:
            if ends[0] < cut < ends[1]:
                ax.axvline(cut, color="tab:red", linewidth=0.8, linestyle=":")
                ax.axhline(cut, color="tab:red", linewidth=0.8, linestyle=":")
                ax.annotate(f"{cut:g}", (ends[1], cut), color="tab:red", fontsize="small", ha="right", va="bottom")
        ax.set(xlabel="measured", ylabel="predicted", title=f"{features}, {cohort}", aspect="equal")
        return ax

    def plot_agreement(self, features, *, cohort=INTERNAL, ax=None):
        """Draw the plot of Bland and Altman: difference against mean, with bias and limits of agreement.

        Parameters
        ----------
        features : str
            The feature set.
        cohort : str, default="internal"
            Which cohort.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        matplotlib Axes
            The plot.

        Raises
        ------
        InputError
            If there is no such feature set or cohort.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        part = self._part(features, cohort)
        first, row = part[part["repeat"] == 0], self._row(part)
        ax, words = given_axes(ax), {"bias": "bias", "limit_low": "lower limit", "limit_high": "upper limit"}
        ax.plot((first["score"] + first["y"]) / 2, first["score"] - first["y"], ".", alpha=0.6)
        for name, style in (("bias", "-"), ("limit_low", "--"), ("limit_high", "--")):
            ax.axhline(row[name], color="0.3", linestyle=style, linewidth=1, label=f"{words[name]} {row[name]:.2f}")
            ax.axhspan(row[f"{name}_low"], row[f"{name}_high"], color="0.3", alpha=0.1, linewidth=0)
        ax.set(xlabel="mean of predicted and measured", ylabel="predicted less measured", title=f"{features}, {cohort}")
        ax.legend(fontsize="small", frameon=False)
        return ax

    def _drawn(self, part):
        values = moments(part["y"].to_numpy(), part["score"].to_numpy()) / part["repeat"].nunique()
        return resampled_sums(values, part["patient"].to_numpy(), random_state=0)

    def _stretched(self, values, cohort):
        factor = np.sqrt(self.inflation) if cohort == INTERNAL else 1.0
        return values[0] + factor * (values[1:] - values[0])

    def _interval(self, values, cohort, is_one):
        # All resamples of one patient are that patient.
        if is_one or not np.isfinite(values[0]):
            return Interval(float(values[0]), np.nan, np.nan, ALONE if is_one else "")
        return Interval(float(values[0]), *np.nanquantile(self._stretched(values, cohort), [0.025, 0.975]).tolist())


def _add_intervals(predictions):
    """Add the 95 % interval of each prediction, from errors on rows that the model was not fitted on."""
    radius = pd.Series(np.nan, index=predictions.index)
    for _, own in predictions.groupby("features", sort=False):
        internal = own[own["cohort"] == INTERNAL]
        for (repeat, fold), tested in internal.groupby(["repeat", "fold"]):
            rest = internal[(internal["repeat"] == repeat) & (internal["fold"] != fold)]
            radius[tested.index] = conformal_radius(rest["score"] - rest["y"], rest["patient"])
        first = internal[internal["repeat"] == 0]
        outside = own.index[own["cohort"] != INTERNAL]
        radius[outside] = conformal_radius(first["score"] - first["y"], first["patient"])
    found = predictions.drop(columns="threshold")
    return found.assign(low=found["score"] - radius, high=found["score"] + radius)
