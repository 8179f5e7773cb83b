"""Boxes from labelImg, YOLO and COCO: the same box from each, and nothing but boxes from hostile files."""

import json

import pytest

from deepradiomics.annotations import read_coco, read_voc, read_yolo
from deepradiomics.box import Box
from deepradiomics.exceptions import InputError

VOC = """<annotation><folder>/etc</folder><filename>/etc/passwd</filename>
<size><width>100</width><height>200</height><depth>1</depth></size>{objects}</annotation>"""
BOX = "<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox>"
OBJECT = "<object><name>{name}</name>" + BOX + "</object>"


def voc(path, *corners, name="L1"):
    path.write_text(VOC.format(objects="".join(OBJECT.format(*own, name=name) for own in corners)))
    return path


def coco(path, bbox, **image):
    content = {
        "images": [{"id": 1, "file_name": "a.png", **image}, {"id": 2, "file_name": "b.png"}],
        "categories": [{"id": 7, "name": "L1"}],
        "annotations": [
            {"image_id": 1, "category_id": 7, "bbox": bbox},
            {"image_id": 2, "category_id": 7, "bbox": bbox},
        ],
    }
    path.write_text(json.dumps(content))
    return path


def test_the_same_box_in_three_formats(tmp_path):
    (tmp_path / "a.txt").write_text("0 0.35 0.4 0.3 0.2\n\n")
    wanted = [("L1", Box(60, 20, 40, 30))]
    assert read_voc(voc(tmp_path / "a.xml", (21, 61, 50, 100))) == wanted
    assert read_coco(coco(tmp_path / "a.json", [20, 60, 30, 40]), image_name="a.png", image_shape=(200, 100)) == wanted
    found = read_yolo(tmp_path / "a.txt", image_shape=(200, 100), classes=["L1"])
    assert found[0][0] == "L1"
    assert found[0][1].corners == pytest.approx(wanted[0][1].corners)


@pytest.mark.parametrize(
    ("corners", "message"),
    [((50, 61, 20, 100), "inverted"), ((90, 61, 120, 100), "has 200 x 100 pixels"), ((1, "x", 2, 3), "'x'")],
)
def test_voc_boxes_that_cannot_be(tmp_path, corners, message):
    with pytest.raises(InputError, match=message):
        read_voc(voc(tmp_path / "a.xml", corners))


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;&b;">]><annotation>&c;</annotation>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation>&b;</annotation>',
        "<annotation>",
        "",
        "<a>" * 100_000,
    ],
)
def test_hostile_xml(tmp_path, text):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(InputError, match="not plain XML"):
        read_voc(tmp_path / "a.xml")


def test_an_object_without_a_name(tmp_path):
    with pytest.raises(InputError, match="no label"):
        read_voc(voc(tmp_path / "a.xml", (1, 1, 5, 5), name=""))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.2", "4 numbers"),
        ("0 0.5 0.5 1.5 0.2", "reaches"),
        ("3 0.5 0.5 0.1 0.1", "class 3"),
        ("0 a 0.5 0.1 0.1", "'a'"),
    ],
)
def test_yolo_lines_that_cannot_be(tmp_path, line, message):
    (tmp_path / "a.txt").write_text(line)
    with pytest.raises(InputError, match=message):
        read_yolo(tmp_path / "a.txt", image_shape=(200, 100), classes=["L1"])


@pytest.mark.parametrize(
    ("bbox", "name", "message"),
    [
        ([20, 60, 30], "a.png", "four numbers"),
        ([20, 60, 300, 40], "a.png", "reaches"),
        ([1, 2, 3, 4], "c.png", "0 images"),
    ],
)
def test_coco_that_cannot_be(tmp_path, bbox, name, message):
    with pytest.raises(InputError, match=message):
        read_coco(coco(tmp_path / "a.json", bbox, height=200, width=100), image_name=name)


@pytest.mark.parametrize("text", ["[]", "{}", '{"images": 3}', "[" * 100_000])
def test_json_that_is_not_coco(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="not a COCO file"):
        read_coco(tmp_path / "a.json", image_name="a.png")
