"""Compare feature sets of one model by cross-validation and on external cohorts, each block fitted once a fold."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.parallel import Parallel, delayed
from tqdm import tqdm

from deepradiomics.evaluation.feature_sets import resolve_feature_sets
from deepradiomics.evaluation.fitting import fit_feature_sets, group_routing
from deepradiomics.evaluation.folds import PATIENT_COLUMN, patient_groups, patient_splits
from deepradiomics.evaluation.intervals import Interval
from deepradiomics.evaluation.leakage import check_duplicates, check_separating_columns
from deepradiomics.evaluation.rates import diagnostic_rates, youden_threshold
from deepradiomics.evaluation.roc import auc_interval, delong_covariance, delong_tests
from deepradiomics.evaluation.stateless import columns_read, compute_once, cut_model
from deepradiomics.evaluation.subgroups import subgroup_table
from deepradiomics.exceptions import InputError, LeakageError

INTERNAL = "internal"
_RATES = ("sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True, eq=False)
class Comparison:
    """What :func:`compare_feature_sets` gives: predictions, and the tables and plots made from them.

    Parameters
    ----------
    predictions : DataFrame
        One row a feature set and row of a cohort: ``cohort``, ``features``, ``row`` (its number in the cohort's table),
        ``patient`` (number of the group), ``fold`` (from 0; -1 in external cohorts), ``y`` (0 or 1), ``score``
        (larger means the event), ``threshold``, ``call`` and ``n_features``, the columns that reached the classifier.
        Internal scores are out of fold.
    folds : DataFrame
        One row a feature set and fold: ``features``, ``fold``, ``n``, ``events``, ``n_features``, ``threshold`` and
        ``auc`` of that fold alone (NaN where it lacks a class).
    classes : tuple
        The two labels; the second is the event.
    inflation : float, default=1.0
        Factor on the variance of cross-validated areas.
    settings : dict, default=<factory>
        How the comparison was made, in words.

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

    @property
    def table(self):
        """DataFrame: (cohort, features) x auc, sensitivity, specificity, ppv, npv, n, events, n_features."""
        rows = []
        for (cohort, features), part in self.predictions.groupby(["cohort", "features"], sort=False):
            rates = diagnostic_rates(part["y"], part["call"])
            row = {"cohort": cohort, "features": features, "auc": self._auc(part)}
            row |= {name: getattr(rates, name) for name in _RATES}
            rows.append(row | {"n": len(part), "events": part["y"].sum(), "n_features": part["n_features"].mean()})
        return pd.DataFrame(rows).set_index(["cohort", "features"])

    @property
    def tests(self):
        """DataFrame: DeLong's test of each pair of feature sets, corrected after Holm within each cohort."""
        tables = []
        for cohort, part in self.predictions.groupby("cohort", sort=False):
            scores = {name: own["score"].to_numpy() for name, own in part.groupby("features", sort=False)}
            first = part.iloc[: len(part) // len(scores)]
            if len(scores) > 1 and first["y"].nunique() == 2:
                test = delong_tests(first["y"], scores, groups=first["patient"], inflation=self._inflation(cohort))
                tables.append(test.assign(cohort=cohort).set_index(["cohort", "a", "b"]))
        return pd.concat(tables) if tables else pd.DataFrame()

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
        from deepradiomics.evaluation.displays import plot_roc_panels

        return plot_roc_panels(self.predictions, self.table["auc"], axes=axes)

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
            One row a subgroup and feature set: ``auc`` (an `Interval`; not defined for a subgroup of one class), ``n``,
            ``events``, ``event_share`` and ``p_association``, the chi-square test of whether the share of events
            differs between subgroups. Where it does, a model that reads the subgroup off the image scores without
            looking at bone: compare the areas within subgroups with that of all.

        Raises
        ------
        InputError
            If there is not one label a row of a known cohort.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        part = self.predictions[self.predictions["cohort"] == cohort]
        chosen = list(part["features"].unique()) if features is None else features
        return subgroup_table(part[part["features"].isin(chosen)], labels, self._auc)

    def to_html(self, path, *, title="Comparison of feature sets", subgroups=None, excluded=None):
        """Write one self-contained page: what was compared, tables, tests, plots, settings.

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

        Returns
        -------
        Path
            The file.

        Raises
        ------
        MissingDependencyError
            If Jinja2 is not installed.

        Examples
        --------
        See ``docs/comparison.md``.
        """
        from deepradiomics.evaluation.report import write_report

        return write_report(self, path, title=title, subgroups=subgroups, excluded=excluded)

    def _inflation(self, cohort):
        return self.inflation if cohort == INTERNAL else 1.0

    def _auc(self, part):
        if part["y"].nunique() < 2:
            return Interval(np.nan, np.nan, np.nan)
        auc, covariance = delong_covariance(part["y"], [part["score"]], groups=part["patient"])
        return auc_interval(auc[0], covariance[0, 0] * self._inflation(part["cohort"].iloc[0]))


# Nine arguments: the eight of the design and the seed, which scikit-learn spells so everywhere.
def compare_feature_sets(  # noqa: PLR0913
    model,
    X,
    y,
    *,
    groups=None,
    feature_sets=None,
    cv=5,
    external=None,
    n_jobs=None,
    random_state=None,
):
    """Compare feature sets of one model: cross-validated inside a cohort, and applied once to others.

    Each block of features is fitted once in each fold, on its training rows, and shared by all sets; what learns
    nothing (reading, regions, texture) is computed once for all rows. A set is a slice of the blocks' columns, with
    the steps behind them fitted on it.

    Parameters
    ----------
    model : Pipeline
        Holds a `ColumnTransformer` of named blocks and ends in a classifier; steps may stand before and between. It
        is cloned, not fitted.
    X : DataFrame of shape (n_samples, n_columns)
        A row a patient, image or vertebra. An array will do where the model takes one.
    y : array-like of shape (n_samples,)
        Labels of two classes; the larger one is the event. The model is fitted on 0 and 1.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row. None takes the column ``patient`` of X, and without one each row is a patient.
    feature_sets : list of str or dict of str to list of str, default=None
        None compares all sums of the blocks: C, T, D, TC, DC, DT, DTC for blocks named clinical, texture and deep. A
        list names some of these, or sums such as ``"texture+clinical"``; a dict gives the blocks of each set.
    cv : int, splitter or iterable of (train, test), default=5
        A number of folds is stratified, shuffled, and keeps patients together.
    external : dict of str to (X, y), default=None
        Cohorts by name. The model fitted on all of X is applied to each, once.
    n_jobs : int, default=None
        Folds that run at a time. The result does not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds. The model keeps its own.

    Returns
    -------
    Comparison
        With ``table``, ``tests``, ``folds``, ``predictions`` and ``plot_roc()``.

    Raises
    ------
    InputError
        If the model is not of this form, labels are not two classes or unknown in a cohort, folds are impossible.
    LeakageError
        If a patient or an identical image stands on both sides of a split or in two cohorts, a column that a block
        reads separates the classes by itself, or a step splits by group and there are no groups.

    Notes
    -----
    **AUC.** The table shows the area of the pooled out-of-fold scores, ``folds`` that of each fold. Pooling compares
    scores of models trained on different rows; where these are calibrated differently, the pooled area is a little too
    small. Its interval is DeLong's with the variance multiplied by ``1 + sum_k n_test_k / n_train_k`` (2.25 for 5
    folds), the correction of Nadeau and Bengio: the models of the folds share most of their training rows, and plain
    DeLong, which takes the scores for fixed, covers 0.5 in about 80 of 100 cohorts whose labels are random. The tests
    are corrected in the same way. External cohorts get plain DeLong. Patients with several rows count as clusters
    (Obuchowski) in both; the intervals of sensitivity and the other rates take rows for independent.

    **Thresholds** are Youden's, on training rows only: in each fold on scores of 3 folds within its training part, for
    external cohorts on the out-of-fold scores of X.

    **Nothing selected.** Where no feature of a set survived selection, the set predicts the share of events in the
    training part, for every row; ``n_features`` shows 0.

    **Groups** reach every step whose ``fit`` takes ``groups`` and every splitter by group inside the model.

    References
    ----------
    Nadeau C, Bengio Y. Inference for the generalization error. Machine Learning 2003;52:239-281.
    Obuchowski NA. Nonparametric analysis of clustered ROC curve data. Biometrics 1997;53:567-578.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.compose import ColumnTransformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from deepradiomics import compare_feature_sets
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(80) % 2
    >>> X = pd.DataFrame({"age": rng.normal(y, 1), "entropy": rng.normal(size=80), "patient": np.arange(80) // 2})
    >>> blocks = ColumnTransformer(
    ...     [("clinical", StandardScaler(), ["age"]), ("texture", StandardScaler(), ["entropy"])]
    ... )
    >>> model = make_pipeline(blocks, LogisticRegression())
    >>> comparison = compare_feature_sets(model, X, y, random_state=0)
    >>> comparison.table[["n", "events"]]
                       n  events
    cohort   features
    internal C        80      40
             T        80      40
             TC       80      40
    """
    parts = cut_model(model)
    _check_classifier(parts.tail[-1])
    sets = resolve_feature_sets(feature_sets, parts.blocks)
    classes, y = _encoded(y, len(X))
    groups = patient_groups(X, groups)
    with group_routing(parts.front, groups), group_routing(parts.tail, groups):
        pass
    seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=2)
    splits = patient_splits(cv, y, groups, int(seeds[0]))
    cohorts = _external_cohorts(external, X, classes)
    check_duplicates({INTERNAL: X} | {cohort.name: cohort.X for cohort in cohorts}, groups)
    _check_columns(parts, X, y)
    fits = _fit_all(parts, sets, (X, y, groups), splits, cohorts, int(seeds[1]), n_jobs)
    predictions, folds = _internal_predictions(fits[: len(splits)], splits, y, groups)
    predictions = pd.concat([predictions, *_external_predictions(fits[len(splits) :], cohorts, predictions)])
    inflation = 1 + sum(len(test) / len(train) for train, test in splits)
    settings = {"folds": len(splits), "groups": groups is not None, "random_state": random_state, "feature_sets": sets}
    settings["model"] = repr(model)
    return Comparison(predictions.reset_index(drop=True), folds, tuple(classes.tolist()), inflation, settings)


def _check_columns(parts, X, y):
    """Refuse a column of the table that a block reads and that is the label in disguise."""
    if isinstance(X, pd.DataFrame):
        check_separating_columns(X, y, [name for name in X.columns if name in columns_read(parts.front[-1], X)])


@dataclass(frozen=True)
class _Cohort:
    name: str
    X: object
    y: np.ndarray
    groups: np.ndarray | None


def _check_classifier(classifier):
    if not is_classifier(classifier):
        raise InputError(
            f"the last step of the model is a {type(classifier).__name__}; it must be a classifier",
            code="no_classifier",
        )


def _encoded(y, n_rows):
    """Return the two classes and y as 0 and 1."""
    y = np.asarray(y)
    if y.shape != (n_rows,):
        raise InputError(f"y of shape {y.shape} for {n_rows} rows of X; give one label a row", code="length")
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) != 2:
        raise InputError(
            f"y holds {len(classes)} classes, {classes[:5].tolist()}; feature sets are compared on exactly 2",
            code="two_classes",
        )
    return classes, codes


