"""Steps on grey values before anything is measured: array in, array out; and one of them as an estimator."""

from deepradiomics.preprocessing.areas import bone_area
from deepradiomics.preprocessing.framing import Letterbox, letterbox
from deepradiomics.preprocessing.intensity import equalize, normalize, smooth, window
from deepradiomics.preprocessing.normalizer import GrayscaleNormalizer

__all__ = [
    "GrayscaleNormalizer",
    "Letterbox",
    "bone_area",
    "equalize",
    "letterbox",
    "normalize",
    "smooth",
    "window",
]
