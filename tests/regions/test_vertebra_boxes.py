"""Boxes, heights and grades of vertebrae: closed forms, laws, and the simulation's truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.draw import polygon2mask
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from deepradiomics import VertebraRegions, place_vertebra_boxes
from deepradiomics.box import fraction_inside, mirror_box
from deepradiomics.exceptions import DeepRadiomicsError, InputError, RegionError
from deepradiomics.regions import genant_grade, unsure_levels, vertebra_geometry, vertebra_geometry_from_points
from deepradiomics.simulation import make_spines
from deepradiomics.simulation.spines import LEVELS

SPINES = make_spines(20, random_state=0)


def turned(points, degrees, centre=(150.0, 150.0)):
    """Points (row, column) turned counter-clockwise as the picture is seen."""
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    rows, columns = (np.asarray(points, dtype=float) - centre).T
    return np.column_stack([rows * cosine - columns * sine, rows * sine + columns * cosine]) + centre


def stack(degrees=0.0, scale=1.0):
    """Three bodies, 30 high and 50 wide, discs of 10: L1, L2, L3."""
    mask = np.zeros((300, 300), dtype=np.uint8)
    for label, top in ((1, 95), (2, 135), (3, 175)):
        corners = [(top, 125), (top, 175), (top + 30, 175), (top + 30, 125)]
        corners = (np.array(corners) - 150) * scale + 150
        # Pixel centres at +0.5 decide what is inside.
        mask[polygon2mask(mask.shape, turned(corners, degrees) - 0.5)] = label
    return mask


def test_edges_lie_in_mid_disc_and_margins_in_mm():
    boxes = place_vertebra_boxes(stack(), (0.5, 0.5))
    assert list(boxes) == ["L1", "L2", "L3"]
    assert (boxes["L2"].top, boxes["L2"].height) == (130, 40)
    assert (boxes["L2"].left, boxes["L2"].width) == (121, 58)
    # Above L1 there is no vertebra: as far as on its other side.
    assert (boxes["L1"].top, boxes["L1"].height) == (90, 40)


@settings(max_examples=25, deadline=None)
@given(st.floats(-15, 15), st.sampled_from([0.7, 1.0, 1.3]))
def test_boxes_turn_and_scale_with_the_spine(degrees, scale):
    boxes = place_vertebra_boxes(stack(degrees, scale), (0.5, 0.5), margin_mm=0.0, tilted=True)
    box = boxes["L2"]
    # An endplate of 50 pixels is drawn in whole rows: one step in its middle is 1.5 rows over its inner three quarters.
    assert box.angle == pytest.approx(degrees, abs=2.3 / scale)
    assert np.hypot(*(np.array(box.centre) - turned([[150 + 0.0, 150]], degrees)[0])) < 1.5 * scale
    assert box.height == pytest.approx(40 * scale, abs=2.5)
    assert box.width == pytest.approx(50 * scale, abs=2.5)
    geometry = vertebra_geometry(stack(degrees, scale), (0.5, 0.5))["L2"]
    assert geometry.heights == pytest.approx((15 * scale,) * 3, abs=0.8)


@pytest.mark.parametrize("tilted", [False, True])
def test_the_mirrored_mask_has_the_mirrored_boxes(tilted):
    for mask, radiograph in zip(SPINES.masks_lateral, SPINES.data["lateral"], strict=True):
        boxes = place_vertebra_boxes(mask, radiograph.spacing, tilted=tilted)
        mirrored = place_vertebra_boxes(mask[:, ::-1], radiograph.spacing, tilted=tilted)
        for name, box in boxes.items():
            wanted = mirror_box(box, mask.shape[1])
            np.testing.assert_allclose(mirrored[name].corners, wanted.corners, atol=1.0)


@pytest.mark.parametrize("view", ["ap", "lateral"])
def test_every_box_holds_its_body_and_no_other(view):
    for mask, radiograph in zip(SPINES[f"masks_{view}"], SPINES.data[view], strict=True):
        for level, box in place_vertebra_boxes(mask, radiograph.spacing).items():
            body = mask == SPINES_LEVELS.index(level) + 1
            top, left, bottom, right = *box.corners[0], *box.corners[2]
            window = np.zeros_like(body)
            window[max(round(top), 0) : round(bottom), max(round(left), 0) : round(right)] = True
            assert (body & window).sum() >= 0.99 * body.sum()
            assert fraction_inside(box, body) > 0.4


SPINES_LEVELS = ("L1", "L2", "L3", "L4", "L5", "T12", "S1")


def test_heights_and_corners_are_the_simulations():
    errors, corners = [], []
    truths = [own.set_index("level") for _, own in SPINES.corners.query("view == 'LAT'").groupby("patient", sort=False)]
    for truth, mask, radiograph in zip(truths, SPINES.masks_lateral, SPINES.data["lateral"], strict=True):
        for level, body in vertebra_geometry(mask, radiograph.spacing).items():
            if level != "S1" and "touches_border" not in body.flags:
                wanted = truth.loc[level, ["posterior_mm", "middle_mm", "anterior_mm"]]
                errors.append(np.array(body.heights) - wanted.to_numpy(dtype=float))
                wanted = truth.loc[level, ["upper_posterior_row", "upper_posterior_column"]]
                corners.append(np.hypot(*(body.corners[0] - wanted.to_numpy(dtype=float))) * radiograph.spacing[0])
    assert np.median(np.abs(errors)) < 0.3
    assert np.percentile(np.abs(errors), 95) < 0.8
    assert np.percentile(corners, 95) < 0.8


CORNERS = ("upper_posterior", "upper_anterior", "lower_anterior", "lower_posterior")


def test_points_in_any_order_give_the_heights_of_the_simulation():
    rng = np.random.default_rng(0)
    for own, radiograph in zip(SPINES.corners.groupby("patient", sort=False), SPINES.data["lateral"], strict=True):
        truth = own[1].query("view == 'LAT' and level != 'S1'").set_index("level")
        points = [
            (level, (truth.loc[level, f"{corner}_row"], truth.loc[level, f"{corner}_column"]))
            for level in truth.index
            for corner in rng.permutation(CORNERS)
        ]
        found = vertebra_geometry_from_points(points, radiograph.spacing)
        assert list(found) == ["T12", "L1", "L2", "L3", "L4", "L5"]
        for level, body in found.items():
            posterior, middle, anterior = body.heights
            assert middle is None
            wanted = truth.loc[level, ["posterior_mm", "anterior_mm"]].to_numpy(dtype=float)
            np.testing.assert_allclose([posterior, anterior], wanted, atol=0.35)
            np.testing.assert_allclose(
                body.corners[0],
                truth.loc[level, ["upper_posterior_row", "upper_posterior_column"]].to_numpy(dtype=float),
            )


@pytest.mark.parametrize("degrees", [0, 30, -40])
def test_six_points_of_a_wedge_by_hand(degrees):
    # 40 wide, 30 high on the left and 20 on the right, both endplates sunk by 2 in the middle.
    points = np.array([(100, 100), (104.5, 120), (105, 140), (125, 140), (125.5, 120), (130, 100)], dtype=float)
    points = turned(points, degrees)
    body = vertebra_geometry_from_points([("L3", point) for point in points[[4, 0, 3, 5, 1, 2]]])["L3"]
    assert body.heights == pytest.approx((30, 21, 20))
    assert (body.width, body.tilt) == pytest.approx((40, degrees))
    assert body.wedge == pytest.approx(-2 * np.degrees(np.arctan(5 / 40)))
    np.testing.assert_allclose(body.corners, points[[0, 2, 3, 5]])
    assert genant_grade(20, 21, 30)[:2] == genant_grade(20, None, 30)[:2] == (2, "wedge")
    assert genant_grade(30, None, 30)[:2] == (0, "normal")


def test_a_steep_spine_of_four_corners_a_body():
    bodies = {
        level: [(top, 125), (top, 175), (top + 30, 175), (top + 30, 125)] for level, top in (("L1", 95), ("L2", 135))
    }
    points = [(level, turned([place], 50)[0]) for level, places in bodies.items() for place in places[::-1]]
    for body in vertebra_geometry_from_points(points, (0.5, 0.5)).values():
        assert (body.heights[0], body.heights[2], body.width, body.tilt) == pytest.approx((15, 15, 25, 50))


def test_points_that_are_no_body_are_refused():
    square = [(10, 10), (10, 50), (40, 50), (40, 10)]
    for points in (square[:3], [*square, (25, 25)], [square[0]] * 4, [(10, place) for place in range(4)]):
        with pytest.raises(InputError, match="L2"):
            vertebra_geometry_from_points([("L2", point) for point in points])
    with pytest.raises(InputError, match="not square"):
        vertebra_geometry_from_points([("L2", point) for point in square], (0.5, 0.8))


def test_grades_are_the_simulations():
    """A fracture a patient, far from the borders of the grades."""
    right = 0
    cases = [("wedge", 0.32), ("biconcave", 0.32), ("crush", 0.32), ("wedge", 0.5), ("crush", 0.5)]
    for shape, loss in cases:
        spines = make_spines(3, random_state=1, fractures={"L2": ("chronic", shape, loss)})
        for mask, radiograph in zip(spines.masks_lateral, spines.data["lateral"], strict=True):
            found = vertebra_geometry(mask, radiograph.spacing)
            posterior, middle, anterior = found["L2"].heights
            reference = np.mean([found[level].heights[0] for level in ("L1", "L3")])
            grade = genant_grade(anterior, middle, posterior, reference=reference)
            right += (grade.shape, grade.grade) == (shape, 2 if loss < 0.4 else 3)
    assert right >= 14


@pytest.mark.parametrize(
    ("heights", "wanted"),
    [
        ((27, 26, 27), (0, "normal")),
        ((21, 26, 27), (1, "wedge")),
        ((19, 26, 27), (2, "wedge")),
        ((26, 16, 27), (3, "biconcave")),
        ((21.6, 27, 27), (1, "wedge")),
    ],
)
def test_genants_thresholds(heights, wanted):
    assert genant_grade(*heights)[:2] == wanted


def test_a_gap_is_no_neighbour():
    mask = stack()
    mask[mask == 2] = 0
    boxes = place_vertebra_boxes(mask, (0.5, 0.5))
    assert (boxes["L1"].top, boxes["L1"].height) == (95, 30)


MASKS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 3))


@settings(max_examples=80, deadline=None)
@given(MASKS)
def test_noise_never_crashes_and_is_flagged_or_refused(mask):
    try:
        found = vertebra_geometry(mask)
    except RegionError:
        return
    assert all(body.flags and body.confidence < 1 for body in found.values())


def test_discs_and_cut_bodies_are_flagged():
    rows, columns = np.ogrid[:100, :100]
    disc = ((rows - 50) ** 2 + (columns - 50) ** 2 < 900).astype(np.uint8)
    assert "no_corners" in vertebra_geometry(disc)["L1"].flags
    assert "touches_border" in vertebra_geometry(stack()[:, 140:])["L2"].flags


@pytest.mark.parametrize(
    ("mask", "keywords", "message"),
    [
        (np.zeros((50, 50), np.uint8), {}, "no vertebra"),
        (
            np.tri(50, k=-40, dtype=np.uint8)
            + np.tri(50, k=-2, dtype=np.uint8) * (1 - np.tri(50, k=-6, dtype=np.uint8)),
            {},
            "no vertebral body",
        ),
        (np.pad(np.ones((3, 3), np.uint8), 9), {}, "L1 has 9 connected pixels"),
    ],
)
def test_what_is_no_spine(mask, keywords, message):
    with pytest.raises(RegionError, match=message):
        place_vertebra_boxes(mask, **keywords)


def test_wrong_input_is_named():
    with pytest.raises(InputError, match="whole numbers"):
        place_vertebra_boxes(np.ones((9, 9)))
    with pytest.raises(InputError, match="labels reach from 9 to 9"):
        place_vertebra_boxes(np.full((9, 9), 9))
    with pytest.raises(InputError, match="not square"):
        place_vertebra_boxes(stack(), (0.5, 0.8))
    with pytest.raises(InputError, match="positive"):
        genant_grade(1.0, np.nan, 2.0)


class Outliner:
    """Knows the masks of the simulated patients by their radiographs."""

    def fit(self, images, masks):
        return self

    def predict(self, images):
        known = {id(image.pixels): mask for image, mask in zip(SPINES.data["ap"], SPINES.masks_ap, strict=True)}
        return [known[id(image.pixels)] for image in images]


def test_regions_come_from_masks_and_from_a_segmenter_alike():
    X = SPINES.data.assign(outlines=SPINES.masks_ap).head(3)
    by_mask = VertebraRegions(image="ap", mask="outlines", prefix="ap_").transform(X)
    by_network = VertebraRegions(FrozenEstimator(Outliner()), image="ap", prefix="ap_").transform(X)
    for column in ["ap_L1", "ap_L4"]:
        for one, other in zip(by_mask[column], by_network[column], strict=True):
            assert np.array_equal(one.pixels, other.pixels)
            assert np.array_equal(one.mask, other.mask)
    assert by_mask["ap_L1"][0].mask.mean() > 0.4
    assert by_mask["ap_L1"][0].view == "AP"


def test_an_absent_level_is_none_and_a_bad_mask_is_written_down():
    mask = SPINES.masks_ap[0].copy()
    mask[mask == 3] = 0
    X = pd.DataFrame(
        {"ap": [SPINES.data["ap"][0], None, SPINES.data["ap"][1]], "mask": [mask, None, np.zeros((9, 9), int)]}
    )
    regions = VertebraRegions(image="ap", mask="mask", on_error="skip")
    found = regions.transform(X)
    assert found["L3"].isna().all()
    assert found["L2"].notna().tolist() == [True, False, False]
    assert regions.failures_["code"].tolist() == ["mask_shape"]
    with pytest.raises(DeepRadiomicsError, match="row 2"):
        VertebraRegions(image="ap", mask="mask").transform(X)


def test_a_vertebra_out_of_reach_decides_nothing():
    spines = make_spines(1, random_state=0)
    labels = spines.masks_lateral[0].copy()
    table = pd.DataFrame({"lateral": spines.data["lateral"], "mask": [labels]})
    regions = VertebraRegions(image="lateral", mask="mask", levels=("L1-L3",))
    whole = regions.fit_transform(table)["L1-L3"].iloc[0]
    # S1 becomes a line that is no body, L5 is lost: neither borders on L1 to L3.
    rows, columns = np.nonzero(labels == 7)
    labels[np.isin(labels, [5, 7])] = 0
    labels[rows[:3], columns[:3]] = 7
    spoiled = regions.fit_transform(table)["L1-L3"].iloc[0]
    assert np.array_equal(whole.pixels, spoiled.pixels)
    with pytest.raises(RegionError, match="S1"):
        VertebraRegions(image="lateral", mask="mask", levels=("L1-L3", "L5")).fit_transform(table)


def without(mask, *names):
    """The map with some bodies erased."""
    codes = [LEVELS.index(name) + 1 for name in names]
    return np.where(np.isin(mask, codes), 0, mask)


@pytest.mark.parametrize("view", ["ap", "lateral"])
def test_levels_are_sure_from_the_sacrum_or_the_last_rib(view):
    for mask in SPINES[f"masks_{view}"]:
        mask = np.pad(mask, 1)
        assert unsure_levels(mask) == {}
        assert unsure_levels(without(mask, "T12")) == unsure_levels(without(mask, "S1")) == {}
        assert list(unsure_levels(without(mask, "T12", "S1"))) == ["L1", "L2", "L3", "L4", "L5"]
        # A gap: only what hangs together with an end that is seen is sure.
        assert list(unsure_levels(without(mask, "T12", "L3"))) == ["L1", "L2"]
        assert unsure_levels(without(mask, "L3")) == {}


def test_a_body_split_in_two_or_named_out_of_order_makes_levels_unsure():
    mask = np.pad(without(SPINES.masks_ap[0], "T12"), 1)
    body = np.argwhere(mask == 4)
    split = mask.copy()
    lower = body[body[:, 0] > body[:, 0].mean()]
    split[tuple(lower.T)] = 3  # the lower half of L4 is called L3, and L3 itself L2, L2 L1
    split[mask == 3], split[mask == 2], split[mask == 1] = 2, 1, 0
    assert {"L1", "L2"} <= set(unsure_levels(split))
    swapped = np.array([0, 1, 3, 2, 4, 5, 6, 7])[mask]
    assert {"L1", "L2", "L3"} <= set(unsure_levels(swapped))


def test_an_end_cut_by_the_border_does_not_count():
    mask = without(SPINES.masks_lateral[0], "T12")
    cut = mask[: int(np.argwhere(mask == 7)[:, 0].mean())]
    assert set(unsure_levels(cut)) >= {"L1", "L2", "L3", "L4"}
    with pytest.raises(InputError, match="names for 1 to 2"):
        unsure_levels(cut, levels=("L1", "L2"))


class Outlines(BaseEstimator):
    """A segmenter that returns one label map."""

    def __init__(self, mask):
        self.mask = mask

    def fit(self, X, y=None):
        return self

    def predict(self, images):
        return [self.mask for _ in images]


def test_a_segmenter_whose_levels_are_unsure_says_so_and_a_reader_is_believed():
    mask = without(SPINES.masks_ap[0], "T12", "S1")
    X = pd.DataFrame({"radiograph": [SPINES.data["ap"][0]], "mask": [mask]})
    regions = VertebraRegions(FrozenEstimator(Outlines(mask)), levels=("L1", "L1-L4"), prefix="ap_").fit(X)
    assert regions.transform(X)["ap_L1"][0] is not None
    assert regions.unsure_["region"].tolist() == ["ap_L1", "ap_L1-L4"]
    assert regions.unsure_["reason"].str.contains("count from the sacrum").all()
    # What was cut out has not failed: a report would count it as missing.
    assert regions.failures_.empty
    drawn = VertebraRegions(mask="mask", levels=("L1",))
    assert drawn.transform(X)["L1"][0] is not None
    assert drawn.failures_.empty
    assert drawn.unsure_.empty
