"""The shape of a slab against pyradiomics on a volume of one slice."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepradiomics import Radiograph
from deepradiomics.texture import describe_features, extract
from deepradiomics.texture.features._slab import slab_shape

sitk = pytest.importorskip("SimpleITK")
shape = pytest.importorskip("radiomics.shape", reason="parity is measured against pyradiomics itself")


def live(mask, spacing, thickness):
    image = sitk.GetImageFromArray(mask[None].astype(np.uint8))
    image.SetSpacing((spacing[1], spacing[0], thickness))
    found = shape.RadiomicsShape(image, image)
    found.enableAllFeatures()
    # pyradiomics divides 0 by 0 for a single pixel.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return {name: float(value) for name, value in found.execute().items()}


RNG = np.random.default_rng(0)
ROWS, COLUMNS = np.ogrid[:30, :40]
MASKS = {
    "disc": (ROWS - 15) ** 2 + (COLUMNS - 20) ** 2 < 120,
    "holes": ((ROWS - 15) ** 2 + (COLUMNS - 20) ** 2 < 120) & (RNG.random((30, 40)) > 0.2),
    "scattered": RNG.random((30, 40)) < 0.1,
    "two parts": (ROWS < 8) | (ROWS > 20) & (COLUMNS < 9),
    "whole": np.ones((12, 17), dtype=bool),
    "one row": np.ones((1, 9), dtype=bool),
    "one pixel": np.ones((1, 1), dtype=bool),
    "diagonal": np.eye(6, dtype=bool),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize(("spacing", "thickness"), [((1.0, 1.0), 1.0), ((0.4, 0.7), 1.0), ((0.5, 0.5), 3.0)])
def test_equal_to_pyradiomics(name, spacing, thickness):
    wanted, found = live(MASKS[name], spacing, thickness), slab_shape(MASKS[name], spacing, thickness)
    assert list(found) == list(wanted)
    for feature, value in wanted.items():
        assert found[feature] == pytest.approx(value, rel=1e-6, abs=2e-7, nan_ok=True), feature


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))).filter(np.any))
def test_equal_to_pyradiomics_on_any_small_mask(mask):
    wanted, found = live(mask, (0.6, 1.1), 1.0), slab_shape(mask, (0.6, 1.1), 1.0)
    for feature, value in wanted.items():
        assert found[feature] == pytest.approx(value, rel=1e-6, abs=2e-7, nan_ok=True), feature


def test_both_engines_have_the_class():
    image = RNG.normal(size=(30, 40))
    mask = MASKS["disc"]
    radiograph = Radiograph(image, mask, (0.4, 0.7))
    wanted, found = (
        extract([radiograph], feature_classes={"shape": None}, engine=engine) for engine in ("pyradiomics", "native")
    )
    assert list(found) == [f"original_shape_{name}" for name in slab_shape(mask)]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert set(describe_features().query("`class` == 'shape'")["name"]) == {
        f"shape_{name}" for name in slab_shape(mask)
    }
