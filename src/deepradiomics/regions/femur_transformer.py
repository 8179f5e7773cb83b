"""FemurRegions: a table of radiographs in, the same table with columns of the regions of both hips out."""

from dataclasses import replace
from numbers import Real

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from deepradiomics.box import Box, crop
from deepradiomics.exceptions import DeepRadiomicsError, InputError, RegionError
from deepradiomics.reading import as_radiograph, read_label_map
from deepradiomics.regions._columns import _Regions, table
from deepradiomics.regions.cortex import cortical_thickness_index
from deepradiomics.regions.femur import femur_geometry
from deepradiomics.regions.femur_boxes import place_femur_boxes

_SIDES = {"left": (1, "L"), "right": (2, "R")}
_MEASURES = (
    "head_diameter",
    "neck_width",
    "neck_axis_length",
    "neck_shaft_angle",
    "cortical_thickness_index",
    "confidence",
    "flags",
)
_FEMUR_REGIONS = ("neck", "cortex", "ward", "trochanter", "femur")


class FemurRegions(_Regions):
    """Cut the named regions of both hips out of AP radiographs.

    Each femur gives five regions: ``neck``, ``cortex``, ``ward``, ``trochanter`` and ``femur`` (see
    `place_femur_boxes`). Right hips are mirrored, so that all look like left ones. A hip that is not in the image
    gives None.

    Parameters
    ----------
    segmenter : estimator with ``predict``, default=None
        Outlines the femora: ``predict(images)`` returns label maps, 1 for the left and 2 for the right femur. One
        that is wrapped in `sklearn.frozen.FrozenEstimator` is used as it is; any other is fitted in ``fit`` on the
        column ``mask``. None means that the column ``mask`` holds the outlines.
    image : str, default="radiograph"
        Column of the radiographs: paths, arrays, `Radiograph` or None.
    mask : str, default=None
        Column of label maps (arrays or paths), or of bool masks of one hip whose side the radiograph knows.
    boxes : str, default=None
        Column of boxes, such as those corrected by hand: a dict of ``left_neck`` ... ``right_femur`` to `Box` in pixels
        of the image, or None. They are taken as they are; a box that the dict lacks gives None. With a segmenter or a
        mask, what is measured is the part of a box that lies in the bone; else all of it.
    context_mm : float, default=5.0
        Margin of real context round each region. Without spacing, the head's diameter is taken as 47 mm.
    on_error : {"raise", "skip"}, default="raise"
        Whether a hip or a box that cannot be placed raises, or gives None and a line in ``failures_``.
    min_confidence : float, default=0.15
        A hip whose outline is less likely an intact femur (`FemurGeometry`) is refused. Of the intact femora of real
        pelves on which the rules were tuned, 98 % outlined by hand and 95 % outlined by the network lie above 0.15; 0
        refuses none. Boxes of a column are not asked.
    rejected : str, default=None
        Column with the reason why a reader rejected a row, None where nobody did (see
        :func:`deepradiomics.review.apply`). Such a row gives None and a line in ``failures_``, and raises nothing.

    Attributes
    ----------
    segmenter_ : estimator
        The segmenter in use; only with a segmenter.
    failures_ : DataFrame
        ``row`` (position), ``region``, ``code`` and ``reason`` of what failed in the last call of transform.
    feature_names_in_ : array of str
        Columns seen by fit.
    n_features_in_ : int
        Number of columns seen by fit.

    Examples
    --------
    >>> from deepradiomics import FemurRegions
    >>> from deepradiomics.simulation import make_hips
    >>> hips = make_hips(1, random_state=0)
    >>> regions = FemurRegions(mask="mask").transform(hips.data.assign(mask=hips.masks))
    >>> regions["right_cortex"][0].laterality
    'R'
    """

    _parameter_constraints = {  # noqa: RUF012
        "segmenter": [HasMethods(["predict"]), None],
        "image": [str],
        "mask": [str, None],
        "boxes": [str, None],
        "context_mm": [Interval(Real, 0, None, closed="left")],
        "on_error": [StrOptions({"raise", "skip"})],
        "min_confidence": [Interval(Real, 0, 1, closed="both")],
        "rejected": [str, None],
    }

    def __init__(
        self,
        segmenter=None,
        *,
        image="radiograph",
        mask=None,
        boxes=None,
        context_mm=5.0,
        on_error="raise",
        min_confidence=0.15,
        rejected=None,
    ):
        self.segmenter = segmenter
        self.image = image
        self.mask = mask
        self.boxes = boxes
        self.context_mm = context_mm
        self.on_error = on_error
        self.min_confidence = min_confidence
        self.rejected = rejected

    def transform(self, X):
        """Add the columns of the regions.

        Parameters
        ----------
        X : DataFrame
            With the image column, and the mask column if there is no segmenter.

        Returns
        -------
        DataFrame
            X with ``left_neck`` ... ``right_femur`` added: `Radiograph` or None, the mask of each its box within the
            bone.

        Raises
        ------
        InputError
            If a column is missing, or an image or a mask cannot be used.
        RegionError
            If boxes cannot be placed, or a hip looks broken, under ``on_error="raise"``.
        """
        self._validate_params()
        X = table(X, self._needed())
        return self._transformed(X, lambda position, failures: self._row(X, position, failures))

    def geometry(self, X):
        """Measure both femora of each row.

        Parameters
        ----------
        X : DataFrame
            As for transform.

        Returns
        -------
        DataFrame
            For each side ``head_diameter``, ``neck_width`` and ``neck_axis_length`` (in mm, NaN without spacing),
            ``neck_shaft_angle`` in degrees, ``cortical_thickness_index`` (NaN, and a flag, where it cannot be read),
            ``confidence``, and ``flags`` as a comma-separated text; NaN for a hip that is not in the image or failed.

        Raises
        ------
        RegionError
            If a femur cannot be measured, under ``on_error="raise"``.

        Examples
        --------
        >>> from deepradiomics import FemurRegions
        >>> from deepradiomics.simulation import make_hips
        >>> hips = make_hips(1, random_state=0)
        >>> measures = FemurRegions(mask="mask").geometry(hips.data.assign(mask=hips.masks))
        >>> bool(40 < measures["left_head_diameter"][0] < 56)
        True
        """
        X = table(X, self._needed())
        rows, failures = [], []
        for position in range(len(X)):
            row = {}
            hips = () if self._is_rejected(X, position, failures) else self._hips(X, position, failures)
            for side, radiograph in hips:
                try:
                    row |= _measures(side, radiograph)
                except DeepRadiomicsError as error:
                    self._failed(failures, position, f"{side} hip", error)
            rows.append(row)
        table_of_rows = pd.DataFrame(
            rows, index=X.index, columns=[f"{side}_{name}" for side in _SIDES for name in _MEASURES]
        )
        # A hip that is not in the image has no number and no word.
        numbers = [name for name in table_of_rows if not name.endswith("_flags")]
        return table_of_rows.astype(dict.fromkeys(numbers, float))

    def _region_names(self):
        return [f"{side}_{region}" for side in _SIDES for region in _FEMUR_REGIONS]

    def _needed(self):
        if self.segmenter is None and self.mask is None and self.boxes is None:
            raise InputError(
                "FemurRegions needs to know where the femora are: give a segmenter, mask= with the name of the column "
                "of label maps, or boxes= with that of the boxes",
                code="columns",
            )
        outlines = self.mask if self.segmenter is None else None
        return [name for name in (self.image, outlines, self.boxes, self.rejected) if name is not None]

    def _row(self, X, position, failures):
        """Regions of one row by name."""
        regions = {}
        for side, hip, boxes, pixels_per_mm in self._sides(X, position, failures):
            margin = int(np.ceil(self.context_mm * pixels_per_mm - 1e-9))
            for name, box in boxes.items():
                try:
                    region = crop(hip, box, margin=margin, within_mask=True)
                    regions[f"{side}_{name}"] = region.mirrored() if region.laterality == "R" else region
                except DeepRadiomicsError as error:
                    self._failed(failures, position, f"{side} hip, {name}", error)
        return regions

    def _placed(self, X, position, failures):
        """Boxes of one row by name, in pixels of its image."""
        found = {}
        for side, _, boxes, _ in self._sides(X, position, failures):
            found |= {f"{side}_{name}": box for name, box in boxes.items()}
        return found

    def _sides(self, X, position, failures):
        """Yield side, radiograph with the hip's mask, boxes by name and pixels a mm."""
        cell = None if self.boxes is None else _boxes_of(X[self.boxes].iloc[position], self.boxes, position)
        for side, hip in self._hips(X, position, failures):
            try:
                if self.boxes is None:
                    boxes = self._automatic(side, hip, position, failures)
                    yield side, hip, boxes, boxes.pixels_per_mm
                    continue
                given = {name.removeprefix(f"{side}_"): box for name, box in cell.items() if name.startswith(side)}
                if given:
                    yield side, hip, given, self._pixels_per_mm(hip)
            except DeepRadiomicsError as error:
                self._failed(failures, position, f"{side} hip", error)

    def _automatic(self, side, hip, position, failures):
        """Boxes of one hip by its landmarks."""
        boxes = place_femur_boxes(hip.mask, hip.spacing, laterality=hip.laterality)
        if boxes.confidence < self.min_confidence:
            raise RegionError(
                f"the outline looks like an intact femur with a confidence of {boxes.confidence:.2f}, "
                f"{self.min_confidence:.2f} is asked for; look at it with plot_regions",
                code="low_confidence",
            )
        for name, reason in boxes.missing.items():
            error = RegionError(f"there is no box {name!r}: {reason}", code="box_missing")
            self._failed(failures, position, f"{side} hip, {name}", error)
        return boxes

    def _pixels_per_mm(self, hip):
        """Scale of the context round boxes that were given."""
        if hip.spacing is not None:
            return 2 / sum(hip.spacing)
        if self.context_mm == 0:
            return 1.0
        if hip.mask is None:
            raise InputError(
                "neither the size of a pixel nor an outline is known, so a margin in mm cannot be; give the radiograph "
                "a spacing, mask=, or context_mm=0",
                code="spacing",
            )
        return femur_geometry(hip.mask, laterality=hip.laterality).pixels_per_mm

    def _hips(self, X, position, failures):
        """Yield side and radiograph, whose mask is that femur, of each hip in the image."""
        column = self.image
        try:
            radiograph = as_radiograph(X[self.image].iloc[position])
            if radiograph is None:
                return
            column = self.mask if self.segmenter is None and self.mask is not None else self.image
            labels = None if self.segmenter is None and self.mask is None else self._labels(X, position, radiograph)
        except DeepRadiomicsError as error:
            self._failed(failures, position, f"column {column!r}", error)
            return
        for side, (label, letter) in _SIDES.items():
            mask = None if labels is None else labels == label
            if mask is None or mask.any():
                if mask is not None:
                    mask.flags.writeable = False  # so that nobody copies it
                yield side, replace(radiograph, mask=mask, laterality=letter)

    def _labels(self, X, position, radiograph):
        """Label map of one row: 1 left, 2 right."""
        if self.segmenter is not None:
            segmenter = getattr(self, "segmenter_", self.segmenter)
            labels = np.asarray(segmenter.predict([radiograph])[0])
        else:
            labels = read_label_map(X[self.mask].iloc[position])
        if labels.shape != radiograph.pixels.shape:
            raise InputError(
                f"the mask has shape {labels.shape}, its image {radiograph.pixels.shape}; give a mask of its own shape",
                code="mask_shape",
            )
        if labels.dtype == bool:
            if radiograph.laterality is None:
                raise InputError(
                    "a bool mask does not say which hip it is, and neither does the radiograph; give a label map (1 "
                    "left, 2 right) or read_radiograph(..., laterality='L')",
                    code="laterality",
                )
            return labels * (1 if radiograph.laterality == "L" else 2)
        if labels.min() < 0 or labels.max() > 2:
            unknown = labels[(labels < 0) | (labels > 2)][0]
            raise InputError(
                f"the mask holds the label {unknown}; 1 is the left femur, 2 the right one, 0 the rest",
                code="mask_values",
            )
        return labels


