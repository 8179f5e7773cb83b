"""Files that lie, that are cut off, or that hide something end in a named error: quickly, small, and silently."""

import json
import os
import struct
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import hostile
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.pixels import get_decoder
from pydicom.uid import MPEG2MPML, ExplicitVRLittleEndian, JPEGExtended12Bit, JPEGLosslessSV1, RLELossless

from deepradiomics import Radiograph, read_radiograph
from deepradiomics.exceptions import DeepRadiomicsError, InputError, MissingDependencyError
from deepradiomics.reading import _dicom

N_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))

CODES = {
    "30000.nii": "size",
    "65535.jpg": "size",
    "65535.mha": "size",
    "65535.nrrd": "size",
    "65535.png": "size",
    "65535.tif": "size",
    "8000.jpg": "size",
    "8000.tif": "size",
    "blank.png": "",
    "bomb.mha": "size",
    "bomb.nii.gz": "size",
    "bomb.nrrd": "size",
    "bomb.png": "size",
    "claims less.dcm": "size",
    "claims.dcm": "size",
    "cut off.dcm": "no_pixels",
    "deflate bomb.dcm": "decoder",
    "depth 300.dcm": "unreadable",
    "jpeg 2000.dcm": "size",
    "jpeg lossless.dcm": "unreadable",
    "jpeg-ls.dcm": "size",
    "jpeg.dcm": "size",
    "no prefix.dcm": "unreadable",
    "not an image.png": "unreadable",
    "rle bomb.dcm": "size",
    "scans.jpg": "size",
    "short.nii": "truncated",
    "short.nii.gz": "truncated",
}
GREY = (np.arange(48 * 40).reshape(48, 40) * 33).astype(np.uint16)
GREY8 = (GREY >> 8).astype(np.uint8)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Read every hostile file in a process of its own."""
    folder = tmp_path_factory.mktemp("hostile")
    hostile.write_all(folder)
    command = [sys.executable, "-W", "error", hostile.__file__, str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert str(folder) not in run.stderr
    return json.loads(run.stdout)


def test_every_hostile_file_ends_in_its_error_within_two_seconds(report):
    assert {name: code for name, code, _ in report["files"]} == CODES
    assert max(seconds for _, _, seconds in report["files"]) < 2


def test_hostile_files_need_little_memory(report):
    # Without what pandas, SimpleITK and pydicom need before the first file is opened.
    assert report["peak"] - report["loaded"] < 150


def saved(folder, name, values=GREY, **options):
    """Write a picture with Pillow where the format is Pillow's, else with SimpleITK; return its path."""
    path = folder / name
    if options or name.endswith(".jpg"):
        Image.fromarray(values).save(path, **options)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(values), str(path))
    return path


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_a_picture_that_is_cut_off(tmp_path, name, share):
    path = saved(tmp_path, name, GREY8 if name == "a.jpg" else GREY)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=name):
        read_radiograph(path)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        (
            "a.nrrd",
            "NRRD0004\ntype: uint16\ndimension: 2\nsizes: 40 48\nendian: little\nencoding: raw\ndata file: x\n\n",
        ),
        ("a.mha", "NDims = 2\nDimSize = 40 48\nElementType = MET_USHORT\nElementDataFile = x\n"),
        ("b.mha", "NDims = 2\nDimSize = 40 48\nElementType = MET_USHORT\nElementDataFile = LOCALx\n"),
    ],
)
def test_pixels_in_another_file_are_not_followed(tmp_path, name, header):
    (tmp_path / "x").write_bytes(GREY.tobytes())
    (tmp_path / name).write_text(header)
    with pytest.raises(InputError, match=r"another file|contradicts"):
        read_radiograph(tmp_path / name)


@pytest.mark.parametrize("line", ["NDims =-2", "NDims = 3", "DimSize = 40 0", "ElementNumberOfChannels = 9999"])
def test_a_metaimage_that_contradicts_itself(tmp_path, line):
    fields = {"NDims": "2", "DimSize": "40 48", "ElementType": "MET_USHORT"}
    key, _, value = line.partition("=")
    fields[key.strip()] = value
    header = "".join(f"{name} = {text}\n" for name, text in fields.items()) + "ElementDataFile = LOCAL\n"
    (tmp_path / "a.mha").write_bytes(header.encode() + GREY.tobytes())
    with pytest.raises(InputError, match="contradicts itself"):
        read_radiograph(tmp_path / "a.mha")


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_a_tag_that_asks_to_turn_the_picture(tmp_path, name):
    exif = Image.Exif()
    exif[274] = 6
    options = {"exif": exif} if name == "a.jpg" else {"tiffinfo": {274: 6}}
    with pytest.raises(InputError, match="orientation tag 6"):
        read_radiograph(saved(tmp_path, name, GREY8, **options))


