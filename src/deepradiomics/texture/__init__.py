"""Texture of regions: filters, matrices and features, with pyradiomics' names and values."""

from deepradiomics.texture._discretization import discretize
from deepradiomics.texture.catalogue import describe_features
from deepradiomics.texture.extractor import TextureExtractor, extract
from deepradiomics.texture.maps import FeatureMap, feature_map
from deepradiomics.texture.matrices import glcm, gldm, glrlm, glszm, ngtdm

__all__ = [
    "FeatureMap",
    "TextureExtractor",
    "describe_features",
    "discretize",
    "extract",
    "feature_map",
    "glcm",
    "gldm",
    "glrlm",
    "glszm",
    "ngtdm",
]
