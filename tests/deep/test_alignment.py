"""The rotation between two networks' embeddings: closed form, laws."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.stats import special_ortho_group

from deepradiomics.deep import align


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_a_rotation_and_a_shift_are_undone(n_features, seed):
    rng = np.random.default_rng(seed)
    reference = rng.normal(size=(30, n_features))
    rotation = special_ortho_group.rvs(n_features, random_state=seed)
    moved = reference @ rotation + rng.normal(size=n_features)
    np.testing.assert_allclose(align(moved, reference).apply(moved), reference, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_distances_are_kept(seed):
    rng = np.random.default_rng(seed)
    ours, theirs, new = rng.normal(size=(3, 20, 4))
    np.testing.assert_allclose(pdist(align(ours, theirs).apply(new)), pdist(new))


def test_no_small_rotation_does_better():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(2, 50, 3))
    best = align(ours, theirs)
    error = np.sum((best.apply(ours) - theirs) ** 2)
    for seed in range(50):
        skew = np.triu(np.random.default_rng(seed).normal(size=(3, 3)), 1) * 0.05
        turn = np.linalg.qr(np.eye(3) + skew - skew.T)[0]
        turn *= np.sign(np.diag(turn))
        other = (ours - best.source) @ best.rotation @ turn + best.target
        assert np.sum((other - theirs) ** 2) >= error - 1e-9
