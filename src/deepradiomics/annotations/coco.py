"""COCO files: boxes and outlines of one image in, those of many out."""

import json
from itertools import groupby
from pathlib import Path

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
from deepradiomics.box import Box
from deepradiomics.exceptions import InputError


def read_coco(path, *, image_name, image_shape=None):
    """Read the boxes of one image from a COCO file.

    Parameters
    ----------
    path : path
        The JSON file.
    image_name : str
        The image's ``file_name`` in it.
    image_shape : tuple of two ints, default=None
        Rows and columns of the image; None uses the size in the file, if there is one.

    Returns
    -------
    list of (str, Box)
        Category and box of each annotation of the image; an outline has a box, too. ``rotation`` among its attributes,
        in degrees clockwise as CVAT writes it, tilts a box about its centre.

    Raises
    ------
    InputError
        If the file is not COCO JSON, the image or a category is not in it, or a box sticks out of the image.

    References
    ----------
    Lin TY et al. Microsoft COCO: common objects in context. ECCV (2014).

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from deepradiomics.annotations import read_coco
    >>> content = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 7, "name": "L1"}],
    ...            "annotations": [{"image_id": 1, "category_id": 7, "bbox": [3, 4, 10, 20]}]}
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.json")
    ...     _ = path.write_text(json.dumps(content))
    ...     read_coco(path, image_name="a.png")
    [('L1', Box(top=4.0, left=3.0, height=20.0, width=10.0, angle=0.0))]
    """
    path = Path(path)
    entries, shape = _coco_entries(path, image_name, image_shape, "bbox")
    boxes = []
    for place, name, entry in entries:
        bbox, attributes = entry["bbox"], entry.get("attributes") or {}
        if not isinstance(bbox, list) or len(bbox) != 4 or not isinstance(attributes, dict):
            raise InputError(f"{place} has no box of four numbers")
        turned = -number(attributes.get("rotation", 0), place)
        angle = (turned + 180) % 360 - 180
        boxes.append((name, checked_box(*(number(value, place) for value in bbox), shape, place, angle)))
    return boxes


def read_coco_masks(path, *, image_name, classes, image_shape=None):
    """Read the outlines of one image from a COCO file as a label map.

    Parameters
    ----------
    path : path
        The JSON file.
    image_name : str
        The ``file_name`` of the image in it.
    classes : sequence of str
        Names of the categories wanted, 255 at most; the first becomes label 1, and others are left out.
    image_shape : tuple of two ints, default=None
        Rows and columns of the image; None takes what the file says.

    Returns
    -------
    uint8 array of shape (H, W)
        0 is background. A pixel belongs to a polygon if its centre lies inside; a later outline covers an earlier one.
        Where a category has outlines, its boxes (annotations with a ``rotation``) are left out.

    Raises
    ------
    InputError
        If the file is not COCO JSON, the image is not in it, an outline is neither a list of polygons nor runs of the
        image's own size, a corner lies more than a pixel outside, or the size of the image is not known.

    References
    ----------
    Lin TY et al. Microsoft COCO: common objects in context. ECCV (2014).

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from deepradiomics.annotations import read_coco_masks
    >>> content = {"images": [{"id": 1, "file_name": "a.png", "height": 4, "width": 4}],
    ...            "categories": [{"id": 7, "name": "femur"}],
    ...            "annotations": [{"image_id": 1, "category_id": 7, "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]}]}
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.json")
    ...     _ = path.write_text(json.dumps(content))
    ...     read_coco_masks(path, image_name="a.png", classes=["femur"])
    array([[0, 0, 0, 0],
           [0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]], dtype=uint8)
    """
    path, classes = Path(path), class_names(classes, MAX_CLASSES)
    entries, shape = _coco_entries(path, image_name, image_shape, "segmentation", classes)
    if shape is None:
        raise InputError(f"{path.name} does not say the size of the image; give image_shape")
    labels = np.zeros(tuple(int(size) for size in shape), dtype=np.uint8)
    is_box = ["rotation" in (entry.get("attributes") or {}) for _, _, entry in entries]
    outlined = {name for (_, name, _), box in zip(entries, is_box, strict=True) if not box}
    for (place, name, entry), box in zip(entries, is_box, strict=True):
        if name not in classes or (box and name in outlined):
            continue
        outline, label = entry["segmentation"], classes.index(name) + 1
        if isinstance(outline, dict):
            labels[_unpacked_runs(outline, labels.shape, place)] = label
            continue
        if not isinstance(outline, list) or not outline:
            raise InputError(f"{place} has neither a list of polygons nor runs; export it again")
        for polygon in outline:
            labels[inside(corners_of(polygon, labels.shape, place), labels.shape)] = label
    return labels


