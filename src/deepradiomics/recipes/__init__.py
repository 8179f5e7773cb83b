"""Published systems as plain scikit-learn pipelines."""

from deepradiomics.recipes.kim2022 import kim2022

__all__ = ["kim2022"]
