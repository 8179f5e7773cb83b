"""Bring the embeddings of one network into the coordinates of another."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import orthogonal_procrustes


@dataclass(frozen=True)
class Alignment:
    """A rotation about a centre: ``(x - source) @ rotation + target``.

    Parameters
    ----------
    source : array of shape (n_features,)
        Centre of the embeddings to move.
    rotation : array of shape (n_features, n_features)
        Orthogonal.
    target : array of shape (n_features,)
        Where the centre goes.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.deep import Alignment
    >>> Alignment(np.zeros(2), np.eye(2), np.ones(2)).apply(np.zeros((1, 2)))
    array([[1., 1.]])
    """

    source: np.ndarray
    rotation: np.ndarray
    target: np.ndarray

    def apply(self, embeddings):
        """Move embeddings.

        Parameters
        ----------
        embeddings : array of shape (n, n_features)
            Of the network that was aligned.

        Returns
        -------
        array of shape (n, n_features)
            The same patients in the coordinates of the other network; distances between them are unchanged.
        """
        return (embeddings - self.source) @ self.rotation + self.target


def align(embeddings, reference):
    """Find the rotation that brings one network's embeddings closest to another's, of the same images.

    Parameters
    ----------
    embeddings : array of shape (n, n_features)
        From the network to align.
    reference : array of shape (n, n_features)
        From the other network, row by row of the same images.

    Returns
    -------
    Alignment
        The orthogonal Procrustes solution after centring.

    References
    ----------
    Schönemann PH. A generalized solution of the orthogonal Procrustes problem. Psychometrika 31, 1-10 (1966).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.deep import align
    >>> reference = np.random.default_rng(0).normal(size=(20, 3))
    >>> turned = reference[:, [2, 0, 1]] + 5
    >>> bool(np.allclose(align(turned, reference).apply(turned), reference))
    True
    """
    source, target = embeddings.mean(axis=0), reference.mean(axis=0)
    rotation, _ = orthogonal_procrustes(embeddings - source, reference - target)
    return Alignment(source, rotation, target)


def aligned_views(known, reference, new, present_known, present_new, shared):
    """Bring held-out embeddings of one network into another's coordinates, branch by branch.

    Parameters
    ----------
    known, reference : float arrays of shape (n_known, n_features)
        Embeddings of the same rows by the network and by the other one.
    new : float array of shape (n_new, n_features)
        Embeddings by the network, to be moved.
    present_known, present_new : bool arrays of shape (n, n_views)
        Where there is a view.
    shared : bool
        Whether one branch embeds all views.

    Returns
    -------
    float array of shape (n_new, n_features)
        The moved embeddings; 0 for a missing view.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.deep.alignment import aligned_views
    >>> known, there = np.random.default_rng(0).normal(size=(6, 2)), np.ones((6, 1), dtype=bool)
    >>> moved = aligned_views(known, known + 3, known[:2], there, there[:2], True)
    >>> bool(np.allclose(moved, known[:2] + 3))
    True
    """
    n_views = present_known.shape[1]
    known, reference, new = (value.reshape(len(value), n_views, -1) for value in (known, reference, new))
    result = np.zeros_like(new)
    for views in [slice(None)] if shared else [slice(view, view + 1) for view in range(n_views)]:
        seen, wanted = present_known[:, views], present_new[:, views]
        if seen.any() and wanted.any():
            alignment = align(known[:, views][seen], reference[:, views][seen])
            result[:, views][wanted] = alignment.apply(new[:, views][wanted])
    return result.reshape(len(new), -1)
