"""From many images to one matrix: open, prepare and filter each region, then measure them in batches."""

from contextlib import closing
from functools import partial
from importlib import import_module
from itertools import islice
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from tqdm import tqdm

from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.texture import native, preparation
from deepradiomics.texture.bone import measure_bone
from deepradiomics.texture.plan import feature_names

# Images that a thread opens, and pixels of filtered images (16 MiB) that it holds, before it measures.
_SLICE = 16
_PIXELS_HELD = 2**21
_FAILURE = ["row", "column", "code", "reason"]


class _Region(NamedTuple):
    """A region ready to be measured, cropped to its box."""

    images: list
    mask: np.ndarray
    shape_mask: np.ndarray
    spacing: tuple | None
    bone: np.ndarray


def measure_all(settings, plan, names, rows, opener, *, n_rows=None):
    """Measure each image of each row.

    Parameters
    ----------
    settings : TextureExtractor
        The extractor.
    plan : Plan
        What is measured.
    names : list of str or None
        Names of the columns, for messages; None where there is a single nameless one.
    rows : iterable of tuples
        The images of each row, as ``opener`` takes them; read a few at a time.
    opener : callable
        Image -> Radiograph, or None where there is none.
    n_rows : int, default=None
        Number of rows, for the progress bar; None means unknown.

    Returns
    -------
    values : float64 array of shape (n_rows, n_columns * n_features)
        The features; NaN where there is no image or where it failed.
    failures : DataFrame of shape (n_failures, 4)
        Columns ``row``, ``column``, ``code``, ``reason``.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics import TextureExtractor, as_radiograph
    >>> from deepradiomics.texture.measurement import measure_all
    >>> from deepradiomics.texture.plan import make_plan
    >>> settings = TextureExtractor(feature_classes={"firstorder": ["Maximum"]})
    >>> image = np.arange(16.0).reshape(4, 4)
    >>> measure_all(settings, make_plan(settings), ["hip"], [(image,), (None,)], as_radiograph)[0]
    array([[15.],
           [nan]])
    """
    cells = ((row, column, source) for row, sources in enumerate(rows) for column, source in enumerate(sources))
    total = None if n_rows is None else n_rows * len(names)
    bar = tqdm(total=total, desc="texture", unit="region", disable=not settings.verbose)
    measured, failures, n_seen = {}, [], 0
    with bar, closing(_measured_slices(settings, plan, opener, cells)) as slices:
        for found in slices:
            for row, column, value in found:
                if isinstance(value, Exception):
                    failures.append(_failure(settings, row, names[column], value))
                elif value is not None:
                    measured[row, column] = value
                n_seen = row + 1
            bar.update(len(found))
    n_features = len(feature_names(plan))
    table = np.full((n_rows or n_seen, len(names) * n_features), np.nan)
    for (row, column), features in measured.items():
        table[row, column * n_features : (column + 1) * n_features] = features
    return table, pd.DataFrame(failures, columns=_FAILURE)


def _measured_slices(settings, plan, opener, cells):
    """Yield lists of (row, column, features, None or what is wrong), a few images at a time, in order.

    The native engine measures slices on threads, which hardly meet; pyradiomics shares one slice among processes.
    """
    threads, size, pixels = effective_n_jobs(settings.n_jobs), _SLICE, _PIXELS_HELD
    inner = 1
    if settings.engine == "pyradiomics":
        threads, size, inner = 1, 8 * threads, settings.n_jobs
    elif native.find_device(settings.device) is not None:
        size, pixels = 64 * size, 64 * pixels
    work = delayed(partial(_measure_slice, settings, plan, opener, pixels, inner))
    parts = iter(lambda: list(islice(cells, size)), [])
    with Parallel(n_jobs=threads, prefer="threads", return_as="generator") as parallel:
        yield from parallel(work(part) for part in parts)


