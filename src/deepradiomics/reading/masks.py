"""Read masks and label maps from files or arrays."""

import numpy as np

from deepradiomics.exceptions import InputError
from deepradiomics.reading._dicom import BARE_DICOM
from deepradiomics.reading._files import Found, name_and_content
from deepradiomics.reading._pictures import found_in_memory, read_picture
from deepradiomics.reading.segmentations import _segments_of


def read_label_map(source, *, label_channel=None):
    """Read a mask or a label map without choosing a label.

    Parameters
    ----------
    source : path or array-like of shape (H, W)
        Bool, or whole numbers with 0 outside. Of a picture with a palette, the index of each pixel; of a DICOM
        segmentation (SEG), the number of each segment.
    label_channel : int, default=None
        Which layer of a file with several, such as ``.seg.nrrd``, or SEG whose segments overlap, from 0 on.

    Returns
    -------
    bool or integer array of shape (H, W)
        As stored; equal color channels are taken as one.

    Raises
    ------
    InputError
        If it is missing, cannot be read, has another number of axes, holds other values, or has several layers of
        which none is chosen.

    Examples
    --------
    >>> from deepradiomics.reading import read_label_map
    >>> read_label_map([[0, 1], [2, 2]]).max()
    np.int64(2)
    """
    return _found_labels(source, label_channel).pixels


def _found_labels(source, label_channel=None):
    """What `read_label_map` reads, with where it lies."""
    if source is None:
        raise InputError("the mask is missing; give a label map, or leave the image out too", code="mask_missing")
    file = name_and_content(source)
    if file is not None:
        path, content = file
        if content[128:132] == b"DICM" or content.startswith(BARE_DICOM):
            found = Found(_segments_of(content, path.name)[0], place=path.name)
        else:
            found = read_picture(path, content, labels=True)
    else:
        found = found_in_memory(source, "the mask", labels=True)
    if found.lossy and len(np.unique(found.pixels)) > 2:
        raise InputError(
            f"{'the mask' if file is None else path.name} is a JPEG, which blurs the labels; choose a threshold, "
            "mask=read_radiograph(source).pixels > 127, or save the mask as PNG",
            code="mask_values",
        )
    values = found.pixels
    if found.place != "the image" and values.ndim == 3:
        values = _layer(values, label_channel, found.place)
    elif label_channel not in (None, 0):
        raise InputError(f"layer {label_channel} was asked for, the mask has one, 0", code="mask_label")
    if values.ndim != 2 or values.dtype.kind not in "biu":
        raise InputError(
            f"a mask is a two-dimensional array of bool or whole numbers, not {values.dtype} of shape {values.shape}",
            code="mask_values",
        )
    if values.size and values.min() < 0:
        raise InputError(f"a label is 0 or more, {values.min()} was found in the mask", code="mask_values")
    return found._replace(pixels=values)


def _layer(values, number, place):
    """Layer (H, W) of a label map (H, W, n); equal layers are one."""
    layers = values.shape[2]
    if number is None and not (values == values[..., :1]).all():
        raise InputError(
            f"{place} has {layers} layers; say which with label_channel=, 0 to {layers - 1}", code="mask_label"
        )
    if number is not None and number not in range(layers):
        raise InputError(f"layer {number} was asked for, {place} has 0 to {layers - 1}", code="mask_label")
    return values[..., number or 0]
