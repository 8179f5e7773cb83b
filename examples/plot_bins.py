"""How many grey levels does texture need?
==========================================

Texture matrices count pairs and runs of grey *levels*, so the radiograph must first be divided into bins. Two settings
are common: bins of a fixed width, which suit CT with its absolute units, and a fixed number of bins, which suits
radiographs, whose grey values depend on exposure and detector. The wrong one leaves two levels, and nothing but edges
to count. Run it as ``python examples/plot_bins.py FOLDER``.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import deepradiomics as dr
from deepradiomics.exceptions import DeepRadiomicsError
from deepradiomics.simulation import make_hips
from deepradiomics.texture import discretize

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "output")
folder.mkdir(parents=True, exist_ok=True)
hips = make_hips(8, random_state=0)
femora = dr.FemurRegions(mask="mask").set_output(transform="pandas")
neck = femora.fit_transform(hips.data)["left_neck"].iloc[0]

# %%
# The same femoral neck, z-scored and then divided by bins of width 25 (as published systems have done), and by 8, 32
# and 128 bins. The first picture has two levels.
pixels = neck.pixels.astype(float)
scored = (pixels - pixels[neck.mask].mean()) / pixels[neck.mask].std()
choices = {
    "z-scores, width 25": (scored, {"bin_width": 25}),
    "8 bins": (pixels, {"bin_count": 8}),
    "32 bins": (pixels, {"bin_count": 32}),
    "128 bins": (pixels, {"bin_count": 128}),
}
grey = plt.get_cmap("gray").with_extremes(bad="#cfe3f5")
fig, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
for ax, (name, (values, setting)) in zip(axes, choices.items(), strict=True):
    levels, _ = discretize(values, neck.mask, **setting)
    ax.imshow(np.where(neck.mask, levels, np.nan), cmap=grey)
    ax.set_title(f"{name}: {len(np.unique(levels[neck.mask]))} levels", fontsize="medium")
    ax.set_axis_off()
fig.savefig(folder / "bins.png", dpi=120)

# %%
# The library refuses a region with fewer than eight levels, instead of giving numbers that mean nothing.
try:
    dr.TextureExtractor(bin_count=None, bin_width=25, normalize=True).fit_transform(pd.DataFrame({"neck": [neck]}))
except DeepRadiomicsError as error:
    print(error)

# %%
# How features depend on the number of bins: entropy grows with it by its definition, contrast with its square. So
# features of studies with different bins cannot be compared, and a study must name its own.
rows = {}
for bin_count in (8, 16, 32, 64, 128):
    texture = dr.TextureExtractor(
        bin_count=bin_count, feature_classes={"glcm": ["JointEntropy", "Contrast", "Correlation"]}, min_levels=None
    ).set_output(transform="pandas")
    rows[bin_count] = texture.fit_transform(pd.DataFrame({"neck": [neck]})).iloc[0]
table = pd.DataFrame(rows).T
table.columns = [name.rsplit("_", 1)[1] for name in table]
print(table.round(3).to_string())
fig, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
(table / table.loc[32]).plot(ax=ax, logx=True, logy=True, marker="o")
ax.set(xlabel="bins", ylabel="value, relative to 32 bins", xticks=table.index, xticklabels=table.index)
ax.minorticks_off()
fig.savefig(folder / "features_by_bins.png", dpi=120)
