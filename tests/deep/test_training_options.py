"""Clinical columns, stages, layer-wise rates, metric losses and regression: each does what it says."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import pearsonr
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from two_roughnesses import SMALL, make_views

from deepradiomics import DeepExtractor, DeepRegressor
from deepradiomics.deep import Architecture, grad_cam
from deepradiomics.deep._stages import learning_stages
from deepradiomics.exceptions import InputError
from deepradiomics.training import supervised_contrastive, triplet


@pytest.fixture(scope="module")
def aged():
    """Images that say nothing, and an age that says all."""
    X, _ = make_views(40, effect=0.0)
    y = np.arange(40) % 2
    return X.assign(age=np.where(y == 1, 80.0, 60.0) + np.arange(40) % 5, weight=[np.nan, 70.0] * 20), y


def test_clinical_columns_reach_the_probabilities_and_not_the_embedding(aged):
    X, y = aged
    network = DeepExtractor(clinical=["age", "weight"], **SMALL | {"epochs": 15, "learning_rate": 0.01}).fit(X, y)
    assert network.score(X, y) > 0.8
    older = X.assign(age=X["age"] + 20)
    assert np.array_equal(network.transform(X), network.transform(older))
    assert (network.predict_proba(older)[:, 1] > network.predict_proba(X)[:, 1]).all()
    assert network.get_feature_names_out()[-1] == "right__deep_007"
    assert network.n_features_in_ == 4
    assert list(network.feature_names_in_) == list(X)


def test_an_unknown_clinical_number_counts_as_the_mean_of_the_training_rows(aged):
    X, y = aged
    network = DeepExtractor(clinical=["age"], **SMALL).fit(X[["left", "age"]], y)
    unknown, mean = X[["left"]].assign(age=np.nan), X[["left"]].assign(age=X["age"].mean())
    assert np.allclose(network.predict_proba(unknown), network.predict_proba(mean), atol=1e-6)
    assert network.network_.covariates.mean.item() == pytest.approx(X["age"].mean(), rel=1e-6)
    assert network.network_.covariates.deviation.item() == pytest.approx(X["age"].std(ddof=0), rel=1e-6)


def test_clinical_scales_come_from_the_training_rows_of_a_fold_alone(aged):
    X, y = aged
    odd = X.assign(age=X["age"].where(np.arange(40) != 7, 1e6))
    network = DeepExtractor(clinical=["age"], cv=[(np.r_[0:20], np.r_[20:40]), (np.r_[20:40], np.r_[0:20])], **SMALL)
    plain, changed = clone(network), clone(network)
    plain.fit_transform(X[["left", "age"]], y)
    changed.fit_transform(odd[["left", "age"]], y)
    # Rows 0 to 19 were scored by the network of rows 20 to 39, which never saw the odd age.
    assert np.array_equal(plain.cross_fitted_proba_[:7], changed.cross_fitted_proba_[:7])
    assert not np.array_equal(plain.cross_fitted_proba_[20:], changed.cross_fitted_proba_[20:])


def test_a_map_takes_clinical_columns_along(aged):
    X, y = aged
    network = DeepExtractor(clinical=["age"], **SMALL).fit(X[["left", "right", "age"]], y)
    assert sorted(grad_cam(network, X[["left", "right", "age"]][:1])[0]) == ["left", "right"]


@pytest.mark.parametrize(
    ("column", "cells", "message"),
    [("sex", ["F", "M"] * 20, "the clinical column 'sex' does not hold numbers"), ("bmi", None, "no column 'bmi'")],
)
def test_clinical_columns_that_cannot_work_say_so(aged, column, cells, message):
    X, y = aged
    X = X[["left"]] if cells is None else X[["left"]].assign(**{column: cells})
    with pytest.raises(InputError, match=message):
        DeepExtractor(clinical=[column], **SMALL).fit(X, y)


def test_while_the_backbone_is_frozen_only_what_lies_behind_it_moves(hips):
    X, y = hips
    few = SMALL | {"epochs": 2, "augmentation": False}
    start = Architecture("resnet18", n_views=2, n_outputs=2, n_features=16, image_size=64).build()
    groups = learning_stages(start, 3, frozen_epochs=2)[0][1]
    head = {id(value) for value in groups[0]["params"]}
    assert len(groups) == 1
    named = [name for name, value in start.named_parameters() if id(value) in head]
    assert named == ["branches.0.projection.weight", "branches.0.projection.bias", "head.weight", "head.bias"]
    frozen = DeepExtractor(frozen_epochs=1, **few).fit(X, y)
    assert frozen.history_["epoch"].tolist() == [1, 2]
    with pytest.raises(InputError, match="frozen_epochs=2"):
        DeepExtractor(frozen_epochs=2, **few).fit(X, y)


@pytest.mark.parametrize("backbone", ["tiulpin", "resnet18", "vgg16", "densenet121", "legacy_xception"])
def test_every_parameter_learns_once_and_the_first_layer_slowest(backbone):
    network = Architecture(backbone, n_views=1, n_outputs=2, n_features=16, image_size=96).build()
    groups = learning_stages(network, 1, layer_decay=0.5)[0][1]
    rates = {id(value): group["lr"] for group in groups for value in group["params"]}
    named = dict(network.named_parameters())
    assert sorted(rates) == sorted(map(id, named.values()))
    assert sum(len(group["params"]) for group in groups) == len(named)
    branch = [name for name in named if name.startswith("branches.0") and "projection" not in name]
    behind = [name for name in branch if backbone == "tiulpin" and name.startswith("branches.0.1")]
    own = [rates[id(named[name])] for name in branch if name not in behind]
    assert own[0] == min(own) < max(own) == own[-1] == 0.5
    assert rates[id(network.head.weight)] == 1


def test_gradients_of_several_batches_make_the_step_of_one(hips):
    X, y = hips
    # Without batch statistics and dropout, two batches of twelve are one of 24.
    plain = SMALL | {
        "epochs": 3,
        "augmentation": False,
        "dropout": 0.0,
        "backbone": "convnext_atto",
        "class_weight": None,
    }
    whole = DeepExtractor(batch_size=24, **plain).fit(X, y).transform(X)
    parts = DeepExtractor(batch_size=12, accumulate=2, **plain).fit(X, y).transform(X)
    single = DeepExtractor(batch_size=12, **plain).fit(X, y).transform(X)
    assert np.abs(whole - parts).max() < 0.1 * np.abs(whole - single).max()


@pytest.mark.parametrize(("name", "loss"), [("contrastive", supervised_contrastive), ("triplet", triplet)])
def test_a_metric_loss_brings_a_class_together(name, loss):
    X, y = make_views(60, effect=0.8)
    settings = SMALL | {"epochs": 8, "batch_size": 20}

    def apart(**options):
        rows = DeepExtractor(**settings, **options).fit(X, y).transform(X)
        return float(loss(torch.as_tensor(rows), torch.as_tensor(y)))

    assert apart(metric_loss=name) < 0.9 * apart()


def test_balanced_sampling_stands_for_balanced_weights():
    # One image for all: there is nothing to learn but how many there are of each class.
    X = make_views(2)[0].iloc[np.zeros(60, dtype=int)].reset_index(drop=True)
    y = (np.arange(60) % 10 == 0).astype(int)
    settings = SMALL | {"epochs": 10, "learning_rate": 5e-3, "augmentation": False}
    plain = DeepExtractor(class_weight=None, **settings).fit(X, y).predict_proba(X)[0, 1]
    drawn = DeepExtractor(balanced_sampling=True, **settings).fit(X, y).predict_proba(X)[0, 1]
    assert abs(plain - 0.1) < 0.1 < 0.4 < drawn < 0.6


@pytest.fixture(scope="module")
def graded():
    """Images whose grain grows with a value of mean -1.5."""
    rng = np.random.default_rng(3)
    values = rng.uniform(-4, 1, size=90)
    images = [rng.normal(size=(64, 64)) * np.exp(0.5 * value) + 3 * np.sin(np.arange(64) / 3) for value in values]
    return pd.DataFrame({"hip": pd.Series(images, dtype=object)}), values


def test_a_value_is_learned(graded):
    X, values = graded
    network = DeepRegressor(**SMALL | {"epochs": 15, "learning_rate": 5e-3}, validation_fraction=0.2, patience=15)
    network.fit(X[:60], values[:60])
    assert pearsonr(network.predict(X[60:]), values[60:])[0] > 0.9
    assert network.score(X[60:], values[60:]) > 0.7
    assert network.history_["validation_mae"].iloc[-1] < np.abs(values - values.mean()).mean() / 2
    assert network.predict(pd.DataFrame({"hip": [None]})).tolist() == [network.mean_]


def test_values_and_embeddings_are_cross_fitted(graded):
    X, values = graded
    network = DeepRegressor(cv=3, **SMALL)
    rows = network.fit_transform(X, values)
    assert rows.shape == (90, 16)
    shuffled = np.random.default_rng(0).permutation(values)
    network.fit_transform(X, shuffled)
    assert abs(pearsonr(network.cross_fitted_prediction_, shuffled)[0]) < 0.35


def test_another_unit_gives_the_same_network(graded):
    X, values = graded
    first, second = (DeepRegressor(**SMALL).fit(X, given) for given in (values, 128 * values))
    # 128: no value is rounded, which would make another network.
    assert np.allclose(128 * first.predict(X), second.predict(X), rtol=1e-6)


def test_it_stands_where_scikit_learn_expects_a_regressor(graded):
    X, values = graded
    scores = cross_val_score(DeepRegressor(**SMALL), X, values, cv=3, scoring="neg_mean_absolute_error")
    assert (scores > -4).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(90), "do not differ"),
        (np.full(90, np.nan), "the value of row 0 is no finite number"),
        (np.zeros(7), "y has shape"),
        (None, "give values y"),
    ],
)
def test_values_that_cannot_be_learned_say_so(graded, values, message):
    with pytest.raises(InputError, match=message):
        DeepRegressor(**SMALL).fit(graded[0], values)


def test_an_infinite_clinical_number_is_named(aged):
    X, y = aged
    X = X[["left", "age"]].assign(age=X["age"].where(np.arange(40) != 3, np.inf))
    with pytest.raises(InputError, match="row 3, column 'age'"):
        DeepExtractor(clinical=["age"], **SMALL).fit(X, y)


def test_the_network_takes_no_clinical_numbers_unless_asked():
    network = Architecture("tiulpin", n_views=1, n_outputs=2, n_features=128).build()
    assert network.covariates is None
    assert network(torch.rand(2, 1, 1, 64, 64), torch.ones(2, 1, dtype=torch.bool)).shape == (2, 2)
