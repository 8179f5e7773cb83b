"""DICOM segmentations: packed bit by bit here, and written and read by highdicom."""

from pathlib import Path

import hostile
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from deepradiomics import read_radiograph
from deepradiomics.exceptions import InputError
from deepradiomics.reading import read_label_map, read_segmentation, write_segmentation

BITS, LABELS = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"


def item(**values):
    dataset = Dataset()
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def segmentation(path, pixels, rows, columns, numbers, bits=1, kind="BINARY", syntax=ExplicitVRLittleEndian, **tags):
    """Write a segmentation of frames whose segments have these numbers."""
    frames = [
        item(SegmentIdentificationSequence=[item(ReferencedSegmentNumber=number)] if kind == "BINARY" else [])
        for number in numbers
    ]
    names = [item(SegmentNumber=number, SegmentLabel=f"bone {number}") for number in sorted(set(numbers))]
    tags = {
        "SOPClassUID": BITS if kind == "BINARY" else LABELS,
        "Modality": "SEG",
        "BitsStored": bits,
        "HighBit": bits - 1,
        "SegmentationType": kind,
        "NumberOfFrames": len(numbers),
        "SegmentSequence": names,
        "PerFrameFunctionalGroupsSequence": frames,
    } | tags
    hostile.dicom(path, syntax, pixels + b"\0" * (len(pixels) % 2), rows, columns, bits, **tags)
    return path


def packed(frames):
    """One bit a pixel, the lowest first; frames follow each other without a gap."""
    return np.packbits(np.ravel(frames).astype(np.uint8), bitorder="little").tobytes()


@pytest.fixture
def frames():
    """Two segments of 5 x 7 pixels, 35 bits each, which share no pixel."""
    labels = np.random.default_rng(0).integers(0, 3, (5, 7))
    return np.stack([labels == 1, labels == 2]), labels


def test_bits_that_follow_each_other_without_a_gap(tmp_path, frames):
    masks, labels = frames
    path = segmentation(tmp_path / "a.dcm", packed(masks[::-1]), 5, 7, [7, 3])
    label_map, names = read_segmentation(path)
    assert np.array_equal(label_map, np.choose(labels, [0, 3, 7]))
    assert names == {3: "bone 3", 7: "bone 7"}
    image = np.arange(35.0).reshape(5, 7)
    assert np.array_equal(read_radiograph(image, mask=path, label=7).mask, labels == 2)
    bare = path.read_bytes()[132:]
    (tmp_path / "bare").write_bytes(bare)
    assert np.array_equal(read_label_map(tmp_path / "bare"), label_map)


def test_segments_that_overlap_are_layers(tmp_path, frames):
    masks = frames[0].copy()
    masks[0] = True
    path = segmentation(tmp_path / "a.dcm", packed(masks), 5, 7, [1, 2])
    with pytest.raises(InputError, match="segments that overlap"):
        read_segmentation(path)
    with pytest.raises(InputError, match="2 layers"):
        read_label_map(path)
    for layer in (0, 1):
        assert np.array_equal(read_label_map(path, label_channel=layer) > 0, masks[layer])


def test_a_segmentation_of_labels(tmp_path, frames):
    labels = frames[1]
    pixels = labels.astype(np.uint8).tobytes()
    path = segmentation(tmp_path / "a.dcm", pixels, 5, 7, [1], bits=8, kind="LABELMAP")
    assert np.array_equal(read_segmentation(path).label_map, labels)


