"""Measure how like real films simulated hips are: a network that tells them apart, spectra and grey values by region.

``python benchmarks/likeness.py ../shared/data/pelvis`` reads AP pelves of `unlabelled` (FracAtlas, about 1 mm a pixel)
and normal ones of `images` (about 0.6 mm). Each film gets a simulated partner of its own number of pixels that is saved
as JPEG with the film's quantization. A millimetre is that of a head 47 mm wide in either. ``--sheet FILE`` writes 24
simulated beside 24 real ones, to be looked at; it shows real films and stays where they are.
"""

import argparse
import csv
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from common import print_setting
from deepradiomics import UNetSegmenter
from deepradiomics.simulation import make_hips
from real_hips import ASPECT, films

HEAD_MM, PATCH, SPACING = 47.0, 96, 0.5
PERCENTILES = (5, 25, 50, 75, 95)
EDGES = np.array([0.03, 0.06, 0.1, 0.15, 0.22, 0.3, 0.4])  # cycles a mm; coarse films end at 0.5


def real_files(folder, source, n_films):
    """Paths of AP pelves without metal, evenly spread over those there are."""
    if source == "unlabelled":
        with open(folder / "unlabelled.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        names = [row["image"] for row in rows if row["view_by_eye"] == "pelvis_ap" and row["metal_seen"] == "0"]
        paths = [folder / "unlabelled" / name for name in names]
    else:
        with open(folder / "index.csv", newline="") as file:
            plain = {row["name"] for row in csv.DictReader(file) if row["metal_seen"] == "0"}
        paths = [film.image for film in films(folder) if film.kind == "normal" and not film.full_size]
        paths = [path for path in paths if path.stem in plain]
    return [paths[round(k)] for k in np.linspace(0, len(paths) - 1, min(n_films, len(paths)))]


def read(file, squeezed):
    """Grey values (H, W) of a file, stretched back where films were squeezed to a square."""
    image = Image.open(file).convert("L")
    if max(image.size) > 1000:
        image = image.reduce(4)
    if squeezed:
        image = image.resize((round(ASPECT * image.height), image.height), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32)


def partner(path, shape, squeezed, number):
    """Simulate a hip that went through the same kind of file as a film: grey values (H, W) and outlines (H, W)."""
    rows, columns = shape if 2 * shape[0] <= 3 * shape[1] else shape[::-1]
    hips = make_hips(1, site="ABC"[number % 3], random_state=number, image_shape=(rows, columns))
    image = Image.fromarray(np.rint(hips.data["radiograph"][0].pixels / 4095 * 255).astype(np.uint8))
    if squeezed:
        image = image.resize((rows, rows), Image.Resampling.BICUBIC)
    original = Image.open(path)
    tables = {"qtables": {0: original.quantization[0]}} if original.format == "JPEG" else {"quality": 90}
    file = io.BytesIO()
    image.save(file, "JPEG", **tables)
    return read(file, squeezed), hips.masks[0]


def standard(pixels, outlines):
    """Bring a picture to 0.5 mm a pixel and its grey values to 0..1, or None where no femur is outlined."""
    widest = max(ndimage.distance_transform_edt(np.pad(outlines == label, 1)).max() for label in (1, 2))
    if widest < 10:
        return None
    low, high = np.percentile(pixels, (1, 99.7))
    zoom = HEAD_MM / (2 * widest) / SPACING
    grey = ndimage.zoom(np.clip((pixels - low) / (high - low), 0, 1.2), zoom, order=1)
    return grey, ndimage.zoom(outlines, zoom, order=0)


def regions(grey, outlines):
    """Masks of the femora, of soft tissue beside their shafts, and of the pelvis between and above them."""
    femur = outlines > 0
    away = ndimage.distance_transform_edt(~femur) * SPACING
    rows, columns = np.nonzero(femur)
    y, x = np.ogrid[: grey.shape[0], : grey.shape[1]]
    beside = (away > 8) & (away < 25) & (y > np.median(rows)) & ((x < columns.min() + 60) | (x > columns.max() - 60))
    between = (x > np.quantile(columns, 0.3)) & (x < np.quantile(columns, 0.7)) & (y < rows.min() + 80)
    return {"femur": femur, "soft tissue": beside, "pelvis": between & (y > rows.min() - 160) & (away > 4)}


def patches(grey, masks, rng, n_each):
    """Cut patches whose middles lie in each region: (n, 96, 96) and the region of each."""
    cut, names, half = [], [], PATCH // 2
    for name, mask in masks.items():
        inside = np.argwhere(mask[half:-half, half:-half])
        for row, column in inside[rng.permutation(len(inside))[:n_each]]:
            cut.append(grey[row : row + PATCH, column : column + PATCH])
            names.append(name)
    return np.array(cut, dtype=np.float32), names


def spectrum(patch):
    """Mean log10 power of a patch in each band of `EDGES`."""
    window = np.hanning(PATCH)[:, None] * np.hanning(PATCH)
    power = np.abs(np.fft.fft2((patch - patch.mean()) * window)) ** 2
    radius = np.hypot(*np.meshgrid(*[np.fft.fftfreq(PATCH, SPACING)] * 2))
    bands = np.digitize(radius, EDGES)
    return np.log10([power[bands == k].mean() + 1e-9 for k in range(1, len(EDGES))])


def describe(grey, masks, cut, names):
    """One row of figures a film: percentiles of grey values and the spectrum, by region."""
    row = {}
    for name, mask in masks.items():
        if mask.sum() > 200:
            row |= {(name, f"grey p{p}"): np.percentile(grey[mask], p) for p in PERCENTILES}
        own = [spectrum(patch) for patch, where in zip(cut, names, strict=True) if where == name]
        if own:
            bands = zip(EDGES[:-1], EDGES[1:], np.mean(own, axis=0), strict=True)
            row |= {(name, f"power {low}-{high}/mm"): value for low, high, value in bands}
    return row


def told_apart(images, is_real, film, epochs, seed):
    """Out-of-fold scores of a network of four layers that learns to see what is real; folds hold whole films."""
    torch.manual_seed(seed)
    x, y = torch.from_numpy(images)[:, None] * 2 - 1, torch.from_numpy(is_real.astype(np.float32))
    scores = np.zeros(len(images))
    for train, test in GroupKFold(3, shuffle=True, random_state=seed).split(images, groups=film):
        layers, before = [], 1
        for width in (16, 32, 64, 64):
            layers += [torch.nn.Conv2d(before, width, 3, 2, 1), torch.nn.BatchNorm2d(width), torch.nn.ReLU()]
            before = width
        network = torch.nn.Sequential(
            *layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(64, 1)
        )
        optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * -(-len(train) // 32))
        for _ in range(epochs):
            for batch in torch.from_numpy(train)[torch.randperm(len(train))].split(32):
                picture = x[batch].flip(3) if torch.rand(1) < 0.5 else x[batch]
                loss = torch.nn.functional.binary_cross_entropy_with_logits(network(picture)[:, 0], y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        network.eval()
        with torch.no_grad():
            scores[test] = network(x[test])[:, 0].numpy()
    return scores


def compare(folder, source, n_films, epochs, seed=0):
    """Print the areas and the figures that lie outside the range of the real films; return pictures for the sheet."""
    rng, squeezed, segmenter = np.random.default_rng(seed), source == "images", UNetSegmenter.pretrained("femur")
    cut, where, film, real, rows, sheet = [], [], [], [], ([], []), ([], [])
    for number, path in enumerate(real_files(folder, source, n_films)):
        pixels = read(path, squeezed)
        pair = partner(path, pixels.shape, squeezed, number), (pixels, segmenter.predict([pixels])[0])
        for is_real, (grey, outlines) in enumerate(pair):
            sheet[is_real].append(grey)
            brought = standard(grey, outlines)
            if brought is None:
                continue
            masks = regions(*brought)
            own, names = patches(brought[0], masks, rng, 4)
            rows[is_real].append(describe(brought[0], masks, own, names))
            cut += list(own)
            where += names
            film += [number] * len(own)
            real += [is_real] * len(own)
    cut, film, real, where = np.array(cut), np.array(film), np.array(real), np.array(where)
    scores = told_apart(cut, real, film, epochs, seed)
    print(
        f"\n{source}: {len(rows[1])} films, {len(cut)} patches; AUC of real against simulated {auc(real, scores):.3f}"
    )
    for name in np.unique(where):
        print(f"  {name}: {auc(real[where == name], scores[where == name]):.3f}")
    means = [[scores[(film == k) & (real == r)].mean() for k in np.unique(film[real == r])] for r in (0, 1)]
    print(f"  films (mean of patches): {auc(np.repeat([0, 1], [len(m) for m in means]), np.concatenate(means)):.3f}")
    print("  figure: simulated median, real 5 %, median, 95 %; share of simulated within; * median outside")
    for key in sorted(set().union(*rows[1])):
        fake, true = (np.array([row[key] for row in part if key in row]) for part in rows)
        low, middle, high = np.percentile(true, (5, 50, 95))
        mark = " " if low <= np.median(fake) <= high else "*"
        inside = np.mean((fake >= low) & (fake <= high))
        print(f"{mark} {key[0]:12}{key[1]:20}{np.median(fake):7.2f}{low:9.2f}{middle:7.2f}{high:7.2f}{inside:8.2f}")
    return sheet


def auc(real, scores):
    """Area under the curve, the simulated being the negatives."""
    return roc_auc_score(real, scores)


def contact_sheet(sheet, path):
    """Write 24 simulated (left) beside 24 real pictures (right), 8 rows of 3 and 3."""
    sides = []
    for pictures in sheet:
        tiles = []
        for pixels in pictures[:24]:
            low, high = np.percentile(pixels, (1, 99.7))
            image = Image.fromarray((255 * np.clip((pixels - low) / (high - low), 0, 1)).astype(np.uint8))
            image.thumbnail((300, 240))
            tile = Image.new("L", (304, 244))
            tile.paste(image)
            tiles.append(np.asarray(tile))
        tiles += [np.zeros((244, 304), dtype=np.uint8)] * (24 - len(tiles))
        sides.append(np.vstack([np.hstack(tiles[k : k + 3]) for k in range(0, 24, 3)]))
    Image.fromarray(np.hstack([sides[0], np.full((len(sides[0]), 8), 255, np.uint8), sides[1]])).save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="folder that holds images, unlabelled and their tables")
    parser.add_argument("--source", choices=("unlabelled", "images"), nargs="+", default=["unlabelled", "images"])
    parser.add_argument("--films", type=int, default=72)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--smoke", action="store_true", help="simulated against simulated, four patients, one epoch")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print_setting("torch", "numpy")
    if arguments.smoke:
        hips, rng = make_hips(4, random_state=0, image_shape=(192, 192)), np.random.default_rng(0)
        pairs = [
            standard(radiograph.pixels, mask)
            for radiograph, mask in zip(hips.data["radiograph"], hips.masks, strict=True)
        ]
        cut = np.concatenate([patches(grey, {"femur": outlines > 0}, rng, 4)[0] for grey, outlines in pairs])
        film = np.arange(4).repeat(4)
        print(f"half of the simulated against the others: {auc(film % 2, told_apart(cut, film % 2, film, 1, 0)):.2f}")
    elif arguments.folder is None:
        parser.error("give the folder of the real films")
    else:
        for source in arguments.source:
            sheet = compare(arguments.folder, source, arguments.films, arguments.epochs)
            if arguments.sheet:
                contact_sheet(sheet, arguments.sheet.with_stem(f"{arguments.sheet.stem}_{source}"))


if __name__ == "__main__":
    main()
