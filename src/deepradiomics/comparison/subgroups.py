"""Does a result hold within sexes, age bands, sites and scanners, or does it live between them?"""

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, kruskal

from deepradiomics.exceptions import InputError


def subgroup_table(predictions, labels, auc):
    """Compute areas within subgroups, and whether the subgroups differ in prevalence.

    Parameters
    ----------
    predictions : DataFrame
        Rows of one cohort: ``features``, ``row``, ``y``, ``score`` and what ``auc`` needs.
    labels : array-like of shape (n_rows,)
        Subgroup of each row number of the cohort.
    auc : callable
        Takes such a DataFrame, gives an `Interval`.

    Returns
    -------
    DataFrame
        Index (subgroup, features); ``auc``, ``auc_low``, ``auc_high``, ``n``, ``events``, ``prevalence``,
        ``p_association`` (chi-square test: does the prevalence differ between subgroups?), ``p_score`` (Kruskal-Wallis
        test on rows without the event: do the scores of this feature set differ between subgroups?).

    Raises
    ------
    InputError
        If there is not one label a row, or one is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.metrics import roc_auc_ci
    >>> from deepradiomics.comparison.subgroups import subgroup_table
    >>> rows = pd.DataFrame({"features": "C", "row": range(6), "y": [0, 1, 0, 0, 1, 1], "score": [1, 2, 5, 3, 4, 6]})
    >>> table = subgroup_table(rows, list("FFFMMM"), lambda part: roc_auc_ci(part["y"], part["score"]))
    >>> table["auc"].tolist()
    [0.5, 1.0]
    """
    labels = np.asarray(labels)
    n_rows = predictions["row"].nunique()
    if labels.shape != (n_rows,):
        raise InputError(
            f"labels of shape {labels.shape} for a cohort of {n_rows} rows; give one a row of its table", code="length"
        )
    missing = np.flatnonzero(pd.isna(labels))
    if len(missing):
        raise InputError(
            f"row {missing[0]} is in no subgroup ({len(missing)} such rows); call it 'unknown', so that no row is lost"
        )
    predictions = predictions.assign(subgroup=labels[predictions["row"]])
    first = predictions.drop_duplicates("row")
    counts = pd.crosstab(first["subgroup"], first["y"]).to_numpy()
    p_value = float(chi2_contingency(counts).pvalue) if min(counts.shape) > 1 else np.nan
    p_scores = {name: _score_association(part) for name, part in predictions.groupby("features", sort=False)}
    rows = [
        {"subgroup": label, "features": name}
        | auc(part).columns("auc")
        | _counts(part.drop_duplicates("row")["y"])
        | {"p_association": p_value, "p_score": p_scores[name]}
        for (label, name), part in predictions.groupby(["subgroup", "features"], sort=False)
    ]
    return pd.DataFrame(rows).set_index(["subgroup", "features"]).sort_index(level=0, sort_remaining=False)


def _counts(y):
    return {"n": len(y), "events": int(y.sum()), "prevalence": y.mean()}


def _score_association(part):
    """p-value of whether the scores of rows without the event differ; NaN where there is nothing to compare."""
    rows = part[part["y"] == 0].groupby(["subgroup", "row"])["score"].mean()
    samples = [own.to_numpy() for _, own in rows.groupby(level=0)]
    if len(samples) < 2 or len(np.unique(rows)) < 2:
        return np.nan
    return float(kruskal(*samples).pvalue)
