"""Decisions back in the table, their refusals, and the agreement of two reviewers."""

import json

import numpy as np
import pandas as pd
import pytest

import deepradiomics as dr
from deepradiomics.exceptions import InputError
from deepradiomics.review._cases import Case, fingerprint, judge, polygons_of, read_case
from deepradiomics.simulation import make_hips


@pytest.fixture(scope="module")
def hips():
    found = make_hips(3, random_state=0)
    table = found.data.assign(mask=found.masks)
    return table.assign(boxes=dr.FemurRegions(mask="mask", on_error="skip").place(table))


def export(path, table, cases):
    known = [
        {"row": row, "image": fingerprint(table["radiograph"].iloc[row]), "reason": "", "outlines": {}, "boxes": {}}
        | case
        for row, case in cases.items()
    ]
    content = {"schema": "deepradiomics.review", "version": 1, "labels": ["left", "right"], "cases": known}
    path.write_text(json.dumps(content))
    return path


def test_boxes_given_back_cut_the_same_regions(hips):
    placed = dr.FemurRegions(mask="mask").transform(hips)
    given = dr.FemurRegions(mask="mask", boxes="boxes").transform(hips)
    for name in ("left_neck", "right_neck", "right_femur"):
        for one, other in zip(placed[name], given[name], strict=True):
            np.testing.assert_array_equal(one.pixels, other.pixels)
            np.testing.assert_array_equal(one.mask, other.mask)
    # Without an outline all of a box is measured.
    alone = dr.FemurRegions(boxes="boxes").transform(hips)["right_neck"][0]
    box = hips["boxes"][0]["right_neck"]
    assert alone.mask.sum() == pytest.approx(box.height * box.width, rel=0.03)


def test_boxes_that_are_none_of_a_femur_are_refused(hips):
    wrong = hips.assign(boxes=[{"left_nek": dr.Box(1, 1, 5, 5)}] * 3)
    with pytest.raises(InputError, match=r"row 0, column 'boxes' has 'left_nek'"):
        dr.FemurRegions(boxes="boxes").transform(wrong)


def test_a_rejected_row_is_written_down_and_raises_nothing(hips, tmp_path):
    path = export(tmp_path / "r.json", hips, {1: {"decision": "reject", "reason": "metal"}})
    done = dr.review.apply(hips, path)
    regions = dr.FemurRegions(mask="mask", rejected="rejected")
    cut = regions.transform(done)
    assert cut["left_neck"].isna().tolist() == [False, True, False]
    assert regions.failures_.to_numpy().tolist() == [[1, "all", "rejected", "metal"]]
    spine = dr.VertebraRegions(levels=("left_neck",), rejected="rejected")
    assert spine.transform(done)["left_neck"].isna().tolist() == [False, True, False]
    # Who does not pass the column on is told by the missing mask.
    with pytest.raises(InputError, match="row 1"):
        dr.FemurRegions(mask="mask").transform(done)


def test_decisions_of_other_images_are_refused(hips, tmp_path):
    path = export(tmp_path / "r.json", hips, {0: {"decision": "accept"}})
    with pytest.raises(InputError, match="another image"):
        dr.review.apply(hips.iloc[::-1], path)
    with pytest.raises(InputError, match="another image"):
        dr.review.apply(hips.iloc[:0], path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": "deepradiomics.review", "version": 2, "labels": [], "cases": []}']
)
def test_what_is_no_export_is_refused(hips, tmp_path, text):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(InputError, match="holds no decisions"):
        dr.review.apply(hips, path)


def test_agreement_by_hand(tmp_path):
    pictures = [dr.Radiograph(np.full((20, 20), value), spacing=(0.5, 0.5)) for value in range(4)]
    table = pd.DataFrame({"radiograph": pictures})

    def outline(left):
        return {"left": [[[left, 0], [left + 10, 0], [left + 10, 10], [left, 10]]]}

    def box(left):
        return {"neck": {"top": 2, "left": left, "height": 4, "width": 6, "angle": 0}}

    first = {0: {"decision": "accept", "outlines": outline(0), "boxes": box(1)}, 1: {"decision": "accept"}}
    second = {0: {"decision": "accept", "outlines": outline(5), "boxes": box(5)}, 1: {"decision": "flag"}}
    both = {row: {"decision": word} for row, word in ((2, "reject"), (3, "accept"))}
    found = dr.review.agreement(
        table, export(tmp_path / "a.json", table, first | both), export(tmp_path / "b.json", table, second | both)
    )
    # Three of four alike; accepted by 3/4 and 2/4: chance 0.5, kappa (0.75 - 0.5) / (1 - 0.5).
    assert found.kappa.estimate == pytest.approx(0.5)
    assert found.decisions.to_numpy().tolist() == [[2, 1], [0, 1]]
    assert found.unit == "mm"
    pair = found.table.set_index("what")
    assert pair.loc["left", "dice"] == pytest.approx(0.5)
    assert pair.loc["neck", "distance"] == pytest.approx(2.0)


