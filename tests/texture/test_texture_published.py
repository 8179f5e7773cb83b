"""The IBSI digital phantom: each slice is a region, and the mean over the four slices is the published value.

Values: Zwanenburg A, Leger S, Vallières M, Löck S. Image biomarker standardisation initiative, arXiv 1612.07003,
digital phantom, printed to three digits; 2D averaged (BTW3), 2D slice-merged (SUJT), and 2D (8QNN) for the matrices
that have no direction. Intensities 2 and 5 do not occur.
"""

import numpy as np
import pandas as pd
import pytest

from deepradiomics.exceptions import InputError
from deepradiomics.texture import _engine
from deepradiomics.texture._discretization import bin_edges
from deepradiomics.texture.catalogue import FEATURES

# 0 lies outside the region.
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ],
    dtype=float,
)
GLCM = """
    MaximumProbability 0.519 0.512   JointAverage 2.14 2.14         SumSquares 2.69 2.71        JointEntropy 2.05 2.24
    DifferenceAverage 1.42 1.40      DifferenceVariance 2.90 3.06   DifferenceEntropy 1.40 1.49 SumAverage 4.28 4.29
    SumEntropy 1.60 1.79             JointEnergy 0.368 0.352        Contrast 5.28 5.19          Id 0.678 0.683
    Idn 0.851 0.854                  Idm 0.619 0.625                Idmn 0.899 0.901       InverseVariance 0.0567 0.0553
    Correlation -0.0121 0.0173       Autocorrelation 5.09 5.14      ClusterTendency 5.47 5.66   ClusterShade 7.00 6.98
    ClusterProminence 79.1 80.4      Imc1 -0.155 -0.0341            Imc2 0.487 0.263
"""
GLRLM = """
    ShortRunEmphasis 0.641 0.661              LongRunEmphasis 3.78 3.51              LowGrayLevelRunEmphasis 0.604 0.609
    HighGrayLevelRunEmphasis 9.82 9.74        ShortRunLowGrayLevelEmphasis 0.294 0.311
    ShortRunHighGrayLevelEmphasis 8.57 8.67   LongRunLowGrayLevelEmphasis 3.14 2.92
    LongRunHighGrayLevelEmphasis 17.4 16.1    GrayLevelNonUniformity 5.20 20.5
    GrayLevelNonUniformityNormalized 0.460 0.456                                      RunLengthNonUniformity 6.12 21.6
    RunLengthNonUniformityNormalized 0.492 0.441                                      RunPercentage 0.627 0.627
    GrayLevelVariance 3.35 3.37               RunVariance 0.761 0.778                 RunEntropy 2.17 2.57
"""
GLSZM = """
    SmallAreaEmphasis 0.363                LargeAreaEmphasis 43.9                 LowGrayLevelZoneEmphasis 0.371
    HighGrayLevelZoneEmphasis 16.4         SmallAreaLowGrayLevelEmphasis 0.0259   SmallAreaHighGrayLevelEmphasis 10.3
    LargeAreaLowGrayLevelEmphasis 40.4     LargeAreaHighGrayLevelEmphasis 113     GrayLevelNonUniformity 1.41
    GrayLevelNonUniformityNormalized 0.323 SizeZoneNonUniformity 1.49             SizeZoneNonUniformityNormalized 0.333
    ZonePercentage 0.240                   GrayLevelVariance 3.97                 ZoneVariance 21.0   ZoneEntropy 1.93
"""
GLDM = """
    SmallDependenceEmphasis 0.158                LargeDependenceEmphasis 19.2               LowGrayLevelEmphasis 0.702
    HighGrayLevelEmphasis 7.49                   SmallDependenceLowGrayLevelEmphasis 0.0473
    SmallDependenceHighGrayLevelEmphasis 3.06    LargeDependenceLowGrayLevelEmphasis 17.6
    LargeDependenceHighGrayLevelEmphasis 49.5    GrayLevelNonUniformity 10.2                DependenceNonUniformity 3.96
    DependenceNonUniformityNormalized 0.212      GrayLevelVariance 2.70                     DependenceVariance 2.73
    DependenceEntropy 2.71
"""
NGTDM = "Coarseness 0.121 Contrast 0.925 Busyness 2.99 Complexity 10.4 Strength 2.88"
# Of all 74 voxels at once, since grey values have no direction.
FIRSTORDER = """
    Mean 2.15 Variance 3.05 Skewness 1.08 Kurtosis -0.355 Median 1 Minimum 1 10Percentile 1 90Percentile 4 Maximum 6
    InterquartileRange 3 Range 5 MeanAbsoluteDeviation 1.55 RobustMeanAbsoluteDeviation 1.11 Energy 567
    RootMeanSquared 2.77 Entropy 1.27 Uniformity 0.512
"""


