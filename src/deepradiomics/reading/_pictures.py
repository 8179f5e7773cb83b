"""JPEG, PNG, TIFF, NIfTI, NRRD and MetaImage: one function a format."""

import gzip
import re
import struct
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from deepradiomics.exceptions import InputError
from deepradiomics.reading._files import (
    STREAMS,
    Found,
    Switch,
    array_of,
    check_size,
    codestream_shape,
    inverted,
    one_channel,
    reading,
)

_SAMPLE_FORMATS = {1: "whole numbers", 2: "signed numbers", 3: "floats"}
# Bits and sample format (tag 339) of what both ITK and Pillow read as stored.
_TIFF_KINDS = {(1, 1), *((bits, kind) for bits in (8, 16, 32) for kind in (1, 2)), (32, 3)}


def read_picture(path, content, labels=False, turned=False, color="raise"):
    """Read what is not DICOM; ``content`` are the bytes of the file, which ITK opens itself.

    ``labels`` reads stored numbers (the index of a palette, all layers), ``turned`` allows a tag that asks to turn.
    """
    head = content[:4096]
    with reading(path.name):
        if head.startswith(b"\xff\xd8\xff"):
            return _read_jpeg(path.name, content, turned, color)
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return _read_png(path, content, labels, turned, color)
        if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _read_tiff(path, content, labels, turned, color)
        if head.startswith(b"NRRD"):
            return _read_nrrd(path, content, labels, color)
        if re.match(rb"\s*\w+ *=", head) and b"ElementDataFile" in head:
            return _read_metaimage(path, content, labels, color)
        if path.name.lower().endswith((".nii", ".nii.gz")):
            return _read_nifti(path, content, labels, color)
    raise InputError(
        f"{path.name} is not an image that can be read; DICOM, PNG, TIFF, JPEG, NIfTI, NRRD and MetaImage can",
        code="unreadable",
    )


def _read_jpeg(name, content, turned, color):
    """Read a JPEG picture of 8 bits."""
    from PIL import Image

    check_size(name, *codestream_shape(content), 24, len(content))
    if content.count(b"\xff\xda") > 100:
        raise InputError(f"{name} has over 100 scans, a JPEG picture has 1 to 20; is it damaged?", code="size")
    image = Image.open(BytesIO(content), formats=("JPEG",))
    _check_upright(name, image.getexif().get(274, 1), turned)
    values = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    return Found(one_channel(values, name, color), place=name, lossy=True)


def _read_png(path, content, labels, turned, color):
    """Read PNG as stored: neither scaled to 8 bits nor shifted by the significant bits that it claims."""
    from PIL import Image

    bits, kind = content[24:26]
    n_channels = {2: 3, 4: 2, 6: 4}.get(kind, 1)
    n_columns, n_rows = struct.unpack_from(">2I", content, 16)
    check_size(path.name, n_rows, n_columns, bits * n_channels, len(content))
    if b"IEND\xaeB`\x82" not in content:
        raise InputError(f"{path.name} is cut off; copy it again from where it came", code="truncated")
    image = Image.open(BytesIO(content), formats=("PNG",))
    _check_upright(path.name, image.getexif().get(274, 1), turned)
    if kind == 3:
        values = np.asarray(image) if labels else one_channel(np.asarray(image.convert("RGB")), path.name, color)
        return Found(values, place=path.name)
    if bits == 16 and n_channels > 1:  # Pillow would keep 8 bits
        if kind == 4 or b"sBIT" in content[:4096]:
            raise InputError(
                f"{path.name} has {n_channels} channels of 16 bits with alpha or significant bits; save it as gray",
                code="color",
            )
        with nullcontext() if isinstance(path, Path) else TemporaryDirectory() as folder:
            if folder is not None:  # ITK reads no bytes
                Path(folder, "picture.png").write_bytes(content)
            source = path if folder is None else Path(folder, "picture.png")
            return _read_itk(source, "PNGImageIO", path.name, color=color)._replace(spacing=None, geometry=None)
    values = np.asarray(image)
    if bits in (2, 4):
        values = values // np.uint8(255 // (2**bits - 1))  # Pillow spreads them over 0 to 255
    return Found(one_channel(values.astype(np.uint8) if bits == 1 else values, path.name, color), place=path.name)


