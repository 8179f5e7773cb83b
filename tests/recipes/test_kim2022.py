"""The recipe of Kim 2022: what it is made of, and that it runs on simulated hips with a missing side."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from deepradiomics.recipes import kim2022
from deepradiomics.simulation import make_hips
from deepradiomics.texture import discretize

# Among 40 patients texture may tell nothing.
pytestmark = pytest.mark.filterwarnings("ignore:No features were selected:UserWarning")


@pytest.fixture(scope="module")
def fitted():
    hips = make_hips(40, random_state=2)
    X = hips.data
    X["mask"] = [np.where(X["mask"][0] == 1, 1, 0), *X["mask"][1:]]
    model = kim2022(mask="mask", epochs=1, image_size=64, random_state=0)
    return model.fit(X, hips.target), X, hips.target


def test_blocks_hold_the_published_features(fitted):
    blocks = dict((name, block) for name, block, _ in fitted[0]["blocks"].transformers_)
    names = blocks["texture"][0].get_feature_names_out()
    # 79 features of the original image and of the wavelet bands, of two boxes a hip.
    assert len(names) == 4 * 5 * 79
    assert {name.split("__")[1].split("_")[0] for name in names} == {
        "original",
        *(f"wavelet-{band}" for band in ("LL", "LH", "HL", "HH")),
    }
    assert len(blocks["deep"][0].get_feature_names_out()) == 256


def test_probabilities_and_a_missing_hip(fitted):
    model, X, _ = fitted
    proba = model.predict_proba(X)
    assert proba.shape == (40, 2)
    assert np.isfinite(proba).all()


def test_fitted_twice_gives_the_same(fitted):
    model, X, y = fitted
    again = clone(model).fit(X, y)
    pd.testing.assert_frame_equal(model[:-1].transform(X), again[:-1].transform(X))


def test_the_faithful_texture_has_330_columns_a_hip_and_two_grey_levels():
    hips = make_hips(2, random_state=0, image_shape=(256, 256))
    model = kim2022(faithful=True, mask="mask", random_state=0)
    table = model.named_steps["regions"].transform(hips.data)
    texture, columns = next((block, columns) for name, block, columns in model[1].transformers if name == "texture")
    features = texture[0].set_output(transform="pandas").fit_transform(table[columns])
    left = [name for name in features if name.startswith("left_")]
    assert (len(left), features.shape[1]) == (330, 660)
    assert sum("_shape_" in name for name in left) == 14
    assert features["left_femur__original_glcm_JointEnergy"].notna().all()
    # z-scores in bins of 25: what lies below 0 and what lies above.
    levels, _ = discretize(
        (table["left_femur"][0].pixels - table["left_femur"][0].pixels.mean()) / table["left_femur"][0].pixels.std(),
        table["left_femur"][0].mask,
        bin_width=25,
    )
    assert set(np.unique(levels)) == {0, 1, 2}
    network = model[1].transformers[1][1][0]
    assert network.n_features == 256
