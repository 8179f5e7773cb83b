"""What the page shows of each row: outlines as polygons, boxes, landmarks, measures, flags, and how doubtful it is."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import ndimage

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.reading import as_radiograph, read_label_map
from deepradiomics.regions import FemurRegions, VertebraRegions, femur_geometry
from deepradiomics.regions.display import _geometry_lines, _outlines

# A measure so many robust standard deviations from the median of the cohort begins to raise doubt, and gets a flag.
_DOUBT_FROM, _FLAG_FROM = 2.5, 3.5
_DOUBT_OF_A_FLAG = 0.3
_FEMORA = {"left": "L", "right": "R"}


@dataclass
class Case:
    """One radiograph with what is drawn over it; points are (column, row) in pixels of the image."""

    row: int
    image: str
    shape: tuple
    spacing: tuple | None
    outlines: dict
    boxes: dict
    lines: list = field(default_factory=list)
    measures: dict = field(default_factory=dict)
    flags: list = field(default_factory=list)
    confidence: float | None = None
    doubt: float = 0.0


def fingerprint(radiograph):
    """Return 16 letters that only equal pixels share; nothing about the patient can be read from it."""
    digest = hashlib.sha256(str(radiograph.pixels.shape).encode())
    digest.update(radiograph.pixels.tobytes())
    return digest.hexdigest()[:16]


def read_case(row, source, mask, boxes, labels):
    """Build the case of one row; (case, radiograph), or None where the image is missing."""
    radiograph = as_radiograph(source)
    if radiograph is None:
        return None
    case = Case(row, fingerprint(radiograph), radiograph.pixels.shape, radiograph.spacing, {}, dict(boxes or {}))
    if mask is not None:
        codes = label_codes(mask, radiograph, labels)
        for code, name in enumerate(labels, start=1):
            if (codes == code).any():
                case.outlines[name] = polygons_of(codes == code)
                _measure(case, name, codes == code)
    return case, radiograph


def read_cases(table, image, masks, regions, labels, flags=None, confidence=None, rows=None):
    """Yield case and radiograph of each row, of those asked for, that has an image."""
    outlines_of_rows, boxes, found = cells_of(table, masks), _boxes(table, regions), False
    for row in range(len(table)) if rows is None else rows:
        try:
            pair = read_case(row, table[image].iloc[row], outlines_of_rows[row], boxes[row], labels)
        except DeepRadiomicsError as error:
            raise error.at(f"row {row}") from error
        if pair is not None:
            found = True
            _add_known(pair[0], table, flags, confidence)
            yield pair
    if not found:
        raise InputError("no row has an image, so there is nothing to look at", code="image_missing")


def check_table(table, columns):
    """Refuse what is no table, or lacks one of the columns; what is no name is none."""
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"the table is a pandas.DataFrame, not a {type(table).__name__}", code="table")
    missing = [name for name in columns if isinstance(name, str) and name not in table]
    if missing:
        raise InputError(f"the table lacks the columns {missing}; it has {list(table.columns)}", code="columns")


def cells_of(table, source):
    """One cell a row from a column's name, a sequence or None; NaN counts as None."""
    if source is None:
        return [None] * len(table)
    check_same_rows("the table", table, **{"outlines or boxes": source})
    cells = list(table[source]) if isinstance(source, str) else list(source)
    if len(cells) != len(table):
        raise InputError(
            f"there are {len(cells)} outlines or boxes for {len(table)} rows; give one a row", code="length"
        )
    return [None if cell is None or (pd.api.types.is_scalar(cell) and pd.isna(cell)) else cell for cell in cells]


def _boxes(table, regions):
    """Boxes of each row; those that a transformer cannot place are flagged by it, not here."""
    if isinstance(regions, FemurRegions | VertebraRegions):
        regions = list(regions.place(table))
    return cells_of(table, regions)


def _add_known(case, table, flags, confidence):
    """Flags and confidence that the table knows."""
    if flags is not None and not pd.isna(table[flags].iloc[case.row]):
        case.flags += [flag.strip() for flag in str(table[flags].iloc[case.row]).split(",") if flag.strip()]
    if confidence is not None and not pd.isna(table[confidence].iloc[case.row]):
        given = table[confidence].iloc[case.row]
        try:
            case.confidence = float(given)
        except (TypeError, ValueError):
            case.confidence = None
        if case.confidence is None or not 0 <= case.confidence <= 1:
            raise InputError(
                f"row {case.row}, column {confidence!r}: the confidence is no number from 0 to 1; leave "
                "the cell empty where it is unknown"
            )


