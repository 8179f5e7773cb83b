"""Find what would let a model know the answer: images stored twice, and columns that are the label in disguise."""

import hashlib
import os
from dataclasses import dataclass
from math import comb
from numbers import Real
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter, zoom
from scipy.stats import rankdata

from deepradiomics.exceptions import DeepRadiomicsError, InputError, LeakageError
from deepradiomics.reading import as_radiograph
from deepradiomics.splits import names_patients

# A perceptual hash is 8 x 8 signs of the lowest frequencies of a 32 x 32 thumbnail.
_THUMBNAIL, _LOWEST = 32, 8
# Side of the thumbnail whose details are compared, and from which likeness on two images are copies.
_DETAIL, _COPY = 64, 0.97
# Columns that separate the classes by chance in fewer than one of a million tables are refused.
_CHANCE = 1e-6
# A column of words with more levels than this is an identifier or free text, which purity says nothing about.
_MOST_LEVELS = 20
# An image with so few grey levels is a label map or an empty field.
_MOST_LABELS = 8


def pixel_hash(image):
    """Return a fingerprint that only an identical image shares.

    Parameters
    ----------
    image : array of shape (H, W), Radiograph, or path
        The image; of a path the bytes of the file count.

    Returns
    -------
    str
        SHA-256 of shape and pixels, or of the file.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.comparison import pixel_hash
    >>> pixel_hash(np.zeros((2, 3))) == pixel_hash(np.zeros((3, 2)))
    False
    """
    if isinstance(image, str | Path):
        return hashlib.sha256(Path(image).read_bytes()).hexdigest()
    pixels = np.ascontiguousarray(getattr(image, "pixels", image), dtype=np.float32)
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def perceptual_hash(image):
    """Return a fingerprint that copies of an image share when resized, brightened or compressed.

    Parameters
    ----------
    image : array of shape (H, W) or Radiograph
        The image.

    Returns
    -------
    bool array of shape (64,)
        Signs of the lowest frequencies of a thumbnail, the mean left out.

    Raises
    ------
    InputError
        If the image is not two-dimensional or smaller than 8 pixels.

    References
    ----------
    Zauner C. Implementation and benchmarking of perceptual image hash functions. Thesis, Hagenberg 2010 (DCT hash).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.comparison import perceptual_hash
    >>> image = np.add.outer(np.arange(64.0) ** 2, np.arange(64.0))
    >>> int((perceptual_hash(image) != perceptual_hash(3 * image[::2, ::2] + 7)).sum())
    0
    """
    pixels = np.asarray(getattr(image, "pixels", image), dtype=float)
    if pixels.ndim != 2 or min(pixels.shape) < _LOWEST:
        raise InputError(f"an image of shape {pixels.shape} has no perceptual hash; give 8 x 8 pixels or more")
    # Means over blocks first: a thumbnail picked from single pixels would change with the noise.
    blocks = [max(size // (2 * _THUMBNAIL), 1) for size in pixels.shape]
    kept = pixels[: pixels.shape[0] // blocks[0] * blocks[0], : pixels.shape[1] // blocks[1] * blocks[1]]
    means = kept.reshape(kept.shape[0] // blocks[0], blocks[0], -1, blocks[1]).mean(axis=(1, 3))
    thumbnail = zoom(means, [_THUMBNAIL / size for size in means.shape], order=1, grid_mode=True, mode="nearest")
    low = dctn(thumbnail - thumbnail.mean(), norm="ortho")[: _LOWEST + 1, : _LOWEST + 1].ravel()[1:65]
    return low > np.median(low)


def likeness(image, other):
    """Measure how far two images are copies of one another in their details.

    Parameters
    ----------
    image, other : arrays of shape (H, W) or Radiographs
        The images, of any size.

    Returns
    -------
    float
        Correlation of the fine structure of the ranks of grey values, at 64 x 64 pixels; 1 for equal images. Copies
        that were resized, brightened, curved by a gamma or compressed have 0.99 and more. Other patients in the same
        position: at most 0.6 between 133 real knees, at most 0.9 between simulated pelves.

    Raises
    ------
    InputError
        If an image is not two-dimensional.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.comparison import likeness
    >>> first, other = np.random.default_rng(0).normal(size=(2, 200, 100)).cumsum(axis=1)
    >>> round(likeness(first, 3 * first + 7), 3), likeness(first, other) < 0.5
    (1.0, True)
    """
    return float(_details(image) @ _details(other))


def _details(image):
    """Fine structure of an image: float32 array (4096,) of length 1."""
    pixels = np.asarray(getattr(image, "pixels", image), dtype=np.float32)
    if pixels.ndim != 2 or not pixels.size:
        raise InputError(f"an image of shape {pixels.shape} cannot be compared; give two dimensions", code="shape")
    small = np.asarray(Image.fromarray(pixels).resize((_DETAIL, _DETAIL), Image.Resampling.BILINEAR), dtype=float)
    ranks = rankdata(small).reshape(small.shape)
    fine = ranks - gaussian_filter(ranks, 1.5)
    fine -= fine.mean()
    return (fine.ravel() / max(np.linalg.norm(fine), np.finfo(float).tiny)).astype(np.float32)


def duplicate_groups(images, *, min_likeness=None):
    """Number images so that copies share a number.

    Parameters
    ----------
    images : sequence of arrays of shape (H, W), Radiographs, paths or None
        The images; None is a copy of nothing.
    min_likeness : float, default=None
        None finds identical images only. A number also joins images whose :func:`likeness` is as high: 0.97 finds
        resized, brightened and compressed copies.

    Returns
    -------
    int array of shape (n_images,)
        A number an image, in the order of first appearance: ``groups=`` for a comparison.

    Raises
    ------
    InputError
        If a likeness is asked for and an image is a path.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.comparison import duplicate_groups
    >>> a, b = np.random.default_rng(0).random((2, 16, 16))
    >>> duplicate_groups([a, b, a.copy(), None])
    array([0, 1, 0, 2])
    """
    keys = [("missing", i) if image is None else pixel_hash(image) for i, image in enumerate(images)]
    groups = pd.factorize(pd.Series(keys, dtype=object))[0]
    if min_likeness is None:
        return groups
    present = [i for i, image in enumerate(images) if image is not None]
    for a, b, _ in _find_similar_images([_details(images[i]) for i in present], min_likeness):
        groups[groups == groups[present[b]]] = groups[present[a]]
    return pd.factorize(groups)[0]


def _find_similar_images(details, least):
    """Yield (i, j, likeness) of each pair i < j that is at least so much alike; a thousand images at a time."""
    details = np.array(details, dtype=np.float32).reshape(len(details), _DETAIL**2)
    for start in range(0, len(details), 1000):
        block = details[start : start + 1000] @ details.T
        for i, j in zip(*np.nonzero(block >= least), strict=True):
            if start + i < j:
                yield int(start + i), int(j), float(block[i, j])


def near_duplicates(tables, groups, *, min_likeness=0.97):
    """Find images that are copies of one another: resized, brightened or compressed.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Tables by cohort; the first is the one that is split into folds.
    groups : int array of shape (n_samples,) or None
        Group of each row of the first table; pairs within a group are left out.
    min_likeness : float, default=0.97
        What counts as a copy, see :func:`likeness`.

    Returns
    -------
    DataFrame
        A row a pair: ``cohort_a``, ``row_a``, ``cohort_b``, ``row_b``, ``column`` and ``likeness``.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from deepradiomics.comparison.leakage import near_duplicates
    >>> knee, other = np.random.default_rng(0).normal(size=(2, 64, 64)).cumsum(axis=1)
    >>> table = pd.DataFrame({"knee": pd.Series([knee, other, 3 * knee + 7], dtype=object)})
    >>> near_duplicates({"internal": table}, None)[["row_a", "row_b"]].to_numpy().tolist()
    [[0, 2]]
    """
    return _list_copies(_fingerprints(tables), groups, min_likeness)


def copies(tables, groups, external_groups=None):
    """Refuse images that are in two groups or two cohorts, and list near copies; each image is opened once.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Tables by cohort; the first is the one that is split into folds. Columns that hold images or names of files
        are found by their cells; masks and files that cannot be read take no part.
    groups : int array of shape (n_samples,) or None
        Group of each row of the first table; None means that each row may be on a side of its own.
    external_groups : dict of str to (int array or None), default=None
        Patient of each row of other tables; a patient may have one image in two rows there.

    Returns
    -------
    DataFrame
        As of `near_duplicates`.

    Raises
    ------
    LeakageError
        Names the rows that hold one image.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from deepradiomics.comparison.leakage import copies
    >>> table = pd.DataFrame({"knee": list(np.random.default_rng(0).normal(size=(2, 64, 64)))})
    >>> len(copies({"internal": table}, None))
    0
    """
    prints, seen = _fingerprints(tables), {}
    for one in prints:
        first = seen.setdefault(one.pixels, one)
        own = (external_groups or {}).get(one.cohort) if one.number else None
        same = first.cohort == one.cohort
        together = same and (
            first.group(groups) == one.group(groups) if own is None else own[first.row] == own[one.row]
        )
        if not together:
            raise LeakageError(
                f"row {first.row} of {first.cohort} (column {first.column!r}) and row {one.row} of {one.cohort} "
                f"(column {one.column!r}) hold the same image and could be on both sides of a split; give "
                "groups=duplicate_groups(images) (in external cohorts as the third of X, y, groups), or leave one out",
                code="duplicate_image",
            )
    return _list_copies(prints, groups, _COPY)


def check_id_columns(X, groups, columns):
    """Refuse a column that names the patient: a model could only learn it by heart.

    Parameters
    ----------
    X : DataFrame
        The table that goes into a model.
    groups : int array of shape (n_samples,) or None
        Patient of each row.
    columns : list of str
        Columns that the model reads.

    Raises
    ------
    LeakageError
        Names the column.

    Notes
    -----
    Refused are a column ``patient`` (``PatientID``, ``mrn`` ...), one that differs from patient to
    patient and only there, where patients have
    several rows, and words that are another one in each row, unless they are files. A number of another name that
    nobody shares cannot be told from a measurement.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from deepradiomics.comparison.leakage import check_id_columns
    >>> table = pd.DataFrame({"age": [50, 60, 61, 70], "number": [3, 3, 4, 4]})
    >>> check_id_columns(table, np.array([0, 0, 1, 1]), ["age"])
    >>> check_id_columns(table, np.array([0, 0, 1, 1]), ["age", "number"])
    Traceback (most recent call last):
    ...
    deepradiomics.exceptions.LeakageError: column 'number' names the patient; take it out of the model's columns
    """
    for name in columns:
        if names_patients(name) or _names_groups(X[name], groups) or _names_rows(X[name]):
            raise LeakageError(
                f"column {name!r} names the patient; take it out of the model's columns", code="id_column"
            )


def check_hidden_patients(X, columns):
    """Refuse rows that are independent by the call and of one patient by the table.

    Parameters
    ----------
    X : DataFrame
        The table, for which no patients were given.
    columns : list of str
        Columns that the model reads.

    Raises
    ------
    LeakageError
        If a column or the index is called as patients are and holds one twice, or two rows have equal measurements
        that chance would not make equal in a million tables.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.comparison.leakage import check_hidden_patients
    >>> check_hidden_patients(pd.DataFrame({"mrn": [3, 3], "age": [50, 51]}), ["age"])
    Traceback (most recent call last):
    ...
    deepradiomics.exceptions.LeakageError: 'mrn' holds the same value in rows 0 and 1, ...
    """
    advice = "give groups=, the patient of each row, or groups=range(len(X)) where each row is a patient of its own"
    for name, values in [(X.index.name, X.index.to_series()), *((name, X[name]) for name in X.columns)]:
        if names_patients(name) and values.notna().all():
            again = values.duplicated(keep=False).to_numpy()
            if again.any():
                first = np.flatnonzero(values.to_numpy() == values.to_numpy()[again][0])[:2]
                raise LeakageError(
                    f"{name!r} holds the same value in rows {first[0]} and {first[1]}, as patients with several rows "
                    f"do; {advice}",
                    code="hidden_patients",
                )
    numbers = X[columns].select_dtypes("number")
    # Expected pairs of equal rows, were the columns independent of one another.
    # Those that rank rows alike count once.
    own = numbers.loc[:, ~numbers.rank(method="dense").T.duplicated().to_numpy()]
    shares = [(own.iloc[:, place].value_counts(normalize=True) ** 2).sum() for place in range(own.shape[1])]
    by_chance = len(X) ** 2 / 2 * np.prod(shares)
    again = numbers.duplicated(keep=False).to_numpy() & numbers.notna().all(axis=1).to_numpy()
    # A row of zeros is an empty region, not a patient.
    again &= numbers.nunique(axis=1).gt(1).to_numpy()
    if numbers.shape[1] and by_chance < _CHANCE and again.any():
        place = np.flatnonzero(again)[0]
        other = np.flatnonzero((numbers == numbers.iloc[place]).all(axis=1))[:2]
        raise LeakageError(
            f"rows {other[0]} and {other[1]} are equal in all {numbers.shape[1]} numbers that the model reads, and may "
            f"be one patient; {advice}",
            code="duplicate_rows",
        )


def _names_groups(column, groups):
    if groups is None or len(np.unique(groups)) == len(groups) or not _is_plain(column):
        return False
    codes = pd.factorize(column)[0]
    pairs = len(set(zip(codes.tolist(), np.asarray(groups).tolist(), strict=True)))
    return codes.min() >= 0 and pairs == len(np.unique(codes)) == len(np.unique(groups))


def _names_rows(column):
    words = not pd.api.types.is_numeric_dtype(column) and _is_plain(column)
    return words and len(column) > _MOST_LEVELS and column.is_unique and not any(map(_is_file, column))


def _is_plain(column):
    """Tell numbers and words from images, masks and boxes."""
    return all(isinstance(cell, str | bool | float | int | np.generic) for cell in column)


def _list_copies(prints, groups, least):
    found = []
    for column in dict.fromkeys(one.column for one in prints):
        own = [one for one in prints if one.column == column]
        for i, j, alike in _find_similar_images([one.details for one in own], least):
            a, b = own[i], own[j]
            if (a.number, a.group(groups)) != (b.number, b.group(groups)):
                found.append((a.cohort, a.row, b.cohort, b.row, column, alike))
    return pd.DataFrame(found, columns=["cohort_a", "row_a", "cohort_b", "row_b", "column", "likeness"])


def check_separating_columns(X, y, columns=None):
    """Refuse a column that alone separates the classes: it is the label, or was computed from it.

    Parameters
    ----------
    X : DataFrame
        The table that goes into a model.
    y : array-like of shape (n_samples,)
        Labels of two classes.
    columns : list of str, default=None
        Columns to check; None checks all. Numbers and words are checked, images are not.

    Raises
    ------
    LeakageError
        Names the column.

    Notes
    -----
    A numeric column separates if all values of one class lie above all of the other; a column of words if no word
    occurs in both classes. Small tables, in which this happens by chance more often than once in a million, pass.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.comparison import check_separating_columns
    >>> table = pd.DataFrame({"age": [50, 70, 60, 80] * 10, "t_score": [-1.0, -1.2, -2.9, -3.1] * 10})
    >>> check_separating_columns(table, [0, 0, 1, 1] * 10)
    Traceback (most recent call last):
    ...
    deepradiomics.exceptions.LeakageError: column 't_score' alone separates the classes ...
    """
    y = np.asarray(y)
    first = y == np.unique(y)[0]
    # A random order puts one class wholly above the other in 2 of (n choose m) cases.
    if 2 / comb(len(y), int(first.sum())) * X.shape[1] > _CHANCE:
        return
    for name in X.columns if columns is None else columns:
        if _separates(X[name], first):
            raise LeakageError(
                f"column {name!r} alone separates the classes without an error; it is the label in another form or was "
                "made from it, so take it out of the model's columns",
                code="separating_column",
            )


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    """What tells one image of one cohort from all others."""

    column: str
    cohort: str
    number: int
    row: int
    pixels: str
    details: np.ndarray

    def group(self, groups):
        """Return what must stay on one side of a split: cohorts after the first are never split."""
        return self.row if groups is None or self.number else groups[self.row]


def _fingerprints(tables):
    """Open each image of some tables once, and keep 16 kB of it."""
    return [
        _Fingerprint(column, cohort, number, row, pixel_hash(image), _details(image))
        for number, (cohort, table) in enumerate(tables.items())
        for column in _image_columns(table)
        for row, image in enumerate(map(_opened, table[column]))
        if image is not None and _has_many_levels(image)
    ]


def _image_columns(table):
    """List the columns with images in memory, or with names of files."""
    if not isinstance(table, pd.DataFrame):
        return []
    return [
        column
        for column in table.columns
        if not pd.api.types.is_numeric_dtype(table[column])
        and any(_is_image(cell) or _is_file(cell) for cell in table[column])
    ]


def _is_image(cell):
    return (isinstance(cell, np.ndarray) and cell.ndim == 2) or hasattr(cell, "pixels")


def _is_file(cell):
    return isinstance(cell, str | Path) and os.path.isfile(cell)


def _opened(cell):
    """Read a file, or return an image as it is; None for what a model will refuse, or not, with reasons of its own."""
    if _is_image(cell):
        return cell
    try:
        return as_radiograph(cell) if _is_file(cell) else None
    except DeepRadiomicsError:
        return None


def _has_many_levels(image):
    """Tell a radiograph from a mask or an empty field, which may be alike in several patients."""
    pixels = np.asarray(getattr(image, "pixels", image))
    step = max(1, min(pixels.shape) // 64)
    return bool(pixels.size) and len(np.unique(pixels[::step, ::step])) > _MOST_LABELS


def _separates(column, first):
    # Numbers that came as objects, after a merge or out of a spreadsheet, and dates are numbers too.
    if column.dtype == object and all(isinstance(cell, Real) or cell is None for cell in column):
        column = pd.to_numeric(column)
    elif pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype("int64").where(column.notna())
    known = column.notna().to_numpy()
    if not known[first].any() or not known[~first].any():
        return False
    one, other = column[known & first], column[known & ~first]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return bool(known.mean() > 0.5 and (one.max() < other.min() or one.min() > other.max()))
    if not all(isinstance(cell, str | bool | np.bool_) for cell in column[known]):
        return False
    words = set(one), set(other)
    return known.all() and len(words[0] | words[1]) <= _MOST_LEVELS and not words[0] & words[1]
