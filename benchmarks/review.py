"""The review page in a real browser: corrections to the pixel and back; with 1,000 radiographs, its size and speed.

Run ``python benchmarks/review.py [FOLDER]``, or with ``--smoke`` for a check that it works. FOLDER is that of
``benchmarks/real_hips.py``: 255 films, made into 1,000 by copies of slightly other gray values; without it 20 simulated
hips are. ``--shots OTHER`` keeps pictures of the sheet and of the large view. Times of the browser are CPU seconds of
its processes and seconds on the clock; memory is the share of all its processes (PSS).
"""

import argparse
import csv
import json
import shutil
import sys
import tempfile
import time
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image

import deepradiomics as dr
from common import peak_mib, print_setting
from deepradiomics.annotations import read_coco, read_coco_masks
from deepradiomics.simulation import make_hips

TARGETS = "below 50 MB, open in under 3 s"
SIDES = ["left", "right"]
SIZES = ((1366, 768), (1920, 1080))
# Shares of the width and the height: what is drawn from nothing. No pixel's centre shall lie on its edges.
DRAWN = ((0.0513, 0.3017), (0.2029, 0.2541), (0.3047, 0.5532), (0.1519, 0.7023))


def cohort(folder, most):
    """Table of all films of a folder, or of simulated hips, with outlines and boxes."""
    if folder is None:
        hips = make_hips(min(20, most), random_state=0, image_shape=(512, 512))
        pictures, masks = list(hips.data["radiograph"]), list(hips.masks)
    else:
        with open(folder / "index.csv", newline="") as file:
            names = [row["name"] for row in csv.DictReader(file)][:most]
        pictures = [str(folder / f"images/{name}.jpg") for name in names]
        labels = np.array([0, 2, 1, 2, 1], dtype=np.uint8)
        masks = [labels[dr.reading.read_label_map(folder / f"masks/{name}.png")] for name in names]
    table = pd.DataFrame({"radiograph": pd.Series(pictures, dtype=object), "mask": pd.Series(masks, dtype=object)})
    return table.assign(boxes=dr.FemurRegions(mask="mask", on_error="skip", min_confidence=0).place(table))


