"""Judge the shipped gate for images on real radiographs of the test part, on other parts of the body, and on damage.

``python benchmarks/image_gate.py ../shared/data`` prints, a row a kind, how well the measure that is meant for it and
the score tell it from intact test films (area under the ROC curve), and the share flagged. Damage is simulated on the
test films; gray levels, blocks and enlargement on the files as they are stored. ``--most`` bounds the films of a
kind, but for good ones.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from sklearn.metrics import roc_auc_score

from common import print_setting
from deepradiomics import Radiograph, read_radiograph
from deepradiomics.quality import ImageGate
from deepradiomics.simulation import make_hips
from export_image_gate import as_stored, other_source
from real_hips import films

# All of these are looked at, since a share of few films says nothing about false alarms.
GOOD = ("intact", "full size", "AP pelves, other source")
OF_THE_FILE = ("few levels (16)", "JPEG of quality 10", "enlarged twice")


def jpeg(pixels, quality):
    """Gray values as they come back from a JPEG."""
    stream = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(stream, format="JPEG", quality=quality)
    return np.asarray(Image.open(stream), dtype=np.float32)


def with_text(pixels, femur):
    """Burn two lines of text over a femur."""
    rows, columns = np.nonzero(femur)
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    place, size = (int(columns.min()), int(np.median(rows))), max(12, pixels.shape[0] // 28)
    ImageDraw.Draw(picture).multiline_text(place, "JOHN DOE\n1950-01-01", fill=255, font_size=size)
    return np.asarray(picture, dtype=np.float32)


def clipped(pixels):
    """Stretch the gray values between the 30th and the 75th percentile, and clip the rest."""
    low, high = np.percentile(pixels, (30, 75))
    return np.clip((pixels - low) * 255 / max(high - low, 1), 0, 255)


def halved(pixels, femur):
    """Cut a film at the middle of a femur, across its height; the trunk stays."""
    rows = np.flatnonzero(femur.any(axis=1))
    return pixels[: rows[0] + (rows[-1] - rows[0]) // 3]


def damaged(pixels, labels, stored):
    """Yield each kind of damage to a film, the measure that is meant for it, and the picture."""
    femur = labels == (1 if (labels == 1).sum() >= (labels == 2).sum() else 2)
    yield "negative", "inverted", 255 - pixels
    yield "turned by 90 degrees", "turned", np.rot90(pixels)
    yield "upside down", "turned", np.rot90(pixels, 2)
    yield "gray values clipped", "clipped", clipped(pixels)
    yield "text over the femur", "text", with_text(pixels, femur)
    yield "cut through the femur", "cut_off", halved(pixels, femur)
    yield "few levels (16)", "gray_levels", stored // 16 * 16
    yield "JPEG of quality 10", "blocks", jpeg(stored, 10)
    size = 2 * stored.shape[1], 2 * stored.shape[0]
    twice = Image.fromarray(stored).resize(size, Image.Resampling.BICUBIC)
    yield "enlarged twice", "fine_detail", np.asarray(twice)


def one_side(pixels, labels):
    """Crop one femur, named by its side and by the other, as `Radiograph`; None where a femur is missing."""
    if not all((labels == code).any() for code in (1, 2)):
        return None
    middle = int(np.mean([np.nonzero(labels == code)[1].mean() for code in (1, 2)]))
    # The patient's right femur lies on the left of the picture.
    return [Radiograph(pixels[:, :middle], laterality=side) for side in ("R", "L")]


def others(folder):
    """Yield real pictures that are no AP hip, or of another source: kind, measure, path."""
    for row in other_source(folder / "pelvis"):
        kind, path = row["view_by_eye"], folder / "pelvis/unlabelled" / row["image"]
        if row["metal_seen"] == "1":
            yield "hips with metal", "score", path
        elif kind == "pelvis_rotated_90":
            yield "pelves lying on their side", "turned", path
        elif kind != "pelvis_ap" or row["test"]:
            yield (
                {"pelvis_ap": "AP pelves, other source", "child_or_trunk": "children and trunks"}.get(
                    kind, "one hip or thigh, other source"
                ),
                "unlike",
                path,
            )
    for kind, pattern in (
        ("knees", "knees/images/*.jpg"),
        ("single vertebrae", "vertebrae/*/*.png"),
        ("spines, AP", "spine/ap/*.jpg"),
        ("spines, lateral", "spine/lateral*/*.jpg"),
    ):
        for path in sorted(folder.glob(pattern)):
            yield kind, "unlike", path


def collect(folder, most):
    """Kinds with their measure and pictures: {kind: (measure, [picture])}."""
    found = {}

    def add(kind, measure, picture):
        pictures = found.setdefault(kind, (measure, []))[1]
        if most is None or kind in GOOD or len(pictures) < most:
            pictures.append(picture)

    chosen = [film for film in films(folder / "pelvis") if film.part == "test" and not film.full_size]
    for number, film in enumerate(film for film in chosen if not film.sideways):
        pixels, labels = film.read()
        labels[labels > 2] = 0
        add("intact", "score", pixels)
        if most is not None and number >= most:
            continue
        add("intact, as stored", "score", as_stored(film))
        for kind, measure, picture in damaged(pixels, labels, as_stored(film)):
            add(kind, measure, picture)
        pair = one_side(pixels, labels)
        if pair:
            add("one femur, side right", "score", pair[0])
            add("one femur, side wrong", "wrong_side", pair[1])
    for kind, measure, path in others(folder):
        # Some files ask viewers to turn them; the gate is to see them as they lie in the file.
        add(kind, measure, read_radiograph(path, orientation="stored"))
    for film in films(folder / "pelvis"):
        if film.full_size:
            add("full size", "score", film.image)
    return found


def simulated():
    """What is judged in a smoke run: a simulated hip and its negative."""
    pixels = make_hips(1, random_state=0).data["radiograph"][0].pixels
    return {"intact": ("score", [pixels] * 2), "negative": ("inverted", [-pixels] * 2)}


def main():
    """Judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="folder that holds pelvis, knees, vertebrae and spine")
    parser.add_argument("--most", type=int, default=None, help="films of a kind that is no good film; all without it")
    parser.add_argument("--smoke", action="store_true", help="one simulated hip")
    arguments = parser.parse_args()
    print_setting("scikit-learn", "torch")
    gate = ImageGate.pretrained("femur")
    kinds = simulated() if arguments.smoke else collect(arguments.folder, arguments.most)
    reports = {}
    for kind, (_, pictures) in kinds.items():
        pictures = [read_radiograph(one) if isinstance(one, Path) else one for one in pictures]
        reports[kind] = gate.report(pictures)
    rows = []
    for kind, (measure, _) in kinds.items():
        base = {"one femur, side wrong": "one femur, side right"}.get(kind, "intact")
        intact, found = reports["intact, as stored" if kind in OF_THE_FILE else base], reports[kind]
        truth = np.r_[np.zeros(len(intact)), np.ones(len(found))]
        sign = -1 if measure in ("gray_levels", "fine_detail") else 1
        areas = [
            roc_auc_score(truth, factor * np.r_[intact[name], found[name]])
            for name, factor in ((measure, sign), ("score", 1))
        ]
        flags = found["flags"].str.split(",").explode().value_counts().drop("", errors="ignore")
        rows.append((kind, len(found), measure, *areas, 1 - found["accepted"].mean(), ", ".join(flags.index[:3])))
    columns = ["kind", "n", "measure", "AUC", "AUC of the score", "flagged", "most frequent flags"]
    print(pd.DataFrame(rows, columns=columns).to_string(index=False, float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
