"""Contributions add up to the answer, and find what matters."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from deepradiomics.comparison import contributions, feature_importance
from deepradiomics.exceptions import InputError

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(200, 4)), columns=["age", "weight", "entropy", "contrast"])
Y = (X["age"] + 2 * X["entropy"] + 0.3 * RNG.normal(size=200) > 0).to_numpy().astype(int)
BLOCKS = ColumnTransformer(
    [("clinical", StandardScaler(), ["age", "weight"]), ("texture", StandardScaler(), ["entropy", "contrast"])]
)


def test_contributions_of_trees_add_up_to_the_margin():
    classifier = XGBClassifier(n_estimators=20, max_depth=3, random_state=0).fit(X, Y)
    total = contributions(classifier, X).sum(axis=1)
    constant = classifier.predict(X, output_margin=True) - total
    np.testing.assert_allclose(constant, constant.mean(), atol=1e-4)


def test_contributions_of_a_line_add_up_to_the_margin():
    classifier = LogisticRegression().fit(X, Y)
    total = contributions(classifier, X).sum(axis=1)
    margin = classifier.decision_function(X)
    np.testing.assert_allclose(total, margin - margin.mean(), atol=1e-9)


@pytest.mark.parametrize("classifier", [LogisticRegression(), XGBClassifier(n_estimators=30, random_state=0)])
def test_what_matters_comes_first(classifier):
    table = feature_importance(make_pipeline(BLOCKS, classifier).fit(X, Y), X)
    assert table["feature"].tolist()[:2] == ["texture__entropy", "clinical__age"]
    by_block = table.drop_duplicates("block").set_index("block")["block_importance"]
    assert by_block["texture"] > by_block["clinical"] > 0


def test_other_classifiers_are_refused():
    with pytest.raises(InputError, match="GaussianNB has no contributions"):
        contributions(GaussianNB().fit(X, Y), X)
