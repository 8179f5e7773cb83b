"""What is done to a label map after the network: one piece a class, no holes."""

from numbers import Integral

import numpy as np
from scipy import ndimage

from deepradiomics.exceptions import InputError


def clean_up(labels, n_classes):
    """Keep the largest piece of each class and fill its holes.

    Parameters
    ----------
    labels : integer array of shape (H, W)
        0 for background, 1 to ``n_classes`` for the classes.
    n_classes : int
        Number of classes without the background, 255 at most.

    Returns
    -------
    uint8 array of shape (H, W)
        A new label map. Pixels that touch at a corner only belong to different pieces. A hole is background that the
        class encloses; pixels of other classes inside it stay theirs. Of pieces of equal size the first in reading
        order is kept.

    Raises
    ------
    InputError
        If the labels are not whole numbers from 0 to ``n_classes`` in two dimensions, or ``n_classes`` is not a whole
        number from 0 to 255.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.segmentation import clean_up
    >>> clean_up(np.array([[1, 1, 1, 0, 1], [1, 0, 1, 0, 0], [1, 1, 1, 0, 2]]), 2)
    array([[1, 1, 1, 0, 0],
           [1, 1, 1, 0, 0],
           [1, 1, 1, 0, 2]], dtype=uint8)
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "biu":
        raise InputError(
            f"a label map holds whole numbers in two dimensions, not {labels.dtype} of shape {labels.shape}",
            code="mask_values",
        )
    if not isinstance(n_classes, Integral) or not 0 <= n_classes <= 255:
        raise InputError(
            f"n_classes is {n_classes!r}; give a whole number from 0 to 255, which is what a label map of uint8 holds"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() <= n_classes:
        raise InputError(
            f"labels from {labels.min()} to {labels.max()} were found; give 0 for background and 1 to {n_classes} for "
            "the classes",
            code="mask_values",
        )
    cleaned = np.zeros(labels.shape, dtype=np.uint8)
    windows = dict(enumerate(ndimage.find_objects(labels.astype(np.uint8, copy=False), n_classes), start=1))
    windows = {code: window for code, window in windows.items() if window is not None}
    pieces = {code: _largest_piece(labels[window] == code) for code, window in windows.items()}
    for code, piece in pieces.items():
        cleaned[windows[code]][piece] = code
    for code, piece in pieces.items():
        inside = cleaned[windows[code]]
        inside[ndimage.binary_fill_holes(piece) & (inside == 0)] = code
    return cleaned


def _largest_piece(mask):
    """Return the largest 4-connected piece of a bool mask (H, W); of equal ones the first; empty if the mask is."""
    pieces, n_pieces = ndimage.label(mask)
    if n_pieces <= 1:
        return mask
    return pieces == 1 + np.argmax(np.bincount(pieces.ravel(), minlength=n_pieces + 1)[1:])
