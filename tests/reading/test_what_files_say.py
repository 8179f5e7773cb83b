"""What a file says about itself counts: files written byte by byte, or by another writer than the reader's library."""

import struct
import zlib

import hostile
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian

from deepradiomics import read_radiograph
from deepradiomics.exceptions import InputError
from deepradiomics.reading import read_label_map

GRAY = (np.arange(48 * 40).reshape(48, 40) * 33).astype(np.uint16)


def png(path, row, bits, kind, *chunks, width=4):
    """Write three equal rows."""
    head = struct.pack(">IIBBBBB", width, 3, bits, kind, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress((b"\0" + row) * 3)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(hostile.png_chunk(*part) for part in parts))
    return path


def tiff(path, values, **options):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, another writer of TIFF, is not installed")
    tifffile.imwrite(path, values, **options)
    return path


PALETTE = (b"PLTE", bytes([0, 0, 0, 128, 0, 0, 0, 128, 0, 9, 9, 9]))


@pytest.mark.parametrize(
    ("row", "bits", "kind", "chunks", "width", "wanted"),
    [
        (bytes([0b10100000]), 1, 0, [], 4, [1, 0, 1, 0]),
        (bytes([0b00011011]), 2, 0, [], 4, [0, 1, 2, 3]),
        (bytes([0x12, 0x3F]), 4, 0, [], 4, [1, 2, 3, 15]),
        (bytes([0b00011011]), 2, 3, [PALETTE], 4, [0, 1, 2, 3]),
        (bytes([0, 1, 2, 3]), 8, 3, [PALETTE], 4, [0, 1, 2, 3]),
        (bytes([0, 1, 2, 255]), 8, 0, [(b"sBIT", b"\x07")], 4, [0, 1, 2, 255]),
        (bytes([0, 1, 2, 255]), 8, 0, [(b"tRNS", b"\0\1")], 4, [0, 1, 2, 255]),
        (struct.pack(">4H", 16, 65520, 32, 48), 16, 0, [(b"sBIT", b"\x0c")], 4, [16, 65520, 32, 48]),
    ],
)
def test_png_labels_are_as_stored(tmp_path, row, bits, kind, chunks, width, wanted):
    found = read_label_map(png(tmp_path / "a.png", row, bits, kind, *chunks, width=width))
    assert found.tolist() == [wanted] * 3


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "f4"])
def test_a_white_is_zero_tiff_is_inverted(tmp_path, kind):
    values = (GRAY >> 8 if kind == "u1" else GRAY).astype(kind)
    top = float(values.max()) if kind == "f4" else float(np.iinfo(kind).max)
    found = read_radiograph(tiff(tmp_path / "a.tif", values, photometric="miniswhite")).pixels
    assert np.array_equal(found, (top - values.astype(float)).astype(np.float32))


@pytest.mark.parametrize(
    "options", [{"bigtiff": True}, {"tile": (16, 16)}, {"byteorder": ">"}, {"compression": "zlib"}]
)
def test_every_layout_of_tiff_gives_the_same_picture(tmp_path, options):
    assert np.array_equal(read_radiograph(tiff(tmp_path / "a.tif", GRAY, **options)).pixels, GRAY)


def test_a_tiff_that_is_not_supported_is_named(tmp_path):
    pair = np.dstack([GRAY, GRAY])
    path = tiff(tmp_path / "a.tif", pair, photometric="minisblack", extrasamples=["unassalpha"])
    with pytest.raises(InputError, match="gray and alpha"):
        read_radiograph(path)
    for kind in ("f8", "f2"):
        with pytest.raises(InputError, match=f"{8 * int(kind[1])} bits .floats"):
            read_radiograph(tiff(tmp_path / "a.tif", GRAY.astype(kind)))


def test_a_thin_colored_mark_leaves_the_luminance(tmp_path):
    path = png(tmp_path / "a.png", bytes([9, 9, 9, 100, 200, 50]), 8, 2, width=2)
    with pytest.raises(InputError, match="color='luminance'"):
        read_radiograph(path)
    wanted = [9, 0.299 * 100 + 0.587 * 200 + 0.114 * 50]
    assert read_radiograph(path, color="luminance").pixels[0] == pytest.approx(wanted, abs=1e-4)


