"""Simulated spines: the truth they come with is true, and T-score and fractures are in the pictures."""

import numpy as np
import pytest
from scipy import ndimage, stats

from deepradiomics.exceptions import InputError
from deepradiomics.simulation import make_spines
from deepradiomics.simulation.spines import LEVELS

WHOLE = LEVELS[:4]
DOWNWARDS = ("T12", "L1", "L2", "L3", "L4", "L5", "S1")
NAMES = {
    "LAT": ("upper_posterior", "upper_anterior", "lower_anterior", "lower_posterior"),
    "AP": ("upper_left", "upper_right", "lower_right", "lower_left"),
}


@pytest.fixture(scope="module")
def spines():
    return make_spines(12, random_state=0)


@pytest.fixture(scope="module")
def population():
    return make_spines(150, random_state=5, image_shape=(32, 32))


def corners(spines, view, level, row):
    """The four corners in pixels, (row, column), in the order of a polygon."""
    marks = spines.corners.query("patient == @spines.groups[@row] and view == @view and level == @level").iloc[0]
    return np.array([[marks[f"{name}_row"], marks[f"{name}_column"]] for name in NAMES[view]]), marks


def masks(spines, view):
    return spines.masks_lateral if view == "LAT" else spines.masks_ap


def heights(spines, level, columns=("anterior_mm", "middle_mm", "posterior_mm")):
    return spines.corners.query("view == 'LAT' and level == @level")[list(columns)].to_numpy()


def test_the_same_seed_gives_the_same_spines():
    first, second = (make_spines(2, random_state=7, image_shape=(96, 72)) for _ in range(2))
    for column in ("ap", "lateral"):
        assert np.array_equal(first.data[column][1].pixels, second.data[column][1].pixels)
    assert np.array_equal(first.masks_lateral[1], second.masks_lateral[1])
    assert first.corners.equals(second.corners)
    assert first.fractures.equals(second.fractures)


def test_a_patient_does_not_depend_on_how_many_there_are():
    few, many = (make_spines(n, random_state=3, image_shape=(96, 72)) for n in (1, 3))
    for column in ("ap", "lateral"):
        assert np.array_equal(few.data[column][0].pixels, many.data[column][0].pixels)
    assert few.data["bmi"][0] == many.data["bmi"][0]


@pytest.mark.parametrize("view", NAMES)
def test_bodies_are_whole_pieces_stacked_from_t12_down_to_s1(spines, view):
    for mask in masks(spines, view):
        rows = [ndimage.center_of_mass(mask == LEVELS.index(level) + 1)[0] for level in DOWNWARDS]
        assert (np.diff(rows) > 15).all()
        for label in range(1, 8):
            body = mask == label
            assert ndimage.label(body, np.ones((3, 3)))[1] == 1  # a corner may end in a pixel of its own
            assert np.array_equal(ndimage.binary_fill_holes(body), body)


@pytest.mark.parametrize(
    ("site", "shape"), [("A", (512, 384)), ("B", (256, 192)), ("C", (192, 144)), ("C", (128, 128)), ("C", (96, 160))]
)
def test_l1_to_l4_never_touch_the_edge_of_the_picture(site, shape):
    spines = make_spines(8, site=site, random_state=11, image_shape=shape)
    for mask in spines.masks_ap + spines.masks_lateral:
        assert set(range(1, 5)) <= set(np.unique(mask))
        edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        assert not np.isin(edge, (1, 2, 3, 4)).any()


@pytest.mark.parametrize("view", NAMES)
def test_corners_span_the_body(spines, view):
    """The bodies lie between their corners: overlap with the polygon of the corners, drawn by another library."""
    from PIL import Image, ImageDraw

    for row, level in enumerate(("L1", "L2", "L3", "L4", "L5", "L1", "L2", "L3", "L4")):
        points, _ = corners(spines, view, level, row)
        mask = masks(spines, view)[row]
        canvas = Image.new("1", mask.shape[::-1])
        ImageDraw.Draw(canvas).polygon([tuple(point) for point in points[:, ::-1] - 0.5], fill=1)
        polygon, body = np.array(canvas), mask == LEVELS.index(level) + 1
        assert (body & ~ndimage.binary_dilation(polygon)).sum() < 0.02 * body.sum()
        assert body.sum() > 0.75 * polygon.sum()


