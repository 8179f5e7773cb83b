"""Plots of evaluations on matplotlib, which is loaded when the first is drawn."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import check_row, check_two_classes, given_axes
from deepradiomics.metrics.calibration import calibration_curve, smoothed_events
from deepradiomics.metrics.decision import net_benefit
from deepradiomics.metrics.intervals import Interval
from deepradiomics.metrics.roc import roc_auc_ci


def plot_roc_panels(predictions, auc, *, axes=None):
    """Draw the ROC curve of each feature set, a panel a cohort.

    Parameters
    ----------
    predictions : DataFrame
        Columns ``cohort``, ``features``, ``y`` and ``score``.
    auc : Series
        Interval of the area by (cohort, features), for the legends.
    axes : array of matplotlib Axes, default=None
        One a cohort; None makes a new figure.

    Returns
    -------
    array of matplotlib Axes
        The panels.

    Raises
    ------
    InputError
        If there are fewer axes than cohorts.

    Examples
    --------
    >>> import pandas as pd
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from deepradiomics.metrics import Interval
    >>> from deepradiomics.metrics.displays import plot_roc_panels
    >>> rows = {"cohort": "internal", "features": "C", "y": [0, 1, 0, 1], "score": [1, 3, 2, 4]}
    >>> auc = pd.Series({("internal", "C"): Interval(1.0, 0.8, 1.0)})
    >>> plot_roc_panels(pd.DataFrame(rows), auc)[0].get_title()
    'internal (2 of 4)'
    """
    cohorts = predictions["cohort"].unique()
    axes = np.atleast_1d(given_axes(axes, 1, len(cohorts), figsize=(4.6 * len(cohorts), 4.8)))
    if len(axes) < len(cohorts):
        raise InputError(f"{len(axes)} axes for {len(cohorts)} cohorts; give one a cohort")
    for ax, cohort in zip(axes, cohorts, strict=False):
        part = predictions[predictions["cohort"] == cohort]
        for features, own in part.groupby("features", sort=False):
            if own["y"].nunique() == 2:
                false_positive, true_positive = _mean_roc(own)
                ax.plot(false_positive, true_positive, label=f"{features} {auc[cohort, features]}", linewidth=1.5)
        first = part[part["features"] == part["features"].iloc[0]]
        first = first.drop_duplicates("row") if "row" in first else first
        _frame_roc(ax, f"{cohort} ({first['y'].sum()} of {len(first)})")
    return axes


def _mean_roc(part):
    """The ROC curve, or the mean sensitivity at each specificity over repeats of the folds."""
    repeats = [own for _, own in part.groupby("repeat")] if "repeat" in part else [part]
    curves = [roc_curve(own["y"], own["score"], drop_intermediate=False)[:2] for own in repeats]
    if len(curves) == 1:
        return curves[0]
    grid = np.linspace(0, 1, 201)
    mean = np.mean([np.interp(grid, *curve) for curve in curves], axis=0)
    return np.append(0.0, grid), np.append(0.0, mean)


def _frame_roc(ax, title):
    ax.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, zorder=0)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", title=title)
    ax.set(xlabel="1 - specificity", ylabel="sensitivity")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(title="AUC [95 % CI]", loc="lower right", fontsize="small", frameon=False)


@dataclass(eq=False)
class RocPlot:
    """ROC curve with the interval of its area, and readers as points.

    Parameters
    ----------
    false_positive, true_positive : float arrays of shape (n_points,)
        The curve.
    auc : Interval
        Its area.
    readers : dict of str to tuple, default=None
        (1 - specificity, sensitivity) of each reader.
    name : str, default=None
        For the legend.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from deepradiomics.metrics import RocPlot
    >>> display = RocPlot.from_predictions([0, 0, 1, 1], [1, 3, 2, 4], readers={"trainee": [0, 1, 0, 1]})
    >>> display.readers
    {'trainee': (0.5, 0.5)}
    """

    false_positive: np.ndarray
    true_positive: np.ndarray
    auc: Interval
    readers: dict | None = None
    name: str | None = None

    @classmethod
    def from_predictions(cls, y, score, *, readers=None, groups=None, name=None, ax=None):
        """Compute the curve and draw it.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Labels of two classes; the larger one is the event.
        score : array-like of shape (n_samples,)
            Larger means the event is more likely.
        readers : dict of str to bool array-like, default=None
            Calls of each reader on the same rows.
        groups : array-like of shape (n_samples,), default=None
            Patient of each row, for the interval.
        name : str, default=None
            For the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        RocPlot
            The display, drawn.
        """
        event = check_two_classes(y)
        score = check_row(score, len(event))
        false_positive, true_positive, _ = roc_curve(event, score, drop_intermediate=False)
        calls = {reader: np.asarray(call, dtype=bool) for reader, call in (readers or {}).items()}
        points = {reader: (float(call[~event].mean()), float(call[event].mean())) for reader, call in calls.items()}
        display = cls(false_positive, true_positive, roc_auc_ci(y, score, groups=groups), points, name)
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        RocPlot
            Itself, with ``ax_``.
        """
        self.ax_ = given_axes(ax, figsize=(4.6, 4.8))
        self.ax_.plot(self.false_positive, self.true_positive, label=f"{self.name or 'model'} {self.auc}")
        for reader, point in (self.readers or {}).items():
            self.ax_.plot(*point, "o", label=reader)
        _frame_roc(self.ax_, "ROC curve")
        return self


