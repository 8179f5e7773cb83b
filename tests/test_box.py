"""Laws of boxes: mirror, rotation, cropping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepradiomics import Box, Radiograph
from deepradiomics.box import box_mask, crop, fraction_inside, mirror_box
from deepradiomics.exceptions import InputError, RegionError

BOXES = st.builds(
    Box, st.integers(8, 20), st.integers(8, 20), st.integers(1, 12), st.integers(1, 12), st.integers(-60, 60)
)


@given(BOXES)
def test_the_mask_of_the_mirrored_box_is_the_mirrored_mask(box):
    assert np.array_equal(box_mask(mirror_box(box, 40), (44, 40)), box_mask(box, (44, 40))[:, ::-1])


@given(BOXES)
def test_mirrored_twice_is_the_same_box(box):
    assert mirror_box(mirror_box(box, 40), 40) == box


@given(BOXES)
def test_a_quarter_turn_swaps_height_and_width(box):
    turned = Box(box.centre[0] - box.width / 2, box.centre[1] - box.height / 2, box.width, box.height, box.angle + 90)
    assert np.array_equal(box_mask(turned, (44, 44)), box_mask(box, (44, 44)))


@given(BOXES)
def test_area(box):
    assert abs(box_mask(box, (60, 60)).sum() - box.height * box.width) <= 2 * (box.height + box.width) + 4


def test_counter_clockwise_lifts_the_right_side():
    corners = Box(0, 0, 2, 10, angle=30).corners
    assert corners[1][0] < corners[0][0]


@given(BOXES, st.integers(0, 9))
def test_a_crop_holds_the_same_pixels(box, margin):
    pixels = np.arange(44 * 40).reshape(44, 40)
    region = crop(Radiograph(pixels), box, margin=margin)
    assert sorted(region.pixels[region.mask]) == sorted(pixels[box_mask(box, (44, 40))])


def test_fraction_inside_counts_what_sticks_out_as_outside():
    assert fraction_inside(Box(-2, 0, 4, 4), np.ones((10, 10), dtype=bool)) == 0.5
    assert fraction_inside(Box(-20, 0, 4, 4), np.ones((10, 10), dtype=bool)) == 0


def test_boxes_that_cannot_be_cut_out():
    radiograph = Radiograph(np.ones((20, 20)), np.zeros((20, 20), dtype=bool))
    with pytest.raises(InputError, match="sticks out of its image of 20 x 20"):
        crop(radiograph, Box(15, 0, 6, 6))
    with pytest.raises(RegionError, match="no pixel to measure"):
        crop(radiograph, Box(1, 1, 6, 6), within_mask=True)
    with pytest.raises(InputError, match="positive size"):
        Box(0, 0, -1, 5)
