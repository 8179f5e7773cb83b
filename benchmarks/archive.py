"""A whole archive, from DICOM files to shards of features: images/s by stage, memory of the driver, workers, crashes.

Run ``python benchmarks/archive.py`` (under ten minutes on two cores), or with ``--smoke`` for a check that it works.
The radiographs are simulated hips; each file is listed in the manifest many times under different ids, so that 10,000
rows are read from disk and measured without 10,000 files being made. Memory is the driver's peak, which holds neither
images nor the manifest; each figure comes from a process of its own.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline

from common import peak_mib, print_setting
from deepradiomics import FemurRegions, TextureExtractor, archive, read_radiograph
from deepradiomics.archive._manifest import Rows
from deepradiomics.reading import read_label_map
from deepradiomics.simulation import make_hips, write_dicom

BONES = ["left_neck", "left_cortex", "right_neck", "right_cortex"]


class MeanGray(TransformerMixin, BaseEstimator):
    """Reads a file and nothing else, so that what the archive itself costs is seen."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.array([[read_radiograph(path).pixels.mean(dtype=float)] for path in X["radiograph"]])

    def get_feature_names_out(self, input_features=None):
        return np.array(["mean"], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def write_hips(folder, n_files, shape):
    """DICOM files and label maps (PNG) of simulated hips: a table of paths."""
    from PIL import Image

    hips = make_hips(n_files, random_state=0, image_shape=shape)
    table = write_dicom(hips, folder)[["radiograph"]]
    masks = [Path(folder) / f"{number:05d}_mask.png" for number in range(n_files)]
    for mask, path in zip(hips.masks, masks, strict=True):
        Image.fromarray(mask).save(path)
    return table.assign(mask=[str(path) for path in masks])


def write_manifest(table, n_rows, path):
    """List the files again and again under ids of their own."""
    rows = table.iloc[np.arange(n_rows) % len(table)]
    rows.assign(image_id=[f"image{k:07d}" for k in range(n_rows)]).to_csv(path, index=False)
    return path


def pipeline(table):
    """Regions from the mask, then texture; fitted on two rows, which teaches it the columns and nothing else."""
    texture = TextureExtractor(on_error="skip")
    blocks = ColumnTransformer([("texture", texture, BONES)])
    return make_pipeline(FemurRegions(mask="mask", on_error="skip"), blocks).fit(table[:2])


def seconds_by_stage(table):
    """Seconds an image for reading, regions and texture, one thread."""
    start = time.perf_counter()
    images = [read_radiograph(path) for path in table["radiograph"]]
    masks = [read_label_map(path) for path in table["mask"]]
    read = time.perf_counter()
    opened = pd.DataFrame({"radiograph": images, "mask": pd.Series(masks, dtype=object)})
    regions = FemurRegions(mask="mask", on_error="skip").transform(opened)
    cut = time.perf_counter()
    texture = TextureExtractor(on_error="skip")
    texture.transform(regions[BONES])
    end = time.perf_counter()
    stages = {"read": read - start, "regions": cut - read, "texture": end - cut}
    return {name: seconds / len(table) for name, seconds in stages.items()}


def child(*arguments):
    """Run a part of this script in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def apart(smoke, part, *arguments):
    """Run a part of this script in a process of its own, whose memory it measures; of a smoke run in this one."""
    if smoke:
        part(*arguments)
    else:
        print(child(f"--{part.__name__}", *arguments).communicate()[0], end="", flush=True)


def drive(manifest, output, n_jobs):
    """Driver with workers that only read: what the archive itself needs."""
    before = peak_mib()
    start = time.perf_counter()
    done = archive.extract(manifest, output, MeanGray(), chunk_size=100, n_jobs=int(n_jobs), columns=["radiograph"])
    spent = time.perf_counter() - start
    print(f"{done.n_images:>9} {done.n_images / spent:9.0f} {before:12.0f} {peak_mib() - before:11.0f}")


def plan(manifest):
    """The manifest to shards, and nothing more."""
    before = peak_mib()
    start = time.perf_counter()
    rows = Rows(manifest, "image_id", ["radiograph", "mask"])
    rows.order(max(1, rows.n_rows // 1000))
    n_images = sum(len(ids) for _, ids, _, _ in rows.shards())
    spent = time.perf_counter() - start
    print(f"{n_images:>9} {n_images / spent:9.0f} {before:12.0f} {peak_mib() - before:11.0f}  planned only")


def workers(table, folder, n_images, most):
    """Weak scaling: so many images a worker, regions and texture."""
    model, speeds = pipeline(table), []
    for n_jobs in range(1, most + 1):
        manifest = write_manifest(table, n_jobs * n_images, folder / f"{n_jobs}.csv")
        if n_jobs > 1:
            # The processes are there when the clock starts, as on a cluster.
            archive.extract(table[:4].assign(image_id=list("abcd")), folder / "warm", model, chunk_size=1, n_jobs=2)
        start = time.perf_counter()
        archive.extract(manifest, folder / f"jobs{n_jobs}", model, chunk_size=max(n_images // 10, 1), n_jobs=n_jobs)
        speeds.append(n_jobs * n_images / (time.perf_counter() - start))
        print(f"{n_jobs} workers: {speeds[-1]:.1f} images/s")
    print(f"weak scaling: {speeds[-1] / speeds[0] / most:.0%}")


def crash(manifest, clean, output, n_jobs, n_kills, seed=0):
    """Kill the driver and its workers at random times, go on, and compare with a clean run."""
    rng = np.random.default_rng(seed)
    for _ in range(n_kills):
        process, seen = child("--drive", manifest, output, n_jobs), n_shards(output)
        while n_shards(output) == seen and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 1))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        print(f"killed after {n_shards(output)} shards")
    apart(n_kills == 1, drive, manifest, output, n_jobs)
    same = archive.read_all(output).equals(archive.read_all(clean))
    print(f"killed and resumed equals clean: {same}")
    if not same:
        sys.exit(1)


def n_shards(output):
    return sum(1 for _ in output.rglob("*.parquet"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--drive", nargs=3)
    parser.add_argument("--plan")
    arguments = parser.parse_args()
    if arguments.drive:
        drive(*arguments.drive)
    elif arguments.plan:
        plan(arguments.plan)
    else:
        measure(arguments.smoke)


def measure(smoke):
    """All figures, or all code at its smallest."""
    n_files, shape = (4, (128, 128)) if smoke else (100, (1024, 1024))
    n_driven, n_planned = ([101], [64]) if smoke else ([1000, 10_000], [100_000, 1_000_000])
    n_measured, n_jobs, n_kills = (4, 1, 1) if smoke else (200, 2, 3)
    print_setting("numpy", "pandas", "pyarrow", "joblib")
    with TemporaryDirectory() as name:
        folder = Path(name)
        table = write_hips(folder / "files", n_files, shape)
        print(f"\n{n_files} DICOM files of {shape[0]} x {shape[1]}, seconds an image and images/s, one thread")
        seconds_by_stage(table[:2])
        for stage, seconds in seconds_by_stage(table).items():
            print(f"{stage:>8} {seconds:8.4f} {1 / seconds:8.1f}")
        print("\nregions and texture of both hips")
        workers(table, folder, n_measured, n_jobs)
        print(f"\n   images  images/s  MiB at start  MiB more at the peak (driver; {n_jobs} workers read)", flush=True)
        for n_rows in n_driven:
            manifest = write_manifest(table, n_rows, folder / f"{n_rows}.csv")
            apart(smoke, drive, manifest, folder / f"out{n_rows}", n_jobs)
        for n_rows in n_planned:
            apart(smoke, plan, write_manifest(table, n_rows, folder / "plan.csv"))
        print()
        crash(folder / f"{n_driven[0]}.csv", folder / f"out{n_driven[0]}", folder / "killed", n_jobs, n_kills)


if __name__ == "__main__":
    main()
