"""Simulated radiographs as DICOM files, so that everything downstream is tested from files."""

from collections.abc import Mapping
from hashlib import sha256
from numbers import Real
from pathlib import Path

import numpy as np
import pandas as pd

from deepradiomics.exceptions import InputError
from deepradiomics.radiograph import Radiograph
from deepradiomics.simulation._arguments import said

_DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
_VIEWS = {"AP": ("AP", ["L", "F"]), "LAT": ("LL", ["A", "F"])}  # position, and where columns and rows lead to
_TEXT = {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UT"}


def write_dicom(bunch, folder, *, photometric="MONOCHROME2", bits=12, with_spacing=True, identity=None):
    """Write the radiographs of a simulation as Digital X-Ray (DX, for presentation) DICOM files.

    Reading a file gives the pixels back unchanged, whatever the variant. The same simulation gives the same bytes.

    Parameters
    ----------
    bunch : sklearn.utils.Bunch
        What `make_hips` or `make_spines` returned: its ``data`` has columns of `Radiograph` of whole grey values.
    folder : path-like
        Where to write; made if it is not there. Files are named by row and column, ``00000_ap.dcm``.
    photometric : {"MONOCHROME1", "MONOCHROME2"}, default="MONOCHROME2"
        Whether the largest stored value is shown black or white.
    bits : {12, 16}, default=12
        Stored bits of the 16 that are allocated.
    with_spacing : bool, default=True
        Whether to write PixelSpacing and ImagerPixelSpacing. The standard demands the latter; archives lack it.
    identity : dict of str to str, default=None
        DICOM keywords and what to fill them with, such as ``{"PatientName": "MARKER^ONE"}``; a date is
        ``"19010203"``. None leaves the patient anonymous.

    Returns
    -------
    pandas.DataFrame
        A copy of ``bunch.data`` with paths (str) in place of the radiographs, and without the label maps, which a
        table in a file cannot hold; :func:`deepradiomics.reading.write_segmentation` writes these.

    Raises
    ------
    InputError
        If the photometric interpretation, the bits or a keyword of `identity` is unknown, a word is none that its
        keyword can hold, a grey value is not whole or does not fit in the bits, an age is no number of years, no
        column holds radiographs or one has a name that a file cannot have, or the folder cannot be written to.

    References
    ----------
    DICOM PS3.3, A.26 Digital X-Ray Image IOD.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import deepradiomics as dr
    >>> from deepradiomics.simulation import make_hips, write_dicom
    >>> hips = make_hips(1, random_state=0, image_shape=(64, 64))
    >>> with TemporaryDirectory() as folder:
    ...     paths = write_dicom(hips, folder, photometric="MONOCHROME1")["radiograph"]
    ...     read = dr.read_radiograph(paths[0])
    >>> bool((read.pixels == hips.data["radiograph"][0].pixels).all())
    True
    """
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or bits not in (12, 16):
        raise InputError(
            f"{photometric!r} with {bits!r} bits was asked for; MONOCHROME1 and MONOCHROME2 with 12 or 16 bits are "
            "written"
        )
    identity = _checked_identity(identity)
    table = _checked_table(bunch)
    columns = _image_columns(table)
    data = table[[name for name in table if not any(isinstance(cell, np.ndarray) for cell in table[name])]].copy()
    folder = _made(folder)
    for column in columns:
        data[column] = data[column].astype(object)
    for place, row in enumerate(table.to_dict("records")):
        study = sha256("".join(_digest(row[column]) for column in columns).encode()).hexdigest()
        for number, column in enumerate(columns, 1):
            if not isinstance(row[column], Radiograph):
                continue
            dataset = _dataset(row[column], photometric, bits, f"{place}, column {column!r}")
            _describe(dataset, row, place, number, (study, column, photometric, str(bits), str(with_spacing)))
            if with_spacing and row[column].spacing is not None:
                dataset.PixelSpacing = dataset.ImagerPixelSpacing = [f"{mm:.12g}" for mm in row[column].spacing]
            dataset.update(identity)
            path = folder / f"{place:05d}_{column}.dcm"
            _save(dataset, path)
            data.iloc[place, data.columns.get_loc(column)] = str(path)
    return data


def _checked_table(bunch):
    """Return the table of a simulation, each column of which has a name of its own."""
    table = getattr(bunch, "data", None)
    if not isinstance(table, pd.DataFrame):
        raise InputError(
            f"a {type(bunch).__name__} was given, whose data is no DataFrame; give what make_hips or make_spines "
            "returned"
        )
    twins = table.columns[table.columns.duplicated()]
    if len(twins):
        raise InputError(f"several columns are named {twins[0]!r}; give each a name of its own", code="columns")
    return table


def _image_columns(data):
    """Name the columns that hold radiographs."""
    columns = [name for name in data if any(isinstance(cell, Radiograph) for cell in data[name])]
    if not columns:
        raise InputError(
            f"no column of {', '.join(map(str, data))} holds radiographs; give what make_hips or make_spines returned"
        )
    for name in columns:
        # The name of the column is a part of the names of the files.
        if not isinstance(name, str) or not name.isprintable() or set(name) & set("/\\"):
            raise InputError(
                f"a column of radiographs is named {name!r}; rename it to a text without slashes, which can stand in "
                "the name of a file",
                code="columns",
            )
    return columns


def _made(folder):
    """Return the folder as a path; it is there."""
    try:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except TypeError:
        raise InputError(f"the folder is {said(folder)}; give a path") from None
    except OSError as error:
        # The system's own message holds the whole path.
        raise InputError(
            f"the folder {folder.name!r} cannot be made ({type(error).__name__}); is there a file of that name, and "
            "may you write there?"
        ) from None
    return folder


def _save(dataset, path):
    """Write one file."""
    try:
        dataset.save_as(path, enforce_file_format=True)
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be written ({type(error).__name__}); may you write to its folder, and is there space?"
        ) from None


