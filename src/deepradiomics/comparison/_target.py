"""What a comparison is about: classes, ordered or not, or numbers such as the T-score."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.base import is_classifier, is_regressor

from deepradiomics.comparison.leakage import check_separating_columns
from deepradiomics.exceptions import InputError, LeakageError
from deepradiomics.metrics._inputs import as_numbers, class_codes

# Fewer different numbers than this are grades, and grades are classes.
_FEWEST_NUMBERS = 10
# Rank correlation from which on a column is the answer in another unit, and rows from which on that means something.
_SAME, _ENOUGH_ROWS = 0.999, 20
# Words that name the event; "Osteoporosis " counts as "osteoporosis".
_EVENT_WORDS = {
    *("1", "yes", "true", "case", "event", "positive", "pos", "abnormal", "disease", "diseased", "ill", "sick"),
    *("fracture", "fractured", "osteoporosis", "osteoporotic", "malignant", "died", "dead"),
}
# Numbers are cut into so many parts of equal size, so that each fold holds low and high ones.
_MOST_STRATA = 5


@dataclass(frozen=True)
class Target:
    """The kind of answer that all models of a comparison give: the labels in their order, or None for numbers."""

    classes: tuple | None
    ordered: bool = False

    def codes(self, y, cohort):
        """Number of each label of another cohort (int), or its values as floats; a label that is no class is
        refused.
        """
        if self.classes is None:
            return _numbers(y, f"cohort {cohort!r}")
        labels, known = np.asarray(y), np.asarray(self.classes)
        if not np.isin(labels, known).all():
            raise InputError(
                f"cohort {cohort!r} has {len(labels)} rows and classes {pd.unique(labels)[:5].tolist()}; give one "
                f"label a row, of the classes {list(self.classes)}"
            )
        order = np.argsort(known, kind="stable")
        return order[np.searchsorted(known[order], labels)]

    def strata(self, y, cv, groups):
        """Class of each row by which folds are stratified; for numbers, parts of equal size where ``cv`` is a
        number.
        """
        if self.classes is not None:
            return y
        if not isinstance(cv, int | np.integer):
            return np.zeros(len(y), dtype=int)
        # A patient with several rows counts with the mean, so that each part holds enough whole patients.
        patients = np.arange(len(y)) if groups is None else groups
        means = pd.Series(y).groupby(patients).mean()
        n_strata = int(np.clip(len(means) // (2 * max(cv, 1)), 1, _MOST_STRATA))
        ranks = means.rank(method="first") - 1
        return (ranks * n_strata // len(means)).astype(int).loc[patients].to_numpy()

    def check_columns(self, X, y, names=None, groups=None):
        """Refuse a column that separates two classes, or one of several from all others, or ranks rows as the numbers
        do.

        Returns a sentence for each column that nearly separates the classes. ``names`` are the columns to check, None
        all.
        """
        if self.classes is not None:
            near = [
                check_separating_columns(X, (y == code).astype(int), names, groups)
                for code in (range(len(self.classes)) if len(self.classes) > 2 else [1])
            ]
            return [
                f"column {one.column!r} alone reaches an area of {one.area:.3f}, by {one.split}"
                for one in pd.concat(near).itertuples()
            ]
        for name in X.columns if names is None else names:
            column = pd.to_numeric(X[name], errors="coerce") if X[name].dtype.kind in "biuf" else None
            known = None if column is None else column.notna().to_numpy()
            if known is None or known.sum() < _ENOUGH_ROWS or column[known].nunique() < 2:
                continue
            if abs(spearmanr(column[known], y[known]).statistic) >= _SAME:
                raise LeakageError(
                    f"column {name!r} ranks the rows as y does; it is y in another unit or was made from it, so take "
                    "it out of the model's columns",
                    code="separating_column",
                )
        return []


def read_target(y, finals, event=None):
    """Tell from labels and the last steps of the models what is compared: the `Target`, and the number or value of each
    row.

    Labels are an ordered `pandas.Categorical` where their order means something. ``event`` is which of two labels is
    the event, and so the last of the classes; None takes the last of an ordered Categorical, the larger number, True,
    or a word such as "case" or "osteoporosis".
    """
    other = [final for final in finals if not (is_classifier(final) or is_regressor(final))]
    if other:
        raise InputError(
            f"the last step of the model is a {type(other[0]).__name__}; it must be a classifier or a regressor"
        )
    if event is not None and not all(map(is_classifier, finals)):
        raise InputError(f"event is {event!r}, but numbers have no event; leave it out", code="event")
    if all(map(is_regressor, finals)):
        values = _numbers(y, "y")
        n_different = len(np.unique(values))
        if n_different < _FEWEST_NUMBERS:
            raise InputError(
                f"y holds {n_different} different number(s), which are classes; end the model in a classifier, or give "
                "the measured values",
                code="table",
            )
        return Target(None), values
    if any(map(is_regressor, finals)):
        raise InputError("some models are classifiers and some regressors; compare one kind")
    labels = np.asarray(y)
    classes, codes = class_codes(labels)
    dtype = getattr(y, "dtype", None)
    ordered = isinstance(dtype, pd.CategoricalDtype) and bool(dtype.ordered)
    is_fraction = labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels))
    if is_fraction and len(classes) > 2 and not ordered:
        raise InputError(
            f"y holds {len(classes)} different numbers and the model is a classifier; end it in a regressor, or turn "
            "the numbers into classes by thresholds"
        )
    if len(classes) < 2:
        raise InputError(
            f"y holds {len(classes)} class(es), {classes.tolist()}; feature sets are compared on 2 or more"
        )
    if ordered:
        classes = np.array([label for label in dtype.categories if label in set(classes.tolist())])
        codes = pd.Categorical(labels, classes).codes.astype(int)
    if event is not None or (len(classes) == 2 and not ordered):
        second = _event_place(classes, event)
        classes, codes = classes[[1 - second, second]], (codes == second).astype(int)
    return Target(tuple(classes.tolist()), ordered), codes


def _event_place(classes, event):
    """Place (0 or 1) of the event among two sorted classes."""
    found = classes.tolist()
    if event is not None:
        if np.ndim(event) or event not in found or len(found) != 2:
            raise InputError(f"event is {event!r}; it names one of two labels, here they are {found}", code="event")
        return found.index(event)
    if not any(isinstance(label, str) for label in found):
        return 1
    words = [str(label).strip().lower() for label in found]
    # A number is a code: beside "0", "1" is the event, and beside "2" either may be.
    known = [
        word in _EVENT_WORDS and (other == "0" or not (word == "1" or other.isdigit()))
        for word, other in zip(words, words[::-1], strict=True)
    ]
    if sum(known) != 1:
        raise InputError(
            f"which of the labels {found} is the event is not known; name it: event={found[1]!r}", code="event"
        )
    return known.index(True)


def _numbers(y, name):
    values = as_numbers(y, f"the values of {name}")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise InputError(f"{name}: row {bad[0]} has no value ({len(bad)} such rows); leave them out")
    return values
