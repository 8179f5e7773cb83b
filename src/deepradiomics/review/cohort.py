"""Draw many radiographs of a table with their outlines and boxes in one figure."""

import numpy as np
import pandas as pd

from deepradiomics.exceptions import InputError
from deepradiomics.reading import as_radiograph
from deepradiomics.regions.display import BOX_COLORS, _draw_regions, _Shown
from deepradiomics.review._cases import check_table, judge, read_cases

# Pictures in a row and their size; pixels and letters that there is room for; pictures kept, of 0.4 MB.
_COLUMNS, _INCHES, _MAX_SIDE, _LETTERS, _KEPT = 6, 1.9, 640, 18, 500


def plot_cohort(
    table,
    *,
    n=24,
    by="doubt",
    image="radiograph",
    masks=None,
    regions=None,
    labels=("left", "right"),
    names=None,
):
    """Show the radiographs of a table that are most in doubt, with their outlines and boxes, in one figure.

    Parameters
    ----------
    table : DataFrame of shape (n_rows, n_columns)
        A row a radiograph.
    n : int, default=24
        How many radiographs to show at most.
    by : str, default="doubt"
        A column of numbers, the largest first; NaN is left out. ``"doubt"``, where the table has no such column, is
        that of the review page.
    image : str, default="radiograph"
        Column of the radiographs: paths, arrays, `Radiograph` or None (left out).
    masks : str or sequence of label maps, default=None
        Outlines, as `review` takes them.
    regions : str, sequence of dict, FemurRegions or VertebraRegions, default=None
        Boxes, as `review` takes them.
    labels : sequence of str, default=("left", "right")
        Names of the labels 1, 2 ... of the maps.
    names : str, default=None
        Column of what to call each radiograph; None calls them by their row. Never the patient.

    Returns
    -------
    matplotlib.figure.Figure
        Six pictures in a row; above each its name and the number that it is sorted by.

    Raises
    ------
    InputError
        If a column is missing, is none of numbers, no row has an image, or an image or mask cannot be used.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import deepradiomics as dr
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(3, random_state=0)
    >>> figure = dr.plot_cohort(hips.data.assign(mask=hips.masks), n=2, masks="mask")
    >>> len(figure.axes)
    2
    """
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    computed = by == "doubt" and (not isinstance(table, pd.DataFrame) or by not in table)
    check_table(table, [image, names, masks, regions, None if computed else by])
    if n < 1:
        raise InputError(f"n is {n}; show at least one radiograph")
    numbers, rows = (None, None) if computed else _sorted_rows(table, by, image, n)
    # Doubts are known at the end only; of a table so long that not all pictures are kept, what is shown is read again.
    few, pictures, cases = not computed or len(table) <= max(n, _KEPT), {}, []
    for case, radiograph in read_cases(table, image, masks, regions, labels, rows=rows):
        cases.append(case)
        if few:
            pictures[case.row] = _Shown.of(radiograph, _MAX_SIDE)
    if computed:
        judge(cases)
        numbers = {case.row: case.doubt for case in cases}
        cases = sorted(cases, key=lambda case: -case.doubt)[:n]
    kinds = dict.fromkeys(_without_side(name) for case in cases for name in case.boxes)
    colors = {kind: BOX_COLORS[number % len(BOX_COLORS)] for number, kind in enumerate(kinds)}
    across = min(_COLUMNS, len(cases))
    down = -(-len(cases) // across)
    figure, grid = plt.subplots(
        down, across, figsize=(_INCHES * across, (_INCHES + 0.2) * down + 0.3), layout="constrained", squeeze=False
    )
    for ax in grid.ravel()[len(cases) :]:
        ax.remove()
    for ax, case in zip(grid.ravel(), cases, strict=False):
        lines = {name: [np.array(polygon + polygon[:1]) for polygon in case.outlines[name]] for name in case.outlines}
        inks = {name: colors[_without_side(name)] for name in case.boxes}
        shown = pictures.get(case.row) or _Shown.of(as_radiograph(table[image].iloc[case.row]), _MAX_SIDE)
        _draw_regions(shown, lines, case.boxes, inks, ax=ax)
        name = f"row {case.row}" if names is None else str(table[names].iloc[case.row])
        name = name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"
        ax.set_title(f"{name}: {numbers[case.row]:.3g}", fontsize="x-small")
    if kinds:
        inks = [Line2D([], [], color=color, label=kind.replace("_", " ")) for kind, color in colors.items()]
        figure.legend(handles=inks, loc="outside lower center", ncols=min(len(inks), across + 1), fontsize="x-small")
    return figure


def _sorted_rows(table, by, image, n):
    """Numbers of a column, and the n rows with an image and the largest of them."""
    try:
        numbers = table[by].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(f"column {by!r} holds no numbers to sort by") from error
    if np.isnan(numbers).all():
        raise InputError(f"column {by!r} has no number, so there is nothing to sort")
    known = ~np.isnan(numbers) & table[image].notna().to_numpy()
    return numbers, [row for row in np.argsort(-numbers, kind="stable") if known[row]][:n]


def _without_side(name):
    """Name of a box, the same for left and right."""
    return name.removeprefix("left_").removeprefix("right_")
