"""The native texture engine against pyradiomics, in one run: ms a region by size, bins, filters and threads.

Run ``python benchmarks/texture.py``, or with ``--smoke`` for a check that it works. Regions are smoothed noise, each
as large as its image; all 93 features of six classes are measured from each image, and with wavelets from five images
(465 features). A ratio above 1 is how much faster the native engine is; where it is below 1, it is slower.
"""

import argparse

import numpy as np
from joblib import cpu_count
from scipy import ndimage

from common import milliseconds, print_setting
from deepradiomics import TextureExtractor
from deepradiomics.texture import native


def regions(size, n, seed=0):
    """Smoothed noise of about the grain of trabecular bone at 0.2 mm a pixel."""
    rng = np.random.default_rng(seed)
    return [100 * ndimage.gaussian_filter(rng.normal(size=(size, size)), 1.5) for _ in range(n)]


def compare(size, n_native, n_reference, *, bin_count, wavelets, n_jobs=1):
    """Ms a region of both engines."""
    image_types = {"Original": {}, "Wavelet": {}} if wavelets else {"Original": {}}
    images = regions(size, max(n_native, n_reference))
    found = {}
    for engine, n in (("native", n_native), ("pyradiomics", n_reference)):
        extractor = TextureExtractor(image_types, bin_count=bin_count, engine=engine, n_jobs=n_jobs)
        found[engine] = milliseconds(lambda e=extractor, k=n: e.transform(images[:k]), repeats=3) / n
    return found["native"], found["pyradiomics"]


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="the smallest run, to see that it works")
    smoke = parser.parse_args().smoke
    print_setting("deepradiomics", "pyradiomics", "numpy", "numba")

    sizes = [(32, 4, 2)] if smoke else [(64, 64, 8), (128, 40, 6), (256, 16, 3), (1024, 2, 1)]
    print(f"\n{'pixels':>7} {'bins':>5} {'features':>9} {'native ms':>10} {'pyradiomics ms':>15} {'ratio':>6}")
    for size, n_native, n_reference in sizes:
        for bin_count in (32, 64):
            for wavelets in (False, True):
                ours, theirs = compare(size, n_native, n_reference, bin_count=bin_count, wavelets=wavelets)
                features = 465 if wavelets else 93
                print(f"{size:>7} {bin_count:>5} {features:>9} {ours:>10.2f} {theirs:>15.2f} {theirs / ours:>6.1f}")

    size, n = (32, 4) if smoke else (128, 40)
    print(f"\nthreads: {size} x {size}, 32 bins, 465 features")
    for n_jobs in sorted({1, cpu_count()}):
        ours, theirs = compare(size, n, 2 * n_jobs, bin_count=32, wavelets=True, n_jobs=n_jobs)
        times = f"native {ours:.2f} ms, pyradiomics {theirs:.2f} ms, ratio {theirs / ours:.1f}"
        print(f"{n_jobs} of {cpu_count()} cores: {times}")

    print(f"\nby class, native, {size} x {size}, 32 bins, one thread, ms a region")
    images = regions(size, n)
    masks = [np.ones(image.shape, dtype=bool) for image in images]
    for name in ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm", "shape2D"):
        spent = milliseconds(lambda c=name: native.measure(images, masks, {c: None}, bin_count=32)) / n
        print(f"{name:>12} {spent:.3f}")

    print(f"\nby batch, native, {size} x {size}, 32 bins, 93 features, ms a region")
    for batch in (1, n // 4, n):
        extractor = TextureExtractor(bin_count=32)
        print(f"{batch:>12} {milliseconds(lambda e=extractor, k=batch: e.transform(images[:k])) / batch:.3f}")


if __name__ == "__main__":
    main()
