"""Files of every kind become the same picture: brighter is denser, bits are kept, spacing is never invented."""

import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from deepradiomics import Radiograph, as_radiograph, read_radiograph
from deepradiomics.exceptions import DeepRadiomicsError, InputError

N_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real radiographs are not in {SHARED}")


def write_dicom(path, stored, *, bits=12, signed=False, interpretation="MONOCHROME2", **tags):
    """Write an uncompressed DX image."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID = "Secret^Name", "SECRET-ID"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, interpretation
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.PixelData = stored.astype(np.int16 if signed else np.uint16).tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


GREY = np.arange(30, dtype=np.uint16).reshape(5, 6) * 130


@needs_data
def test_three_transfer_syntaxes_give_the_same_hip():
    hips = [read_radiograph(path) for path in sorted((SHARED / "hip").glob("RG2_*.dcm"))]
    assert len(hips) == 3
    for hip in hips:
        assert hip.spacing == (0.2, 0.2)
        assert hip.pixels.shape == (2140, 1760)
        assert np.array_equal(hip.pixels, hips[0].pixels)
    assert 255 < hips[0].pixels.max() < 1024


@needs_data
def test_vertebra_crops_keep_their_sixteen_bits():
    for path in (SHARED / "vertebrae").glob("*/*.png"):
        assert len(np.unique(read_radiograph(path).pixels)) > 256


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 16), st.booleans(), st.integers(0, 2**31))
def test_monochrome1_and_its_twin_are_equal_to_a_bit(tmp_path_factory, bits, signed, seed):
    folder = tmp_path_factory.mktemp("twin")
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    dense = np.random.default_rng(seed).integers(low, high, (4, 7))
    twin = (-1 if signed else 2**bits - 1) - dense
    one = write_dicom(folder / "1.dcm", twin, bits=bits, signed=signed, interpretation="MONOCHROME1")
    two = write_dicom(folder / "2.dcm", dense, bits=bits, signed=signed)
    assert np.array_equal(read_radiograph(one).pixels, dense)
    assert np.array_equal(read_radiograph(two).pixels, dense)


def test_rescale_is_applied_and_the_display_window_is_not(tmp_path):
    path = write_dicom(
        tmp_path / "a.dcm", GREY, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=1000, WindowWidth=200
    )
    assert np.array_equal(read_radiograph(path).pixels, GREY * 2.0 - 100)
    assert len(np.unique(read_radiograph(path, voi=True).pixels)) < 10


@pytest.mark.parametrize(
    ("tags", "spacing"),
    [
        ({"PixelSpacing": [0.2, 0.3]}, (0.2, 0.3)),
        ({"ImagerPixelSpacing": [0.15, 0.15]}, (0.15, 0.15)),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.1, 0.1]}, (0.2, 0.2)),
        ({}, None),
    ],
)
def test_spacing_of_dicom(tmp_path, tags, spacing):
    assert read_radiograph(write_dicom(tmp_path / "a.dcm", GREY, **tags)).spacing == spacing


def test_wrong_spacing_is_an_error_that_can_be_overridden(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", GREY, PixelSpacing=[0, 0])
    with pytest.raises(InputError, match="pass spacing="):
        read_radiograph(path)
    assert read_radiograph(path, spacing=(0.2, 0.2)).spacing == (0.2, 0.2)


def test_side_and_view(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", GREY, ImageLaterality="R", ViewPosition="PA")
    found = read_radiograph(path)
    assert (found.laterality, found.view) == ("R", "AP")
    with pytest.raises(InputError, match="R side, L was asked for"):
        read_radiograph(path, laterality="L")


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"NumberOfFrames": 3}, "3 frames"),
        ({"PhotometricInterpretation": "RGB"}, "RGB"),
        ({"Rows": 65535, "Columns": 65535}, "claims 65535 x 65535"),
    ],
)
def test_dicom_that_is_no_radiograph(tmp_path, tags, message):
    path = write_dicom(tmp_path / "a.dcm", GREY, **tags)
    with pytest.raises(InputError, match=message):
        read_radiograph(path)


@pytest.mark.parametrize("kept", [1, 100, 131, 300, 500, -1, -30])
def test_cut_off_dicom(tmp_path, kept):
    whole = write_dicom(tmp_path / "a.dcm", GREY).read_bytes()
    path = tmp_path / "cut.dcm"
    path.write_bytes(whole[:kept])
    with pytest.raises(InputError) as caught:
        read_radiograph(path)
    assert "Secret" not in str(caught.value)
    assert "SECRET" not in str(caught.value)


@settings(max_examples=N_EXAMPLES, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_changed_byte_gives_a_picture_or_one_of_our_errors(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("fuzz")
    content = bytearray(write_dicom(folder / "a.dcm", GREY, PixelSpacing=[0.2, 0.2], ViewPosition="AP").read_bytes())
    for place, value in changes:
        content[128 + int(place * (len(content) - 129))] = value
    path = folder / "b.dcm"
    path.write_bytes(content)
    try:
        assert isinstance(read_radiograph(path), Radiograph)
    except DeepRadiomicsError as error:
        assert str(folder) not in str(error)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".nrrd", ".mha", ".nii.gz"])
def test_sixteen_bits_survive(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(GREY * 16), str(path))
    assert np.array_equal(read_radiograph(path).pixels, GREY * 16)


@pytest.mark.parametrize(("suffix", "spacing"), [(".nrrd", (0.2, 0.3)), (".nii", (0.2, 0.3)), (".png", None)])
def test_spacing_is_row_then_column_where_the_format_can_be_trusted(tmp_path, suffix, spacing):
    image = sitk.GetImageFromArray(GREY)
    image.SetSpacing((0.3, 0.2))
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(image, str(path))
    found = read_radiograph(path).spacing
    assert found is None if spacing is None else np.allclose(found, spacing)


def test_equal_channels_are_grey_and_colour_is_an_error(tmp_path):
    grey = np.repeat((GREY // 16).astype(np.uint8)[..., None], 3, axis=2)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert np.array_equal(read_radiograph(tmp_path / "grey.png").pixels, GREY // 16)
    grey[0, 0, 0] += 9
    Image.fromarray(grey).save(tmp_path / "colour.png")
    with pytest.raises(InputError, match="color picture"):
        read_radiograph(tmp_path / "colour.png")


def test_a_volume_is_refused_and_a_single_slice_is_not(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 5, 6), np.int16)), str(tmp_path / "volume.nrrd"))
    sitk.WriteImage(sitk.GetImageFromArray(GREY[None]), str(tmp_path / "slice.nrrd"))
    with pytest.raises(InputError, match=r"volume of shape \(3, 5, 6\)"):
        read_radiograph(tmp_path / "volume.nrrd")
    assert read_radiograph(tmp_path / "slice.nrrd").pixels.shape == GREY.shape


def test_what_is_no_file(tmp_path):
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "text.png").write_text("no picture")
    for name in (".", "missing.png", "empty.png", "pipe.png", "text.png"):
        with pytest.raises(InputError) as caught:
            read_radiograph(tmp_path / name)
        assert str(tmp_path.parent) not in str(caught.value)
    with pytest.raises(InputError, match="address on a network"):
        read_radiograph("https://example.org/a.png")


MASK = np.zeros(GREY.shape, dtype=np.uint8)
MASK[1:3, 2:5] = 1


@pytest.mark.parametrize("factor", [1, 255])
def test_masks_of_1_and_255(tmp_path, factor):
    sitk.WriteImage(sitk.GetImageFromArray(MASK * np.uint8(factor)), str(tmp_path / "mask.png"))
    for mask in (MASK * factor, MASK > 0, tmp_path / "mask.png"):
        assert np.array_equal(read_radiograph(GREY, mask=mask).mask, MASK > 0)


@pytest.mark.parametrize(
    ("mask", "label", "message"),
    [
        (MASK.T, None, r"\(6, 5\), its image \(5, 6\); it looks transposed"),
        (MASK[:4], None, r"\(4, 6\), its image \(5, 6\); give"),
        (MASK * 0.5, None, "float"),
        (MASK + MASK * np.arange(6, dtype=np.uint8), None, "holds the labels"),
        (MASK, 7, "label 7 is not in the mask"),
    ],
)
def test_masks_that_cannot_be_used(mask, label, message):
    with pytest.raises(InputError, match=message):
        read_radiograph(GREY, mask=mask, label=label)


def test_a_label_can_be_chosen():
    assert np.array_equal(read_radiograph(GREY, mask=MASK * 3, label=3).mask, MASK > 0)


@pytest.mark.parametrize("missing", [None, float("nan"), np.nan])
def test_a_missing_image_is_none(missing):
    assert as_radiograph(missing) is None


def test_a_radiograph_passes_unchanged():
    radiograph = Radiograph(GREY)
    assert as_radiograph(radiograph) is radiograph


def test_pydicom_is_left_as_it_was(tmp_path):
    before = pydicom.config.settings.reading_validation_mode
    read_radiograph(write_dicom(tmp_path / "a.dcm", GREY))
    assert pydicom.config.settings.reading_validation_mode == before
