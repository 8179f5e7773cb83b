"""Read a radiograph from a file or an array."""

import numpy as np
import pandas as pd

from deepradiomics.exceptions import InputError
from deepradiomics.radiograph import Radiograph
from deepradiomics.reading._dicom import BARE_DICOM, read_dicom
from deepradiomics.reading._files import MAX_MAGNIFICATION, Found, name_and_content
from deepradiomics.reading._pictures import found_in_memory, read_picture
from deepradiomics.reading.masks import _found_labels

_MIN_SPACING, _MAX_SPACING = 0.01, 10.0  # mm; detectors lie between 0.05 and 0.2, thumbnails of them below 10


def as_radiograph(source):
    """Turn whatever stands in an image column into a Radiograph.

    Parameters
    ----------
    source : path, array-like of shape (H, W), Radiograph or None
        None, NaN and ``pandas.NA`` are a missing image.

    Returns
    -------
    Radiograph or None
        None for a missing image.

    Raises
    ------
    InputError
        As `read_radiograph`.
    MissingDependencyError
        As `read_radiograph`.

    Examples
    --------
    >>> from deepradiomics import as_radiograph
    >>> as_radiograph([[0, 1], [2, 3]])
    Radiograph(2 x 2)
    >>> as_radiograph(None) is None
    True
    """
    if isinstance(source, Radiograph):
        return source
    if pd.api.types.is_scalar(source) and pd.isna(source):
        return None
    return read_radiograph(source)


def read_radiograph(  # noqa: PLR0913
    source,
    *,
    mask=None,
    spacing=None,
    magnification=None,
    label=None,
    label_channel=None,
    laterality=None,
    view=None,
    voi=False,
    color="raise",
    orientation=None,
):
    """Read a plain radiograph; brighter is denser, whatever the file says.

    Parameters
    ----------
    source : path, array-like of shape (H, W) or Radiograph
        DICOM, PNG, TIFF, JPEG, NIfTI, NRRD or MetaImage; an array is taken as it is.
    mask : path or array-like of shape (H, W), default=None
        Where to measure: bool, 0/1, 0/255, or a label map with ``label``.
    spacing : tuple of two floats or "unknown", default=None
        Height and width of a pixel in mm at the bone; overrides the file's.
    magnification : float, default=None
        How much larger the bone is on the detector than it is, 1 to 3; divides a spacing of the detector where the
        file does not say it.
    label : int, default=None
        The label of the mask to measure.
    label_channel : int, default=None
        Which layer of a mask with several, such as ``.seg.nrrd``, from 0 on.
    laterality : {"L", "R"}, default=None
        Side of the body; must not contradict the file.
    view : {"AP", "LAT"}, default=None
        Projection; overrides the file's.
    voi : bool, default=False
        Whether to apply the DICOM display window. It clips grey values, so texture is read without it.
    color : {"raise", "luminance"}, default="raise"
        What to do with a colored picture: refuse it, or take the luminance, where only marks are colored.
    orientation : {"stored"}, default=None
        Take rows and columns as stored although a tag asks viewers to turn or mirror the picture; None refuses it.

    Returns
    -------
    Radiograph
        Pixels as float32. Its name stays empty: a file's name may hold the patient's.

    Raises
    ------
    InputError
        If the source is not a readable, single, grey image of at most 2**26 pixels; if its spacing is not two numbers
        between 0.01 and 10 mm and ``spacing`` is not given; if the mask has another shape, other values, several
        labels and none chosen, or not the label asked for; if the side of the body contradicts the file.
    MissingDependencyError
        If the pixels are compressed in a way for which no decoder is installed.

    Notes
    -----
    DICOM: MONOCHROME1, or PresentationLUTShape INVERSE, is inverted over the stored range; the modality LUT or the
    rescale slope is applied; the display window is not, unless asked for. Bits above those stored are refused unless an
    overlay is declared there. Padding (PixelPaddingValue) becomes the darkest
    value. Spacing is the size at the bone: PixelSpacing where it is calibrated, else that of the detector divided by
    the magnification of the tags or by ``magnification``; ``spacing_source`` says which. PNG, TIFF and JPEG have no
    spacing that could be trusted; NRRD and MetaImage without one have none, nor has NIfTI of unknown unit.
    16-bit PNG keeps its 16 bits; equal colour channels are one grey channel. Rows and columns are those of
    ``SimpleITK.GetArrayFromImage``; no orientation matrix is followed, and a JPEG or TIFF file whose tag asks to turn
    it is refused, as is DICOM whose rows do not lead to the patient's left, or front or back, and columns to the feet.
    Threads read in parallel.

    References
    ----------
    DICOM PS3.3, C.7.6.3 Image Pixel, C.7.6.1 General Image, C.11.1 Modality LUT.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics import read_radiograph
    >>> read_radiograph(np.zeros((40, 30)), spacing=(0.2, 0.2), laterality="L")
    Radiograph(40 x 30, 0.2 x 0.2 mm (given), L)
    """
    if color not in ("raise", "luminance") or orientation not in (None, "stored"):
        raise InputError(
            f"color is 'raise' or 'luminance', orientation None or 'stored', not {color!r} and {orientation!r}"
        )
    found = _find(source, voi, color, orientation)
    spacing, spacing_source = _spacing_at_the_bone(found, spacing, magnification)
    if label is not None and mask is None:
        raise InputError("label= chooses among the labels of a mask; give mask= too", code="mask_label")
    return Radiograph(
        found.pixels,
        found.mask if mask is None else _chosen(mask, found, label, label_channel),
        spacing,
        _agreed_side(found, laterality),
        found.view if view is None else view,
        found.name,
        spacing_source,
    )


