"""Read radiographs and masks from files and arrays; brighter is always denser."""

from deepradiomics.reading.masks import read_label_map
from deepradiomics.reading.radiographs import as_radiograph, read_radiograph
from deepradiomics.reading.segmentations import Segmentation, read_segmentation, write_segmentation

__all__ = [
    "Segmentation",
    "as_radiograph",
    "read_label_map",
    "read_radiograph",
    "read_segmentation",
    "write_segmentation",
]
