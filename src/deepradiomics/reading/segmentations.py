"""Label maps as DICOM segmentations (SEG), in and out."""

from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deepradiomics.exceptions import InputError, require
from deepradiomics.reading._dicom import BARE_DICOM, dataset_of
from deepradiomics.reading._files import array_of, check_size, checked_path, content_of, reading

_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # of bits, and of labels
_TAGS = [
    "SOPClassUID",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "SegmentationType",
    "SegmentSequence",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]


class Segmentation(NamedTuple):
    """A label map, and what its labels are called.

    Attributes
    ----------
    label_map : integer array of shape (H, W)
        0 outside.
    names : dict of int to str
        Name of each label, also of those that have no pixel.

    Examples
    --------
    See `read_segmentation`.
    """

    label_map: np.ndarray
    names: dict


def read_segmentation(path):
    """Read a DICOM segmentation (SEG) of one radiograph with the names of its labels.

    Parameters
    ----------
    path : path
        The DICOM file: one frame a segment, or one of labels; uncompressed.

    Returns
    -------
    Segmentation
        ``label_map`` and ``names``; a label is the number of a segment.

    Raises
    ------
    InputError
        If the file is no such segmentation, or its segments overlap: ``read_label_map(path, label_channel=0)`` reads
        the first of them alone.

    References
    ----------
    DICOM PS3.3, A.51 Segmentation IOD.

    Examples
    --------
    >>> from deepradiomics.reading import read_segmentation
    >>> label_map, names = read_segmentation("hip_seg.dcm")  # doctest: +SKIP
    """
    path = checked_path(path)
    values, names = _segments_of(content_of(path), path.name)
    if values.ndim == 3:
        raise InputError(
            f"{path.name} has segments that overlap; read_label_map(path, label_channel=0) reads the first alone",
            code="mask_label",
        )
    return Segmentation(values, names)


def _segments_of(content, name):
    """Label map (H, W), or layers (H, W, n) of segments that overlap, and the names of the labels."""
    from pydicom import dcmread
    from pydicom.errors import BytesLengthException, InvalidDicomError

    with reading(name, BytesLengthException, InvalidDicomError):
        data = dcmread(BytesIO(content), specific_tags=_TAGS, force=True)
        if data.get("SOPClassUID") not in _CLASSES:
            raise InputError(
                f"{name} is DICOM, but no segmentation (SEG), so it is not read as a mask; save the mask as SEG, PNG, "
                "NRRD or NIfTI",
                code="mask_values",
            )
        n_frames, kind = int(data.get("NumberOfFrames", 1) or 1), str(data.get("SegmentationType", ""))
        bits = {"BINARY": (1,), "LABELMAP": (8, 16)}.get(kind, ())
        if data.BitsAllocated not in bits or data.file_meta.TransferSyntaxUID.is_encapsulated:
            raise InputError(
                f"{name} is a {kind or 'nameless'} segmentation of {data.BitsAllocated} bits, as "
                f"{data.file_meta.TransferSyntaxUID.name}; uncompressed BINARY of 1 bit and LABELMAP of 8 or 16 are "
                "read",
                code="mask_values",
            )
        check_size(name, int(data.Rows), int(data.Columns), 8, len(content))
        if n_frames * data.Rows * data.Columns * data.BitsAllocated > 8 * len(content):
            raise InputError(f"{name} claims {n_frames} frames, more than it can hold; is it damaged?", code="size")
        frames = data.pixel_array.reshape(n_frames, data.Rows, data.Columns)
        names = {int(segment.SegmentNumber): str(segment.SegmentLabel) for segment in data.SegmentSequence}
        numbers = [0] if kind == "LABELMAP" else [_number(data, frame) for frame in range(n_frames)]
        if len(set(numbers)) < n_frames or (kind == "LABELMAP" and n_frames > 1):
            raise InputError(f"{name} has several frames of a segment; a radiograph has one", code="volume")
    if kind == "LABELMAP":
        return frames[0], names
    label_map = np.zeros(frames.shape[1:], dtype=np.uint16)
    for frame, number in zip(frames, numbers, strict=True):
        if (label_map[frame > 0] > 0).any():  # they overlap
            return np.moveaxis(frames * np.array(numbers, dtype=np.uint16)[:, None, None], 0, 2), names
        label_map[frame > 0] = number
    return label_map, names


def _number(data, frame):
    """Number of the segment of a frame."""
    shared = data.get("SharedFunctionalGroupsSequence") or [{}]
    for group in (data.PerFrameFunctionalGroupsSequence[frame], shared[0]):
        if "SegmentIdentificationSequence" in group:
            return int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
    raise LookupError


