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
    """What a network is trained on, a row a patient: ``usable`` has a view, ``targets`` is what the loss
    compares with.
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
    """Sorted labels, and the place of each row's label among them; absent and missing labels are refused."""
    if y is None:
        raise InputError("DeepExtractor is supervised: give labels y")
    y = np.asarray(y)
    if y.shape != (n_samples,):
        raise InputError(f"y has shape {y.shape}, X {n_samples} rows; give one label a row", code="length")
    if pd.isna(y).any():
        raise InputError("y holds missing labels; drop those rows")
    check_classification_targets(y)
    encoder = LabelEncoder().fit(y)
    return encoder.classes_, encoder.transform(y)


def augmented_loader(patients, augmentation):
    """Build ``load(rows, generator)``, which gives ``((images, present, clinical), targets)`` on the device."""
    limits = as_augmentation(augmentation)

    def load(rows, generator):
        images, present = patients.images.batch(rows)
        images, present = images.to(patients.device).float(), present.to(patients.device)
        changed = augment(images.flatten(0, 1), limits, generator).view_as(images)
        clinical = torch.as_tensor(patients.clinical[rows], dtype=torch.float32, device=patients.device)
        return (changed, present, clinical), torch.as_tensor(patients.targets[rows], device=patients.device)

    return load