def _measure_slice(settings, plan, opener, most_pixels, n_jobs, cells):
    """Open, prepare and measure some images: list of (row, column, features, None or what is wrong)."""
    found, held, n_pixels = [], [], 0
    for row, column, source in cells:
        region = _try_region(settings, plan, opener, source)
        found.append([row, column, region])
        if isinstance(region, _Region):
            held.append(found[-1])
            n_pixels += region.mask.size * max(1, len(region.images))
        if n_pixels >= most_pixels:
            _measure_held(settings, plan, held, n_jobs)
            held, n_pixels = [], 0
    _measure_held(settings, plan, held, n_jobs)
    return found


def _measure_held(settings, plan, held, n_jobs):
    """Put features in the place of each region."""
    if held:
        features = _measure_batch(settings, plan, [region for _, _, region in held], n_jobs)
        for cell, own in zip(held, features, strict=True):
            cell[2] = own


def _failure(settings, row, name, error):
    """Raise the error with its place, or return it as a line of the table of failures."""
    if settings.on_error == "raise":
        raise error.at(f"row {row}" if name is None else f"row {row}, column {name!r}") from error
    return row, name, error.code, str(error)


def _try_region(settings, plan, opener, source):
    """Return the region, None where there is no image, or what is wrong with it."""
    try:
        radiograph = opener(source)
        return None if radiograph is None else prepare_region(settings, plan, radiograph)
    except (InputError, RegionError) as error:
        return error


def prepare_region(settings, plan, radiograph):
    """Bring one region to the state in which it is measured, in pyradiomics' order of steps.

    Parameters
    ----------
    settings : TextureExtractor
        The extractor.
    plan : Plan
        What is measured.
    radiograph : Radiograph
        The image and its mask.

    Returns
    -------
    Region
        The filtered images and the masks, cropped to the box round the region.

    Raises
    ------
    RegionError
        If the region is empty, too small, too thin, too flat or not finite.
    InputError
        If it has to be resampled and its spacing is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics import Radiograph, TextureExtractor
    >>> from deepradiomics.texture.measurement import prepare_region
    >>> from deepradiomics.texture.plan import make_plan
    >>> settings = TextureExtractor(["Original", "Square"])
    >>> region = prepare_region(settings, make_plan(settings), Radiograph(np.arange(64).reshape(8, 8)))
    >>> len(region.images), region.mask.shape
    (2, (8, 8))
    """
    pixels, mask, spacing = _preprocess(settings, plan, radiograph)
    measured = mask
    if settings.resegment_range is not None:
        measured = preparation.resegment(pixels, mask, settings.resegment_range, mode=settings.resegment_mode)
        _check_mask(settings, measured, when=" after resegmentation")
    if plan.classes or plan.bone:
        _check_levels(pixels[measured], settings.bin_count, settings.bin_width, settings.min_levels, "original")
    window = preparation.box(measured)
    images, bone = [], []
    for item, name, image in _filtered(plan, pixels, spacing or (1.0, 1.0)):
        if name != "original":
            _check_filtered(image[measured], item.measure, name)
        if plan.classes:
            images.append(image[window])
        binning = {name: item.measure[name] for name in ("bin_count", "bin_width")}
        bone += measure_bone(image, measured, plan.bone, spacing or (1.0, 1.0), binning)
    shape_mask = measured if settings.resegment_shape else mask
    # pyradiomics crops the mask of the shape features to the box of the resegmented one, too.
    return _Region(images, measured[window], shape_mask[window], spacing, np.array(bone))


def _filtered(plan, pixels, spacing):
    """Yield each filter, the name of its image, and the image."""
    for item in plan.filters if plan.classes or plan.bone else []:
        for name, image in item.apply(pixels, spacing=spacing).items():
            yield item, name, image


