"""Each filter against pyradiomics' own function, run live on a two-dimensional image."""

import numpy as np
import pytest
import pywt
from hypothesis import given
from hypothesis import strategies as st

from deepradiomics.exceptions import RegionError
from deepradiomics.texture.filters import FILTERS, image_names, local_binary_pattern

radiomics = pytest.importorskip("radiomics")
sitk = pytest.importorskip("SimpleITK")

SPACING = (0.7, 0.5)
SETTINGS = [
    ("Original", {}, {}),
    ("Wavelet", {}, {}),
    ("Wavelet", {"wavelet": "bior1.3", "level": 3}, {"wavelet": "bior1.3", "level": 3}),
    ("Wavelet", {"wavelet": "db4", "start_level": 1}, {"wavelet": "db4", "start_level": 1}),
    ("Wavelet", {"wavelet": "haar", "level": 2, "start_level": 2}, {"wavelet": "haar", "level": 2, "start_level": 2}),
    ("LoG", {"sigma": [0.8, 2, 3.5]}, {"sigma": [0.8, 2, 3.5]}),
    ("Square", {}, {}),
    ("SquareRoot", {}, {}),
    ("Logarithm", {}, {}),
    ("Exponential", {}, {}),
    ("Gradient", {}, {}),
    ("Gradient", {"gradient_use_spacing": False}, {"gradientUseSpacing": False}),
]
IMAGES = {
    "positive": np.random.default_rng(0).normal(100, 20, (40, 50)),
    "signed": np.random.default_rng(1).normal(0, 2, (41, 33)),
    "whole numbers": np.random.default_rng(2).integers(0, 256, (24, 37)).astype(float),
}


def from_pyradiomics(image_type, pixels, settings):
    """Run pyradiomics' generator of filtered images."""
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing(SPACING[::-1])
    function = getattr(radiomics.imageoperations, f"get{image_type}Image")
    return {name: sitk.GetArrayFromImage(result) for result, name, _ in function(image, None, **settings)}


@pytest.mark.parametrize("pixels", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize(("image_type", "ours", "theirs"), SETTINGS)
def test_equal_to_pyradiomics(image_type, ours, theirs, pixels):
    expected = from_pyradiomics(image_type, pixels, theirs)
    found = FILTERS[image_type](pixels.copy(), spacing=SPACING, **ours)
    assert list(found) == list(expected) == image_names(image_type, **ours)
    for name, image in found.items():
        assert image.dtype == expected[name].dtype
        np.testing.assert_allclose(image, expected[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", pywt.wavelist(kind="discrete"))
def test_every_wavelet(name):
    pixels = IMAGES["positive"][:19, :24]
    expected = from_pyradiomics("Wavelet", pixels, {"wavelet": name})
    for band, image in FILTERS["Wavelet"](pixels, wavelet=name).items():
        np.testing.assert_array_equal(image, expected[band])


def test_bands_are_a_choice_of_the_whole():
    whole = FILTERS["Wavelet"](IMAGES["positive"], level=2)
    some = FILTERS["Wavelet"](IMAGES["positive"], level=2, bands=["HL", "LL"])
    assert list(some) == image_names("Wavelet", level=2, bands=["HL", "LL"])
    assert list(some) == ["wavelet-HL", "wavelet2-HL", "wavelet2-LL"]
    assert all(np.array_equal(whole[name], image) for name, image in some.items())


@pytest.mark.parametrize("method", ["default", "ror", "uniform", "var"])
@pytest.mark.parametrize(("radius", "samples"), [(1, 8), (2, 8), (1.5, 12), (3, 16)])
def test_local_binary_pattern_equals_scikit_image(method, radius, samples):
    feature = pytest.importorskip("skimage.feature", reason="scikit-image is a development dependency")
    pixels = IMAGES["whole numbers"]
    found = local_binary_pattern(pixels, lbp2d_radius=radius, lbp2d_samples=samples, lbp2d_method=method)["lbp-2D"]
    expected = feature.local_binary_pattern(pixels.astype(int), samples, radius, method)
    if method == "var":
        # scikit-image subtracts nearly equal sums where the image is flat; both are a variance of nothing there.
        np.testing.assert_allclose(np.nan_to_num(found), np.nan_to_num(expected), rtol=1e-9, atol=1e-9)
    else:
        np.testing.assert_array_equal(found, expected)


def test_local_binary_pattern_through_pyradiomics():
    pytest.importorskip("skimage", reason="scikit-image is a development dependency")
    pixels = IMAGES["signed"]
    with pytest.warns(UserWarning, match="floating-point images"):
        expected = from_pyradiomics("LBP2D", pixels, {})
    np.testing.assert_array_equal(local_binary_pattern(pixels)["lbp-2D"], expected["lbp-2D"])


@given(st.integers(0, 3), st.integers(0, 1000))
def test_quarter_turns_leave_rotation_invariant_patterns(turns, seed):
    pixels = np.random.default_rng(seed).integers(0, 50, (9, 9)).astype(float)
    straight = local_binary_pattern(pixels, lbp2d_samples=4, lbp2d_method="ror")["lbp-2D"]
    turned = local_binary_pattern(np.rot90(pixels, turns), lbp2d_samples=4, lbp2d_method="ror")["lbp-2D"]
    np.testing.assert_array_equal(np.rot90(straight, turns), turned)


def test_image_smaller_than_the_filter_is_refused_where_pyradiomics_drops_the_columns():
    pixels = np.eye(8)
    assert from_pyradiomics("LoG", pixels, {"sigma": [5.0]}) == {}
    with pytest.raises(RegionError, match="8 x 8 pixels, LoG with sigma 5 mm needs 9 x 11") as caught:
        FILTERS["LoG"](pixels, sigma=[5.0], spacing=SPACING)
    assert caught.value.code == "image_too_small"


@pytest.mark.parametrize("image_type", ["Square", "Logarithm", "Exponential"])
def test_black_image_is_refused_where_pyradiomics_divides_by_zero(image_type):
    with pytest.raises(RegionError, match="all grey values of the image are 0"):
        FILTERS[image_type](np.zeros((5, 5)))


def test_a_filter_leaves_its_input_alone():
    pixels = IMAGES["signed"].copy()
    for image_type, settings, _ in SETTINGS:
        FILTERS[image_type](pixels, spacing=SPACING, **settings)
    np.testing.assert_array_equal(pixels, IMAGES["signed"])


@pytest.mark.parametrize(("radius", "samples"), [(1, 8), (2, 16), (3, 24), (1.5, 9)])
def test_local_binary_patterns_of_few_grey_levels_are_those_of_scikit_image(radius, samples):
    """Ties with the centre hang on the last bit; in real radiographs they are common."""
    feature = pytest.importorskip("skimage.feature")
    pixels = np.random.default_rng(0).integers(0, 3, (200, 320))
    found = local_binary_pattern(pixels.astype(float), lbp2d_radius=radius, lbp2d_samples=samples)["lbp-2D"]
    assert np.array_equal(found, feature.local_binary_pattern(pixels, samples, radius, "uniform"))
