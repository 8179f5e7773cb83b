"""Real vertebrae: three classes of fracture
============================================

Acute, chronic or pathologic? Three classes of vertebral fracture from crops of single vertebrae.

Run it as ``python examples/vertebral_fractures.py FOLDER``, where FOLDER holds one folder a class with images named
``NUMBER-CLASS-LEVEL-AGE-SEX.png``. Each patient is left out once. With fifteen images this proves nothing but that
it runs.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, classification_report
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

import deepradiomics as dr

folder = Path(sys.argv[1])
output = Path(sys.argv[2] if len(sys.argv) > 2 else "output")
output.mkdir(parents=True, exist_ok=True)

# %%
# One row a vertebra. The pictures are 16-bit RGBA with three equal channels, and stay 16-bit grey.
rows = []
for path in tqdm(sorted(folder.glob("*/*.png")), desc="reading"):
    number, fracture, level, age, sex = path.stem.split("-")
    rows.append({"vertebra": dr.read_radiograph(path, view="LAT"), "fracture": fracture, "age": int(age), "sex": sex})
vertebrae = pd.DataFrame(rows)
brightest = max(int(vertebra.pixels.max()) for vertebra in vertebrae["vertebra"])
print(f"{len(vertebrae)} vertebrae, the brightest grey value is {brightest}")

# %%
# Crops of one patient must not stand on both sides of a split; equal age, sex and class is taken as one patient.
groups = vertebrae.groupby(["age", "sex", "fracture"], sort=False).ngroup().to_numpy()
print(f"{len(np.unique(groups))} patients")

# %%
# Texture of the whole crop and age and sex, compressed inside each fold: fifteen images bear no more.
blocks = ColumnTransformer(
    [
        ("texture", make_pipeline(dr.TextureExtractor(bin_count=32), StandardScaler(), PCA(3)), ["vertebra"]),
        ("clinical", dr.clinical_encoder(), ["age", "sex"]),
    ]
)
model = make_pipeline(blocks, LogisticRegression(C=0.5, class_weight="balanced"))
predicted = cross_val_predict(
    model, vertebrae[["vertebra", "age", "sex"]], vertebrae["fracture"], groups=groups, cv=LeaveOneGroupOut()
)

print(classification_report(vertebrae["fracture"], predicted, zero_division=0))
print("Fifteen images prove nothing but that the chain runs.")
display = ConfusionMatrixDisplay.from_predictions(vertebrae["fracture"], predicted, colorbar=False)
display.figure_.savefig(output / "vertebral_fractures.png", dpi=120)
plt.close(display.figure_)
print(f"Picture: {output / 'vertebral_fractures.png'}")
