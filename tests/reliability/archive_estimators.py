"""Estimators for the tests of the archive, in a module of their own so that workers can import them."""

import os
import signal
import time

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class Sums(TransformerMixin, BaseEstimator):
    """Sums and means of images, with images that misbehave by a number in a column ``what``.

    1 kills the process, 2 raises ValueError, 3 needs memory that a batch of two does not have, 4 never has it,
    5 never ends.
    """

    def __init__(self, delay=0.0):
        self.delay = delay

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        time.sleep(self.delay * len(X))
        what = X["what"].to_numpy() if "what" in X else np.zeros(len(X))
        if (what == 1).any():
            os.kill(os.getpid(), signal.SIGKILL)
        if (what == 5).any():
            time.sleep(1000)
        if (what == 2).any():
            raise ValueError("a cell of the image of somebody")
        if (what == 4).any() or ((what == 3).any() and len(X) > 1):
            raise MemoryError
        numbers = X["number"].to_numpy(dtype=float)
        return np.column_stack([np.sin(numbers), np.cumsum(np.ones(len(X)))[:, None] * 0 + numbers[:, None] ** 2])

    def get_feature_names_out(self, input_features=None):
        return np.array(["sine", "square"], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class Missing(Sums):
    """Whether each cell is missing, and the numbers as they came."""

    def transform(self, X):
        return np.column_stack([X.isna().to_numpy(), X["number"] * 2])

    def get_feature_names_out(self, input_features=None):
        return np.array(["hip", "number", "twice"], dtype=object)
