"""VertebraRegions: a table of radiographs of the spine in, the same table with a column a vertebra out."""

from dataclasses import replace
from numbers import Real

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from deepradiomics.annotations import read_voc
from deepradiomics.box import Box, crop
from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.reading import as_radiograph, read_label_map
from deepradiomics.regions._columns import LINE, _Regions, table
from deepradiomics.regions.vertebrae import (
    LEVELS,
    _box_round_levels,
    _levels_between,
    _with_neighbours,
    place_vertebra_boxes,
    unsure_levels,
)


class VertebraRegions(_Regions):
    """Cut vertebrae out of radiographs: by boxes from an annotation tool, by masks, or by a segmenter.

    Parameters
    ----------
    segmenter : estimator with ``predict``, default=None
        Outlines the bodies: ``predict(images)`` returns label maps. One that is wrapped in
        `sklearn.frozen.FrozenEstimator` is used as it is; any other is fitted in ``fit`` on the column ``mask``.
    image : str, default="radiograph"
        Column of the radiographs: paths, arrays, `Radiograph` or None.
    mask : str, default=None
        Column of label maps of the bodies (arrays or paths).
    boxes : str, default="boxes"
        Column of the boxes, where there is neither a segmenter nor a mask: a dict of name to `Box`, a list of (name,
        `Box`), or the path of a labelImg file.
    levels : tuple of str, default=("L1", "L2", "L3", "L4")
        Vertebrae to cut out, one column each; ``"L1-L4"`` is the smallest upright rectangle round all from L1 to L4.
        One that a row lacks gives None.
    label_names : tuple of str, default=("L1", "L2", "L3", "L4", "L5", "T12", "S1")
        What the labels 1, 2, 3 ... of the label maps stand for.
    prefix : str, default=""
        Put before the names of the columns, such as ``"ap_"``, where two views are cut one after the other.
    tilted : bool, default=False
        Whether boxes from label maps turn with their vertebra.
    context : float, default=0.1
        Margin of real context round each box, as a share of its longer side.
    on_error : {"raise", "skip"}, default="raise"
        Whether a vertebra that cannot be cut out raises, or gives None and a line in ``failures_``.
    rejected : str, default=None
        Column with the reason why a reader rejected a row, None where nobody did (see
        :func:`deepradiomics.review.apply`). Such a row gives None and a line in ``failures_``, and raises nothing.

    Attributes
    ----------
    segmenter_ : estimator
        The segmenter in use; only with a segmenter.
    failures_ : DataFrame
        ``row`` (position), ``region``, ``code`` and ``reason`` of what failed in the last call of transform.
    unsure_ : DataFrame
        The same of vertebrae that a segmenter outlined and whose level may be wrong (:func:`unsure_levels`); they are
        cut out all the same.
    feature_names_in_ : array of str
        Columns seen by fit.
    n_features_in_ : int
        Number of columns seen by fit.

    Notes
    -----
    Boxes from label maps are placed by :func:`place_vertebra_boxes`; what is measured in them is the body alone.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from deepradiomics import Box, VertebraRegions
    >>> X = pd.DataFrame({"radiograph": [np.ones((300, 200))], "boxes": [{"L1": Box(40, 50, 60, 80)}]})
    >>> VertebraRegions(levels=("L1",)).transform(X)["L1"][0]
    Radiograph(76 x 96, mask of 4800 pixels)
    >>> from deepradiomics.simulation import make_spines
    >>> spines = make_spines(1, random_state=0)
    >>> X = spines.data.assign(mask=spines.masks_lateral)
    >>> VertebraRegions(image="lateral", mask="mask", prefix="lateral_").transform(X)["lateral_L1"][0].view
    'LAT'
    """

    _parameter_constraints = {  # noqa: RUF012
        "segmenter": [HasMethods(["predict"]), None],
        "image": [str],
        "mask": [str, None],
        "boxes": [str],
        "levels": ["array-like"],
        "label_names": ["array-like"],
        "prefix": [str],
        "tilted": ["boolean"],
        "context": [Interval(Real, 0, None, closed="left")],
        "on_error": [StrOptions({"raise", "skip"})],
        "rejected": [str, None],
    }

    def __init__(  # noqa: PLR0913
        self,
        segmenter=None,
        *,
        image="radiograph",
        mask=None,
        boxes="boxes",
        levels=("L1", "L2", "L3", "L4"),
        label_names=LEVELS,
        prefix="",
        tilted=False,
        context=0.1,
        on_error="raise",
        rejected=None,
    ):
        self.segmenter = segmenter
        self.image = image
        self.mask = mask
        self.boxes = boxes
        self.levels = levels
        self.label_names = label_names
        self.prefix = prefix
        self.tilted = tilted
        self.context = context
        self.on_error = on_error
        self.rejected = rejected

    def transform(self, X):
        """Add the columns of the vertebrae.

        Parameters
        ----------
        X : DataFrame
            With the image column, and the one of masks or boxes if there is no segmenter.

        Returns
        -------
        DataFrame
            X with one column a level added: `Radiograph` or None.

        Raises
        ------
        InputError
            If a column is missing, an image or annotation cannot be read, or a box sticks out of its image.
        RegionError
            If a mask is no vertebral body, under ``on_error="raise"``.
        """
        self._validate_params()
        X = table(X, self._needed())
        return self._transformed(X, lambda position, failures: self._row(X, position, failures))

    def _placed(self, X, position, failures):
        """Boxes of one row by level."""
        return {level: box for level, (box, _) in self._levels(X, position, failures).items()}

    def _write_down(self, failures):
        super()._write_down([line for line in failures if line["code"] != "level_unsure"])
        self.unsure_ = pd.DataFrame([line for line in failures if line["code"] == "level_unsure"], columns=LINE)

    def _region_names(self):
        return [f"{self.prefix}{level}" for level in self.levels]

    def _needed(self):
        outlines = self.boxes if self.mask is None else self.mask
        known = [] if self.rejected is None else [self.rejected]
        return [self.image, *([] if self.segmenter is not None else [outlines]), *known]

    def _row(self, X, position, failures):
        """Vertebrae of one row by name of column."""
        regions = {}
        for level, (box, whole) in self._levels(X, position, failures).items():
            margin = round(self.context * max(box.height, box.width))
            try:
                regions[f"{self.prefix}{level}"] = crop(whole, box, margin=margin, within_mask=True)
            except DeepRadiomicsError as error:
                self._failed(failures, position, f"box {level!r}", error)
        return regions

    def _levels(self, X, position, failures):
        """Box, and radiograph whose mask is what may be measured, of each wanted level in one row."""
        column = self.image
        try:
            radiograph = as_radiograph(X[self.image].iloc[position])
            if self.segmenter is None:
                column = self.boxes if self.mask is None else self.mask
            pairs = {} if radiograph is None else self._boxes_and_masks(X, position, radiograph, failures)
        except DeepRadiomicsError as error:
            self._failed(failures, position, f"column {column!r}", error)
            return {}
        return {level: (box, replace(radiograph, mask=mask)) for level, (box, mask) in pairs.items()}

    def _boxes_and_masks(self, X, position, radiograph, failures):
        """Box, and mask of what may be measured, of each wanted level in one row."""
        if self.segmenter is None and self.mask is None:
            boxes = _named_boxes(X[self.boxes].iloc[position], radiograph)
            mask = np.ones(radiograph.pixels.shape, dtype=bool) if radiograph.mask is None else radiograph.mask
            joined = {level: _box_round_levels(level, boxes) for level in self.levels}
            return {level: (box, mask) for level, box in joined.items() if box is not None}
        if self.segmenter is not None:
            labels = np.asarray(getattr(self, "segmenter_", self.segmenter).predict([radiograph])[0])
        else:
            labels = read_label_map(X[self.mask].iloc[position])
        if labels.shape != radiograph.pixels.shape:
            raise InputError(
                f"the mask has shape {labels.shape}, its image {radiograph.pixels.shape}; give a mask of its own shape",
                code="mask_shape",
            )
        names = list(self.label_names)
        unsure = {} if self.segmenter is None else unsure_levels(labels, levels=names)
        # A vertebra that is neither wanted nor beside a wanted one decides nothing, whatever it looks like.
        needed = [names.index(name) + 1 for name in _with_neighbours(self.levels) if name in names]
        labels = np.where(np.isin(labels, needed), labels, 0)
        boxes = place_vertebra_boxes(labels, radiograph.spacing, levels=names, tilted=self.tilted)
        found = {}
        for level in self.levels:
            box = _box_round_levels(level, boxes)
            if box is not None:
                doubt = next((unsure[name] for name in _levels_between(level) if name in unsure), None)
                if doubt is not None:
                    reason = f"its level may be wrong: {doubt}; count from the sacrum or the last rib"
                    region = f"{self.prefix}{level}"
                    failures.append({"row": position, "region": region, "code": "level_unsure", "reason": reason})
                bodies = np.isin(labels, [names.index(name) + 1 for name in _levels_between(level)])
                found[level] = (_clipped(box, labels.shape), bodies)
        return found


def _clipped(box, shape):
    """The part of an upright box that lies in the image; half a disc may stick out of it."""
    if box.angle:
        return box
    top, left = max(box.top, 0.0), max(box.left, 0.0)
    return Box(top, left, min(box.top + box.height, shape[0]) - top, min(box.left + box.width, shape[1]) - left)


def _named_boxes(cell, radiograph):
    """Boxes of one row as a dict."""
    if cell is None:
        return {}
    pairs = cell.items() if isinstance(cell, dict) else cell
    if not isinstance(cell, dict | list | tuple):
        pairs = read_voc(cell, image_shape=radiograph.pixels.shape)
    boxes = {}
    for name, box in pairs:
        if not isinstance(box, Box):
            raise InputError(f"box {name!r} is a {type(box).__name__}; give a deepradiomics.Box")
        if name in boxes:
            raise InputError(f"two boxes are named {name!r}; a vertebra has one")
        if name != str(name).strip().upper() and str(name).strip().upper() in LEVELS:
            raise InputError(f"a box is named {name!r}, the vertebra {str(name).strip().upper()!r}; write it so")
        boxes[name] = box
    return boxes
