"""Bring a region to the state in which it is measured: normalized, resampled, cropped, resegmented, filtered.

The steps and their order are those of pyradiomics 3.0.1 on a two-dimensional image of 64-bit floats.
"""

from typing import NamedTuple

import numpy as np

from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.texture._discretization import discretize
from deepradiomics.texture.features._direction import directional_glcm
from deepradiomics.texture.features._filterbank import gabor_energies, laws_energies, lbp_histogram
from deepradiomics.texture.features._fractal import blanket_signature
from deepradiomics.texture.features._spectrum import power_spectrum
from deepradiomics.texture.features._variogram import variogram_slopes

# A matrix of n levels has n^2 cells in each of 4 directions: 4096 levels are half a gigabyte a region.
MAX_LEVELS = 4096
# SimpleITK's interpolators by the number that older versions gave them, from 1.
INTERPOLATORS = (
    "sitkNearestNeighbor",
    "sitkLinear",
    "sitkBSpline",
    "sitkGaussian",
    "sitkLabelGaussian",
    "sitkHammingWindowedSinc",
    "sitkCosineWindowedSinc",
    "sitkWelchWindowedSinc",
    "sitkLanczosWindowedSinc",
    "sitkBlackmanWindowedSinc",
)
# The classes of bone texture, measured on the image with its context; each takes what it needs of these.
_BONE_CLASSES = {
    "fractal": lambda pixels, mask, spacing, binning: blanket_signature(pixels, mask),
    "variogram": lambda pixels, mask, spacing, binning: variogram_slopes(pixels, mask, spacing),
    "spectrum": lambda pixels, mask, spacing, binning: power_spectrum(pixels, mask, spacing),
    "gabor": lambda pixels, mask, spacing, binning: gabor_energies(pixels, mask),
    "laws": lambda pixels, mask, spacing, binning: laws_energies(pixels, mask),
    "lbp": lambda pixels, mask, spacing, binning: lbp_histogram(pixels, mask),
    "glcmdirection": lambda pixels, mask, spacing, binning: directional_glcm(*discretize(pixels, mask, **binning)),
}


class Region(NamedTuple):
    """A region ready to be measured, cropped to its box."""

    images: list  # filtered, float (h, w)
    mask: np.ndarray
    shape_mask: np.ndarray  # what the shape features describe
    spacing: tuple
    bone: list  # bone texture of each image


def prepare_region(settings, plan, radiograph):
    """Prepare one image and its mask with the settings of a TextureExtractor: `Region`."""
    from deepradiomics.texture._cpu import inside

    pixels, mask, spacing = preprocess(settings, plan, radiograph)
    # Contiguous, and the mask no longer read-only: a kernel is compiled anew for each kind of array.
    pixels, mask, limits = np.ascontiguousarray(pixels), np.array(mask, order="C"), mask_limits(settings)
    first, last = check_mask(mask, **limits)
    measured = mask
    if settings.resegment_range is not None:
        measured = _resegment(pixels, mask, settings.resegment_range, settings.resegment_mode)
        first, last = check_mask(measured, when=" after resegmentation", **limits)
    window = slice(first[0], last[0] + 1), slice(first[1], last[1] + 1)
    spacing = spacing or (1.0, 1.0)
    textured = plan.classes or plan.bone
    if textured:
        values = inside(pixels, measured)
        check_levels(values, **plan.binning, min_levels=settings.min_levels, image="the original image")
    images, bone = [], []
    for item in plan.filters if textured else ():
        binning = {name: item.measure[name] for name in ("bin_count", "bin_width")}
        for name, image in item.apply(pixels, spacing=spacing).items():
            if name != "original":
                check_filtered(inside(np.ascontiguousarray(image), measured), name, binning)
            if plan.classes:
                images.append(image[window])
            for bone_class, features in plan.bone.items():
                found = _BONE_CLASSES[bone_class](image, measured, spacing, binning)
                bone += [found[feature] for feature in features]
    # pyradiomics crops the mask of the shape features to the box of the resegmented one, too.
    shape_mask = measured if settings.resegment_shape else mask
    return Region(images, measured[window], shape_mask[window], spacing, bone)


