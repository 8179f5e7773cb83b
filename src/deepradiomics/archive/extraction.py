"""Features of every image of an archive, in parquet files that survive crashes."""

from contextlib import closing
from functools import partial
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from deepradiomics.archive._chunks import RETRYABLE, measure
from deepradiomics.archive._crew import Crew, cut
from deepradiomics.archive._manifest import Rows
from deepradiomics.archive._settings import settings_of
from deepradiomics.archive._shards import (
    DIGEST,
    FAILURES,
    lay_out,
    locked,
    merge_shard,
    read_shard,
    shard_path,
    shard_paths,
)
from deepradiomics.exceptions import InputError

# So many images, in the order of a hash, of which none could be measured: the others could not either.
_ALL_FAILED = 1000


class Extracted(NamedTuple):
    """What a run of `extract` did.

    Attributes
    ----------
    folder : Path
        Where the shards of these settings lie.
    n_images : int
        Images in the manifest.
    n_computed : int
        Images that were not there yet, and are now.
    n_failed : int
        Images among these with a line in the table of failures.

    Examples
    --------
    See `extract`.
    """

    folder: Path
    n_images: int
    n_computed: int
    n_failed: int


class _Task(NamedTuple):
    """Images of one shard that a worker transforms."""

    shard: int
    n_in_shard: int
    ids: list
    digests: list
    rows: pd.DataFrame


def extract(
    manifest, output, estimator, *, chunk_size=1000, batch_size=1, n_jobs=None, id_column="image_id", columns=None
):
    """Transform every image of an archive; what is finished survives whatever happens, and is not done again.

    Work is handed to ``joblib.Parallel`` and so to whatever ``joblib.parallel_config`` names: processes, threads, a
    dask or a ray cluster. Run again after a crash, it does what is missing; with more rows, it does these; with other
    settings, it writes to another folder.

    Parameters
    ----------
    manifest : DataFrame, str or Path
        A row an image. Of a CSV or parquet file a few thousand rows are in memory at a time.
    output : str or Path
        Folder for the results; made if missing. Each settings of the estimator get a folder in it.
    estimator : transformer
        Stateless or fitted, with DataFrame in and numbers out, such as ``TextureExtractor(on_error="skip")`` or a
        pipeline of regions and texture.
    chunk_size : int, default=1000
        Images that one worker does in one go, and about as many lie in a shard.
    batch_size : int, default=1
        Images of a chunk that are given to the estimator together; halved where memory runs out. With 1, values follow
        from the image alone, to the last bit; with more, as a GPU needs it, they may differ in the last bits with the
        neighbours in the batch.
    n_jobs : int, default=None
        Workers, as in scikit-learn; None leaves it to ``parallel_config``.
    id_column : str, default="image_id"
        Column of the ids, which name an image in results and messages: it must not be a name or a number of a patient.
    columns : list of str, default=None
        Columns that the estimator reads; None means all but the ids.

    Returns
    -------
    Extracted
        The folder, and how many images there were, were computed and failed.

    Raises
    ------
    InputError
        If the manifest cannot be read, lacks a column, or an id is missing or occurs twice; if another process writes
        to the same folder; if the disk is full; if the estimator is not fitted, or fails on every image alike.

    See Also
    --------
    read : The features, a shard at a time.
    failures : Images that could not be measured.

    Notes
    -----
    An image belongs to the shard that a hash of its id says. A shard is written beside its place, brought to the disk
    and moved there, so that it is there whole or not at all. An image is done again when a cell of its row changes;
    what is in the file is not looked at. Rows that the manifest no longer has stay.

    Settings are all parameters, what was learned, versions, and the code of functions and estimators of your own, with
    the numbers, text, arrays and functions that they read outside themselves, but not lists and dicts of their module.

    When a worker dies, the chunks in flight are halved until the image that kills is alone, and this has the code
    ``killed``. Failures that may pass (``no_file``, ``out_of_memory``, ``missing_dependency``) are tried again in the
    next run. Threads and a single job share the process that calls: there a death ends the run.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np, pandas as pd
    >>> from deepradiomics import TextureExtractor, archive
    >>> images = list(np.random.default_rng(0).normal(size=(3, 20, 20)))
    >>> manifest = pd.DataFrame({"image_id": ["a", "b", "c"], "hip": pd.Series([*images[:2], None], dtype=object)})
    >>> texture = TextureExtractor(feature_classes={"firstorder": ["Mean"]}, on_error="skip")
    >>> with TemporaryDirectory() as folder:
    ...     first = archive.extract(manifest, folder, texture)
    ...     again = archive.extract(manifest, folder, texture)
    ...     table = archive.read_all(folder)
    >>> first.n_computed, again.n_computed
    (3, 0)
    >>> table.round(3)
      image_id  hip__original_firstorder_Mean
    0        a                         -0.037
    1        b                         -0.016
    2        c                            NaN
    """
    for name, value in (("chunk_size", chunk_size), ("batch_size", batch_size)):
        if not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"{name} is {value!r}; give a whole number from 1 up")
    if isinstance(estimator, type) or not all(hasattr(estimator, name) for name in ("get_params", "transform")):
        name = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
        raise InputError(
            f"the estimator is {'the class' if isinstance(estimator, type) else 'a'} {name}; give a transformer of "
            "scikit-learn's kind, such as TextureExtractor()"
        )
    if n_jobs == 0:
        raise InputError("n_jobs is 0; give a number of workers, -1 for all cores, or None")
    with closing(Rows(manifest, id_column, columns)) as rows:
        settings = settings_of(estimator, id_column, rows.columns)
        folder = Path(output) / settings["hash"]
        with locked(folder):
            n_shards = lay_out(folder, settings, rows.n_rows, chunk_size)
            rows.order(n_shards)
            names = _leave_out_finished(rows, folder, n_shards)
            n_computed = len(rows)
            with tqdm(total=n_computed, desc="archive", unit="image", disable=None, smoothing=0.05) as bar:
                writer = _Writer(folder, n_shards, id_column, names, bar)
                work = partial(measure, estimator, batch_size=batch_size)
                crew = Crew(work, n_jobs, writer.take, batch_size=batch_size)
                crew.finish(_tasks(rows, chunk_size), chunk_size)
                writer.close()
    return Extracted(folder, rows.n_rows, n_computed, writer.n_failed)


