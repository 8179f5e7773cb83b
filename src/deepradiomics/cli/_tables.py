"""Tables from files, also as Excel writes them: what is text stays text, and what a model reads must be there."""

import os
from io import BytesIO
from typing import NamedTuple

from deepradiomics.exceptions import DeepRadiomicsError, InputError, require

_ENDINGS = (".csv", ".parquet", ".json", ".jsonl")
# A number, and no code such as 007 or 12E4, nor more digits than a float keeps.
_NUMBER = r"[+-]?(?=\.?[0-9])(0|[1-9][0-9]{0,14})?(\.[0-9]*)?([eE][+-][0-9]+)?"


class Reads(NamedTuple):
    """Columns of a table that a model reads."""

    files: list  # images, masks and boxes
    masks: set  # those of the files that are masks
    others: list  # clinical numbers and words
    numeric: set  # those of the others that were numbers in training
    words: set  # those of the others that were words in training, or are in the table before


def check_ending(path):
    """Refuse an output that is no kind of table that can be written."""
    if path.suffix.lower() not in _ENDINGS:
        raise InputError(f"{path.name} ends in none of {', '.join(_ENDINGS)}; give one of them", code="output")


def write_table(table, path):
    """Write a table as its ending says; JSON as a list of rows, JSONL as a row a line."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        table.to_parquet(path, index=False)
    elif ending in (".json", ".jsonl"):
        table.to_json(path, orient="records", lines=ending == ".jsonl", double_precision=15)
    else:
        table.to_csv(path, index=False)


def read_table(path, text=()):
    """Read a CSV, Excel or parquet file; the columns named in text are not turned into numbers, if it is no parquet."""
    table = read_cells(path)
    if path.suffix.lower() == ".parquet":
        return table
    return table.assign(**{name: _typed(table[name]) for name in table if name not in text})


def _typed(cells):
    """A column of text as numbers, or as true and false, where all its cells are; codes such as 007 stay text."""
    import pandas as pd

    bare = cells.str.strip().str.lower()
    known = bare.dropna()
    if len(known) and known.isin(["true", "false"]).all():
        values = bare.map({"true": True, "false": False})
        return values.astype(bool) if len(known) == len(cells) else values.astype(object)
    return pd.to_numeric(bare) if known.str.fullmatch(_NUMBER).all() else cells


def read_cells(path):
    """The table, of text unless it is parquet, without empty rows at the end and columns without a name and cells."""
    import pandas as pd

    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        if path.suffix.lower() in (".xlsx", ".xlsm"):
            table = _read_excel(path)
        else:
            content = path.read_bytes()
            encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
            header = content.decode(encoding).lstrip("\r\n").partition("\n")[0]
            separator = max(",;\t", key=header.count)
            table = pd.read_csv(BytesIO(content), sep=separator, dtype=str, encoding=encoding)
    except UnicodeError as error:
        raise InputError(f"{path.name} is not UTF-8; save it as 'CSV UTF-8'", code="table") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read ({type(error).__name__})", code="table") from error
    if not isinstance(table.index, pd.RangeIndex) and len(table):
        raise InputError(
            f"the rows of {path.name} have more cells than its header; give each column a name", code="table"
        )
    table.columns = [str(name).strip() for name in table]
    nameless = [name for name in table if name.startswith("Unnamed: ") and table[name].isna().all()]
    table = table.drop(columns=nameless)
    filled = table.notna().any(axis=1).to_numpy().nonzero()[0]
    return table.iloc[: filled[-1] + 1 if len(filled) else 0]


def _read_excel(path):
    import pandas as pd

    require("openpyxl", "excel")
    try:
        sheets = pd.read_excel(path, sheet_name=None, dtype=str)
    except Exception as error:  # noqa: BLE001 - openpyxl raises what it likes on a damaged file
        raise InputError(f"{path.name} cannot be read as Excel ({type(error).__name__})", code="table") from None
    filled = [sheet for sheet in sheets.values() if not sheet.empty]
    if len(filled) > 1:
        raise InputError(f"{path.name} has {len(filled)} sheets with rows; keep one of them", code="table")
    return (filled or list(sheets.values()))[0]


def reads_of(model, before=None):
    """List what a pipeline, and a table before, say of its columns, up to and with its first ColumnTransformer."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    from deepradiomics.estimators import estimators_in
    from deepradiomics.regions import FemurRegions, VertebraRegions

    files, masks, others, made = [], set(), [], set()
    for step in [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]:
        if isinstance(step, FemurRegions | VertebraRegions):
            files += _read_by(step)
            masks |= {step.mask} - {None}
            made.update(step.get_feature_names_out([]))
        elif isinstance(step, ColumnTransformer):
            for _, block, columns in step.transformers:
                names = [columns] if isinstance(columns, str) else columns
                wanted = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
                (files if _takes_images(block) else others).extend(name for name in wanted if name not in made)
            break
    parts = [part for owner in estimators_in(model) for part in getattr(owner, "transformers_", ())]
    numeric = {name for part, _, names in parts if part == "numeric" for name in names}
    words = {name for part, _, names in parts if part == "categorical" for name in names}
    words |= set() if before is None else set(before[others].select_dtypes(exclude=["number", "bool"]))
    return Reads(list(dict.fromkeys(files)), masks, list(dict.fromkeys(others)), numeric, words)


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


