"""Annotation files as tools write them, and files that only look like them."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepradiomics.annotations import read_coco, read_voc, read_yolo
from deepradiomics.box import Box
from deepradiomics.exceptions import InputError

N_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))

VOC = (
    "<annotation><size><width>{width}</width><height>{height}</height></size><object><name>L1</name>"
    "<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object></annotation>"
)
BOXES = st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 49), st.integers(1, 149))


@settings(max_examples=60, deadline=None)
@given(BOXES)
def test_what_is_written_by_the_rules_of_each_format_is_read_back(tmp_path_factory, numbers):
    """The rules: VOC counts from 1 and includes the last pixel, YOLO has centres as shares, COCO corner and size."""
    folder = tmp_path_factory.mktemp("boxes")
    left, top, width, height = numbers
    corners = (left + 1, top + 1, left + width, top + height)
    (folder / "a.xml").write_text(VOC.format(*corners, width=100, height=200))
    shares = ((left + width / 2) / 100, (top + height / 2) / 200, width / 100, height / 200)
    (folder / "a.txt").write_text("0 " + " ".join(f"{share:.6f}" for share in shares))
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 200, "width": 100}],
        "categories": [{"id": 1, "name": "L1"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [left, top, width, height]}],
    }
    (folder / "a.json").write_text(json.dumps(content))
    box = Box(top, left, height, width)
    assert read_voc(folder / "a.xml", image_shape=(200, 100)) == [("L1", box)]
    assert read_coco(folder / "a.json", image_name="a.png", image_shape=(200, 100)) == [("L1", box)]
    (name, found), *_ = read_yolo(folder / "a.txt", image_shape=(200, 100), classes=["L1"])
    assert name == "L1"
    assert found.corners == pytest.approx(box.corners, abs=1e-3)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings(tmp_path, encoding):
    declared = {"utf-8-sig": "utf-8"}.get(encoding, encoding)
    text = f'<?xml version="1.0" encoding="{declared}"?>' + VOC.format(1, 1, 5, 5, width=0, height=0)
    (tmp_path / "a.xml").write_bytes(text.replace("L1", "Wirbelkörper").encode(encoding))
    assert read_voc(tmp_path / "a.xml")[0][0] == "Wirbelkörper"


def test_an_image_of_another_size_than_the_boxes_were_drawn_on(tmp_path):
    (tmp_path / "a.xml").write_text(VOC.format(1, 1, 5, 5, width=1000, height=2000))
    with pytest.raises(InputError, match="2000 x 1000 pixels, this one has 200 x 100"):
        read_voc(tmp_path / "a.xml", image_shape=(200, 100))
    content = {"images": [{"id": 1, "file_name": "a", "height": 5, "width": 5}], "categories": [], "annotations": []}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="5 x 5 pixels, this one has 200 x 100"):
        read_coco(tmp_path / "a.json", image_name="a", image_shape=(200, 100))


def test_other_xml(tmp_path):
    (tmp_path / "a.xml").write_text("<svg/>")
    with pytest.raises(InputError, match="not of Pascal VOC"):
        read_voc(tmp_path / "a.xml")


@pytest.mark.parametrize("number", ["nan", "inf", "-5", "1e400"])
def test_numbers_that_are_no_places(tmp_path, number):
    (tmp_path / "a.xml").write_text(VOC.format(1, 1, number, 5, width=100, height=200))
    (tmp_path / "a.txt").write_text(f"0 0.5 0.5 {number} 0.1")
    for read in (read_voc, read_yolo):
        with pytest.raises(InputError):
            read(tmp_path / ("a.xml" if read is read_voc else "a.txt"), image_shape=(200, 100))


@pytest.mark.parametrize("word", ["-1", "x", "1.0", "²"])
def test_classes_that_are_no_numbers(tmp_path, word):
    (tmp_path / "a.txt").write_text(f"{word} 0.5 0.5 0.1 0.1")
    with pytest.raises(InputError, match="a whole number from 0 on"):
        read_yolo(tmp_path / "a.txt", image_shape=(200, 100))


@pytest.mark.parametrize(
    "image",
    [{"height": 5}, {"height": None, "width": None}, {"height": "x", "width": 3}, {"height": 10**400, "width": 1}],
)
def test_coco_sizes_that_cannot_be(tmp_path, image):
    content = {"images": [{"id": 1, "file_name": "a", **image}], "categories": [], "annotations": []}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(InputError):
        read_coco(tmp_path / "a.json", image_name="a")


def test_what_is_no_annotation_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(2**22 + 1))
    (tmp_path / "bytes").write_bytes(bytes(range(128, 256)))
    for name in ("pipe", "large", "bytes", "missing", "."):
        for read in (read_voc, read_yolo):
            with pytest.raises(InputError) as caught:
                read(tmp_path / name, image_shape=(10, 10))
            assert str(tmp_path.parent) not in str(caught.value)


@settings(max_examples=N_EXAMPLES, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_changed_byte_gives_boxes_or_one_of_our_errors(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("fuzz") / "a.xml"
    content = bytearray(VOC.format(1, 1, 5, 5, width=100, height=200).encode())
    for place, value in changes:
        content[int(place * (len(content) - 1))] = value
    path.write_bytes(content)
    try:
        assert isinstance(read_voc(path), list)
    except InputError as error:
        assert str(path.parent) not in str(error)
