"""What a comparison of several classes gives: each class against the rest, and all of them together."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from deepradiomics.comparison.result import INTERNAL, _Readable, paired_covariance
from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import given_axes
from deepradiomics.metrics.bootstrap import resampled_sums
from deepradiomics.metrics.intervals import ONE_PATIENT, Interval
from deepradiomics.metrics.multiclass import macro_areas
from deepradiomics.metrics.rates import rates_from_counts
from deepradiomics.metrics.roc import auc_interval, class_counts, pairwise_tests

# A class with fewer patients than this gives intervals that say little.
_FEW = 10


@dataclass(frozen=True, eq=False, repr=False)
class ClassComparison(_Readable):
    """What :func:`compare_feature_sets` gives for more than two classes.

    Parameters
    ----------
    views : dict of str to Comparison
        Each class against the rest, as a comparison of two classes: its table, tests, plots, subgroups.
    ordered : bool, default=False
        Whether the order of the classes means something; kappa then has quadratic weights, else none.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from deepradiomics.comparison import compare_models
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> comparison = compare_models({"width": GaussianNB()}, X[["sepal width (cm)"]], y, cv=3, random_state=0)
    >>> comparison.confusion("width").to_numpy().sum()
    np.float64(150.0)
    """

    views: dict
    ordered: bool = False

    _not_printed = ("f1_macro", "f1_weighted")

    @property
    def _above(self):
        names = (" < " if self.ordered else ", ").join(map(str, self.classes))
        return [f"classes: {names}", "auc: mean of the areas of each class against the rest"]

    @property
    def classes(self):
        """The labels, in their order."""
        return tuple(self.views)

    @property
    def settings(self):
        """How the comparison was made, in words."""
        return self._first.settings

    @property
    def inflation(self):
        """Factor on the variance of a cross-validated area."""
        return self._first.inflation

    @property
    def _first(self):
        return next(iter(self.views.values()))

    @property
    def _names(self):
        return list(self._first.predictions["features"].unique())

    @cached_property
    def predictions(self):
        """DataFrame: as of two classes; y and call are numbers of classes, score and threshold stand for each class."""
        first = self._first.predictions
        found = first.drop(columns=["score", "threshold", "call"])
        parts = [view.predictions for view in self.views.values()]
        found["y"] = np.argmax([part["y"] for part in parts], axis=0)
        found["call"] = np.argmax([part["score"] for part in parts], axis=0)
        for label, part in zip(self.classes, parts, strict=True):
            found[f"score {label}"], found[f"threshold {label}"] = part["score"], part["threshold"]
        return found

    @property
    def folds(self):
        """DataFrame: class x what a comparison of two classes has of each fold."""
        return self._joined("folds").reset_index("class").reset_index(drop=True)

    @property
    def by_class(self):
        """DataFrame: (cohort, features, class) x area, rates at the threshold of that class, n, events."""
        table = self._joined("table").reset_index()
        order = {name: number for number, name in enumerate(self._names)}
        cohorts = {name: number for number, name in enumerate(self.predictions["cohort"].unique())}
        keys = [table["cohort"].map(cohorts), table["features"].map(order)]
        table = table.iloc[np.lexsort(keys[::-1])]
        return table.set_index(["cohort", "features", "class"])

    @property
    def table(self):
        """DataFrame: (cohort, features) x macro area, area of each class, accuracy, macro and weighted F1, kappa, n."""
        areas = {label: view.table for label, view in self.views.items()}
        rows = []
        for (cohort, features), part in self.predictions.groupby(["cohort", "features"], sort=False):
            auc, covariance = self._macro(part, [features])
            inflation = self.inflation if cohort == INTERNAL else 1.0
            macro = auc_interval(auc[:, 0].mean(), inflation * covariance[0, 0])
            if self._fewest(part) < 2:
                macro = Interval(macro.estimate, np.nan, np.nan, ONE_PATIENT)
            row = {"cohort": cohort, "features": features} | macro.columns("auc")
            for label, own in areas.items():
                interval = Interval(*own.loc[(cohort, features), ["auc", "auc_low", "auc_high"]])
                row |= interval.columns(f"auc {label}")
            n = len(part) // part["repeat"].nunique()
            right = float((part["y"] == part["call"]).sum()) / part["repeat"].nunique()
            row |= rates_from_counts(right, 0, n - right, 0).sensitivity.columns("accuracy")
            for name, interval in self._call_measures(part).items():
                row |= interval.columns(name)
            rows.append(row | {"n": n, "n_features": part["n_features"].mean()})
        return pd.DataFrame(rows).set_index(["cohort", "features"])

    @property
    def tests(self):
        """DataFrame: tests of each pair of sets, macro and by class, corrected after Holm within cohort and class."""
        tables = []
        for cohort, part in self.predictions.groupby("cohort", sort=False):
            names = self._names
            if len(names) > 1 and part["y"].nunique() == len(self.classes):
                auc, covariance = self._macro(part, names)
                if cohort == INTERNAL:
                    covariance = paired_covariance(auc, covariance, self.inflation)
                test = pairwise_tests(names, auc.mean(axis=0), covariance, counts=(self._fewest(part),) * 2)
                tables.append(test.assign(cohort=cohort, **{"class": "macro"}))
        for label, view in self.views.items():
            if len(view.tests):
                tables.append(view.tests.reset_index().assign(**{"class": label}))
        if not tables:
            return pd.DataFrame()
        return pd.concat(tables).set_index(["cohort", "class", "a", "b"])

    def confusion(self, features, *, cohort=INTERNAL):
        """Count what rows are and what they are called.

        Parameters
        ----------
        features : str
            The feature set.
        cohort : str, default="internal"
            Which cohort.

        Returns
        -------
        DataFrame of shape (n_classes, n_classes)
            A row a class, a column a call; means over repeats.

        Raises
        ------
        InputError
            If there is no such feature set or cohort.

        Examples
        --------
        See :class:`ClassComparison`.
        """
        part = self._part(features, cohort)
        counts = confusion_matrix(part["y"], part["call"], labels=range(len(self.classes)))
        named = pd.Index(self.classes, name="is"), pd.Index(self.classes, name="called")
        return pd.DataFrame(counts / part["repeat"].nunique(), *named)

    def plot_roc(self, *, axes=None):
        """Draw the ROC curves of each class against the rest, a row of panels a cohort, a panel a class.

        Parameters
        ----------
        axes : array of matplotlib Axes of shape (n_cohorts, n_classes), default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        array of matplotlib Axes of shape (n_cohorts, n_classes)
            The panels.

        Raises
        ------
        InputError
            If there is not one a cohort and class.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        shape = self.predictions["cohort"].nunique(), len(self.views)
        axes = given_axes(axes, *shape, figsize=(4.4 * shape[1], 4.6 * shape[0]), squeeze=False)
        if np.shape(axes) != shape:
            raise InputError(f"axes of shape {np.shape(axes)}; give one a cohort and class, {shape}")
        for (label, view), column in zip(self.views.items(), np.transpose(axes), strict=True):
            for ax in view.plot_roc(axes=column):
                ax.set_title(f"{label}, {ax.get_title()}", fontsize="medium")
        return np.asarray(axes)

    def worst_cases(self, features, *, cohort=INTERNAL, n=5):
        """List the rows to whose own class a feature set gave the lowest scores.

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
            Worst first: ``row``, ``y`` (number of its class), ``score`` of that class and ``percentile``, the
            proportion of rows of other classes that score higher for it.

        Raises
        ------
        InputError
            If there is no such feature set or cohort.

        Examples
        --------
        See :meth:`Comparison.worst_cases`.
        """
        found = []
        for code, view in enumerate(self.views.values()):
            own = view.worst_cases(features, cohort=cohort, n=len(self.predictions))
            found.append(own[own["y"] == 1].assign(y=code))
        return pd.concat(found).sort_values("percentile", ascending=False, kind="stable").head(n)

    def subgroups(self, labels, *, cohort=INTERNAL, features=None):
        """Split one cohort by sex, age band, site or scanner, and see whether the areas of each class hold.

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
            As of :meth:`Comparison.subgroups`, for each class against the rest.

        Raises
        ------
        InputError
            If there is not one label a row of a known cohort.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        found = {label: view.subgroups(labels, cohort=cohort, features=features) for label, view in self.views.items()}
        return pd.concat(found, names=["class"])

    @property
    def notes(self):
        """List of what the numbers of patients do not allow to conclude."""
        first = self.predictions.drop_duplicates(["cohort", "row"])
        found = []
        for cohort, part in first.groupby("cohort", sort=False):
            for code, label in enumerate(self.classes):
                n = part.loc[part["y"] == code, "patient"].nunique()
                if n < _FEW:
                    found.append(f"{cohort}: {n} patient(s) of class {label}, too few for a conclusion")
        return found

    def _joined(self, name):
        return pd.concat({label: getattr(view, name) for label, view in self.views.items()}, names=["class"])

    def _macro(self, part, names):
        """Macro areas (n_repeats, n_sets), and their covariance in a repeat, averaged; NaN where a class is absent."""
        if part["y"].nunique() < len(self.classes):
            return np.full((1, len(names)), np.nan), np.full((len(names), len(names)), np.nan)
        columns, found = [f"score {label}" for label in self.classes], []
        for _, own in part.groupby("repeat"):
            by_set = [own[own["features"] == name] for name in names]
            scores = np.array([rows[columns].to_numpy().T for rows in by_set])
            found.append(macro_areas(by_set[0]["y"].to_numpy(), scores, by_set[0]["patient"].to_numpy()))
        auc, covariance = zip(*found, strict=True)
        return np.array(auc), np.mean(covariance, axis=0)

    def _fewest(self, part):
        """Patients of the smallest class, or of the rest of the largest; 0 where a class is absent."""
        rows = part.drop_duplicates("row")
        if rows["y"].nunique() < len(self.classes):
            return 0
        return min(min(class_counts(rows["y"] == code, rows["patient"])) for code in range(len(self.classes)))

    def _call_measures(self, part):
        """Macro and weighted F1 and kappa of the calls, with intervals over resampled patients."""
        n = len(self.classes)
        cells = np.zeros((len(part), n * n))
        cells[np.arange(len(part)), part["y"] * n + part["call"]] = 1 / part["repeat"].nunique()
        drawn = resampled_sums(cells, part["patient"].to_numpy(), random_state=0)
        # Confusion matrices (n_matrices, n_classes, n_classes), the first of all patients.
        counts = drawn.reshape(-1, n, n)
        rows, columns, total = counts.sum(axis=2), counts.sum(axis=1), counts.sum(axis=(1, 2))
        f1 = 2 * np.diagonal(counts, axis1=1, axis2=2) / np.maximum(rows + columns, 1e-12)
        distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n))).astype(float)
        weights = distance**2 if self.ordered else (distance > 0).astype(float)
        expected = np.einsum("mi,ij,mj->m", rows, weights, columns) / total
        with np.errstate(invalid="ignore", divide="ignore"):
            kappa = 1 - (counts * weights).sum(axis=(1, 2)) / expected
        measures = {"f1_macro": f1.mean(axis=1), "f1_weighted": (f1 * rows).sum(axis=1) / total, "kappa": kappa}
        return {
            name: Interval(float(values[0]), *np.nanquantile(values[1:], [0.025, 0.975]).tolist())
            for name, values in measures.items()
        }
