"""Grey values to grey values: normalize, window, equalize, smooth."""

import numpy as np
from scipy import ndimage

from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.preprocessing._checks import checked_image


def normalize(pixels, mask=None, *, method="zscore", percentiles=(1.0, 99.0)):
    """Bring the grey values of different detectors and exposures to one scale.

    Parameters
    ----------
    pixels : array of shape (H, W)
        Grey values.
    mask : bool array of shape (H, W), default=None
        Where the statistics are taken; None means everywhere. All pixels are changed.
    method : {"zscore", "minmax", "percentile"}, default="zscore"
        Mean 0 and standard deviation 1; least value 0 and greatest 1; or lower percentile 0 and upper 1, clipped.
    percentiles : tuple of two floats, default=(1.0, 99.0)
        For ``method="percentile"``.

    Returns
    -------
    float32 array of shape (H, W)
        The new grey values.

    Raises
    ------
    InputError
        If a grey value is not finite, the mask has another shape, or the method or the percentiles are none.
    RegionError
        If the mask is empty, or the grey values in it do not differ.

    References
    ----------
    Nyul LG, Udupa JK. On standardizing the MR image intensity scale. Magn Reson Med 42, 1072-1081 (1999).

    Examples
    --------
    >>> from deepradiomics.preprocessing import normalize
    >>> normalize([[1, 2, 3]], method="minmax")
    array([[0. , 0.5, 1. ]], dtype=float32)
    """
    pixels, inside = checked_image(pixels, mask)
    if method == "zscore":
        low, width = inside.mean(dtype=float), inside.std(dtype=float)
    elif method == "minmax":
        low, width = float(inside.min()), float(np.ptp(inside))
    elif method == "percentile":
        low, high = np.percentile(inside, _checked_percentiles(percentiles)).astype(float)
        width = high - low
    else:
        raise InputError(f"method is zscore, minmax or percentile, not {method!r}")
    if not width > 1e-7 * max(abs(low), 1e-30):  # float32 cannot tell such values apart
        raise RegionError(
            "all grey values are the same, so there is no scale; is the picture empty?", code="flat_region"
        )
    scaled = ((pixels - low) / width).astype(np.float32)
    return np.clip(scaled, 0, 1) if method == "percentile" else scaled


def window(pixels, level, width):
    """Show a range of grey values as 0 to 1; what lies outside is clipped.

    Parameters
    ----------
    pixels : array of shape (H, W)
        Grey values.
    level : float
        Middle of the range, in grey values.
    width : float
        Width of the range, in grey values, positive.

    Returns
    -------
    float32 array of shape (H, W)
        Between 0 and 1.

    Raises
    ------
    InputError
        If the width is not positive, or a grey value is not finite.

    Examples
    --------
    >>> from deepradiomics.preprocessing import window
    >>> window([[0, 100, 150, 200, 300]], level=150, width=100)
    array([[0. , 0. , 0.5, 1. , 1. ]], dtype=float32)
    """
    pixels, _ = checked_image(pixels, None)
    if not width > 0:
        raise InputError(f"the width of a window is positive, not {width}")
    return np.clip((pixels - (level - width / 2)) / width, 0, 1).astype(np.float32)


def equalize(pixels, mask=None):
    """Equalise the histogram: each grey value becomes the share of pixels that are not brighter.

    Parameters
    ----------
    pixels : array of shape (H, W)
        Grey values.
    mask : bool array of shape (H, W), default=None
        Whose histogram is made flat; None means all pixels. All pixels are changed.

    Returns
    -------
    float32 array of shape (H, W)
        Between 0 and 1. Exact: grey values are not binned first.

    Raises
    ------
    InputError
        If a grey value is not finite, or the mask has another shape.
    RegionError
        If the mask is empty.

    References
    ----------
    Gonzalez RC, Woods RE. Digital image processing, 3rd edition, section 3.3.1 (2008).

    Examples
    --------
    >>> from deepradiomics.preprocessing import equalize
    >>> equalize([[5, 5, 7, 900]])
    array([[0.5 , 0.5 , 0.75, 1.  ]], dtype=float32)
    """
    pixels, inside = checked_image(pixels, mask)
    return (np.searchsorted(np.sort(inside), pixels, side="right") / inside.size).astype(np.float32)


def smooth(pixels, sigma, *, spacing=None):
    """Blur with a Gaussian.

    Parameters
    ----------
    pixels : array of shape (H, W)
        Grey values.
    sigma : float
        Standard deviation in pixels, or in mm when the spacing is given.
    spacing : tuple of two floats, default=None
        Height and width of a pixel in mm.

    Returns
    -------
    float32 array of shape (H, W)
        The blurred picture; it is mirrored at its border.

    Raises
    ------
    InputError
        If sigma is not positive, or a grey value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.preprocessing import smooth
    >>> float(smooth(np.eye(9), sigma=1.0).sum().round(4))
    9.0
    """
    pixels, _ = checked_image(pixels, None)
    if not sigma > 0:
        raise InputError(f"sigma is positive, not {sigma}")
    steps = (1, 1) if spacing is None else spacing
    return ndimage.gaussian_filter(pixels, [sigma / step for step in steps])


def _checked_percentiles(percentiles):
    low, high = percentiles
    if not 0 <= low < high <= 100:
        raise InputError(f"percentiles are two numbers from 0 to 100, lower first, not {percentiles}")
    return low, high
