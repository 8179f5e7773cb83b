"""How good a segmenter's outlines are on radiographs with known outlines, bone by bone."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.metrics import bootstrap_interval
from deepradiomics.metrics.overlap import dice, surface_distance
from deepradiomics.reading import as_radiograph
from deepradiomics.regions import femur_geometry, place_femur_boxes
from deepradiomics.segmentation._pairs import UNKNOWN, missing, paired, read_labels

_LATERALITY = {"left femur": "L", "right femur": "R"}
_N_BOXES = 5
_MEASURES = ("dice", "average_distance", "distance_95", "confidence")


@dataclass(frozen=True, eq=False)
class SegmentationReport:
    """Outlines of a segmenter against known ones.

    Parameters
    ----------
    table : DataFrame
        A row a bone that is known or was found: ``image`` (position), ``bone``, ``dice``, ``average_distance`` and
        ``distance_95`` (mean and 95 % surface distance in mm, NaN where the scale is unknown, infinite where one
        outline is empty), ``confidence`` (NaN where nothing was found), and for femora ``boxes`` (how many of five
        were placed on the segmenter's outline) and ``reason`` (why not all).
    summary : DataFrame
        For each bone and for all: ``n``, and for each measure the median and its 95 % interval over patients, the
        tenth percentile of Dice (``dice_10th``), and the proportion of outlines with all five boxes (``all_boxes``).
    radiographs : list of Radiograph
        The images, for `plot`.
    outlines, truths : lists of uint8 arrays of shape (H, W)
        The segmenter's label map and the known one of each image; 255 where nobody knows.

    Examples
    --------
    See `evaluate`.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    radiographs: list = field(repr=False)
    outlines: list = field(repr=False)
    truths: list = field(repr=False)

    def plot(self, n=6):
        """Draw the bones with the smallest Dice: the known outline in blue, the segmenter's in orange.

        Parameters
        ----------
        n : int, default=6
            How many.

        Returns
        -------
        matplotlib.figure.Figure
            A panel a bone, the worst first.
        """
        from matplotlib.figure import Figure

        worst = self.table.sort_values("dice").head(n)
        figure = Figure(figsize=(3.2 * len(worst), 4), layout="constrained")
        axes = figure.subplots(1, len(worst), squeeze=False)[0]
        for axis, row in zip(axes, worst.itertuples(), strict=True):
            pixels = self.radiographs[row.image].pixels
            low, high = np.percentile(pixels, (0.5, 99.5))
            axis.imshow(pixels, cmap="gray", vmin=low, vmax=high)
            for maps, color in ((self.truths, "#56b4e9"), (self.outlines, "#e69f00")):
                axis.contour(maps[row.image] == row.code, levels=[0.5], colors=color, linewidths=1)
            axis.set_title(f"image {row.image}, {row.bone}\nDice {row.dice:.2f}", fontsize=9)
            axis.set_axis_off()
        return figure


def evaluate(segmenter, images, masks, spacing=None, *, groups=None, ignore_label=None, random_state=0):
    """Compare a segmenter's outlines with known ones, and say whether boxes can be placed on them.

    Parameters
    ----------
    segmenter : UNetSegmenter
        Fitted.
    images : sequence of paths, arrays of shape (H, W) or `Radiograph`
        Radiographs that it was not trained on.
    masks : sequence of integer or bool arrays of shape (H, W), or paths
        The known label maps.
    spacing : tuple of two floats, default=None
        Height and width of a pixel in mm, of all images. None takes each radiograph's own; where it has none, the head
        of the known femur counts as 47 mm.
    groups : array-like of shape (n,), default=None
        Patient of each image; intervals are over patients.
    ignore_label : int, default=None
        Label of pixels of which nobody knows what they show, such as the shaft beyond the end of an outline.
    random_state : int, RandomState instance or None, default=0
        Of the resampled patients.

    Returns
    -------
    SegmentationReport
        With ``table``, ``summary`` and ``plot``.

    Raises
    ------
    InputError
        If an image or mask is missing or cannot be read or used, or no image holds a bone.

    Examples
    --------
    >>> from deepradiomics import UNetSegmenter
    >>> from deepradiomics.segmentation import evaluate
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(2, random_state=0)
    >>> report = evaluate(UNetSegmenter.pretrained("femur"), list(hips.data["radiograph"]), hips.masks)
    >>> report.table["bone"].tolist()
    ['left femur', 'right femur', 'left femur', 'right femur']
    >>> bool(report.table["dice"].min() > 0.9)
    True
    """
    check_same_rows("images", images, groups=groups)
    images, masks = paired(images, masks)
    groups = np.arange(len(images)) if groups is None else np.asarray(groups)
    radiographs = [as_radiograph(image) for image in images]
    outlines, confidence = segmenter.predict_with_confidence(radiographs)
    truths, rows = [], []
    for number, found in enumerate(outlines):
        if found is None:
            raise missing(number)
        truth = read_labels(masks[number], found.shape, len(segmenter.classes_), number, ignore_label)
        truths.append(truth)
        for code, bone in enumerate(segmenter.classes_, start=1):
            drawn, known = (found == code) & (truth != UNKNOWN), truth == code
            if drawn.any() or known.any():
                scale = spacing or radiographs[number].spacing or _from_head(known, _LATERALITY.get(bone))
                gaps = (np.nan, np.nan) if scale is None else surface_distance(drawn, known, scale)
                row = {"image": number, "code": code, "bone": bone, "dice": dice(drawn, known)}
                row |= dict(zip(("average_distance", "distance_95"), gaps, strict=True))
                row |= {"confidence": confidence[number, code - 1]}
                rows.append(row | _boxes(found == code, scale, _LATERALITY.get(bone)))
    if not rows:
        raise InputError("no image holds a bone, so there is nothing to compare")
    table = pd.DataFrame(rows)
    return SegmentationReport(table, _summary(table, groups, random_state), radiographs, outlines, truths)


def _from_head(mask, laterality):
    """Spacing by the head of a known femur; None where there is none or no head is seen."""
    if laterality is None or not mask.any():
        return None
    try:
        mm = 1 / femur_geometry(mask, laterality=laterality).pixels_per_mm
    except RegionError:
        return None
    return mm, mm


def _boxes(mask, spacing, laterality):
    """How many boxes of a femur are placed, and why not all."""
    if laterality is None or not mask.any():
        return {"boxes": np.nan, "reason": ""}
    try:
        boxes = place_femur_boxes(mask, spacing, laterality=laterality)
    except RegionError as error:
        return {"boxes": 0, "reason": str(error)}
    return {"boxes": len(boxes), "reason": "; ".join(f"{name}: {reason}" for name, reason in boxes.missing.items())}


def _summary(table, groups, random_state):
    """Medians with intervals over patients, a row a bone and one for all."""
    rows = {}
    for bone, some in [*table.groupby("bone", sort=False), ("all", table)]:
        patients = groups[some["image"]]
        row = {"n": len(some), "patients": len(np.unique(patients))}
        for name in _MEASURES:
            values = some[name].to_numpy(dtype=float)
            known = np.isfinite(values)
            if len(np.unique(patients[known])) > 1:
                interval = bootstrap_interval(
                    np.median, values[known], groups=patients[known], n_resamples=500, random_state=random_state
                )
                row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        row["dice_10th"] = np.quantile(some["dice"], 0.1)
        row["all_boxes"] = (some["boxes"] == _N_BOXES).sum() / max(some["boxes"].notna().sum(), 1)
        rows[bone] = row
    return pd.DataFrame.from_dict(rows, orient="index")
