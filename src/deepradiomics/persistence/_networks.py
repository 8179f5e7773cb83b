"""Write networks as safetensors, and give them back after every weight was checked."""

import re
from dataclasses import fields

from deepradiomics.exceptions import InputError
from deepradiomics.persistence._files import damaged

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,100}")
# Views of a patient, steps of a decoder and the side of an image in pixels bound what building takes.
_MOST = {"n_views": 64, "image_size": 4096}
_MOST_UNITS, _MOST_STEPS = 2**20, 10


def network_bytes(network):
    """Weights of a network in safetensors format."""
    from safetensors.torch import save

    return save({name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()})


def give_network(owner, data, name):
    """Give an estimator its network, built from its ``architecture_``; the estimator's own unpickling does it."""
    architecture = vars(owner).get("architecture_")
    _check_architecture(architecture, name)
    weights = _read(data, name)
    _check_weights(_shapes(architecture), weights, name)
    owner.__setstate__({**vars(owner), "_weights": {key: value.numpy() for key, value in weights.items()}})


def _check_architecture(architecture, name):
    """Refuse what is no architecture of ours, names that lead to files or to the internet, and gigantic sizes."""
    if not (type(architecture).__module__.startswith("deepradiomics.") and hasattr(architecture, "build")):
        raise InputError(
            f"{name} has weights for a {type(architecture).__name__}, which is no network; it was not written by save",
            code="changed",
        )
    for field in fields(architecture):
        value = vars(architecture)[field.name]
        if not _plausible(value, _MOST.get(field.name, _MOST_UNITS)):
            raise InputError(
                f"{name} asks for a network with {field.name} = {str(value)[:40]!r}, which no network of ours has; it "
                "was not written by save, do not use it",
                code="changed",
            )


def _plausible(value, most):
    """Whether a setting of an architecture is one that a network can be built from."""
    if isinstance(value, str):
        return _PLAIN_NAME.fullmatch(value) is not None
    if isinstance(value, tuple | list):
        return len(value) <= _MOST_STEPS and all(isinstance(item, int) and 0 < item <= most for item in value)
    return isinstance(value, bool) or (isinstance(value, int | float) and 0 <= value <= most)


def _read(data, name):
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(data)
    except (KeyError, SafetensorError, ValueError) as error:
        raise damaged(name, error) from error


def _shapes(architecture):
    """Build a network without memory for its weights: {name: (shape, dtype)}."""
    import torch
    from torch.overrides import TorchFunctionMode

    class RatesOnCpu(TorchFunctionMode):
        # Some backbones read their rates of dropped paths from a tensor, which needs values.
        def __torch_function__(self, function, types, args=(), keywords=None):
            keywords = dict(keywords or {})
            if function is torch.linspace:
                keywords.setdefault("device", "cpu")
            return function(*args, **keywords)

    with torch.device("meta"), RatesOnCpu():
        network = architecture.build()
    return {name: (value.shape, value.dtype) for name, value in network.state_dict().items()}


def _check_weights(wanted, weights, name):
    """Refuse missing and surplus weights, other shapes and types, and values that are not finite."""
    different = sorted(set(wanted) ^ set(weights))
    if different:
        raise InputError(
            f"{name} lacks or has too many of {len(different)} weights, first {different[0][:80]!r}; it belongs to "
            "another network, copy the model again from where it came",
            code="weights",
        )
    for key, value in weights.items():
        if (value.shape, value.dtype) != wanted[key]:
            raise InputError(
                f"{key} in {name} has shape {tuple(value.shape)} of {value.dtype}, the network's is "
                f"{tuple(wanted[key][0])} of {wanted[key][1]}; copy the model again from where it came",
                code="weights",
            )
        if not value.isfinite().all():
            raise InputError(
                f"{key} in {name} holds values that are not finite; the network is useless, train it again",
                code="weights",
            )
