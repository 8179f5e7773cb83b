"""What is drawn lies where it was measured."""

import tracemalloc
from itertools import combinations

import matplotlib
import numpy as np
import pytest

from deepradiomics import Box, Radiograph, plot_regions
from deepradiomics.exceptions import InputError
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


def crowded():
    places = [(0, 0), (2, 4), (4, 8), (230, 230), (235, 235), (100, 100), (105, 103), (110, 108), (0, 236), (236, 0)]
    return {f"a long name {n}": Box(top, left, 20, 20, 9 * n) for n, (top, left) in enumerate(places)}


@pytest.mark.parametrize("inches", [3, 6])
def test_names_neither_overlap_nor_leave_the_picture(inches):
    figure, ax = matplotlib.pyplot.subplots(figsize=(inches, inches))
    picture = Radiograph(np.random.default_rng(0).normal(size=(256, 256)), spacing=(0.5, 0.5), laterality="R")
    plot_regions(picture, boxes=crowded(), ax=ax)
    ax.set_title("a title that comes later")
    figure.tight_layout()
    figure.canvas.draw()
    frame = ax.get_window_extent()
    rectangles = [text.get_window_extent() for text in ax.texts]
    (bar,) = (artist for artist in ax.artists if hasattr(artist, "size_bar"))
    rectangles.append(bar.get_window_extent())
    assert len(rectangles) == 12
    assert all(frame.contains(*corner) for one in rectangles for corner in one.corners())
    assert not [pair for pair in combinations(rectangles, 2) if pair[0].overlaps(pair[1])]
    # Each of the last two names lies nearer to the middle of its own box than to that of any other.
    for text, own in zip(ax.texts[-2:], list(crowded().values())[-2:], strict=True):
        box = text.get_window_extent()
        row, column = ax.transData.inverted().transform((box.x0 + box.width / 2, box.y0 + box.height / 2))[::-1]
        away = {other: np.hypot(*np.subtract(other.centre, (row, column))) for other in crowded().values()}
        assert min(away, key=away.get) == own
    matplotlib.pyplot.close(figure)


def test_scale_bar_is_as_long_as_it_says_and_pixels_keep_their_shape():
    picture = Radiograph(np.random.default_rng(0).normal(size=(100, 400)), spacing=(0.8, 0.4))
    ax = plot_regions(picture)
    (bar,) = (artist for artist in ax.artists if hasattr(artist, "size_bar"))
    assert bar.txt_label.get_text() == "20 mm"
    ax.figure.canvas.draw()
    line = bar.size_bar.get_children()[0].get_window_extent()
    frame = ax.get_window_extent()
    assert line.width / frame.width == pytest.approx(20 / (400 * 0.4), rel=0.02)
    # 80 mm high and 160 mm wide.
    assert frame.width / frame.height == pytest.approx(2, rel=0.01)
    matplotlib.pyplot.close(ax.figure)
    # A microscope's pixel of 2 nm, and one of a kilometer.
    for mm, label in ((2e-6, "2e-05 mm"), (1e6, "1e+07 mm")):
        ax = plot_regions(Radiograph(np.eye(50), spacing=(mm, mm)))
        assert next(artist for artist in ax.artists if hasattr(artist, "size_bar")).txt_label.get_text() == label
        matplotlib.pyplot.close(ax.figure)
    ax = plot_regions(np.eye(50))
    assert not [artist for artist in ax.artists if hasattr(artist, "size_bar")]
    matplotlib.pyplot.close(ax.figure)


def letters(ax):
    """Where L and R stand: share of the width."""
    found = {text.get_text(): text.xy[0] for text in ax.texts if text.get_text() in ("L", "R")}
    matplotlib.pyplot.close(ax.figure)
    return found


def test_sides_stand_where_they_are_known_and_nowhere_else():
    mask = np.zeros((60, 100), dtype=np.uint8)
    mask[20:40, 10:30], mask[20:40, 70:90] = 2, 1
    pixels = np.random.default_rng(0).normal(size=mask.shape)
    assert letters(plot_regions(pixels, mask)) == {}
    assert letters(plot_regions(pixels, mask, labels=("left", "right"))) == {"L": 1, "R": 0}
    assert letters(plot_regions(pixels, mask, labels=("L1", "L2"))) == {}
    # A film that was turned over.
    assert letters(plot_regions(pixels, mask, labels=("right", "left"))) == {"L": 0, "R": 1}
    assert letters(plot_regions(pixels, boxes={"left_neck": Box(20, 70, 9, 9)})) == {"L": 1}
    assert letters(plot_regions(Radiograph(pixels, laterality="R"))) == {"R": 0}


def test_a_large_picture_does_not_stay_in_memory():
    rows, columns = np.mgrid[:3000, :2000]
    mask = (rows - 1500) ** 2 + (columns - 1000) ** 2 < 800**2
    picture = Radiograph(rows + columns, mask)
    matplotlib.pyplot.close(plot_regions(np.eye(9)).figure)
    tracemalloc.start()
    ax = plot_regions(picture)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 10e6
    # What is drawn lies where it lies in the picture, though fewer pixels are.
    left, right, bottom, top = ax.images[0].get_extent()
    assert (left, right, bottom, top) == (0, 2000, 3000, 0)
    (line,) = (path.vertices for path in ax.collections[0].get_paths())
    np.testing.assert_allclose(line.min(axis=0), (200, 700), atol=1)
    np.testing.assert_allclose(line.max(axis=0), (1800, 2300), atol=1)
    matplotlib.pyplot.close(ax.figure)


def test_a_mask_is_of_the_picture():
    with pytest.raises(InputError, match="give a mask of its own shape"):
        plot_regions(np.zeros((40, 40)), np.zeros((20, 20), dtype=np.uint8))
    right = Radiograph(np.random.default_rng(0).normal(size=(40, 40)), laterality="R")
    mask = np.zeros((40, 40), dtype=bool)
    mask[10:30, 10:30] = True
    letters = [text.get_text() for text in plot_regions(right, mask, labels=("left", "right")).texts]
    assert letters == ["R"]
    # One stray pixel has an outline, or none, and is no reason to show nothing.
    mask = mask.astype(np.uint8)
    mask[0, 0] = 2
    matplotlib.pyplot.close(plot_regions(right, mask, labels=("left", "right")).figure)
    matplotlib.pyplot.close("all")
