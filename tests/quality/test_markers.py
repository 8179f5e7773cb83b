"""Letters on films: drawn with a pen, words in a font that the reader does not know, real films as read by eye."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from deepradiomics.quality import side_markers
from deepradiomics.quality.markers import _contradicts

PELVIS = Path(__file__).parents[3] / "shared/data/pelvis/images"


def slope():
    """Gray values of a film of 400 x 320 pixels without a letter."""
    noise = np.random.default_rng(0).normal(0, 1, (400, 320))
    return (60 + np.linspace(0, 60, 320) + noise).astype(np.uint8)


def film(text):
    """A film with a text in Pillow's own font."""
    picture = Image.fromarray(slope())
    ImageDraw.Draw(picture).text((40, 60), text, font_size=24, fill=255)
    return np.asarray(picture)


def with_letter(style):
    """A film with an L of 20 x 30 pixels, bright or dark, or dark in a bright line."""
    pixels, drawn = slope(), np.zeros((400, 320), dtype=bool)
    drawn[60:91, 40:46] = drawn[85:91, 40:61] = True
    if style == "outlined":
        pixels[ndimage.binary_dilation(drawn, iterations=2)] = 255
    pixels[drawn] = 255 if style == "bright" else 0
    return pixels


@pytest.mark.parametrize("style", ["bright", "dark", "outlined"])
def test_a_letter_is_read_with_its_place_and_its_mirror_image_as_such(style):
    picture = with_letter(style)
    assert side_markers(picture) == [("L", False, pytest.approx(75, abs=2), pytest.approx(50, abs=2))]
    assert side_markers(picture[:, ::-1]) == [("L", True, pytest.approx(75, abs=2), pytest.approx(270, abs=2))]


@pytest.mark.parametrize("text", ["WL: 128", "LEFT", "PORTABLE", "P", "B", "K", "E", "T", "1", "4", "7", ""])
def test_words_and_other_letters_are_no_markers(text):
    assert side_markers(film(text)) == []


def test_a_fine_film_and_one_of_a_single_value():
    large = np.asarray(Image.fromarray(with_letter("bright")).resize((1600, 2000)))
    ((letter, _, row, column),) = side_markers(large)
    assert letter == "L" and (row, column) == pytest.approx((375, 250), abs=15)
    assert side_markers(np.full((50, 60), 7.0)) == []


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (1, 5000), (9, 50_000), (20, 3000), (7, 7)])
def test_images_too_small_for_a_letter_have_none(shape):
    assert side_markers(np.random.default_rng(0).random(shape)) == []


def test_noise_is_not_searched_and_a_letter_above_it_is_read(monkeypatch):
    noise, looked_for, looked_at = 40 * np.random.default_rng(0).random((1000, 800)), [], []
    find, dilate = ndimage.find_objects, ndimage.binary_dilation
    monkeypatch.setattr(ndimage, "find_objects", lambda labels: looked_for.append(labels.max()) or find(labels))
    monkeypatch.setattr(ndimage, "binary_dilation", lambda *a, **k: looked_at.append(a) or dilate(*a, **k))
    assert side_markers(noise) == []
    # Without a bound 59,232 areas at a level, and 4,764 in all as large as a letter, each dilated twice.
    assert max(looked_for) <= 5000
    assert len(looked_at) < 1000
    for top in (100, 700):
        noise[top : top + 96, 80:100] = noise[top + 76 : top + 96, 80:144] = 255
    assert [(letter, mirrored) for letter, mirrored, *_ in side_markers(noise)] == [("L", False)] * 2


@pytest.mark.parametrize(
    ("letter", "mirrored", "column", "femora", "laterality", "wrong"),
    [
        ("R", False, 20, {"R": 100, "L": 300}, None, False),
        ("R", False, 380, {"R": 100, "L": 300}, None, True),
        ("L", False, 20, {"R": 100, "L": 300}, "R", True),
        ("R", False, 205, {"R": 100, "L": 300}, None, False),  # in the middle
        ("R", True, 20, {"R": 100, "L": 300}, None, True),
        ("R", True, 20, {}, None, True),
        ("L", True, 300, {"R": 100, "L": 300}, None, False),  # a corner, as likely as not
        ("L", True, 20, {"R": 100, "L": 300}, None, True),
        ("R", False, 20, {}, "L", True),
        ("R", False, 20, {}, "R", False),
        ("R", False, 20, {}, None, False),
        ("R", False, 33, {"L": 333}, None, False),  # the right hip is a prosthesis
        ("R", False, 33, {"L": 333}, "L", False),
        ("R", False, 300, {"L": 333}, None, True),
        ("L", False, 20, {"L": 100}, None, False),
        ("L", False, 20, {"R": 100}, None, True),
        ("L", False, 20, {"R": 100}, "L", False),  # wrong_side tells it
        ("L", False, 20, {"L": 100}, "R", True),
    ],
)
def test_a_marker_is_held_against_the_femur_it_stands_at(letter, mirrored, column, femora, laterality, wrong):
    assert _contradicts([(letter, mirrored, 10, column)], femora, laterality, 400) == wrong


# Read by eye: an outlined R on black, a black one on gray, small white ones, an L in a box, films without a letter.
BY_EYE = {
    "normal_147": "R",
    "normal_198": "R",
    "normal_104": "R",
    "normal_59": "L",
    "dislocation_left_16": "L",
    "neck_3": "",
}


@pytest.mark.skipif(not PELVIS.exists(), reason="../shared/data/pelvis, real radiographs, is not here")
@pytest.mark.parametrize("name", BY_EYE)
def test_letters_of_real_films(name):
    pixels = np.asarray(Image.open(PELVIS / f"{name}.jpg").convert("L"))
    assert [(letter, mirrored) for letter, mirrored, *_ in side_markers(pixels)] == [(it, False) for it in BY_EYE[name]]
    if name == "normal_198":
        assert [(letter, mirrored) for letter, mirrored, *_ in side_markers(pixels[:, ::-1])] == [("R", True)]
