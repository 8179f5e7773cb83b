"""From many images to one array: each region prepared, then measured in batches."""

import ctypes
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache, partial
from itertools import chain, groupby, islice
from typing import NamedTuple

import array_api_compat
import numpy as np
from joblib import effective_n_jobs
from tqdm import tqdm

from deepradiomics.exceptions import DeepRadiomicsError, InputError, RegionError
from deepradiomics.texture import _pyradiomics
from deepradiomics.texture._discretization import bin_edges
from deepradiomics.texture._levels import RUN_DIRECTIONS, Padded, all_directions, kernels, pair_directions
from deepradiomics.texture._preparation import Region, prepare_region
from deepradiomics.texture.catalogue import FEATURES
from deepradiomics.texture.features._shape2d import shape2d
from deepradiomics.texture.features._slab import slab_shape

# Images that a thread opens, and pixels of filtered images (16 MiB) that it holds, before it measures.
_SLICE = 16
_PIXELS_HELD = 2**21
# Numbers in the largest array of a batch: 2 MiB of float64, which stays in the cache of a core or near it; on a GPU
# 256 MiB, enough to keep it busy, and so many times as many pixels are held before it measures.
_BATCH_NUMBERS = 2**19
_DEVICE_BATCH_NUMBERS = 2**25
_DEVICE_SHARE = 16
# Fewer regions in a call are measured sooner on the CPU than a GPU has begun.
_FEW = 64
_SHAPES = {"shape": slab_shape, "shape2D": shape2d}


def measure_table(settings, plan, names, rows, opener, *, n_rows=None):
    """Measure each image of each row with the settings of a TextureExtractor.

    names : list of columns, None for a single nameless one. rows : iterable of tuples of images, read a few at a time.
    opener : image -> Radiograph or None. Returns a float64 array (n_rows, n_columns * n_features) and the failures,
    a list of (row, column, code, reason).
    """
    n_cells, threads, size = n_rows and n_rows * len(names), effective_n_jobs(settings.n_jobs), _SLICE
    engine, on_device = _chosen_engine(settings, n_cells)
    if settings.engine == "pyradiomics":
        # Our engine measures slices on threads, which hardly meet; pyradiomics shares one slice among processes.
        threads, size = 1, 8 * threads

    def work(cells):
        opened = _opened(settings, plan, opener, cells)
        return list(opened if on_device else _measured(plan, engine, _PIXELS_HELD, opened))

    cells = ((row, column, source) for row, sources in enumerate(rows) for column, source in enumerate(sources))
    slices = iter(lambda: list(islice(cells, size)), [])
    measured, failures, n_seen = {}, [], 0
    with ExitStack() as stack:
        # Neither a pool nor a bar where there is no need: both take longer to set up than a region to measure.
        results = map(work, slices)
        if threads > 1:
            pool = ThreadPoolExecutor(threads)
            stack.callback(pool.shutdown, cancel_futures=True)
            results = _in_order(pool, work, slices, 2 * threads)
        results = chain.from_iterable(results)
        if on_device:
            # All threads prepare; this one has the device, and measures what several slices gave.
            results = _measured(plan, engine, _DEVICE_SHARE * _PIXELS_HELD, results)
        if settings.verbose:
            results = stack.enter_context(tqdm(results, total=n_cells, desc="texture", unit="region"))
        for row, column, value in results:
            n_seen = row + 1
            if not isinstance(value, Exception):
                measured[row, column] = value
            elif settings.on_error == "raise":
                name = names[column]
                raise value.at(f"row {row}" if name is None else f"row {row}, column {name!r}") from value
            else:
                failures.append((row, names[column], value.code, str(value)))
    n_features = len(plan.names)
    table = np.full((n_rows or n_seen, len(names) * n_features), np.nan)
    for (row, column), features in measured.items():
        table[row, column * n_features : (column + 1) * n_features] = np.nan if features is None else features
    return table, failures


def _in_order(pool, work, slices, most):
    """Work on slices in the threads of a pool; so many at most are begun or wait, since prepared regions are large."""
    begun = deque()
    for cells in slices:
        begun.append(pool.submit(work, cells))
        if len(begun) == most:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def _chosen_engine(settings, n_cells):
    """Choose what measures regions, and tell whether it does so on a device; their number may be unknown."""
    if settings.engine == "pyradiomics":
        return partial(_pyradiomics.measure, standard=settings.standard, n_jobs=settings.n_jobs), False
    few = n_cells is not None and n_cells < _FEW
    device, portions = find_device("cpu" if few and settings.device == "auto" else settings.device), None
    if device is not None:
        from deepradiomics.training.devices import Portions

        portions = Portions()
    return partial(measure, standard=settings.standard, device=device, portions=portions), device is not None


