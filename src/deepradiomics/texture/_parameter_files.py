"""Parameter files of pyradiomics as keywords of TextureExtractor."""

import json
import re
from pathlib import Path

import yaml

from deepradiomics.exceptions import InputError, did_you_mean
from deepradiomics.texture._preparation import INTERPOLATORS
from deepradiomics.texture.catalogue import FEATURES
from deepradiomics.texture.filters import FILTERS

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
# Features that pyradiomics 3.0.1 has deprecated, and what says the same.
_DEPRECATED = {
    "firstorder": {"StandardDeviation": "the square root of Variance"},
    "glcm": {
        "Dissimilarity": "DifferenceAverage",
        "Homogeneity1": "Id",
        "Homogeneity2": "Idm",
        "SumVariance": "ClusterTendency",
    },
    "gldm": {
        "DependencePercentage": "always 1",
        "GrayLevelNonUniformityNormalized": "Uniformity of firstorder",
    },
    "shape": dict.fromkeys(("Compactness1", "Compactness2", "SphericalDisproportion"), "a function of Sphericity"),
    "shape2D": {"SphericalDisproportion": "1 / Sphericity"},
}
_VOXEL_SETTINGS = {"initValue", "kernelRadius", "maskedKernel", "voxelBatch"}


def read_parameters(path, changes=()):
    """Read a parameter file, YAML or JSON, as keywords of TextureExtractor.

    Where the file says nothing, they are the defaults of pyradiomics: bin width 25, the original image, all classes
    of a plane image. Settings for volumes and voxel maps are accepted and have no effect, as has the label (see
    `read_label`). Of ``resampledPixelSpacing``, (x, y) or (x, y, z) in the file, the first two are taken. ``changes``
    are settings in place of those of the file, also under its image types, as words such as ``"binCount:64"``,
    ``"distances:1,2"``; without a file (None) they join the defaults of TextureExtractor, which bins by count.
    """
    content = _load(path, changes)
    sections = ("setting", "imageType", "featureClass", "voxelSetting")
    check_keys(content, sections, "section" if path is None else f"section of {Path(path).name}")
    settings = content["setting"]
    known = {*EXTRACTOR_KEYWORDS, *FILTER_KEYWORDS, *_WITHOUT_EFFECT, "label"}
    check_keys(settings, known, "setting")
    check_keys(content.get("voxelSetting") or {}, _VOXEL_SETTINGS, "voxelSetting")
    keywords = _extractor_keywords(settings)
    if path is None and not {"binCount", "binWidth"} & set(settings):
        del keywords["bin_count"], keywords["bin_width"]
    keywords["image_types"] = _image_types(content["imageType"] or {"Original": {}}, settings)
    keywords["feature_classes"] = _feature_classes(content.get("featureClass"))
    return keywords


def read_label(path, changes=()):
    """Read which label of a mask a parameter file, or a change of it, asks for; None where neither says."""
    label = _load(path, changes)["setting"].get("label")
    if label is not None and (isinstance(label, bool) or not isinstance(label, int)):
        raise InputError(f"setting label is {label!r}; give a whole number")
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


def _load(path, changes):
    """Read a parameter file, with changes among its settings; without a file (None) there are changes alone."""
    content = {} if path is None else _read_file(Path(path))
    types, changed = content.get("imageType") or {}, dict(map(_setting, changes))
    for name, own in types.items():
        _check_kind(own or {}, f"imageType {name}")
    for name in sorted(set(changed) & set(FILTER_KEYWORDS)):
        if (owner := FILTER_KEYWORDS[name][1]) not in types:
            raise InputError(f"setting {name} is read by no image type; add {owner} to imageType of the parameter file")
    # Of the two ways of binning, the changed one holds.
    gone = {*changed, *({"binCount", "binWidth"} if {"binCount", "binWidth"} & set(changed) else ())}
    sections = (content.get("setting"), *types.values())
    settings, *owns = ({key: value for key, value in (own or {}).items() if key not in gone} for own in sections)
    return content | {"setting": settings | changed, "imageType": dict(zip(types, owns, strict=True))}


def _read_file(path):
    """Parse a YAML or JSON file into a dict of sections."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else _parsed(text)
    except OSError as error:
        raise InputError(f"the parameter file {path.name} cannot be read: {error.strerror}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise InputError(f"the parameter file {path.name} cannot be read: {error}") from error
    _check_kind(content, f"the parameter file {path.name}")
    for name, section in content.items():
        _check_kind(section or {}, f"section {name} of {path.name}")
    return content


def _setting(text):
    """Name and value of a setting in a word, such as binWidth:10 or sigma:1,2."""
    name, _, value = text.partition(":")
    is_list = "," in value or name in ("distances", "resampledPixelSpacing", "resegmentRange", "sigma")
    try:
        if not (name and value):
            raise yaml.YAMLError
        return name, _parsed(f"[{value.strip('[]')}]" if is_list else value)
    except (ValueError, yaml.YAMLError):  # YAML takes 2024-13-45 for a date
        raise InputError(f"setting {text!r} is not of the form NAME:VALUE") from None


def _check_kind(content, what, kind=dict):
    if not isinstance(content, kind):
        expected = "key: value pairs" if kind is dict else "a list"
        raise InputError(f"{what} is a {type(content).__name__}, not {expected}")


def check_keys(keys, known, what):
    """Refuse an unknown key and name the nearest known one; ``what`` says what the keys are."""
    known = sorted(known)
    for key in keys:
        if key not in known:
            raise InputError(f"unknown {what} {key!r}; {did_you_mean(key, known)}")


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
            raise InputError(f"setting interpolator is {interpolator}, a number from 1 to {len(INTERPOLATORS)} is one")
        keywords["interpolator"] = INTERPOLATORS[interpolator - 1]
    spacing = keywords.get("resampled_pixel_spacing")
    if spacing is not None:
        if not isinstance(spacing, list) or len(spacing) not in (2, 3):
            raise InputError(
                f"setting resampledPixelSpacing is {spacing!r}, not a list of two or three numbers (x, y, z)"
            )
        column, row = spacing[:2]
        keywords["resampled_pixel_spacing"] = (row, column)
    return keywords


def check_binning(bin_count, bin_width):
    """Refuse two ways of binning at once."""
    if bin_count is not None and bin_width is not None:
        raise InputError(
            f"bin_count={bin_count} and bin_width={bin_width:g} are both set, only one can be; set the other to None "
            "(binCount or binWidth in a parameter file: remove one)"
        )


def _image_types(types, settings):
    """Translate the section imageType; filter settings of the section setting hold where the type has none."""
    check_keys(types, [*(name for name in FILTERS if name != "Detrended"), "LBP3D"], "imageType")
    if "LBP3D" in types:
        raise InputError("imageType LBP3D needs a volume, a radiograph is a plane; remove it, or use LBP2D")
    return {name: _type_keywords(name, own, settings) for name, own in types.items()}


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
        # As pyradiomics does where it is given a plane image.
        return {name: None for name in FEATURES if name != "shape"}
    check_keys(classes, FEATURES, "featureClass")
    for name, features in classes.items():
        _check_kind(features or [], f"featureClass {name}", list)
        for feature in features or ():
            if same := _DEPRECATED.get(name, {}).get(feature):
                raise InputError(
                    f"feature {feature} of {name} is deprecated in pyradiomics; it is {same}: ask for that, or take it "
                    "out"
                )
        check_keys(features or (), FEATURES[name], f"feature of {name}")
    return {name: features or None for name, features in classes.items()}
