"""Change radiographs as another exposure, detector or position would: draw parameters, then apply them.

Everything works on a whole batch, on the batch's device, and draws from a `torch.Generator` that the caller owns.
Geometry can be applied to an image and its mask alike.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from torch.nn import functional

from deepradiomics.exceptions import InputError


@dataclass(frozen=True)
class Augmentation:
    """How far images may be changed. Grey values lie between 0 and 1; 0 turns a change off.

    Parameters
    ----------
    exposure : float, default=0.1
        Largest relative change of contrast and largest shift of brightness.
    gamma : float, default=0.2
        The exponent lies between ``1 / (1 + gamma)`` and ``1 + gamma``.
    noise : float, default=0.02
        Largest standard deviation of Gaussian noise.
    blur : float, default=0.8
        Largest standard deviation of a Gaussian blur, in pixels; half of the images stay sharp.
    rotation : float, default=8.0
        Largest turn in degrees, either way.
    shift : float, default=0.05
        Largest shift, as a share of the image side.
    scale : float, default=0.1
        Largest relative change of size.
    erasing : float, default=0.2
        Largest side of an erased rectangle, as a share of the image side; half of the images stay whole.
    stretch : float, default=0.0
        Largest relative change of width against height: 0.25 allows pictures from 0.8 to 1.25 times as wide.
    flip : bool, default=False
        Whether to flip left and right. Only where anatomy allows it.

    Raises
    ------
    InputError
        If a value is no number, negative or not finite, exposure, scale or erasing is not below 1, or flip is not bool.

    Examples
    --------
    >>> from deepradiomics.training import Augmentation
    >>> Augmentation(rotation=3, flip=True).rotation
    3
    """

    exposure: float = 0.1
    gamma: float = 0.2
    noise: float = 0.02
    blur: float = 0.8
    rotation: float = 8.0
    shift: float = 0.05
    scale: float = 0.1
    erasing: float = 0.2
    stretch: float = 0.0
    flip: bool = False

    def __post_init__(self):
        if not isinstance(self.flip, bool | np.bool_):
            raise InputError(f"augmentation flip is {self.flip!r}; give True, which flips half of the images, or False")
        for name in (name for name in self.__dataclass_fields__ if name != "flip"):
            value = getattr(self, name)
            limit = 1 if name in ("exposure", "scale", "erasing") else math.inf
            if not isinstance(value, Real) or not 0 <= value < limit:
                raise InputError(f"augmentation {name} is {value!r}; give a number from 0 (off) and below {limit}")


def as_augmentation(setting):
    """Turn what a user wrote into an `Augmentation`.

    Parameters
    ----------
    setting : bool or dict
        True for the defaults, False for none, or some of the fields of `Augmentation`.

    Returns
    -------
    Augmentation or None
        The limits; None means that images stay as they are.

    Raises
    ------
    InputError
        If it is no bool or dict, or the dict names a change that does not exist.

    Examples
    --------
    >>> from deepradiomics.training import as_augmentation
    >>> as_augmentation({"rotation": 3}).rotation
    3
    >>> as_augmentation(False) is None
    True
    """
    if isinstance(setting, bool | np.bool_):
        return Augmentation() if setting else None
    if not isinstance(setting, Mapping):
        raise InputError(
            f"augmentation is a {type(setting).__name__}; give True, False or a dict such as {{'rotation': 3}}"
        )
    unknown = set(setting) - set(Augmentation.__dataclass_fields__)
    if unknown:
        raise InputError(
            f"augmentation knows no {', '.join(sorted(map(repr, unknown)))}; it knows "
            f"{', '.join(Augmentation.__dataclass_fields__)}"
        )
    return Augmentation(**setting)


def augment(images, augmentation, generator):
    """Change each image of a batch at random.

    Parameters
    ----------
    images : float tensor of shape (n, 1, H, W)
        Grey values between 0 and 1.
    augmentation : Augmentation or None
        How far; None returns the images as they are.
    generator : torch.Generator
        Source of randomness, on the device of the images.

    Returns
    -------
    float tensor of shape (n, 1, H, W)
        The changed images. Values may leave 0 to 1 a little.

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.training import Augmentation, augment
    >>> augment(torch.rand(2, 1, 8, 8), Augmentation(), torch.Generator().manual_seed(0)).shape
    torch.Size([2, 1, 8, 8])
    """
    if augmentation is None:
        return images
    images = _apply_geometry(images, _draw_geometry(len(images), augmentation, generator))
    return augment_gray(images, augmentation, generator)


def augment_pair(images, masks, augmentation, generator, *, fill=0):
    """Change images and move their masks along.

    Parameters
    ----------
    images : float tensor of shape (n, 1, H, W)
        Grey values between 0 and 1.
    masks : tensor of shape (n, channels, H, W)
        Labels or classes, any dtype; moved by the nearest pixel.
    augmentation : Augmentation or None
        How far; None returns both as they are.
    generator : torch.Generator
        Source of randomness, on the device of the images.
    fill : int, default=0
        Label of what comes in from outside the picture.

    Returns
    -------
    images : float tensor of shape (n, 1, H, W)
        The changed images.
    masks : tensor of shape (n, channels, H, W)
        The masks, in their own dtype.

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.training import Augmentation, augment_pair
    >>> image = torch.rand(1, 1, 8, 8)
    >>> image, mask = augment_pair(image, (image > 0.5).to(torch.uint8), Augmentation(), torch.Generator())
    >>> mask.dtype
    torch.uint8
    """
    if augmentation is None:
        return images, masks
    theta = _draw_geometry(len(images), augmentation, generator)
    moved = (_apply_geometry(masks.float() - fill, theta, mode="nearest", padding="zeros") + fill).to(masks.dtype)
    return augment_gray(_apply_geometry(images, theta), augmentation, generator), moved


def augment_gray(images, augmentation, generator):
    """Change grey values only: exposure, gamma, blur, noise, erasing.

    Parameters
    ----------
    images : float tensor of shape (n, 1, H, W)
        Grey values between 0 and 1.
    augmentation : Augmentation
        How far.
    generator : torch.Generator
        Source of randomness, on the device of the images.

    Returns
    -------
    float tensor of shape (n, 1, H, W)
        The changed images.

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.training import Augmentation
    >>> from deepradiomics.training.augmentation import augment_gray
    >>> still = Augmentation(exposure=0, gamma=0, noise=0, blur=0, erasing=0)
    >>> image = torch.rand(1, 1, 8, 8)
    >>> torch.allclose(augment_gray(image, still, torch.Generator()), image, atol=1e-6)
    True
    """
    n = len(images)
    contrast = 1 + augmentation.exposure * _symmetric(n, generator)
    brightness = augmentation.exposure * _symmetric(n, generator)
    gamma = (1 + augmentation.gamma) ** _symmetric(n, generator)
    contrast, brightness, gamma = (value.view(-1, 1, 1, 1) for value in (contrast, brightness, gamma))
    # 1e-6: the gradient and the power of 0 are defined, and black stays black.
    images = (images.clamp(1e-6, 1) ** gamma - 0.5) * contrast + 0.5 + brightness
    if augmentation.blur:  # of half of the images
        images = _apply_blur(images, _half(n, generator) * augmentation.blur * _uniform(n, generator))
    if augmentation.noise:
        sigma = augmentation.noise * _uniform(n, generator)
        noise = torch.randn(images.shape, generator=generator, device=images.device, dtype=images.dtype)
        images = images + sigma.view(-1, 1, 1, 1) * noise
    if augmentation.erasing:
        images = _apply_erasing(images, _draw_erasing(n, augmentation, generator))
    return images


def _draw_geometry(n, augmentation, generator):
    """Draw rotations, shifts, scales and flips, as affine matrices (n, 2, 3) from output to input."""
    angle = torch.deg2rad(augmentation.rotation * _symmetric(n, generator))
    scale = 1 + augmentation.scale * _symmetric(n, generator)
    across, down = (2 * augmentation.shift * _symmetric(n, generator) for _ in range(2))
    flip = torch.where(_uniform(n, generator) < 0.5, -1.0, 1.0) if augmentation.flip else torch.ones_like(angle)
    cosine, sine = angle.cos() / scale, angle.sin() / scale
    theta = torch.stack([flip * cosine, -sine, across, flip * sine, cosine, down], dim=1).reshape(n, 2, 3)
    if augmentation.stretch:
        # The picture's own axes are stretched, before it is turned: its width by the root of the ratio, its height by
        # the inverse.
        root = (1 + augmentation.stretch) ** (0.5 * _symmetric(n, generator))
        theta = theta * torch.stack([1 / root, root], dim=1)[:, :, None]
    return theta


def _apply_geometry(images, theta, *, mode="bilinear", padding="border"):
    """Move images (n, channels, H, W) by affine matrices (n, 2, 3)."""
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode=mode, padding_mode=padding, align_corners=False)


def _apply_blur(images, sigma):
    """Blur each image (n, 1, H, W) by its own Gaussian of the standard deviation given."""
    n, _, height, width = images.shape
    # Three standard deviations hold 99.7 % of a Gaussian.
    radius = max(1, math.ceil(3 * float(sigma.max())))
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-3)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).view(n, 1, 1, -1)
    padded = functional.pad(images.reshape(1, n, height, width), (radius,) * 4, mode="replicate")
    across = functional.conv2d(padded, kernel, groups=n)
    return functional.conv2d(across, kernel.transpose(2, 3), groups=n).reshape(n, 1, height, width)


def _draw_erasing(n, augmentation, generator):
    """Draw rectangles (n, 4): top, left, bottom, right as shares of the side; half of them empty."""
    size = augmentation.erasing * torch.stack([_uniform(n, generator) for _ in range(2)], dim=1)
    size = size * _half(n, generator)[:, None]
    corner = torch.stack([_uniform(n, generator) for _ in range(2)], dim=1) * (1 - size)
    return torch.cat([corner, corner + size], dim=1)


def _apply_erasing(images, boxes):
    """Fill each rectangle with the mean grey value of its image."""
    n, _, height, width = images.shape
    rows = (torch.arange(height, device=images.device) + 0.5).view(1, height, 1) / height
    columns = (torch.arange(width, device=images.device) + 0.5).view(1, 1, width) / width
    top, left, bottom, right = boxes.view(n, 4, 1, 1).unbind(dim=1)
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    return torch.where(inside[:, None], images.mean(dim=(1, 2, 3), keepdim=True), images)


def _uniform(n, generator):
    """Draw from 0 to 1."""
    return torch.rand(n, generator=generator, device=generator.device)


def _symmetric(n, generator):
    """Draw from -1 to 1."""
    return 2 * _uniform(n, generator) - 1


def _half(n, generator):
    """Draw 0 or 1, as float."""
    return (_uniform(n, generator) < 0.5).float()
