"""A map of one texture feature: measured in a window that moves over the region."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from joblib import Parallel, delayed

from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.reading import as_radiograph
from deepradiomics.texture._engine import measure
from deepradiomics.texture._preparation import check_filtered, check_levels, check_mask, mask_limits, preprocess
from deepradiomics.texture.catalogue import FEATURES
from deepradiomics.texture.extractor import TextureExtractor, _plan_of

# Windows that are measured in one call: some 10 MB of 25 x 25 pixels.
_WINDOWS = 2048
_MOVED = ("resampled_pixel_spacing", "pre_crop", "resegment_range")


@dataclass(frozen=True)
class FeatureMap:
    """A texture feature at points of a grid.

    Parameters
    ----------
    name : str
        The feature, under pyradiomics' name.
    values : float64 array of shape (n_rows, n_columns)
        The feature in the window round each point; NaN outside the region, and where a window cannot be measured.
    rows : int array of shape (n_rows,)
        Pixel rows of the points.
    columns : int array of shape (n_columns,)
        Pixel columns of the points.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture import FeatureMap
    >>> FeatureMap("original_glcm_Contrast", np.ones((2, 3)), np.array([4, 8]), np.array([4, 8, 12])).values.shape
    (2, 3)
    """

    name: str
    values: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    def plot(self, ax=None, *, alpha=0.7):
        """Draw the map, over what is already drawn, with a bar of its colors.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw, such as what `plot_regions` returned; None makes a new figure.
        alpha : float, default=0.7
            From 0, where only the radiograph is seen, to 1.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn on.
        """
        import matplotlib.pyplot as plt

        new = ax is None
        if new:
            _, ax = plt.subplots(layout="constrained")
        limits = ax.get_xlim(), ax.get_ylim(), ax.get_aspect()
        (top, bottom), (left, right) = (_edges(places) for places in (self.rows, self.columns))
        drawn = ax.imshow(self.values, cmap="viridis", alpha=alpha, extent=(left, right, bottom, top))
        if not new:
            ax.set(xlim=limits[0], ylim=limits[1], aspect=limits[2])
        ax.figure.colorbar(drawn, ax=ax, label=self.name.replace("_", " "), shrink=0.8)
        return ax


def _edges(places):
    """Outer edges of the first and the last cell of a grid, in pixels; the centre of a pixel lies at a half."""
    half = (places[1] - places[0]) / 2 if len(places) > 1 else 0.5
    return places[0] + 0.5 - half, places[-1] + 0.5 + half


def feature_map(radiograph, feature, *, window_mm=5.0, step_mm=None, **settings):
    """Measure one texture feature in a window that moves over a region, such as a femur.

    Parameters
    ----------
    radiograph : path or Radiograph
        The picture, with its spacing, and with the mask of the region; without a mask all of it is measured.
    feature : str
        Class and feature, such as ``"glcm_Contrast"``, of the original image; or with the name of a filtered image
        before them, such as ``"wavelet-HH_glcm_Contrast"``, with ``image_types`` among the settings.
    window_mm : float, default=5.0
        Height and width of the window in mm; the nearest odd number of pixels is taken, 3 at least.
    step_mm : float, default=None
        Distance between two points in mm, at least a pixel; None takes a fifth of the window.
    **settings : dict
        Keywords of `TextureExtractor`, such as ``bin_width`` or ``n_jobs``.

    Returns
    -------
    FeatureMap
        The value at each point that lies in the region.

    Raises
    ------
    InputError
        If the spacing is unknown, the feature is none of the settings' or describes no window, or a setting would move
        the pixels.
    RegionError
        If the region is empty or not finite, or no window can be measured.

    Notes
    -----
    A value is what `TextureExtractor` gives when the mask holds only those pixels of the region that lie in the window.
    Filters see the whole picture. With ``bin_count`` each window is binned between its own smallest and largest grey
    value; with ``bin_width`` all windows share their bins, as in pyradiomics' voxel-based extraction.

    References
    ----------
    van Griethuysen JJM, Fedorov A, Parmar C, et al. Computational radiomics system to decode the radiographic
    phenotype. Cancer Research 2017;77(21):e104-e107.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics import Radiograph
    >>> from deepradiomics.texture import feature_map
    >>> hip = Radiograph(np.random.default_rng(0).normal(size=(40, 30)), spacing=(0.5, 0.5))
    >>> found = feature_map(hip, "glcm_Contrast", window_mm=5, step_mm=2)
    >>> found.values.shape, found.rows[:3]
    ((10, 8), array([0, 4, 8]))
    """
    radiograph = as_radiograph(radiograph)
    if radiograph is None or radiograph.spacing is None:
        raise InputError(
            "the pixel spacing is unknown, the window cannot be turned into pixels; read the image with "
            "read_radiograph(source, spacing=(row_mm, column_mm))",
            code="unknown_spacing",
        )
    for setting, length in (("window_mm", window_mm), ("step_mm", step_mm)):
        if not (isinstance(length, Real) and 0 < length < np.inf) and (setting, length) != ("step_mm", None):
            raise InputError(f"{setting} is {length!r}; give a length above 0")
    step_mm = window_mm / 5 if step_mm is None else step_mm
    settings, plan, name, item = _planned(feature, settings)
    pixels, mask, spacing = preprocess(settings, plan, radiograph)
    filtered = item.apply(pixels, spacing=spacing)[name.rpartition("_")[0].rpartition("_")[0]]
    half = [max(1, round((window_mm / mm - 1) / 2)) for mm in spacing]
    step = [max(1, round(step_mm / mm)) for mm in spacing]
    inside = [np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0)]
    rows, columns = (np.arange(own[0], own[-1] + 1, jump) for own, jump in zip(inside, step, strict=True))
    places, windows = [], []
    for place in np.argwhere(mask[np.ix_(rows, columns)]):
        centre = rows[place[0]], columns[place[1]]
        window = tuple(slice(max(at - far, 0), at + far + 1) for at, far in zip(centre, half, strict=True))
        if _measurable(settings, plan, item, pixels[window], filtered[window], mask[window]):
            places.append(tuple(place))
            windows.append(window)
    if not windows:
        raise RegionError(
            "no window of the region can be measured: all have too few pixels or grey levels; take a larger window_mm, "
            "or min_levels=None",
            code="no_window",
        )
    work = delayed(
        lambda some: measure(
            [filtered[window] for window in some],
            [mask[window] for window in some],
            plan.classes,
            spacings=[spacing] * len(some),
            standard=settings.standard,
            device=settings.device,
            **item.measure,
        )
    )
    parts = (windows[first : first + _WINDOWS] for first in range(0, len(windows), _WINDOWS))
    found = np.concatenate(Parallel(n_jobs=settings.n_jobs, prefer="threads")(work(some) for some in parts))
    values = np.full((len(rows), len(columns)), np.nan)
    values[tuple(np.transpose(places))] = found[:, 0]
    return FeatureMap(name, values, rows, columns)


def _planned(feature, settings):
    """Check the settings: TextureExtractor, plan, full name of the feature, and the filter that it is of."""
    name = feature if str(feature).count("_") == 2 else f"original_{feature}"
    if not isinstance(feature, str) or name.count("_") != 2:
        raise InputError(f"the feature is {feature!r}; give class and feature, such as 'glcm_Contrast'")
    moved = [key for key in _MOVED if settings.get(key)]
    if moved or settings.get("engine", "native") != "native" or "feature_classes" in settings:
        raise InputError(
            f"a map takes none of {', '.join(_MOVED)}, engine and feature_classes; leave {moved or 'them'} out"
        )
    image, kind, one = name.split("_")
    estimator = TextureExtractor(feature_classes={kind: [one]}, **settings)
    plan = _plan_of(estimator)
    if not plan.classes:
        known = [name for name in FEATURES if not name.startswith("shape")]
        raise InputError(f"{kind} cannot be mapped; maps are of {', '.join(known)}")
    item = next((item for item in plan.filters if image in item.names), None)
    if item is None:
        known = [known for item in plan.filters for known in item.names]
        raise InputError(f"there is no image {image!r}, but {known}; give image_types")
    return estimator, plan, name, item


def _measurable(settings, plan, item, pixels, filtered, mask):
    """Whether the extractor would measure this window."""
    try:
        check_mask(mask, **mask_limits(settings))
        check_levels(pixels[mask], **plan.binning, min_levels=settings.min_levels)
        if item.names != ["original"]:
            check_filtered(filtered[mask], "filtered", {key: item.measure[key] for key in plan.binning})
    except RegionError:
        return False
    return True
