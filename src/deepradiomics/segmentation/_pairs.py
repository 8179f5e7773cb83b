"""Images and label maps on their way into training: read, checked, framed, split, augmented and validated."""

import os
from collections.abc import Iterable, Mapping, Set, Sized
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.metrics.overlap import dice
from deepradiomics.radiograph import Radiograph
from deepradiomics.reading import as_radiograph, read_label_map
from deepradiomics.segmentation._frames import frame_image, frame_labels
from deepradiomics.training import Portions, augment_pair

# Code of pixels whose truth is not known, in framed label maps: they count neither in the loss nor in a Dice.
UNKNOWN = 255


@dataclass(frozen=True)
class Pairs:
    """Framed images (n, side, side) float16 and label maps (n, side, side) uint8 of one call of fit."""

    images: torch.Tensor
    labels: torch.Tensor
    train: np.ndarray
    validation: np.ndarray
    seed: int
    device: torch.device


def read_pairs(images, masks, n_classes, side, ignore_label):
    """Read and frame all pairs: float16 and uint8 tensors of shape (n, side, side)."""
    framed = torch.empty((len(images), side, side), dtype=torch.float16)
    labels = torch.empty((len(images), side, side), dtype=torch.uint8)
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        frame = read_frame(image, side, number)
        if frame is None:
            raise missing(number)
        framed[number] = torch.from_numpy(frame.pixels)
        known = read_labels(mask, frame.shape, n_classes, number, ignore_label)
        labels[number] = torch.from_numpy(frame_labels(known, frame))
    return framed, labels


def dice_and_cross_entropy():
    """Build the loss of logits (n, classes, H, W) and int64 codes (n, H, W), in which `UNKNOWN` does not count."""
    from segmentation_models_pytorch.losses import DiceLoss

    overlap = DiceLoss("multiclass", from_logits=True, ignore_index=UNKNOWN)

    def loss(logits, codes):
        logits = logits.float()
        return overlap(logits, codes) + torch.nn.functional.cross_entropy(logits, codes, ignore_index=UNKNOWN)

    return loss


def loader(pairs, limits, mirror, fill):
    """Build the function that turns rows into augmented batches on the device; ``fill`` comes in at the borders."""
    if mirror is not None:
        swapped = torch.arange(UNKNOWN + 1, dtype=torch.uint8, device=pairs.device)
        swapped[: len(mirror)] = mirror.to(swapped)

    def load(rows, generator):
        images = pairs.images[rows].to(pairs.device).float()[:, None]
        labels = pairs.labels[rows].to(pairs.device)[:, None]
        if mirror is not None:
            turned = torch.rand(len(rows), generator=generator, device=pairs.device) < 0.5
            turned = turned[:, None, None, None]
            images = torch.where(turned, images.flip(-1), images)
            labels = torch.where(turned, swapped[labels.flip(-1).long()], labels)
        images, labels = augment_pair(images, labels, limits, generator, fill=fill)
        return (images,), labels[:, 0].long()

    return load


def validator(pairs, loss, batch_size):
    """Build the function that measures a network on the validation part, or None."""
    if not len(pairs.validation):
        return None
    truth, portions = pairs.labels[pairs.validation].long(), Portions()

    def validate(network):
        logits = torch.cat(
            portions(
                lambda rows: network(pairs.images[rows][:, None].float().to(pairs.device)).float().cpu(),
                pairs.validation,
                batch_size,
            )
        )
        found = logits.argmax(dim=1).where(truth != UNKNOWN, UNKNOWN)
        each = [
            dice((found == code).flatten(1).numpy(), (truth == code).flatten(1).numpy())
            for code in range(1, logits.shape[1])
        ]
        return {"validation_loss": float(loss(logits, truth)), "validation_dice": float(np.mean(each))}

    return validate


def read_frame(image, side, number):
    """Read and frame one image; None where it is missing."""
    try:
        radiograph = as_radiograph(image)
        return None if radiograph is None else frame_image(radiograph.pixels, side)
    except DeepRadiomicsError as error:
        raise error.at(f"image {number}") from error


def read_labels(mask, shape, n_classes, number, ignore_label):
    """Read one label map and check it against its image: uint8 array of shape ``shape``, `UNKNOWN` where ignored."""
    try:
        labels = read_label_map(mask)
    except DeepRadiomicsError as error:
        raise error.at(f"mask {number}") from error
    if labels.shape != shape:
        raise InputError(f"mask {number} has shape {labels.shape}, its image {shape}", code="mask_shape")
    unknown = np.zeros(labels.shape, dtype=bool) if ignore_label is None else labels == ignore_label
    largest = labels.max(where=~unknown, initial=0)
    if largest > n_classes:
        raise InputError(
            f"mask {number} holds the label {largest}, but there are {n_classes} classes; name them all in "
            "classes, turn a mask of 0 and 255 into one of 0 and 1, or say with ignore_label that the label stands for "
            "what is not known",
            code="mask_values",
        )
    return np.where(unknown, UNKNOWN, labels).astype(np.uint8)


def as_sequence(values, what):
    """Return a sequence of images or masks, which has a length; one of them alone, and a table, are refused."""
    alone = isinstance(values, str | bytes | os.PathLike | Radiograph)
    many = isinstance(values, Iterable) or hasattr(values, "__getitem__")
    if alone or not many or isinstance(values, Mapping | Set | pd.DataFrame):
        raise InputError(
            f"the {what}s are of type {type(values).__name__}; give a sequence, such as a list or a column of a table, "
            f"[{what}] for one alone"
        )
    # An image, or a table of one column, has two axes; stacked images have three.
    if getattr(values, "ndim", 1) in (0, 2):
        raise InputError(
            f"the {what}s are an array of shape {tuple(values.shape)}; give a sequence of arrays of shape (rows, "
            f"columns), [{what}] for one alone"
        )
    return values if isinstance(values, Sized) else list(values)


def paired(images, masks):
    """Return images and masks as two sequences of one length, which is not 0."""
    check_same_rows("images", images, masks=masks)
    images, masks = as_sequence(images, "image"), as_sequence(masks, "mask")
    if len(images) != len(masks) or not len(images):
        raise InputError(
            f"there are {len(images)} images and {len(masks)} masks; give one mask for each image, at least one",
            code="length",
        )
    return images, masks


def mean_dice(outlines, masks, n_classes, ignore_label):
    """Mean Dice over all pairs of outline and class of which the class is in the true or in the predicted map."""
    each = []
    for number, (found, mask) in enumerate(zip(outlines, masks, strict=True)):
        if found is None:
            raise missing(number)
        truth = read_labels(mask, found.shape, n_classes, number, ignore_label)
        found = np.where(truth == UNKNOWN, UNKNOWN, found)
        present = set(np.unique(found)) | set(np.unique(truth))
        each += [dice(found == code, truth == code) for code in sorted(present - {0, UNKNOWN})]
    if not each:
        raise InputError("no image holds a class, so there is nothing to score")
    return float(np.mean(each))


def missing(number):
    """Return the error of an image that is not there."""
    return InputError(f"image {number} is missing; leave it and its mask out", code="image_missing")