@dataclass(eq=False)
class CalibrationPlot:
    """Predicted probability against the share of events: groups with intervals, and a smooth curve.

    Parameters
    ----------
    groups : DataFrame
        As :func:`calibration_curve` gives it.
    probability, smooth : float arrays of shape (n_samples,)
        Sorted probabilities and the smoothed share of events at each.
    name : str, default=None
        For the legend.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from deepradiomics.metrics import CalibrationPlot
    >>> CalibrationPlot.from_predictions([0, 0, 1, 1], [0.1, 0.4, 0.6, 0.9], n_bins=2).ax_.get_xlabel()
    'predicted probability'
    """

    groups: pd.DataFrame
    probability: np.ndarray
    smooth: np.ndarray
    name: str | None = None

    @classmethod
    def from_predictions(cls, y, probability, *, n_bins=10, name=None, ax=None):
        """Compute the curve and draw it.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Labels of two classes; the larger one is the event.
        probability : array-like of shape (n_samples,)
            Predicted probability of the event.
        n_bins : int, default=10
            Number of groups.
        name : str, default=None
            For the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        CalibrationPlot
            The display, drawn.
        """
        groups = calibration_curve(y, probability, n_bins=n_bins)
        probability = np.asarray(probability, dtype=float)
        order = np.argsort(probability)
        smooth = smoothed_events(check_two_classes(y), probability)
        return cls(groups, probability[order], smooth[order], name).plot(ax)

    def plot(self, ax=None):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        CalibrationPlot
            Itself, with ``ax_``.
        """
        self.ax_ = given_axes(ax, figsize=(4.6, 4.8))
        observed = self.groups["observed"]
        ends = np.array([[o.estimate - o.low for o in observed], [o.high - o.estimate for o in observed]])
        line = self.ax_.plot(self.probability, self.smooth, label=self.name or "model")[0]
        self.ax_.errorbar(
            self.groups["predicted"],
            observed.astype(float),
            ends.clip(min=0),
            fmt="o",
            markersize=4,
            color=line.get_color(),
        )
        self.ax_.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, zorder=0)
        self.ax_.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", title="calibration")
        self.ax_.set(xlabel="predicted probability", ylabel="share of events [95 % CI]")
        self.ax_.legend(fontsize="small", frameon=False)
        return self


@dataclass(eq=False)
class DecisionCurvePlot:
    """Net benefit of acting on the model, on everybody and on nobody.

    Parameters
    ----------
    curve : DataFrame
        As :func:`net_benefit` gives it.
    name : str, default=None
        For the legend.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from deepradiomics.metrics import DecisionCurvePlot
    >>> DecisionCurvePlot.from_predictions([0, 0, 1, 1], [0.1, 0.4, 0.6, 0.9]).ax_.get_ylabel()
    'net benefit'
    """

    curve: pd.DataFrame
    name: str | None = None

    @classmethod
    def from_predictions(cls, y, probability, *, thresholds=None, name=None, ax=None):
        """Compute the curve and draw it.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Labels of two classes; the larger one is the event.
        probability : array-like of shape (n_samples,)
            Predicted probability of the event.
        thresholds : array-like, default=None
            As in :func:`net_benefit`.
        name : str, default=None
            For the legend.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        DecisionCurvePlot
            The display, drawn.
        """
        return cls(net_benefit(y, probability, thresholds), name).plot(ax)

    def plot(self, ax=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        DecisionCurvePlot
            Itself, with ``ax_``.
        """
        self.ax_ = given_axes(ax, figsize=(5.2, 4.8))
        x, known = self.curve["threshold"], {line.get_label() for line in self.ax_.lines}
        self.ax_.plot(x, self.curve["model"], label=self.name or "model")
        if "treat all" not in known:
            self.ax_.plot(x, self.curve["treat_all"], color="0.6", linewidth=0.9, label="treat all")
            self.ax_.axhline(0, color="0.2", linewidth=0.9, label="treat none")
        top = max(self.curve["model"].max(), self.curve["treat_all"].max())
        self.ax_.set(xlim=(0, 1), ylim=(-0.25 * top, 1.1 * top), title="decision curve")
        self.ax_.set(xlabel="threshold probability", ylabel="net benefit")
        self.ax_.legend(fontsize="small", frameon=False)
        return self


