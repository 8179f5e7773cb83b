"""Boxes on femora: against the simulation's truth, and the laws of mirror, rotation and scale."""

import numpy as np
import pytest
from contourpy import contour_generator
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from deepradiomics.box import fraction_inside, mirror_box
from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.regions import FemurRegions, femur_geometry, place_femur_boxes
from deepradiomics.regions._outline import _equally_spaced, _largest_line
from deepradiomics.simulation import make_hips

SIDES = [("left", 1, "L"), ("right", 2, "R")]
ALIGNED = ("neck", "cortex", "ward", "trochanter")


@pytest.fixture(scope="module")
def hips():
    return make_hips(25, random_state=11)


def femora(hips):
    for row, mask in enumerate(hips.masks):
        for name, label, side in SIDES:
            yield row, name, side, mask == label, hips.data["radiograph"][row].spacing


def test_landmarks_agree_with_the_truth(hips):
    errors, angles = [], []
    for row, name, side, mask, spacing in femora(hips):
        found, truth = femur_geometry(mask, spacing, laterality=side), hips.landmarks.iloc[row]
        head = np.subtract(found.head_centre, (truth[f"{name}_head_row"], truth[f"{name}_head_column"]))
        neck = np.subtract(found.neck_centre, (truth[f"{name}_neck_row"], truth[f"{name}_neck_column"]))
        errors.append([np.hypot(*head) * spacing[0], np.hypot(*neck) * spacing[0]])
        assert abs(found.head_radius * spacing[0] - truth[f"{name}_head_radius_mm"]) < 0.8  # heads are no spheres
        assert abs(found.neck_width * spacing[0] - truth[f"{name}_neck_width_mm"]) < 2
        angles.append(abs(found.neck_shaft_angle - truth[f"{name}_neck_shaft_angle"]))
        assert found.flags in ((), ("unusual_angle",))
    assert np.median(errors, axis=0) == pytest.approx([0, 0], abs=1)
    assert np.quantile(errors, 0.95, axis=0) == pytest.approx([0, 0], abs=3)
    assert np.median(angles) < 2
    assert np.quantile(angles, 0.9) < 4


def test_aligned_boxes_lie_in_the_bone(hips):
    for _, _, side, mask, spacing in femora(hips):
        boxes = place_femur_boxes(mask, spacing, laterality=side)
        assert list(boxes) == ["femur", "neck", "cortex", "ward", "trochanter"]
        assert min(fraction_inside(boxes[name], mask) for name in ALIGNED) >= 0.95


def test_boxes_stand_where_they_are_named(hips):
    """In a left femur: neck between head and trochanter; cortex medial and lowest; all inside the box of the femur."""
    for _, _, side, mask, spacing in femora(hips):
        if side == "R":
            mask = mask[:, ::-1]
        boxes = {name: box.centre for name, box in place_femur_boxes(mask, spacing, laterality="L").items()}
        head = femur_geometry(mask, spacing, laterality="L").head_centre
        assert head[1] < boxes["neck"][1] < boxes["ward"][1] < boxes["trochanter"][1]
        assert head[0] < boxes["neck"][0] < boxes["ward"][0] < boxes["cortex"][0]
        axis = mask[int(boxes["cortex"][0])]
        assert boxes["cortex"][1] < np.flatnonzero(axis).mean()


def test_boxes_of_the_mirrored_mask_are_the_mirrored_boxes(hips):
    for _, _, side, mask, spacing in femora(hips):
        there = place_femur_boxes(mask, spacing, laterality=side)
        back = place_femur_boxes(mask[:, ::-1], spacing, laterality="R" if side == "L" else "L")
        for name, box in there.items():
            np.testing.assert_allclose(mirror_box(back[name], mask.shape[1]).corners, box.corners, atol=1e-6)


@pytest.mark.parametrize("degrees", [-15, -8, 8, 15])
@pytest.mark.parametrize("row", [0, 3])
def test_rotation_turns_the_boxes_along(hips, degrees, row):
    """Centres move with the bone by less than 3 mm, angles by less than 3 degrees."""
    mask, spacing = hips.masks[row] == 1, hips.data["radiograph"][row].spacing
    middle, angle = np.array(mask.shape) / 2, np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = ndimage.rotate(np.pad(mask, 80).astype(float), degrees, reshape=False, order=1) > 0.5
    # The cut end of the shaft has become oblique; the picture ends above it.
    cut = np.column_stack([np.full(2, mask.shape[0]), np.flatnonzero(mask[-1])[[0, -1]]])
    lowest = (middle + (cut - middle) @ turn.T)[:, 0].min()
    before, after = (
        place_femur_boxes(mask, spacing, laterality="L"),
        place_femur_boxes(turned[: int(lowest) + 80], spacing, laterality="L"),
    )
    for name in ALIGNED:
        # A real lesser trochanter runs out slowly, so the box of the cortex slides along the shaft.
        moved = middle + turn @ (np.array(before[name].centre) - middle) + 80
        assert np.hypot(*(moved - after[name].centre)) * spacing[0] < (4 if name == "cortex" else 3), name
        assert abs((after[name].angle - before[name].angle - degrees + 90) % 180 - 90) < 3, name


