"""Labels at random: the interval covers 0.5 as often as it says, unless features were selected outside the folds."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepradiomics import compare_feature_sets
from deepradiomics.metrics import roc_auc_ci

TEXTURE, DEEP, CLINICAL = ([f"{block}{i}" for i in range(n)] for block, n in [("t", 40), ("d", 8), ("c", 3)])


def patients(seed, n=100):
    rng = np.random.default_rng(seed)
    names = [*TEXTURE, *DEEP, *CLINICAL]
    return pd.DataFrame(rng.normal(size=(n, len(names))), columns=names), rng.permutation(np.arange(n) < 35).astype(int)


def model(texture):
    blocks = [
        ("texture", make_pipeline(StandardScaler(), SelectKBest(k=5)), texture),
        ("deep", StandardScaler(), DEEP),
        ("clinical", StandardScaler(), CLINICAL),
    ]
    return make_pipeline(ColumnTransformer(blocks), LogisticRegression())


@pytest.mark.slow
def test_the_interval_covers_one_half_for_every_feature_set():
    covered, plain = [], []
    for seed in range(50):
        comparison = compare_feature_sets(model(TEXTURE), *patients(seed), cv=3, random_state=seed)
        covered.append([0.5 in auc for auc in comparison.formatted()["auc"]])
        plain.append(
            [0.5 in roc_auc_ci(own["y"], own["score"]) for _, own in comparison.predictions.groupby("features")]
        )
    assert np.sum(covered, axis=0).min() >= 46
    # What the correction is for: DeLong's own interval takes the scores for fixed.
    assert np.mean(plain) < 0.9


def test_selection_outside_the_folds_is_found_out():
    covered = []
    for seed in range(10):
        X, y = patients(seed)
        many = pd.DataFrame(np.random.default_rng(seed + 100).normal(size=(len(y), 465))).add_prefix("t")
        chosen = list(SelectKBest(k=5).fit(many, y).get_feature_names_out())
        X = X.drop(columns=TEXTURE).join(many)
        comparison = compare_feature_sets(model(chosen), X, y, cv=3, feature_sets=["T"], random_state=seed)
        covered.append(0.5 in comparison.formatted()["auc"].iloc[0])
    assert np.mean(covered) <= 0.2
