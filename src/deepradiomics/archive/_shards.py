"""Write and read shards: whole or not at all, by one process at a time."""

import json
import os
import sqlite3
from contextlib import closing, contextmanager
from math import ceil
from pathlib import Path
from shutil import rmtree

import numpy as np

from deepradiomics.archive._manifest import place_of
from deepradiomics.exceptions import InputError

DIGEST, FAILURES = "_digest", "_failures"
_SETTINGS, _LOCK, _UNFINISHED = "settings.json", "lock", ".unfinished"
# A layout is made anew when shards would be this many times larger than asked for.
_TOO_LARGE = 4


@contextmanager
def locked(folder):
    """Hold a folder for this process alone; the lock dies with the process, however it dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the output {folder.parent.name} is no folder that can be written to ({error.strerror})", code="output"
        ) from error
    with closing(sqlite3.connect(folder / _LOCK, timeout=0, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise InputError(
                f"another process is writing to {folder.parent.name}/{folder.name} with the same settings; wait until "
                "it has finished, or give another output",
                code="busy",
            ) from error
        yield


def lay_out(folder, settings, n_rows, chunk_size):
    """Decide the number of shards, or keep that of the run before, and return it."""
    wanted = ceil(n_rows / chunk_size)
    path = folder / _SETTINGS
    if not path.exists():
        write_whole(path, json.dumps(settings | {"n_shards": wanted}, indent=1).encode())
        return wanted
    n_shards = read_settings(folder)["n_shards"]
    for left in folder.rglob(f"*{_UNFINISHED}"):
        left.unlink()
    if wanted <= _TOO_LARGE * n_shards:
        return n_shards
    finer = n_shards * ceil(wanted / n_shards)
    _split(folder, n_shards, finer)
    write_whole(path, json.dumps(settings | {"n_shards": finer}, indent=1).encode())
    rmtree(_place(folder, n_shards), ignore_errors=True)
    return finer


def _split(folder, n_shards, finer):
    """Write the rows of each shard to several; the old ones stay until the settings name the new."""
    for number, path in shard_paths(folder, n_shards):
        table = read_shard(path)
        shards = np.array([place_of(key) % finer for key in table.column(0).to_pylist()])
        for shard in range(number, finer, n_shards):
            if (shards == shard).any():
                write_table(shard_path(folder, finer, shard), table.filter(shards == shard))


def read_settings(folder):
    """Read what decided the values in a folder."""
    try:
        settings = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        return settings | {"n_shards": int(settings["n_shards"]), "id_column": str(settings["id_column"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder.name}/{_SETTINGS} is missing or damaged ({type(error).__name__}); {folder.name} was not written "
            "by archive.extract, or somebody changed it",
            code="unreadable",
        ) from error


def find_folder(output, settings=None):
    """Return the folder of the settings, which may be left out where there is one only."""
    output = Path(output)
    found = sorted(path.parent for path in output.glob(f"*/{_SETTINGS}"))
    chosen = [folder for folder in found if settings is None or folder.name.startswith(settings)]
    if len(chosen) == 1:
        return chosen[0]
    if found and not chosen:
        raise InputError(
            f"{output.name} holds no settings {settings!r}; there are {', '.join(folder.name for folder in found)}"
        )
    raise InputError(
        f"{output.name} holds results of {len(found)} settings ({', '.join(folder.name for folder in found)}); choose "
        "one with settings="
        if found
        else f"{output.name} holds no archive; give the output of archive.extract"
    )


def _place(folder, n_shards):
    return folder / f"shards-{n_shards}"


def shard_path(folder, n_shards, number):
    """Return where a shard lies."""
    return _place(folder, n_shards) / f"{number:06d}.parquet"


def shard_paths(folder, n_shards):
    """List number and path of the shards that are there, in order."""
    return [(int(path.stem), path) for path in sorted(_place(folder, n_shards).glob("*.parquet"))]


def read_shard(path, columns=None):
    """Read a shard, or some of its columns (a list, or what a callable makes of their names): pyarrow.Table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        return file.read(columns=columns(file.schema_arrow.names) if callable(columns) else columns)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"the shard {path.parent.name}/{path.name} is damaged ({type(error).__name__}); delete it and run "
            "archive.extract again, which makes this one anew",
            code="unreadable",
        ) from None


def merge_shard(path, table):
    """Put rows into a shard, in place of older ones with the same ids."""
    import pyarrow as pa

    path.parent.mkdir(exist_ok=True)
    key = table.column_names[0]
    if path.exists():
        old = read_shard(path)
        if old.schema != table.schema:
            raise InputError(
                f"the shard {path.name} has other columns than the new rows; the estimator must name its features "
                "alike whatever the rows are",
                code="columns",
            )
        new = set(table.column(0).to_pylist())
        table = pa.concat_tables([old.filter([name not in new for name in old.column(0).to_pylist()]), table])
    write_table(path, table.sort_by(key))


def write_table(path, table):
    """Write a shard, whole or not at all."""
    import pyarrow.parquet as pq

    path.parent.mkdir(exist_ok=True)
    _write(path, lambda stream: pq.write_table(table, stream, compression="zstd", use_dictionary=False))


def write_whole(path, data):
    """Write bytes, whole or not at all."""
    _write(path, lambda stream: stream.write(data))


def _write(path, fill):
    """Fill a file beside the path, bring it to the disk, and put it in its place."""
    unfinished = path.with_name(f"{path.name}{_UNFINISHED}")
    try:
        with unfinished.open("wb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
        if os.name == "posix":  # the entry of its folder, too, where folders can be opened
            handle = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise InputError(
            f"{path.name} could not be written ({error.strerror or type(error).__name__}); what was finished is kept, "
            "so make room and run again"
        ) from error
