"""Draw outlines and boxes over a radiograph."""

from typing import NamedTuple

import contourpy
import numpy as np

from deepradiomics.exceptions import InputError
from deepradiomics.reading import as_radiograph, read_label_map

# Okabe and Ito's colors, which the color-blind can tell apart: outlines, axes, and boxes by their place in the list.
_OUTLINE, _AXES = "#56b4e9", "#f0e442"
BOX_COLORS = ("#e69f00", "#cc79a7", "#009e73", "#d55e00", "#f0e442")
# More cannot be seen on a printed page, and a picture of 6 megapixels would stay in memory with its figure.
_MAX_SIDE = 2048
_SIDES = {"left": "L", "right": "R"}
# Behind what is written, so that it can be read over bone and over air.
DARK = {"facecolor": "black", "alpha": 0.65, "edgecolor": "none"}


def plot_regions(radiograph, mask=None, *, boxes=None, geometries=None, labels=(), ax=None):
    """Show a radiograph with the outlines of its bones, their axes, the boxes placed on them, and a scale bar.

    Parameters
    ----------
    radiograph : path, array of shape (H, W) or Radiograph
        The picture, shown between the 0.5th and the 99.5th percentile of its grey values. A scale bar in mm is drawn
        where its spacing is known.
    mask : bool or label array of shape (H, W), default=None
        What to outline; None outlines the radiograph's own mask, if it has one.
    boxes : dict of str to Box, default=None
        Boxes in pixels of the picture, each drawn with its name.
    geometries : list of FemurGeometry or VertebraGeometry, default=None
        Whose axes to draw: of a femur the circle of the head, the neck's axis and its narrowest place, and the shaft's
        axis; of a vertebra both endplates.
    labels : sequence of str, default=()
        Names of the labels 1, 2 ... of the mask. The letters L and R are put where ``left`` and ``right`` are among
        them, where names of boxes begin so, or where the radiograph knows its side; nowhere else.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        What was drawn on.

    Raises
    ------
    InputError
        If the radiograph cannot be read.

    Notes
    -----
    Names are placed each time the figure is drawn, so that none covers another or leaves the picture. The picture that
    stays in the figure has 8 bits and at most 2048 pixels a side.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from deepradiomics import place_femur_boxes, plot_regions
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(1, random_state=0)
    >>> picture, mask = hips.data["radiograph"][0], hips.masks[0]
    >>> ax = plot_regions(picture, mask, boxes=place_femur_boxes(mask == 1, picture.spacing, laterality="L"))
    >>> len(ax.patches)
    5
    """
    from deepradiomics.regions._names import BoxNames

    radiograph, boxes = as_radiograph(radiograph), dict(boxes or {})
    colors = dict(zip(boxes, (BOX_COLORS[number % len(BOX_COLORS)] for number in range(len(boxes))), strict=True))
    mask = radiograph.mask if mask is None else read_label_map(mask)
    if mask is not None and mask.shape != radiograph.pixels.shape:
        raise InputError(
            f"the mask has shape {mask.shape}, its image {radiograph.pixels.shape}; give a mask of its own shape",
            code="mask_shape",
        )
    # A bool mask of one femur is of the radiograph's side.
    if mask is not None and mask.dtype == bool and tuple(labels[:2]) == tuple(_SIDES) and radiograph.laterality == "R":
        mask = mask * np.uint8(2)
    codes = [] if mask is None else np.setdiff1d(np.unique(mask), [0])
    names = [labels[code - 1] if code <= len(labels) else f"label {code}" for code in codes]
    lines = {name: _outlines(mask == code) for name, code in zip(names, codes, strict=True)}
    ax = _draw_regions(_Shown.of(radiograph, _MAX_SIDE), lines, boxes, colors, ax=ax)
    for geometry in geometries or []:
        for line in _geometry_lines(geometry):
            ax.plot(line[:, 1], line[:, 0], color=_AXES, linewidth=1.0)
    ax.add_artist(BoxNames(ax, boxes, colors))
    return ax


