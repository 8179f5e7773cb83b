"""Export the statistics that `ImageGate.pretrained("femur")` loads; needed again whenever the femur weights change.

``python benchmarks/export_image_gate.py ../shared/data/pelvis`` fits the gate on the training and the choice part of
the real hips (`real_hips.films`), without films that show metal or lie sideways, and writes
``src/deepradiomics/quality/statistics/femur.npz`` (or ``--output``). Two to five minutes on one core.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image

from deepradiomics import UNetSegmenter
from deepradiomics.quality import ImageGate, block_contrast, distinct_levels, fine_detail
from deepradiomics.simulation import make_hips
from real_hips import films

OUTPUT = Path(__file__).resolve().parents[1] / "src/deepradiomics/quality/statistics/femur.npz"
# The films are squeezed, and stretching them back changes what a file's own pixels say: these are measured before.
OF_THE_FILE = {"gray_levels": distinct_levels, "blocks": block_contrast, "fine_detail": fine_detail}


def accepted(folder):
    """Films to learn from: no metal, not sideways, not of the test part."""
    with open(Path(folder) / "index.csv", newline="") as file:
        metal = {row["name"] for row in csv.DictReader(file) if row["metal_seen"] == "1"}
    return [film for film in films(folder) if film.part != "test" and not film.sideways and film.name not in metal]


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
        gate.fit(make_hips(20, random_state=0).data["radiograph"])
    else:
        chosen = accepted(arguments.folder)
        gate.fit([film.read()[0] for film in chosen])
        for name, measure in OF_THE_FILE.items():
            gate.relearn(name, [measure(as_stored(film)) for film in chosen])
        gate.save_statistics(arguments.output)
        print(f"{len(chosen)} films, {arguments.output.stat().st_size} bytes, weights {gate.weights_hash_[:12]}")
    names = [name.partition("__")[2] for name in gate.get_feature_names_out()]
    for name, typical, threshold in zip(names, gate.typical_, gate.thresholds_, strict=True):
        print(f"{name:12s} typical {typical:8.3f}   threshold {threshold:8.3f}")


if __name__ == "__main__":
    main()
