"""Losses that need more than one line of torch."""

import torch
from torch.nn import functional


def class_weights(codes, n_classes):
    """Weigh classes so that each counts the same, as scikit-learn's "balanced" does.

    Parameters
    ----------
    codes : int array of shape (n,)
        Class of each row, 0 to ``n_classes - 1``.
    n_classes : int
        Number of classes, each of them present.

    Returns
    -------
    float tensor of shape (n_classes,)
        ``n / (n_classes * count)``.

    Examples
    --------
    >>> from deepradiomics.training import class_weights
    >>> class_weights([0, 0, 0, 1], 2)
    tensor([0.6667, 2.0000])
    """
    counts = torch.bincount(torch.as_tensor(codes), minlength=n_classes)
    return len(codes) / (n_classes * counts.float())


def cross_entropy(weights=None, label_smoothing=0.0):
    """Build a cross-entropy whose mean is over rows, whatever the weights.

    torch divides by the sum of the weights in the batch, so that a batch with few patients of a class would count
    that class less; here every row is multiplied by its own weight and the mean is taken over rows.

    Parameters
    ----------
    weights : float tensor of shape (n_classes,), default=None
        Weight of each class; None for equal weights.
    label_smoothing : float, default=0.0
        Share of the target spread over all classes.

    Returns
    -------
    callable
        ``loss(logits, codes)`` with logits of shape (n, n_classes) and int64 codes of shape (n,).

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.training import cross_entropy
    >>> loss = cross_entropy(torch.tensor([1.0, 3.0]))
    >>> round(float(loss(torch.zeros(2, 2), torch.tensor([0, 1]))), 4)  # (1 + 3) / 2 * log(2)
    1.3863
    """

    def loss(logits, codes):
        each = functional.cross_entropy(logits.float(), codes, reduction="none", label_smoothing=label_smoothing)
        return each.mean() if weights is None else (each * weights.to(each.device)[codes]).mean()

    return loss