def _external_cohorts(external, X, classes):
    cohorts = []
    for name, (table, labels) in (external or {}).items():
        labels = np.asarray(labels)
        if labels.shape != (len(table),) or not np.isin(labels, classes).all():
            raise InputError(
                f"cohort {name!r} has {len(table)} rows, labels of shape {labels.shape} and classes "
                f"{np.unique(labels)[:5].tolist()}; give one label a row, of the classes {classes.tolist()}",
                code="external_labels",
            )
        if name == INTERNAL:
            raise InputError(f"an external cohort cannot be called {INTERNAL!r}; choose another name", code="name")
        _check_other_patients(name, X, table)
        cohorts.append(_Cohort(name, table, np.searchsorted(classes, labels), patient_groups(table)))
    return cohorts


def _check_other_patients(name, X, table):
    if not all(PATIENT_COLUMN in getattr(part, "columns", ()) for part in (X, table)):
        return
    shared = np.flatnonzero(table[PATIENT_COLUMN].isin(X[PATIENT_COLUMN]))
    if len(shared):
        raise LeakageError(
            f"cohort {name!r}: rows {shared[:5].tolist()} ({len(shared)} in all) are of patients that X holds too; "
            f"leave them out, or make the ids in column {PATIENT_COLUMN!r} unique where they are of other persons",
            code="patient_overlap",
        )