def write_coco(path, image_names, image_shapes, *, label_maps=None, classes=None, boxes=None):
    """Write outlines and boxes of images as one COCO file, which other tools open.

    Parameters
    ----------
    path : path
        The JSON file to write.
    image_names : sequence of str
        ``file_name`` of each image, all different.
    image_shapes : sequence of tuples of two ints
        Rows and columns of each image.
    label_maps : sequence of integer arrays of shape (H, W) or None, default=None
        Outlines of each image, 0 outside; None where it has none.
    classes : sequence of str, default=None
        Names of the labels 1, 2, ... of the label maps, all different.
    boxes : sequence of dict of str to Box, lists of (str, Box) or None, default=None
        Boxes of each image by name.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If lengths differ, a name is there twice, a label has no class, a label map has another shape than its image, or
        what is given as a box is none or sticks out of it.

    Notes
    -----
    An outline is a list of polygons, or runs where it has holes, which polygons of COCO cannot have. `read_coco_masks`
    gives every pixel back. A box is written upright, with its tilt as the attribute ``rotation`` in degrees clockwise,
    as CVAT does, and its corners as a polygon; `read_coco` gives it back, and a box for each outline: name outlines and
    boxes differently, or write two files.

    References
    ----------
    Lin TY et al. Microsoft COCO: common objects in context. ECCV (2014).

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from deepradiomics.annotations import read_coco_masks, write_coco
    >>> with TemporaryDirectory() as folder:
    ...     path = write_coco(Path(folder, "a.json"), ["a.png"], [(2, 3)],
    ...                       label_maps=[np.array([[0, 1, 0], [0, 1, 1]])], classes=["femur"])
    ...     read_coco_masks(path, image_name="a.png", classes=["femur"])
    array([[0, 1, 0],
           [0, 1, 1]], dtype=uint8)
    """
    path, names = Path(path), [str(name) for name in image_names]
    label_maps = [None] * len(names) if label_maps is None else list(label_maps)
    boxes = [None] * len(names) if boxes is None else list(boxes)
    lengths = {len(names), len(image_shapes), len(label_maps), len(boxes)}
    if len(lengths) > 1 or len(set(names)) < len(names):
        raise InputError(
            f"{len(names)} names ({len(set(names))} different), {len(image_shapes)} shapes, {len(label_maps)} label "
            f"maps and {len(boxes)} sets of boxes; give as many of each, and each name once",
            code="length",
        )
    categories, annotations = class_names(classes or ()), []
    for image, (name, shape, label_map, own) in enumerate(zip(names, image_shapes, label_maps, boxes, strict=True), 1):
        found = [] if label_map is None else _outlines(np.asarray(label_map), shape, len(categories), name)
        for label, box in _named_boxes(own, name):
            place = f"box {label!r} of {name}"
            checked_box(box.left, box.top, box.width, box.height, shape, place, box.angle)
            if label not in categories:
                categories.append(label)
            found.append((categories.index(label) + 1, _of_box(box)))
        annotations += [
            {"id": len(annotations) + k, "image_id": image, "category_id": category, "iscrowd": 0} | fields
            for k, (category, fields) in enumerate(found, 1)
        ]
    images = [
        {"id": k, "file_name": name, "height": int(shape[0]), "width": int(shape[1])}
        for k, (name, shape) in enumerate(zip(names, image_shapes, strict=True), 1)
    ]
    kinds = [{"id": k, "name": name} for k, name in enumerate(categories, 1)]
    path.write_text(json.dumps({"images": images, "categories": kinds, "annotations": annotations}), encoding="utf-8")
    return path


def _named_boxes(own, name):
    """Pairs of name and box of one image."""
    pairs = list(own.items()) if isinstance(own, dict) else [] if own is None else own
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[1], Box) for pair in pairs
    ):
        raise InputError(
            f"the boxes of {name} are no dict of name to Box and no list of (name, Box); make each with Box(top, left, "
            "height, width)"
        )
    return [(str(label).strip(), box) for label, box in pairs]


def _outlines(label_map, shape, n_classes, name):
    """Category and fields of each label in a map."""
    labels = np.setdiff1d(label_map, [0]).tolist()
    is_map = label_map.shape == tuple(shape) and label_map.dtype.kind in "biu"
    if not is_map or not set(labels) <= set(range(n_classes + 1)):
        raise InputError(
            f"the label map of {name} is {label_map.dtype} of shape {label_map.shape} with the labels {labels[:9]}, "
            f"its image has the shape {tuple(shape)} and there are {n_classes} classes; give whole numbers of that "
            "shape, and a name for each label"
        )
    return [(int(label), _of_mask(label_map == label)) for label in labels]


