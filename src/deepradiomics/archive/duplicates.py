"""Images that an archive holds twice."""

from contextlib import closing

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from deepradiomics.archive._manifest import Rows
from deepradiomics.archive.extraction import extract
from deepradiomics.archive.tables import read_all
from deepradiomics.comparison import likeness, perceptual_hash, pixel_hash
from deepradiomics.reading import as_radiograph

# A perceptual hash is cut into this many parts; hashes that differ in fewer bits have a part in common.
_N_PARTS = 8
_NAMES = ["pixels_1", "pixels_2", *(f"look_{number}" for number in range(1, _N_PARTS + 1))]


class _Fingerprints(TransformerMixin, BaseEstimator):
    """Numbers that tell images apart: 96 bits of the hash of the pixels, and the perceptual hash in parts."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.array([_fingerprint(cell) for cell in X.iloc[:, 0]])

    def get_feature_names_out(self, input_features=None):
        return np.array(_NAMES, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def _fingerprint(cell):
    radiograph = as_radiograph(cell)
    if radiograph is None:
        return [np.nan] * len(_NAMES)
    exact = pixel_hash(radiograph)
    parts = np.packbits(perceptual_hash(radiograph))
    # 48 bits are exact in a float.
    return [int(exact[:12], 16), int(exact[12:24], 16), *parts.tolist()]


def find_duplicates(manifest, output, *, image="radiograph", id_column="image_id", min_likeness=0.97, **settings):
    """Find images that an archive holds twice, byte for byte or resized, brightened or compressed.

    Parameters
    ----------
    manifest : DataFrame, str or Path
        A row an image, as for `extract`.
    output : str or Path
        Folder for the fingerprints, as for `extract`: an interrupted search goes on where it was.
    image : str, default="radiograph"
        Column of the images.
    id_column : str, default="image_id"
        Column of the ids.
    min_likeness : float, default=0.97
        Images whose looks differ in at most seven of 64 bits count as near copies from this
        `deepradiomics.comparison.likeness` on; with 1, hardly any but identical images do.
    **settings : dict
        ``chunk_size``, ``batch_size`` and ``n_jobs`` of `extract`.

    Returns
    -------
    DataFrame of shape (n_pairs, 4)
        ``id_a``, ``id_b``, ``kind`` (``"identical"`` pixels, or ``"near"``) and ``likeness``. Of a group of identical
        images, each is paired with the first. Images that cannot be read take no part; `failures` lists them.

    Raises
    ------
    InputError
        As `extract`.

    See Also
    --------
    deepradiomics.comparison.duplicate_groups : The same for images in memory.

    Notes
    -----
    The driver holds 80 bytes an image and its id. Images that may be near copies are read a second time.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np, pandas as pd
    >>> from deepradiomics import archive
    >>> knee, other = np.random.default_rng(0).normal(size=(2, 64, 64)).cumsum(axis=1)
    >>> images = pd.Series([knee, other, 3 * knee + 7, other], dtype=object)
    >>> manifest = pd.DataFrame({"image_id": ["a", "b", "c", "d"], "radiograph": images})
    >>> with TemporaryDirectory() as folder:
    ...     print(archive.find_duplicates(manifest, folder))
      id_a id_b       kind  likeness
    0    a    c       near       1.0
    1    b    d  identical       1.0
    """
    done = extract(manifest, output, _Fingerprints(), id_column=id_column, columns=[image], **settings)
    with closing(Rows(manifest, id_column, [image])) as rows:
        return _pairs(_fingerprints(output, done.folder.name, rows), rows, image, min_likeness)


def _fingerprints(output, settings, rows):
    """Fingerprints of the images that the manifest names; an earlier search may have left more."""
    table = read_all(output, settings=settings).dropna()
    return table[table[rows.id_column].isin(rows.ids())].reset_index(drop=True)


def _pairs(table, rows, image, min_likeness):
    id_column = rows.id_column
    ids = table[id_column].to_numpy(dtype=object)
    first = table.groupby(["pixels_1", "pixels_2"], sort=False)[id_column].transform("first").to_numpy(dtype=object)
    copies = ids != first
    found = [(a, b, "identical", 1.0) for a, b in zip(first[copies], ids[copies], strict=True)]
    looks = table.loc[~copies, _NAMES[2:]].to_numpy(dtype=np.uint8)
    pairs = [(ids[~copies][i], ids[~copies][j]) for i, j in _find_similar_images(looks)]
    cells = _cells({key for pair in pairs for key in pair}, rows, image) if pairs else {}
    measured = [(a, b, "near", likeness(as_radiograph(cells[a]), as_radiograph(cells[b]))) for a, b in pairs]
    found += [pair for pair in measured if pair[3] >= min_likeness]
    table = pd.DataFrame(found, columns=["id_a", "id_b", "kind", "likeness"])
    return table.sort_values(["id_a", "id_b"], ignore_index=True)


def _find_similar_images(looks):
    """List the pairs i < j of hashes, uint8 (n, 8), that differ in fewer bits than they have parts."""
    found = set()
    for part in range(_N_PARTS):
        for rows in pd.Series(looks[:, part]).groupby(looks[:, part]).indices.values():
            for position, i in enumerate(rows[:-1]):
                others = rows[position + 1 :]
                bits = np.bitwise_count(looks[others] ^ looks[i]).sum(axis=1)
                found.update((int(i), int(j)) for j in others[bits < _N_PARTS])
    return sorted(found)


def _cells(wanted, rows, image):
    """Look up the cells of some images in the manifest."""
    rows.order(max(1, rows.n_rows // 1000))
    return {
        key: cell
        for _, ids, _, frame in rows.shards()
        for key, cell in zip(ids, frame[image], strict=True)
        if key in wanted
    }
