"""Boxes on real femora: outlines traced by us, cut short, cut askew, squeezed; and what a table says of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from deepradiomics import FemurRegions
from deepradiomics.box import box_mask, fraction_inside
from deepradiomics.exceptions import RegionError
from deepradiomics.regions import femur_geometry, place_femur_boxes
from deepradiomics.simulation import make_hips

FEMORA = json.loads((Path(__file__).parent / "real_femora.json").read_text())["femora"]
HIPS = Path(__file__).parents[3] / "shared" / "data" / "hip" / "outlines.json"
NAMES = ["femur", "neck", "cortex", "ward", "trochanter"]


def drawn(polygon, shape, scale=1):
    """Mask (H, W) of a polygon of rows and columns."""
    image = Image.new("1", (shape[1] * scale, shape[0] * scale))
    ImageDraw.Draw(image).polygon([(column * scale, row * scale) for row, column in polygon], fill=1)
    return np.array(image)


def femur(number, scale=1):
    return drawn(FEMORA[number]["row_column"], FEMORA[number]["shape"], scale)


def cut_below_lesser(mask, millimetres, tilt=0.0):
    """The mask without what lies below a line across the shaft, or at an angle to that, in degrees."""
    geometry = femur_geometry(mask)
    down = np.array(geometry.shaft_axis)
    turn = np.deg2rad(tilt)
    normal = np.cos(turn) * down + np.sin(turn) * np.array([-down[1], down[0]])
    lesser = np.array(geometry.lesser_end) - geometry.shaft_point
    point = geometry.shaft_point + (lesser @ down + millimetres * geometry.pixels_per_mm) * down
    rows, columns = np.indices(mask.shape) + 0.5
    return mask & ((rows - point[0]) * normal[0] + (columns - point[1]) * normal[1] <= 0)


def stretched(mask, factor):
    """The mask made higher by a factor."""
    size = (mask.shape[1], round(mask.shape[0] * factor))
    return np.array(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


@pytest.mark.parametrize("number", range(len(FEMORA)))
def test_the_box_of_the_neck_lies_in_the_neck(number):
    mask, expected = femur(number), FEMORA[number]
    boxes, geometry = place_femur_boxes(mask), femur_geometry(mask)
    assert list(boxes) == NAMES
    assert np.hypot(*np.subtract(boxes["neck"].centre, expected["neck"])) < 3 * geometry.pixels_per_mm
    assert boxes["neck"].angle == pytest.approx(expected["angle"], abs=4)
    assert boxes["neck"].height == pytest.approx(expected["width"], rel=0.12)
    rows, columns = np.nonzero(box_mask(boxes["neck"], mask.shape))
    away = np.hypot(rows + 0.5 - geometry.head_centre[0], columns + 0.5 - geometry.head_centre[1])
    assert (away < geometry.head_radius).mean() <= 0.11  # a pixel is half a millimetre
    assert min(fraction_inside(boxes[name], mask) for name in NAMES[1:]) >= 0.95
    assert boxes.confidence > FemurRegions().min_confidence


@pytest.mark.parametrize("number", range(len(FEMORA)))
def test_the_angle_stays_as_the_shaft_gets_shorter(number):
    whole = femur(number)
    angles = []
    for millimetres in (60, 45, 30, 20, 19, 10):
        mask = cut_below_lesser(whole, millimetres)
        angles.append(femur_geometry(mask).neck_shaft_angle)
        boxes = place_femur_boxes(mask)
        assert {"femur", "neck", "ward", "trochanter"} <= set(boxes)
        assert ("cortex" in boxes) == (millimetres > 18)
        assert boxes.missing.get("cortex", "the picture ends").startswith("the picture ends")
        short = millimetres in (19, 20) or (millimetres > 20 and "short_cortex" in place_femur_boxes(whole).flags)
        assert ("short_cortex" in boxes.flags) == short
    assert np.ptp(angles) < 3


@pytest.mark.parametrize("tilt", [-35, 35])
@pytest.mark.parametrize("number", range(len(FEMORA)))
def test_an_end_that_is_cut_askew_moves_nothing(number, tilt):
    straight, askew = (cut_below_lesser(femur(number), 40, degrees) for degrees in (0, tilt))
    before, after = place_femur_boxes(straight), place_femur_boxes(askew)
    for name in ("neck", "ward", "trochanter"):
        assert np.hypot(*np.subtract(before[name].centre, after[name].centre)) < 2 * before.pixels_per_mm
    assert femur_geometry(askew).neck_shaft_angle == pytest.approx(femur_geometry(straight).neck_shaft_angle, abs=2)


def test_a_picture_that_ends_above_the_shaft_has_a_neck():
    mask = femur(0)[: int(femur_geometry(femur(0)).lesser_end[0] - 1.1 * femur_geometry(femur(0)).head_radius)]
    boxes = place_femur_boxes(mask)
    assert "neck" in boxes
    assert {"femur", "cortex"} <= set(boxes.missing)
    assert "the picture ends above the shaft" in boxes.missing["femur"]
    assert "no_shaft" in boxes.flags
    assert np.isnan(femur_geometry(mask).neck_shaft_angle)


@pytest.mark.parametrize("factor", [1 / 1.3, 1.3])
def test_a_picture_that_was_squeezed_or_stretched_is_found(factor):
    hips = make_hips(3, random_state=2, image_shape=(384, 384))
    for mask in (labels == 1 for labels in hips.masks):
        assert "stretched" not in place_femur_boxes(mask).flags
        assert "stretched" in place_femur_boxes(stretched(mask, factor)).flags
        assert femur_geometry(stretched(mask, factor)).head_stretch == pytest.approx(factor, rel=0.1)


@pytest.mark.skipif(not HIPS.exists(), reason="../shared/data/hip is not here")
def test_real_hips_of_which_one_is_stretched():
    for hip in json.loads(HIPS.read_text()):
        mask = drawn([(row, column) for column, row in hip["polygon_column_row"]], hip["height_width"])
        boxes = place_femur_boxes(mask, laterality=hip["laterality"])
        assert {"neck", "trochanter"} <= set(boxes)
        assert ("stretched" in boxes.flags) == ("224x448" in hip["image"])


@pytest.mark.parametrize("number", range(len(FEMORA)))
def test_boxes_are_the_same_at_any_resolution(number):
    small, large = place_femur_boxes(femur(number)), place_femur_boxes(femur(number, 4))
    for name in NAMES:
        moved = np.abs(large[name].corners / 4 - small[name].corners).max()
        assert moved < 1.5 * small.pixels_per_mm, name


def test_a_table_says_what_is_missing_and_what_looks_broken():
    short, broken = cut_below_lesser(femur(0), 8), femur(0).copy()
    # A neck that is broken through: the head has slipped down beside it.
    head = np.hypot(*(np.indices(broken.shape) + 0.5 - np.reshape(femur_geometry(broken).head_centre, (2, 1, 1))))
    moved = broken & (head < 1.05 * femur_geometry(broken).head_radius)
    broken = (broken & ~moved) | np.roll(moved, 40, axis=0)
    table = pd.DataFrame({"radiograph": [np.ones(short.shape)] * 2, "mask": [short * 1, broken * 1]})
    regions = FemurRegions(mask="mask", on_error="skip", min_confidence=0.5)
    found = regions.fit_transform(table)
    assert found["left_neck"].notna().tolist() == [True, False]
    assert found["left_cortex"].isna().all()
    assert regions.failures_["code"].tolist()[0] == "box_missing"
    assert regions.failures_["region"].tolist() == ["left hip, cortex", "left hip"]
    with pytest.raises(RegionError, match="row 0, left hip, cortex: there is no box 'cortex'"):
        FemurRegions(mask="mask").transform(table[:1])
