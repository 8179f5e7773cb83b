"""What one file says of itself, without what says whose it is."""

import re
import unicodedata
import warnings
from datetime import datetime
from pathlib import PurePosixPath

from deepradiomics.archive._secrets import keyed
from deepradiomics.exceptions import DeepRadiomicsError
from deepradiomics.reading import read_radiograph
from deepradiomics.reading._dicom import BARE_DICOM, _dicom_spacing, _magnification, not_upright
from deepradiomics.reading._files import DAMAGE, MAX_MAGNIFICATION, Found
from deepradiomics.reading.radiographs import _spacing_at_the_bone

# All that is looked at in a DICOM header. The first group is put out; the others are hashed, subtracted or compared.
_SHOWN = [
    "Modality",
    "SOPClassUID",
    "PatientAge",
    "PatientSex",
    "PatientSize",
    "PatientWeight",
    "BodyPartExamined",
    "AnatomicRegionSequence",
    "ViewPosition",
    "ViewCodeSequence",
    "ImageLaterality",
    "Laterality",
    "PatientOrientation",
    "FieldOfViewHorizontalFlip",
    "PresentationLUTShape",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsStored",
    "NumberOfFrames",
    "PixelSpacing",
    "PixelSpacingCalibrationType",
    "ImagerPixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
    "DistanceSourceToDetector",
    "DistanceSourceToPatient",
    "KVP",
    "Exposure",
    "ExposureInuAs",
    "ExposureTime",
    "XRayTubeCurrent",
    "ExposureIndex",
    "Manufacturer",
    "ManufacturerModelName",
    "BurnedInAnnotation",
]
_PATIENT = [
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientBirthDate",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "SeriesDate",
    "AcquisitionDate",
    "ContentDate",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
]
_PLACE = [
    "InstitutionName",
    "InstitutionAddress",
    "StationName",
    "DeviceSerialNumber",
    "OperatorsName",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
]
_DATES = ("AcquisitionDate", "ContentDate", "SeriesDate", "StudyDate")
_RADIOGRAPHS = {"", "CR", "DX", "RG", "RF", "XA", "IO", "MG", "OT", "PX"}
_DICOMDIR = "1.2.840.10008.1.3.10"
_BITS = {"1": 1, "I": 32, "F": 32, "I;16": 16, "I;16B": 16, "I;16L": 16}
_VOLUMES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
_UNITS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
# Words of an error's code, for the column that says why a file was left out.
_REASONS = {
    "bits": "stores bits in a way that is not read",
    "color": "color picture",
    "decoder": "compressed in a way for which no decoder is installed",
    "empty_file": "empty file",
    "laterality": "names both sides of the body",
    "magnification": "magnification makes no sense",
    "no_file": "cannot be opened",
    "orientation": "mirrored or turned, as its orientation says",
    "no_pixels": "DICOM without an image",
    "size": "too large, or larger than its file can hold",
    "spacing": "pixel spacing makes no sense",
    "truncated": "cut off",
    "unreadable": "damaged, or no image",
    "volume": "several frames or slices",
}


def describe(path, shown, key, pixels, patient_in_path=None):
    """Describe one file, and what is missing where it is the index of a medium: a list of dicts, one an image.

    ``shown`` is the path from the scanned folder. Keys that begin with ``_`` are for the scan and do not come out.
    """
    row = {"image_id": keyed(key, "image", shown), "path_identifies": None}
    match = re.search(patient_in_path, shown) if patient_in_path else None
    number = (match.group(1) or "").strip() if match else ""
    if number:
        row["patient"] = keyed(key, "patient", number)
    more = []
    try:
        # Words of other libraries may hold cells of the header.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.exists() and not path.is_file():
                # To open a pipe would wait for somebody to write to it.
                raise OSError
            with path.open("rb") as stream:
                head = stream.read(352)
            if head[128:132] == b"DICM" or head.startswith(BARE_DICOM):
                more = _dicom(path, shown, key, row)
            else:
                _picture(path, row)
        if pixels and "left_out" not in row:
            image = read_radiograph(path).pixels
            row["_pixels"] = keyed(key, "pixels", str(image.shape), image.tobytes())
            row["rows"], row["columns"] = image.shape
    except DeepRadiomicsError as error:
        row["left_out"] = _REASONS.get(error.code, f"cannot be read ({error.code})")
    except OSError as error:
        row["left_out"] = f"cannot be opened ({type(error).__name__})"
    return [row, *more]


