"""Images into frames of another size, without distortion, and boxes in and out of them."""

from typing import NamedTuple

import numpy as np

from deepradiomics.box import Box
from deepradiomics.exceptions import InputError
from deepradiomics.preprocessing._checks import checked_image


class Letterbox(NamedTuple):
    """A picture in a frame of another size, and where it lies in it.

    Parameters
    ----------
    pixels : float32 array of shape ``size``
        The framed picture.
    scale : tuple of two floats
        Pixels of the frame per pixel of the original, along rows and columns; equal but for rounding.
    corner : tuple of two ints
        Row and column in the frame of the picture's upper left corner.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics import Box
    >>> from deepradiomics.preprocessing import letterbox
    >>> framed = letterbox(np.ones((100, 50)), (20, 20))
    >>> framed.corner
    (0, 5)
    >>> framed.to_original(framed.to_frame(Box(10, 20, 30, 20)))
    Box(top=10.0, left=20.0, height=30.0, width=20.0, angle=0.0)
    """

    pixels: np.ndarray
    scale: tuple[float, float]
    corner: tuple[int, int]

    def to_frame(self, box):
        """Return a box of the original where it lies in the frame.

        Parameters
        ----------
        box : Box
            In pixels of the original.

        Returns
        -------
        Box
            In pixels of the frame.
        """
        (rows, columns), (top, left) = self.scale, self.corner
        return Box(top + rows * box.top, left + columns * box.left, rows * box.height, columns * box.width, box.angle)

    def to_original(self, box):
        """Return a box of the frame where it lies in the original.

        Parameters
        ----------
        box : Box
            In pixels of the frame.

        Returns
        -------
        Box
            In pixels of the original.
        """
        (rows, columns), (top, left) = self.scale, self.corner
        return Box(
            (box.top - top) / rows, (box.left - left) / columns, box.height / rows, box.width / columns, box.angle
        )


def letterbox(pixels, size, *, fill=None):
    """Resize into a frame without distortion; what is left of the frame is filled.

    Parameters
    ----------
    pixels : array of shape (H, W)
        Grey values.
    size : tuple of two ints
        Rows and columns of the frame.
    fill : float, default=None
        Grey value round the picture; None means the mean of the picture (grey).

    Returns
    -------
    Letterbox
        The framed picture, and how to map boxes in and out.

    Raises
    ------
    InputError
        If the size is not positive, or a grey value is not finite.

    Notes
    -----
    Bilinear, averaged over the pixels that fall together when the picture becomes smaller (Pillow's resize).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.preprocessing import letterbox
    >>> letterbox(np.full((2, 4), 7), (4, 4), fill=0).pixels
    array([[0., 0., 0., 0.],
           [7., 7., 7., 7.],
           [7., 7., 7., 7.],
           [0., 0., 0., 0.]], dtype=float32)
    """
    from PIL import Image

    pixels, _ = checked_image(pixels, None)
    if len(size) != 2 or min(size) < 1:
        raise InputError(f"the size of a frame is (rows, columns), both positive, not {size}", code="size")
    shape = np.array(pixels.shape)
    inner = np.maximum(np.round(shape * min(np.array(size) / shape)), 1).astype(int)
    top, left = (np.array(size) - inner) // 2
    framed = np.full(size, pixels.mean() if fill is None else fill, dtype=np.float32)
    resized = Image.fromarray(pixels).resize(tuple(inner[::-1].tolist()), Image.Resampling.BILINEAR)
    framed[top : top + inner[0], left : left + inner[1]] = resized
    return Letterbox(framed, tuple((inner / shape).tolist()), (int(top), int(left)))
