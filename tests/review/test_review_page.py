"""The page in a real browser: decisions, corrections, and their way back into the table, to the pixel."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import deepradiomics as dr
from deepradiomics.annotations import read_coco, read_coco_masks
from deepradiomics.reading import read_label_map
from deepradiomics.simulation import make_hips

PELVIS = Path(__file__).parents[3] / "shared/data/pelvis"


@pytest.fixture(scope="module")
def table():
    hips = make_hips(3, random_state=0)
    table = hips.data.assign(mask=hips.masks, site=["A", "A", "B"], flags=["metal", None, "metal, inverted"])
    return table.assign(boxes=dr.FemurRegions(mask="mask", on_error="skip").place(table))


@pytest.fixture(scope="module")
def page_file(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "review.html"
    return dr.review(table, masks="mask", regions="boxes", site="site", flags="flags", output=path)


def export(page, button, path):
    with page.expect_download() as download:
        page.click(button)
    download.value.save_as(path)
    return json.loads(path.read_text())


def open_row(page, row):
    page.evaluate(f"Review.view.open(Review.store.data.cases.findIndex((one) => one.row === {row}))")


def drag(page, start, end):
    """Drag from one place of the image to another; both are (column, row) in its pixels."""
    (x0, y0), (x1, y1) = (page.evaluate(f"Review.view.panes[0].toScreen({list(point)})") for point in (start, end))
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2)
    page.mouse.move(x1, y1)
    page.mouse.up()


def corrected(page, table, row):
    """Drag a box and a vertex of this one, and draw an outline; what was done, in pixels."""
    open_row(page, row)
    page.keyboard.press("e")
    box = table["boxes"].iloc[row]["left_neck"]
    centre = box.centre[::-1]
    drag(page, centre, (centre[0] + 10, centre[1] - 4))
    # The third point of the outline of the left femur.
    before = page.evaluate("Review.store.outlines(Review.view.number).left[0]")
    target = (before[2][0] - 6, before[2][1] + 9)
    drag(page, before[2], target)
    page.select_option("aside select", "right")
    page.click("[data-tool=draw]")
    height, width = page.evaluate("[Review.view.panes[0].one.height, Review.view.panes[0].one.width]")
    drawn = [(x * width, y * height) for x, y in ((0.1, 0.2), (0.3, 0.2), (0.3, 0.6), (0.1, 0.5))]
    for point in drawn:
        page.mouse.click(*page.evaluate(f"Review.view.panes[0].toScreen({list(point)})"))
    page.keyboard.press("Enter")
    page.keyboard.press("a")
    return box, before, target, drawn


def inside(points, shape):
    """Pixels whose centre lies in a polygon, by matplotlib."""
    from matplotlib.path import Path as Outline

    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    return Outline(points).contains_points(np.column_stack([columns.ravel(), rows.ravel()])).reshape(shape)


def assert_filled(found, points):
    """The pixels of a polygon are filled; only a centre on the very edge may fall to either side."""
    edges = np.stack([points, np.roll(points, -1, axis=0)], axis=1)
    for row, column in np.argwhere(found != inside(points, found.shape)):
        start, along = edges[:, 0], edges[:, 1] - edges[:, 0]
        centre = np.array([column, row]) + 0.5
        share = np.clip(((centre - start) * along).sum(axis=1) / (along**2).sum(axis=1), 0, 1)
        assert np.hypot(*(start + share[:, None] * along - centre).T).min() < 1e-6


def check_corrections(page, table, row, other, folder):
    box, before, target, drawn = corrected(page, table, row)
    open_row(page, other)
    page.keyboard.press("r")
    page.keyboard.press("2")
    path = folder / "review.json"
    page.click("#close")
    export_of = export(page, "#export-json", path)
    done = dr.review.apply(table, path)
    assert done["decision"].iloc[row] == "accept"
    assert done["rejected"].iloc[other] == "fractured"
    assert done["mask"].iloc[other] is None
    one = done["boxes"].iloc[row]["left_neck"]
    # One pixel of the screen is the least that a mouse can move.
    step = 1.01 / page.evaluate("Review.view.panes[0].scale")
    np.testing.assert_allclose([one.left - box.left, one.top - box.top], [10, -4], atol=min(step, 1))
    assert (one.height, one.width, one.angle) == pytest.approx((box.height, box.width, box.angle), abs=1e-3)
    case = next(case for case in export_of["cases"] if case["row"] == row)
    left = np.array(case["outlines"]["left"][0])
    np.testing.assert_allclose(np.delete(left, 2, 0), np.delete(np.array(before), 2, 0), atol=1e-3)
    np.testing.assert_allclose(left[2], target, atol=min(step, 1))
    right = np.array(case["outlines"]["right"][0])
    np.testing.assert_allclose(right, drawn, atol=min(step, 1))
    codes = done["mask"].iloc[row]
    # Later outlines cover earlier ones.
    assert_filled(codes == 2, right)
    assert_filled((codes == 1) | (inside(left, codes.shape) & (codes == 2)), left)
    return done, case


def test_what_is_corrected_comes_back_to_the_pixel(opened, page_file, table, tmp_path):
    page = opened(page_file)
    done, _case = check_corrections(page, table, 1, 2, tmp_path)
    regions = dr.FemurRegions(mask="mask", boxes="boxes", rejected="rejected", on_error="skip")
    cut = regions.transform(done)
    assert cut["left_neck"].iloc[2] is None
    assert regions.failures_.query("row == 2")[["code", "reason"]].to_numpy().tolist() == [["rejected", "fractured"]]
    assert cut["left_neck"].iloc[1].mask.any()
    # COCO holds the same box and the same outline; the rejected radiograph has none.
    coco = tmp_path / "coco.json"
    export(page, "#export-coco", coco)
    box = dict(pair for pair in read_coco(coco, image_name="row 1") if pair[0] == "left_neck")["left_neck"]
    kept = done["boxes"].iloc[1]["left_neck"]
    assert dataclasses.astuple(box) == pytest.approx(dataclasses.astuple(kept))
    assert abs(box.angle) > 1
    codes = read_coco_masks(coco, image_name="row 1", classes=["left", "right"])
    assert (codes == done["mask"].iloc[1]).all()
    assert read_coco(coco, image_name="row 2") == []
    # What is drawn last covers what lies there, in both files.
    height, width = codes.shape
    all_of_it = [[0, 0], [width, 0], [width, height], [0, height]]
    page.evaluate(f"Review.store.setOutline(1, 'left', [{all_of_it}])")
    export(page, "#export-json", tmp_path / "review.json")
    export(page, "#export-coco", coco)
    assert (read_coco_masks(coco, image_name="row 1", classes=["left", "right"]) == 1).all()
    assert (dr.review.apply(table, tmp_path / "review.json")["mask"].iloc[1] == 1).all()


def test_real_pelves(opened, tmp_path):
    if not PELVIS.is_dir():
        pytest.skip(f"no folder {PELVIS}")
    names = pd.read_csv(PELVIS / "index.csv").query("kind == 'normal' and femora_outlined == 2")["name"][:4]
    maps = [read_label_map(PELVIS / f"masks/{name}.png") for name in names]
    table = pd.DataFrame({"radiograph": [str(PELVIS / f"images/{name}.jpg") for name in names]})
    masks = [np.select([np.isin(m, (2, 4)), np.isin(m, (1, 3))], [1, 2], 0).astype(np.uint8) for m in maps]
    table["mask"] = pd.Series(masks, dtype=object)
    table["boxes"] = dr.FemurRegions(mask="mask", on_error="skip", min_confidence=0).place(table)
    page = opened(dr.review(table, masks="mask", regions="boxes", output=tmp_path / "folder"))
    row = next(row for row, boxes in enumerate(table["boxes"]) if "left_neck" in boxes)
    check_corrections(page, table, row, (row + 1) % 4, tmp_path)


def test_keys_undo_filters_and_progress(opened, page_file):
    page = opened(page_file)
    assert page.locator(".tile").count() == 3
    doubts = page.evaluate("Review.sheet.shown.map((number) => Review.store.data.cases[number].doubt)")
    assert doubts == sorted(doubts, reverse=True)
    page.select_option("#filter-flag", "inverted")
    assert page.locator(".tile").count() == 1
    page.select_option("#filter-flag", "")
    page.locator(".tile").first.focus()
    page.keyboard.press("Enter")
    for key in "afa":
        page.keyboard.press(key)
    assert page.evaluate("Review.store.counts()") == {
        "accept": 2, "reject": 0, "flag": 1, "corrected": 0, "open": 0, "all": 3,
    }  # fmt: skip
    page.keyboard.press("u")
    assert "2 of 3 decided" in page.inner_text("#counts")
    # What was decided is kept when the page is opened again.
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert "2 of 3 decided" in page.inner_text("#counts")


def test_boxes_and_points_by_keyboard_alone(opened, page_file, table):
    page = opened(page_file)
    open_row(page, 0)
    page.keyboard.press("e")
    page.evaluate("""document.querySelector('[data-handle="box/left_neck"]').focus()""")
    for key in ("Shift+ArrowRight", "ArrowUp", "["):
        page.keyboard.press(key)
    box, now = table["boxes"].iloc[0]["left_neck"], page.evaluate("Review.store.boxes(Review.view.number).left_neck")
    assert (now["left"], now["top"], now["angle"]) == pytest.approx(
        (box.left + 10, box.top - 1, box.angle + 1), abs=2e-3
    )
    before = page.evaluate("Review.store.outlines(Review.view.number).left[0]")
    page.evaluate("""document.querySelector('[data-handle="vertex/left/0/3"]').focus()""")
    page.keyboard.press("ArrowLeft")
    after = page.evaluate("Review.store.outlines(Review.view.number).left[0]")
    assert after[3][0] == pytest.approx(before[3][0] - 1, abs=2e-3)
    page.keyboard.press("Delete")
    assert len(page.evaluate("Review.store.outlines(Review.view.number).left[0]")) == len(before) - 1


def test_looking_and_measuring_by_keyboard_and_by_mouse(opened, page_file, table):
    page = opened(page_file)
    open_row(page, 0)
    levels = "Object.values(Review.view.levels)"
    for keys, wanted in ((("w", "ArrowLeft", "ArrowDown"), [0.55, 0.95, False]), (("i",), [0.55, 0.95, True])):
        for key in keys:
            page.keyboard.press(key)
        assert page.evaluate(levels) == pytest.approx(wanted)
    assert page.inner_text("#status") == "Window 95 %, level 55 % of the gray values"
    # A value v becomes (v - 0.55) / 0.95 + 0.5, and is turned round.
    shown = "['slope', 'intercept'].map((name) => Number(document.querySelector('#levels feFuncG').getAttribute(name)))"
    slope, intercept = page.evaluate(shown)
    assert [intercept, slope + intercept] == pytest.approx([0.5 + 0.55 / 0.95, 0.5 - 0.45 / 0.95])
    page.keyboard.press("v")
    page.mouse.move(500, 300)
    page.mouse.down(button="right")
    page.mouse.move(540, 280)
    page.mouse.up(button="right")
    assert page.evaluate(levels) == pytest.approx([0.5, 1.05, True])
    start = page.evaluate("[Review.view.panes[0].x, Review.view.panes[0].y]")
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate("[Review.view.panes[0].x, Review.view.panes[0].y]") == [start[0] - 60, start[1]]
    page.keyboard.press("m")
    for key in ("Shift+ArrowLeft", " ", "Shift+ArrowLeft", "Shift+ArrowLeft", " "):
        page.keyboard.press(key)
    length = 20 * table["radiograph"].iloc[0].spacing[1]
    assert page.inner_text("#status") == f"Distance: {length:.1f} mm"
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    assert [page.locator(".pane").nth(number).is_visible() for number in (0, 1)] == [True, True]
    # The patient's right femur lies on the left of the picture.
    middles = page.evaluate("Review.view.panes.map((pane) => pane.toImage({clientX: pane.root.getBoundingClientRect()."
                            "left + pane.root.clientWidth / 2, clientY: 384})[0])")  # fmt: skip
    columns = [np.nonzero(table["mask"].iloc[0] == code)[1] for code in (2, 1)]
    np.testing.assert_allclose(middles, [(own.min() + own.max()) / 2 for own in columns], atol=2)
    page.click("#close")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click("#theme")
    assert page.evaluate(ground) != light
    page.emulate_media(media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(26, 26, 26)"
    assert not page.locator("nav").is_visible()


def test_the_brush_by_mouse_and_a_corner_that_shows_when_its_box_is_chosen(opened, page_file, table):
    page = opened(page_file)
    open_row(page, 0)
    areas = "Review.store.outlines(Review.view.number).left.reduce((sum, one) => sum + Review.geometry.area(one), 0)"
    rows, columns = np.nonzero(table["mask"].iloc[0] == 1)
    place = (float(columns[rows == 300].max()) if (rows == 300).any() else float(columns.max()), 300.0)
    found = [page.evaluate(areas)]
    for key in "bx":
        page.keyboard.press(key)
        drag(page, place, (place[0] + 4, place[1] + 10))
        found.append(page.evaluate(areas))
    assert found[1] > found[0] + 40
    assert found[2] < found[1] - 100
    page.keyboard.press("u")
    assert page.evaluate(areas) == pytest.approx(found[1])
    page.keyboard.press("e")
    corner = """document.querySelector('[data-handle="corner/left_neck//0"]')"""
    assert page.evaluate(f"getComputedStyle({corner}).opacity") == "0"
    page.evaluate("""document.querySelector('[data-handle="box/left_neck"]').focus()""")
    assert page.evaluate(f"getComputedStyle({corner}).opacity") == "1"
    box = table["boxes"].iloc[0]["left_neck"]
    first = [page.evaluate(f"{corner}.{axis}.baseVal.value") for axis in ("cx", "cy")]
    np.testing.assert_allclose(first, box.corners[0][::-1], atol=1e-2)


def test_the_brush_adds_and_removes_a_disc(opened, page_file):
    page = opened(page_file)
    square = [[[100, 100], [200, 100], [200, 200], [100, 200]]]
    for add, sign in ((True, 1), (False, -1)):
        found = page.evaluate(f"Review.geometry.brushed({square}, [[200, 150]], 20, {str(add).lower()}, 400, 400)")
        area = page.evaluate(f"Review.geometry.area({found[0]})")
        # Half of the disc lies on either side of the border.
        assert area == pytest.approx(1e4 + sign * np.pi * 400 / 2, rel=0.01)


def test_box_corners_and_filling_are_those_of_the_library(opened, page_file):
    page = opened(page_file)
    box = dr.Box(40.5, 30.25, 20, 50, 33)
    points = page.evaluate("Review.geometry.corners({top: 40.5, left: 30.25, height: 20, width: 50, angle: 33})")
    np.testing.assert_allclose(points, box.corners[:, ::-1])
    polygon = np.random.default_rng(0).uniform(3, 97, (9, 2)).round(3)
    filled = page.evaluate(
        f"(() => {{ const w = {{left: 0, top: 0, width: 100, height: 100, data: new Uint8Array(1e4)}};"
        f"Review.geometry.fill(w, {polygon.tolist()}, 1); return [...w.data]; }})()"
    )
    from deepradiomics.annotations._checks import inside

    assert (np.reshape(filled, (100, 100)) == inside(polygon[:, ::-1], (100, 100))).all()


def test_names_of_the_table_are_text_and_nothing_else(opened, table, tmp_path):
    hostile = table.assign(name=["</script><script>window.bad=1</script>", "<img onerror=window.bad=1 src=x>", "$data"])
    page = opened(dr.review(hostile, masks="mask", names="name", title="<b>$data", output=tmp_path / "r.html"))
    assert page.evaluate("window.bad") is None
    assert page.evaluate("Review.store.data.cases[2].name") == "$data"
    assert page.locator(".tile").count() == 3
