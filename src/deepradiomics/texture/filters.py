"""The filters that pyradiomics 3.0.1 has for a plane image, each as function: image -> {name: filtered image}.

All work on the whole image that they are given and keep its shape. pyradiomics cannot filter a slice of a volume with
LoG (its filter needs four slices), and LBP3D has no meaning in a plane; on a truly two-dimensional image, as here, it
has all of them but LBP3D.
"""

import math

import numpy as np

from deepradiomics.exceptions import RegionError


def _original(pixels, *, spacing=(1.0, 1.0)):
    """Return the image as it is."""
    return {"original": pixels}


def wavelet(pixels, *, spacing=(1.0, 1.0), wavelet="coif1", level=1, start_level=0, bands=None):
    """Split an image into the bands of a stationary wavelet transform, undecimated so that each keeps its shape.

    Parameters
    ----------
    pixels : float64 array of shape (H, W)
        Grey values. An odd number of rows or columns is made even by wrapping round.
    spacing : tuple of two floats, default=(1.0, 1.0)
        Not used.
    wavelet : str, default="coif1"
        Any discrete wavelet of PyWavelets.
    level : int, default=1
        Number of levels that are returned.
    start_level : int, default=0
        Number of levels that are passed over before.
    bands : sequence of {"LH", "HL", "HH", "LL"}, default=None
        The bands that are returned; None means all. The first letter is the filter along a row (x), the second that
        along a column (y): LH answers to horizontal edges.

    Returns
    -------
    dict of {str: float64 array of shape (H, W)}
        ``wavelet-LH``, ``wavelet-HL``, ``wavelet-HH`` of the first level, ``wavelet2-LH`` ... of the next, and the
        approximation of the last level (``wavelet-LL`` or ``wavelet2-LL``).

    Notes
    -----
    As in pyradiomics each level transforms the approximation of the one before once more with the same short filter,
    which is not dilated: it is not the usual multi-level transform (algorithme à trous).

    References
    ----------
    Nason GP, Silverman BW. The stationary wavelet transform and some statistical applications. 1995.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.filters import wavelet
    >>> list(wavelet(np.eye(8), wavelet="haar", level=2, bands=["HH", "LL"]))
    ['wavelet-HH', 'wavelet2-HH', 'wavelet2-LL']
    """
    import pywt

    from deepradiomics.texture._cpu import wavelet_bands

    rows, columns = pixels.shape
    data = np.ascontiguousarray(pixels, dtype=np.float64)
    if rows % 2 or columns % 2:
        data = np.pad(data, ((0, rows % 2), (0, columns % 2)), "wrap")
    basis = pywt.Wavelet(wavelet)
    filters, result = np.array([basis.dec_lo, basis.dec_hi]), {}
    for number in range(1 - start_level, level + 1):
        (data, low_high), (high_low, high_high) = wavelet_bands(data, filters)
        if number > 0:
            details = zip(("LH", "HL", "HH"), (low_high, high_low, high_high), strict=True)
            result |= {_band_name(number, band): image for band, image in details}
    result[_band_name(level, "LL")] = data
    wanted = ("LH", "HL", "HH", "LL") if bands is None else bands
    return {name: image[:rows, :columns] for name, image in result.items() if name.endswith(tuple(wanted))}


def _band_name(number, band):
    """Name a band as pyradiomics does: the number of the level is written from the second on."""
    return f"wavelet-{band}" if number == 1 else f"wavelet{number}-{band}"


def laplacian_of_gaussian(pixels, *, sigma, spacing=(1.0, 1.0)):
    """Filter an image with the Laplacian of Gaussian, at one or more scales.

    Parameters
    ----------
    pixels : float64 array of shape (H, W)
        Grey values, at least 4 x 4.
    sigma : sequence of floats
        Widths of the Gaussian in mm (in pixels where the spacing is unknown).
    spacing : tuple of two floats, default=(1.0, 1.0)
        Height and width of a pixel in mm.

    Returns
    -------
    dict of {str: float32 array of shape (H, W)}
        ``log-sigma-1-0-mm-3D`` ...: pyradiomics' names, although nothing here is three-dimensional; float32, as in
        ITK.

    Raises
    ------
    RegionError
        If the image is smaller than the filter (code ``image_too_small``), where pyradiomics leaves the columns out.

    References
    ----------
    Deriche R. Recursively implementing the Gaussian and its derivatives. INRIA 1893, 1993 (ITK's recursive filter).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.filters import laplacian_of_gaussian
    >>> list(laplacian_of_gaussian(np.eye(16), sigma=[1.0, 2.0]))
    ['log-sigma-1-0-mm-3D', 'log-sigma-2-0-mm-3D']
    """
    import SimpleITK as sitk

    image = _image(pixels, spacing)
    result = {}
    for width in sigma:
        needed = np.maximum(np.ceil(width / np.asarray(spacing)) + 1, 4).astype(int)
        if (np.array(pixels.shape) < needed).any():
            raise RegionError(
                f"the image has {pixels.shape[0]} x {pixels.shape[1]} pixels, LoG with sigma {width:g} mm needs "
                f"{needed[0]} x {needed[1]}; leave more context round the region or use a smaller sigma",
                code="image_too_small",
            )
        result[_scale_name("log", width) + "-3D"] = sitk.GetArrayFromImage(
            sitk.LaplacianRecursiveGaussian(image, width, True)
        )
    return result


