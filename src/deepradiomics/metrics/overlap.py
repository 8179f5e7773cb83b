"""How far two outlines of the same bone, or two readers' boxes, agree."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from deepradiomics.box import Box
from deepradiomics.exceptions import InputError


class SurfaceDistance(NamedTuple):
    """How far the outlines of two masks lie apart.

    Parameters
    ----------
    average : float
        Mean over all outline pixels of both masks of the distance to the other outline, in mm.
    hausdorff95 : float
        The larger of the two directed 95th percentiles of these distances, in mm.

    Examples
    --------
    >>> from deepradiomics.segmentation import SurfaceDistance
    >>> SurfaceDistance(0.5, 2.0).hausdorff95
    2.0
    """

    average: float
    hausdorff95: float


def dice(a, b):
    """Compute the Dice coefficient of two masks.

    Parameters
    ----------
    a, b : bool arrays of shape (H, W)
        The masks.

    Returns
    -------
    float
        Twice the common pixels over the pixels of both, between 0 and 1; 1 where both are empty, 0 where one is.

    Raises
    ------
    InputError
        If the shapes differ or the masks are not bool.

    References
    ----------
    Dice LR. Measures of the amount of ecologic association between species. Ecology 26, 297-302 (1945).

    Examples
    --------
    >>> from deepradiomics.segmentation import dice
    >>> dice([[True, True, False]], [[True, False, False]])
    0.6666666666666666
    """
    a, b = _masks(a, b)
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def iou(a, b):
    """Compute the intersection over union (Jaccard index) of two masks.

    Parameters
    ----------
    a, b : bool arrays of shape (H, W)
        The masks.

    Returns
    -------
    float
        Common pixels over the pixels of either, between 0 and 1; 1 where both are empty, 0 where one is.

    Raises
    ------
    InputError
        If the shapes differ or the masks are not bool.

    References
    ----------
    Jaccard P. The distribution of the flora in the alpine zone. New Phytologist 11, 37-50 (1912).

    Examples
    --------
    >>> from deepradiomics.segmentation import iou
    >>> iou([[True, True, False]], [[True, False, False]])
    0.5
    """
    a, b = _masks(a, b)
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 1.0


def surface_distance(a, b, spacing):
    """Measure the distance between the outlines of two masks.

    The outline of a mask is those of its pixels with an edge on the outside; beyond the image is outside. Distances
    run between pixel centres.

    Parameters
    ----------
    a, b : bool arrays of shape (H, W)
        The masks.
    spacing : tuple of two floats
        Size of a pixel along rows and columns in mm; ``(1, 1)`` gives pixels.

    Returns
    -------
    SurfaceDistance
        ``average`` and ``hausdorff95`` in mm; both 0 where both masks are empty, infinite where one is.

    Raises
    ------
    InputError
        If the shapes differ, the masks are not bool, or the spacing is not two positive numbers.

    References
    ----------
    Maier-Hein L, Reinke A, et al. Metrics reloaded: recommendations for image analysis validation. Nature Methods 21,
    195-212 (2024).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.segmentation import surface_distance
    >>> line = np.zeros((5, 5), dtype=bool)
    >>> line[1] = True
    >>> surface_distance(line, np.roll(line, 2, axis=0), spacing=(0.5, 0.5))
    SurfaceDistance(average=1.0, hausdorff95=1.0)
    """
    a, b = _masks(a, b)
    spacing = _checked_spacing(spacing)
    if not (a.any() and b.any()):
        gap = 0.0 if a.any() == b.any() else np.inf
        return SurfaceDistance(gap, gap)
    outline_a, outline_b = _outline(a), _outline(b)
    from_a = ndimage.distance_transform_edt(~outline_b, sampling=spacing)[outline_a]
    from_b = ndimage.distance_transform_edt(~outline_a, sampling=spacing)[outline_b]
    return SurfaceDistance(
        float(np.concatenate([from_a, from_b]).mean()),
        float(max(np.percentile(from_a, 95), np.percentile(from_b, 95))),
    )


def overlap_ratio(box_a, box_b):
    """Compute the overlap of two readers' boxes: intersection over union of their areas.

    Parameters
    ----------
    box_a, box_b : Box
        The boxes, upright or tilted, in pixels of the same image.

    Returns
    -------
    float
        Between 0 (apart) and 1 (equal).

    Raises
    ------
    InputError
        If one of them is no `Box`.

    Notes
    -----
    The areas are those of the rectangles themselves, to a fraction of a pixel. Mao et al. report an overlap ratio of
    boxes that were drawn twice; it is taken here as intersection over union.

    References
    ----------
    Mao L, Xia Z, Pan L, et al. Deep learning for screening primary osteopenia and osteoporosis using spine radiographs
    and patient clinical covariates in a Chinese population. Frontiers in Endocrinology 13, 971877 (2022).

    Examples
    --------
    >>> from deepradiomics import Box
    >>> from deepradiomics.segmentation import overlap_ratio
    >>> round(overlap_ratio(Box(0, 0, 10, 10), Box(0, 5, 10, 10)), 4)  # 50 of 150
    0.3333
    """
    for box in (box_a, box_b):
        if not isinstance(box, Box):
            raise InputError(f"a {type(box).__name__} was given; give two boxes, such as Box(top, left, height, width)")
    common = _area(_clipped(box_a.corners, box_b.corners))
    return common / (box_a.height * box_a.width + box_b.height * box_b.width - common)


def _masks(a, b):
    """Return both as bool arrays of one shape, or say what is wrong."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.ndim != 2:
        raise InputError(
            f"the masks have shapes {a.shape} and {b.shape}; give two of the same rows and columns", code="mask_shape"
        )
    if a.dtype != bool or b.dtype != bool:
        raise InputError(
            f"the masks are {a.dtype} and {b.dtype}; give bool, such as labels == 1 of a label map", code="mask_values"
        )
    return a, b


def _checked_spacing(spacing):
    """Return the spacing as two positive floats."""
    try:
        values = np.asarray(spacing, dtype=float)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (2,) or not (np.isfinite(values) & (values > 0)).all():
        raise InputError(f"spacing is (row, column) in mm, two positive numbers, not {spacing!r}", code="spacing")
    return values


def _outline(mask):
    """Return the pixels of a mask that have an edge on the outside."""
    return mask & ~ndimage.binary_erosion(mask)


def _clipped(polygon, clip):
    """Cut a polygon (n, 2) by a convex one with clockwise (row, column) corners; Sutherland and Hodgman."""
    for start, end in zip(clip, np.roll(clip, -1, axis=0), strict=True):
        along = end - start
        # How far each corner lies on the inner side of the edge.
        depth = along[1] * (polygon[:, 0] - start[0]) - along[0] * (polygon[:, 1] - start[1])
        kept = []
        for here, there, this, that in zip(
            polygon, np.roll(polygon, -1, axis=0), depth, np.roll(depth, -1), strict=True
        ):
            if this >= 0:
                kept.append(here)
            if (this < 0) != (that < 0):
                kept.append(here + (there - here) * this / (this - that))
        polygon = np.array(kept).reshape(-1, 2)
    return polygon


def _area(polygon):
    """Area of a polygon (n, 2); 0 for fewer than three corners."""
    rows, columns = polygon.T
    return 0.5 * abs(float(rows @ np.roll(columns, -1) - columns @ np.roll(rows, -1)))