def test_boxes_scale_with_the_picture(hips):
    mask = hips.masks[1] == 1
    small, large = (
        place_femur_boxes(mask, laterality="L"),
        place_femur_boxes(np.kron(mask, np.ones((2, 2), dtype=bool)), laterality="L"),
    )
    for name in ALIGNED:
        assert np.hypot(*(np.array(large[name].centre) / 2 - small[name].centre)) < 2.5
        assert large[name].width == pytest.approx(2 * small[name].width, rel=0.08)


def test_without_spacing_sizes_follow_the_head(hips):
    mask, spacing = hips.masks[2] == 1, hips.data["radiograph"][2].spacing
    known, unknown = place_femur_boxes(mask, spacing, laterality="L"), place_femur_boxes(mask, None, laterality="L")
    ratio = 2 * hips.landmarks["left_head_radius_mm"][2] / 47
    assert unknown["ward"].width == pytest.approx(known["ward"].width * ratio, rel=0.02)


def test_flags(hips):
    mask = hips.masks[0] == 1
    mask[5:35, 5:35] = True
    assert "two_components" in femur_geometry(mask, laterality="L").flags
    head = int(hips.landmarks["left_head_row"][0] - hips.landmarks["left_head_radius_mm"][0] * 0.9 / 0.72)
    assert "touches_border" in femur_geometry((hips.masks[0] == 1)[head:], laterality="L").flags


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 2.0, 5.0, 12.0]), st.floats(-1, 2), st.sampled_from("LR"))
def test_blobs_and_noise_end_in_our_error_or_a_flag(seed, scale, level, side):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(120, 90)), scale)
    mask = noise > level * noise.std()
    try:
        geometry = femur_geometry(mask, laterality=side)
        place_femur_boxes(mask, laterality=side)
    except RegionError as error:
        assert error.code
    else:
        assert geometry.flags or geometry.confidence < 0.9


@pytest.mark.parametrize(
    "keep", [(slice(0, 150), slice(None)), (slice(230, None), slice(None)), (slice(None), slice(430, None))]
)
def test_a_femur_cut_by_the_border_is_refused_or_flagged(hips, keep):
    mask = (hips.masks[0] == 1)[keep]
    try:
        assert femur_geometry(mask, laterality="L").flags
        place_femur_boxes(mask, laterality="L")
    except RegionError as error:
        assert error.code


def test_the_wrong_side_is_refused_or_below_what_is_taken(hips):
    refused = 0
    for _, _, side, mask, _ in femora(hips):
        try:
            boxes = place_femur_boxes(mask, laterality="L" if side == "R" else "R")
        except RegionError:
            refused += 1
        else:
            assert boxes.confidence < FemurRegions().min_confidence
    assert refused > 20


@pytest.mark.parametrize(
    ("mask", "keywords", "message"),
    [
        (np.zeros((50, 50), dtype=bool), {}, "no pixel"),
        (np.ones((10, 10), dtype=bool), {}, "100 pixels"),
        (np.ones((50, 50)), {}, "bool array"),
        (np.ones((50, 50), dtype=bool), {"laterality": "left"}, "laterality is"),
        (np.ones((50, 50), dtype=bool), {"spacing": (0.1, 0.2)}, "not square"),
    ],
)
def test_masks_that_cannot_be_used(mask, keywords, message):
    with pytest.raises((InputError, RegionError), match=message):
        place_femur_boxes(mask, **keywords)


