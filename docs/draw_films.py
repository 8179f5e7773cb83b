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
    films = [dr.read_radiograph(folder / f"{name}.jpg") for name in ("IMG0000110", "IMG0000099", "IMG0000041")]
    masks = dr.UNetSegmenter.pretrained("femur").predict(films)
    for name, film, mask in zip(("hip_boxes", "hip_outlines", "hip_axes"), films, masks, strict=True):
        boxes, geometries = {}, []
        for code, side in enumerate(FEMORA, start=1):
            placed = dr.place_femur_boxes(mask == code, laterality=side[0].upper())
            boxes |= {f"{side}_{box}": placed[box] for box in placed}
            geometries.append(dr.regions.femur_geometry(mask == code, laterality=side[0].upper()))
        given = {"hip_boxes": {"boxes": boxes}, "hip_axes": {"geometries": geometries}}.get(name, {})
        save(name, lambda ax, f=film, m=mask, g=given: dr.plot_regions(f, m, labels=FEMORA, ax=ax, **g), height=500)

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
