"""Read a manifest of any size, and order its rows by shard on disk, so that memory stays flat."""

import json
import os
import sqlite3
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd

from deepradiomics.exceptions import InputError

# Rows of the manifest that are in memory at a time.
_PIECE = 4096
_TEXTS = (".csv", ".csv.gz", ".csv.zst", ".csv.xz", ".csv.bz2")
_PARQUET = (".parquet", ".pq")


class Rows:
    """Rows of a manifest that are still to be done.

    They wait in a private SQLite file that has no name in any folder, so that nothing of it is left when the process is
    killed. Rows of a DataFrame stay where they are; only their positions are kept.
    """

    def __init__(self, manifest, id_column, columns=None):
        self._source = _open(manifest, id_column, columns)
        self.columns, self.id_column = self._source.columns, id_column
        # joblib asks for tasks from its own threads, one at a time.
        self._table = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._run("PRAGMA journal_mode = OFF")
        self._run("CREATE TABLE image (id TEXT, place INTEGER, digest BLOB, cells TEXT)")
        self._run("BEGIN")
        for ids, cells, digests in self._source.pieces():
            places = [place_of(key) for key in ids]
            self._many("INSERT INTO image VALUES (?, ?, ?, ?)", zip(ids, places, digests, cells, strict=True))
        self._run("COMMIT")
        self._check_ids()
        self.n_rows = len(self)

    def __len__(self):
        return self._run("SELECT count(*) FROM image").fetchone()[0]

    def ids(self):
        """Return the ids that are still to be done, as a set."""
        return {key for (key,) in self._run("SELECT id FROM image").fetchall()}

    def close(self):
        """Give the disk space back."""
        self._table.close()

    def order(self, n_shards):
        """Sort the rows into shards."""
        self._shard = f"place % {int(n_shards)}"
        self._run(f"CREATE INDEX by_shard ON image ({self._shard})")

    def leave_out(self, done):
        """Drop rows by (id, digest), those that are done already and have not changed since."""
        self._run("BEGIN")
        self._many("DELETE FROM image WHERE id = ? AND digest = ?", done)
        self._run("COMMIT")

    def shards(self):
        """Yield (shard, ids, digests, frame) of each shard with rows; frame has the columns for the estimator."""
        for (shard,) in self._run(f"SELECT DISTINCT {self._shard} AS shard FROM image ORDER BY shard").fetchall():
            rows = self._run(
                f"SELECT id, digest, cells FROM image WHERE {self._shard} = ? ORDER BY id", (shard,)
            ).fetchall()
            ids, digests, cells = zip(*rows, strict=True)
            yield shard, list(ids), list(digests), self._source.frame(cells)

    def _check_ids(self):
        if not len(self):
            raise InputError("the manifest has no rows; give one row an image")
        try:
            self._run("CREATE UNIQUE INDEX by_id ON image (id)")
        except sqlite3.IntegrityError:
            twice = self._run("SELECT id FROM image GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 3").fetchall()
            raise InputError(
                f"ids occur more than once in the manifest, such as {', '.join(key for (key,) in twice)}; give each "
                "image an id of its own",
                code="table",
            ) from None

    def _run(self, statement, values=()):
        try:
            return self._table.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise _full(error) from error

    def _many(self, statement, rows):
        try:
            self._table.executemany(statement, rows)
        except sqlite3.OperationalError as error:
            raise _full(error) from error


def _full(error):
    return InputError(
        f"the rows of the manifest do not fit on the disk for temporary files ({error}); free space, or set "
        "SQLITE_TMPDIR to a folder on another disk"
    )


def place_of(key):
    """Return a number of 63 bits that follows from the id alone, on every machine."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") >> 1


def _open(manifest, id_column, columns):
    """Choose how to read the manifest."""
    if isinstance(manifest, pd.DataFrame):
        return _Frame(manifest, id_column, columns)
    if not isinstance(manifest, str | os.PathLike):
        raise InputError(
            f"the manifest is a DataFrame, or the path of a CSV or parquet file, not {type(manifest).__name__}"
        )
    path = Path(manifest)
    if not path.is_file():
        raise InputError(f"there is no manifest {path.name}; is the path right?", code="no_file")
    if path.name.lower().endswith(_TEXTS):
        return _Csv(path, id_column, columns)
    if path.name.lower().endswith(_PARQUET):
        return _Parquet(path, id_column, columns)
    raise InputError(f"the manifest {path.name} is of an unknown kind; {', '.join(_TEXTS + _PARQUET)} are read")


class _Frame:
    """A DataFrame: cells stay where they are."""

    def __init__(self, frame, id_column, columns):
        self.columns = _chosen(list(frame.columns), id_column, columns)
        self._frame, self._id_column = frame, id_column

    def pieces(self):
        for start in range(0, len(self._frame), _PIECE):
            piece = self._frame.iloc[start : start + _PIECE]
            rows = zip(*(piece[name] for name in self.columns), strict=True)
            digests = [_digest("\0".join(map(_text, row))) for row in rows]
            yield _ids(piece[self._id_column], start), map(str, range(start, start + len(piece))), digests

    def frame(self, cells):
        return self._frame.iloc[[int(cell) for cell in cells]][self.columns].reset_index(drop=True)


class _Csv:
    """A CSV file: a column is numbers if each of its cells is one, and none begins with a 0 like a file's name."""

    def __init__(self, path, id_column, columns):
        self._path, self._id_column = path, id_column
        header = self._read(nrows=0)
        self.columns = _chosen(list(header.columns), id_column, columns)
        self._numbers = set(self.columns)

    def pieces(self):
        start = 0
        with self._read(usecols=[self._id_column, *self.columns], chunksize=_PIECE) as reader:
            while (piece := self._named(next, reader, None)) is not None:
                self._numbers = {name for name in self._numbers if _all_numbers(piece[name])}
                values = piece[self.columns].astype(object).where(piece[self.columns].notna(), None).to_numpy()
                cells = [json.dumps(row) for row in values.tolist()]
                yield _ids(piece[self._id_column], start), cells, map(_digest, cells)
                start += len(piece)

    def frame(self, cells):
        frame = pd.DataFrame([json.loads(row) for row in cells], columns=self.columns)
        return frame.astype({name: float for name in self._numbers})

    def _read(self, **settings):
        return self._named(pd.read_csv, self._path, dtype=str, keep_default_na=False, na_values=[""], **settings)

    def _named(self, function, *values, **settings):
        try:
            return function(*values, **settings)
        except (ValueError, OSError, EOFError) as error:
            # What pandas says may hold cells.
            raise InputError(
                f"the manifest {self._path.name} cannot be read ({type(error).__name__}); it is UTF-8 text with a "
                "header line and as many cells in each line"
            ) from None


