"""Deep features: networks as scikit-learn transformers and classifiers."""

from deepradiomics.deep.alignment import Alignment, align
from deepradiomics.deep.attribution import AttributionMap, grad_cam
from deepradiomics.deep.columns import image_columns
from deepradiomics.deep.embedding import EmbeddingExtractor
from deepradiomics.deep.extractor import DeepExtractor
from deepradiomics.deep.foreign_weights import imagenet_weights, timm_names
from deepradiomics.deep.history import plot_history
from deepradiomics.deep.networks import Architecture, AttendCompare, MultiViewNetwork, TiulpinBranch
from deepradiomics.deep.pretraining import pretrain
from deepradiomics.deep.regressor import DeepRegressor

__all__ = [
    "Alignment",
    "Architecture",
    "AttendCompare",
    "AttributionMap",
    "DeepExtractor",
    "DeepRegressor",
    "EmbeddingExtractor",
    "MultiViewNetwork",
    "TiulpinBranch",
    "align",
    "grad_cam",
    "image_columns",
    "imagenet_weights",
    "plot_history",
    "pretrain",
    "timm_names",
]
