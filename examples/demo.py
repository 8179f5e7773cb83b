"""Two hospitals, seven feature sets
====================================

Which features find osteoporosis on a hip radiograph: clinical, texture, deep, or their sums?

Simulates the patients of two hospitals, cross-validates the seven feature sets of Kim et al. 2022 in the first one,
tries them on the second, prints the table and writes two pictures. Run it as ``python examples/demo.py FOLDER``.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

import deepradiomics as dr
from deepradiomics.simulation import make_hips

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo_output")
folder.mkdir(parents=True, exist_ok=True)

# %%
# Two hospitals that differ in detector, tube voltage, blur and noise.
print("Simulating 160 patients of site A and 100 of site B ...")
internal = make_hips(160, site="A", random_state=0)
external = make_hips(100, site="B", random_state=1)
print(f"Osteoporosis (T-score <= -2.5): {internal.target.mean():.0%} at site A, {external.target.mean():.0%} at site B")

# %%
# The boxes on the first patient: what is measured, where.
radiograph, mask = internal.data["radiograph"][0], internal.masks[0]
boxes = {
    f"{name}_{region}": box
    for name, label, side in (("left", 1, "L"), ("right", 2, "R"))
    for region, box in dr.place_femur_boxes(mask == label, radiograph.spacing, laterality=side).items()
}
figure, axes = plt.subplots(figsize=(9, 9), layout="constrained")
dr.plot_regions(radiograph, mask, boxes=boxes, ax=axes)
figure.savefig(folder / "regions.png", dpi=120)

# %%
# The published pipeline, with a network small enough for two cores.
model = dr.recipes.kim2022(mask="mask", epochs=8, image_size=64, random_state=0)
comparison = dr.compare_feature_sets(
    model,
    internal.data,
    internal.target,
    groups=internal.groups,
    cv=3,
    external={"site B": (external.data, external.target)},
    random_state=0,
)

print()
print(comparison)
print()
print(comparison.tests.to_string())
comparison.plot_roc()
plt.gcf().savefig(folder / "roc.png", dpi=120)
print(f"\nPictures: {folder / 'regions.png'} and {folder / 'roc.png'}")
