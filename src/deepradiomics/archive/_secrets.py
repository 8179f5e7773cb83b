"""Pseudonyms: hashes that nobody can make, or look up, without the key."""

import os
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex

from deepradiomics.exceptions import InputError

_SHORTEST = 16
_LONGEST_SHIFT = 20_000


def key_of(key):
    """Return 32 bytes made of the user's key: bytes, or the path of a file, which is made if it is not there."""
    if isinstance(key, str | os.PathLike):
        path = Path(key)
        try:
            if not path.exists():
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                    stream.write(token_hex(32))
            key = path.read_bytes().strip()
        except OSError as error:
            raise InputError(
                f"the file of the key, {path.name}, cannot be read or made ({type(error).__name__}); is the path right?"
            ) from None
    if not isinstance(key, bytes) or len(key) < _SHORTEST:
        raise InputError(
            f"a key is {_SHORTEST} bytes or more, or the path of a file with them; a short one could be guessed, and "
            "with it every patient"
        )
    return blake2b(key, digest_size=32).digest()


def keyed(key, kind, *parts):
    """Hash texts or bytes under the key: 16 hexadecimal digits."""
    hashed = blake2b(kind.encode(), key=key, digest_size=8)
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        hashed.update(len(data).to_bytes(8, "big"))
        hashed.update(data)
    return hashed.hexdigest()


def shift_of(key, patient):
    """Days by which all days of a patient are moved where they are kept, so that no date is."""
    return int(keyed(key, "shift", patient), 16) % _LONGEST_SHIFT