def test_heights_are_those_of_the_corners_and_of_the_mask(spines):
    for row in range(len(spines.data)):
        spacing = spines.data["lateral"][row].spacing[0]
        for level in WHOLE:
            points, marks = corners(spines, "LAT", level, row)
            for edge, name in (((0, 3), "posterior_mm"), ((1, 2), "anterior_mm")):
                assert np.hypot(*(points[edge[0]] - points[edge[1]])) * spacing == pytest.approx(marks[name], rel=1e-6)
            top, bottom = points[:2].mean(axis=0), points[2:].mean(axis=0)
            way = np.linspace(top - 0.2 * (bottom - top), bottom + 0.2 * (bottom - top), 2001)
            inside = masks(spines, "LAT")[row][tuple(way.astype(int).T)] == LEVELS.index(level) + 1
            measured = inside.mean() * 1.4 * np.hypot(*(bottom - top)) * spacing
            assert abs(measured - marks["middle_mm"]) < 1.6 * spacing


def test_both_views_show_the_same_spine(spines):
    """What lies below the first body lies as deep in both views, and as high, within the tilt of the body."""
    for row in range(len(spines.data)):
        steps = []
        for mask in (spines.masks_ap[row], spines.masks_lateral[row]):
            steps.append(np.diff([ndimage.center_of_mass(mask == label)[0] for label in range(1, 6)]))
        assert np.allclose(*steps, atol=4)


def test_the_lordosis_is_human(spines):
    """Between the upper endplates of L1 and S1, 20 to 90 degrees, 40 to 70 on average."""
    angles = []
    for row in range(len(spines.data)):
        tilts = []
        for level in ("L1", "S1"):
            points, _ = corners(spines, "LAT", level, row)
            tilts.append(np.arctan2(*(points[1] - points[0])))
        angles.append(np.degrees(tilts[1] - tilts[0]))
    assert min(angles) > 20
    assert max(angles) < 90
    assert 40 < np.mean(angles) < 70


@pytest.mark.parametrize(("shape", "place"), [("wedge", 0), ("biconcave", 1), ("crush", 2)])
@pytest.mark.parametrize("loss", [0.22, 0.35, 0.5])
def test_a_fracture_takes_the_height_it_claims(shape, place, loss):
    """Against the same patients without a fracture."""
    settings = {"random_state": 4, "image_shape": (64, 48)}
    before = heights(make_spines(3, fractures={}, **settings), "L2")
    broken = make_spines(3, fractures={"L2": ("chronic", shape, loss)}, **settings)
    after = heights(broken, "L2")
    assert 1 - after[:, place] / before[:, place] == pytest.approx(loss)
    lost = 1 - after / before
    assert (lost.max(axis=1) <= loss + 1e-9).all()
    if shape == "crush":
        assert lost == pytest.approx(loss)
    else:
        assert lost[:, 2] == pytest.approx(0)
    assert broken.fractures["before_mm"].to_numpy() == pytest.approx(before[:, 1 if shape == "crush" else place])


@pytest.mark.parametrize(("loss", "grade"), [(0.20, 1), (0.25, 1), (0.26, 2), (0.40, 2), (0.41, 3)])
def test_grades_are_those_of_genant(loss, grade):
    spines = make_spines(1, random_state=0, image_shape=(32, 32), fractures={"L3": ("acute", "wedge", loss)})
    assert spines.fractures["grade"].tolist() == [grade]


def contrast(spines, level, part):
    """Grey values of the upper quarter or the whole of a body above those of the bodies of L2 and L4."""
    values = []
    for radiograph, mask in zip(spines.data["lateral"], spines.masks_lateral, strict=True):
        rows = np.flatnonzero((mask == LEVELS.index(level) + 1).any(axis=1))
        depth = ndimage.distance_transform_edt(mask)
        inner = (mask == LEVELS.index(level) + 1) & (depth > 5)
        if part == "upper":
            inner &= (np.arange(len(mask)) < rows[0] + 0.45 * np.ptp(rows))[:, None]
        others = np.isin(mask, (2, 4)) & (depth > 5)
        values.append(radiograph.pixels[inner].mean() - radiograph.pixels[others].mean())
    return np.array(values)


def test_fractures_show_their_cause():
    """An acute one has a dense band under its endplate, a metastasis eats bone away."""
    settings = {"random_state": 8, "image_shape": (512, 384)}
    made = {
        cause: make_spines(5, fractures={"L3": (cause, "crush", 0.25)}, **settings)
        for cause in ("acute", "chronic", "pathologic")
    }
    upper = {cause: contrast(spines, "L3", "upper").mean() for cause, spines in made.items()}
    whole = {cause: contrast(spines, "L3", "whole").mean() for cause, spines in made.items()}
    assert upper["acute"] > upper["chronic"] + 50
    assert whole["pathologic"] < whole["chronic"] - 20


def texture(pixels, body):
    """Deviation of the fine structure inside a body."""
    inner = ndimage.binary_erosion(body, iterations=7)
    fine = pixels - ndimage.gaussian_filter(pixels, 3)
    return fine[inner].std()


