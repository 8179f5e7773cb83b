"""Tables from files: what is text stays text, and what a model reads must be there before it starts."""

import os
from typing import NamedTuple

from deepradiomics.exceptions import InputError


class Reads(NamedTuple):
    """Columns of a table that a model reads."""

    files: list  # images, masks and boxes
    others: list  # clinical numbers and words
    numeric: set  # those of the others that were numbers in training


def names_in(path):
    """Names of the columns of a CSV or parquet file."""
    if path.suffix == ".parquet":
        return list(read_table(path))
    return list(_read_csv(path, dtype=str, nrows=0))


def codes_in(path):
    """Names of the columns of a CSV file with numbers that begin with a 0, such as 0001, which are names."""
    table = _read_csv(path, dtype=str)
    return [name for name in table if table[name].str.match(r"0\d", na=False).any()]


def read_table(path, text=()):
    """Read a CSV or parquet file; the columns named in text are not turned into numbers, if it is a CSV file."""
    import pandas as pd

    if path.suffix != ".parquet":
        return _read_csv(path, dtype=dict.fromkeys(text, str))
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise _unread(path, error) from error


def _read_csv(path, **settings):
    import pandas as pd

    try:
        table = pd.read_csv(path, low_memory=False, **settings)
    except (OSError, ValueError) as error:
        raise _unread(path, error) from error
    if not isinstance(table.index, pd.RangeIndex) and len(table):
        raise InputError(
            f"the rows of {path.name} have more cells than its header; give each column a name", code="table"
        )
    return table


def _unread(path, error):
    return InputError(f"{path.name} cannot be read ({type(error).__name__})", code="table")


def reads_of(model):
    """List what a pipeline reads from its table, up to and with its first ColumnTransformer."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    from deepradiomics.estimators import estimators_in
    from deepradiomics.regions import FemurRegions, VertebraRegions

    files, others, made = [], [], set()
    for step in [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]:
        if isinstance(step, FemurRegions | VertebraRegions):
            files += _read_by(step)
            made.update(step.get_feature_names_out([]))
        elif isinstance(step, ColumnTransformer):
            for _, block, columns in step.transformers:
                names = [columns] if isinstance(columns, str) else columns
                wanted = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
                (files if _takes_images(block) else others).extend(name for name in wanted if name not in made)
            break
    fitted = [owner for owner in estimators_in(model) if hasattr(owner, "transformers_")]
    parts = [part for owner in fitted for part in owner.transformers_ if part[0] == "numeric"]
    numeric = {name for _, _, names in parts for name in names}
    return Reads(list(dict.fromkeys(files)), list(dict.fromkeys(others)), numeric)


def _read_by(step):
    """Columns that a step of regions reads."""
    if step.segmenter is not None:
        return [step.image]
    outlines = step.boxes if step.mask is None else step.mask
    return [name for name in (step.image, outlines) if name is not None]


def _takes_images(block):
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline
    from sklearn.utils import get_tags

    first = block.steps[0][1] if isinstance(block, Pipeline) else block
    return isinstance(first, BaseEstimator) and not get_tags(first).input_tags.two_d_array


def read_cohort(path, model, label=None):
    """Read the table of a model; paths in it start from its folder. The table without the label, and the labels."""
    from deepradiomics.clinical import check_numbers

    reads = reads_of(model)
    table = read_table(path, text=[*reads.files, "patient"])
    needed = [*reads.files, *reads.others, *([] if label is None else [label])]
    missing = [name for name in needed if name not in table]
    if missing:
        raise InputError(f"{path.name} has no column {missing[0]!r} ({len(missing)} missing)", code="columns")
    if table.empty:
        raise InputError(f"{path.name} has no rows; give a row a patient", code="no_rows")
    check_numbers(table, reads.others, numeric=reads.numeric)
    _find_files(table, path.parent, [name for name in table if name not in reads.others])
    return (table, None) if label is None else (table.drop(columns=label), _labels(table[label], path.name))


def _find_files(table, folder, columns):
    """Put the folder before the cells of each column in which one names a file there, in place."""
    import pandas as pd

    for name in table[columns].select_dtypes(exclude="number"):
        files = [None if pd.isna(cell) else str(folder / str(cell)) for cell in table[name]]
        if any(file is not None and os.path.isfile(file) for file in files):
            table[name] = pd.Series(files, dtype=object)


def _labels(column, name):
    """Labels of at least two classes, one a row."""
    if column.isna().any():
        row = int(column.isna().to_numpy().argmax())
        raise InputError(
            f"{name} has no value in row {row}, column {column.name!r} ({column.isna().sum()} such rows); leave these "
            "rows out",
            code="no_label",
        )
    n_classes = column.nunique()
    fractions = column.dtype.kind == "f" and (column % 1 != 0).any()
    if fractions or n_classes < 2:
        raise InputError(
            f"column {column.name!r} of {name} holds {n_classes} different values in {len(column)} rows; a diagnosis "
            "has two or more classes, without fractions",
            code="labels",
        )
    return column.to_numpy()
