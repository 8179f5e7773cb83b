"""Gray levels as the kernels take them: checked, padded with zeros, with the offsets of neighbours."""

from functools import lru_cache
from importlib import import_module
from typing import NamedTuple

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_torch_array

from deepradiomics.exceptions import InputError

# Directions (row, column) of runs; a run is the same read from either end.
RUN_DIRECTIONS = np.array([(0, 1), (1, 0), (1, 1), (1, -1)])


class Padded(NamedTuple):
    """Levels with zeros round them: int32 (n_regions, H + 2 pad, W + 2 pad), of numpy or of torch."""

    levels: object
    pad: int
    heights: np.ndarray  # rows of each region
    widths: np.ndarray
    n_levels: int


def pad_levels(levels, n_levels, pad, shapes=None):
    """Check levels, int (n_regions, H, W) or (H, W), and put zeros round them."""
    levels = levels if is_array_api_obj(levels) else np.asarray(levels)
    xp = array_namespace(levels)
    levels = levels[None] if levels.ndim == 2 else levels
    if levels.ndim != 3 or not xp.isdtype(levels.dtype, "integral"):
        raise InputError(
            f"levels are whole numbers of shape (n_regions, H, W), not {levels.dtype} of shape {tuple(levels.shape)}; "
            "discretize the grey values first"
        )
    if levels.shape[0] and (levels.min() < 0 or levels.max() > n_levels):
        raise InputError(
            f"levels reach from {int(levels.min())} to {int(levels.max())}, 0 to {n_levels} is allowed; n_levels is "
            "the largest"
        )
    n, height, width = levels.shape
    shapes = np.tile((height, width), (n, 1)) if shapes is None else np.asarray(shapes, dtype=np.int64)
    # Contiguous however many regions there are: a kernel is compiled anew for each kind of array.
    heights, widths = shapes.T.copy()
    padded = xp.zeros((n, height + 2 * pad, width + 2 * pad), dtype=xp.int32, device=device(levels))
    padded[:, pad : pad + height, pad : pad + width] = levels
    return Padded(padded, pad, heights, widths, n_levels)


def kernels(array):
    """Return the module of loops for the device on which an array lies: ``_cpu`` or ``_gpu``."""
    return import_module("deepradiomics.texture._gpu" if is_torch_array(array) else "deepradiomics.texture._cpu")


def all_directions(distances):
    """Offsets (row, column) of all neighbours at some distances; the second half is the first negated, in reverse."""
    return _directions(frozenset(map(int, distances)))


@lru_cache(maxsize=16)
def _directions(distances):
    steps = range(max(distances), -max(distances) - 1, -1)
    return np.array([(r, c) for r in steps for c in steps if max(abs(r), abs(c)) in distances])


def pair_directions(distances):
    """Offsets at which pairs are counted; at distance 1 down right, down, down left and right."""
    offsets = all_directions(distances)
    return offsets[: len(offsets) // 2]
