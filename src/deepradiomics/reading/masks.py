"""Read masks and label maps from files or arrays."""

import os

from deepradiomics.exceptions import InputError
from deepradiomics.reading._files import array_of, checked_path, content_of
from deepradiomics.reading._pictures import read_picture


def read_label_map(source):
    """Read a mask or a label map without choosing a label.

    Parameters
    ----------
    source : path or array-like of shape (H, W)
        Bool, or whole numbers with 0 outside.

    Returns
    -------
    bool or integer array of shape (H, W)
        As stored; equal colour channels are taken as one.

    Raises
    ------
    InputError
        If it is missing, cannot be read, has another number of axes, or holds other values.

    Examples
    --------
    >>> from deepradiomics.reading import read_label_map
    >>> read_label_map([[0, 1], [2, 2]]).max()
    np.int64(2)
    """
    if source is None:
        raise InputError("the mask is missing; give a label map, or leave the image out too", code="mask_missing")
    if isinstance(source, str | os.PathLike):
        path = checked_path(source)
        values = read_picture(path, content_of(path)).pixels
    else:
        values = array_of(source)
    if values.ndim != 2 or values.dtype.kind not in "biu":
        raise InputError(
            f"a mask is a two-dimensional array of bool or whole numbers, not {values.dtype} of shape {values.shape}",
            code="mask_values",
        )
    if values.size and values.min() < 0:
        raise InputError(f"a label is 0 or more, {values.min()} was found in the mask", code="mask_values")
    return values
