"""Write the page: one HTML file, or a folder with the pictures beside it, that needs no server and no network."""

import base64
import json
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd

from deepradiomics.exceptions import InputError
from deepradiomics.regions.display import _gray_picture
from deepradiomics.review._cases import check_table, judge, read_cases

_SCRIPTS = ("geometry.js", "store.js", "drawing.js", "sheet.js", "pane.js", "tools.js", "view.js", "main.js")
_THUMB_SIDE = 240
_REASONS = ("not this body part", "fractured", "metal", "positioned badly", "cut off", "poor image")


def review(  # noqa: PLR0913
    table,
    *,
    output,
    image="radiograph",
    masks=None,
    regions=None,
    labels=("left", "right"),
    names=None,
    group=None,
    site=None,
    target=None,
    flags=None,
    confidence=None,
    reasons=_REASONS,
    max_side=1024,
    title="Review of outlines",
):
    """Write a page on which every outline and box can be seen, judged and corrected.

    Parameters
    ----------
    table : DataFrame of shape (n_rows, n_columns)
        A row a radiograph.
    output : path
        A file ``.html``, which then holds all pictures, or a new folder with ``index.html`` and the pictures beside it,
        which opens faster from some hundred radiographs on. A file is replaced.
    image : str, default="radiograph"
        Column of the radiographs: paths, arrays, `Radiograph` or None (left out).
    masks : str or sequence of label maps, default=None
        Outlines: a column, or one map (array, path or None) a row. A bool one is of the side of its radiograph.
    regions : str, sequence of dict, FemurRegions or VertebraRegions, default=None
        Boxes: a column of dicts of name to `Box`, one dict (or None) a row, or a transformer, whose ``place`` is asked.
    labels : sequence of str, default=("left", "right")
        Words, not numbers, for the labels 1, 2 ... of the maps. Outlines named ``left`` and ``right`` are measured as
        femora.
    names : str, default=None
        Column of what to call each radiograph on the page; None calls them by their row. Never the patient.
    group : str, default=None
        Column that is equal in rows to be shown side by side, such as both views of a visit. It stays out of the page.
    site, target : str, default=None
        Columns of words to filter by.
    flags : str, default=None
        Column of comma-separated words, such as what a gate for images found.
    confidence : str, default=None
        Column of numbers from 0 to 1; None takes, of femora, how much the outline looks like an intact one.
    reasons : sequence of str, default=("not this body part", "fractured", "metal", "positioned badly", "cut off", \
"poor image")
        Reasons to reject, at most nine.
    max_side : int, default=1024
        Longest side of the large pictures in pixels. Corrections are in pixels of the radiograph, whatever this is.
    title : str, default="Review of outlines"
        Heading of the page.

    Returns
    -------
    Path
        The page to open.

    Raises
    ------
    InputError
        If a column is missing, an image, a mask or a confidence cannot be used, no row has an image, names are not
        unique, a label is a number, or the output cannot be written.

    Notes
    -----
    Doubt is 1 minus the product of 1 minus each of: 1 - confidence, at most 0.99; 0.3 a flag; (z - 2.5) / 5, from 0 to
    0.9, of each measure and left-right difference that lies z robust standard deviations from the median of the cohort.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import deepradiomics as dr
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(2, random_state=0)
    >>> table = hips.data.assign(mask=hips.masks)
    >>> with TemporaryDirectory() as folder:
    ...     page = dr.review(table, masks="mask", regions=dr.FemurRegions(mask="mask"), output=Path(folder, "r.html"))
    ...     page.name, "left_neck" in page.read_text()
    ('r.html', True)
    """
    check_table(table, [image, names, group, site, target, flags, confidence, masks, regions])
    if len(reasons) > 9:
        raise InputError(f"there are {len(reasons)} reasons; at most nine have a key")
    # A browser puts such names in the order of their numbers, so that another outline would cover than was drawn last.
    if numbers := [label for label in labels if not isinstance(label, str) or label.isdecimal()]:
        raise InputError(f"the label {numbers[0]!r} is a number; give it a word, as in 'part {numbers[0]}'")
    words = {"name": names, "site": site, "class": target}
    words = {key: table[name].to_numpy() for key, name in words.items() if name is not None}
    page, pictures = _places(Path(output))
    cases, shown = [], []
    for case, radiograph in read_cases(table, image, masks, regions, labels, flags, confidence):
        cases.append(case)
        # Pictures are made at once, so that one radiograph at a time is in memory.
        shown.append(_pictures(radiograph, case.row, pictures, max_side))
    judge(cases)
    groups = pd.factorize(table[group])[0] if group is not None else None
    content = [_content(case, links, words, groups) for case, links in zip(cases, shown, strict=True)]
    if len({one["name"] for one in content}) < len(content):
        raise InputError(f"column {names!r} has a name twice; give each radiograph its own", code="columns")
    try:
        page.write_text(_html(content, list(labels), list(reasons), title), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{page.name} cannot be written ({type(error).__name__})", code="output") from error
    return page


def _places(output):
    """Path of the page, and the folder of its pictures, which is made; None where the page holds them."""
    single = output.suffix.lower() in (".html", ".htm")
    if not (output.parent if single else output.absolute().parent).is_dir():
        raise InputError(f"there is no folder for {output.name}; make it first", code="output")
    if output.is_dir() if single else output.exists() and not output.is_dir():
        raise InputError(
            f"{output.name} is a {'folder' if single else 'file'}; give a file .html, or a new folder", code="output"
        )
    if single:
        return output, None
    pictures = output / "pictures"
    try:
        pictures.mkdir(exist_ok=True, parents=True)
    except OSError as error:
        raise InputError(f"{output.name} cannot be written ({type(error).__name__})", code="output") from error
    return output / "index.html", pictures


def _pictures(radiograph, row, folder, max_side):
    """Links of the small and the large picture: data in the page, or files beside it."""
    from PIL import Image

    gray, links = _gray_picture(radiograph.pixels, 0.1), {}
    for kind, side, quality in (("thumb", _THUMB_SIDE, 55), ("picture", max_side, 60)):
        picture = gray.copy()
        picture.thumbnail((side, side), Image.Resampling.BOX if max(gray.size) > 2 * side else Image.Resampling.LANCZOS)
        stream = BytesIO()
        picture.save(stream, format="WEBP", quality=quality, method=4)
        if folder is None:
            links[kind] = f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
        else:
            (folder / f"{kind}_{row:06d}.webp").write_bytes(stream.getvalue())
            links[kind] = f"pictures/{kind}_{row:06d}.webp"
    return links


def _content(case, links, words, groups):
    """What the page knows of a case."""
    spacing = case.spacing
    return {
        "row": case.row,
        "name": f"row {case.row}",
        "image": case.image,
        "height": case.shape[0],
        "width": case.shape[1],
        "spacing": spacing,
        "aspect": spacing[1] / spacing[0] if spacing else 1.0,
        "outlines": case.outlines,
        "boxes": {
            name: {key: round(float(getattr(box, key)), 3) for key in ("top", "left", "height", "width", "angle")}
            for name, box in case.boxes.items()
        },
        "lines": case.lines,
        "measures": {name: f"{value:.4g}" for name, value in case.measures.items() if np.isfinite(value)},
        "flags": list(dict.fromkeys(case.flags)),
        "doubt": round(case.doubt, 8),
        "group": None if groups is None or groups[case.row] < 0 else int(groups[case.row]),
        **{key: str(values[case.row]) for key, values in words.items() if not pd.isna(values[case.row])},
        **links,
    }


def _html(cases, labels, reasons, title):
    """The page as text."""
    import hashlib
    from html import escape

    folder = files("deepradiomics.review") / "page"
    read = {name: (folder / name).read_text(encoding="utf-8") for name in ("page.html", "style.css", *_SCRIPTS)}
    # Decisions that a browser keeps belong to these images and this title.
    page = hashlib.sha256(json.dumps([title, [(one["row"], one["image"]) for one in cases]]).encode()).hexdigest()[:16]
    data = {"page": page, "labels": labels, "reasons": reasons, "cases": cases}
    return Template(read["page.html"]).substitute(
        title=escape(title),
        style=read["style.css"],
        # "<" would end the script where a name holds "</script>".
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        scripts="\n".join(f"<script>\n{read[name]}</script>" for name in _SCRIPTS),
    )
