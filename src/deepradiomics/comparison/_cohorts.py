"""Check what is handed to a comparison, once: tables, labels, patients, sites, external cohorts, models."""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state

from deepradiomics.comparison._fitting import metadata_routing
from deepradiomics.comparison._stateless import columns_read
from deepradiomics.comparison._steps import suspicious_steps
from deepradiomics.comparison._target import read_target
from deepradiomics.comparison.leakage import (
    check_hidden_patients,
    check_id_columns,
    check_shared_patients,
    row_numbers,
)
from deepradiomics.comparison.result import INTERNAL
from deepradiomics.estimators import _as_pandas, check_names_differ, check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.splits import patient_groups


@dataclass(frozen=True)
class Cohort:
    """A table with the class number (int) or value (float) of each row, and its patient (int) and site, where known."""

    name: str
    X: object
    y: np.ndarray
    groups: np.ndarray | None
    site: np.ndarray | None = None

    def metadata(self, rows=None):
        """Arrays that steps may ask for of some rows (None is all): ``groups`` and ``site``, those that are known."""
        known = {"groups": self.groups, "site": self.site}
        rows = slice(None) if rows is None else rows
        return {name: values[rows] for name, values in known.items() if values is not None}


# What is handed in, checked in one place.
def check_comparison(models, X, y, groups, site, external, random_state, event):
    """Refuse what cannot be compared; ``models`` is a list of (ModelParts, feature sets), the rest as the user gave it.

    Returns the cohorts, the internal one first; the `Target`; the seeds of the folds and of those within the training
    parts; and what may leak, in words. A column that tells the label or the patient, and cohorts that share patients,
    are a LeakageError.
    """
    X = _as_pandas(X)
    if np.ndim(X) < 2 or not hasattr(X, "shape"):
        raise InputError(f"X is a {type(X).__name__}; give a DataFrame or an array, a row a case")
    if np.shape(y) != (len(X),):
        raise InputError(f"y of shape {np.shape(y)} for {len(X)} rows of X; give one label a row", code="length")
    check_names_differ(X)
    check_same_rows("X", X, y=y, groups=groups, site=site)
    target, y = read_target(y, [parts.tail[-1] for parts, _ in models], event)
    try:
        seeds = check_random_state(random_state).randint(np.iinfo(np.int32).max, size=2).tolist()
    except ValueError:
        raise InputError(
            f"random_state is a {type(random_state).__name__}; give a whole number, a RandomState or None"
        ) from None
    internal = Cohort(INTERNAL, X, y, patient_groups(X, groups), _sites(INTERNAL, X, site))
    cohorts = [internal, *_external_cohorts(external, target, site)]
    steps = [step for parts, _ in models for part in (parts.front, parts.tail) for step in part.get_params().values()]
    if site is not None and not any(_site_of(step) for step in steps):
        raise InputError("site is given, and no step of the model takes it; leave it out")
    found = [_check_model(parts, cohorts, target) for parts, _ in models]
    given = {name: (_as_pandas(cohort[0]), *cohort[1:], None)[:3:2] for name, cohort in (external or {}).items()}
    read = [name for name in getattr(X, "columns", ()) if any(name in names for names, _ in found)]
    check_shared_patients({INTERNAL: (X, groups), **given}, read)
    # What two models share is named once.
    return cohorts, target, seeds, list(dict.fromkeys(leak for _, leaks in found for leak in leaks))


def _sites(name, X, site):
    """Site of each row: an array, or the column of that name; None where there is none."""
    if isinstance(site, str):
        if site not in getattr(X, "columns", ()):
            raise InputError(f"cohort {name!r} has no column {site!r}, which is to hold the site")
        site = X[site]
    site = None if site is None else np.asarray(site)
    if site is not None and site.shape != (len(X),):
        raise InputError(
            f"cohort {name!r}: site of shape {site.shape} for {len(X)} rows; give one a row", code="length"
        )
    missing = np.flatnonzero(pd.isna(site)) if site is not None else ()
    if len(missing):
        raise InputError(f"cohort {name!r}: row {missing[0]} has no site ({len(missing)} such rows); name it")
    return site


def _site_of(step):
    """Parameter with which a step takes sites, or None."""
    return signature(step.fit).parameters.get("site") if hasattr(step, "fit") else None


def _external_cohorts(external, target, site):
    cohorts = []
    if external is not None and not isinstance(external, Mapping):
        raise InputError(
            f"external is a {type(external).__name__}; give a dict, cohorts by name: {{'site B': (X_b, y_b)}}"
        )
    for name, cohort in (external or {}).items():
        if not isinstance(cohort, tuple | list) or len(cohort) not in (2, 3, 4):
            raise InputError(
                f"cohort {name!r} is a {type(cohort).__name__}; give (X, y), (X, y, groups) or (X, y, groups, site)"
            )
        table, labels, patients, own_site = (_as_pandas(cohort[0]), *cohort[1:], None, None)[:4]
        if np.ndim(table) < 2 or not hasattr(table, "shape"):
            raise InputError(
                f"cohort {name!r}: X is a {type(table).__name__}; give a DataFrame or an array, a row a case"
            )
        if not len(table):
            raise InputError(f"cohort {name!r} has no row; leave it out")
        if np.shape(labels) != (len(table),):
            raise InputError(
                f"cohort {name!r} has {len(table)} rows, labels of shape {np.shape(labels)}; give one a row"
            )
        check_same_rows(f"X of cohort {name!r}", table, y=labels, groups=patients, site=own_site)
        if name == INTERNAL:
            raise InputError(f"an external cohort cannot be called {INTERNAL!r}; choose another name")
        if site is not None and own_site is None and not isinstance(site, str):
            raise InputError(
                f"cohort {name!r} has no site; give (X, y, groups, site), or the name of a column as site="
            )
        own_site = _sites(name, table, own_site if own_site is not None or site is None else site)
        cohorts.append(Cohort(name, table, target.codes(labels, name), patient_groups(table, patients), own_site))
    return cohorts


def _check_model(parts, cohorts, target):
    """Refuse a model that lacks its groups, or reads a column that is the label in disguise."""
    X, y, groups = cohorts[0].X, cohorts[0].y, cohorts[0].groups
    for name, step in (parts.front.get_params() | parts.tail.get_params()).items():
        site = _site_of(step)
        if cohorts[0].site is None and site and (type(step).__name__ == "ComBat" or site.default is site.empty):
            raise InputError(
                f"step {name!r} ({type(step).__name__}) needs the site of each row; give site=, an array or the name "
                "of a column"
            )
    for part in (parts.front, parts.tail):
        with metadata_routing(part, cohorts[0].metadata()):
            pass
    leaks = suspicious_steps(Pipeline(parts.front.steps + parts.tail.steps), y, groups)
    if not isinstance(X, pd.DataFrame):
        return [], leaks + (target.check_columns(pd.DataFrame(X), y, groups=groups) if np.ndim(X) == 2 else [])
    read, is_sure = columns_read(parts.front, X)
    names = [name for name in X.columns if name in read]
    for cohort in cohorts[1:] if is_sure else []:
        lost = [name for name in names if name not in getattr(cohort.X, "columns", ())]
        if lost:
            raise InputError(
                f"cohort {cohort.name!r} lacks {len(lost)} columns that the model reads, first {lost[0]!r}",
                code="columns",
            )
    check_id_columns(X, groups, names if is_sure else [])
    leaks += target.check_columns(X, y, names, groups) + row_numbers(X, names if is_sure else [])
    leaks += check_hidden_patients(X, names, groups)
    return names, leaks
