"""Choose features that come out alike when an image is measured again."""

from dataclasses import replace
from functools import partial
from numbers import Real

import numpy as np
from scipy.ndimage import affine_transform
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from deepradiomics.exceptions import InputError
from deepradiomics.metrics import icc


class StabilitySelector(SelectorMixin, BaseEstimator):
    """Keep features that come out alike when an image is measured again.

    Parameters
    ----------
    repeats : array of shape (n_images, n_features, n_repeats), default=None
        Features of the same images measured again and again, as :func:`deepradiomics.selection.remeasure` gives them;
        they must be of training images. None keeps all features.
    threshold : float, default=0.75
        Smallest lower end of the 95 % interval of the intraclass correlation.
    kind : {"ICC(2,1)", "ICC(3,1)"}, default="ICC(2,1)"
        Which correlation.

    Attributes
    ----------
    icc_ : float array of shape (n_features,)
        Correlation of each feature; NaN where it does not vary.
    icc_low_ : float array of shape (n_features,)
        Lower ends of their intervals.
    support_ : bool array of shape (n_features,)
        Kept features.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of str of shape (`n_features_in_`,)
        Their names, where X is a data frame with names.

    References
    ----------
    Shrout PE, Fleiss JL. Intraclass correlations: uses in assessing rater reliability. Psychological Bulletin
    1979;86:420-428.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.selection import StabilitySelector
    >>> rng = np.random.default_rng(0)
    >>> repeats = rng.normal(size=(30, 2, 1)) + rng.normal(size=(30, 2, 4)) * [[0.1], [3.0]]
    >>> StabilitySelector(repeats).fit(repeats[:, :, 0]).get_support().tolist()
    [True, False]
    """

    _parameter_constraints = {  # noqa: RUF012
        "repeats": ["array-like", None],
        "threshold": [Interval(Real, -1, 1, closed="both")],
        "kind": [StrOptions({"ICC(2,1)", "ICC(3,1)"})],
    }

    def __init__(self, repeats=None, *, threshold=0.75, kind="ICC(2,1)"):
        self.repeats = repeats
        self.threshold = threshold
        self.kind = kind

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Compute the correlations.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features; only their number and names matter.
        y : array-like of shape (n_samples,), default=None
            Not used.

        Returns
        -------
        StabilitySelector
            The fitted selector.

        Raises
        ------
        InputError
            If the repeats are not of the same features.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        if self.repeats is None:
            self.icc_ = self.icc_low_ = np.ones(X.shape[1])
        else:
            repeats = self._checked_repeats(X.shape[1])
            # Images with a missing value in any feature are left out.
            repeats = repeats[np.isfinite(repeats).all(axis=(1, 2))]
            found = [icc(repeats[:, feature], self.kind) for feature in range(X.shape[1])]
            self.icc_ = np.array([one.estimate for one in found])
            self.icc_low_ = np.array([one.low for one in found])
        self.support_ = self.icc_low_ >= self.threshold
        return self

    def _checked_repeats(self, n_features):
        repeats = np.asarray(self.repeats, dtype=float)
        if repeats.ndim != 3 or repeats.shape[1] != n_features or min(repeats.shape[::2]) < 2:
            raise InputError(
                f"repeats of shape {repeats.shape} for {n_features} features; give (n_images, {n_features}, "
                "n_repeats), two images and two repeats at least"
            )
        return repeats

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def remeasure(extractor, images, *, n_repeats=5, shift_mm=2.0, angle=5.0, noise=0.0, random_state=None):
    """Measure images again with the region shifted and rotated and noise added, as another reading would.

    Parameters
    ----------
    extractor : estimator
        Turns a table of images into features, such as a `TextureExtractor`.
    images : DataFrame
        Columns of `Radiograph` with a mask and, for the shift, a spacing. None stays None.
    n_repeats : int, default=5
        Measurements an image; the first is of the image as it is.
    shift_mm : float, default=2.0
        Largest shift of the region along rows and columns, in mm; pixels where the spacing is not known.
    angle : float, default=5.0
        Largest rotation of the region about its centre, in degrees.
    noise : float, default=0.0
        Standard deviation of the noise added, as a fraction of the image's own standard deviation.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    float array of shape (n_images, n_features, n_repeats)
        For :class:`StabilitySelector`.

    Notes
    -----
    The region moves within its crop, so a margin of context as wide as the shift is needed; what leaves the crop is
    lost to the measurement.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from deepradiomics import Radiograph
    >>> from deepradiomics.selection import remeasure
    >>> mean = FunctionTransformer(lambda X: np.array([[r.pixels[r.mask].mean()] for r in X["knee"]]))
    >>> image = Radiograph(np.arange(100.0).reshape(10, 10), np.pad(np.ones((4, 4), bool), 3), (1.0, 1.0))
    >>> remeasure(mean, pd.DataFrame({"knee": [image]}), n_repeats=3, random_state=0).shape
    (1, 1, 3)
    """
    rng = check_random_state(random_state)
    moved = partial(_moved, shift_mm=shift_mm, angle=angle, noise=noise, rng=rng)
    tables = [images] + [images.map(moved) for _ in range(n_repeats - 1)]
    fitted = clone(extractor).fit(images)
    return np.stack([np.asarray(fitted.transform(table), dtype=float) for table in tables], axis=2)


def _moved(image, *, shift_mm, angle, noise, rng):
    """One image with its mask moved and noise added."""
    if image is None:
        return None
    shift = rng.uniform(-shift_mm, shift_mm, 2) / (image.spacing or (1.0, 1.0))
    turn, grain = np.deg2rad(rng.uniform(-angle, angle)), rng.normal(size=image.pixels.shape)
    mask = np.ones(image.pixels.shape, bool) if image.mask is None else image.mask
    centre = np.argwhere(mask).mean(axis=0)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    # affine_transform asks where each new pixel comes from.
    moved = affine_transform(mask.astype(np.uint8), rotation, centre - rotation @ (centre + shift), order=0) > 0
    pixels = image.pixels + noise * image.pixels.std() * grain
    return replace(image, pixels=pixels, mask=moved if image.mask is not None else None)
