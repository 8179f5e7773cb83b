"""What a command says: on stdout what was done, on stderr what went wrong, and both in the file of --log."""

import logging
import re
import sys
from contextlib import contextmanager

from deepradiomics import __version__
from deepradiomics.cli._checks import check_file
from deepradiomics.exceptions import InputError

LOG = logging.getLogger("deepradiomics.cli")
LOG.propagate = False
LOG.setLevel(logging.DEBUG)


class _Speaker(logging.StreamHandler):
    """A stream that shows what it cannot encode as backslashes, and says when nobody reads it."""

    def format(self, record):
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return super().format(record).encode(encoding, "backslashreplace").decode(encoding)

    def handleError(self, record):
        raise  # what logging has caught where it calls this


@contextmanager
def speaking():
    """Send what is logged to stdout (info) and stderr (warnings and errors, behind the name of the command)."""
    out, err = _Speaker(sys.stdout), _Speaker(sys.stderr)
    out.addFilter(lambda record: record.levelno == logging.INFO)
    err.setLevel(logging.WARNING)
    err.setFormatter(logging.Formatter("deepradiomics: %(message)s"))
    LOG.handlers = [out, err]
    try:
        yield
    finally:
        for handler in LOG.handlers:
            handler.close()
        LOG.handlers = []


def log_to(options, words):
    """Append all that is said to the file of --log, behind the words of the command without folders."""
    path, output = options.log.absolute(), getattr(options, "output", None)
    check_file(path)
    start = path.read_bytes()[:19] if path.exists() else b""
    if (output is not None and path == output.absolute()) or not re.fullmatch(rb"([\d :-]{19})?", start):
        raise InputError(f"{path.name} is no log of this command; give the log a name of its own", code="output")
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    LOG.addHandler(handler)
    # Of a path, its last part; NAME=PATH and --option=NAME=PATH are one, too.
    said = [re.sub(r"(?s)^((?:--[^=\\/]+=)?(?:[^=\\/]+=)?).*[\\/]", r"\1", str(word).rstrip("\\/")) for word in words]
    LOG.debug(" ".join(["deepradiomics", __version__, *said]))