def _find(source, voi, color, orientation):
    """Look into a Radiograph, a file or an array."""
    file = name_and_content(source)
    if file is not None:
        return _read_file(*file, voi, color, orientation)
    if voi:
        raise InputError("an array has no display window; leave voi=False")
    if isinstance(source, Radiograph):
        sides = (source.laterality,) if source.laterality else ()
        return Found(
            source.pixels,
            source.spacing,
            sides,
            source.view,
            source.mask,
            source.name,
            spacing_source=source.spacing_source,
        )
    return found_in_memory(source, "the image", turned=orientation == "stored", color=color)


def _read_file(path, content, voi, color, orientation):
    """Choose the reader by what the file holds, not by its name."""
    if content[128:132] == b"DICM" or content.startswith(BARE_DICOM):
        return read_dicom(content, path.name, voi, orientation == "stored", color)
    if voi:
        raise InputError(f"{path.name} is not DICOM and has no display window; leave voi=False")
    return read_picture(path, content, turned=orientation == "stored", color=color)


def _agreed_side(found, asked):
    """Side of the body; the file and the caller must not contradict each other."""
    if len(found.sides) > 1 and asked is None:
        raise InputError(
            f"{found.place} names both sides of the body; say which it is with laterality=",
            code="laterality",
        )
    if len(found.sides) == 1 and asked not in (None, *found.sides):
        raise InputError(
            f"{found.place} says it is the {found.sides[0]} side, {asked} was asked for; which is right?",
            code="laterality",
        )
    return asked or (found.sides[0] if found.sides else None)


def _spacing_at_the_bone(found, asked, magnification):
    """Spacing at the bone and where it is from: given, calibrated, or that of the detector over the magnification."""
    if magnification is not None and (asked is not None or not 1 <= magnification <= MAX_MAGNIFICATION):
        raise InputError(
            f"magnification={magnification} and spacing={asked}: a magnification is 1 to {MAX_MAGNIFICATION}, and "
            "spacing= is the size at the bone already; give one of them",
            code="magnification",
        )
    if isinstance(asked, str) and asked == "unknown":
        return None, None
    if asked is not None:
        return asked, "given"
    if found.place == "the image":
        return found.spacing, found.spacing_source
    spacing = _trusted_spacing(found)
    if spacing is None:
        return None, None
    factor, source = found.magnification, found.spacing_source or "header"
    if factor is not None and not 1 <= factor <= MAX_MAGNIFICATION:
        raise InputError(
            f"{found.place} gives a magnification of {factor:g}, 1 to {MAX_MAGNIFICATION} is allowed; pass spacing=",
            code="magnification",
        )
    factor = factor or magnification or 1.0
    return tuple(size / factor for size in spacing), source if factor == 1 else f"{source} / {factor:.4g}"


def _trusted_spacing(found):
    """Spacing as two plausible numbers, or None; a wrong one is worse than none."""
    if found.spacing is None:
        return None
    try:
        spacing = tuple(float(number) for number in found.spacing)
    except ValueError:
        spacing = ()
    if len(spacing) != 2 or not all(_MIN_SPACING <= number <= _MAX_SPACING for number in spacing):
        raise InputError(
            f"{found.place} gives its pixel spacing as {found.spacing}, two numbers between {_MIN_SPACING} and "
            f"{_MAX_SPACING} mm are allowed; pass spacing= to override it",
            code="spacing",
        )
    return spacing


def _chosen(source, image, label, label_channel):
    """Turn a mask or label map into a bool mask of the image's shape; both must lie at the same place."""
    found = _found_labels(source, label_channel)
    values, shape = found.pixels, image.pixels.shape
    if found.geometry and image.geometry and values.shape == shape:
        _check_place(found.geometry, image.geometry)
    if values.shape != shape:
        hint = "; it looks transposed" if values.shape == shape[::-1] else ""
        raise InputError(
            f"the mask has shape {values.shape}, its image {shape}{hint}; give a mask of the image's own shape or "
            "resample it first",
            code="mask_shape",
        )
    labels = [value for value in np.unique(values).tolist() if value != 0]
    if label is None and len(labels) > 1:
        raise InputError(f"the mask holds the labels {labels}; say which to measure with label=", code="mask_label")
    if label is not None and label not in labels:
        raise InputError(f"label {label} is not in the mask, which holds {labels}", code="mask_label")
    return values > 0 if label is None else values == label


def _check_place(mask, image):
    """Refuse a mask that does not lie on its image, as far as the geometry of their only slice says."""
    # An image of two axes lies in the first two of space.
    origins = [np.pad(origin, (0, 4 - len(origin))) for origin, _, _ in (mask, image)]
    directions = [np.pad(direction, ((0, 4 - len(direction)), (0, 0))) for _, _, direction in (mask, image)]
    shift = np.abs((origins[0] - origins[1]) @ directions[1])
    alike = {
        "spacing": np.allclose(mask[1], image[1], rtol=1e-3, atol=0),
        "direction": np.allclose(*directions, rtol=0, atol=1e-3),
        "origin": (shift <= 0.5 * np.array(image[1])).all(),
    }
    for number, what in enumerate(("origin", "spacing", "direction")):
        if not alike[what]:
            raise InputError(
                f"the mask has another {what} than its image, {np.round(mask[number], 4).tolist()} and "
                f"{np.round(image[number], 4).tolist()}; resample it to the image, or give arrays",
                code="mask_geometry",
            )
