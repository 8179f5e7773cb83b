"""What a network is given by mistake is named before it trains."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from two_roughnesses import SMALL, make_views

from deepradiomics import DeepExtractor, DeepRegressor
from deepradiomics.deep import grad_cam, plot_history, pretrain
from deepradiomics.exceptions import InputError

X, Y = make_views(16)


@pytest.fixture(scope="module")
def fitted():
    return DeepExtractor(shared_weights=False, **SMALL).fit(X, Y)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1, 2, 3], r"groups of shape \(3,\) for 16 rows"),
        (np.arange(32).reshape(16, 2), r"groups of shape \(16, 2\)"),
        ([None, *range(15)], "row 0 has no patient"),
        ([np.nan, *range(15)], "row 0 has no patient"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_groups(groups, message, method):
    with pytest.raises(InputError, match=message):
        getattr(DeepExtractor(**SMALL), method)(X, Y, groups=groups)


def test_a_map_is_of_the_column_that_it_names(fitted):
    for table in (X[:1][["right", "left"]], X[:1].rename(columns={"left": "foo"})):
        with pytest.raises(InputError, match="feature names should match"):
            grad_cam(fitted, table)
        with pytest.raises(InputError, match="feature names should match"):
            fitted.transform(table)


def test_a_map_of_a_value():
    network = DeepRegressor(**SMALL | {"n_features": 8, "epochs": 1}).fit(X[["left"]], np.linspace(0, 1, 16))
    assert grad_cam(network, X[["left"]][:1])[0]["left"].map.shape == (64, 64)
    with pytest.raises(InputError, match="no class 1"):
        grad_cam(network, X[["left"]][:1], label=1)


def test_many_patients_at_the_end_of_a_scale():
    values = np.array([1.0, 2.0, *[3.0] * 14])
    network = DeepRegressor(cv=2, **SMALL | {"epochs": 1})
    assert np.isfinite(network.fit_transform(X, values)).all()


def test_another_start_is_another_training(tmp_path):
    """The file of the start has the same name, and other weights."""
    start, states = tmp_path / "start.safetensors", tmp_path / "states"
    extractor = DeepExtractor(checkpoint=states, **SMALL | {"epochs": 1})
    found = []
    for seed in (0, 1):
        started = pretrain(X, clone(extractor).set_params(random_state=seed), start, epochs=1, batch_size=8)
        started.set_params(random_state=0)
        kept, free = clone(started).fit(X, Y), clone(started).set_params(checkpoint=None).fit(X, Y)
        assert np.array_equal(kept.transform(X), free.transform(X))
        found.append(kept.transform(X))
    assert not np.allclose(*found)


def test_files_columns_and_numbers(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="checkpoint file is a file"):
        DeepExtractor(checkpoint=tmp_path / "file", **SMALL).fit(X, Y)
    with pytest.raises(InputError, match="two columns 'left'"):
        DeepExtractor(**SMALL).fit(X.rename(columns={"right": "left"}), Y)
    with pytest.raises(InputError, match="tests each row once"):
        DeepExtractor(cv=[], **SMALL).fit_transform(X, Y)
    for options in ({"epochs": 0}, {"batch_size": 0}, {"temperature": 0}):
        with pytest.raises(InputError, match=next(iter(options))):
            pretrain(X, DeepExtractor(**SMALL), tmp_path / "start.safetensors", **options)


def test_a_start_leaves_clinical_columns_aside(tmp_path):
    extractor = DeepExtractor(clinical=["age"], **SMALL)
    pretrain(X.assign(age=70.0), extractor, tmp_path / "start.safetensors", epochs=1, batch_size=8)
    assert (tmp_path / "start.safetensors").is_file()


def test_a_history_with_holes_is_drawn():
    history = pd.DataFrame({"epoch": [1, 2], "loss": [0.7, 0.5], "validation_loss": [np.nan, np.nan]})
    assert len(plot_history(history).lines) == 2


def test_nothing_cross_fitted_is_left_of_an_earlier_call():
    network = DeepExtractor(cv=2, **SMALL | {"epochs": 1})
    network.fit_transform(X, Y)
    assert network.cross_fitted_proba_.shape == (16, 2)
    assert not hasattr(network.fit(X[:12], Y[:12]), "cross_fitted_proba_")
