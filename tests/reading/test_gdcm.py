"""JPEG lossless, unpacked by GDCM in a process of its own: the picture of the plain file, and errors for crashes."""

import numpy as np
import pytest
from pydicom import dcmread

from deepradiomics import read_radiograph
from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.reading import _gdcm
from deepradiomics.simulation import make_hips, write_dicom

gdcm = pytest.importorskip("gdcm")


@pytest.fixture
def pair(tmp_path):
    """A plain file and its twin in JPEG lossless, which GDCM wrote."""
    plain = write_dicom(make_hips(1, random_state=0, image_shape=(96, 80)), tmp_path)["radiograph"][0]
    reader = gdcm.ImageReader()
    reader.SetFileName(plain)
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetFileName(str(tmp_path / "lossless.dcm"))
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return plain, tmp_path / "lossless.dcm"


def test_the_picture_is_that_of_the_plain_file(pair):
    plain, lossless = pair
    assert dcmread(lossless).file_meta.TransferSyntaxUID.is_encapsulated
    assert np.array_equal(read_radiograph(lossless).pixels, read_radiograph(plain).pixels)
    assert read_radiograph(lossless).spacing == read_radiograph(plain).spacing


def test_pixels_are_never_given_to_it_in_this_process(pair, monkeypatch):
    """pydicom's plugin is made to fail here; the child has its own."""
    monkeypatch.setattr("pydicom.pixels.decoders.gdcm._decode_frame", None)
    assert read_radiograph(pair[1]).pixels.shape == (96, 80)


def test_too_little_memory_is_an_error_and_no_crash(pair, monkeypatch):
    monkeypatch.setattr(_gdcm, "_LIMIT", 2**26)
    with pytest.raises(InputError, match="could not be unpacked") as caught:
        read_radiograph(pair[1])
    assert caught.value.code == "unreadable"


def test_too_much_time_is_an_error(pair, monkeypatch):
    monkeypatch.setattr(_gdcm, "_SECONDS", 0.01)
    with pytest.raises(InputError, match="within"):
        read_radiograph(pair[1])


@pytest.mark.parametrize("place", [0.3, 0.5, 0.9])
def test_damaged_pixels_are_a_picture_or_an_error(pair, tmp_path, place):
    content = bytearray(pair[1].read_bytes())
    start = int(place * len(content))
    content[start : start + 40] = b"\xff" * 40
    (tmp_path / "damaged.dcm").write_bytes(content)
    try:
        assert read_radiograph(tmp_path / "damaged.dcm").pixels.shape == (96, 80)
    except DeepRadiomicsError as error:
        assert error.code in ("unreadable", "size")
