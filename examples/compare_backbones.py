"""Which network? Six backbones on the same radiographs
=======================================================

Simulates lateral spines, trains each network on the region from L1 to L3 and tests it on other patients: the four
networks of the lumbar transfer study of 2024, DenseNet-121 and ResNet-18. All start from random weights here; with a
connection, ``pretrained=True`` is what the study did and what small cohorts need. Run it as
``python examples/compare_backbones.py FOLDER [patients] [epochs]``. One epoch on 24 patients shows how; it says nothing
about which is best.
"""

# sphinx_gallery_thumbnail_path = '_static/spine.jpg'

import sys
import time
from pathlib import Path

import pandas as pd

import deepradiomics as dr
from deepradiomics.metrics import diagnostic_rates, roc_auc_ci
from deepradiomics.simulation import make_spines

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "output")
n_patients = int(sys.argv[2]) if len(sys.argv) > 2 else 24
epochs = int(sys.argv[3]) if len(sys.argv) > 3 else 1
folder.mkdir(parents=True, exist_ok=True)

# %%
# Two groups of patients. The masks stand in a column, as if a network or a reader had drawn them.
parts = []
for seed, n in ((0, n_patients), (1, max(24, n_patients // 2))):
    spines = make_spines(n, random_state=seed, image_shape=(256, 192))
    parts.append((spines.data, spines.target))
(X, y), (X_test, y_test) = parts
print(f"{len(y)} patients to train on, {len(y_test)} to test, {y_test.mean():.0%} with a T-score of -2.5 or less")

# %%
# The same pipeline with each network; the threshold is 0.5, and the classes are weighted.
rows = {}
for backbone in ("vgg16", "vgg19", "resnet50", "legacy_xception", "densenet121", "resnet18"):
    start = time.perf_counter()
    model = dr.recipes.lumbar_transfer2024(
        backbone, mask="lateral_mask", pretrained=False, epochs=epochs, image_size=96, random_state=0
    )
    model.fit(X, y)
    seconds = time.perf_counter() - start
    probability = model.predict_proba(X_test)[:, 1]
    rates = diagnostic_rates(y_test, probability >= 0.5)
    network = model[-1].network_
    rows[backbone] = {
        "accuracy": rates.accuracy,
        "precision": rates.ppv,
        "recall": rates.sensitivity,
        "F1": rates.f1,
        "AUC": roc_auc_ci(y_test, probability),
        "million parameters": round(sum(value.numel() for value in network.parameters()) / 1e6, 1),
        "seconds": round(seconds),
    }
table = pd.DataFrame.from_dict(rows, orient="index")
print(table.to_string())
table.map(str).to_csv(folder / "backbones.csv")
print(f"\nTable: {folder / 'backbones.csv'}")
