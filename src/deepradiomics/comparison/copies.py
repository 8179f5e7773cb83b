"""Find images that are stored twice: identical, resized, brightened, cropped, shifted, turned, mirrored, inverted."""

import hashlib
import os
from dataclasses import dataclass
from io import IOBase
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.fft import dctn, irfft2, rfft2
from scipy.ndimage import gaussian_filter, map_coordinates, zoom
from scipy.stats import rankdata

from deepradiomics.exceptions import DeepRadiomicsError, InputError, LeakageError
from deepradiomics.reading import as_radiograph
from deepradiomics.reading._files import path_meant

# A perceptual hash is 8 x 8 signs of the lowest frequencies of a 32 x 32 thumbnail.
_THUMBNAIL, _LOWEST = 32, 8
# Side of the thumbnail whose details are compared, its gray levels, and from which likeness on two images are copies.
_DETAIL, _LEVELS, _COPY = 64, 200, 0.8
# Row and column of each of its pixels, from the center, and a 1 for the shift; a window against the jump at its border.
_PLACES = np.stack([*(np.indices((_DETAIL, _DETAIL)) - (_DETAIL - 1) / 2).reshape(2, -1), np.ones(_DETAIL**2)])
_WINDOW = np.sqrt(np.outer(np.hanning(_DETAIL), np.hanning(_DETAIL)))
# Likeness after a shift below which no alignment helps, and above which none is needed; limits of the alignment.
_HOPELESS, _SAME, _LEAST_OVERLAP, _MOST_STRETCH = 0.25, 0.97, 0.6, 0.1
# How many frequencies a spectrum keeps in each direction, and how many nearest images are looked at.
_FREQUENCIES, _NEIGHBORS, _MOST_NEIGHBORS = 20, 3, 10
# An image with so few gray levels is a label map or an empty field.
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
        Correlation (0 to 1) of the fine structure of the ranks of gray values, at 64 x 64 pixels, after one image was
        laid on the other: turned by quarters, mirrored, shifted, stretched and turned by a few degrees. The sign is
        left out, so that an inverted copy counts.

    Raises
    ------
    InputError
        If an image is not two-dimensional.

    Notes
    -----
    Copies that were cropped by 1 %, turned by a degree, compressed or inverted mostly have 0.8 and more, other patients
    less; the page on leakage has the figures.

    References
    ----------
    Kuglin CD, Hines DC. The phase correlation image alignment method. Proc. IEEE Conf. Cybernetics and Society 1975:
    163-165. Lucas BD, Kanade T. An iterative image registration technique. Proc. IJCAI 1981:674-679.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.comparison import likeness
    >>> first, other = np.random.default_rng(0).normal(size=(2, 200, 100)).cumsum(axis=1)
    >>> round(likeness(first, 7 - 3 * first[:, ::-1]), 3), likeness(first, other) < 0.5
    (1.0, True)
    """
    return _registered(_details(image), _details(other))


def _details(image):
    """Fine structure of an image: float32 array (64, 64) of length 1."""
    image = as_radiograph(image) if isinstance(image, str | Path) else image
    pixels = np.asarray(getattr(image, "pixels", image), dtype=np.float32)
    if pixels.ndim != 2 or not pixels.size:
        raise InputError(f"an image of shape {pixels.shape} cannot be compared; give two dimensions")
    # One undefined pixel would spread over the thumbnail, and from there over the comparison of all images.
    finite = np.isfinite(pixels)
    pixels = np.where(finite, pixels, pixels[finite].min() if finite.any() else 0)
    small = np.asarray(Image.fromarray(pixels).resize((_DETAIL, _DETAIL), Image.Resampling.BILINEAR), dtype=float)
    # Ranks undo a gamma; levels first, so that the noise of a black border has no ranks of its own.
    low, high = np.percentile(small, [0.5, 99.5])
    step = max(high - low, 1e-6 * np.abs(small).max(), np.finfo(float).tiny) / _LEVELS
    ranks = rankdata(np.round((small - low) / step)).reshape(small.shape)
    fine = ranks - gaussian_filter(ranks, 1.5)
    fine -= fine.mean()
    return (fine / max(np.linalg.norm(fine), np.finfo(float).tiny)).astype(np.float32)


def _registered(one, other):
    """Correlation of two detail maps when the second is laid on the first."""
    turned = np.array([np.rot90(view, quarters) for view in (other, other[:, ::-1]) for quarters in range(4)])
    shifted = irfft2(rfft2(one) * np.conj(rfft2(turned)), s=one.shape)
    view, *shift = np.unravel_index(np.abs(shifted).argmax(), shifted.shape)
    best = min(abs(float(shifted[view, *shift])), 1.0)
    if not _HOPELESS < best < _SAME:
        return best
    matrix = np.eye(2, 3)
    matrix[:, 2] = [size - _DETAIL if size > _DETAIL // 2 else size for size in shift]
    matrix[:, 2] *= -1
    moving = turned[view] * np.sign(shifted[view, *shift])
    # First by the coarser structure, which finds its way from farther off.
    _, matrix = _aligned(gaussian_filter(one, 2), gaussian_filter(moving, 2), matrix)
    return max(best, min(_aligned(one, moving, matrix)[0], 1.0))


def _aligned(fixed, moving, matrix, n_steps=4):
    """Gauss-Newton steps of an affine motion (2, 3); the best correlation and its motion."""
    best = (0.0, matrix)
    for step in range(n_steps + 1):
        moved = map_coordinates(moving, matrix @ _PLACES + (_DETAIL - 1) / 2, order=1, cval=np.nan)
        inside = np.isfinite(moved)
        if inside.mean() < _LEAST_OVERLAP or np.abs(matrix[:, :2] - np.eye(2)).max() > _MOST_STRETCH:
            break
        moved = np.where(inside, moved, 0)
        target = fixed.ravel() * inside
        lengths = np.linalg.norm(target), np.linalg.norm(moved)
        if not all(lengths):
            break
        best = max(best, (float(target @ moved / np.prod(lengths)), matrix), key=lambda found: found[0])
        if step < n_steps:
            slopes = [slope.ravel() * inside for slope in np.gradient(moved.reshape(fixed.shape))]
            jacobian = np.concatenate([slope * _PLACES for slope in slopes])
            error = jacobian @ (target * (lengths[1] / lengths[0]) - moved)
            matrix = matrix + np.linalg.lstsq(jacobian @ jacobian.T, error, rcond=None)[0].reshape(2, 3)
    return best


def duplicate_groups(images, *, min_likeness=None):
    """Number images so that copies share a number.

    Parameters
    ----------
    images : sequence of arrays of shape (H, W), Radiographs, paths or None
        The images; None is a copy of nothing.
    min_likeness : float, default=None
        None finds identical images only. A number also joins images whose :func:`likeness` is as high: 0.8 finds
        resized, cropped, turned, mirrored and inverted copies, 0.97 those of the same frame.

    Returns
    -------
    int array of shape (n_images,)
        A number an image, in the order of first appearance: ``groups=`` for a comparison.

    Raises
    ------
    InputError
        If a likeness is asked for, and an image cannot be read or is not two-dimensional.

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
    """Yield (i, j, likeness) of the pairs i < j that are at least so much alike.

    Looked at are the nearest images by their spectra, so that the time grows with the images and not with the pairs.
    """
    for i, j in _candidates(np.array([_spectrum(one) for one in details], dtype=np.float32)):
        alike = _registered(details[i], details[j])
        if alike >= least:
            yield i, j, alike


