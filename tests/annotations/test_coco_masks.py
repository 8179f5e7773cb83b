"""Outlines in COCO files against scikit-image's polygons."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from skimage.draw import polygon2mask

from deepradiomics.annotations import read_coco_masks
from deepradiomics.exceptions import InputError

CATEGORIES = [{"id": 3, "name": "left"}, {"id": 5, "name": "right"}, {"id": 9, "name": "marker"}]


def written(folder, annotations, **image):
    content = {
        "images": [{"id": 1, "file_name": "a.png"} | image, {"id": 2, "file_name": "b.png"}],
        "categories": CATEGORIES,
        "annotations": annotations,
    }
    path = folder / "masks.json"
    path.write_text(json.dumps(content))
    return path


def annotation(polygon, category=3, image=1):
    return {"image_id": image, "category_id": category, "segmentation": [polygon]}


def distance_to_the_outline(polygon, shape):
    """Distance of each pixel's centre to the nearest edge of a polygon of corners (x, y), in pixels."""
    rows, columns = np.indices(shape)
    centres = np.stack([columns, rows], axis=-1) + 0.5
    nearest = np.full(shape, np.inf)
    for start, end in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        edge = end - start
        length = max(edge @ edge, 1e-12)
        along = np.clip((centres - start) @ edge / length, 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(centres - start - along[..., None] * edge, axis=-1))
    return nearest


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 24), st.floats(0, 30)), min_size=3, max_size=7))
@example([(0.0, 0.0), (1.0, 0.0), (2.0, 2.0)])
def test_polygons_are_scikit_images(tmp_path_factory, corners):
    polygon = np.clip(corners, 0, (25, 31))[:, ::-1]
    path = written(tmp_path_factory.mktemp("coco"), [annotation(polygon.ravel().tolist())], height=25, width=31)
    found = read_coco_masks(path, image_name="a.png", classes=["left"])
    wanted = polygon2mask((25, 31), polygon[:, ::-1] - 0.5)
    # Where an edge runs through a pixel's centre, the two may decide otherwise.
    decided = distance_to_the_outline(polygon, (25, 31)) > 1e-6
    assert np.array_equal(found.astype(bool)[decided], wanted[decided])


def test_classes_and_images_are_told_apart(tmp_path):
    square, other = [1, 1, 5, 1, 5, 5, 1, 5], [6, 1, 9, 1, 9, 5, 6, 5]
    entries = [annotation(square), annotation(other, 5), annotation(square, 9), annotation([0, 0, 9, 0, 9, 9], 3, 2)]
    path = written(tmp_path, entries, height=8, width=10)
    found = read_coco_masks(path, image_name="a.png", classes=["left", "right"])
    assert np.array_equal(np.unique(found, return_counts=True)[1], [80 - 16 - 12, 16, 12])
    assert (found[1:5, 1:5] == 1).all()
    assert (found[1:5, 6:9] == 2).all()


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"counts": [1, 2], "size": [8, 10]}, "export polygons, not runs"),
        ([[1, 1, 5, 5]], "without three corners"),
        ([[1, 1, 5, 1, 50, 5]], "corner outside"),
        ([[1, 1, 5, "x", 5, 5]], "where a number is needed"),
    ],
)
def test_outlines_that_cannot_be_read(tmp_path, segmentation, message):
    entry = {"image_id": 1, "category_id": 3, "segmentation": segmentation}
    path = written(tmp_path, [entry], height=8, width=10)
    with pytest.raises(InputError, match=message):
        read_coco_masks(path, image_name="a.png", classes=["left"])


def test_the_size_of_the_image_must_be_known(tmp_path):
    path = written(tmp_path, [annotation([1, 1, 5, 1, 5, 5])])
    with pytest.raises(InputError, match="give image_shape"):
        read_coco_masks(path, image_name="a.png", classes=["left"])
    assert read_coco_masks(path, image_name="a.png", classes=["left"], image_shape=(8, 10)).shape == (8, 10)


def test_absence_and_mismatch_are_said(tmp_path):
    square = [1, 1, 5, 1, 5, 5, 1, 5]
    path = written(tmp_path, [annotation(square)], height=8, width=10)
    with pytest.raises(InputError, match="no category 'lfet'"):
        read_coco_masks(path, image_name="a.png", classes=["lfet"])
    with pytest.raises(InputError, match=r"write \['left'\]"):
        read_coco_masks(path, image_name="a.png", classes="left")
    path = written(tmp_path, [annotation(square, image="1")], height=8, width=10)
    with pytest.raises(InputError, match="first image_id '1', a str"):
        read_coco_masks(path, image_name="a.png", classes=["left"])
