"""ComBat against neuroCombat, scikit-learn's checks, and what it must and must not do."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from deepradiomics.exceptions import InputError
from deepradiomics.harmonization import ComBat


@parametrize_with_checks([ComBat(), ComBat(parametric=False)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Rows 0, 4, 5, 11 of neuroCombat(dat=X.T, covars={"site", "age"}, batch_col="site", continuous_cols=["age"]) of the
# Python package neuroCombat 0.2.12, to five digits.
NEUROCOMBAT = {
    True: [
        [4.5311, 8.14649, 10.85598, 13.2034],
        [2.13561, 5.85211, 10.66601, 14.12511],
        [3.42224, 6.92319, 10.22317, 14.19311],
        [3.15252, 6.63609, 10.27171, 15.13636],
    ],
    False: [
        [5.37641, 7.61159, 9.061, 11.45595],
        [2.58469, 5.14398, 8.57157, 12.74743],
        [3.14597, 7.02471, 11.04947, 15.0217],
        [2.91818, 6.78749, 11.04347, 15.94719],
    ],
}


@pytest.mark.parametrize("parametric", [True, False])
def test_neurocombat(parametric):
    i, site = np.arange(12), np.repeat(["A", "B"], [5, 7])
    age = 60 + 10 * np.sin(3 * i)
    b = site == "B"
    X = np.column_stack([np.sin(k * i + k) * (1 + b) + k * b + 0.05 * k * age for k in (1, 2, 3, 4)])
    combat = ComBat(parametric=parametric).fit(X, site=site, covariates=age[:, None])
    adjusted = combat.transform(X, site=site, covariates=age[:, None])
    np.testing.assert_allclose(adjusted[[0, 4, 5, 11]], NEUROCOMBAT[parametric], atol=2e-5)


def cohort(n=200, seed=0):
    rng = np.random.default_rng(seed)
    site, age = rng.choice(["A", "B", "C"], n), rng.normal(size=(n, 1))
    bias, scale = ({"A": 0, "B": 3, "C": -2}, {"A": 1, "B": 2, "C": 0.5})
    noise = rng.normal(size=(n, 8)) * np.array([scale[s] for s in site])[:, None]
    return noise + np.array([bias[s] for s in site])[:, None] + age * np.arange(8), site, age


@pytest.mark.parametrize("parametric", [True, False])
def test_the_site_goes_and_the_covariate_stays(parametric):
    X, site, age = cohort()
    new, new_site, new_age = cohort(seed=1)
    combat = ComBat(parametric=parametric).fit(X, site=site, covariates=age)
    out = combat.transform(new, site=new_site, covariates=new_age)
    rest = out - new_age * np.arange(8)
    before = new - new_age * np.arange(8)
    assert np.ptp([before[new_site == s].mean() for s in "ABC"]) > 4
    assert np.ptp([rest[new_site == s].mean() for s in "ABC"]) < 0.5
    spreads = [rest[new_site == s].std(axis=0).mean() for s in "ABC"]
    assert max(spreads) / min(spreads) < 1.4
    slopes = np.linalg.lstsq(np.column_stack([np.ones(200), new_age]), out, rcond=None)[0][1]
    np.testing.assert_allclose(slopes, np.arange(8), atol=0.35)


def test_one_site_is_left_alone():
    X, _, _ = cohort()
    np.testing.assert_allclose(ComBat().fit(X).transform(X), X)


def test_the_target_is_not_used():
    X, site, _ = cohort()
    a, b = (ComBat().fit(X, y, site=site).transform(X, site=site) for y in (np.zeros(200), np.arange(200) % 2))
    np.testing.assert_array_equal(a, b)


def test_rows_do_not_depend_on_each_other():
    X, site, _ = cohort()
    combat = ComBat().fit(X, site=site)
    np.testing.assert_allclose(combat.transform(X[:5], site=site[:5]), combat.transform(X, site=site)[:5])


def test_a_constant_feature_stays_and_a_single_row_keeps_its_variance():
    X, site, _ = cohort()
    X[:, 3] = 7
    site[0] = "Z"
    combat = ComBat().fit(X, site=site)
    out = combat.transform(X, site=site)
    assert (out[:, 3] == 7).all()
    assert np.isfinite(out).all()
    assert (combat.scale_[list(combat.sites_).index("Z")] == 1).all()


def test_an_unseen_site():
    X, site, _ = cohort()
    combat = ComBat(unseen="pooled").fit(X, site=site)
    np.testing.assert_allclose(combat.transform(X[:2], site=["new", "A"])[0], X[0])
    with pytest.raises(InputError, match="first in row 1"):
        ComBat().fit(X, site=site).transform(X[:2], site=["A", "new"])


def test_site_is_routed_through_a_pipeline():
    X, site, _ = cohort()
    y = np.arange(200) % 2
    with config_context(enable_metadata_routing=True):
        combat = ComBat().set_fit_request(site=True).set_transform_request(site=True)
        model = make_pipeline(combat, LogisticRegression(max_iter=1000)).fit(X, y, site=site)
    expected = ComBat().fit(X, site=site)
    np.testing.assert_array_equal(model[0].location_, expected.location_)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"site": ["A"]}, "one site a row"),
        ({"covariates": np.ones((200, 1))}, "say what the sites say"),
        ({"covariates": np.ones(5)}, "one row a row"),
    ],
)
def test_refusals(options, message):
    X, site, _ = cohort()
    with pytest.raises(InputError, match=message):
        ComBat().fit(X, **({"site": site} | options))


def test_forgotten_covariates_are_missed():
    X, site, age = cohort()
    with pytest.raises(InputError, match="0 covariates, and fit had 1"):
        ComBat().fit(X, site=site, covariates=age).transform(X, site=site)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"site": ["A", None, "B", "B"]}, "row 1 has no site"),
        ({"covariates": [["F"], ["M"], ["F"], ["F"]]}, "holds words"),
    ],
)
def test_words_and_gaps_are_named(options, message):
    with pytest.raises(InputError, match=message):
        ComBat().fit(np.arange(8.0).reshape(4, 2), **options)


@pytest.mark.parametrize(
    "covariates",
    [
        pd.DataFrame({"age": np.arange(20.0), "sex": ["F", "M"] * 10}),
        pd.DataFrame({"day": pd.date_range("2020-01-01", periods=20)}),
        pd.DataFrame({"age": pd.array([pd.NA, *range(19)], dtype="Int64")}),
        pd.DataFrame({"age": pd.Series(["60", None] * 10, dtype=object)}),
    ],
)
def test_covariates_that_are_no_numbers_are_named(covariates):
    X, site = np.random.default_rng(0).normal(size=(20, 3)), np.repeat(["A", "B"], 10)
    with pytest.raises(InputError, match=f"covariate {covariates.columns[-1]!r} holds words, dates or empty cells"):
        ComBat().fit(X, site=site, covariates=covariates)


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA, "", " "])
def test_a_row_without_a_site_is_named(gap):
    X = np.random.default_rng(0).normal(size=(4, 3))
    with pytest.raises(InputError, match="row 2 has no site"):
        ComBat().fit(X, site=pd.Series(["A", "B", gap, "B"], dtype=object))
    with pytest.raises(InputError, match="site holds int and str"):
        ComBat().fit(X, site=pd.Series(["A", 1, "A", "B"], dtype=object))
