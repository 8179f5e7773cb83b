"""Images on their way into a square frame, and probabilities on their way out."""

from typing import NamedTuple

import numpy as np
import torch

from deepradiomics.preprocessing import letterbox


class Frame(NamedTuple):
    """A radiograph as the network sees it: ``pixels`` (side, side) in 0..1, and where the picture lies in it."""

    pixels: np.ndarray
    picture: tuple[slice, slice]
    shape: tuple[int, int]


def frame_image(pixels, side):
    """Fit an image (H, W) into a square frame; grey values between the 0.5 and 99.5 percentiles become 0..1."""
    framed = letterbox(pixels, (side, side), fill=0)
    shape = pixels.shape
    height, width = (max(1, round(scale * length)) for scale, length in zip(framed.scale, shape, strict=True))
    top, left = framed.corner
    picture = (slice(top, top + height), slice(left, left + width))
    low, high = np.percentile(framed.pixels[picture], (0.5, 99.5))
    grey = np.zeros((side, side), dtype=np.float32)
    grey[picture] = np.clip((framed.pixels[picture] - low) / max(high - low, 1e-12), 0, 1)
    return Frame(grey, picture, shape)


def frame_labels(labels, frame):
    """Bring a label map (H, W) into the frame of its image by the nearest pixel; uint8 (side, side)."""
    rows, columns = (
        ((np.arange(part.stop - part.start) + 0.5) * length / (part.stop - part.start)).astype(int)
        for part, length in zip(frame.picture, frame.shape, strict=True)
    )
    framed = np.zeros(frame.pixels.shape, dtype=np.uint8)
    framed[frame.picture] = labels[np.ix_(rows, columns)]
    return framed


def unframe(probabilities, frame, window=None):
    """Bring probabilities (channels, side, side) back to the image's own size, or a window of it: (channels, H, W).

    Bilinear between the centers of pixels, as `torch.nn.functional.interpolate` without ``align_corners``.
    """
    values = probabilities[(slice(None), *frame.picture)]
    window = window or tuple(slice(0, length) for length in frame.shape)
    for axis in (2, 1):  # rows last, which lie in one piece in memory
        part, side = window[axis - 1], values.shape[axis]
        places = (
            (torch.arange(part.start, part.stop, device=values.device) + 0.5) * (side / frame.shape[axis - 1]) - 0.5
        ).clamp_(min=0)
        below = places.long()
        weight = (places - below).to(values.dtype)
        weight = weight[:, None] if axis == 1 else weight
        near, far = (values.index_select(axis, index) for index in (below, (below + 1).clamp_(max=side - 1)))
        values = torch.lerp(near, far, weight)
    return values
