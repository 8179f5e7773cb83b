"""From embeddings to probabilities of classes, and how classes are weighed and judged."""

import numpy as np
import torch
from scipy.special import softmax
from sklearn.metrics import roc_auc_score
from sklearn.utils import compute_class_weight

from deepradiomics.exceptions import InputError
from deepradiomics.training import Portions
from deepradiomics.training._cuda import exact_inference


def embed(network, images, rows, device, *, batch_size, n_jobs=None):
    """Embed rows that have a view: float64 (n, n_features); batches are halved where memory runs out."""

    network.eval()
    found, portions = [], Portions()
    with exact_inference():
        for pixels, present in images.batches(rows, batch_size, n_jobs=n_jobs):

            def embedded(some, pixels=pixels, present=present):
                return network.embed(pixels[some].to(device), present[some].to(device)).cpu()

            found += portions(embedded, np.arange(len(pixels)), batch_size)
    return torch.cat(found).double().numpy()


def head_outputs(network, embeddings, clinical):
    """Apply the linear ``head`` to embeddings (n, n_features) and clinical numbers (n, n_clinical), NaN where unknown.

    Logits or values (n, n_outputs); NaN where a patient has no view.
    """
    weight, bias = (value.detach().double().cpu().numpy() for value in (network.head.weight, network.head.bias))
    inputs = embeddings
    if network.covariates is not None:
        mean, deviation = (value.double().cpu().numpy() for value in network.covariates.buffers())
        inputs = np.hstack([embeddings, np.nan_to_num((clinical - mean) / deviation)])
    return inputs @ weight.T + bias


def class_shares(logits, prior):
    """Probabilities (n, n_classes) from logits; a patient without any view, whose logits are NaN, gets the prior."""
    return np.where(np.isnan(logits).any(axis=1, keepdims=True), prior, softmax(logits, axis=1))


def loss_weights(class_weight, classes, codes):
    """Weights of the classes in the loss, float32 (n_classes,), or None; a label that a dict lacks has weight 1."""
    weights = class_weight
    if isinstance(weights, dict):
        unknown = set(weights) - set(classes.tolist())
        if unknown:
            raise InputError(f"class_weight names {sorted(unknown, key=str)}, the labels are {classes.tolist()}")
        weights = {code: weights.get(label, 1.0) for code, label in enumerate(classes.tolist())}
    if weights is None:
        return None
    each = compute_class_weight(weights, classes=np.arange(len(classes)), y=codes)
    return torch.as_tensor(each, dtype=torch.float32)


def mean_auc(codes, proba):
    """Area under the ROC curve, one against the rest averaged over classes; NaN where a class is absent."""
    if len(np.unique(codes)) < proba.shape[1]:
        return float("nan")
    if proba.shape[1] == 2:
        return float(roc_auc_score(codes, proba[:, 1]))
    return float(roc_auc_score(codes, proba, multi_class="ovr"))