def _read_tiff(path, content, labels, turned, color):
    """Read a TIFF picture as its tags say; what the decoders would reduce is named."""
    from PIL import Image
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    stream = BytesIO(content)
    big = b"+" in content[2:4]
    tags = ImageFileDirectory_v2(stream.read(16 if big else 8))
    stream.seek(tags.next)
    tags.load(stream)
    end = stream.tell()
    _check_upright(path.name, tags.get(274, 1), turned)
    bits, kind = (int(np.ravel(tags.get(tag, 1))[0]) for tag in (258, 339))
    n_samples, white_is_zero = int(tags.get(277, 1)), tags.get(262) == 0
    if n_samples == 2:
        raise InputError(f"{path.name} has gray and alpha channels; save it without alpha", code="color")
    plain = n_samples in (1, 3, 4) and (bits, kind) in _TIFF_KINDS and int(tags.get(284, 1)) == 1
    # ITK shows tiles and single bits in 8 bits, Pillow as they are.
    by_pillow = n_samples == 1 and (bits == 1 or 322 in tags or tags.get(262) == 3) and bits in (1, 8, 16)
    if not plain or (322 in tags and not by_pillow) or (tags.get(262) == 3 and not labels):
        raise InputError(
            f"{path.name} holds {n_samples} channels of {bits} bits ({_SAMPLE_FORMATS.get(kind, 'unknown numbers')}, "
            f"photometric {tags.get(262)}) in a way that cannot be read without loss; save it as gray PNG or TIFF of 8 "
            "or 16 bits, or of 32-bit floats",
            code="unreadable",
        )
    check_size(path.name, int(tags[257]), int(tags[256]), bits * n_samples, len(content))
    _check_pages(stream, tags, path.name)
    if by_pillow:
        image = Image.open(BytesIO(content), formats=("TIFF",))
        if 274 in image.tag_v2:
            del image.tag_v2[274]  # by which Pillow would turn it
        values = _gray_of_pillow(image, white_is_zero, labels)
    else:
        with TemporaryDirectory() as folder:  # libtiff prints the path of a damaged file
            copy = Path(folder, "picture.tif")
            width = 8 if big else 4  # ITK crashes on some files of several pages: the copy ends after the first
            copy.write_bytes(content[: end - width] + bytes(width) + content[end:])
            values = _read_itk(copy, "TIFFImageIO", path.name, color=color).pixels
        values = inverted(values) if white_is_zero and not labels else values
    return Found(values, place=path.name)


def _gray_of_pillow(image, white_is_zero, labels):
    """Values of a gray picture: Pillow inverts those of 1 and 8 bits whose white is zero, and no others."""
    values = np.asarray(image)
    values = values.astype(np.uint8) if image.mode == "1" else values
    turn_round = white_is_zero and image.mode != "1" and labels == (image.mode == "L")
    return inverted(values) if turn_round else values


def _check_pages(stream, tags, name):
    """Go to the end of a TIFF; refuse one of several pages, of which smaller copies of the first do not count."""
    seen = set()
    while tags.next and tags.next not in seen:
        seen.add(tags.next)
        stream.seek(tags.next)
        tags.load(stream)
        if 256 in tags and not int(tags.get(254, 0)) & 1:
            raise InputError(f"{name} has several pages; a radiograph has one", code="volume")


def _check_upright(name, orientation, turned):
    if orientation not in (0, 1) and not turned:  # 0 is no orientation
        raise InputError(
            f"{name} has the orientation tag {orientation}, which asks viewers to turn it, so boxes and masks drawn in "
            "one would not fit; save it upright, without the tag, or pass orientation='stored'",
            code="orientation",
        )


def _read_nrrd(path, content, labels, color):
    """Read NRRD in one file; spacing is unknown where the header has none."""
    head = content[: 2**16].partition(b"\n\n")[0]
    if re.search(rb"(?im)^data ?file:", head):
        raise InputError(f"{path.name} keeps its pixels in another file; save it as one file", code="unreadable")
    found = _read_itk(path, "NrrdImageIO", path.name, labels, color)
    line = re.search(rb"(?im)^(spacings|space directions):.*", head)
    return found if line and b"nan" not in line.group().lower() else found._replace(spacing=None, geometry=None)


def _read_metaimage(path, content, labels, color):
    """Read MetaImage in one file; ITK crashes on sizes that make no sense, so the header is checked first."""
    header = re.match(rb"(?ms).*?^ElementDataFile *=[^\n]*\n", content[: 2**16]).group()
    lines = re.findall(rb"(?m)^(\w+) *= *(.*?)\s*$", header)
    fields = dict(lines)
    if fields.get(b"ElementDataFile") != b"LOCAL":
        raise InputError(f"{path.name} keeps its pixels in another file; save it as one file", code="unreadable")
    sizes = [int(word) for word in fields[b"DimSize"].split()]
    if (
        len(lines) != len(fields)
        or not 2 <= len(sizes) == int(fields[b"NDims"]) <= 4
        or min(sizes) < 1
        or not 1 <= int(fields.get(b"ElementNumberOfChannels", 1)) <= 4
        or int(fields.get(b"CompressedDataSize", 0)) not in range(len(content))
    ):
        raise InputError(f"{path.name} has a header that contradicts itself; save it again", code="unreadable")
    found = _read_itk(path, "MetaImageIO", path.name, labels, color)
    return found if {b"ElementSpacing", b"ElementSize"} & set(fields) else found._replace(spacing=None, geometry=None)