def label_codes(mask, radiograph, labels):
    """Label map of a row, its shape and its labels checked; a bool mask of a femur is of the radiograph's side."""
    codes = read_label_map(mask)
    if codes.dtype == bool and tuple(labels[:2]) == ("left", "right"):
        if radiograph.laterality is None:
            raise InputError(
                "the mask is bool and the side of its radiograph is unknown; give the radiograph its laterality, or a "
                "map of 1 (left) and 2 (right)",
                code="laterality",
            )
        codes = codes * np.uint8(1 if radiograph.laterality == "L" else 2)
    if codes.shape != radiograph.pixels.shape:
        raise InputError(
            f"the mask has shape {codes.shape}, its image {radiograph.pixels.shape}; give a mask of its own shape",
            code="mask_shape",
        )
    if codes.max(initial=0) > len(labels):
        raise InputError(
            f"the mask holds the label {codes.max()}, but there are {len(labels)} names; give labels= a name for each"
        )
    return codes


def polygons_of(mask):
    """Return outer borders of a mask as lists of (column, row), some dozens of points each; holes are filled."""
    tolerance = max(0.75, max(mask.shape) / 1000)
    polygons = [_simplified(line[:-1], tolerance) for line in _outlines(ndimage.binary_fill_holes(mask))]
    return [np.clip(polygon, 0, mask.shape[::-1]).round(2).tolist() for polygon in polygons if len(polygon) > 2]


def _simplified(points, tolerance):
    """Douglas and Peucker's polygon (m, 2) of a closed one (n, 2)."""
    far = int(np.argmax(np.hypot(*(points - points[0]).T)))
    ring, keep, stack = np.vstack([points, points[:1]]), {0, far}, [(0, far), (far, len(points))]
    while stack:
        first, last = stack.pop()
        if last - first < 2:
            continue
        start, along = ring[first], ring[last] - ring[first]
        between = ring[first + 1 : last] - start
        share = np.clip(between @ along / max(along @ along, 1e-12), 0, 1)
        gaps = np.hypot(*(between - share[:, None] * along).T)
        if gaps.max() > tolerance:
            middle = first + 1 + int(np.argmax(gaps))
            keep.add(middle)
            stack += [(first, middle), (middle, last)]
    return points[sorted(keep)]


def _measure(case, name, mask):
    """Add measures, landmarks and flags of one outline, those of a femur where it is one."""
    side = _FEMORA.get(name)
    if side is None:
        case.measures[f"{name} area (share)"] = float(mask.mean())
        return
    try:
        geometry = femur_geometry(mask, case.spacing, laterality=side)
    except DeepRadiomicsError as error:
        case.flags.append(f"{name} {error.code}")
        return
    unit = "mm" if case.spacing else "head radii"
    scale = geometry.pixels_per_mm if case.spacing else geometry.head_radius
    case.measures[f"{name} neck-shaft angle (°)"] = geometry.neck_shaft_angle
    case.measures[f"{name} neck width ({unit})"] = geometry.neck_width / scale
    case.flags += [f"{name} {flag}" for flag in geometry.flags]
    case.lines += [line[:, ::-1].round(1).tolist() for line in _geometry_lines(geometry)]
    case.confidence = min(geometry.confidence, 1.0 if case.confidence is None else case.confidence)


def judge(cases):
    """Put the doubt of each case in, and a flag where a measure, or its left-right difference, leaves the cohort."""
    measures = pd.DataFrame([case.measures for case in cases], dtype=float)
    for name in [name for name in measures if name.startswith("left ")]:
        other = name.replace("left ", "right ", 1)
        if other in measures:
            measures[name.replace("left ", "left-right ", 1)] = measures[name] - measures[other]
    middle = measures.median()
    spread = 1.4826 * (measures - middle).abs().median()
    away = ((measures - middle).abs() / spread.where(spread > 0)).fillna(0.0)
    for number, case in enumerate(cases):
        parts = [] if case.confidence is None else [1 - case.confidence]
        parts += [_DOUBT_OF_A_FLAG] * len(case.flags)
        for name, distance in away.iloc[number].items():
            parts.append(float(np.clip((distance - _DOUBT_FROM) / 5, 0, 0.9)))
            if distance > _FLAG_FROM:
                case.flags.append(f"outlying {name.rpartition(' (')[0]}")
        # Doubts add up like chances that one of several things is wrong.
        case.doubt = float(1 - np.prod([1 - min(part, 0.99) for part in parts]))
