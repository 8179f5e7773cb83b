"""Unpack JPEG lossless and extended by GDCM, in a process of its own, which may die."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from deepradiomics.exceptions import InputError, MissingDependencyError

_CHILD = Path(__file__).with_name("_gdcm_child.py")
# Address space of the child besides the picture: Python, numpy and GDCM map about 700 MiB.
_LIMIT, _SECONDS = 2**30, 60


def decode_apart(content, name, dataset):
    """Decode the only frame of a DICOM file from its bytes: array (H, W) of the allocated type."""
    if sys.platform == "win32":
        raise MissingDependencyError(
            f"{name} is compressed in a way that is unpacked under a limit of memory only, which Windows does not "
            "have; export the image uncompressed",
            code="decoder",
        )
    kind = np.dtype(f"u{int(dataset.BitsAllocated) // 8}")
    shape = int(dataset.Rows), int(dataset.Columns)
    wanted = shape[0] * shape[1] * kind.itemsize
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_CHILD), str(_LIMIT + 8 * wanted)],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{name} could not be unpacked within {_SECONDS} s; export it again", code="unreadable"
        ) from None
    if done.returncode or len(done.stdout) != wanted:
        raise InputError(
            f"{name} could not be unpacked (exit code {done.returncode}, {len(done.stdout)} of {wanted} bytes); export "
            "it again",
            code="unreadable",
        )
    return np.frombuffer(done.stdout, dtype=kind).reshape(shape)
