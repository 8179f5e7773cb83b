"""What is drawn lies where it was measured."""

import matplotlib
import numpy as np

from deepradiomics import plot_regions
from deepradiomics.regions import femur_geometry, place_vertebra_boxes, vertebra_geometry
from deepradiomics.simulation import make_hips, make_spines

matplotlib.use("Agg")


def test_axes_of_a_femur():
    hips = make_hips(1, random_state=0)
    picture, mask = hips.data["radiograph"][0], hips.masks[0]
    geometry = femur_geometry(mask == 1, picture.spacing, laterality="L")
    ax = plot_regions(picture, mask, geometries=[geometry])
    circle, neck, narrowest, shaft = (np.column_stack(line.get_data()) for line in ax.lines)
    radii = np.hypot(*(circle - geometry.head_centre[::-1]).T)
    np.testing.assert_allclose(radii, geometry.head_radius)
    np.testing.assert_allclose(neck[0], geometry.head_centre[::-1])
    # The neck's axis ends at the lateral border; the narrowest place ends at both borders.
    for point in (neck[1], *narrowest):
        column, row = np.round(point - 0.5).astype(int)
        window = (mask == 1)[row - 2 : row + 3, column - 2 : column + 3]
        assert 0 < window.mean() < 1
    assert np.hypot(*np.diff(shaft, axis=0)[0]) > 2 * geometry.head_radius
    matplotlib.pyplot.close(ax.figure)


def test_endplates_and_boxes_of_vertebrae():
    spines = make_spines(1, random_state=0)
    picture, mask = spines.data["lateral"][0], spines.masks_lateral[0]
    bodies = vertebra_geometry(mask, picture.spacing)
    ax = plot_regions(
        picture, mask, boxes=place_vertebra_boxes(mask, picture.spacing), geometries=list(bodies.values())
    )
    assert len(ax.lines) == 2 * len(bodies)
    assert len(ax.patches) == len(bodies)
    matplotlib.pyplot.close(ax.figure)
