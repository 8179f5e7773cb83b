"""Compute what learns nothing once for all rows, so that no fold computes it again."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils._indexing import _get_column_indices
from sklearn.utils.metaestimators import available_if

from deepradiomics.estimators import estimators_in, failures_of
from deepradiomics.exceptions import InputError

_OF_WORDS = ("Encoder", "Vectorizer", "Binarizer")
_FAILURE = ["table", "row", "item", "code", "reason"]


@dataclass(frozen=True)
class ModelParts:
    """A pipeline cut behind its blocks: ``front`` up to the ColumnTransformer of named blocks, which is its last step,
    and ``tail``, the steps behind it, of which the last is the classifier; ``named`` are the blocks whose features
    cannot be named after words of the table, such as those of one patient.
    """

    front: Pipeline
    tail: Pipeline
    named: tuple

    @property
    def blocks(self):
        """Names of the blocks."""
        names = [name for name, transformer, _ in self.front[-1].transformers if not _is(transformer, "drop")]
        return names + ([] if _is(self.front[-1].remainder, "drop") else ["remainder"])


def cut_model(model):
    """Cut a pipeline behind its blocks; return unfitted clones of both parts (`ModelParts`)."""
    if not isinstance(model, Pipeline):
        raise InputError(
            f"the model is a {type(model).__name__}; give a Pipeline that holds a ColumnTransformer of named blocks "
            "and ends in a classifier"
        )
    positions = [i for i, (_, step) in enumerate(model.steps) if isinstance(step, ColumnTransformer)]
    if not positions or positions[0] == len(model.steps) - 1:
        names = ", ".join(name for name, _ in model.steps)
        raise InputError(
            f"the pipeline has the steps {names}; one must be a ColumnTransformer of named blocks, and a classifier "
            "must follow it",
            code="no_blocks",
        )
    copy, cut = clone(model), positions[0] + 1
    *before, (_, blocks) = copy.steps[:cut]
    kinds = [(name, step) for name, step, _ in blocks.transformers] + [("remainder", blocks.remainder)]
    named = tuple(name for name, step in kinds if _names_no_words([before, step]))
    return ModelParts(Pipeline(copy.steps[:cut]), Pipeline(copy.steps[cut:]), named)


def _names_no_words(steps):
    """Whether scikit-learn and this library name all that steps make, and no step names columns after cells."""
    for step in estimators_in(steps):
        namer = getattr(getattr(step, "get_feature_names_out", None), "__module__", None) or ""
        of_words = any(kind.__name__.endswith(_OF_WORDS) for kind in type(step).__mro__)
        # A function can name columns as it likes, unless it keeps the names it is given.
        keeps = getattr(step, "feature_names_out", "one-to-one") == "one-to-one"
        known = namer.startswith(("sklearn.", "deepradiomics.")) and keeps and not of_words
        if hasattr(step, "transform") and not known:
            return False
    return True


def is_stateless(step):
    """Whether a step learns nothing from its rows: a tag ``requires_fit=False``, a frozen estimator, or
    "passthrough".
    """
    if step is None or isinstance(step, str):
        return _is(step, "passthrough") or step is None
    return isinstance(step, FrozenEstimator) or not get_tags(step).requires_fit


def compute_once(front, tables):
    """Run the leading stateless steps of a pipeline, and of each of its blocks, once for all rows.

    Takes the pipeline up to the unfitted blocks, and the table of each cohort, the internal one first. Returns the
    pipeline that is left to fit, in which stored results stand for the computed steps; the tables it takes, row for
    row; and a DataFrame of what was left empty: ``table`` (its number), ``row``, ``item`` (column or region), ``code``,
    ``reason``. A stateless step sees all rows of a cohort in one call, which gives what each fold would give if it
    treats each row by itself, as the tag promises; a `FunctionTransformer` whose function mixes rows breaks the
    promise.
    """
    steps, leading, failures = list(front.steps), [], []
    while len(steps) > 1 and is_stateless(steps[0][1]):
        leading.append(steps.pop(0))
    if leading:
        _, tables = _run(Pipeline(leading), tables, failures)
    if len(steps) > 1:
        return Pipeline(steps), list(tables), pd.DataFrame(failures, columns=_FAILURE)
    blocks, tables = _compute_heads(steps[0][1], list(tables), failures)
    return Pipeline([(steps[0][0], blocks)]), tables, pd.DataFrame(failures, columns=_FAILURE)


def columns_read(front, table):
    """Names of the columns of a table that the blocks read, and whether all of these are read for sure.

    All columns are named where a step stands before the blocks and not all are read by name.
    """
    blocks, everything = front[-1], set(table.columns)
    chosen = [[columns] if isinstance(columns, str) else columns for _, _, columns in blocks.transformers]
    by_name = all(isinstance(part, list) and all(isinstance(name, str) for name in part) for part in chosen)
    if by_name and _is(blocks.remainder, "drop"):
        return {name for part in chosen for name in part} & everything, True
    if len(front) > 1:
        return everything, False
    if not _is(blocks.remainder, "drop"):
        return everything, True
    chosen = [part(table) if callable(part) else part for part in chosen]
    return {table.columns[place] for part in chosen for place in _get_column_indices(table, part)}, True


class _Stored(BaseEstimator, TransformerMixin):
    """Looks rows up in a table computed before, by the row number in the last column of its input."""

    def __init__(self, table, names=None):
        self.table = table
        self.names = names

    def __sklearn_clone__(self):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def set_output(self, *, transform=None):
        """Keep the container in which the rows were stored."""
        return self

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        numbers = _safe_indexing(X, [X.shape[1] - 1], axis=1)
        rows = _safe_indexing(self.table, np.asarray(numbers, dtype=np.intp).ravel())
        return rows.set_axis(X.index, axis=0) if isinstance(rows, pd.DataFrame) and hasattr(X, "index") else rows

    @available_if(lambda self: self.names is not None)
    def get_feature_names_out(self, input_features=None):
        return np.asarray(self.names, dtype=object)


def _run(steps, tables, failures):
    """Fit a stateless pipeline on the first table and transform each; return it and the results."""
    fitted, found = clone(steps), []
    for number, table in enumerate(tables):
        found.append(fitted.transform(table) if found else fitted.fit_transform(table))
        failures += [(number, *failure) for failure in failures_of(fitted)]
    return fitted, found


def _compute_heads(blocks, tables, failures):
    """Compute the stateless head of each block; return the blocks that are left and the tables they take."""
    row_number = tables[0].shape[1]
    transformers, read, replaced = [], set(), set()
    for name, transformer, columns in blocks.transformers:
        columns = columns(tables[0]) if callable(columns) else columns
        where = _positions(columns, tables[0])
        head, rest = _head_and_rest(transformer)
        stored = _stored(head, tables, columns, failures) if head and where else None
        if stored is None:
            read.update(where)
            transformers.append((name, transformer, columns))
        else:
            replaced.update(where)
            transformers.append((name, Pipeline([("stored", stored), *rest]), [*where, row_number]))
    if not replaced:
        return blocks, tables
    return clone(blocks).set_params(transformers=transformers), _numbered(tables, sorted(replaced - read))


def _positions(columns, table):
    """Positions of the columns that a block takes."""
    if isinstance(columns, int | np.integer) and not isinstance(columns, bool):
        return [int(columns)]
    return [int(position) for position in _get_column_indices(table, columns)]


def _head_and_rest(transformer):
    """Split a block into its leading stateless steps and the steps that are left."""
    if _is(transformer, "drop") or _is(transformer, "passthrough"):
        return [], []
    steps = list(transformer.steps) if isinstance(transformer, Pipeline) else [("block", transformer)]
    head = []
    while steps and is_stateless(steps[0][1]):
        head.append(steps.pop(0)[1])
    return [step for step in head if not _is(step, "passthrough") and step is not None], steps


def _stored(head, tables, columns, failures):
    """Run a head on its columns; None where its output is of a kind that is not stored, such as a sparse matrix."""
    parts = [_safe_indexing(table, columns, axis=1) for table in tables]
    fitted, parts = _run(make_pipeline(*head), parts, failures)
    if all(isinstance(part, pd.DataFrame) for part in parts):
        return _Stored(pd.concat(parts, ignore_index=True), list(parts[0].columns))
    if all(isinstance(part, np.ndarray) and part.ndim == 2 for part in parts):
        named = all(hasattr(step, "get_feature_names_out") for step in head)
        return _Stored(np.concatenate(parts), list(fitted.get_feature_names_out()) if named else None)
    return None


def _numbered(tables, unneeded):
    """Append a running row number to each table, and empty the columns that nothing reads any more."""
    numbered, start = [], 0
    # One name for all tables: they may differ in columns that nothing reads.
    columns = [column for table in tables for column in getattr(table, "columns", ())]
    for table in tables:
        numbers = np.arange(start, start + len(table))
        start += len(table)
        if isinstance(table, pd.DataFrame):
            # Images are not sent to other processes once their features are known.
            table = table.assign(**{str(table.columns[i]): None for i in unneeded if isinstance(table.columns[i], str)})
            table.insert(table.shape[1], _new_name(columns), numbers)
        else:
            table = np.column_stack([table, numbers])
        numbered.append(table)
    return numbered


def _new_name(columns):
    """A column name that is free, of the kind the tables have (scikit-learn refuses to mix kinds)."""
    if all(isinstance(column, str) for column in columns):
        return "_" + max(columns, key=len) + "_row"
    return max(column for column in columns if not isinstance(column, str)) + 1


def _is(step, word):
    return isinstance(step, str) and step == word