def nrrd(path, values, origin="(0,0)", layers=1):
    lines = ["NRRD0004", "type: uint8", f"dimension: {2 + (layers > 1)}"]
    size = f"{layers} " * (layers > 1) + f"{values.shape[1]} {values.shape[0]}"
    none = "none " * (layers > 1)
    kinds = "vector " * (layers > 1) + "domain domain"
    lines += [f"sizes: {size}", "space dimension: 2", f"space directions: {none}(0.2,0) (0,0.2)", f"kinds: {kinds}"]
    lines += [f"space origin: {origin}", "endian: little", "encoding: raw", "", ""]
    path.write_bytes("\n".join(lines).encode() + values.astype(np.uint8).tobytes())
    return path


def test_a_mask_that_lies_elsewhere_is_refused(tmp_path):
    image = nrrd(tmp_path / "a.nrrd", np.ones((5, 4)))
    assert read_radiograph(image, mask=nrrd(tmp_path / "m.nrrd", np.ones((5, 4)))).mask.all()
    with pytest.raises(InputError, match="another origin"):
        read_radiograph(image, mask=nrrd(tmp_path / "m.nrrd", np.ones((5, 4)), origin="(7,0)"))


def test_a_layer_is_chosen_not_taken(tmp_path):
    layers = np.zeros((5, 4, 2))
    layers[1, :, 0], layers[3, :, 1] = 1, 2
    path = nrrd(tmp_path / "a.seg.nrrd", layers, layers=2)
    with pytest.raises(InputError, match="2 layers"):
        read_label_map(path)
    for number in (0, 1):
        assert np.array_equal(read_label_map(path, label_channel=number), layers[..., number])
    with pytest.raises(InputError, match="layer 2"):
        read_label_map(path, label_channel=2)


def test_a_mask_that_is_a_jpeg_needs_a_threshold(tmp_path):
    # Edges of 0 and 255 come back as many values; a mask of one value alone is whole.
    mask = Image.fromarray(np.kron(np.eye(5, dtype=np.uint8) * 255, np.ones((7, 7), dtype=np.uint8)))
    mask.save(tmp_path / "a.jpg", quality=70)
    with pytest.raises(InputError, match="choose a threshold"):
        read_label_map(tmp_path / "a.jpg")
    Image.new("L", (16, 16), 255).save(tmp_path / "b.jpg")
    assert np.unique(read_label_map(tmp_path / "b.jpg")).tolist() == [255]


def test_a_nifti_of_unknown_unit_has_no_spacing(tmp_path):
    content = bytearray(hostile.nifti([40, 48], GRAY.tobytes()))
    content[123] = 0
    (tmp_path / "a.nii").write_bytes(content)
    assert read_radiograph(tmp_path / "a.nii").spacing is None


def dicom(path, values, **tags):
    hostile.dicom(path, ExplicitVRLittleEndian, values.astype("<u2").tobytes(), *values.shape, **tags)
    return path


@pytest.mark.parametrize(
    ("tags", "given", "size", "source"),
    [
        (
            {"PixelSpacing": [0.16, 0.16], "PixelSpacingCalibrationType": "GEOMETRY"},
            1.25,
            0.16,
            "PixelSpacing, GEOMETRY",
        ),
        ({"PixelSpacing": [0.16] * 2, "ImagerPixelSpacing": [0.2] * 2}, None, 0.16, "PixelSpacing, calibrated"),
        (
            {"ImagerPixelSpacing": [0.2] * 2, "EstimatedRadiographicMagnificationFactor": 1.25},
            1.1,
            0.16,
            "ImagerPixelSpacing / 1.25",
        ),
        (
            {"ImagerPixelSpacing": [0.2] * 2, "DistanceSourceToDetector": 1000, "DistanceSourceToPatient": 800},
            None,
            0.16,
            "ImagerPixelSpacing / 1.25",
        ),
        ({"ImagerPixelSpacing": [0.2] * 2}, 1.25, 0.16, "ImagerPixelSpacing / 1.25"),
        ({"ImagerPixelSpacing": [0.2] * 2}, None, 0.2, "ImagerPixelSpacing"),
    ],
)
def test_spacing_is_the_size_at_the_bone(tmp_path, tags, given, size, source):
    found = read_radiograph(dicom(tmp_path / "a.dcm", GRAY, **tags), magnification=given)
    assert found.spacing == pytest.approx((size, size))
    assert found.spacing_source == found.mirrored().spacing_source == source
    assert f"mm ({source})" in repr(found)


