"""Weights go in and out as safetensors, and only when they fit."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from deepradiomics.exceptions import InputError


def save_weights(network, path, metadata=None):
    """Write the weights of a network to a safetensors file.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    path : str or path
        The file, usually ending in ``.safetensors``.
    metadata : dict of str to str, default=None
        What to write beside the weights.

    Raises
    ------
    InputError
        If there is no such folder.

    Examples
    --------
    >>> import tempfile, torch
    >>> from deepradiomics.training import load_weights, save_weights
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(torch.nn.Linear(2, 1), f"{folder}/linear.safetensors")
    ...     load_weights(torch.nn.Linear(2, 1), f"{folder}/linear.safetensors")
    Linear(in_features=2, out_features=1, bias=True)
    """
    from safetensors.torch import save_file

    if not Path(path).parent.is_dir():
        raise InputError(f"there is no folder for {Path(path).name}; make it first", code="no_file")
    save_file({name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}, path, metadata)


def hash_weights(network):
    """Hash names and values of all weights of a network.

    Parameters
    ----------
    network : torch.nn.Module
        The network, on any device.

    Returns
    -------
    str
        64 hexadecimal letters that only equal weights share.

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.training import hash_weights
    >>> one, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    >>> hash_weights(one) == hash_weights(other), len(hash_weights(one))
    (False, 64)
    """
    digest = sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + np.ascontiguousarray(value.cpu().numpy()).data.tobytes())
    return digest.hexdigest()


def load_weights(network, source, *, convert=None):
    """Read weights into a network, after every one of them was checked.

    The file must hold each weight of the network, in its shape and finite; what else it holds (the head of another
    task) is left out. A first convolution over three equal colour channels is summed to one channel.

    Parameters
    ----------
    network : torch.nn.Module
        The network; changed in place.
    source : str, path or dict of str to torch.Tensor
        A safetensors file, or weights that were read.
    convert : callable, default=None
        What brings the weights of the file under the names of the network: dict in, dict out.

    Returns
    -------
    torch.nn.Module
        The same network.

    Raises
    ------
    InputError
        If there is no such file, it is not in safetensors format, or a weight is missing, of another shape or not
        finite.

    Examples
    --------
    >>> import tempfile, torch
    >>> from deepradiomics.training import load_weights, save_weights
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(torch.nn.Linear(2, 1), f"{folder}/linear.safetensors")
    ...     load_weights(torch.nn.Linear(2, 1), f"{folder}/linear.safetensors")
    Linear(in_features=2, out_features=1, bias=True)
    """
    found, place = (source, "the file") if isinstance(source, dict) else (read_weights(source), Path(source).name)
    if convert is not None:
        found = convert(found)
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in found]
    if missing:
        raise InputError(
            f"{place} lacks {len(missing)} of {len(wanted)} weights, first {missing[0]!r}; give the file "
            "of this backbone",
            code="weights",
        )
    network.load_state_dict({name: _fitted(name, found[name], value.shape, place) for name, value in wanted.items()})
    return network


def read_weights(path):
    """Read a safetensors file.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    dict of str to torch.Tensor
        The weights by name.

    Raises
    ------
    InputError
        If there is no such file or it is not in safetensors format.

    Examples
    --------
    >>> import tempfile, torch
    >>> from deepradiomics.training import read_weights, save_weights
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(torch.nn.Linear(2, 1), f"{folder}/linear.safetensors")
    ...     sorted(read_weights(f"{folder}/linear.safetensors"))
    ['bias', 'weight']
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not Path(path).is_file():
        raise InputError(f"there is no file of weights {Path(path).name!r}", code="weights")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(
            f"{Path(path).name} is not a safetensors file ({error}); other formats can run code when they are opened, "
            "so convert it with safetensors.torch.save_file(state_dict, 'weights.safetensors')",
            code="weights",
        ) from error


def _fitted(name, value, shape, place):
    """Return a weight in the shape wanted, or say what is wrong with it."""
    if value.ndim == 4 and len(shape) == 4 and value.shape[1] == 3 and shape[1] == 1:
        # A grey image is three equal channels: the sum gives the answer that the colour network would give.
        value = value.sum(dim=1, keepdim=True)
    if value.shape != shape:
        raise InputError(
            f"{name} in {place} has shape {tuple(value.shape)}, the network's {tuple(shape)}", code="weights"
        )
    if value.is_floating_point() and not torch.isfinite(value).all():
        raise InputError(f"{name} in {place} holds values that are not finite", code="weights")
    return value
