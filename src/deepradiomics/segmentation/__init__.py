"""Outlines of bones: networks that draw them, how they are cleaned, and how two of them are compared."""

from deepradiomics.metrics.overlap import SurfaceDistance, dice, iou, overlap_ratio, surface_distance
from deepradiomics.segmentation.architecture import UNetArchitecture
from deepradiomics.segmentation.cleanup import clean_up
from deepradiomics.segmentation.evaluation import SegmentationReport, evaluate
from deepradiomics.segmentation.unet import UNetSegmenter

__all__ = [
    "SegmentationReport",
    "SurfaceDistance",
    "UNetArchitecture",
    "UNetSegmenter",
    "clean_up",
    "dice",
    "evaluate",
    "iou",
    "overlap_ratio",
    "surface_distance",
]
