"""What helps on real radiographs: a frozen network, transfer learning, training from scratch, texture or covariates.

``python benchmarks/embeddings.py ../shared/data`` compares them on femora that are fractured or intact (pelvis, cut out
by the outlines drawn by hand, equal images in one fold) and on knees (osteoporosis against the rest). The network is
tf_efficientnet_lite0 with the ImageNet weights of the extra ``imagenet``. ``--epochs 0`` leaves the trained ones out.
Also: images a second beside a plain loop of timm.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from common import print_setting
from deepradiomics import DeepExtractor, EmbeddingExtractor, Radiograph, compare_feature_sets, read_radiograph
from deepradiomics.comparison import duplicate_groups
from deepradiomics.deep import imagenet_weights
from deepradiomics.preprocessing import bone_area
from deepradiomics.recipes import frozen
from deepradiomics.simulation import make_hips
from real_hips import ASPECT, LABELS, films

MODEL = "tf_efficientnet_lite0"


def femora(folder):
    """Crops of femora that are fractured, dislocated or intact, right ones mirrored; table, labels, groups."""
    index = pd.read_csv(folder / "index.csv").set_index("name")
    cells, labels, groups = [], [], []
    for film in films(folder):
        if film.full_size or film.sideways:
            continue
        image, codes = Image.open(film.image).convert("L"), Image.open(film.mask)
        size = round(ASPECT * image.height), image.height
        pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
        codes = np.asarray(codes.resize(size, Image.Resampling.NEAREST))
        for code in sorted(set(np.unique(codes)) - {0}):
            mask = codes == code
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            if mask.sum() < 400:
                continue
            box = slice(max(0, rows[0] - 10), rows[-1] + 11), slice(max(0, columns[0] - 10), columns[-1] + 11)
            crop = Radiograph(pixels[box], mask[box])
            cells.append(crop.mirrored() if LABELS[code] == 2 else crop)
            labels.append(int(code > 2))
            groups.append(index.loc[film.name, "same_image"])
    return pd.DataFrame({"region": pd.Series(cells, dtype=object)}), np.array(labels), np.array(groups)


def knees(folder):
    """Pictures with the area of their bones, age, sex and body mass; table, labels, groups of equal pictures."""
    table = pd.read_csv(folder / "clinical.csv", skipinitialspace=True)
    pictures = [read_radiograph(folder / "images" / name) for name in table["image"]]
    cells = [Radiograph(picture.pixels, bone_area(picture.pixels)) for picture in pictures]
    table["region"] = pd.Series(cells, dtype=object)
    labels = (table["label"] == "osteoporosis").astype(int).to_numpy()
    return table[["region", "age", "sex", "bmi"]], labels, duplicate_groups(pictures)


def with_network(pretrained, epochs, arguments):
    """A network that learns, cross-fitted, in front of the same head."""
    network = DeepExtractor(
        MODEL,
        n_features=64,
        pretrained=pretrained,
        image_size=arguments.side,
        epochs=epochs,
        learning_rate=3e-4 if pretrained else 1e-3,
        frozen_epochs=1 if pretrained and epochs > 1 else 0,
        layer_decay=0.7 if pretrained else 1.0,
        cv=2,
        random_state=0,
    )
    blocks = ColumnTransformer([("deep", network, ["region"])]).set_output(transform="pandas")
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000))
    return Pipeline([("blocks", blocks), *head.steps])


def table_of(title, data, clinical, arguments):
    """Print areas with intervals."""
    X, y, groups = data
    print(f"\n{title}: {len(y)} pictures, {y.sum()} with, {len(set(groups))} groups", flush=True)
    start = time.perf_counter()
    EmbeddingExtractor(MODEL, checkpoint=arguments.checkpoint).transform(X[["region"]])
    print(f"embedded in {time.perf_counter() - start:.0f} s")
    model = frozen(MODEL, ["region"], clinical=clinical, checkpoint=arguments.checkpoint, n_components=arguments.parts)
    model.set_params(blocks__texture__textureextractor__on_error="skip")
    found = compare_feature_sets(model, X, y, groups=groups, cv=arguments.folds, random_state=0)
    print(found.formatted().to_string(), flush=True)
    print(found.tests.to_string(), flush=True)
    for name, pretrained in (("transfer", True), ("scratch", False)) if arguments.epochs else ():
        learned = with_network(pretrained, arguments.epochs, arguments)
        start = time.perf_counter()
        result = compare_feature_sets(learned, X[["region"]], y, groups=groups, cv=arguments.folds, random_state=0)
        print(f"{name}, {time.perf_counter() - start:.0f} s\n{result.formatted().to_string()}", flush=True)


def speed(n_images):
    """Images a second beside a plain loop of timm on pictures that are ready, and with reading them."""
    images = [cell.pixels for cell in make_hips(n_images, random_state=0, image_shape=(448, 448)).data["radiograph"]]
    plain = timm.create_model(MODEL, num_classes=0).eval()
    plain.load_state_dict(imagenet_weights(), strict=False)
    start = time.perf_counter()
    with torch.inference_mode():
        for first in range(0, n_images, 16):
            batch = [torch.from_numpy(np.array(pixels))[None, None] for pixels in images[first : first + 16]]
            batch = [(image - image.min()) / (image.max() - image.min()) for image in batch]
            batch = [
                torch.nn.functional.interpolate(image, (224, 224), mode="bicubic", antialias=True) for image in batch
            ]
            plain((torch.cat(batch).clamp(0, 1).expand(-1, 3, -1, -1) - 0.5) / 0.5)
    theirs = time.perf_counter() - start
    extractor = EmbeddingExtractor(MODEL)
    start = time.perf_counter()
    extractor.transform(images)
    ours = time.perf_counter() - start
    print(f"plain loop {n_images / theirs:.1f} images/s, ours {n_images / ours:.1f} with building the network")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--cohort", choices=("femora", "knees"), nargs="+", default=["femora", "knees"])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--parts", type=int, default=16)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--smoke", action="store_true", help="simulated hips, two folds, an epoch: no figure of use")
    arguments = parser.parse_args()
    print_setting("torch", "timm")
    if arguments.smoke:
        hips = make_hips(16, random_state=0, image_shape=(96, 96))
        X = hips.data[["radiograph", "age", "sex"]].rename(columns={"radiograph": "region"})
        arguments.epochs, arguments.side, arguments.folds, arguments.parts = 1, 64, 2, 4
        table_of("simulated hips", (X, np.arange(16) % 2, np.arange(16)), ["age"], arguments)
        speed(4)
        return
    if "femora" in arguments.cohort:
        table_of("femora, fractured against intact", femora(arguments.folder / "pelvis"), [], arguments)
    if "knees" in arguments.cohort:
        table_of(
            "knees, osteoporosis against the rest", knees(arguments.folder / "knees"), ["age", "sex", "bmi"], arguments
        )
    speed(64)


if __name__ == "__main__":
    main()
