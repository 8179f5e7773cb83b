"""From a file or an array to a Radiograph: one function a format, one gate."""

import stat
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from deepradiomics.exceptions import InputError, MissingDependencyError
from deepradiomics.radiograph import Radiograph

# A radiograph of 16,384 x 16,384 pixels; nothing larger leaves a detector.
MAX_PIXELS = 2**28
_VIEWS = {"AP": "AP", "PA": "AP", "LL": "LAT", "RL": "LAT", "LAT": "LAT", "LATERAL": "LAT"}


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

    Examples
    --------
    >>> from deepradiomics import as_radiograph
    >>> as_radiograph([[0, 1], [2, 3]])
    Radiograph(2 x 2)
    >>> as_radiograph(None) is None
    True
    """
    if source is None or isinstance(source, Radiograph):
        return source
    if not isinstance(source, str | Path) and np.ndim(source) == 0 and pd.isna(source):
        return None
    return read_radiograph(source)


def read_radiograph(source, *, mask=None, spacing=None, label=None, laterality=None, view=None, voi=False):
    """Read a plain radiograph; brighter is denser, whatever the file says.

    Parameters
    ----------
    source : path, array-like of shape (H, W) or Radiograph
        DICOM, PNG, TIFF, JPEG, NIfTI, NRRD or MetaImage; an array is taken as it is.
    mask : path or array-like of shape (H, W), default=None
        Where to measure: bool, 0/1, 0/255, or a label map with ``label``.
    spacing : tuple of two floats, default=None
        Height and width of a pixel in mm; overrides the file's.
    label : int, default=None
        The label of the mask to measure.
    laterality : {"L", "R"}, default=None
        Side of the body; must not contradict the file.
    view : {"AP", "LAT"}, default=None
        Projection; overrides the file's.
    voi : bool, default=False
        Whether to apply the DICOM display window. It clips grey values, so texture is read without it.

    Returns
    -------
    Radiograph
        Pixels as float32. Its name stays empty: a file's name may hold the patient's.

    Raises
    ------
    InputError
        If the source is not a readable, single, grey image; if its spacing is not two positive numbers; if the mask
        has another shape, other values, several labels and none chosen, or not the label asked for; if the side of the
        body contradicts the file.
    MissingDependencyError
        If the pixels are compressed in a way for which no decoder is installed.

    Notes
    -----
    DICOM: unused high bits are cleared; MONOCHROME1 is inverted over the stored range; the modality LUT or the rescale
    slope is applied; the display window is not, unless asked for. Spacing is PixelSpacing, else ImagerPixelSpacing,
    else unknown. PNG, TIFF and JPEG have no spacing that could be trusted. 16-bit PNG keeps its 16 bits; equal colour
    channels are one grey channel. JPEG orientation tags are not followed.

    References
    ----------
    DICOM PS3.3, C.7.6.3 Image Pixel, C.7.6.1 General Image, C.11.1 Modality LUT.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics import read_radiograph
    >>> read_radiograph(np.zeros((40, 30)), spacing=(0.2, 0.2), laterality="L")
    Radiograph(40 x 30, 0.2 x 0.2 mm, L)
    """
    if isinstance(source, Radiograph):
        found = source
    elif isinstance(source, str | Path):
        found = _read_file(Path(source), voi)
    else:
        found = Radiograph(np.asarray(source))
    if laterality and found.laterality and laterality != found.laterality:
        raise InputError(
            f"the image says it is the {found.laterality} side, {laterality} was asked for; which is right?",
            code="laterality",
        )
    return Radiograph(
        found.pixels,
        found.mask if mask is None else _chosen(mask, found.pixels.shape, label),
        spacing or found.spacing,
        laterality or found.laterality,
        view or found.view,
        found.name,
    )


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
    values = _itk_array(_checked_path(Path(source)))[0] if isinstance(source, str | Path) else np.asarray(source)
    if values.ndim != 2 or values.dtype.kind not in "biu":
        raise InputError(
            f"a mask is a two-dimensional array of bool or whole numbers, not {values.dtype} of shape {values.shape}",
            code="mask_values",
        )
    return values


def _chosen(source, shape, label):
    """Turn a mask or label map into a bool mask of the image's shape."""
    values = read_label_map(source)
    if values.shape != shape:
        hint = "; it looks transposed" if values.shape == shape[::-1] else ""
        raise InputError(
            f"the mask has shape {values.shape}, its image {shape}{hint}; give a mask of the image's own shape or "
            "resample it first",
            code="mask_shape",
        )
    labels = np.setdiff1d(np.unique(values), [0]).tolist()
    if label is None and len(labels) > 1:
        raise InputError(f"the mask holds the labels {labels}; say which to measure with label=", code="mask_label")
    if label is not None and label not in labels:
        raise InputError(f"label {label} is not in the mask, which holds {labels}", code="mask_label")
    return values > 0 if label is None else values == label


def _read_file(path, voi):
    """Choose the reader by what the file is, not by a name alone."""
    path = _checked_path(path)
    with path.open("rb") as stream:
        head = stream.read(132)
    if head[128:132] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom"):
        return _read_dicom(path, voi)
    if voi:
        raise InputError(f"{path.name} is not DICOM and has no display window; leave voi=False", code="voi")
    pixels, spacing = _itk_array(path)
    return Radiograph(pixels, spacing=spacing)


