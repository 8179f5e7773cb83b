"""Losses of metric learning against loops over rows, and the balanced draw against counts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepradiomics.training import Batches, supervised_contrastive, triplet


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def contrastive_by_loops(rows, codes, temperature):
    """Equation 2 of Khosla 2020, as printed."""
    rows, terms = unit(rows), []
    for i in range(len(rows)):
        others = [a for a in range(len(rows)) if a != i]
        positives = [p for p in others if codes[p] == codes[i]]
        if positives:
            bottom = sum(np.exp(rows[i] @ rows[a] / temperature) for a in others)
            terms.append(-np.mean([np.log(np.exp(rows[i] @ rows[p] / temperature) / bottom) for p in positives]))
    return np.mean(terms) if terms else 0.0


def triplet_by_loops(rows, codes, margin):
    """Equation 5 of Hermans 2017 with distances between unit vectors."""
    rows, terms = unit(rows), []
    for i in range(len(rows)):
        distances = [np.linalg.norm(rows[i] - row) for row in rows]
        same = [distances[j] for j in range(len(rows)) if codes[j] == codes[i] and j != i]
        other = [distances[j] for j in range(len(rows)) if codes[j] != codes[i]]
        if same and other:
            terms.append(max(0.0, margin + max(same) - min(other)))
    return np.mean(terms) if terms else 0.0


@pytest.mark.parametrize("codes", [[0, 1, 0, 1, 2, 0], [0, 0, 0], [0, 1, 2], [1, 1, 0]])
@pytest.mark.parametrize(
    ("loss", "twin", "setting"),
    [
        (supervised_contrastive, contrastive_by_loops, {"temperature": 0.2}),
        (triplet, triplet_by_loops, {"margin": 0.5}),
    ],
)
def test_losses_are_those_of_the_papers(loss, twin, setting, codes):
    rows = np.random.default_rng(len(codes)).normal(size=(len(codes), 4))
    found = loss(torch.as_tensor(rows), torch.as_tensor(codes), **setting)
    assert float(found) == pytest.approx(twin(rows, codes, *setting.values()), abs=1e-5)


@pytest.mark.parametrize("loss", [supervised_contrastive, triplet])
def test_gradients_are_finite_also_for_equal_rows(loss):
    rows = torch.ones(4, 3, requires_grad=True)
    loss(rows, torch.tensor([0, 1, 0, 1])).backward()
    assert torch.isfinite(rows.grad).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=2, max_size=40), st.integers(0, 5))
def test_a_balanced_draw_holds_each_class_equally_often(codes, seed):
    rows = np.arange(len(codes))
    batches = Batches(lambda some, _: ((), some), rows, 4, seed=seed, classes=np.array(codes))
    drawn = np.concatenate([target for _, target in batches])
    counts = np.unique(np.array(codes)[drawn], return_counts=True)[1]
    assert len(drawn) == len(codes)
    assert len(counts) == len(set(codes))
    assert counts.max() - counts.min() <= 1
    # No row comes twice more often than another of its class.
    for code in set(codes):
        times = [int((drawn == row).sum()) for row in rows if codes[row] == code]
        assert max(times) - min(times) <= 1