def _fit_all(parts, sets, internal, splits, cohorts, seed, n_jobs):
    """Fit each fold, and once more all rows if there are external cohorts; return a list of SetResult for each."""
    X, y, groups = internal
    n_fits = len(splits) + bool(cohorts)
    with tqdm(total=n_fits, desc="features that need no fit", unit="fit") as bar:
        front, (X, *others) = compute_once(parts.front, [X, *(cohort.X for cohort in cohorts)])
        parts = type(parts)(front, parts.tail)
        bar.set_description("comparing feature sets")
        jobs = [(train, [_safe_indexing(X, test)]) for train, test in splits]
        jobs += [(np.arange(len(y)), others)] if cohorts else []
        tasks = (
            delayed(fit_feature_sets)(
                parts, sets, (_safe_indexing(X, rows), y[rows], None if groups is None else groups[rows]), tests, seed
            )
            for rows, tests in jobs
        )
        fits = []
        for fit in Parallel(n_jobs=n_jobs, return_as="generator")(tasks):
            fits.append(fit)
            bar.update()
    return fits


def _internal_predictions(fits, splits, y, groups):
    tests, predictions, folds = [test for _, test in splits], [], []
    for results in zip(*fits, strict=True):
        frames = [
            _frame(INTERNAL, result, 0, y[test], groups, rows=test, fold=fold)
            for fold, (result, test) in enumerate(zip(results, tests, strict=True))
        ]
        predictions.append(pd.concat(frames).sort_values("row"))
        folds += [_fold_row(result, fold, y[tests[fold]]) for fold, result in enumerate(results)]
    return pd.concat(predictions), pd.DataFrame(folds)


