"""From corrected outlines to a better network
============================================

You corrected 30 outlines on the review page: does a network that is trained on with them outline the rest better?

Run it as ``python examples/correct_and_train.py FOLDER [OUTPUT]``. FOLDER holds AP pelves
and the outlines of their femora (Proximal Femur Fracture, workspace thesisyolo-v8, CC BY 4.0). The network is small and
has seen simulated hips only: ``UNetSegmenter.pretrained("femur")`` was trained on most of these films, so it would
prove nothing here. A person who corrects by hand is replaced by the outlines that the films came with.
"""

# sphinx_gallery_thumbnail_path = '_static/review_correct.jpg'

import json
import re
import sys
from pathlib import Path

import contourpy
import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
from PIL import Image

import deepradiomics as dr
from deepradiomics.metrics import dice
from deepradiomics.simulation import make_hips

folder, output = Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "output")
output.mkdir(parents=True, exist_ok=True)
UNKNOWN = 255
SIZE = (297, 256)  # the films were squeezed to a square; they are about 1.16 times as wide as high


def read(name):
    """Read a film and its hand outlines, 1 left and 2 right, both small and stretched back."""
    film = Image.open(folder / f"images/{name}.jpg").convert("L").resize(SIZE, Image.Resampling.BOX)
    drawn = Image.open(folder / f"masks/{name}.png").resize(SIZE, Image.Resampling.NEAREST)
    return dr.Radiograph(np.array(film), view="AP"), np.choose(np.array(drawn), np.array([0, 2, 1], dtype=np.uint8))


def with_unknown(mask):
    """Mark what lies below the end of each outline: the shaft goes on there, but nobody drew it."""
    known = mask.copy()
    for code in (1, 2):
        rows, columns = np.nonzero(mask == code)
        below = known[rows.max() - 2 :, max(columns.min() - 15, 0) : columns.max() + 15]
        below[below == 0] = UNKNOWN
    return known


def judged(segmenter, films, hand):
    """Dice of each femur against the hand outline, where that knows."""
    found = segmenter.predict(films)
    return [
        dice((mask == code) & (with_unknown(drawn) != UNKNOWN), drawn == code)
        for mask, drawn in zip(found, hand, strict=True)
        for code in (1, 2)
    ]


# %%
# The start: a small network and 24 simulated hips. Then 90 films, each image once; 30 of them are yours to outline.
hips = make_hips(24, random_state=0, image_shape=(256, 256))
simulated = list(hips.data["radiograph"]), list(hips.masks)
segmenter = dr.UNetSegmenter(
    ("left", "right"),
    encoder="tu-resnet10t",
    decoder_channels=(48, 32, 16, 8),
    image_size=128,
    epochs=15,
    mirror_classes=(("left", "right"),),
    random_state=0,
).fit(*simulated)

index = pd.read_csv(folder / "index.csv").drop_duplicates("same_image")
names = index.query("kind == 'normal' and femora_outlined == 2 and sideways_or_lateral != 1")["name"]
films, hand = zip(*(read(name) for name in names.sample(90, random_state=0)), strict=True)
yours, rest = slice(0, 30), slice(30, None)
before = judged(segmenter, films[rest], hand[rest])

# %%
# The page shows what the network drew on the 30. A person corrects it there and exports ``review.json``.
table = pd.DataFrame({"radiograph": films[yours], "mask": segmenter.predict(films[yours])})
page = dr.review(table, masks="mask", output=output / "review.html")

# %%
# In place of that person: the same file, with the hand outlines as polygons of (column, row).
shown = json.loads(re.search(r'<script id="data".*?>(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)[1])
cases = []
for case, drawn in zip(shown["cases"], hand[yours], strict=True):
    outlines = {}
    for code, name in enumerate(shown["labels"], start=1):
        lines = contourpy.contour_generator(z=np.pad(drawn == code, 1).astype(float)).lines(0.5)
        outlines[name] = [(line[:-1] - 0.5).tolist() for line in lines]
    cases.append({"row": case["row"], "image": case["image"], "decision": "accept", "reason": "", "outlines": outlines})
    cases[-1]["boxes"] = {}
export = {"schema": "deepradiomics.review", "version": 1, "labels": shown["labels"], "cases": cases}
(output / "review.json").write_text(json.dumps(export), encoding="utf-8")

# %%
# The corrections count: back into the table, and into the network, with simulated hips so that it forgets nothing.
corrected = dr.review.apply(table, output / "review.json")
changed = [dice(one > 0, other > 0) for one, other in zip(table["mask"], corrected["mask"], strict=True)]
print(f"30 films outlined; the network's outlines had a Dice of {np.median(changed):.3f} with the corrected ones")
segmenter.set_params(warm_start=True, ignore_label=UNKNOWN, epochs=8, learning_rate=1e-3)
segmenter.fit(
    [*corrected["radiograph"], *simulated[0][:10]],
    [*(with_unknown(mask) for mask in corrected["mask"]), *simulated[1][:10]],
)

# %%
# Before and after, on films that no training saw. The same patient may recur under another name; nobody can know.
after = judged(segmenter, films[rest], hand[rest])
print(f"Dice of {len(after)} femora in {len(films[rest])} other films")
for word, values in (("before", before), ("after", after)):
    print(f"  {word:6}  median {np.median(values):.3f}, tenth percentile {np.quantile(values, 0.1):.3f}")
better = np.mean(np.subtract(after, before) > 0)
print(f"  {better:.0%} of the femora are outlined better")
found = pd.DataFrame({"radiograph": films[rest], "mask": segmenter.predict(films[rest]), "worse first": 0.0})
found["worse first"] = -np.reshape(after, (-1, 2)).min(axis=1)
dr.plot_cohort(found, n=12, by="worse first", masks="mask").savefig(output / "worst_after.png", dpi=110)
