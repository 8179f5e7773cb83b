"""Which radiographs the figure shows, in which order, and what is drawn over them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import deepradiomics as dr
from deepradiomics.exceptions import InputError
from deepradiomics.simulation import make_hips


@pytest.fixture(scope="module")
def table():
    hips = make_hips(5, random_state=0, image_shape=(256, 256))
    table = hips.data.assign(mask=hips.masks, age=[60, 80, np.nan, 70, 75])
    # The neck of row 3 is cut in two, which no other is.
    broken = table["mask"][3].copy()
    middle = dr.FemurRegions(mask="mask").place(table.iloc[[3]]).iloc[0]["left_neck"].centre
    rows, columns = np.mgrid[:256, :256]
    broken[(broken == 1) & (abs((rows - middle[0]) - (columns - middle[1])) < 3)] = 0
    return table.assign(mask=[*table["mask"][:3], broken, table["mask"][4]])


def titles(figure):
    found = [ax.get_title() for ax in figure.axes]
    plt.close(figure)
    return found


def test_the_most_doubtful_comes_first(table):
    regions = dr.FemurRegions(mask="mask", on_error="skip", min_confidence=0)
    figure = dr.plot_cohort(table, n=2, masks="mask", regions=regions)
    figure.canvas.draw()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["femur", "neck", "cortex", "ward", "trochanter"]
    # Both femora of the first are outlined where they are, and each box is there.
    first = figure.axes[0]
    row = int(first.get_title().split(":")[0].removeprefix("row "))
    for collection, code in zip(first.collections, (1, 2), strict=True):
        rows, columns = np.nonzero(table["mask"][row] == code)
        points = np.concatenate([path.vertices for path in collection.get_paths()])
        np.testing.assert_allclose(points.min(axis=0), (columns.min(), rows.min()), atol=1.5)
        np.testing.assert_allclose(points.max(axis=0), (columns.max() + 1, rows.max() + 1), atol=1.5)
    assert [len(ax.patches) for ax in figure.axes] == [10, 5]
    found = titles(figure)
    # The right neck of row 1 is by far the widest of the five; row 3 is the broken one.
    assert [title.split(":")[0] for title in found] == ["row 1", "row 3"]
    doubts = [float(title.split(": ")[1]) for title in found]
    assert doubts == sorted(doubts, reverse=True)


def test_sorted_by_a_column_and_called_by_another(table):
    named = table.assign(called=[f"film {n} with a name that is far too long" for n in range(5)])
    figure = dr.plot_cohort(named, n=3, by="age", names="called")
    assert titles(figure) == ["film 1 with a nam…: 80", "film 4 with a nam…: 75", "film 3 with a nam…: 70"]


def test_what_is_shown_is_read_once_and_other_rows_not_at_all(table, tmp_path):
    class Film:
        """An array that counts how often it is asked for."""

        def __init__(self, pixels):
            self.pixels, self.asked = pixels, 0

        def __array__(self, dtype=None, copy=None):
            self.asked += 1
            return self.pixels

    for by, asked in (("age", [0, 1, 0, 0, 1]), ("doubt", [1, 1, 1, 1, 1])):
        films = [Film(radiograph.pixels) for radiograph in table["radiograph"]]
        titles(dr.plot_cohort(table.assign(radiograph=films), n=2, by=by, masks="mask"))
        assert [film.asked for film in films] == asked


def test_what_cannot_be_sorted_is_refused(table):
    with pytest.raises(InputError, match=r"lacks the columns \['weight2'\]"):
        dr.plot_cohort(table, by="weight2")
    with pytest.raises(InputError, match="column 'word' holds no numbers"):
        dr.plot_cohort(table.assign(word="a"), by="word")
    with pytest.raises(InputError, match="column 'none' has no number"):
        dr.plot_cohort(table.assign(none=np.nan), by="none")
    with pytest.raises(InputError, match="n is 0"):
        dr.plot_cohort(table, n=0)
    with pytest.raises(InputError, match="no row has an image"):
        dr.plot_cohort(table.assign(radiograph=None))


def test_outlines_of_other_rows_are_refused(table):
    with pytest.raises(InputError, match="the index of outlines or boxes is not that of"):
        dr.plot_cohort(table, masks=table["mask"].iloc[::-1])
