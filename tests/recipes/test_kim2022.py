"""The recipe of Kim 2022: what it is made of, and that it runs on simulated hips with a missing side."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from deepradiomics.recipes import kim2022
from deepradiomics.simulation import make_hips


@pytest.fixture(scope="module")
def fitted():
    hips = make_hips(40, random_state=2)
    X = hips.data.assign(mask=hips.masks)
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