def _opened(settings, plan, opener, cells):
    """Open and prepare images: yield (row, column, region, None or what is wrong)."""
    for row, column, source in cells:
        yield row, column, _try_region(settings, plan, opener, source)


def _measured(plan, engine, most_pixels, opened):
    """Measure regions, so many together as hold some pixels: yield (row, column, features, None or what is wrong)."""
    held, n_pixels = [], 0
    for cell in chain(opened, [None]):
        if cell is not None:
            held.append(cell)
            if isinstance(cell[2], Region):
                n_pixels += cell[2].mask.size * max(1, len(cell[2].images))
        if cell is None or n_pixels >= most_pixels:
            regions = [value for _, _, value in held if isinstance(value, Region)]
            found = iter(_features(plan, engine, regions) if regions else ())
            for row, column, value in held:
                yield row, column, next(found) if isinstance(value, Region) else value
            held, regions, n_pixels = [], [], 0


def _features(plan, engine, regions):
    """Features of each region, or what is wrong with one that the memory of a device does not hold."""
    try:
        tables = []
        for images, masks, spacings, classes, own in _jobs(plan, regions):
            tables.append(engine(images, masks, classes, spacings=spacings, **own))
        return list(_in_columns(plan, regions, tables))
    except DeepRadiomicsError as error:
        if error.code != "out_of_memory":
            raise
    if len(regions) > 1:
        middle = len(regions) // 2
        return _features(plan, engine, regions[:middle]) + _features(plan, engine, regions[middle:])
    height, width = regions[0].mask.shape
    return [
        RegionError(
            f"the memory of the device does not hold the region of {height} x {width} pixels; measure it with "
            "device='cpu', or crop it",
            code="out_of_memory",
        )
    ]


def _try_region(settings, plan, opener, source):
    """Return the region, None where there is no image, or what is wrong with it."""
    try:
        radiograph = opener(source)
        return None if radiograph is None else prepare_region(settings, plan, radiograph)
    except (InputError, RegionError) as error:
        return error


def _jobs(plan, regions):
    """Yield what is measured together: (images, masks, spacings, classes, settings); shapes first."""
    spacings = [region.spacing for region in regions]
    if plan.shape:
        masks = [region.shape_mask for region in regions]
        yield [mask.astype(np.float64) for mask in masks], masks, spacings, plan.shape, {"bin_count": 1}
    first = 0
    for own, items in groupby(plan.filters if plan.classes else (), key=lambda item: item.measure):
        n = sum(len(item.names) for item in items)
        images = [image for region in regions for image in region.images[first : first + n]]
        masks = [region.mask for region in regions for _ in range(n)]
        yield images, masks, [spacing for spacing in spacings for _ in range(n)], plan.classes, own
        first += n


def _in_columns(plan, regions, tables):
    """Put the results of `_jobs` into the order of the names: float array (n_regions, n_features)."""
    n = len(regions)
    n_images = sum(len(item.names) for item in plan.filters)
    shapes = [tables.pop(0)] if plan.shape else []
    images = [np.concatenate([table.reshape(n, -1, table.shape[1]) for table in tables], axis=1)] if tables else []
    if plan.bone:
        images.append(np.array([region.bone for region in regions]).reshape(n, n_images, -1))
    return np.hstack(shapes + ([np.concatenate(images, axis=2).reshape(n, -1)] if images else []))


class _Settings(NamedTuple):
    """What the matrices are counted with."""

    distances: tuple
    weighting_norm: str | None
    symmetric: bool
    largest_difference: int
    shift: float
    ibsi: bool


class _Batch(NamedTuple):
    """Regions that are measured together."""

    levels: Padded  # of numpy or, on a device, of torch, as are the next two
    counts: np.ndarray  # pixels at each level (n, L)
    statistics: np.ndarray  # of the grey values (n, 15)
    spacings: np.ndarray


