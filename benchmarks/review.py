"""The review page with 1,000 radiographs: how large it is, how fast it is written and opens, and what memory it takes.

Run ``python benchmarks/review.py [FOLDER]``, or with ``--smoke`` for a check that it works. FOLDER is that of
``benchmarks/real_hips.py``, whose films are taken over and over; without it 20 simulated hips are. Times of the browser
are CPU seconds of its processes and seconds on the clock; memory is the share of all its processes (PSS).
"""

import argparse
import csv
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import deepradiomics as dr
from common import peak_mib, print_setting
from deepradiomics.simulation import make_hips

TARGETS = "below 50 MB, open in under 3 s"


def cohort(folder, n):
    """Table of n radiographs with outlines and boxes."""
    if folder is None:
        hips = make_hips(min(n, 20), random_state=0, image_shape=(512, 512))
        pictures, masks = list(hips.data["radiograph"]), list(hips.masks)
    else:
        with open(folder / "index.csv", newline="") as file:
            names = [row["name"] for row in csv.DictReader(file)][:n]
        pictures = [str(folder / f"images/{name}.jpg") for name in names]
        labels = np.array([0, 2, 1, 2, 1], dtype=np.uint8)
        masks = [labels[dr.reading.read_label_map(folder / f"masks/{name}.png")] for name in names]
    table = pd.DataFrame({"radiograph": pd.Series(pictures, dtype=object), "mask": pd.Series(masks, dtype=object)})
    table["boxes"] = dr.FemurRegions(mask="mask", on_error="skip", min_confidence=0).place(table)
    return table.iloc[np.arange(n) % len(table)].reset_index(drop=True)


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


def opened(page_file):
    """Open the page in a headless Chromium, scroll to its end, open a large view: list of (what, value)."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        cpu, empty = browser_processes()
        start = time.perf_counter()
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
        browser.close()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--smoke", action="store_true", help="two simulated hips")
    arguments = parser.parse_args()
    table = cohort(arguments.folder, 2 if arguments.smoke else arguments.n)
    print_setting("deepradiomics", "pillow")
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        page = dr.review(table, masks="mask", regions="boxes", output=Path(folder, "page"))
        seconds = time.process_time() - start
        size = sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file())
        rows = [
            ("write, CPU s", seconds),
            ("peak memory of writing, MiB", peak_mib()),
            ("all files, MB", size / 1e6),
            ("index.html, MB", page.stat().st_size / 1e6),
        ]
        if shutil.which("chromium") is None:
            print("no chromium on this machine: the page is not opened")
        else:
            rows += opened(page)
    print(f"\n| {len(table)} radiographs (wanted: {TARGETS}) | |\n|---|---|")
    for what, value in rows:
        print(f"| {what} | {value:.3g} |")


if __name__ == "__main__":
    main()
