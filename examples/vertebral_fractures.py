"""Real vertebrae: three classes of fracture
============================================

Acute, chronic or pathologic? Three classes of vertebral fracture from crops of single vertebrae.

Run it as ``python examples/vertebral_fractures.py FOLDER``, where FOLDER holds one folder a class with images named
``NUMBER-CLASS-LEVEL-AGE-SEX.png``. Patients are whole in the folds. With fifteen images this proves nothing but that
it runs, and the result says so.
"""

# sphinx_gallery_thumbnail_path = '_static/spine.jpg'

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

import deepradiomics as dr
from deepradiomics.exceptions import LeakageError

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
# In these fifteen, all who are younger than 79 and all men have a pathologic fracture. Such a column is refused: it is
# the label in another form, or the cohort is too small to tell. Age and sex stay out.
try:
    clinical = ColumnTransformer([("clinical", dr.clinical_encoder(), ["age", "sex"])])
    dr.compare_feature_sets(
        make_pipeline(clinical, LogisticRegression()), vertebrae, vertebrae["fracture"], groups=groups, cv=2
    )
except LeakageError as error:
    print(f"Refused: {error}")

# %%
# Grey values and texture of the whole crop, compressed inside each fold: fifteen images bear no more.
blocks = ColumnTransformer(
    [
        (name, make_pipeline(dr.TextureExtractor(feature_classes=own), StandardScaler(), PCA(2)), ["vertebra"])
        for name, own in {"grey values": ["firstorder"], "texture": ["glcm", "glrlm"]}.items()
    ]
)
model = make_pipeline(blocks, LogisticRegression(C=0.5, class_weight="balanced"))
X, y = vertebrae[["vertebra"]], vertebrae["fracture"]
comparison = dr.compare_feature_sets(model, X, y, groups=groups, cv=2, random_state=0)

# %%
# The table ends with what the numbers of patients do not allow. The page has tables and curves of each class.
print(comparison)
print(comparison.confusion("grey values+texture"))
page = comparison.to_html(
    output / "vertebral_fractures.html", title="Fifteen fractured vertebrae", images=vertebrae["vertebra"]
)
print(f"Page: {page}")
