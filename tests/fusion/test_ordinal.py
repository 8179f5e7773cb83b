"""The classifier of ordered classes: against statsmodels, scikit-learn's ridge and a plain sum."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from statsmodels.miscmodels.ordinal_model import OrderedModel

import deepradiomics as dr
from deepradiomics.exceptions import InputError
from deepradiomics.fusion import OrdinalLogisticRegression

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 3))
SCORE = X @ [1.0, -0.5, 0.2] + RNG.logistic(size=240)
Y = np.digitize(SCORE, [-1.0, 0.5, 1.5])


def test_without_a_ridge_it_is_statsmodels():
    own, peer = OrdinalLogisticRegression(C=1e8).fit(X, Y), OrderedModel(Y, X, distr="logit")
    found = peer.fit(method="bfgs", disp=False, gtol=1e-8).params
    np.testing.assert_allclose(own.coef_, found[:3], atol=1e-3)
    np.testing.assert_allclose(own.cuts_, peer.transform_threshold_params(found)[1:-1], atol=1e-3)
    np.testing.assert_allclose(own.predict_proba(X), peer.predict(found), atol=1e-4)


@pytest.mark.parametrize("C", [0.01, 1.0])
def test_of_two_classes_it_is_scikit_learns_ridge(C):
    own, peer = OrdinalLogisticRegression(C).fit(X, Y > 1), LogisticRegression(C=C, tol=1e-8).fit(X, Y > 1)
    np.testing.assert_allclose([*own.coef_, -own.cuts_[0]], [*peer.coef_[0], *peer.intercept_], atol=1e-3)


def test_no_neighbor_of_the_found_ridge_is_better():
    own = OrdinalLogisticRegression(C=0.05).fit(X, Y)

    def loss(values):
        edges = [0.0, *expit(np.array(values[3:]) - (X @ values[:3])[:, None]).T, 1.0]
        chances = [np.broadcast_to(edges[k + 1] - edges[k], 240)[k == Y] for k in range(4)]
        return sum(value**2 for value in values[:3]) / 2 - 0.05 * np.log(np.concatenate(chances)).sum()

    best = np.array([*own.coef_, *own.cuts_])
    for step in np.vstack([np.eye(6), -np.eye(6)]) * 0.02:
        assert loss(best + step) > loss(best)


def test_the_order_of_a_categorical_is_kept(tmp_path):
    words = pd.Categorical(np.array(["severe", "mild", "none", "fine"])[3 - Y], ["fine", "none", "mild", "severe"])
    named = OrdinalLogisticRegression().fit(X, pd.Series(words.as_ordered()))
    assert named.classes_.tolist() == ["fine", "none", "mild", "severe"]
    plain = OrdinalLogisticRegression().fit(X, Y)
    np.testing.assert_array_equal(named.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(named.predict(X), named.classes_[plain.predict(X)])
    loaded = dr.load(dr.save(named, tmp_path / "model"))
    np.testing.assert_array_equal(loaded.predict(X), named.predict(X))


def test_it_stands_behind_blocks_and_one_class_is_refused():
    table = pd.DataFrame(X, columns=["age", "weight", "entropy"])
    grades = pd.Categorical.from_codes(np.minimum(Y, 2), ["normal", "osteopenia", "osteoporosis"], ordered=True)
    models = {"ordinal": OrdinalLogisticRegression(), "nominal": LogisticRegression()}
    found = dr.compare_models(models, table, grades, cv=2, random_state=0)
    assert found.table.loc[("internal", "ordinal"), "auc"] > 0.65
    with pytest.raises(InputError, match="y has one class"):
        OrdinalLogisticRegression().fit(X, np.zeros(240))


def test_ordinal_fit_does_not_depend_on_where_columns_lie_or_how_wide_they_are():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = (X @ [1.0, -0.5, 0.2] + rng.logistic(size=300) > 0).astype(int)
    far = X * [800, 1, 0.01] + [3000, 1000, -50]
    ours = OrdinalLogisticRegression(C=1e9).fit(far, y)
    theirs = LogisticRegression(C=1e9, max_iter=10000, tol=1e-10).fit(X, y)  # all but without a ridge
    np.testing.assert_allclose(ours.predict_proba(far), theirs.predict_proba(X), atol=2e-3)


def test_ordinal_takes_the_classes_of_cut_and_names_missing_ones():
    X = np.arange(30.0)[:, None]
    y = pd.Series(pd.cut(X[:, 0], [-1, 9, 19, 40]))
    assert list(OrdinalLogisticRegression().fit(X, y).classes_) == list(y.cat.categories)
    with pytest.raises(InputError, match="lacks 1 of 30 labels"):
        OrdinalLogisticRegression().fit(X, y.where(np.arange(30) != 3))