def _picture(path, row):
    """Describe PNG, JPEG and TIFF by their headers; other formats say their size when their pixels are read."""
    from PIL import Image

    if path.name.lower().endswith(_VOLUMES):
        row["format"] = path.suffix.lower().lstrip(".").replace("gz", "nii")
        return
    try:
        with Image.open(path, formats=("PNG", "JPEG", "TIFF")) as image:
            row |= {"format": image.format, "rows": image.height, "columns": image.width}
            row["bits"] = _BITS.get(image.mode, 8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        row["left_out"] = "no image" if path.stat().st_size else "empty file"


def _dicom(path, shown, key, row):
    """Describe a DICOM file; of a DICOMDIR, return a row for each file that it names and that is not there."""
    from pydicom import dcmread
    from pydicom.errors import BytesLengthException, InvalidDicomError

    row["format"] = "DICOM"
    try:
        data = dcmread(path, stop_before_pixels=True, force=True, specific_tags=[*_SHOWN, *_PATIENT, *_PLACE])
        if data.file_meta.get("MediaStorageSOPClassUID") == _DICOMDIR:
            row["left_out"] = "DICOMDIR, the index of a medium: its images have rows of their own"
            return _missing(path, shown, key)
        _identify(data, shown, key, row)
        _measure(data, row)
        if reason := _unusable(data):
            row["left_out"] = reason
    except DeepRadiomicsError:
        raise
    except (*DAMAGE, BytesLengthException, InvalidDicomError) as error:
        row["left_out"] = f"damaged header ({type(error).__name__})"
    return []


def _unusable(data):
    """Why a DICOM file is no radiograph, or None."""
    modality = _text(data, "Modality").upper()
    if "Rows" not in data or "Columns" not in data:
        return _REASONS["no_pixels"]
    if modality not in _RADIOGRAPHS:
        return f"modality {modality if re.fullmatch('[A-Z0-9]{2,5}', modality) else 'unknown'}"
    if int(data.get("NumberOfFrames", 1) or 1) > 1:
        return _REASONS["volume"]
    return _REASONS["orientation"] if not_upright(data) else None


def named_files(path):
    """Parts of the path, from the folder of a DICOMDIR on, of each record in it; no parts where it names no file."""
    from pydicom import dcmread

    records = dcmread(path, specific_tags=["DirectoryRecordSequence"]).get("DirectoryRecordSequence", [])
    named = [record.get("ReferencedFileID") or [] for record in records]
    return [[parts] if isinstance(parts, str) else list(parts) for parts in named]


def _missing(path, shown, key):
    """Rows of the files that a DICOMDIR names and that are not there; by number, as names may be of patients."""
    rows = []
    for number, parts in enumerate(named_files(path)):
        spellings = [parts, [part.lower() for part in parts], [part.upper() for part in parts]]
        if parts and not any(path.parent.joinpath(*spelling).exists() for spelling in spellings):
            own = keyed(key, "image", str(PurePosixPath(shown).parent.joinpath(*parts)))
            reason = "named by a DICOMDIR, and not there"
            rows.append({"image_id": own, "format": "DICOM", "left_out": reason, "_record": number})
    return rows


def _identify(data, shown, key, row):
    """Add pseudonyms, the day and the age; tell whether the path names the patient."""
    patient = _text(data, "PatientID")
    if patient:
        row["patient"] = keyed(key, "patient", patient)
    # A station by its serial number where it has one: names are changed.
    site = [_text(data, word) for word in ("InstitutionName", "StationName", "DeviceSerialNumber")]
    row["site"] = keyed(key, "site", *site) if any(site) else None
    uid = _text(data, "SOPInstanceUID")
    row["_uid"] = keyed(key, "uid", uid) if uid else None
    days = [day for day in (_day(_text(data, word)) for word in _DATES) if day]
    row["_day"] = days[0].toordinal() if days else None
    born, doubts = _day(_text(data, "PatientBirthDate")), []
    given = re.fullmatch(r"(\d{1,3})([YMWD])", _text(data, "PatientAge").upper())
    stated = int(int(given[1]) * _UNITS[given[2]]) if given else None
    # The birthday of this year has come, or has not.
    counted = days and born and days[0].year - born.year - ((days[0].month, days[0].day) < (born.month, born.day))
    row["age"] = counted if days and born and counted >= 0 else stated
    if stated is not None and days and born and abs(counted - stated) > 1:
        row["age"] = None
        doubts.append("age")
    sides = {_text(data, word).upper() for word in ("ImageLaterality", "Laterality")} & {"L", "R", "B", "U"}
    row["laterality"] = sides.pop() if len(sides) == 1 else None
    doubts += ["laterality"] if sides and row["laterality"] is None else []
    shown_inverted = _text(data, "PresentationLUTShape"), _text(data, "PhotometricInterpretation")
    doubts += ["photometric"] if shown_inverted in (("INVERSE", "MONOCHROME2"), ("IDENTITY", "MONOCHROME1")) else []
    row["doubts"] = ", ".join(doubts) or None
    whose = {word for keyword in _PATIENT for word in _words(_text(data, keyword))}
    row["path_identifies"] = _names(shown, whose)
    where = whose | {word for keyword in _PLACE for word in _words(_text(data, keyword))}
    region = data.get("AnatomicRegionSequence") or [{}]
    view = data.get("ViewCodeSequence") or [{}]
    free = {
        "manufacturer": _text(data, "Manufacturer"),
        "model": _text(data, "ManufacturerModelName"),
        "body_part": _text(data, "BodyPartExamined") or _text(region[0], "CodeMeaning"),
        "view": _text(data, "ViewPosition") or _text(view[0], "CodeMeaning"),
    }
    # A text that says a word of who or where is kept back.
    row |= {name: text if text and not where & set(_words(text)) else None for name, text in free.items()}
    sex = _text(data, "PatientSex").upper()
    row["sex"] = sex if sex in ("F", "M", "O") else None
    burned = _text(data, "BurnedInAnnotation").upper()
    row["burned_in"] = burned if burned in ("YES", "NO") else None


def _measure(data, row):
    """Add what is a number, and the photometric interpretation."""
    photometric = _text(data, "PhotometricInterpretation")
    row["photometric"] = photometric if re.fullmatch("[A-Z0-9_ ]{1,16}", photometric) else None
    row |= {
        name: _whole(data, word) for name, word in (("rows", "Rows"), ("columns", "Columns"), ("bits", "BitsStored"))
    }
    numbers = {"height_m": "PatientSize", "weight_kg": "PatientWeight", "kvp": "KVP", "exposure_index": "ExposureIndex"}
    row |= {name: _number(data, keyword) for name, keyword in numbers.items()}
    tube, time = _number(data, "XRayTubeCurrent"), _number(data, "ExposureTime")
    fine = _number(data, "ExposureInuAs")
    row["mas"] = fine / 1000 if fine else _number(data, "Exposure") or (tube * time / 1000 if tube and time else None)
    row |= dict(zip(("row_mm", "column_mm", "spacing_source", "magnification"), _spacing(data), strict=True))


def _spacing(data):
    """Height and width of a pixel in mm, at the bone if it is known, how it is known, and the magnification.

    The rule is that of `read_radiograph`; what it refuses is None.
    """
    magnification = None
    try:
        factor = _magnification(data)
        magnification = factor if factor is not None and 1 <= factor <= MAX_MAGNIFICATION else None
        words, tag, factor = _dicom_spacing(data)
        found = Found(None, words, place="the file", spacing_source=tag, magnification=factor)
        spacing = _spacing_at_the_bone(found, None, None)[0]
    except (DeepRadiomicsError, TypeError, ValueError):
        spacing = None
    if spacing is None:
        return None, None, None, magnification
    tag, _, kind = tag.partition(", ")
    if kind:
        return (
            *spacing,
            f"calibrated by {kind.lower()}" if kind in ("GEOMETRY", "FIDUCIAL") else "calibrated",
            magnification,
        )
    source = "detector" if tag == "ImagerPixelSpacing" else "pixel spacing of unknown kind"
    return *spacing, f"{source} / magnification" if factor else source, magnification


def _number(data, keyword):
    """A positive finite number, or None."""
    try:
        number = float(data.get(keyword))
    except (TypeError, ValueError):
        return None
    return number if 0 < number < float("inf") else None


def _whole(data, keyword):
    """A whole number as a 32-bit tag holds it, or None; several are an error."""
    value = data.get(keyword)
    number = None if value in (None, "") else int(value)
    if number is not None and not 0 <= number < 2**32:
        raise ValueError
    return number


def _text(data, keyword):
    value = data.get(keyword, "")
    return "" if value is None else str(value).strip(" \0")


def _words(text):
    """Words of three letters or more, or not of ASCII alone, and a UID or date whole."""
    words = re.split(r"[^\w.]+|_", _plain(text))
    return {word for word in words if (len(word) > 2 or not word.isascii()) and word != "anonymous"}


def _plain(text):
    """Text in which case and the way that an accent is stored make no difference."""
    return unicodedata.normalize("NFC", text.casefold())


def _names(shown, whose):
    """Whether a path holds one of these words: long ones anywhere, whatever parts them; short ones as a word."""
    plain = _plain(shown)
    joined, words = re.sub(r"[-._ ]", "", plain), _words(shown) | _words(shown.replace(".", " "))
    return any(word in plain or word in joined if len(word) > 4 else word in words for word in whose)


def _day(text):
    try:
        return datetime.strptime(text.replace(".", "")[:8], "%Y%m%d").date()
    except ValueError:
        return None