def preprocess(settings, plan, radiograph):
    """Check, normalize, resample and crop an image: (pixels, mask, spacing)."""
    mask = np.ones(radiograph.pixels.shape, dtype=bool) if radiograph.mask is None else radiograph.mask
    pixels, spacing = radiograph.pixels.astype(np.float64), radiograph.spacing
    resampled = settings.resampled_pixel_spacing is not None
    if not mask.any():
        check_mask(mask)
    whole = settings.normalize or resampled or plan.bone or any(item.names != ["original"] for item in plan.filters)
    _check_finite(pixels, None if whole else mask)
    if settings.normalize:
        pixels = _normalize(pixels, settings.normalize_scale, settings.remove_outliers)
    if spacing is None and (plan.needs_spacing or resampled):
        raise InputError(
            "the pixel spacing is unknown, lengths in mm cannot be turned into pixels; read the image with "
            "read_radiograph(source, spacing=(row_mm, column_mm))",
            code="unknown_spacing",
        )
    pad = settings.pad_distance
    if resampled:
        return _resample(pixels, mask, spacing, settings.resampled_pixel_spacing, settings.interpolator, pad)
    return (*_crop(pixels, mask, pad), spacing) if settings.pre_crop else (pixels, mask, spacing)


def _normalize(pixels, scale, outliers):
    """Shift and scale a whole image to mean 0 and standard deviation ``scale``."""
    import SimpleITK as sitk

    # ITK's own filter, so that a value on the edge of a bin falls to the same side as in pyradiomics.
    result = sitk.GetArrayFromImage(sitk.Normalize(sitk.GetImageFromArray(pixels)))
    if outliers is not None:
        np.clip(result, -outliers, outliers, out=result)
    return result * scale


def _resample(pixels, mask, spacing, new_spacing, interpolator, pad_distance):
    """Resample the surroundings of a region; the mask takes the nearest neighbour: (pixels, mask, spacing).

    A direction in which the region is a single pixel wide, or whose new spacing is 0, keeps its spacing.
    """
    import SimpleITK as sitk

    old = np.array(spacing, dtype=float)
    first, last = _bounds(mask)
    new = np.where((np.array(new_spacing) == 0) | (first == last), old, new_spacing)
    if np.allclose(old, new):
        return *_crop(pixels, mask, pad_distance), spacing
    ratio = old / new
    # Half a pixel more than the box on each side; never beyond the image.
    low = np.maximum(np.floor((first - 0.5) * ratio - pad_distance), 0)
    high = np.minimum(np.ceil((last + 0.5) * ratio + pad_distance), np.ceil(np.array(mask.shape) * ratio) - 1)
    origin = (0.5 * (new - old) / old + low / ratio) * old
    grid = sitk.ResampleImageFilter()
    grid.SetOutputSpacing(new[::-1].tolist())
    grid.SetOutputOrigin(origin[::-1].tolist())
    grid.SetSize((high - low + 1).astype(int)[::-1].tolist())
    found = []
    for array, method in ((pixels, interpolator), (mask.astype(np.uint8), "sitkNearestNeighbor")):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(old[::-1].tolist())
        grid.SetInterpolator(getattr(sitk, method))
        found.append(sitk.GetArrayFromImage(grid.Execute(image)))
    return found[0], found[1] > 0, tuple(new.tolist())


def _crop(pixels, mask, pad_distance):
    """Cut the box round a region out of an image, with some context as far as the image goes: (pixels, mask)."""
    first, last = _bounds(mask)
    (top, left), (bottom, right) = np.maximum(first - pad_distance, 0).tolist(), (last + pad_distance + 1).tolist()
    return pixels[top:bottom, left:right], mask[top:bottom, left:right]


