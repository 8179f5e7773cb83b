"""The loops of `_cpu` as array operations of torch, for many regions at once on any device.

Everything that is counted is counted in whole numbers, so the result does not depend on the order in which a device
adds. Levels (n, H, W) are padded with zeros, which keep rows and regions apart when they are read as one long line.
"""

import math

import numpy as np
import torch

# Rounds of the search for zones from one look at whether it is over to the next.
_ROUNDS = 4
# Divides what is 0 where all is 0, and leaves it so.
_SMALLEST = 1e-300


def discretize(images, masks, edges, pad, device):
    """Number the bin of each pixel in its mask from 1, as `_cpu.discretize`, and sort the grey values of each region.

    Lists of (H, W) arrays and of edges in; int32 levels (n, H + 2 pad, W + 2 pad), 0 outside, and values (n, ...) that
    rise, filled up with infinity, out.
    """
    shape = np.max([mask.shape for mask in masks], axis=0) + 2 * pad
    # All goes in one copy: grey values, infinite outside the masks, and behind them the edges, filled up alike.
    sent = np.full((len(images), shape.prod() + max(map(len, edges))), np.inf)
    values = sent[:, : shape.prod()].reshape(-1, *shape)
    for own, row, image, mask, limits in zip(values, sent, images, masks, edges, strict=True):
        np.copyto(own[pad : pad + mask.shape[0], pad : pad + mask.shape[1]], image, where=mask)
        row[shape.prod() : shape.prod() + len(limits)] = limits
    sent = torch.as_tensor(sent, device=device)
    table, limits = (part.contiguous() for part in sent.tensor_split((int(shape.prod()),), dim=1))
    largest = (limits < math.inf).sum(dim=1, keepdim=True) - 1
    levels = torch.searchsorted(limits, table, right=True).clamp(min=1).minimum(largest) * (table < math.inf)
    return levels.to(torch.int32).reshape(values.shape), torch.sort(table, dim=1).values


def glcm(levels, pad, heights, widths, n_levels, offsets, symmetric):
    """Count pairs (level, level at the offset), both ways if symmetric: (n, n_offsets, L, L)."""
    cells = _inner(levels, pad)[:, None] * (n_levels + 1) + _shifted(levels, pad, offsets)
    counts = _count(cells.flatten(0, 1), (n_levels + 1) ** 2)
    counts = counts.reshape(len(levels), len(offsets), n_levels + 1, n_levels + 1)[:, :, 1:, 1:].double()
    return counts + counts.transpose(2, 3) if symmetric else counts


def pair_sums(counts):
    """Sum matrices of pairs (n, d, L, L), as `_cpu.pair_sums`."""
    size, n_pairs = counts.shape[-1], counts.sum(dim=(2, 3))
    p = counts / n_pairs.clamp(min=_SMALLEST)[:, :, None, None]
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
    return px, py, _antidiagonal_sums(p), difference, numbers


def spectral_norm(matrices):
    """Largest singular value of matrices a (..., L, L), by squaring a' a until nothing but the largest is left.

    An eigenvalue solver runs one matrix after another beyond 32 levels on a GPU, and refuses more than 65,535. After
    k squarings an eigenvalue smaller by the share s weighs exp(-2^k s) beside the largest, so the result is too small
    by s exp(-2^k s) / 2 at most: by 4e-11 for the worst s, that of two eigenvalues that differ by 2^-32.
    """
    gram = power = matrices.transpose(-2, -1) @ matrices
    for squarings in range(32):
        # The largest eigenvalue is 1 / L at least then, and stays far from the smallest number in four squarings.
        if squarings % 4 == 0:
            trace = power.diagonal(dim1=-2, dim2=-1).sum(dim=-1)[..., None, None]
            power = power / trace.clamp(min=_SMALLEST)
        power = power @ power
    trace = power.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return torch.sqrt((gram * power).sum(dim=(-2, -1)) / trace.clamp(min=_SMALLEST))


def size_sums(counts, sizes):
    """Sum tables (n, L, S) of level by size, as `_cpu.size_sums`."""
    sizes, totals = torch.as_tensor(sizes, device=counts.device), counts.sum(dim=(1, 2))
    p = counts / totals.clamp(min=_SMALLEST)[:, None, None]
    square = (sizes * sizes)[:, None, :]
    by_level = torch.stack([p.sum(dim=2), (p / square).sum(dim=2), (p * square).sum(dim=2)], dim=1)
    entropy = -(p * torch.log2(p + 2.0**-52)).sum(dim=(1, 2))
    return sizes, p.sum(dim=1), by_level, torch.stack([totals, entropy], dim=1)


