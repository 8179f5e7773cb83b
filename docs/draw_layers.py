"""Draw who may import whom, from the rule in setup.cfg that `make lint` checks: python docs/draw_layers.py"""

from configparser import ConfigParser
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "layers", "font.family": "sans-serif"})
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import FancyBboxPatch  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "_static" / "layers.svg"
WIDTH, HEIGHT = 11.0, 0.42


def layers():
    """Modules of each layer, the highest first."""
    rule = ConfigParser()
    rule.read(ROOT / "setup.cfg")
    lines = rule["importlinter:contract:layers"]["layers"].strip().splitlines()
    return [[name.strip(" ()").removeprefix("deepradiomics.") for name in line.split("|")] for line in lines]


def draw():
    """Draw a row of boxes a layer, and an arrow down between layers."""
    rows = layers()
    figure = Figure(figsize=(WIDTH, 0.78 * len(rows)), layout="constrained")
    ax = figure.subplots()
    for number, names in enumerate(rows):
        top = -number * 0.78
        widths = [0.105 * len(name) + 0.22 for name in names]
        gap = 0.09
        left = (WIDTH - sum(widths) - gap * (len(names) - 1)) / 2
        for name, width in zip(names, widths, strict=True):
            box = FancyBboxPatch(
                (left, top), width, HEIGHT, boxstyle="round,pad=0,rounding_size=0.06", fc="#dbe9f6", ec="#2b6ca3"
            )
            ax.add_patch(box)
            ax.text(left + width / 2, top + HEIGHT / 2, name, ha="center", va="center", fontsize=9, color="#12314d")
            left += width + gap
        if number + 1 < len(rows):
            arrow = {"arrowstyle": "-|>", "color": "0.45", "linewidth": 1.2}
            ax.annotate("", (WIDTH / 2, top - 0.78 + HEIGHT + 0.02), (WIDTH / 2, top - 0.02), arrowprops=arrow)
    ax.set(xlim=(0, WIDTH), ylim=(-0.78 * (len(rows) - 1) - 0.1, HEIGHT + 0.1), aspect="equal")
    ax.set_axis_off()
    figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    draw()
