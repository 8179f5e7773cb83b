"""Co-occurrence of grey levels in each direction by itself, and how much the directions differ."""

import numpy as np

# Steps (row, column); rows go down, so the first diagonal rises to the right.
_STEPS = {0: (0, 1), 45: (-1, 1), 90: (-1, 0), 135: (-1, -1)}


def directional_glcm(levels, n_levels):
    """Measure the co-occurrence of neighbours along rows, columns and both diagonals.

    Parameters
    ----------
    levels : int array of shape (H, W)
        Grey levels 1..n_levels; 0 lies outside the region.
    n_levels : int
        Number of grey levels.

    Returns
    -------
    dict of {str: float}
        ``<Feature><angle>`` for Contrast, Correlation, Idm (inverse difference moment), JointEnergy and JointEntropy
        and the angles 0 (along a row), 45, 90 and 135 degrees, counter-clockwise as the image is seen, from the
        symmetric matrix of pixels one step apart; ``<Feature>Anisotropy``: largest less smallest over the sum of
        their absolute values. NaN in a direction without neighbours; correlation is 1 in a flat direction.

    References
    ----------
    Haralick RM, Shanmugam K, Dinstein I. Textural features for image classification. IEEE Transactions on Systems,
    Man, and Cybernetics 1973;3(6):610-621.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.features.direction import directional_glcm
    >>> stripes = np.tile([1, 2], (8, 4))
    >>> found = directional_glcm(stripes, 2)
    >>> found["Contrast0"], found["Contrast90"], found["ContrastAnisotropy"]
    (1.0, 0.0, 1.0)
    """
    by_angle = {angle: _features(_matrix(levels, n_levels, step)) for angle, step in _STEPS.items()}
    result = {}
    for feature in ("Contrast", "Correlation", "Idm", "JointEnergy", "JointEntropy"):
        values = np.array([by_angle[angle][feature] for angle in _STEPS])
        result |= {f"{feature}{angle}": float(value) for angle, value in zip(_STEPS, values, strict=True)}
        low, high = values.min(), values.max()
        result[f"{feature}Anisotropy"] = float((high - low) / (abs(high) + abs(low))) if high != low else 0.0
    return result


def _matrix(levels, n_levels, step):
    """Symmetric matrix of the probabilities of pairs, shape (n_levels, n_levels); NaN without pairs."""
    rows, columns = -step[0], step[1]
    there = levels[: levels.shape[0] - rows, max(columns, 0) : levels.shape[1] + min(columns, 0)]
    here = levels[rows:, max(-columns, 0) : levels.shape[1] - max(columns, 0)]
    both = (here > 0) & (there > 0)
    pairs = (here[both] - 1) * n_levels + there[both] - 1
    counts = np.bincount(pairs, minlength=n_levels**2).reshape(n_levels, n_levels).astype(np.float64)
    counts += counts.T
    total = counts.sum()
    return counts / total if total else np.full_like(counts, np.nan)


def _features(matrix):
    """Five features of a symmetric matrix of probabilities."""
    index = np.arange(1, len(matrix) + 1)
    difference = np.subtract.outer(index, index) ** 2
    margin = matrix.sum(axis=0)
    mean = margin @ index
    variance = margin @ (index - mean) ** 2
    positive = matrix[matrix > 0]
    covariance = (matrix * np.multiply.outer(index - mean, index - mean)).sum()
    return {
        "Contrast": (matrix * difference).sum(),
        "Correlation": covariance / variance if variance != 0 else 1.0,
        "Idm": (matrix / (1 + difference)).sum(),
        "JointEnergy": (matrix**2).sum(),
        "JointEntropy": -(positive * np.log2(positive)).sum() if not np.isnan(mean) else np.nan,
    }
