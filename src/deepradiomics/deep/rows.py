"""The rows of one call of fit: images, labels as codes, and batches of them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import check_classification_targets

from deepradiomics.exceptions import InputError
from deepradiomics.training import PreparedImages, as_augmentation, augment


@dataclass(frozen=True)
class Patients:
    """What a network is trained on.

    Parameters
    ----------
    images : PreparedImages
        Views of each row.
    codes : int array of shape (n,)
        Class of each row.
    groups : array of shape (n,) or None
        Patient of each row.
    usable : bool array of shape (n,)
        Rows with at least one view.
    seed : int
        Seed of everything random.
    device : torch.device
        Where to compute.
    targets : array of shape (n,)
        What the loss compares with: the classes, or values.
    clinical : float array of shape (n, n_clinical)
        Clinical numbers, NaN where unknown.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from deepradiomics.deep.rows import Patients
    >>> from deepradiomics.training import PreparedImages
    >>> images = PreparedImages([[np.eye(8)]], ["hip"], 32)
    >>> here, none = torch.device("cpu"), np.empty((1, 0))
    >>> Patients(images, np.array([0]), None, np.array([True]), 0, here, np.array([0]), none).seed
    0
    """

    images: PreparedImages
    codes: np.ndarray
    groups: np.ndarray | None
    usable: np.ndarray
    seed: int
    device: torch.device
    targets: np.ndarray
    clinical: np.ndarray


def encode_labels(y, n_samples):
    """Turn labels into codes.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels.
    n_samples : int
        Rows of X.

    Returns
    -------
    classes : array of shape (n_classes,)
        The labels, sorted.
    codes : int array of shape (n_samples,)
        Place of each label among them.

    Raises
    ------
    InputError
        If labels are absent, missing or not one a row.

    Examples
    --------
    >>> from deepradiomics.deep.rows import encode_labels
    >>> encode_labels(["no", "yes", "no"], 3)[1].tolist()
    [0, 1, 0]
    """
    if y is None:
        raise InputError("DeepExtractor is supervised: give labels y", code="no_labels")
    y = np.asarray(y)
    if y.shape != (n_samples,):
        raise InputError(f"y has shape {y.shape}, X {n_samples} rows; give one label a row", code="labels_shape")
    if pd.isna(y).any():
        raise InputError("y holds missing labels; drop those rows", code="labels_missing")
    check_classification_targets(y)
    encoder = LabelEncoder().fit(y)
    return encoder.classes_, encoder.transform(y)


def augmented_loader(patients, augmentation):
    """Build the function that turns rows into augmented batches on the device.

    Parameters
    ----------
    patients : Patients
        The rows.
    augmentation : bool or dict
        As in :class:`deepradiomics.DeepExtractor`.

    Returns
    -------
    callable
        ``load(rows, generator)`` gives ``((images, present, clinical), targets)``.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from deepradiomics.deep.rows import Patients, augmented_loader
    >>> from deepradiomics.training import PreparedImages
    >>> images = PreparedImages([[np.eye(8)]], ["hip"], 32)
    >>> here, none = torch.device("cpu"), np.empty((1, 0))
    >>> patients = Patients(images, np.array([0]), None, np.array([True]), 0, here, np.array([0]), none)
    >>> (batch, present, clinical), targets = augmented_loader(patients, True)(np.array([0]), torch.Generator())
    >>> batch.shape
    torch.Size([1, 1, 1, 32, 32])
    """
    limits = as_augmentation(augmentation)

    def load(rows, generator):
        images, present = patients.images.batch(rows)
        images, present = images.to(patients.device).float(), present.to(patients.device)
        changed = augment(images.flatten(0, 1), limits, generator).view_as(images)
        clinical = torch.as_tensor(patients.clinical[rows], dtype=torch.float32, device=patients.device)
        return (changed, present, clinical), torch.as_tensor(patients.targets[rows], device=patients.device)

    return load
