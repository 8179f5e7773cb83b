"""What run lengths, zone sizes and dependences have in common: features of a table of grey level by size."""

from typing import NamedTuple

from array_api_compat import array_namespace, device

from deepradiomics.texture._levels import kernels


def size_features(counts, sizes):
    """Measure tables of gray level by size: {neutral name, which each matrix replaces by its own: array (...)}.

    counts : float (..., L, S). sizes : float (..., S). The IBSI reference manual defines the same sums three times,
    under codes TP0I, 9SAK and REK0.
    """
    xp = array_namespace(counts)
    total = counts.sum(axis=(-2, -1))
    total = xp.where(total == 0, 1.0, total)
    i = xp.arange(1.0, counts.shape[-2] + 1, dtype=counts.dtype, device=device(counts))
    large = sizes**2
    small = 1 / large
    sums = _SizeSums(*kernels(counts).size_sums(counts, total, small, large))
    by_size, by_level = sums.by_size, sums.by_level
    mean_level, mean_size = by_level @ i, (by_size * sizes).sum(axis=-1)
    return {
        "small": (by_size * small).sum(axis=-1),
        "large": (by_size * large).sum(axis=-1),
        "low_gray": by_level @ i**-2,
        "high_gray": by_level @ i**2,
        "small_low_gray": sums.level_small @ i**-2,
        "small_high_gray": sums.level_small @ i**2,
        "large_low_gray": sums.level_large @ i**-2,
        "large_high_gray": sums.level_large @ i**2,
        "gray_nonuniformity": total * (by_level**2).sum(axis=-1),
        "gray_nonuniformity_normalized": (by_level**2).sum(axis=-1),
        "size_nonuniformity": total * (by_size**2).sum(axis=-1),
        "size_nonuniformity_normalized": (by_size**2).sum(axis=-1),
        "percentage": 1 / xp.where(mean_size == 0, xp.nan, mean_size),
        "gray_variance": (by_level * (i - mean_level[..., None]) ** 2).sum(axis=-1),
        "size_variance": (by_size * (sizes - mean_size[..., None]) ** 2).sum(axis=-1),
        "entropy": sums.entropy,
    }


class _SizeSums(NamedTuple):
    """What the features of tables p of grey level by size are made of."""

    by_size: object  # p summed over levels (..., S)
    by_level: object  # p summed over sizes (..., L)
    level_small: object  # p over the square of the size, summed over sizes (..., L)
    level_large: object  # p times the square of the size, summed over sizes (..., L)
    entropy: object  # of p, in bit
