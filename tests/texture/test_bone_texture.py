"""Bone texture against closed forms: fractal surfaces, gratings, rotations."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from deepradiomics import Radiograph
from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.texture import describe_features, extract
from deepradiomics.texture.catalogue import BONE_FEATURES
from deepradiomics.texture.features._direction import directional_glcm
from deepradiomics.texture.features._filterbank import gabor_energies, laws_energies, lbp_histogram
from deepradiomics.texture.features._fractal import blanket_signature
from deepradiomics.texture.features._spectrum import power_spectrum
from deepradiomics.texture.features._variogram import variogram_slopes

ALL = np.ones((128, 128), dtype=bool)
CENTRE = np.pad(np.ones((64, 64), dtype=bool), 32)
MM = (0.2, 0.2)


@lru_cache(maxsize=32)
def brownian(hurst, seed, stretch=1.0):
    """Surface of fractional Brownian motion, power f^-(2H + 2): each eighth pixel of one that is eight times finer."""
    size, step = 2048, 8
    y, x = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :] * stretch
    radius = np.hypot(y, x)
    radius[0, 0] = np.inf
    noise = np.fft.rfft2(np.random.default_rng(seed).normal(size=(size, size)))
    return 1000 * np.fft.irfft2(noise * radius ** -(hurst + 1))[: 128 * step : step, : 128 * step : step]


def grating(angle, wavelength=8.0, amplitude=1.0):
    """Lines that run at an angle, counter-clockwise from the row axis as the image is seen."""
    rows, columns = np.indices(ALL.shape)
    across = np.radians(angle + 90)
    return amplitude * np.sin(2 * np.pi / wavelength * (columns * np.cos(across) - rows * np.sin(across)) + 0.3)


def mean_over_seeds(function, hurst):
    return np.mean([function(brownian(hurst, seed)) for seed in range(3)])


def test_fractal_dimension_of_random_walks():
    """The mean range of n steps of a random walk is 2 sum_k (2 pi k)^(-1/2), k = 1 ... n (Spitzer 1956)."""
    walks = np.random.default_rng(0).normal(size=(1500, 220)).cumsum(axis=1)
    mask = np.zeros(walks.shape, dtype=bool)
    mask[:, 10:-10] = True
    radii = np.array([1, 2, 3, 4, 6, 8])
    ranges = [2 * np.sum((2 * np.pi * np.arange(1, 2 * radius + 1)) ** -0.5) for radius in radii]
    found = blanket_signature(walks, mask)
    assert found["HorizontalDimension"] == pytest.approx(3 - np.polyfit(np.log(radii), np.log(ranges), 1)[0], abs=0.005)
    for k in range(1, 5):
        expected = 3 - np.polyfit(np.log(radii[k - 1 : k + 2]), np.log(ranges[k - 1 : k + 2]), 1)[0]
        assert found[f"HorizontalDimension{radii[k]}"] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("direction", ["Horizontal", "Vertical"])
def test_fractal_dimension_of_brownian_surfaces(direction):
    """Rods of few pixels miss the extremes between them: too low by what the docstring says, and in the right order."""
    name = f"{direction}Dimension"
    found = [mean_over_seeds(lambda surface: blanket_signature(surface, ALL)[name], h) for h in (0.3, 0.5, 0.7, 0.9)]
    assert found == pytest.approx([2.46, 2.36, 2.24, 2.14], abs=0.03)


@pytest.mark.parametrize("hurst", [0.3, 0.5, 0.7])
def test_variogram_slope_of_brownian_surfaces(hurst):
    found = mean_over_seeds(lambda surface: variogram_slopes(surface, ALL, MM)["Slope"], hurst)
    assert found == pytest.approx(2 * hurst, abs=0.08)


@pytest.mark.parametrize("hurst", [0.3, 0.5, 0.7])
def test_spectral_slope_of_brownian_surfaces(hurst):
    found = mean_over_seeds(lambda surface: power_spectrum(surface, ALL, MM)["Slope"], hurst)
    assert found == pytest.approx(2 * hurst + 2, abs=0.15)


def test_variogram_by_brute_force():
    """Every pair, one by one, in an irregular region with oblong pixels."""
    rng = np.random.default_rng(0)
    pixels, mask, spacing = rng.normal(size=(14, 12)).cumsum(0), rng.random((14, 12)) < 0.7, (0.5, 0.3)
    lags, values = [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        for k in range(1, 13):
            lag = k * np.hypot(down * spacing[0], right * spacing[1])
            squares = [
                (pixels[i, j] - pixels[i + k * down, j + k * right]) ** 2
                for i in range(14)
                for j in range(12)
                if i + k * down < 14 and 0 <= j + k * right < 12
                if mask[i, j] and mask[i + k * down, j + k * right]
            ]
            if lag <= 3 + 1e-9 and squares:
                lags.append(lag)
                values.append(np.mean(squares) / 2)
    slope, intercept = np.polyfit(np.log10(lags), np.log10(values), 1)
    found = variogram_slopes(pixels, mask, spacing)
    assert found["Slope"] == pytest.approx(slope, rel=1e-9)
    assert found["Intercept"] == pytest.approx(intercept, rel=1e-9)


@pytest.mark.parametrize("angle", [0, 20, 45, 90, 110, 135, 160])
def test_spectrum_of_a_grating(angle):
    found = power_spectrum(grating(angle), ALL, MM)
    turn = (found["Orientation"] - angle + 90) % 180 - 90
    assert abs(turn) < 1
    assert found["Anisotropy"] > 0.97
    assert found["CentralFrequency"] == pytest.approx(1 / (8 * 0.2), rel=0.02)


def test_spectrum_of_an_isotropic_and_of_a_stretched_surface():
    even = np.mean([power_spectrum(brownian(0.5, seed), ALL, MM)["Anisotropy"] for seed in range(3)])
    drawn = [power_spectrum(brownian(0.5, seed, stretch=3.0), ALL, MM) for seed in range(3)]
    assert even < 0.12 < 0.3 < np.mean([found["Anisotropy"] for found in drawn])
    # Frequencies along a row count three times, so there is little power in them: structures run along rows.
    assert all(min(found["Orientation"], 180 - found["Orientation"]) < 20 for found in drawn)


@pytest.mark.parametrize("wavelength", [4, 8])
@pytest.mark.parametrize("angle", [0, 45, 90, 135])
def test_gabor_answers_to_its_own_grating(wavelength, angle):
    found = gabor_energies(grating(angle, wavelength, amplitude=3.0), CENTRE)
    energies = {name: value for name, value in found.items() if "Orientation" in name}
    best = f"Wavelength{wavelength}Orientation{angle}"
    assert max(energies, key=energies.get) == best
    assert energies[best] == pytest.approx(9.0, rel=0.05)
    assert found[f"Wavelength{wavelength}Anisotropy"] > 0.95


def test_laws_by_two_dimensional_convolution():
    """Each mask written out as 5 x 5 and slid by hand."""
    rng = np.random.default_rng(1)
    pixels = rng.normal(size=(20, 22))
    padded = np.pad(pixels, 7, "symmetric")
    level = pixels - [[padded[i : i + 15, j : j + 15].mean() for j in range(22)] for i in range(20)]
    mirrored = np.pad(level, 2, "symmetric")
    edge, spot = np.array([-1, -2, 0, 2, 1]), np.array([-1, 0, 2, 0, -1])

    def energy(kernel):
        flipped = kernel[::-1, ::-1]
        return np.mean([[abs((mirrored[i : i + 5, j : j + 5] * flipped).sum()) for j in range(22)] for i in range(20)])

    expected = (energy(np.outer(edge, spot)) + energy(np.outer(spot, edge))) / 2
    assert laws_energies(pixels, np.ones((20, 22), bool))["E5S5"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_pattern_histogram_equals_scikit_image(radius):
    feature = pytest.importorskip("skimage.feature", reason="scikit-image is a development dependency")
    pixels = np.random.default_rng(2).integers(0, 200, (30, 34))
    mask = np.zeros((30, 34), bool)
    mask[4:-4, 4:-4] = True
    codes = feature.local_binary_pattern(pixels, 8, radius, "uniform")[mask].astype(int)
    found = lbp_histogram(pixels.astype(float), mask)
    shares = [found[f"Radius{radius}Uniform{k}"] for k in range(9)] + [found[f"Radius{radius}NonUniform"]]
    np.testing.assert_array_equal(shares, np.bincount(codes, minlength=10) / codes.size)
    assert sum(found.values()) == pytest.approx(3)


def test_directional_glcm_averages_to_that_of_pyradiomics():
    pytest.importorskip("radiomics", reason="compared with pyradiomics itself")
    rng = np.random.default_rng(3)
    pixels, mask = gaussian_filter(rng.normal(size=(30, 30)), 1.0), rng.random((30, 30)) < 0.8
    classes = {"glcm": None, "glcmdirection": None}
    for bins in ({"bin_count": 16}, {"bin_count": None, "bin_width": 0.1}):
        found = extract([pixels], [mask], feature_classes=classes, **bins).iloc[0]
        for feature in ("Contrast", "Correlation", "Idm", "JointEnergy", "JointEntropy"):
            by_angle = [found[f"original_glcmdirection_{feature}{angle}"] for angle in (0, 45, 90, 135)]
            assert np.mean(by_angle) == pytest.approx(found[f"original_glcm_{feature}"], rel=1e-9)


@given(st.integers(0, 10_000), st.integers(2, 9))
@settings(max_examples=25, deadline=None)
def test_a_quarter_turn_exchanges_directions(seed, n_levels):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, n_levels + 1, (9, 11))
    straight, turned = directional_glcm(levels, n_levels), directional_glcm(np.rot90(levels), n_levels)
    for here, there in ((0, 90), (45, 135), (90, 0), (135, 45)):
        np.testing.assert_allclose(turned[f"Contrast{there}"], straight[f"Contrast{here}"], rtol=1e-12)
    np.testing.assert_allclose(turned["IdmAnisotropy"], straight["IdmAnisotropy"], rtol=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_turning_the_picture_turns_the_features(seed):
    pixels = gaussian_filter(np.random.default_rng(seed).normal(size=(48, 40)), (2.0, 0.7)) * 50
    mask, turned = np.ones(pixels.shape, bool), np.rot90(pixels)
    rows, columns = blanket_signature(pixels, mask), blanket_signature(turned, mask.T)
    assert rows["HorizontalDimension"] == pytest.approx(columns["VerticalDimension"], rel=1e-9)
    rows, columns = variogram_slopes(pixels, mask, (0.3, 0.2)), variogram_slopes(turned, mask.T, (0.2, 0.3))
    assert rows["VerticalSlope"] == pytest.approx(columns["HorizontalSlope"], rel=1e-9)
    assert rows["Slope"] == pytest.approx(columns["Slope"], rel=1e-9)
    rows, columns = power_spectrum(pixels, mask, (0.3, 0.2)), power_spectrum(turned, mask.T, (0.2, 0.3))
    assert rows["Slope"] == pytest.approx(columns["Slope"], rel=1e-6)
    assert (rows["Orientation"] + 90) % 180 == pytest.approx(columns["Orientation"], abs=1e-6)
    rows, columns = laws_energies(pixels, mask), laws_energies(turned, mask.T)
    assert rows == pytest.approx(columns, rel=1e-9)


@given(st.floats(0.1, 50), st.floats(-1000, 1000))
@settings(max_examples=15, deadline=None)
def test_brightness_and_contrast(scale, shift):
    """Slopes, orientations and shares do not change with y = scale x + shift, energies with its square."""
    pixels = gaussian_filter(np.random.default_rng(5).normal(size=(40, 40)), 1.0)
    mask = np.ones(pixels.shape, bool)
    changed = scale * pixels + shift
    pairs = [
        (blanket_signature(pixels, mask), blanket_signature(changed, mask)),
        (power_spectrum(pixels, mask, MM), power_spectrum(changed, mask, MM)),
    ]
    for before, after in pairs:
        assert after == pytest.approx(before, rel=1e-5, abs=1e-5)
    slopes = variogram_slopes(pixels, mask, MM)["Slope"], variogram_slopes(changed, mask, MM)["Slope"]
    assert slopes[1] == pytest.approx(slopes[0], rel=1e-6)
    before, after = gabor_energies(pixels, mask), gabor_energies(changed, mask)
    name = "Wavelength4Orientation45"
    assert after[name] == pytest.approx(scale**2 * before[name], rel=1e-6)
    before, after = laws_energies(pixels, mask), laws_energies(changed, mask)
    assert after["E5S5"] == pytest.approx(scale * before["E5S5"], rel=1e-6)


def test_flat_region_gets_the_values_of_the_table():
    flat = Radiograph(np.full((40, 40), 100.0), spacing=MM)
    found = extract([flat], feature_classes=list(BONE_FEATURES), min_levels=None).iloc[0]
    assert np.isfinite(found).all()
    stated = describe_features(list(BONE_FEATURES)).set_index("name")["degenerate"].dropna()
    assert found[[f"original_{name}" for name in stated.index]].tolist() == stated.tolist()


def test_background_is_subtracted_in_millimetres():
    rows, columns = np.indices((200, 160))
    slow = 100 + 30 * np.sin(rows / 60) + 0.2 * columns
    fast = grating(45)[:, :100]
    whole = Radiograph(
        slow + np.pad(fast, ((36, 36), (30, 30))), np.pad(np.ones((100, 80), bool), ((50, 50), (40, 40))), MM
    )
    classes, types = {"firstorder": ["Mean", "Variance"]}, {"Original": {}, "Detrended": {"sigma": [2.0]}}
    found = extract([whole], image_types=types, feature_classes=classes).iloc[0]
    assert found["original_firstorder_Variance"] > 25
    assert found["detrended-sigma-2-0-mm_firstorder_Variance"] == pytest.approx(0.5, rel=0.1)
    assert abs(found["detrended-sigma-2-0-mm_firstorder_Mean"]) < 1
    # Half the pixel size is the same filter where sigma is in mm.
    fine = Radiograph(np.kron(whole.pixels, np.ones((2, 2))), np.kron(whole.mask, np.ones((2, 2), bool)), (0.1, 0.1))
    other = extract([fine], image_types=types, feature_classes=classes).iloc[0]
    np.testing.assert_allclose(other.iloc[2:], found.iloc[2:], rtol=0.02, atol=0.02)


def test_together_with_pyradiomics_classes_and_filters():
    pixels = gaussian_filter(np.random.default_rng(6).normal(size=(40, 40)), 1.0)
    region = Radiograph(pixels, np.pad(np.ones((24, 24), bool), 8), MM)
    classes = {"fractal": ["VerticalDimension"], "ngtdm": ["Contrast"], "lbp": ["Radius2NonUniform"]}
    frame = extract([region, None, region], image_types=["Original", "Square"], feature_classes=classes)
    assert list(frame.columns) == [
        f"{kind}_{name}"
        for kind in ("original", "square")
        for name in ("ngtdm_Contrast", "fractal_VerticalDimension", "lbp_Radius2NonUniform")
    ]
    assert frame.isna().all(axis=1).tolist() == [False, True, False]
    alone = extract([region], image_types=["Square"], feature_classes={"fractal": ["VerticalDimension"]})
    assert frame.loc[2, "square_fractal_VerticalDimension"] == alone.iloc[0, 0]


@pytest.mark.parametrize(
    ("name", "region", "error", "message"),
    [
        ("fractal", Radiograph(np.eye(12), spacing=MM), RegionError, "12 x 12 pixels, the fractal signature needs 17"),
        ("variogram", Radiograph(np.eye(30), spacing=(1.4, 1.4)), RegionError, "2 lags of up to 3 mm"),
        ("variogram", Radiograph(np.eye(30)), InputError, "spacing is unknown"),
        ("spectrum", Radiograph(np.eye(12), spacing=MM), RegionError, "12 x 12 pixels, a power spectrum needs 16 x 16"),
    ],
)  # fmt: skip
def test_too_small_a_region_is_said(name, region, error, message):
    with pytest.raises(error, match=message):
        extract([region], feature_classes=[name], min_levels=None)
