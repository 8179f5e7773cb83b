"""Compiled loops over grey levels, on the CPU.

Levels (n, H, W) are padded with zeros on all sides, ``pad`` pixels wide, so no loop checks a border. Where it can be
helped no loop branches on a grey level, either: a wrong guess costs more than the work it saves. The functions that
:mod:`deepradiomics.texture.matrices` calls have twins of the same names and arguments in `_gpu`.
"""

from deepradiomics.texture._cpu.counts import glcm, gldm, glrlm, glszm, ngtdm
from deepradiomics.texture._cpu.sums import pair_sums, size_sums
from deepradiomics.texture._cpu.values import discretize, inside, statistics
from deepradiomics.texture._cpu.wavelets import wavelet_bands

__all__ = [
    "discretize",
    "glcm",
    "gldm",
    "glrlm",
    "glszm",
    "inside",
    "ngtdm",
    "pair_sums",
    "size_sums",
    "statistics",
    "wavelet_bands",
]