def _boxes_of(cell, column, position):
    """Boxes of one row by name; names and types are checked."""
    if cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell)):
        return {}
    allowed = [f"{side}_{region}" for side in _SIDES for region in _FEMUR_REGIONS]
    place = f"row {position}, column {column!r}"
    if not isinstance(cell, dict):
        raise InputError(f"{place} is a {type(cell).__name__}; give a dict of name to deepradiomics.Box")
    for name, box in cell.items():
        if name not in allowed or not isinstance(box, Box):
            raise InputError(
                f"{place} has {name!r}, a {type(box).__name__}; names are {', '.join(allowed)}, values "
                "deepradiomics.Box"
            )
    return cell


def _measures(side, radiograph):
    """One row of the geometry table."""
    measured, flags = femur_geometry(radiograph.mask, radiograph.spacing, laterality=radiograph.laterality), []
    try:
        index = cortical_thickness_index(
            radiograph.pixels, radiograph.mask, radiograph.spacing, laterality=radiograph.laterality
        )
    except RegionError as error:
        # The rest of the geometry stands without it.
        index, flags = np.nan, [error.code]
    mm = np.nan if radiograph.spacing is None else 1 / measured.pixels_per_mm
    return {
        f"{side}_head_diameter": 2 * measured.head_radius * mm,
        f"{side}_neck_width": measured.neck_width * mm,
        f"{side}_neck_axis_length": measured.neck_axis_length * mm,
        f"{side}_neck_shaft_angle": measured.neck_shaft_angle,
        f"{side}_cortical_thickness_index": index,
        f"{side}_confidence": measured.confidence,
        f"{side}_flags": ",".join([*measured.flags, *flags]),
    }
