"""Write the names of boxes beside them, none over another or outside the picture."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform

from deepradiomics.regions.display import DARK

_PLACES, _POINTS_A_SIDE = 96, 12


class BoxNames(Artist):
    """The names of the boxes of one picture; it draws nothing, but moves them before they are drawn.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The picture.
    boxes : dict of str to Box
        Boxes in pixels of the picture.
    colors : dict of str to str
        Color of each name.
    """

    def __init__(self, ax, boxes, colors):
        super().__init__()
        self.set(zorder=0, in_layout=False)
        self.texts = [
            ax.text(
                0,
                0,
                name.replace("_", " "),
                color=colors[name],
                fontsize="small",
                transform=IdentityTransform(),
                va="bottom",
                bbox=DARK | {"pad": 1},
                in_layout=False,
            )
            for name in boxes
        ]
        share = np.linspace(0, 1, _POINTS_A_SIDE, endpoint=False)[:, None]
        corners = [box.corners[:, ::-1] for box in boxes.values()]
        self.borders = [
            np.concatenate([a + share * (b - a) for a, b in zip(four, np.roll(four, -1, axis=0), strict=True)])
            for four in corners
        ]

    def draw(self, renderer):
        """Place the names one after the other, each as near its box as there is room.

        Parameters
        ----------
        renderer : matplotlib.backend_bases.RendererBase
            What the figure is drawn with; its points are those of the places.
        """
        ax = self.axes
        frame = ax.get_window_extent(renderer)
        others = [artist for artist in [*ax.texts, *ax.artists] if artist not in [self, *self.texts]]
        taken = [artist.get_window_extent(renderer).extents for artist in others]
        borders = [ax.transData.transform(border) for border in self.borders]
        lines = np.concatenate([np.empty((0, 2)), *borders])
        gap = renderer.points_to_pixels(3)
        for text, own in zip(self.texts, borders, strict=True):
            size = text.get_window_extent(renderer).size + 2 * gap
            # Places of the left and the lower edge; gaps (n, m) between a name there and each point of the borders.
            x, y = (
                np.linspace(low, max(high - wide, low), _PLACES)
                for low, high, wide in zip(frame.min, frame.max, size, strict=True)
            )
            across, up = (
                _gaps(at, wide, own[:, axis]) for axis, (at, wide) in enumerate(zip((x, y), size, strict=True))
            )
            cost = np.sqrt((across[None] ** 2 + up[:, None] ** 2).min(axis=-1))
            # To cover the line of a box costs as much as to be far from one's own; to cover another name, more.
            across, up = (
                _gaps(at, wide, lines[:, axis]) == 0 for axis, (at, wide) in enumerate(zip((x, y), size, strict=True))
            )
            cost += gap * (up.astype(float) @ across.T)
            # Inside a box it would cover what the box is there to show, and seem the name of that box.
            centres = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2) + size / 2
            cost += 3 * gap * sum(Path(line).contains_points(centres) for line in borders).reshape(cost.shape)
            for left, bottom, right, top in taken:
                cost += 1e3 * np.outer(_common(y, size[1], bottom, top), _common(x, size[0], left, right))
            row, column = np.unravel_index(np.argmin(cost), cost.shape)
            text.set_position((x[column] + gap, y[row] + gap))
            taken.append([x[column], y[row], x[column] + size[0], y[row] + size[1]])


def _gaps(starts, length, points):
    """Distances (n, m) along a line of points from intervals of one length; 0 inside."""
    before = starts[:, None] - points
    return np.maximum(np.maximum(before, -before - length), 0)


def _common(starts, length, low, high):
    """Length (n,) that intervals share with one from low to high."""
    return np.maximum(np.minimum(starts + length, high) - np.maximum(starts, low), 0)
