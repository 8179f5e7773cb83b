"""Late fusion against the mean of probabilities computed by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepradiomics import late_fusion
from deepradiomics.exceptions import LeakageError
from deepradiomics.fusion import columns_of, learn_weights

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


def test_learned_weights_are_the_best_of_a_grid():
    weights = learn_weights(ColumnTransformer(BLOCKS), LogisticRegression(), X, Y, random_state=0)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    splits = [
        (np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for fold in [np.arange(60) // 2 % 5] for k in range(5)
    ]
    found = learn_weights(ColumnTransformer(BLOCKS), LogisticRegression(), X, Y, cv=splits)
    alone = [
        cross_val_predict(
            make_pipeline(StandardScaler(), LogisticRegression()), X[c], Y, cv=splits, method="predict_proba"
        )
        for _, _, c in BLOCKS
    ]
    grid = np.linspace(0, 1, 1001)
    losses = [log_loss(Y, share * alone[0] + (1 - share) * alone[1]) for share in grid]
    assert found[0] == pytest.approx(grid[np.argmin(losses)], abs=2e-3)


def test_learned_weights_keep_patients_together():
    with pytest.raises(LeakageError, match="on both sides"):
        learn_weights(
            ColumnTransformer(BLOCKS), LogisticRegression(), X, Y, groups=np.arange(60) // 2, cv=KFold(5, shuffle=True)
        )
