"""Compare feature sets of one model, or whole models, by cross-validation and on external cohorts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed
from tqdm import tqdm

from deepradiomics.comparison._checkpoints import fit_or_read
from deepradiomics.comparison._cohorts import check_comparison
from deepradiomics.comparison._covariates import clinical_columns, describe_covariates
from deepradiomics.comparison._feature_sets import resolve_feature_sets
from deepradiomics.comparison._fitting import fit_feature_sets
from deepradiomics.comparison._record import _all_settings, study_facts
from deepradiomics.comparison._stateless import compute_once, cut_model
from deepradiomics.comparison.class_result import ClassComparison
from deepradiomics.comparison.copies import check_copies
from deepradiomics.comparison.regression_result import RegressionComparison, _add_intervals
from deepradiomics.comparison.result import Comparison
from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import check_number
from deepradiomics.metrics.rates import youden_threshold
from deepradiomics.metrics.roc import delong_covariance
from deepradiomics.splits import PATIENT_COLUMN, cross_validation_splits


# More arguments than elsewhere: those of the design, and what a long run needs.
def compare_feature_sets(  # noqa: PLR0913
    model,
    X,
    y,
    *,
    groups=None,
    site=None,
    event=None,
    feature_sets=None,
    cv=5,
    n_repeats=1,
    external=None,
    checkpoint=None,
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
        Holds a `ColumnTransformer` of named blocks and ends in a classifier or a regressor; steps may stand before and
        between. It is cloned, not fitted.
    X : DataFrame of shape (n_samples, n_columns)
        A row a patient, image or vertebra. An array will do where the model takes one.
    y : array-like of shape (n_samples,)
        Labels of two classes, one of which is the event, or of more; an ordered `pandas.Categorical` where
        their order means something. Models are fitted on 0, 1, 2 ... For a regressor numbers, such as the T-score.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row. None takes the column ``patient`` of X, and without one each row is a patient.
    site : str or array-like of shape (n_samples,), default=None
        Site of each row, or the name of a column that holds it, for every step that takes it, such as ComBat.
    event : label, default=None
        Which of the two labels is the event. None takes the last of an ordered Categorical, the larger number, True,
        or a word such as "case", "abnormal" or "osteoporosis"; where none of these decides, it must be given.
    feature_sets : list of str or dict of str to list of str, default=None
        None compares all sums of the blocks: C, T, D, TC, DC, DT, DTC for blocks named clinical, texture and deep. A
        list names some of these, or sums such as ``"texture+clinical"``; a dict gives the blocks of each set.
    cv : int, splitter or iterable of (train, test), default=5
        A number of folds is stratified, shuffled, and keeps patients together.
    n_repeats : int, default=1
        How often the cohort is split anew, with ``cv`` a number. Areas, rates and their variances are averaged.
    external : dict of str to (X, y), (X, y, groups) or (X, y, groups, site), default=None
        Cohorts by name, from elsewhere or from later years. The model fitted on all of X is applied to each, once.
    checkpoint : str or Path, default=None
        Folder in which the scores of each finished fold are kept. Run again with the same data, model and seed, only
        what is missing is fitted. It holds scores and names of features.
    n_jobs : int, default=None
        Folds that run at a time. The result does not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds. The model keeps its own.

    Returns
    -------
    Comparison, ClassComparison or RegressionComparison
        For two classes, for more, for numbers; with ``table``, ``tests``, ``folds`` and ``predictions``.

    Raises
    ------
    InputError
        If the model is not of this form, y does not suit it, labels are unknown in a cohort, folds are impossible.
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
    of differences take less, see :func:`deepradiomics.comparison.result.paired_covariance`. External cohorts get plain
    DeLong. Patients with several rows count as clusters (Obuchowski) in both; the intervals of sensitivity and the
    other rates take rows for independent.

    With repeats, the area is the mean of the areas of the repeats and its variance the mean of theirs: repeats even out
    the luck of the split, not that of the patients. Counts behind rates are means over repeats, too.

    **Copies.** The same image in two groups or cohorts is an error. Pairs that merely look like copies (perceptual
    hash) are listed in ``settings["near_duplicates"]`` and in the report.

    **Thresholds** are Youden's, on training rows only: in each fold on scores of 3 folds within its training part, for
    external cohorts on the out-of-fold scores of X.

    **Several classes** are each compared with the rest, with a threshold of its own; the macro area is their mean. The
    call is the class with the largest score. **Numbers**: folds are stratified by their size, and each prediction gets
    an interval from the out-of-fold errors of other folds (see :class:`RegressionComparison`).

    **Failures.** What a region or texture step could not do and left empty, where its ``on_error`` allows that, is
    listed in ``settings["failures"]`` (``row``, ``item``, ``code``, ``reason``, ``cohort``) and in the report.

    **Nothing selected.** Where no feature of a set survived selection, the set predicts the prevalence in the
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
    models = [(parts, resolve_feature_sets(feature_sets, parts.blocks))]
    given = {"groups": groups, "site": site, "event": event, "external": external, "random_state": random_state}
    return _compare(models, X, y, given, cv, n_repeats, checkpoint, n_jobs, {"": model})


# As above, and no shorter for being about models.
def compare_models(  # noqa: PLR0913
    models,
    X,
    y,
    *,
    groups=None,
    site=None,
    event=None,
    cv=5,
    n_repeats=1,
    external=None,
    checkpoint=None,
    n_jobs=None,
    random_state=None,
):
    """Compare whole models: cross-validated inside a cohort, and applied once to others.

    For models that differ in more than their blocks of features. All see the same folds; what a model computes without
    learning is computed once.

    Parameters
    ----------
    models : dict of str to estimator
        Classifiers, or regressors, by name; pipelines with named blocks or any other. They are cloned, not fitted.
    X : DataFrame of shape (n_samples, n_columns)
        A row a patient, image or vertebra. A column ``patient`` keeps rows together and is not shown to the models.
    y : array-like of shape (n_samples,)
        Labels or numbers, as in :func:`compare_feature_sets`.
    groups : array-like of shape (n_samples,), default=None
        Patient of each row. None takes the column ``patient`` of X, and without one each row is a patient.
    site : str or array-like of shape (n_samples,), default=None
        Site of each row, or the name of a column that holds it, for every step that takes it, such as ComBat.
    event : label, default=None
        Which of the two labels is the event. None takes the last of an ordered Categorical, the larger number, True,
        or a word such as "case", "abnormal" or "osteoporosis"; where none of these decides, it must be given.
    cv : int, splitter or iterable of (train, test), default=5
        A number of folds is stratified, shuffled, and keeps patients together.
    n_repeats : int, default=1
        How often the cohort is split anew, with ``cv`` a number. Areas, rates and their variances are averaged.
    external : dict of str to (X, y), (X, y, groups) or (X, y, groups, site), default=None
        Cohorts by name, from elsewhere or from later years. Each model fitted on all of X is applied to each, once.
    checkpoint : str or Path, default=None
        Folder in which the scores of each finished fold are kept. Run again with the same data, model and seed, only
        what is missing is fitted. It holds scores and names of features.
    n_jobs : int, default=None
        Folds that run at a time. The result does not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds. The models keep their own.

    Returns
    -------
    Comparison
        As of :func:`compare_feature_sets`; its column ``features`` holds the names of the models.

    Raises
    ------
    InputError
        If there is no model, one is neither classifier nor regressor, y does not suit them, folds are impossible.
    LeakageError
        As for :func:`compare_feature_sets`.

    Notes
    -----
    A model without named blocks is fitted four times in each fold, three of them for its threshold.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from deepradiomics.comparison import compare_models
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> models = {"bayes": GaussianNB(), "nothing": DummyClassifier()}
    >>> compare_models(models, X, y, random_state=0).table["auc"].round(2).tolist()
    [0.99, 0.5]
    """
    if not isinstance(models, Mapping) or not models:
        raise InputError(
            f"models is a {type(models).__name__} of {np.size(models)}; give a dict of names and classifiers"
        )
    parts = {name: _whole(model, site) for name, model in models.items()}
    named = [(part, {name: part.blocks}) for name, part in parts.items()]
    given = {"groups": groups, "site": site, "event": event, "external": external, "random_state": random_state}
    return _compare(named, X, y, given, cv, n_repeats, checkpoint, n_jobs, models)


def _compare(models, X, y, given, cv, n_repeats, checkpoint, n_jobs, described):  # noqa: PLR0913
    """Check, split, compute once, fit, measure."""
    cohorts, target, seeds, leaks = check_comparison(models, X, y, **given)
    splits, near_duplicates = _split(cohorts, target, cv, n_repeats, seeds[0])
    settings = {
        "model": _all_settings(described),
        "one_model": len(models) == 1,
        "random_state": given["random_state"],
        "near_duplicates": near_duplicates,
        "covariates": {
            cohort.name: describe_covariates(
                clinical_columns(models, cohort.X), cohort.y, cohort.groups, target.classes
            )
            for cohort in cohorts
        },
    }
    models, tables, failures = _compute_once(models, cohorts)
    fits = _fit(models, tables, cohorts, target, splits, seeds[1], n_jobs, checkpoint)
    settings |= {"failures": failures, "possible_leaks": leaks, "study": study_facts(models, cohorts, splits, seeds)}
    settings["chosen"] = _chosen(fits[: len(splits)], len(models) == 1)
    found = _measure(models, cohorts, target, splits, n_repeats, fits, settings)
    if isinstance(found, Comparison):
        first = replace(cohorts[0], X=None)
        found = replace(found, refit=partial(_refit, models, [own[0] for own in tables], first, splits, n_repeats))
    return found


def _chosen(fits, is_one_model):
    """In how many of the fits each feature reached the classifier, by block (and model, where there are several)."""
    counts = Counter()
    for fit in fits:
        own = {}
        # The sets of one model share the fits of its blocks; behind them, the one of most blocks is the one to tell of.
        for result in sorted(fit, key=lambda result: (len(result.chosen), result.name)):
            own |= {("" if is_one_model else result.name, block): names for block, names in result.chosen.items()}
        counts.update((*key, name) for key, names in own.items() for name in names)
    found = pd.DataFrame([(*key, n) for key, n in counts.items()], columns=["model", "block", "feature", "fits"])
    found.attrs["has_names"] = any(result.chosen for fit in fits for result in fit)
    return found


def _refit(models, tables, cohort, splits, n_repeats, y):
    """Out-of-fold scores of each block, fitted on other labels in the folds of the first repeat; of several models,
    with the name of the model in front.
    """
    found = {}
    for (parts, sets), X in zip(models, tables, strict=True):
        singles = {block: [block] for block in parts.blocks} if len(parts.blocks) > 1 else sets
        for train, test in splits[: len(splits) // n_repeats]:
            training = _safe_indexing(X, train), y[train], cohort.metadata(train)
            tests = [(_safe_indexing(X, test), cohort.metadata(test))]
            for result in fit_feature_sets(parts, singles, training, tests, None):
                name = f"{next(iter(sets))}: {result.name}" if len(models) > 1 and singles is not sets else result.name
                found.setdefault(name, np.empty(len(y)))[test] = result.scores[0]
    return found


def _split(cohorts, target, cv, n_repeats, seed):
    """Step 2: (train, test) of each fold, repeat by repeat. No patient and no image is on both sides."""
    if check_number("n_repeats", n_repeats, low=1) > 1 and not isinstance(cv, int | np.integer):
        raise InputError(f"n_repeats is {n_repeats} with cv {type(cv).__name__}; repeats need a number of folds")
    groups = cohorts[0].groups
    y = target.strata(cohorts[0].y, cv, groups)
    seeds = [seed, *np.random.RandomState(seed).randint(np.iinfo(np.int32).max, size=n_repeats - 1).tolist()]
    splits = [split for own in seeds for split in cross_validation_splits(cv, y, groups, random_state=own)]
    return splits, check_copies(
        {cohort.name: cohort.X for cohort in cohorts}, groups, {cohort.name: cohort.groups for cohort in cohorts[1:]}
    )


def _compute_once(models, cohorts):
    """Step 3: run what learns nothing, once for all rows. Return what is left to fit, its tables, and what failed."""
    left, tables, failures = [], [], []
    for parts, sets in models:
        front, found, failed = compute_once(parts.front, [cohort.X for cohort in cohorts])
        left.append((replace(parts, front=front), sets))
        tables.append(found)
        failures.append(failed.assign(cohort=[cohorts[number].name for number in failed.pop("table")]))
    # A step that several models share failed once.
    return left, tables, pd.concat(failures).drop_duplicates(ignore_index=True)


def _fit(models, tables, cohorts, target, splits, seed, n_jobs, checkpoint):
    """Step 4: fit each fold, and once more all rows for external cohorts. Return the SetResults of each fit."""
    n_classes = None if target.classes is None else len(target.classes)
    first, y = cohorts[0], cohorts[0].y
    fit_one = fit_feature_sets if checkpoint is None else partial(fit_or_read, checkpoint)
    jobs = []
    for (parts, sets), (X, *others) in zip(models, tables, strict=True):
        own = [(train, [(_safe_indexing(X, test), first.metadata(test))], seed) for train, test in splits]
        outside = [(table, cohort.metadata()) for table, cohort in zip(others, cohorts[1:], strict=True)]
        # External cohorts get the thresholds of the out-of-fold scores, so that none is chosen in the last fit.
        for rows, tests, own_seed in own + ([(np.arange(len(y)), outside, None)] if others else []):
            training = _safe_indexing(X, rows), y[rows], first.metadata(rows)
            jobs.append(delayed(fit_one)(parts, sets, training, tests, own_seed, n_classes))
    run = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    fits = list(tqdm(run, total=len(jobs), desc="comparing", unit="fit"))
    n_fits = len(jobs) // len(models)
    return [[result for fit in fits[number::n_fits] for result in fit] for number in range(n_fits)]


def _measure(models, cohorts, target, splits, n_repeats, fits, settings):
    """Step 5: gather scores, thresholds and areas of all fits; each of several classes is measured against the rest."""
    n_folds = len(splits) // n_repeats
    settings |= {"feature_sets": {name: blocks for _, sets in models for name, blocks in sets.items()}}
    settings |= {"folds": n_folds, "n_repeats": n_repeats, "groups": cohorts[0].groups is not None}
    inflation = 1 + sum(len(test) / len(train) for train, test in splits) / n_repeats
    if target.classes is None:
        predictions = pd.concat(_frames(cohorts, splits, n_folds, fits), ignore_index=True)
        return RegressionComparison(_add_intervals(predictions), inflation, settings)
    if len(target.classes) == 2:
        return Comparison(*_areas(cohorts, splits, n_folds, fits), target.classes, inflation, settings)
    views = {}
    for code, label in enumerate(target.classes):
        own = [replace(cohort, y=(cohort.y == code).astype(int)) for cohort in cohorts]
        against = [[_one_class(result, code) for result in fit] for fit in fits]
        classes = (f"not {label}", label)
        views[label] = Comparison(*_areas(own, splits, n_folds, against), classes, inflation, settings)
    return ClassComparison(views, target.ordered)


def _one_class(result, code):
    threshold = None if result.threshold is None else result.threshold[code]
    return replace(result, threshold=threshold, scores=[score[:, code] for score in result.scores])


def _frames(cohorts, splits, n_folds, fits):
    """Predictions of each feature set: out of fold, then of each external cohort."""
    frames = []
    for results in zip(*fits[: len(splits)], strict=True):
        own = []
        for number, (result, (_, test)) in enumerate(zip(results, splits, strict=True)):
            repeat, fold = divmod(number, n_folds)
            own.append(_frame(cohorts[0], result, 0, test, repeat=repeat, fold=fold))
        frames.append(pd.concat(own).sort_values(["repeat", "row"]))
    for number, cohort in enumerate(cohorts[1:]):
        frames += [_frame(cohort, result, number, np.arange(len(cohort.y)), repeat=0, fold=-1) for result in fits[-1]]
    return frames


def _areas(cohorts, splits, n_folds, fits):
    """Predictions and folds of two classes, with thresholds, calls and the area of each fold."""
    frames = _frames(cohorts, splits, n_folds, fits)
    folds = []
    for results in zip(*fits[: len(splits)], strict=True):
        for number, (result, (_, test)) in enumerate(zip(results, splits, strict=True)):
            repeat, fold = divmod(number, n_folds)
            y, both = cohorts[0].y[test], len(np.unique(cohorts[0].y[test])) == 2
            row = {"features": result.name, "repeat": repeat, "fold": fold, "n": len(y), "events": int(y.sum())}
            row |= {"n_features": result.n_features, "threshold": result.threshold}
            folds.append(row | {"auc": delong_covariance(y, [result.scores[0]])[0][0] if both else np.nan})
    # Thresholds of external cohorts come from the out-of-fold scores of each set.
    internal = frames[: len(frames) // len(cohorts)]
    thresholds = {own["features"].iloc[0]: youden_threshold(own["y"], own["score"]) for own in internal}
    for number, frame in enumerate(frames):
        if number >= len(internal):
            frame["threshold"] = thresholds[frame["features"].iloc[0]]
        frame.insert(list(frame).index("n_features"), "call", frame["score"] >= frame["threshold"])
    return pd.concat(frames, ignore_index=True), pd.DataFrame(folds)


def _whole(model, site):
    """A model as one feature set: cut behind its blocks, or all columns as one block."""
    if not hasattr(model, "fit"):
        raise InputError(f"a model is a {type(model).__name__}; give a classifier of scikit-learn")
    steps = model.steps if isinstance(model, Pipeline) else []
    if any(isinstance(step, ColumnTransformer) for _, step in steps[:-1]):
        return cut_model(model)
    everything = ColumnTransformer(
        [("all", "passthrough", partial(_shown, hidden=(PATIENT_COLUMN, site if isinstance(site, str) else None)))],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    return cut_model(make_pipeline(everything, model))


def _shown(X, hidden):
    """Places of the columns that a model may see."""
    return [place for place, name in enumerate(getattr(X, "columns", range(X.shape[1]))) if name not in hidden]


def _frame(cohort, result, number, rows, *, repeat, fold):
    """One row a row of the cohort: what a feature set says of it."""
    score = result.scores[number]
    columns = {
        "cohort": cohort.name,
        "features": result.name,
        "row": rows,
        "patient": rows if cohort.groups is None else cohort.groups[rows],
        "repeat": repeat,
        "fold": fold,
        "y": cohort.y[rows],
        "score": score,
        "threshold": result.threshold,
        "n_features": result.n_features,
    }
    return pd.DataFrame(columns)
