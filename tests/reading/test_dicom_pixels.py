"""The same picture however DICOM stores it: bits, signs, transfer syntaxes, look-up tables, windows."""

from io import BytesIO

import hostile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import compress
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from deepradiomics import read_radiograph
from deepradiomics.exceptions import InputError


def picture(bits, seed=0, shape=(12, 9)):
    return np.random.default_rng(seed).integers(0, 2**bits, shape)


def written(path, stored, bits, *, syntax=ExplicitVRLittleEndian, allocated=16, **tags):
    """Write whole numbers as they are into `allocated` bits a pixel."""
    kind = "i" if tags.get("PixelRepresentation") else "u"
    pixels = stored.astype(f"<{kind}{allocated // 8}").tobytes()
    tags = {"BitsStored": bits, "HighBit": bits - 1, **tags}
    hostile.dicom(path, ExplicitVRLittleEndian, pixels + b"\0" * (len(pixels) % 2), *stored.shape, allocated, **tags)
    if syntax != ExplicitVRLittleEndian:
        dataset = dcmread(path)
        if syntax == ImplicitVRLittleEndian:
            dataset.file_meta.TransferSyntaxUID = syntax
        else:
            compress(dataset, syntax, generate_instance_uid=False)
        dataset.save_as(path)
    return path


@settings(max_examples=60, deadline=None)
@given(
    st.integers(8, 16),
    st.booleans(),
    st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, JPEGLSLossless]),
    st.integers(0, 999),
)
def test_bits_signs_interpretations_and_syntaxes_all_give_the_same_picture(
    tmp_path_factory, bits, signed, interpretation, syntax, seed
):
    # Sorted rows compress; pydicom's encoders write 8 stored bits only into 8 allocated ones.
    dense = np.sort(picture(bits, seed), axis=1) - (2 ** (bits - 1) if signed else 0)
    stored = dense if interpretation == "MONOCHROME2" else (-1 if signed else 2**bits - 1) - dense
    path = written(
        tmp_path_factory.mktemp("dicom") / "a.dcm",
        stored,
        bits,
        syntax=syntax,
        allocated=8 if bits == 8 else 16,
        PixelRepresentation=int(signed),
        PhotometricInterpretation=interpretation,
    )
    assert np.array_equal(read_radiograph(path).pixels, dense)


@pytest.mark.parametrize("allocated", [8, 16, 32])
def test_bits_allocated(tmp_path, allocated):
    dense = picture(8)
    path = written(tmp_path / "a.dcm", dense, 8, allocated=allocated)
    assert np.array_equal(read_radiograph(path).pixels, dense)


def test_big_endian(tmp_path):
    dense = picture(16)
    hostile.dicom(tmp_path / "a.dcm", ExplicitVRBigEndian, dense.astype(">u2").tobytes(), *dense.shape)
    assert np.array_equal(read_radiograph(tmp_path / "a.dcm").pixels, dense)


@pytest.mark.parametrize("high_bit", [11, 13, 15])
@pytest.mark.parametrize("signed", [0, 1])
def test_stored_bits_anywhere_in_the_word_with_overlays_around_them(tmp_path, high_bit, signed):
    dense = picture(12, 1) - 2048 * signed
    shift = high_bit - 11
    dirt = picture(16, 2) & ~(0xFFF << shift)
    words = ((dense & 0xFFF) << shift | dirt).astype(np.uint16)
    path = written(tmp_path / "a.dcm", words.view(np.int16) if signed else words, 12, PixelRepresentation=signed)
    dataset = dcmread(path)
    dataset.HighBit = high_bit
    dataset.save_as(path)
    with pytest.raises(InputError, match="more than the 12 bits"):
        read_radiograph(path)
    spare = [place for place in range(16) if not shift <= place <= high_bit]
    for number, place in enumerate(spare):
        dataset.add_new((0x6000 + 2 * number, 0x0102), "US", place)
    dataset.save_as(path)
    assert np.array_equal(read_radiograph(path).pixels, dense)


def encoded(values, **options):
    stream = BytesIO()
    Image.fromarray(values).save(stream, **options)
    return stream.getvalue()


def test_jpeg_2000_without_loss(tmp_path):
    dense = picture(16, shape=(64, 48)).astype(np.uint16)
    frame = encoded(dense, format="JPEG2000", no_jp2=True, irreversible=False)
    hostile.dicom(tmp_path / "a.dcm", JPEG2000Lossless, frame, 64, 48)
    assert np.array_equal(read_radiograph(tmp_path / "a.dcm").pixels, dense)


def test_jpeg_baseline_as_pillow_decodes_it(tmp_path):
    smooth = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)
    frame = encoded(smooth, format="JPEG", quality=95)
    hostile.dicom(tmp_path / "a.dcm", JPEGBaseline8Bit, frame, 64, 48, 8)
    with Image.open(BytesIO(frame)) as image:
        assert np.array_equal(read_radiograph(tmp_path / "a.dcm").pixels, np.asarray(image))


def table(first, values, bits):
    item = Dataset()
    item.LUTDescriptor = [len(values), first, bits]
    item["LUTDescriptor"].VR = "US"
    item.LUTData = list(values)
    item["LUTData"].VR = "US"
    return [item]


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_modality_look_up_table(tmp_path, interpretation):
    """PS3.3 C.11.1: the table is of stored values; MONOCHROME1 is inverted over the range of what comes out."""
    stored = picture(8)
    values = (np.arange(256) ** 2) % 65521
    path = written(
        tmp_path / "a.dcm",
        stored,
        8,
        PhotometricInterpretation=interpretation,
        ModalityLUTSequence=table(0, values.tolist(), 16),
    )
    wanted = values[stored]
    assert np.array_equal(read_radiograph(path).pixels, 65535 - wanted if interpretation == "MONOCHROME1" else wanted)


