"""Read the features and failures of an archive back as tables."""

import pandas as pd

from deepradiomics.archive._shards import DIGEST, FAILURES, find_folder, read_settings, read_shard, shard_paths
from deepradiomics.exceptions import InputError


def read(output, columns=None, *, settings=None):
    """Read features back, one shard after the other, so that memory holds one shard.

    Parameters
    ----------
    output : str or Path
        The output of `extract`.
    columns : list of str, default=None
        Features to read; None reads all. The others are not touched on the disk.
    settings : str, default=None
        Name of the folder of the settings, or its beginning; needed where there are several.

    Returns
    -------
    iterator of DataFrame
        The ids and the features of one shard after the other, each sorted by id; images that failed have NaN.

    Raises
    ------
    InputError
        If there is no archive, there are several settings and none is chosen, a column is unknown, or a shard is
        damaged.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np, pandas as pd
    >>> from deepradiomics import TextureExtractor, archive
    >>> images = list(np.arange(128.0).reshape(2, 8, 8))
    >>> manifest = pd.DataFrame({"image_id": ["a", "b"], "hip": images})
    >>> with TemporaryDirectory() as folder:
    ...     _ = archive.extract(manifest, folder, TextureExtractor(feature_classes={"firstorder": ["Mean", "Range"]}))
    ...     for table in archive.read(folder, columns=["hip__original_firstorder_Mean"]):
    ...         print(table)
      image_id  hip__original_firstorder_Mean
    0        a                           31.5
    1        b                           95.5
    """
    folder = find_folder(output, settings)
    found = read_settings(folder)
    paths = shard_paths(folder, found["n_shards"])
    return (_features(path, found["id_column"], columns) for _, path in paths)


def read_all(output, columns=None, *, settings=None):
    """Read all features into one table, sorted by id.

    Parameters
    ----------
    output : str or Path
        The output of `extract`.
    columns : list of str, default=None
        Features to read; None reads all.
    settings : str, default=None
        Name of the folder of the settings, or its beginning; needed where there are several.

    Returns
    -------
    DataFrame of shape (n_images, 1 + n_features)
        The ids and the features; the same bytes whichever workers computed them, in however many runs.

    Raises
    ------
    InputError
        As `read`.

    Examples
    --------
    See `extract`.
    """
    tables = list(read(output, columns, settings=settings))
    if not tables:
        raise InputError("no shard is finished yet; run archive.extract to the end")
    table = pd.concat(tables, ignore_index=True)
    return table.sort_values(table.columns[0], kind="stable", ignore_index=True)


def failures(output, *, settings=None):
    """List the images that could not be measured, wholly or in part.

    Parameters
    ----------
    output : str or Path
        The output of `extract`.
    settings : str, default=None
        Name of the folder of the settings, or its beginning; needed where there are several.

    Returns
    -------
    DataFrame of shape (n_failures, 4)
        The id, ``item`` (the column or region that failed, empty for the whole image), ``code``, and ``retryable``:
        whether the next run tries again.

    Raises
    ------
    InputError
        As `read`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np, pandas as pd
    >>> from deepradiomics import TextureExtractor, archive
    >>> images = [np.arange(64.0).reshape(8, 8), np.zeros((8, 8))]
    >>> manifest = pd.DataFrame({"image_id": ["a", "b"], "hip": images})
    >>> texture = TextureExtractor(feature_classes=["firstorder"], on_error="skip")
    >>> with TemporaryDirectory() as folder:
    ...     _ = archive.extract(manifest, folder, texture)
    ...     archive.failures(folder)
      image_id item            code  retryable
    0        b  hip  too_few_levels      False
    """
    folder = find_folder(output, settings)
    found = read_settings(folder)
    key, lines = found["id_column"], []
    for _, path in shard_paths(folder, found["n_shards"]):
        ids, failed = (column.to_pylist() for column in read_shard(path, [found["id_column"], FAILURES]).columns)
        lines += [{key: name} | failure for name, own in zip(ids, failed, strict=True) for failure in own]
    table = pd.DataFrame(lines, columns=[key, "item", "code", "retryable"])
    return table.sort_values([key, "item"], kind="stable", ignore_index=True)


def _features(path, id_column, columns):
    """Read ids and features of a shard: DataFrame."""

    def wanted(stored):
        names = [name for name in stored if name not in (DIGEST, FAILURES)]
        chosen = names if columns is None else list(dict.fromkeys([id_column, *columns]))
        unknown = [name for name in chosen if name not in names]
        if unknown:
            raise InputError(
                f"the archive has no features {unknown}; it has {len(names) - 1}, such as {names[1:4]}", code="columns"
            )
        return chosen

    return read_shard(path, wanted).to_pandas()
