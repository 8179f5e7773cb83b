"""Draw outlines and boxes over a radiograph."""

import numpy as np

from deepradiomics.reading import as_radiograph


def plot_regions(radiograph, mask=None, *, boxes=None, geometries=None, ax=None):
    """Show a radiograph with the outlines of its bones, their axes, and the boxes placed on them.

    Parameters
    ----------
    radiograph : path, array of shape (H, W) or Radiograph
        The picture, shown between the 0.5th and the 99.5th percentile of its grey values.
    mask : bool or label array of shape (H, W), default=None
        What to outline; None outlines the radiograph's own mask, if it has one.
    boxes : dict of str to Box, default=None
        Boxes in pixels of the picture, each drawn with its name.
    geometries : list of FemurGeometry or VertebraGeometry, default=None
        Whose axes to draw: of a femur the circle of the head, the neck's axis and its narrowest place, and the shaft's
        axis; of a vertebra both endplates.
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
    ax = as_radiograph(radiograph).plot(mask, boxes=boxes, ax=ax)
    for geometry in geometries or []:
        for line in _geometry_lines(geometry):
            ax.plot(line[:, 1], line[:, 0], color="tab:olive", linewidth=1.0)
    return ax


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
