"""Simulated hips: the truth they come with is true, and the T-score is in the image."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats

from deepradiomics.exceptions import InputError
from deepradiomics.simulation import make_hips
from deepradiomics.simulation.bone import femur_bone
from deepradiomics.simulation.pelvic import soft_tissue
from deepradiomics.simulation.projection import SITES, attenuation
from deepradiomics.simulation.rarities import finish, operate
from deepradiomics.simulation.rays import Beam
from deepradiomics.simulation.skeleton import draw_skeleton

RARITIES = {name for name, value in vars(SITES["A"]).items() if value == 0}


@pytest.fixture(scope="module")
def hips():
    return make_hips(40, random_state=0, image_shape=(256, 256))


@pytest.fixture(scope="module")
def population():
    return make_hips(400, random_state=1, image_shape=(32, 32))


def test_the_same_seed_gives_the_same_hips():
    first, second = (make_hips(2, random_state=7, image_shape=(128, 128)) for _ in range(2))
    assert np.array_equal(first.data["radiograph"][1].pixels, second.data["radiograph"][1].pixels)
    assert np.array_equal(first.masks[1], second.masks[1])
    assert first.landmarks.equals(second.landmarks)


def test_a_patient_does_not_depend_on_how_many_there_are():
    few, many = (
        make_hips(1, random_state=3, image_shape=(128, 128)),
        make_hips(3, random_state=3, image_shape=(128, 128)),
    )
    assert np.array_equal(few.data["radiograph"][0].pixels, many.data["radiograph"][0].pixels)


def test_left_femur_lies_in_the_right_half_of_the_picture(hips):
    for mask in hips.masks:
        left, right = (ndimage.center_of_mass(mask == label)[1] for label in (1, 2))
        assert right < mask.shape[1] / 2 < left
        assert set(np.unique(mask)) == {0, 1, 2}


@pytest.mark.parametrize("label", [1, 2])
def test_a_femur_is_one_piece_without_holes(hips, label):
    for mask in hips.masks:
        bone = mask == label
        assert ndimage.label(bone)[1] == 1
        assert np.array_equal(ndimage.binary_fill_holes(bone), bone)


@pytest.mark.parametrize(("side", "label"), [("left", 1), ("right", 2)])
def test_the_head_is_a_circle_of_the_stated_radius(hips, side, label):
    """From its centre towards the midline the bone ends at the radius, within a pixel."""
    for row in range(10):
        marks, spacing = hips.landmarks.iloc[row], hips.data["radiograph"][row].spacing[0]
        y, x = marks[f"{side}_head_row"], marks[f"{side}_head_column"]
        inwards = -1 if side == "left" else 1
        line = hips.masks[row][int(y), ::inwards][int(x) if inwards == 1 else hips.masks[row].shape[1] - int(x) :]
        reach = np.argmax(line != label)
        assert abs(reach - marks[f"{side}_head_radius_mm"] / spacing) < 2


@pytest.mark.parametrize(("side", "label"), [("left", 1), ("right", 2)])
def test_the_neck_is_as_wide_as_stated(hips, side, label):
    """The inscribed circle at the neck's centre has the diameter of the neck, within two pixels."""
    for row in range(10):
        marks, spacing = hips.landmarks.iloc[row], hips.data["radiograph"][row].spacing[0]
        inside = ndimage.distance_transform_edt(hips.masks[row] == label)
        radius = inside[int(marks[f"{side}_neck_row"]), int(marks[f"{side}_neck_column"])]
        assert abs(2 * radius - marks[f"{side}_neck_width_mm"] / spacing) < 2.5


def test_target_is_the_threshold_on_the_t_score(population):
    assert np.array_equal(population.target, (population.t_score <= -2.5).astype(int))
    assert 0.15 < population.target.mean() < 0.45


def test_clinical_covariates_explain_a_part_of_the_t_score(population):
    data = population.data
    X = np.column_stack([np.ones(400), data["age"], data["weight"], data["sex"] == "M"]).astype(float)
    coefficients, residual, *_ = np.linalg.lstsq(X, population.t_score, rcond=None)
    assert coefficients[1] < 0 < coefficients[2]
    assert abs(np.sqrt(residual[0] / 396) - 0.85) < 0.1


