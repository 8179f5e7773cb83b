"""Checks that every annotation file passes, and pixels inside of an outline."""

import numpy as np

from deepradiomics.box import Box
from deepradiomics.exceptions import InputError

# Sizes of annotation files: one image has few boxes, and 100,000 boxes with outlines stay below the other.
MAX_BYTES, MAX_JSON_BYTES = 2**22, 2**26
_MAX_PIXELS = 2**26
MAX_CLASSES = 255  # of a label map of 8 bits


def content_of(path, max_bytes):
    """Read a small file."""
    if not path.is_file():
        raise InputError(f"{path.name}: no such file; is the path right?", code="no_file")
    if path.stat().st_size > max_bytes:
        raise InputError(f"{path.name} is larger than {max_bytes >> 20} MiB; is it an annotation file?", code="size")
    return path.read_bytes()


def text_of(path, max_bytes):
    """Read a small text file."""
    try:
        return content_of(path, max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not text; is it an annotation file?") from error


def agreed_shape(stated, given, name):
    """Boxes that were drawn on an image of another size would lie somewhere else in this one."""
    stated = stated if stated and min(stated) > 0 else None
    if stated and given is not None and tuple(stated) != tuple(given):
        raise InputError(
            f"{name} was made for an image of {stated[0]:g} x {stated[1]:g} pixels, this one has {given[0]} x "
            f"{given[1]}; give the image that the boxes were drawn on"
        )
    shape = stated if given is None else given
    if shape is not None and shape[0] * shape[1] > _MAX_PIXELS:
        raise InputError(
            f"{name} claims an image of {shape[0]:g} x {shape[1]:g} pixels, {_MAX_PIXELS} in all are allowed",
            code="size",
        )
    return shape


def number(word, place):
    """Read a number."""
    try:
        return float(word)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{place} has {str(word)[:40]!r} where a number is needed") from error


def label_of(name, place):
    """Label of a box, without blanks at its ends; there must be one."""
    if not (name and name.strip()):
        raise InputError(f"{place} has no label; give each box one")
    return name.strip()


def class_names(classes, most=None):
    """Names of classes as text; two that read the same would become one."""
    names = [] if isinstance(classes, str) else [str(name).strip() for name in classes]
    if isinstance(classes, str) or len(set(names)) < len(names):
        found = (
            f"the word {classes!r}; write [{classes!r}]" if isinstance(classes, str) else f"{names[:9]} with repeats"
        )
        raise InputError(f"classes is a list of names, all different, not {found}")
    if most is not None and len(names) > most:
        raise InputError(f"there are {len(names)} classes, a label map holds {most}; ask for fewer")
    return names


def checked_box(left, top, width, height, shape, place, angle=0.0):
    """Build a box; it must have a size and lie in the image, half a pixel of rounding allowed."""
    if not (width > 0 and height > 0):
        raise InputError(f"{place} is {width:g} wide and {height:g} high; its corners are inverted")
    box = Box(top, left, height, width, angle)
    (first_row, first_column), (last_row, last_column) = box.corners.min(axis=0), box.corners.max(axis=0)
    if shape is not None and (
        min(first_row, first_column) < -0.5 or last_row > shape[0] + 0.5 or last_column > shape[1] + 0.5
    ):
        raise InputError(
            f"{place} reaches from row {first_row:g} to {last_row:g} and column {first_column:g} to {last_column:g}, "
            f"its image has {shape[0]:g} x {shape[1]:g} pixels; was it drawn on another image?",
            code="box_outside",
        )
    return box


def corners_of(polygon, shape, place):
    """Corners of a polygon (n, 2), row and column."""
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise InputError(f"{place} has a polygon without three corners of two numbers")
    corners = np.array([number(value, place) for value in polygon]).reshape(-1, 2)[:, ::-1]
    if not np.isfinite(corners).all() or (corners < -1).any() or (corners > np.array(shape) + 1).any():
        raise InputError(
            f"{place} has a corner outside of its image of {shape[0]} x {shape[1]} pixels; is it another one?",
            code="box_outside",
        )
    return corners


def inside(corners, shape):
    """Pixels whose centre lies in a polygon (even-odd rule), bool (H, W)."""
    found = np.zeros(shape, dtype=bool)
    columns = np.arange(shape[1]) + 0.5
    first, last = max(int(corners[:, 0].min() - 1), 0), min(int(corners[:, 0].max() + 2), shape[0])
    following = np.roll(corners, -1, axis=0)
    for row in range(first, last):
        middle = row + 0.5
        crossing = (corners[:, 0] > middle) != (following[:, 0] > middle)
        (r0, c0), (r1, c1) = corners[crossing].T, following[crossing].T
        places = np.sort(c0 + (middle - r0) / (r1 - r0) * (c1 - c0))
        found[row] = np.searchsorted(places, columns, side="right") % 2 == 1
    return found
