"""Where the outlines of a recipe come from."""

from sklearn.frozen import FrozenEstimator

from deepradiomics.exceptions import InputError
from deepradiomics.segmentation import UNetSegmenter


def outliner(name, segmenter, mask):
    """Return the segmenter that was given, or the network of the package where there is no column of masks either."""
    if segmenter is not None and mask is not None:
        raise InputError(f"a segmenter and the column {mask!r} of masks were given; give one of them")
    return FrozenEstimator(UNetSegmenter.pretrained(name)) if segmenter is None and mask is None else segmenter