def _scale_name(kind, width):
    return f"{kind}-sigma-{str(width).replace('.', '-')}-mm"


def _square(pixels, *, spacing=(1.0, 1.0)):
    """Square the grey values and scale them back to the largest absolute value."""
    return {"square": (pixels * (1 / np.sqrt(_largest(pixels, "Square")))) ** 2}


def _square_root(pixels, *, spacing=(1.0, 1.0)):
    """Take the root of the absolute grey values, scale it back to the largest, and give it its sign again."""
    size = np.abs(pixels)
    return {"squareroot": np.copysign(np.sqrt(size * size.max()), pixels)}


def _logarithm(pixels, *, spacing=(1.0, 1.0)):
    """Take the logarithm of one plus the absolute grey values, scale it back, and give it its sign again."""
    largest = _largest(pixels, "Logarithm")
    result = np.copysign(np.log(np.abs(pixels) + 1), pixels)
    return {"logarithm": result * (largest / np.abs(result).max())}


def _exponential(pixels, *, spacing=(1.0, 1.0)):
    """Take the exponential of the grey values, scaled so that the largest absolute value maps to itself."""
    largest = _largest(pixels, "Exponential")
    return {"exponential": np.exp(np.log(largest) / largest * pixels)}


def gradient(pixels, *, spacing=(1.0, 1.0), gradient_use_spacing=True):
    """Compute the magnitude of the gradient by central differences.

    Parameters
    ----------
    pixels : float64 array of shape (H, W)
        Grey values.
    spacing : tuple of two floats, default=(1.0, 1.0)
        Height and width of a pixel in mm.
    gradient_use_spacing : bool, default=True
        Whether the gradient is per mm; otherwise it is per pixel.

    Returns
    -------
    dict of {str: float32 array of shape (H, W)}
        ``{"gradient": image}``; float32, as in ITK.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.filters import gradient
    >>> gradient(np.array([[0.0, 1.0, 2.0, 3.0]]), spacing=(1.0, 0.5))
    {'gradient': array([[1., 2., 2., 1.]], dtype=float32)}
    """
    import SimpleITK as sitk

    magnitude = sitk.GradientMagnitude(_image(pixels, spacing), gradient_use_spacing)
    return {"gradient": sitk.GetArrayFromImage(magnitude)}


def local_binary_pattern(pixels, *, spacing=(1.0, 1.0), lbp2d_radius=1, lbp2d_samples=8, lbp2d_method="uniform"):
    """Code each pixel by which points on a circle round it are at least as bright.

    Parameters
    ----------
    pixels : float64 array of shape (H, W)
        Grey values; outside the image they count as 0.
    spacing : tuple of two floats, default=(1.0, 1.0)
        Not used: the radius is in pixels.
    lbp2d_radius : float, default=1
        Radius of the circle in pixels.
    lbp2d_samples : int, default=8
        Number of points P on the circle, interpolated bilinearly.
    lbp2d_method : str, default="uniform"
        ``"default"``: the bits as a number; ``"ror"``: the smallest such number over all rotations; ``"uniform"``:
        the number of set bits where at most two changes occur along the circle, else P + 1; ``"var"``: the variance
        of the points' grey values, NaN where it is 0.

    Returns
    -------
    dict of {str: float64 array of shape (H, W)}
        ``{"lbp-2D": image}``.

    References
    ----------
    Ojala T, Pietikäinen M, Mäenpää T. Multiresolution gray-scale and rotation invariant texture classification with
    local binary patterns. IEEE TPAMI 2002;24(7):971-987. As in scikit-image, which pyradiomics calls, the change
    between the last and the first point is not counted.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.filters import local_binary_pattern
    >>> local_binary_pattern(np.array([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]))["lbp-2D"][1, 1]
    np.float64(0.0)
    """
    points = _circle_points(pixels, lbp2d_radius, lbp2d_samples)
    if lbp2d_method == "var":
        variance = (np.sum(points**2, axis=0) - np.sum(points, axis=0) ** 2 / lbp2d_samples) / lbp2d_samples
        return {"lbp-2D": np.where(variance == 0, np.nan, variance)}
    bits = (points - pixels >= 0).astype(np.int64)
    if lbp2d_method == "uniform":
        changes = np.count_nonzero(np.diff(bits, axis=0), axis=0)
        code = np.where(changes <= 2, bits.sum(axis=0), lbp2d_samples + 1)
    else:
        code = np.tensordot(1 << np.arange(lbp2d_samples), bits, axes=1)
    if lbp2d_method == "ror":
        turned = [(code >> k) | ((code & ((1 << k) - 1)) << (lbp2d_samples - k)) for k in range(lbp2d_samples)]
        code = np.min(turned, axis=0)
    return {"lbp-2D": code.astype(np.float64)}


