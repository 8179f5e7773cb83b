"""Where the bone is, without a trained network."""

import numpy as np
from scipy import ndimage

from deepradiomics.exceptions import InputError, RegionError


def bone_area(pixels):
    """Outline the bones of a limb without a trained network.

    Works where bone is brighter than the soft tissue beside it and the limb lies on a dark ground, as in radiographs
    of knees, wrists and lower legs. It is a rough area for whole-bone texture, not an outline for boxes: use a
    segmenter for hips and spines.

    Parameters
    ----------
    pixels : array of shape (H, W)
        Grey values, brighter is denser.

    Returns
    -------
    bool array of shape (H, W)
        True on bone.

    Raises
    ------
    InputError
        If the pixels are not a two-dimensional array of finite numbers.
    RegionError
        If there is no contrast, or no bone of at least one per cent of the picture is found.

    Notes
    -----
    The exposed limb is separated from the ground by Otsu's threshold on the smoothed picture. Inside it, a pixel is
    bone where it is brighter than its surroundings (a Gaussian mean over a twelfth of the longer side, taken over the
    limb only) by more than Otsu's threshold on that difference. Thin parts are opened away, holes are filled, and
    parts below one per cent of the picture are dropped. Thick thigh muscle at the border can be taken for bone, and the
    faint rim of a condyle can be missed.

    References
    ----------
    Otsu N. A threshold selection method from gray-level histograms. IEEE Trans Syst Man Cybern 9, 62-66 (1979).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.preprocessing import bone_area
    >>> knee = np.zeros((200, 200))
    >>> knee[:, 40:160] = 80 + np.random.default_rng(0).normal(0, 3, (200, 120))
    >>> knee[:, 85:115] += 80
    >>> found = bone_area(knee)
    >>> bool(found[100, 100]), bool(found[100, 60]), bool(found[100, 10])
    (True, False, False)
    """
    pixels = np.asarray(pixels, dtype=np.float32)
    if pixels.ndim != 2 or not np.isfinite(pixels).all():
        raise InputError("bone_area takes a two-dimensional array of finite grey values", code="not_an_image")
    size = max(pixels.shape)
    smooth = ndimage.gaussian_filter(pixels, size / 300)
    if np.ptp(smooth) == 0:
        raise RegionError("the picture has one grey value only, so no bone can be told apart", code="flat_region")
    dark = float(np.percentile(smooth, 1))
    limb = smooth > dark + 0.7 * (_otsu(smooth) - dark)
    limb = ndimage.binary_erosion(limb, iterations=max(1, size // 90))
    share = ndimage.gaussian_filter(limb.astype(np.float32), size / 12)
    around = ndimage.gaussian_filter(np.where(limb, smooth, 0), size / 12) / np.maximum(share, 1e-3)
    difference = np.where(limb, smooth - around, 0)
    if not limb.any():
        raise RegionError("no exposed limb was found on the dark ground", code="empty_region")
    bone = limb & (difference > _otsu(difference[limb]))
    bone = ndimage.binary_opening(bone, iterations=max(1, size // 110))
    bone = _large_parts(ndimage.binary_fill_holes(bone), 0.01 * bone.size)
    if not bone.any():
        raise RegionError("no bone of at least 1 % of the picture was found", code="empty_region")
    return bone


def _otsu(values):
    """Threshold that best splits values in two classes (256 bins)."""
    counts, edges = np.histogram(values, 256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    mean_below = np.cumsum(counts * centres) / np.maximum(below, 1)
    mean_above = (np.sum(counts * centres) - np.cumsum(counts * centres)) / np.maximum(above, 1)
    return float(edges[1 + np.argmax(below[:-1] * above[:-1] * (mean_below - mean_above)[:-1] ** 2)])


def _large_parts(mask, smallest):
    """Keep components of at least so many pixels."""
    labels, _ = ndimage.label(mask)
    large = np.bincount(labels.ravel()) >= smallest
    large[0] = False
    return large[labels]
