"""From grey values to grey levels: 1 to n inside the region, 0 outside."""

import numpy as np

from deepradiomics.exceptions import InputError, RegionError

# pyradiomics' bin width where neither a width nor a count is given.
DEFAULT_BIN_WIDTH = 25.0


def bin_edges(smallest, largest, *, bin_count=None, bin_width=None, from_minimum=False):
    """Edges of the bins of a region whose grey values reach from ``smallest`` to ``largest``: rising floats.

    A value on an edge belongs to the bin above it, the largest value to the last bin. Bins of fixed width start at the
    multiple of the width below the smallest value, as in pyradiomics 3.0.1, or, ``from_minimum``, at that value, as the
    IBSI has it. Fixed bin number: IBSI code K15C; fixed bin size: Q3RU.
    """
    if bin_count is not None and bin_width is not None:
        raise InputError("give a bin count or a bin width, not both")
    if bin_count is not None:
        # As numpy.histogram_bin_edges: a flat region lies in the middle of its bins, edges have the values' precision.
        low, high = (smallest - 0.5, largest + 0.5) if smallest == largest else (smallest, largest)
        kind = np.result_type(np.asarray(low), np.asarray(high), np.float16).type
        low, high = kind(low), kind(high)
        edges = np.arange(bin_count + 1, dtype=kind) * ((high - low) / kind(bin_count)) + low
        edges[-1] = high
        if not (edges[1:] > edges[:-1]).all():
            raise RegionError(
                f"grey values from {smallest} to {largest} lie too near each other for {bin_count} bins in their "
                "precision; use fewer bins, or subtract their mean first",
                code="too_many_bins",
            )
        edges[-1] += 1
        return edges
    width = DEFAULT_BIN_WIDTH if bin_width is None else float(bin_width)
    first = smallest if from_minimum else smallest - smallest % width
    edges = np.arange(first, largest + 2 * width, width)
    return edges if len(edges) > 1 else np.array([edges[0] - 0.5, edges[0] + 0.5])


def discretize(pixels, mask, *, bin_count=None, bin_width=None, from_minimum=False):
    """Sort the grey values of a region into bins.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Grey values, finite inside the mask.
    mask : bool array of shape (H, W)
        The region, with at least one pixel.
    bin_count : int, default=None
        Number of bins of equal width over the region's range.
    bin_width : float, default=None
        Width of a bin; None is 25 where there is no bin_count.
    from_minimum : bool, default=False
        Whether bins of fixed width start at the smallest grey value and not at a multiple of the width.

    Returns
    -------
    levels : int32 array of shape (H, W)
        1 to n_levels inside the mask, 0 outside.
    n_levels : int
        The largest level; some below it may be absent.

    Raises
    ------
    InputError
        If both a count and a width are given.

    References
    ----------
    IBSI reference manual, code 4R0B; edges as in pyradiomics 3.0.1.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture import discretize
    >>> mask = np.array([[True, True], [True, False]])
    >>> levels, n_levels = discretize(np.array([[3.0, 4.0], [7.0, 9.0]]), mask, bin_count=4)
    >>> levels.tolist(), n_levels
    ([[1, 2], [4, 0]], 4)
    """
    from deepradiomics.texture import _cpu

    # Edges are cut in the precision of the image, as numpy does for pyradiomics: ITK's filters return 32 bits.
    mask = np.ascontiguousarray(mask, dtype=bool)
    values = np.asarray(pixels)[mask]
    values = values if values.dtype.kind == "f" else values.astype(np.float64)
    edges = bin_edges(values.min(), values.max(), bin_count=bin_count, bin_width=bin_width, from_minimum=from_minimum)
    levels, counts = _cpu.discretize(values.astype(np.float64), mask, edges.astype(np.float64))
    return levels, len(counts) - 1
