"""Co-occurrence of grey levels in each direction by itself, and how much the directions differ."""

import numpy as np

from deepradiomics.texture import matrices

# The direction of `matrices.glcm` for each angle; rows go down, so a step down and to the left rises to the right.
_DIRECTIONS = {0: 3, 45: 2, 90: 1, 135: 0}


def directional_glcm(levels, n_levels):
    """Measure the co-occurrence of neighbours along rows, columns and both diagonals.

    levels : int (H, W), 0 outside the region. See docs/texture.md.
    """
    counts = matrices.glcm(levels, n_levels)[0]
    totals = counts.sum(axis=(1, 2), keepdims=True)
    # NaN in a direction without pairs.
    p = counts / np.where(totals == 0, np.nan, totals)
    by_angle = {angle: _features(p[k]) for angle, k in _DIRECTIONS.items()}
    result = {}
    for feature in ("Contrast", "Correlation", "Idm", "JointEnergy", "JointEntropy"):
        values = np.array([by_angle[angle][feature] for angle in _DIRECTIONS])
        result |= {f"{feature}{angle}": float(value) for angle, value in zip(_DIRECTIONS, values, strict=True)}
        low, high = values.min(), values.max()
        result[f"{feature}Anisotropy"] = float((high - low) / (abs(high) + abs(low))) if high != low else 0.0
    return result


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
