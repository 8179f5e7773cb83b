"""From a framed image to outlines in the image's own size."""

import numpy as np
import torch
from torch.nn.functional import interpolate

from deepradiomics.segmentation._frames import unframe
from deepradiomics.segmentation.cleanup import clean_up
from deepradiomics.training._cuda import exact_inference

# How much smaller an image is made to see whether its outlines stay.
_SMALLER = 0.8


def views_of(network, pixels, mirrored, step, *, smaller):
    """Probabilities (n_views, n_classes + 1, side, side) of a framed image (side, side), where the network is: float32.

    The views are the image, its mirror image where ``mirrored`` gives the code of each class in it, and with
    ``smaller`` a smaller image, whose side is a multiple of ``step``; all are brought back to where they were.
    """
    device = next(network.parameters()).device
    with exact_inference():
        framed = torch.from_numpy(pixels).to(device)[None, None]
        views = [network(framed).softmax(dim=1)]
        if mirrored is not None:
            views.append(network(framed.flip(-1)).softmax(dim=1).flip(-1)[:, mirrored.to(device)])
        if smaller:
            side = max(1, round(_SMALLER * len(pixels) / step)) * step
            resized = interpolate(framed, size=(side, side), mode="bilinear", antialias=True)
            views.append(interpolate(network(resized).softmax(dim=1), size=pixels.shape, mode="bilinear"))
        return torch.cat(views)


def outlines_of(probabilities, frame):
    """Clean label maps of probabilities (n_classes + 1, side, side): one in the frame, one in the image's own size.

    On a GPU, labels leave it and not probabilities, which are eight times as large.
    """
    n_classes = len(probabilities) - 1
    rough = _labels(probabilities)
    outlines = np.zeros(frame.shape, dtype=np.uint8)
    # A pixel of the image is interpolated between four of the frame, so it is background wherever all of them are:
    # only a window round the others has to be brought to full size.
    drawn = np.argwhere(rough[frame.picture] > 0)
    if len(drawn):
        inner = [part.stop - part.start for part in frame.picture]
        window = tuple(
            slice(max(0, (low - 1) * full // side), min(full, -(-(high + 2) * full // side)))
            for low, high, side, full in zip(drawn.min(axis=0), drawn.max(axis=0), inner, frame.shape, strict=True)
        )
        outlines[window] = clean_up(_labels(unframe(probabilities, frame, window)), n_classes)
    return clean_up(rough, n_classes), outlines


def _labels(probabilities):
    return probabilities.argmax(dim=0).to(torch.uint8).cpu().numpy()