def repeated(table, n, place):
    """n rows: the films, then copies in files of their own, each copy a little darker than the last."""
    table = table.iloc[np.arange(n) % len(table)].assign(copy=np.arange(n) // len(table)).reset_index(drop=True)
    for row in np.flatnonzero(table["copy"]):
        pixels = dr.read_radiograph(table["radiograph"][row]).pixels
        pixels = pixels * (255 / max(pixels.max(), 255)) * (1 - 0.03 * table["copy"][row])
        path = str(place / f"{row}.png")
        Image.fromarray(pixels.astype(np.uint8)).save(path, compress_level=1)
        table.loc[row, "radiograph"] = path
    return table


def browser_processes():
    """Processes that descend from this one: (CPU seconds, MiB)."""
    parents, seconds, memory = {}, {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            share = next(line for line in (path / "smaps_rollup").read_text().splitlines() if line.startswith("Pss:"))
        except (OSError, StopIteration):  # it has ended, or is not ours
            continue
        pid = int(path.name)
        parents[pid], seconds[pid], memory[pid] = int(fields[1]), sum(map(int, fields[11:13])) / 100, share.split()[1]
    own, ours = {int(Path("/proc/self").resolve().name)}, set()
    while own:
        own = {pid for pid, parent in parents.items() if parent in own}
        ours |= own
    return sum(seconds[pid] for pid in ours), sum(int(memory[pid]) for pid in ours) / 1024


def opened(browser, page_file):
    """Open the page, scroll to its end, open a large view: list of (what, value)."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    cpu, empty = browser_processes()
    start = time.perf_counter()
    page.set_default_timeout(300_000)  # the machine may be busy
    page.goto(page_file.as_uri(), wait_until="commit")
    page.wait_for_selector("html[data-ready]")
    page.wait_for_function("document.querySelector('.tile img').complete")
    clock = time.perf_counter() - start
    found = [("open, s on the clock", clock), ("open, CPU s of all processes", browser_processes()[0] - cpu)]
    found.append(("memory of the browser, MiB above an empty page", browser_processes()[1] - empty))
    page.keyboard.press("End")
    page.locator(".tile").last.scroll_into_view_if_needed()
    page.evaluate("Review.view.open(0)")
    page.wait_for_timeout(500)
    found.append(("after scrolling and a large view, MiB", browser_processes()[1] - empty))
    page.close()
    return found


def pictures_of(browser, page_file, shots):
    """Keep pictures of the sheet, a large view, both sides, and a correction, at both sizes."""
    for size in SIZES:
        page = browser.new_page(viewport=dict(zip(("width", "height"), size, strict=True)))
        page.set_default_timeout(300_000)
        page.goto(page_file.as_uri())
        page.wait_for_selector("html[data-ready]")
        page.wait_for_timeout(1000)
        page.screenshot(path=shots / f"sheet_{size[0]}.png")
        page.evaluate("Review.view.open(Review.sheet.shown[Review.sheet.shown.length >> 1])")
        for name, key in (("view", None), ("sides", "s"), ("correct", "e")):
            if key is not None:
                page.locator(".pane").first.focus()
                page.keyboard.press(key)
            page.wait_for_timeout(700)
            page.screenshot(path=shots / f"{name}_{size[0]}.png")
            if name == "sides":
                page.keyboard.press("s")
        page.close()


def pointed(page, *points):
    """Press the button at the first point (column, row of the image), move over the others and let go."""
    places = [page.evaluate(f"Review.view.panes[0].toScreen({list(map(float, point))})") for point in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


def corrected(browser, page_file, table, folder):
    """Reject, drag a box, move a point, draw an outline, undo, and export: what the page says before and after."""
    page = browser.new_context(viewport={"width": 1366, "height": 768}, accept_downloads=True).new_page()
    page.set_default_timeout(300_000)
    page.goto(page_file.as_uri())
    page.wait_for_selector("html[data-ready]")
    rows = page.evaluate("Review.store.data.cases.map((one) => one.row)")
    # The most doubtful one is rejected; a box and a point are moved in the first with a neck on the left; an outline
    # is drawn in the last film that lacks one, or in place of a left one.
    refused = rows[page.evaluate("Review.sheet.shown[0]")]
    moved = next(row for row in rows if row != refused and "left_neck" in (table["boxes"][row] or {}))
    present = {row: np.isin((1, 2), table["mask"][row]) for row in rows}
    drawn = next((row for row in rows[::-1] if not present[row].all()), rows[-1])
    new = SIDES[int(np.argmin(present[drawn]))]
    page.locator(".tile").first.focus()
    for key in ("Enter", "r", "2"):
        page.keyboard.press(key)
    page.evaluate(f"Review.view.open({rows.index(moved)})")
    page.keyboard.press("e")
    row, column = table["boxes"][moved]["left_neck"].centre
    pointed(page, (column, row), (column + 10, row))
    before = np.array(page.evaluate("Review.store.outlines(Review.view.number).left[0]"))
    pointed(page, before[2], before[2] + (-7, 9))
    now = page.evaluate("Review.store.boxes(Review.view.number).left_neck")
    pointed(page, (column + 10, row), (column - 30, row + 20))
    page.keyboard.press("u")
    undone = page.evaluate("Review.store.boxes(Review.view.number).left_neck") == now
    page.keyboard.press("a")
    page.evaluate(f"Review.view.open({rows.index(drawn)})")
    page.select_option("aside select", new)
    page.click("[data-tool=draw]")
    wanted = np.array(DRAWN) * table["mask"][drawn].shape[::-1]
    for point in wanted:
        pointed(page, point)
    page.keyboard.press("Enter")
    page.keyboard.press("f")
    page.click("#close")
    for button, name in (("#export-json", "review.json"), ("#export-coco", "coco.json")):
        with page.expect_download() as download:
            page.click(button)
        download.value.save_as(folder / name)
    state = page.evaluate("Review.store.counts()")
    page.context.close()
    return SimpleNamespace(
        refused=refused, moved=moved, drawn=drawn, new=new, before=before, wanted=wanted, undone=undone, state=state
    )


def checks_of(table, folder, did):
    """What came back from the page: list of (what, found, the most that it may be away from what was done)."""
    case = {case["row"]: case for case in json.loads((folder / "review.json").read_text())["cases"]}
    done = dr.review.apply(table, folder / "review.json")
    box, now = (frame["boxes"][did.moved]["left_neck"] for frame in (table, done))
    stored = dict(read_coco(folder / "coco.json", image_name=f"row {did.moved}"))["left_neck"]
    corners = np.array(case[did.drawn]["outlines"][did.new][0])
    label = 1 + SIDES.index(did.new)
    found = done["mask"][did.drawn] == label
    in_coco = read_coco_masks(folder / "coco.json", image_name=f"row {did.drawn}", classes=SIDES) == label
    points = np.array(case[did.moved]["outlines"]["left"][0]) - did.before
    others = [row for row in range(len(table)) if row not in (did.refused, did.moved, did.drawn)]
    same = [
        np.array_equal(table["mask"][row], done["mask"][row]) and table["boxes"][row] == done["boxes"][row]
        for row in others
    ]
    gaps = np.subtract(astuple(now), astuple(box))
    left = [done[name][did.refused] for name in ("mask", "boxes", "rejected")]
    return [
        ("decisions taken and not kept", 3 - sum(did.state[word] == 1 for word in ("accept", "reject", "flag")), 0),
        ("rejected row: keeps a mask, boxes, or another reason", left != [None, None, "fractured"], 0),
        ("box dragged by 10 columns: pixels away", np.hypot(gaps[0], gaps[1] - 10), 1),
        ("its height, width and angle: change", np.abs(gaps[2:]).max(), 1e-3),
        ("point moved by -7 columns and 9 rows: pixels away", np.hypot(*(points[2] - (-7, 9))), 1),
        ("other points of that outline: change", np.abs(np.delete(points, 2, 0)).max(), 1e-3),
        ("box that undo did not put back", not did.undone, 0),
        ("outline from nothing: pixels from where its corners were set", np.abs(corners - did.wanted).max(), 1),
        ("its pixels in the table, other than matplotlib's", (found != filled(corners, found.shape)).sum(), 0),
        ("its pixels in COCO, other than the table's", (in_coco != found).sum(), 0),
        ("dragged box in COCO, against the table", np.abs(np.subtract(astuple(stored), astuple(now))).max(), 1e-3),
        (f"of {len(others)} other rows, changed", len(others) - sum(same), 0),
    ]


def filled(points, shape):
    """Pixels whose centre lies in a polygon, by matplotlib."""
    from matplotlib.path import Path as Outline

    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    return Outline(points).contains_points(np.column_stack([columns.ravel(), rows.ravel()])).reshape(shape)


def sizes(page):
    """Files of a page: list of (what, value)."""
    size = sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file())
    return [("all files, MB", size / 1e6), ("index.html, MB", page.stat().st_size / 1e6)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--shots", type=Path, help="folder for pictures of the page")
    parser.add_argument("--smoke", action="store_true", help="three simulated hips")
    arguments = parser.parse_args()
    n = 3 if arguments.smoke else arguments.n
    table = cohort(arguments.folder, n)
    print_setting("deepradiomics", "pillow")
    with tempfile.TemporaryDirectory() as name:
        place, pages, rows = Path(name), [], []
        for part in (table, repeated(table, n, place)):
            start = time.process_time()
            pages.append(dr.review(part, masks="mask", regions="boxes", output=place / f"page{len(pages)}"))
            rows += [("write, CPU s", time.process_time() - start), *sizes(pages[-1])] if len(pages) == 2 else []
        rows.append(("peak memory of writing, MiB", peak_mib()))
        checks = []
        if shutil.which("chromium") is None:
            print("no chromium on this machine: the page is not opened")
        else:
            from playwright.sync_api import sync_playwright

            with sync_playwright() as driver:
                start = {"executable_path": shutil.which("chromium"), "args": ["--no-sandbox"]}
                with driver.chromium.launch(**start) as browser:  # one of its own, with no memory of other pages
                    rows += opened(browser, pages[1])
                with driver.chromium.launch(**start) as browser:
                    checks = checks_of(table, place, corrected(browser, pages[0], table, place))
                    if arguments.shots:
                        pictures_of(browser, pages[0], arguments.shots)
    print(f"\n| {len(table)} radiographs, corrected in Chromium | found | allowed |\n|---|---|---|")
    for what, value, most in checks:
        print(f"| {what} | {value:.3g} | {most:.3g} |")
    print(f"\n| {n} radiographs (wanted: {TARGETS}) | |\n|---|---|")
    for what, value in rows:
        print(f"| {what} | {value:.3g} |")
    if any(value > most for _, value, most in checks):
        sys.exit(1)


if __name__ == "__main__":
    main()
