"""The native texture engine against pyradiomics, in one run: ms a region by size, bins, filters, threads and device.

Run ``python benchmarks/texture.py``, with ``--sizes 128`` for the first table at these sizes alone, with ``--gpu`` for
what a GPU does, or with ``--smoke`` for a check that it works. One thread is measured by processor time, several by the
clock on the wall. Regions are smoothed noise, each as large as its image; all 93 features of six classes are measured
from each image, and with wavelets from five images (465 features). A ratio above 1 is how much faster the native engine
is; where it is below 1, it is slower. Nyxus is measured where it is installed, a GPU where there is one.
"""

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack
from importlib.metadata import version
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, thread_time
from unittest.mock import patch

import numpy as np
from joblib import cpu_count
from numba.core.dispatcher import Dispatcher
from scipy import ndimage

from common import milliseconds, peak_mib, print_setting
from deepradiomics import TextureExtractor
from deepradiomics.texture import _engine


def regions(size, n, seed=0):
    """Smoothed noise of about the grain of trabecular bone at 0.2 mm a pixel."""
    rng = np.random.default_rng(seed)
    return [100 * ndimage.gaussian_filter(rng.normal(size=(size, size)), 1.5) for _ in range(n)]


def compare(size, n_native, n_reference, *, bin_count, wavelets, n_jobs=1):
    """Ms a region of both engines."""
    image_types = {"Original": {}, "Wavelet": {}} if wavelets else {"Original": {}}
    images = regions(size, max(n_native, n_reference))
    found, clock = {}, process_time if n_jobs == 1 else perf_counter
    for engine, n in (("native", n_native), ("pyradiomics", n_reference)):
        extractor = TextureExtractor(image_types, bin_count=bin_count, engine=engine, n_jobs=n_jobs)
        found[engine] = milliseconds(lambda e=extractor, k=n: e.transform(images[:k]), repeats=3, clock=clock) / n
    return found["native"], found["pyradiomics"]


# Pixels, and how many regions each engine measures.
_SIZES = [(64, 64, 8), (128, 40, 6), (256, 16, 3), (1024, 2, 1)]


def by_size(sizes):
    """Print a table of both engines."""
    print(f"\n{'pixels':>7} {'bins':>5} {'features':>9} {'native ms':>10} {'pyradiomics ms':>15} {'ratio':>6}")
    for size, n_native, n_reference in sizes:
        for bin_count in (32, 64):
            for wavelets in (False, True):
                ours, theirs = compare(size, n_native, n_reference, bin_count=bin_count, wavelets=wavelets)
                features = 465 if wavelets else 93
                print(f"{size:>7} {bin_count:>5} {features:>9} {ours:>10.2f} {theirs:>15.2f} {theirs / ours:>6.1f}")


def one_by_one(size, wavelets):
    """Ms of processor time of a call with a single region."""
    image, image_types = regions(size, 1), {"Original": {}, "Wavelet": {}} if wavelets else None
    extractor = TextureExtractor(image_types, min_levels=None)
    return milliseconds(lambda: [extractor.transform(image) for _ in range(10)], clock=process_time) / 10


def outside_compiled_loops(size, n, wavelets):
    """Share of a thread's processor time that is no compiled loop, and so may hold the interpreter's lock.

    The rest runs beside other threads. Two threads that meet at random gain about 2 / (1 + share ** 2).
    """
    images, image_types, spent = regions(size, n), {"Original": {}, "Wavelet": {}} if wavelets else None, []
    extractor = TextureExtractor(image_types, device="cpu")
    extractor.transform(images)

    def timed(loop):
        def call(*arguments):
            start = thread_time()
            found = loop(*arguments)
            spent.append(thread_time() - start)
            return found

        return call

    with ExitStack() as stack:
        for module in [own for name, own in sys.modules.items() if name.startswith("deepradiomics.texture")]:
            for name, loop in list(vars(module).items()):
                if isinstance(loop, Dispatcher):
                    stack.enter_context(patch.object(module, name, timed(loop)))
        start = thread_time()
        extractor.transform(images)
        return 1 - sum(spent) / (thread_time() - start)


def nyxus_time(size, n, bin_count):
    """Ms a region of Nyxus, one thread: its grey-value and texture features of the image itself (no wavelets)."""
    from nyxus import Nyxus

    classes = ["*ALL_INTENSITY*", "*ALL_GLCM*", "*ALL_GLRLM*", "*ALL_GLSZM*", "*ALL_GLDM*", "*ALL_NGTDM*"]
    engine = Nyxus(classes, n_feature_calc_threads=1, coarse_gray_depth=bin_count)
    images = np.array(regions(size, n))
    whole = np.rint((images - images.min()) / np.ptp(images) * 4095).astype(np.uint32)
    return milliseconds(lambda: engine.featurize(whole, np.ones_like(whole)), repeats=3) / n


def first_results(smoke):
    """Seconds to the first result in a new process: with an empty cache (minutes, so in no smoke run) and with it."""
    code = "from deepradiomics.texture import extract; import numpy as np; extract([np.arange(900.0).reshape(30, 30)])"
    with TemporaryDirectory() as folder:
        cache = {} if smoke else {"NUMBA_CACHE_DIR": folder}
        for name in ("compiled anew", "from the cache")[smoke:]:
            start = perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | cache)
            print(f"{name:>14} {perf_counter() - start:.1f} s")


