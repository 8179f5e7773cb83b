"""Stacked fusion against scikit-learn's stacking, its common tests, and with patients."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedGroupKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr
from sklearn.utils.estimator_checks import parametrize_with_checks

from deepradiomics import compare_feature_sets
from deepradiomics.exceptions import InputError, LeakageError
from deepradiomics.fusion import StackedFusionClassifier

RNG = np.random.default_rng(0)
Y = np.arange(80) % 2
X = pd.DataFrame(RNG.normal(size=(80, 4)) + Y[:, None] * [1, 0, 0.5, 0], columns=["age", "weight", "glcm", "glrlm"])
GROUPS = np.arange(80) // 2
BLOCKS = [("clinical", StandardScaler(), ["age", "weight"]), ("texture", StandardScaler(), ["glcm", "glrlm"])]


# Two folds: a class of scikit-learn's small tables has fewer rows than the default five.
@parametrize_with_checks([StackedFusionClassifier(cv=2, random_state=0)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_it_is_scikit_learns_stacking_over_patient_wise_splits():
    cv = StratifiedGroupKFold(4)
    fused = StackedFusionClassifier(ColumnTransformer(BLOCKS), cv=cv).fit(X, Y, groups=GROUPS)
    own = [(name, make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))) for name, _, _ in BLOCKS]
    columns = [block[2] for block in BLOCKS]
    own = [
        (name, make_pipeline(ColumnTransformer([("x", pipe[0], column)]), pipe[1]))
        for (name, pipe), column in zip(own, columns, strict=True)
    ]
    expected = StackingClassifier(own, LogisticRegression(), cv=list(cv.split(X, Y, GROUPS))).fit(X, Y)
    np.testing.assert_allclose(fused.predict_proba(X), expected.predict_proba(X), atol=1e-12)


def test_a_number_of_folds_keeps_patients_together_and_other_splitters_are_checked():
    doubled = StackedFusionClassifier(random_state=0).fit(X, Y, groups=GROUPS)
    assert all(not set(GROUPS[train]) & set(GROUPS[test]) for train, test in doubled.stacking_.cv)
    with pytest.raises(LeakageError, match="both sides"):
        StackedFusionClassifier(cv=KFold(5, shuffle=True, random_state=0)).fit(X, Y, groups=GROUPS)


def test_it_stands_behind_shared_blocks_in_a_comparison():
    blocks = ColumnTransformer(BLOCKS).set_output(transform="pandas")
    model = make_pipeline(blocks, StackedFusionClassifier(["clinical", "texture"], random_state=0))
    table = compare_feature_sets(model, X, Y, groups=GROUPS, cv=3, random_state=0).table
    assert list(table.loc["internal"].index) == ["C", "T", "TC"]


def test_too_few_patients_of_a_class_are_refused_as_everywhere():
    few = np.arange(80) < 6
    for fit in (
        lambda: StackedFusionClassifier(random_state=0).fit(X, few, groups=GROUPS),
        lambda: compare_feature_sets(
            make_pipeline(ColumnTransformer(BLOCKS), LogisticRegression()), X, few, groups=GROUPS
        ),
    ):
        with pytest.raises(InputError, match=r"has 3 patient.* fewer than the 5 folds") as caught:
            fit()
        assert caught.value.code == "few_patients"


def test_no_column_of_any_block():
    with pytest.raises(InputError, match="no column of the blocks deep"):
        StackedFusionClassifier(["deep"]).fit(X, Y)


def test_the_diagram_shows_each_block_and_what_joins_them():
    page = estimator_html_repr(StackedFusionClassifier(["clinical", "texture"], final_classifier=GaussianNB()))
    # A box a block and a named one for what joins them: the list of parameters alone would name the blocks, too.
    assert page.count(">passthrough<") == 2
    assert "final_estimator" in page
