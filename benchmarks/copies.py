"""Which copies of a radiograph are found, how many other pairs are named, and what does it cost?

Run ``python benchmarks/copies.py ../shared/data``; folders of films that are not there are left out, simulated hips are
always looked at. Each kind of copy is made of 40 films and laid among the originals. Peer: the largest correlation of
the same thumbnails without registration, in all pairs. ``--smoke`` for a check that it works.
"""

import argparse
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from common import print_setting
from deepradiomics.comparison import near_duplicates
from deepradiomics.comparison.copies import _details
from deepradiomics.simulation import make_hips

FOLDERS = {"255 pelves": "pelvis/images", "192 hips": "pelvis/unlabelled", "133 knees": "knees/images"}


def compressed(image):
    stream = BytesIO()
    low, high = image.min(), image.max()
    Image.fromarray(((image - low) / (high - low) * 255).astype(np.uint8)).save(stream, "JPEG", quality=40)
    return np.asarray(Image.open(stream), dtype=np.float32)


def cropped(image, share):
    rows, columns = (round(size * share) for size in image.shape)
    return image[rows : image.shape[0] - rows, columns : image.shape[1] - columns]


def turned(image, degrees):
    return ndimage.rotate(image, degrees, reshape=False, order=1)


KINDS = {
    "cropped by 1 % on each side": lambda image: cropped(image, 0.01),
    "cropped by 3 % on each side": lambda image: cropped(image, 0.03),
    "cropped by 5 % on one side": lambda image: image[:, image.shape[1] // 20 :],
    "shifted by 3 %": lambda image: ndimage.shift(image, [0.03 * size for size in image.shape], order=1),
    "turned by 1 degree": lambda image: turned(image, 1),
    "turned by 3 degrees": lambda image: turned(image, 3),
    "mirrored": lambda image: image[:, ::-1],
    "turned by 90 degrees": np.rot90,
    "inverted": lambda image: image.max() - image,
    "resized to 0.7, gamma 0.5": lambda image: np.sqrt(ndimage.zoom(image - image.min(), 0.7, order=1)),
    "JPEG of quality 40": compressed,
    "mirrored, inverted, cropped 1 %, turned 1 degree, JPEG": lambda image: compressed(
        -turned(cropped(image[:, ::-1], 0.01), 1)
    ),
}


def table_of(images):
    return {"internal": pd.DataFrame({"film": pd.Series(images, dtype=object)})}


def measure(name, films, n_copies):
    chosen = np.random.default_rng(0).permutation(len(films))[:n_copies]
    others = near_duplicates(table_of(films), None)
    print(f"\n{name}: {len(others)} pairs of {len(films)} films named")
    print(others.sort_values("likeness", ascending=False)[["row_a", "row_b", "likeness"]].round(3).to_string())
    for kind, change in KINDS.items():
        copies = [np.ascontiguousarray(change(films[row])) for row in chosen]
        pairs = near_duplicates(table_of(films + copies), None)
        wanted = {(int(row), len(films) + place) for place, row in enumerate(chosen)}
        found = wanted & set(zip(pairs["row_a"], pairs["row_b"], strict=True))
        plain = [float((_details(films[row]) * _details(copy)).sum()) for row, copy in zip(chosen, copies, strict=True)]
        print(
            f"  {kind:56s} found {len(found)}/{len(chosen)}, without registration {sum(p >= 0.8 for p in plain)}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder with pelvis and knees")
    parser.add_argument("--smoke", action="store_true", help="the smallest run, to see that it works")
    arguments = parser.parse_args()
    print_setting("numpy", "scipy", "deepradiomics")
    n_hips, n_copies = (6, 2) if arguments.smoke else (100, 40)
    hips = make_hips(n_hips, random_state=0, image_shape=(256, 256)).data["radiograph"]
    measure(f"{n_hips} simulated hips", [hip.pixels for hip in hips], n_copies)
    for name, folder in FOLDERS.items() if arguments.data else ():
        if (arguments.data / folder).is_dir():
            paths = sorted((arguments.data / folder).iterdir())
            films = [np.asarray(Image.open(path).convert("L"), dtype=np.float32) for path in paths]
            measure(name, films, n_copies)
    for n_images in (100,) if arguments.smoke else (1000, 10000):
        rng = np.random.default_rng(0)
        # A shared shape, so that images are as like as films of one region are.
        shape = ndimage.gaussian_filter(rng.normal(size=(96, 96)), 4) * 20
        images = [shape + ndimage.gaussian_filter(rng.normal(size=(96, 96)), 2) * 5 for _ in range(n_images)]
        images[-1] = images[0][2:, :-2][:, ::-1]
        start = time.process_time()
        pairs = near_duplicates(table_of(images), None)
        seconds = time.process_time() - start
        print(f"{n_images} images: {seconds:.1f} s, {1e3 * seconds / n_images:.1f} ms an image, {len(pairs)} pair(s)")


if __name__ == "__main__":
    main()
