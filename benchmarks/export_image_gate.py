"""Export the statistics that `ImageGate.pretrained("femur")` loads; needed again whenever the femur weights change.

``python benchmarks/export_image_gate.py ../shared/data/pelvis`` fits the gate on half of the training part and on the
choice part of the real hips (`real_hips.films`), and on half of the AP pelves of the other source, without films that
show metal or lie sideways, and writes ``src/deepradiomics/quality/statistics/femur.npz`` (or ``--output``). Three
minutes on one core.
"""

import argparse
import csv
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from deepradiomics import UNetSegmenter
from deepradiomics.quality import ImageGate
from deepradiomics.reading import read_radiograph
from deepradiomics.simulation import make_hips
from real_hips import films

OUTPUT = Path(__file__).resolve().parents[1] / "src/deepradiomics/quality/statistics/femur.npz"


def accepted(folder):
    """Films to learn from, and which of them are one image: no metal, not sideways, not of the test part."""
    with open(Path(folder) / "index.csv", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    upright = [film for film in films(folder) if not film.sideways]
    # Every second film of the training part is enough, and does not outnumber the other source as much.
    chosen = [film for film in upright if film.part == "train"][1::2]
    for film in chosen + [film for film in upright if film.part == "choice"]:
        if rows[film.name]["metal_seen"] == "0":
            yield film.read()[0], rows[film.name]["same_image"]
    for row in other_source(folder):
        if row["view_by_eye"] == "pelvis_ap" and row["metal_seen"] == "0" and not row["test"]:
            # Some files ask viewers to turn them; the gate is to see them as they lie in the file.
            yield read_radiograph(Path(folder) / "unlabelled" / row["image"], orientation="stored"), row["image"]


def other_source(folder):
    """Rows of the table of films of the other source; ``test`` tells which half of them is judged by, from the name."""
    with open(Path(folder) / "unlabelled.csv", newline="") as file:
        for row in csv.DictReader(file):
            yield row | {"test": hashlib.sha256(row["image"].encode()).digest()[-1] % 2 == 1}


def as_stored(film):
    """Gray values of a film as its file has them, float32 (H, W)."""
    return np.asarray(Image.open(film.image).convert("L"), dtype=np.float32)


def main():
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="folder of the real hips")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--smoke", action="store_true", help="20 simulated hips, nothing is written")
    arguments = parser.parse_args()
    gate = ImageGate(UNetSegmenter.pretrained("femur"))
    if arguments.smoke:
        gate.fit(make_hips(20, random_state=0, image_shape=(256, 256)).data["radiograph"])
    else:
        pictures, groups = zip(*accepted(arguments.folder), strict=True)
        gate.fit(list(pictures), groups=groups)
        gate.save_statistics(arguments.output)
        print(f"{len(groups)} films, {arguments.output.stat().st_size} bytes, weights {gate.weights_hash_[:12]}")
    names = [name.partition("__")[2] for name in gate.get_feature_names_out()]
    for name, typical, threshold in zip(names, gate.typical_, gate.thresholds_, strict=True):
        print(f"{name:12s} typical {typical:8.3f}   threshold {threshold:8.3f}")


if __name__ == "__main__":
    main()
