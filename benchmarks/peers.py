"""Texture of one region by other libraries and by ours, in one run and on one thread.

Run: python benchmarks/peers.py [--smoke]

Whatever of pyradiomics, Nyxus, MIRP and flash-radiomics is installed is timed on the same regions: grey-value
statistics and texture matrices of the image itself, no filters, no shape, 32 bins. The numbers of features differ, as
each library defines its own set; they stand beside the times. All calls are made as the libraries' own pages make them,
from arrays in memory where they take these.
"""

import logging
import os
import sys
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from tempfile import TemporaryDirectory

# Before any library starts its own threads.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from common import milliseconds
from deepradiomics import TextureExtractor
from texture import regions

_BINS = 32
_CLASSES = ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")


def deepradiomics_(images):
    """The native engine, all regions in one call."""
    extractor = TextureExtractor(feature_classes=list(_CLASSES), bin_count=_BINS, n_jobs=1)
    return lambda: extractor.transform(images).shape[1]


def pyradiomics(images):
    """pyradiomics, region by region as it works."""
    import SimpleITK as sitk
    from radiomics import featureextractor

    extractor = featureextractor.RadiomicsFeatureExtractor(binCount=_BINS, force2D=True)
    return _one_by_one(extractor, images, sitk)


def flash_radiomics(images):
    """flash-radiomics; it writes each region to a file, here in a folder that goes away."""
    import SimpleITK as sitk
    from flash_radiomics import RadiomicsFeatureExtractor

    folder = TemporaryDirectory()
    extractor = RadiomicsFeatureExtractor(
        backend="cpu", num_threads=1, binCount=_BINS, force2D=True, hdf5OutputDirectory=folder.name
    )
    run = _one_by_one(extractor, images, sitk)
    run.folder = folder
    return run


def _one_by_one(extractor, images, sitk):
    extractor.disableAllFeatures()
    for name in _CLASSES:
        extractor.enableFeatureClassByName(name)
    pairs = [(sitk.GetImageFromArray(image[None]), _whole(image, sitk)) for image in images]

    def run():
        found = [extractor.execute(image, mask) for image, mask in pairs]
        return sum(name.startswith("original") for name in found[0])

    return run


def _whole(image, sitk):
    # A mask that fills its image has no border to crop at; one pixel is left out.
    mask = np.ones((1, *image.shape), dtype=np.uint8)
    mask[0, 0, 0] = 0
    return sitk.GetImageFromArray(mask)


def nyxus(images):
    """Nyxus, all regions in one call, of whole numbers as it wants them."""
    from nyxus import Nyxus

    classes = ["*ALL_INTENSITY*", *(f"*ALL_{name.upper()}*" for name in _CLASSES[1:])]
    engine = Nyxus(classes, n_feature_calc_threads=1, coarse_gray_depth=_BINS)
    images = np.array(images)
    whole = np.rint((images - images.min()) / np.ptp(images) * 4095).astype(np.uint32)
    return lambda: engine.featurize(whole, np.ones_like(whole)).shape[1] - 4


def mirp(images):
    """MIRP, by slice, the texture matrices merged over directions."""
    from mirp import extract_features

    families = ["statistics", "cm", "rlm", "szm", "ngldm", "ngtdm"]
    settings = {
        "by_slice": True,
        "base_discretisation_method": "fixed_bin_number",
        "base_discretisation_n_bins": _BINS,
        "base_feature_families": families,
        "num_cpus": 1,
    }

    def run():
        found = [
            extract_features(image=image[None], mask=np.ones((1, *image.shape), dtype=np.uint8), **settings)[0]
            for image in images
        ]
        return sum(name.startswith(("stat", "cm_", "rlm", "szm", "ngl", "ngt")) for name in found[0])

    return run


def main():
    """Time each library that is there and print a line."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    smoke = "--smoke" in sys.argv
    peers = {
        "deepradiomics": (deepradiomics_, "deepradiomics", 100),
        "pyradiomics": (pyradiomics, "radiomics", 30),
        "Nyxus": (nyxus, "nyxus", 30),
        "MIRP": (mirp, "mirp", 5),
        "flash-radiomics": (flash_radiomics, "flash_radiomics", 10),
    }
    print(f"{'library':<24} {'pixels':>7} {'features':>8} {'ms a region':>12} {'times ours':>11}")
    for size in (32,) if smoke else (128, 256):
        ours = None
        for name, (make, module, n) in peers.items():
            if not find_spec(module):
                print(f"{name:<24} not installed")
                continue
            n = 2 if smoke else n
            run = make(regions(size, n))
            n_features = run()
            spent = milliseconds(run, repeats=1 if smoke else 3) / n
            ours = ours or spent
            label = f"{name} {version(name.lower())}"
            print(f"{label:<24} {size:>7} {n_features:>8} {spent:>12.2f} {spent / ours:>11.1f}", flush=True)


if __name__ == "__main__":
    main()
