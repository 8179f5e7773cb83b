"""Letterbox: proportions are kept, and boxes come back to where they were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepradiomics import Box
from deepradiomics.exceptions import InputError
from deepradiomics.preprocessing import letterbox

SIDES = st.integers(1, 90)


@given(SIDES, SIDES, SIDES, SIDES)
def test_a_box_goes_in_and_comes_back(height, width, rows, columns):
    framed = letterbox(np.arange(height * width).reshape(height, width), (rows, columns))
    assert framed.pixels.shape == (rows, columns)
    box = Box(height / 4, width / 3, height / 2, width / 5)
    inside = framed.to_frame(box)
    assert framed.to_original(inside).corners == pytest.approx(box.corners, abs=1e-9)
    assert inside.corners.min() >= 0
    assert (inside.corners <= np.array([rows, columns]) + 1e-9).all()


@given(st.integers(20, 90), st.integers(20, 90), st.integers(20, 64))
def test_proportions_are_kept_to_half_a_pixel(height, width, side):
    framed = letterbox(np.ones((height, width)), (side, side))
    scale = side / max(height, width)
    assert abs(framed.scale[0] * height - scale * height) <= 0.5
    assert abs(framed.scale[1] * width - scale * width) <= 0.5


def test_a_square_is_found_where_its_box_says():
    pixels = np.zeros((200, 100))
    box = Box(40, 20, 60, 40)
    pixels[40:100, 20:60] = 1
    framed = letterbox(pixels, (64, 64), fill=0)
    rows, columns = np.nonzero(framed.pixels > 0.5)
    wanted = framed.to_frame(box)
    assert rows.min() == pytest.approx(wanted.top, abs=1)
    assert columns.max() + 1 == pytest.approx(wanted.left + wanted.width, abs=1)
    assert framed.pixels.sum() / framed.scale[0] / framed.scale[1] == pytest.approx(pixels.sum(), rel=0.02)


def test_the_frame_is_grey_unless_told():
    assert letterbox(np.array([[0.0, 10.0]]), (6, 2)).pixels[0, 0] == 5
    assert letterbox(np.array([[0.0, 10.0]]), (6, 2), fill=-1).pixels[0, 0] == -1


@pytest.mark.parametrize("size", [(0, 5), (5,), (4, -1)])
def test_frames_that_cannot_be(size):
    with pytest.raises(InputError, match="both positive"):
        letterbox(np.ones((3, 3)), size)
