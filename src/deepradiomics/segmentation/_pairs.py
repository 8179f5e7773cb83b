"""Images and label maps on their way into training: read, checked, framed, split, augmented and validated."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit

from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.reading import as_radiograph, read_label_map
from deepradiomics.segmentation._frames import frame_image, frame_labels
from deepradiomics.segmentation.overlap import dice
from deepradiomics.training import augment_pair, in_chunks


@dataclass(frozen=True)
class Pairs:
    """Framed images (n, side, side) float16 and label maps (n, side, side) uint8 of one call of fit."""

    images: torch.Tensor
    labels: torch.Tensor
    train: np.ndarray
    validation: np.ndarray
    seed: int
    device: torch.device


def read_pairs(images, masks, n_classes, side):
    """Read and frame all pairs: float16 and uint8 tensors of shape (n, side, side)."""
    masks = same_length(images, masks)
    framed = torch.empty((len(images), side, side), dtype=torch.float16)
    labels = torch.empty((len(images), side, side), dtype=torch.uint8)
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        frame = read_frame(image, side, number)
        if frame is None:
            raise InputError(f"image {number} is missing; leave it and its mask out", code="image_missing")
        framed[number] = torch.from_numpy(frame.pixels)
        labels[number] = torch.from_numpy(frame_labels(read_labels(mask, frame.shape, n_classes, number), frame))
    return framed, labels


def dice_and_cross_entropy():
    """Build the loss of logits (n, classes, H, W) and int64 codes (n, H, W)."""
    from segmentation_models_pytorch.losses import DiceLoss

    overlap = DiceLoss("multiclass", from_logits=True)

    def loss(logits, codes):
        logits = logits.float()
        return overlap(logits, codes) + torch.nn.functional.cross_entropy(logits, codes)

    return loss


def loader(pairs, limits, mirror):
    """Build the function that turns rows into augmented batches on the device."""

    def load(rows, generator):
        images = pairs.images[rows].to(pairs.device).float()[:, None]
        labels = pairs.labels[rows].to(pairs.device)[:, None]
        if mirror is not None:
            turned = torch.rand(len(rows), generator=generator, device=pairs.device) < 0.5
            turned = turned[:, None, None, None]
            images = torch.where(turned, images.flip(-1), images)
            labels = torch.where(turned, mirror.to(pairs.device)[labels.flip(-1).long()].to(labels.dtype), labels)
        images, labels = augment_pair(images, labels, limits, generator)
        return (images,), labels[:, 0].long()

    return load


def validator(pairs, loss, batch_size):
    """Build the function that measures a network on the validation part, or None."""
    if not len(pairs.validation):
        return None
    truth = pairs.labels[pairs.validation].long()

    def validate(network):
        logits = torch.cat(
            in_chunks(
                lambda rows: network(pairs.images[rows][:, None].float().to(pairs.device)).float().cpu(),
                pairs.validation,
                batch_size,
            )
        )
        found = logits.argmax(dim=1)
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


def read_labels(mask, shape, n_classes, number):
    """Read one label map and check it against its image: integer array of shape ``shape``."""
    try:
        labels = read_label_map(mask)
    except DeepRadiomicsError as error:
        raise error.at(f"mask {number}") from error
    if labels.shape != shape:
        raise InputError(f"mask {number} has shape {labels.shape}, its image {shape}", code="mask_shape")
    if labels.max() > n_classes:
        raise InputError(
            f"mask {number} holds the label {labels.max()}, but there are {n_classes} classes; name them all in "
            "classes, or turn a mask of 0 and 255 into one of 0 and 1",
            code="mask_values",
        )
    return labels


def same_length(images, masks):
    """Return the masks if there are as many as images."""
    if len(images) != len(masks) or not len(images):
        raise InputError(
            f"there are {len(images)} images and {len(masks)} masks; give one mask for each image, at least one",
            code="masks_length",
        )
    return masks


def split(n, groups, fraction, seed):
    """Rows for training and for validation, whole groups on one side."""
    rows = np.arange(n)
    if not fraction:
        return rows, rows[:0]
    if groups is not None and len(groups) != n:
        raise InputError(f"there are {n} images and {len(groups)} groups; give one group for each", code="groups")
    if (n if groups is None else len(np.unique(np.asarray(groups)))) < 2:
        raise InputError("a validation part needs two images of different patients at least", code="groups")
    splitter = ShuffleSplit if groups is None else GroupShuffleSplit
    train, validation = next(splitter(1, test_size=fraction, random_state=seed).split(rows, groups=groups))
    return rows[train], rows[validation]
