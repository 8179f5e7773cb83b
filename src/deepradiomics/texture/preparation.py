"""What happens to a region before it is filtered and measured: normalise, resample, crop, resegment, and the gate.

The steps and their order are those of pyradiomics 3.0.1 on a two-dimensional image of 64-bit floats.
"""

import numpy as np

from deepradiomics.exceptions import InputError, RegionError

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


def normalize(pixels, *, scale=1, outliers=None):
    """Shift and scale the grey values of a whole image to mean 0 and standard deviation ``scale``.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Grey values.
    scale : float, default=1
        Standard deviation afterwards.
    outliers : float, default=None
        Values further from the mean than this number of standard deviations are set to that distance.

    Returns
    -------
    float64 array of shape (H, W)
        The normalised image.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.preparation import normalize
    >>> normalize(np.array([[1.0, 2.0, 3.0]]), scale=10)
    array([[-10.,   0.,  10.]])
    """
    import SimpleITK as sitk

    # ITK's own filter, so that a value on the edge of a bin falls to the same side as in pyradiomics.
    result = sitk.GetArrayFromImage(sitk.Normalize(sitk.GetImageFromArray(pixels)))
    if outliers is not None:
        np.clip(result, -outliers, outliers, out=result)
    return result * scale


def resample(pixels, mask, spacing, new_spacing, *, interpolator="sitkBSpline", pad_distance=5):
    """Resample the surroundings of a region to another pixel size.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Grey values.
    mask : bool array of shape (H, W)
        The region.
    spacing : tuple of two floats
        Height and width of a pixel in mm.
    new_spacing : tuple of two floats
        Height and width wanted, in mm; 0 keeps what is there.
    interpolator : str, default="sitkBSpline"
        Name of a SimpleITK interpolator for the grey values; the mask takes the nearest neighbour.
    pad_distance : int, default=5
        New pixels of context on each side of the region, as far as the image goes.

    Returns
    -------
    pixels : float64 array of shape (h, w)
        The resampled surroundings of the region.
    mask : bool array of shape (h, w)
        The resampled region.
    spacing : tuple of two floats
        Height and width of a pixel now, in mm.

    Notes
    -----
    A direction in which the region is a single pixel wide is not resampled. Where the spacing stays as it is, the
    image is only cropped.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.preparation import resample
    >>> pixels, mask, spacing = resample(np.eye(32), np.ones((32, 32), bool), (0.1, 0.1), (0.2, 0.2))
    >>> pixels.shape, int(mask.sum()), spacing
    ((16, 16), 256, (0.2, 0.2))
    """
    import SimpleITK as sitk

    old = np.array(spacing, dtype=float)
    first, last = _bounds(mask)
    new = np.where((np.array(new_spacing) == 0) | (first == last), old, new_spacing)
    if np.allclose(old, new):
        return *crop(pixels, mask, pad_distance), spacing
    ratio = old / new
    # Half a pixel more than the box on each side; never beyond the image.
    low = np.maximum(np.floor((first - 0.5) * ratio - pad_distance), 0)
    high = np.minimum(np.ceil((last + 0.5) * ratio + pad_distance), np.ceil(np.array(mask.shape) * ratio) - 1)
    origin = (0.5 * (new - old) / old + low / ratio) * old
    grid = sitk.ResampleImageFilter()
    grid.SetOutputSpacing(new[::-1].tolist())
    grid.SetOutputOrigin(origin[::-1].tolist())
    grid.SetSize((high - low + 1).astype(int)[::-1].tolist())
    grid.SetInterpolator(getattr(sitk, interpolator))
    resampled = grid.Execute(_image(pixels, old))
    grid.SetInterpolator(sitk.sitkNearestNeighbor)
    region = grid.Execute(_image(mask.astype(np.uint8), old))
    return sitk.GetArrayFromImage(resampled), sitk.GetArrayFromImage(region) > 0, tuple(new.tolist())


