"""From DICOM files to texture: ms of processor time an image by stage, against a plain script, in one run on one core.

Run ``OMP_NUM_THREADS=1 python benchmarks/chain.py``, or with ``--smoke`` for a check that it works. The plain script
is what a user would write: pydicom, the same U-Net in a loop with the logits brought to full size, scipy for the
largest piece and its holes, pyradiomics. It has no boxes of its own and takes ours, as if they were drawn by hand.
"""

import argparse
import time
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pydicom
import torch
from scipy import ndimage
from torch.nn.functional import interpolate

from common import milliseconds, print_setting
from deepradiomics import FemurRegions, TextureExtractor, UNetSegmenter, read_radiograph
from deepradiomics.regions import place_femur_boxes
from deepradiomics.simulation import make_hips, write_dicom

REGIONS = ["left_neck", "left_cortex", "right_neck", "right_cortex"]


def main():
    """Print a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="the smallest run, to see that it works")
    smoke = parser.parse_args().smoke
    torch.set_num_threads(1)
    print_setting("numpy", "pydicom", "torch", "segmentation-models-pytorch", "pyradiomics")
    for side in (256,) if smoke else (1024, 2048, 3000):
        stages = measured(side, 1 if smoke else 5)
        whole = stages.loc[["reading", "boxes and regions", "465 features"]].sum()
        for name, total in (("without network", whole), ("with network", whole + stages.loc["outlines"])):
            print(f"{name}: {1e3 / total['ours']:.1f} images/s, plain script {1e3 / total['plain']:.1f}")
        stages["ratio"] = stages["plain"] / stages["ours"]
        print(stages.round(1).to_string(na_rep="-"))


def measured(side, repeats):
    """Ms an image by stage, of ours and of the plain script."""
    hips = make_hips(1, random_state=0, image_shape=(side, side))
    labels, mask = hips.masks[0], hips.masks[0] == 1
    segmenter = UNetSegmenter.pretrained("femur")
    with TemporaryDirectory() as folder:
        path = write_dicom(hips, folder)["radiograph"][0]
        film = read_radiograph(path)
        table = pd.DataFrame({"radiograph": [film], "mask": [labels]})
        finder = FemurRegions(mask="mask")
        regions = finder.transform(table)[REGIONS]
        calls = {
            "reading": (lambda: read_radiograph(path), lambda: pydicom.dcmread(path).pixel_array.astype(np.float32)),
            "outlines": (lambda: segmenter.predict([film]), lambda: outlined(segmenter, film.pixels)),
            "boxes and regions": (lambda: finder.transform(table), None),
        }
        for name, types in (("93 features", {"Original": {}}), ("465 features", {"Original": {}, "Wavelet": {}})):
            calls[name] = [
                partial(TextureExtractor(types, bin_count=32, engine=engine).transform, regions)
                for engine in ("native", "pyradiomics")
            ]
        one = TextureExtractor(bin_count=32)
        calls["93 features, one region"] = (lambda: one.transform(regions[REGIONS[:1]]), None)
        rows = {stage: [spent(call, repeats) for call in pair] for stage, pair in calls.items()}
    print(f"\n{side} px: boxes of one femur {spent(lambda: place_femur_boxes(mask), 5 * repeats):.1f} ms")
    return pd.DataFrame.from_dict(rows, orient="index", columns=["ours", "plain"])


def spent(call, repeats):
    """Median processor time of a call in ms, by the clock where a GPU works meanwhile; NaN where there is none."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    return np.nan if call is None else milliseconds(call, repeats=repeats, clock=clock)


def outlined(segmenter, pixels):
    """Outlines of an image as a plain script makes them: resize, network, logits to full size, clean."""
    network, side = segmenter.network_, segmenter.architecture_.image_size
    low, high = np.percentile(pixels, (0.5, 99.5))
    grey = ((pixels.clip(low, high) - low) / (high - low)).astype(np.float32)
    framed = torch.from_numpy(grey)[None, None].to(next(network.parameters()).device)
    with torch.inference_mode():
        logits = network(interpolate(framed, size=(side, side), mode="bilinear", antialias=True))
        labels = interpolate(logits, size=pixels.shape, mode="bilinear").argmax(dim=1)[0].cpu().numpy()
    for code in range(1, labels.max() + 1):
        pieces, n_pieces = ndimage.label(labels == code)
        if n_pieces:
            largest = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
            labels[ndimage.binary_fill_holes(largest)] = code
    return labels


if __name__ == "__main__":
    main()
