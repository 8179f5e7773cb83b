"""Texture matrices of grey levels, many regions at once: check, pad, count."""

import numpy as np

from deepradiomics.exceptions import InputError

# Directions (row, column) of runs; a run is the same read from either end.
RUN_DIRECTIONS = np.array([(0, 1), (1, 0), (1, 1), (1, -1)])


def glcm(levels, n_levels, *, distances=(1,), symmetric=True, shapes=None):
    """Count pairs of grey levels at each direction: grey level co-occurrence.

    Parameters
    ----------
    levels : int array of shape (n_regions, H, W) or (H, W)
        Grey levels 1 to n_levels; 0 lies outside the region and is never counted.
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
    from deepradiomics.texture import _cpu

    offsets = _offsets(distances)[: _n_directions(distances)]
    levels, pad, heights, widths = _padded(levels, n_levels, max(distances), shapes)
    counts = np.zeros((len(levels), len(offsets), n_levels, n_levels))
    _cpu.glcm(levels, pad, heights, widths, offsets, counts)
    return counts + counts.transpose(0, 1, 3, 2) if symmetric else counts


def glrlm(levels, n_levels, *, shapes=None):
    """Count runs of equal grey level by direction and length: grey level run length.

    Parameters
    ----------
    levels : int array of shape (n_regions, H, W) or (H, W)
        Grey levels 1 to n_levels; 0 lies outside the region and ends a run.
    n_levels : int
        Number of levels.
    shapes : int array of shape (n_regions, 2), default=None
        Rows and columns of each region, where smaller ones are padded with 0; None means all fill the array.

    Returns
    -------
    float64 array of shape (n_regions, 4, n_levels, longest run)
        Counts along rows, columns and both diagonals. A direction in which no line holds two pixels of the region is
        empty, as in pyradiomics.

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
    from deepradiomics.texture import _cpu

    levels, pad, heights, widths = _padded(levels, n_levels, 1, shapes)
    counts = np.zeros((len(levels), 4, n_levels, max(heights.max(), widths.max())))
    longest = _cpu.glrlm(levels, pad, heights, widths, RUN_DIRECTIONS, counts)
    return counts[..., :longest]


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
    from deepradiomics.texture import _cpu

    levels, pad, heights, widths = _padded(levels, n_levels, 1, shapes)
    found = []
    for region, height, width in zip(levels, heights, widths, strict=True):
        zone_levels, zone_sizes = np.empty((2, height * width), dtype=np.int32)
        n_zones, largest = _cpu.zones(region, pad, height, width, zone_levels, zone_sizes)
        found.append(_cpu.tabulate_zones(zone_levels[:n_zones], zone_sizes[:n_zones], n_levels, largest))
    n_sizes = max(1, max(len(sizes) for _, sizes in found))
    counts, all_sizes = np.zeros((len(found), n_levels, n_sizes)), np.ones((len(found), n_sizes))
    for row, (own, sizes) in enumerate(found):
        counts[row, :, : len(sizes)], all_sizes[row, : len(sizes)] = own, sizes
    return counts, all_sizes


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
    from deepradiomics.texture import _cpu

    offsets = _offsets(distances)
    levels, pad, heights, widths = _padded(levels, n_levels, max(distances), shapes)
    counts = np.zeros((len(levels), n_levels, 1 + len(offsets)))
    _cpu.gldm(levels, pad, heights, widths, offsets, int(largest_difference), counts)
    return counts


def ngtdm(levels, n_levels, *, distances=(1,), shapes=None):
    """Sum the differences to the neighbours' mean by level: neighbourhood grey tone difference.

    Parameters
    ----------
    levels : int array of shape (n_regions, H, W) or (H, W)
        Grey levels 1 to n_levels; 0 lies outside the region.
    n_levels : int
        Number of levels.
    distances : sequence of ints, default=(1,)
        Distances of the neighbours in pixels, in the maximum norm.
    shapes : int array of shape (n_regions, 2), default=None
        Rows and columns of each region, where smaller ones are padded with 0; None means all fill the array.

    Returns
    -------
    float64 array of shape (n_regions, n_levels, 2)
        Number of pixels, and the sum of their absolute differences to their neighbours' mean; a pixel without
        neighbours has none, as in pyradiomics.

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
    from deepradiomics.texture import _cpu

    levels, pad, heights, widths = _padded(levels, n_levels, max(distances), shapes)
    counts, differences = np.zeros((2, len(levels), n_levels))
    _cpu.ngtdm(levels, pad, heights, widths, _offsets(distances), counts, differences)
    return np.stack([counts, differences], axis=-1)


def pair_directions(distances):
    """Offsets at which `glcm` counts pairs, in its order.

    Parameters
    ----------
    distances : sequence of ints
        Distances in pixels, in the maximum norm.

    Returns
    -------
    int array of shape (n_directions, 2)
        Row and column.

    Examples
    --------
    >>> from deepradiomics.texture.matrices import pair_directions
    >>> pair_directions((1,)).tolist()
    [[1, 1], [1, 0], [1, -1], [0, 1]]
    """
    return _offsets(distances)[: _n_directions(distances)]


def _n_directions(distances):
    return sum(4 * distance for distance in set(distances))


def _offsets(distances):
    """All offsets whose maximum norm is one of the distances, int array (n, 2); each half is the other one negated."""
    distances = {int(distance) for distance in distances}
    reach = max(distances)
    grid = [
        (r, c)
        for r in range(reach, -reach - 1, -1)
        for c in range(reach, -reach - 1, -1)
        if max(abs(r), abs(c)) in distances
    ]
    return np.array(grid)


def _padded(levels, n_levels, pad, shapes):
    """Check levels and put zeros round them: int32 (n, H, W), and rows and columns of each region."""
    levels = np.asarray(levels)
    levels = levels[None] if levels.ndim == 2 else levels
    if levels.ndim != 3 or levels.dtype.kind not in "iu":
        raise InputError(
            f"levels are whole numbers of shape (n_regions, H, W), not {levels.dtype} of shape {levels.shape}; "
            "discretize the grey values first",
            code="levels",
        )
    if levels.size and (levels.min() < 0 or levels.max() > n_levels):
        raise InputError(
            f"levels reach from {levels.min()} to {levels.max()}, 0 to {n_levels} is allowed; n_levels is the largest",
            code="levels",
        )
    if shapes is None:
        shapes = np.tile(levels.shape[1:], (len(levels), 1))
    shapes = np.asarray(shapes, dtype=np.int64)
    padded = np.zeros((len(levels), levels.shape[1] + 2 * pad, levels.shape[2] + 2 * pad), dtype=np.int32)
    padded[:, pad:-pad, pad:-pad] = levels
    return padded, pad, shapes[:, 0], shapes[:, 1]
