"""Judge the shipped femur weights on real radiographs that they were not trained on.

``python benchmarks/segmentation_real.py ../shared/data/pelvis`` prints Dice, surface distance, boxes and confidence on
the test part of the real hips (`real_hips.films`) by kind, and how often a femur is seen in pictures that show none.
``--part choice`` judges the part that choices were made on, ``--weights`` another file, ``--overlays`` draws.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.metrics import roc_auc_score

from deepradiomics import UNetSegmenter
from deepradiomics.box import box_mask
from deepradiomics.exceptions import RegionError
from deepradiomics.regions import femur_geometry, place_femur_boxes
from deepradiomics.segmentation import evaluate
from deepradiomics.simulation import make_spines
from real_hips import UNKNOWN, films
from train_femur_unet import knees

SIDES = {1: "L", 2: "R"}


def boxes_of(mask, code):
    """Boxes and geometry of one femur, None where none is seen."""
    try:
        return place_femur_boxes(mask, laterality=SIDES[code]), femur_geometry(mask, laterality=SIDES[code])
    except RegionError:
        return None


def neck_boxes(found, known, code):
    """Distance in mm between the centres of the neck boxes, and the share of the found one inside the head."""
    of_found, of_known = boxes_of(found, code), boxes_of(known, code)
    if of_found is None or of_known is None or "neck" not in of_found[0] or "neck" not in of_known[0]:
        return np.nan, np.nan
    (boxes, geometry), (true_boxes, true_geometry) = of_found, of_known
    gap = np.hypot(*np.subtract(boxes["neck"].centre, true_boxes["neck"].centre)) / true_geometry.pixels_per_mm
    rows, columns = np.nonzero(box_mask(boxes["neck"], found.shape))
    away = np.hypot(rows + 0.5 - geometry.head_centre[0], columns + 0.5 - geometry.head_centre[1])
    return gap, float((away < geometry.head_radius).mean())


def judge(segmenter, chosen):
    """A row a femur of the films: kind, Dice, distances, confidence, boxes on both outlines, neck boxes."""
    images, masks = zip(*(film.read() for film in chosen), strict=True)
    report = evaluate(segmenter, images, masks, ignore_label=UNKNOWN)
    table = report.table
    outlines, broken = report._outlines, [film.broken() for film in chosen]
    rows = []
    for row in table.itertuples():
        film = chosen[row.image]
        kind = "broken" if row.code in broken[row.image] else "intact"
        known = masks[row.image] == row.code
        on_hand = boxes_of(known, row.code) if known.any() else None
        gap, in_head = neck_boxes(outlines[row.image] == row.code, known, row.code)
        rows.append(
            {
                "film": film.name,
                "kind": "full size" if film.full_size else kind,
                "known": known.any(),
                "hand_boxes": 0 if on_hand is None else len(on_hand[0]),
                "neck_gap": gap,
                "neck_in_head": in_head,
            }
        )
    return pd.concat([pd.DataFrame(rows), table], axis=1)


def print_figures(table):
    """Print what the acceptance asks for."""
    known = table[table["known"]]
    for kind, some in known.groupby("kind"):
        print(
            f"{kind:9} n {len(some):3}  Dice median {some['dice'].median():.3f}, tenth percentile "
            f"{some['dice'].quantile(0.1):.3f}, smallest {some['dice'].min():.3f}; surface distance median "
            f"{some['average_distance'].median():.2f} mm; all boxes on the network's outline "
            f"{(some['boxes'] == 5).mean():.0%}, on the hand's {(some['hand_boxes'] == 5).mean():.0%}"
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


def draw(table, segmenter, chosen, path):
    """Draw 24 films with the known outline in blue, the network's in orange, and the boxes of the latter."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(24, 16), layout="constrained")
    for axis, film in zip(figure.subplots(4, 6).ravel(), chosen[:24], strict=False):
        pixels, labels = film.read()
        (found,) = segmenter.predict([pixels])
        axis.imshow(pixels, cmap="gray")
        for code in (1, 2):
            for mask, color in ((labels == code, "#56b4e9"), (found == code, "#e69f00")):
                if mask.any():
                    axis.contour(mask, levels=[0.5], colors=color, linewidths=1)
            placed = boxes_of(found == code, code) if (found == code).any() else None
            for box in () if placed is None else placed[0].values():
                corners = np.vstack([box.corners, box.corners[:1]])
                axis.plot(corners[:, 1] - 0.5, corners[:, 0] - 0.5, color="#009e73", linewidth=1)
        mine = table[table["film"] == film.name]
        axis.set_title(f"{film.name}: {', '.join(f'{dice:.3f}' for dice in mine['dice'])}", fontsize=9)
        axis.set_axis_off()
    figure.savefig(path, dpi=60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder pelvis of the real radiographs")
    parser.add_argument("--weights", type=Path, help="a file of weights; default: those of the package")
    parser.add_argument("--part", default="test", choices=("test", "choice", "train"))
    parser.add_argument("--side", type=int, help="another side of the frame")
    parser.add_argument("--films", type=int, help="only so many")
    parser.add_argument("--overlays", type=Path, help="write a picture of 24 films here")
    parser.add_argument("--table", type=Path, help="write the table, a row a femur, here")
    arguments = parser.parse_args()
    segmenter = (
        UNetSegmenter.from_weights(arguments.weights) if arguments.weights else UNetSegmenter.pretrained("femur")
    )
    if arguments.side:
        segmenter.set_params(image_size=arguments.side)
        segmenter.architecture_ = segmenter._architecture()
    chosen = [film for film in films(arguments.folder) if film.part == arguments.part][: arguments.films]
    table = judge(segmenter, chosen)
    print_figures(table)
    if arguments.table:
        table.to_csv(arguments.table, index=False)
    if arguments.part == "test":
        print_invented(segmenter, arguments.folder.parent)
    if arguments.overlays:
        draw(table, segmenter, chosen, arguments.overlays)


if __name__ == "__main__":
    main()
