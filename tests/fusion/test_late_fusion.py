"""Late fusion against the mean of probabilities computed by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from deepradiomics import late_fusion
from deepradiomics.fusion import columns_of

RNG = np.random.default_rng(0)
Y = np.arange(60) % 2
X = pd.DataFrame(RNG.normal(size=(60, 4)) + Y[:, None] * [1, 0, 0.5, 0], columns=["age", "weight", "glcm", "glrlm"])
BLOCKS = [("clinical", StandardScaler(), ["age", "weight"]), ("texture", StandardScaler(), ["glcm", "glrlm"])]


@pytest.mark.parametrize("weights", [None, [3, 1]])
def test_probabilities_are_the_mean_over_blocks(weights):
    fused = late_fusion(ColumnTransformer(BLOCKS), LogisticRegression(), weights=weights).fit(X, Y)
    alone = [
        LogisticRegression()
        .fit(StandardScaler().fit_transform(X[c]), Y)
        .predict_proba(StandardScaler().fit_transform(X[c]))
        for _, _, c in BLOCKS
    ]
    np.testing.assert_allclose(fused.predict_proba(X), np.average(alone, axis=0, weights=weights))


def test_names_of_blocks_read_the_columns_of_a_fitted_table():
    table = ColumnTransformer(BLOCKS).set_output(transform="pandas").fit_transform(X)
    assert columns_of("texture")(table) == ["texture__glcm", "texture__glrlm"]
    behind = late_fusion(["clinical", "texture"], LogisticRegression()).fit(table, Y)
    before = late_fusion(ColumnTransformer(BLOCKS), LogisticRegression()).fit(X, Y)
    np.testing.assert_allclose(behind.predict_proba(table), before.predict_proba(X))


def test_a_block_can_be_dropped():
    fused = late_fusion(ColumnTransformer(BLOCKS), LogisticRegression()).set_params(texture="drop").fit(X, Y)
    assert [name for name in fused.named_estimators_ if fused.named_estimators_[name] != "drop"] == ["clinical"]
