"""The native engine: many regions at once, pyradiomics' features and names."""

import ctypes
import sys
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from array_api_compat import array_namespace
from array_api_compat import device as device_of
from joblib import Parallel, delayed, effective_n_jobs

from deepradiomics.exceptions import InputError
from deepradiomics.texture import matrices
from deepradiomics.texture.catalogue import FEATURES
from deepradiomics.texture.discretization import bin_edges, number_bins
from deepradiomics.texture.features.firstorder import firstorder
from deepradiomics.texture.features.glcm import glcm_features
from deepradiomics.texture.features.gldm import gldm_features
from deepradiomics.texture.features.glrlm import glrlm_features
from deepradiomics.texture.features.glszm import glszm_features
from deepradiomics.texture.features.ngtdm import ngtdm_features
from deepradiomics.texture.features.shape2d import shape2d
from deepradiomics.texture.features.slab import slab_shape

# Numbers in the largest array of a batch: 2 MiB of float64, which stays in the cache of a core or near it; on a GPU
# 128 MiB, enough to keep it busy.
_BATCH_NUMBERS = 2**19
_DEVICE_BATCH_NUMBERS = 2**24


# The parameters are those of the other engine, texture.pyradiomics.measure.
def measure(  # noqa: PLR0913
    images,
    masks,
    feature_classes,
    *,
    bin_count=None,
    bin_width=None,
    distances=(1,),
    weighting_norm=None,
    symmetrical_glcm=True,
    gldm_a=0,
    voxel_array_shift=0,
    spacings=None,
    standard="pyradiomics",
    device="auto",
    n_jobs=None,
):
    """Measure regions of any size.

    Parameters
    ----------
    images : list of float arrays of shape (H, W)
        Grey values, filtered already; finite inside the masks.
    masks : list of bool arrays of shape (H, W)
        The regions, each with at least one pixel.
    feature_classes : dict of {str: list of str or None}
        Classes, and the features of each; None means all.
    bin_count : int, default=None
        Number of bins between the smallest and the largest grey value of a region.
    bin_width : float, default=None
        Width of a bin, when there is no bin_count; None is 25.
    distances : sequence of ints, default=(1,)
        Distances in pixels of GLCM, GLDM and NGTDM.
    weighting_norm : {"manhattan", "euclidean", "infinity", "no_weighting"}, default=None
        How the matrices of different directions are weighted and added; None averages the features instead.
    symmetrical_glcm : bool, default=True
        Whether each pair of pixels is counted both ways.
    gldm_a : int, default=0
        Largest difference in grey level of a dependence.
    voxel_array_shift : float, default=0
        Added to the grey values in Energy, TotalEnergy and RootMeanSquared.
    spacings : list of tuples of two floats, default=None
        Height and width of a pixel in mm; None means 1 mm.
    standard : {"pyradiomics", "ibsi"}, default="pyradiomics"
        Whose definition holds where the two differ. The IBSI's bins of fixed width start at the smallest grey value of
        the region, its Kurtosis is 0 for a normal distribution, its GLRLM keeps directions in which no line holds two
        pixels, its NGTDM leaves pixels without neighbours out, and it knows no shift of the grey values.
    device : str or torch.device, default="auto"
        ``"cpu"``: compiled loops. ``"cuda"``, or another device of torch: array kernels over large batches.
        ``"auto"``: a GPU where there is one.
    n_jobs : int, default=None
        Threads, as in scikit-learn.

    Returns
    -------
    DataFrame of shape (n_regions, n_features)
        Columns ``<class>_<Feature>`` in the order of pyradiomics.

    Raises
    ------
    InputError
        If the device is not there, or a shift is asked for with the standard of the IBSI.

    Notes
    -----
    Regions are sorted by their number of levels and measured in batches whose matrices are padded to the largest
    number of levels; absent levels count nothing, so a batch equals its regions one by one. Devices agree to 1e-6
    relative; counts are equal. Where a GPU's memory runs out, the batch is halved.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.native import measure
    >>> image, mask = np.arange(16.0).reshape(4, 4), np.ones((4, 4), bool)
    >>> measure([image], [mask], {"firstorder": ["Mean"], "glcm": ["Contrast"]}, bin_count=8).round(3)
       firstorder_Mean  glcm_Contrast
    0              7.5           3.25
    """
    if standard == "ibsi" and voxel_array_shift:
        raise InputError(
            f"voxel_array_shift is {voxel_array_shift}; the IBSI adds nothing to grey values, so leave it 0 or take "
            "standard='pyradiomics'",
            code="standard",
        )
    settings = _Settings(distances, weighting_norm, symmetrical_glcm, gldm_a, voxel_array_shift, standard == "ibsi")
    binning = {"bin_count": bin_count, "bin_width": bin_width, "from_minimum": settings.ibsi}
    spacings = [(1.0, 1.0) if spacing is None else spacing for spacing in spacings or [None] * len(images)]
    regions = list(zip(images, masks, spacings, strict=True))
    found = find_device(device)
    measure_some = _measure_on_cpu if found is None else partial(_measure_on_device, device=found)
    # Each thread takes one piece; a GPU takes all at once.
    n_pieces = min(effective_n_jobs(n_jobs) if found is None else 1, len(regions))
    parts = Parallel(n_jobs=max(1, n_pieces), prefer="threads")(
        delayed(measure_some)([regions[row] for row in rows], feature_classes, binning, settings)
        for rows in np.array_split(np.arange(len(regions)), max(1, n_pieces))
        if len(rows)
    )
    names = [f"{name}_{feature}" for name, chosen in feature_classes.items() for feature in chosen or FEATURES[name]]
    return pd.DataFrame(np.concatenate([np.empty((0, len(names))), *parts]), columns=names)