@pytest.mark.slow
def test_every_box_of_500_femora_lies_in_the_bone():
    """All three sites; the middle of the neck's box stays within 3 mm of the line through head and neck."""
    inside, errors = [], []
    for site, n in (("A", 84), ("B", 83), ("C", 83)):
        hips = make_hips(n, site=site, random_state=100, image_shape=(384, 384))
        for row, name, side, mask, spacing in femora(hips):
            boxes = place_femur_boxes(mask, spacing, laterality=side)
            inside += [fraction_inside(boxes[box], mask) for box in ALIGNED]
            truth = hips.landmarks.iloc[row]
            head, neck = (
                np.array([truth[f"{name}_{point}_row"], truth[f"{name}_{point}_column"]]) for point in ("head", "neck")
            )
            axis = (neck - head) / np.hypot(*(neck - head))
            errors.append(abs((boxes["neck"].centre - head) @ [-axis[1], axis[0]]) * spacing[0])
    assert len(errors) == 500
    assert min(inside) >= 0.95
    assert max(errors) < 3


@pytest.mark.parametrize(("side", "smoothness"), [(1, 0), *((side, by) for side in (1, 2, 3) for by in (0.6, 1.5, 3))])
def test_the_largest_outline_is_that_of_contourpy(side, smoothness):
    """Of ways round a few blocks of pixels some are not followed: a pixel a block tells where to begin."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(48 * side - 1, 38 * side)), smoothness * side)
    mask = np.lib.stride_tricks.as_strided(noise > 0.1 * noise.std(), writeable=False)
    shares = np.pad(np.pad(mask, ((0, 1), (0, 0))).reshape(48, side, 38, side).mean(axis=(1, 3)), 1)
    lines = contour_generator(z=shares, name="serial").lines(0.5)
    areas = np.array([(line[:-1, 0] @ line[1:, 1] - line[1:, 0] @ line[:-1, 1]) / 2 for line in lines])
    largest, found = _largest_line(mask, side)
    small = 0 if side == 1 else 9
    np.testing.assert_allclose(np.sort(found[abs(found) > small]), np.sort(areas[abs(areas) > small]), atol=1e-9)
    # Both ways begin somewhere else.
    expected = lines[np.argmax(areas)][:-1, ::-1]
    begin = np.abs(expected - largest[0]).sum(axis=1).argmin()
    np.testing.assert_allclose(largest, np.roll(expected, -begin, axis=0), atol=1e-12)


@pytest.mark.parametrize("mask", [np.eye(900, dtype=bool), np.arange(1000)[:, None] % 5 + np.zeros(800) == 0])
def test_what_is_thinner_than_the_outline_is_no_bone(mask):
    with pytest.raises(RegionError, match="thinner than a millimetre"):
        place_femur_boxes(mask, (0.1, 0.1))


@pytest.mark.parametrize("offset", range(4))
def test_an_enlarged_mask_has_the_boxes_of_the_mask_wherever_it_lies(hips, offset):
    """Each block of pixels has the parity of its neighbours: an edge may lie in the middle of all of them."""
    mask, spacing = hips.masks[0] == 1, np.array(hips.data["radiograph"][0].spacing)
    wanted = place_femur_boxes(mask, spacing, laterality="L")["neck"]
    enlarged = np.pad(np.kron(mask, np.ones((4, 4), dtype=bool)), ((offset, 0), (0, 0)))
    found = place_femur_boxes(enlarged, spacing / 4, laterality="L")["neck"]
    where = np.array([found.centre[0] - offset - 1.5, found.centre[1] - 1.5]) / 4
    assert where == pytest.approx(wanted.centre, abs=0.5 / spacing[0])


@pytest.mark.parametrize("radius", [100, 150])
def test_a_disk_has_no_head_of_its_own(radius):
    rows, columns = np.ogrid[:400, :400]
    with pytest.raises(RegionError) as caught:
        place_femur_boxes((rows - 200) ** 2 + (columns - 200) ** 2 < radius**2, laterality="L")
    assert caught.value.code == "no_head"


def test_points_of_the_outline_are_those_of_numpy_and_scipy():
    angle = np.linspace(0, 2 * np.pi, 181)[:-1]
    line = np.column_stack([40 * np.sin(angle), 70 * np.cos(angle)]) + np.random.default_rng(0).normal(size=(180, 2))
    closed = np.vstack([line, line[:1]])
    way = np.append(0.0, np.cumsum(np.hypot(*np.diff(closed, axis=0).T)))
    wanted = np.arange(int(way[-1] / 0.7)) * way[-1] / int(way[-1] / 0.7)
    points = np.column_stack([np.interp(wanted, way, closed[:, axis]) for axis in (0, 1)])
    smooth = ndimage.gaussian_filter1d(points, 1.5, axis=0, mode="wrap")
    np.testing.assert_allclose(_equally_spaced(line, 0.7), smooth, rtol=0, atol=1e-9)
