"""segmentation.evaluate: a table a bone against numbers that are counted here, and intervals over patients."""

import numpy as np
import pytest

from deepradiomics import Radiograph
from deepradiomics.exceptions import InputError
from deepradiomics.segmentation import evaluate
from deepradiomics.simulation import make_hips


class Drawn:
    """A segmenter that answers with outlines it was given."""

    classes_ = ("left femur", "right femur")

    def __init__(self, outlines, confidence):
        self.outlines, self.confidence = outlines, np.asarray(confidence, dtype=float)

    def predict_with_confidence(self, images):
        return [outline.copy() for outline in self.outlines[: len(images)]], self.confidence[: len(images)]


@pytest.fixture(scope="module")
def hips():
    return make_hips(3, random_state=3)


def test_each_bone_has_its_row(hips):
    moved = [np.roll(mask, 4, axis=1) for mask in hips.masks]
    moved[1] = np.where(moved[1] == 1, moved[1], 0)  # the right femur of the second is not found
    report = evaluate(Drawn(moved, [[0.9, 0.8], [0.7, np.nan], [0.6, 0.5]]), list(hips.data["radiograph"]), hips.masks)
    table = report.table
    assert table["image"].tolist() == [0, 0, 1, 1, 2, 2]
    for row in table.itertuples():
        drawn, known = moved[row.image] == row.code, hips.masks[row.image] == row.code
        assert row.dice == pytest.approx(2 * (drawn & known).sum() / (drawn.sum() + known.sum()))
    lost = table.iloc[3]
    assert lost["dice"] == 0
    assert np.isinf(lost["average_distance"])
    assert np.isnan(lost["boxes"])
    whole = table.drop(index=3)
    assert (whole["boxes"] == 5).all()
    # Moved by 4 pixels: no point of one outline is farther from the other.
    spacing = hips.data["radiograph"][0].spacing[0]
    assert (whole["average_distance"] <= 4 * spacing).all()
    assert (whole["average_distance"] > spacing).all()
    assert report.summary.loc["all", "n"] == 6
    assert report.summary.loc["left femur", "dice"] == pytest.approx(table["dice"][table["code"] == 1].median())
    assert report.summary.loc["left femur", "dice_low"] <= report.summary.loc["left femur", "dice_high"]
    assert len(report.plot(n=4).axes) == 4


def test_what_is_unknown_is_no_fault_and_a_cut_femur_has_reasons(hips):
    mask = hips.masks[0]
    head_only = np.where(np.arange(len(mask))[:, None] < 0.5 * len(mask), mask, 0).astype(np.uint8)
    truth = np.where((head_only == 0) & (np.arange(len(mask))[:, None] >= 0.5 * len(mask)), 255, head_only)
    image = [hips.data["radiograph"][0]]
    whole = evaluate(Drawn([mask], [[1, 1]]), image, [truth.astype(np.uint8)], ignore_label=255)
    assert (whole.table["dice"] == 1).all()
    cut = evaluate(Drawn([head_only], [[1, 1]]), image, [mask]).table
    assert (cut["boxes"] < 5).all()
    assert cut["reason"].str.len().gt(0).all()


def test_without_spacing_the_head_is_the_measure(hips):
    known = hips.data["radiograph"][0]
    moved = Drawn([np.roll(hips.masks[0], 3, axis=1)], [[1, 1]])
    in_mm = evaluate(moved, [known], hips.masks[:1]).table["average_distance"]
    by_head = evaluate(moved, [Radiograph(known.pixels)], hips.masks[:1]).table["average_distance"]
    # Taken for 47 mm, a head of another size scales the lengths: by the truth of the simulation.
    radius = hips.landmarks.loc[0, ["left_head_radius_mm", "right_head_radius_mm"]].to_numpy(float)
    assert np.allclose(by_head / in_mm, 47 / (2 * radius), rtol=0.04)


def test_nothing_to_compare(hips):
    nothing = np.zeros_like(hips.masks[0])
    with pytest.raises(InputError, match="no image holds a bone"):
        evaluate(Drawn([nothing], [[np.nan, np.nan]]), list(hips.data["radiograph"])[:1], [nothing])
