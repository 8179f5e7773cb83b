"""From a folder as a hospital exports it to one table of its images, without names."""

import json
import lzma
import os
import re
import sqlite3
import zipfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from tqdm import tqdm

from deepradiomics.archive._crew import Crew
from deepradiomics.archive._headers import describe, named_files
from deepradiomics.archive._secrets import key_of, keyed, shift_of
from deepradiomics.exceptions import InputError
from deepradiomics.reading._files import DAMAGE

_TEXTS = [
    "image_id",
    "path",
    "format",
    "patient",
    "sex",
    "body_part",
    "view",
    "laterality",
    "photometric",
    "spacing_source",
    "manufacturer",
    "model",
    "site",
    "burned_in",
    "same_uid_as",
    "same_pixels_as",
    "doubts",
    "left_out",
]
_WHOLE = ["age", "rows", "columns", "bits", "days"]
_NUMBERS = ["height_m", "weight_kg", "row_mm", "column_mm", "magnification", "kvp", "mas", "exposure_index"]
_COLUMNS = [
    "image_id",
    "path",
    "format",
    "patient",
    "age",
    "sex",
    "height_m",
    "weight_kg",
    "body_part",
    "view",
    "laterality",
    "photometric",
    "rows",
    "columns",
    "bits",
    "row_mm",
    "column_mm",
    "spacing_source",
    "magnification",
    "kvp",
    "mas",
    "exposure_index",
    "manufacturer",
    "model",
    "site",
    "days",
    "burned_in",
    "same_uid_as",
    "same_pixels_as",
    "path_identifies",
    "doubts",
    "left_out",
]
_CHUNK, _PIECE = 64, 10_000
# A member of a zip file may be so large, and so many times larger than it is packed.
_MEMBER_BYTES, _MEMBER_RATIO = 2**28, 200
_ZIP_DAMAGE = (zipfile.BadZipFile, lzma.LZMAError, *DAMAGE)


def scan(folder, *, key, progress=None, pixels=True, unpack=None, patient_in_path=None, n_jobs=None):
    """List every image in a folder in one table, a row an image, with pseudonyms in place of names.

    Parameters
    ----------
    folder : str or Path
        Searched with all folders in it: DICOM (with any name, and without preamble), DICOMDIR, zip files, PNG, JPEG,
        TIFF, NIfTI, NRRD and MetaImage.
    key : bytes, str or Path
        The secret that pseudonyms are made with: 16 bytes or more, or the path of a file with them, which is made,
        readable by its owner alone, if it is not there. It stays with you: without it nobody can tell a pseudonym's
        patient, with it everybody who has a list of patients can. The same key gives the same pseudonyms.
    progress : str or Path, default=None
        File that keeps what is done, so that an interrupted scan goes on where it was. It holds no name, date or path.
    pixels : bool, default=True
        Whether the pixels are read too, which finds files that are damaged and images that are there twice.
    unpack : str or Path, default=None
        Folder for the files in zip files, under names that say nothing; None leaves zip files out.
    patient_in_path : str, default=None
        Regular expression with one group that finds the patient's number in the path from the folder on, such as
        ``r"^(\\d+)/"``, for files that are not DICOM.
    n_jobs : int, default=None
        Workers, as in scikit-learn.

    Returns
    -------
    DataFrame of shape (n_files, 32)
        ``image_id``, ``path``, ``format``, ``patient`` (pseudonym), ``age`` in years at the image, ``sex``,
        ``height_m``, ``weight_kg``, ``body_part``, ``view``, ``laterality``, ``photometric``, ``rows``, ``columns``,
        ``bits``, ``row_mm`` and ``column_mm`` (at the bone where that is known), ``spacing_source``,
        ``magnification``, ``kvp``, ``mas``, ``exposure_index``, ``manufacturer``, ``model``, ``site`` (hash of
        institution and station), ``days`` since the patient's first image, ``burned_in``, ``same_uid_as`` and
        ``same_pixels_as`` (the first image that this is a copy of), ``path_identifies`` (whether the path from the
        folder on holds a word of the patient), ``doubts`` (``"age"``, ``"laterality"``, ``"photometric"``: the file
        contradicts itself), and ``left_out``: why the file is no image to use, empty if it is one.

    Raises
    ------
    InputError
        If there is no such folder, it is empty, the key is too short, or a place cannot be written to.

    See Also
    --------
    join_clinical : Add the columns of a clinical sheet.

    Notes
    -----
    Headers are read first; pixels only of what may be a radiograph. ``path`` is the only column that holds words of
    yours: leave it out (``table.drop(columns="path")``) before the table leaves the hospital; ``image_id`` stands for
    it. Ages over 89 can identify a person.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from deepradiomics import archive
    >>> from deepradiomics.simulation import make_hips, write_dicom
    >>> with TemporaryDirectory() as folder:
    ...     _ = write_dicom(make_hips(2, random_state=0, image_shape=(64, 64)), folder)
    ...     table = archive.scan(folder, key=b"a secret of 16 bytes")
    >>> table[["format", "photometric", "rows", "view"]]
      format  photometric  rows view
    0  DICOM  MONOCHROME2    64   AP
    1  DICOM  MONOCHROME2    64   AP
    """
    folder, key = Path(folder), key_of(key)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder.name}; is the path right?", code="no_file")
    if patient_in_path is not None:
        _check_pattern(patient_in_path)
    unpack = None if unpack is None else _made(unpack)
    work = partial(_described, folder=folder, key=key, pixels=pixels, unpack=unpack, pattern=patient_in_path)
    setting = f"3 {pixels} {unpack is not None} {patient_in_path}"
    with closing(_open(progress)) as store:
        store.execute("CREATE TEMP TABLE seen (number INTEGER PRIMARY KEY, file TEXT, path TEXT)")
        store.execute("BEGIN")
        files = ((keyed(key, "file", setting, state), path) for path, state in _files(folder, unpack, progress))
        store.executemany("INSERT INTO seen (file, path) VALUES (?, ?)", files)
        store.execute("COMMIT")
        n_files = store.execute("SELECT count(*) FROM seen").fetchone()[0]
        if not n_files:
            raise InputError(f"the folder {folder.name} holds no files")
        missing = store.execute("SELECT file, path FROM seen WHERE file NOT IN (SELECT file FROM done)").fetchall()
        with tqdm(total=n_files, initial=n_files - len(missing), desc="scan", unit="file", disable=None) as bar:
            Crew(work, n_jobs, partial(_keep, store, bar)).finish(_tasks(missing), _CHUNK)
        return _table(store, folder, unpack)