def _spectrum(details):
    """Amplitudes, which no shift and no inversion changes, summed over mirror images and quarter turns."""
    lowest = np.abs(np.fft.fft2(details * _WINDOW))
    both = lowest[:_FREQUENCIES, :_FREQUENCIES] + np.roll(lowest[::-1], 1, axis=0)[:_FREQUENCIES, :_FREQUENCIES]
    values = np.log((both + both.T)[np.triu_indices(_FREQUENCIES)][1:] + 1e-6)
    return values - values.mean()


def _candidates(spectra):
    """Sorted pairs i < j: each image with its 3 nearest, and with up to 10 where these are very near."""
    if len(spectra) < 2:
        return []
    spread = spectra.std(axis=0)
    spectra = (spectra - spectra.mean(axis=0)) / np.where(spread > 0, spread, 1)
    lengths = (spectra**2).sum(axis=1)
    found, most = set(), min(_MOST_NEIGHBORS, len(spectra) - 1)
    for start in range(0, len(spectra), 1000):
        rows = np.arange(start, min(start + 1000, len(spectra)))
        far = lengths[rows, None] + lengths - 2 * spectra[rows] @ spectra.T
        far[np.arange(len(rows)), rows] = np.inf
        nearest = np.argpartition(far, most - 1, axis=1)[:, :most]
        near = np.take_along_axis(far, nearest, axis=1)
        # The order within the nearest ones; 2 a value is what two unlike images have.
        near_enough = (near.argsort(axis=1).argsort(axis=1) < _NEIGHBORS) | (near < 0.8 * spectra.shape[1])
        for row, place in zip(*np.nonzero(near_enough), strict=True):
            found.add(tuple(sorted((int(rows[row]), int(nearest[row, place])))))
    return sorted(found)


