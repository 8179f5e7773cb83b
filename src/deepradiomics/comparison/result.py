"""What a comparison gives: predictions, and the tables, tests and plots made from them."""

from dataclasses import dataclass, field
from html import escape
from typing import ClassVar

import numpy as np
import pandas as pd

from deepradiomics.comparison._answer import lines_of, planned_tests, sentences
from deepradiomics.comparison._record import hash_index, study_record
from deepradiomics.comparison.subgroups import subgroup_table
from deepradiomics.estimators import _other_rows
from deepradiomics.exceptions import InputError
from deepradiomics.metrics.intervals import Interval, join_intervals
from deepradiomics.metrics.rates import diagnostic_rates, rates_from_counts
from deepradiomics.metrics.roc import auc_interval, class_counts, delong_covariance, pairwise_tests

# Name of the cohort that is cross-validated.
INTERNAL = "internal"
# Variance that the luck of one split adds to a difference of areas, over DeLong's: chosen so that level and power hold
# in benchmarks/power.py.
_ONE_SPLIT = 0.2
_RATES = ("sensitivity", "specificity", "ppv", "npv")


class _Readable:
    """A result whose ``table`` is shown as estimates with intervals, lines ``_above`` it and ``notes`` below."""

    _above: ClassVar[tuple] = ()
    notes: ClassVar[tuple] = ()
    # Columns that make the table too wide to read; ``table`` and the report have them.
    _not_printed: ClassVar[tuple] = ()

    def check_rows(self, name, values, cohort=INTERNAL):
        """Refuse values whose index is not that of the table that was compared.

        Parameters
        ----------
        name : str
            What the values are called, for the message.
        values : Series, DataFrame, or anything else
            A value a row; what has no index goes by its place.
        cohort : str, default="internal"
            The cohort they are of.

        Raises
        ------
        InputError
            If the index is another, or in another order.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        noted = getattr(self, "settings", {}).get("study", {}).get("data", {}).get(cohort, {}).get("index")
        if noted and isinstance(values, pd.Series | pd.DataFrame) and hash_index(values) != noted:
            raise _other_rows(name, f"X of cohort {cohort!r}")

    def record(self):
        """Return what the comparison did and found, for a supplement or a registry.

        Returns
        -------
        dict
            Of JSON's own types: hashes of tables, labels, splits and frozen weights, settings, versions, seeds, counts
            of failures, leak checks, results and tests. It holds no row, no patient and no reason in words.

        Raises
        ------
        InputError
            If the comparison was put together by hand and lacks its settings.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        if "study" not in getattr(self, "settings", {}):
            raise InputError(
                "the comparison lacks what its run noted; give what compare_feature_sets or compare_models returned"
            )
        return study_record(self)

    def formatted(self):
        """Return the table for readers: each estimate with its interval, as ``0.93 [0.90, 0.96]``.

        Returns
        -------
        DataFrame
            Cells are `Interval`; ``table`` has the same as numbers.

        Examples
        --------
        See ``examples/demo.py``.
        """
        return join_intervals(self.table)

    @property
    def contrasts(self):
        """DataFrame: the tests that were planned, of each set against clinical alone and of all blocks against all but
        one, corrected after Holm for their own number; ``tests`` has all pairs.
        """
        return planned_tests(self.tests, self.sets)

    @property
    def sets(self):
        """Dict of str to list of str: blocks of each feature set; of several models each is its own only block, since
        they differ in more than blocks.
        """
        sets = self.settings["feature_sets"]
        return sets if self.settings.get("one_model", True) else {name: [name] for name in sets}

    def summary(self):
        """Say in one paragraph what was found: what each addition changes, by how much, and how sure that is.

        Returns
        -------
        str
            Plain words, from `contrasts`.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        return ". ".join(sentences(self)) + "."

    # What a page can be given besides the comparison.
    def to_html(
        self,
        path,
        *,
        title="Comparison of feature sets",
        subgroups=None,
        excluded=None,
        figures=None,
        images=None,
        covariates=None,
        cuts=(-1.0, -2.5),
    ):
        """Write one self-contained page: the answer, the patients, tables, tests, plots, settings, the record.

        Parameters
        ----------
        path : str or Path
            File to write.
        title : str, default="Comparison of feature sets"
            Heading of the page.
        subgroups : dict of str to array-like of shape (n_rows,), default=None
            Labels of the rows of X by what they are, such as ``{"sex": X["sex"]}``.
        excluded : dict of str to int, default=None
            Patients left out before the comparison, by reason.
        figures : dict of str to matplotlib Figure, default=None
            More figures by caption: boxes on bones, importances.
        images : sequence of Radiographs or arrays of shape (H, W), default=None
            Image of each row of X. With it, the rows on which the largest feature set erred most are shown; without
            it, no image of a patient is on the page.
        covariates : DataFrame of shape (n_rows, n_covariates), default=None
            What Table 1 describes of the rows of X, such as ``X[["age", "sex"]]``; None takes what the block
            ``clinical`` reads. It shows nothing that fewer than 5 patients share. Numbers have their mean (SD), or
            their median [quartiles] where the skewness exceeds 1 in a class, words a count (%) a level.
        cuts : sequence of float, default=(-1.0, -2.5)
            Numbers at or below a cut are read as a diagnosis, for T-scores that of osteopenia and of osteoporosis;
            classes need none.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        MissingDependencyError
            If Jinja2 is not installed.
        InputError
            If there is not one image or covariate a row.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        from deepradiomics.comparison._report import write_report

        given = {"subgroups": subgroups, "excluded": excluded, "figures": figures, "images": images}
        return write_report(self, path, title, covariates, cuts, given)

    def __repr__(self):
        printed = self.formatted().drop(columns=list(self._not_printed))
        return "\n".join([*self._above, *lines_of(printed), *self.notes])

    def _repr_html_(self):
        return f"<pre>{escape(repr(self))}</pre>"

    def _part(self, features, cohort):
        """Predictions of one feature set in one cohort."""
        part = self.predictions.query("cohort == @cohort and features == @features")
        if part.empty:
            known = ", ".join(self.predictions["features"].unique())
            raise InputError(f"no feature set {features!r} in cohort {cohort!r}; there are {known}")
        return part


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(_Readable):
    """What :func:`compare_feature_sets` gives: predictions, and the tables and plots made from them.

    Parameters
    ----------
    predictions : DataFrame
        One row a feature set and row of a cohort: ``cohort``, ``features``, ``row`` (its number in the cohort's table),
        ``patient`` (number of the group), ``repeat`` (of the folds, from 0), ``fold`` (from 0; -1 in external cohorts),
        ``y`` (0 or 1), ``score`` (larger means the event), ``threshold``, ``call`` and ``n_features``, the columns that
        reached the classifier. Internal scores are out of fold.
    folds : DataFrame
        One row a feature set and fold: ``features``, ``repeat``, ``fold``, ``n``, ``events``, ``n_features``,
        ``threshold`` and ``auc`` of that fold alone (NaN where it lacks a class).
    classes : tuple
        The two labels; the second is the event.
    inflation : float, default=1.0
        Factor on the variance of a cross-validated area. The tests take :func:`paired_covariance`.
    settings : dict, default=<factory>
        How the comparison was made, in words.
    refit : callable, default=None
        Fits each block on other labels (0 or 1) of the same rows and folds, and gives its out-of-fold scores by block.

    Examples
    --------
    >>> from sklearn.compose import ColumnTransformer
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from deepradiomics import compare_feature_sets
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> blocks = ColumnTransformer(
    ...     [("texture", StandardScaler(), ["mean texture"]), ("clinical", StandardScaler(), ["mean area"])]
    ... )
    >>> comparison = compare_feature_sets(make_pipeline(blocks, LogisticRegression()), X, y, cv=3, random_state=0)
    >>> list(comparison.table.loc["internal"].index)
    ['C', 'T', 'TC']
    """

    predictions: pd.DataFrame
    folds: pd.DataFrame
    classes: tuple
    inflation: float = 1.0
    settings: dict = field(default_factory=dict)
    refit: object = None

    def __getstate__(self):
        # What fits again holds the table, which is not to be saved with the result.
        return self.__dict__ | {"refit": None}

    @property
    def table(self):
        """DataFrame: (cohort, features) x auc, auc_low, auc_high, sensitivity, ..., npv_high, n, events, n_features."""
        rows = []
        for (cohort, features), part in self.predictions.groupby(["cohort", "features"], sort=False):
            n_repeats = part["repeat"].nunique()
            counts = np.array(diagnostic_rates(part["y"], part["call"]).counts) / n_repeats
            rates = rates_from_counts(*counts.tolist())
            row = {"cohort": cohort, "features": features} | self._auc(part).columns("auc")
            for name in _RATES:
                row |= getattr(rates, name).columns(name)
            row |= {"n": len(part) // n_repeats, "events": part["y"].sum() // n_repeats}
            rows.append(row | {"n_features": part["n_features"].mean()})
        return pd.DataFrame(rows).set_index(["cohort", "features"])

    @property
    def _above(self):
        return [f"event: {self.classes[1]}; others: {self.classes[0]}"]

    @property
    def tests(self):
        """DataFrame: the paired test of each two feature sets, corrected after Holm within each cohort."""
        tables = []
        for cohort, part in self.predictions.groupby("cohort", sort=False):
            names = list(part["features"].unique())
            if len(names) > 1 and part["y"].nunique() == 2:
                auc, covariance = self._areas(part, names)
                if cohort == INTERNAL:
                    covariance = paired_covariance(auc, covariance, self.inflation)
                test = pairwise_tests(names, auc.mean(axis=0), covariance, counts=self._counts(part))
                tables.append(test.assign(cohort=cohort).set_index(["cohort", "a", "b"]))
        return pd.concat(tables) if tables else pd.DataFrame()

    def worst_cases(self, features, *, cohort=INTERNAL, n=5):
        """List the rows on which a feature set erred most.

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
            Worst first: ``row`` (its number in the cohort's table), ``y``, ``score`` (mean over repeats) and
            ``percentile``, the proportion of the other class that is on the wrong side of the row (1 is the worst).

        Raises
        ------
        InputError
            If there is no such feature set or cohort.

        Examples
        --------
        See ``examples/compare_feature_sets.py``.
        """
        rows = self._part(features, cohort).groupby("row", sort=True)[["y", "score"]].mean().reset_index()
        of_event = rows["y"] == 1
        wrong = np.empty(len(rows))
        for side, sign in ((of_event, 1), (~of_event, -1)):
            other = np.sort(sign * rows.loc[~side, "score"].to_numpy())
            wrong[side] = 1 - np.searchsorted(other, sign * rows.loc[side, "score"], side="right") / max(len(other), 1)
        rows["y"] = rows["y"].astype(int)
        return rows.assign(percentile=wrong).sort_values("percentile", ascending=False, kind="stable").head(n)

    def plot_roc(self, *, axes=None):
        """Draw the ROC curve of each feature set, a panel a cohort.

        Parameters
        ----------
        axes : array of matplotlib Axes, default=None
            One a cohort; None makes a new figure.

        Returns
        -------
        array of matplotlib Axes
            The panels.

        Examples
        --------
        See ``examples/demo.py``.
        """
        from deepradiomics.metrics.displays import plot_roc_panels

        return plot_roc_panels(self.predictions, self.formatted()["auc"], axes=axes)

    def subgroups(self, labels, *, cohort=INTERNAL, features=None):
        """Split one cohort by sex, age band, site or scanner, and see whether the areas hold.

        Parameters
        ----------
        labels : array-like of shape (n_rows,)
            Subgroup of each row of the cohort's table.
        cohort : str, default="internal"
            Which cohort.
        features : list of str, default=None
            Which feature sets; None is all.

        Returns
        -------
        DataFrame
            One row a subgroup and feature set: ``auc``, ``auc_low``, ``auc_high`` (NaN for a subgroup of one class),
            ``n``, ``events``, ``prevalence``, ``p_association``, the chi-square test of whether the prevalence differs
            between subgroups, and ``p_score``, the Kruskal-Wallis test of whether the scores of rows without the event
            do. Where both are small, the model may read the subgroup (a scanner, say) off the image and score without
            looking at bone: compare the areas within subgroups with that of all.

        Raises
        ------
        InputError
            If there is not one label a row of a known cohort.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        self.check_rows("labels", labels, cohort)
        part = self.predictions[self.predictions["cohort"] == cohort]
        known = list(part["features"].unique())
        unknown = [name for name in features or [] if name not in known]
        if part.empty or unknown:
            raise InputError(f"no feature set {unknown[:3]} in cohort {cohort!r}; there are {known or 'none'}")
        chosen = known if features is None else features
        return subgroup_table(part[part["features"].isin(chosen)], labels, self._auc)

    def shortcuts(self, nuisances):
        """Ask whether blocks read the site, the scanner or the sex, and what is left among equals.

        Parameters
        ----------
        nuisances : DataFrame of shape (n_rows, n_nuisances)
            Site, sex, age, scanner of each row of X; numbers with many values are cut into four bands of equal size.

        Returns
        -------
        Shortcuts
            ``told``: the area with which each block, fitted on each nuisance in the same folds, tells it;
            ``prevalence`` in the levels; ``matched``: the areas of pairs that share all levels; ``advantage``: the
            paired tests on such pairs.

        Raises
        ------
        InputError
            If there is not one row a row, a value is missing, a nuisance has one level or more than 10.

        References
        ----------
        Badgeley MA, Zech JR, Oakden-Rayner L, et al. Deep learning predicts hip fracture using confounding patient and
        healthcare variables. npj Digital Medicine 2019;2:31.

        Examples
        --------
        See ``docs/shortcuts.md``.
        """
        from deepradiomics.comparison.shortcuts import find_shortcuts

        return find_shortcuts(self, nuisances)

    def _auc(self, part):
        if part["y"].nunique() < 2:
            return Interval(np.nan, np.nan, np.nan)
        auc, covariance = self._areas(part, [part["features"].iloc[0]])
        inflation = self.inflation if part["cohort"].iloc[0] == INTERNAL else 1.0
        rows = part.drop_duplicates("row")
        clustered = rows["patient"].nunique() < len(rows)
        return auc_interval(
            auc[:, 0].mean(),
            inflation * covariance[0, 0],
            counts=self._counts(part),
            clustered=clustered,
            inflation=inflation,
        )

    def _counts(self, part):
        rows = part.drop_duplicates("row")
        return class_counts(rows["y"], rows["patient"])

    def _areas(self, part, names):
        """Areas (n_repeats, n_sets), and DeLong's covariance of a repeat, averaged over repeats."""
        found = []
        for _, own in part.groupby("repeat"):
            by_set = [own[own["features"] == name] for name in names]
            first = by_set[0]
            scores = [rows["score"].to_numpy() for rows in by_set]
            found.append(delong_covariance(first["y"], scores, groups=first["patient"]))
        auc, covariance = zip(*found, strict=True)
        return np.array(auc), np.mean(covariance, axis=0)


def paired_covariance(areas, covariance, inflation):
    """Return the covariance of cross-validated areas of several models with which their differences are tested.

    Parameters
    ----------
    areas : float array of shape (n_repeats, n_sets)
        Area of each model in each repeat of the folds.
    covariance : float array of shape (n_sets, n_sets)
        DeLong's covariance in one repeat, averaged over repeats.
    inflation : float
        ``1 + sum_k n_test_k / n_train_k``.

    Returns
    -------
    float array of shape (n_sets, n_sets)
        Covariance of the areas averaged over repeats.

    Notes
    -----
    What the folds share is DeLong's covariance times ``sum_k n_test_k / n_train_k`` (Nadeau and Bengio). What the
    luck of the split adds falls with the number of repeats: the covariance between repeats, and a fifth of DeLong's,
    with which the test keeps its level in ``benchmarks/power.py``.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.comparison.result import paired_covariance
    >>> paired_covariance(np.array([[0.8]]), np.array([[0.01]]), 2.25).round(4)
    array([[0.0145]])
    """
    n_repeats = len(areas)
    between = np.cov(areas, rowvar=False).reshape(covariance.shape) if n_repeats > 1 else 0.0
    return (inflation - 1) * covariance + (_ONE_SPLIT * covariance + between) / n_repeats
