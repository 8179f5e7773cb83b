"""Settings of the augmentation: what is no number, no switch or no change is named."""

import numpy as np
import pytest
import torch

from deepradiomics.exceptions import InputError
from deepradiomics.training import Augmentation, as_augmentation, augment, augment_pair


@pytest.mark.parametrize("flip", [0.5, 1, "yes", None, np.nan])
def test_flip_is_a_switch_and_no_probability(flip):
    with pytest.raises(InputError, match=r"flip is .*; give True, which flips half of the images, or False"):
        Augmentation(flip=flip)


@pytest.mark.parametrize("flip", [True, np.True_])
def test_flip_mirrors_half_of_the_images(flip):
    still = dict.fromkeys(("exposure", "gamma", "noise", "blur", "rotation", "shift", "scale", "erasing"), 0)
    images = torch.linspace(0.1, 0.9, 8).expand(400, 1, 8, 8)
    flipped = augment(images, Augmentation(**still, flip=flip), torch.Generator().manual_seed(0))
    mirrored = (flipped[:, 0, 0, 0] > flipped[:, 0, 0, -1]).float().mean()
    assert 0.4 < mirrored < 0.6
    assert torch.allclose(flipped.sort(dim=-1).values, images, atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"rotation": "x"}, "rotation is 'x'; give a number"),
        ({"noise": None}, "noise is None; give a number"),
        ({"blur": float("nan")}, "blur is nan; give a number"),
        ({"scale": 1.0}, "scale is 1.0; give a number from 0 .* below 1"),
        ({"shift": -0.1}, "shift is -0.1"),
        ({"rotations": 3}, "knows no 'rotations'"),
        ("strong", "augmentation is a str; give True, False or a dict"),
        (None, "augmentation is a NoneType"),
        (3, "augmentation is a int"),
    ],
)
def test_what_is_no_augmentation_is_named(setting, reason):
    with pytest.raises(InputError, match=reason):
        as_augmentation(setting)


def test_stretch_changes_width_against_height_within_its_limit_and_fill_comes_in_from_outside():
    still = {"exposure": 0, "gamma": 0, "noise": 0, "blur": 0, "rotation": 0, "shift": 0, "scale": 0, "erasing": 0}
    square = torch.zeros(40, 1, 64, 64)
    square[:, :, 16:48, 16:48] = 1
    limits = Augmentation(**still, stretch=0.25)
    _, moved = augment_pair(square, square.to(torch.uint8), limits, torch.Generator().manual_seed(0), fill=9)
    ratio = (moved == 1).any(dim=2).sum(dim=-1) / (moved == 1).any(dim=3).sum(dim=-1)
    assert 0.75 < ratio.min() < 0.9
    assert 1.1 < ratio.max() < 1.34
    assert (moved == 9).any()
    assert (moved == 9).flatten(1).any(dim=1).float().mean() > 0.5
