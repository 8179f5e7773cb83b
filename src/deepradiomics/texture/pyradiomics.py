"""What users of pyradiomics bring: its parameter files, and pyradiomics itself as the reference engine."""

import difflib
import json
import logging
import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from joblib import Parallel, delayed, effective_n_jobs

from deepradiomics.exceptions import InputError, require
from deepradiomics.texture.catalogue import FEATURES
from deepradiomics.texture.filters import FILTERS
from deepradiomics.texture.preparation import INTERPOLATORS

# Settings of pyradiomics -> keywords of TextureExtractor.
EXTRACTOR_KEYWORDS = {
    "binCount": "bin_count",
    "binWidth": "bin_width",
    "distances": "distances",
    "gldm_a": "gldm_a",
    "interpolator": "interpolator",
    "minimumROIDimensions": "minimum_roi_dimensions",
    "minimumROISize": "minimum_roi_size",
    "normalize": "normalize",
    "normalizeScale": "normalize_scale",
    "padDistance": "pad_distance",
    "preCrop": "pre_crop",
    "removeOutliers": "remove_outliers",
    "resampledPixelSpacing": "resampled_pixel_spacing",
    "resegmentMode": "resegment_mode",
    "resegmentRange": "resegment_range",
    "resegmentShape": "resegment_shape",
    "symmetricalGLCM": "symmetrical_glcm",
    "voxelArrayShift": "voxel_array_shift",
    "weightingNorm": "weighting_norm",
}
# Settings of pyradiomics -> keywords of a filter, and the filter.
FILTER_KEYWORDS = {
    "gradientUseSpacing": ("gradient_use_spacing", "Gradient"),
    "lbp2DMethod": ("lbp2d_method", "LBP2D"),
    "lbp2DRadius": ("lbp2d_radius", "LBP2D"),
    "lbp2DSamples": ("lbp2d_samples", "LBP2D"),
    "level": ("level", "Wavelet"),
    "sigma": ("sigma", "LoG"),
    "start_level": ("start_level", "Wavelet"),
    "wavelet": ("wavelet", "Wavelet"),
}
# Keywords that an image type may have for itself.
MEASURE_KEYWORDS = (
    "bin_count",
    "bin_width",
    "distances",
    "weighting_norm",
    "symmetrical_glcm",
    "gldm_a",
    "voxel_array_shift",
)
# Settings that change nothing where images are planes and masks are boolean.
_WITHOUT_EFFECT = {
    "additionalInfo",
    "correctMask",
    "force2D",
    "force2Ddimension",
    "geometryTolerance",
    "label_channel",
    "lbp3DIcosphereRadius",
    "lbp3DIcosphereSubdivision",
    "lbp3DLevels",
}
_VOXEL_SETTINGS = {"initValue", "kernelRadius", "maskedKernel", "voxelBatch"}


def read_parameters(path):
    """Read a parameter file of pyradiomics as keywords of TextureExtractor.

    Parameters
    ----------
    path : str or Path
        A YAML file, or a JSON file (``.json``).

    Returns
    -------
    dict
        Keywords of :class:`deepradiomics.TextureExtractor`. Where the file says nothing, they are the defaults of
        pyradiomics: bin width 25, the original image, all classes.

    Raises
    ------
    InputError
        If the file cannot be read, has an unknown key (the message names the nearest known one), sets both the bin
        width and the bin count, or asks for what a plane image does not have (LBP3D).

    Notes
    -----
    The class ``shape`` is left out, as pyradiomics does on a two-dimensional image; settings for volumes and voxel
    maps (``force2D``, ``correctMask``, ``voxelSetting`` ...) are accepted and have no effect, as has the label, which
    is chosen when a mask is read (see `read_label`). Of
    ``resampledPixelSpacing``, (x, y) or (x, y, z) in the file, the first two are taken.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from deepradiomics.texture.pyradiomics import read_parameters
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "Params.yaml"
    ...     _ = path.write_text("setting: {binWidth: 10}\\nfeatureClass: {glcm: [Contrast]}\\n")
    ...     read_parameters(path)
    {'bin_width': 10, 'bin_count': None, 'image_types': {'Original': {}}, 'feature_classes': {'glcm': ['Contrast']}}
    """
    content = _load(Path(path))
    check_keys(content, ("setting", "imageType", "featureClass", "voxelSetting"), f"section of {Path(path).name}")
    settings = content.get("setting") or {}
    known = {*EXTRACTOR_KEYWORDS, *FILTER_KEYWORDS, *_WITHOUT_EFFECT, "label"}
    check_keys(settings, known, "setting")
    check_keys(content.get("voxelSetting") or {}, _VOXEL_SETTINGS, "voxelSetting")
    keywords = _extractor_keywords(settings)
    keywords["image_types"] = _image_types(content.get("imageType") or {"Original": {}}, settings)
    keywords["feature_classes"] = _feature_classes(content.get("featureClass"))
    return keywords


