"""Judge the shipped femur weights on real radiographs that they were not trained on.

``python benchmarks/segmentation_real.py ../shared/data/pelvis`` prints Dice, surface distance, boxes and confidence on
the test part of the real hips (`real_hips.films`) by kind, and how often a femur is seen in pictures that show none.
``--part choice`` judges the part that choices were made on, ``--weights`` another file, ``--overlays`` draws.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.metrics import roc_auc_score

from boxes import row as placement
from deepradiomics import UNetSegmenter
from deepradiomics.exceptions import RegionError
from deepradiomics.regions import femur_geometry, place_femur_boxes
from deepradiomics.segmentation import evaluate
from deepradiomics.simulation import make_hips, make_spines
from real_hips import UNKNOWN, films
from train_femur_unet import knees

SIDES = {1: "L", 2: "R"}


def judge(segmenter, names, kinds, images, masks):
    """A row a femur: what `evaluate` measures, its kind, and the boxes on the known and on the found outline.

    ``kinds`` names for each image the kind of either femur, by label.
    """
    report = evaluate(segmenter, images, masks, ignore_label=UNKNOWN)
    table, outlines = report.table, report.outlines
    rows = []
    for femur in table.itertuples():
        known, found = masks[femur.image] == femur.code, outlines[femur.image] == femur.code
        nothing = {"accepted": False, "in_head": np.nan}
        on_known = placement(known, SIDES[femur.code]) if known.any() else nothing
        on_found = placement(found, SIDES[femur.code]) if found.any() else nothing
        rows.append(
            {
                "film": names[femur.image],
                "kind": kinds[femur.image].get(femur.code, "unknown"),
                "known": known.any(),
                "accepted_known": on_known["accepted"],
                "accepted_found": on_found["accepted"],
                "neck_in_head": on_found["in_head"],
                "neck_gap": neck_gap(known, found, SIDES[femur.code]),
            }
        )
    return pd.concat([pd.DataFrame(rows), table], axis=1)


def neck_gap(known, found, laterality):
    """Distance in mm between the centres of the neck boxes on both outlines; NaN where one has none."""
    try:
        boxes = [place_femur_boxes(mask, laterality=laterality)["neck"] for mask in (known, found)]
        mm = femur_geometry(known, laterality=laterality).pixels_per_mm
    except (RegionError, KeyError):
        return np.nan
    return float(np.hypot(*np.subtract(boxes[0].centre, boxes[1].centre)) / mm)


def of_films(chosen):
    """Names, kinds, images and masks of films."""
    names, kinds, images, masks = [], [], [], []
    for film in chosen:
        pixels, labels = film.read()
        whole = "full size" if film.full_size else "intact"
        broken = dict.fromkeys(film.broken(), "full size" if film.full_size else "fractured")
        names, kinds = [*names, film.name], [*kinds, dict.fromkeys((1, 2), whole) | broken]
        images, masks = [*images, pixels], [*masks, labels]
    return names, kinds, images, masks


def print_figures(table):
    """Print what the acceptance asks for."""
    known = table[table["known"]]
    for kind, some in known.groupby("kind"):
        print(
            f"{kind:9} n {len(some):3}  Dice median {some['dice'].median():.3f}, tenth percentile "
            f"{some['dice'].quantile(0.1):.3f}, smallest {some['dice'].min():.3f}; surface distance median "
            f"{some['average_distance'].median():.2f} mm; boxes accepted on the network's outline "
            f"{some['accepted_found'].mean():.0%}, on the hand's {some['accepted_known'].mean():.0%}"
        )
    intact = known[known["kind"] == "intact"].dropna(subset=["neck_gap"])
    print(
        f"neck box: within 3 mm of that on the hand outline in {(intact['neck_gap'] <= 3).mean():.0%} "
        f"(median {intact['neck_gap'].median():.1f} mm), at most 10 % in the head in "
        f"{(intact['neck_in_head'] <= 0.1).mean():.0%}"
    )
    drawn = table.dropna(subset=["confidence"])
    print(f"confidence: mean absolute error {(drawn['confidence'] - drawn['dice']).abs().mean():.3f} (n {len(drawn)})")
    for limit in (0.9, 0.95):
        bad = drawn["dice"] < limit
        if 0 < bad.sum() < len(bad):
            print(
                f"  AUC for Dice < {limit}: {roc_auc_score(bad, -drawn['confidence']):.3f} ({bad.sum()} of {len(bad)})"
            )
    print(f"femora drawn where none is known: {(~table['known']).sum()}; not found: {(known['boxes'].isna()).sum()}")


def print_invented(segmenter, data):
    """Print how often a femur is seen in pictures without a proximal femur, and the confidence in it."""
    spines = make_spines(20, random_state=77).data
    sets = {
        "knees not trained on": list(knees(data, "test")),
        "knees": [*knees(data, "train"), *knees(data, "test")],
        "lateral lumbar films": [
            np.asarray(Image.open(path).convert("L"), dtype=np.float32)
            for path in sorted((data / "spine").glob("lateral*/*.jpg"))
        ],
        "simulated spines": [cell.pixels for view in ("ap", "lateral") for cell in spines[view]],
    }
    for name, images in sets.items():
        _, confidence = segmenter.predict_with_confidence(images)
        seen = np.nanmax(np.nan_to_num(confidence), axis=1)
        print(
            f"{name}: a femur in {(seen > 0).mean():.1%} of {len(images)}, with a confidence above 0.5 in "
            f"{(seen > 0.5).mean():.1%}"
        )


def draw(table, segmenter, names, images, masks, path):
    """Draw 24 films with the known outline in blue, the network's in orange, and the boxes of the latter in green."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(24, 16), layout="constrained")
    outlines = segmenter.predict(images[:24])
    panels = zip(figure.subplots(4, 6).ravel(), names, images, masks, outlines, strict=False)
    for axis, name, pixels, labels, found in panels:
        axis.imshow(pixels, cmap="gray")
        for code, laterality in SIDES.items():
            for mask, color in ((labels == code, "#56b4e9"), (found == code, "#e69f00")):
                if mask.any():
                    axis.contour(mask, levels=[0.5], colors=color, linewidths=1)
            try:
                boxes = place_femur_boxes(found == code, laterality=laterality)
            except RegionError:
                continue
            for box in boxes.values():
                corners = np.vstack([box.corners, box.corners[:1]])
                axis.plot(corners[:, 1] - 0.5, corners[:, 0] - 0.5, color="#009e73", linewidth=1)
        dice = table.loc[table["film"] == name, "dice"]
        axis.set_title(f"{name}: {', '.join(f'{value:.3f}' for value in dice)}", fontsize=9)
        axis.set_axis_off()
    figure.savefig(path, dpi=60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="the folder pelvis of the real radiographs")
    parser.add_argument("--weights", type=Path, help="a file of weights; default: those of the package")
    parser.add_argument("--part", default="test", choices=("test", "choice", "train"))
    parser.add_argument("--side", type=int, help="another side of the frame")
    parser.add_argument("--overlays", type=Path, help="write a picture of 24 films here")
    parser.add_argument("--table", type=Path, help="write the table, a row a femur, here")
    parser.add_argument("--smoke", action="store_true", help="two simulated hips instead of the folder")
    arguments = parser.parse_args()
    segmenter = UNetSegmenter.pretrained("femur")
    if arguments.weights:
        segmenter = UNetSegmenter.from_weights(arguments.weights)
    if arguments.side:
        segmenter.architecture_ = replace(segmenter.architecture_, image_size=arguments.side)
    if arguments.smoke:
        hips = make_hips(2, random_state=0)
        images = [cell.pixels for cell in hips.data["radiograph"]]
        chosen = ["simulated"] * 2, [dict.fromkeys((1, 2), "intact")] * 2, images, hips.masks
    else:
        chosen = of_films([film for film in films(arguments.folder) if film.part == arguments.part])
    table = judge(segmenter, *chosen)
    print_figures(table)
    if arguments.table:
        table.to_csv(arguments.table, index=False)
    if arguments.part == "test" and not arguments.smoke:
        print_invented(segmenter, arguments.folder.parent)
    if arguments.overlays:
        draw(table, segmenter, chosen[0], *chosen[2:], arguments.overlays)


if __name__ == "__main__":
    main()