def near_duplicates(tables, groups, *, min_likeness=_COPY):
    """Find images that are copies of one another: resized, brightened, cropped, shifted, turned, mirrored, inverted.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Tables by cohort; the first is the one that is split into folds.
    groups : int array of shape (n_samples,) or None
        Group of each row of the first table; pairs within a group are left out.
    min_likeness : float, default=0.8
        What counts as a copy, see :func:`likeness`.

    Returns
    -------
    DataFrame
        A row a pair: ``cohort_a``, ``row_a``, ``cohort_b``, ``row_b``, ``column`` and ``likeness``.

    Notes
    -----
    Each image is laid on the 3 images with the nearest amplitude spectra, and on up to 10 that are very near: of more
    than 11 copies of one image not every pair is listed.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from deepradiomics.comparison.copies import near_duplicates
    >>> knee, other = np.random.default_rng(0).normal(size=(2, 64, 64)).cumsum(axis=1)
    >>> table = pd.DataFrame({"knee": pd.Series([knee, other, 3 * knee + 7], dtype=object)})
    >>> near_duplicates({"internal": table}, None)[["row_a", "row_b"]].to_numpy().tolist()
    [[0, 2]]
    """
    return _list_copies(_fingerprints(tables), groups, min_likeness)


def check_copies(tables, groups, external_groups=None):
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
    >>> from deepradiomics.comparison.copies import check_copies
    >>> table = pd.DataFrame({"knee": list(np.random.default_rng(0).normal(size=(2, 64, 64)))})
    >>> len(check_copies({"internal": table}, None))
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
        and any(_is_image(cell) or is_image_source(cell) for cell in table[column])
    ]


def _is_image(cell):
    return (isinstance(cell, np.ndarray) and cell.ndim == 2) or hasattr(cell, "pixels")


def is_image_source(cell):
    """Tell whether a cell is the path of a file that is there, or a file or picture of another library in memory.

    Parameters
    ----------
    cell : object
        Cell of a table.

    Returns
    -------
    bool
        Whether it is.

    Examples
    --------
    >>> from deepradiomics.comparison.copies import is_image_source
    >>> is_image_source("no such file"), is_image_source(7)
    (False, False)
    """
    if isinstance(cell, str | Path):
        try:
            return path_meant(os.fsdecode(cell)).is_file()
        except ValueError:  # half an address
            return False
    library = type(cell).__module__.partition(".")[0]
    return isinstance(cell, bytes | IOBase) or library in ("PIL", "SimpleITK", "pydicom")


def _opened(cell):
    """Read a file, or return an image as it is; None for what a model will refuse, or not, with reasons of its own."""
    if _is_image(cell):
        return cell
    try:
        return as_radiograph(cell) if is_image_source(cell) else None
    except DeepRadiomicsError:
        return None


def _has_many_levels(image):
    """Tell a radiograph from a mask or an empty field, which may be alike in several patients."""
    pixels = np.asarray(getattr(image, "pixels", image))
    step = max(1, min(pixels.shape) // 64)
    return bool(pixels.size) and len(np.unique(pixels[::step, ::step])) > _MOST_LABELS


def _list_copies(prints, groups, least):
    found = []
    for column in dict.fromkeys(one.column for one in prints):
        own = [one for one in prints if one.column == column]
        for i, j, alike in _find_similar_images([one.details for one in own], least):
            a, b = own[i], own[j]
            if (a.number, a.group(groups)) != (b.number, b.group(groups)):
                found.append((a.cohort, a.row, b.cohort, b.row, column, alike))
    return pd.DataFrame(found, columns=["cohort_a", "row_a", "cohort_b", "row_b", "column", "likeness"])
