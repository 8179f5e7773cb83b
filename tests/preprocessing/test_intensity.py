"""Steps on grey values against scikit-image and scipy, and by their laws."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.exposure import equalize_hist, rescale_intensity
from skimage.filters import gaussian
from sklearn.preprocessing import StandardScaler

from deepradiomics import Radiograph
from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.preprocessing import GrayscaleNormalizer, equalize, normalize, smooth, window

PICTURE = np.random.default_rng(0).gamma(2, 300, (60, 50)).round()
MASK = np.zeros(PICTURE.shape, dtype=bool)
MASK[10:40, 5:45] = True
INTEGERS = arrays(np.int64, (5, 7), elements=st.integers(0, 60), fill=st.nothing()).filter(lambda x: np.ptp(x) > 0)


def test_zscore_is_that_of_scikit_learn():
    wanted = StandardScaler().fit(PICTURE[MASK][:, None]).transform(PICTURE.reshape(-1, 1)).reshape(PICTURE.shape)
    assert normalize(PICTURE, MASK) == pytest.approx(wanted, abs=1e-5)


def test_percentiles_are_those_of_scikit_image():
    low, high = np.percentile(PICTURE, (2, 95))
    wanted = rescale_intensity(PICTURE, (low, high), (0.0, 1.0))
    assert normalize(PICTURE, method="percentile", percentiles=(2, 95)) == pytest.approx(wanted, abs=1e-5)


def test_window_is_that_of_scikit_image():
    wanted = rescale_intensity(PICTURE, (300.0, 700.0), (0.0, 1.0))
    assert window(PICTURE, level=500, width=400) == pytest.approx(wanted, abs=1e-6)


def test_equalise_is_that_of_scikit_image():
    values = (PICTURE // 20).clip(0, 15).astype(np.uint8)  # scikit-image has a bin for each whole number
    assert equalize(values) == pytest.approx(equalize_hist(values), abs=1e-6)


@given(INTEGERS)
def test_equalise_keeps_the_order_and_gives_the_share_of_pixels(values):
    found = equalize(values)
    brute = [[np.mean(values <= value) for value in row] for row in values]
    assert found == pytest.approx(np.array(brute), abs=1e-6)


@given(INTEGERS, st.integers(1, 9), st.integers(-50, 50))
def test_gain_and_offset_do_not_matter(values, gain, offset):
    other = gain * values + offset
    for step in (normalize, equalize, lambda x: normalize(x, method="minmax")):
        assert step(other) == pytest.approx(step(values), abs=1e-4)


def test_smooth_is_that_of_scikit_image():
    wanted = gaussian(PICTURE, (1.5, 3), mode="reflect", preserve_range=True)
    assert smooth(PICTURE, 0.3, spacing=(0.2, 0.1)) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: normalize(np.full((4, 4), 7.3)), "all grey values are the same"),
        (lambda: normalize(np.full((4, 4), 0)), "all grey values are the same"),
        (lambda: normalize(PICTURE, np.zeros_like(MASK)), "the mask has no pixel"),
        (
            lambda: normalize(PICTURE, MASK.T),
            r"the mask is bool of shape \(50, 60\); bool of shape \(60, 50\) is needed",
        ),
        (lambda: normalize(PICTURE, MASK.astype(int)), "the mask is int64"),
        (lambda: normalize([[1, np.nan]]), "grey values that are not finite"),
        (lambda: normalize(PICTURE, method="z"), "method is zscore, minmax or percentile"),
        (
            lambda: normalize(PICTURE, method="percentile", percentiles=(99, 1)),
            "percentiles are two numbers from 0 to 100, lower first",
        ),
        (lambda: window(PICTURE, 1, 0), "width of a window is positive"),
        (lambda: smooth(PICTURE, 0), "sigma is positive"),
        (lambda: equalize(np.zeros((2, 2, 2))), "an image is an array of rows and columns"),
    ],
)
def test_what_cannot_be_normalised(call, message):
    with pytest.raises((InputError, RegionError), match=message):
        call()


@pytest.mark.parametrize("method", ["zscore", "minmax", "percentile", "equalize"])
def test_the_estimator_is_the_function_on_each_cell(method):
    hip = Radiograph(PICTURE, MASK, (0.2, 0.2), "L", "AP", "hip")
    table = pd.DataFrame({"left": [hip, None], "right": [PICTURE, float("nan")]}, index=[7, 9])
    found = GrayscaleNormalizer(method=method).transform(table)
    step = equalize if method == "equalize" else lambda *args: normalize(*args, method=method)
    assert np.array_equal(found["left"][7].pixels, step(PICTURE, MASK))
    assert np.array_equal(found["right"][7].pixels, step(PICTURE))
    assert (found["left"][7].spacing, found["left"][7].laterality) == (hip.spacing, "L")
    assert found.loc[9].tolist() == [None, None]


def test_the_estimator_names_the_cell():
    table = pd.DataFrame({"hip": [PICTURE, np.zeros((3, 3))]})
    with pytest.raises(RegionError, match="row 1, column 'hip': all grey values are the same"):
        GrayscaleNormalizer().fit(table).transform(table)
