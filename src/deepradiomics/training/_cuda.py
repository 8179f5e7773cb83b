"""What is particular to a GPU: its precision, and its errors."""

import re
from contextlib import contextmanager
from threading import Lock

import torch

# Threads that predict at the same time share torch's settings: the first one changes them, the last one puts them back.
_LOCK = Lock()
_INSIDE: list = []
_BEFORE: list = []


@contextmanager
def exact_inference():
    """Run a block without gradients, with convolutions in 32 bits on CUDA, where TF32 would round to 1e-3."""
    cudnn = torch.backends.cudnn
    # torch 2.9 gave the setting a new name, and refuses to read the old one where a user has set the new.
    owner, name, exact = (
        (cudnn.conv, "fp32_precision", "ieee") if hasattr(cudnn, "conv") else (cudnn, "allow_tf32", False)
    )
    with _LOCK:
        if not _INSIDE:
            _BEFORE[:] = [getattr(owner, name)]
            setattr(owner, name, exact)
        _INSIDE.append(None)
    try:
        with torch.inference_mode():
            yield
    finally:
        with _LOCK:
            _INSIDE.pop()
            if not _INSIDE:
                setattr(owner, name, *_BEFORE)


def has_bfloat16(device):
    """Tell whether this is a GPU that computes in bfloat16; torch emulates it, slowly, on cards before Ampere."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def is_out_of_memory(error):
    """Tell whether the memory of a device ran out: the libraries of CUDA say it in words, not in a class."""
    words = ("out of memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def is_device_fault(error):
    """Tell whether a device or one of its libraries failed, after which it often computes nothing more."""
    if isinstance(error, getattr(torch, "AcceleratorError", ())):
        return True
    return isinstance(error, RuntimeError) and bool(
        re.search(r"\b(CUDA|HIP|cuDNN|MIOpen|cuSOLVER|cuFFT) error", str(error), re.IGNORECASE)
    )