def test_a_palette_is_no_grey_scale(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(GREY8).convert("P").save(path)
    with pytest.raises(InputError, match="without loss"):
        read_radiograph(path)


@pytest.mark.parametrize("pixels", [np.dstack([GREY8, GREY8 // 2, GREY8]), np.dstack([GREY8] * 4)])
def test_colour_jpeg(tmp_path, pixels):
    path = tmp_path / "a.jpg"
    Image.fromarray(pixels, "RGB" if pixels.shape[2] == 3 else "CMYK").save(path)
    if pixels.shape[2] == 3:
        with pytest.raises(InputError, match="color picture"):
            read_radiograph(path)
    else:  # equal inks are grey
        assert read_radiograph(path).pixels.shape == GREY8.shape


def test_transparent_png_is_named(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.dstack([GREY8, GREY8])).save(path)
    with pytest.raises(InputError, match="alpha"):
        read_radiograph(path)


def test_spacing_that_the_header_does_not_give_is_unknown(tmp_path):
    header = "NRRD0004\ntype: uint16\ndimension: 2\nsizes: 40 48\nendian: little\nencoding: raw\n{}\n"
    for line, spacing in [("", None), ("spacings: nan nan\n", None), ("spacings: 0.2 0.3\n", (0.3, 0.2))]:
        (tmp_path / "a.nrrd").write_bytes(header.format(line).encode() + GREY.tobytes())
        found = read_radiograph(tmp_path / "a.nrrd")
        assert found.spacing == spacing
        assert np.array_equal(found.pixels, GREY)
    header = "NDims = 2\nDimSize = 40 48\n{}ElementType = MET_USHORT\nElementDataFile = LOCAL\n"
    for line, spacing in [("", None), ("ElementSpacing = 0.2 0.3\n", (0.3, 0.2))]:
        (tmp_path / "a.mha").write_bytes(header.format(line).encode() + GREY.tobytes())
        assert read_radiograph(tmp_path / "a.mha").spacing == spacing


@pytest.mark.parametrize("step", [0, -0.2, float("nan"), 300])
def test_nifti_spacing_that_cannot_be_is_an_error_that_can_be_overridden(tmp_path, step):
    content = bytearray(hostile.nifti([40, 48], GREY.tobytes()))
    struct.pack_into("<f", content, 80, step)
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(InputError, match=r"a.nii gives its pixel spacing as \(0.2"):
        read_radiograph(tmp_path / "a.nii")
    assert read_radiograph(tmp_path / "a.nii", spacing=(1, 2)).spacing == (1, 2)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_single_slice_along_any_axis(tmp_path, axis):
    image = sitk.GetImageFromArray(np.expand_dims(GREY, axis))
    spacing = [0.2, 0.3]
    spacing.insert(axis, 5.0)
    image.SetSpacing(spacing[::-1])
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    found = read_radiograph(tmp_path / "a.nii.gz")
    assert np.array_equal(found.pixels, GREY)
    assert found.spacing == pytest.approx((0.2, 0.3))


@pytest.mark.parametrize("syntax", [JPEGExtended12Bit, JPEGLosslessSV1, MPEG2MPML])
def test_no_decoder_names_what_to_install(tmp_path, syntax, monkeypatch):
    # As where python-gdcm is not installed.
    if syntax != MPEG2MPML:
        monkeypatch.delitem(get_decoder(syntax)._available, "gdcm", raising=False)
    hostile.dicom(tmp_path / "a.dcm", syntax, hostile.start_of_frame(0xC1, 100, 100), BitsStored=12, HighBit=11)
    with pytest.raises(MissingDependencyError, match=r"deepradiomics\[gdcm\]"):
        read_radiograph(tmp_path / "a.dcm")


def test_a_damaged_frame(tmp_path):
    hostile.dicom(tmp_path / "a.dcm", RLELossless, struct.pack("<16I", 2, 64, 70, *[0] * 13) + bytes(20))
    with pytest.raises(InputError) as caught:
        read_radiograph(tmp_path / "a.dcm")
    assert caught.value.code == "unreadable"


TAGS = [
    "AccessionNumber",
    "InstitutionName",
    "OperatorsName",
    "OtherPatientIDs",
    "PatientAddress",
    "PatientComments",
    "PatientID",
    "PatientName",
    "ReferringPhysicianName",
    "StudyDescription",
    "StudyID",
]


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"PixelSpacing": [0, 0]},
        {"Rows": 65535, "Columns": 65535},
        {"NumberOfFrames": 9},
        {"RescaleSlope": 0, "RescaleIntercept": 0},
        {"ImageLaterality": "R", "Laterality": "L"},
        {"BitsStored": 0},
        {"PhotometricInterpretation": "RGB"},
    ],
)
def test_no_identity_leaves_the_file(tmp_path, tags, caplog, capfd):
    folder = tmp_path / "CANARY"
    folder.mkdir()
    path = folder / "a.dcm"
    identity = dict.fromkeys(TAGS, "CANARY") | {"PatientBirthDate": "19010101"}
    hostile.dicom(path, ExplicitVRLittleEndian, bytes(20_000), **identity, **tags)
    for kept in (path.stat().st_size, path.stat().st_size - 100, 600, 140):
        path.write_bytes(path.read_bytes()[:kept])
        try:
            said = repr(read_radiograph(path)) + read_radiograph(path).name
        except DeepRadiomicsError as error:
            said = str(error) + repr(error.__cause__)
        assert not any(word in said for word in ("CANARY", "19010101"))
    assert "CANARY" not in caplog.text
    assert "CANARY" not in "".join(capfd.readouterr())


FORMATS = ["a.png", "a.tif", "a.jpg", "a.nii", "a.nii.gz", "a.nrrd", "a.mha"]


@settings(max_examples=N_EXAMPLES, deadline=None)
@given(st.sampled_from(FORMATS), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_changed_picture_gives_a_picture_or_one_of_our_errors(tmp_path_factory, name, changes):
    folder = tmp_path_factory.mktemp("fuzz")
    path = saved(folder, name, GREY8 if name == "a.jpg" else GREY)
    content = bytearray(path.read_bytes())
    for place, value in changes:  # the square brings most of them into the header
        content[int(place**2 * (len(content) - 1))] = value
    path.write_bytes(content)
    try:
        assert isinstance(read_radiograph(path), Radiograph)
    except DeepRadiomicsError as error:
        assert str(folder) not in str(error)
    assert list(folder.iterdir()) == [path]


def test_threads_leave_warnings_as_they_were(tmp_path):
    hostile.dicom(tmp_path / "a.dcm", ExplicitVRLittleEndian, bytes(20_100))  # padding makes pydicom warn
    paths = [tmp_path / "a.dcm", saved(tmp_path, "a.png"), saved(tmp_path, "a.nii")] * 10
    before = (warnings.filters[:], warnings.showwarning, sitk.ImageFileReader().GetGlobalWarningDisplay())
    threads = [threading.Thread(target=read_radiograph, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (warnings.filters[:], warnings.showwarning, sitk.ImageFileReader().GetGlobalWarningDisplay()) == before


def test_importing_reading_imports_no_image_library():
    code = "import sys, deepradiomics.reading; print({'pydicom', 'SimpleITK', 'PIL'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_threads_decode_at_the_same_time(tmp_path, monkeypatch):
    """Each waits inside the decoder for the other: no lock is held there."""
    hostile.dicom(tmp_path / "a.dcm", ExplicitVRLittleEndian, bytes(20_000))
    both, decode, found = threading.Barrier(2, timeout=20), _dicom._stored_values, []

    def decode_together(*arguments):
        both.wait()
        return decode(*arguments)

    monkeypatch.setattr(_dicom, "_stored_values", decode_together)
    threads = [threading.Thread(target=lambda: found.append(read_radiograph(tmp_path / "a.dcm"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2


def test_a_cut_off_file_is_found_beside_a_whole_one(tmp_path):
    """Threads do not take each other's warnings."""
    whole, cut = tmp_path / "a.dcm", tmp_path / "cut.dcm"
    hostile.dicom(whole, ExplicitVRLittleEndian, bytes(20_100))  # padding makes pydicom warn
    hostile.dicom(cut, RLELossless, bytes(20_000))
    cut.write_bytes(cut.read_bytes()[:-100])

    def code(path):
        try:
            return read_radiograph(path).name
        except InputError as error:
            return error.code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(code, [whole, cut] * 20)) == ["", "truncated"] * 20


def test_a_dicom_file_is_opened_once(tmp_path):
    hostile.dicom(tmp_path / "a.dcm", ExplicitVRLittleEndian, bytes(20_000))
    code = (
        "import sys, pydicom.pixels; from deepradiomics import read_radiograph; n = []\n"
        "sys.addaudithook(lambda event, args: event == 'open' and str(args[0]).endswith('a.dcm') and n.append(1))\n"
        f"read_radiograph({str(tmp_path / 'a.dcm')!r}); print(len(n))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "1"
