"""Every texture feature: its class, where its formula is written down, its IBSI code, unit and conventions."""

import numpy as np
import pandas as pd

# Classes and their features stand in the order in which pyradiomics 3.0.1 returns them, a feature as
# "Name:IBSI code:unit"; g is the unit of the grey values, l that of grey levels (bin numbers), - stands for none.
_FEATURES = {
    "firstorder": """
        10Percentile:QG58:g 90Percentile:8DWT:g Energy:N8CA:g^2 Entropy:TLU2:bit InterquartileRange:SALO:g
        Kurtosis:IPH6:- Maximum:84IY:g MeanAbsoluteDeviation:4FUA:g Mean:Q4LE:g Median:Y12H:g Minimum:1GSF:g
        Range:2OJQ:g RobustMeanAbsoluteDeviation:1128:g RootMeanSquared:5ZWQ:g Skewness:KE2A:- TotalEnergy:-:g^2.mm^2
        Uniformity:BJ5W:- Variance:ECT3:g^2""",
    "glcm": """
        Autocorrelation:QWB0:l^2 ClusterProminence:AE86:l^4 ClusterShade:7NFM:l^3 ClusterTendency:DG8W:l^2
        Contrast:ACUI:l^2 Correlation:NI2N:- DifferenceAverage:TF7R:l DifferenceEntropy:NTRS:bit
        DifferenceVariance:D3YU:l^2 Id:IB1Z:- Idm:WF0Z:- Idmn:1QCO:- Idn:NDRX:- Imc1:R8DG:- Imc2:JN9H:-
        InverseVariance:E8JP:l^-2 JointAverage:60VM:l JointEnergy:8ZQL:- JointEntropy:TU9B:bit MCC:-:-
        MaximumProbability:GYBY:- SumAverage:ZGXS:l SumEntropy:P6QZ:bit SumSquares:UR99:l^2""",
    "gldm": """
        DependenceEntropy:FCBV:bit DependenceNonUniformity:Z87G:- DependenceNonUniformityNormalized:OKJI:-
        DependenceVariance:DNX2:px^2 GrayLevelNonUniformity:FP8K:- GrayLevelVariance:1PFV:l^2
        HighGrayLevelEmphasis:OAE7:l^2 LargeDependenceEmphasis:IMOQ:px^2
        LargeDependenceHighGrayLevelEmphasis:9QMG:l^2.px^2 LargeDependenceLowGrayLevelEmphasis:NBZI:l^-2.px^2
        LowGrayLevelEmphasis:TL9H:l^-2 SmallDependenceEmphasis:SODN:px^-2
        SmallDependenceHighGrayLevelEmphasis:JA6D:l^2.px^-2 SmallDependenceLowGrayLevelEmphasis:EQ3F:l^-2.px^-2""",
    "glrlm": """
        GrayLevelNonUniformity:R5YN:- GrayLevelNonUniformityNormalized:OVBL:- GrayLevelVariance:8CE5:l^2
        HighGrayLevelRunEmphasis:G3QZ:l^2 LongRunEmphasis:W4KF:px^2 LongRunHighGrayLevelEmphasis:3KUM:l^2.px^2
        LongRunLowGrayLevelEmphasis:IVPO:l^-2.px^2 LowGrayLevelRunEmphasis:V3SW:l^-2 RunEntropy:HJ9O:bit
        RunLengthNonUniformity:W92Y:- RunLengthNonUniformityNormalized:IC23:- RunPercentage:9ZK5:-
        RunVariance:SXLW:px^2 ShortRunEmphasis:22OV:px^-2 ShortRunHighGrayLevelEmphasis:GD3A:l^2.px^-2
        ShortRunLowGrayLevelEmphasis:HTZT:l^-2.px^-2""",
    "glszm": """
        GrayLevelNonUniformity:JNSA:- GrayLevelNonUniformityNormalized:Y1RO:- GrayLevelVariance:BYLV:l^2
        HighGrayLevelZoneEmphasis:5GN9:l^2 LargeAreaEmphasis:48P8:px^2 LargeAreaHighGrayLevelEmphasis:J17V:l^2.px^2
        LargeAreaLowGrayLevelEmphasis:YH51:l^-2.px^2 LowGrayLevelZoneEmphasis:XMSY:l^-2 SizeZoneNonUniformity:4JP3:-
        SizeZoneNonUniformityNormalized:VB3A:- SmallAreaEmphasis:5QRC:px^-2
        SmallAreaHighGrayLevelEmphasis:HW1V:l^2.px^-2 SmallAreaLowGrayLevelEmphasis:5RAI:l^-2.px^-2
        ZoneEntropy:GU8N:bit ZonePercentage:P30P:- ZoneVariance:3NSA:px^2""",
    "ngtdm": "Busyness:NQ30:l^-1 Coarseness:QCDE:l^-1 Complexity:HDEZ:l Contrast:65HE:l^3 Strength:1X9X:l^2",
    "shape": """
        Elongation:Q3CK:- Flatness:N17B:- LeastAxisLength:7J51:mm MajorAxisLength:TDIC:mm
        Maximum2DDiameterColumn:-:mm Maximum2DDiameterRow:-:mm Maximum2DDiameterSlice:-:mm Maximum3DDiameter:L0JK:mm
        MeshVolume:RNU0:mm^3 MinorAxisLength:P9VJ:mm Sphericity:QCFX:- SurfaceArea:C0JK:mm^2
        SurfaceVolumeRatio:2PR5:mm^-1 VoxelVolume:YEKZ:mm^3""",
    "shape2D": """
        Elongation:-:- MajorAxisLength:-:mm MaximumDiameter:-:mm MeshSurface:-:mm^2 MinorAxisLength:-:mm Perimeter:-:mm
        PerimeterSurfaceRatio:-:mm^-1 PixelSurface:-:mm^2 Sphericity:-:-""",
}

