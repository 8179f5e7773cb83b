"""Judge the shipped lumbar weights on real radiographs of the spine, which nothing is trained on.

``python benchmarks/spines_real.py ../shared/data/spine`` prints for L1 to L4 how many bodies lie right, all four
corners within 6 mm, L3's height taken as 28 mm, how many are named right or off by one, and how often that is said. AP
films of the whole spine are cut above T11, as a lumbar film is; ``--whole`` leaves them whole. Half of the films, by a
hash of their name, is for choices, half for the figures that are reported: ``--part report``.
"""

import argparse
import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.optimize import linear_sum_assignment

from deepradiomics import UNetSegmenter
from deepradiomics.exceptions import RegionError
from deepradiomics.regions import unsure_levels, vertebra_geometry
from deepradiomics.simulation import make_spines

LEVELS, NEAR_MM, L3_MM = ("L1", "L2", "L3", "L4"), 6.0, 28.0
UPWARDS = ("S1", "L5", "L4", "L3", "L2", "L1", "T12", "T11")
# Its corners do not begin at S1, which is not in the picture.
NO_SACRUM = ("sample_0122",)


def part_of(name):
    """Half of the films is for choices, half is reported."""
    return ("choice", "report")[hashlib.sha256(name.encode()).digest()[0] % 2]


def ap_films(folder, whole):
    """Yield name, grey values, and level -> corners (4, 2) in rows and columns."""
    corners = {}
    with open(folder / "ap_corners.csv", newline="") as file:
        for row in csv.DictReader(file):
            points = np.array([float(value) for value in list(row.values())[2:]]).reshape(4, 2)[:, ::-1]
            corners.setdefault(row["image"], {})[row["level"]] = points
    for name, levels in corners.items():
        pixels = np.asarray(Image.open(folder / "ap" / name).convert("L"), dtype=np.float32)
        top = 0 if whole else max(int(levels["T11"][:, 0].min()), 0)
        yield name, pixels[top:], {level: levels[level] - (top, 0) for level in LEVELS}


def lateral_films(folder):
    """Yield name, grey values, and level -> corners (4, 2) in rows and columns."""
    for path in sorted((folder / "lateral").glob("*.json")):
        if path.stem in NO_SACRUM:
            continue
        kinds = {}
        for corner in json.loads(path.read_text())["corners"]:
            kinds.setdefault(corner["kind"], []).append((corner["y"], corner["x"]))
        # Names of corners differ from film to film; the lowest of each kind are S1's.
        bodies = np.array([sorted(points, reverse=True) for points in kinds.values()]).swapaxes(0, 1)
        levels = {level: body for level, body in zip(UPWARDS, bodies, strict=False) if level in LEVELS}
        yield path.name, np.asarray(Image.open(path.with_suffix(".jpg")).convert("L"), dtype=np.float32), levels


def simulated(view):
    """Yield simulated films in the same form."""
    spines = make_spines(2, random_state=0)
    for number, patient in enumerate(spines.groups):
        table = spines.corners.query("patient == @patient and view == @view").set_index("level")
        table = table.dropna(axis=1, how="all").filter(regex="_(row|column)$")
        levels = {level: table.loc[level].dropna().to_numpy(float).reshape(4, 2) for level in LEVELS}
        yield patient, spines.data["ap" if view == "AP" else "lateral"][number].pixels, levels


def judge(segmenter, films):
    """A row a body: how far its corners are off in mm, what it was named, whether its level was said to be unsure."""
    rows = []
    for name, pixels, levels in films:
        pixel = L3_MM / np.mean(np.diff(np.sort(levels["L3"][:, 0]).reshape(2, 2).mean(axis=1)))
        labels = segmenter.predict([pixels])[0]
        unsure = unsure_levels(labels)
        try:
            found = vertebra_geometry(labels)
        except RegionError:
            found = {}
        for level, corners in levels.items():
            row = {"film": name, "part": part_of(name), "level": level, "off_mm": np.inf, "named": None, "unsure": True}
            centres = {other: body.corners.mean(axis=0) for other, body in found.items()}
            away = {other: np.hypot(*(centre - corners.mean(axis=0))) * pixel for other, centre in centres.items()}
            if away and min(away.values()) < L3_MM / 2:
                row["named"] = min(away, key=away.get)
                body = found[row["named"]]
                distance = np.linalg.norm(body.corners[:, None] - corners[None], axis=2)
                row["off_mm"] = distance[linear_sum_assignment(distance)].max() * pixel
                row["unsure"] = row["named"] in unsure
            rows.append(row)
    return pd.DataFrame(rows)


def print_figures(view, part, table):
    """Print the shares that count."""
    if table.empty:
        return
    found, wrong = table["named"].notna(), table["named"].notna() & (table["named"] != table["level"])
    order = {level: place for place, level in enumerate(("T12", *LEVELS, "L5", "S1"))}
    one_off = (table["named"].map(order) - table["level"].map(order)).abs() == 1
    silent = wrong & ~table["unsure"]
    silent_films = silent.groupby(table["film"]).any()
    off_mm = table.loc[found, "off_mm"].median()
    print(
        f"{view:8} {part:7} {table['film'].nunique():3} films  found {found.mean():.0%}  "
        f"corners within {NEAR_MM:.0f} mm {(table['off_mm'] <= NEAR_MM).mean():.0%} (median {off_mm:.1f} mm)  "
        f"named right {(found & ~wrong).mean():.0%}  off by one {one_off.mean():.0%}  "
        f"said unsure {(found & table['unsure']).mean():.0%}  "
        f"named wrong and not said {silent.mean():.0%}, in {silent_films.mean():.0%} of films"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder that holds ap, ap_corners.csv and lateral")
    parser.add_argument("--view", choices=["ap", "lateral"], help="one view only")
    parser.add_argument("--weights", type=Path, help="a file of weights in place of the shipped ones; needs --view")
    parser.add_argument("--part", choices=["choice", "report"])
    parser.add_argument("--whole", action="store_true", help="judge AP films of the whole spine uncut")
    parser.add_argument("--smoke", action="store_true", help="two simulated films a view")
    arguments = parser.parse_args()
    for view in [arguments.view] if arguments.view else ["ap", "lateral"]:
        segmenter = (
            UNetSegmenter.from_weights(arguments.weights)
            if arguments.weights
            else UNetSegmenter.pretrained(f"lumbar-{view}")
        )
        if arguments.smoke:
            films = simulated("AP" if view == "ap" else "LAT")
        elif view == "ap":
            films = ap_films(arguments.data, arguments.whole)
        else:
            films = lateral_films(arguments.data)
        films = [film for film in films if arguments.part in (None, part_of(film[0]))]
        table = judge(segmenter, films)
        for part in ("choice", "report"):
            print_figures(view, part, table[table["part"] == part])


if __name__ == "__main__":
    main()