@pytest.mark.parametrize("site", "ABC")
def test_the_shaft_cortex_shows_the_t_score_and_brightness_alone_does_not(site):
    hips = make_hips(50, site=site, random_state=2)
    contrast, brightness = [], []
    for radiograph, mask in zip(hips.data["radiograph"], hips.masks, strict=True):
        pixels, bone = radiograph.pixels[-150:], mask[-150:] == 1
        depth = ndimage.distance_transform_edt(bone)
        edge, canal = (depth > 3) & (depth < 6), depth > 14
        beside = ndimage.binary_dilation(bone, iterations=12) & ~ndimage.binary_dilation(bone, iterations=5)
        # Where the ray runs along the wall, against where it only crosses it twice: thin walls differ more.
        whole = pixels[edge].mean() - pixels[beside].mean()
        contrast.append((pixels[canal].mean() - pixels[beside].mean()) / whole)
        brightness.append(pixels[bone].mean())
    shown = stats.spearmanr(contrast, hips.t_score).statistic
    assert abs(shown) > 0.5
    assert abs(stats.spearmanr(brightness, hips.t_score).statistic) < abs(shown)


def test_sites_differ():
    a, b = (make_hips(1, site=site, random_state=0, image_shape=(128, 128)).data["radiograph"][0] for site in "AB")
    assert a.spacing != b.spacing
    assert attenuation(SITES["A"].kilovolts) > attenuation(SITES["B"].kilovolts)


def test_grey_values_are_twelve_bits(hips):
    pixels = hips.data["radiograph"][0].pixels
    assert pixels.min() >= 0
    assert pixels.max() <= 4095
    assert np.array_equal(pixels, np.rint(pixels))


@pytest.mark.parametrize("site", "ABC")
@pytest.mark.parametrize("shape", [(384, 256), (256, 512), (300, 400), (96, 80), (32, 512)])
def test_the_field_of_view_stays_in_a_narrow_picture(site, shape):
    spacing = make_hips(1, site=site, random_state=0, image_shape=shape).data["radiograph"][0].spacing
    assert min(shape) * spacing[0] == min(shape) * spacing[1] == pytest.approx(512 * SITES[site].spacing)


@pytest.mark.parametrize(("shape", "part"), [((144, 96), np.s_[19:115]), ((96, 192), np.s_[:, 48:144])])
def test_a_narrow_picture_shows_the_femora_of_the_square_one_and_more(shape, part):
    """The picture's middle lies 0.4 down and half across; the rest is context."""
    square, narrow = (make_hips(3, random_state=4, image_shape=size) for size in ((96, 96), shape))
    for one, other in zip(square.masks, narrow.masks, strict=True):
        both = np.stack([one, other[part]])
        assert (both[0] == both[1]).mean() > 0.97  # 0.4 * 96 is no whole row
        for label in (1, 2):
            assert (other == label).sum() >= 0.99 * (one == label).sum()
            assert not (other[:, [0, -1]] == label).any()
            assert not (other[0] == label).any()


def test_men_alone_have_a_scrotum():
    skeleton, beam = draw_skeleton(np.random.default_rng(4)), Beam((128, 128), 3.0, (-192.0, 192.0), (0, -1000.0, 0))
    for seed in range(8):
        woman, man = (soft_tissue(beam, skeleton, 62.0, sex, np.random.default_rng(seed)) for sex in "FM")
        more = man - woman
        row, column = ndimage.center_of_mass(more)
        assert 18 <= more.max() <= 56  # mm, with fine texture
        assert abs(column - 63.5) < 1
        assert row > beam.pixel(skeleton.pelvis)[:, 0].max()  # the lowest point of the pelvis
        assert (more > 1).sum() * 9 == pytest.approx(np.pi * 30 * 42, rel=0.15)  # mm2


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"site": "Z"}, "sites are A, B, C, rare"),
        ({"site": None}, "sites are A, B, C, rare"),
        ({"site": ["A"]}, "sites are A, B, C, rare"),
        ({"n_patients": 0}, "n_patients is 0; .* at least one patient"),
        ({"n_patients": 2.0}, "n_patients is 2.0; give a whole number"),
        ({"n_patients": "2"}, "n_patients is of type str"),
        ({"n_patients": True}, "n_patients is True"),
        ({"image_shape": (16, 512)}, r"image_shape is \(16, 512\); .* at least 32 pixels"),
        ({"image_shape": (128,)}, "two whole numbers, rows and columns"),
        ({"image_shape": 128}, "two whole numbers, rows and columns"),
        ({"image_shape": (128, 128, 1)}, "two whole numbers, rows and columns"),
        ({"image_shape": (64.5, 64)}, "two whole numbers, rows and columns"),
        ({"image_shape": ("a", 64)}, "two whole numbers, rows and columns"),
        ({"image_shape": (512, 32)}, "512 x 32; .* at most 48 rows, or at least 342 columns"),
        ({"random_state": "x"}, "random_state is of type str, which is no seed"),
        ({"random_state": -1}, "random_state is -1, which is no seed"),
    ],
)
def test_what_cannot_be_simulated_is_said(wrong, reason):
    with pytest.raises(InputError, match=reason):
        make_hips(**{"n_patients": 1, "random_state": 0, "image_shape": (64, 64), **wrong})


