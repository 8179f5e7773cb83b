"""What may stand in an image cell besides a path or an array, and what a wrong cell is told."""

import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, RawIOBase, StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image

from deepradiomics import FemurRegions, Radiograph, TextureExtractor, as_radiograph, read_radiograph
from deepradiomics.comparison.copies import near_duplicates
from deepradiomics.exceptions import InputError
from deepradiomics.reading import _files, read_label_map
from deepradiomics.simulation import make_hips, write_dicom

GREY = np.random.default_rng(0).integers(0, 255, (12, 9)).astype(np.uint8)


def picture(mode="L"):
    return Image.fromarray(GREY).convert(mode)


def png(mode="L"):
    stream = BytesIO()
    picture(mode).save(stream, "PNG")
    return stream


def itk():
    image = sitk.GetImageFromArray(GREY)
    image.SetSpacing((0.2, 0.3))
    return image


@pytest.mark.parametrize("make", [picture, lambda: picture("RGB"), png, lambda: png().getvalue(), itk])
def test_images_of_other_libraries(make):
    source = make()
    for _ in range(2):
        assert np.array_equal(as_radiograph(source).pixels, GREY)
    assert np.array_equal(read_radiograph(GREY, mask=make(), label=int(GREY.max())).mask, GREY.max() == GREY)
    assert np.array_equal(read_label_map(source), GREY)


def test_spacing_of_simpleitk_and_the_index_of_a_palette():
    assert as_radiograph(itk()).spacing == (0.3, 0.2)
    classes = picture().quantize(4)
    assert np.array_equal(read_label_map(classes), np.asarray(classes))
    with pytest.raises(InputError, match="volume"):
        as_radiograph(sitk.Image(4, 4, 4, sitk.sitkUInt8))
    with pytest.raises(InputError, match="read from files only"):
        as_radiograph(b"NRRD0004\ntype: float\n\n")


def test_addresses(tmp_path):
    path = tmp_path / "a b.png"
    picture().save(path)
    assert np.array_equal(as_radiograph(path.as_uri()).pixels, GREY)
    for address in ("s3://bucket/Secret/a.png", "zip://Secret/a.png::b.zip", "https://example.org/Secret/a.png"):
        with pytest.raises(InputError, match=r"a\.png.* is an address .* BytesIO") as caught:
            as_radiograph(address)
        assert "Secret" not in str(caught.value)


def test_a_dataset_of_pydicom_is_read_like_its_file(tmp_path):
    (path,) = write_dicom(make_hips(1, random_state=0), tmp_path)["radiograph"]
    whole, dataset = read_radiograph(path), pydicom.dcmread(path)
    found = as_radiograph(dataset)
    assert np.array_equal(found.pixels, whole.pixels)
    for other in (found, as_radiograph(BytesIO(Path(path).read_bytes()))):
        assert (other.spacing, other.spacing_source, other.view) == (whole.spacing, whole.spacing_source, whole.view)


@pytest.mark.parametrize("kind", ["memory", "addresses"])
def test_copies_are_found_among_pictures_and_addresses(tmp_path, kind):
    rng = np.random.default_rng(0)
    fields = [Image.fromarray(rng.normal(size=(96, 96)).cumsum(axis=0).astype(np.float32)) for _ in range(3)]
    if kind == "addresses":
        paths = [tmp_path / f"a b {number}.tif" for number in range(3)]
        for picture, path in zip(fields, paths, strict=True):
            picture.save(path)
        fields = [path.as_uri() for path in paths]
    table = pd.DataFrame({"film": pd.Series([*fields, fields[0]], dtype=object)})
    found = near_duplicates({"internal": table}, np.arange(4))
    assert found[["row_a", "row_b"]].to_numpy().tolist() == [[0, 3]]


def test_a_radiograph_is_an_array_to_numpy_and_matplotlib():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    film = Radiograph(GREY, mask=GREY > 100)
    assert film.shape == (12, 9)
    assert np.asarray(film) is film.pixels
    assert np.array(film, dtype=float).dtype == float
    assert np.array_equal(plt.figure().add_subplot().imshow(film).get_array(), GREY)
    ax = film.plot()
    assert len(ax.collections) == 1
    # Shown in 8 bits between two percentiles.
    assert np.corrcoef(np.ravel(ax.images[0].get_array()), GREY.ravel())[0, 1] > 0.999
    plt.close("all")


@pytest.mark.parametrize(
    "cell", ["Secret, Anna", "/home/Secret/IM0001", "19501231-Secret", "Secret B. Smith", "~Secret"]
)
def test_a_cell_of_another_column_is_not_shown(cell):
    table = pd.DataFrame({"patient": [cell], "neck": pd.Series([GREY], dtype=object)})
    with pytest.raises(InputError, match="row 0, column 'patient': the text is no file") as caught:
        TextureExtractor().fit_transform(table)
    assert "Secret" not in str(caught.value)


@pytest.mark.parametrize("cell", [str(GREY), repr(GREY), str(GREY.tolist()), repr(Radiograph(GREY)), "[[0 0 ... 0 0]]"])
def test_a_printed_array_is_told(cell):
    with pytest.raises(InputError, match=r"row 0, column 'mask': a text stands where .* as to_csv prints it"):
        FemurRegions(mask="mask").transform(
            pd.DataFrame({"radiograph": pd.Series([GREY], dtype=object), "mask": [cell]})
        )


