"""What the lumbar weights do on simulated spines they were not trained on."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

import deepradiomics
from deepradiomics import UNetSegmenter, VertebraRegions
from deepradiomics.simulation import make_spines

WEIGHTS = Path(deepradiomics.__file__).parent / "segmentation" / "weights"


@pytest.mark.parametrize(("view", "name"), [("ap", "lumbar-ap"), ("lateral", "lumbar-lateral")])
def test_bodies_of_unseen_spines(view, name):
    spines = make_spines(8, random_state=4321)
    segmenter = UNetSegmenter.pretrained(name)
    assert segmenter.classes_ == ("L1", "L2", "L3", "L4", "L5", "T12", "S1")
    assert segmenter.score(list(spines.data[view]), spines[f"masks_{view}"]) > 0.8


def test_vertebrae_are_cut_out_where_they_lie():
    spines = make_spines(6, random_state=99)
    regions = VertebraRegions(
        FrozenEstimator(UNetSegmenter.pretrained("lumbar-ap")), image="ap", levels=("L2", "L3"), on_error="skip"
    )
    truth = VertebraRegions(image="ap", mask="mask", levels=("L2", "L3")).transform(
        spines.data.assign(mask=spines.masks_ap)
    )
    found = regions.transform(spines.data)
    pairs = [(a, b) for level in ("L2", "L3") for a, b in zip(found[level], truth[level], strict=True) if a is not None]
    assert len(pairs) >= 9
    sizes = [abs(a.mask.sum() / b.mask.sum() - 1) for a, b in pairs]
    assert np.median(sizes) < 0.15


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_each_file_is_small_and_has_a_card(path):
    assert path.stat().st_size < 10e6
    card = path.with_suffix(".md").read_text()
    # What it was trained on, and under which terms: real films ask for attribution.
    assert ("CC BY 4.0" if path.stem == "femur" else "simulation only") in card.replace("Simulation", "simulation")