def _circle_points(pixels, radius, samples):
    """Interpolate the grey values on a circle round each pixel, counter-clockwise from the right: (samples, H, W)."""
    angles = 2 * np.pi * np.arange(samples) / samples
    margin = math.ceil(radius) + 1
    padded = np.pad(pixels, margin)
    places = [np.arange(size, dtype=float) for size in pixels.shape]
    # Five decimals, as in scikit-image: points that lie on a pixel but for rounding are that pixel.
    offsets = zip(np.round(-radius * np.sin(angles), 5), np.round(radius * np.cos(angles), 5), strict=True)
    return np.stack([_between(padded, margin, places[0] + row, places[1] + column) for row, column in offsets])


def _between(padded, margin, rows, columns):
    """Interpolate an array bilinearly at (rows, columns), which are fractional and count from behind its margin.

    The shares are those of each row and column with its own rounding, as in scikit-image: codes hang on it, since whole
    grey values are often equal to the centre but for the last bit.
    """
    tops, lefts = np.floor(rows), np.floor(columns)
    down, right = (rows - tops)[:, None], columns - lefts
    top, left = tops.astype(int) + margin, lefts.astype(int) + margin
    bottom, side = np.ceil(rows).astype(int) + margin, np.ceil(columns).astype(int) + margin
    upper = (1 - right) * padded[np.ix_(top, left)] + right * padded[np.ix_(top, side)]
    lower = (1 - right) * padded[np.ix_(bottom, left)] + right * padded[np.ix_(bottom, side)]
    return (1 - down) * upper + down * lower


def detrended(pixels, *, sigma, spacing):
    """Subtract the background: the image blurred by a Gaussian.

    pyradiomics does not have this filter. It takes away soft tissue and the shape of the bone, which dominate
    texture at long distances.

    Parameters
    ----------
    pixels : float64 array of shape (H, W)
        Grey values.
    sigma : sequence of floats
        Widths of the Gaussian in mm.
    spacing : tuple of two floats
        Height and width of a pixel in mm.

    Returns
    -------
    dict of {str: float64 array of shape (H, W)}
        ``detrended-sigma-2-0-mm`` ..., in grey values about 0.

    References
    ----------
    White SC, Rudolph DJ. Alterations of the trabecular pattern of the jaws in patients with osteoporosis. Oral
    Surgery, Oral Medicine, Oral Pathology 1999;88(5):628-635.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.filters import detrended
    >>> detrended(np.zeros((9, 9)), sigma=[2.0], spacing=(0.5, 0.5))["detrended-sigma-2-0-mm"].max()
    np.float64(0.0)
    """
    from scipy.ndimage import gaussian_filter

    return {
        _scale_name("detrended", width): pixels - gaussian_filter(pixels, width / np.asarray(spacing), mode="nearest")
        for width in sigma
    }


def _largest(pixels, name):
    """Largest absolute grey value, by which a filter divides."""
    largest = np.abs(pixels).max()
    if largest == 0:
        raise RegionError(
            f"all grey values of the image are 0, which the filter {name} cannot scale; leave the filter out",
            code="filter_undefined",
        )
    return largest


def _image(pixels, spacing):
    """Wrap an array of shape (H, W) as SimpleITK image, whose axes run the other way."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing((float(spacing[1]), float(spacing[0])))
    return image


# The name of each image type, and its filter; all but the last are pyradiomics'.
FILTERS = {
    "Original": _original,
    "Wavelet": wavelet,
    "LoG": laplacian_of_gaussian,
    "Square": _square,
    "SquareRoot": _square_root,
    "Logarithm": _logarithm,
    "Exponential": _exponential,
    "Gradient": gradient,
    "LBP2D": local_binary_pattern,
    "Detrended": detrended,
}


def image_names(image_type, *, level=1, bands=("LH", "HL", "HH", "LL"), sigma=(), **settings):
    """Name the images that a filter makes, without making them.

    Parameters
    ----------
    image_type : str
        A key of ``FILTERS``.
    level : int, default=1
        Levels of the wavelet transform.
    bands : sequence of str, default=("LH", "HL", "HH", "LL")
        Bands of the wavelet transform.
    sigma : sequence of floats, default=()
        Widths of the Laplacian of Gaussian or of the background.
    **settings : dict
        Other settings of the filter, which do not change its names.

    Returns
    -------
    list of str
        The names, in the order in which the filter returns them.

    Examples
    --------
    >>> from deepradiomics.texture.filters import image_names
    >>> image_names("Wavelet")
    ['wavelet-LH', 'wavelet-HL', 'wavelet-HH', 'wavelet-LL']
    """
    if image_type in ("LoG", "Detrended"):
        end = "-3D" if image_type == "LoG" else ""
        return [_scale_name(image_type.lower(), width) + end for width in sigma]
    if image_type != "Wavelet":
        return ["lbp-2D" if image_type == "LBP2D" else image_type.lower()]
    wanted = ("LH", "HL", "HH", "LL") if bands is None else bands
    numbers = range(1, level + 1)
    details = [_band_name(number, band) for number in numbers for band in ("LH", "HL", "HH") if band in wanted]
    return details + ([_band_name(level, "LL")] if "LL" in wanted else [])
