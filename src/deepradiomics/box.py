"""Boxes in an image: what they are, their mirror image, the pixels they hold, and the region they cut out."""

from dataclasses import dataclass, replace

import numpy as np

from deepradiomics.exceptions import InputError, RegionError


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in an image, upright or tilted about its centre.

    Parameters
    ----------
    top, left : float
        Upper left corner of the upright rectangle, in pixels; (0, 0) is the outer corner of the first pixel.
    height, width : float
        Size in pixels, positive.
    angle : float, default=0.0
        Tilt about the centre in degrees, counter-clockwise as the image is seen.

    Raises
    ------
    InputError
        If a number is not finite, or height or width is not positive.

    Examples
    --------
    >>> from deepradiomics import Box
    >>> box = Box(top=10, left=20, height=4, width=6)
    >>> box.centre
    (12.0, 23.0)
    >>> box.corners.tolist()
    [[10.0, 20.0], [10.0, 26.0], [14.0, 26.0], [14.0, 20.0]]
    """

    top: float
    left: float
    height: float
    width: float
    angle: float = 0.0

    def __post_init__(self):
        values = (self.top, self.left, self.height, self.width, self.angle)
        if not np.all(np.isfinite(values)) or self.height <= 0 or self.width <= 0:
            raise InputError(f"a box has finite numbers and a positive size, not {self}")

    @property
    def centre(self):
        """Row and column of the centre, in pixels."""
        return self.top + self.height / 2, self.left + self.width / 2

    @property
    def corners(self):
        """The corners as float array of shape (4, 2): row and column, clockwise from the upper left one."""
        rows = np.array([-1, -1, 1, 1]) * self.height / 2
        columns = np.array([-1, 1, 1, -1]) * self.width / 2
        sine, cosine = np.sin(np.deg2rad(self.angle)), np.cos(np.deg2rad(self.angle))
        return np.column_stack([rows * cosine - columns * sine, rows * sine + columns * cosine]) + self.centre


def mirror_box(box, image_width):
    """Return the box where it lies after the image is flipped left to right.

    Parameters
    ----------
    box : Box
        The box in the image.
    image_width : int
        Number of columns of the image.

    Returns
    -------
    Box
        The box in the mirrored image.

    Examples
    --------
    >>> from deepradiomics.box import Box, mirror_box
    >>> mirror_box(Box(top=0, left=1, height=2, width=3, angle=10), image_width=10)
    Box(top=0, left=6, height=2, width=3, angle=-10)
    """
    return replace(box, left=image_width - box.left - box.width, angle=-box.angle)


def box_mask(box, shape):
    """Mark the pixels whose centre lies in a box.

    Parameters
    ----------
    box : Box
        The box; it may stick out of the image.
    shape : tuple of two ints
        Rows and columns of the image.

    Returns
    -------
    bool array of shape ``shape``
        True inside the box.

    Examples
    --------
    >>> from deepradiomics.box import Box, box_mask
    >>> box_mask(Box(top=1, left=0, height=1, width=2), (3, 3)).astype(int)
    array([[0, 0, 0],
           [1, 1, 0],
           [0, 0, 0]])
    """
    row, column = box.centre
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    rows, columns = rows + 0.5 - row, columns + 0.5 - column
    sine, cosine = np.sin(np.deg2rad(box.angle)), np.cos(np.deg2rad(box.angle))
    # 1e-9 keeps a pixel centre that lies on an edge inside, whichever way the rounding went.
    across = np.abs(columns * cosine - rows * sine) <= box.width / 2 + 1e-9
    along = np.abs(rows * cosine + columns * sine) <= box.height / 2 + 1e-9
    return across & along


def fraction_inside(box, mask):
    """Measure how much of a box lies in a mask.

    Parameters
    ----------
    box : Box
        The box; what sticks out of the image counts as outside the mask.
    mask : bool array of shape (H, W)
        The bone.

    Returns
    -------
    float
        Pixels of the box inside the mask over all its pixels, between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.box import Box, fraction_inside
    >>> fraction_inside(Box(0, 0, 2, 2), np.array([[True, True], [True, False]]))
    0.75
    """
    (top, left), (bottom, right) = _extent(box)
    shape = (bottom - top, right - left)
    pixels = box_mask(replace(box, top=box.top - top, left=box.left - left), shape)
    window = np.zeros(shape, dtype=bool)
    rows = slice(max(top, 0), max(min(bottom, mask.shape[0]), 0))
    columns = slice(max(left, 0), max(min(right, mask.shape[1]), 0))
    if rows.start < rows.stop and columns.start < columns.stop:
        window[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = mask[rows, columns]
    return float((pixels & window).sum() / max(pixels.sum(), 1))


def crop(radiograph, box, *, margin=0, within_mask=False, name=""):
    """Cut a region out of a radiograph, with real context round it.

    Nothing is resampled: a tilted box becomes a tilted mask in an upright crop, so the texture inside is untouched.

    Parameters
    ----------
    radiograph : Radiograph
        The whole image.
    box : Box
        What to measure. It must lie inside the image.
    margin : int, default=0
        Pixels of context on every side; there are fewer where the image ends.
    within_mask : bool, default=False
        Whether to measure only what lies in the box and in the mask of the radiograph.
    name : str, default=""
        Name of the region.

    Returns
    -------
    Radiograph
        The crop; its mask marks the box.

    Raises
    ------
    InputError
        If the box sticks out of the image by more than half a pixel.
    RegionError
        If no pixel is left to measure.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.box import Box, crop
    >>> from deepradiomics import Radiograph
    >>> crop(Radiograph(np.ones((100, 100))), Box(20, 30, 10, 12), margin=5)
    Radiograph(20 x 22, mask of 120 pixels)
    """
    shape = radiograph.pixels.shape
    corners = box.corners
    if (corners < -0.5).any() or (corners > np.array(shape) + 0.5).any():
        raise InputError(
            f"{box} sticks out of its image of {shape[0]} x {shape[1]} pixels; clip the box, or give the image it was "
            "drawn on",
            code="box_outside",
        )
    (top, left), (bottom, right) = _extent(box)
    rows = slice(max(top - margin, 0), min(bottom + margin, shape[0]))
    columns = slice(max(left - margin, 0), min(right + margin, shape[1]))
    pixels = radiograph.pixels[rows, columns]
    mask = box_mask(replace(box, top=box.top - rows.start, left=box.left - columns.start), pixels.shape)
    if within_mask and radiograph.mask is not None:
        mask &= radiograph.mask[rows, columns]
    if not mask.any():
        raise RegionError(f"{box} holds no pixel to measure; is it on the bone?", code="empty_region")
    return replace(radiograph, pixels=pixels, mask=mask, name=name or radiograph.name)


def _extent(box):
    """First and one past the last pixel of the upright rectangle round a box, as two (row, column) arrays."""
    corners = np.round(box.corners, 6)
    return np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