def check_columns(table, wanted, path):
    """Refuse a table that lacks a column, and say which there are."""
    missing = [name for name in wanted if name not in table]
    if missing:
        there = ", ".join(map(str, list(table)[:12])) + (" ..." if len(list(table)) > 12 else "")
        hint = "; is it comma, semicolon or tab that stands between its cells?" if len(list(table)) == 1 else ""
        raise InputError(
            f"{path.name} has no column {missing[0]!r} ({len(missing)} missing); it has {there}{hint}", code="columns"
        )


def read_cohort(path, model, label=None, before=None):
    """Read the table of a model; paths in it start from its folder. The table without the label, and the labels."""
    from deepradiomics.clinical import check_numbers

    reads = reads_of(model, before)
    table = _cohort_table(path, reads, label)
    check_numbers(table, reads.others, numeric=reads.numeric)
    return (table, None) if label is None else (table.drop(columns=label), _labels(table[label], path.name))


def _cohort_table(path, reads, label):
    import numpy as np

    from deepradiomics.clinical import _MOST_CODES, _is_numeric, numbers_in

    table = read_table(path, text=[*reads.files, "patient"])
    check_columns(table, [*reads.files, *reads.others, *([] if label is None else [label])], path)
    if table.empty:
        raise InputError(f"{path.name} has no rows; give a row a patient")
    for name in (name for name in reads.others if name not in reads.words):
        numbers = numbers_in(table[name])
        # A handful of different codes such as 01 are categories, more are a measurement, as in the encoder.
        is_many = name in reads.numeric or table[name].nunique() > _MOST_CODES
        if (is_many and np.isfinite(numbers[table[name].notna()]).all()) or _is_numeric(table[name], numbers):
            table = table.assign(**{name: numbers})
    find_files(table, path.parent, [name for name in table if name not in reads.others])
    return table


def problems_in(path, model, label=None, before=None):
    """The table, and of each cell that cannot be used why, in words; the table has its columns."""
    from deepradiomics.clinical import check_numbers
    from deepradiomics.reading import as_radiograph, read_label_map

    reads, found = reads_of(model, before), []
    table = _cohort_table(path, reads, label)

    def tried(place, look, *cells, **options):
        try:
            look(*cells, **options)
        except DeepRadiomicsError as error:
            found.append(f"{place}{error}")

    for name in reads.others:
        tried("", check_numbers, table, [name], numeric=reads.numeric)
    if label is not None:
        tried("", _labels, table[label], path.name)
    for name in reads.files:
        for row, cell in enumerate(table[name]):
            if name in reads.masks or not str(cell).lower().endswith((".xml", ".json", ".txt")):
                look = read_label_map if name in reads.masks else as_radiograph
                tried(f"row {row}, column {name!r}: ", look, cell)
    return table, found


def file_of(folder, cell):
    """Path of a file from the folder of its table on; with the slashes of Windows, or from the home folder."""
    path = folder / os.path.expanduser(str(cell).strip())
    turned = folder / str(cell).strip().replace("\\", "/")
    return turned if not path.exists() and turned.exists() else path


def find_files(table, folder, columns):
    """Put the folder before the cells of each column in which one names a file there, in place."""
    import pandas as pd

    for name in table[columns].select_dtypes(exclude="number"):
        files = [None if pd.isna(cell) else str(file_of(folder, cell)) for cell in table[name]]
        if any(file is not None and os.path.isfile(file) for file in files):
            table[name] = pd.Series(files, dtype=object)


def _labels(column, name):
    """Labels of at least two classes, one a row."""
    if column.isna().any():
        row = int(column.isna().to_numpy().argmax())
        raise InputError(
            f"{name} has no value in row {row}, column {column.name!r} ({column.isna().sum()} such rows); leave these "
            "rows out"
        )
    n_classes = column.nunique()
    fractions = column.dtype.kind == "f" and (column % 1 != 0).any()
    if fractions or n_classes < 2:
        raise InputError(
            f"column {column.name!r} of {name} holds {n_classes} different values in {len(column)} rows; a diagnosis "
            "has two or more classes, without fractions"
        )
    return column.to_numpy()
