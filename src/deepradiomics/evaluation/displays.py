"""Plots of evaluations on matplotlib, which is loaded when the first is drawn."""

import numpy as np
from sklearn.metrics import roc_curve

from deepradiomics.exceptions import InputError


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
    >>> from deepradiomics.evaluation import Interval
    >>> from deepradiomics.evaluation.displays import plot_roc_panels
    >>> rows = {"cohort": "internal", "features": "C", "y": [0, 1, 0, 1], "score": [1, 3, 2, 4]}
    >>> auc = pd.Series({("internal", "C"): Interval(1.0, 0.8, 1.0)})
    >>> plot_roc_panels(pd.DataFrame(rows), auc)[0].get_title()
    'internal (2 of 4)'
    """
    cohorts = predictions["cohort"].unique()
    if axes is None:
        from matplotlib.pyplot import subplots

        width = 4.6 * len(cohorts)
        axes = subplots(1, len(cohorts), figsize=(width, 4.8), layout="constrained", squeeze=False)[1][0]
    axes = np.atleast_1d(axes)
    if len(axes) < len(cohorts):
        raise InputError(f"{len(axes)} axes for {len(cohorts)} cohorts; give one a cohort", code="axes")
    for ax, cohort in zip(axes, cohorts, strict=False):
        part = predictions[predictions["cohort"] == cohort]
        for features, own in part.groupby("features", sort=False):
            if own["y"].nunique() == 2:
                false_positive, true_positive, _ = roc_curve(own["y"], own["score"], drop_intermediate=False)
                ax.plot(false_positive, true_positive, label=f"{features} {auc[cohort, features]}", linewidth=1.5)
        first = part[part["features"] == part["features"].iloc[0]]
        _frame_roc(ax, f"{cohort} ({first['y'].sum()} of {len(first)})")
    return axes


def _frame_roc(ax, title):
    ax.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, zorder=0)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", title=title)
    ax.set(xlabel="1 - specificity", ylabel="sensitivity")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(title="AUC [95 % CI]", loc="lower right", fontsize="small", frameon=False)
