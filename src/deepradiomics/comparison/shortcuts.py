"""Does a model read the site, the scanner or the sex, and does its advantage survive among equals?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from deepradiomics.comparison.result import INTERNAL, Comparison, paired_covariance
from deepradiomics.exceptions import InputError
from deepradiomics.metrics.roc import auc_interval, class_counts, delong_covariance, pairwise_tests

# A number with more values than this is cut into this many bands of equal size.
_BANDS = 4
_MOST_LEVELS = 10


@dataclass(frozen=True, eq=False, repr=False)
class Shortcuts:
    """What may be read in place of bone, see :meth:`Comparison.shortcuts`.

    Parameters
    ----------
    told : DataFrame
        Index (nuisance, block): the area with which the block, fitted on the nuisance, tells it in other folds, among
        rows without the event (the mean over levels, each against the rest, where there are more than two).
    prevalence : DataFrame
        Index (nuisance, level): ``n``, ``events``, ``prevalence``.
    matched : DataFrame
        Index features: ``auc`` of all pairs, ``auc_matched`` with its ends of pairs with and without the event that
        share all levels, and the number of these ``pairs``.
    advantage : DataFrame
        Index (a, b): the paired test of two feature sets on matched pairs only, with ``difference_all`` beside it.

    Examples
    --------
    See ``docs/shortcuts.md``.
    """

    told: pd.DataFrame
    prevalence: pd.DataFrame
    matched: pd.DataFrame
    advantage: pd.DataFrame

    def __repr__(self):
        parts = vars(self).items()
        return "\n\n".join(f"{name}\n{table.to_string(float_format='{:.3f}'.format)}" for name, table in parts)


def find_shortcuts(comparison, nuisances):
    """Measure how well blocks tell nuisances, and what is left of areas and advantages among equals.

    Parameters
    ----------
    comparison : Comparison
        Of two classes.
    nuisances : DataFrame of shape (n_rows, n_nuisances)
        Site, sex, age, scanner of each row of the internal cohort.

    Returns
    -------
    Shortcuts
        Four tables.

    Raises
    ------
    InputError
        If there is not one row a row, a value is missing, a nuisance is constant or has more than 10 levels, no pair
        shares all levels, or the comparison was put together by hand.

    Examples
    --------
    See ``docs/shortcuts.md``.
    """
    if not isinstance(comparison, Comparison) or comparison.refit is None:
        raise InputError(
            "shortcuts needs a comparison of two classes as compare_feature_sets returned it, not one that was saved"
        )
    part = comparison.predictions.query("cohort == @INTERNAL")
    rows = part.drop_duplicates("row").sort_values("row")
    y, patient = rows["y"].to_numpy(), rows["patient"].to_numpy()
    if not isinstance(nuisances, pd.DataFrame) or len(nuisances) != len(y):
        raise InputError(
            f"nuisances of shape {np.shape(nuisances)} for {len(y)} rows; give a DataFrame, a row a row of X",
            code="length",
        )
    comparison.check_rows("nuisances", nuisances)
    levels = {name: _levels(nuisances[name], name) for name in nuisances}
    told, prevalence = [], []
    for name, level in levels.items():
        own = pd.DataFrame({"level": level, "y": y}).groupby("level")["y"].agg(["size", "sum", "mean"]).reset_index()
        own.columns = ["level", "n", "events", "prevalence"]
        prevalence.append(own.assign(nuisance=name))
        if len(np.unique(level[y == 0])) < 2:
            raise InputError(
                f"all rows without the event have one level of {name!r}, so none can be told from another; leave "
                f"{name!r} out"
            )
        told += [{"nuisance": name} | row for row in _told(comparison, level, y == 0, patient)]
    stratum = pd.DataFrame(levels).groupby(list(levels)).ngroup().to_numpy()
    matched, advantage = _among_equals(comparison, part, y, patient, stratum)
    return Shortcuts(
        pd.DataFrame(told).set_index(["nuisance", "block"]),
        pd.concat(prevalence).set_index(["nuisance", "level"]),
        matched,
        advantage,
    )


def matched_areas(y, scores, stratum, groups):
    """Return areas over pairs of the same stratum only, and their covariance.

    Parameters
    ----------
    y : int array of shape (n_rows,)
        0 or 1.
    scores : float array of shape (n_scores, n_rows)
        The scores.
    stratum, groups : int array of shape (n_rows,)
        Stratum and patient of each row.

    Returns
    -------
    auc : float array of shape (n_scores,)
        Share of matched pairs in which the event has the larger score; NaN without a pair.
    covariance : float array of shape (n_scores, n_scores)
        Their covariance, from what each patient adds; with one stratum and a row a patient that of DeLong.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.comparison.shortcuts import matched_areas
    >>> matched_areas(np.array([0, 1, 0, 1]), np.array([[1, 2, 8, 9.0]]), np.array([0, 0, 1, 1]), np.arange(4))[0]
    array([1.])
    """
    wins, partners = np.zeros(np.shape(scores)), np.zeros(len(y))
    for own in (np.flatnonzero(stratum == code) for code in np.unique(stratum)):
        for side in (1, 0):
            mine, others = own[y[own] == side], own[y[own] != side]
            partners[mine] = len(others)
            below = rankdata(scores[:, own], axis=1)[:, y[own] == side] - rankdata(scores[:, mine], axis=1)
            wins[:, mine] = below if side else len(others) - below
    n_pairs = partners[y == 1].sum()
    auc = wins[:, y == 1].sum(axis=1) / n_pairs if n_pairs else np.full(len(scores), np.nan)
    added = (wins - auc[:, None] * partners) / max(n_pairs, 1)
    for side in (0, 1):
        n = len(np.unique(groups[(y == side) & (partners > 0)]))
        added[:, y == side] *= np.sqrt(n / max(n - 1, 1))
    by_patient = np.array([np.bincount(groups, weights=row) for row in added])
    return auc, by_patient @ by_patient.T


def _levels(values, name):
    """Level of each row as a word; a measured number in four bands of equal size."""
    missing = np.flatnonzero(values.isna())
    if len(missing):
        raise InputError(f"{name!r} is missing in row {missing[0]} ({len(missing)} such rows); call it 'unknown'")
    # Few whole numbers are codes, such as those of sites.
    is_code = values.dtype.kind in "iu" and values.nunique() <= _MOST_LEVELS
    if values.dtype.kind in "iuf" and values.nunique() > _BANDS and not is_code:
        values = pd.qcut(values, _BANDS, duplicates="drop")
    if not 2 <= values.nunique() <= _MOST_LEVELS:
        raise InputError(
            f"{name!r} has {values.nunique()} different values; give 2 to {_MOST_LEVELS} levels, or numbers"
        )
    return values.astype(str).to_numpy()


def _told(comparison, level, shown, patient):
    """Area with which each block tells a level from the rest on rows of other folds that are shown."""
    labels = np.unique(level)
    found = {}
    for label in labels[-1:] if len(labels) == 2 else labels:
        is_level = (level == label).astype(int)
        if len(np.unique(is_level[shown])) < 2:
            continue
        for block, scores in comparison.refit(is_level).items():
            auc, covariance = delong_covariance(is_level[shown], [scores[shown]], groups=patient[shown])
            counts = class_counts(is_level[shown], patient[shown])
            found.setdefault(block, []).append((auc[0], covariance[0, 0], counts))
    for block, areas in found.items():
        auc, variance = np.mean([area[0] for area in areas]), np.mean([area[1] for area in areas])
        counts = min((area[2] for area in areas), key=min)
        factor = comparison.inflation
        yield {"block": block} | auc_interval(auc, factor * variance, counts=counts, inflation=factor).columns("auc")


def _among_equals(comparison, part, y, patient, stratum):
    names = list(part["features"].unique())
    # A row without a partner of the other class says nothing; that there are few with one must be known.
    level = pd.Series(y).groupby(stratum)
    paired = (level.transform("min") < level.transform("max")).to_numpy()
    if not paired.any():
        raise InputError("no row with the event shares all levels with one without; give fewer nuisances")
    pairs = sum(int((y[stratum == code] == 1).sum() * (y[stratum == code] == 0).sum()) for code in np.unique(stratum))
    areas, covariances = [], []
    for _, own in part.groupby("repeat"):
        scores = [own[own["features"] == name].sort_values("row")["score"].to_numpy() for name in names]
        auc, covariance = matched_areas(y[paired], np.array(scores)[:, paired], stratum[paired], patient[paired])
        areas.append(auc)
        covariances.append(covariance)
    areas, covariance, factor = np.array(areas), np.mean(covariances, axis=0), comparison.inflation
    counts = class_counts(y[paired], patient[paired])
    rows = [
        {"features": name, "auc": comparison.table.loc[(INTERNAL, name), "auc"]}
        | auc_interval(areas[:, i].mean(), factor * covariance[i, i], counts=counts, inflation=factor).columns(
            "auc_matched"
        )
        | {"pairs": pairs}
        for i, name in enumerate(names)
    ]
    matched = pd.DataFrame(rows).set_index("features")
    if len(names) < 2:
        return matched, pd.DataFrame()
    tests = pairwise_tests(names, areas.mean(axis=0), paired_covariance(areas, covariance, factor), counts=counts)
    tests["difference_all"] = comparison.tests.loc[INTERNAL, "difference"].to_numpy(float)
    return matched, tests.set_index(["a", "b"])
