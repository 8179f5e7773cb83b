"""A map holds, at each point, what the extractor gives for that window, and what pyradiomics' own maps hold."""

from dataclasses import replace

import numpy as np
import pytest

from deepradiomics import Radiograph
from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.texture import extract, feature_map


@pytest.fixture(scope="module")
def bone():
    """A round region of smoothed noise that goes over the left border; its pixels are not square."""
    noise = np.random.default_rng(0).normal(size=(44, 41))
    pixels = 100 * (noise[4:] + noise[2:-2] + noise[:-4] + noise[1:-3])
    rows, columns = np.mgrid[:40, :41]
    mask = (rows - 18) ** 2 + (columns - 8) ** 2 < 15**2
    return Radiograph(pixels, mask, spacing=(0.4, 0.5))


CASES = [
    ("glcm_Contrast", {}),
    ("firstorder_Entropy", {"bin_width": 40}),
    ("glszm_ZonePercentage", {"bin_count": 16, "n_jobs": 2}),
    ("wavelet-HL_glrlm_RunVariance", {"image_types": {"Wavelet": {"wavelet": "bior1.3"}, "Original": {}}}),
]


@pytest.mark.parametrize(("feature", "settings"), CASES, ids=[feature for feature, _ in CASES])
def test_each_value_is_that_of_the_extractor_on_its_window(bone, feature, settings):
    found = feature_map(bone, feature, window_mm=5, step_mm=2, **settings)
    full = feature if feature.count("_") == 2 else f"original_{feature}"
    assert found.name == full
    # 5 mm are 12.5 pixels down and 10 across: 13 and 9 or 11, so far from the centre.
    down, across = 6, 4
    windows, values = [], []
    for i, row in enumerate(found.rows):
        for j, column in enumerate(found.columns):
            if not bone.mask[row, column]:
                assert np.isnan(found.values[i, j])
                continue
            window = np.zeros_like(bone.mask)
            window[max(row - down, 0) : row + down + 1, max(column - across, 0) : column + across + 1] = True
            windows.append(window & bone.mask)
            values.append(found.values[i, j])
    alone = extract(
        [bone] * len(windows), windows, feature_classes={full.split("_")[1]: [full.split("_")[2]]}, **settings
    )
    assert len(windows) > 25
    np.testing.assert_allclose(values, alone[full], rtol=1e-12)


@pytest.mark.parametrize("feature", ["glcm_Contrast", "glrlm_ShortRunEmphasis", "firstorder_Mean"])
def test_maps_of_pyradiomics(bone, feature):
    """Its bins are numbered from the lowest value of the region, ours from that of the window; it measures the same."""
    pytest.importorskip("radiomics", reason="pyradiomics is not installed")
    import SimpleITK as sitk
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    image, mask = sitk.GetImageFromArray(bone.pixels.astype(float)[None]), sitk.GetImageFromArray(bone.mask[None] * 1)
    for one in (image, mask):
        one.SetSpacing((0.5, 0.5, 1))
    kind, name = feature.split("_")
    extractor = RadiomicsFeatureExtractor(
        binWidth=40, force2D=True, force2Ddimension=0, kernelRadius=4, maskedKernel=True, initValue=np.nan
    )
    extractor.disableAllFeatures()
    extractor.enableFeaturesByName(**{kind: [name]})
    found = extractor.execute(image, mask, voxelBased=True)[f"original_{feature}"]
    theirs = np.full(bone.mask.shape, np.nan)
    corner = [round(at / 0.5) for at in found.GetOrigin()[:2]]
    array = sitk.GetArrayFromImage(found)[0]
    theirs[corner[1] : corner[1] + array.shape[0], corner[0] : corner[0] + array.shape[1]] = array
    square = replace(bone, spacing=(0.5, 0.5))
    ours = feature_map(square, feature, window_mm=4.5, step_mm=0.5, bin_width=40, min_levels=None)
    expected = theirs[np.ix_(ours.rows, ours.columns)]
    assert np.isfinite(ours.values).sum() > 400
    np.testing.assert_array_equal(np.isfinite(ours.values), np.isfinite(expected))
    np.testing.assert_allclose(ours.values, expected, rtol=1e-9)


def test_windows_that_are_too_flat_are_left_out(bone):
    pixels = bone.pixels.copy()
    pixels[:, :12] = 7
    flat = replace(bone, pixels=pixels)
    values = feature_map(flat, "glcm_Contrast", window_mm=3, step_mm=0.4).values
    assert np.isnan(values[:, :7]).all()
    assert np.isfinite(values[:, 16:20]).any()
    with pytest.raises(RegionError, match="no window of the region can be measured"):
        feature_map(replace(bone, pixels=np.ones((40, 41))), "glcm_Contrast")


def test_what_is_no_map_is_refused(bone):
    with pytest.raises(InputError, match="spacing is unknown"):
        feature_map(replace(bone, spacing=None), "glcm_Contrast")
    with pytest.raises(InputError, match="give class and feature"):
        feature_map(bone, "Contrast")
    with pytest.raises(InputError, match="'Contrasts'"):
        feature_map(bone, "glcm_Contrasts")
    with pytest.raises(InputError, match="there is no image 'wavelet-HH'"):
        feature_map(bone, "wavelet-HH_glcm_Contrast")
    with pytest.raises(InputError, match="shape2D cannot be mapped"):
        feature_map(bone, "shape2D_Sphericity")
    with pytest.raises(InputError, match="resampled_pixel_spacing"):
        feature_map(bone, "glcm_Contrast", resampled_pixel_spacing=(1, 1))
    with pytest.raises(InputError, match="window_mm is 0"):
        feature_map(bone, "glcm_Contrast", window_mm=0)


def test_the_plot_lies_over_the_picture(bone):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    ax.set(xlim=(0, 41), ylim=(40, 0))
    found = feature_map(bone, "glcm_Contrast", window_mm=5, step_mm=2)
    assert found.plot(ax) is ax
    left, right, bottom, top = ax.images[0].get_extent()
    # Five rows and four columns a cell; the first cell has the first point in its middle.
    assert (left + 2, top + 2.5) == pytest.approx((found.columns[0] + 0.5, found.rows[0] + 0.5))
    assert (right - left, bottom - top) == (4 * len(found.columns), 5 * len(found.rows))
    assert (*ax.get_xlim(), *ax.get_ylim()) == (0, 41, 40, 0)
    plt.close(ax.figure)
