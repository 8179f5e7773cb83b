"""How a training went, drawn."""

from deepradiomics.metrics._inputs import given_axes


def plot_history(history, ax=None):
    """Draw the losses of a training epoch by epoch, and the area or the error on its validation part.

    Parameters
    ----------
    history : DataFrame
        ``history_`` of a fitted network: ``epoch``, ``loss`` and, with a validation part, ``validation_loss`` and
        ``validation_auc`` or ``validation_mae``.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib Axes
        What was drawn on. A second axis on the right has the area or the error.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.deep import plot_history
    >>> history = pd.DataFrame({"epoch": [1, 2], "loss": [0.7, 0.5], "validation_loss": [0.7, 0.6]})
    >>> [line.get_label() for line in plot_history(history).lines]
    ['training', 'validation']
    """
    ax = given_axes(ax)
    ax.plot(history["epoch"], history["loss"], label="training")
    if "validation_loss" in history:
        ax.plot(history["epoch"], history["validation_loss"], label="validation")
        known = history.dropna(subset=["validation_loss"])
        if len(known):
            best = known.loc[known["validation_loss"].idxmin()]
            ax.scatter(best["epoch"], best["validation_loss"], color="C1", zorder=3)
    ax.set(xlabel="epoch", ylabel="loss")
    ax.legend(loc="upper left")
    for column, label in (("validation_auc", "validation AUC"), ("validation_mae", "validation mean absolute error")):
        if column in history:
            other = ax.twinx()
            other.plot(history["epoch"], history[column], color="C2")
            other.set_ylabel(label, color="C2")
    return ax
