"""Texture features of columns of images (`TextureExtractor`) and of lists of images (`extract`)."""

import json
from dataclasses import replace
from functools import lru_cache
from itertools import repeat
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from deepradiomics.estimators import _as_pandas, check_names_differ
from deepradiomics.exceptions import InputError
from deepradiomics.reading import as_radiograph, read_radiograph
from deepradiomics.texture._engine import measure_table
from deepradiomics.texture._parameter_files import read_label, read_parameters
from deepradiomics.texture._plan import make_plan
from deepradiomics.texture._preparation import INTERPOLATORS, MAX_LEVELS

_FAILURES = ["row", "column", "code", "reason"]
_NO_FAILURES = pd.DataFrame([], columns=_FAILURES)


class TextureExtractor(TransformerMixin, BaseEstimator):
    """Measure the texture of regions, with the names and the values of pyradiomics 3.0.1.

    Nothing is learned from the data: transform works without fit, and gives each row the same values whatever the
    other rows are.

    Parameters
    ----------
    image_types : dict of {str: dict} or list of str, default=None
        Filters under pyradiomics' names (``Original``, ``Wavelet``, ``LoG``, ``Square``, ``SquareRoot``,
        ``Logarithm``, ``Exponential``, ``Gradient``, ``LBP2D``), and ``Detrended``, which subtracts the background;
        each with its settings: those of the functions in :mod:`deepradiomics.texture.filters`, such as
        ``{"Wavelet": {"wavelet": "bior1.3"}, "LoG": {"sigma": [1.0]}}``, and ``bin_count``, ``bin_width``,
        ``distances``, ``weighting_norm``, ``symmetrical_glcm``, ``gldm_a`` and ``voxel_array_shift`` for this filter
        alone. None means ``Original``.
    feature_classes : dict of {str: list of str or None} or list of str, default=None
        Classes, and the features of each (None or an empty list: all of them). None means ``firstorder``, ``glcm``,
        ``gldm``, ``glrlm``, ``glszm`` and ``ngtdm``. There are ``shape2D`` and ``shape`` (of the
        region as a slab 1 mm thick) besides, and the classes of bone texture
        ``fractal``, ``variogram``, ``spectrum``, ``gabor``, ``laws``, ``lbp`` and ``glcmdirection``, whose features
        follow those of pyradiomics' classes.
    bin_count : int, default=32
        Number of bins between the smallest and the largest grey value of a region.
    bin_width : float, default=None
        Width of a bin in grey values. Where it is given, the default ``bin_count`` is not used; another number beside
        it is an error.
    normalize : bool, default=False
        Whether each image is brought to mean 0 and standard deviation ``normalize_scale`` first.
    normalize_scale : float, default=1
        Standard deviation after normalisation.
    remove_outliers : float, default=None
        Normalised values further than this from 0 are set to it, before scaling.
    resampled_pixel_spacing : tuple of two floats, default=None
        Height and width in mm to which pixels are resampled; 0 keeps what is there.
    interpolator : str, default="sitkBSpline"
        SimpleITK's name of the interpolator.
    pre_crop : bool, default=False
        Whether filters see the region with ``pad_distance`` pixels of context and not the whole image.
    pad_distance : int, default=5
        Pixels of context that resampling and ``pre_crop`` leave round a region.
    resegment_range : tuple of one or two floats, default=None
        Only pixels between these limits are measured.
    resegment_mode : {"absolute", "relative", "sigma"}, default="absolute"
        Whether the limits are grey values, fractions of the largest, or standard deviations from the mean.
    resegment_shape : bool, default=False
        Whether ``shape2D`` and ``shape`` describe the resegmented mask.
    minimum_roi_dimensions : int, default=2
        2 refuses regions that lie in a single row or column, 1 takes them.
    minimum_roi_size : int, default=None
        Regions need more pixels than this; None means that ``min_pixels`` alone decides.
    distances : tuple of ints, default=(1,)
        Distances in pixels between neighbours in GLCM, GLDM and NGTDM.
    weighting_norm : {"manhattan", "euclidean", "infinity", "no_weighting"}, default=None
        How matrices of different directions and distances are weighted before they are added up; None averages the
        features of the single matrices.
    symmetrical_glcm : bool, default=True
        Whether each pair of pixels is counted both ways.
    gldm_a : int, default=0
        Largest difference in grey level between dependent neighbours.
    voxel_array_shift : float, default=0
        Added to the grey values in Energy, TotalEnergy and RootMeanSquared.
    engine : {"native", "pyradiomics"}, default="native"
        What measures. Both give the same columns in the same order.
    standard : {"pyradiomics", "ibsi"}, default="pyradiomics"
        Whose definition holds where the two differ (``engine="native"`` only). The IBSI's bins of fixed width start at
        the smallest grey value of the region, its Kurtosis is 0 for a normal distribution, its GLRLM keeps directions
        in which no line holds two pixels, its NGTDM leaves pixels without neighbours out, and it knows no
        ``voxel_array_shift``. Filters and resampling stay those of pyradiomics.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"`` or another device of torch, or ``"auto"``: a GPU if there is one and a call has 64 regions
        or more (``engine="native"`` only). Devices agree to 1e-6 relative.
    min_levels : int, default=8
        Fewest grey levels that the original image must have in a region after binning; None lets flat regions pass.
    min_pixels : int, default=9
        Fewest pixels of a region.
    on_error : {"raise", "skip"}, default="raise"
        Whether a region that cannot be measured stops everything, or becomes a row of NaN and a line in
        ``failures_``.
    verbose : bool, default=False
        Whether a progress bar is shown on stderr.
    n_jobs : int, default=None
        Regions measured at the same time, as in scikit-learn.

    Attributes
    ----------
    feature_names_in_ : ndarray of shape (n_columns,)
        Names of the columns seen in fit.
    n_features_in_ : int
        Number of columns seen in fit.
    failures_ : DataFrame of shape (n_failures, 4)
        ``row`` (position), ``column``, ``code`` and ``reason`` of each region of the last transform that could not be
        measured. Only with ``on_error="skip"`` can it hold anything.

    See Also
    --------
    extract : The same for a list of images.
    describe_features : What each feature is.

    Notes
    -----
    Images are 64-bit floats in the plane. pyradiomics gives the same values for a two-dimensional SimpleITK image of
    that type. For a volume of one slice it has no LoG; for integer images it filters in 32 bits.

    An unknown pixel spacing counts as 1 mm, as in pyradiomics, but where lengths in mm decide (resampling,
    ``Detrended``, ``variogram``) it is an error. Bone texture is measured on the filtered image with its context, by
    both engines alike.

    References
    ----------
    van Griethuysen JJM, Fedorov A, Parmar C, et al. Computational radiomics system to decode the radiographic
    phenotype. Cancer Research 2017;77(21):e104-e107.
    Zwanenburg A, Vallières M, Abdalah MA, et al. The image biomarker standardization initiative. Radiology
    2020;295(2):328-338.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from deepradiomics import Radiograph, TextureExtractor
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"neck": [Radiograph(rng.normal(size=(20, 20))), None]})
    >>> extractor = TextureExtractor(feature_classes={"firstorder": ["Mean", "Range"]}).set_output(transform="pandas")
    >>> extractor.fit_transform(X).round(2)
       neck__original_firstorder_Mean  neck__original_firstorder_Range
    0                           -0.04                             6.84
    1                             NaN                              NaN
    """

    _parameter_constraints: ClassVar[dict] = {
        "image_types": [dict, list, tuple, None],
        "feature_classes": [dict, list, tuple, None],
        "bin_count": [Interval(Integral, 1, MAX_LEVELS, closed="both"), None],
        "bin_width": [Interval(Real, 0, None, closed="neither"), None],
        "normalize": ["boolean"],
        "normalize_scale": [Interval(Real, 0, None, closed="neither")],
        "remove_outliers": [Interval(Real, 0, None, closed="neither"), None],
        "resampled_pixel_spacing": ["array-like", None],
        "interpolator": [StrOptions(set(INTERPOLATORS))],
        "pre_crop": ["boolean"],
        "pad_distance": [Interval(Integral, 0, None, closed="left")],
        "resegment_range": ["array-like", None],
        "resegment_mode": [StrOptions({"absolute", "relative", "sigma"})],
        "resegment_shape": ["boolean"],
        "minimum_roi_dimensions": [Interval(Integral, 1, 2, closed="both")],
        "minimum_roi_size": [Interval(Integral, 0, None, closed="left"), None],
        "distances": ["array-like"],
        "weighting_norm": [StrOptions({"manhattan", "euclidean", "infinity", "no_weighting"}), None],
        "symmetrical_glcm": ["boolean"],
        "gldm_a": [Interval(Integral, 0, None, closed="left")],
        "voxel_array_shift": [Real],
        "engine": [StrOptions({"native", "pyradiomics"})],
        "standard": [StrOptions({"pyradiomics", "ibsi"})],
        "device": [str],
        "min_levels": [Interval(Integral, 1, None, closed="left"), None],
        "min_pixels": [Interval(Integral, 1, None, closed="left")],
        "on_error": [StrOptions({"raise", "skip"})],
        "verbose": ["boolean"],
        "n_jobs": [Integral, None],
    }

    def __init__(  # noqa: PLR0913
        self,
        image_types=None,
        feature_classes=None,
        *,
        bin_count=32,
        bin_width=None,
        normalize=False,
        normalize_scale=1,
        remove_outliers=None,
        resampled_pixel_spacing=None,
        interpolator="sitkBSpline",
        pre_crop=False,
        pad_distance=5,
        resegment_range=None,
        resegment_mode="absolute",
        resegment_shape=False,
        minimum_roi_dimensions=2,
        minimum_roi_size=None,
        distances=(1,),
        weighting_norm=None,
        symmetrical_glcm=True,
        gldm_a=0,
        voxel_array_shift=0,
        engine="native",
        standard="pyradiomics",
        device="auto",
        min_levels=8,
        min_pixels=9,
        on_error="raise",
        verbose=False,
        n_jobs=None,
    ):
        self.image_types = image_types
        self.feature_classes = feature_classes
        self.bin_count = bin_count
        self.bin_width = bin_width
        self.normalize = normalize
        self.normalize_scale = normalize_scale
        self.remove_outliers = remove_outliers
        self.resampled_pixel_spacing = resampled_pixel_spacing
        self.interpolator = interpolator
        self.pre_crop = pre_crop
        self.pad_distance = pad_distance
        self.resegment_range = resegment_range
        self.resegment_mode = resegment_mode
        self.resegment_shape = resegment_shape
        self.minimum_roi_dimensions = minimum_roi_dimensions
        self.minimum_roi_size = minimum_roi_size
        self.distances = distances
        self.weighting_norm = weighting_norm
        self.symmetrical_glcm = symmetrical_glcm
        self.gldm_a = gldm_a
        self.voxel_array_shift = voxel_array_shift
        self.engine = engine
        self.standard = standard
        self.device = device
        self.min_levels = min_levels
        self.min_pixels = min_pixels
        self.on_error = on_error
        self.verbose = verbose
        self.n_jobs = n_jobs

    @classmethod
    def from_params(cls, path, **settings):
        """Build an extractor from a parameter file of pyradiomics.

        Parameters
        ----------
        path : str or Path
            A YAML or JSON file, as pyradiomics reads it.
        **settings : dict
            Keywords of TextureExtractor that the file does not have or that replace it, such as ``n_jobs``.

        Returns
        -------
        TextureExtractor
            The extractor, with pyradiomics' defaults where the file says nothing (bin width 25, all classes).

        Raises
        ------
        InputError
            If the file cannot be read, has an unknown key, sets both the bin width and the bin count, or asks for a
            label other than 1, which is chosen when a mask is read.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from deepradiomics import TextureExtractor
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "Params.yaml"
        ...     _ = path.write_text("imageType: {Original: {}}\\nsetting: {binCount: 16}\\n")
        ...     TextureExtractor.from_params(path, n_jobs=2).bin_count
        16
        """
        label = read_label(path)
        if label not in (None, 1):
            raise InputError(
                f"setting label is {label}, masks are boolean here; choose the label when the mask is read: "
                "read_radiograph(image, mask=mask, label=...)"
            )
        return cls(**(read_parameters(path) | settings))

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the parameters and remember the names of the columns.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_columns), or list or array of images
            Columns of images: Radiographs, arrays of shape (H, W), paths, or None where there is no image.
        y : None, default=None
            Not used.

        Returns
        -------
        TextureExtractor
            The extractor itself.
        """
        make_plan(self)
        names, _ = _columns(X)
        self.n_features_in_ = len(names)
        self.feature_names_in_ = np.array(names, dtype=object)
        return self

    def transform(self, X):
        """Measure each region.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_columns), or list or array of images
            Columns of images: Radiographs, arrays of shape (H, W), paths, or None where there is no image.

        Returns
        -------
        float64 array of shape (n_samples, n_columns * n_features)
            The features of the first column, then those of the second ...; NaN where there is no image.

        Raises
        ------
        InputError
            If an image cannot be read or a setting does not fit it.
        RegionError
            If a region is empty, too small, too flat or not finite, with row and column.
        """
        plan = _plan_of(self)
        names, columns = _columns(X)
        self._check_columns(names)
        self._seen = names
        rows = zip(*columns, strict=True)
        values, failures = measure_table(self, plan, names, rows, as_radiograph, n_rows=len(columns[0]))
        self.failures_ = pd.DataFrame(failures, columns=_FAILURES) if failures else _NO_FAILURES.copy()
        if _get_output_config("transform", self)["dense"] == "default":
            return values
        index = X.index if isinstance(X, pd.DataFrame | pd.Series) else None
        return pd.DataFrame(values, columns=self.get_feature_names_out(names), index=index)

    def get_feature_names_out(self, input_features=None):
        """Name the features.

        Parameters
        ----------
        input_features : sequence of str, default=None
            Names of the columns; None means those seen in fit, or in the last transform without one.

        Returns
        -------
        ndarray of shape (n_columns * n_features,)
            ``<column>__<imageType>_<class>_<Feature>``.
        """
        if input_features is None:
            check_is_fitted(self, ["feature_names_in_", "_seen"], all_or_any=any)
            input_features = getattr(self, "feature_names_in_", None)
        if input_features is None:
            input_features = self._seen
        features = _plan_of(self).names
        return np.array([f"{column}__{feature}" for column in input_features for feature in features], dtype=object)

    def _check_columns(self, names):
        """Refuse other columns than those seen in fit."""
        seen = getattr(self, "feature_names_in_", None)
        if seen is not None and list(seen) != names:
            raise InputError(
                f"fit saw the columns {list(seen)}, this X has {names}; give the same columns in the same order",
                code="columns",
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        return tags


def extract(images, masks=None, **settings):
    """Measure the texture of a list of images.

    Parameters
    ----------
    images : iterable of arrays of shape (H, W), Radiographs or paths
        The images; None gives a row of NaN. A generator is read a few images at a time, so that memory stays flat.
    masks : iterable of arrays of shape (H, W), default=None
        What to measure in each, boolean or 0 and not 0; None means the mask of the Radiograph or everything.
    **settings : dict
        Keywords of :class:`TextureExtractor`.

    Returns
    -------
    DataFrame of shape (n_images, n_features)
        Columns ``<imageType>_<class>_<Feature>``. With ``on_error="skip"``, ``attrs["failures"]`` lists the regions
        that could not be measured as dicts with ``row``, ``code`` and ``reason``.

    Raises
    ------
    InputError
        If there is not one mask for each image, or an image cannot be read.
    RegionError
        If a region cannot be measured.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.texture import extract
    >>> image = np.arange(64.0).reshape(8, 8)
    >>> extract([image], [image > 31], feature_classes={"firstorder": ["Minimum", "Mean"]})
       original_firstorder_Minimum  original_firstorder_Mean
    0                         32.0                      47.5
    """
    estimator = TextureExtractor(**settings)
    plan = _plan_of(estimator)
    n_images, n_masks = (len(items) if hasattr(items, "__len__") else None for items in (images, masks))
    if masks is not None and None not in (n_images, n_masks) and n_images != n_masks:
        raise InputError(
            f"there are {n_images} images and {n_masks} masks; give one mask for each image", code="length"
        )
    values, failures = measure_table(estimator, plan, [None], zip(_pairs(images, masks)), _open, n_rows=n_images)
    # A view, so that whoever gives these columns a name gives it to no other frame.
    frame = pd.DataFrame(values, columns=plan.index.view())
    frame.attrs["failures"] = [{"row": row, "code": code, "reason": reason} for row, _, code, reason in failures]
    return frame


def _plan_of(estimator):
    """Check the settings, once for all extractors that have the same, and write out what they mean."""
    settings = {name: getattr(estimator, name) for name in estimator._parameter_constraints}
    try:
        written = json.dumps(settings)
    except (TypeError, ValueError):
        # An array, or something of a wrong type, which the check names.
        estimator._validate_params()
        return make_plan(estimator)
    return _checked_plan(written)


@lru_cache(maxsize=64)
def _checked_plan(written):
    estimator = TextureExtractor(**json.loads(written))
    estimator._validate_params()
    return make_plan(estimator)


def _pairs(images, masks):
    """Yield (image, mask or None); generators show only at their end whether they are equally long."""
    try:
        yield from zip(images, repeat(None)) if masks is None else zip(images, masks, strict=True)
    except ValueError as error:
        if "zip()" not in str(error):
            raise
        raise InputError("images and masks are not equally many; give one mask for each", code="length") from None


def _open(pair):
    """Open an image with its mask."""
    image, mask = pair
    radiograph = as_radiograph(image)
    if radiograph is None or mask is None:
        return radiograph
    # What is no plain mask of this image is read, or refused, as a mask of a file is.
    if not (type(mask) is np.ndarray and mask.dtype == bool and mask.shape == radiograph.shape):
        mask = read_radiograph(radiograph.pixels, mask=mask).mask
    return replace(radiograph, mask=mask)


def _columns(X):
    """Split X into names of columns and lists of images."""
    X = _as_pandas(X)
    if isinstance(X, pd.DataFrame):
        check_names_differ(X)
        return [str(name) for name in X.columns], [list(X[name]) for name in X.columns]
    if isinstance(X, pd.Series):
        return ["x0" if X.name is None else str(X.name)], [list(X)]
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype == object:
        return [f"x{number}" for number in range(X.shape[1])], [list(column) for column in X.T]
    if isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.ndim in (1, 3)):
        return ["x0"], [list(X)]
    shape = f" of shape {X.shape}" if hasattr(X, "shape") else ""
    raise InputError(
        f"X is a DataFrame whose columns hold images, or a list of images, not {type(X).__name__}{shape}; wrap a "
        "single image in a list",
        code="table",
    )
