"""What the training loop does to the statistics of normalization layers."""

import pytest
import torch

from deepradiomics.training import Schedule, fit_network


def trained(n_seen, *, frozen=False):
    """Running mean of a layer that held 100, after three batches whose mean is 0."""
    layer = torch.nn.BatchNorm1d(1)
    layer.running_mean.fill_(100.0)
    layer.num_batches_tracked.fill_(n_seen)
    layer.requires_grad_(not frozen)
    network = torch.nn.Sequential(layer, torch.nn.Linear(1, 1))
    rows = torch.tensor([[-1.0], [1.0]])
    fit_network(network, [((rows,), rows)] * 3, torch.nn.MSELoss(), Schedule(epochs=1, learning_rate=1e-6))
    return layer.running_mean.item(), layer.momentum


def test_statistics_that_were_learned_move_on_and_new_ones_start_anew():
    mean, momentum = trained(5)
    assert mean == pytest.approx(100 * 0.9**3)
    assert momentum == 0.1
    mean, momentum = trained(0)
    assert mean == pytest.approx(0, abs=1e-5)
    assert momentum == 0.1


def test_a_frozen_layer_keeps_its_statistics():
    assert trained(5, frozen=True)[0] == 100