def _external_predictions(fits, cohorts, internal):
    """Apply the fit on all rows; thresholds come from the out-of-fold scores of each set."""
    frames = []
    for number, cohort in enumerate(cohorts):
        for result in fits[0]:
            own = internal[internal["features"] == result.name]
            frame = _frame(cohort.name, result, number, cohort.y, cohort.groups, rows=np.arange(len(cohort.y)), fold=-1)
            threshold = youden_threshold(own["y"], own["score"])
            frames.append(frame.assign(threshold=threshold, call=frame["score"] >= threshold))
    return frames


def _frame(cohort, result, number, y, groups, *, rows, fold):
    score = result.scores[number]
    columns = {
        "cohort": cohort,
        "features": result.name,
        "row": rows,
        "patient": rows if groups is None else groups[rows],
        "fold": fold,
        "y": y,
        "score": score,
        "threshold": result.threshold,
        "call": score >= result.threshold,
        "n_features": result.n_features,
    }
    return pd.DataFrame(columns)


def _fold_row(result, fold, y):
    score = result.scores[0]
    auc = delong_covariance(y, [score])[0][0] if len(np.unique(y)) == 2 else np.nan
    return {
        "features": result.name,
        "fold": fold,
        "n": len(y),
        "events": int(y.sum()),
        "n_features": result.n_features,
        "threshold": result.threshold,
        "auc": auc,
    }