def on_gpu(size, numbers):
    """Regions a second on a GPU by their number, and how often that is pyradiomics on a thread of the same machine."""
    import torch

    if not torch.cuda.is_available():
        print("no CUDA device")
        return
    theirs = compare(size, 1, 4, bin_count=32, wavelets=True)[1]
    print(f"{torch.cuda.get_device_name()}; pyradiomics on a thread {theirs:.1f} ms a region")
    for n in numbers:
        images = (regions(size, min(n, 1000)) * -(-n // 1000))[:n]
        for n_jobs in sorted({1, cpu_count()}):
            extractor = TextureExtractor({"Original": {}, "Wavelet": {}}, device="cuda", n_jobs=n_jobs)
            spent = milliseconds(lambda e=extractor: e.transform(images), repeats=3 if n < 5000 else 1) / n  # noqa: B023
            done = f"{n} regions, {n_jobs} threads prepare: {1e3 / spent:.0f} regions/s"
            print(f"{done}, {theirs / spent:.0f} times pyradiomics", flush=True)


def many_regions(n):
    """Measure regions of 96 to 160 pixels, one of them flat, on all cores; print seconds and this process's peak."""
    pictures = regions(160, min(n, 40))
    images = [pictures[k % len(pictures)][: 96 + k * 37 % 65, : 96 + k * 37 % 65] for k in range(n)]
    images[n // 2] = np.zeros((100, 100))
    extractor = TextureExtractor({"Original": {}, "Wavelet": {}}, bin_count=32, n_jobs=cpu_count(), on_error="skip")
    start = perf_counter()
    found = extractor.transform(images)
    spent, empty = perf_counter() - start, int(np.isnan(found).all(axis=1).sum())
    print(f"{n:>12} {spent:.1f} s, {peak_mib():.0f} MiB, {empty} row of NaN, {len(extractor.failures_)} failure")


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="the smallest run, to see that it works")
    parser.add_argument("--many", type=int, help="measure so many regions in this process, and nothing else")
    parser.add_argument("--sizes", type=int, nargs="+", help="only the first table, at these sizes of it")
    parser.add_argument("--gpu", action="store_true", help="only what a GPU does")
    options = parser.parse_args()
    if options.many:
        many_regions(options.many)
        return
    smoke = options.smoke
    print_setting("deepradiomics", "pyradiomics", "numpy", "numba")

    if options.gpu:
        on_gpu(128, (8,) if smoke else (1000, 10_000))
    else:
        on_cpu(options.sizes, smoke)


def on_cpu(sizes, smoke):
    """Print what needs no GPU, and the row of a GPU where there is one; with sizes only their table."""
    by_size([(32, 4, 2)] if smoke else [own for own in _SIZES if own[0] in (sizes or own)])
    if sizes:
        return
    size, n = (32, 4) if smoke else (128, 40)
    print(f"\nthreads: {size} x {size}, 32 bins, 465 features")
    for n_jobs in sorted({1, cpu_count()}):
        ours, theirs = compare(size, n, 2 * n_jobs, bin_count=32, wavelets=True, n_jobs=n_jobs)
        times = f"native {ours:.2f} ms, pyradiomics {theirs:.2f} ms, ratio {theirs / ours:.1f}"
        print(f"{n_jobs} of {cpu_count()} cores: {times}")

    for wavelets in (False, True):
        share = outside_compiled_loops(size, n, wavelets)
        print(f"{share:.0%} of a thread outside compiled loops with {465 if wavelets else 93} features")

    print(f"\nby class, native, {size} x {size}, 32 bins, one thread, ms a region")
    images = regions(size, n)
    masks = [np.ones(image.shape, dtype=bool) for image in images]
    for name in ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm", "shape2D"):
        spent = milliseconds(lambda c=name: _engine.measure(images, masks, {c: None}, bin_count=32)) / n
        print(f"{name:>12} {spent:.3f}")

    print(f"\nby batch, native, {size} x {size}, 32 bins, 93 features, ms a region")
    for batch in (1, n // 4, n):
        extractor = TextureExtractor(bin_count=32)
        print(f"{batch:>12} {milliseconds(lambda e=extractor, k=batch: e.transform(images[:k])) / batch:.3f}")

    print("\na single region in a call, native, 32 bins, one thread, ms")
    for own in (16, size):
        print(f"{own:>12} {one_by_one(own, False):.3f} with 93 features, {one_by_one(own, True):.3f} with 465")

    print("\nmany regions of 96 to 160 pixels, 32 bins, 465 features, all cores, a process each", flush=True)
    for count in (4,) if smoke else (500, 5000):
        subprocess.run([sys.executable, __file__, "--many", str(count)], check=True)

    print(f"\non a GPU, {size} x {size}, 32 bins, 465 features")
    on_gpu(size, [8 if smoke else 1000])
    print("\nfirst result in a new process, import included")
    first_results(smoke)
    if find_spec("nyxus"):
        spent = nyxus_time(size, n, 32)
        ours = compare(size, n, 2, bin_count=32, wavelets=False)[0]
        print(f"\nNyxus {version('nyxus')}, the image itself: {spent:.2f} ms, native {ours:.2f} ms")


if __name__ == "__main__":
    main()
