"""What a file of weights says about the segmenter they belong to."""

import json
import os

from deepradiomics.exceptions import InputError


def read_settings(path):
    """Parameters of the segmenter whose weights are in a file."""
    from safetensors import SafetensorError, safe_open

    if not os.path.isfile(path):
        raise InputError(f"there is no file of weights {os.path.basename(path)!r}", code="weights")
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("unet_segmenter")
    except SafetensorError as error:
        raise InputError(f"{os.path.basename(path)} is not a safetensors file ({error})", code="weights") from error
    if text is None:
        raise InputError(
            f"{os.path.basename(path)} does not say what network its weights belong to; give a file written by "
            "UNetSegmenter.save_weights",
            code="weights",
        )
    settings = json.loads(text)
    settings["classes"] = tuple(settings["classes"])
    settings["decoder_channels"] = tuple(settings["decoder_channels"])
    if settings["mirror_classes"] is not None:
        settings["mirror_classes"] = tuple(map(tuple, settings["mirror_classes"]))
    return settings
