"""Images on their way into a square frame, and probabilities on their way out."""

from typing import NamedTuple

import numpy as np
from torch.nn import functional

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


def unframe(probabilities, frame):
    """Bring probabilities (channels, side, side) back to the image's own size: float32 (channels, H, W)."""
    inner = probabilities[(slice(None), *frame.picture)]
    return functional.interpolate(inner[None], size=frame.shape, mode="bilinear", align_corners=False)[0]
