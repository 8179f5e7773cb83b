"""Which features survive a second measurement?
============================================

Two readers, or one reader twice, outline a bone a little differently, and a second exposure has other noise. A feature
that changes as much by that as from patient to patient carries nothing. ``remeasure`` measures each training image
again with its region moved and turned and with noise added; ``StabilitySelector`` keeps the features whose intraclass
correlation stays high. Run it as ``python examples/plot_remeasure.py FOLDER``.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import deepradiomics as dr
from deepradiomics.metrics import roc_auc_ci
from deepradiomics.selection import StabilitySelector, remeasure
from deepradiomics.simulation import make_hips

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "output")
folder.mkdir(parents=True, exist_ok=True)

# %%
# The left femoral necks of training patients, and of others at another hospital. A region comes with 5 mm of context,
# so it can be moved by 2 mm.
train, test = (make_hips(60, site=site, random_state=seed) for site, seed in (("A", 0), ("B", 1)))
regions = dr.FemurRegions(mask="mask").set_output(transform="pandas")
X, X_test = (regions.fit_transform(hips.data)[["left_neck"]] for hips in (train, test))

# %%
# Five measurements an image: as it is, and four times moved by up to 2 mm and turned by up to 5 degrees, with noise.
texture = dr.TextureExtractor(["Original", "Wavelet"]).set_output(transform="pandas")
repeats = remeasure(texture, X, n_repeats=5, shift_mm=2.0, angle=5.0, noise=0.02, random_state=0)
print(f"{repeats.shape[0]} images, {repeats.shape[1]} features, {repeats.shape[2]} measurements")

# %%
# The intraclass correlations, by image type. Filters that pick out fine detail lose more.
features = texture.fit_transform(X)
selector = StabilitySelector(repeats, threshold=0.75).fit(features)
names = pd.Series(features.columns).str.split("__").str[1]
table = pd.DataFrame({"image": names.str.split("_").str[0], "icc": selector.icc_, "kept": selector.get_support()})
print(table.groupby("image").agg(features=("icc", "size"), median_icc=("icc", "median"), kept=("kept", "sum")).round(2))

fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
groups = {image: part["icc"].dropna() for image, part in table.groupby("image")}
ax.boxplot(list(groups.values()), tick_labels=list(groups), orientation="horizontal")
ax.axvline(0.75, color="#888888", linestyle="--", linewidth=1)
ax.set(xlabel="intraclass correlation of five measurements", xlim=(None, 1.02))
fig.savefig(folder / "stability.png", dpi=110)

# %%
# In a pipeline the selector stands behind the texture. Its repeats are of training images only; with
# cross-validation they belong to the training rows of the fold.
for name, steps in (("all features", ()), ("stable features", (StabilitySelector(repeats),))):
    model = make_pipeline(texture, *steps, StandardScaler(), LogisticRegression(C=0.001, max_iter=5000))
    model.fit(X, train.target)
    print(f"{name}: AUC at the other hospital {roc_auc_ci(test.target, model.predict_proba(X_test)[:, 1])}")