def test_a_mask_that_is_missing_is_reported_under_its_column():
    table = pd.DataFrame({"radiograph": pd.Series([GREY], dtype=object), "mask": ["/home/Secret/left.png"]})
    with pytest.raises(InputError, match=r"row 0, column 'mask': left\.png: no such file") as caught:
        FemurRegions(mask="mask").transform(table)
    assert "Secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["~film.png", "[1] film.png"])
def test_a_file_of_an_odd_name_is_read(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture().save(name)
    assert np.array_equal(as_radiograph(name).pixels, GREY)
    for wrong in ("~no_such_user/a.png", "file://[Secret", "file:///Secret.txt"):
        with pytest.raises(InputError) as caught:
            as_radiograph(wrong)
        assert caught.value.code == "no_file"
        assert "Secret" not in str(caught.value)


def test_bytes_are_not_mistaken_for_a_file_of_their_name(tmp_path, monkeypatch):
    """PNG of three channels of 16 bits, which ITK reads, and which it must find under its own name."""
    monkeypatch.chdir(tmp_path)
    deep = GREY.astype(np.uint16) * 257
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([deep] * 3, axis=-1), isVector=True), "deep.png")
    picture().save("the file in memory", "PNG")
    content = Path("deep.png").read_bytes()
    assert np.array_equal(as_radiograph(content).pixels, deep)
    assert np.array_equal(as_radiograph("deep.png").pixels, deep)
    with pytest.raises(InputError, match="read from files only"):
        as_radiograph(b"NRRD0004\ntype: float\n\n")


class Shared(RawIOBase):
    """A stream that gives way to other threads between seek and read."""

    def __init__(self):
        self.inner = png()

    def seek(self, place):
        self.inner.seek(place)
        time.sleep(0.002)

    def read(self, size):
        return self.inner.read(size)


@pytest.mark.parametrize("make", [Shared, png])
def test_threads_may_read_one_stream(make):
    stream = make()
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(as_radiograph, [stream] * 12):
            assert np.array_equal(found.pixels, GREY)


def test_streams_that_give_no_bytes_and_what_is_too_long(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(png().getvalue())
    closed = png()
    closed.close()
    with (tmp_path / "a.png").open(encoding="utf-8") as text:
        for stream in (closed, text, StringIO("abc")):
            with pytest.raises(InputError, match="the file in memory is closed, gives text") as caught:
                as_radiograph(stream)
            assert caught.value.code == "no_file"
    monkeypatch.setattr(_files, "MAX_FILE_BYTES", 50)
    content = png().getvalue()
    for source in (content, memoryview(content), BytesIO(content), Shared(), tmp_path / "a.png"):
        with pytest.raises(InputError, match="is it one radiograph") as caught:
            as_radiograph(source)
        assert caught.value.code == "size"


@pytest.mark.parametrize("lacking", [["SOPInstanceUID"], ["SOPInstanceUID", "SOPClassUID", "StudyDate"], []])
def test_a_dataset_without_what_says_whose_it_is(tmp_path, lacking):
    (path,) = write_dicom(make_hips(1, random_state=0), tmp_path)["radiograph"]
    dataset = pydicom.dcmread(path)
    for keyword in set(lacking) & set(dataset.dir()):
        del dataset[keyword]
    bare = pydicom.Dataset()
    bare.update(dataset)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    pixels = read_radiograph(path).pixels
    for source in (dataset, bare):
        assert np.array_equal(as_radiograph(source).pixels, pixels)


def test_spacing_of_simpleitk_is_checked_like_that_of_a_file():
    image = sitk.GetImageFromArray(GREY)
    assert as_radiograph(image).spacing is None
    image.SetSpacing((0.12, 0.24))
    found = read_radiograph(image, magnification=1.2)
    assert found.spacing == pytest.approx((0.2, 0.1))
    assert found.spacing_source == "SimpleITK / 1.2"
    image.SetSpacing((140.0, 140.0))
    with pytest.raises(InputError, match="the SimpleITK image gives its pixel spacing as"):
        as_radiograph(image)


def saved(image, kind, **options):
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


DEEP = GREY.astype(np.uint16) * 200
TURNED = Image.Exif()
TURNED[274] = 6
SEEN_THROUGH = Image.merge("RGBA", [picture()] * 3 + [Image.eval(picture(), lambda value: 255 * (value > 9))])
PICTURES = {
    "white is zero, 8 bits": saved(picture(), "TIFF", tiffinfo={262: 0}),
    "white is zero, 16 bits": saved(Image.fromarray(DEEP), "TIFF", tiffinfo={262: 0}),
    "white is zero, floats": saved(Image.fromarray(DEEP.astype(np.float32)), "TIFF", tiffinfo={262: 0}),
    "1 bit": saved(picture("1"), "PNG"),
    "CMYK": saved(picture("CMYK"), "JPEG"),
    "opaque alpha": saved(picture("LA"), "PNG"),
    "alpha": saved(SEEN_THROUGH.convert("LA"), "PNG"),
    "colors and alpha": saved(SEEN_THROUGH, "PNG"),
    "to be turned": saved(picture(), "JPEG", exif=TURNED),
    "to be turned, TIFF": saved(picture(), "TIFF", tiffinfo={274: 6}),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("read", [as_radiograph, read_label_map])
def test_a_picture_of_pillow_is_read_or_refused_like_its_file(name, read):
    def outcome(source):
        try:
            return np.asarray(read(source)).astype(float).tolist()
        except InputError as error:
            return error.code

    content = PICTURES[name]
    assert outcome(Image.open(BytesIO(content))) == outcome(content)