def on_the_host(tensors):
    """Bring tensors to the host as float64 arrays of numpy, in one copy: the device is waited for once."""
    flat = torch.cat([own.flatten().double() for own in tensors]).cpu().numpy()
    parts = np.split(flat, np.cumsum([own.numel() for own in tensors])[:-1])
    return [part.reshape(own.shape) for part, own in zip(parts, tensors, strict=True)]


def _antidiagonal_sums(p):
    """Sum over i + j = k: (n, d, L, L) -> (n, d, 2L - 1), by shifting each row one further to the right."""
    n, directions, size, _ = p.shape
    wide = torch.zeros((n, directions, size, 2 * size), dtype=p.dtype, device=p.device)
    wide[..., :size] = p
    skewed = wide.reshape(n, directions, -1)[..., : size * (2 * size - 1)]
    return skewed.reshape(n, directions, size, 2 * size - 1).sum(dim=2)


def glrlm(levels, pad, heights, widths, n_levels, directions, lone):
    """Count runs: (n, n_directions, L, longest run that the regions have room for).

    Lines of one pixel alone make a direction with ``lone`` only.
    """
    lines, longest = [_lines(levels, *step) for step in directions.tolist()], int(max(heights.max(), widths.max()))
    flat = torch.cat([own.flatten(1) for own in lines], dim=1)
    begins = torch.ones((len(flat), flat.shape[1] + 1), dtype=torch.bool, device=flat.device)
    torch.ne(flat[:, 1:], flat[:, :-1], out=begins[:, 1:-1])
    # A run is counted where it ends, the length from where it began; zeros stand between lines and end all runs.
    place = torch.arange(flat.shape[1], device=flat.device)
    length = place - _begin(begins[:, :-1], place)
    direction = torch.cat([place.new_full((own[0].numel(),), k) for k, own in enumerate(lines)])
    cells = (direction * n_levels + flat - 1) * longest + length
    n_cells = len(directions) * n_levels * longest
    counts = _count(torch.where(begins[:, 1:] & (flat > 0), cells, n_cells), n_cells + 1)[:, :-1]
    counts = counts.reshape(len(levels), len(directions), n_levels, longest).double()
    if lone:
        return counts
    made = torch.stack([(own > 0).sum(dim=2).amax(dim=1) > 1 for own in lines], dim=1)
    return counts * made[:, :, None, None]


def _begin(begins, place):
    """Place at which what each pixel belongs to begins, of lines (n, length) that begin anew where ``begins``."""
    return torch.cummax(torch.where(begins, place, 0), dim=1).values


def glszm(levels, pad, heights, widths, n_levels):
    """Count zones by level and by the sizes that occur: counts (n, L, S), sizes (n, S); S is what there is room for."""
    flat = levels.flatten(1)
    (n, n_places), counted = flat.shape, flat > 0
    # At the first pixel of a zone its size, else 0.
    size = flat.new_zeros(flat.shape, dtype=torch.long).scatter_add_(1, _components(levels, pad), counted.long())
    # Different sizes that add up to k pixels are fewer than the root of 2 k; each one's column is its rank.
    n_sizes = math.isqrt(2 * int(heights.max() * widths.max())) + 1
    occurs = size.new_zeros((n, n_places + 1)).scatter_(1, size, 1)
    occurs[:, 0] = 0
    rank = occurs.cumsum(dim=1) - 1
    cells = torch.where(size > 0, (flat - 1) * n_sizes + rank.gather(1, size), n_levels * n_sizes)
    counts = _count(cells, n_levels * n_sizes + 1)[:, :-1].reshape(n, n_levels, n_sizes).double()
    table = torch.ones((n, n_sizes + 1), dtype=torch.float64, device=levels.device)
    sizes = torch.arange(n_places + 1, dtype=torch.float64, device=levels.device).expand(n, -1)
    return counts, table.scatter_(1, torch.where(occurs > 0, rank, n_sizes), sizes)[:, :-1]


def gldm(levels, pad, heights, widths, n_levels, offsets, largest_difference):
    """Count pixels by level and number of neighbours of about equal level: (n, L, 1 + n_offsets)."""
    here, others, columns = _inner(levels, pad), _shifted(levels, pad, offsets), 1 + len(offsets)
    dependent = ((others > 0) & ((others - here[:, None]).abs() <= largest_difference)).sum(dim=1)
    counts = _count(here * columns + dependent, (n_levels + 1) * columns)
    return counts.reshape(len(levels), n_levels + 1, columns)[:, 1:].double()


