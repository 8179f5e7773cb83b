"""Boxes, outlines and points from LabelMe, one JSON file an image."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deepradiomics.annotations._checks import (
    MAX_CLASSES,
    MAX_JSON_BYTES,
    agreed_shape,
    checked_box,
    class_names,
    corners_of,
    inside,
    label_of,
    number,
    text_of,
)
from deepradiomics.exceptions import InputError


class LabelMe(NamedTuple):
    """What was drawn on one image.

    Attributes
    ----------
    boxes : list of (str, Box)
        Label and box of each rectangle.
    points : list of (str, (float, float))
        Label, row and column of each point, such as the corners of a vertebra; (0, 0) is the outer corner of the first
        pixel.
    label_map : uint8 array of shape (H, W), or None
        The polygons of the classes asked for.

    Examples
    --------
    See `read_labelme`.
    """

    boxes: list
    points: list
    label_map: np.ndarray | None


def read_labelme(path, *, classes=None, image_shape=None):
    """Read what was drawn on one image with LabelMe: rectangles, points and polygons.

    Parameters
    ----------
    path : path
        The JSON file. The image in it, and what it says about paths, are not used.
    classes : sequence of str, default=None
        Labels of the polygons wanted in the label map, 255 at most; the first becomes 1. None makes no label map. A
        class may be absent: a film of one hip has no other.
    image_shape : tuple of two ints, default=None
        Rows and columns of the image; None uses the size in the file.

    Returns
    -------
    LabelMe
        ``boxes``, ``points`` and ``label_map``; in the map a later polygon covers an earlier one.

    Raises
    ------
    InputError
        If the file is not of LabelMe, was made for an image of another size, holds another kind of shape (circles,
        lines and masks are not read), a shape sticks out of the image, or it has polygons, but none of a class asked
        for.

    References
    ----------
    Russell BC et al. LabelMe: a database and web-based tool for image annotation. Int J Comput Vis 77 (2008) 157.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from deepradiomics.annotations import read_labelme
    >>> shapes = [{"label": "L1", "shape_type": "rectangle", "points": [[3, 4], [13, 24]]},
    ...           {"label": "corner", "shape_type": "point", "points": [[3.5, 4.5]]}]
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.json")
    ...     _ = path.write_text(json.dumps({"shapes": shapes, "imageHeight": 40, "imageWidth": 30}))
    ...     found = read_labelme(path)
    >>> found.boxes
    [('L1', Box(top=4.0, left=3.0, height=20.0, width=10.0, angle=0.0))]
    >>> found.points
    [('corner', (4.5, 3.5))]
    """
    path, names = Path(path), class_names(classes or (), MAX_CLASSES)
    try:
        content = json.loads(text_of(path, MAX_JSON_BYTES))
        shapes = [
            (
                "" if entry["label"] is None else str(entry["label"]),
                entry.get("shape_type") or "polygon",
                entry["points"],
            )
            for entry in content["shapes"]
        ]
        size = (content["imageHeight"], content["imageWidth"]) if content.get("imageHeight") else None
        corners = [[value for point in points for value in point] for _, _, points in shapes]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path.name} is not a file of LabelMe ({type(error).__name__})") from error
    stated = None if size is None else tuple(number(value, f"the size in {path.name}") for value in size)
    size = agreed_shape(stated, image_shape, path.name)
    if size is None:
        raise InputError(f"{path.name} does not say the size of the image; give image_shape")
    size = tuple(int(length) for length in size)
    drawn = {label.strip() for label, kind, _ in shapes if kind == "polygon"}
    if names and drawn and not drawn & set(names):
        raise InputError(
            f"{path.name} has polygons of {sorted(drawn)[:9]}, none of the classes {names[:9]}; are they spelled so?"
        )
    found = LabelMe([], [], None if classes is None else np.zeros(size, dtype=np.uint8))
    for position, ((label, kind, points), values) in enumerate(zip(shapes, corners, strict=True)):
        place = f"shape {position} of {path.name}"
        label, numbers = label_of(label, place), [number(value, place) for value in values]
        if any(len(point) != 2 for point in points):
            raise InputError(f"{place} has points that are not pairs of numbers")
        if kind == "polygon":
            outline = corners_of(numbers, size, place)
            if label in names:
                found.label_map[inside(outline, size)] = names.index(label) + 1
        elif kind == "rectangle" and len(numbers) == 4:
            (left, right), (top, bottom) = sorted(numbers[::2]), sorted(numbers[1::2])
            found.boxes.append((label, checked_box(left, top, right - left, bottom - top, size, place)))
        elif kind == "point" and len(numbers) == 2:
            found.points.append((label, _checked_point(numbers[::-1], size, place)))
        else:
            raise InputError(
                f"{place} is a {str(kind)[:20]} of {len(numbers) / 2:g} points; polygons, rectangles of two and points "
                "are read, draw it as one of them"
            )
    return found


def _checked_point(point, size, place):
    if not all(-0.5 <= value <= length + 0.5 for value, length in zip(point, size, strict=True)):
        raise InputError(f"{place} lies outside of its image of {size[0]} x {size[1]} pixels", code="box_outside")
    return tuple(point)
