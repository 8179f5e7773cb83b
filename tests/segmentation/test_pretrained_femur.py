"""What the weights that come with the package do on radiographs they were not trained on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from deepradiomics import FemurRegions, Radiograph, TextureExtractor, UNetSegmenter, read_radiograph
from deepradiomics.exceptions import InputError
from deepradiomics.regions import femur_geometry
from deepradiomics.segmentation import surface_distance
from deepradiomics.simulation import make_hips

REAL = Path(__file__).parents[2] / "../shared/data/hip"


@pytest.fixture(scope="module")
def femur():
    return UNetSegmenter.pretrained("femur")


@pytest.mark.parametrize("site", ["A", "B", "C"])
def test_simulated_hips_of_every_site(femur, site):
    hips = make_hips(5, site=site, random_state=23)
    found, confidence = femur.predict_with_confidence(list(hips.data["radiograph"]))
    assert femur.score(list(hips.data["radiograph"]), hips.masks) > 0.93
    assert confidence.min() > 0.8
    spacing = hips.data["radiograph"][0].spacing
    gaps = [
        surface_distance(a == code, b == code, spacing).average
        for a, b in zip(found, hips.masks, strict=True)
        for code in (1, 2)
    ]
    assert np.median(gaps) < 2


def test_landmarks_on_its_outlines_are_near_the_truth(femur):
    hips = make_hips(8, site="B", random_state=31)
    away = []
    for number, mask in enumerate(femur.predict(list(hips.data["radiograph"]))):
        spacing, truth = hips.data["radiograph"][number].spacing, hips.landmarks.iloc[number]
        for label, name, side in ((1, "left", "L"), (2, "right", "R")):
            found = femur_geometry(mask == label, spacing, laterality=side)
            for part, point in (("head", found.head_centre), ("neck", found.neck_centre)):
                expected = truth[f"{name}_{part}_row"], truth[f"{name}_{part}_column"]
                away.append(np.linalg.norm(np.subtract(point, expected)) * spacing[0])
            # Where the lesser trochanter ends decides where the cortex is measured.
            drawn = femur_geometry(hips.masks[number] == label, spacing, laterality=side)
            assert np.linalg.norm(np.subtract(found.lesser_end, drawn.lesser_end)) * spacing[0] < 10
    assert np.median(away) < 3


def test_one_hip_mirrored_and_small(femur):
    hips = make_hips(2, random_state=4)
    for radiograph, mask in zip(hips.data["radiograph"], hips.masks, strict=True):
        half = slice(256, None)
        pixels, truth = radiograph.pixels[100:420, half], mask[100:420, half]
        assert femur.score([pixels], [truth]) > 0.85
        # A mirrored left hip is a right hip.
        assert femur.score([pixels[:, ::-1]], [np.where(truth == 1, 2, 0)[:, ::-1]]) > 0.85


def test_boxes_in_a_pipeline_without_a_mask(femur):
    hips = make_hips(3, random_state=9)
    X = hips.data[["radiograph"]]
    regions = FemurRegions(FrozenEstimator(femur), image="radiograph")
    table = clone(regions).fit_transform(X)
    truth = FemurRegions(mask="mask").transform(X.assign(mask=hips.masks))
    for name in ("left_neck", "right_neck", "left_cortex", "right_cortex"):
        assert [cell.laterality for cell in table[name]] == [name[0].upper()] * 3
        for found, expected in zip(table[name], truth[name], strict=True):
            assert found.mask.sum() == pytest.approx(expected.mask.sum(), rel=0.4)
    cut = regions.set_output(transform="pandas").fit_transform(X)[["left_neck", "right_neck"]]
    features = make_pipeline(TextureExtractor(bin_count=8)).fit_transform(cut)
    assert np.isfinite(np.asarray(features, dtype=float)).all()


def test_an_absent_hip_is_none_downstream(femur):
    hips = make_hips(1, random_state=6)
    left = Radiograph(hips.data["radiograph"][0].pixels[:, 262:], spacing=hips.data["radiograph"][0].spacing)
    table = FemurRegions(FrozenEstimator(femur), on_error="skip").transform(pd.DataFrame({"radiograph": [left, None]}))
    assert table["left_neck"][0] is not None
    assert table["right_neck"][0] is None
    assert table.filter(like="left_").iloc[1].isna().all()


def test_other_names_are_refused():
    with pytest.raises(InputError, match="known are femur, lumbar-ap"):
        UNetSegmenter.pretrained("elbow")


def test_the_weights_are_small_and_have_a_model_card():
    folder = Path(__import__("deepradiomics.segmentation").segmentation.__file__).parent / "weights"
    assert (folder / "femur.safetensors").stat().st_size < 10e6
    assert "simulat" in (folder / "femur.md").read_text()


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real hips in {REAL}")
@pytest.mark.parametrize(
    ("name", "code", "bone", "elsewhere"),
    [
        # Points (row, column) as shares of the picture: head, trochanter or neck, shaft; then soft tissue and pelvis.
        ("hip_right_224x448.png", 2, [(0.15, 0.78), (0.3, 0.2), (0.8, 0.3)], [(0.1, 0.1), (0.6, 0.9), (0.8, 0.05)]),
        ("RG2_RLE.dcm", 1, [(0.39, 0.5), (0.44, 0.6), (0.55, 0.73)], [(0.2, 0.5), (0.5, 0.2), (0.5, 0.95)]),
    ],
)
def test_real_hips_are_found_on_the_right_side(femur, name, code, bone, elsewhere):
    radiograph = read_radiograph(REAL / name)
    (found,), confidence = femur.predict_with_confidence([radiograph])
    assert set(np.unique(found)) == {0, code}
    assert confidence[0, code - 1] > 0.8
    rows, columns = radiograph.pixels.shape
    assert all(found[int(row * rows), int(column * columns)] == code for row, column in bone)
    assert all(found[int(row * rows), int(column * columns)] == 0 for row, column in elsewhere)
