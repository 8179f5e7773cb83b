"""The same radiograph under two numbers
=====================================

Archives hold images twice: sent again under another number, exported with another brightness, resized for a talk. A
copy on both sides of a split makes any model look better than it is. Three functions find copies: one for an archive on
disk, one for cohorts that are about to be compared, one that numbers images so that a split keeps copies together. Run
it as ``python examples/plot_duplicates.py FOLDER``.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image

import deepradiomics as dr
from deepradiomics import archive
from deepradiomics.comparison import duplicate_groups, near_duplicates
from deepradiomics.simulation import make_hips

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "output") / "copies"
folder.mkdir(parents=True, exist_ok=True)

# %%
# An archive of eight patients in which three images lie twice: with the same pixels, smaller and darker, and with
# another gamma.
hips = make_hips(8, random_state=0, image_shape=(256, 256))
pictures = [image.pixels / image.pixels.max() for image in hips.data["radiograph"]]
smaller = np.asarray(Image.fromarray(pictures[3]).resize((200, 200), Image.Resampling.BICUBIC)).clip(0, 1)
pictures += [pictures[5], 0.7 * smaller + 0.1, pictures[1] ** 0.5]
rows = []
for number, picture in enumerate(pictures):
    path = folder / f"image{number}.png"
    Image.fromarray((60000 * picture).astype(np.uint16)).save(path)
    rows.append({"image_id": f"image{number}", "radiograph": path})
manifest = pd.DataFrame(rows)

# %%
# A whole archive, from the files; a search that was interrupted goes on. Not all pairs are compared, since a million
# images have 500 billion, but those whose thumbnails look alike. A strong change of gamma changes the thumbnail, so
# the third copy is missed.
pairs = archive.find_duplicates(manifest, folder / "fingerprints")
print(pairs.round(3).to_string())

# %%
# The near copy and its original: brightness and size differ, the fine structure does not.
pair = pairs[pairs["kind"] == "near"].iloc[0]
fig, axes = plt.subplots(1, 2, figsize=(7, 3.6), layout="constrained")
for ax, name in zip(axes, pair[["id_a", "id_b"]], strict=True):
    image = dr.read_radiograph(folder / f"{name}.png")
    ax.imshow(image.pixels, cmap="gray", vmin=0, vmax=65535)
    ax.set_title(f"{name}, {image.pixels.shape[0]} x {image.pixels.shape[1]}")
    ax.set_axis_off()
fig.savefig(folder.parent / "copies.png", dpi=110)

# %%
# Two cohorts that are about to be compared: here each image is laid on those with the nearest spectra, also mirrored,
# turned and inverted, and the third copy is found. A comparison does this by itself,
# refuses identical images and lists near copies in its report.
print(near_duplicates({"internal": manifest[:6], "external": manifest[6:]}, None).round(3).to_string())

# %%
# Numbers for ``groups=``: copies share one, so that no split tears them apart.
images = [dr.read_radiograph(path) for path in manifest["radiograph"]]
print(duplicate_groups(images, min_likeness=0.8))
