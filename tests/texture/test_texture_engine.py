"""The native engine against pyradiomics run live, region by region and class by class."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepradiomics.texture import _engine, extract
from deepradiomics.texture._discretization import discretize
from deepradiomics.texture.features._shape2d import shape2d

pytest.importorskip("radiomics", reason="the reference engine is pyradiomics")
from deepradiomics.texture import _pyradiomics

CLASSES = {name: None for name in ("shape2D", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")}


def regions():
    rng = np.random.default_rng(0)
    parts = np.zeros((12, 40), dtype=bool)
    parts[:, :12] = parts[3:9, 20:33] = True
    corner = np.zeros((9, 9), dtype=bool)
    corner[:4, :4] = corner[4:, 4:] = True
    single = np.zeros((5, 5), dtype=bool)
    single[2, 1:4] = True
    return {
        "whole": (rng.normal(size=(40, 50)) * 100, np.ones((40, 50), dtype=bool)),
        "holes": (rng.normal(size=(40, 50)).cumsum(axis=1) * 10, rng.random((40, 50)) > 0.3),
        "scattered": (rng.normal(size=(30, 30)) * 30, rng.random((30, 30)) > 0.93),
        "one row": (rng.normal(size=(1, 40)) * 30, np.ones((1, 40), dtype=bool)),
        "row with gaps": (rng.normal(size=(1, 40)) * 30, rng.random((1, 40)) > 0.4),
        "one column": (rng.normal(size=(40, 1)) * 30, np.ones((40, 1), dtype=bool)),
        "flat": (np.full((12, 13), 5.0), np.ones((12, 13), dtype=bool)),
        "two parts": (rng.normal(size=(12, 40)).cumsum(axis=0) * 20, parts),
        "touching at a corner": (rng.normal(size=(9, 9)) * 50, corner),
        "three pixels": (rng.normal(size=(5, 5)) * 100, single),
        "whole numbers": (rng.integers(0, 255, (33, 20)).astype(float), np.ones((33, 20), dtype=bool)),
    }


SETTINGS = [
    {"bin_count": 32},
    {"bin_count": 7},
    {"bin_width": 25},
    {"bin_width": 3.5, "voxel_array_shift": 300},
    {"bin_count": 16, "symmetrical_glcm": False},
    {"bin_count": 16, "distances": (1, 2), "gldm_a": 1},
    {"bin_count": 16, "distances": (2,)},
    {"bin_count": 32, "weighting_norm": "euclidean"},
    {"bin_count": 8, "weighting_norm": "infinity"},
    {"bin_count": 8, "weighting_norm": "manhattan", "distances": (1, 2)},
    {"bin_count": 8, "weighting_norm": "no_weighting"},
]


@pytest.mark.parametrize("keywords", SETTINGS, ids=str)
@pytest.mark.parametrize("region", regions())
def test_equal_to_pyradiomics(region, keywords):
    image, mask = regions()[region]
    wanted = _pyradiomics.measure([image], [mask], CLASSES, spacings=[(0.4, 0.7)], **keywords)
    found = _engine.measure([image], [mask], CLASSES, spacings=[(0.4, 0.7)], **keywords)
    # 2e-7: Imc2 and MCC are roots, so a rounding of 1e-15 near 0 shows as 3e-8.
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=2e-7)


def test_relative_error_of_regions_with_texture():
    """Where no convention is touched, every feature agrees to 1e-9 relative."""
    names = ["whole", "holes", "two parts", "whole numbers"]
    images, masks = ([regions()[name][part] for name in names] for part in (0, 1))
    wanted = _pyradiomics.measure(images, masks, CLASSES, bin_count=32)
    found = _engine.measure(images, masks, CLASSES, bin_count=32)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=0)


def test_rare_pairs_of_weighted_matrices_keep_the_guard_of_logarithms():
    """Weights of exp(-d^2) make px py far smaller than pyradiomics' guard."""
    rng = np.random.default_rng(3)
    shapes = rng.integers(8, 14, (30, 2))
    images, masks = [rng.normal(size=shape) * 60 for shape in shapes], [rng.random(shape) < 0.15 for shape in shapes]
    keywords = {"bin_width": 25, "distances": (1, 5), "weighting_norm": "manhattan"}
    wanted = _pyradiomics.measure(images, masks, {"glcm": ["Imc1"]}, **keywords)
    found = _engine.measure(images, masks, {"glcm": ["Imc1"]}, **keywords)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=2e-7)


