"""Everything against pyradiomics' RadiomicsFeatureExtractor, run live on the same two-dimensional image."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from deepradiomics import Radiograph, read_radiograph
from deepradiomics.exceptions import RegionError
from deepradiomics.texture import _engine, _pyradiomics, extract
from deepradiomics.texture._preparation import check_levels

radiomics = pytest.importorskip("radiomics", reason="parity is measured against pyradiomics itself")
sitk = pytest.importorskip("SimpleITK")
featureextractor = pytest.importorskip("radiomics.featureextractor")

ENGINES = ["native", "pyradiomics"]
CLASSES = ["firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape2D"]
SHAPE, SPACING = (40, 48), (0.7, 0.5)
ROWS, COLUMNS = np.ogrid[:40, :48]


def smooth(values):
    """Blur with a box of 3 x 3, so that neighbours resemble each other as in bone."""
    padded = np.pad(values, 1, "edge")
    return sum(padded[i : i + values.shape[0], j : j + values.shape[1]] for i in range(3) for j in range(3)) / 9


RNG = np.random.default_rng(0)
IMAGES = {
    "bone": smooth(RNG.normal(120, 40, SHAPE)) + 2.0 * ROWS,
    "signed": smooth(RNG.normal(0, 3, SHAPE)),
    "whole numbers": RNG.integers(0, 64, SHAPE).astype(float),
}
DISC = (ROWS - 20) ** 2 + (COLUMNS - 22) ** 2 < 15**2
MASKS = {
    "disc": DISC,
    "holes": DISC & ~((ROWS - 20) ** 2 + (COLUMNS - 22) ** 2 < 6**2) & ~((ROWS == 10) & (COLUMNS == 22)),
    "parts": ((ROWS > 3) & (ROWS < 12) & (COLUMNS < 20)) | ((ROWS > 25) & (COLUMNS > 30)),
    "border": (ROWS < 14) & (COLUMNS > 20),
    "scattered": RNG.random(SHAPE) < 0.15,
    "one row": (ROWS == 17) & (COLUMNS > 4) & (COLUMNS < 40),
    "diagonal": (ROWS == COLUMNS) & (ROWS < 30),
    "two pixels": (ROWS == 5) & (np.abs(COLUMNS - 9.5) < 1),
}


def live(pixels, mask, image_types, settings, classes=CLASSES):
    """Return what pyradiomics itself makes of the image, as dict."""
    extractor = featureextractor.RadiomicsFeatureExtractor(
        additionalInfo=False, **({"minimumROIDimensions": 1, "binCount": 32} | settings)
    )
    extractor.disableAllImageTypes()
    extractor.enableImageTypes(**image_types)
    extractor.disableAllFeatures()
    extractor.enableFeaturesByName(**{name: [] for name in classes})
    image, region = sitk.GetImageFromArray(pixels), sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(SPACING[::-1])
    region.SetSpacing(SPACING[::-1])
    # pyradiomics turns any exception, and so a warning that pytest made one, into NaN.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return {name: float(value) for name, value in extractor.execute(image, region).items()}


def assert_parity(pixels, mask, image_types, settings, keywords, engine):
    pixels = pixels.astype(np.float32)
    expected = live(pixels.astype(np.float64), mask, image_types, settings)
    options = {"minimum_roi_dimensions": 1, "min_levels": None, "min_pixels": 1, "feature_classes": CLASSES}
    radiograph = Radiograph(pixels, mask, SPACING)
    found = extract([radiograph], image_types=image_types, engine=engine, **(options | keywords)).iloc[0]
    assert list(found.index) == list(expected)
    wrong = {
        name: (found[name], value)
        for name, value in expected.items()
        if not np.isclose(found[name], value, rtol=1e-6, atol=1e-9, equal_nan=True)
    }
    assert not wrong


FILTERS = {
    "Original": {},
    "Wavelet": {},
    "LoG": {"sigma": [1.0, 2.5]},
    "Square": {},
    "SquareRoot": {},
    "Logarithm": {},
    "Exponential": {},
    "Gradient": {},
}
SETTINGS = {
    "default": ({}, {}),
    "64 bins": ({"binCount": 64}, {"bin_count": 64}),
    "bin width": ({"binCount": None, "binWidth": 7.5}, {"bin_count": None, "bin_width": 7.5}),
    "narrow bins": ({"binCount": None, "binWidth": 0.37}, {"bin_count": None, "bin_width": 0.37}),
    "normalised": (
        {"normalize": True, "normalizeScale": 100, "removeOutliers": 1.5, "voxelArrayShift": 300},
        {"normalize": True, "normalize_scale": 100, "remove_outliers": 1.5, "voxel_array_shift": 300},
    ),
    "distances": ({"distances": [1, 3]}, {"distances": [1, 3]}),
    "manhattan": (
        {"distances": [1, 2], "weightingNorm": "manhattan"},
        {"distances": [1, 2], "weighting_norm": "manhattan"},
    ),
    "euclidean": ({"weightingNorm": "euclidean"}, {"weighting_norm": "euclidean"}),
    "infinity": ({"distances": [2], "weightingNorm": "infinity"}, {"distances": [2], "weighting_norm": "infinity"}),
    "no weighting": ({"weightingNorm": "no_weighting"}, {"weighting_norm": "no_weighting"}),
    "one way": ({"symmetricalGLCM": False}, {"symmetrical_glcm": False}),
    "loose dependence": ({"gldm_a": 2}, {"gldm_a": 2}),
    "cropped first": ({"preCrop": True, "padDistance": 3}, {"pre_crop": True, "pad_distance": 3}),
    "resampled": ({"resampledPixelSpacing": [0.4, 0.45]}, {"resampled_pixel_spacing": (0.45, 0.4)}),
    "coarser": (
        {"resampledPixelSpacing": [0.9, 0], "interpolator": "sitkLinear", "padDistance": 2},
        {"resampled_pixel_spacing": (0, 0.9), "interpolator": "sitkLinear", "pad_distance": 2},
    ),
    "spacing as it is": (
        {"resampledPixelSpacing": [0.5, 0.7], "padDistance": 1},
        {"resampled_pixel_spacing": (0.7, 0.5), "pad_distance": 1},
    ),
    "resegmented": ({"resegmentRange": [60, 150]}, {"resegment_range": [60, 150]}),
    "relative": (
        {"resegmentRange": [0.4], "resegmentMode": "relative", "resegmentShape": True},
        {"resegment_range": [0.4], "resegment_mode": "relative", "resegment_shape": True},
    ),
    "sigma": (
        {"resegmentRange": [-1, 1], "resegmentMode": "sigma"},
        {"resegment_range": [-1, 1], "resegment_mode": "sigma"},
    ),
    "everything": (
        {"normalize": True, "resampledPixelSpacing": [0.45, 0.45], "resegmentRange": [-2, 2], "distances": [1, 2],
         "resegmentMode": "sigma", "binCount": None, "binWidth": 0.1, "gldm_a": 1, "voxelArrayShift": 10},
        {"normalize": True, "resampled_pixel_spacing": (0.45, 0.45), "resegment_range": [-2, 2], "distances": [1, 2],
         "resegment_mode": "sigma", "bin_count": None, "bin_width": 0.1, "gldm_a": 1, "voxel_array_shift": 10},
    ),
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("image", IMAGES)
def test_every_mask_and_image(image, mask, engine):
    types = {"Original": {}, "Wavelet": {"wavelet": "bior1.3"}}
    assert_parity(IMAGES[image], MASKS[mask], types, {}, {}, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mask", ["holes", "scattered", "border"])
@pytest.mark.parametrize("binning", ["default", "bin width"])
def test_every_filter(binning, mask, engine):
    theirs, ours = SETTINGS[binning]
    assert_parity(IMAGES["bone"], MASKS[mask], FILTERS, theirs, ours, engine)
    assert_parity(IMAGES["signed"], MASKS[mask], FILTERS, theirs, ours, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_local_binary_patterns(engine):
    pytest.importorskip("skimage", reason="pyradiomics leaves LBP2D out without scikit-image")
    for settings in ({}, {"lbp2DRadius": 2, "lbp2DSamples": 12, "lbp2DMethod": "ror", "binCount": 16}):
        assert_parity(IMAGES["bone"], MASKS["holes"], {"LBP2D": settings}, {}, {}, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting(setting, engine):
    theirs, ours = SETTINGS[setting]
    for mask in ("holes", "parts"):
        assert_parity(IMAGES["bone"], MASKS[mask], {"Original": {}, "LoG": {"sigma": [1.5]}}, theirs, ours, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mask", ["disc", "scattered", "one row"])
@pytest.mark.parametrize("value", [0.0, 100.0, -7.3])
def test_flat_region(value, mask, engine):
    types = {"Original": {}, "SquareRoot": {}, "Gradient": {}}
    assert_parity(np.full(SHAPE, value), MASKS[mask], types, {}, {}, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_where_pyradiomics_cannot_bin_the_error_is_ours(engine):
    """The LL band of a flat image differs from pixel to pixel by rounding alone."""
    flat = np.full(SHAPE, 100.0)
    with pytest.raises(ValueError, match="Too many bins for data range"):
        live(flat, MASKS["scattered"], {"Wavelet": {}}, {})
    with pytest.raises(RegionError, match="flat but for rounding") as caught:
        extract([flat], [MASKS["scattered"]], image_types=["Wavelet"], min_levels=None, engine=engine)
    assert caught.value.code == "flat_region"


def test_values_next_to_nothing_are_flat():
    with pytest.raises(RegionError, match="flat but for rounding"):
        check_levels(np.arange(4) * 5e-324, bin_count=32)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(12))
def test_random_regions(seed, engine):
    """Any size, any mask, few or many levels."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(6, 30, 2))
    pixels = np.round(rng.normal(50, rng.choice([1, 5, 40]), shape), rng.integers(0, 4))
    mask = rng.random(shape) < rng.choice([0.1, 0.4, 0.8])
    mask[:2, :2] = True
    mask[-1, -1] = False
    assert_parity(pixels, mask, {"Original": {}, "Gradient": {}}, {}, {}, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_real_femur(engine):
    path = Path(__file__).parents[3] / "shared/data/hip/hip_right_224x448.png"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    pixels = read_radiograph(path).pixels
    mask = np.zeros(pixels.shape, bool)
    mask[pixels.shape[0] // 4 : pixels.shape[0] // 2, 60:160] = True
    assert_parity(pixels, mask, FILTERS, {}, {}, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_slice_of_a_volume_is_the_same_but_for_log(engine):
    """Users hand pyradiomics volumes of one slice with force2D; what it can do with them equals the plane image."""
    types = {name: settings for name, settings in FILTERS.items() if name != "LoG"}
    plane = live(IMAGES["bone"], MASKS["holes"], types, {})
    extractor = featureextractor.RadiomicsFeatureExtractor(additionalInfo=False, binCount=32, force2D=True)
    extractor.enabledImagetypes = {"LoG": {"sigma": [1.0]}, **types}
    extractor.enabledFeatures = {name: [] for name in CLASSES}
    image = sitk.GetImageFromArray(IMAGES["bone"][None])
    region = sitk.GetImageFromArray(MASKS["holes"][None].astype(np.uint8))
    for volume in (image, region):
        volume.SetSpacing((*SPACING[::-1], 1.0))
    volume = {name: float(value) for name, value in extractor.execute(image, region).items()}
    assert volume == pytest.approx(plane, rel=1e-12)


def test_the_screen_stays_quiet(capfd):
    extract([IMAGES["bone"]], [MASKS["disc"]], engine="pyradiomics")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("binning", [{"bin_count": 32}, {"bin_width": 0.3}])
def test_bins_of_32_bit_images(binning):
    """ITK's filters return 32 bits, and numpy then cuts bins in 32 bits: seen where values are coarse."""
    rng = np.random.default_rng(0)
    images = [(1e5 + rng.normal(0, 3, (40, 40))).astype(np.float32) for _ in range(8)]
    masks = [np.ones((40, 40), bool)] * 8
    classes = {"firstorder": ["Entropy", "Uniformity"], "glcm": ["Contrast"]}
    found, expected = (engine.measure(images, masks, classes, **binning) for engine in (_engine, _pyradiomics))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