class _Settings(NamedTuple):
    """What the matrices are counted with."""

    distances: tuple
    weighting_norm: str | None
    symmetric: bool
    largest_difference: int
    shift: float
    ibsi: bool


class _Batch(NamedTuple):
    """Regions that are measured together; arrays of numpy or, on a device, of torch."""

    levels: object  # int (n, H, W), 0 outside
    n_levels: int
    shapes: np.ndarray  # rows and columns of each region
    counts: object  # pixels at each level (n, L)
    statistics: object  # of the grey values (n, 15)
    spacings: np.ndarray


def find_device(name):
    """Choose where to measure.

    Parameters
    ----------
    name : str or torch.device
        ``"cpu"``, ``"auto"``, or a device of torch.

    Returns
    -------
    torch.device or None
        None for the compiled loops. For ``"auto"``, torch is loaded only where a GPU's driver is.

    Raises
    ------
    InputError
        If the device is not there.

    Examples
    --------
    >>> from deepradiomics.texture.native import find_device
    >>> find_device("cpu") is None
    True
    """
    if name == "cpu" or (name == "auto" and not _has_driver()):
        return None
    from deepradiomics.training.devices import resolve_device

    found = resolve_device(name)
    if found.type not in ("cpu", "cuda"):
        raise InputError(
            f"texture is measured on 'cpu' or 'cuda', not on {found.type!r}: other devices lack 64-bit numbers",
            code="device",
        )
    return None if name == "auto" and found.type == "cpu" else found


