"""Texture matrices of grey levels, many regions at once: check, pad, count."""

from importlib import import_module
from typing import NamedTuple

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_torch_array

from deepradiomics.exceptions import InputError

# Directions (row, column) of runs; a run is the same read from either end.
RUN_DIRECTIONS = np.array([(0, 1), (1, 0), (1, 1), (1, -1)])


def glcm(levels, n_levels, *, distances=(1,), symmetric=True, shapes=None):
    """Count pairs of grey levels at each direction: grey level co-occurrence.

    Parameters
    ----------
    levels : int array of shape (n_regions, H, W) or (H, W)
        Grey levels 1 to n_levels; 0 lies outside the region and is never counted. Of numpy, or of torch on any device,
        on which the result lies, too.
    n_levels : int
        Number of levels.
    distances : sequence of ints, default=(1,)
        Distances in pixels, in the maximum norm.
    symmetric : bool, default=True
        Whether each pair is counted both ways.
    shapes : int array of shape (n_regions, 2), default=None
        Rows and columns of each region, where smaller ones are padded with 0; None means all fill the array.

    Returns
    -------
    float64 array of shape (n_regions, n_directions, n_levels, n_levels)
        Counts, not probabilities; 4 directions at distance 1, 8 at distance 2.

    Raises
    ------
    InputError
        If levels are not whole numbers from 0 to n_levels.

    References
    ----------
    Haralick RM, Shanmugam K, Dinstein I. Textural features for image classification. IEEE Trans Syst Man Cybern 3,
    610-621 (1973). IBSI code LFYI.

    Examples
    --------
    >>> from deepradiomics.texture.matrices import glcm
    >>> glcm([[1, 1, 2], [2, 2, 1]], 2)[0, 3].tolist()
    [[2.0, 2.0], [2.0, 2.0]]
    """
    padded = pad_levels(levels, n_levels, max(distances), shapes)
    counts = kernels(padded.levels).glcm(*padded, pair_directions(distances))
    return counts + counts.swapaxes(2, 3) if symmetric else counts


