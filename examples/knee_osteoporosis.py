"""Real knees: texture, deep and clinical features
==================================================

Osteoporosis from real knee radiographs: do texture or deep features add to age, sex, weight and BMI?

Run it as ``python examples/knee_osteoporosis.py FOLDER``, where FOLDER holds ``clinical.csv`` and ``images/``. The
label is a threshold on the T-score of quantitative ultrasound, so neither score may be an input: it is refused. Several
radiographs are stored twice or more under different ids; identical images form one group and stay on one side of every
split. Three scanners took the images: the subgroup table says whether the share of events, or the scores of patients
without the disease, differ between their image widths, which would make the scanner a confounder.
"""

# sphinx_gallery_thumbnail_path = '_static/roc.jpg'

import sys
from dataclasses import replace
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

import deepradiomics as dr
from deepradiomics.comparison import duplicate_groups
from deepradiomics.exceptions import LeakageError
from deepradiomics.preprocessing import bone_area

folder = Path(sys.argv[1])
output = Path(sys.argv[2] if len(sys.argv) > 2 else "output")
output.mkdir(parents=True, exist_ok=True)

# %%
# The radiographs, each with the area of its bones as the mask: collimation borders and markers are not bone.
knees = pd.read_csv(folder / "clinical.csv", skipinitialspace=True)
radiographs = [dr.read_radiograph(folder / "images" / name, view="AP") for name in tqdm(knees["image"], desc="reading")]
knees["knee"] = [replace(image, mask=bone_area(image.pixels)) for image in tqdm(radiographs, desc="finding bone")]
target = (knees["label"] == "osteoporosis").astype(int).to_numpy()

groups = duplicate_groups(radiographs)
repeated = knees["id"].groupby(groups).apply(list)
print(f"{len(knees)} radiographs, {len(set(groups))} different ones, {target.sum()} with osteoporosis")
print("identical images:", "; ".join(" = ".join(ids) for ids in repeated if len(ids) > 1))

# %%
# Four of them, with the bone that was found.
figure, axes = plt.subplots(1, 4, figsize=(14, 4), layout="constrained")
for ax, image in zip(axes, knees["knee"].iloc[::35], strict=False):
    dr.plot_regions(image, image.mask, ax=ax)
figure.savefig(output / "knee_bone_area.png", dpi=100)

# %%
# Three blocks of features. All that learns is inside the pipeline, so every fold learns it anew.
blocks = ColumnTransformer(
    [
        ("clinical", dr.clinical_encoder(), ["age", "sex", "weight_kg", "bmi"]),
        (
            "texture",
            make_pipeline(dr.TextureExtractor({"Original": {}, "Wavelet": {}}), StandardScaler(), PCA(8)),
            ["knee"],
        ),
        (
            "deep",
            make_pipeline(
                dr.DeepExtractor(
                    "tiulpin", n_features=32, image_size=96, epochs=10, cv=StratifiedGroupKFold(3), random_state=0
                ),
                StandardScaler(),
                PCA(4),
            ),
            ["knee"],
        ),
    ]
)
model = Pipeline([("blocks", blocks), ("classifier", LogisticRegression(max_iter=1000))])
columns = ["knee", "age", "sex", "weight_kg", "bmi"]
comparison = dr.compare_feature_sets(model, knees[columns], target, groups=groups, cv=5, random_state=0)

print()
print(comparison)
print()
print(comparison.tests.to_string())

# %%
# The T-score of ultrasound decides the label. As an input it would be found out, by name.
leaking = Pipeline(
    [
        ("blocks", ColumnTransformer([("clinical", StandardScaler(), ["age", "t_score_qus"])])),
        ("classifier", LogisticRegression()),
    ]
)
try:
    dr.compare_feature_sets(leaking, knees[["age", "t_score_qus"]], target, groups=groups, random_state=0)
except LeakageError as error:
    print(f"\nRefused: {error}")

# %%
# Does the result live within scanners, or between them?
scanners = ["1024 px wide", "2180 px wide", "2362 to 2660 px wide"]
widths = pd.cut(knees["original_width"], [0, 1500, 2300, 3000], labels=scanners).astype(str)
print()
print(comparison.subgroups(widths, features=["C", "DTC"]).to_string())
# Each block is fitted again for each scanner and sex, so the network is left out: it would be trained 20 times more.
light = Pipeline([("blocks", ColumnTransformer(blocks.transformers[:2])), model.steps[-1]])
shallow = dr.compare_feature_sets(light, knees[columns], target, groups=groups, cv=5, random_state=0)
print(shallow.shortcuts(pd.DataFrame({"original_width": widths, "sex": knees["sex"]})))

# %%
# One page with all of it.
page = comparison.to_html(
    output / "knee_report.html",
    title="Osteoporosis on knee radiographs",
    subgroups={"scanner width": widths, "sex": knees["sex"]},
    figures={"Four of the radiographs with the bone that was found": figure},
)
comparison.plot_roc()
plt.gcf().savefig(output / "knee_roc.png", dpi=120)
print(f"\nReport: {page}; pictures: {output / 'knee_bone_area.png'} and {output / 'knee_roc.png'}")