# Bone texture, which pyradiomics does not have; the features stand in the order of the functions that make them.
_BONE_FEATURES = {
    "fractal": """
        HorizontalDimension:-:- HorizontalDimension2:-:- HorizontalDimension3:-:- HorizontalDimension4:-:-
        HorizontalDimension6:-:- VerticalDimension:-:- VerticalDimension2:-:- VerticalDimension3:-:-
        VerticalDimension4:-:- VerticalDimension6:-:- DimensionDifference:-:-""",
    "variogram": "Slope:-:- Intercept:-:log10(g^2) HorizontalSlope:-:- VerticalSlope:-:- SlopeDifference:-:-",
    "spectrum": "Slope:-:- CentralFrequency:-:mm^-1 Orientation:-:degree Anisotropy:-:-",
    "gabor": " ".join(
        f"Wavelength{wavelength}Orientation{angle}:-:g^2" if angle < 180 else f"Wavelength{wavelength}Anisotropy:-:-"
        for wavelength in (4, 8)
        for angle in (0, 45, 90, 135, 180)
    ),
    "laws": """
        L5E5:-:g L5S5:-:g L5W5:-:g L5R5:-:g E5E5:-:g E5S5:-:g E5W5:-:g E5R5:-:g S5S5:-:g S5W5:-:g S5R5:-:g W5W5:-:g
        W5R5:-:g R5R5:-:g""",
    "lbp": " ".join(
        f"Radius{radius}Uniform{k}:-:-" if k < 9 else f"Radius{radius}NonUniform:-:-"
        for radius in (1, 2, 3)
        for k in range(10)
    ),
    "glcmdirection": " ".join(
        f"{feature}{angle}:-:{unit if angle != 'Anisotropy' else '-'}"
        for feature, unit in (
            ("Contrast", "l^2"),
            ("Correlation", "-"),
            ("Idm", "-"),
            ("JointEnergy", "-"),
            ("JointEntropy", "bit"),
        )
        for angle in (0, 45, 90, 135, "Anisotropy")
    ),
}

