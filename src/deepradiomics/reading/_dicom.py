"""DICOM radiographs: brighter is denser, in the units of the modality LUT."""

import struct
from io import BytesIO

import numpy as np

from deepradiomics.exceptions import InputError, MissingDependencyError
from deepradiomics.reading._files import MAX_MAGNIFICATION, Found, check_size, codestream_shape, one_channel, reading
from deepradiomics.reading._gdcm import decode_apart

_PREFERENCE = ["pydicom", "pylibjpeg", "pyjpegls", "pillow", "gdcm"]
_VIEWS = {"AP": "AP", "PA": "AP", "LL": "LAT", "RL": "LAT", "LAT": "LAT", "LATERAL": "LAT"}
_COLORS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_UPRIGHT = {"LF", "AF", "PF"}  # where rows and columns lead to: left, anterior or posterior; feet
# DICOM without its preamble begins with a little endian tag of group 2 or 8.
BARE_DICOM = (b"\x02\0\0\0", b"\x08\0\x05\0", b"\x08\0\x08\0", b"\x08\0\x16\0", b"\x08\0\x18\0")
# All that is read from a DICOM file: what identifies a patient is not even parsed.
_DICOM_TAGS = [
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PlanarConfiguration",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "PixelSpacingCalibrationType",
    "EstimatedRadiographicMagnificationFactor",
    "DistanceSourceToDetector",
    "DistanceSourceToPatient",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "Laterality",
    "ImageLaterality",
    "ViewPosition",
    "PatientOrientation",
    "FieldOfViewHorizontalFlip",
    "PresentationLUTShape",
    *((group, element) for group in range(0x6000, 0x6020, 2) for element in (0x0100, 0x0102)),  # bits of overlays
]


def read_dicom(content, name, voi, turned=False, color="raise"):
    """Read a DICOM radiograph from the bytes of its file: brighter is denser, modality LUT applied.

    ``turned`` allows an orientation that asks viewers to turn or mirror it.
    """
    from pydicom.errors import BytesLengthException, InvalidDicomError

    with reading(name, BytesLengthException, InvalidDicomError) as caught:
        dataset = dataset_of(content, name, _DICOM_TAGS)
        if any("end of file" in str(warning).lower() for warning in caught):
            raise InputError(f"{name} is cut off; copy it again from where it came", code="truncated")
        _check_dicom(dataset, name, len(content))
        wrong = None if turned else not_upright(dataset)
        if wrong:
            raise InputError(
                f"{name} {wrong}, so left and right, or up and down, are not where they are looked for; export it as "
                "viewers show it, or pass orientation='stored', and then mirrored() if it is a mirror image",
                code="orientation",
            )
        values = _stored_values(dataset, content, name, color)
        padding = _padding(values, dataset, name)
        values = _dense_is_bright(values, dataset, name, voi)
        if padding is not None:  # what was not exposed is darkest, whatever the inversion made of it
            values = np.where(padding, values[~padding].min(), values)
        sides = {str(dataset.get(word, "") or "").upper() for word in ("ImageLaterality", "Laterality")} & {"L", "R"}
        view = _VIEWS.get(str(dataset.get("ViewPosition", "")).upper())
        spacing, source, magnification = _dicom_spacing(dataset)
        found = Found(values, spacing, tuple(sorted(sides)), view, place=name)
        return found._replace(spacing_source=source, magnification=magnification)


