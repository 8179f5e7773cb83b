"""Outlines of femora, learned from files
=========================================

How well are femora outlined, and how far do outlines and boxes lie from the truth?

Writes simulated hips and their masks to files, trains a U-Net on the files, and measures it and the pretrained one on
patients neither has seen, of the same hospital and of another. Run it as ``python examples/segment_femora.py FOLDER``
(about a minute on two cores); ``--long`` trains on more patients (about three minutes).
"""

# sphinx_gallery_thumbnail_path = '_static/hip_outlines.jpg'

import argparse
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image

import deepradiomics as dr
from deepradiomics.exceptions import RegionError
from deepradiomics.regions import femur_geometry
from deepradiomics.segmentation import dice, overlap_ratio, surface_distance
from deepradiomics.simulation import make_hips

CLASSES = ("left femur", "right femur")
SIDES = {1: ("left", "L"), 2: ("right", "R")}  # label: name, side


def write_pairs(hips, folder):
    """Write radiographs as 16-bit PNG and label maps as 8-bit PNG: what a folder of your own may look like."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name, radiograph, mask in zip(hips.groups, hips.data["radiograph"], hips.masks, strict=True):
        Image.fromarray(radiograph.pixels.astype(np.uint16)).save(folder / "images" / f"{name}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    return sorted((folder / "images").glob("*.png")), sorted((folder / "masks").glob("*.png"))


def measured(hips, found):
    """One row a hip: Dice, surface distance, and errors of landmarks and boxes in mm."""
    rows = []
    for number, (radiograph, truth, mask) in enumerate(zip(hips.data["radiograph"], hips.masks, found, strict=True)):
        landmarks = hips.landmarks.iloc[number]
        for label, (name, side) in SIDES.items():
            row = {"Dice": dice(mask == label, truth == label)}
            distance = surface_distance(mask == label, truth == label, radiograph.spacing)
            row |= {"average mm": distance.average, "Hausdorff 95 mm": distance.hausdorff95}
            rows.append(row | box_errors(mask == label, truth == label, radiograph.spacing, side, landmarks, name))
    return pd.DataFrame(rows)


def box_errors(mask, truth, spacing, side, landmarks, name):
    """Distance of head, neck and boxes to the truth in mm; NaN where no box can be placed."""
    try:
        geometry = femur_geometry(mask, spacing, laterality=side)
        boxes = dr.place_femur_boxes(mask, spacing, laterality=side)
    except RegionError:
        return {}
    expected = dr.place_femur_boxes(truth, spacing, laterality=side)

    def away(point, other):
        return float(np.linalg.norm(np.subtract(point, other) * spacing))

    row = {
        f"{part} mm": away(point, (landmarks[f"{name}_{part}_row"], landmarks[f"{name}_{part}_column"]))
        for part, point in (("head", geometry.head_centre), ("neck", geometry.neck_centre))
    }
    for part in [part for part in ("neck", "cortex") if part in boxes and part in expected]:
        row[f"{part} box mm"] = away(boxes[part].centre, expected[part].centre)
        row[f"{part} box overlap"] = overlap_ratio(boxes[part], expected[part])
    return row


def draw(hips, found, title, path):
    """Write the outlines and boxes of three patients."""
    figure, axes = plt.subplots(1, 3, figsize=(15, 5.5), layout="constrained")
    for ax, radiograph, mask in zip(axes, hips.data["radiograph"], found, strict=False):
        boxes = {}
        for label, (name, side) in SIDES.items():
            try:
                placed = dr.place_femur_boxes(mask == label, radiograph.spacing, laterality=side)
            except RegionError as error:
                print(f"{title}, {name} hip: {error}")
                continue
            boxes |= {f"{name}_{part}": placed[part] for part in ("neck", "cortex", "ward") if part in placed}
        dr.plot_regions(radiograph, mask, boxes=boxes, ax=ax)
    figure.suptitle(title)
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("segment_femora_output"))
    parser.add_argument("--long", action="store_true", help="train on 160 patients instead of 60")
    arguments = parser.parse_args()
    n_patients, epochs = (160, 12) if arguments.long else (60, 10)
    pd.set_option("display.width", 140)

    print(f"Simulating {n_patients} patients of site A and writing them to {arguments.folder / 'pairs'} ...")
    images, masks = write_pairs(make_hips(n_patients, random_state=0), arguments.folder / "pairs")

    # Any two lists of files or arrays will do; docs/segmentation.md says what masks may look like.
    segmenter = dr.UNetSegmenter(
        CLASSES,
        encoder="tu-resnet18",
        decoder_channels=(64, 48, 32, 16),
        image_size=192,
        epochs=epochs,
        mirror_classes=(CLASSES,),
        random_state=0,
    )
    start = time.perf_counter(), time.process_time()
    segmenter.fit(images, masks)
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    print(f"Trained in {wall:.0f} s ({cpu:.0f} s of CPU time)\n")

    for site in "AB":
        hips = make_hips(20, site=site, random_state=1)
        radiographs = list(hips.data["radiograph"])
        for title, network in (("trained here", segmenter), ("pretrained", dr.UNetSegmenter.pretrained("femur"))):
            found, confidence = network.predict_with_confidence(radiographs)
            table = measured(hips, found)
            print(f"Site {site}, 20 unseen patients, {title}: smallest confidence {np.nanmin(confidence):.2f}")
            print(table.agg(["mean", "median", "max"]).round(3).to_string(), end="\n\n")
            path = arguments.folder / f"site_{site}_{title.replace(' ', '_')}.png"
            draw(hips, found, f"Site {site}, {title}", path)
    print(f"Outlines and boxes: {arguments.folder}/site_*.png")


if __name__ == "__main__":
    main()