def glrlm(levels, n_levels, *, lone=False, shapes=None):
    """Count runs of equal grey level by direction and length: grey level run length.

    Parameters
    ----------
    levels : int array of shape (n_regions, H, W) or (H, W)
        Grey levels 1 to n_levels; 0 lies outside the region and ends a run.
    n_levels : int
        Number of levels.
    lone : bool, default=False
        Whether a direction in which no line holds two pixels of the region keeps its runs of one pixel, as in the IBSI
        reference manual; pyradiomics leaves such a direction empty.
    shapes : int array of shape (n_regions, 2), default=None
        Rows and columns of each region, where smaller ones are padded with 0; None means all fill the array.

    Returns
    -------
    float64 array of shape (n_regions, 4, n_levels, longest run)
        Counts along rows, columns and both diagonals.

    Raises
    ------
    InputError
        If levels are not whole numbers from 0 to n_levels.

    References
    ----------
    Galloway MM. Texture analysis using gray level run lengths. Comput Graph Image Process 4, 172-179 (1975). IBSI code
    TP0I.

    Examples
    --------
    >>> from deepradiomics.texture.matrices import glrlm
    >>> glrlm([[1, 1, 2], [2, 2, 1]], 2)[0, 0].tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    padded = pad_levels(levels, n_levels, 1, shapes)
    return kernels(padded.levels).glrlm(*padded, RUN_DIRECTIONS, lone)


def glszm(levels, n_levels, *, shapes=None):
    """Count zones of equal grey level by size: grey level size zone.

    Parameters
    ----------
    levels : int array of shape (n_regions, H, W) or (H, W)
        Grey levels 1 to n_levels; 0 lies outside the region.
    n_levels : int
        Number of levels.
    shapes : int array of shape (n_regions, 2), default=None
        Rows and columns of each region, where smaller ones are padded with 0; None means all fill the array.

    Returns
    -------
    counts : float64 array of shape (n_regions, n_levels, n_sizes)
        Number of 8-connected zones.
    sizes : float64 array of shape (n_regions, n_sizes)
        Size in pixels of each column: only those that occur, in rising order, 1 where a region has fewer.

    Raises
    ------
    InputError
        If levels are not whole numbers from 0 to n_levels.

    References
    ----------
    Thibault G et al. Texture indexes and gray level size zone matrix. Pattern Recognition and Information Processing,
    140-145 (2009). IBSI code 9SAK.

    Examples
    --------
    >>> from deepradiomics.texture.matrices import glszm
    >>> counts, sizes = glszm([[1, 1, 2], [2, 2, 1]], 2)
    >>> counts[0].tolist(), sizes[0].tolist()
    ([[1.0], [1.0]], [3.0])
    """
    padded = pad_levels(levels, n_levels, 1, shapes)
    return kernels(padded.levels).glszm(*padded)


def gldm(levels, n_levels, *, distances=(1,), largest_difference=0, shapes=None):
    """Count pixels by level and number of dependent neighbours: grey level dependence.

    Parameters
    ----------
    levels : int array of shape (n_regions, H, W) or (H, W)
        Grey levels 1 to n_levels; 0 lies outside the region.
    n_levels : int
        Number of levels.
    distances : sequence of ints, default=(1,)
        Distances of the neighbours in pixels, in the maximum norm.
    largest_difference : int, default=0
        A neighbour depends on the pixel if their levels differ by no more.
    shapes : int array of shape (n_regions, 2), default=None
        Rows and columns of each region, where smaller ones are padded with 0; None means all fill the array.

    Returns
    -------
    float64 array of shape (n_regions, n_levels, 1 + n_neighbours)
        Column d counts pixels with d dependent neighbours.

    Raises
    ------
    InputError
        If levels are not whole numbers from 0 to n_levels.

    References
    ----------
    Sun C, Wee WG. Neighboring gray level dependence matrix for texture classification. Comput Vis Graph Image Process
    23, 341-352 (1983). IBSI code REK0.

    Examples
    --------
    >>> from deepradiomics.texture.matrices import gldm
    >>> gldm([[1, 1, 2], [2, 2, 1]], 2)[0, :, :4].tolist()
    [[0.0, 2.0, 1.0, 0.0], [0.0, 2.0, 1.0, 0.0]]
    """
    padded = pad_levels(levels, n_levels, max(distances), shapes)
    return kernels(padded.levels).gldm(*padded, all_directions(distances), int(largest_difference))


def ngtdm(levels, n_levels, *, distances=(1,), lone=True, shapes=None):
    """Sum the differences to the neighbours' mean by level: neighbourhood grey tone difference.

    Parameters
    ----------
    levels : int array of shape (n_regions, H, W) or (H, W)
        Grey levels 1 to n_levels; 0 lies outside the region.
    n_levels : int
        Number of levels.
    distances : sequence of ints, default=(1,)
        Distances of the neighbours in pixels, in the maximum norm.
    lone : bool, default=True
        Whether pixels without neighbours are counted, as in pyradiomics; the IBSI reference manual leaves them out.
    shapes : int array of shape (n_regions, 2), default=None
        Rows and columns of each region, where smaller ones are padded with 0; None means all fill the array.

    Returns
    -------
    float64 array of shape (n_regions, n_levels, 2)
        Number of pixels, and the sum of their absolute differences to their neighbours' mean; a pixel without
        neighbours has none.

    Raises
    ------
    InputError
        If levels are not whole numbers from 0 to n_levels.

    References
    ----------
    Amadasun M, King R. Textural features corresponding to textural properties. IEEE Trans Syst Man Cybern 19,
    1264-1274 (1989). IBSI code IPET.

    Examples
    --------
    >>> from deepradiomics.texture.matrices import ngtdm
    >>> ngtdm([[1, 1], [1, 2]], 2)[0].round(2).tolist()
    [[3.0, 1.0], [1.0, 1.0]]
    """
    padded = pad_levels(levels, n_levels, max(distances), shapes)
    return kernels(padded.levels).ngtdm(*padded, all_directions(distances), lone)


def grey_statistics(values, levels=None):
    """Measure the grey values of each region, from which first-order features follow.

    Parameters
    ----------
    values : list of float64 arrays of shape (P,)
        Grey values of each region.
    levels : list of int32 arrays of shape (P,), default=None
        Their levels, 1 and more, no smaller for a larger value: what is looked for by size is found faster. None takes
        one level for all.

    Returns
    -------
    float64 array of shape (n_regions, 15)
        Columns as in ``deepradiomics.texture.features.firstorder.STATISTICS``.

    Raises
    ------
    InputError
        If a value is NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.matrices import grey_statistics
    >>> grey_statistics([np.array([1.0, 2.0, 6.0])])[0, :5].tolist()
    [3.0, 1.0, 6.0, 3.0, 41.0]
    """
    for row, own in enumerate(values):
        if not array_namespace(own).isfinite(own).all():
            raise InputError(
                f"region {row} holds NaN or infinite values, grey values must be finite", code="not_finite"
            )
    if levels is None:
        levels = [array_namespace(own).ones_like(own, dtype=array_namespace(own).int32) for own in values]
    return kernels(values[0]).grey_statistics(values, levels)


def pair_directions(distances):
    """Offsets at which `glcm` counts pairs, in its order.

    Parameters
    ----------
    distances : sequence of ints
        Distances in pixels, in the maximum norm.

    Returns
    -------
    int array of shape (n_directions, 2)
        Row and column; the opposite offsets are left out.

    Examples
    --------
    >>> from deepradiomics.texture.matrices import pair_directions
    >>> pair_directions((1,)).tolist()
    [[1, 1], [1, 0], [1, -1], [0, 1]]
    """
    offsets = all_directions(distances)
    return offsets[: len(offsets) // 2]


def all_directions(distances):
    """Offsets of all neighbours of a pixel.

    Parameters
    ----------
    distances : sequence of ints
        Distances in pixels, in the maximum norm.

    Returns
    -------
    int array of shape (n_directions, 2)
        Row and column; the second half is the first one negated, in reverse.

    Examples
    --------
    >>> from deepradiomics.texture.matrices import all_directions
    >>> len(all_directions((1,))), len(all_directions((1, 2)))
    (8, 24)
    """
    distances = {int(distance) for distance in distances}
    reach = max(distances)
    grid = [
        (r, c)
        for r in range(reach, -reach - 1, -1)
        for c in range(reach, -reach - 1, -1)
        if max(abs(r), abs(c)) in distances
    ]
    return np.array(grid)


class Padded(NamedTuple):
    """Levels with zeros round them, as the kernels take them.

    Parameters
    ----------
    levels : int32 array of shape (n_regions, H + 2 pad, W + 2 pad)
        Grey levels 1 to n_levels, 0 outside.
    pad : int
        Rows and columns of zeros on each side.
    heights, widths : int arrays of shape (n_regions,)
        Rows and columns of each region.
    n_levels : int
        Number of levels.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.matrices import Padded
    >>> Padded(np.zeros((1, 3, 4), np.int32), 1, np.array([1]), np.array([2]), 5).n_levels
    5
    """

    levels: np.ndarray
    pad: int
    heights: np.ndarray
    widths: np.ndarray
    n_levels: int


def pad_levels(levels, n_levels, pad, shapes=None):
    """Check levels and put zeros round them.

    Parameters
    ----------
    levels : int array of shape (n_regions, H, W) or (H, W)
        Grey levels 1 to n_levels, 0 outside; of numpy or of torch.
    n_levels : int
        Number of levels.
    pad : int
        Rows and columns of zeros on each side.
    shapes : int array of shape (n_regions, 2), default=None
        Rows and columns of each region, where smaller ones are padded with 0; None means all fill the array.

    Returns
    -------
    Padded
        ``levels`` (int32, (n_regions, H + 2 pad, W + 2 pad)), ``pad``, ``heights``, ``widths``, ``n_levels``.

    Raises
    ------
    InputError
        If levels are not whole numbers from 0 to n_levels.

    Examples
    --------
    >>> from deepradiomics.texture.matrices import pad_levels
    >>> pad_levels([[1, 2]], 2, 1).levels[0].tolist()
    [[0, 0, 0, 0], [0, 1, 2, 0], [0, 0, 0, 0]]
    """
    levels = levels if is_array_api_obj(levels) else np.asarray(levels)
    xp = array_namespace(levels)
    levels = levels[None] if levels.ndim == 2 else levels
    if levels.ndim != 3 or not xp.isdtype(levels.dtype, "integral"):
        raise InputError(
            f"levels are whole numbers of shape (n_regions, H, W), not {levels.dtype} of shape {tuple(levels.shape)}; "
            "discretize the grey values first",
            code="levels",
        )
    if levels.shape[0] and (levels.min() < 0 or levels.max() > n_levels):
        raise InputError(
            f"levels reach from {int(levels.min())} to {int(levels.max())}, 0 to {n_levels} is allowed; n_levels is "
            "the largest",
            code="levels",
        )
    n, height, width = levels.shape
    shapes = np.tile((height, width), (n, 1)) if shapes is None else np.asarray(shapes, dtype=np.int64)
    padded = xp.zeros((n, height + 2 * pad, width + 2 * pad), dtype=xp.int32, device=device(levels))
    padded[:, pad : pad + height, pad : pad + width] = levels
    return Padded(padded, pad, shapes[:, 0], shapes[:, 1], n_levels)


def kernels(array):
    """Loops for the device on which an array lies.

    Parameters
    ----------
    array : array of numpy or of torch
        Any array.

    Returns
    -------
    module
        With functions ``glcm``, ``glrlm``, ``glszm``, ``gldm``, ``ngtdm``, ``grey_statistics``, ``pair_sums`` and
        ``size_sums``.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.matrices import kernels
    >>> kernels(np.zeros(2)).__name__
    'deepradiomics.texture._cpu'
    """
    return import_module("deepradiomics.texture._gpu" if is_torch_array(array) else "deepradiomics.texture._cpu")
