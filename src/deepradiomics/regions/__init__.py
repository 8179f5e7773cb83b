"""From a mask or from boxes to named regions of femur and spine."""

from deepradiomics.regions.cortex import cortical_thickness_index
from deepradiomics.regions.display import plot_regions
from deepradiomics.regions.femur import FemurGeometry, femur_geometry
from deepradiomics.regions.femur_boxes import FemurBoxes, place_femur_boxes
from deepradiomics.regions.femur_transformer import FemurRegions
from deepradiomics.regions.genant import Genant, genant_grade
from deepradiomics.regions.vertebra_points import vertebra_geometry_from_points
from deepradiomics.regions.vertebra_transformer import VertebraRegions
from deepradiomics.regions.vertebrae import VertebraGeometry, place_vertebra_boxes, unsure_levels, vertebra_geometry

__all__ = [
    "FemurBoxes",
    "FemurGeometry",
    "FemurRegions",
    "Genant",
    "VertebraGeometry",
    "VertebraRegions",
    "cortical_thickness_index",
    "femur_geometry",
    "genant_grade",
    "place_femur_boxes",
    "place_vertebra_boxes",
    "plot_regions",
    "unsure_levels",
    "vertebra_geometry",
    "vertebra_geometry_from_points",
]