def test_what_is_no_mask_of_one_radiograph_is_named(tmp_path, frames):
    pixels, path = packed(frames[0]), tmp_path / "a.dcm"
    with pytest.raises(InputError, match="several frames of a segment"):
        read_segmentation(segmentation(path, pixels, 5, 7, [1, 1]))
    with pytest.raises(InputError, match="FRACTIONAL segmentation of 8 bits"):
        read_segmentation(segmentation(path, bytes(35), 5, 7, [1], bits=8, SegmentationType="FRACTIONAL"))
    with pytest.raises(InputError, match="RLE Lossless; uncompressed"):
        read_segmentation(segmentation(path, pixels, 5, 7, [1, 2], syntax=RLELossless))
    with pytest.raises(InputError, match="no segmentation"):
        read_label_map(segmentation(path, pixels, 5, 7, [1, 2], SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1"))
    with pytest.raises(InputError) as caught:
        read_segmentation(segmentation(path, pixels, 65535, 65535, [1, 2]))
    assert caught.value.code == "size"
    with pytest.raises(InputError):
        read_segmentation(segmentation(path, pixels, 5, 7, [1, 2], PerFrameFunctionalGroupsSequence=[]))
    with pytest.raises(InputError):
        read_segmentation(segmentation(path, pixels[:2], 5, 7, [1, 2]))


def test_frames_are_bounded_one_by_one_and_by_the_file(tmp_path):
    """Ten frames of 7 million pixels each are no radiograph of 70 million."""
    rows, columns, numbers = 2600, 2640, list(range(1, 11))
    masks = [bytearray(rows * columns // 8) for _ in numbers]
    for k, mask in enumerate(masks):
        mask[5 * k] = 0b101  # the pixels 40 k and 40 k + 2
    path = segmentation(tmp_path / "a.dcm", b"".join(masks), rows, columns, numbers)
    label_map = read_segmentation(path).label_map
    assert {place: label_map.flat[place] for place in np.flatnonzero(label_map)} == {
        40 * k + more: k + 1 for k in range(10) for more in (0, 2)
    }
    with pytest.raises(InputError, match="claims 9999 frames") as caught:
        read_segmentation(segmentation(path, bytes(5), 5, 7, [1], NumberOfFrames=9999))
    assert caught.value.code == "size"


def test_highdicom_reads_what_is_written_and_ours_reads_it_back(tmp_path):
    highdicom = pytest.importorskip("highdicom", reason="highdicom, which writes segmentations, is not installed")
    from deepradiomics.simulation import make_hips, write_dicom

    hips = make_hips(1, random_state=0, image_shape=(65, 67))
    source = write_dicom(hips, tmp_path, identity={"PatientName": "MARKER^ONE"})["radiograph"][0]
    radiograph = dcmread(source)
    assert "FrameOfReferenceUID" not in radiograph
    labels = hips.masks[0]
    path = write_segmentation(tmp_path / "seg.dcm", labels, source, classes=["left femur", "right femur", "none"])
    label_map, names = read_segmentation(path)
    assert np.array_equal(label_map, labels)
    assert names == {1: "left femur", 2: "right femur", 3: "none"}
    found = highdicom.seg.segread(path)
    assert (found.PatientName, found.StudyInstanceUID) == ("MARKER^ONE", radiograph.StudyInstanceUID)
    theirs = found.get_pixels_by_source_instance([radiograph.SOPInstanceUID], combine_segments=True)
    assert np.array_equal(theirs[0], labels)
    again = write_segmentation(tmp_path / "2.dcm", labels, source, classes=["left femur", "right femur", "none"])
    assert dcmread(again).SOPInstanceUID == found.SOPInstanceUID
    assert read_radiograph(source, mask=path, label=2).mask.sum() == (labels == 2).sum()
    for wrong, classes in ((labels[1:], ["a", "b"]), (labels, ["a"]), (labels * 1.0, ["a", "b"])):
        with pytest.raises(InputError, match="the label map is"):
            write_segmentation(tmp_path / "3.dcm", wrong, source, classes=classes)
    for classes in (None, [], "ab", ["a", ""], ["a", "b" * 65], ["a", "b\\c"]):
        with pytest.raises(InputError, match="1 to 64 letters"):
            write_segmentation(tmp_path / "3.dcm", labels, source, classes=classes)
    long = write_segmentation(tmp_path / "3.dcm", labels, source, classes=["a", "b" * 64])
    assert dcmread(long).SegmentSequence[1].SegmentLabel == "b" * 64


def test_the_radiograph_of_a_segmentation_is_dicom_and_stays(tmp_path):
    pytest.importorskip("highdicom", reason="highdicom, which writes segmentations, is not installed")
    from deepradiomics.simulation import make_hips, write_dicom

    hips = make_hips(1, random_state=0, image_shape=(65, 67))
    source, labels = Path(write_dicom(hips, tmp_path)["radiograph"][0]), hips.masks[0]
    before = source.read_bytes()
    (tmp_path / "link.dcm").symlink_to(source)
    for path in (source, str(source), tmp_path / "link.dcm"):
        with pytest.raises(InputError, match="is the radiograph itself"):
            write_segmentation(path, labels, source, classes=["a", "b"])
    assert source.read_bytes() == before
    bare = tmp_path / "bare"
    bare.write_bytes(before[132:])
    path = write_segmentation(tmp_path / "seg.dcm", labels, bare, classes=["a", "b"])
    assert np.array_equal(read_segmentation(path).label_map, labels)
    (tmp_path / "a.png").write_bytes(b"\x89PNG" + bytes(200))
    with pytest.raises(InputError, match="is not DICOM"):
        write_segmentation(tmp_path / "2.dcm", labels, tmp_path / "a.png", classes=["a", "b"])
    (tmp_path / "broken.dcm").write_bytes(before[:200])
    with pytest.raises(InputError):
        write_segmentation(tmp_path / "2.dcm", labels, tmp_path / "broken.dcm", classes=["a", "b"])
