"""JPEG, PNG, TIFF, NIfTI, NRRD and MetaImage: one function a format."""

import gzip
import re
import struct
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from deepradiomics.exceptions import InputError
from deepradiomics.reading._files import Found, Switch, check_size, codestream_shape, one_channel, reading


def read_picture(path, content):
    """Read what is not DICOM; ``content`` are the bytes of the file, which ITK opens itself."""
    head = content[:4096]
    with reading(path.name):
        if head.startswith(b"\xff\xd8\xff"):
            return _read_jpeg(path.name, content)
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            if head[25] == 4:
                raise InputError(f"{path.name} has grey and alpha channels; save it without alpha", code="colour")
            return _read_itk(path, "PNGImageIO", path.name)._replace(spacing=None)
        if head[:4] in (b"II*\0", b"MM\0*"):
            return _read_tiff(path, content)
        if head.startswith(b"NRRD"):
            return _read_nrrd(path, content)
        if re.match(rb"\s*\w+ *=", head) and b"ElementDataFile" in head:
            return _read_metaimage(path, content)
        if path.name.lower().endswith((".nii", ".nii.gz")):
            return _read_nifti(path, content)
    raise InputError(
        f"{path.name} is not an image that can be read; DICOM, PNG, TIFF, JPEG, NIfTI, NRRD and MetaImage can",
        code="unreadable",
    )


def _read_jpeg(name, content):
    """Read a JPEG picture of 8 bits."""
    from PIL import Image

    check_size(name, *codestream_shape(content), 24, len(content))
    if content.count(b"\xff\xda") > 100:
        raise InputError(f"{name} has over 100 scans, a JPEG picture has 1 to 20; is it damaged?", code="size")
    image = Image.open(BytesIO(content), formats=("JPEG",))
    _check_upright(name, image.getexif().get(274, 1))
    values = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    return Found(one_channel(values, name), place=name)


def _read_tiff(path, content):
    """Read a TIFF picture, unless ITK would reduce it to 8 bits or turn it."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    stream = BytesIO(content)
    tags = ImageFileDirectory_v2(stream.read(8))
    stream.seek(tags.next)
    tags.load(stream)
    _check_upright(path.name, tags.get(274, 1))
    with TemporaryDirectory() as folder:  # libtiff prints the path of a damaged file
        copy = Path(folder, "picture.tif")
        copy.write_bytes(content)
        found = _read_itk(copy, "TIFFImageIO", path.name)
    bits = int(np.ravel(tags.get(258, 1))[0])
    if bits not in (1, 8 * found.pixels.dtype.itemsize) or tags.get(262) == 3:
        raise InputError(
            f"{path.name} holds {bits} bits a pixel in a way that cannot be read without loss; save it as grey PNG or "
            "TIFF of 8 or 16 bits",
            code="unreadable",
        )
    return found._replace(spacing=None)


def _check_upright(name, orientation):
    if orientation != 1:
        raise InputError(
            f"{name} has the orientation tag {orientation}, which asks viewers to turn it, so boxes and masks drawn in "
            "one would not fit; save it upright, without the tag",
            code="orientation",
        )


def _read_nrrd(path, content):
    """Read NRRD in one file; spacing is unknown where the header has none."""
    head = content[: 2**16].partition(b"\n\n")[0]
    if re.search(rb"(?im)^data ?file:", head):
        raise InputError(f"{path.name} keeps its pixels in another file; save it as one file", code="unreadable")
    found = _read_itk(path, "NrrdImageIO", path.name)
    line = re.search(rb"(?im)^(spacings|space directions):.*", head)
    return found if line and b"nan" not in line.group().lower() else found._replace(spacing=None)


def _read_metaimage(path, content):
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
    found = _read_itk(path, "MetaImageIO", path.name)
    return found if {b"ElementSpacing", b"ElementSize"} & set(fields) else found._replace(spacing=None)


def _read_nifti(path, content):
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
    found = _read_itk(path, "NiftiImageIO", path.name)
    steps = [step for step, size in zip(struct.unpack_from(order + "7f", head, 80), sizes, strict=False) if size > 1]
    # ITK takes a step of 0 or NaN for 1 mm.
    return found if all(step > 0 for step in steps) else found._replace(spacing=tuple(steps[::-1]))


def _silence_itk():
    """Turn off the warnings that ITK prints, paths included; return what puts it back."""
    import SimpleITK as sitk

    talkative = sitk.ImageFileReader().GetGlobalWarningDisplay()
    sitk.ImageFileReader().GlobalWarningDisplayOff()
    return lambda: sitk.ImageFileReader().SetGlobalWarningDisplay(talkative)


_ITK = Switch(_silence_itk)


def _read_itk(path, reader_name, name):
    """Read one slice and its (row, column) spacing."""
    import SimpleITK as sitk

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
    values = sitk.GetArrayFromImage(image)
    values = values.reshape(size[kept[1]], size[kept[0]], -1)
    spacing = image.GetSpacing()
    return Found(one_channel(values, name), (spacing[kept[1]], spacing[kept[0]]), place=name)


def _slice_axes(size, name):
    """Return the two axes, in ITK's order, of the only slice."""
    long = [axis for axis, count in enumerate(size) if count > 1]
    if len(long) > 2:
        raise InputError(f"{name} is a volume of shape {size[::-1]}; a radiograph has one slice", code="volume")
    return sorted((long + [axis for axis in range(len(size)) if axis not in long])[:2])
