"""Checks that every file passes: its kind and size, and what a parser may raise."""

import os
import re
import stat
import struct
import warnings
import zlib
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path, PurePath
from threading import Lock, local
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np

from deepradiomics.exceptions import DeepRadiomicsError, InputError

# 8,192 x 8,192: film of 35 x 43 cm digitised at 0.05 mm has 60 million pixels, a stitched spine 30 million.
MAX_PIXELS = 2**26
# No radiograph is compressed a hundredfold; a label map may be, so what is small when unpacked needs no such proof.
_SMALL_BYTES, _MAX_RATIO = 2**25, 100
MAX_FILE_BYTES = 4 * MAX_PIXELS
# What parsers raise on a damaged file.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
MAX_MAGNIFICATION = 3
# Arrays and radiographs as they are printed; no path has a line break.
_PRINTED = re.compile(r"\s*(\[[\s\d\[.-]|array\(|tensor\(|Radiograph\(|<)|.*\n", re.DOTALL)
# Endings of what can be read; any other text may be a word of another column, such as "Anna B. Smith".
_ENDINGS = re.compile(r"\.(dcm|dicom|ima|png|tiff?|jpe?g|nii|gz|nrrd|mha)", re.IGNORECASE)
STREAMS = Lock()  # an open file has one position, which threads would move for each other
_THREAD = local()  # .caught: the warnings of the file that this thread reads


class Found(NamedTuple):
    """What a source holds, before it is compared with what was asked for."""

    pixels: np.ndarray
    spacing: object = None
    sides: tuple = ()
    view: str | None = None
    mask: np.ndarray | None = None
    name: str = ""  # of the radiograph
    place: str = "the image"  # in messages
    spacing_source: str | None = None
    magnification: float | None = None  # of the tags
    geometry: tuple | None = None  # origin, spacing of both axes, and their directions (n, 2), as ITK has them
    lossy: bool = False


def array_of(values):
    """Make an array of whatever can become one."""
    try:
        # A masked array stays one, so that its hidden pixels are not lost without a word.
        return values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{type(values).__name__} is not an array of numbers ({type(error).__name__}); give a path or an array of "
            "shape (rows, columns)",
            code="not_an_image",
        ) from None


def name_and_content(source):
    """Name for messages and bytes of a path, ``file://`` address, bytes, open stream or pydicom dataset; else None."""
    if isinstance(source, str | os.PathLike):
        path = checked_path(source)
        return path, content_of(path)
    # A pure path: a file of this name may lie in the working directory, and is not meant.
    memory = PurePath("the file in memory")
    if isinstance(source, bytes | bytearray | memoryview):
        _check_length(memory.name, source.nbytes if isinstance(source, memoryview) else len(source))
        return memory, bytes(source)
    if hasattr(source, "read") and hasattr(source, "seek"):
        return memory, _stream_content(source, memory.name)
    if type(source).__module__.startswith("pydicom."):
        stream, place = BytesIO(), PurePath("the pydicom dataset")
        with reading(place.name):
            known = "TransferSyntaxUID" in getattr(source, "file_meta", ()) or None not in source.original_encoding
            encoding = {} if known else {"implicit_vr": False, "little_endian": True}
            source.save_as(stream, enforce_file_format=False, **encoding)
        content = stream.getvalue()
        return place, content if content[128:132] == b"DICM" else bytes(128) + b"DICM" + content
    return None


def _stream_content(stream, name):
    """All bytes of an open stream, which may be read more than once and by several threads."""
    try:
        if isinstance(stream, BytesIO):
            content = stream.getvalue()
        else:
            with STREAMS:
                stream.seek(0)
                content = stream.read(MAX_FILE_BYTES + 1)
        content = bytes(memoryview(content))  # text has no bytes
    except (OSError, TypeError, ValueError) as error:
        raise InputError(
            f"{name} is closed, gives text, or cannot be read from its start ({type(error).__name__}); open it with "
            "open(path, 'rb') and leave it open, or give its bytes",
            code="no_file",
        ) from None
    _check_length(name, len(content))
    return content


def _check_length(name, n_bytes):
    if n_bytes > MAX_FILE_BYTES:
        raise InputError(
            f"{name} has {n_bytes >> 20} MiB or more, {MAX_FILE_BYTES >> 20} are allowed; is it one radiograph?",
            code="size",
        )


def path_meant(text):
    """Path of the file of this name, else of what a ``file://`` address or ``~`` means; ValueError if that is none."""
    if os.path.exists(text):
        return Path(text)
    return Path(url2pathname(urlsplit(text).path) if text.startswith("file://") else os.path.expanduser(text))


def checked_path(source):
    """Refuse what is not a regular, non-empty file, without opening it; messages hold the file's name only."""
    text = os.fsdecode(source)
    if _PRINTED.match(text) and not os.path.exists(text):
        raise InputError(
            "a text stands where an image is expected, perhaps an array as to_csv prints it, which lacks most pixels; "
            "save images as files, PNG or TIFF, and give their paths",
            code="not_an_image",
        )
    try:
        path = path_meant(text)
    except ValueError:
        raise InputError("a file:// address cannot be understood; give a path", code="no_file") from None
    if "://" in text and not text.startswith("file://"):
        raise InputError(
            f"{path.name} is an address on a network or in an archive; give a file, or the bytes, "
            "BytesIO(fsspec.open(address).open().read())",
            code="no_file",
        )
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        if not _ENDINGS.fullmatch(path.suffix):
            raise InputError(
                "the text is no file that is there, and has no ending as files of images have; is it a column of "
                "images, and the path right?",
                code="no_file",
            ) from None
        raise InputError(
            f"{path.name}: no such file ({type(error).__name__}); is the path right?", code="no_file"
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path.name!r} is not a regular file; give the path of one image file", code="no_file")
    if status.st_size == 0:
        raise InputError(f"{path.name} is empty; copy it again from where it came", code="empty_file")
    _check_length(path.name, status.st_size)
    return path


def content_of(path):
    """Return the bytes of a file that passed `checked_path`, which may have grown since."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be opened ({type(error).__name__}); may you read it?", code="no_file"
        ) from None
    _check_length(path.name, len(content))
    return content


class Switch:
    """Something of the whole process that is off while any thread is inside; threads do not wait for each other."""

    def __init__(self, turn_off):
        self._turn_off, self._lock, self._n_inside = turn_off, Lock(), 0

    def __enter__(self):
        with self._lock:
            if self._n_inside == 0:
                self._turn_on = self._turn_off()
            self._n_inside += 1

    def __exit__(self, *_):
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                self._turn_on()


def _collect_warnings():
    """Give each warning to the thread that reads, others to what was there; return what puts it back."""
    before, state = warnings.showwarning, warnings.catch_warnings()
    state.__enter__()
    warnings.simplefilter("always")

    def show(message, *place):
        caught = getattr(_THREAD, "caught", None)
        if caught is None:
            before(message, *place)
        else:
            caught.append(message)

    warnings.showwarning = show
    return lambda: state.__exit__(None, None, None)


_WARNINGS = Switch(_collect_warnings)


@contextmanager
def reading(name, *damage):
    """Turn what parsers raise into an error of ours; yields the list of what they warn about.

    The list is for the caller to judge: a truncated file is an error there, padding after the pixels is not.
    """
    with _WARNINGS:
        _THREAD.caught = []
        try:
            yield _THREAD.caught
        except DeepRadiomicsError:
            raise
        except (*DAMAGE, *damage) as error:
            # The parser's own message may hold the path or values of the file, so it is left out.
            if isinstance(error, EOFError) or "truncated" in str(error).lower():
                raise InputError(f"{name} is cut off; copy it again from where it came", code="truncated") from None
            raise InputError(
                f"{name} is damaged, or of a kind that cannot be read ({type(error).__name__}); DICOM, PNG, TIFF, "
                "JPEG, NIfTI, NRRD and MetaImage can; export it again",
                code="unreadable",
            ) from None
        finally:
            _THREAD.caught = None


def check_size(name, n_rows, n_columns, bits=8, n_bytes=_SMALL_BYTES):
    """Refuse what is too large, or claims to be far larger than its file can hold, before it is unpacked."""
    if n_rows < 1 or n_columns < 1 or n_rows * n_columns > MAX_PIXELS:
        raise InputError(
            f"{name} claims {n_rows} x {n_columns} pixels, between 1 and {MAX_PIXELS} in all are allowed; is it a "
            "radiograph?",
            code="size",
        )
    unpacked = n_rows * n_columns * bits // 8
    if unpacked > max(_SMALL_BYTES, _MAX_RATIO * n_bytes):
        raise InputError(
            f"{name} claims {unpacked >> 20} MiB of pixels in a file of {n_bytes} bytes; is it damaged?", code="size"
        )


def one_channel(values, name, color="raise"):
    """Take the gray values out of equal color channels, or the luminance out of others; opaque alpha is left."""
    if values.ndim == 2:
        return values
    n_colors = 3 if values.shape[-1] >= 3 else 1
    colors, others = values[..., :n_colors], values[..., n_colors:]
    if others.size and (others != (np.iinfo(others.dtype).max if others.dtype.kind in "iu" else 1)).any():
        raise InputError(
            f"{name} has an alpha channel, or layers, that are not opaque; save it without alpha, one layer",
            code="color",
        )
    if (colors == colors[..., :1]).all():
        return np.ascontiguousarray(colors[..., 0])
    if color == "luminance":
        return (colors @ np.array([0.299, 0.587, 0.114])).astype(np.float32)  # Rec. 601
    raise InputError(
        f"{name} is a color picture, its channels differ; export the radiograph itself in gray values, or pass "
        "color='luminance' where only marks are colored",
        code="color",
    )


def inverted(values):
    """Turn values round within the range of their type; floats within their own range."""
    if values.dtype.kind == "f":
        return values.max() + values.min() - values
    limits = np.iinfo(values.dtype)
    return (limits.max + limits.min - values.astype(np.int64)).astype(values.dtype)


def codestream_shape(frame):
    """Return (rows, columns) as the header of a JPEG, JPEG-LS or JPEG 2000 stream says; (0, 0) if it does not."""
    if frame[:4] == b"\xff\x4f\xff\x51":
        right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
        return bottom - top, right - left
    position = 2
    while frame[position : position + 1] == b"\xff":
        marker = frame[position + 1]
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return struct.unpack_from(">2H", frame, position + 5)
        position += 1 if marker == 0xFF else 2 + struct.unpack_from(">H", frame, position + 2)[0]
    return 0, 0