def _image(array, spacing):
    """Wrap an array of shape (H, W) as SimpleITK image, whose axes run the other way."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array)
    image.SetSpacing(np.asarray(spacing)[::-1].tolist())
    return image


def crop(pixels, mask, pad_distance=0):
    """Cut the box round a region out of an image.

    Parameters
    ----------
    pixels : array of shape (H, W)
        Grey values.
    mask : bool array of shape (H, W)
        The region; it has a pixel.
    pad_distance : int, default=0
        Pixels of context on each side, as far as the image goes.

    Returns
    -------
    pixels : array of shape (h, w)
        View of the grey values in the box.
    mask : bool array of shape (h, w)
        View of the region in the box.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.preparation import crop
    >>> image = np.arange(9).reshape(3, 3)
    >>> crop(image, image == 4)[0], crop(image, image == 4, pad_distance=1)[0].shape
    (array([[4]]), (3, 3))
    """
    window = box(mask, pad_distance)
    return pixels[window], mask[window]


def box(mask, pad_distance=0):
    """Find the box round a region.

    Parameters
    ----------
    mask : bool array of shape (H, W)
        The region; it has a pixel.
    pad_distance : int, default=0
        Pixels of context on each side, as far as the image goes.

    Returns
    -------
    tuple of two slices
        Rows and columns.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.preparation import box
    >>> box(np.array([[False, True, True]]))
    (slice(0, 1, None), slice(1, 3, None))
    """
    first, last = _bounds(mask)
    (top, left), (bottom, right) = np.maximum(first - pad_distance, 0).tolist(), (last + pad_distance + 1).tolist()
    return slice(top, bottom), slice(left, right)


def _bounds(mask):
    """First and last row and column of a region, as two int arrays (row, column)."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([rows[0], columns[0]]), np.array([rows[-1], columns[-1]])


def resegment(pixels, mask, limits, *, mode="absolute"):
    """Keep the pixels of a region whose grey values lie within limits.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Grey values.
    mask : bool array of shape (H, W)
        The region; it has a pixel.
    limits : sequence of one or two floats
        The lowest value that stays and, if there are two, the highest.
    mode : {"absolute", "relative", "sigma"}, default="absolute"
        Whether the limits are grey values, fractions of the highest grey value in the region, or standard deviations
        from its mean.

    Returns
    -------
    bool array of shape (H, W)
        What is left of the region.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.preparation import resegment
    >>> resegment(np.array([[1.0, 2.0, 4.0]]), np.ones((1, 3), bool), [0.5, 0.9], mode="relative")
    array([[False,  True, False]])
    """
    values = pixels[mask]
    limits = sorted(limits)
    if mode == "relative":
        limits = [values.max() * limit for limit in limits]
    elif mode == "sigma":
        limits = [values.mean() + values.std() * limit for limit in limits]
    kept = mask & (pixels >= limits[0])
    return kept if len(limits) == 1 else kept & (pixels <= limits[1])


def check_mask(mask, *, min_pixels=None, min_dimensions=1, when=""):
    """Refuse a region that is empty, too small or too thin to be measured.

    Parameters
    ----------
    mask : bool array of shape (H, W)
        The region.
    min_pixels : int, default=None
        Fewest pixels; None means one.
    min_dimensions : {1, 2}, default=1
        2 refuses a region that lies in a single row or column.
    when : str, default=""
        The step after which this was found, for the message, such as ``" after resegmentation"``.

    Raises
    ------
    RegionError
        With code ``empty_region``, ``too_few_pixels`` or ``too_thin``.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.preparation import check_mask
    >>> check_mask(np.eye(2, dtype=bool), min_pixels=2)
    >>> check_mask(np.zeros((2, 2), dtype=bool))
    Traceback (most recent call last):
    deepradiomics.exceptions.RegionError: the mask has no pixel; give a mask that marks the bone
    """
    found = int(np.count_nonzero(mask))
    if found == 0:
        raise RegionError(f"the mask has no pixel{when}; give a mask that marks the bone", code="empty_region")
    if min_pixels is not None and found < min_pixels:
        raise RegionError(
            f"the mask has {found} pixels{when}, at least {min_pixels} are needed; use a larger region, or lower "
            "min_pixels or minimum_roi_size",
            code="too_few_pixels",
        )
    first, last = _bounds(mask)
    if np.count_nonzero(first != last) < min_dimensions:
        raise RegionError(
            f"the mask lies in a single row, column or pixel{when}, texture in a plane needs {min_dimensions} "
            "dimensions; use a larger region, or set minimum_roi_dimensions=1",
            code="too_thin",
        )