class _Task(NamedTuple):
    """Files that a worker describes."""

    ids: list
    digests: list
    rows: pd.DataFrame


def _check_pattern(pattern):
    try:
        n_groups = re.compile(pattern).groups
    except re.error:
        n_groups = None
    if n_groups != 1:
        raise InputError(
            f"patient_in_path is {pattern!r}; give a regular expression with one group, such as r'^(\\d+)/'"
        )


def _made(folder):
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder for unpacked files cannot be made ({error.strerror})", code="output") from None
    return Path(folder)


def _open(progress):
    """Open what keeps the rows that are done; without a place for it, a file that nobody else sees."""
    try:
        store = sqlite3.connect("" if progress is None else progress, isolation_level=None, check_same_thread=False)
        store.execute("CREATE TABLE IF NOT EXISTS done (file TEXT PRIMARY KEY, rows TEXT)")
    except sqlite3.Error as error:
        raise InputError(
            f"the file of the progress cannot be read or written ({type(error).__name__}); give another one",
            code="output",
        ) from None
    return store


def _files(folder, unpack, progress):
    """Yield the path from the folder on, and what changes when a file does, of all files in order."""
    own = set() if progress is None else {Path(progress).absolute(), Path(f"{progress}-journal").absolute()}
    for place, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if unpack is None or Path(place, name).resolve() != unpack.resolve())
        for name in sorted(files):
            path = Path(place, name)
            if path.absolute() in own:
                continue
            shown = path.relative_to(folder).as_posix()
            if not _is_text(shown):
                # Neither the file of the progress nor a table can hold it; under this name nothing can be opened.
                yield shown.encode("utf-8", "backslashreplace").decode(), f"{shown} nowhere"
                continue
            try:
                status = path.stat()
            except OSError:
                yield shown, f"{shown} nowhere"
            else:
                yield shown, f"{shown} {status.st_size} {status.st_mtime_ns}"


def _is_text(path):
    """Whether a path can be written as UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _tasks(missing):
    for start in range(0, len(missing), _CHUNK):
        ids, paths = zip(*missing[start : start + _CHUNK], strict=True)
        # Messages about a worker that dies hold the id.
        yield _Task(list(ids), list(ids), pd.DataFrame({"path": paths}))


def _described(rows, *, folder, key, pixels, unpack, pattern):
    """Describe the files of a task: for each a list of rows, with the day moved by the patient's secret shift."""
    found = []
    for shown in rows["path"]:
        path = folder / shown
        if _is_zip(path):
            described = _unpacked(path, shown, key, pixels, unpack, pattern)
        else:
            described = describe(path, shown, key, pixels, pattern)
        for row in described:
            day, patient = row.pop("_day", None), row.get("patient")
            row["_day"] = day + shift_of(key, patient) if day and patient else None
        found.append(described)
    return found


