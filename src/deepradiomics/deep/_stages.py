"""Which layers of a network learn in which epochs, and how fast."""

from deepradiomics.deep.networks import TiulpinBranch, backbone_of
from deepradiomics.exceptions import InputError


def learning_stages(network, epochs, *, frozen_epochs=0, layer_decay=1.0):
    """Split a training into stages: first what lies behind the backbones alone, then everything.

    A list of (epochs, groups of parameters ``{"params": ..., "lr": factor}``). ``frozen_epochs`` is the length of the
    first stage, 0 goes without it; ``layer_decay`` the factor of the rate from each layer of a backbone to the one
    before it. Howard J, Ruder S. Universal language model fine-tuning for text classification. ACL 2018 (both).
    """
    if frozen_epochs >= epochs:
        raise InputError(
            f"frozen_epochs={frozen_epochs} leaves none of {epochs} epochs for the backbone; give fewer than epochs"
        )
    layers = {}
    for depth, parameter in _depths(network):
        layers.setdefault(depth, []).append(parameter)
    groups = [{"params": layers[depth], "lr": layer_decay**depth} for depth in sorted(layers)]
    whole = (epochs - frozen_epochs, groups)
    return [(frozen_epochs, groups[:1]), whole] if frozen_epochs else [whole]


def _depths(network):
    """Yield each parameter with the number of layers from it to the outputs of the backbones; 0 behind them."""
    for parameter in network.head.parameters():
        yield 0, parameter
    for branch in network.branches:
        backbone = backbone_of(branch)
        layers = _tiulpin_layers(backbone) if isinstance(backbone, TiulpinBranch) else _timm_layers(backbone)
        own = {id(parameter) for _, parameter in layers}
        yield from ((0, parameter) for parameter in branch.parameters() if id(parameter) not in own)
        last = max(layer for layer, _ in layers)
        yield from ((last - layer + 1, parameter) for layer, parameter in layers)


def _timm_layers(backbone):
    """Number the parameters of a timm model by layer, from the image on."""
    from timm.models import group_parameters

    numbers = group_parameters(backbone, backbone.group_matcher(coarse=True), reverse=True)
    order = {number: place for place, number in enumerate(sorted(set(numbers.values())))}
    return [(order[numbers[name]], parameter) for name, parameter in backbone.named_parameters()]


def _tiulpin_layers(backbone):
    """Number the parameters of Kim's branch by convolution."""
    learning = [list(layer.parameters()) for layer in backbone]
    numbered = enumerate(layer for layer in learning if layer)
    return [(number, parameter) for number, layer in numbered for parameter in layer]
