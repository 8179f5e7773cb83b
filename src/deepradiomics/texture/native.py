"""The native engine: many regions at once, pyradiomics' features and names."""

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs

from deepradiomics.exceptions import InputError
from deepradiomics.texture import matrices
from deepradiomics.texture.catalogue import FEATURES
from deepradiomics.texture.discretization import discretize
from deepradiomics.texture.features.firstorder import firstorder
from deepradiomics.texture.features.glcm import glcm_features
from deepradiomics.texture.features.gldm import gldm_features
from deepradiomics.texture.features.glrlm import glrlm_features
from deepradiomics.texture.features.glszm import glszm_features
from deepradiomics.texture.features.ngtdm import ngtdm_features
from deepradiomics.texture.features.shape2d import shape2d

# Numbers in the largest array of a batch: 2 MiB of float64, which stays in the cache of a core or near it.
_BATCH_NUMBERS = 2**18


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
    standard : {"pyradiomics"}, default="pyradiomics"
        Whose definition holds where pyradiomics and others differ.
    device : {"auto", "cpu"}, default="auto"
        Where to compute; only the CPU so far.
    n_jobs : int, default=None
        Threads, as in scikit-learn.

    Returns
    -------
    DataFrame of shape (n_regions, n_features)
        Columns ``<class>_<Feature>`` in the order of pyradiomics.

    Raises
    ------
    InputError
        If another standard or device is asked for.

    Notes
    -----
    Regions are discretized one by one, sorted by their number of levels, and measured in batches whose matrices are
    padded to the largest number of levels; absent levels count nothing, so a batch equals its regions one by one.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.native import measure
    >>> image, mask = np.arange(16.0).reshape(4, 4), np.ones((4, 4), bool)
    >>> measure([image], [mask], {"firstorder": ["Mean"], "glcm": ["Contrast"]}, bin_count=8).round(3)
       firstorder_Mean  glcm_Contrast
    0              7.5           3.25
    """
    if standard != "pyradiomics":
        raise InputError(f"engine 'native' has the standard 'pyradiomics' so far, not {standard!r}", code="standard")
    if device not in ("auto", "cpu"):
        raise InputError(f"engine 'native' runs on the CPU so far, not on {device!r}; give device='cpu'", code="device")
    settings = _Settings(distances, weighting_norm, symmetrical_glcm, gldm_a, voxel_array_shift)
    threads = effective_n_jobs(n_jobs)
    with Parallel(n_jobs=threads, prefer="threads") as parallel:
        binned = parallel(
            delayed(_binned)(image, mask, bin_count, bin_width) for image, mask in zip(images, masks, strict=True)
        )
        spacings = np.array(
            [(1.0, 1.0) if spacing is None else spacing for spacing in spacings or [None] * len(images)]
        )
        batches = _batches(binned, feature_classes)
        found = parallel(
            delayed(_measure_batch)([binned[row] for row in rows], spacings[rows], feature_classes, settings)
            for rows in batches
        )
    names = [f"{name}_{feature}" for name, chosen in feature_classes.items() for feature in chosen or FEATURES[name]]
    values = np.empty((len(binned), len(names)))
    for rows, part in zip(batches, found, strict=True):
        values[rows] = part
    return pd.DataFrame(values, columns=names)


class _Settings:
    """What the matrices are counted with."""

    def __init__(self, distances, weighting_norm, symmetric, largest_difference, shift):
        self.distances, self.weighting_norm, self.symmetric = tuple(distances), weighting_norm, symmetric
        self.largest_difference, self.shift = largest_difference, shift


class _Binned:
    """A region ready to be counted: levels, number of levels, sorted grey values."""

    def __init__(self, levels, n_levels, values):
        self.levels, self.n_levels, self.values = levels, n_levels, values


def _binned(image, mask, bin_count, bin_width):
    levels, n_levels = discretize(image, mask, bin_count=bin_count, bin_width=bin_width)
    return _Binned(levels, n_levels, np.sort(np.asarray(image)[mask].astype(np.float64)))


def _batches(regions, feature_classes):
    """Row numbers by batch: regions alike in number of levels and size stand together."""
    if not regions:
        return []
    order = sorted(range(len(regions)), key=lambda row: (regions[row].n_levels, regions[row].levels.size))
    batches, current = [], []
    for row in order:
        largest = max(4 * regions[row].n_levels ** 2, 2 * regions[row].levels.size)
        if current and (len(current) + 1) * largest > _BATCH_NUMBERS:
            batches.append(current)
            current = []
        current.append(row)
    return [*batches, current]


def _measure_batch(regions, spacings, feature_classes, settings):
    """Measure regions together: float array (n_regions, n_features)."""
    n_levels = max(region.n_levels for region in regions)
    shapes = np.array([region.levels.shape for region in regions])
    levels = np.zeros((len(regions), *shapes.max(axis=0)), dtype=np.int32)
    for row, region in enumerate(regions):
        levels[row, : shapes[row, 0], : shapes[row, 1]] = region.levels
    columns = []
    for name, chosen in feature_classes.items():
        found = _FAMILIES[name](regions, levels, n_levels, shapes, spacings, settings)
        columns += [found[feature] for feature in chosen or FEATURES[name]]
    return np.column_stack(columns)


def _firstorder(regions, levels, n_levels, shapes, spacings, settings):
    counts = np.array([len(region.values) for region in regions])
    values = np.full((len(regions), counts.max()), np.inf)
    probabilities = np.zeros((len(regions), n_levels))
    for row, region in enumerate(regions):
        values[row, : counts[row]] = region.values
        probabilities[row] = np.bincount(region.levels.ravel(), minlength=n_levels + 1)[1:] / counts[row]
    return firstorder(values, counts, probabilities, shift=settings.shift, pixel_area=spacings.prod(axis=1))


def _glcm(regions, levels, n_levels, shapes, spacings, settings):
    counts = matrices.glcm(levels, n_levels, distances=settings.distances, symmetric=settings.symmetric, shapes=shapes)
    if settings.weighting_norm is not None:
        steps = np.abs(matrices.pair_directions(settings.distances)) * spacings[:, None, :]
        weights = np.exp(-(_norm(steps, settings.weighting_norm) ** 2))
        if settings.weighting_norm == "no_weighting":
            weights = np.ones_like(weights)
        counts = np.einsum("ndij,nd->nij", counts, weights)[:, None]
    largest = np.array([region.n_levels for region in regions])
    present = np.array([np.count_nonzero(np.bincount(region.levels.ravel())[1:]) for region in regions])
    return glcm_features(counts, largest, present)


def _glrlm(regions, levels, n_levels, shapes, spacings, settings):
    counts = matrices.glrlm(levels, n_levels, shapes=shapes)
    if settings.weighting_norm is not None:
        steps = np.abs(matrices.RUN_DIRECTIONS) * spacings[:, None, :]
        counts = np.einsum("ndij,nd->nij", counts, _norm(steps, settings.weighting_norm))[:, None]
    return glrlm_features(counts)


def _norm(steps, name):
    """Length of steps (n, d, 2) in mm; 1 under "no_weighting"."""
    if name == "infinity":
        return steps.max(axis=-1)
    if name == "euclidean":
        return np.sqrt((steps**2).sum(axis=-1))
    return steps.sum(axis=-1) if name == "manhattan" else np.ones(steps.shape[:-1])


def _glszm(regions, levels, n_levels, shapes, spacings, settings):
    return glszm_features(*matrices.glszm(levels, n_levels, shapes=shapes))


def _gldm(regions, levels, n_levels, shapes, spacings, settings):
    return gldm_features(
        matrices.gldm(
            levels,
            n_levels,
            distances=settings.distances,
            largest_difference=settings.largest_difference,
            shapes=shapes,
        )
    )


def _ngtdm(regions, levels, n_levels, shapes, spacings, settings):
    return ngtdm_features(matrices.ngtdm(levels, n_levels, distances=settings.distances, shapes=shapes))


def _shape2d(regions, levels, n_levels, shapes, spacings, settings):
    found = [shape2d(region.levels > 0, spacing) for region, spacing in zip(regions, spacings, strict=True)]
    return {name: np.array([row[name] for row in found]) for name in found[0]}


_FAMILIES = {
    "shape2D": _shape2d,
    "firstorder": _firstorder,
    "glcm": _glcm,
    "glrlm": _glrlm,
    "glszm": _glszm,
    "gldm": _gldm,
    "ngtdm": _ngtdm,
}
