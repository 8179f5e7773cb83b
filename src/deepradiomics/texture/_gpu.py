"""The loops of `_cpu` as array operations of torch, for many regions at once on any device.

Everything that is counted is counted in whole numbers, so the result does not depend on the order in which a device
adds. Levels (n, H, W) are padded with zeros, which keep rows and regions apart when they are read as one long line.
"""

import math

import numpy as np
import torch


def discretize(images, masks, edges, device):
    """Number the bin of each pixel in its mask from 1, as `_cpu.discretize`, and sort the grey values of each region.

    Lists of (H, W) arrays and of edges in; int32 levels (n, H, W), 0 outside, and values (n, H * W) that rise, filled
    up with infinity, out.
    """
    shape = np.max([mask.shape for mask in masks], axis=0)
    values = np.full((len(images), *shape), np.inf)
    for own, image, mask in zip(values, images, masks, strict=True):
        own[: mask.shape[0], : mask.shape[1]][mask] = image[mask]
    limits = np.full((len(edges), max(len(own) for own in edges)), np.inf)
    for row, own in zip(limits, edges, strict=True):
        row[: len(own)] = own
    table = torch.as_tensor(values, device=device).flatten(1)
    most = torch.tensor([[len(own) - 1] for own in edges], device=device)
    levels = torch.searchsorted(torch.as_tensor(limits, device=device), table, right=True)
    levels = torch.where(torch.isfinite(table), torch.minimum(levels.clamp(min=1), most), 0)
    return levels.to(torch.int32).reshape(len(images), *values.shape[1:]), torch.sort(table, dim=1).values


def glcm(levels, pad, heights, widths, n_levels, offsets, symmetric):
    """Count pairs (level, level at the offset), both ways if symmetric: (n, n_offsets, L, L)."""
    here = _inner(levels, pad)
    counts = [_count(here * (n_levels + 1) + _shifted(levels, pad, step), (n_levels + 1) ** 2) for step in offsets]
    counts = torch.stack(counts, dim=1).reshape(len(levels), len(offsets), n_levels + 1, n_levels + 1)
    counts = counts[:, :, 1:, 1:].double()
    return counts + counts.transpose(2, 3) if symmetric else counts


def pair_sums(counts):
    """Sum matrices of pairs (n, d, L, L), as `_cpu.pair_sums`: arrays of numpy."""
    size, n_pairs = counts.shape[-1], counts.sum(dim=(2, 3))
    p = counts / torch.where(n_pairs > 0, n_pairs, 1.0)[:, :, None, None]
    px, py = p.sum(dim=3), p.sum(dim=2)
    levels = torch.arange(1.0, size + 1, dtype=p.dtype, device=p.device)
    from_x, from_y = levels - (px @ levels)[..., None], levels - (py @ levels)[..., None]
    covariance = ((p @ from_y[..., None])[..., 0] * from_x).sum(dim=-1)
    signed = _antidiagonal_sums(p.flip(-1))
    difference = signed[..., size - 1 :].clone()
    difference[..., 1:] += signed[..., : size - 1].flip(-1)
    roots = torch.sqrt(px)[..., :, None] * torch.sqrt(py)[..., None, :]
    scaled = torch.where(roots > 0, 1 / roots, 0.0)
    entropy, energy = -(p * torch.log2(p + 2.0**-52)).sum(dim=(2, 3)), (p * p).sum(dim=(2, 3))
    guard, second = (p * torch.log1p(2.0**-52 * scaled * scaled)).sum(dim=(2, 3)), spectral_norm(p * scaled - roots)
    numbers = torch.stack(
        [n_pairs, covariance, entropy, energy, p.amax(dim=(2, 3)), guard / math.log(2), second], dim=2
    )
    return _on_the_host(px, py, _antidiagonal_sums(p), difference, numbers)


def spectral_norm(matrices):
    """Largest singular value of matrices a (..., L, L), by squaring a' a until nothing but the largest is left.

    An eigenvalue solver runs one matrix after another beyond 32 levels on a GPU, and refuses more than 65,535. After
    k squarings an eigenvalue smaller by the share s weighs exp(-2^k s) beside the largest, so the result is too small
    by s exp(-2^k s) / 2 at most: by 4e-11 for the worst s, that of two eigenvalues that differ by 2^-32.
    """
    gram = power = matrices.transpose(-2, -1) @ matrices
    for _ in range(32):
        trace = power.diagonal(dim1=-2, dim2=-1).sum(dim=-1)[..., None, None]
        power = power / torch.where(trace > 0, trace, 1.0)
        power = power @ power
    trace = power.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return torch.sqrt((gram * power).sum(dim=(-2, -1)) / torch.where(trace > 0, trace, 1.0))


def size_sums(counts, sizes):
    """Sum tables (n, L, S) of level by size, as `_cpu.size_sums`: arrays of numpy."""
    sizes, totals = torch.as_tensor(sizes, device=counts.device), counts.sum(dim=(1, 2))
    p = counts / torch.where(totals > 0, totals, 1.0)[:, None, None]
    square = (sizes * sizes)[:, None, :]
    by_level = torch.stack([p.sum(dim=2), (p / square).sum(dim=2), (p * square).sum(dim=2)], dim=1)
    entropy = -(p * torch.log2(p + 2.0**-52)).sum(dim=(1, 2))
    return _on_the_host(sizes, p.sum(dim=1), by_level, torch.stack([totals, entropy], dim=1))