def _of_mask(mask):
    """Outline, box and area of a mask: polygons between the pixels' centres, or runs if there are holes."""
    from contourpy import FillType, contour_generator

    padded = np.pad(mask, 1).astype(float)
    # Corners lie in the middle between a pixel's centre inside and one outside; the centre of the first is at 0.5.
    pieces, starts = contour_generator(z=padded, fill_type=FillType.OuterOffset).filled(0.5, 2)
    if any(len(own) > 2 for own in starts):
        runs = [[int(value), len(list(run))] for value, run in groupby(mask.ravel(order="F").tolist())]
        counts = [length for _, length in ([[0, 0]] if runs[0][0] else []) + runs]
        outline = {"counts": counts, "size": list(mask.shape)}
    else:
        outline = [_without_middles(piece[:-1] - 0.5).ravel().tolist() for piece in pieces]
    (top, bottom), (left, right) = ((axis.min(), axis.max() + 1) for axis in np.nonzero(mask))
    bbox = [int(left), int(top), int(right - left), int(bottom - top)]
    return {"segmentation": outline, "bbox": bbox, "area": int(mask.sum())}


def _without_middles(corners):
    """Corners (n, 2) of a polygon without those on the line between their neighbours."""
    before, after = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners
    return corners[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]


def _of_box(box):
    corners = box.corners[:, ::-1].ravel().tolist()
    fields = {"segmentation": [corners], "bbox": [float(value) for value in (box.left, box.top, box.width, box.height)]}
    return fields | {"area": float(box.width * box.height), "attributes": {"rotation": float(-box.angle % 360)}}


def _coco_entries(path, image_name, image_shape, key, classes=()):
    """Place, label and annotation of each one of an image, and the image's size or None."""
    try:
        content = json.loads(text_of(path, MAX_JSON_BYTES))
        images = [image for image in content["images"] if image["file_name"] == image_name]
        sizes = [(image["height"], image["width"]) for image in images if "height" in image]
        names = {category["id"]: str(category["name"]).strip() for category in content["categories"]}
        known = {image["id"] for image in content["images"]}
        strange = [entry["image_id"] for entry in content["annotations"] if entry["image_id"] not in known]
        entries = [
            (position, names.get(entry["category_id"]), entry | {key: entry[key]})
            for position, entry in enumerate(content["annotations"])
            if images and entry["image_id"] == images[0]["id"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path.name} is not a COCO file ({type(error).__name__})") from error
    if len(images) != 1:
        raise InputError(f"{path.name} knows {len(images)} images of the name asked for, one is needed")
    if strange:
        raise InputError(
            f"{path.name} has {len(strange)} annotations of images that it does not list, first image_id "
            f"{strange[0]!r}, a {type(strange[0]).__name__}; ids there are such as {next(iter(known))!r}"
        )
    missing = [name for name in classes if name not in names.values()]
    if missing:
        raise InputError(f"{path.name} has no category {missing[0]!r}; it has {sorted(names.values())}")
    stated = tuple(number(value, f"the size in {path.name}") for value in sizes[0]) if sizes else None
    places = [(f"annotation {position} of {path.name}", name, entry) for position, name, entry in entries]
    return [(place, label_of(name, place), entry) for place, name, entry in places], agreed_shape(
        stated, image_shape, path.name
    )


def _unpacked_runs(runs, shape, place):
    """Mask of COCO's runs of 0 and 1 in turn, column by column; as a list, or in the letters of pycocotools."""
    counts, size = runs.get("counts"), runs.get("size")
    counts = _lengths(counts) if isinstance(counts, str) else counts
    if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
        raise InputError(f"{place} has runs that are no whole numbers from 0 on; export it again")
    if size != list(shape) or sum(counts) != shape[0] * shape[1]:
        raise InputError(
            f"{place} has runs for {sum(counts)} pixels of an image of {str(size)[:40]}, this one has {shape[0]} x "
            f"{shape[1]}; was it drawn on another image?"
        )
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(shape, order="F")


def _lengths(letters):
    """Runs from letters: five bits each, from 48 on, 32 says that more follow; from the third on, differences."""
    counts, value, shift = [], 0, 0
    for letter in letters.encode("ascii", "replace"):
        bits = letter - 48
        value |= (bits & 31) << shift
        shift += 5
        if shift > 35:
            return [-1]
        if bits & 32:
            continue
        value -= (bits & 16) << (shift - 4)
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts
