"""Folders and zip files of parts: written whole, read within limits."""

import io
import re
import stat
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

from deepradiomics.exceptions import InputError

# Bytes of a whole model when unpacked, and parts of it; a VGG16 has 0.55 GB.
MOST_BYTES, _MOST_PARTS = 4 * 2**30, 20_000
# Unpacked, a file may be this many times its size, or this large.
_RATIO, _SMALL = 100, 64 * 2**20
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}")
_DAMAGE = (EOFError, NotImplementedError, OSError, OverflowError, RuntimeError, ValueError, zipfile.BadZipFile)


def write_parts(path, parts):
    """Write a folder or a zip file, whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".unfinished-", dir=path.parent) as folder:
            unfinished = Path(folder) / path.name
            if path.suffix == ".zip":
                unfinished.write_bytes(packed(parts))
            else:
                unfinished.mkdir()
                for name, data in parts.items():
                    (unfinished / name).write_bytes(data)
            unfinished.rename(path)
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be written ({type(error).__name__}: {error.strerror}); is there room, and may you "
            "write there?"
        ) from None


def read_parts(path):
    """Bytes of each part of a folder or a zip file; no links, no folders, no names that lead elsewhere."""
    try:
        if path.is_dir():
            return _read_folder(path)
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            raise _too_large(path.name)
        if not path.is_file() or not zipfile.is_zipfile(path):
            raise InputError(
                f"{path.name} is no saved model; give a folder or zip file that save has written",
                code="untrusted" if path.exists() else "no_file",
            )
        return unpacked(path.read_bytes(), path.name)
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be read ({type(error).__name__}: {error.strerror}); is it there, and may you read it?",
            code="no_file",
        ) from None


def _read_folder(path):
    files = sorted(path.iterdir())
    if any(file.is_symlink() or not file.is_file() for file in files):
        raise InputError(
            f"{path.name} holds a link or a folder, a saved model has plain files only; copy it again from where it "
            "came",
            code="untrusted",
        )
    if len(files) > _MOST_PARTS or sum(file.stat().st_size for file in files) > MOST_BYTES:
        raise _too_large(path.name)
    return {file.name: file.read_bytes() for file in files}


def packed(parts, *, compressed=True):
    """Bytes of a zip file of the parts."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in parts.items():
            # Weights do not become smaller.
            small = compressed and not name.endswith(".safetensors")
            archive.writestr(name, data, zipfile.ZIP_DEFLATED if small else zipfile.ZIP_STORED)
    return stream.getvalue()


def unpacked(data, name):
    """Parts of a zip file, {name: bytes}, each read up to the size that it declares."""
    # An entry of the directory takes 46 bytes in the file and ten times that in memory, so they are counted first.
    if data.count(b"PK\x01\x02") > 3 * _MOST_PARTS:
        raise _too_large(name)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, len(data), name)
            return {member.filename: _read_member(archive, member) for member in members}
    except InputError:
        # An InputError is a ValueError, too.
        raise
    except (*_DAMAGE, zlib.error) as error:
        raise damaged(name, error) from error


def _check_members(members, n_bytes, name):
    """Refuse what is too large, has another name than a plain one, or is packed in a way that save does not use."""
    size = sum(member.file_size for member in members)
    if len(members) > _MOST_PARTS or size > min(MOST_BYTES, max(_SMALL, _RATIO * n_bytes)):
        raise _too_large(name, f": it would unpack to {len(members)} parts of {size / 2**20:.0f} MiB")
    for member in members:
        link = stat.S_ISLNK(member.external_attr >> 16)
        if link or not _PLAIN_NAME.fullmatch(member.orig_filename) or member.filename != member.orig_filename:
            raise InputError(
                f"{name} has a part that is a link or leads outside of it; it was not written by save, do not use it",
                code="untrusted",
            )
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
            raise InputError(
                f"{name} is packed in another way than save packs; pack it with deflate, without a password, or keep "
                "the folder",
                code="untrusted",
            )
    if len({member.filename for member in members}) < len(members):
        raise InputError(f"{name} has two parts of one name; it was not written by save, do not use it", code="changed")


def _read_member(archive, member):
    """Read a member up to the size that it declares, whatever its stream would unpack to."""
    with archive.open(member) as stream:
        data = stream.read(member.file_size)
    if len(data) != member.file_size:
        raise EOFError(member.filename)
    return data


def damaged(name, error):
    """Say that a file cannot be read, without what the parser said, which may hold values of the file."""
    return InputError(
        f"{name} is damaged ({type(error).__name__}); copy it again from where it came", code="unreadable"
    )


def _too_large(name, details=""):
    return InputError(
        f"{name} is no saved model{details}; up to {MOST_BYTES >> 30} GiB, {_RATIO} times the file and {_MOST_PARTS} "
        "parts are allowed",
        code="untrusted",
    )
