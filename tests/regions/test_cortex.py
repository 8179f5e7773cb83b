"""Cortical thickness against tubes of known wall, and against the simulation's own dimensions."""

import numpy as np
import pytest
from scipy import ndimage

from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.regions import cortical_thickness_index
from deepradiomics.simulation import make_hips
from deepradiomics.simulation.bone import cortex_thickness, femur_bone
from deepradiomics.simulation.rays import Beam
from deepradiomics.simulation.skeleton import draw_skeleton, model

BEAM = Beam((340, 250), 0.5, (55.0, 40.0), (0.0, -1e5, 0.0))


def projected(cortex):
    """A femur without noise: bone along the beam, and its mask."""
    femur = draw_skeleton(np.random.default_rng(0)).femora["left"]
    bone, outer = femur_bone(BEAM, femur, np.random.default_rng(0), cortex=cortex)
    return ndimage.gaussian_filter(bone, 0.6 / BEAM.spacing), outer > 0, femur


@pytest.mark.parametrize("cortex", [0.5, 0.8, 1.1])
def test_the_wall_of_the_simulated_shaft(cortex):
    bone, mask, femur = projected(cortex)
    found = cortical_thickness_index(bone, mask, (0.5, 0.5))
    # The thickness of the model's cortex 85 to 110 mm below the head, over the width of the mask there.
    slices = np.isin(model()["shaft_slice"], (0, 1, 2))
    row = int(BEAM.pixel(femur.vertices[slices])[:, 0].mean())
    expected = 2 * cortex * cortex_thickness()[slices].mean() / (0.5 * mask[row].sum())
    assert found == pytest.approx(expected, abs=0.06)


def test_the_mirrored_femur_has_the_same_index():
    bone, mask, _ = projected(0.9)
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
    bone, mask, _ = projected(0.9)
    with pytest.raises(InputError, match="give both of one shape"):
        cortical_thickness_index(bone[1:], mask)
    with pytest.raises(RegionError, match="no canal"):
        cortical_thickness_index(np.ones_like(bone), mask, (0.5, 0.5))
    with pytest.raises(RegionError, match="mm of shaft are left"):
        cortical_thickness_index(bone, mask, (0.5, 0.5), from_mm=80, to_mm=120)
