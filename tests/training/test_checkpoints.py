"""A training that was interrupted at any epoch ends as one that was not, to the bit."""

import numpy as np
import pandas as pd
import pytest
import torch

from deepradiomics import DeepExtractor
from deepradiomics.exceptions import InputError
from deepradiomics.training import Batches, Schedule, fit_network, seeded
from deepradiomics.training._checkpoints import Checkpoint, read_training, save_training


class PowerCut(Exception):
    """Stands for a power cut."""


@pytest.fixture
def cut(monkeypatch):
    """Cut the power after so many states were kept."""

    def after(n_epochs):
        keep, kept = Checkpoint.keep, []

        def keep_and_stop(self, history):
            keep(self, history)
            kept.append(len(history))
            if len(kept) == n_epochs:
                raise PowerCut

        monkeypatch.setattr(Checkpoint, "keep", keep_and_stop)
        return kept

    yield after
    monkeypatch.undo()


def train(path=None, *, epochs=6, patience=None):
    """Train a small network with everything random: order, dropout, noise; and batch statistics."""
    rng = np.random.default_rng(0)
    x = torch.as_tensor(rng.normal(size=(40, 5)), dtype=torch.float32)
    y = (x[:, :1] > 0).float()

    def load(rows, generator):
        return (x[rows] + 0.1 * torch.randn(len(rows), 5, generator=generator),), y[rows]

    def validate(network):
        return {"validation_loss": float(torch.nn.functional.binary_cross_entropy_with_logits(network(x), y))}

    with seeded(3):
        layers = torch.nn.Linear(5, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.4)
        network = torch.nn.Sequential(*layers, torch.nn.Linear(8, 1))
        history = fit_network(
            network,
            Batches(load, np.arange(40), 16, seed=5, classes=y[:, 0].int().numpy()),
            torch.nn.BCEWithLogitsLoss(),
            Schedule(epochs, learning_rate=0.02, patience=patience, accumulate=2, checkpoint=path),
            validate=validate if patience else None,
        )
    return network, history


@pytest.mark.parametrize("epoch", [1, 3, 5])
@pytest.mark.parametrize("patience", [None, 2])
def test_the_network_is_the_same_to_the_bit(tmp_path, cut, monkeypatch, epoch, patience):
    whole, history = train(patience=patience)
    if len(history) <= epoch:
        pytest.skip("it had stopped before")
    path = tmp_path / "state.safetensors"
    cut(epoch)
    with pytest.raises(PowerCut):
        train(path, patience=patience)
    monkeypatch.undo()
    resumed, found = train(path, patience=patience)
    pd.testing.assert_frame_equal(history, found, check_exact=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    # A finished one is not trained again.
    again, found = train(path, patience=patience)
    pd.testing.assert_frame_equal(history, found, check_exact=True)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]


def test_what_is_no_state_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    path.write_bytes(b"nothing of that kind")
    with pytest.raises(InputError, match=r"state\.safetensors is no state") as caught:
        train(path)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("epoch", [1, 4, 6])
def test_cross_fitting_goes_on_in_the_middle(tmp_path, cut, monkeypatch, epoch):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"hip": pd.Series(list(rng.normal(size=(12, 64, 64))), dtype=object), "age": rng.normal(size=12)})
    y = np.arange(12) % 2
    settings = {"n_features": 8, "image_size": 64, "epochs": 2, "frozen_epochs": 1, "cv": 2, "clinical": ["age"]}
    whole = DeepExtractor(**settings, random_state=0)
    expected = whole.fit_transform(X, y)
    network = DeepExtractor(**settings, random_state=0, checkpoint=tmp_path)
    cut(epoch)
    with pytest.raises(PowerCut):
        network.fit_transform(X, y)
    monkeypatch.undo()
    kept = []
    monkeypatch.setattr(Checkpoint, "keep", _counted(Checkpoint.keep, kept))
    assert np.array_equal(network.fit_transform(X, y), expected)
    assert len(kept) == 6 - epoch
    assert np.array_equal(network.cross_fitted_proba_, whole.cross_fitted_proba_)
    # Other images, labels or settings start anew.
    kept.clear()
    network.fit(X.assign(hip=X["hip"].to_list()[::-1]), y)
    network.set_params(dropout=0.1).fit(X, y)
    assert len(kept) == 4


def _counted(keep, kept):
    def keep_and_count(self, history):
        keep(self, history)
        kept.append(len(history))

    return keep_and_count


def test_a_training_goes_on_on_another_kind_of_device(tmp_path, cut, monkeypatch):
    """Its file then holds states of generators that this device does not have: 16 bytes are CUDA's."""
    path = tmp_path / "state.safetensors"
    cut(3)
    with pytest.raises(PowerCut):
        train(path)
    monkeypatch.undo()
    tensors, numbers = read_training(path)
    tensors["random"]["cuda"] = tensors["batches"]["generator"] = torch.zeros(16, dtype=torch.uint8)
    numbers["scaler"] = {"scale": 65536.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2000}
    save_training(path, tensors, numbers)
    kept, (network, history) = numbers["history"], train(path)
    assert history.iloc[:3].to_dict("records") == kept
    assert len(history) == 6
    assert all(value.isfinite().all() for value in network.state_dict().values())
