"""What a segmenter is asked for, checked, and what a file of weights says about the segmenter they belong to."""

import json
import math
import os

import torch

from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.segmentation.architecture import UNetArchitecture
from deepradiomics.training import as_augmentation

MAX_CLASSES = 254  # label maps are uint8, and one code is kept for what is not known
_KINDS = {
    "classes": list,
    "encoder": str,
    "decoder_channels": list,
    "image_size": int,
    "mirror_classes": (list, type(None)),
    "test_time_mirroring": bool,
    "calibration": (list, type(None)),
}
_COPY = "copy it again from where it came, or write it again with UNetSegmenter.save_weights"


def checked_classes(classes):
    """Return the names of the classes as a tuple: one at least, each a different text."""
    strange = [name for name in classes if not isinstance(name, str) or not name.strip()]
    if strange:
        raise InputError(
            f"classes holds {strange[0]!r} of type {type(strange[0]).__name__}; give each class a name, a text"
        )
    if not 1 <= len(classes) <= MAX_CLASSES or len(set(classes)) < len(classes):
        raise InputError(
            f"classes holds {len(classes)} names, {len(set(classes))} of them different; give 1 to {MAX_CLASSES} "
            "different ones, in the order of the labels"
        )
    return tuple(classes)


def limits_of(augmentation):
    """Return how far images may be changed, or None; only `mirror_classes` mirrors them, since it knows the sides."""
    limits = as_augmentation(augmentation)
    if limits is not None and limits.flip:
        raise InputError(
            "augmentation asks for flip, which mirrors outlines and leaves their classes as they are; leave it out and "
            "give mirror_classes: the pairs of classes that change places in a mirrored image, or () if none does"
        )
    return limits


def mirrored_codes(pairs, classes, *, needed):
    """Return the code of each class (and background, 0) in a mirrored image, or None where mirroring is not allowed."""
    if pairs is None and needed:
        raise InputError(
            "test_time_mirroring needs mirror_classes: the pairs of classes that change places in a mirrored image, or "
            "() if none does"
        )
    return None if pairs is None else _swapped(pairs, classes)


def _swapped(pairs, classes):
    """Return the code that each class has in a mirrored image, as int64 tensor."""
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(name, str) for name in pair):
            raise InputError(f"mirror_classes holds {pair!r}; give pairs of two classes, such as (('left', 'right'),)")
    names = [name for pair in pairs for name in pair]
    unknown = sorted(set(names) - set(classes))
    if unknown:
        raise InputError(f"mirror_classes names {unknown}, the classes are {list(classes)}")
    if len(set(names)) < len(names):
        raise InputError(
            f"mirror_classes is {tuple(pairs)}; a class changes places with one other: name each once at most"
        )
    codes = {name: code for code, name in enumerate(classes, start=1)}
    order = torch.arange(len(classes) + 1)
    for one, other in pairs:
        order[codes[one]], order[codes[other]] = codes[other], codes[one]
    return order


def written_settings(segmenter):
    """Return what a file of weights says about a fitted segmenter, as metadata that `read_settings` takes."""
    mirrored_codes(segmenter.mirror_classes, segmenter.classes_, needed=segmenter.test_time_mirroring)
    settings = {
        "classes": segmenter.classes_,
        "encoder": segmenter.architecture_.encoder,
        "decoder_channels": [int(channels) for channels in segmenter.architecture_.decoder_channels],
        "image_size": int(segmenter.architecture_.image_size),
        "mirror_classes": segmenter.mirror_classes,
        "test_time_mirroring": bool(segmenter.test_time_mirroring),
        "calibration": segmenter.calibration_,
    }
    return {"unet_segmenter": json.dumps(settings)}


def read_settings(path):
    """Parameters of the segmenter whose weights are in a file, each of them possible, and its calibration or None."""
    from safetensors import SafetensorError, safe_open

    name = os.path.basename(path)
    if not os.path.isfile(path):
        raise InputError(f"there is no file of weights {name!r}", code="weights")
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("unet_segmenter")
    except SafetensorError as error:
        raise InputError(f"{name} is not a safetensors file ({error})", code="weights") from error
    if text is None:
        raise InputError(
            f"{name} does not say what network its weights belong to; give a file written by "
            "UNetSegmenter.save_weights",
            code="weights",
        )
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{name}: what it says about its network is no JSON ({type(error).__name__}); {_COPY}", code="weights"
        ) from None
    try:
        return _checked(settings, os.path.getsize(path))
    except DeepRadiomicsError as error:
        raise InputError(f"{name} describes a network that cannot be: {error}; {_COPY}", code="weights") from error


def _checked(settings, size):
    """Return the settings in a file of a size in bytes as parameters, or say which of them is impossible."""
    found = sorted(settings) if isinstance(settings, dict) else f"a {type(settings).__name__}"
    if found != sorted(_KINDS):
        raise InputError(f"it gives {found}; this version of deepradiomics reads {sorted(_KINDS)}")
    for key, kind in _KINDS.items():
        if not isinstance(settings[key], kind):
            raise InputError(f"{key} is a {type(settings[key]).__name__}")
    encoder, channels = settings["encoder"], tuple(settings["decoder_channels"])
    if ":" in encoder or "/" in encoder:
        raise InputError(f"the encoder {encoder!r} would be looked up in the internet or in a folder")
    classes = checked_classes(settings["classes"])
    UNetArchitecture(encoder, len(classes) + 1, channels, settings["image_size"])
    # Each step of the decoder has a convolution of 9 weights for each pair of its channels, of a byte at least.
    if 9 * max(channels) ** 2 > size:
        raise InputError(f"a decoder of {max(channels)} channels has more weights than {size} bytes hold")
    mirrored_codes(settings["mirror_classes"], classes, needed=settings["test_time_mirroring"])
    pairs = None if settings["mirror_classes"] is None else tuple(map(tuple, settings["mirror_classes"]))
    calibration = settings.pop("calibration")
    if calibration is not None:
        calibration = tuple(calibration)
        n_slopes = 4 if pairs is None else 5
        finite = all(isinstance(value, float) and math.isfinite(value) for value in calibration)
        if len(calibration) != 1 + n_slopes or not finite:
            raise InputError(f"calibration is not {1 + n_slopes} finite numbers")
    return settings | {"classes": classes, "decoder_channels": channels, "mirror_classes": pairs}, calibration