def _is_zip(path):
    try:
        return path.is_file() and zipfile.is_zipfile(path)
    except OSError:
        return False
    except _ZIP_DAMAGE:  # it is a zip file, and damaged
        return True


def _unpacked(path, shown, key, pixels, unpack, pattern):
    """Describe the files in a zip file, each from its copy under a name that says nothing."""
    whole = {"image_id": keyed(key, "image", shown), "format": "zip"}
    if unpack is None:
        return [whole | {"left_out": "zip file: say where to unpack it"}]
    rows = []
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.is_dir():
                    continue
                name = f"{shown}/{member.filename}"
                own = {"image_id": keyed(key, "image", name), "format": "zip"}
                if member.flag_bits & 1:
                    rows.append(own | {"left_out": "encrypted"})
                    continue
                if member.file_size > min(_MEMBER_BYTES, 2**20 + _MEMBER_RATIO * member.compress_size):
                    rows.append(own | {"left_out": "too large, or larger than its file can hold"})
                    continue
                suffix = "".join(end for end in (".nii.gz", ".nii", ".nrrd", ".mha") if name.lower().endswith(end))
                copy = unpack / f"{own['image_id']}{suffix or '.img'}"
                copy.write_bytes(archive.read(member))
                rows += [row | {"_copy": copy.name} for row in describe(copy, name, key, pixels, pattern)]
    except _ZIP_DAMAGE as error:
        rows.append(whole | {"left_out": f"zip file that cannot be unpacked ({type(error).__name__})"})
    return rows or [whole | {"left_out": "zip file without files"}]


def _keep(store, bar, task, found):
    """Bring the rows of a task to the disk."""
    if not isinstance(found, list):  # the worker died of this file
        found = [[{"image_id": task.ids[0], "left_out": "kills the process that reads it"}]]
    rows = [(name, json.dumps(own, default=int)) for name, own in zip(task.ids, found, strict=True)]
    store.execute("BEGIN")
    store.executemany("INSERT OR REPLACE INTO done VALUES (?, ?)", rows)
    store.execute("COMMIT")
    bar.update(len(rows))


def _table(store, folder, unpack):
    """Put the rows together, in the order of the files."""
    pieces = []
    found = store.execute("SELECT path, rows FROM seen JOIN done USING (file) ORDER BY number")
    while piece := found.fetchmany(_PIECE):
        rows = [
            row | {"path": str(place)}
            for path, own in piece
            for row, place in _placed(json.loads(own), folder / path, unpack)
        ]
        pieces.append(pd.DataFrame(rows).reindex(columns=[*_COLUMNS, "_uid", "_pixels", "_day"]))
    kept = [piece.dropna(axis="columns", how="all") for piece in pieces]
    table = pd.concat(kept, ignore_index=True).reindex(columns=pieces[0].columns)
    for name, other in (("_uid", "same_uid_as"), ("_pixels", "same_pixels_as")):
        first = table.groupby(name, sort=False)["image_id"].transform("first")
        table[other] = first.where(first.notna() & (first != table["image_id"]))
    days = table["_day"].astype("Float64")
    table["days"] = days - days.groupby(table["patient"]).transform("min")
    kinds = dict.fromkeys(_TEXTS, object) | dict.fromkeys(_WHOLE, "Int64") | dict.fromkeys(_NUMBERS, float)
    table = table[_COLUMNS].astype(kinds | {"path_identifies": "boolean"})
    texts = table[_TEXTS]
    return table.assign(**texts.where(texts.notna(), None))


def _placed(rows, path, unpack):
    """Pair the rows of a file with the paths to show: its own, that of a copy, or what a DICOMDIR names."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    named = []
    if any("_record" in row and "_copy" not in row for row in rows):
        try:
            named = named_files(path)
        except (*DAMAGE, BytesLengthException, InvalidDicomError):  # since it was listed
            named = []
    for row in rows:
        number = row.get("_record", len(named))
        own = path.parent.joinpath(*named[number]) if number < len(named) else path
        yield row, unpack / row["_copy"] if "_copy" in row else own
