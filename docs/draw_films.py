"""Draw the films and the examples' small pictures of these pages: python docs/draw_films.py FOLDER

FOLDER holds radiographs of FracAtlas (Abedeen et al. 2023, CC BY 4.0). Pictures of them carry that line on their page.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib.figure import Figure

import deepradiomics as dr
from deepradiomics.metrics import RocPlot
from deepradiomics.simulation import make_spines

PICTURES = Path(__file__).resolve().parent / "_static"
FEMORA = ("left", "right")


def save(name, draw, height=600, width=600):
    """Save what ``draw`` draws on axes, in pixels."""
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, layout="constrained")
    draw(figure.subplots())
    figure.savefig(PICTURES / f"{name}.jpg", dpi=100, pil_kwargs={"quality": 72, "optimize": True, "progressive": True})


def main(folder):
    """Draw them all."""
    films = [dr.read_radiograph(folder / f"{name}.jpg") for name in ("IMG0000110", "IMG0000099")]
    masks = dr.UNetSegmenter.pretrained("femur").predict(films)
    femora = [(masks[0] == code, side[0].upper()) for code, side in enumerate(FEMORA, start=1)]
    axes = [dr.regions.femur_geometry(femur, laterality=side) for femur, side in femora]
    save("hip_axes", lambda ax: dr.plot_regions(films[0], masks[0], geometries=axes, labels=FEMORA, ax=ax), height=500)
    save("hip_outlines", lambda ax: dr.plot_regions(films[1], masks[1], labels=FEMORA, ax=ax), height=500)

    # The boxes are small on a whole film: the part with both hips.
    top = max(np.flatnonzero((masks[0] > 0).any(axis=1))[0] - 150, 0)
    part, mask = dr.Radiograph(films[0].pixels[top : top + 1250], view="AP"), masks[0][top : top + 1250]
    boxes = {}
    for code, side in enumerate(FEMORA, start=1):
        placed = dr.place_femur_boxes(mask == code, laterality=side[0].upper())
        boxes |= {f"{side}_{name}": box for name, box in placed.items()}
    save("hip_boxes", lambda ax: dr.plot_regions(part, mask, boxes=boxes, labels=FEMORA, ax=ax), height=380)

    # What examples that are not run would show: simulated spines, and curves of simulated scores.
    spine = make_spines(1, random_state=0)
    film, mask = spine.data["lateral"][0], spine.masks_lateral[0]
    boxes = dr.place_vertebra_boxes(mask, film.spacing)
    save("spine", lambda ax: dr.plot_regions(film, mask, boxes=boxes, ax=ax), width=450)
    rng, y = np.random.default_rng(0), np.arange(200) % 2

    def curves(ax):
        for name, gain in (("clinical", 0.7), ("texture", 1.1), ("all", 1.6)):
            RocPlot.from_predictions(y, rng.normal(gain * y), name=name).plot(ax)

    save("roc", curves)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
