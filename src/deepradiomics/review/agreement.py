"""How well two reviewers of the same radiographs agree: decisions, outlines, boxes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.metrics.agreement import weighted_kappa
from deepradiomics.metrics.intervals import Interval
from deepradiomics.metrics.overlap import dice
from deepradiomics.reading import as_radiograph
from deepradiomics.review._cases import label_codes
from deepradiomics.review.decisions import _read_decisions, apply


@dataclass(frozen=True)
class ReviewAgreement:
    """What two reviewers of the same radiographs agree on.

    Parameters
    ----------
    kappa : Interval
        Cohen's kappa of accepted or not, over the rows that both decided.
    table : DataFrame
        A row for each ``row`` and ``what`` (outline or box) that both kept: ``dice`` of outlines, ``distance`` of the
        centres of boxes and ``turn`` between them in degrees; NaN where it does not apply.
    decisions : DataFrame of shape (2, 2)
        How many rows both, one or none accepted; rows are the first reviewer's.
    unit : str
        Of the distances: ``"mm"`` where every radiograph knows its spacing, else ``"pixels"``.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.metrics import Interval
    >>> from deepradiomics.review import ReviewAgreement
    >>> ReviewAgreement(Interval(0.5, 0.1, 0.9), pd.DataFrame(), pd.DataFrame([[2, 1], [0, 1]]), "mm").unit
    'mm'
    """

    kappa: Interval
    table: pd.DataFrame
    decisions: pd.DataFrame
    unit: str


def agreement(table, first, second, *, image="radiograph", masks="mask", boxes="boxes"):
    """Compare what two reviewers made of the same page.

    Parameters
    ----------
    table : DataFrame of shape (n_rows, n_columns)
        The table that the page was made from.
    first, second : path
        The exports of both reviewers.
    image : str, default="radiograph"
        Column of the radiographs.
    masks : str, default="mask"
        Column of label maps, if the table has one.
    boxes : str, default="boxes"
        Column of boxes, if the table has one.

    Returns
    -------
    ReviewAgreement
        Kappa of accepting, Dice of outlines and distance of boxes.

    Raises
    ------
    InputError
        If a file is not such an export or of other images, or there is no row that both decided.

    Notes
    -----
    What neither corrected counts, too, with a Dice of 1 and a distance of 0; where nobody corrected anything, the
    agreement of outlines is that of looking, not of drawing.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> import pandas as pd
    >>> import deepradiomics as dr
    >>> from deepradiomics.review._cases import fingerprint
    >>> table = pd.DataFrame({"radiograph": [dr.Radiograph(np.eye(4) * value) for value in (1, 2)]})
    >>> with TemporaryDirectory() as folder:
    ...     paths = [Path(folder, name) for name in ("first.json", "second.json")]
    ...     for path, words in zip(paths, (("accept", "reject"), ("accept", "accept"))):
    ...         cases = [
    ...             {"row": row, "image": fingerprint(picture), "size": [4, 4], "decision": words[row], "reason": "",
    ...              "outlines": {}, "boxes": {}}
    ...             for row, picture in enumerate(table["radiograph"])
    ...         ]
    ...         content = {"schema": "deepradiomics.review", "version": 1, "labels": ["left", "right"], "cases": cases}
    ...         _ = path.write_text(json.dumps(content))
    ...     dr.review.agreement(table, *paths).decisions.to_numpy().tolist()
    [[1, 0], [1, 0]]
    """
    labels = _read_decisions(first)["labels"]
    one, other = (apply(table, path, image=image, masks=masks, boxes=boxes) for path in (first, second))
    both = np.flatnonzero((one["decision"].notna() & other["decision"].notna()).to_numpy())
    if not len(both):
        raise InputError("there is no row that both reviewers decided; give two reviews of one page")
    accepted = [(frame["decision"].to_numpy()[both] == "accept").astype(int) for frame in (one, other)]
    rows, known = [], True
    for row in both:
        radiograph = as_radiograph(table[image].iloc[row])
        known &= radiograph.spacing is not None
        pair = [frame[masks].iloc[row] if masks in frame else None for frame in (one, other)]
        rows += _outlines(row, *pair, radiograph, labels)
        rows += _boxes(row, *(frame[boxes].iloc[row] if boxes in frame else None for frame in (one, other)), radiograph)
    pairs = pd.DataFrame(rows, columns=["row", "what", "dice", "distance", "turn", "pixels"])
    if not known:
        pairs["distance"] = pairs["pixels"]
    words = ["accepted", "not accepted"]
    counts = [[int(((accepted[0] == a) & (accepted[1] == b)).sum()) for b in (1, 0)] for a in (1, 0)]
    return ReviewAgreement(
        weighted_kappa(*accepted, weights="none"),
        pairs.drop(columns="pixels"),
        pd.DataFrame(counts, index=words, columns=words),
        "mm" if known else "pixels",
    )


def _outlines(row, a, b, radiograph, labels):
    """Dice of each outline that both kept."""
    if a is None or b is None:
        return []
    try:
        a, b = (label_codes(mask, radiograph, labels) for mask in (a, b))
    except DeepRadiomicsError as error:
        raise error.at(f"row {row}") from error
    codes = [code for code in range(1, len(labels) + 1) if (a == code).any() or (b == code).any()]
    return [{"row": row, "what": labels[code - 1], "dice": dice(a == code, b == code)} for code in codes]


def _boxes(row, a, b, radiograph):
    """Distance of the centres, and the turn between them, of each box that both kept."""
    found, spacing = [], radiograph.spacing or (np.nan, np.nan)
    for name in [name for name in a or {} if name in (b or {})]:
        gap = np.subtract(a[name].centre, b[name].centre)
        # A box that is turned by half a turn is the same box.
        turn = abs((a[name].angle - b[name].angle + 90) % 180 - 90)
        found.append(
            {"row": row, "what": name, "distance": np.hypot(*(gap * spacing)), "turn": turn, "pixels": np.hypot(*gap)}
        )
    return found