def _has_driver():
    """Whether CUDA's driver can be loaded."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _measure_on_cpu(regions, feature_classes, binning, settings):
    """Bin each region, then measure batches: float array (n_regions, n_features)."""
    binned = [_binned(*region, binning) for region in regions]
    batches = _batches([own.levels.shape for own in binned], [own.n_levels for own in binned], _BATCH_NUMBERS)
    found = [_measure_batch(_stacked([binned[row] for row in rows]), feature_classes, settings) for rows in batches]
    return _in_order(batches, found)


def _in_order(batches, found):
    """Put the features of batches, which hold rows by number, into the order of the rows."""
    return np.concatenate(found)[np.argsort(np.concatenate(batches))]


class _Binned(NamedTuple):
    """A region ready to be counted: levels, their number, pixels at each, statistics of the grey values, spacing."""

    levels: np.ndarray
    n_levels: int
    counts: np.ndarray
    statistics: np.ndarray
    spacing: tuple


def _binned(image, mask, spacing, binning):
    from deepradiomics.texture import _cpu

    values = np.asarray(image)[mask]
    levels, n_levels = number_bins(image, mask, bin_edges(values.min(), values.max(), **binning))
    values, inside = values.astype(np.float64, copy=False), levels[mask]
    counts = np.bincount(inside)
    return _Binned(levels, n_levels, counts[1:], _cpu.statistics(values, inside, counts), spacing)


def _stacked(regions):
    """Stack regions of different size, with zeros where they end."""
    n_levels = max(region.n_levels for region in regions)
    shapes = np.array([region.levels.shape for region in regions])
    levels = np.zeros((len(regions), *shapes.max(axis=0)), dtype=np.int32)
    counts = np.zeros((len(regions), n_levels))
    for row, region in enumerate(regions):
        levels[row, : shapes[row, 0], : shapes[row, 1]] = region.levels
        counts[row, : region.n_levels] = region.counts
    statistics = np.array([region.statistics for region in regions])
    return _Batch(levels, n_levels, shapes, counts, statistics, np.array([region.spacing for region in regions]))


def _measure_on_device(regions, feature_classes, binning, settings, device):
    """Cut the edges of each region here, and do the rest in batches there: float array (n_regions, n_features)."""
    from deepradiomics.training.devices import in_chunks

    edges = [_edges(image, mask, binning) for image, mask, _ in regions]

    def measure_rows(rows):
        batch = _sent([regions[row] for row in rows], [edges[row] for row in rows], device)
        return _measure_batch(batch, feature_classes, settings)

    sizes = [mask.shape for _, mask, _ in regions]
    batches = _batches(sizes, [len(own) - 1 for own in edges], _DEVICE_BATCH_NUMBERS)
    found = [part for rows in batches for part in in_chunks(measure_rows, rows, len(rows))]
    return _in_order(batches, found)


def _edges(image, mask, binning):
    inside = np.asarray(image)[mask]
    return bin_edges(inside.min(), inside.max(), **binning).astype(np.float64)


def _sent(regions, edges, device):
    """Send regions to a device and bin them there."""
    from deepradiomics.texture import _gpu

    images, masks, spacings = zip(*regions, strict=True)
    levels, values = _gpu.discretize(images, masks, edges, device)
    n_levels = max(len(own) for own in edges) - 1
    counts = _gpu.level_counts(levels, n_levels)
    statistics = _gpu.statistics_of_sorted(values, counts.sum(dim=1))
    return _Batch(
        levels, n_levels, np.array([mask.shape for mask in masks]), counts.double(), statistics, np.array(spacings)
    )


def _batches(shapes, n_levels, most):
    """Row numbers by batch: regions alike in number of levels and size stand together."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    batches, current = [], []
    for row in sorted(range(len(sizes)), key=lambda row: (n_levels[row], sizes[row])):
        largest = max(4 * n_levels[row] ** 2, 2 * sizes[row])
        if current and (len(current) + 1) * largest > most:
            batches.append(current)
            current = []
        current.append(row)
    return [*batches, current] if current else []


def _measure_batch(batch, feature_classes, settings):
    """Measure regions together: float array (n_regions, n_features)."""
    reach = max(settings.distances)
    padded = matrices.pad_levels(batch.levels, batch.n_levels, reach, batch.shapes)
    columns = []
    for name, chosen in feature_classes.items():
        found = _FAMILIES[name](batch, padded, settings)
        columns += [found[feature] for feature in chosen or FEATURES[name]]
    join = array_namespace(batch.levels).stack
    table = join(columns, axis=1)
    return np.asarray(table.cpu() if hasattr(table, "cpu") else table)