@pytest.mark.parametrize("shape", [[64, 48], np.array([64, 48]), (np.int64(64), np.int64(48))])
def test_rows_and_columns_come_in_any_sequence_of_whole_numbers(shape):
    assert make_hips(np.int64(1), random_state=0, image_shape=shape).masks[0].shape == (64, 48)


@pytest.fixture(scope="module")
def femur_and_plane():
    femur = draw_skeleton(np.random.default_rng(0)).femora["left"]
    beam = Beam((220, 160), 1.0, (30.0, 60.0), (0.0, -1000.0, 0.0))
    bone, outer = femur_bone(beam, femur, np.random.default_rng(0))
    return femur, (beam.flat, np.arange(30.5, 190)[None], np.arange(-59.5, 160)[:, None]), bone, outer > 0


@pytest.mark.parametrize("kind", ["prosthesis", "nail", "screws"])
def test_metal_is_outlined_as_nothing(femur_and_plane, kind):
    """Where metal lies nothing is outlined, the rest keeps its outline; a sawn-off head is bone no more."""
    femur, plane, bone, whole = femur_and_plane
    mask, left = whole.astype(np.uint8), bone.copy()
    metal = operate(left, mask, femur, 1, plane, kind, np.random.default_rng(0))
    assert (metal > 7).sum() > 500
    assert metal.max() < 7 * 62  # no thicker than a large head and its cup
    assert not mask[metal > 7].any()
    assert not (mask.astype(bool) & ~whole).any()
    head = plane[0](femur.head[0][None])[0]
    near = np.hypot(plane[1] - head[0], plane[2] + head[1]) < 12
    if kind == "prosthesis":
        assert not mask[near].any()
        assert left[near].max() < 0.01
    else:
        assert mask[np.hypot(plane[1] - head[0], plane[2] + head[1]) < 20].mean() > 0.4
        assert np.array_equal(left, bone)
    assert mask[whole & (metal == 0)].mean() > (0.5 if kind == "prosthesis" else 0.999)


def test_nothing_is_outlined_outside_the_collimation():
    picture, mask = np.full((200, 240), 900, np.float32), np.ones((200, 240), np.uint8)
    finish(picture, mask, 1.0, replace(SITES["A"], collimated=1.0), np.random.default_rng(0))
    assert 0.5 < mask.mean() < 0.97
    assert (picture[mask > 0] > 440).all()
    assert (np.abs(picture[mask == 0] - 900) > 1).all()


def test_rarities_are_drawn_at_their_site_only():
    assert {"metal", "frog", "clips", "one_hip", "collimated"} < RARITIES
    assert all(getattr(SITES[site], name) == 0 for site in "BC" for name in RARITIES)
    assert all(getattr(SITES["rare"], name) > 0 for name in RARITIES)
    rare = make_hips(12, site="rare", random_state=0, image_shape=(96, 112))
    assert {mask.dtype for mask in rare.masks} == {np.dtype(np.uint8)}
    assert len({radiograph.spacing for radiograph in rare.data["radiograph"]}) > 1
    again = make_hips(12, site="rare", random_state=0, image_shape=(96, 112))
    assert np.array_equal(rare.data["radiograph"][11].pixels, again.data["radiograph"][11].pixels)
