"""Deep features: networks as scikit-learn transformers and classifiers."""

from deepradiomics.deep.alignment import Alignment, align
from deepradiomics.deep.columns import image_columns
from deepradiomics.deep.extractor import DeepExtractor
from deepradiomics.deep.networks import Architecture, MultiViewNetwork, TiulpinBranch

__all__ = [
    "Alignment",
    "Architecture",
    "DeepExtractor",
    "MultiViewNetwork",
    "TiulpinBranch",
    "align",
    "image_columns",
]
