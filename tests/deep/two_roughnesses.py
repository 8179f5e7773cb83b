"""Tiny radiographs of two roughnesses, which a network learns in seconds."""

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

SMALL = {"n_features": 16, "image_size": 64, "epochs": 3, "device": "cpu", "random_state": 0}


def make_views(n, *, seed=0, size=64, effect=0.6, views=("left", "right")):
    """Radiographs whose grain is finer in one class: a data frame of arrays, and 0/1 labels."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    columns = {}
    for view in views:
        sigmas = np.exp(rng.normal(0.4 + effect * 0.35 * (2 * y - 1), 0.25))
        grain = [gaussian_filter(rng.normal(size=(size, size)), sigma) for sigma in sigmas]
        slope = np.arange(size) / size
        columns[view] = [(image / image.std() + rng.normal() * slope).astype("f4") for image in grain]
    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()}), y