def write_segmentation(path, label_map, source, *, classes, algorithm="deepradiomics"):
    """Write a label map as a DICOM segmentation (SEG) of its radiograph, for the archive of the hospital.

    Parameters
    ----------
    path : path
        The DICOM file to write; not the radiograph's own.
    label_map : integer array of shape (H, W)
        0 outside; of the shape of the radiograph.
    source : path
        The DICOM file of the radiograph (DX, CR, ...). The segmentation carries its patient and study.
    classes : sequence of str
        Names of the labels 1, 2, ..., of 64 letters at most.
    algorithm : str or None, default="deepradiomics"
        Name of what drew the outlines; None for outlines by hand.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the label map is not of whole numbers and of the radiograph's shape, a label has no class, a name is too
        long, the file to write is the radiograph's, or the radiograph is not DICOM or lacks what a segmentation must
        say of its patient and study.
    MissingDependencyError
        If highdicom is not installed.

    Notes
    -----
    One frame a label, of one bit a pixel, uncompressed. A radiograph without FrameOfReferenceUID, as DX has none, is
    referenced by its instance alone. **The file holds the patient's name and number**, as the radiograph does.

    References
    ----------
    DICOM PS3.3, A.51 Segmentation IOD.
    Bridge CP et al. Highdicom. J Digit Imaging 35 (2022) 1719.

    Examples
    --------
    >>> from deepradiomics.reading import write_segmentation
    >>> write_segmentation("seg.dcm", label_map, "hip.dcm", classes=["left", "right"])  # doctest: +SKIP
    """
    require("highdicom", "dicom")
    from highdicom import UID, AlgorithmIdentificationSequence, seg
    from pydicom.errors import BytesLengthException, InvalidDicomError
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    path, source, label_map = Path(path), checked_path(source), array_of(label_map)
    if path.exists() and path.samefile(source):
        raise InputError(
            f"{path.name} is the radiograph itself, which would be lost; give another file to write", code="output"
        )
    content = content_of(source)
    if content[128:132] != b"DICM" and not content.startswith(BARE_DICOM):
        raise InputError(f"{source.name} is not DICOM; give the DICOM file of the radiograph", code="unreadable")
    with reading(source.name, BytesLengthException, InvalidDicomError):
        radiograph = dataset_of(content, source.name)
        shape = radiograph.Rows, radiograph.Columns
    names = [] if classes is None or isinstance(classes, str) else [str(name) for name in classes]
    wrong = [name for name in names if not 0 < len(name.strip()) <= len(name) <= 64 or "\\" in name]
    if not names or wrong:
        raise InputError(
            f"classes is {wrong[0][:80] if wrong else classes!r}; give a list of names of 1 to 64 letters, without a "
            "backslash"
        )
    labels = np.setdiff1d(label_map, [0]).tolist()
    is_map = label_map.shape == shape and label_map.dtype.kind in "biu"
    if not is_map or not set(labels) <= set(range(1, len(names) + 1)):
        raise InputError(
            f"the label map is {label_map.dtype} of shape {label_map.shape} with the labels {labels[:9]}, its "
            f"radiograph has the shape {shape} and there are {len(names)} classes; give whole numbers of that "
            "shape, and a list with a name for each label"
        )
    family = codes.DCM.ArtificialIntelligence
    drawn_by = None if algorithm is None else AlgorithmIdentificationSequence(algorithm, family, version="1")
    segments = [
        seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=codes.SCT.Bone,
            algorithm_type="MANUAL" if algorithm is None else "AUTOMATIC",
            algorithm_identification=drawn_by,
        )
        for number, name in enumerate(names, 1)
    ]
    with reading(source.name):
        digest = sha256(label_map.astype("<u2").tobytes()).hexdigest()
        entropy = [str(radiograph.SOPInstanceUID), digest, *names]  # the same outlines, the same instance
        made = seg.Segmentation(
            source_images=[radiograph],
            pixel_array=label_map.astype(np.uint16)[None],
            segmentation_type="BINARY",
            segment_descriptions=segments,
            series_instance_uid=UID(generate_uid(entropy_srcs=["series", *entropy])),
            series_number=1,
            sop_instance_uid=UID(generate_uid(entropy_srcs=["instance", *entropy])),
            instance_number=1,
            manufacturer="deepradiomics",
            manufacturer_model_name="deepradiomics",
            software_versions="1",
            device_serial_number="1",
            omit_empty_frames=False,
        )
    # Without the thickness of a slice, which a projection has not, highdicom itself refuses to read the spacing.
    if "PixelMeasuresSequence" in made.SharedFunctionalGroupsSequence[0]:
        del made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    made.save_as(path, enforce_file_format=True)
    return path