def read_label(path):
    """Read which label of a mask a parameter file of pyradiomics asks for.

    Parameters
    ----------
    path : str or Path
        A YAML file, or a JSON file (``.json``).

    Returns
    -------
    int or None
        The setting ``label``; None where the file has none.

    Raises
    ------
    InputError
        If the file cannot be read, or the label is no whole number.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from deepradiomics.texture.pyradiomics import read_label
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "Params.yaml"
    ...     _ = path.write_text("setting: {binWidth: 10, label: 2}\\n")
    ...     read_label(path)
    2
    """
    label = (_load(Path(path)).get("setting") or {}).get("label")
    if label is not None and (isinstance(label, bool) or not isinstance(label, int)):
        raise InputError(f"setting label is {label!r}; give a whole number", code="label")
    return label


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, and knows 1e1 as a number, as the newer standard does."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for number, key in enumerate(keys) if key in keys[:number]]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice[0]!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _parsed(text):
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _load(path):
    """Parse a YAML or JSON file into a dict."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else _parsed(text)
    except OSError as error:
        message = f"the parameter file {path.name} cannot be read: {error.strerror}"
        raise InputError(message, code="parameter_file") from None
    except (UnicodeDecodeError, yaml.YAMLError, json.JSONDecodeError) as error:
        raise InputError(f"the parameter file {path.name} cannot be read: {error}", code="parameter_file") from error
    _check_kind(content, f"the parameter file {path.name}")
    for name, section in content.items():
        _check_kind(section or {}, f"section {name} of {path.name}")
    return content


def _check_kind(content, what, kind=dict):
    if not isinstance(content, kind):
        expected = "key: value pairs" if kind is dict else "a list"
        raise InputError(f"{what} is a {type(content).__name__}, not {expected}", code="parameter_file")


def check_keys(keys, known, what):
    """Refuse an unknown key and name the nearest known one.

    Parameters
    ----------
    keys : iterable of str
        The keys found.
    known : iterable of str
        The keys that exist.
    what : str
        What the keys are, for the message.

    Raises
    ------
    InputError
        With code ``unknown_key``.

    Examples
    --------
    >>> from deepradiomics.texture.pyradiomics import check_keys
    >>> check_keys(["binwidth"], ["binWidth", "label"], "setting")
    Traceback (most recent call last):
    deepradiomics.exceptions.InputError: unknown setting 'binwidth'; did you mean 'binWidth'?
    """
    known = sorted(known)
    for key in keys:
        if key not in known:
            lowered = {name.lower(): name for name in known}
            near = difflib.get_close_matches(str(key).lower(), lowered, n=1, cutoff=0.5)
            hint = f"did you mean {lowered[near[0]]!r}?" if near else f"known are {', '.join(known)}"
            raise InputError(f"unknown {what} {key!r}; {hint}", code="unknown_key")


def _extractor_keywords(settings):
    """Translate the settings that are keywords of TextureExtractor."""
    keywords = {EXTRACTOR_KEYWORDS[key]: value for key, value in settings.items() if key in EXTRACTOR_KEYWORDS}
    check_binning(keywords.get("bin_count"), keywords.get("bin_width"))
    if keywords.get("bin_count") is None:
        keywords.setdefault("bin_width", 25)
        keywords["bin_count"] = None
    interpolator = keywords.get("interpolator", "sitkBSpline")
    if interpolator is None:
        keywords.pop("interpolator")
        keywords.pop("resampled_pixel_spacing", None)
    elif isinstance(interpolator, int):
        if not 1 <= interpolator <= len(INTERPOLATORS):
            raise InputError(
                f"setting interpolator is {interpolator}, a number from 1 to {len(INTERPOLATORS)} is one",
                code="parameter_file",
            )
        keywords["interpolator"] = INTERPOLATORS[interpolator - 1]
    spacing = keywords.get("resampled_pixel_spacing")
    if spacing is not None:
        if not isinstance(spacing, list) or len(spacing) not in (2, 3):
            raise InputError(
                f"setting resampledPixelSpacing is {spacing!r}, not a list of two or three numbers (x, y, z)",
                code="parameter_file",
            )
        column, row = spacing[:2]
        keywords["resampled_pixel_spacing"] = (row, column)
    return keywords


def check_binning(bin_count, bin_width):
    """Refuse two ways of binning at once.

    Parameters
    ----------
    bin_count : int or None
        Number of bins.
    bin_width : float or None
        Width of a bin.

    Raises
    ------
    InputError
        With code ``binning``, if both are set.

    Examples
    --------
    >>> from deepradiomics.texture.pyradiomics import check_binning
    >>> check_binning(32, None)
    """
    if bin_count is not None and bin_width is not None:
        raise InputError(
            f"bin_count={bin_count} and bin_width={bin_width:g} are both set, only one can be; set the other to None "
            "(binCount or binWidth in a parameter file: remove one)",
            code="binning",
        )


def _image_types(types, settings):
    """Translate the section imageType; filter settings of the section setting hold where the type has none."""
    check_keys(types, [*(name for name in FILTERS if name != "Detrended"), "LBP3D"], "imageType")
    if "LBP3D" in types:
        raise InputError(
            "imageType LBP3D needs a volume, a radiograph is a plane; remove it, or use LBP2D", code="volume_only"
        )
    for name, own in types.items():
        _check_kind(own or {}, f"imageType {name}")
    return {name: _type_keywords(name, own or {}, settings) for name, own in types.items()}


def _type_keywords(name, own, settings):
    """Translate the settings of one image type."""
    filter_keys = {key: keyword for key, (keyword, owner) in FILTER_KEYWORDS.items() if owner == name}
    measure_keys = {key: word for key, word in EXTRACTOR_KEYWORDS.items() if word in MEASURE_KEYWORDS}
    check_keys(own, {*filter_keys, *measure_keys}, f"setting of imageType {name}")
    if "binWidth" in own:
        check_binning(own.get("binCount", settings.get("binCount")), own["binWidth"])
    merged = {key: settings[key] for key in filter_keys if key in settings} | own
    return {(filter_keys | measure_keys)[key]: value for key, value in merged.items()}


def _feature_classes(classes):
    """Translate the section featureClass; None or an empty list means all features of a class."""
    if not classes:
        return {name: None for name in FEATURES if name != "shape"}
    check_keys(classes, FEATURES, "featureClass")
    for name, features in classes.items():
        _check_kind(features or [], f"featureClass {name}", list)
        if name != "shape":
            check_keys(features or (), FEATURES[name], f"feature of {name}")
    return {name: features or None for name, features in classes.items() if name != "shape"}


def measure(  # noqa: PLR0913
    images,
    masks,
    feature_classes,
    *,
    bin_count=None,
    bin_width=None,
    distances=(1,),
    weighting_norm=None,
    symmetrical_glcm=True,
    gldm_a=0,
    voxel_array_shift=0,
    spacings=None,
    standard="pyradiomics",
    device="cpu",
    n_jobs=None,
):
    """Measure regions with the feature classes of pyradiomics itself.

    Parameters
    ----------
    images : list of float arrays of shape (H, W)
        Grey values, filtered already.
    masks : list of bool arrays of shape (H, W)
        The regions.
    feature_classes : dict of {str: list of str or None}
        Classes, and the features of each; None means all.
    bin_count : int, default=None
        Number of bins between the smallest and the largest grey value of a region.
    bin_width : float, default=None
        Width of a bin, when there is no bin_count.
    distances : sequence of ints, default=(1,)
        Distances in pixels of GLCM, GLDM and NGTDM.
    weighting_norm : {"manhattan", "euclidean", "infinity", "no_weighting"}, default=None
        How matrices of different distances are weighted; None averages the features instead.
    symmetrical_glcm : bool, default=True
        Whether each pair of pixels is counted both ways.
    gldm_a : int, default=0
        Largest difference in grey level of a dependence.
    voxel_array_shift : float, default=0
        Added to the grey values in Energy, TotalEnergy and RootMeanSquared.
    spacings : list of tuples of two floats, default=None
        Height and width of a pixel in mm; None means 1 mm.
    standard : {"pyradiomics"}, default="pyradiomics"
        pyradiomics knows no other.
    device : str, default="cpu"
        Not used.
    n_jobs : int, default=None
        Processes, as in scikit-learn.

    Returns
    -------
    DataFrame of shape (n_regions, n_features)
        Columns ``<class>_<Feature>`` in the order of pyradiomics.

    Raises
    ------
    InputError
        If another standard is asked for.
    MissingDependencyError
        If pyradiomics is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture.pyradiomics import measure
    >>> image, mask = np.arange(16.0).reshape(4, 4), np.ones((4, 4), bool)
    >>> measure([image], [mask], {"firstorder": ["Mean"]}, bin_count=8)  # doctest: +SKIP
       firstorder_Mean
    0              7.5
    """
    if standard != "pyradiomics":
        raise InputError(
            f"engine 'pyradiomics' has no standard {standard!r}; use engine='native', or standard='pyradiomics'",
            code="standard",
        )
    require("radiomics", "pyradiomics")
    settings = {
        "binCount": bin_count,
        "distances": list(distances),
        "weightingNorm": weighting_norm,
        "symmetricalGLCM": symmetrical_glcm,
        "gldm_a": gldm_a,
        "voxelArrayShift": voxel_array_shift,
    }
    if bin_width is not None:
        settings["binWidth"] = bin_width
    regions = list(zip(images, masks, spacings or [None] * len(images), strict=True))
    size = max(1, -(-len(regions) // effective_n_jobs(n_jobs)))
    parts = [regions[start : start + size] for start in range(0, len(regions), size)]
    rows = Parallel(n_jobs=n_jobs)(delayed(_measure_part)(part, feature_classes, settings) for part in parts)
    names = [f"{name}_{feature}" for name, chosen in feature_classes.items() for feature in chosen or FEATURES[name]]
    return pd.DataFrame([row for part in rows for row in part], columns=names)


def _measure_part(regions, feature_classes, settings):
    """Measure some regions in one process."""
    with _only_errors_logged(), np.errstate(all="ignore"):
        return [_measure_region(*region, feature_classes, settings) for region in regions]


@contextmanager
def _only_errors_logged():
    """Keep pyradiomics' advice (on bin counts, on symmetrical matrices) off the screen for a while."""
    handler = require("radiomics", "pyradiomics").handler
    level = handler.level
    handler.setLevel(logging.ERROR)
    try:
        yield
    finally:
        handler.setLevel(level)


def _measure_region(pixels, mask, spacing, feature_classes, settings):
    """Return the values of one region in order, as list of floats."""
    import SimpleITK as sitk
    from radiomics import getFeatureClasses

    image, region = sitk.GetImageFromArray(pixels), sitk.GetImageFromArray(mask.astype(np.uint8))
    for part in (image, region):
        part.SetSpacing((1.0, 1.0) if spacing is None else (float(spacing[1]), float(spacing[0])))
    values = []
    for name, chosen in feature_classes.items():
        pair = (image, region) if name != "shape" else [sitk.JoinSeries(part) for part in (image, region)]
        calculator = getFeatureClasses()[name](*pair, **settings)
        for feature in chosen or FEATURES[name]:
            calculator.enableFeatureByName(feature)
        found = calculator.execute()
        values += [float(found[feature]) for feature in chosen or FEATURES[name]]
    return values
