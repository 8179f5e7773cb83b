"""What is measured of a radiograph for the gate, against pictures whose faults are known."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from deepradiomics.quality import (
    block_contrast,
    clipped_share,
    cut_off,
    distinct_levels,
    fine_detail,
    text_share,
)


@pytest.fixture(scope="module")
def film():
    """A smooth body of 240 x 320 pixels with fine noise, 8 bits."""
    rng = np.random.default_rng(0)
    body = ndimage.gaussian_filter(rng.normal(size=(240, 320)), 20)
    body = 120 + 300 * body / np.ptp(body) / 2 + rng.normal(0, 4, body.shape)
    return np.clip(body, 5, 250).round().astype(np.uint8)


@pytest.mark.parametrize("bits", [3, 5, 7])
def test_levels_are_counted_in_bits(bits):
    assert distinct_levels(np.tile(np.arange(2**bits), (4, 1)).astype(np.float32)) == bits


def test_a_few_stray_values_are_no_gray_levels():
    picture = np.tile(np.arange(16.0), (1000, 10))
    picture[0, :3] = [100, 200, 300]
    assert distinct_levels(picture) == 4


def test_gray_values_that_are_no_whole_numbers_are_many_levels():
    noise = np.random.default_rng(0).normal(size=(200, 200))
    assert distinct_levels(noise) > 9
    assert distinct_levels(np.clip(noise, -2, 1.99) // 0.5) == 3


def test_blocks_of_a_strong_jpeg_are_seen_wherever_they_begin(film):
    found = {}
    for quality in (10, 95):
        stream = io.BytesIO()
        Image.fromarray(film).save(stream, format="JPEG", quality=quality)
        found[quality] = np.asarray(Image.open(stream), dtype=np.float32)
    assert block_contrast(found[10]) > 1.5 > 1.2 > block_contrast(found[95])
    assert block_contrast(found[10][3:, 5:]) == pytest.approx(block_contrast(found[10]), rel=0.1)


def test_an_enlarged_picture_lacks_fine_detail(film):
    twice = np.asarray(Image.fromarray(film).resize((640, 480), Image.Resampling.BICUBIC), dtype=np.float32)
    assert fine_detail(twice) < fine_detail(film) - 1
    wide = np.asarray(Image.fromarray(film).resize((400, 240), Image.Resampling.BICUBIC), dtype=np.float32)
    assert fine_detail(wide) == pytest.approx(fine_detail(film), abs=0.05)  # stretched in one direction alone


def test_a_constant_picture_has_no_fault_that_divides_by_zero():
    flat, region = np.full((40, 40), 7.0), np.ones((40, 40), dtype=bool)
    values = [block_contrast(flat), fine_detail(flat), text_share(flat, region), distinct_levels(flat)]
    assert np.isfinite(values).all()


def test_clipping_counts_in_the_region_alone(film):
    region = np.zeros(film.shape, dtype=bool)
    region[60:180, 80:240] = True
    high = np.percentile(film[region], 75)
    burnt = np.minimum(film, high).astype(np.float32)
    assert clipped_share(burnt, region) == pytest.approx(0.25, abs=0.08)
    black = film.copy()
    black[:50] = 0  # air, outside the region
    assert clipped_share(black, region) < 0.02


def test_text_counts_over_the_region_alone(film):
    region = np.zeros(film.shape, dtype=bool)
    region[60:180, 80:240] = True
    written = {}
    for place in ((90, 100), (90, 10)):
        picture = Image.fromarray(film // 2)
        ImageDraw.Draw(picture).text(place, "DOE 1950-01-01", fill=255)
        written[place] = text_share(np.asarray(picture, dtype=np.float32), region)
    assert written[90, 100] > 0.002  # the cores of the strokes; what fades at their sides is no white
    assert written[90, 10] == text_share(film / 2, region) == 0


@pytest.mark.parametrize("turns", range(4))
def test_a_bone_is_cut_off_at_any_border(turns):
    outlines = np.zeros((60, 80), dtype=np.uint8)
    outlines[20:, 10:20] = 1  # a shaft: 10 wide, 40 long
    assert cut_off(np.rot90(outlines, turns)) == 0.25
    outlines[:10, 40:70] = 2  # 30 wide, 10 long
    assert cut_off(np.rot90(outlines, turns)) == 3
    assert cut_off(np.zeros((5, 5), dtype=np.uint8)) == 0
