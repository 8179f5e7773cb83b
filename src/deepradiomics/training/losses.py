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


def supervised_contrastive(embeddings, codes, *, temperature=0.1):
    """Pull embeddings of one class together and push the others away.

    Parameters
    ----------
    embeddings : float tensor of shape (n, n_features)
        They are brought to length 1.
    codes : int64 tensor of shape (n,)
        Class of each row.
    temperature : float, default=0.1
        The smaller, the more the nearest rows count.

    Returns
    -------
    float tensor
        Mean over the rows that have another row of their class; 0 if there is none.

    References
    ----------
    Khosla P, Teterwak P, Wang C, et al. Supervised contrastive learning. NeurIPS 2020, equation 2.

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.training import supervised_contrastive
    >>> apart = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    >>> codes = torch.tensor([0, 0, 1, 1])
    >>> bool(supervised_contrastive(apart, codes) < supervised_contrastive(apart[[0, 2, 1, 3]], codes))
    True
    """
    unit = functional.normalize(embeddings.float(), dim=1)
    likeness = unit @ unit.T / temperature
    self_pair = torch.eye(len(codes), dtype=torch.bool, device=codes.device)
    log_share = likeness - likeness.masked_fill(self_pair, -torch.inf).logsumexp(dim=1, keepdim=True)
    same = (codes[:, None] == codes) & ~self_pair
    counts = same.sum(dim=1)
    each = -log_share.masked_fill(~same, 0).sum(dim=1) / counts.clamp(min=1)
    return each.sum() / (counts > 0).sum().clamp(min=1)


def triplet(embeddings, codes, *, margin=0.3):
    """Ask that the farthest row of a row's class be nearer than the nearest row of another class.

    Parameters
    ----------
    embeddings : float tensor of shape (n, n_features)
        They are brought to length 1.
    codes : int64 tensor of shape (n,)
        Class of each row.
    margin : float, default=0.3
        By how much.

    Returns
    -------
    float tensor
        Mean of what is missing to the margin, over the rows that have both; 0 if there is none.

    References
    ----------
    Hermans A, Beyer L, Leibe B. In defense of the triplet loss for person re-identification. arXiv:1703.07737 (2017),
    equation 5.

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.training import triplet
    >>> triplet(torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]]), torch.tensor([0, 0, 1, 1]))
    tensor(0.)
    """
    unit = functional.normalize(embeddings.float(), dim=1)
    # The root has no gradient at 0.
    distance = (2 - 2 * unit @ unit.T).clamp(min=1e-8).sqrt()
    self_pair = torch.eye(len(codes), dtype=torch.bool, device=codes.device)
    same = (codes[:, None] == codes) & ~self_pair
    other = codes[:, None] != codes
    farthest = distance.masked_fill(~same, 0).amax(dim=1)
    nearest = distance.masked_fill(~other, torch.inf).amin(dim=1)
    counted = same.any(dim=1) & other.any(dim=1)
    missing = functional.relu(margin + farthest - nearest).masked_fill(~counted, 0)
    return missing.sum() / counted.sum().clamp(min=1)
