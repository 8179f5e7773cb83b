"""From a mask or from boxes to named regions of femur and spine."""

from deepradiomics.regions.display import plot_regions
from deepradiomics.regions.femur import FemurGeometry, femur_geometry, place_femur_boxes
from deepradiomics.regions.transformers import FemurRegions, VertebraRegions

__all__ = [
    "FemurGeometry",
    "FemurRegions",
    "VertebraRegions",
    "femur_geometry",
    "place_femur_boxes",
    "plot_regions",
]
