"""JPEG, PNG, TIFF, NIfTI, NRRD and MetaImage: one function a format."""

import gzip
import re
import struct
from io import BytesIO

import numpy as np

from deepradiomics.exceptions import InputError
from deepradiomics.reading._files import Found, check_size, codestream_shape, head_of, one_channel, reading


def read_picture(path):
    """Read what is not DICOM."""
    head = head_of(path)
    with reading(path.name):
        if head.startswith(b"\xff\xd8\xff"):
            return _read_jpeg(path)
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            if head[25] == 4:
                raise InputError(f"{path.name} has grey and alpha channels; save it without alpha", code="colour")
            return _read_itk(path, "PNGImageIO")._replace(spacing=None)
        if head[:4] in (b"II*\0", b"MM\0*"):
            return _read_tiff(path)
        if head.startswith(b"NRRD"):
            return _read_with_text_header(
                path, "NrrdImageIO", rb"(?im)^data ?file:", rb"(?im)^(spacings|space directions):"
            )
        if re.match(rb"\s*\w+ *= *\w", head) and b"ElementDataFile" in head:
            foreign = rb"(?m)^ElementDataFile *= *(?! |LOCAL\s)"
            return _read_with_text_header(path, "MetaImageIO", foreign, rb"(?m)^Element(Spacing|Size) *=")
        if path.name.lower().endswith((".nii", ".nii.gz")):
            return _read_nifti(path)
    raise InputError(
        f"{path.name} is not an image that can be read; DICOM, PNG, TIFF, JPEG, NIfTI, NRRD and MetaImage can",
        code="unreadable",
    )


def _read_jpeg(path):
    """Read a JPEG picture of 8 bits."""
    from PIL import Image

    content = path.read_bytes()
    check_size(path.name, *codestream_shape(content), 24, len(content))
    if content.count(b"\xff\xda") > 100:
        raise InputError(f"{path.name} has over 100 scans, a JPEG picture has 1 to 20; is it damaged?", code="size")
    image = Image.open(BytesIO(content), formats=("JPEG",))
    _check_upright(path.name, image.getexif().get(274, 1))
    values = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    return Found(one_channel(values, path.name), place=path.name)


def _read_tiff(path):
    """Read a TIFF picture, unless ITK would reduce it to 8 bits or turn it."""
    tags = _tiff_tags(path.read_bytes())
    _check_upright(path.name, tags.get(274, 1))
    found = _read_itk(path, "TIFFImageIO")
    bits = tags.get(258, 1)
    if bits not in (1, 8 * found.pixels.dtype.itemsize) or tags.get(262) == 3:
        raise InputError(
            f"{path.name} holds {bits} bits a pixel in a way that cannot be read without loss; save it as grey PNG or "
            "TIFF of 8 or 16 bits",
            code="unreadable",
        )
    return found._replace(spacing=None)


def _tiff_tags(content):
    """Return {tag: first value} of the short and long tags of the first picture in a TIFF file."""
    order = "<" if content[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, start)
    tags = {}
    for position in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, n_values, pointer = struct.unpack_from(order + "HHII", content, position)
        if kind in (3, 4):
            letter, size = ("H", 2) if kind == 3 else ("I", 4)
            where = position + 8 if n_values * size <= 4 else pointer
            (tags[tag],) = struct.unpack_from(order + letter, content, where)
    return tags


def _check_upright(name, orientation):
    if orientation != 1:
        raise InputError(
            f"{name} has the orientation tag {orientation}, which asks viewers to turn it, so boxes and masks drawn in "
            "one would not fit; save it upright, without the tag",
            code="orientation",
        )


def _read_with_text_header(path, reader, foreign, spacing):
    """Read NRRD or MetaImage: in one file, and of unknown spacing where the header has none."""
    head = head_of(path, 2**16)
    if re.search(foreign, head):
        raise InputError(f"{path.name} keeps its pixels in another file; save it as one file", code="unreadable")
    found = _read_itk(path, reader)
    line = re.search(spacing + rb".*", head)
    return found if line and b"nan" not in line.group().lower() else found._replace(spacing=None)


def _read_nifti(path):
    """Read NIfTI-1; ITK takes a file that is cut off for a whole one, so its length is checked first."""
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        head = stream.read(352)
        order = "<" if head[:4] == b"\x5c\x01\0\0" else ">"
        n_axes, *sizes = struct.unpack_from(order + "8h", head, 40)
        bits, start = struct.unpack_from(order + "h", head, 72)[0], struct.unpack_from(order + "f", head, 108)[0]
        if head[344:348] != b"n+1\0":
            raise InputError(f"{path.name} is not NIfTI-1 in one file", code="unreadable")
        sizes = [max(size, 1) for size in sizes[: max(n_axes, 0)]]
        check_size(path.name, int(np.prod(sizes, dtype=float)), 1, bits, path.stat().st_size)
        missing = int(start) + int(np.prod(sizes)) * bits // 8 - len(head)
        while missing > 0:
            piece = stream.read(min(missing, 2**20))
            if not piece:
                raise InputError(f"{path.name} is cut off; copy it again from where it came", code="truncated")
            missing -= len(piece)
    return _read_itk(path, "NiftiImageIO")


def _read_itk(path, reader_name):
    """Read one slice and its (row, column) spacing."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(reader_name)
    talkative = reader.GetGlobalWarningDisplay()
    reader.GlobalWarningDisplayOff()  # ITK prints its warnings, paths included
    try:
        reader.ReadImageInformation()
        size = reader.GetSize()
        kept = _slice_axes(size, path.name)
        bits = (
            int(re.search(r"(\d+)-bit", sitk.GetPixelIDValueAsString(reader.GetPixelID())).group(1))
            * reader.GetNumberOfComponents()
        )
        check_size(path.name, size[kept[1]], size[kept[0]], bits, path.stat().st_size)
        image = reader.Execute()
    finally:
        reader.SetGlobalWarningDisplay(talkative)
    values = sitk.GetArrayFromImage(image)
    values = values.reshape(size[kept[1]], size[kept[0]], -1)
    spacing = image.GetSpacing()
    return Found(one_channel(values, path.name), (spacing[kept[1]], spacing[kept[0]]), place=path.name)


def _slice_axes(size, name):
    """Return the two axes, in ITK's order, of the only slice."""
    long = [axis for axis, count in enumerate(size) if count > 1]
    if len(long) > 2:
        raise InputError(f"{name} is a volume of shape {size[::-1]}; a radiograph has one slice", code="volume")
    return sorted((long + [axis for axis in range(len(size)) if axis not in long])[:2])