def _preprocess(settings, plan, radiograph):
    """Check, normalise, resample and crop one image."""
    mask = np.ones(radiograph.pixels.shape, dtype=bool) if radiograph.mask is None else radiograph.mask
    pixels, spacing = radiograph.pixels.astype(np.float64), radiograph.spacing
    preparation.check_mask(mask)
    whole = settings.normalize or settings.resampled_pixel_spacing is not None
    whole = whole or plan.bone or any(item.names != ["original"] for item in plan.filters)
    preparation.check_finite(pixels, None if whole else mask)
    if settings.normalize:
        pixels = preparation.normalize(pixels, scale=settings.normalize_scale, outliers=settings.remove_outliers)
    if plan.needs_spacing or settings.resampled_pixel_spacing is not None:
        preparation.check_spacing(spacing)
    if settings.resampled_pixel_spacing is not None:
        pixels, mask, spacing = preparation.resample(
            pixels,
            mask,
            spacing,
            settings.resampled_pixel_spacing,
            interpolator=settings.interpolator,
            pad_distance=settings.pad_distance,
        )
    elif settings.pre_crop:
        pixels, mask = preparation.crop(pixels, mask, settings.pad_distance)
    _check_mask(settings, mask)
    return pixels, mask, spacing


def _check_mask(settings, mask, when=""):
    fewest = settings.min_pixels
    if settings.minimum_roi_size is not None:
        fewest = max(fewest, settings.minimum_roi_size + 1)
    preparation.check_mask(mask, min_pixels=fewest, min_dimensions=settings.minimum_roi_dimensions, when=when)


def _check_levels(values, bin_count, bin_width, min_levels, name):
    preparation.check_levels(
        values, bin_count=bin_count, bin_width=bin_width, min_levels=min_levels, image=f"the {name} image"
    )


def _check_filtered(values, measure, name):
    """Refuse a filtered image that is not finite or has too many levels; few levels are what a filter may leave."""
    if not np.isfinite(values).all():
        raise RegionError(
            f"the {name} image has NaN or infinite values inside the mask, where the filter is undefined; leave the "
            "filter out, or change its settings",
            code="filter_undefined",
        )
    _check_levels(values, measure["bin_count"], measure["bin_width"], None, name)


def _measure_batch(settings, plan, regions, n_jobs):
    """Measure prepared regions: float array of shape (n_regions, n_features)."""
    engine = import_module(f"deepradiomics.texture.{settings.engine}").measure
    common = {"standard": settings.standard, "device": settings.device, "n_jobs": n_jobs}
    spacings = [region.spacing or (1.0, 1.0) for region in regions]
    parts = []
    if plan.shape:
        masks = [region.shape_mask for region in regions]
        pixels = [mask.astype(np.float64) for mask in masks]
        parts.append(engine(pixels, masks, plan.shape, bin_count=1, spacings=spacings, **common).to_numpy())
    if plan.classes or plan.bone:
        parts.append(_measure_images(plan, regions, spacings, partial(engine, **common)))
    return np.hstack(parts)


def _measure_images(plan, regions, spacings, engine):
    """Measure the filtered images: float array of shape (n_regions, n_images * n_features), bone texture last."""
    blocks, first = [], 0
    for measure, n_images in _runs_of_equal_settings(plan) if plan.classes else []:
        images = [image for region in regions for image in region.images[first : first + n_images]]
        masks = [region.mask for region in regions for _ in range(n_images)]
        repeated = [spacing for spacing in spacings for _ in range(n_images)]
        table = engine(images, masks, plan.classes, spacings=repeated, **measure)
        blocks.append(table.to_numpy().reshape(len(regions), n_images, -1))
        first += n_images
    n_images = sum(len(item.names) for item in plan.filters)
    parts = [np.concatenate(blocks, axis=1)] if plan.classes else []
    if plan.bone:
        parts.append(np.array([region.bone for region in regions]).reshape(len(regions), n_images, -1))
    return np.concatenate(parts, axis=2).reshape(len(regions), -1)


def _runs_of_equal_settings(plan):
    """Join filters that are measured alike: list of (settings, number of images)."""
    runs = []
    for item in plan.filters:
        if runs and runs[-1][0] == item.measure:
            runs[-1] = (item.measure, runs[-1][1] + len(item.names))
        else:
            runs.append((item.measure, len(item.names)))
    return runs
