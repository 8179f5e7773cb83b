"""ImageGate: which radiographs are like those that a study accepts, and what is wrong with the others."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.covariance import LedoitWolf
from sklearn.model_selection import GroupKFold
from sklearn.utils._param_validation import Interval, RealNotInt
from sklearn.utils.validation import check_is_fitted

from deepradiomics.deep import image_columns
from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.quality._rules import LEAST, MOST, NAMES, RULES, SIGNS, limits
from deepradiomics.quality.markers import _contradicts, side_markers
from deepradiomics.quality.measures import (
    block_contrast,
    clipped_share,
    cut_off,
    distinct_levels,
    fine_detail,
    text_share,
)
from deepradiomics.reading import as_radiograph
from deepradiomics.segmentation import UNetSegmenter
from deepradiomics.segmentation._frames import frame_image
from deepradiomics.training import hash_weights, is_missing, resolve_device
from deepradiomics.training._cuda import exact_inference

_STATISTICS = Path(__file__).parent / "statistics"
_MIN_IMAGES, _N_FOLDS = 20, 5
# Side of the frame in which a picture is compared with others: it is looked at five times, and coarse is enough.
_SIDE = 192


class ImageGate(TransformerMixin, BaseEstimator):
    """Flag radiographs that are not AP hips, or whose gray values or files are not fit to be measured.

    What is normal is learned from radiographs that you accepted by eye, or comes with the package.

    Parameters
    ----------
    segmenter : UNetSegmenter, default=None
        Fitted network that outlines femora; None is ``UNetSegmenter.pretrained("femur")``.
    false_alarms : float, default=0.05
        Share of accepted radiographs that may be flagged, by all measures together.

    Attributes
    ----------
    segmenter_ : UNetSegmenter
        The network that is used.
    weights_hash_ : str
        Of its weights. `transform` refuses others, since the statistics of one network mean nothing for another.
    center_, scale_ : float64 arrays of shape (n_channels,)
        Mean and standard deviation of the network's features of accepted radiographs.
    precision_ : float64 array of shape (n_channels, n_channels)
        Inverse of the shrunk covariance of the features divided by ``scale_``.
    typical_, thresholds_ : float64 arrays of shape (n_measures,)
        Median of each measure over accepted radiographs, and the value from which it is flagged.
    n_features_in_ : int
        Number of image columns, after `fit`.
    feature_names_in_ : array of str of shape (`n_features_in_`,)
        Their names, after `fit`.
    failures_ : DataFrame
        After `report`: ``row``, ``column``, ``code`` and ``reason`` of each image that cannot be read.

    Notes
    -----
    The measures, with their units; see the functions of `deepradiomics.quality` for the formulas:

    - ``no_femur``: 1 minus the larger expected Dice of the two femora, 1 where none is seen.
    - ``unlike``: Mahalanobis distance, divided by the root of the number of channels, of the mean of each channel of
      the network's encoder (the last step but one, frame of 192 pixels) from accepted radiographs.
    - ``turned``, ``inverted``: by how much that distance is smaller for the picture turned by 90, 180 or 270 degrees,
      and for its negative.
    - ``lateral``: 1 where the view of the `Radiograph` is ``"LAT"``. The picture itself is not asked: lateral films
      are ``unlike``.
    - ``wrong_side``: expected Dice of the femur of the other side than the laterality of the `Radiograph`, minus that
      of its side; 0 where the laterality is unknown, or the classes do not begin with left and right.
    - ``side_marker``: 1 where an R is in mirror writing, or a letter stands nearer to the femur of the other side (by a
      tenth of the width), or, within a quarter of the width of the only femur seen or where none is, differs from the
      laterality of the `Radiograph` (where that is unknown, from the side of that femur).
    - ``cut_off``, ``text``, ``clipped``: on the outlines and what lies within 1/30 of the picture round them,
      or on the middle of the picture where no femur is seen.
    - ``gray_levels`` (bits), ``blocks``, ``fine_detail``: of the whole picture in its own pixels.

    The limit of a measure is a quantile over accepted radiographs, the same for all measures and such that they flag no
    more than ``false_alarms`` together, and not less than a value at which nothing is lost; white strokes that look
    like text are flagged besides. Distances of the radiographs that fit sees are those from the others (five folds,
    groups together). Nothing tells a mirrored pelvis without a letter, and metal has no flag of its own.

    References
    ----------
    Ledoit O, Wolf M. A well-conditioned estimator for large-dimensional covariance matrices. J Multivar Anal 88 (2004).
    Lee K, Lee K, Lee H, Shin J. A simple unified framework for detecting out-of-distribution samples. NeurIPS (2018).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics import ImageGate
    >>> gate = ImageGate.pretrained("femur")
    >>> report = gate.report([np.random.default_rng(0).normal(size=(200, 240))])
    >>> bool(report["accepted"][0]), "no_femur" in report["flags"][0]
    (False, True)
    """

    _parameter_constraints = {  # noqa: RUF012
        "segmenter": [UNetSegmenter, None],
        "false_alarms": [Interval(RealNotInt, 0, 0.5, closed="left")],
    }

    def __init__(self, segmenter=None, *, false_alarms=0.05):
        self.segmenter = segmenter
        self.false_alarms = false_alarms

    @classmethod
    def pretrained(cls, name="femur"):
        """Load a gate whose statistics come with the package.

        Parameters
        ----------
        name : str, default="femur"
            ``"femur"``: AP pelves and hips, mostly of adults, 149 films with 8 bits of two public sources, and the
            network ``UNetSegmenter.pretrained("femur")``.

        Returns
        -------
        ImageGate
            Fitted.

        Raises
        ------
        InputError
            If there are no statistics of that name, or they belong to other weights than the package has.
        """
        names = sorted(path.stem for path in _STATISTICS.glob("*.npz"))
        if name not in names:
            raise InputError(f"no statistics are named {name!r}; there are {', '.join(names)}", code="weights")
        return cls.from_statistics(_STATISTICS / f"{name}.npz", UNetSegmenter.pretrained(name))

    @classmethod
    def from_statistics(cls, path, segmenter):
        """Load a gate from a file that `save_statistics` wrote.

        Parameters
        ----------
        path : str or path
            The file ``.npz``.
        segmenter : UNetSegmenter
            The network that the statistics are of.

        Returns
        -------
        ImageGate
            Fitted.

        Raises
        ------
        InputError
            If the file is not such a one, has other measures, or belongs to other weights.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
            gate = cls(segmenter, false_alarms=float(found["false_alarms"]))
            measures, gate.weights_hash_ = found["measures"].tolist(), str(found["weights_hash"])
            for name in ("center", "scale", "precision", "typical", "thresholds"):
                setattr(gate, f"{name}_", found[name].astype(np.float64))
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{Path(path).name} holds no statistics of an ImageGate", code="weights") from error
        if measures != NAMES:
            raise InputError(
                f"{Path(path).name} has the measures {measures}, this version {NAMES}; export it again", code="weights"
            )
        gate.segmenter_ = segmenter
        gate._check_weights()
        return gate

    def save_statistics(self, path):
        """Write what fit learned, without the network, to a file ``.npz``.

        Parameters
        ----------
        path : str or path
            The file.

        Raises
        ------
        NotFittedError
            If nothing was learned yet.
        """
        check_is_fitted(self)
        np.savez_compressed(
            path,
            measures=np.array(NAMES),
            weights_hash=np.array(self.weights_hash_),
            false_alarms=np.array(self.false_alarms),
            **{
                name: getattr(self, f"{name}_").astype(np.float32)
                for name in ("center", "scale", "precision", "typical", "thresholds")
            },
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, groups=None):
        """Learn what is normal from radiographs that were accepted by eye.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            Image columns; cells are paths, 2-D arrays, `Radiograph` or None. 100 and more are good.
        y : None, default=None
            Not used.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group, such as a patient, are not held against each other; None takes each row for itself.

        Returns
        -------
        ImageGate
            The gate itself.

        Raises
        ------
        InputError
            If an image cannot be read, or there are fewer than 20 of them or five groups.
        """
        names, columns = image_columns(X)
        self.segmenter_ = UNetSegmenter.pretrained("femur") if self.segmenter is None else self.segmenter
        check_is_fitted(self.segmenter_)
        there = sum(not is_missing(cell) for cells in columns for cell in cells)
        if there < _MIN_IMAGES:
            raise InputError(
                f"{there} images do not show what is normal; give {_MIN_IMAGES} at least, or take the shipped "
                "statistics: ImageGate.pretrained('femur')"
            )
        rows = range(len(columns[0]))
        check_same_rows("X", X, groups=groups)
        groups = np.asarray(rows if groups is None else groups)
        seen = [row for row in rows if not all(is_missing(cells[row]) for cells in columns)]
        n_groups = len(pd.unique(groups[seen])) if groups.shape == (len(rows),) else 0
        if n_groups < _N_FOLDS:
            raise InputError(
                f"groups has the shape {groups.shape} and {n_groups} different values in rows with an image; give one "
                f"for each of the {len(rows)} rows, and {_N_FOLDS} different ones at least"
            )
        looks = self._look_at(names, columns)
        features, values = (np.stack(part) for part in zip(*looks.values(), strict=True))
        parts = GroupKFold(_N_FOLDS, shuffle=True, random_state=0)
        for own, others in parts.split(features, groups=[groups[row] for row, _ in looks]):
            self._learn(features[own, 0])
            values[others] = self._with_distances(features[others], values[others])
        self._learn(features[:, 0])
        self.typical_ = np.median(values, axis=0)
        self.thresholds_ = limits(values, SIGNS, LEAST, MOST, self.false_alarms)
        self.weights_hash_ = hash_weights(self.segmenter_.network_)
        self.n_features_in_, self.feature_names_in_ = len(names), np.array(names, dtype=object)
        return self

    def transform(self, X):
        """Measure each radiograph.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            Image columns; cells are paths, 2-D arrays, `Radiograph` or None.

        Returns
        -------
        float64 array of shape (n_samples, n_columns * n_measures)
            The measures, column by column; NaN where there is no image.

        Raises
        ------
        NotFittedError
            If nothing was learned yet.
        InputError
            If an image cannot be read, the columns are not those of fit, or the network has other weights.
        """
        _, values = self._measured(X)
        return values.reshape(len(values), -1)

    def report(self, X):
        """Say of each radiograph whether it is accepted, and if not, why.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            Image columns; cells are paths, 2-D arrays, `Radiograph` or None.

        Returns
        -------
        DataFrame of shape (n_samples * n_columns, 6 + n_measures)
            A row an image: ``row``, ``column``, ``accepted`` (False also where it cannot be read), ``score`` (of all
            measures the largest distance from what is typical over that of the limit; more than 1 is flagged),
            ``flags`` (names separated by commas, as `deepradiomics.review.review` takes them), ``reasons`` in words,
            and the measures. Missing images have no row.

        Raises
        ------
        NotFittedError
            If nothing was learned yet.
        InputError
            If the columns are not those of fit, or the network has other weights.
        """
        failures = []
        names, values = self._measured(X, failures)
        self.failures_ = pd.DataFrame(failures, columns=["row", "column", "code", "reason"])
        span = self.thresholds_ - self.typical_
        scores = (values - self.typical_) / np.where(SIGNS * span > 1e-6, span, 1e-6 * SIGNS)
        rows = [(row, column, False, np.inf, "unread", reason) for row, column, _, reason in failures]
        for row, column in np.argwhere(~np.isnan(values[:, :, 0])):
            score, found = scores[row, column], values[row, column]
            flagged = np.argsort(-score)[: (score > 1).sum()]
            reasons = [RULES[NAMES[i]].reason.format(value=found[i], limit=self.thresholds_[i]) for i in flagged]
            flags = ",".join(NAMES[i] for i in flagged)
            rows.append((int(row), names[column], not flags, score.max(), flags, "; ".join(reasons), *found))
        rows.sort(key=lambda found: (found[0], names.index(found[1])))
        return pd.DataFrame(
            [(*found, *[np.nan] * (6 + len(NAMES) - len(found))) for found in rows],
            columns=["row", "column", "accepted", "score", "flags", "reasons", *NAMES],
        )

    def predict(self, X):
        """Tell accepted radiographs from others.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            Image columns; cells are paths, 2-D arrays, `Radiograph` or None.

        Returns
        -------
        int array of shape (n_samples,)
            1 where all images of a row are accepted, -1 where one is not, as scikit-learn's detectors of outliers say
            it. A row without an image has -1.

        Raises
        ------
        NotFittedError
            If nothing was learned yet.
        InputError
            If the columns are not those of fit, or the network has other weights.
        """
        report = self.report(X)
        accepted = report.groupby("row")["accepted"].all().reindex(range(len(image_columns(X)[1][0])), fill_value=False)
        return np.where(accepted.to_numpy(dtype=bool), 1, -1)

    def plot(self, report, *, ax=None):
        """Draw how many radiographs each flag strikes.

        Parameters
        ----------
        report : DataFrame
            What `report` returned.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib.axes.Axes
            Bars, the most frequent flag on top.
        """
        from matplotlib import pyplot as plt

        if ax is None:
            ax = plt.subplots(figsize=(6, 3.5), layout="constrained")[1]
        counts = report["flags"].str.split(",").explode().loc[lambda flag: flag != ""].value_counts()[::-1]
        bars = ax.barh(counts.index.astype(str), counts.to_numpy())
        ax.bar_label(bars, padding=2)
        ax.set(
            xlabel="radiographs",
            title=f"{int(report['accepted'].sum())} of {len(report)} radiographs accepted",
            xlim=(0, 1.1 * max(1, counts.max() if len(counts) else 1)),
        )
        return ax

    def get_feature_names_out(self, input_features=None):
        """Name the measures.

        Parameters
        ----------
        input_features : sequence of str, default=None
            Names of the image columns; None means those seen.

        Returns
        -------
        object array of shape (n_columns * n_measures,)
            ``<column>__no_femur``, ``<column>__unlike`` ...
        """
        check_is_fitted(self)
        seen = getattr(self, "feature_names_in_", getattr(self, "_seen", ["image"]))
        columns = seen if input_features is None else input_features
        return np.array([f"{column}__{name}" for column in columns for name in NAMES], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, "thresholds_")

    def _look_at(self, names, columns, failures=None):
        """Features (5, n_channels) and measures of each image, by (row, column); those not read raise or are noted."""
        found = {}
        for row in range(len(columns[0])):
            for column, name in enumerate(names):
                if is_missing(columns[column][row]):
                    continue
                try:
                    found[row, column] = self._look(as_radiograph(columns[column][row]))
                except DeepRadiomicsError as error:
                    if failures is None:
                        raise error.at(f"row {row}, column {name!r}") from error
                    failures.append((row, name, error.code, str(error)))
        return found

    def _look(self, radiograph):
        """Features of a radiograph, turned, and of its negative, and its measures but those of the distance."""
        pixels, network = radiograph.pixels, self.segmenter_.network_
        # Also refuses gray values that are not finite.
        (outlines,), confidence = self.segmenter_.predict_with_confidence([radiograph])
        upright = frame_image(pixels, _SIDE).pixels
        negative = frame_image(pixels.min() + pixels.max() - pixels, _SIDE).pixels
        framed = np.stack([upright, *(np.rot90(upright, turns) for turns in (1, 2, 3)), negative])
        with exact_inference():
            pictures = torch.from_numpy(framed)[:, None].to(resolve_device(self.segmenter_.device))
            features = network.encoder(pictures)[-2].mean(dim=(2, 3)).cpu().numpy().astype(np.float64)
        near = max(3, round(max(pixels.shape) / 30)) * 2 + 1
        region = ndimage.maximum_filter((outlines > 0).astype(np.uint8), near) > 0
        if not region.any():
            height, width = pixels.shape
            region[height // 4 : height - height // 4, width // 4 : width - width // 4] = True
        known = np.nan_to_num(confidence[0])
        names = [name[0].upper() for name in self.segmenter_.classes_]
        sides, other = dict(zip(names, known, strict=True)), {"L": "R", "R": "L"}.get(radiograph.laterality)
        there = [i for i in np.flatnonzero(known > 0.5) if names[i] in "LR"]
        seen = {names[i]: np.nonzero(outlines == i + 1)[1].mean() for i in there}
        markers = side_markers(pixels) if {"L", "R"} <= set(sides) else []
        measures = {
            "no_femur": 1 - known.max(),
            "lateral": float(radiograph.view == "LAT"),
            "wrong_side": sides[other] - sides[radiograph.laterality] if {"L", "R"} <= set(sides) and other else 0.0,
            "side_marker": float(_contradicts(markers, seen, radiograph.laterality, pixels.shape[1])),
            "cut_off": cut_off(outlines),
            "text": text_share(pixels, region),
            "clipped": clipped_share(pixels, region),
            "gray_levels": distinct_levels(pixels),
            "blocks": block_contrast(pixels),
            "fine_detail": fine_detail(pixels),
        }
        return features, np.array([measures.get(name, np.nan) for name in NAMES])

    def _learn(self, features):
        """Learn the center and the shrunk covariance of features (n, n_channels)."""
        self.center_, self.scale_ = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
        self.precision_ = LedoitWolf(assume_centered=True).fit((features - self.center_) / self.scale_).precision_

    def _with_distances(self, features, values):
        """Put what comes from distances of features (n, 5, n_channels) into measures (n, n_measures)."""
        away = (features - self.center_) / self.scale_
        distance = np.sqrt(np.einsum("nvi,ij,nvj->nv", away, self.precision_, away) / away.shape[-1])
        values = values.copy()
        values[:, NAMES.index("unlike")] = distance[:, 0]
        values[:, NAMES.index("turned")] = distance[:, 0] - distance[:, 1:4].min(axis=1)
        values[:, NAMES.index("inverted")] = distance[:, 0] - distance[:, 4]
        return values

    def _measured(self, X, failures=None):
        """Names of the columns and measures (n_samples, n_columns, n_measures), NaN where there is none."""
        check_is_fitted(self)
        names, columns = image_columns(X)
        seen = getattr(self, "feature_names_in_", None)
        if seen is not None and list(seen) != names:
            raise InputError(f"X has the image columns {names}, fit saw {list(seen)}", code="columns")
        self._check_weights()
        self._seen = names
        values = np.full((len(columns[0]), len(columns), len(NAMES)), np.nan)
        for place, (features, found) in self._look_at(names, columns, failures).items():
            values[place] = self._with_distances(features[None], found[None])[0]
        return names, values

    def _check_weights(self):
        if hash_weights(self.segmenter_.network_) != self.weights_hash_:
            raise InputError(
                "the statistics of this gate belong to other weights than its segmenter has; fit the gate on accepted "
                "radiographs, or take the segmenter that it was fitted with (benchmarks/export_image_gate.py makes the "
                "statistics of the package anew)",
                code="weights",
            )