def _checked_identity(identity):
    """Turn keywords and words into a dataset of text attributes; messages hold no word, it may be a patient's."""
    from pydicom import Dataset
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    if identity is not None and not isinstance(identity, Mapping):
        raise InputError(f"identity is a {type(identity).__name__}; give a dict of DICOM keywords and words, or None")
    dataset = Dataset()
    for keyword, word in (identity or {}).items():
        tag = tag_for_keyword(keyword) if isinstance(keyword, str) else None
        if tag is None or dictionary_VR(tag) not in _TEXT:
            raise InputError(
                f"identity has {keyword!r}, which is no DICOM keyword of a text attribute; keywords such as "
                "PatientName and InstitutionName are"
            )
        dataset.add(_element(tag, dictionary_VR(tag), keyword, word))
    return dataset


def _element(tag, kind, keyword, word):
    """Make one text attribute."""
    from pydicom import DataElement, config

    if not isinstance(word, str):
        raise InputError(f"identity fills {keyword} with a {type(word).__name__}; give a str")
    try:
        return DataElement(tag, kind, word, validation_mode=config.RAISE)
    except ValueError:
        raise InputError(
            f"identity fills {keyword} with {len(word)} characters that an attribute of type {kind} cannot hold; a "
            "date (DA) is eight digits such as 19010203, a code (CS) has up to 16 capitals, a name (LO) up to 64 "
            "characters"
        ) from None


def _digest(radiograph):
    return sha256(radiograph.pixels.tobytes()).hexdigest() if isinstance(radiograph, Radiograph) else ""


def _stored(radiograph, inverted, bits, place):
    """Return the pixels as they are stored: uint16 (H, W)."""
    pixels, top = radiograph.pixels, 2**bits - 1
    if not (np.rint(pixels) == pixels).all() or pixels.min() < 0 or pixels.max() > top:
        raise InputError(
            f"row {place}: grey values from {pixels.min():g} to {pixels.max():g} were found; whole ones from 0 to "
            f"{top} can be written with {bits} bits"
        )
    stored = pixels.astype("<u2")
    return np.uint16(top) - stored if inverted else stored


def _dataset(radiograph, photometric, bits, place):
    """Make a dataset of what the pixels are: image pixel, DX image, detector and anatomy modules."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    inverted = photometric == "MONOCHROME1"
    stored = _stored(radiograph, inverted, bits, place)
    low, high = np.percentile(stored, (0.5, 99.5))
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, photometric
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, bits, bits - 1, 0
    dataset.ImageType = ["DERIVED", "PRIMARY", ""]
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = 1 if inverted else -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    dataset.LossyImageCompression, dataset.BurnedInAnnotation = "00", "NO"
    dataset.WindowCenter, dataset.WindowWidth = round((low + high) / 2), max(round(high - low), 2)
    dataset.DetectorType, dataset.AcquisitionContextSequence = "DIRECT", []
    dataset.ImageLaterality, dataset.AnatomicRegionSequence = radiograph.laterality or "U", []
    if radiograph.view is not None:
        dataset.ViewPosition, dataset.PatientOrientation = _VIEWS[radiograph.view]
    dataset.PixelData = stored.astype("<u2").tobytes()
    return dataset


def _age(value, place):
    """Return an age as DICOM writes it, or None where it is missing."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if not isinstance(value, Real) or not 0 <= value < 999.5:
        raise InputError(
            f"row {place}: the age is {said(value)}; give years, a number from 0 to 999, or leave it empty"
        )
    return f"{round(value):03d}Y"


def _word(row, column):
    """Return a cell as text, empty where it is missing."""
    value = row.get(column)
    return "" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def _describe(dataset, row, place, number, entropy):
    """Add what the file is about: patient, study, series, equipment and SOP common modules."""
    from pydicom.uid import generate_uid

    for keyword in ("PatientBirthDate", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"):
        setattr(dataset, keyword, "")
    dataset.PatientID, dataset.PatientName, dataset.PatientSex = _word(row, "patient"), "Anonymous", _word(row, "sex")
    age = _age(row.get("age"), place)
    if age is not None:
        dataset.PatientAge = age
    dataset.Manufacturer, dataset.SoftwareVersions = "deepradiomics", "simulation"
    dataset.Modality, dataset.PresentationIntentType = "DX", "FOR PRESENTATION"
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "", number, 1
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study", entropy[0]])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series", *entropy])
    dataset.SOPClassUID, dataset.SOPInstanceUID = _DX_FOR_PRESENTATION, generate_uid(entropy_srcs=["image", *entropy])
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
