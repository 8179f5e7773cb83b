"""Read the real radiographs of hips that the femur weights are trained and judged on, and say which part each is in.

The folder is that of `../shared/data/pelvis`: 255 radiographs with the outline of each proximal femur (Proximal Femur
Fracture, workspace thesisyolo-v8, CC BY 4.0), some of them at full size as well, and 192 without outlines (FracAtlas,
Abedeen et al. 2023, CC BY 4.0). Nothing of it is part of this project.
"""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from deepradiomics.metrics import dice

# The pictures are squeezed to a square; the originals that are known are 1.16 times as wide as high in the median.
ASPECT = 1.16
UNKNOWN = 255
MISSED = 0.3  # a femur whose Dice is lower is missed
# Label in the files to label of the weights: 1 left, 2 right femur. The files have the patient's right one first, and
# other labels, 3 and 4, where it is fractured or dislocated.
LABELS = np.array([0, 2, 1, 2, 1], dtype=np.uint8)


@dataclass(frozen=True)
class Film:
    """One radiograph: its name, what it shows, its part, and which labels are of fractured or dislocated femora."""

    name: str
    kind: str
    part: str
    image: Path
    mask: Path
    full_size: bool = False
    sideways: bool = False

    def read(self):
        """Read grey values (H, W) and labels (H, W), both stretched back; `UNKNOWN` beyond the end of an outline."""
        image, mask = Image.open(self.image).convert("L"), Image.open(self.mask)
        if not self.full_size:
            size = round(ASPECT * image.height), image.height
            image, mask = image.resize(size, Image.Resampling.BICUBIC), mask.resize(size, Image.Resampling.NEAREST)
        codes = np.asarray(mask)
        return np.asarray(image, dtype=np.float32), with_unknown(LABELS[codes], self.sideways)

    def broken(self):
        """Tell which of the labels 1 and 2 belong to a fractured or dislocated femur."""
        codes = set(np.unique(np.asarray(Image.open(self.mask)))) - {0}
        return {int(LABELS[code]) for code in codes if code > 2}


def films(folder):
    """List the outlined radiographs: a fifth is the test part, a tenth helps to choose, the rest is trained on.

    The part follows from a hash of the name, so it does not move when films are added. Films that are one image are in
    one part, and a film that is there at full size as well is in the test part with its original.
    """
    folder = Path(folder)
    with open(folder / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    first = {}
    for row in sorted(rows, key=lambda row: row["name"]):
        first.setdefault(row["same_image"], row["name"])
    originals = {path.stem for path in (folder / "full_size" / "images").glob("*.jpg")}
    found = []
    for row in rows:
        name = row["name"]
        number = int(hashlib.sha256(first[row["same_image"]].encode()).hexdigest(), 16)
        part = "test" if number % 5 == 0 or name in originals else "choice" if number % 10 == 1 else "train"
        image, mask = folder / f"images/{name}.jpg", folder / f"masks/{name}.png"
        found.append(Film(name, row["kind"], part, image, mask, sideways=row["sideways_or_lateral"] == "1"))
        if name in originals:
            image, mask = folder / f"full_size/images/{name}.jpg", folder / f"full_size/masks/{name}.png"
            found.append(Film(name, row["kind"], "test", image, mask, full_size=True))
    return found


def dice_by_kind(segmenter, chosen):
    """Dice of each outlined femur of some films, of the intact and of the fractured or dislocated ones."""
    found = {"intact": [], "fractured": []}
    for film in chosen:
        pixels, labels = film.read()
        (outline,) = segmenter.predict([pixels])
        for code in set(np.unique(labels)) - {0, UNKNOWN}:
            kind = "fractured" if code in film.broken() else "intact"
            found[kind].append(dice((outline == code) & (labels != UNKNOWN), labels == code))
    return {kind: np.array(values) for kind, values in found.items()}


def with_unknown(labels, sideways=False):
    """Mark what lies beyond the end of each outline as unknown: the shaft goes on there, and nobody drew it."""
    marked = labels.copy()
    for code in set(np.unique(labels)) - {0}:
        marked[beyond_end(labels == code, sideways) & (labels == 0)] = UNKNOWN
    return marked


def beyond_end(femur, sideways=False):
    """Mark a strip along the shaft, three times as wide, from where the first of its borders ends.

    The shaft points down, or, where a film lies sideways, along the longer axis away from the thickest place.
    """
    rows, columns = np.nonzero(femur)
    if len(rows) < 50:
        return np.zeros(femur.shape, dtype=bool)
    points = np.column_stack([rows, columns]).astype(float)
    axis = np.array([1.0, 0.0])
    if sideways:
        thickest = np.array(np.unravel_index(ndimage.distance_transform_edt(femur).argmax(), femur.shape))
        axis = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][0]
        along = (points - thickest) @ axis
        axis = axis if along.max() > -along.min() else -axis
    for _ in range(3):  # the axis of the shaft alone: of the last third along the axis so far
        along = points @ axis
        last = points[along > np.quantile(along, 1) - 0.35 * np.ptp(along)]
        centred = last - last.mean(axis=0)
        across = np.array([-axis[1], axis[0]])
        position = centred @ axis
        slope = (position @ (centred @ across)) / (position @ position)
        axis = (axis + slope * across) / np.hypot(1, slope)
    across = np.array([-axis[1], axis[0]])
    middle = last.mean(axis=0)
    along, aside = (points - middle) @ axis, (points - middle) @ across
    width = 2 * np.quantile(np.abs(aside[along > 0]), 0.95)
    ends = [along[(aside * sign > 0.2 * width) & (aside * sign < 0.45 * width)] for sign in (-1, 1)]
    end = min(values.max() if len(values) else along.max() for values in ends) - 0.02 * np.ptp(along)
    grid = np.indices(femur.shape, sparse=True)
    ahead = (grid[0] - middle[0]) * axis[0] + (grid[1] - middle[1]) * axis[1]
    beside = (grid[0] - middle[0]) * across[0] + (grid[1] - middle[1]) * across[1]
    return (ahead > end) & (np.abs(beside) < 1.5 * width)
