"""Do more views help? A Siamese network against one hip, and two views of the spine against one, with DeLong's test.

Run ``python benchmarks/views.py`` (about ten minutes on two cores), or with ``--smoke`` for a check that it works.
Hips: each patient is put together from the left femur of one simulated patient and the right femur of another, so that
in the sick ones only one side, left or right, has osteoporosis. Spines: AP and lateral radiographs of simulated
patients with and without osteoporosis. Training and test patients are different; all are simulated.
"""

import argparse
import time

import numpy as np
import pandas as pd

from common import print_setting
from deepradiomics import DeepExtractor, FemurRegions, VertebraRegions
from deepradiomics.metrics import delong_test, roc_auc_ci
from deepradiomics.simulation import make_hips, make_spines

HIPS = {"image_size": 96, "n_features": 64, "epochs": 30, "learning_rate": 2e-3, "random_state": 0}
SPINES = {"image_size": 160, "n_features": 64, "epochs": 30, "learning_rate": 2e-3, "random_state": 0}


def one_sided_hips(n_donors, seed):
    """Patients of whom at most one side is affected: two columns of femora, and labels."""
    hips = make_hips(n_donors, random_state=seed, image_shape=(256, 256))
    regions = FemurRegions(mask="mask", on_error="skip").set_output(transform="pandas")
    femora = regions.fit_transform(hips.data)[["left_femur", "right_femur"]]
    there = femora.notna().all(axis=1).to_numpy()
    sick, well = (np.flatnonzero(there & (hips.target == label)) for label in (1, 0))
    rng = np.random.default_rng(seed)
    # A third of the donors is sick; each donor gives one femur.
    n_sick = min(len(sick), len(well) // 3)
    spare = well[n_sick:]
    pairs = [(a, b) if rng.random() < 0.5 else (b, a) for a, b in zip(sick[:n_sick], well[:n_sick], strict=True)]
    pairs += list(zip(spare[::2], spare[1::2], strict=False))
    left, right = np.array(pairs).T
    table = pd.DataFrame(
        {
            "left_femur": femora["left_femur"].to_numpy()[left],
            "right_femur": femora["right_femur"].to_numpy()[right],
        }
    )
    return table, np.r_[np.ones(n_sick, dtype=int), np.zeros(len(pairs) - n_sick, dtype=int)]


def spines(n_patients, seed):
    """L1 to L4 in two views, and labels."""
    made = make_spines(n_patients, random_state=seed, image_shape=(256, 192))
    table = made.data
    for view in ("ap", "lateral"):
        regions = VertebraRegions(image=view, mask=f"{view}_mask", levels=("L1-L4",), prefix=f"{view}_", context=0.0)
        table = regions.set_output(transform="pandas").fit_transform(table)
    return table[["ap_L1-L4", "lateral_L1-L4"]], made.target


def compare(name, train, test, settings, *, shared):
    """Train on all columns and on each alone; areas, and DeLong's test of all against each."""
    (X, y), (X_new, y_new) = train, test
    scores = {}
    for columns in (list(X), *([column] for column in X)):
        start = time.perf_counter()
        width = settings["n_features"] // X.shape[1] * len(columns)
        network = DeepExtractor(**settings | {"n_features": width}, shared_weights=shared).fit(X[columns], y)
        score = network.predict_proba(X_new[columns])[:, 1]
        label = " + ".join(columns)
        scores[label] = score
        print(f"{label:<32} AUC {roc_auc_ci(y_new, score):.3f}  {time.perf_counter() - start:5.0f} s", flush=True)
    (both, score), *others = scores.items()
    for label, other in others:
        found = delong_test(y_new, score, other)
        print(
            f"{both} against {label}: difference {found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}], "
            f"p = {found.p_value:.1e}"
        )
    print(f"{name}: {len(y)} patients to train on, {len(y_new)} to test, {y_new.sum()} of them sick\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    smoke = parser.parse_args().smoke
    print_setting("torch", "numpy")
    n_hips, n_spines, few = (20, 12, {"epochs": 1, "image_size": 64}) if smoke else (900, 400, {})
    hips = [one_sided_hips(n_hips, seed) for seed in (0, 1)]
    compare("one-sided hips", *hips, HIPS | few, shared=True)
    compare("spines", *(spines(n_spines, seed) for seed in (0, 1)), SPINES | few, shared=False)


if __name__ == "__main__":
    main()
