"""Read radiographs and masks from files and arrays; brighter is always denser."""

from deepradiomics.reading.masks import read_label_map
from deepradiomics.reading.radiographs import as_radiograph, read_radiograph

__all__ = ["as_radiograph", "read_label_map", "read_radiograph"]
