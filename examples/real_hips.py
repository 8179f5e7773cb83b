"""Real hips: from films to boxes and texture without a mask
=========================================================

A folder of AP pelves or hips (DICOM, JPEG, PNG), no outline, no label: which femora can be read?

Run it as ``python examples/real_hips.py FOLDER [OUTPUT [NUMBER [WIDTH_TO_HEIGHT]]]``. NUMBER takes only so many films.
WIDTH_TO_HEIGHT says how wide the films were before somebody squeezed them to a square, such as 1.16. Every femur that
is refused is named with its reason; nobody should publish on outlines that nobody looked at, so a picture shows them.
"""

# sphinx_gallery_thumbnail_path = '_static/hip_boxes.jpg'

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
from scipy import ndimage

import deepradiomics as dr
from deepradiomics.exceptions import DeepRadiomicsError

folder = Path(sys.argv[1])
output = Path(sys.argv[2] if len(sys.argv) > 2 else "output")
number = int(sys.argv[3]) if len(sys.argv) > 3 else None
width_to_height = float(sys.argv[4]) if len(sys.argv) > 4 else None
output.mkdir(parents=True, exist_ok=True)

# %%
# Read the films. A squeezed one is stretched back, since boxes are placed by lengths.
films = []
for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in (".dcm", ".jpg", ".jpeg", ".png")):
    try:
        film = dr.read_radiograph(path)
    except DeepRadiomicsError as error:
        print(f"{path.name}: {error}")
        continue
    if width_to_height:
        height, width = film.pixels.shape
        film = dr.Radiograph(ndimage.zoom(film.pixels, (1, width_to_height * height / width), order=1), view="AP")
    films.append(film)
    if len(films) == number:
        break
table = pd.DataFrame({"radiograph": films})

# %%
# Outlines, boxes, and the reason where there are none. A row stands for a film, a column for a region.
segmenter = dr.UNetSegmenter.pretrained("femur")
masks, confidence = segmenter.predict_with_confidence(films)
finder = dr.FemurRegions(mask="mask", on_error="skip")
regions = finder.fit_transform(table.assign(mask=masks))
seen = ~np.isnan(confidence)
print(f"{len(films)} films, {seen.sum()} femora seen; expected Dice {np.nanmedian(confidence):.3f} in the median")
whole = sum(int((regions[f"{side}_neck"].notna()).sum()) for side in ("left", "right"))
print(f"neck boxes on {whole} of them; not placed:")
print(finder.failures_[["row", "region", "reason"]].to_string(index=False, max_colwidth=90))

# %%
# Texture of the necks. A hip without a box is a row of NaN.
features = dr.TextureExtractor(bin_count=32, feature_classes=["firstorder", "glcm"], on_error="skip").set_output(
    transform="pandas"
)
measured = features.fit_transform(regions[["left_neck", "right_neck"]])
measured.to_csv(output / "real_hips_texture.csv", index=False)
print(f"texture: {measured.notna().any(axis=1).sum()} films with numbers, {measured.shape[1]} features each")

# %%
# The picture to look at: the least certain films first.
from matplotlib.figure import Figure  # noqa: E402

order = np.argsort(np.nan_to_num(confidence, nan=1.0).min(axis=1))[:6]
figure = Figure(figsize=(15, 9), layout="constrained")
for axis, row in zip(figure.subplots(2, 3).ravel(), order, strict=False):
    axis.imshow(films[row].pixels, cmap="gray")
    for code, laterality, color in ((1, "L", "#56b4e9"), (2, "R", "#e69f00")):
        mask = masks[row] == code
        if not mask.any():
            continue
        axis.contour(mask, levels=[0.5], colors=color, linewidths=1)
        try:
            boxes = dr.place_femur_boxes(mask, films[row].spacing, laterality=laterality)
        except DeepRadiomicsError:
            continue
        for box in boxes.values():
            corners = np.vstack([box.corners, box.corners[:1]]) - 0.5
            axis.plot(corners[:, 1], corners[:, 0], color="#009e73", linewidth=1)
    axis.set_title(", ".join(f"{value:.2f}" for value in confidence[row] if value == value) or "no femur")
    axis.set_axis_off()
figure.savefig(output / "real_hips.png", dpi=80)
print(f"look at {output / 'real_hips.png'}")
