"""The one data type that flows: a radiograph, or a region cut out of one."""

from dataclasses import dataclass, fields, replace
from io import BytesIO

import numpy as np

from deepradiomics.exceptions import InputError


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Radiograph:
    """Pixels of a plain radiograph, what to measure in them, and how large a pixel is.

    A region is a radiograph too: a crop with a margin of real context round its mask. To numpy and pandas it is an
    array, so ``pandas.isna(radiograph)`` is one too: ask ``cell is None``.

    Parameters
    ----------
    pixels : array-like of shape (H, W)
        Grey values, brighter is denser. Stored as read-only float32.
    mask : array-like of shape (H, W), default=None
        Where to measure, stored as read-only bool; None means everywhere.
    spacing : tuple of two floats, default=None
        Height and width of a pixel in mm at the bone; None means unknown.
    laterality : {"L", "R"}, default=None
        Side of the body.
    view : {"AP", "LAT"}, default=None
        Projection.
    name : str, default=""
        A word for error messages. Never the patient.
    spacing_source : str, default=None
        Where the spacing is from, such as ``"ImagerPixelSpacing / 1.15"``.

    Raises
    ------
    InputError
        If the pixels are not a two-dimensional array with at least one pixel, the mask is not boolean or of
        another shape, the spacing is not two positive numbers, or the laterality or view is an unknown word.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics import Radiograph
    >>> hip = Radiograph(np.zeros((512, 400)), spacing=(0.2, 0.2), laterality="L", view="AP")
    >>> hip
    Radiograph(512 x 400, 0.2 x 0.2 mm, L, AP)
    >>> hip.pixels.dtype, hip.pixels.flags.writeable
    (dtype('float32'), False)
    """

    pixels: np.ndarray
    mask: np.ndarray | None = None
    spacing: tuple[float, float] | None = None
    laterality: str | None = None
    view: str | None = None
    name: str = ""
    spacing_source: str | None = None

    def __post_init__(self):
        pixels = _read_only(self.pixels, np.float32)
        if pixels.ndim != 2 or pixels.size == 0:
            raise InputError(
                f"a radiograph is a (rows, columns) array of grey values, not an array of shape {pixels.shape}",
                code="not_an_image",
            )
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "mask", _checked_mask(self.mask, pixels.shape))
        object.__setattr__(self, "spacing", _checked_spacing(self.spacing))
        _check_word("laterality", self.laterality, ("L", "R"))
        _check_word("view", self.view, ("AP", "LAT"))

    @property
    def shape(self):
        """Rows and columns."""
        return self.pixels.shape

    def __array__(self, dtype=None, copy=None):
        # For np.asarray and plt.imshow; the pixels are read-only, so that a view of them does no harm.
        return np.array(self.pixels, dtype=dtype, copy=copy)

    def plot(self, mask=None, *, boxes=None, ax=None):
        """Draw the radiograph with outlines and boxes.

        Parameters
        ----------
        mask : bool or label array of shape (H, W), default=None
            What to outline; None outlines the radiograph's own mask, if it has one.
        boxes : dict of str to Box, default=None
            Boxes in pixels of the picture, each drawn with its name.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn on.

        Examples
        --------
        >>> import matplotlib
        >>> matplotlib.use("Agg")
        >>> from deepradiomics import Radiograph
        >>> Radiograph([[1, 2], [3, 4]]).plot().get_xlim()
        (np.float64(0.0), np.float64(2.0))
        """
        from deepradiomics.regions.display import plot_regions

        return plot_regions(self, mask, boxes=boxes, ax=ax)

    def mirrored(self):
        """Flip left and right; the side of the body stays what it is.

        Returns
        -------
        Radiograph
            The mirror image, with the mask mirrored along.

        Examples
        --------
        >>> from deepradiomics import Radiograph
        >>> Radiograph([[1, 2, 3]]).mirrored().pixels
        array([[3., 2., 1.]], dtype=float32)
        """
        mask = None if self.mask is None else self.mask[:, ::-1]
        return replace(self, pixels=self.pixels[:, ::-1], mask=mask)

    def __repr__(self):
        parts = [f"{self.pixels.shape[0]} x {self.pixels.shape[1]}"]
        if self.mask is not None:
            parts.append(f"mask of {int(self.mask.sum())} pixels")
        if self.spacing is not None:
            source = f" ({self.spacing_source})" if self.spacing_source else ""
            parts.append(f"{self.spacing[0]:.4g} x {self.spacing[1]:.4g} mm{source}")
        parts += [word for word in (self.laterality, self.view) if word]
        return f"Radiograph({', '.join(parts)})"

    def __reduce__(self):
        # numpy forgets the read-only flag when it pickles; building anew sets it again.
        return Radiograph, tuple(getattr(self, part.name) for part in fields(self))

    def _repr_png_(self):
        from PIL import Image

        finite = self.pixels[np.isfinite(self.pixels)]
        low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
        grey = np.clip((np.nan_to_num(self.pixels) - low) / max(high - low, 1e-6), 0, 1)
        stream = BytesIO()
        Image.fromarray((255 * grey).astype(np.uint8)).save(stream, format="PNG")
        return stream.getvalue()


def _read_only(values, dtype):
    """Return a C-contiguous array of the dtype that nobody can write to."""
    if np.ma.is_masked(values):
        raise InputError(
            f"the array hides {np.ma.count_masked(values)} pixels behind a mask of numpy.ma, which would be lost; give "
            "Radiograph(array.data, mask=~array.mask)"
        )
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InputError(f"grey values are numbers, not {array.dtype}", code="not_an_image")
    if array.dtype != dtype or array.flags.writeable or not array.flags.c_contiguous:
        try:
            with np.errstate(over="raise"):
                array = np.array(array, dtype=dtype, order="C")
        except FloatingPointError:
            raise InputError(
                "grey values beyond 3e38 do not fit in float32; rescale them", code="not_an_image"
            ) from None
        array.flags.writeable = False
    return array


def _checked_mask(mask, shape):
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.shape != shape:
        raise InputError(
            f"the mask has shape {mask.shape}, its image {shape}; give a mask of the image's own shape or resample "
            "it first",
            code="mask_shape",
        )
    if mask.dtype != bool:
        raise InputError(
            f"a mask is boolean, not {mask.dtype}; write mask > 0, or mask == label for a label map",
            code="mask_values",
        )
    return _read_only(mask, bool)


def _checked_spacing(spacing):
    if spacing is None:
        return None
    try:
        spacing = tuple(float(value) for value in spacing)
    except (TypeError, ValueError):
        raise InputError(
            f"spacing is (row, column) in mm, two positive numbers, not {spacing!r}", code="spacing"
        ) from None
    if len(spacing) != 2 or not all(0 < value < np.inf for value in spacing):
        raise InputError(
            f"spacing is (row, column) in mm, two positive numbers, not {spacing}; None means unknown",
            code="spacing",
        )
    return spacing


def _check_word(what, word, allowed):
    if word is not None and word not in allowed:
        raise InputError(f"{what} is one of {', '.join(allowed)} or None, not {word!r}")