def _checked_path(path):
    """Refuse what is not a regular, non-empty file, without opening it."""
    if "://" in str(path):
        raise InputError(f"{path.name} is an address on a network; give the path of a file", code="no_file")
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path.name}: no such file; is the path right?", code="no_file") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path.name} is not a regular file; give the path of one image file", code="no_file")
    if status.st_size == 0:
        raise InputError(f"{path.name} is empty; copy it again from where it came", code="empty_file")
    return path


def _check_size(name, n_rows, n_columns):
    if n_rows < 1 or n_columns < 1 or n_rows * n_columns > MAX_PIXELS:
        raise InputError(
            f"{name} claims {n_rows} x {n_columns} pixels, between 1 and {MAX_PIXELS} in all are allowed; is it a "
            "radiograph?",
            code="size",
        )


def _itk_array(path):
    """Read a PNG, TIFF, JPEG, NIfTI, NRRD or MetaImage file: its grey values (H, W) and its spacing or None."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.GlobalWarningDisplayOff()
    try:
        reader.ReadImageInformation()
        size = reader.GetSize()
        _check_size(path.name, size[1] if len(size) > 1 else 0, int(np.prod(size)) // max(size[1], 1))
        image = reader.Execute()
    except RuntimeError as error:
        raise InputError(
            f"{path.name} cannot be read as an image; DICOM, PNG, TIFF, JPEG, NIfTI, NRRD and MetaImage can",
            code="unreadable",
        ) from error
    values = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        values = _one_channel(values, path.name)
    values = _one_slice(values, path.name)
    physical = path.suffix.lower() in (".nii", ".gz", ".nrrd", ".nhdr", ".mha", ".mhd")
    return values, image.GetSpacing()[:2][::-1] if physical else None


def _one_channel(values, name):
    """Take the grey values out of equal colour channels; the alpha channel, if any, is left."""
    colours = values[..., :3] if values.shape[-1] >= 3 else values[..., :1]
    if (colours != colours[..., :1]).any():
        raise InputError(
            f"{name} is a colour picture, its channels differ; export the radiograph itself in grey values",
            code="colour",
        )
    return colours[..., 0]


def _one_slice(values, name):
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != 2:
        raise InputError(f"{name} is a volume of shape {values.shape}; a radiograph has one slice", code="volume")
    return values


def _read_dicom(path, voi):
    """Read a DICOM radiograph: brighter is denser, modality LUT applied."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            dataset = pydicom.dcmread(path)
            _check_dicom(dataset, path.name)
            stored = dataset.pixel_array
            values = _dense_is_bright(stored, dataset, voi)
        except InputError:
            raise
        except InvalidDicomError as error:
            raise InputError(f"{path.name} is not a DICOM file", code="unreadable") from error
        except RuntimeError as error:
            syntax = dataset.file_meta.TransferSyntaxUID.name
            raise MissingDependencyError(
                f"{path.name} is compressed as {syntax}, for which no decoder is installed; pip install python-gdcm, "
                "or export the image uncompressed",
                code="decoder",
            ) from error
        except (AttributeError, KeyError, TypeError, ValueError, EOFError, OSError) as error:
            raise InputError(
                f"{path.name} is damaged ({type(error).__name__}); copy it again from where it came", code="unreadable"
            ) from error
    if any("end of file" in str(warning.message).lower() for warning in caught):
        raise InputError(f"{path.name} is cut off; copy it again from where it came", code="truncated")
    return Radiograph(
        values, spacing=_dicom_spacing(dataset, path.name), laterality=_laterality(dataset), view=_view(dataset)
    )


def _check_dicom(dataset, name):
    """Refuse what is not one grey image, before anything is decoded."""
    if "PixelData" not in dataset:
        raise InputError(f"{name} is DICOM without an image", code="no_pixels")
    _check_size(name, int(dataset.get("Rows", 0)), int(dataset.get("Columns", 0)))
    if int(dataset.get("NumberOfFrames", 1) or 1) != 1:
        raise InputError(f"{name} has {dataset.NumberOfFrames} frames; a radiograph has one", code="volume")
    interpretation = str(dataset.get("PhotometricInterpretation", ""))
    if interpretation not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(
            f"{name} is {interpretation or 'of unknown photometric interpretation'}; MONOCHROME1 and MONOCHROME2 are "
            "radiographs",
            code="colour",
        )


def _dense_is_bright(stored, dataset, voi):
    """Clear unused bits, invert MONOCHROME1 over the stored range, apply the modality LUT: float array (H, W)."""
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation) == 1
    values = stored.astype(np.int64) & (2**bits - 1)
    if signed:
        values = np.where(values >= 2 ** (bits - 1), values - 2**bits, values)
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    if voi:
        shown = apply_voi_lut(apply_modality_lut(values, dataset), dataset)
        return shown.max() + shown.min() - shown if inverted else shown
    if inverted:
        values = (-1 if signed else 2**bits - 1) - values
    return apply_modality_lut(values, dataset)


def _dicom_spacing(dataset, name):
    """PixelSpacing, else ImagerPixelSpacing, else unknown."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        value = dataset.get(keyword)
        if value is None or value == "":
            continue
        spacing = tuple(float(number) for number in value)
        if len(spacing) != 2 or not all(0 < number < 100 for number in spacing):
            raise InputError(
                f"{name} gives {keyword} as {spacing}, two numbers between 0 and 100 mm are allowed; pass spacing= "
                "to override it",
                code="spacing",
            )
        return spacing
    return None


def _laterality(dataset):
    for keyword in ("ImageLaterality", "Laterality"):
        if dataset.get(keyword) in ("L", "R"):
            return str(dataset.get(keyword))
    return None


def _view(dataset):
    return _VIEWS.get(str(dataset.get("ViewPosition", "")).upper())
