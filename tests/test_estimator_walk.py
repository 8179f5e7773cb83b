"""What a model consists of, and what failed in it."""

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepradiomics import TextureExtractor
from deepradiomics.estimators import estimators_in, failures_of


def kinds(model):
    return [type(step).__name__ for step in estimators_in(model)]


def test_steps_are_found_before_and_after_fit():
    model = make_pipeline(ColumnTransformer([("a", StandardScaler(), [0])]), LogisticRegression())
    assert kinds(model) == ["Pipeline", "ColumnTransformer", "StandardScaler", "LogisticRegression"]
    model.fit(np.arange(8.0).reshape(4, 2), [0, 1, 0, 1])
    # The fitted copies of the ColumnTransformer are further estimators.
    assert kinds(model).count("StandardScaler") == 2


def test_each_is_found_once_however_the_model_is_tied():
    scaler = StandardScaler()
    scaler.itself = [scaler, {"again": scaler}, np.array([scaler, None], dtype=object)]
    assert kinds(scaler) == ["StandardScaler"]


def test_folds_of_a_calibrated_classifier_are_searched_and_say_each_failure_once():
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(12, 12)) for _ in range(8)]
    X = pd.DataFrame({"neck": pd.Series(images, dtype=object)})
    texture = TextureExtractor(feature_classes={"firstorder": ["Mean", "Variance"]}, on_error="skip")
    model = CalibratedClassifierCV(make_pipeline(texture, LogisticRegression()), cv=2)
    model.fit(X, [0, 1] * 4)
    assert kinds(model).count("TextureExtractor") == 3  # the one given, and one a fold
    for step in estimators_in(model):
        if isinstance(step, TextureExtractor):
            step.failures_ = pd.DataFrame([{"row": 2, "column": "neck", "code": "flat", "reason": "no texture"}])
    assert failures_of(model) == [(2, "neck", "flat", "no texture")]
