"""What do seven feature sets cost against the full model alone, over the same folds?

Two peers: scikit-learn's own cross-validation of the full pipeline, which computes regions and texture anew in every
fold, and this library with the full set only. Run ``python benchmarks/compare.py``, with ``--smoke`` for a
check that it works. Prints one JSON object; a ratio above 1 is what the seven sets cost more.
"""

import argparse
import json
import os
import platform
import statistics
import time

import numpy as np
import sklearn
from sklearn import config_context
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

import deepradiomics as dr
from deepradiomics.simulation import make_hips


def timed(action, repeats):
    """Seconds of each repeat."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        seconds.append(round(time.perf_counter() - start, 2))
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="the smallest run, to see that it works")
    smoke = parser.parse_args().smoke
    n_patients, side, epochs, n_folds, repeats = (36, 256, 1, 2, 1) if smoke else (160, 512, 8, 3, 2)

    hips = make_hips(n_patients, random_state=0, image_shape=(side, side))
    X = hips.data
    groups = np.unique(hips.groups, return_inverse=True)[1]
    splits = list(StratifiedGroupKFold(n_folds, shuffle=True, random_state=0).split(X, hips.target, groups))
    model = dr.recipes.kim2022(mask="mask", epochs=epochs, image_size=64, random_state=0)
    if smoke:
        model.set_params(blocks__deep__deepextractor__cv=2)

    def compare(feature_sets):
        return dr.compare_feature_sets(
            model, X, hips.target, groups=groups, cv=splits, feature_sets=feature_sets, random_state=0
        )

    def full_model_by_scikit_learn():
        with config_context(enable_metadata_routing=True):
            network = dict(model["blocks"].transformers[1][1].steps)["deepextractor"]
            network.set_fit_request(groups=True)
            cross_val_predict(model, X, hips.target, cv=splits, params={"groups": groups}, method="predict_proba")

    seconds = {
        "seven sets": timed(lambda: compare(None), repeats),
        "full set only": timed(lambda: compare(["DTC"]), repeats),
        "full model by scikit-learn": timed(full_model_by_scikit_learn, repeats),
    }
    seven = statistics.median(seconds["seven sets"])
    result = {
        "seconds": seconds,
        "ratio to scikit-learn's full model": round(
            seven / statistics.median(seconds["full model by scikit-learn"]), 2
        ),
        "ratio to the full set only": round(seven / statistics.median(seconds["full set only"]), 2),
        "patients": n_patients,
        "epochs": epochs,
        "folds": n_folds,
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "versions": {"python": platform.python_version(), "scikit-learn": sklearn.__version__, "ours": dr.__version__},
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
