"""Radiomic texture, deep features and honest comparison for bone radiographs.

Every public name is loaded when it is first used, so that ``import deepradiomics`` stays light.
"""

from importlib import import_module

__version__ = "0.2.0"

# {public name: the module it lives in}
_PUBLIC = {
    "BilateralSelector": "selection",
    "Box": "box",
    "ComBat": "harmonization",
    "CorrelationPruner": "selection",
    "DeepExtractor": "deep",
    "DeepRadiomicsError": "exceptions",
    "DeepRegressor": "deep",
    "EmbeddingExtractor": "deep",
    "FemurRegions": "regions",
    "GrayscaleNormalizer": "preprocessing",
    "ImageGate": "quality",
    "MRMRSelector": "selection",
    "OrdinalLogisticRegression": "fusion",
    "Radiograph": "radiograph",
    "StabilitySelector": "selection",
    "StackedFusionClassifier": "fusion",
    "TextureExtractor": "texture",
    "Triage": "comparison",
    "UNetSegmenter": "segmentation",
    "VertebraRegions": "regions",
    "as_radiograph": "reading",
    "clinical_encoder": "clinical",
    "compare_feature_sets": "comparison",
    "compare_models": "comparison",
    "late_fusion": "fusion",
    "load": "persistence",
    "place_femur_boxes": "regions",
    "place_vertebra_boxes": "regions",
    "plot_cohort": "review",
    "plot_regions": "regions",
    "read_radiograph": "reading",
    "recalibrate": "comparison",
    "save": "persistence",
}
_MODULES = (
    "annotations",
    "archive",
    "clinical",
    "comparison",
    "deep",
    "exceptions",
    "fusion",
    "harmonization",
    "metrics",
    "persistence",
    "preprocessing",
    "quality",
    "reading",
    "recipes",
    "regions",
    "review",
    "segmentation",
    "selection",
    "simulation",
    "texture",
)

__all__ = sorted([*_PUBLIC, *_MODULES])


def __getattr__(name):
    if name in _PUBLIC:
        value = getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *__all__])