def _read_nifti(path, content, labels, color):
    """Read NIfTI-1; ITK takes a file that is cut off for a whole one, so its length is checked first."""
    packed = path.suffix.lower() == ".gz"
    with gzip.open(BytesIO(content)) if packed else BytesIO(content) as stream:
        head = stream.read(352)
        order = "<" if head[:4] == b"\x5c\x01\0\0" else ">"
        n_axes, *sizes = struct.unpack_from(order + "8h", head, 40)
        bits, start = struct.unpack_from(order + "h", head, 72)[0], struct.unpack_from(order + "f", head, 108)[0]
        if head[344:348] != b"n+1\0":
            raise InputError(f"{path.name} is not NIfTI-1 in one file", code="unreadable")
        sizes = [max(size, 1) for size in sizes[: max(n_axes, 0)]]
        check_size(path.name, int(np.prod(sizes, dtype=float)), 1, bits, len(content))
        missing = int(start) + int(np.prod(sizes)) * bits // 8 - len(head)
        while missing > 0:
            piece = stream.read(min(missing, 2**20))
            if not piece:
                raise InputError(f"{path.name} is cut off; copy it again from where it came", code="truncated")
            missing -= len(piece)
    found = _read_itk(path, "NiftiImageIO", path.name, labels, color)
    if not head[123] & 7:  # the unit of lengths is unknown
        return found._replace(spacing=None, geometry=None)
    steps = [step for step, size in zip(struct.unpack_from(order + "7f", head, 80), sizes, strict=False) if size > 1]
    # ITK takes a step of 0 or NaN for 1 mm.
    return found if all(step > 0 for step in steps) else found._replace(spacing=tuple(steps[::-1]), geometry=None)


def _silence_itk():
    """Turn off the warnings that ITK prints, paths included; return what puts it back."""
    import SimpleITK as sitk

    talkative = sitk.ImageFileReader().GetGlobalWarningDisplay()
    sitk.ImageFileReader().GlobalWarningDisplayOff()
    return lambda: sitk.ImageFileReader().SetGlobalWarningDisplay(talkative)


_ITK = Switch(_silence_itk)


def _read_itk(path, reader_name, name, labels=False, color="raise"):
    """Read one slice, its (row, column) spacing, and where it lies; a label map keeps its layers, (H, W, n)."""
    import SimpleITK as sitk

    if not isinstance(path, Path):  # bytes
        raise InputError(f"{name} is of a format that is read from files only; give its path", code="no_file")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(reader_name)
    with _ITK:
        reader.ReadImageInformation()
        size = reader.GetSize()
        kept = _slice_axes(size, name)
        bits = (
            int(re.search(r"(\d+)-bit", sitk.GetPixelIDValueAsString(reader.GetPixelID())).group(1))
            * reader.GetNumberOfComponents()
        )
        check_size(name, size[kept[1]], size[kept[0]], bits, path.stat().st_size)
        image = reader.Execute()
    return _slice_of(image, name, labels, color)


def found_in_memory(source, name, labels=False, turned=False, color="raise"):
    """Take an image of SimpleITK, a picture of Pillow, or what can become an array, as it is."""
    library = type(source).__module__.partition(".")[0]
    if library == "SimpleITK":
        found = _slice_of(source, name, labels, color)._replace(place="the SimpleITK image")
        # 1 x 1 mm is what SimpleITK writes where it knows none.
        return found._replace(spacing=None if found.spacing == (1, 1) else found.spacing, spacing_source="SimpleITK")
    if library == "PIL":
        with STREAMS, reading(name):  # it may not have been read from its file yet
            return Found(_pillow_values(source, name, labels, turned, color), lossy=source.format in ("JPEG", "MPO"))
    return Found(array_of(source))


def _pillow_values(image, name, labels, turned, color):
    """Pixels of a picture of Pillow, as those of its file."""
    check_size(name, image.height, image.width)
    tags = getattr(image, "tag_v2", {})
    # Pillow turns TIFF as the tag asks, so it cannot be had as stored.
    _check_upright(name, tags.get(274, image.getexif().get(274, 1)), turned and 274 not in tags)
    if image.mode in ("RGB", "RGBA", "LA"):
        return one_channel(np.asarray(image), name, color)
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX", *([] if labels else ["P", "PA"])):
        return one_channel(np.asarray(image.convert("RGBA" if image.mode == "PA" else "RGB")), name, color)
    return _gray_of_pillow(image, tags.get(262) == 0, labels)


def _slice_of(image, name, labels=False, color="raise"):
    """Pixels, (row, column) spacing and place of the only slice of an image of SimpleITK."""
    import SimpleITK as sitk

    size = image.GetSize()
    kept = _slice_axes(size, name)
    values = sitk.GetArrayFromImage(image).reshape(size[kept[1]], size[kept[0]], -1)
    # What says where a picture of one slice lies across it means nothing.
    spacing, direction = image.GetSpacing(), np.reshape(image.GetDirection(), (len(size), -1))[:, kept]
    geometry = image.GetOrigin(), (spacing[kept[0]], spacing[kept[1]]), direction
    values = values if labels and values.shape[-1] > 1 else one_channel(values, name, color)
    return Found(values, (spacing[kept[1]], spacing[kept[0]]), place=name, geometry=geometry)


def _slice_axes(size, name):
    """Return the two axes, in ITK's order, of the only slice."""
    long = [axis for axis, count in enumerate(size) if count > 1]
    if len(long) > 2:
        raise InputError(f"{name} is a volume of shape {size[::-1]}; a radiograph has one slice", code="volume")
    return sorted((long + [axis for axis in range(len(size)) if axis not in long])[:2])