def ngtdm(levels, pad, heights, widths, n_levels, offsets, lone):
    """Pixels, and how far they are from the mean of their neighbours, by level: (n, L, 2).

    Pixels without neighbours differ from nothing; they are counted with ``lone`` only. The distance to the mean of k
    neighbours is a whole number over k, so the numerators are added by level and k, and divided after that.
    """
    here, others, columns = _inner(levels, pad), _shifted(levels, pad, offsets), 1 + len(offsets)
    total, known = others.sum(dim=1), (others > 0).sum(dim=1)
    cell, shape = here * columns + known, (len(levels), n_levels + 1, columns)
    pixels = _count(cell, (n_levels + 1) * columns).reshape(shape)[:, 1:]
    numerators = _count(cell, (n_levels + 1) * columns, (here * known - total).abs()).reshape(shape)[:, 1:]
    divisors = torch.arange(1.0, columns, device=levels.device, dtype=torch.float64)
    differences = (numerators[..., 1:] / divisors).sum(dim=2)
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
    percentiles = _percentiles(table, counts, (10, 25, 50, 75, 90))
    between = (table >= percentiles[:, :1]) & (table <= percentiles[:, 4:])
    number = between.sum(dim=1).double()
    centre = torch.where(between, table, 0.0).sum(dim=1) / number
    robust = torch.where(between, (table - centre[:, None]).abs(), 0.0).sum(dim=1) / number
    deviation = away.abs().sum(dim=1) / n
    squares = (known * known).sum(dim=1)
    return torch.stack([n, smallest, largest, mean, squares, *moments, deviation, *percentiles.T, robust], dim=1)


def _percentiles(table, counts, percents):
    """Linear interpolation between values that rise, as numpy.percentile does: its lerp is exact at both ends."""
    last = counts[:, None] - 1
    position = torch.cat([last.double() * (percent / 100) for percent in percents], dim=1)
    below = position.long()
    share, low, high = position - below, table.gather(1, below), table.gather(1, torch.minimum(below + 1, last))
    return torch.where(share >= 0.5, high - (high - low) * (1 - share), low + (high - low) * share)


def _inner(levels, pad):
    """Levels without their border, as long integers (n, H, W)."""
    return levels[:, pad:-pad, pad:-pad].long()


def _shifted(levels, pad, offsets):
    """What lies at each offset of each pixel (n, n_offsets, H, W)."""
    height, width = levels.shape[1] - pad, levels.shape[2] - pad
    return torch.stack([levels[:, pad + r : height + r, pad + c : width + c] for r, c in offsets.tolist()], dim=1)


def level_counts(levels, n_levels):
    """Pixels at each level: (n, L)."""
    return _count(levels.long(), n_levels + 1)[:, 1:]


def _count(cells, n_cells, weights=None):
    """How often each cell comes in each region, or the sum of its whole weights: int64 (n, n_cells).

    Not bincount, which looks at its input on the host, and may not weigh where torch is held to what is deterministic.
    """
    counts, cells = cells.new_zeros((len(cells), n_cells)), cells.flatten(1)
    weights = cells.new_ones(()).expand_as(cells) if weights is None else weights.flatten(1)
    return counts.scatter_add_(1, cells, weights)


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


def _components(levels, pad):
    """Place of the first pixel of each pixel's zone, 8-connected pixels of equal level: int64 (n, H * W).

    FastSV (Zhang Y, Azad A, Hu Z. FastSV: a distributed-memory connected component algorithm with fast convergence.
    SIAM PP 2020): each pixel looks at the parents' parents of those that it touches; the smallest becomes its parent
    and that of its parent. It begins with runs along rows. Whether anything changes is asked once in some rounds.
    """
    n, height, width = levels.shape
    steps = np.array([(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if r or c])
    inner = levels[:, pad - 1 : height - pad + 1, pad - 1 : width - pad + 1]
    here = inner[:, 1:-1, 1:-1]
    touching = (_shifted(inner, 1, steps) == here[:, None]) & (here > 0)[:, None]
    place = torch.arange(height * width, device=levels.device)
    begins = torch.ones((n, height * width), dtype=torch.bool, device=levels.device)
    torch.ne(levels.flatten(1)[:, 1:], levels.flatten(1)[:, :-1], out=begins[:, 1:])
    parent = _begin(begins, place)
    while True:
        before = parent
        for _ in range(_ROUNDS):
            grand = parent.gather(1, parent)
            view = grand.reshape(n, height, width)[:, pad - 1 : height - pad + 1, pad - 1 : width - pad + 1]
            nearest = torch.where(touching, _shifted(view, 1, steps), height * width).amin(dim=1)
            nearest = torch.nn.functional.pad(nearest, (pad,) * 4, value=height * width).flatten(1).minimum(grand)
            parent = parent.scatter_reduce(1, parent, nearest, "amin").minimum(nearest)
        if torch.equal(parent, before):
            return parent
