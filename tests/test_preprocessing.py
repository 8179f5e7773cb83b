"""Bone area: where the bone is on made pictures and plausible on the real knees."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from deepradiomics import read_radiograph
from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.preprocessing import bone_area

KNEES = Path(__file__).resolve().parents[2] / "shared" / "data" / "knees" / "images"


def limb(noise, seed=0):
    """A limb on a dark ground with one bone of known outline."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:300, :240]
    bone = np.abs(columns - 120 - 10 * np.sin(rows / 60)) < 22
    soft = np.abs(columns - 120) < 75
    return ndimage.gaussian_filter(90.0 * soft + 70 * bone, 1.5) + rng.normal(0, noise, rows.shape), bone


@pytest.mark.parametrize("noise", [0, 5, 10])
def test_outline_of_a_made_bone(noise):
    picture, bone = limb(noise)
    found = bone_area(picture)
    assert 2 * (found & bone).sum() / (found.sum() + bone.sum()) > 0.9


def test_gain_and_offset_do_not_matter():
    picture, _ = limb(4)
    assert (bone_area(picture) != bone_area(3 * picture + 500)).mean() < 0.001


def test_mirror_image_gives_the_mirrored_area():
    picture, _ = limb(4)
    assert (bone_area(picture[:, ::-1]) != bone_area(picture)[:, ::-1]).mean() < 0.001


@pytest.mark.skipif(not KNEES.is_dir(), reason=f"the real knees are not in {KNEES}")
def test_real_knees_have_bone_of_a_plausible_size():
    for path in sorted(KNEES.glob("*.jpg"))[::10]:
        picture = read_radiograph(path).pixels
        found = bone_area(picture)
        assert 0.04 < found.mean() < 0.5
        assert picture[found].mean() > picture[~found].mean()


@pytest.mark.parametrize("pixels", [np.zeros((50, 50)), np.full((50, 50), np.nan), np.zeros(5)])
def test_pictures_without_bone(pixels):
    with pytest.raises((InputError, RegionError)):
        bone_area(pixels)