@dataclass(eq=False)
class ForestPlot:
    """Differences of areas, each with its interval: red where it leaves out 0, grey where it is not defined.

    Parameters
    ----------
    tests : DataFrame
        Columns ``a``, ``b`` and ``difference`` (an `Interval`), as :func:`delong_tests` gives them.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from deepradiomics.metrics import ForestPlot, delong_tests
    >>> tests = delong_tests([0, 0, 1, 1], {"C": [1, 3, 2, 4], "T": [4, 1, 2, 3]})
    >>> [label.get_text() for label in ForestPlot(tests).plot().ax_.get_yticklabels()]
    ['C - T']
    """

    tests: pd.DataFrame

    def plot(self, ax=None):
        """Draw the differences.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        ForestPlot
            Itself, with ``ax_``.
        """
        self.ax_ = given_axes(ax, figsize=(5.4, 0.9 + 0.26 * len(self.tests)))
        rows = np.arange(len(self.tests))[::-1]
        for row, difference in zip(rows, self.tests["difference"], strict=True):
            color = "tab:blue" if 0 in difference else "tab:red"
            if np.isnan(difference.low):
                color = "tab:gray"
            self.ax_.plot([difference.low, difference.high], [row, row], color=color, linewidth=1.4)
            self.ax_.plot(difference.estimate, row, "s", color=color, markersize=5)
        self.ax_.axvline(0, color="0.4", linewidth=0.8, zorder=0)
        labels = [f"{a} - {b}" for a, b in zip(self.tests["a"], self.tests["b"], strict=True)]
        self.ax_.set_yticks(rows, labels, fontsize="small")
        self.ax_.set(xlabel="difference of AUC [95 % CI]", title="pairs of feature sets")
        return self


@dataclass(eq=False)
class ImportancePlot:
    """Bars of the features that a model leans on most, coloured by block.

    Parameters
    ----------
    table : DataFrame
        As of :func:`deepradiomics.comparison.feature_importance`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import pandas as pd
    >>> from deepradiomics.metrics import ImportancePlot
    >>> table = pd.DataFrame({"feature": ["clinical__age"], "block": ["clinical"], "importance": [0.4]})
    >>> ImportancePlot(table.assign(block_importance=0.4)).plot().ax_.get_xlabel()
    'mean absolute contribution (log-odds)'
    """

    table: pd.DataFrame

    def plot(self, ax=None, *, n=15):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        n : int, default=15
            How many features.

        Returns
        -------
        ImportancePlot
            The display itself.
        """
        rows = self.table.head(n).iloc[::-1]
        ax = given_axes(ax, figsize=(6.4, 1.2 + 0.27 * len(rows)))
        by_block = self.table.drop_duplicates("block").sort_values("block_importance", ascending=False)
        for number, (block, total) in enumerate(zip(by_block["block"], by_block["block_importance"], strict=True)):
            own = (rows["block"] == block).to_numpy()
            label = f"{block} (together {total:.2f})"
            ax.barh(np.flatnonzero(own), rows["importance"][own], color=f"C{number}", label=label)
        names = rows["feature"].str.split("__", n=1).str[-1]
        ax.set_yticks(range(len(rows)), names, fontsize="small")
        ax.set(xlabel="mean absolute contribution (log-odds)")
        ax.legend(loc="lower right", fontsize="small", frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
        self.ax_ = ax
        return self
