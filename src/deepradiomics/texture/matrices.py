"""Texture matrices of grey levels, many regions at once: check, pad, count."""

from deepradiomics.texture._levels import RUN_DIRECTIONS, all_directions, kernels, pad_levels, pair_directions


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
    return kernels(padded.levels).glcm(*padded, pair_directions(distances), symmetric)


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
    counts = kernels(padded.levels).glrlm(*padded, RUN_DIRECTIONS, lone)
    return counts[..., : _n_used(counts)]


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
    counts, sizes = kernels(padded.levels).glszm(*padded)
    return counts[..., : _n_used(counts)], sizes[:, : _n_used(counts)]


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


def _n_used(counts):
    """How many columns reach to the last that counts anything: a GPU makes room for all that there may be."""
    used = (counts.reshape(-1, counts.shape[-1]) > 0).any(0).tolist()
    return max((number for number, there in enumerate(used, start=1) if there), default=1)
