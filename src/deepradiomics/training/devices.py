"""Where a network runs, its random numbers, and what happens when memory runs out."""

from contextlib import contextmanager

import torch

from deepradiomics.exceptions import InputError, TrainingError
from deepradiomics.training._cuda import is_out_of_memory


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
    try:
        chosen = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        # A process that was forked after CUDA was used sees the card and cannot use it.
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise InputError(
            f"the device {device!r} cannot be used here ({error}); give 'cpu' or a device that torch finds",
            code="device",
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
    seed, device, cudnn = int(seed), torch.device(device), torch.backends.cudnn
    cuda = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    before = cudnn.deterministic, cudnn.benchmark
    with torch.random.fork_rng(devices=cuda, device_type="cuda"):
        # Not torch.manual_seed, which seeds every card, also those whose numbers nobody puts back.
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.default_generators[cuda[0]].manual_seed(seed)
        elif device.type != "cpu":
            torch.get_device_module(device).manual_seed(seed)
        # Not cudnn.flags(), which would also set what the caller chose for TF32.
        cudnn.deterministic, cudnn.benchmark = True, False
        try:
            yield
        finally:
            cudnn.deterministic, cudnn.benchmark = before


class Portions:
    """Applies functions to slices of a sequence that fit into memory; what did not fit once is not tried again.

    Attributes
    ----------
    share : float
        Part of the slices asked for that fits; 1 until memory runs out.

    Examples
    --------
    >>> from deepradiomics.training import Portions
    >>> Portions()(sum, [1, 2, 3, 4, 5], size=2)
    [3, 7, 5]
    """

    def __init__(self):
        self.share = 1.0

    def __call__(self, function, items, size=None):
        """Apply a function to slices of a sequence; where memory runs out, halve them and go on.

        Parameters
        ----------
        function : callable
            Takes a slice of ``items``.
        items : sequence
            What to work through.
        size : int, default=None
            Length of a slice where memory allows it; None is all of them.

        Returns
        -------
        list
            What the function returned, in order.

        Raises
        ------
        TrainingError
            If memory runs out for a single item.
        """
        results, start, size = [], 0, size or len(items)
        while start < len(items):
            some = items[start : start + max(1, round(size * self.share))]
            try:
                results.append(function(some))
                start += len(some)
                continue
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error)
            # Behind the except block, whose error holds the frames of the function, and these the memory.
            if len(some) == 1:
                raise TrainingError(
                    f"the memory of the device does not hold a single image ({reason}); make image_size smaller or "
                    "take a smaller backbone",
                    code="out_of_memory",
                )
            self.share = (len(some) // 2) / size
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return results
