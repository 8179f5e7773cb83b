"""A clinical sheet of a hospital, joined to the table of its images by patient."""

import re
import warnings
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from deepradiomics.archive._secrets import key_of, keyed
from deepradiomics.exceptions import InputError, require

_LONGEST_ID = 16


class Joined(NamedTuple):
    """What a clinical sheet added to a table of images, and what did not fit.

    Attributes
    ----------
    table : DataFrame
        The table of images with the columns of the sheet; empty cells where the sheet has no row for the patient.
    without_row : DataFrame
        ``patient`` and number of images of each patient without a row in the sheet.
    without_image : DataFrame
        ``row`` (the first below the header is 1), ``patient`` and ``reason`` of rows that belong to no image.
    double : DataFrame
        ``row`` and ``patient`` of rows of patients with more than one; none of them was joined.

    Examples
    --------
    See `join_clinical`.
    """

    table: pd.DataFrame
    without_row: pd.DataFrame
    without_image: pd.DataFrame
    double: pd.DataFrame


def join_clinical(table, sheet, *, key, patient, columns, encoding="utf-8-sig"):
    """Join a clinical sheet to the table of images, and list what does not fit.

    Parameters
    ----------
    table : DataFrame
        What `scan` returned.
    sheet : DataFrame, str or Path
        A row a patient. A CSV file with commas, semicolons or tabs, or an Excel file (needs openpyxl).
    key : bytes, str or Path
        The key of the scan.
    patient : str
        Column of the patient's number as the DICOM files have it. It becomes a pseudonym.
    columns : list of str
        Columns to take. The others, names and dates perhaps, are left.
    encoding : str, default="utf-8-sig"
        Of a CSV file, with or without a byte order mark; ``"cp1252"`` for many that Excel wrote.

    Returns
    -------
    Joined
        The table, and what does not fit.

    Raises
    ------
    InputError
        If the sheet cannot be read, lacks a column, has it twice, or has one that the table has too, or if the
        patient's number is among the columns to take.
    MissingDependencyError
        If the sheet is an Excel file and openpyxl is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics import archive
    >>> from deepradiomics.simulation import make_hips, write_dicom
    >>> from tempfile import TemporaryDirectory
    >>> hips, secret = make_hips(2, random_state=0, image_shape=(64, 64)), b"a secret of 16 bytes"
    >>> with TemporaryDirectory() as folder:
    ...     number = write_dicom(hips, folder)["patient"].astype(str)
    ...     table = archive.scan(folder, key=secret)
    >>> sheet = pd.DataFrame({"id": [number[0], "unknown"], "t_score": [-2.7, 0.3]})
    >>> joined = archive.join_clinical(table, sheet, key=secret, patient="id", columns=["t_score"])
    >>> joined.table["t_score"].tolist(), len(joined.without_row), joined.without_image["row"].tolist()
    ([-2.7, nan], 1, [2])
    """
    key = key_of(key)
    frame = sheet if isinstance(sheet, pd.DataFrame) else _read_sheet(Path(sheet), encoding, patient)
    missing = [name for name in (patient, *columns) if name not in frame]
    twice = [name for name in columns if name in table]
    if missing:
        raise InputError(
            f"the sheet has {len(frame.columns)} columns and lacks {missing}; is its first line the header?",
            code="columns",
        )
    twins = [name for name in (patient, *columns) if list(frame.columns).count(name) > 1]
    if twice or twins:
        found = f"the sheet has {twins} more than once" if twins else f"the table of images has {twice} already"
        raise InputError(f"{found}; rename these columns in the sheet, or leave them out", code="columns")
    if patient in columns:
        raise InputError(
            f"{patient!r} is the patient's number, which does not come into the table; take it out of columns",
            code="columns",
        )
    raw = [_number_text(cell) for cell in frame[patient]]
    numbers = [None if text is None else keyed(key, "patient", text) for text in raw]
    rows = pd.DataFrame({"row": range(1, len(frame) + 1), "patient": pd.Series(numbers, dtype=object)})
    known, is_double = set(table["patient"].dropna()), rows["patient"].notna() & rows["patient"].duplicated(keep=False)
    reasons = [
        None if number in known else _reason(text, key, known)
        for text, number in zip(raw, rows["patient"], strict=True)
    ]
    single = frame[columns].reset_index(drop=True).assign(patient=rows["patient"])
    single = single[~is_double & rows["patient"].notna()]
    images = table["patient"].value_counts().rename_axis("patient").reset_index(name="n_images")
    lonely = rows.assign(reason=reasons)
    return Joined(
        table.merge(single, on="patient", how="left", validate="many_to_one"),
        images[~images["patient"].isin(rows["patient"].dropna())].reset_index(drop=True),
        lonely.loc[lonely["reason"].notna(), ["row", "patient", "reason"]].reset_index(drop=True),
        rows.loc[is_double, ["row", "patient"]].reset_index(drop=True),
    )