def _leave_out_finished(rows, folder, n_shards):
    """Drop rows that are done, but not those whose failure may pass; return the names of the features, if known."""
    import pyarrow.parquet as pq

    names = None
    for _, path in shard_paths(folder, n_shards):
        table = read_shard(path, [rows.id_column, DIGEST, FAILURES])
        done = [
            (key, digest)
            for key, digest, failed in zip(*(column.to_pylist() for column in table.columns), strict=True)
            if not any(failure["retryable"] for failure in failed)
        ]
        rows.leave_out(done)
        names = names or pq.read_schema(path).names[1:-2]
    return names


def _tasks(rows, chunk_size):
    """Yield chunks; those of one shard are about equally large."""
    for shard, ids, digests, frame in rows.shards():
        whole = _Task(shard, len(ids), ids, digests, frame)
        edges = np.linspace(0, len(ids), ceil(len(ids) / chunk_size) + 1).astype(int)
        for start, stop in pairwise(edges):
            yield cut(whole, int(start), int(stop))


class _Writer:
    """Collects the parts of each shard and writes it when all are there."""

    def __init__(self, folder, n_shards, id_column, names, bar):
        self._folder, self._n_shards, self._id_column, self._names, self._bar = folder, n_shards, id_column, names, bar
        self._parts = {}
        self._waiting = []
        self.n_failed = 0

    def take(self, task, measured):
        """Take what a worker gave for a task."""
        parts = self._parts.setdefault(task.shard, [])
        parts.append((task, measured))
        self.n_failed += len({position for position, _, _ in measured.failures})
        self._names = self._names or measured.names
        if sum(len(task.ids) for task, _ in parts) == task.n_in_shard:
            self._waiting.append(task.shard)
        while self._names and self._waiting:
            self._write(self._waiting.pop())
        self._bar.update(len(task.ids))
        if not self._names and self.n_failed >= _ALL_FAILED:
            self.close()

    def close(self):
        """Say so if no image at all could be measured."""
        if self._waiting or self._parts:
            codes = {code for parts in self._parts.values() for _, found in parts for *_, code in found.failures}
            raise InputError(
                f"no image could be measured ({', '.join(sorted(codes))}); do the paths of the manifest lead anywhere "
                "from here?"
            )

    def _write(self, shard):
        import pyarrow as pa

        parts = self._parts.pop(shard)
        tables = [_table(task, measured, self._id_column, self._names) for task, measured in parts]
        merge_shard(shard_path(self._folder, self._n_shards, shard), pa.concat_tables(tables))


def _table(task, measured, id_column, names):
    """Turn the features of a task into columns."""
    import pyarrow as pa

    if id_column in names:
        raise InputError(
            f"the estimator names a feature {id_column!r}, like the column of the ids; rename one", code="columns"
        )
    if measured.names not in (None, names):
        raise InputError(
            "the estimator names its features differently from one chunk to the next; they must not depend on the rows",
            code="columns",
        )
    values = np.full((len(task.ids), len(names)), np.nan) if measured.values is None else measured.values
    failed = [[] for _ in task.ids]
    for position, item, code in measured.failures:
        failed[position].append({"item": item, "code": code, "retryable": code in RETRYABLE})
    failure = pa.struct([("item", pa.string()), ("code", pa.string()), ("retryable", pa.bool_())])
    arrays = [
        pa.array(task.ids, pa.string()),
        *(pa.array(np.ascontiguousarray(column)) for column in values.T),
        pa.array(task.digests, pa.binary(16)),
        pa.array(failed, pa.list_(failure)),
    ]
    return pa.table(arrays, names=[id_column, *names, DIGEST, FAILURES])
