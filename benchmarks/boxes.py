"""Boxes of the femur: how long a placement takes, and how many hand outlines of real femora get them.

    python benchmarks/boxes.py [../shared/data/pelvis] [--smoke]

The folder holds the outlined radiographs of its README; `real_hips.films` says which are the test part, on which no
rule was tuned.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from common import milliseconds, print_setting
from deepradiomics.exceptions import RegionError
from deepradiomics.regions import FemurRegions, femur_geometry, place_femur_boxes
from deepradiomics.simulation import make_hips
from real_hips import films


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    print_setting("numpy", "scipy", "numba")
    for side in (256,) if options.smoke else (1024, 2048, 3000):
        mask = make_hips(1, random_state=0, image_shape=(side, side)).masks[0] == 1
        spent = milliseconds(lambda mask=mask: place_femur_boxes(mask), repeats=15, clock=time.process_time)
        print(f"{side} px: {spent:.1f} ms of processor time a femur")
    if options.folder is not None:
        print(accepted(pd.DataFrame(rows(options.folder))).to_string())


def accepted(table):
    """Share of femora that are accepted, by part of the data and whether they are intact."""
    return table.groupby(["part", "intact"]).agg(
        femora=("placed", "size"),
        accepted=("accepted", "mean"),
        all_five=("placed", lambda placed: (placed == 5).mean()),
        flagged=("flagged", "mean"),
        in_head_median=("in_head", "median"),
        in_head_worst=("in_head", "max"),
    )


def rows(folder):
    """One row a femur: how many boxes it got, and whether it is accepted by `FemurRegions`."""
    for film in films(folder):
        if film.full_size:
            continue
        labels, broken = film.read()[1], film.broken()
        for code, laterality in ((1, "L"), (2, "R")):
            if (labels == code).any():
                part = "test" if film.part == "test" else "tuning"
                known = {"name": film.name, "part": part, "intact": code not in broken}
                yield known | row(labels == code, laterality)


def row(mask, laterality):
    """What becomes of one femur. Boxes may be missing that the picture does not show."""
    try:
        boxes = place_femur_boxes(mask, laterality=laterality)
    except RegionError as error:
        return {"placed": 0, "accepted": False, "flagged": True, "in_head": np.nan, "why": error.code}
    unseen = all("the picture ends" in reason for reason in boxes.missing.values())
    enough = boxes.confidence >= FemurRegions().min_confidence
    in_head = np.nan
    if "neck" in boxes:
        head = femur_geometry(mask, laterality=laterality)
        grid = _grid(boxes["neck"])
        in_head = (np.hypot(*(grid - head.head_centre).T) < head.head_radius).mean()
    flagged = bool(set(boxes.flags) - {"short_cortex", "short_femur"})
    why = "; ".join(boxes.missing.values()) if enough else f"confidence {boxes.confidence:.2f}"
    return {"placed": len(boxes), "accepted": unseen and enough, "flagged": flagged, "in_head": in_head, "why": why}


def _grid(box):
    """Points (n, 2) spread over a box."""
    upper_left, upper_right, _, lower_left = box.corners
    steps = (np.arange(30) + 0.5) / 30
    along, down = np.meshgrid(steps, steps)
    return (
        upper_left + along.reshape(-1, 1) * (upper_right - upper_left) + down.reshape(-1, 1) * (lower_left - upper_left)
    )


if __name__ == "__main__":
    main()