def check_finite(pixels, mask=None):
    """Refuse a region with missing or infinite grey values.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Grey values.
    mask : bool array of shape (H, W), default=None
        Where to look; None means everywhere, since a filter reads the context of a region too.

    Raises
    ------
    RegionError
        With code ``not_finite``.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.preparation import check_finite
    >>> check_finite(np.array([[1.0, np.nan]]), np.array([[True, False]]))
    """
    bad = ~np.isfinite(pixels)
    if not bad.any():
        return
    where = "in the image, which filters and normalisation read as a whole" if mask is None else "inside the mask"
    count = int(np.count_nonzero(bad if mask is None else bad & mask))
    if count:
        raise RegionError(
            f"{count} pixels {where} are NaN or infinite, grey values must be finite; leave them out of the mask, "
            "crop them away or replace them",
            code="not_finite",
        )


def check_levels(values, *, bin_count=None, bin_width=None, min_levels=None, image="the image"):
    """Refuse a region whose grey values fall into too few bins to have a texture, or into too many to be counted.

    Parameters
    ----------
    values : float array of shape (n_pixels,)
        Grey values of the region.
    bin_count : int, default=None
        Number of bins between the smallest and the largest value.
    bin_width : float, default=None
        Width of a bin, when there is no bin_count.
    min_levels : int, default=None
        Fewest bins that must hold a pixel; None means any number.
    image : str, default="the image"
        What was binned, for the message.

    Raises
    ------
    RegionError
        With code ``too_few_levels``, ``too_many_levels`` or ``flat_but_for_rounding``.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.preparation import check_levels
    >>> check_levels(np.arange(32.0), bin_count=32, min_levels=8)
    >>> check_levels(np.linspace(-2, 2, 100), bin_width=25, min_levels=8)
    Traceback (most recent call last):
    deepradiomics.exceptions.RegionError: the image has 2 grey levels after binning with bin_width=25 (values from
    -2 to 2), at least 8 are needed; bin with bin_count=32, choose a smaller bin_width, or set min_levels=None
    """
    low, high = float(values.min()), float(values.max())
    how = f"bin_count={bin_count}" if bin_width is None else f"bin_width={bin_width:g}"
    found = f"grey levels after binning with {how} (values from {low:g} to {high:g})"
    spanned = bin_count if bin_width is None else np.floor(high / bin_width) - np.floor(low / bin_width) + 1
    if spanned > MAX_LEVELS:
        raise RegionError(
            f"{image} has {spanned:.0f} {found}, at most {MAX_LEVELS} are allowed; bin with bin_count=32 or choose a "
            "larger bin_width",
            code="too_many_levels",
        )
    if bin_width is None and low < high:
        _check_bins_differ(low, high, bin_count, values.dtype, image)
    if min_levels is None:
        return
    occupied = _occupied_bins(values, low, high, bin_count, bin_width)
    if occupied < min_levels:
        raise RegionError(
            f"{image} has {occupied} {found}, at least {min_levels} are needed; bin with bin_count=32, choose a "
            "smaller bin_width, or set min_levels=None",
            code="too_few_levels",
        )


def _check_bins_differ(low, high, bin_count, dtype, image):
    """Refuse a range of values that floating point cannot cut into so many bins."""
    edges = np.linspace(low, high, bin_count + 1, dtype=dtype)
    if (edges[:-1] >= edges[1:]).any():
        raise RegionError(
            f"{image} is flat but for rounding (values from {low!r} to {high!r}) and cannot be cut into {bin_count} "
            "bins; leave the region or this filter out",
            code="flat_but_for_rounding",
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


def check_spacing(spacing):
    """Refuse to resample an image of unknown pixel size.

    Parameters
    ----------
    spacing : tuple of two floats or None
        Height and width of a pixel in mm, None if unknown.

    Raises
    ------
    InputError
        With code ``unknown_spacing``.

    Examples
    --------
    >>> from deepradiomics.texture.preparation import check_spacing
    >>> check_spacing((0.2, 0.2))
    """
    if spacing is None:
        raise InputError(
            "the pixel spacing is unknown, lengths in mm cannot be turned into pixels; read the image with "
            "read_radiograph(source, spacing=(row_mm, column_mm))",
            code="unknown_spacing",
        )
