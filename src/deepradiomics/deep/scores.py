"""From embeddings to probabilities of classes, and how classes are weighed and judged."""

import numpy as np
import torch
from scipy.special import softmax
from sklearn.metrics import roc_auc_score
from sklearn.utils import compute_class_weight

from deepradiomics.exceptions import InputError
from deepradiomics.training import in_chunks


def embed(network, images, rows, device, *, batch_size, n_jobs=None):
    """Embed rows that have a view.

    Parameters
    ----------
    network : MultiViewNetwork
        The network.
    images : PreparedImages
        Views of all rows.
    rows : int array of shape (n,)
        Which rows.
    device : torch.device
        Where to compute.
    batch_size : int
        Rows at a time; halved where memory runs out.
    n_jobs : int, default=None
        Processes that read the images.

    Returns
    -------
    float64 array of shape (n, n_features)
        The embeddings.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from deepradiomics.deep import MultiViewNetwork, TiulpinBranch
    >>> from deepradiomics.deep.scores import embed
    >>> from deepradiomics.training import PreparedImages
    >>> network = MultiViewNetwork([TiulpinBranch()], n_features=128, n_outputs=2)
    >>> images = PreparedImages([[np.eye(64)]], ["hip"], 64)
    >>> embed(network, images, np.array([0]), torch.device("cpu"), batch_size=1).shape
    (1, 128)
    """

    network.eval()
    found, size = [], batch_size
    with torch.inference_mode():
        for pixels, present in images.batches(rows, batch_size, n_jobs=n_jobs):

            def embedded(some, pixels=pixels, present=present):
                return network.embed(pixels[some].to(device), present[some].to(device)).cpu()

            parts = in_chunks(embedded, np.arange(len(pixels)), size)
            # What did not fit once is not tried again.
            size = min(size, max(map(len, parts)))
            found += parts
    return torch.cat(found).double().numpy()


def head_outputs(network, embeddings, clinical):
    """Apply the last layer of a network.

    Parameters
    ----------
    network : MultiViewNetwork
        With a linear ``head``.
    embeddings : float array of shape (n, n_features)
        NaN where a patient has no view.
    clinical : float array of shape (n, n_clinical)
        Clinical numbers, NaN where unknown.

    Returns
    -------
    float array of shape (n, n_outputs)
        Logits or values; NaN where a patient has no view.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.deep import MultiViewNetwork, TiulpinBranch
    >>> from deepradiomics.deep.scores import head_outputs
    >>> network = MultiViewNetwork([TiulpinBranch()], n_features=128, n_outputs=2)
    >>> head_outputs(network, np.full((1, 128), np.nan), np.empty((1, 0)))
    array([[nan, nan]])
    """
    weight, bias = (value.detach().double().cpu().numpy() for value in (network.head.weight, network.head.bias))
    inputs = embeddings
    if network.covariates is not None:
        mean, deviation = (value.double().cpu().numpy() for value in network.covariates.buffers())
        inputs = np.hstack([embeddings, np.nan_to_num((clinical - mean) / deviation)])
    return inputs @ weight.T + bias


def class_shares(logits, prior):
    """Turn logits into probabilities of classes.

    Parameters
    ----------
    logits : float array of shape (n, n_classes)
        NaN where a patient has no view.
    prior : float array of shape (n_classes,)
        What such a patient gets.

    Returns
    -------
    float array of shape (n, n_classes)
        Probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.deep.scores import class_shares
    >>> class_shares(np.array([[np.nan, np.nan], [0.0, 0.0]]), np.array([0.7, 0.3]))
    array([[0.7, 0.3],
           [0.5, 0.5]])
    """
    return np.where(np.isnan(logits).any(axis=1, keepdims=True), prior, softmax(logits, axis=1))


def loss_weights(class_weight, classes, codes):
    """Weigh the classes in the loss.

    Parameters
    ----------
    class_weight : "balanced", dict of label to float, or None
        As in scikit-learn; a label that a dict lacks has weight 1.
    classes : array of shape (n_classes,)
        The labels.
    codes : int array of shape (n,)
        Class of each training row.

    Returns
    -------
    float32 tensor of shape (n_classes,) or None
        The weights.

    Raises
    ------
    InputError
        If a dict names a label that does not exist.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.deep.scores import loss_weights
    >>> loss_weights("balanced", np.array(["no", "yes"]), np.array([0, 0, 0, 1]))
    tensor([0.6667, 2.0000])
    """
    weights = class_weight
    if isinstance(weights, dict):
        unknown = set(weights) - set(classes.tolist())
        if unknown:
            raise InputError(
                f"class_weight names {sorted(unknown, key=str)}, the labels are {classes.tolist()}",
                code="class_weight",
            )
        weights = {code: weights.get(label, 1.0) for code, label in enumerate(classes.tolist())}
    if weights is None:
        return None
    each = compute_class_weight(weights, classes=np.arange(len(classes)), y=codes)
    return torch.as_tensor(each, dtype=torch.float32)


def mean_auc(codes, proba):
    """Compute the area under the ROC curve, one against the rest averaged over classes.

    Parameters
    ----------
    codes : int array of shape (n,)
        Class of each row.
    proba : float array of shape (n, n_classes)
        Probabilities.

    Returns
    -------
    float
        The area; NaN where a class is absent.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.deep.scores import mean_auc
    >>> mean_auc(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    1.0
    """
    if len(np.unique(codes)) < proba.shape[1]:
        return float("nan")
    if proba.shape[1] == 2:
        return float(roc_auc_score(codes, proba[:, 1]))
    return float(roc_auc_score(codes, proba, multi_class="ovr"))
