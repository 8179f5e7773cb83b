"""A start for a network from the user's own radiographs, without labels."""

from itertools import chain
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state
from torch import nn

from deepradiomics.deep.columns import clinical_columns, image_columns
from deepradiomics.deep.networks import Architecture, backbone_of
from deepradiomics.exceptions import InputError
from deepradiomics.training import (
    Augmentation,
    Batches,
    PreparedImages,
    Schedule,
    as_augmentation,
    augment,
    fit_network,
    resolve_device,
    save_weights,
    seeded,
    supervised_contrastive,
)

# Two pictures of one radiograph must differ in all that does not matter.
_STRONG = Augmentation(exposure=0.3, gamma=0.5, noise=0.05, blur=1.5, rotation=15, shift=0.1, scale=0.3, erasing=0.4)
_WIDTH = 128


def pretrain(images, extractor, path, *, epochs=100, batch_size=64, temperature=0.1):
    """Teach a backbone, without labels, to know a radiograph again under other exposures and positions (SimCLR).

    Parameters
    ----------
    images : DataFrame, Series, object array or list
        Radiographs; of several columns all images are taken as they come, clinical columns of the extractor left out.
    extractor : DeepExtractor or DeepRegressor
        What is to be trained afterwards; its backbone, image size, augmentation, rates, device, random state and
        verbosity are used. It stays as it is.
    path : str or path
        Safetensors file for the weights of the backbone.
    epochs : int, default=100
        Times to go through the images.
    batch_size : int, default=64
        Radiographs a step, two at least, each of which appears twice; the more, the harder the task.
    temperature : float, default=0.1
        Of the contrastive loss.

    Returns
    -------
    DeepExtractor or DeepRegressor
        An unfitted copy of the extractor that starts from the new weights (``pretrained=path``).

    Raises
    ------
    InputError
        If there are fewer than two images, a number is out of its range, an image cannot be used, augmentation is
        switched off, or there is no folder for the file.
    TrainingError
        If the loss stops being finite, or memory does not hold one image.

    Notes
    -----
    Leave the radiographs of test patients out, or say that they were used: without labels nothing of the answer leaks,
    but the network has seen them. With ``augmentation=True`` stronger changes are made than in training.

    References
    ----------
    Chen T, Kornblith S, Norouzi M, Hinton G. A simple framework for contrastive learning of visual representations.
    ICML 2020.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from deepradiomics import DeepExtractor
    >>> from deepradiomics.deep import pretrain
    >>> images = list(np.random.default_rng(0).normal(size=(8, 64, 64)))
    >>> extractor = DeepExtractor(n_features=16, image_size=64, epochs=1, random_state=0)
    >>> with TemporaryDirectory() as folder:
    ...     started = pretrain(images, extractor, Path(folder) / "start.safetensors", epochs=1, batch_size=4)
    ...     started.fit(images, [0, 1] * 4).transform(images).shape
    (8, 16)
    """
    if not Path(path).parent.is_dir():
        raise InputError(f"there is no folder for {Path(path).name}; make it first", code="no_file")
    for name, value, least in (("epochs", epochs, 1), ("batch_size", batch_size, 2)):
        if not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{name} is {value!r}; give a whole number from {least} up")
    if not temperature > 0:
        raise InputError(f"temperature is {temperature!r}; give a number above 0")
    prepared = _pooled(clinical_columns(images, extractor.clinical)[0], extractor.image_size)
    limits = _STRONG if extractor.augmentation is True else as_augmentation(extractor.augmentation)
    if limits is None:
        raise InputError("without augmentation there is nothing to learn; give augmentation=True")
    device = resolve_device(extractor.device)
    seed = int(check_random_state(extractor.random_state).randint(2**31 - 1))
    with seeded(seed, device):
        # One branch and, behind it, the layers that the contrastive loss wears out.
        architecture = Architecture(
            extractor.backbone, n_views=1, n_outputs=1, n_features=_WIDTH, image_size=extractor.image_size
        )
        branch = architecture.build(extractor.pretrained).branches[0]
        network = nn.Sequential(branch, nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH // 2)).to(device)
        fit_network(
            network,
            Batches(_pairs(prepared, limits, device), np.arange(len(prepared)), batch_size, seed=seed, device=device),
            lambda projections, numbers: supervised_contrastive(projections, numbers, temperature=temperature),
            Schedule(epochs, learning_rate=extractor.learning_rate, weight_decay=extractor.weight_decay),
            progress="pretraining" if extractor.verbose else None,
        )
    save_weights(backbone_of(network[0]), path)
    return clone(extractor).set_params(pretrained=str(path))


def _pooled(images, image_size):
    """Prepare all images of all columns that are there."""
    names, columns = image_columns(images)
    present = PreparedImages(columns, names, image_size, cache=False).present()
    cells = list(chain.from_iterable(zip(*columns, strict=True)))
    kept = [cell for cell, there in zip(cells, present.ravel(), strict=True) if there]
    if len(kept) < 2:
        raise InputError(f"{len(kept)} images are too few to tell apart; give two or more")
    return PreparedImages([kept], ["image"], image_size)


def _pairs(prepared, limits, device):
    """Build the function that turns rows into two pictures each."""

    def load(rows, generator):
        images = prepared.batch(rows)[0].to(device).float()[:, 0].repeat_interleave(2, dim=0)
        numbers = torch.arange(len(rows), device=device).repeat_interleave(2)
        return (augment(images, limits, generator),), numbers

    return load
