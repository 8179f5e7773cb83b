"""Boxes from annotation tools: labelImg (Pascal VOC), YOLO and COCO, checked against their image."""

import json
from pathlib import Path
from xml.etree.ElementTree import ParseError

import numpy as np

from deepradiomics.box import Box
from deepradiomics.exceptions import InputError

# Sizes of annotation files: one image has few boxes, and 100,000 boxes with outlines stay below the other.
_MAX_BYTES, _MAX_COCO_BYTES = 2**22, 2**26


def read_voc(path, *, image_shape=None):
    """Read the boxes of one image from a Pascal VOC file, as labelImg writes it.

    Parameters
    ----------
    path : path
        The XML file. What it says about folders and file names is not used.
    image_shape : tuple of two ints, default=None
        Rows and columns of the image, to check the boxes and the size in the file against; None uses the latter, if
        there is one.

    Returns
    -------
    list of (str, Box)
        Label and box of each object, in the order of the file. Pascal VOC counts pixels from 1 and includes the
        last one: ``xmin=1, xmax=10`` are the first ten columns.

    Raises
    ------
    InputError
        If the file is not such XML (entities and external references are refused), was made for an image of another
        size, or a box is inverted or sticks out of the image.

    Notes
    -----
    labelImg writes the corners of the drawn rectangle, cut to whole numbers and at least 1, so its boxes may come out
    up to one pixel larger at the upper left than they were drawn.

    References
    ----------
    Everingham M, Winn J. The PASCAL Visual Object Classes Challenge 2012 development kit, section 8.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from deepradiomics.annotations import read_voc
    >>> text = "<annotation><object><name>L1</name><bndbox><xmin>1</xmin><ymin>11</ymin><xmax>10</xmax><ymax>30</ymax>"
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.xml")
    ...     _ = path.write_text(text + "</bndbox></object></annotation>")
    ...     read_voc(path)
    [('L1', Box(top=10.0, left=0.0, height=20.0, width=10.0, angle=0.0))]
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    path = Path(path)
    try:
        root = fromstring(_content(path, _MAX_BYTES), forbid_dtd=True)
    except (ParseError, DefusedXmlException, RecursionError, LookupError, ValueError) as error:
        raise InputError(
            f"{path.name} is not plain XML ({type(error).__name__}); save the boxes again in Pascal VOC format",
            code="annotation",
        ) from error
    if root.tag != "annotation":
        raise InputError(f"{path.name} is XML, but not of Pascal VOC; its root is not <annotation>", code="annotation")
    shape = _agreed_shape(_voc_shape(root, path.name), image_shape, path.name)
    boxes = []
    for number, entry in enumerate(root.iter("object")):
        place = f"object {number} of {path.name}"
        left, top, right, bottom = (
            _number(entry.findtext(f"bndbox/{name}"), place) for name in ("xmin", "ymin", "xmax", "ymax")
        )
        box = _checked(left - 1, top - 1, right - left + 1, bottom - top + 1, shape, place)
        boxes.append((_label(entry.findtext("name"), place), box))
    return boxes


def read_yolo(path, *, image_shape, classes=None):
    """Read the boxes of one image from a YOLO text file.

    Parameters
    ----------
    path : path
        One line a box: class number, centre x, centre y, width, height, as shares of the image.
    image_shape : tuple of two ints
        Rows and columns of the image.
    classes : list of str, default=None
        Names of the class numbers; None gives the numbers as text.

    Returns
    -------
    list of (str, Box)
        Label and box of each line.

    Raises
    ------
    InputError
        If a line has other than five numbers, a class has no name, or a box sticks out of the image.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from deepradiomics.annotations import read_yolo
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.txt")
    ...     _ = path.write_text("0 0.5 0.5 0.5 0.25")
    ...     read_yolo(path, image_shape=(200, 100), classes=["L1"])
    [('L1', Box(top=75.0, left=25.0, height=50.0, width=50.0, angle=0.0))]
    """
    path = Path(path)
    boxes = []
    for number, line in enumerate(_text(path, _MAX_BYTES).splitlines(), start=1):
        place = f"line {number} of {path.name}"
        if not line.strip():
            continue
        words = line.split()
        if len(words) != 5:
            raise InputError(f"{place} has {len(words)} numbers, a YOLO box has 5", code="annotation")
        x, y, width, height = (_number(word, place) for word in words[1:])
        rows, columns = image_shape
        box = _checked(
            (x - width / 2) * columns, (y - height / 2) * rows, width * columns, height * rows, image_shape, place
        )
        boxes.append((_class_name(words[0], classes, place), box))
    return boxes


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
        Category and box of each annotation of the image.

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
    for place, name, bbox in entries:
        if not isinstance(bbox, list) or len(bbox) != 4:
            raise InputError(f"{place} has no box of four numbers", code="annotation")
        boxes.append((name, _checked(*(_number(value, place) for value in bbox), shape, place)))
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
        Names of the categories wanted; the first becomes label 1, and others are left out.
    image_shape : tuple of two ints, default=None
        Rows and columns of the image; None takes what the file says.

    Returns
    -------
    uint8 array of shape (H, W)
        0 is background. A pixel belongs to a polygon if its centre lies inside; a later outline covers an earlier one.

    Raises
    ------
    InputError
        If the file is not COCO JSON, the image is not in it, an outline is no list of polygons (run-length masks of
        crowds are not read), a corner lies more than a pixel outside, or the size of the image is not known.

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
    path = Path(path)
    if isinstance(classes, str):
        raise InputError(
            f"classes is a list of names, not the word {classes!r}; write [{classes!r}]", code="annotation"
        )
    entries, shape = _coco_entries(path, image_name, image_shape, "segmentation", classes)
    if shape is None:
        raise InputError(f"{path.name} does not say the size of the image; give image_shape", code="image_size")
    labels = np.zeros(tuple(int(size) for size in shape), dtype=np.uint8)
    for place, name, polygons in entries:
        if name in classes:
            if not isinstance(polygons, list) or not polygons:
                raise InputError(f"{place} has no list of polygons; export polygons, not runs", code="annotation")
            for polygon in polygons:
                labels[_inside(_corners(polygon, labels.shape, place), labels.shape)] = list(classes).index(name) + 1
    return labels


def _coco_entries(path, image_name, image_shape, key, classes=()):
    """Place, label and one value of each annotation of an image, and the image's size or None."""
    try:
        content = json.loads(_text(path, _MAX_COCO_BYTES))
        images = [image for image in content["images"] if image["file_name"] == image_name]
        sizes = [(image["height"], image["width"]) for image in images if "height" in image]
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        known = {image["id"] for image in content["images"]}
        strange = [entry["image_id"] for entry in content["annotations"] if entry["image_id"] not in known]
        entries = [
            (number, names.get(entry["category_id"]), entry[key])
            for number, entry in enumerate(content["annotations"])
            if images and entry["image_id"] == images[0]["id"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path.name} is not a COCO file ({type(error).__name__})", code="annotation") from error
    if len(images) != 1:
        raise InputError(
            f"{path.name} knows {len(images)} images of the name asked for, one is needed", code="annotation"
        )
    if strange:
        raise InputError(
            f"{path.name} has {len(strange)} annotations of images that it does not list, first image_id "
            f"{strange[0]!r}, a {type(strange[0]).__name__}; ids there are such as {next(iter(known))!r}",
            code="annotation",
        )
    missing = [name for name in classes if name not in names.values()]
    if missing:
        raise InputError(
            f"{path.name} has no category {missing[0]!r}; it has {sorted(names.values())}", code="annotation"
        )
    stated = tuple(_number(value, f"the size in {path.name}") for value in sizes[0]) if sizes else None
    places = [(f"annotation {number} of {path.name}", name, value) for number, name, value in entries]
    named = [(place, _label(name, place), value) for place, name, value in places]
    return named, _agreed_shape(stated, image_shape, path.name)


def _corners(polygon, shape, place):
    """Corners of a polygon (n, 2), row and column."""
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise InputError(f"{place} has a polygon without three corners of two numbers", code="annotation")
    corners = np.array([_number(value, place) for value in polygon]).reshape(-1, 2)[:, ::-1]
    if not np.isfinite(corners).all() or (corners < -1).any() or (corners > np.array(shape) + 1).any():
        raise InputError(
            f"{place} has a corner outside of its image of {shape[0]} x {shape[1]} pixels; is it another one?",
            code="box_outside",
        )
    return corners


def _inside(corners, shape):
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


def _content(path, max_bytes):
    """Read a small file."""
    if not path.is_file():
        raise InputError(f"{path.name}: no such file; is the path right?", code="no_file")
    if path.stat().st_size > max_bytes:
        raise InputError(f"{path.name} is larger than {max_bytes >> 20} MiB; is it an annotation file?", code="size")
    return path.read_bytes()


def _text(path, max_bytes):
    """Read a small text file."""
    try:
        return _content(path, max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not text; is it an annotation file?", code="annotation") from error


def _voc_shape(root, name):
    """Size of the image as the file says, or None; labelImg writes 0 where it does not know."""
    if root.findtext("size/height") is None:
        return None
    place = f"the size in {name}"
    return _number(root.findtext("size/height"), place), _number(root.findtext("size/width"), place)


def _agreed_shape(stated, given, name):
    """Boxes that were drawn on an image of another size would lie somewhere else in this one."""
    stated = stated if stated and min(stated) > 0 else None
    if stated and given is not None and tuple(stated) != tuple(given):
        raise InputError(
            f"{name} was made for an image of {stated[0]:g} x {stated[1]:g} pixels, this one has {given[0]} x "
            f"{given[1]}; give the image that the boxes were drawn on",
            code="image_size",
        )
    return stated if given is None else given


def _number(word, place):
    try:
        return float(word)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{place} has {str(word)[:40]!r} where a number is needed", code="annotation") from error


def _label(name, place):
    if not (name and name.strip()):
        raise InputError(f"{place} has no label; give each box one", code="annotation")
    return name.strip()


def _class_name(word, classes, place):
    """Name of a YOLO class number."""
    if not (word.isascii() and word.isdigit()):
        raise InputError(f"{place} has the class {word[:40]!r}, a whole number from 0 on is needed", code="annotation")
    if classes is None:
        return word
    if int(word) >= len(classes):
        raise InputError(f"{place} is of class {word}, there are {len(classes)} names", code="annotation")
    return classes[int(word)]


def _checked(left, top, width, height, shape, place):
    """Build a box; it must have a size and lie in the image, half a pixel of rounding allowed."""
    if not (width > 0 and height > 0):
        raise InputError(f"{place} is {width:g} wide and {height:g} high; its corners are inverted", code="box_size")
    if shape is not None and (min(left, top) < -0.5 or left + width > shape[1] + 0.5 or top + height > shape[0] + 0.5):
        raise InputError(
            f"{place} reaches from row {top:g} to {top + height:g} and column {left:g} to {left + width:g}, its image "
            f"has {shape[0]:g} x {shape[1]:g} pixels; was it drawn on another image?",
            code="box_outside",
        )
    return Box(top, left, height, width)