# The parameters are those of the other engine, _pyradiomics.measure.
def measure(  # noqa: PLR0913
    images,
    masks,
    classes,
    *,
    spacings=None,
    bin_count=None,
    bin_width=None,
    distances=(1,),
    weighting_norm=None,
    symmetrical_glcm=True,
    gldm_a=0,
    voxel_array_shift=0,
    standard="pyradiomics",
    device="auto",
    portions=None,
):
    """Measure regions of any size: float64 array (n_regions, n_features) in pyradiomics' order.

    images : filtered float arrays (H, W), finite inside the masks. masks : bool arrays (H, W) with a pixel each.
    classes : {class: features, or None for all}. The rest are settings of TextureExtractor; spacings are in mm.

    Regions are sorted by their number of levels and measured in batches whose matrices are padded to the largest number
    of levels; absent levels count nothing, so a batch equals its regions one by one. Devices agree to 1e-6 relative;
    counts are equal. Where a GPU's memory runs out, ``portions`` halves this batch and the next ones.
    """
    if standard == "ibsi" and voxel_array_shift:
        raise InputError(
            f"voxel_array_shift is {voxel_array_shift}; the IBSI adds nothing to grey values, so leave it 0 or take "
            "standard='pyradiomics'"
        )
    settings = _Settings(distances, weighting_norm, symmetrical_glcm, gldm_a, voxel_array_shift, standard == "ibsi")
    classes = {name: chosen or FEATURES[name] for name, chosen in classes.items()}
    binning = {"bin_count": bin_count, "bin_width": bin_width, "from_minimum": settings.ibsi}
    regions = list(zip(images, masks, spacings or [(1.0, 1.0)] * len(images), strict=True))
    # What describes the mask alone is no work for a GPU.
    found = None if classes.keys() <= _SHAPES.keys() else find_device(device)
    pad = max(distances)
    tables, order = [np.empty((0, sum(map(len, classes.values()))))], [np.empty(0, int)]
    if found is None:
        binned = [_binned(*region, binning) for region in regions]
        for rows in _batches([own.levels.shape for own in binned], [len(own.counts) for own in binned], _BATCH_NUMBERS):
            tables.append(_measure_batch(_stacked([binned[row] for row in rows], pad), classes, settings))
            order.append(rows)
    else:
        inside = (np.asarray(image)[mask] for image, mask, _ in regions)
        edges = [bin_edges(own.min(), own.max(), **binning).astype(np.float64) for own in inside]

        def measure_rows(rows):
            batch = _sent([regions[row] for row in rows], [edges[row] for row in rows], pad, found)
            return _measure_batch(batch, classes, settings)

        sizes = [mask.shape for _, mask, _ in regions]
        for rows in _batches(sizes, [len(own) - 1 for own in edges], _DEVICE_BATCH_NUMBERS):
            tables += [measure_rows(rows)] if portions is None else portions(measure_rows, rows)
            order.append(rows)
    return np.concatenate(tables)[np.argsort(np.concatenate(order))]


def _measure_batch(batch, classes, settings):
    """Measure regions together: float array (n_regions, n_features)."""
    # Not at the top: they load numba.
    from deepradiomics.texture.features._firstorder import firstorder
    from deepradiomics.texture.features._glcm import glcm_features
    from deepradiomics.texture.features._ngtdm import ngtdm_features
    from deepradiomics.texture.features._sizes import SIZE_ORDER, size_features

    # Everything is counted and summed before anything is looked at, so that a device is waited for once.
    sums = {name: _sums(name, batch, settings) for name in classes if name not in _SHAPES}
    sums["all"] = [batch.counts, batch.statistics]
    if not isinstance(batch.counts, np.ndarray):
        found = iter(kernels(batch.counts).on_the_host([array for own in sums.values() for array in own]))
        sums = {name: [next(found) for _ in own] for name, own in sums.items()}
    n_levels, (counts, statistics), columns = batch.levels.n_levels, sums["all"], []
    for name, features in classes.items():
        if name == "firstorder":
            areas = batch.spacings.prod(axis=1)
            found = firstorder(statistics, counts, float(settings.shift), areas, settings.ibsi)
        elif name == "glcm":
            present = counts > 0
            found = glcm_features(*sums[name], n_levels - present[:, ::-1].argmax(axis=1), present.sum(axis=1))
        elif name == "ngtdm":
            found = ngtdm_features(*sums[name])
        elif name in SIZE_ORDER:
            found = size_features(*sums[name], len(sums[name][-1]) // len(counts))[:, SIZE_ORDER[name]]
        else:
            found = _shapes(_SHAPES[name], batch)
        if tuple(features) != FEATURES[name]:
            found = found[:, [FEATURES[name].index(feature) for feature in features]]
        columns.append(found)
    return np.hstack(columns)


def _sums(name, batch, settings):
    """Count the matrices of a class and add up what its features are made of: arrays where the levels lie."""
    if name == "firstorder":
        return []
    count, offsets = kernels(batch.levels.levels), all_directions(settings.distances)
    if name == "glcm":
        counts = count.glcm(*batch.levels, offsets[: len(offsets) // 2], settings.symmetric)
        return count.pair_sums(_weighted(name, counts, batch, settings))
    if name == "ngtdm":
        return [count.ngtdm(*batch.levels, offsets, not settings.ibsi)]
    if name == "glszm":
        return count.size_sums(*count.glszm(*batch.levels))
    if name == "glrlm":
        counts = _weighted(name, count.glrlm(*batch.levels, RUN_DIRECTIONS, settings.ibsi), batch, settings)
    else:
        counts = count.gldm(*batch.levels, offsets, settings.largest_difference)
    sizes = np.arange(1.0, counts.shape[-1] + 1)[None]
    return count.size_sums(counts.reshape(-1, *counts.shape[-2:]), sizes)


def _weighted(name, counts, batch, settings):
    """Add the matrices of the directions up, weighted by the length of a step in mm: (n, 1, ...)."""
    norm = settings.weighting_norm
    if norm is None:
        return counts
    directions = pair_directions(settings.distances) if name == "glcm" else RUN_DIRECTIONS
    steps = np.abs(directions) * batch.spacings[:, None, :]
    lengths = {
        "infinity": steps.max(axis=-1),
        "euclidean": np.sqrt((steps**2).sum(axis=-1)),
        "manhattan": steps.sum(axis=-1),
        "no_weighting": np.ones(steps.shape[:-1]),
    }[norm]
    weights = np.exp(-(lengths**2)) if name == "glcm" and norm != "no_weighting" else lengths
    weights = array_api_compat.array_namespace(counts).asarray(weights, device=array_api_compat.device(counts))
    return (counts * weights[:, :, None, None]).sum(axis=1)[:, None]


def _shapes(measure_one, batch):
    """Measure the outline of each region: float array (n, n_features)."""
    levels, pad, heights, widths, _ = batch.levels
    levels = levels.cpu().numpy() if hasattr(levels, "cpu") else levels
    found = [
        measure_one(own[pad : pad + height, pad : pad + width] > 0, spacing)
        for own, height, width, spacing in zip(levels, heights, widths, batch.spacings, strict=True)
    ]
    return np.array([list(row.values()) for row in found])


def _batches(shapes, n_levels, most):
    """Row numbers by batch: regions alike in number of levels and size are measured together."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    batches, current = [], []
    for row in sorted(range(len(sizes)), key=lambda row: (n_levels[row], sizes[row])):
        largest = max(4 * n_levels[row] ** 2, 2 * sizes[row])
        if current and (len(current) + 1) * largest > most:
            batches.append(current)
            current = []
        current.append(row)
    return [*batches, current] if current else []


class _Binned(NamedTuple):
    """A region ready to be counted."""

    levels: np.ndarray
    counts: np.ndarray  # pixels at each level, from 1 to the largest
    statistics: np.ndarray  # of the grey values
    spacing: tuple


def _binned(image, mask, spacing, binning):
    from deepradiomics.texture import _cpu

    mask = np.ascontiguousarray(mask)
    values = _cpu.inside(np.ascontiguousarray(image), mask)
    edges = bin_edges(values.min(), values.max(), **binning)
    values = values.astype(np.float64, copy=False)
    levels, counts = _cpu.discretize(values, mask, edges.astype(np.float64, copy=False))
    return _Binned(levels, counts[1:], _cpu.statistics(values), spacing)


def _stacked(regions, pad):
    """Stack binned regions of different size, with zeros round them: `_Batch`."""
    n_levels = max(len(region.counts) for region in regions)
    heights, widths = np.array([region.levels.shape for region in regions]).T.copy()
    levels = np.zeros((len(regions), heights.max() + 2 * pad, widths.max() + 2 * pad), dtype=np.int32)
    counts = np.zeros((len(regions), n_levels))
    for row, region in enumerate(regions):
        levels[row, pad : pad + heights[row], pad : pad + widths[row]] = region.levels
        counts[row, : len(region.counts)] = region.counts
    statistics = np.array([region.statistics for region in regions])
    padded = Padded(levels, pad, heights, widths, n_levels)
    return _Batch(padded, counts, statistics, np.array([region.spacing for region in regions]))


def _sent(regions, edges, pad, device):
    """Send regions to a device and bin them there: `_Batch`."""
    from deepradiomics.texture import _gpu

    images, masks, spacings = zip(*regions, strict=True)
    levels, values = _gpu.discretize(images, masks, edges, pad, device)
    n_levels = max(len(own) for own in edges) - 1
    counts = _gpu.level_counts(levels, n_levels)
    heights, widths = np.array([mask.shape for mask in masks]).T
    statistics = _gpu.statistics_of_sorted(values, counts.sum(dim=1))
    return _Batch(Padded(levels, pad, heights, widths, n_levels), counts, statistics, np.array(spacings))


def find_device(name):
    """Choose where to measure: None for compiled loops on the CPU, or a device of torch that has 64-bit numbers."""
    # torch is loaded only where a GPU's driver is.
    if name in (None, "cpu") or (name == "auto" and not _has_driver()):
        return None
    from deepradiomics.training.devices import resolve_device

    found = resolve_device(name)
    if found.type not in ("cpu", "cuda"):
        raise InputError(
            f"texture is measured on 'cpu' or 'cuda', not on {found.type!r}: other devices lack 64-bit numbers"
        )
    return None if name == "auto" and found.type == "cpu" else found


@cache
def _has_driver():
    """Whether the driver of a GPU is installed; to look for it takes longer than to measure a region."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
