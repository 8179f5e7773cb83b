"""Where a network runs, its random numbers, and what happens when memory runs out."""

from contextlib import contextmanager

import torch

from deepradiomics.exceptions import InputError, TrainingError


def resolve_device(device="auto"):
    """Choose where to compute.

    Parameters
    ----------
    device : str or torch.device, default="auto"
        ``"auto"`` is CUDA where there is one, else the CPU; otherwise any name that torch knows.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    InputError
        If torch does not know the name, or the device is not there.

    Examples
    --------
    >>> from deepradiomics.training import resolve_device
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise InputError(
            f"the device {device!r} cannot be used here ({error}); give 'auto', 'cpu' or a device that torch finds"
        ) from error
    return chosen


@contextmanager
def seeded(seed, device="cpu"):
    """Run a block with torch's random numbers fixed, and give the caller's own back after it.

    Parameters
    ----------
    seed : int
        The seed.
    device : torch.device or str, default="cpu"
        Where the block computes; CUDA kernels are held to deterministic ones too.

    Yields
    ------
    None
        Nothing; what is drawn inside the block follows from the seed.

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.training import seeded
    >>> before = torch.get_rng_state()
    >>> with seeded(0):
    ...     first = torch.rand(1)
    >>> bool((torch.get_rng_state() == before).all())
    True
    """
    device = torch.device(device)
    cuda = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=cuda),
        torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False),
    ):
        torch.manual_seed(seed)
        yield


def in_chunks(function, items, size):
    """Apply a function to slices of a sequence; where memory runs out, halve the slices and go on.

    Parameters
    ----------
    function : callable
        Takes a slice of ``items``.
    items : sequence
        What to work through.
    size : int
        Length of a slice to begin with.

    Returns
    -------
    list
        What the function returned, in order.

    Raises
    ------
    TrainingError
        If memory runs out for a single item.

    Examples
    --------
    >>> from deepradiomics.training import in_chunks
    >>> in_chunks(sum, [1, 2, 3, 4, 5], size=2)
    [3, 7, 5]
    """
    results, start = [], 0
    while start < len(items):
        try:
            results.append(function(items[start : start + size]))
            start += size
        except torch.OutOfMemoryError as error:
            size = halved(size, error)
    return results


def halved(size, error):
    """Halve a batch after memory ran out, or give up at one image.

    Parameters
    ----------
    size : int
        Images in the batch that did not fit.
    error : Exception
        What torch said.

    Returns
    -------
    int
        Half the size.

    Raises
    ------
    TrainingError
        If the batch held one image already.

    Examples
    --------
    >>> from deepradiomics.training import halved
    >>> halved(9, MemoryError())
    4
    """
    if size <= 1:
        raise TrainingError(
            f"the memory of the device does not hold a single image ({error}); make image_size smaller or take a "
            "smaller backbone",
            code="out_of_memory",
        ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return size // 2