def _bounds(mask):
    """First and last row and column of a region, as two int arrays (row, column)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([rows[0], columns[0]]), np.array([rows[-1], columns[-1]])


def _resegment(pixels, mask, limits, mode):
    """Keep the pixels of a region whose grey values lie within one or two limits: bool (H, W)."""
    values, limits = pixels[mask], sorted(limits)
    if mode == "relative":
        limits = [values.max() * limit for limit in limits]
    elif mode == "sigma":
        limits = [values.mean() + values.std() * limit for limit in limits]
    kept = mask & (pixels >= limits[0])
    return kept if len(limits) == 1 else kept & (pixels <= limits[1])


def mask_limits(settings):
    """Fewest pixels and dimensions of a region, as `check_mask` takes them."""
    fewest = settings.min_pixels
    if settings.minimum_roi_size is not None:
        fewest = max(fewest, settings.minimum_roi_size + 1)
    return {"min_pixels": fewest, "min_dimensions": settings.minimum_roi_dimensions}


def check_mask(mask, *, min_pixels=1, min_dimensions=1, when=""):
    """Refuse a region that is empty, too small or too thin, ``when`` in the message; return its `_bounds`."""
    found = int(np.count_nonzero(mask))
    if found == 0:
        raise RegionError(f"the mask has no pixel{when}; give a mask that marks the bone", code="empty_region")
    if found < min_pixels:
        raise RegionError(
            f"the mask has {found} pixels{when}, at least {min_pixels} are needed; use a larger region, or lower "
            "min_pixels or minimum_roi_size",
            code="too_few_pixels",
        )
    first, last = _bounds(mask)
    if (found == 1 or min_dimensions > 1) and np.count_nonzero(first != last) < min_dimensions:
        raise RegionError(
            f"the mask lies in a single row, column or pixel{when}, texture in a plane needs {min_dimensions} "
            "dimensions; use a larger region, or set minimum_roi_dimensions=1",
            code="too_thin",
        )
    return first, last


def _check_finite(pixels, mask):
    """Refuse NaN and infinite grey values inside a mask, or anywhere, since a filter reads the context too."""
    finite = np.isfinite(pixels)
    if not finite.all() and (count := int(np.count_nonzero(~finite if mask is None else ~finite & mask))):
        where = "in the image, which filters and normalisation read as a whole" if mask is None else "inside the mask"
        raise RegionError(
            f"{count} pixels {where} are NaN or infinite, grey values must be finite; leave them out of the mask, "
            "crop them away or replace them",
            code="not_finite",
        )


def check_filtered(values, name, binning):
    """Refuse a filtered image that is not finite or has too many levels; few levels are what a filter may leave."""
    if not np.isfinite(values).all():
        raise RegionError(
            f"the {name} image has NaN or infinite values inside the mask, where the filter is undefined; leave the "
            "filter out, or change its settings",
            code="filter_undefined",
        )
    check_levels(values, **binning, image=f"the {name} image")


def check_levels(values, *, bin_count=None, bin_width=None, min_levels=None, image="the image"):
    """Refuse a region whose grey values fall into too few bins to have a texture, or into too many to be counted."""
    low, high = float(values.min()), float(values.max())
    how = f"bin_count={bin_count}" if bin_width is None else f"bin_width={bin_width:g}"
    found = f"grey levels after binning with {how} (values from {low:g} to {high:g})"
    spanned = bin_count if bin_width is None else np.floor(high / bin_width) - np.floor(low / bin_width) + 1
    if spanned > MAX_LEVELS:
        raise RegionError(
            f"{image} has {spanned:.0f} {found}, at most {MAX_LEVELS} are allowed; "
            + (
                "choose a smaller bin_count"
                if bin_width is None
                else "bin with bin_count=32 or choose a larger bin_width"
            ),
            code="too_many_levels",
        )
    # Bins some roundings wide do differ, and what a part of the values fills is filled.
    ends = (low - 0.5, high + 0.5) if low == high else (low, high)
    if bin_width is None and ends[1] - ends[0] < 8 * bin_count * np.spacing(values.dtype.type(max(-low, high))):
        _check_bins_differ(*ends, bin_count, values.dtype, image)
    part, binning = values[:: 1 + len(values) // 1024], (low, high, bin_count, bin_width)
    if min_levels is None or _occupied_bins(part, *binning) >= min_levels:
        return
    occupied = _occupied_bins(values, *binning)
    if occupied < min_levels:
        raise RegionError(
            f"{image} has {occupied} {found}, at least {min_levels} are needed; "
            + (
                "take the image before it was reduced to few grey values, choose a larger bin_count"
                if bin_width is None
                else "bin with bin_count=32, choose a smaller bin_width"
            )
            + ", or set min_levels=None",
            code="too_few_levels",
        )


def _check_bins_differ(low, high, bin_count, dtype, image):
    """Refuse a range of values that floating point cannot cut into so many bins."""
    edges = np.linspace(low, high, bin_count + 1, dtype=dtype)
    if (edges[:-1] >= edges[1:]).any():
        raise RegionError(
            f"{image} is flat but for rounding (values from {low!r} to {high!r}) and cannot be cut into {bin_count} "
            "bins; leave the region or this filter out",
            code="flat_region",
        )


def _occupied_bins(values, low, high, bin_count, bin_width):
    """Count the bins that hold a value."""
    if low == high:
        return 1
    if bin_width is None:
        bins = np.minimum((values - low) * (bin_count / (high - low)), bin_count - 1)
    else:
        bins = np.floor(values / bin_width) - np.floor(low / bin_width)
    return int(np.count_nonzero(np.bincount(bins.astype(np.int64))))
