"""How fast radiographs are embedded, against a plain timm loop in the same run, and how long it waits for data.

Run ``python benchmarks/deep.py`` (under five minutes on two cores), or with ``--smoke`` for a check that it works. The
plain loop is what a user would write: read each file with Pillow, resize it on the CPU, stack a batch, call the model.
On a GPU the share of the device's peak is that of its dense 16-bit rate, which ``--peak-tflops`` tells.
"""

import argparse
import resource
import time
from copy import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import timm
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from common import print_setting
from deepradiomics import DeepExtractor
from deepradiomics.simulation import make_hips
from deepradiomics.training import PreparedImages, resolve_device

BATCH = 64


def write_files(folder, n_files, shape):
    """Radiographs as PNG files of 16 bits."""
    paths = []
    for number, radiograph in enumerate(
        make_hips(min(n_files, 20), random_state=0, image_shape=shape).data["radiograph"]
    ):
        pixels = radiograph.pixels
        grey = (65535 * (pixels - pixels.min()) / np.ptp(pixels)).astype(np.uint16)
        for twin in range(number, n_files, 20):
            paths.append(str(Path(folder) / f"{twin}.png"))
            Image.fromarray(grey).save(paths[-1])
    return paths


def plain_loop(model, paths, size, device):
    """Embed files as most scripts do; embeddings, and seconds until the data were there."""
    found, waited = [], 0.0
    with torch.inference_mode():
        for start in range(0, len(paths), BATCH):
            before = time.perf_counter()
            images = []
            for path in paths[start : start + BATCH]:
                pixels = np.asarray(Image.open(path), dtype=np.float32)
                pixels = (pixels - pixels.min()) / max(np.ptp(pixels), 1)
                image = torch.from_numpy(pixels)[None, None]
                images.append(
                    torch.nn.functional.interpolate(image, size=(size, size), mode="bilinear", antialias=True)[0]
                )
            batch = torch.stack(images).to(device)
            waited += time.perf_counter() - before
            found.append(model(batch).cpu())
    return torch.cat(found), waited


def seconds(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(backbone, paths, size, device, peak):
    """Images/s of both, and the share of time that goes into data."""
    X = pd.DataFrame({"hip": paths})
    settings = {"n_features": 64, "image_size": size, "epochs": 1, "batch_size": BATCH // 4, "random_state": 0}
    extractor = DeepExtractor(backbone, **settings).fit(X[:8], [0, 1] * 4)
    model = timm.create_model(backbone, in_chans=1, num_classes=0).eval().to(device)
    plain_loop(model, paths[:BATCH], size, device)
    extractor.transform(X[:BATCH])
    theirs = [plain_loop(model, paths, size, device)[1] for _ in range(1)]
    plain = seconds(lambda: plain_loop(model, paths, size, device))
    ours = seconds(lambda: extractor.transform(X))
    prepared = PreparedImages([paths], ["hip"], size, cache=False)
    workers = seconds(lambda: clone_with_jobs(extractor).transform(X))
    data = seconds(
        lambda: [prepared.batch(rows) for rows in np.array_split(np.arange(len(paths)), len(paths) // BATCH or 1)]
    )
    line = (
        f"{backbone:<12} {size:>4} {len(paths) / plain:9.1f} {theirs[0] / plain:8.0%} {len(paths) / ours:11.1f} "
        f"{data / ours:8.0%} {plain / ours:6.2f} {len(paths) / workers:10.1f}"
    )
    if device.type == "cuda":
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            model(torch.zeros(1, 1, size, size, device=device))
        line += f" {counter.get_total_flops() * len(paths) / ours / (1e12 * peak):6.1%}"
    print(line, flush=True)


def clone_with_jobs(extractor):
    """The same fitted network with two processes that read."""
    return copy(extractor).set_params(n_jobs=2)


def memory(paths, size):
    """MiB of the process at its peak, after more and more images."""
    X = pd.DataFrame({"hip": paths})
    extractor = DeepExtractor("tiulpin", n_features=128, image_size=size, epochs=1, random_state=0).fit(
        X[:8], [0, 1] * 4
    )
    for n in (len(paths) // 4, len(paths)):
        extractor.transform(X[:n])
        print(f"{n:>6} images: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--peak-tflops", type=float, default=989.0, help="dense 16-bit rate of the GPU")
    options = parser.parse_args()
    device = resolve_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print_setting("torch", "timm")
    n_files, shape, sizes = (8, (128, 128), (64,)) if options.smoke else (256, (512, 512), (224, 512))
    with TemporaryDirectory() as folder:
        paths = write_files(folder, n_files, shape)
        print(f"\n{name}; {n_files} PNG files of 16 bits, {shape[0]} x {shape[1]}")
        print("backbone     size  plain/s  waiting      ours/s  waiting  ratio  two readers  of the peak (GPU)")
        for backbone in ("resnet18",) if options.smoke else ("resnet18", "densenet121"):
            for size in sizes:
                # Larger images, fewer of them: each takes five times as long.
                some = paths if size <= 224 else paths[: len(paths) // 4]
                measure(backbone, some, size, device, options.peak_tflops)
        print("\nmemory of the process at its peak")
        memory(paths, sizes[0])


if __name__ == "__main__":
    main()