@settings(max_examples=25, deadline=None)
@given(st.integers(300, 3700), st.integers(2, 300), st.integers(0, 99))
def test_the_display_window_of_a_twin_is_mirrored(tmp_path_factory, centre, width, seed):
    """Linear window of PS3.3 C.11.2.1.2.1: the mirror image of centre c in 0..4095 is 4096 - c."""
    folder = tmp_path_factory.mktemp("window")
    dense = picture(12, seed)
    two = written(folder / "2.dcm", dense, 12, WindowCenter=centre, WindowWidth=width)
    one = written(
        folder / "1.dcm",
        4095 - dense,
        12,
        PhotometricInterpretation="MONOCHROME1",
        WindowCenter=4096 - centre,
        WindowWidth=width,
    )
    shown = read_radiograph(two, voi=True).pixels
    assert read_radiograph(one, voi=True).pixels == pytest.approx(shown, abs=0.01)
    wanted = np.clip(((dense - (centre - 0.5)) / (width - 1) + 0.5), 0, 1) * 4095
    assert shown == pytest.approx(wanted, abs=0.01)


def test_a_window_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no display window"):
        read_radiograph(written(tmp_path / "a.dcm", picture(8), 8), voi=True)
    with pytest.raises(InputError, match="no display window"):
        read_radiograph(picture(8), voi=True)


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ({"RescaleSlope": 0.5, "RescaleIntercept": 3}, lambda x: x * 0.5 + 3),
        ({"RescaleSlope": None, "RescaleIntercept": None}, lambda x: x),
        ({"RescaleSlope": 2}, lambda x: x),
    ],
)
def test_rescale(tmp_path, tags, wanted):
    dense = picture(12)
    assert np.array_equal(read_radiograph(written(tmp_path / "a.dcm", dense, 12, **tags)).pixels, wanted(dense))


def with_raw(path, keyword, value):
    """Replace the value of a tag in the file by bytes that pydicom would not write."""
    content = path.read_bytes()
    assert content.count(b"0.2\\0.3 ") == 1
    path.write_bytes(content.replace(b"0.2\\0.3 ", value.ljust(8)))
    return path


@pytest.mark.parametrize("value", [b"0\\0", b"nan\\nan", b"1e9\\1e9", b"a\\b", b"0,2\\0,3", b"0.2", b"-1\\-1", b"\\"])
def test_spacing_that_cannot_be_is_an_error_that_can_be_overridden(tmp_path, value):
    path = with_raw(written(tmp_path / "a.dcm", picture(8), 8, PixelSpacing=[0.2, 0.3]), "PixelSpacing", value)
    with pytest.raises(InputError, match=r"a\.dcm gives its pixel spacing as"):
        read_radiograph(path)
    assert read_radiograph(path, spacing=(0.1, 0.4)).spacing == (0.1, 0.4)


def test_blank_spacing_is_unknown(tmp_path):
    path = with_raw(written(tmp_path / "a.dcm", picture(8), 8, PixelSpacing=[0.2, 0.3]), "PixelSpacing", b"")
    assert read_radiograph(path).spacing is None


@pytest.mark.parametrize(
    ("tags", "asked", "wanted"),
    [
        ({"Laterality": "L"}, None, "L"),
        ({"ImageLaterality": "R"}, "R", "R"),
        ({"ImageLaterality": "B"}, None, None),
        ({"ImageLaterality": "U", "Laterality": ""}, "L", "L"),
        ({"ImageLaterality": "R", "Laterality": "L"}, "L", "L"),
    ],
)
def test_side(tmp_path, tags, asked, wanted):
    path = written(tmp_path / "a.dcm", picture(8), 8, **tags)
    assert read_radiograph(path, laterality=asked).laterality == wanted


def test_a_file_that_names_both_sides(tmp_path):
    path = written(tmp_path / "a.dcm", picture(8), 8, ImageLaterality="R", Laterality="L")
    with pytest.raises(InputError, match=r"a\.dcm names both sides"):
        read_radiograph(path)


@pytest.mark.parametrize(
    ("word", "wanted"), [("PA", "AP"), ("AP", "AP"), ("LL", "LAT"), ("RL", "LAT"), ("RLO", None), ("", None)]
)
def test_view(tmp_path, word, wanted):
    path = written(tmp_path / "a.dcm", picture(8), 8, ViewPosition=word)
    assert read_radiograph(path).view == wanted
    assert read_radiograph(path, view="LAT").view == "LAT"


@pytest.mark.parametrize("bits", [0, 9, 30])
def test_bits_that_cannot_be(tmp_path, bits):
    path = written(tmp_path / "a.dcm", picture(8), 8, allocated=8)
    dataset = dcmread(path)
    dataset.BitsStored = bits
    dataset.save_as(path)
    with pytest.raises(InputError, match=f"stores {bits} of 8 bits"):
        read_radiograph(path)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_changed_byte_in_compressed_pixels(tmp_path_factory, syntax, changes):
    path = written(tmp_path_factory.mktemp("fuzz") / "a.dcm", picture(12, shape=(40, 30)), 12, syntax=syntax)
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[400 + int(place * (len(content) - 401))] = value
    path.write_bytes(content)
    try:
        assert read_radiograph(path).pixels.size
    except InputError as error:
        assert str(path.parent) not in str(error)


def test_trailing_padding_is_no_error(tmp_path):
    dense = picture(12)
    hostile.dicom(tmp_path / "a.dcm", ExplicitVRLittleEndian, dense.astype("<u2").tobytes() + bytes(20), 12, 9)
    assert np.array_equal(read_radiograph(tmp_path / "a.dcm").pixels, dense)