def published(family, table, n_values):
    """Name and printed values of each feature."""
    words = table.split()
    step = n_values + 1
    return {f"{family}_{words[k]}": words[k + 1 : k + step] for k in range(0, len(words), step)}


AVERAGED = published("glcm", GLCM, 2) | published("glrlm", GLRLM, 2)
PLAIN = published("glszm", GLSZM, 1) | published("gldm", GLDM, 1) | published("ngtdm", NGTDM, 1)
CLASSES = {name: None for name in ("glcm", "glrlm", "glszm", "gldm", "ngtdm")}
CASES = [
    *((name, values[0], None) for name, values in AVERAGED.items()),
    *((name, values[1], "no_weighting") for name, values in AVERAGED.items()),
    *((name, values[0], None) for name, values in PLAIN.items()),
]


def assert_rounds_to(value, printed):
    """Equal to the printed value when rounded to three significant digits."""
    assert float(f"{value:.3g}") == pytest.approx(float(printed), rel=1e-9)


def measured(images, masks, classes, **settings):
    """What the engine finds, with its names."""
    names = [f"{name}_{feature}" for name, chosen in classes.items() for feature in chosen or FEATURES[name]]
    return pd.DataFrame(_engine.measure(images, masks, classes, **settings), columns=names)


@pytest.fixture(scope="module", params=["cpu", "torch"])
def found(request):
    """Mean over the slices, by way of merging."""
    device = request.param if request.param == "cpu" else pytest.importorskip("torch").device("cpu")
    common = {"bin_width": 1, "standard": "ibsi", "device": device}
    images, masks = list(PHANTOM), list(PHANTOM > 0)
    return {
        norm: measured(images, masks, CLASSES, weighting_norm=norm, **common).mean() for norm in (None, "no_weighting")
    }


@pytest.mark.parametrize(("name", "printed", "norm"), CASES)
def test_texture_of_the_digital_phantom(found, name, printed, norm):
    assert_rounds_to(found[norm][name], printed)


@pytest.mark.parametrize(("name", "values"), published("firstorder", FIRSTORDER, 1).items())
def test_grey_values_of_the_digital_phantom(name, values):
    whole = PHANTOM.reshape(16, 5)
    features = measured([whole], [whole > 0], {"firstorder": None}, bin_width=1, standard="ibsi")
    assert_rounds_to(features[name][0], values[0])


def test_bins_of_the_ibsi_start_at_the_smallest_grey_value():
    assert bin_edges(3.0, 7.0, bin_width=2, from_minimum=True).tolist() == [3, 5, 7, 9]
    assert bin_edges(3.0, 7.0, bin_width=2).tolist() == [2, 4, 6, 8, 10]


def test_what_the_ibsi_counts_otherwise():
    """Two pixels that no direction joins: no run for pyradiomics; no neighbours, so no tone difference for the IBSI."""
    image, mask = np.array([[1.0, 0, 0], [0, 0, 2.0]]), np.array([[True, False, False], [False, False, True]])
    classes = {"glrlm": ["RunPercentage"], "ngtdm": ["Coarseness", "Busyness"], "firstorder": ["Kurtosis"]}
    theirs = measured([image], [mask], classes, bin_count=2).iloc[0]
    ibsi = measured([image], [mask], classes, bin_count=2, standard="ibsi").iloc[0]
    assert np.isnan(theirs["glrlm_RunPercentage"])
    assert ibsi["glrlm_RunPercentage"] == 1
    assert ibsi["firstorder_Kurtosis"] == theirs["firstorder_Kurtosis"] - 3


def test_the_ibsi_knows_no_shift():
    with pytest.raises(InputError, match="voxel_array_shift is 5"):
        _engine.measure([np.eye(3)], [np.ones((3, 3), bool)], CLASSES, standard="ibsi", voxel_array_shift=5)
