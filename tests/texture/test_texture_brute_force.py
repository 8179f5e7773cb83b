"""Texture matrices against loops that anyone can read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.texture import _cpu, matrices
from deepradiomics.texture._discretization import bin_edges, discretize

LEVELS = hnp.arrays(
    np.int64, hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=8), elements=st.integers(0, 4)
)


def neighbours(levels, r, c, distances=(1,)):
    """Levels of the neighbours inside the region."""
    for dr in range(-3, 4):
        for dc in range(-3, 4):
            i, k = r + dr, c + dc
            inside = 0 <= i < levels.shape[0] and 0 <= k < levels.shape[1]
            if max(abs(dr), abs(dc)) in distances and inside and levels[i, k] > 0:
                yield levels[i, k]


@settings(max_examples=60, deadline=None)
@given(LEVELS, st.sampled_from([(1,), (2,), (1, 2)]))
def test_glcm_counts_each_pair_both_ways(levels, distances):
    wanted = np.zeros((4, 4))
    for r, c in np.argwhere(levels > 0):
        for other in neighbours(levels, r, c, distances):
            wanted[levels[r, c] - 1, other - 1] += 1
    found = matrices.glcm(levels, 4, distances=distances)[0]
    assert len(found) == sum(4 * distance for distance in distances)
    assert np.array_equal(found.sum(axis=0), wanted)


def lines(levels):
    """All lines along rows, columns and both diagonals, by direction."""
    h, w = levels.shape
    yield list(levels)
    yield list(levels.T)
    yield [np.diagonal(levels, k) for k in range(-h + 1, w)]
    yield [np.diagonal(levels[:, ::-1], k) for k in range(-h + 1, w)]


@settings(max_examples=60, deadline=None)
@given(LEVELS)
def test_glrlm_counts_runs(levels):
    found = matrices.glrlm(levels, 4)[0]
    for direction, all_lines in enumerate(lines(levels)):
        wanted = np.zeros((4, 8))
        for line in all_lines:
            start = 0
            for k in range(1, len(line) + 1):
                if k == len(line) or line[k] != line[start]:
                    if line[start] > 0:
                        wanted[line[start] - 1, k - start - 1] += 1
                    start = k
        if max((line > 0).sum() for line in all_lines) < 2:
            wanted[:] = 0
        assert np.array_equal(found[direction], wanted[:, : found.shape[2]])
        assert not wanted[:, found.shape[2] :].any()


@settings(max_examples=60, deadline=None)
@given(LEVELS)
def test_glszm_counts_zones(levels):
    left, wanted = {tuple(place) for place in np.argwhere(levels > 0)}, {}
    while left:
        seed = left.pop()
        zone, front = {seed}, [seed]
        while front:
            r, c = front.pop()
            near = {(r + i, c + k) for i in (-1, 0, 1) for k in (-1, 0, 1)} & left
            near = {place for place in near if levels[place] == levels[seed]}
            left -= near
            zone |= near
            front += near
        key = (levels[seed], len(zone))
        wanted[key] = wanted.get(key, 0) + 1
    counts, sizes = matrices.glszm(levels, 4)
    found = {(level + 1, sizes[0, k]): counts[0, level, k] for level, k in np.argwhere(counts[0] > 0)}
    assert found == wanted


@settings(max_examples=60, deadline=None)
@given(LEVELS, st.integers(0, 2), st.sampled_from([(1,), (1, 2)]))
def test_gldm_counts_dependent_neighbours(levels, largest, distances):
    found = matrices.gldm(levels, 4, distances=distances, largest_difference=largest)[0]
    wanted = np.zeros_like(found)
    for r, c in np.argwhere(levels > 0):
        close = sum(abs(other - levels[r, c]) <= largest for other in neighbours(levels, r, c, distances))
        wanted[levels[r, c] - 1, close] += 1
    assert np.array_equal(found, wanted)


@settings(max_examples=60, deadline=None)
@given(LEVELS)
def test_ngtdm_sums_differences_to_the_mean_of_the_neighbours(levels):
    wanted = np.zeros((4, 2))
    for r, c in np.argwhere(levels > 0):
        near = list(neighbours(levels, r, c))
        wanted[levels[r, c] - 1] += (1, abs(levels[r, c] - np.mean(near)) if near else 0)
    np.testing.assert_allclose(matrices.ngtdm(levels, 4)[0], wanted, atol=1e-12)


def test_a_padded_batch_equals_its_regions_one_by_one():
    rng = np.random.default_rng(0)
    regions = [rng.integers(0, 6, shape) for shape in ((1, 9), (7, 7), (9, 2), (3, 8))]
    batch = np.zeros((4, 9, 9), dtype=int)
    for row, region in enumerate(regions):
        batch[row, : region.shape[0], : region.shape[1]] = region
    shapes = [region.shape for region in regions]
    for count in (matrices.glcm, matrices.glrlm, matrices.gldm, matrices.ngtdm):
        together = count(batch, 5, shapes=shapes)
        for row, region in enumerate(regions):
            alone = count(region, 5)[0]
            assert np.array_equal(together[row][..., : alone.shape[-1]], alone)


@pytest.mark.parametrize("levels", [np.array([[1.0, 2.0]]), np.array([1, 2]), np.array([[1, 9]]), np.array([[-1, 2]])])
@pytest.mark.parametrize("count", [matrices.glcm, matrices.glrlm, matrices.glszm, matrices.gldm, matrices.ngtdm])
def test_what_are_no_levels_is_said(levels, count):
    with pytest.raises(InputError, match=r"levels (are whole numbers|reach from)"):
        count(levels, 4)


@settings(deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.integers(1, 300),
        elements=st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6, allow_subnormal=False)),
    ),
)
def test_statistics_of_values_in_any_order(values):
    percentiles, found = np.percentile(values, [10, 25, 50, 75, 90]), _cpu.statistics(values)
    assert found[:3].tolist() == [values.size, values.min(), values.max()]
    assert np.array_equal(found[9:14], percentiles)
    inner = values[(values >= percentiles[0]) & (values <= percentiles[4])]
    robust = np.abs(inner - inner.mean()).mean() if inner.size else np.nan
    np.testing.assert_allclose(found[14], robust, rtol=1e-9, atol=1e-9 * np.abs(values).max())


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-99, 99)), st.integers(1, 12))
def test_levels_are_those_of_numpy(values, bin_count):
    try:
        edges = bin_edges(values.min(), values.max(), bin_count=bin_count)
    except RegionError:
        return
    levels, largest = discretize(values[None], np.ones((1, values.size), dtype=bool), bin_count=bin_count)
    assert np.array_equal(levels[0], np.digitize(values, edges))
    assert largest == levels.max()


@pytest.mark.parametrize("order", [np.sort, lambda values: np.sort(values)[::-1], lambda values: values])
def test_no_order_of_the_pixels_makes_percentiles_slow(order):
    """A million pixels: were the time to grow with the square, this would not end."""
    values = order(np.random.default_rng(0).normal(size=1_000_000))
    assert np.array_equal(_cpu.statistics(values)[9:14], np.percentile(values, [10, 25, 50, 75, 90]))


def test_percentiles_of_the_widest_range():
    values = np.random.default_rng(0).choice([-1.7e308, -1.0, 0.0, 1.0, 1.7e308], 1000)
    with np.errstate(over="ignore", invalid="ignore"):
        assert np.array_equal(_cpu.statistics(values)[9:14], np.percentile(values, [10, 25, 50, 75, 90]))


def test_no_region_gives_no_matrix():
    for count in (matrices.glcm, matrices.gldm, matrices.ngtdm):
        assert count(np.zeros((0, 5, 5), dtype=int), 4).shape[:1] == (0,)


@settings(deadline=None)
@given(st.integers(1, 500), st.floats(-1e9, 1e9), st.floats(0, 1e9), st.sampled_from([np.float32, np.float64]))
def test_edges_are_those_of_numpy(bin_count, low, span, kind):
    ends = np.array([low, low + span], dtype=kind)
    try:
        wanted = np.histogram_bin_edges(ends, bin_count)
    except ValueError:
        with pytest.raises(RegionError, match="too near each other"):
            bin_edges(*ends, bin_count=bin_count)
        return
    wanted[-1] += 1
    found = bin_edges(*ends, bin_count=bin_count)
    assert found.dtype == wanted.dtype
    assert np.array_equal(found, wanted)


def test_edges_of_plain_numbers_are_exact():
    assert bin_edges(0.1, 0.3, bin_count=4).dtype == np.float64
    assert bin_edges(1, 3, bin_count=4).dtype == np.float64