class _Shown(NamedTuple):
    """What is drawn of a radiograph: its 8-bit picture, each pixel of which stands for ``step`` of its own a side."""

    picture: object
    step: int
    shape: tuple
    spacing: tuple | None
    laterality: str | None

    @classmethod
    def of(cls, radiograph, max_side):
        """Take what a picture of at most so many pixels a side needs."""
        step = -(-max(radiograph.pixels.shape) // max_side)
        picture = _gray_picture(radiograph.pixels, 0.5).reduce(step)
        return cls(picture, step, radiograph.pixels.shape, radiograph.spacing, radiograph.laterality)


def _draw_regions(shown, lines, boxes, colors, *, ax=None):
    """Draw picture, outlines, boxes without their names, scale bar, L and R; the axes."""
    import matplotlib.pyplot as plt
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Polygon

    height, width = shown.shape
    rows_mm, columns_mm = shown.spacing or (1.0, 1.0)
    if ax is None:
        size = np.array([width * columns_mm, height * rows_mm])
        _, ax = plt.subplots(figsize=np.maximum(5 * size / size.max(), 2), layout="constrained")
    extent = (0, shown.picture.width * shown.step, shown.picture.height * shown.step, 0)
    ax.imshow(np.asarray(shown.picture), cmap="gray", vmin=0, vmax=255, extent=extent, aspect=rows_mm / columns_mm)
    for line in lines.values():
        ax.add_collection(LineCollection(line, colors=_OUTLINE, linewidths=0.8))
    for name, box in boxes.items():
        ax.add_patch(Polygon(box.corners[:, ::-1], closed=True, fill=False, edgecolor=colors[name], linewidth=1.4))
    ax.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    middles = {name.partition("_")[0]: box.centre[1] for name, box in boxes.items()}
    middles |= {name: np.concatenate(line)[:, 0].mean() for name, line in lines.items() if line}
    _draw_sides(ax, {_SIDES[name]: middle for name, middle in middles.items() if name in _SIDES}, shown)
    if shown.spacing is not None:
        _draw_scale(ax, width, columns_mm)
    return ax


def _gray_picture(pixels, cut):
    """Return the pixels (H, W) as an 8-bit picture, black and white at ``cut`` percent of either end."""
    from PIL import Image

    low, high = np.nanpercentile(pixels[:: max(pixels.shape[0] // 512, 1)], (cut, 100 - cut))
    gray = np.nan_to_num(pixels - np.float32(low))
    gray *= np.float32(255 / max(high - low, 1e-6))
    return Image.fromarray(np.clip(gray, 0, 255, out=gray).astype(np.uint8))


def _outlines(mask):
    """Return the borders of a bool mask as closed lines (n, 2) of column and row."""
    # Line 0.5 between centres of pixels; a pixel's centre lies half a pixel from its corner.
    lines = contourpy.contour_generator(z=np.pad(mask, 1).astype(np.float32)).lines(0.5)
    return [line - 0.5 for line in lines]


def _draw_sides(ax, middles, shown):
    """Put L and R into the upper corner on their side; a side that only the radiograph knows, into the left one."""
    if not middles and shown.laterality is not None:
        middles = {shown.laterality: 0}
    for letter, middle in middles.items():
        first = middle < (np.mean(list(middles.values())) if len(middles) == 2 else shown.shape[1] / 2)
        ax.annotate(
            letter,
            (0 if first else 1, 1),
            xycoords="axes fraction",
            xytext=(4 if first else -4, -4),
            textcoords="offset points",
            ha="left" if first else "right",
            va="top",
            color="white",
            weight="bold",
            bbox=DARK | {"pad": 1.5},
        )


def _draw_scale(ax, width, mm):
    """Draw a bar of 1, 2 or 5 times a power of ten mm, at most a quarter of the picture."""
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

    most = width * mm / 4
    power = 10.0 ** np.floor(np.log10(most))
    length = power * max(step for step in (1, 2, 5) if step * power <= most * (1 + 1e-9))
    bar = AnchoredSizeBar(
        ax.transData,
        length / mm,
        f"{length:g} mm",
        "lower right",
        color="white",
        borderpad=0.4,
        pad=0.2,
        sep=2,
        label_top=True,
        fontproperties={"size": "small"},
    )
    bar.patch.set(**DARK)
    ax.add_artist(bar)


def _geometry_lines(geometry):
    """Lines (n, 2) of rows and columns that show what was measured."""
    if hasattr(geometry, "corners"):
        return [geometry.corners[:2], geometry.corners[2:]]
    head, neck, axis, shaft, down = (
        np.array(getattr(geometry, name))
        for name in ("head_centre", "neck_centre", "neck_axis", "shaft_point", "shaft_axis")
    )
    turn = np.linspace(0, 2 * np.pi, 73)
    circle = head + geometry.head_radius * np.column_stack([np.sin(turn), np.cos(turn)])
    along = np.array([0.0, geometry.neck_axis_length - geometry.head_radius])[:, None] * axis + head
    across = neck + np.array([-0.5, 0.5])[:, None] * geometry.neck_width * np.array([-axis[1], axis[0]])
    return [circle, along, across, shaft + 2.0 * geometry.head_radius * np.array([-1.5, 1.0])[:, None] * down]