@pytest.mark.parametrize("site", ["A", "B"])
def test_the_texture_inside_the_bodies_shows_the_t_score_more_than_their_brightness(site):
    spines = make_spines(30, site=site, random_state=2, fractures={})
    fine, bright = [], []
    for radiograph, mask in zip(spines.data["lateral"], spines.masks_lateral, strict=True):
        fine.append(np.mean([texture(radiograph.pixels, mask == label) for label in (1, 2, 3, 4)]))
        bright.append(radiograph.pixels[np.isin(mask, (1, 2, 3, 4))].mean())
    shown = stats.spearmanr(fine, spines.t_score).statistic
    assert shown > 0.5
    assert shown > abs(stats.spearmanr(bright, spines.t_score).statistic)


def test_targets_are_thresholds_on_the_t_score(population):
    t_score = population.t_score
    assert np.array_equal(population.target, (t_score <= -2.5).astype(int))
    assert np.array_equal(population.bmd_class, np.select([t_score >= -1, t_score > -2.5], [0, 1], 2))
    assert np.bincount(population.bmd_class).min() > 15
    data = population.data
    assert np.allclose(data["bmi"], data["weight"] / (data["height"] / 100) ** 2, atol=0.051)


def test_frail_and_old_patients_break_more(population):
    broken = np.isin(population.groups, population.fractures["patient"])
    assert 0.1 < broken.mean() < 0.6
    assert stats.mannwhitneyu(population.t_score[broken], population.t_score[~broken], alternative="less").pvalue < 0.01
    age = population.data["age"]
    assert stats.mannwhitneyu(age[broken], age[~broken], alternative="greater").pvalue < 0.05
    assert set(population.fractures["cause"]) == {"acute", "chronic", "pathologic"}
    assert set(population.fractures["shape"]) == {"wedge", "biconcave", "crush"}
    assert population.fractures["loss"].between(0.2, 0.6).all()


def test_pictures_are_whole_grey_values_of_twelve_bits_and_few_are_clipped(spines):
    for column, view in (("ap", "AP"), ("lateral", "LAT")):
        for radiograph in spines.data[column]:
            pixels = radiograph.pixels
            assert radiograph.view == view
            assert np.array_equal(pixels, np.clip(np.rint(pixels), 0, 4095))
            assert (pixels == 4095).mean() < 0.001


def test_there_is_a_row_of_corners_for_each_patient_view_and_level(spines):
    assert len(spines.corners) == 12 * 2 * 7
    assert not spines.corners.duplicated(["patient", "view", "level"]).any()
    assert spines.corners.query("view == 'AP'")["middle_mm"].isna().all()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"site": "Z"}, "sites are A, B, C$"),
        ({"site": "rare"}, "there is no site 'rare'; the sites are A, B, C$"),
        ({"n_patients": 0}, "n_patients is 0; .* at least one patient"),
        ({"n_patients": 1.0}, "n_patients is 1.0; give a whole number"),
        ({"image_shape": (16, 512)}, "at least 32 pixels"),
        ({"image_shape": (128, 96, 1)}, "two whole numbers, rows and columns"),
        ({"image_shape": 128}, "two whole numbers, rows and columns"),
        ({"fractures": {"S1": ("acute", "wedge", 0.3)}}, "levels are T12"),
        ({"fractures": {"L1": ("old", "wedge", 0.3)}}, "causes acute"),
        ({"fractures": {"L1": ("acute", "flat", 0.3)}}, "shapes wedge"),
        ({"fractures": {"L1": ("acute", "crush", 0.9)}}, "up to 0.7 of the height"),
        ({"fractures": {"L1": ("acute", "crush", float("nan"))}}, "up to 0.7 of the height"),
        ({"fractures": {"L1": ("acute", "wedge")}}, "a cause, a shape and a loss"),
        ({"fractures": {"L1": ("acute", "wedge", "x")}}, "a cause, a shape and a loss"),
        ({"fractures": {"L1": ("acute", ["wedge"], 0.3)}}, "a cause, a shape and a loss"),
        ({"fractures": {"L1": "acu"}}, "a cause, a shape and a loss"),
        ({"fractures": {"L1": None}}, "a cause, a shape and a loss"),
        ({"fractures": {1: ("acute", "wedge", 0.3)}}, "levels are T12"),
        ({"fractures": ["L1"]}, "fractures is a list; give a dict"),
    ],
)
def test_what_cannot_be_simulated_is_said(wrong, reason):
    with pytest.raises(InputError, match=reason):
        make_spines(**{"random_state": 0, "n_patients": 1, "image_shape": (64, 48), **wrong})
