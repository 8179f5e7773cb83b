"""Every estimator stands in one of two lists: scikit-learn's own checks, or ours for estimators of images."""

import inspect
import pkgutil
from functools import cache
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from image_checks import CHECKS
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

import deepradiomics as dr
from deepradiomics.box import Box
from deepradiomics.clinical import ClinicalReader, clinical_encoder
from deepradiomics.fusion import OrdinalLogisticRegression, StackedFusionClassifier
from deepradiomics.harmonization import ComBat
from deepradiomics.preprocessing import GrayscaleNormalizer
from deepradiomics.selection import BilateralSelector, CorrelationPruner, MRMRSelector, StabilitySelector
from deepradiomics.simulation import make_hips

MATRIX_ESTIMATORS = [
    ComBat(),
    CorrelationPruner(),
    MRMRSelector(),
    OrdinalLogisticRegression(),
    StabilitySelector(),
    StackedFusionClassifier(cv=2, random_state=0),
]
# Those that scikit-learn's checks cannot run, with the reason and the place of their own checks.
OWN_CHECKS = {
    BilateralSelector: "its features come in pairs, left and right: tests/test_selection.py",
    ClinicalReader: "it reads tables with words: tests/test_clinical.py",
    dr.ImageGate: "it learns from 20 images at least: tests/quality/test_image_gate.py",
    dr.Triage: "it refuses to promise on the few rows of those checks: tests/comparison/test_triage.py",
    dr.comparison.RecalibratedClassifier: "it takes a fitted classifier: tests/metrics/test_recalibration.py",
    dr.UNetSegmenter: "its target is a label map for each image: tests/segmentation/test_unet_estimator.py",
}
IMAGE_ESTIMATORS = {
    "TextureExtractor": dr.TextureExtractor({"Original": {}, "Wavelet": {}}, n_jobs=2),
    "TextureExtractor of two regions": dr.TextureExtractor(bin_count=16),
    "DeepExtractor": dr.DeepExtractor("tiulpin", n_features=8, image_size=64, epochs=1, random_state=0),
    "DeepRegressor": dr.DeepRegressor("tiulpin", n_features=8, image_size=64, epochs=1, random_state=0),
    "EmbeddingExtractor": dr.EmbeddingExtractor("tf_efficientnet_lite0", image_size=64, batch_size=2),
    "FemurRegions": dr.FemurRegions(mask="mask"),
    "VertebraRegions": dr.VertebraRegions(levels=("L1", "L2")),
    "GrayscaleNormalizer": GrayscaleNormalizer(),
}


@parametrize_with_checks(MATRIX_ESTIMATORS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@cache
def hips():
    return make_hips(6, random_state=0)


def data_for(name):
    """Return X and y that fit the estimator."""
    bunch = hips()
    y = np.arange(6) % 2
    if name == "FemurRegions":
        return bunch.data.assign(mask=bunch.masks), y
    if name == "VertebraRegions":
        return bunch.data[["radiograph"]].assign(boxes=[{"L1": Box(40, 50, 60, 80)}] * 6), y
    if name == "TextureExtractor of two regions":
        regions = dr.FemurRegions(mask="mask").set_output(transform="pandas").transform(data_for("FemurRegions")[0])
        return regions[["left_neck", "right_cortex"]], y
    return bunch.data[["radiograph"]], y


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", IMAGE_ESTIMATORS)
def test_image_checks(name, check):
    X, y = data_for(name)
    check(IMAGE_ESTIMATORS[name], X, y)


def test_the_clinical_encoder_stands_in_a_pipeline():
    table = pd.DataFrame({"age": [60.0, np.nan, 70.0, 81.0], "sex": ["F", "M", "F", "M"], "weight": [60, 70, 80, 55.0]})
    model = clinical_encoder()
    numbers = model.fit_transform(table)
    assert np.isfinite(numbers).all()
    assert LogisticRegression().fit(numbers, [0, 1, 0, 1]).n_features_in_ == len(model.get_feature_names_out())


def test_no_estimator_is_forgotten():
    listed = {type(estimator) for estimator in [*MATRIX_ESTIMATORS, *IMAGE_ESTIMATORS.values()]} | {*OWN_CHECKS}
    modules = [import_module(info.name) for info in pkgutil.walk_packages(dr.__path__, "deepradiomics.")]
    classes = {value for module in modules for value in vars(module).values() if inspect.isclass(value)}
    ours = {value for value in classes if value.__module__.startswith("deepradiomics")}
    assert {value for value in ours if issubclass(value, BaseEstimator) and value.__name__[0] != "_"} == listed