def dataset_of(content, name, tags=None):
    """Parse DICOM, with its preamble or without, and say its transfer syntax where it does not; tags: None is all."""
    from pydicom import dcmread
    from pydicom.filereader import read_dataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if content.startswith(BARE_DICOM[0]) and content[128:132] != b"DICM":
        content = bytes(128) + b"DICM" + content
    start = 132 if content[128:132] == b"DICM" else 0
    meta = read_dataset(BytesIO(content[start:]), False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise InputError(f"{name} is deflated as a whole; export it uncompressed", code="decoder")
    dataset = dcmread(BytesIO(content), specific_tags=tags, force=start == 0)
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit = dataset.original_encoding[0]
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return dataset


def _check_dicom(dataset, name, n_bytes):
    """Refuse what is not one grey image, before anything is decoded."""
    if "PixelData" not in dataset:
        raise InputError(
            f"{name} is DICOM without an image, or cut off before it; give a whole radiograph", code="no_pixels"
        )
    needed = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation")
    missing = [keyword for keyword in needed if dataset.get(keyword) is None]
    if missing:
        raise InputError(f"{name} lacks {', '.join(missing)}, without which its pixels mean nothing", code="no_pixels")
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    check_size(name, int(dataset.Rows), int(dataset.Columns), allocated, n_bytes)
    if int(dataset.get("NumberOfFrames", 1) or 1) != 1:
        raise InputError(f"{name} has {dataset.NumberOfFrames} frames; a radiograph has one", code="volume")
    interpretation, n_samples = str(dataset.get("PhotometricInterpretation", "")), dataset.get("SamplesPerPixel", 1)
    is_gray = interpretation in ("MONOCHROME1", "MONOCHROME2") and n_samples == 1
    if not is_gray and not (interpretation in _COLORS and (n_samples, allocated, stored) == (3, 8, 8)):
        raise InputError(
            f"{name} is {interpretation or 'of unknown photometric interpretation'} of {n_samples} samples and "
            f"{stored} bits; MONOCHROME1 and MONOCHROME2 of one sample, and RGB of 8 bits, can be read",
            code="color",
        )
    if allocated not in (8, 16, 32) or not 1 <= stored <= min(allocated, 24):
        raise InputError(f"{name} stores {stored} of {allocated} bits; 1 to 24 of 8, 16 or 32 can be read", code="bits")


def not_upright(dataset):
    """Say what in a DICOM header asks to turn or mirror the picture, or return None.

    Of a picture without PatientOrientation that was flipped, nobody knows whether it is a mirror image now.
    """
    ends = dataset.get("PatientOrientation") or ""
    if not isinstance(ends, str) and len(ends) == 2:
        leads = "".join(str(end).strip()[:1].upper() for end in ends)
        planar = len(leads) == 2 and len(set(leads) & set("HF")) == 1  # others are axial
        return f"has the PatientOrientation {leads[0]}, {leads[1]}" if planar and leads not in _UPRIGHT else None
    flipped = str(dataset.get("FieldOfViewHorizontalFlip", "") or "").upper() == "YES"
    return "was flipped (FieldOfViewHorizontalFlip) and has no PatientOrientation" if flipped else None


def _stored_values(dataset, content, name, color):
    """Decode the pixels, which must fit in the stored bits: integers (H, W), float32 for the luminance of colors."""
    from pydicom.encaps import get_frame

    syntax, is_color = dataset.file_meta.TransferSyntaxUID, dataset.get("SamplesPerPixel", 1) == 3
    plugin = ""
    if syntax.is_encapsulated:
        plugin = _decoder(syntax, int(dataset.BitsStored), name, is_color)
        _check_frame(get_frame(dataset.PixelData, 0, number_of_frames=1), dataset, name)
    if plugin == "gdcm":
        stored = decode_apart(content, name, dataset)
    else:
        options = {"correct_unused_bits": False, "allow_excess_frames": False}
        dataset.pixel_array_options(decoding_plugin=plugin, raw=not is_color, **options)
        stored = dataset.pixel_array
    if is_color:
        dataset.PhotometricInterpretation = "MONOCHROME2"  # what the values are now; pydicom windows no colors
        return one_channel(stored, name, color)
    stored = stored.reshape(dataset.Rows, dataset.Columns).astype(stored.dtype.newbyteorder("="), copy=False)
    n_bytes, bits = stored.dtype.itemsize, int(dataset.BitsStored)
    shift = 0 if syntax.is_encapsulated else int(dataset.get("HighBit", bits - 1)) + 1 - bits
    values = stored.view(f"{'i' if dataset.PixelRepresentation else 'u'}{n_bytes}")
    if bits < 8 * n_bytes:  # what is not stored falls off at the left end; on the way back the sign is repeated
        values = values << (8 * n_bytes - bits - shift)
        values >>= 8 * n_bytes - bits
    _check_unused(stored.view(f"u{n_bytes}"), shift, bits, values, dataset, name)
    return values


def _check_unused(words, shift, bits, values, dataset, name):
    """Refuse what stands outside of the stored bits, but for declared overlays and copies of the sign."""
    overlays = [dataset.get((group, 0x0102)) for group in range(0x6000, 0x6020, 2)]
    used = sum({1 << int(place.value or 0) for place in overlays if place is not None}) | (2**bits - 1) << shift
    unused = words.dtype.type((2 ** (8 * words.dtype.itemsize) - 1) & ~used)
    if not unused or not np.bitwise_or.reduce(words, axis=None) & unused:
        return
    copies = words.dtype.type(unused >> (shift + bits) << (shift + bits))
    found = (words & unused) != np.where(values < 0, copies, 0)
    if found.any():
        raise InputError(
            f"{name} has {found.sum()} pixels with more than the {bits} bits that it says it stores, and declares no "
            "overlay there; its BitsStored or its pixels are wrong, export it again",
            code="bits",
        )


def _decoder(syntax, bits, name, is_color):
    """Choose what unpacks a compression: a package of this process, or else GDCM in one of its own."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEGExtended12Bit

    try:
        decoders = get_decoder(syntax).available_plugins
    except NotImplementedError:  # films and the like
        decoders = ()
    # GDCM last. Pillow unpacks eight bits only of JPEG extended.
    unfit = {"pillow"} if syntax == JPEGExtended12Bit and bits > 8 else set()
    unfit |= {"gdcm"} if is_color else set()  # its process returns one sample
    fit = sorted((found for found in decoders if found not in unfit), key=_PREFERENCE.index)
    if not fit:
        raise MissingDependencyError(
            f"{name} is compressed as {syntax.name}, for which no decoder is installed; pip install "
            "'deepradiomics[gdcm]' (JPEG lossless and extended), or export the image uncompressed",
            code="decoder",
        )
    return fit[0]


def _check_frame(frame, dataset, name):
    """Refuse a compressed frame that would unpack to another size than the header says."""
    shape = (dataset.Rows, dataset.Columns)
    if dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5":
        count, *offsets = struct.unpack_from("<16I", frame)
        ends = [*offsets[1:count], len(frame)]
        fits = all(
            _rle_length(frame[start:end], 2 * shape[0] * shape[1]) < 2 * shape[0] * shape[1]
            for start, end in zip(offsets[:count], ends, strict=True)
        )
    else:
        fits = codestream_shape(frame) == shape
    if not fits:
        raise InputError(
            f"{name} holds a compressed picture of another size than the {shape[0]} x {shape[1]} pixels it claims; "
            "export it again",
            code="size",
        )


def _rle_length(segment, limit):
    """Count the bytes that a PackBits segment unpacks to, up to a limit."""
    position = total = 0
    while position < len(segment) and total < limit:
        header = segment[position]
        if header < 128:
            total += header + 1
            position += header + 2
        else:
            total += (257 - header) * (header > 128)
            position += 1 + (header > 128)
    return total


def _dense_is_bright(values, dataset, name, voi):
    """Invert over the stored range what is shown inverted, apply the modality LUT, and the display window if asked for.

    Each of MONOCHROME1 and PresentationLUTShape INVERSE inverts, and both together once: the standard demands the pair
    (PS3.3, C.8.11.3). MONOCHROME2 with INVERSE and MONOCHROME1 with IDENTITY contradict themselves; both are inverted.
    """
    from pydicom.pixels import apply_modality_lut

    slope, intercept = _rescale(dataset, name)
    bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
    lowest = -(2 ** (bits - 1)) if signed else 0
    highest = lowest + 2**bits - 1
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    if dataset.get("ModalityLUTSequence"):
        values = np.rint(values).astype(np.int32)
    elif voi and values.dtype.kind != "f":  # the luminance of colors is float
        values = values.astype(np.int32)
    if voi:
        ends = _windowed(np.array([lowest, highest], dtype=np.int32), dataset, name)
        shown = _windowed(values, dataset, name)
        return ends.sum() - shown if inverted else shown
    if dataset.get("ModalityLUTSequence"):
        values = apply_modality_lut(values, dataset)
        top = 2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
        return top - values.astype(np.int32) if inverted else values
    values = lowest + highest - values if inverted else values
    if (slope, intercept) == (1, 0):
        return values
    # Whole numbers below 2**24 are exact in 32 bits.
    exact = slope.is_integer() and intercept.is_integer() and 2**bits * abs(slope) + abs(intercept) < 2**24
    values = np.multiply(values, slope, dtype=np.float32 if exact else np.float64)
    values += intercept
    values.flags.writeable = False
    return values


def _rescale(dataset, name):
    """Slope and intercept; refuse those that would erase the picture. What is half there or empty is none."""
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        if keyword in dataset and dataset[keyword].is_empty:
            del dataset[keyword]
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    if slope == 0 or not np.isfinite([slope, intercept]).all():
        raise InputError(
            f"{name} has the rescale slope {slope:g} and intercept {intercept:g}, finite numbers and a slope other "
            "than 0 are allowed; correct the file",
            code="unreadable",
        )
    whole = "RescaleSlope" in dataset and "RescaleIntercept" in dataset
    return (slope, intercept) if whole else (1.0, 0.0)


def _windowed(values, dataset, name):
    """Apply the modality LUT, then the display window: float array."""
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    if not dataset.get("VOILUTSequence"):
        if dataset.get("WindowWidth") is None or dataset.get("WindowCenter") is None:
            raise InputError(f"{name} has no display window; leave voi=False")
        if np.ravel(dataset.WindowWidth).astype(float)[0] <= 0:
            raise InputError(
                f"{name} has a display window of width {np.ravel(dataset.WindowWidth)[0]}, it must be positive; leave "
                "voi=False"
            )
    values = apply_modality_lut(values, dataset)
    if dataset.get("VOILUTSequence"):
        values = np.rint(values).astype(np.int32)
    return np.asarray(apply_voi_lut(values, dataset), dtype=float)


def _padding(values, dataset, name):
    """Pixels that hold PixelPaddingValue, or lie between it and PixelPaddingRangeLimit; None if there are none."""
    ends = [dataset.get(keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if not isinstance(ends[0], int):
        return None
    low, high = sorted((ends[0], ends[0] if ends[1] is None else int(ends[1])))
    padding = (values >= low) & (values <= high)
    if padding.all():
        raise InputError(f"{name} holds nothing but padding; give a radiograph", code="no_pixels")
    return padding if padding.any() else None


def _dicom_spacing(dataset):
    """Return the spacing as the words in the file, the tag that it is from, and the magnification that it still has.

    PixelSpacing counts as the size at the bone where its calibration type says so, or where it differs from
    ImagerPixelSpacing (PS3.3, 10.7.1); all else is the size at the detector.
    """
    words = {}
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if keyword in dataset:
            text = bytes(dataset.get_item(keyword).value or b"").decode("ascii", "replace").strip(" \0")
            if text:
                words[keyword] = tuple(text.split("\\"))
    if not words:
        return None, None, None
    kind = str(dataset.get("PixelSpacingCalibrationType", "") or "")
    pixel, imager = words.get("PixelSpacing"), words.get("ImagerPixelSpacing")
    if pixel and imager:
        sizes = _numbers(pixel), _numbers(imager)
        fine = [size is not None and len(size) == 2 and (size > 0).all() for size in sizes]
        if all(fine) and np.allclose(*sizes, rtol=1e-3, atol=0):
            imager = pixel  # the same size in other words
    if pixel and (kind in ("GEOMETRY", "FIDUCIAL") or (imager and pixel != imager)):
        return pixel, f"PixelSpacing, {kind or 'calibrated'}", 1.0
    source = "ImagerPixelSpacing" if imager else "PixelSpacing"
    return imager or pixel, source, _magnification(dataset)


def _numbers(words):
    """Float array of words; None where one is no number."""
    try:
        return np.array([float(word) for word in words])
    except ValueError:
        return None


def _magnification(dataset):
    """How much larger the bone is on the detector, as the tags say; None where they do not.

    A factor of 0 says nothing, nor do distances whose ratio is not 1 to 3.
    """
    factor = float(dataset.get("EstimatedRadiographicMagnificationFactor", 0) or 0)
    to_detector = float(dataset.get("DistanceSourceToDetector", 0) or 0)
    to_patient = float(dataset.get("DistanceSourceToPatient", 0) or 0)
    by_distance = to_detector / to_patient if to_detector > 0 and to_patient > 0 else 0
    return factor or (by_distance if 1 <= by_distance <= MAX_MAGNIFICATION else None)
