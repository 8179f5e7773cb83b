"""The type that flows: read-only, cheap to pass, not to be confused with a table of numbers."""

import pickle

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from deepradiomics import Radiograph, as_radiograph, read_radiograph
from deepradiomics.exceptions import InputError


def test_pixels_are_a_read_only_copy():
    pixels = np.arange(6.0).reshape(2, 3)
    radiograph = Radiograph(pixels, mask=pixels > 2)
    pixels[0, 0] = 99
    assert radiograph.pixels[0, 0] == 0
    for array in (radiograph.pixels, radiograph.mask, pickle.loads(pickle.dumps(radiograph)).pixels):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_it_lives_in_a_data_frame():
    table = pd.DataFrame({"hip": [Radiograph(np.eye(3)), None]})
    assert table["hip"].isna().tolist() == [False, True]
    assert len({table["hip"][0], table["hip"][0]}) == 1


def test_mirrored_twice_is_the_same():
    radiograph = Radiograph(np.arange(6).reshape(2, 3), np.eye(2, 3, dtype=bool), (1, 2), "R", "AP", "hip")
    twice = radiograph.mirrored().mirrored()
    assert np.array_equal(twice.pixels, radiograph.pixels)
    assert np.array_equal(twice.mask, radiograph.mask)
    assert (twice.spacing, twice.laterality, twice.view, twice.name) == ((1, 2), "R", "AP", "hip")


def test_the_picture_in_a_notebook_is_a_png(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(Radiograph(np.arange(600).reshape(20, 30))._repr_png_())
    with Image.open(path) as picture:
        assert picture.size == (30, 20)


@pytest.mark.parametrize(
    ("keywords", "code"),
    [
        ({"pixels": np.zeros(3)}, "not_an_image"),
        ({"pixels": np.zeros((2, 3, 3))}, "not_an_image"),
        ({"pixels": np.array([["a"]])}, "not_an_image"),
        ({"pixels": np.full((2, 3), 1e300)}, "not_an_image"),
        ({"mask": np.zeros((3, 2), dtype=bool)}, "mask_shape"),
        ({"mask": np.zeros((2, 3))}, "mask_values"),
        ({"spacing": (0.1, 0)}, "spacing"),
        ({"spacing": (0.1, np.nan)}, "spacing"),
        ({"spacing": 0.1}, "spacing"),
        ({"spacing": ("a", "b")}, "spacing"),
        ({"laterality": "left"}, "invalid_input"),
        ({"view": "PA"}, "invalid_input"),
    ],
)
def test_what_is_no_radiograph(keywords, code):
    with pytest.raises(InputError) as caught:
        Radiograph(**{"pixels": np.zeros((2, 3)), **keywords})
    assert caught.value.code == code


@pytest.mark.parametrize("read", [Radiograph, as_radiograph, read_radiograph])
def test_hidden_pixels_are_not_lost(read):
    hidden = np.ma.masked_greater(np.arange(16.0).reshape(4, 4), 3)
    with pytest.raises(InputError, match=r"hides 12 pixels .* mask=~array.mask"):
        read(hidden)
    assert read(np.ma.asarray(np.ones((3, 3)))).pixels.shape == (3, 3)