def _on_the_host(*tensors):
    return [np.ascontiguousarray(own.cpu().numpy()) for own in tensors]


def _antidiagonal_sums(p):
    """Sum over i + j = k: (n, d, L, L) -> (n, d, 2L - 1), by shifting each row one further to the right."""
    n, directions, size, _ = p.shape
    wide = torch.zeros((n, directions, size, 2 * size), dtype=p.dtype, device=p.device)
    wide[..., :size] = p
    skewed = wide.reshape(n, directions, -1)[..., : size * (2 * size - 1)]
    return skewed.reshape(n, directions, size, 2 * size - 1).sum(dim=2)


def glrlm(levels, pad, heights, widths, n_levels, directions, lone):
    """Count runs: (n, n_directions, L, longest run); lines of one pixel alone make a direction with ``lone`` only."""
    runs = [_runs(_lines(levels, *step)) for step in directions.tolist()]
    longest = max(1, *(int(lengths.max()) if len(lengths) else 1 for _, _, lengths in runs))
    counts = torch.zeros((len(levels), len(directions), n_levels * longest), dtype=torch.float64, device=levels.device)
    for k, (step, (region, level, lengths)) in enumerate(zip(directions.tolist(), runs, strict=True)):
        cell = (region * n_levels + level - 1) * longest + lengths - 1
        own = torch.bincount(cell, minlength=len(levels) * n_levels * longest).reshape(len(levels), -1)
        made = torch.ones_like(own[:, :1], dtype=torch.bool)
        if not lone:
            made = ((_lines(levels, *step) > 0).sum(dim=2).amax(dim=1) > 1)[:, None]
        counts[:, k] = torch.where(made, own, 0)
    return counts.reshape(len(levels), len(directions), n_levels, longest)


