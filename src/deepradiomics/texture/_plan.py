"""What an extractor measures, worked out from its settings: filters, classes, features and their names."""

from collections.abc import Mapping
from functools import partial
from inspect import signature
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, InvalidParameterError, validate_parameter_constraints

from deepradiomics.exceptions import InputError
from deepradiomics.texture._parameter_files import (
    EXTRACTOR_KEYWORDS,
    FILTER_KEYWORDS,
    MEASURE_KEYWORDS,
    check_binning,
    check_keys,
)
from deepradiomics.texture.catalogue import BONE_FEATURES, FEATURES
from deepradiomics.texture.filters import FILTERS, image_names

# The number of bins where nothing else is asked for; beside a width it counts as not given.
DEFAULT_BIN_COUNT = 32
# Shape describes the mask and not the texture: it is measured when it is asked for, as in pyradiomics.
_SHAPES = ("shape", "shape2D")
_DEFAULT_CLASSES = [name for name in FEATURES if name not in _SHAPES]


class _Filter(NamedTuple):
    """One image type: the names of its images, how to make them, and how they are measured."""

    names: list
    apply: partial
    measure: dict


class Plan(NamedTuple):
    """What is measured."""

    filters: list
    shape: dict  # {class: features}, of the mask
    classes: dict  # of each filtered image, by the engine
    bone: dict  # of each filtered image with its context
    binning: dict  # of the original image, for the gate
    needs_spacing: bool  # whether lengths in mm are needed
    names: list  # of the features of one column, in order: <imageType>_<class>_<Feature>
    index: pd.Index  # the same; to build it takes as long as to measure a small region


def make_plan(settings):
    """Check the settings of a TextureExtractor and write out what they mean: `Plan`."""
    measure = {name: getattr(settings, name) for name in MEASURE_KEYWORDS}
    if settings.bin_width is not None and settings.bin_count == DEFAULT_BIN_COUNT:
        measure["bin_count"] = None
    check_binning(measure["bin_count"], settings.bin_width)
    if settings.bin_count is None and settings.bin_width is None:
        raise InputError("neither bin_count nor bin_width is set; bin_count=32 suits radiographs")
    binning = {name: measure[name] for name in ("bin_count", "bin_width")}
    _check_numbers(measure | {name: getattr(settings, name) for name in _LISTS})
    types = _as_mapping(["Original"] if settings.image_types is None else settings.image_types)
    check_keys(types, FILTERS, "image type")
    classes = _as_mapping(_DEFAULT_CLASSES if settings.feature_classes is None else settings.feature_classes)
    known = FEATURES | BONE_FEATURES
    check_keys(classes, known, "feature class")
    for name, features in classes.items():
        check_keys(features or (), known[name], f"feature of {name}")
    chosen = {name: list(features or known[name]) for name, features in classes.items()}
    shape = {name: chosen.pop(name) for name in _SHAPES if name in chosen}
    bone = {name: chosen.pop(name) for name in classes if name in BONE_FEATURES}
    if not types or not classes:
        raise InputError("no image type or no feature class is named; None measures the default ones")
    constraints = settings._parameter_constraints
    filters = [_plan_filter(name, own or {}, measure, constraints) for name, own in types.items()]
    parts = [("original", shape)] if shape else []
    parts += [(image, chosen | bone) for item in filters for image in item.names]
    names = [f"{image}_{name}_{feature}" for image, own in parts for name in own for feature in own[name]]
    needs_spacing = "Detrended" in types or "variogram" in bone
    return Plan(filters, shape, chosen, bone, binning, needs_spacing, names, pd.Index(names))


# What lists must hold, which a table of constraints cannot see: words, lengths, and each number.
_LISTS = {
    "resampled_pixel_spacing": ("two numbers (row, column) that are not negative", (2,), lambda value: value >= 0),
    "resegment_range": ("one or two numbers", (1, 2), np.isfinite),
    "distances": ("different whole numbers from 1 on", range(1, 100), lambda value: value >= 1 and value == int(value)),
}


