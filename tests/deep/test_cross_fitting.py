"""Embeddings are cross-fitted: no patient is embedded by a network that saw it, and nothing leaks downstream."""

import numpy as np
import pytest
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from two_roughnesses import SMALL, make_views

from deepradiomics import DeepExtractor
from deepradiomics.exceptions import InputError, LeakageError
from deepradiomics.splits import cross_validation_splits, validation_split

LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))


def downstream_auc(embedding, y):
    score = cross_val_predict(LOGISTIC, embedding, y, cv=5, method="decision_function")
    return roc_auc_score(y, score)


def test_cross_fitted_embeddings_are_worth_what_the_fold_networks_are():
    X, y = make_views(100, seed=3, views=("left",))
    new, new_y = make_views(200, seed=4, views=("left",))
    extractor = DeepExtractor(**SMALL | {"epochs": 10})
    embedding = extractor.fit_transform(X, y)
    own = roc_auc_score(y, extractor.cross_fitted_proba_[:, 1])
    assert own > 0.8
    assert downstream_auc(embedding, y) == pytest.approx(own, abs=0.06)
    # The classifier meets the final network's embeddings of new patients: the coordinates must be the same.
    score = LOGISTIC.fit(embedding, y).decision_function(extractor.transform(new))
    assert roc_auc_score(new_y, score) > roc_auc_score(new_y, extractor.predict_proba(new)[:, 1]) - 0.05


def test_permuted_labels_leave_chance_where_in_sample_embeddings_would_not():
    X, y = make_views(100, seed=5, views=("left",))
    y = np.random.default_rng(0).permutation(y)
    extractor = DeepExtractor(**SMALL | {"epochs": 15}, augmentation=False)
    embedding = extractor.fit_transform(X, y)
    # 1.96 standard errors of an AUC of 0.5 with 50 and 50 patients (Hanley and McNeil 1982).
    margin = 1.96 * np.sqrt(101 / (12 * 50 * 50))
    assert abs(downstream_auc(embedding, y) - 0.5) < margin
    assert downstream_auc(extractor.transform(X), y) > 0.9


def test_held_out_labels_do_not_touch_their_own_fold():
    """Turning round the labels of one fold must leave that fold's network, so its probabilities, as they were."""
    X, y = make_views(24)
    train, test = np.arange(8, 24), np.arange(8)
    cv = [
        (train, test),
        (np.setdiff1d(np.arange(24), np.arange(8, 16)), np.arange(8, 16)),
        (np.arange(16), np.arange(16, 24)),
    ]
    turned = y.copy()
    turned[test] = 1 - turned[test]
    first, second = DeepExtractor(cv=cv, **SMALL), DeepExtractor(cv=cv, **SMALL)
    first.fit_transform(X, y)
    second.fit_transform(X, turned)
    np.testing.assert_array_equal(first.cross_fitted_proba_[test], second.cross_fitted_proba_[test])
    assert np.abs(first.cross_fitted_proba_[train] - second.cross_fitted_proba_[train]).max() > 1e-4


def test_fold_networks_see_no_held_out_image():
    X, y = make_views(24)
    changed = X.copy()
    changed["left"] = [*(cell[::-1] * 3 for cell in X["left"][:8]), *X["left"][8:]]
    cv = [(np.arange(8, 24), np.arange(8)), (np.arange(8), np.arange(8, 24))]
    first, second = DeepExtractor(cv=cv, **SMALL), DeepExtractor(cv=cv, **SMALL)
    first.fit_transform(X, y)
    second.fit_transform(changed, y)
    assert np.abs(first.cross_fitted_proba_[8:] - second.cross_fitted_proba_[8:]).max() > 1e-4
    # The first fold's network is the same, so the unchanged right hips alone cannot tell; swap its rows back.
    third = DeepExtractor(cv=[(np.arange(8, 24), np.arange(8))], **SMALL)
    with pytest.raises(InputError, match="tests each row once"):
        third.fit_transform(X, y)


def test_patients_stay_together_when_groups_are_given(hips):
    X, y = hips
    groups = np.repeat(np.arange(12), 2)
    y = np.repeat(np.arange(12) % 2, 2)
    extractor = DeepExtractor(cv=3, **SMALL | {"epochs": 1})
    assert extractor.fit_transform(X, y, groups=groups).shape == (24, 16)
    with pytest.raises(LeakageError, match="both sides"):
        DeepExtractor(cv=KFold(3, shuffle=True, random_state=0), **SMALL).fit_transform(X, y, groups=groups)


@pytest.mark.parametrize("cv", [StratifiedGroupKFold(3), GroupKFold(3), LeaveOneGroupOut()])
@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_group_splitter_without_groups_is_an_error(hips, cv, method):
    with pytest.raises(LeakageError) as caught:
        getattr(DeepExtractor(cv=cv, **SMALL), method)(*hips)
    assert caught.value.code == "groups_missing"


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (13, "has 12 patient.*fewer than the 13 folds"),
        (ShuffleSplit(3, random_state=0), "is tested . times"),
        (KFold(2), "lacks a class"),
    ],
)
def test_splits_that_cannot_work_say_so(cv, message):
    X, y = make_views(24)
    with pytest.raises(InputError, match=message):
        DeepExtractor(cv=cv, **SMALL).fit_transform(X, np.sort(y))


def test_groups_are_routed_through_pipeline_and_column_transformer(hips):
    X, y = hips[0].assign(age=np.arange(24.0)), np.repeat(np.arange(12) % 2, 2)
    groups = np.repeat(np.arange(12), 2)
    extractor = DeepExtractor(cv=StratifiedGroupKFold(2), **SMALL | {"epochs": 1})
    with sklearn.config_context(enable_metadata_routing=True):
        extractor.set_fit_request(groups=True)
        blocks = ColumnTransformer([("deep", extractor, ["left", "right"]), ("age", "passthrough", ["age"])])
        model = Pipeline([("blocks", blocks), ("classifier", LogisticRegression(max_iter=1000))])
        assert model.fit(X, y, groups=groups).predict(X).shape == (24,)
        routed = cross_val_predict(model, X, y, params={"groups": groups}, cv=StratifiedGroupKFold(2))
        assert routed.shape == (24,)
        with pytest.raises(LeakageError):
            model.fit(X, y)


def test_validation_part_takes_whole_patients(hips):
    groups = np.repeat(np.arange(8), 3)
    codes = np.repeat(np.arange(8) % 2, 3)
    train, validation = validation_split(np.arange(24), 0.25, y=codes, groups=groups, random_state=0)
    assert not np.intersect1d(groups[train], groups[validation]).size
    assert len(validation) == 6
    assert sorted([*train, *validation]) == list(range(24))


def test_same_folds_as_scikit_learn_would_make(hips):
    ours = cross_validation_splits(3, hips[1], random_state=7)
    theirs = StratifiedKFold(3, shuffle=True, random_state=7).split(hips[1], hips[1])
    for (train, test), (their_train, their_test) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)
