"""Outlines in COCO files against scikit-image's polygons."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from skimage.draw import polygon2mask

from deepradiomics.annotations import read_coco, read_coco_masks, write_coco
from deepradiomics.box import Box
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
        ({"counts": [1, 2], "size": [8, 10]}, "has runs for 3 pixels"),
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


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_outlines_are_read_back_to_the_pixel(tmp_path_factory, n_rows, n_columns, seed, share):
    """Any map: holes, islands, pixels that touch at a corner, labels at the border."""
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random((n_rows, n_columns)) < share, rng.integers(1, 4, (n_rows, n_columns)), 0)
    path = tmp_path_factory.mktemp("coco") / "a.json"
    write_coco(path, ["a", "b"], [labels.shape] * 2, label_maps=[labels, None], classes=["x", "y", "z"])
    assert np.array_equal(read_coco_masks(path, image_name="a", classes=["x", "y", "z"]), labels)
    assert not read_coco_masks(path, image_name="b", classes=["x"]).any()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_pycocotools_reads_the_same_pixels_and_its_runs_are_read(tmp_path):
    tools = pytest.importorskip("pycocotools.mask", reason="pycocotools, another reader of COCO, is not installed")
    rows, columns = np.ogrid[:90, :120]
    ring = np.hypot(rows - 40, columns - 50)
    labels = ((ring < 30) & (ring > 10)).astype(int) + 2 * ((rows > 75) & (columns < 60))
    path = write_coco(tmp_path / "a.json", ["a"], [labels.shape], label_maps=[labels], classes=["ring", "bar"])
    written_by_us = json.loads(path.read_text())["annotations"]
    assert [type(entry["segmentation"]) for entry in written_by_us] == [dict, list]  # the ring has a hole
    for entry, label in zip(written_by_us, (1, 2), strict=True):
        outline = entry["segmentation"]
        packed = tools.frPyObjects(outline, 90, 120)
        mask = tools.decode(packed if isinstance(outline, dict) else tools.merge(packed)).astype(bool)
        assert np.array_equal(mask, labels == label) if label == 1 else (mask != (labels == 2)).sum() <= 76 + 120
        letters = tools.encode(np.asfortranarray(labels == label, dtype=np.uint8))["counts"].decode()
        entry["segmentation"] = {"size": [90, 120], "counts": letters}
    content = json.loads(path.read_text()) | {"annotations": written_by_us}
    path.write_text(json.dumps(content))
    assert np.array_equal(read_coco_masks(path, image_name="a", classes=["ring", "bar"]), labels)


@pytest.mark.parametrize("counts", [[2, -1, 79], [79], "not runs", "~" * 50, [2.5, 77.5], None])
def test_runs_that_do_not_fill_the_image(tmp_path, counts):
    entry = {"image_id": 1, "category_id": 3, "segmentation": {"counts": counts, "size": [8, 10]}}
    path = written(tmp_path, [entry], height=8, width=10)
    with pytest.raises(InputError, match=r"annotation 0 of masks\.json has runs"):
        read_coco_masks(path, image_name="a.png", classes=["left"])


@pytest.mark.parametrize("angle", [0, 12.5, -30])
def test_boxes_with_their_tilt_are_read_back(tmp_path, angle):
    boxes = {"neck": Box(20, 30, 10, 14, angle), "shaft": Box(1.25, 2, 5, 6)}
    path = write_coco(tmp_path / "a.json", ["a"], [(60, 70)], boxes=[boxes])
    found = dict(read_coco(path, image_name="a"))
    assert found.keys() == boxes.keys()
    for name, box in boxes.items():
        np.testing.assert_allclose(found[name].corners, box.corners, atol=1e-9)
    assert json.loads(path.read_text())["annotations"][0]["attributes"]["rotation"] == -angle % 360


def test_a_box_of_the_name_of_an_outline_is_none(tmp_path):
    labels = np.zeros((60, 70), dtype=np.uint8)
    labels[20:30, 30:50] = 1
    boxes = {"L1": Box(15, 25, 20, 30)}
    path = write_coco(tmp_path / "a.json", ["a"], [(60, 70)], label_maps=[labels], classes=["L1"], boxes=[boxes])
    assert np.array_equal(read_coco_masks(path, image_name="a", classes=["L1"]), labels)
    # Where nobody drew an outline, the box is what there is.
    path = write_coco(tmp_path / "b.json", ["a"], [(60, 70)], boxes=[boxes])
    assert read_coco_masks(path, image_name="a", classes=["L1"]).sum() == 20 * 30


def test_a_tilted_box_must_lie_in_its_image(tmp_path):
    entry = {"image_id": 1, "category_id": 3, "bbox": [0, 4, 9, 2], "attributes": {"rotation": 45}}
    assert read_coco(written(tmp_path, [entry | {"attributes": {}}], height=40, width=40), image_name="a.png")
    entry["bbox"] = [0, 0, 9, 2]
    with pytest.raises(InputError, match="reaches from row -"):
        read_coco(written(tmp_path, [entry], height=40, width=40), image_name="a.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_maps": [np.ones((4, 4), int)]}, "0 classes"),
        ({"label_maps": [np.ones((4, 5), int)], "classes": ["a"]}, r"shape \(4, 5\)"),
        ({"label_maps": [np.ones((4, 4))], "classes": ["a"]}, "float64"),
        ({"boxes": [{"a": Box(0, 0, 5, 5)}]}, "box 'a' of a.png reaches"),
        ({"boxes": [{}, {}]}, "2 sets of boxes"),
        ({"boxes": [{"a": (0, 0, 5, 5)}]}, "the boxes of a.png are no dict of name to Box"),
        ({"boxes": [[Box(0, 0, 2, 2)]]}, "the boxes of a.png are no dict of name to Box"),
        ({"boxes": [Box(0, 0, 2, 2)]}, "the boxes of a.png are no dict of name to Box"),
        ({"classes": "ab"}, "not the word 'ab'"),
        ({"classes": ["a", "b", "a"]}, "with repeats"),
        ({"classes": ["1", 1]}, "with repeats"),
    ],
)
def test_what_cannot_be_written(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        write_coco(tmp_path / "a.json", ["a.png"], [(4, 4)], **options)


def test_numbers_of_numpy_and_names_that_are_numbers(tmp_path):
    box = Box(*np.array([1, 2, 3, 1, 0]))
    path = write_coco(tmp_path / "a.json", ["a"], [(4, 4)], classes=[1], boxes=[[(1, box), (np.int64(1), box)]])
    content = json.loads(path.read_text())
    assert content["categories"] == [{"id": 1, "name": "1"}]
    assert [(entry["bbox"], entry["area"]) for entry in content["annotations"]] == [([2, 1, 1, 3], 3)] * 2


def test_a_label_map_holds_255_classes(tmp_path):
    path = written(tmp_path, [], height=8, width=10)
    with pytest.raises(InputError, match="256 classes, a label map holds 255"):
        read_coco_masks(path, image_name="a.png", classes=range(256))