def _number_text(cell):
    """The patient's number as text; Excel's 123.0 is 123."""
    if pd.isna(cell) or not str(cell).strip():
        return None
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


def _reason(text, key, known):
    """Why a row of the sheet belongs to no image."""
    if text is None:
        return "no number of a patient"
    for length in range(len(text) + 1, _LONGEST_ID + 1):
        if keyed(key, "patient", text.zfill(length)) in known:
            return f"there is a patient with {length - len(text)} more zeros in front; was the column read as a number?"
    return "no image"


def _read_sheet(path, encoding, patient):
    """Read a CSV or Excel file, the patient's number as text; messages hold no cell."""
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        require("openpyxl", "excel")
        try:
            sheets = pd.read_excel(path, dtype=object, sheet_name=None)
            heads = pd.read_excel(path, dtype=object, sheet_name=None, header=None, nrows=1)
        except Exception as error:  # noqa: BLE001 - openpyxl raises what it likes on a damaged file
            raise InputError(f"{path.name} cannot be read as Excel ({type(error).__name__})", code="table") from None
        filled = [name for name, frame in sheets.items() if not frame.empty]
        if len(filled) != 1:
            raise InputError(f"{path.name} has {len(filled)} sheets with rows; keep one of them", code="table")
        frame = sheets[filled[0]]
        # Numbers written as text get the kind of numbers, too; what Excel holds as numbers and dates has it.
        kinds = {name: frame[name].infer_objects() for name in frame if name != patient}
        texts = [name for name, column in kinds.items() if pd.api.types.infer_dtype(column, skipna=True) == "string"]
        kinds |= {name: _numbers_of(kinds[name], ",") for name in texts}
        return _as_headed(pd.DataFrame({name: kinds.get(name, frame[name]) for name in frame}), heads[filled[0]])
    try:
        text = path.read_text(encoding=encoding)
    except (OSError, UnicodeError, LookupError) as error:
        raise InputError(
            f"{path.name} cannot be read as {encoding} ({type(error).__name__}); save it as CSV UTF-8, or give its "
            "encoding, such as encoding='cp1252'",
            code="table",
        ) from None
    header = text.lstrip("\n").partition("\n")[0]
    separator = max(";\t,", key=header.count)
    try:
        with warnings.catch_warnings():
            # With more cells than headers, pandas would take the first for an index, or drop the last.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            settings = {"dtype": str, "keep_default_na": False, "na_values": [""], "index_col": False}
            frame = pd.read_csv(StringIO(text), sep=separator, **settings)
            head = pd.read_csv(StringIO(text), sep=separator, header=None, nrows=1, **settings)
    except (ValueError, pd.errors.ParserWarning) as error:
        raise InputError(
            f"{path.name} is no table ({type(error).__name__}): lines differ in their cells", code="table"
        ) from None
    decimal = "," if separator == ";" else "."
    cells = {name: _whole_of(frame[name]) if name == patient else _numbers_of(frame[name], decimal) for name in frame}
    return _as_headed(pd.DataFrame(cells), head)


def _as_headed(frame, head):
    """Name columns as the file does: pandas makes t.1 of a second t, which would hide that there are two."""
    names = head.iloc[0].reindex(range(frame.shape[1]))  # cells beyond the header have no name
    return frame.set_axis([old if pd.isna(new) else new for old, new in zip(frame, names, strict=True)], axis=1)


def _whole_of(column):
    """Take the .0 off a patient's numbers that were written as 42.0, if all were; digits stay text."""
    cells = column.dropna()
    is_float = not cells.empty and cells.str.fullmatch(r"\s*\d+\.0\s*").all()
    return column.str.replace(r"\.0\s*$", "", regex=True) if is_float else column


def _numbers_of(column, decimal):
    """Make numbers of a column of nothing else; 007 stays text, and a semicolon goes with a decimal comma or point."""
    cells = column.dropna()
    mark = rf"[.{re.escape(decimal)}]"
    if cells.empty or not cells.str.fullmatch(rf"\s*[+-]?(0|[1-9]\d*)({mark}\d+)?\s*").all():
        return column
    return pd.to_numeric(column.str.replace(",", "."))