def _check_numbers(settings):
    """Refuse lists of the wrong length or sign, and distances that come twice."""
    for name, (text, lengths, good) in _LISTS.items():
        values = settings.get(name)
        if values is None:
            continue
        numbers = all(isinstance(value, Real) for value in values)
        if not (numbers and len(values) in lengths and all(good(value) for value in values)):
            raise InputError(f"{name} is {text}, not {values!r}")
        if name == "distances" and len(set(values)) < len(values):
            raise InputError(f"{name} is {text}, not {values!r}")


def _as_mapping(names):
    return names if isinstance(names, Mapping) else dict.fromkeys(names)


def _plan_filter(image_type, own, measure, constraints):
    """Split the settings of an image type into those of the filter and those of the measurement."""
    if not isinstance(own, Mapping):
        raise InputError(f"the settings of image type {image_type} are {own!r}, not a dict")
    words = {key: word for key, (word, _) in FILTER_KEYWORDS.items()} | EXTRACTOR_KEYWORDS
    own = {words.get(key, key): value for key, value in own.items()}
    of_filter = set(signature(FILTERS[image_type]).parameters) - {"pixels", "spacing"}
    check_keys(own, [*of_filter, *MEASURE_KEYWORDS], f"setting of {image_type}")
    _check_own(image_type, own, constraints)
    chosen = {name: value for name, value in own.items() if name in of_filter}
    _check_filter(image_type, "sigma" in of_filter, **chosen)
    replaced = {name: value for name, value in own.items() if name in MEASURE_KEYWORDS}
    if {"bin_count", "bin_width"} & set(replaced):
        check_binning(replaced.get("bin_count"), replaced.get("bin_width"))
        measure = measure | {"bin_count": None, "bin_width": None}
    return _Filter(image_names(image_type, **chosen), partial(FILTERS[image_type], **chosen), measure | replaced)


_FILTER_CONSTRAINTS = {
    "sigma": ["array-like"],
    "level": [Interval(Integral, 1, None, closed="left")],
    "start_level": [Interval(Integral, 0, None, closed="left")],
    "wavelet": [str],
    "bands": ["array-like", None],
    "lbp2d_radius": [Interval(Real, 0, None, closed="neither")],
    "lbp2d_samples": [Interval(Integral, 1, None, closed="left")],
    "gradient_use_spacing": ["boolean"],
}


def _check_own(image_type, own, constraints):
    """Hold the settings of one image type to the constraints that those of the extractor are held to."""
    known = {name: constraints.get(name, _FILTER_CONSTRAINTS.get(name)) for name in own}
    try:
        validate_parameter_constraints(
            {name: kinds for name, kinds in known.items() if kinds is not None}, own, f"image type {image_type}"
        )
    except InvalidParameterError as error:
        raise InputError(str(error)) from None
    _check_numbers(own)
    sigma = own.get("sigma", ())
    if not all(isinstance(value, Real) for value in sigma) or len(set(sigma)) < len(sigma):
        raise InputError(f"sigma of {image_type} is a list of different numbers, not {sigma!r}")


def _check_filter(image_type, has_sigma, *, sigma=(), **names):
    """Refuse settings of a filter that it cannot work with."""
    if has_sigma and not (len(sigma) and min(sigma) > 0):
        example = f'{{"{image_type}": {{"sigma": [1.0, 2.0]}}}}'
        raise InputError(f"{image_type} needs its widths in mm, above 0, such as {example}")
    if "wavelet" in names:
        from pywt import wavelist

        check_keys([names["wavelet"]], wavelist(kind="discrete"), "wavelet")
    check_keys(names.get("bands") or (), ("LH", "HL", "HH", "LL"), "band")
    check_keys([names.get("lbp2d_method", "uniform")], ("default", "ror", "uniform", "var"), "lbp2d_method")
