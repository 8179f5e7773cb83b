"""The recipes for the spine, with networks small enough for a test, on simulated spines and fractures."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from deepradiomics import Box, compare_feature_sets
from deepradiomics.exceptions import InputError
from deepradiomics.recipes import kim2022, lumbar_transfer2024, mao2022, vcfnet2022
from deepradiomics.simulation import make_spines

SPINES = make_spines(36, random_state=0, image_shape=(256, 192))
X = SPINES.data
MASKS = {"ap": "ap_mask", "lateral": "lateral_mask"}
VIEWS = {"AP": ["ap"], "LAT": ["lateral"], "both": ["ap", "lateral"]}
SMALL = {"epochs": 1, "image_size": 32, "random_state": 0}


def mao(view, **settings):
    return mao2022(view, mask={name: MASKS[name] for name in VIEWS[view]}, **settings)


@pytest.mark.parametrize(("view", "regions"), VIEWS.items())
def test_mao_reads_one_or_two_views_and_tells_three_classes(view, regions):
    model = mao(view, backbone="tiulpin", **SMALL | {"image_size": 64})
    assert [name for name, _ in model.steps] == [*regions, "blocks", "classifier"]
    probability = model.fit(X, SPINES.bmd_class).predict_proba(X.head(5))
    assert probability.shape == (5, 3)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    names = model[:-1].get_feature_names_out()
    assert sum(name.startswith("clinical__") for name in names) == 4


def test_mao_without_covariates_has_none():
    names = [name for name, *_ in mao("AP", covariates=False).named_steps["blocks"].transformers]
    assert names == ["deep"]
    with pytest.raises(InputError, match="view is one of AP, LAT, both, not 'PA'"):
        mao2022("PA")
    with pytest.raises(InputError, match=r"segmenter is \['AP'\]; give a dict with the keys \['ap'\]"):
        mao2022("AP", segmenter={"AP": None})
    with pytest.raises(InputError, match="mask is str; give a dict"):
        mao2022("AP", mask="ap_mask")
    with pytest.raises(InputError, match="give one of them"):
        kim2022(SPINES, mask="mask")
    with pytest.raises(InputError, match="covariates is 'False'"):
        mao2022("AP", covariates="False")
    with pytest.raises(InputError, match="faithful is 'False'"):
        kim2022(faithful="False")


def test_the_region_is_round_the_four_vertebrae():
    cut = mao("LAT").named_steps["lateral"].transform(X.head(3))
    for region, mask, radiograph in zip(cut["lateral_L1-L4"], X["lateral_mask"], X["lateral"], strict=False):
        rows, columns = np.nonzero(np.isin(mask, [1, 2, 3, 4]))
        height, width = region.pixels.shape
        margin = 2 / radiograph.spacing[0]
        assert width == pytest.approx(np.ptp(columns) + 1 + 2 * margin, abs=2)
        assert height >= np.ptp(rows) + 1
        assert region.mask.sum() == np.isin(mask, [1, 2, 3, 4]).sum()


def test_mao_with_and_without_covariates_is_one_comparison():
    model = mao("LAT", backbone="tiulpin", **SMALL | {"image_size": 64})
    found = compare_feature_sets(model, X, SPINES.target, cv=2, random_state=0)
    assert list(found.table.loc["internal"].index) == ["C", "D", "DC"]


def test_lumbar_transfer_is_a_classifier():
    model = lumbar_transfer2024("resnet18", mask="lateral_mask", pretrained=False, **SMALL)
    assert clone(model).get_params()["network__image_size"] == 32
    probability = model.fit(X.head(16), SPINES.target[:16]).predict_proba(X.tail(4))
    assert probability.shape == (4, 2)
    assert np.isfinite(probability).all()


@pytest.mark.parametrize("backbone", ["vgg16", "vgg19", "resnet50", "legacy_xception"])
def test_the_four_published_networks_can_be_named(backbone):
    assert lumbar_transfer2024(backbone, mask="lateral_mask")[-1].backbone == backbone


def broken_vertebrae():
    """One fractured vertebra a row, with a box round it in its lateral picture."""
    rows = []
    for patient, cause in enumerate(["acute", "chronic", "pathologic"] * 4):
        spine = make_spines(1, random_state=patient, image_shape=(256, 192), fractures={"L2": (cause, "wedge", 0.35)})
        places = np.argwhere(spine.masks_lateral[0] == 2)
        (top, left), (bottom, right) = places.min(axis=0) - 4, places.max(axis=0) + 4
        box = Box(float(top), float(left), float(bottom - top), float(right - left))
        rows.append({"radiograph": spine.data["lateral"][0], "boxes": {"vertebra": box}, "cause": cause})
    return pd.DataFrame(rows)


def test_vcfnet_reads_boxes_or_cut_pictures():
    table = broken_vertebrae()
    model = vcfnet2022(boxes="boxes", pretrained=False, **SMALL).fit(table, table["cause"])
    assert list(model.classes_) == ["acute", "chronic", "pathologic"]
    by_box = model.predict_proba(table)
    cut = model.named_steps["regions"].transform(table)[["vertebra"]]
    alone = vcfnet2022(pretrained=False, **SMALL).fit(cut, table["cause"])
    np.testing.assert_allclose(alone.predict_proba(cut), by_box, atol=1e-6)
