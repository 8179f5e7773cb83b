"""Read the decisions that the page exported, and put them into the table."""

import json
from pathlib import Path

import numpy as np

from deepradiomics.annotations._checks import inside
from deepradiomics.box import Box
from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.reading import as_radiograph
from deepradiomics.review._cases import cells_of, fingerprint, label_codes

_DECISIONS = ("", "accept", "reject", "flag")
_MAX_BYTES = 2**28


def apply(table, path, *, image="radiograph", masks="mask", boxes="boxes"):
    """Put the decisions and corrections of a review into the table.

    Parameters
    ----------
    table : DataFrame of shape (n_rows, n_columns)
        The table that the page was made from, its rows in the same order.
    path : path
        What the page exported as ``review.json``.
    image : str, default="radiograph"
        Column of the radiographs.
    masks : str, default="mask"
        Column of label maps. Corrected outlines replace those of the same label in it; it is added where it is missing.
    boxes : str, default="boxes"
        Column of dicts of name to `Box`. Corrected boxes replace those of the same name; it is added where
        it is missing.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns + 2 or more)
        A copy with ``decision`` (``"accept"``, ``"reject"``, ``"flag"`` or None) and ``rejected`` (the reason, or
        None), and with ``masks`` and ``boxes`` corrected. Both are None in a rejected row; give
        ``rejected="rejected"`` to `FemurRegions` or `VertebraRegions`, and it gives None and a line in ``failures_``.

    Raises
    ------
    InputError
        If the file is not such an export, or was made for other images.

    Notes
    -----
    The file is JSON: ``schema`` "deepradiomics.review", ``version`` 1, ``page``, ``labels``, ``reviewer`` if given, and
    ``cases``, each with ``row``, ``image`` (a digest of the pixels), ``size`` (rows, columns), ``decision``,
    ``reason``, ``outlines`` (name to polygons of [column, row]) and ``boxes`` (name to top, left, height, width,
    angle); only what was corrected is in the last two. A pixel belongs to a polygon if its centre lies inside.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> import pandas as pd
    >>> import deepradiomics as dr
    >>> from deepradiomics.review._cases import fingerprint
    >>> picture = dr.Radiograph(np.eye(4))
    >>> case = {"row": 0, "image": fingerprint(picture), "size": [4, 4], "decision": "accept", "reason": "",
    ...         "outlines": {"left": [[[1, 1], [3, 1], [3, 3], [1, 3]]]}, "boxes": {}}
    >>> content = {"schema": "deepradiomics.review", "version": 1, "labels": ["left", "right"], "cases": [case]}
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "review.json")
    ...     _ = path.write_text(json.dumps(content))
    ...     table = dr.review.apply(pd.DataFrame({"radiograph": [picture]}), path)
    >>> table["decision"][0], int(table["mask"][0].sum())
    ('accept', 4)
    """
    content = _read_decisions(path)
    if image not in table:
        raise InputError(f"the table lacks the column {image!r}; it has {list(table.columns)}", code="columns")
    columns = {name: cells_of(table, name if name in table else None) for name in (masks, boxes)}
    decisions, rejected = [None] * len(table), [None] * len(table)
    for case in content["cases"]:
        row, place = case["row"], f"{Path(path).name}, row {case['row']}"
        radiograph = as_radiograph(table[image].iloc[row]) if row < len(table) else None
        if radiograph is None or fingerprint(radiograph) != case["image"]:
            raise InputError(
                f"{place}: the table has another image there, or none; give the table that the page was made from, its "
                "rows in the same order"
            )
        decisions[row] = case["decision"] or None
        if case["decision"] == "reject":
            rejected[row] = case["reason"] or "no reason given"
            columns[masks][row] = columns[boxes][row] = None
            continue
        if case["outlines"]:
            columns[masks][row] = _corrected(
                columns[masks][row], case["outlines"], content["labels"], radiograph, place
            )
        if case["boxes"]:
            columns[boxes][row] = dict(columns[boxes][row] or {}) | {
                name: _box(name, values, place) for name, values in case["boxes"].items()
            }
    added = {
        name: _objects(cells) for name, cells in columns.items() if name in table or any(c is not None for c in cells)
    }
    return table.assign(**added, decision=_objects(decisions), rejected=_objects(rejected))


def _read_decisions(path):
    """Read and check an export; the content of the file."""
    path = Path(path)
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{path.name}: no such file, or larger than {_MAX_BYTES >> 20} MiB", code="no_file")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = content["schema"] == "deepradiomics.review" and content["version"] == 1
        rows = [case["row"] for case in content["cases"]]
        complete = all(
            isinstance(case["row"], int) and case["row"] >= 0 and case["decision"] in _DECISIONS
            and isinstance(case["outlines"], dict) and isinstance(case["boxes"], dict) and case["image"]
            and isinstance(case["reason"], str) and set(case["outlines"]) <= set(content["labels"])
            for case in content["cases"]
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path.name} holds no decisions ({type(error).__name__})") from error
    if not known or not complete or len(set(rows)) < len(rows):
        raise InputError(
            f"{path.name} holds no decisions of version 1, or holds a row twice; export them from the page again"
        )
    return content


def _corrected(mask, outlines, labels, radiograph, place):
    """Label map (H, W) with the corrected outlines in place of those of the same names."""
    shape = radiograph.pixels.shape
    codes = np.zeros(shape, dtype=np.uint8)
    if mask is not None:
        try:
            codes = label_codes(mask, radiograph, labels).astype(np.uint8)
        except DeepRadiomicsError as error:
            raise error.at(place) from error
    for name, polygons in outlines.items():
        codes[codes == labels.index(name) + 1] = 0
        for polygon in polygons:
            corners = np.array(polygon, dtype=float)
            if corners.ndim != 2 or corners.shape[0] < 3 or corners.shape[1] != 2 or not np.isfinite(corners).all():
                raise InputError(f"{place}: outline {name!r} has no three points of two numbers")
            codes[inside(corners[:, ::-1], shape)] = labels.index(name) + 1
    return codes


def _box(name, values, place):
    """Box of an export; it may have been edited."""
    try:
        return Box(**values)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{place}: box {name!r} is no top, left, height, width and angle of a box; export them from the page again"
        ) from error


def _objects(cells):
    """One-dimensional object array, whatever the cells are."""
    array = np.empty(len(cells), dtype=object)
    for number, cell in enumerate(cells):
        array[number] = cell
    return array
