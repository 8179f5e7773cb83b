"""A comparison with a report
=============================

Does texture, or a network, add to age, sex and weight? A comparison with a report that answers for itself.

Simulates a hospital, the same hospital in later years, and another one; compares clinical, texture and deep features
and their sums; writes one HTML page with tables, tests, plots, subgroups, worst cases and settings. Run it as
``python examples/compare_feature_sets.py FOLDER``.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd

import deepradiomics as dr
from deepradiomics.comparison import feature_importance
from deepradiomics.metrics import ImportancePlot, bootstrap_interval, roc_auc_ci
from deepradiomics.simulation import make_hips

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "output")
folder.mkdir(parents=True, exist_ok=True)

# %%
# Three cohorts. The masks stand in a column, as if a network or a reader had drawn them.
cohorts = {
    "site A": make_hips(120, site="A", random_state=0),
    "site A, later years": make_hips(60, site="A", random_state=10),
    "site B": make_hips(60, site="B", random_state=20),
}
for name, hips in cohorts.items():
    hips.data["patient"] = name + hips.data["patient"]
    print(f"{name}: {len(hips.target)} patients, {hips.target.mean():.0%} with a T-score of -2.5 or less")
internal = cohorts.pop("site A")

# %%
# The published pipeline, with a network small enough for two cores. Finished folds are kept in a folder: run the
# script again and nothing is fitted twice.
model = dr.recipes.kim2022(mask="mask", epochs=6, image_size=64, random_state=0)
comparison = dr.compare_feature_sets(
    model,
    internal.data,
    internal.target,
    cv=3,
    external={name: (hips.data, hips.target) for name, hips in cohorts.items()},
    checkpoint=folder / "finished_folds",
    random_state=0,
)
print()
print(comparison.formatted().drop(columns=["ppv", "npv"]).to_string())
print()
print(comparison.tests.loc["internal"].drop(columns=["auc_a", "auc_b"]).to_string())

# %%
# The gain from texture over clinical covariates, by drawing patients: a second opinion on DeLong's interval.
rows = comparison.predictions.query("cohort == 'site B'").pivot_table(
    index=["row", "y"], columns="features", values="score"
)


def gain(y, texture_and_clinical, clinical):
    """Difference of the areas."""
    return roc_auc_ci(y, texture_and_clinical).estimate - roc_auc_ci(y, clinical).estimate


labels = rows.index.get_level_values("y").to_numpy()
print(f"\nsite B, TC - C: {bootstrap_interval(gain, labels, rows['TC'], rows['C'], n_resamples=300, random_state=0)}")

# %%
# What the model fitted on all of site A leans on, seen at site B.
model.fit(internal.data, internal.target)
importance = feature_importance(model, cohorts["site B"].data)
print()
print(importance.head(8).to_string())
bars, ax = plt.subplots(figsize=(7, 5), layout="constrained")
ImportancePlot(importance).plot(ax)
bars.savefig(folder / "importance.png", dpi=110)

# %%
# Where it looked: the boxes on the first patient.
radiograph, mask = internal.data["radiograph"][0], internal.masks[0]
boxes = {
    f"{name}_{region}": box
    for name, label, side in (("left", 1, "L"), ("right", 2, "R"))
    for region, box in dr.place_femur_boxes(mask == label, radiograph.spacing, laterality=side).items()
}
bones, ax = plt.subplots(figsize=(7, 7), layout="constrained")
dr.plot_regions(radiograph, mask, boxes=boxes, ax=ax)

# %%
# One page. Images of patients are on it only because they are asked for.
bands = pd.cut(internal.data["age"], [0, 65, 75, 120], labels=["up to 65", "66 to 75", "over 75"])
page = comparison.to_html(
    folder / "report.html",
    title="Osteoporosis on hip radiographs (simulated)",
    subgroups={"sex": internal.data["sex"], "age": bands.astype(str)},
    figures={"What the full model leans on, site B": bars, "Regions of the first patient": bones},
    images=internal.data["radiograph"],
)
print(f"\nReport: {page}")