def glszm(levels, pad, heights, widths, n_levels):
    """Count zones by level and by the sizes that occur: counts (n, L, S), sizes (n, S)."""
    n, flat = len(levels), levels.flatten()
    roots = _components(levels)
    sizes = torch.bincount(roots[flat > 0], minlength=flat.numel())
    zones = torch.nonzero(sizes)[:, 0]
    region, level, size = zones // levels[0].numel(), flat[zones].long(), sizes[zones]
    # Sizes that occur, region by region in rising order; each one's column is its rank among those of its region.
    stride = levels[0].numel() + 1
    occurring, which = torch.unique(region * stride + size, return_inverse=True)
    first = torch.searchsorted(occurring, torch.arange(n + 1, device=levels.device) * stride)
    n_sizes = max(1, int(torch.diff(first).max()))
    rank = torch.arange(len(occurring), device=levels.device) - first[occurring // stride]
    table = torch.ones((n, n_sizes), dtype=torch.float64, device=levels.device)
    table[occurring // stride, rank] = (occurring % stride).double()
    cell = (region * n_levels + level - 1) * n_sizes + rank[which]
    counts = torch.bincount(cell, minlength=n * n_levels * n_sizes).reshape(n, n_levels, n_sizes)
    return counts.double(), table


def gldm(levels, pad, heights, widths, n_levels, offsets, largest_difference):
    """Count pixels by level and number of neighbours of about equal level: (n, L, 1 + n_offsets)."""
    here, dependent = _inner(levels, pad), 0
    for step in offsets:
        other = _shifted(levels, pad, step)
        dependent = dependent + ((other > 0) & ((other - here).abs() <= largest_difference))
    columns = 1 + len(offsets)
    counts = _count(here * columns + dependent, (n_levels + 1) * columns)
    return counts.reshape(len(levels), n_levels + 1, columns)[:, 1:].double()


def ngtdm(levels, pad, heights, widths, n_levels, offsets, lone):
    """Pixels, and how far they are from the mean of their neighbours, by level: (n, L, 2).

    Pixels without neighbours differ from nothing; they are counted with ``lone`` only. The distance to the mean of k
    neighbours is a whole number over k, so the numerators are added by level and k, and divided after that.
    """
    here, total, known = _inner(levels, pad), 0, 0
    for step in offsets:
        other = _shifted(levels, pad, step)
        total, known = total + other, known + (other > 0)
    columns = 1 + len(offsets)
    cell, shape = here * columns + known, (len(levels), n_levels + 1, columns)
    pixels = _count(cell, (n_levels + 1) * columns).reshape(shape)[:, 1:]
    numerators = _count(cell, (n_levels + 1) * columns, (here * known - total).abs()).reshape(shape)[:, 1:]
    divisors = torch.arange(columns, device=levels.device, dtype=torch.float64).clamp(min=1)
    differences = (numerators[..., 1:] / divisors[1:]).sum(dim=2)
    return torch.stack([pixels[..., 0 if lone else 1 :].sum(dim=2).double(), differences], dim=2)


def statistics_of_sorted(table, counts):
    """Measure rows of values that rise, filled up with infinity: (n, 15), as `_cpu.statistics` of each region."""
    n = counts.double()
    inside = torch.arange(table.shape[1], device=table.device) < counts[:, None]
    known = torch.where(inside, table, 0.0)
    smallest, largest = table[:, 0], table.gather(1, counts[:, None] - 1)[:, 0]
    mean = torch.where(smallest == largest, smallest, known.sum(dim=1) / n)
    away = torch.where(inside, table - mean[:, None], 0.0)
    square = away * away
    moments = [(square * other).sum(dim=1) / n for other in (torch.ones_like(away), away, square)]
    percentiles = [_percentile(table, counts, percent) for percent in (10, 25, 50, 75, 90)]
    between = (table >= percentiles[0][:, None]) & (table <= percentiles[4][:, None])
    number = between.sum(dim=1).double()
    centre = torch.where(between, table, 0.0).sum(dim=1) / number
    robust = torch.where(between, (table - centre[:, None]).abs(), 0.0).sum(dim=1) / number
    deviation = away.abs().sum(dim=1) / n
    squares = (known * known).sum(dim=1)
    return torch.stack([n, smallest, largest, mean, squares, *moments, deviation, *percentiles, robust], dim=1)


def _percentile(table, counts, percent):
    """Linear interpolation between values that rise, as numpy.percentile does: its lerp is exact at both ends."""
    position = (counts - 1).double() * (percent / 100)
    below = position.floor().long()
    above = torch.minimum(below + 1, counts - 1)
    share = position - below
    low, high = (table.gather(1, place[:, None])[:, 0] for place in (below, above))
    return torch.where(share >= 0.5, high - (high - low) * (1 - share), low + (high - low) * share)


def _inner(levels, pad):
    """Levels without their border, as long integers (n, H, W)."""
    return levels[:, pad:-pad, pad:-pad].long()


def _shifted(levels, pad, step):
    """Level at an offset of each pixel (n, H, W)."""
    rows, columns = int(step[0]), int(step[1])
    height, width = levels.shape[1] - pad, levels.shape[2] - pad
    return levels[:, pad + rows : height + rows, pad + columns : width + columns].long()


def level_counts(levels, n_levels):
    """Pixels at each level: (n, L)."""
    return _count(levels.long(), n_levels + 1)[:, 1:]


def _count(cells, n_cells, weights=None):
    """How often each cell comes in each region, or the sum of its weights: (n, n_cells)."""
    n = len(cells)
    first = torch.arange(n, device=cells.device).reshape(n, *[1] * (cells.ndim - 1)) * n_cells
    weights = None if weights is None else weights.flatten().double()
    return torch.bincount((cells + first).flatten(), weights=weights, minlength=n * n_cells).reshape(n, n_cells)


def _lines(levels, rows, columns):
    """Levels with the lines along a direction as rows: (n, n_lines, length)."""
    if rows == 0:
        return levels
    if columns == 0:
        return levels.transpose(1, 2)
    # Row r is moved r to the right, so that a falling diagonal, mirrored, or a rising one stands upright.
    levels = levels.flip(2) if columns > 0 else levels
    n, height, width = levels.shape
    wide = torch.nn.functional.pad(levels, (0, height))
    skewed = wide.flatten(1)[:, : height * (width + height - 1)].reshape(n, height, width + height - 1)
    return skewed.transpose(1, 2)


def _runs(lines):
    """Region, level and length of each run along the rows of (n, n_lines, length); zeros end every row."""
    flat = lines.reshape(-1)
    change = torch.ones(len(flat) + 1, dtype=torch.bool, device=flat.device)
    change[1:-1] = flat[1:] != flat[:-1]
    ends = torch.nonzero(change)[:, 0]
    start, lengths = ends[:-1], torch.diff(ends)
    kept = flat[start] > 0
    start = start[kept]
    return start // lines[0].numel(), flat[start].long(), lengths[kept]


def _components(levels):
    """Smallest flat index of each pixel's zone (8-connected pixels of equal level), int64 (n * H * W,).

    Rounds of two steps, until nothing changes: the roots of two touching pixels are tied, the larger to the smaller;
    each pixel then follows its parents to the root.
    """
    flat, width = levels.flatten(), levels.shape[2]
    parent = torch.arange(flat.numel(), device=levels.device)
    ties = [_touching(flat, step) for step in (1, width - 1, width, width + 1)]
    here, there = (torch.cat(part) for part in zip(*ties, strict=True))
    while True:
        a, b = parent[here], parent[there]
        apart = a != b
        here, there, a, b = here[apart], there[apart], a[apart], b[apart]
        if not len(here):
            return parent
        parent.scatter_reduce_(0, torch.maximum(a, b), torch.minimum(a, b), "amin")
        while not torch.equal(parent, grand := parent[parent]):
            parent = grand


def _touching(flat, step):
    """Flat indices of pixels and of their neighbours a step on, where both have the same level."""
    here = torch.nonzero((flat[:-step] == flat[step:]) & (flat[step:] > 0))[:, 0]
    return here, here + step
