"""Boxes as labelImg (Pascal VOC) and YOLO write them, checked against their image."""

from pathlib import Path
from xml.etree.ElementTree import ParseError

from deepradiomics.annotations._checks import (
    MAX_BYTES,
    agreed_shape,
    checked_box,
    content_of,
    label_of,
    number,
    text_of,
)
from deepradiomics.exceptions import InputError


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
        root = fromstring(content_of(path, MAX_BYTES), forbid_dtd=True)
    except (ParseError, DefusedXmlException, RecursionError, LookupError, ValueError) as error:
        raise InputError(
            f"{path.name} is not plain XML ({type(error).__name__}); save the boxes again in Pascal VOC format"
        ) from error
    if root.tag != "annotation":
        raise InputError(f"{path.name} is XML, but not of Pascal VOC; its root is not <annotation>")
    shape = agreed_shape(_voc_shape(root, path.name), image_shape, path.name)
    boxes = []
    for position, entry in enumerate(root.iter("object")):
        place = f"object {position} of {path.name}"
        left, top, right, bottom = (
            number(entry.findtext(f"bndbox/{name}"), place) for name in ("xmin", "ymin", "xmax", "ymax")
        )
        box = checked_box(left - 1, top - 1, right - left + 1, bottom - top + 1, shape, place)
        boxes.append((label_of(entry.findtext("name"), place), box))
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
    for position, line in enumerate(text_of(path, MAX_BYTES).splitlines(), start=1):
        place = f"line {position} of {path.name}"
        if not line.strip():
            continue
        words = line.split()
        if len(words) != 5:
            raise InputError(f"{place} has {len(words)} numbers, a YOLO box has 5")
        x, y, width, height = (number(word, place) for word in words[1:])
        rows, columns = image_shape
        box = checked_box(
            (x - width / 2) * columns, (y - height / 2) * rows, width * columns, height * rows, image_shape, place
        )
        boxes.append((_class_name(words[0], classes, place), box))
    return boxes


def _voc_shape(root, name):
    """Size of the image as the file says, or None; labelImg writes 0 where it does not know."""
    if root.findtext("size/height") is None:
        return None
    place = f"the size in {name}"
    return number(root.findtext("size/height"), place), number(root.findtext("size/width"), place)


def _class_name(word, classes, place):
    """Name of a YOLO class number."""
    if not (word.isascii() and word.isdigit()):
        raise InputError(f"{place} has the class {word[:40]!r}, a whole number from 0 on is needed")
    if classes is None:
        return word
    if int(word) >= len(classes):
        raise InputError(f"{place} is of class {word}, there are {len(classes)} names")
    return classes[int(word)]