def test_spacing_can_be_set_to_unknown(tmp_path):
    path = dicom(tmp_path / "a.dcm", GRAY, PixelSpacing=[0, 0])
    assert read_radiograph(path, spacing="unknown").spacing is None


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_the_darkest_whatever_the_interpretation(tmp_path, interpretation):
    stored = np.full((4, 6), 1000)
    stored[0], stored[1] = 5, 500
    tags = {"PixelPaddingValue": 4, "PixelPaddingRangeLimit": 6, "PhotometricInterpretation": interpretation}
    path = tmp_path / "a.dcm"
    hostile.dicom(path, ExplicitVRLittleEndian, stored.astype("<u2").tobytes(), 4, 6, **tags)
    found = read_radiograph(path).pixels
    assert (found[0] == found[1:].min()).all()


@pytest.mark.parametrize(
    ("tags", "message"), [({"PixelRepresentation": None}, "lacks PixelRepresentation"), ({"WindowWidth": 0}, "width 0")]
)
def test_what_is_wrong_is_said(tmp_path, tags, message):
    path = dicom(tmp_path / "a.dcm", GRAY, **({"WindowCenter": 5, "WindowWidth": 9} | tags))
    with pytest.raises(InputError, match=message):
        read_radiograph(path, voi=True)


@pytest.mark.parametrize(
    ("pixel", "imager", "size", "source"),
    [
        (["0.140"] * 2, ["0.14"] * 2, 0.112, "ImagerPixelSpacing / 1.25"),
        (["0.14001"] * 2, ["0.14"] * 2, 0.112, "ImagerPixelSpacing / 1.25"),
        (["0.150"] * 2, ["0.14"] * 2, 0.15, "PixelSpacing, calibrated"),
    ],
)
def test_spacings_are_compared_as_numbers(tmp_path, pixel, imager, size, source):
    tags = {"PixelSpacing": pixel, "ImagerPixelSpacing": imager, "EstimatedRadiographicMagnificationFactor": 1.25}
    found = read_radiograph(dicom(tmp_path / "a.dcm", GRAY, **tags))
    assert found.spacing == pytest.approx((size, size), rel=1e-3)
    assert found.spacing_source == source


def volume(path, origin=(0, 0, 0), spacing=(0.2, 0.2, 1), turn=0.0):
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ones((1, 5, 4), dtype=np.uint8))
    sine, cosine = np.sin(turn), np.cos(turn)
    image.SetDirection([float(value) for value in (cosine, -sine, 0, sine, cosine, 0, 0, 0, 1)])
    image.SetOrigin(origin)
    image.SetSpacing(spacing)
    sitk.WriteImage(image, path)
    return path


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"spacing": (0.2, 0.2, 5), "origin": (0, 0, 7)}, None),
        ({"spacing": (0.2001, 0.2, 1), "origin": (0.09, 0, 0), "turn": 5e-4}, None),
        ({"spacing": (0.201, 0.2, 1)}, "spacing"),
        ({"origin": (0.12, 0, 0)}, "origin"),
        ({"turn": 0.1}, "direction"),
    ],
)
def test_only_the_place_within_the_slice_counts(tmp_path, changes, wrong):
    mask = volume(tmp_path / "m.nrrd", **changes)
    for image in (volume(tmp_path / "a.nrrd"), nrrd(tmp_path / "flat.nrrd", np.ones((5, 4)))):
        if wrong is None:
            assert read_radiograph(image, mask=mask).mask.all()
        else:
            with pytest.raises(InputError, match=f"another {wrong}"):
                read_radiograph(image, mask=mask)


def test_a_nifti_of_unknown_unit_lies_nowhere(tmp_path):
    mask = volume(tmp_path / "m.nii")
    content = bytearray(mask.read_bytes())
    content[123] = 0
    mask.write_bytes(content)
    assert read_radiograph(volume(tmp_path / "a.nrrd", spacing=(0.3, 0.3, 1)), mask=mask).mask.all()


@pytest.mark.parametrize("options", [{"tile": (16, 16)}, {}])
def test_a_tiff_of_several_pages_is_refused_but_for_small_copies(tmp_path, options):
    tifffile = pytest.importorskip("tifffile", reason="tifffile, another writer of TIFF, is not installed")
    for kind, name in ((0, "pages.tif"), (1, "copy.tif")):
        with tifffile.TiffWriter(tmp_path / name) as writer:
            writer.write(GRAY, **options)
            writer.write(GRAY[:32, :32] if kind else GRAY, subfiletype=kind, **options)
    with pytest.raises(InputError) as caught:
        read_radiograph(tmp_path / "pages.tif")
    assert caught.value.code == "volume"
    assert np.array_equal(read_radiograph(tmp_path / "copy.tif").pixels, GRAY)


@pytest.mark.parametrize("options", [{"tile": (16, 16)}, {"tile": (16, 16), "compression": "zlib"}, {}])
def test_labels_of_a_white_is_zero_tiff_are_as_stored(tmp_path, options):
    labels = (GRAY % 3).astype(np.uint8)
    path = tiff(tmp_path / "a.tif", labels, photometric="miniswhite", **options)
    assert np.array_equal(read_label_map(path), labels)


@pytest.mark.parametrize(("detector", "patient"), [(1150, 1150.2), (800, 1000), (1000, 100)])
def test_distances_that_make_no_sense_are_no_magnification(tmp_path, detector, patient):
    tags = {"DistanceSourceToDetector": detector, "DistanceSourceToPatient": patient}
    found = read_radiograph(dicom(tmp_path / "a.dcm", GRAY, ImagerPixelSpacing=[0.2] * 2, **tags))
    assert (found.spacing, found.spacing_source) == ((0.2, 0.2), "ImagerPixelSpacing")


def test_an_orientation_of_0_is_none(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    for value, name in ((0, "a"), (6, "b")):
        exif[274] = value
        Image.fromarray((GRAY >> 8).astype(np.uint8)).save(tmp_path / f"{name}.png", exif=exif)
    assert read_radiograph(tmp_path / "a.png").pixels.shape == GRAY.shape
    with pytest.raises(InputError, match="orientation tag 6"):
        read_radiograph(tmp_path / "b.png")


def test_what_stands_behind_the_end_of_a_png_is_left(tmp_path):
    path = png(tmp_path / "a.png", bytes([1, 2, 3, 4]), 8, 0)
    path.write_bytes(path.read_bytes() + bytes(10_000))
    assert read_radiograph(path).pixels[0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("start", ["meta", "dataset"])
def test_dicom_without_its_preamble_is_read(tmp_path, implicit, start):
    from io import BytesIO

    from pydicom import dcmread, dcmwrite
    from pydicom.uid import ImplicitVRLittleEndian

    whole = dcmread(dicom(tmp_path / "a.dcm", GRAY, ImagerPixelSpacing=[0.2] * 2, ViewPosition="AP"))
    whole.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    stream = BytesIO()
    dcmwrite(stream, whole, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
    content = stream.getvalue()[132:]
    if start == "dataset":
        content = content[content.index(b"\x08\0\x16\0") :]
    (tmp_path / "bare").write_bytes(content)
    found = read_radiograph(tmp_path / "bare")
    assert np.array_equal(found.pixels, GRAY)
    assert (found.spacing, found.view) == ((0.2, 0.2), "AP")


@pytest.mark.parametrize(
    ("tags", "wrong"),
    [
        ({"PatientOrientation": ["L", "F"]}, None),
        ({"PatientOrientation": ["LH", "FL"], "FieldOfViewHorizontalFlip": "YES"}, None),
        ({"PatientOrientation": ["P", "F"]}, None),
        ({"PatientOrientation": ["L", "A"]}, None),
        ({"PatientOrientation": ""}, None),
        ({"PatientOrientation": ["R", "F"]}, "PatientOrientation R, F"),
        ({"PatientOrientation": ["R", "H"]}, "PatientOrientation R, H"),
        ({"PatientOrientation": ["F", "L"]}, "PatientOrientation F, L"),
        ({"PatientOrientation": ["A", "H"]}, "PatientOrientation A, H"),
        ({"FieldOfViewHorizontalFlip": "YES"}, "was flipped"),
        ({"FieldOfViewHorizontalFlip": "NO"}, None),
    ],
)
def test_a_mirrored_or_turned_radiograph_is_refused_unless_taken_as_stored(tmp_path, tags, wrong):
    path = dicom(tmp_path / "a.dcm", GRAY, **tags)
    if wrong is not None:
        with pytest.raises(InputError, match=wrong) as caught:
            read_radiograph(path)
        assert caught.value.code == "orientation"
    else:
        assert np.array_equal(read_radiograph(path).pixels, GRAY)
    assert np.array_equal(read_radiograph(path, orientation="stored").pixels, GRAY)


@pytest.mark.parametrize(
    ("interpretation", "shape", "inverted"),
    [
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
    ],
)
def test_inverse_and_monochrome1_invert_once(tmp_path, interpretation, shape, inverted):
    path = dicom(tmp_path / "a.dcm", GRAY, PhotometricInterpretation=interpretation, PresentationLUTShape=shape)
    assert np.array_equal(read_radiograph(path).pixels, 65535.0 - GRAY if inverted else GRAY)


def test_values_that_do_not_fit_in_the_stored_bits_are_refused(tmp_path):
    tags = {"BitsStored": 12, "HighBit": 11}
    values = np.full((4, 6), 4095)
    assert read_radiograph(dicom(tmp_path / "a.dcm", values, **tags)).pixels.max() == 4095
    values[2, 3] = 4096
    with pytest.raises(InputError, match=r"1 pixels with more than the 12 bits"):
        read_radiograph(dicom(tmp_path / "a.dcm", values, **tags))
    negative = np.full((4, 6), -5)  # its sign is copied into the unused bits
    found = read_radiograph(
        dicom(tmp_path / "a.dcm", negative.astype("<i2").view("<u2"), PixelRepresentation=1, **tags)
    )
    assert (found.pixels == -5).all()


@pytest.mark.parametrize(("top", "fits"), [(4095, True), (60000, False)])
def test_jpeg_2000_that_is_deeper_than_the_stored_bits_is_not_wrapped(tmp_path, top, fits):
    from io import BytesIO

    from PIL import Image
    from pydicom.uid import JPEG2000Lossless

    stream, values = BytesIO(), np.linspace(0, top, 64 * 48).astype(np.uint16).reshape(64, 48)
    Image.fromarray(values).save(stream, format="JPEG2000", no_jp2=True, irreversible=False)  # 16 bits deep
    tags = {"BitsStored": 12, "HighBit": 11}
    hostile.dicom(tmp_path / "a.dcm", JPEG2000Lossless, stream.getvalue(), 64, 48, **tags)
    if fits:
        assert np.array_equal(read_radiograph(tmp_path / "a.dcm").pixels, values)
    else:
        with pytest.raises(InputError, match="more than the 12 bits"):
            read_radiograph(tmp_path / "a.dcm")


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("packed", [False, True])
def test_a_gray_picture_that_is_stored_as_rgb_is_read(tmp_path, planar, packed):
    from pydicom.pixels.encoders import RLELosslessEncoder
    from pydicom.uid import RLELossless

    gray = (GRAY >> 8).astype(np.uint8)
    colors = np.dstack([gray] * 3)
    colors[7, 9] = 100, 200, 50
    wanted = gray.astype(float)
    wanted[7, 9] = 0.299 * 100 + 0.587 * 200 + 0.114 * 50
    tags = {"SamplesPerPixel": 3, "PlanarConfiguration": planar, "PhotometricInterpretation": "RGB"}
    tags |= {"WindowCenter": 128, "WindowWidth": 256}  # which changes nothing (PS3.3, C.11.2.1.2.1)
    for values in (np.dstack([gray] * 3), colors):
        pixels = np.moveaxis(values, 2, 0).tobytes() if planar else values.tobytes()
        if packed:
            sizes = {"rows": 48, "columns": 40, "samples_per_pixel": 3, "number_of_frames": 1}
            bits = {"bits_allocated": 8, "bits_stored": 8, "pixel_representation": 0, "planar_configuration": 0}
            frame = RLELosslessEncoder.encode(values, photometric_interpretation="RGB", **sizes, **bits)
            hostile.dicom(tmp_path / "a.dcm", RLELossless, frame, 48, 40, 8, **tags)
        else:
            hostile.dicom(tmp_path / "a.dcm", ExplicitVRLittleEndian, pixels, 48, 40, 8, **tags)
        if values is colors:
            with pytest.raises(InputError, match="color='luminance'"):
                read_radiograph(tmp_path / "a.dcm")
            for voi in (False, True):
                found = read_radiograph(tmp_path / "a.dcm", color="luminance", voi=voi).pixels
                assert found == pytest.approx(wanted, abs=1e-4)
        else:
            assert np.array_equal(read_radiograph(tmp_path / "a.dcm").pixels, gray)


def test_a_jpeg_with_a_thin_colored_mark_leaves_the_luminance(tmp_path):
    from PIL import Image

    gray = np.tile(np.linspace(20, 220, 64), (64, 1)).astype(np.uint8)
    colors = np.dstack([gray] * 3)
    colors[30] = 255, 255, 0
    Image.fromarray(colors).save(tmp_path / "a.jpg", quality=95)
    with pytest.raises(InputError, match="color='luminance'"):
        read_radiograph(tmp_path / "a.jpg")
    found = read_radiograph(tmp_path / "a.jpg", color="luminance").pixels
    assert np.abs(found[:20] - gray[:20]).max() < 3
