"""Where a network looked: class activation maps of each view, and how to draw them."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional

from deepradiomics.exceptions import InputError
from deepradiomics.metrics._inputs import given_axes
from deepradiomics.training import PreparedImages, resolve_device


@dataclass(frozen=True, eq=False)
class AttributionMap:
    """What counted for a class in one view.

    Parameters
    ----------
    view : str
        Column of the view.
    image : float array of shape (S, S)
        The picture as the network saw it, 0 to 1, in its square frame.
    map : float array of shape (S, S)
        How much each place spoke for the class, 0 to 1; all 0 where nothing did.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.deep import AttributionMap
    >>> AttributionMap("left_femur", np.zeros((64, 64)), np.ones((64, 64))).view
    'left_femur'
    """

    view: str
    image: np.ndarray
    map: np.ndarray

    def plot(self, ax=None):
        """Draw the map over the picture.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        matplotlib Axes
            What was drawn on.
        """
        ax = given_axes(ax)
        ax.imshow(self.image, cmap="gray")
        ax.imshow(self.map, cmap="inferno", alpha=0.55 * self.map, vmin=0, vmax=1)
        ax.set_axis_off()
        ax.set_title(self.view, fontsize="small")
        return ax


def grad_cam(extractor, X, *, label=None):
    """Map, for each row and view, what spoke for a class (Grad-CAM).

    Parameters
    ----------
    extractor : DeepExtractor or DeepRegressor
        Fitted; any backbone with convolutions.
    X : DataFrame, Series, object array or list
        The image columns seen by fit; a map is made a view, so give few rows.
    label : object, default=None
        The class, one of ``classes_``; None is the last one, the event of two classes, or the value of a regressor.

    Returns
    -------
    list of dict of str to AttributionMap
        For each row the maps by view; a missing view has none.

    Raises
    ------
    InputError
        If there is no such class, the columns are not those of fit, or the backbone has no map of features.

    Notes
    -----
    The last layer that still has rows and columns is weighted by the mean gradient of the class's score. Maps are as
    coarse as that layer. They show where a score comes from and not whether that is bone: compare with a network of
    random weights, whose map should look different, before a map is believed (Adebayo 2018).

    References
    ----------
    Selvaraju RR, Cogswell M, Das A, et al. Grad-CAM: visual explanations from deep networks via gradient-based
    localization. ICCV 2017. Adebayo J, Gilmer J, Muelly M, et al. Sanity checks for saliency maps. NeurIPS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics import DeepExtractor
    >>> from deepradiomics.deep import grad_cam
    >>> images = [np.random.default_rng(i).normal(size=(64, 64)) for i in range(8)]
    >>> network = DeepExtractor(n_features=16, image_size=64, epochs=1, random_state=0).fit(images, [0, 1] * 4)
    >>> maps = grad_cam(network, images[:1])
    >>> [found.map.shape for found in maps[0].values()]
    [(64, 64)]
    """
    check_is_fitted(extractor)
    # A regressor has one output, its value.
    classes = getattr(extractor, "classes_", np.array([None])).tolist()
    target = classes[-1] if label is None else label
    if target not in classes:
        raise InputError(f"there is no class {label!r}; the classes are {classes}")
    columns, clinical = extractor._columns(X)
    device = resolve_device(extractor.device)
    images = PreparedImages(columns, extractor._names, extractor.architecture_.image_size, cache=False)
    network = extractor.network_.to(device).eval()
    clinical = torch.as_tensor(clinical, dtype=torch.float32, device=device)
    code = classes.index(target)
    return [_maps(network, images, row, extractor._names, code, clinical[[row]]) for row in range(len(images))]


def _maps(network, images, row, names, code, clinical):
    """Maps of one row by view."""
    pixels, present = images.batch(np.array([row]))
    pixels, present = pixels.to(clinical.device).float(), present.to(clinical.device)
    views = [int(view) for view in present[0].nonzero()[:, 0]]
    if not views:
        return {}
    with _Recorder(network) as recorder:
        score = network(pixels, present, clinical)[0, code]
    maps = {}
    for number, view in enumerate(views):
        own = 0 if len(network.branches) == 1 else view
        if own not in recorder.features:
            raise InputError("the backbone has no layer with rows and columns; take a convolutional one")
        # Branches with shared weights see the views that are there as one batch.
        place = number if len(network.branches) == 1 else 0
        features = recorder.features[own]
        gradient = torch.autograd.grad(score, features, retain_graph=True)[0][place]
        weighted = functional.relu((gradient.mean(dim=(1, 2), keepdim=True) * features[place]).sum(dim=0)).detach()
        side = pixels.shape[-1]
        full = functional.interpolate(weighted[None, None], size=(side, side), mode="bilinear", align_corners=False)[
            0, 0
        ]
        full = (full / full.max().clamp(min=1e-12)).cpu().numpy().astype(float)
        maps[names[view]] = AttributionMap(names[view], pixels[0, view, 0].cpu().numpy(), full)
    return maps


class _Recorder:
    """Remembers, for each branch, the last output that has rows and columns."""

    def __init__(self, network):
        self.network, self.features, self.hooks = network, {}, []

    def __enter__(self):
        for number, branch in enumerate(self.network.branches):
            for module in branch.modules():
                self.hooks.append(module.register_forward_hook(self._remember(number)))
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()

    def _remember(self, number):
        def hook(module, inputs, output):
            if isinstance(output, torch.Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
                self.features[number] = output

        return hook