def _like(values, batch):
    """Put an array of numpy where the batch lies."""
    return array_namespace(batch.levels).asarray(values, device=device_of(batch.levels))


def _firstorder(batch, padded, settings):
    probabilities = batch.counts / batch.counts.sum(axis=1)[:, None]
    area = _like(batch.spacings.prod(axis=1), batch)
    return firstorder(batch.statistics, probabilities, shift=settings.shift, pixel_area=area, excess=settings.ibsi)


def _glcm(batch, padded, settings):
    directions = matrices.pair_directions(settings.distances)
    counts = matrices.kernels(padded.levels).glcm(*padded, directions)
    if settings.symmetric:
        counts = counts + counts.swapaxes(2, 3)
    if settings.weighting_norm is not None:
        steps = np.abs(directions) * batch.spacings[:, None, :]
        weights = np.exp(-(_norm(steps, settings.weighting_norm) ** 2))
        if settings.weighting_norm == "no_weighting":
            weights = np.ones_like(weights)
        counts = _merged(counts, weights, batch)
    levels = _like(np.arange(1.0, batch.n_levels + 1), batch)
    xp = array_namespace(counts)
    largest = xp.max(xp.where(batch.counts > 0, levels, 0.0), axis=1)
    return glcm_features(counts, largest, xp.astype(batch.counts > 0, counts.dtype).sum(axis=1))


def _glrlm(batch, padded, settings):
    counts = matrices.kernels(padded.levels).glrlm(*padded, matrices.RUN_DIRECTIONS, settings.ibsi)
    if settings.weighting_norm is not None:
        steps = np.abs(matrices.RUN_DIRECTIONS) * batch.spacings[:, None, :]
        counts = _merged(counts, _norm(steps, settings.weighting_norm), batch)
    return glrlm_features(counts)


def _merged(counts, weights, batch):
    """Weighted sum over directions: (n, 1, ...)."""
    return array_namespace(counts).einsum("ndij,nd->nij", counts, _like(weights, batch))[:, None]


def _norm(steps, name):
    """Length of steps (n, d, 2) in mm; 1 under "no_weighting"."""
    if name == "infinity":
        return steps.max(axis=-1)
    if name == "euclidean":
        return np.sqrt((steps**2).sum(axis=-1))
    return steps.sum(axis=-1) if name == "manhattan" else np.ones(steps.shape[:-1])


def _glszm(batch, padded, settings):
    return glszm_features(*matrices.kernels(padded.levels).glszm(*padded))


def _gldm(batch, padded, settings):
    directions = matrices.all_directions(settings.distances)
    return gldm_features(matrices.kernels(padded.levels).gldm(*padded, directions, settings.largest_difference))


def _ngtdm(batch, padded, settings):
    directions = matrices.all_directions(settings.distances)
    return ngtdm_features(matrices.kernels(padded.levels).ngtdm(*padded, directions, not settings.ibsi))


def _shape(measure_one, batch, padded, settings):
    levels = batch.levels.cpu().numpy() if hasattr(batch.levels, "cpu") else batch.levels
    masks = [own[:height, :width] > 0 for own, (height, width) in zip(levels, batch.shapes, strict=True)]
    found = [measure_one(mask, spacing) for mask, spacing in zip(masks, batch.spacings, strict=True)]
    return {name: _like(np.array([row[name] for row in found]), batch) for name in found[0]}


_FAMILIES = {
    "shape": partial(_shape, slab_shape),
    "shape2D": partial(_shape, shape2d),
    "firstorder": _firstorder,
    "glcm": _glcm,
    "glrlm": _glrlm,
    "glszm": _glszm,
    "gldm": _gldm,
    "ngtdm": _ngtdm,
}
