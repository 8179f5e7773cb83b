"""Cortical thickness against tubes of known wall, and against the simulation's own dimensions."""

import numpy as np
import pytest
from scipy import ndimage

from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.regions import cortical_thickness_index
from deepradiomics.simulation import make_hips
from deepradiomics.simulation.anatomy import Femur, femur_bone


def projected(cortex, spacing=0.5):
    """A femur without noise: bone along the beam, and its mask."""
    y, x = np.mgrid[-40:130:spacing, -45:80:spacing]
    femur = Femur(cortex=cortex)
    bone, outline = femur_bone(femur, x, y, np.random.default_rng(0))
    return ndimage.gaussian_filter(bone, 0.6 / spacing), outline < 0, femur


@pytest.mark.parametrize("cortex", [2.5, 4.0, 5.5, 7.0])
def test_the_wall_of_the_simulated_shaft(cortex):
    bone, mask, femur = projected(cortex)
    found = cortical_thickness_index(bone, mask, (0.5, 0.5))
    # About 27 mm below the lesser trochanter, which ends some 40 mm below the junction.
    down = 67.0
    wall = 0.5 + cortex * 0.95 / (1 + np.exp(-(down - 22) / 14))
    width = 2 * (femur.shaft_half_width + 9 * np.exp(-down / 30))
    assert found == pytest.approx(2 * wall / width, abs=0.05)


def test_the_mirrored_femur_has_the_same_index():
    bone, mask, _ = projected(5.0)
    left = cortical_thickness_index(bone, mask, (0.5, 0.5), laterality="L")
    assert cortical_thickness_index(bone[:, ::-1], mask[:, ::-1], (0.5, 0.5), laterality="R") == pytest.approx(
        left, abs=0.01
    )


def test_it_follows_bone_density_through_noise_and_soft_tissue():
    hips = make_hips(60, random_state=3)
    found = [
        np.mean(
            [
                cortical_thickness_index(r.pixels, mask == label, r.spacing, laterality=side)
                for label, side in ((1, "L"), (2, "R"))
            ]
        )
        for r, mask in zip(hips.data["radiograph"], hips.masks, strict=True)
    ]
    assert np.corrcoef(found, hips.t_score)[0, 1] > 0.6


def test_what_it_refuses():
    bone, mask, _ = projected(5.0)
    with pytest.raises(InputError, match="give both of one shape"):
        cortical_thickness_index(bone[1:], mask)
    with pytest.raises(RegionError, match="no canal"):
        cortical_thickness_index(np.ones_like(bone), mask, (0.5, 0.5))
    with pytest.raises(RegionError, match="mm of shaft are left"):
        cortical_thickness_index(bone, mask, (0.5, 0.5), from_mm=80, to_mm=120)