def test_polygons_are_few_and_true(hips):
    from deepradiomics.annotations._checks import inside
    from deepradiomics.metrics.overlap import dice

    mask = hips["mask"][0] == 1
    (polygon,) = polygons_of(mask)
    assert 15 < len(polygon) < 160
    assert dice(inside(np.array(polygon)[:, ::-1], mask.shape), mask) > 0.99


def test_a_measure_beyond_the_cohort_raises_doubt():
    def case(row, angle, right):
        return Case(row, "", (9, 9), None, {}, {}, measures={"left angle (°)": angle, "right angle (°)": right})

    cases = [case(row, 125 + row, 126 + row % 3) for row in range(7)] + [case(7, 170, 126)]
    judge(cases)
    assert cases[7].flags == ["outlying left angle", "outlying left-right angle"]
    assert cases[7].doubt > 0.9 > max(one.doubt for one in cases[:7])


def test_a_page_of_nothing_and_of_missing_columns_is_refused(hips, tmp_path):
    with pytest.raises(InputError, match="lacks the columns"):
        dr.review(hips, masks="outline", output=tmp_path / "r.html")
    with pytest.raises(InputError, match="no row has an image"):
        dr.review(hips.assign(radiograph=None), output=tmp_path / "r.html")
    with pytest.raises(InputError, match="row 0: the mask has shape"):
        dr.review(hips, masks=[np.ones((3, 3), int)] * 3, output=tmp_path / "r.html")
    with pytest.raises(InputError, match="a name twice"):
        dr.review(hips.assign(n="x"), names="n", output=tmp_path / "r.html")


@pytest.mark.parametrize("labels", [["2", "1"], [1, 2]])
def test_labels_that_a_browser_would_order_are_refused(hips, tmp_path, labels):
    with pytest.raises(InputError, match=f"the label {labels[0]!r} is a number"):
        dr.review(hips, masks="mask", labels=labels, output=tmp_path / "page.html")


def test_an_output_that_is_in_the_way_is_refused(hips, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "pictures").write_text("mine")
    for name in ("file", "folder.html", "half"):
        with pytest.raises(InputError) as caught:
            dr.review(hips, output=tmp_path / name)
        assert caught.value.code == "output"


@pytest.mark.parametrize("given", ["high", 1.5, -0.1, np.inf])
def test_a_confidence_is_from_0_to_1(hips, tmp_path, given):
    table = hips.assign(sure=pd.Series([0.5, given, None], dtype=object))
    with pytest.raises(InputError, match="row 1, column 'sure'"):
        dr.review(table, confidence="sure", output=tmp_path / "r.html")


@pytest.mark.parametrize(
    "change", [{"top": "a"}, {"top": None}, {"height": -1}, {"height": float("nan")}, {"size": 1}, None]
)
def test_a_box_that_was_edited_into_none_is_refused(hips, tmp_path, change):
    box = None if change is None else {"top": 2, "left": 1, "height": 4, "width": 6, "angle": 0} | change
    path = export(tmp_path / "r.json", hips, {0: {"decision": "accept", "boxes": {"left_neck": box}}})
    with pytest.raises(InputError, match="row 0: box 'left_neck'"):
        dr.review.apply(hips, path)


def test_no_path_reaches_the_page(tmp_path):
    from PIL import Image

    path = tmp_path / "Doe_Jane_19500101.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40), dtype=np.uint8)).save(path)
    page = dr.review(
        pd.DataFrame({"radiograph": [str(path)], "visit": ["Doe-1"]}), group="visit", output=tmp_path / "r.html"
    )
    assert "Doe" not in page.read_text()


def test_a_bool_mask_is_of_the_side_of_its_radiograph(tmp_path):
    mask = np.zeros((20, 20), dtype=bool)
    mask[5:15, 5:15] = True
    for side, name in (("L", "left"), ("R", "right")):
        picture = dr.Radiograph(np.eye(20), laterality=side)
        assert list(read_case(0, picture, mask, None, ["left", "right"])[0].outlines) == [name]
        table = pd.DataFrame({"radiograph": [picture], "mask": [mask]})
        square = [[0, 0], [3, 0], [3, 3], [0, 3]]
        path = export(tmp_path / "a.json", table, {0: {"decision": "accept", "outlines": {name: [square]}}})
        codes = dr.review.apply(table, path)["mask"][0]
        assert codes.sum() == 9 * (1 + (side == "R"))
        as_it_was = export(tmp_path / "b.json", table, {0: {"decision": "accept"}})
        assert dr.review.agreement(table, as_it_was, as_it_was).table["what"].tolist() == [name]
    table["radiograph"] = [dr.Radiograph(np.eye(20))]
    with pytest.raises(InputError, match="row 0: the mask is bool"):
        dr.review(table, masks="mask", output=tmp_path / "r.html")