class _Parquet:
    """A parquet file of text, numbers and booleans."""

    def __init__(self, path, id_column, columns):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"the manifest {path.name} is no parquet file ({type(error).__name__})") from None
        names = self._file.schema_arrow.names
        self.columns, self._id_column = _chosen(names, id_column, columns), id_column
        self._schema = pa.schema([_plain(self._file.schema_arrow.field(name)) for name in self.columns])

    def pieces(self):
        start = 0
        wanted = list(dict.fromkeys([self._id_column, *self.columns]))
        for piece in self._file.iter_batches(batch_size=_PIECE, columns=wanted):
            columns = [piece.column(name).cast(self._schema.field(name).type).to_pylist() for name in self.columns]
            cells = [json.dumps(row) for row in zip(*columns, strict=True)]
            ids = pd.Series(piece.column(self._id_column).to_pylist(), dtype=object)
            yield _ids(ids, start), cells, map(_digest, cells)
            start += piece.num_rows

    def frame(self, cells):
        import pyarrow as pa

        columns = zip(*map(json.loads, cells), strict=True)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        return pa.table(arrays, schema=self._schema).to_pandas()


def _plain(field):
    """Return a field of text, number or boolean, or refuse it."""
    import pyarrow as pa

    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        kind = pa.string()
    checks = (pa.types.is_string, pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    if not any(check(kind) for check in checks):
        raise InputError(
            f"column {field.name!r} of the manifest holds {field.type}; text, numbers and booleans are read, so name "
            "the columns that the estimator needs with columns="
        )
    return pa.field(field.name, kind)


def _chosen(names, id_column, columns):
    """Columns that go to the estimator."""
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise InputError(f"the manifest has two columns {twice[0]!r}; rename one", code="columns")
    if isinstance(columns, str) or not isinstance(id_column, str):
        raise InputError(
            f"id_column is the name of a column and columns a list of names, not {id_column!r} and {columns!r}",
            code="columns",
        )
    wanted = [name for name in names if name != id_column] if columns is None else list(columns)
    missing = [name for name in (id_column, *wanted) if name not in names]
    if missing or not wanted:
        raise InputError(
            f"the manifest has the columns {names}; it lacks {missing or 'a column with images'}; name the ids with "
            "id_column= and what the estimator reads with columns=",
            code="columns",
        )
    return wanted


def _ids(column, start):
    """Return ids as text; refuse a row without one."""
    lacking = np.flatnonzero(column.isna())
    if len(lacking):
        raise InputError(
            f"row {start + lacking[0]} of the manifest has no id; give each image an id of its own", code="table"
        )
    ids = [str(key) for key in column]
    # Halves of surrogate pairs are what cannot be encoded.
    broken = [row for row, key in enumerate(ids) if key != key.encode("utf-8", "ignore").decode()]
    if broken:
        raise InputError(
            f"the id of row {start + broken[0]} of the manifest is no text in UTF-8; rename it", code="table"
        )
    return ids


def _all_numbers(column):
    known = column.dropna()
    # 007 is the name of a file; as a number it would be another one.
    if known.str.match(r"[+-]?0\d").any():
        return False
    return bool(pd.to_numeric(known, errors="coerce").notna().all())


def _digest(text):
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _text(cell):
    """Write a cell so that two differ if the cells do."""
    if isinstance(cell, dict):
        return "dict " + " ".join(f"{_text(name)}: {_text(value)}" for name, value in cell.items())
    if isinstance(cell, list | tuple):
        return f"{type(cell).__name__} {len(cell)} " + ", ".join(map(_text, cell))
    if isinstance(cell, np.ndarray) and cell.dtype == object:
        return f"object {cell.shape} {_text(cell.ravel().tolist())}"
    if hasattr(cell, "pixels"):
        parts = (cell.pixels, cell.mask, cell.spacing, cell.laterality, cell.view)
        return "radiograph " + " ".join(map(_text, parts))
    if isinstance(cell, np.ndarray):
        return f"{cell.dtype} {cell.shape} {blake2b(np.ascontiguousarray(cell).tobytes()).hexdigest()}"
    return f"{type(cell).__name__} {cell}"