_SOURCES = {
    "firstorder": "IBSI reference manual 3.3 and 3.4",
    "glcm": "Haralick et al. 1973; IBSI reference manual 3.6",
    "gldm": "Sun and Wee 1983; IBSI reference manual 3.11",
    "glrlm": "Galloway 1975; IBSI reference manual 3.7",
    "glszm": "Thibault et al. 2009; IBSI reference manual 3.8",
    "ngtdm": "Amadasun and King 1989; IBSI reference manual 3.10",
    "shape": "pyradiomics 3.0.1, shape, of a slab 1 mm thick; IBSI reference manual 3.1",
    "shape2D": "pyradiomics 3.0.1, shape2D",
    "fractal": "Lynch et al. 1991 (blanket method with rods)",
    "variogram": "Matheron 1963; Pothuaud et al. 1998",
    "spectrum": "Caligiuri et al. 1993; Bigun and Granlund 1987",
    "gabor": "Field 1987",
    "laws": "Laws 1980",
    "lbp": "Ojala et al. 2002",
    "glcmdirection": "Haralick et al. 1973",
}

# What a region of a single grey level gets where the formula is 0 / 0; pyradiomics' conventions.
_DEGENERATE = {
    "firstorder_Kurtosis": 0.0,
    "firstorder_Skewness": 0.0,
    "glcm_Correlation": 1.0,
    "glcm_Imc1": 0.0,
    "glcm_Imc2": 0.0,
    "glcm_MCC": 1.0,
    "ngtdm_Busyness": 0.0,
    "ngtdm_Coarseness": 1e6,
    "ngtdm_Contrast": 0.0,
    "ngtdm_Strength": 0.0,
    "variogram_Slope": 0.0,
    "variogram_Intercept": 0.0,
    "variogram_HorizontalSlope": 0.0,
    "variogram_VerticalSlope": 0.0,
    "spectrum_Slope": 0.0,
    "spectrum_CentralFrequency": 0.0,
    "spectrum_Orientation": 0.0,
    "spectrum_Anisotropy": 0.0,
    "gabor_Wavelength4Anisotropy": 0.0,
    "gabor_Wavelength8Anisotropy": 0.0,
    **{f"fractal_{name}": 2.0 for name in ("HorizontalDimension", "VerticalDimension")},
    **{f"fractal_{name}Dimension{radius}": 2.0 for name in ("Horizontal", "Vertical") for radius in (2, 3, 4, 6)},
    **{f"glcmdirection_Correlation{angle}": 1.0 for angle in (0, 45, 90, 135)},
}


def _names(table):
    return {name: tuple(entry.split(":")[0] for entry in text.split()) for name, text in table.items()}


# {class: names of its features}: what pyradiomics has for a plane image, and what it lacks.
FEATURES = _names(_FEATURES)
BONE_FEATURES = _names(_BONE_FEATURES)


def describe_features(feature_classes=None):
    """List the texture features with their class, source, IBSI code, unit and conventional value.

    Parameters
    ----------
    feature_classes : list of str, default=None
        The classes to list, such as ``["glcm", "glszm"]``; None means all.

    Returns
    -------
    DataFrame of shape (n_features, 6)
        Columns ``name`` (``<class>_<Feature>``), ``class``, ``source`` (where the formula is written down),
        ``ibsi`` (code in the IBSI reference manual, empty where it has none), ``unit`` (g: unit of the grey values;
        l: grey levels after binning; px: pixels; empty for a pure number) and ``degenerate`` (the value that a region
        of a single grey level gets by convention, where the formula would be 0 / 0; NaN elsewhere).

    Raises
    ------
    KeyError
        If a class does not exist.

    Examples
    --------
    >>> from deepradiomics.texture import describe_features
    >>> table = describe_features(["ngtdm"]).set_index("name")
    >>> table.loc["ngtdm_Coarseness", "ibsi"], float(table.loc["ngtdm_Coarseness", "degenerate"])
    ('QCDE', 1000000.0)
    """
    rows = []
    table = _FEATURES | _BONE_FEATURES
    for feature_class in table if feature_classes is None else feature_classes:
        for entry in table[feature_class].split():
            feature, code, unit = (word.removeprefix("-") for word in entry.split(":"))
            name = f"{feature_class}_{feature}"
            rows.append((name, feature_class, _SOURCES[feature_class], code, unit, _DEGENERATE.get(name, np.nan)))
    return pd.DataFrame(rows, columns=["name", "class", "source", "ibsi", "unit", "degenerate"])
