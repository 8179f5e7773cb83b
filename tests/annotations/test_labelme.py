"""Files of LabelMe, as the tool writes them."""

import json

import numpy as np
import pytest
from skimage.draw import polygon2mask

from deepradiomics.annotations import read_labelme
from deepradiomics.box import Box
from deepradiomics.exceptions import InputError


def written(folder, *shapes, **changes):
    keys = {"group_id": None, "description": "", "flags": {}}
    entries = [{"label": label, "points": points, "shape_type": kind} | keys for label, kind, points in shapes]
    content = {"version": "5.4.1", "flags": {}, "shapes": entries, "imagePath": "a.png", "imageData": None}
    path = folder / "a.json"
    path.write_text(json.dumps(content | {"imageHeight": 40, "imageWidth": 30} | changes))
    return path


def test_each_kind_of_shape(tmp_path):
    outline = [[2.2, 3.1], [20.7, 5.2], [15.3, 30.9]]
    path = written(
        tmp_path,
        ("L1", "rectangle", [[13, 24], [3, 4]]),
        ("femur", "polygon", outline),
        ("other", "polygon", outline),
        ("corner", "point", [[3.5, 4.5]]),
        ("corner", "point", [[9, 4.5]]),
    )
    found = read_labelme(path, classes=["femur"])
    assert found.boxes == [("L1", Box(4, 3, 20, 10))]
    assert found.points == [("corner", (4.5, 3.5)), ("corner", (4.5, 9))]
    wanted = polygon2mask((40, 30), np.array(outline)[:, ::-1] - 0.5)
    assert np.array_equal(found.label_map, wanted)
    assert read_labelme(path).label_map is None


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (("a", "circle", [[5, 5], [8, 8]]), "shape 0 of a.json is a circle"),
        (("a", "mask", [[5, 5], [8, 8]]), "shape 0 of a.json is a mask"),
        (("a", "rectangle", [[5, 5], [31, 8]]), "shape 0 of a.json reaches"),
        (("a", "point", [[5, 41]]), "shape 0 of a.json lies outside"),
        (("a", "polygon", [[5, 5], [60, 8], [7, 7]]), "shape 0 of a.json has a corner outside"),
        (("", "point", [[5, 5]]), "shape 0 of a.json has no label"),
        (("a", "point", [["x", 5]]), "where a number is needed"),
        (("a", "point", 7), "not a file of LabelMe"),
        ((None, "point", [[5, 5]]), "shape 0 of a.json has no label"),
        (("a", "rectangle", [[5, 5, 8, 8]]), "shape 0 of a.json has points that are not pairs"),
        (("a", "polygon", [[5, 5, 8], [8, 9, 9]]), "shape 0 of a.json has points that are not pairs"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, shape, message):
    with pytest.raises(InputError, match=message):
        read_labelme(written(tmp_path, shape))


def test_a_film_of_one_hip_lacks_the_other(tmp_path):
    square = [[5, 5], [9, 5], [9, 9], [5, 9]]
    wanted = np.zeros((40, 30))
    wanted[5:9, 5:9] = 2
    path = written(tmp_path, (" right ", "polygon", square))
    assert np.array_equal(read_labelme(path, classes=["left", "right"]).label_map, wanted)
    numbered = written(tmp_path, (1, "polygon", square), (7, "point", [[3.5, 4.5]]))
    found = read_labelme(numbered, classes=["0", 1])
    assert np.array_equal(found.label_map, wanted)
    assert found.points == [("7", (4.5, 3.5))]
    assert not read_labelme(written(tmp_path), classes=["femur"]).label_map.any()


def test_images_of_another_size_and_classes_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="made for an image of 40 x 30 pixels"):
        read_labelme(written(tmp_path), image_shape=(40, 31))
    square = [[5, 5], [9, 5], [9, 9]]
    with pytest.raises(InputError, match=r"polygons of \['fmeur'\], none of the classes \['femur'\]"):
        read_labelme(written(tmp_path, ("fmeur", "polygon", square)), classes=["femur"])
    for classes, message in ((["a", "a "], "with repeats"), (range(256), "256 classes")):
        with pytest.raises(InputError, match=message):
            read_labelme(written(tmp_path), classes=classes)
    with pytest.raises(InputError, match="not the word 'femur'"):
        read_labelme(written(tmp_path), classes="femur")
    with pytest.raises(InputError, match="does not say the size"):
        read_labelme(written(tmp_path, imageHeight=None))
    with pytest.raises(InputError, match="claims an image of"):
        read_labelme(written(tmp_path, imageHeight=10**6, imageWidth=10**6), classes=[])
    (tmp_path / "b.json").write_text("[1]")
    with pytest.raises(InputError, match="not a file of LabelMe"):
        read_labelme(tmp_path / "b.json")
