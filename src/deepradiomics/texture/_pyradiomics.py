"""pyradiomics itself as the reference engine."""

import logging
from contextlib import contextmanager

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from deepradiomics.exceptions import InputError, require
from deepradiomics.texture.catalogue import FEATURES


def measure(  # noqa: PLR0913
    images,
    masks,
    classes,
    *,
    bin_count=None,
    bin_width=None,
    distances=(1,),
    weighting_norm=None,
    symmetrical_glcm=True,
    gldm_a=0,
    voxel_array_shift=0,
    spacings=None,
    standard="pyradiomics",
    n_jobs=None,
):
    """Measure regions with the feature classes of pyradiomics itself, as `_engine.measure` does.

    standard : must be "pyradiomics". n_jobs : processes, as in scikit-learn.
    """
    if standard != "pyradiomics":
        raise InputError(
            f"engine 'pyradiomics' has no standard {standard!r}; use engine='native', or standard='pyradiomics'"
        )
    require("radiomics", "pyradiomics")
    settings = {
        "binCount": bin_count,
        "distances": list(distances),
        "weightingNorm": weighting_norm,
        "symmetricalGLCM": symmetrical_glcm,
        "gldm_a": gldm_a,
        "voxelArrayShift": voxel_array_shift,
    }
    if bin_width is not None:
        settings["binWidth"] = bin_width
    regions = list(zip(images, masks, spacings or [None] * len(images), strict=True))
    size = max(1, -(-len(regions) // effective_n_jobs(n_jobs)))
    parts = [regions[start : start + size] for start in range(0, len(regions), size)]
    rows = Parallel(n_jobs=n_jobs)(delayed(_measure_part)(part, classes, settings) for part in parts)
    return np.array([row for part in rows for row in part])


def _measure_part(regions, classes, settings):
    """Measure some regions in one process."""
    with _only_errors_logged(), np.errstate(all="ignore"):
        return [_measure_region(*region, classes, settings) for region in regions]


@contextmanager
def _only_errors_logged():
    """Keep pyradiomics' advice (on bin counts, on symmetrical matrices) off the screen for a while."""
    handler = require("radiomics", "pyradiomics").handler
    level = handler.level
    handler.setLevel(logging.ERROR)
    try:
        yield
    finally:
        handler.setLevel(level)


def _measure_region(pixels, mask, spacing, classes, settings):
    """Return the values of one region in order, as list of floats."""
    import SimpleITK as sitk
    from radiomics import getFeatureClasses

    image, region = sitk.GetImageFromArray(pixels), sitk.GetImageFromArray(mask.astype(np.uint8))
    for part in (image, region):
        part.SetSpacing((1.0, 1.0) if spacing is None else (float(spacing[1]), float(spacing[0])))
    values = []
    for name, chosen in classes.items():
        pair = (image, region) if name != "shape" else [sitk.JoinSeries(part) for part in (image, region)]
        calculator = getFeatureClasses()[name](*pair, **settings)
        for feature in chosen or FEATURES[name]:
            calculator.enableFeatureByName(feature)
        found = calculator.execute()
        values += [float(found[feature]) for feature in chosen or FEATURES[name]]
    return values
