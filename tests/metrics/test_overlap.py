"""Dice, intersection over union, surface distance, overlap of boxes: brute force, SimpleITK and closed forms."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist
from sklearn.metrics import f1_score, jaccard_score

from deepradiomics.box import Box
from deepradiomics.exceptions import InputError
from deepradiomics.segmentation import dice, iou, overlap_ratio, surface_distance

MASKS = hnp.arrays(bool, (7, 9))
BOXES = st.builds(Box, *[st.floats(-20, 20)] * 2, *[st.floats(1, 30)] * 2, st.floats(-180, 180))


def outline_points(mask, spacing):
    """Every pixel with one of its four neighbours outside, one after the other, in mm."""
    points = []
    for row, column in np.argwhere(mask):
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if not (0 <= r < mask.shape[0] and 0 <= c < mask.shape[1]) or not mask[r, c]:
                points.append((row * spacing[0], column * spacing[1]))
                break
    return np.array(points)


@settings(max_examples=50, deadline=None)
@given(MASKS, MASKS)
def test_dice_and_iou_are_those_of_scikit_learn(a, b):
    if a.any() or b.any():
        assert dice(a, b) == pytest.approx(f1_score(a.ravel(), b.ravel()))
        assert iou(a, b) == pytest.approx(jaccard_score(a.ravel(), b.ravel()))
    assert dice(a, b) == dice(b, a) == pytest.approx(2 * iou(a, b) / (1 + iou(a, b)))


@settings(max_examples=50, deadline=None)
@given(MASKS, MASKS, st.tuples(st.floats(0.1, 3), st.floats(0.1, 3)))
def test_surface_distance_is_that_of_every_pair_of_points(a, b, spacing):
    if not (a.any() and b.any()):
        return
    distances = cdist(outline_points(a, spacing), outline_points(b, spacing))
    there, back = distances.min(axis=1), distances.min(axis=0)
    found = surface_distance(a, b, spacing)
    assert found.average == pytest.approx(np.concatenate([there, back]).mean(), abs=1e-9)
    assert found.hausdorff95 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), abs=1e-9)
    assert surface_distance(b, a, spacing) == pytest.approx(found)


def test_surface_distance_against_simpleitk():
    rows, columns = np.ogrid[:80, :100]
    a = (rows - 40) ** 2 / 25**2 + (columns - 45) ** 2 / 30**2 < 1
    b = (rows - 43) ** 2 / 22**2 + (columns - 50) ** 2 / 33**2 < 1
    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (a, b)]
    for image in images:
        image.SetSpacing((0.4, 0.7))  # columns first
    contours = [sitk.LabelContour(image, fullyConnected=False) for image in images]
    maps = [sitk.Abs(sitk.SignedMaurerDistanceMap(c, squaredDistance=False, useImageSpacing=True)) for c in contours]
    there = sitk.GetArrayFromImage(maps[1])[sitk.GetArrayFromImage(contours[0]) > 0]
    back = sitk.GetArrayFromImage(maps[0])[sitk.GetArrayFromImage(contours[1]) > 0]
    found = surface_distance(a, b, (0.7, 0.4))
    assert found.average == pytest.approx(np.concatenate([there, back]).mean(), rel=1e-5)
    assert found.hausdorff95 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), rel=1e-5)


def test_concentric_discs_lie_apart_by_the_difference_of_their_radii():
    radius = np.hypot(*np.ogrid[-60:61, -60:61])
    found = surface_distance(radius < 50, radius < 40, (0.5, 0.5))
    assert found.average == pytest.approx(5.0, abs=0.25)
    assert found.hausdorff95 == pytest.approx(5.0, abs=0.5)


def test_empty_masks_have_a_result():
    empty, full = np.zeros((3, 3), dtype=bool), np.ones((3, 3), dtype=bool)
    assert (dice(empty, empty), iou(empty, empty)) == (1.0, 1.0)
    assert (dice(empty, full), iou(full, empty)) == (0.0, 0.0)
    assert surface_distance(empty, empty, (1, 1)) == (0.0, 0.0)
    assert surface_distance(full, empty, (1, 1)) == (np.inf, np.inf)


@pytest.mark.parametrize("measure", [dice, iou, lambda a, b: surface_distance(a, b, (1, 1))])
def test_masks_that_do_not_fit_are_named(measure):
    with pytest.raises(InputError, match=r"\(2, 3\) and \(3, 2\)"):
        measure(np.ones((2, 3), dtype=bool), np.ones((3, 2), dtype=bool))
    with pytest.raises(InputError, match="labels == 1"):
        measure(np.ones((2, 2), dtype=int), np.ones((2, 2), dtype=bool))


@pytest.mark.parametrize("spacing", [(1, 0), (1, 1, 1), "ab", (1, "x"), None, {"row": 1}, (1, np.inf)])
def test_a_bad_spacing_is_named(spacing):
    with pytest.raises(InputError, match="two positive numbers") as caught:
        surface_distance(np.ones((2, 2), dtype=bool), np.ones((2, 2), dtype=bool), spacing)
    assert caught.value.code == "spacing"


@pytest.mark.parametrize("pair", [((0, 0, 1, 1), Box(0, 0, 1, 1)), (Box(0, 0, 1, 1), None)])
def test_what_is_no_box_is_named(pair):
    with pytest.raises(InputError, match=r"a (tuple|NoneType) was given; give two boxes"):
        overlap_ratio(*pair)


@settings(max_examples=60, deadline=None)
@given(BOXES, BOXES)
@example(Box(0, 1.625, 1, 1), Box(0, 1.625, 1, 1, 1.0))
def test_overlap_of_boxes_is_that_of_many_points(a, b):
    corners = np.concatenate([a.corners, b.corners])
    sides = np.linspace(corners.min(axis=0), corners.max(axis=0), 400).T
    points = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)

    def inside(box):
        # Half planes of the four edges, corners clockwise.
        held = np.ones(points.shape[:2], dtype=bool)
        for start, end in zip(box.corners, np.roll(box.corners, -1, axis=0), strict=True):
            along, offset = end - start, points - start
            held &= along[1] * offset[..., 0] - along[0] * offset[..., 1] >= 0
        return held

    a_in, b_in = inside(a), inside(b)
    expected = (a_in & b_in).sum() / max(1, (a_in | b_in).sum())
    assert overlap_ratio(a, b) == pytest.approx(expected, abs=0.03)
    assert overlap_ratio(a, b) == pytest.approx(overlap_ratio(b, a), abs=1e-9)


def test_overlap_of_boxes_in_closed_form():
    box = Box(0, 0, 10, 10)
    assert overlap_ratio(box, box) == 1.0
    assert overlap_ratio(box, Box(0, 10, 10, 10)) == 0.0
    assert overlap_ratio(box, Box(50, 50, 3, 3)) == 0.0
    assert overlap_ratio(box, Box(2, 2, 5, 4)) == pytest.approx(20 / 100)
    # A square and itself turned by 45 degrees share a regular octagon of area 2 (sqrt 2 - 1) of the square's.
    octagon = 2 * (np.sqrt(2) - 1)
    assert overlap_ratio(box, Box(0, 0, 10, 10, angle=45)) == pytest.approx(octagon / (2 - octagon))
