"""What every step asks of an image."""

import numpy as np

from deepradiomics.exceptions import InputError, RegionError


def checked_image(pixels, mask):
    """Return the pixels as float32, and those of the mask as a flat array."""
    pixels = np.asarray(pixels, dtype=np.float32)
    if pixels.ndim != 2 or pixels.size == 0:
        raise InputError(f"an image is an array of rows and columns, not of shape {pixels.shape}", code="not_an_image")
    if not np.isfinite(pixels).all():
        raise InputError("the image holds grey values that are not finite; replace them first", code="not_finite")
    if mask is None:
        return pixels, pixels.ravel()
    mask = np.asarray(mask)
    if mask.shape != pixels.shape or mask.dtype != bool:
        raise InputError(
            f"the mask is {mask.dtype} of shape {mask.shape}; bool of shape {pixels.shape} is needed", code="mask_shape"
        )
    if not mask.any():
        raise RegionError("the mask has no pixel; is the bone in the picture?", code="empty_region")
    return pixels, pixels[mask]