def test_the_norm_of_many_levels_is_that_of_numpy():
    from deepradiomics.texture._cpu.sums import spectral_norm

    matrix = np.random.default_rng(0).normal(size=(150, 150))
    assert spectral_norm(matrix) == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-12)


def test_whole_numbers_are_binned_as_numpy_does():
    values = np.random.default_rng(0).integers(0, 256, (60, 60)).astype(np.uint8)
    edges = np.histogram_bin_edges(values, 32).astype(float)
    edges[-1] += 1
    levels, _ = discretize(values, np.ones(values.shape, dtype=bool), bin_count=32)
    np.testing.assert_array_equal(levels, np.digitize(values, edges))


def test_a_batch_equals_its_regions_one_by_one():
    images, masks = (list(part) for part in zip(*regions().values(), strict=True))
    keywords = {"bin_width": 20, "distances": (1, 2)}
    alone = np.vstack([_engine.measure([a], [m], CLASSES, **keywords) for a, m in zip(images, masks, strict=True)])
    np.testing.assert_allclose(_engine.measure(images, masks, CLASSES, **keywords), alone, rtol=1e-12, atol=1e-12)


def test_threads_change_nothing():
    images, masks = (list(part) for part in zip(*regions().values(), strict=True))
    common = {
        "feature_classes": CLASSES,
        "bin_width": 20,
        "min_levels": None,
        "min_pixels": 1,
        "minimum_roi_dimensions": 1,
    }
    one, two = (extract(3 * images, 3 * masks, n_jobs=n_jobs, **common) for n_jobs in (1, 2))
    np.testing.assert_allclose(two, one, rtol=1e-12, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 50), st.floats(-1000, 1000))
def test_levels_do_not_see_gain_and_offset_and_turning(seed, gain, offset):
    """Bins by count: texture of an image, of its affine copy, of its mirror image and its transpose are equal."""
    rng = np.random.default_rng(seed)
    image, mask = rng.integers(0, 40, (9, 11)).astype(float), rng.random((9, 11)) > 0.2
    mask[0, 0] = mask[8, 10] = mask[4, 4] = True
    texture = {name: None for name in ("glcm", "glrlm", "glszm", "gldm", "ngtdm")}
    first = _engine.measure([image], [mask], texture, bin_count=40)
    for other, region in ((image[:, ::-1], mask[:, ::-1]), (image.T, mask.T)):
        np.testing.assert_allclose(
            _engine.measure([other], [region], texture, bin_count=40), first, rtol=1e-9, atol=1e-9
        )
    levels = discretize(image, mask, bin_count=40)[0]
    changed = discretize(gain * image + offset, mask, bin_count=40)[0]
    # A value on an edge may fall on either side after rounding; it moves by one level at most.
    assert np.abs(levels - changed).max() <= 1


def test_padding_with_pixels_outside_the_mask_changes_nothing():
    image, mask = regions()["holes"]
    more = {name: None for name in ("firstorder", "glcm", "glszm", "gldm", "ngtdm")}
    wide, frame = np.pad(image, 3, constant_values=1e9), np.pad(mask, 3)
    np.testing.assert_allclose(
        _engine.measure([wide], [frame], more, bin_count=32),
        _engine.measure([image], [mask], more, bin_count=32),
        rtol=1e-12,
    )


def test_shape_of_a_rectangle_by_hand():
    """8 x 5 pixels of 2 x 3 mm: the outline cuts each corner from midpoint to midpoint."""
    found = shape2d(np.ones((8, 5), dtype=bool), (2.0, 3.0))
    assert found["PixelSurface"] == 240
    assert found["MeshSurface"] == pytest.approx(240 - 4 * 6 / 8)
    assert found["Perimeter"] == pytest.approx(2 * (7 * 2 + 4 * 3) + 4 * np.hypot(1, 1.5))
    assert found["MajorAxisLength"] == pytest.approx(4 * np.sqrt((8**2 - 1) / 12 * 4))
