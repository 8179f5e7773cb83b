"""A gate for images: which radiographs are like those that a study accepts, and what is wrong with the others."""

from deepradiomics.quality.gate import ImageGate
from deepradiomics.quality.markers import side_markers
from deepradiomics.quality.measures import (
    block_contrast,
    clipped_share,
    cut_off,
    distinct_levels,
    fine_detail,
    text_share,
)

__all__ = [
    "ImageGate",
    "block_contrast",
    "clipped_share",
    "cut_off",
    "distinct_levels",
    "fine_detail",
    "side_markers",
    "text_share",
]
