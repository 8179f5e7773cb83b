"""Remove what the scanner adds to features: ComBat, learned on training rows."""

from numbers import Real

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError

# The iteration contracts; neuroCombat, which has no limit, needs about ten steps.
_MOST_STEPS = 1000


class ComBat(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Adjust each feature's mean and variance for the site it was measured at, shrunk over features.

    Parameters
    ----------
    parametric : bool, default=True
        Normal and inverse gamma priors, or the empirical distribution of the other features.
    unseen : {"raise", "pooled"}, default="raise"
        What happens to a site that `fit` did not see: an error, or no adjustment.
    tolerance : float, default=0.0001
        Relative change at which the parametric iteration ends.

    Attributes
    ----------
    sites_ : array of shape (n_sites,)
        The sites.
    location_, scale_ : float arrays of shape (n_sites, n_features)
        What each site adds to the standardised features, and by which variance it multiplies them.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of str of shape (`n_features_in_`,)
        Their names, where X is a data frame with names.

    Notes
    -----
    ``site`` and, for what shall be kept, ``covariates`` are given to `fit` and to `transform` alike; with metadata
    routing on, ``ComBat().set_fit_request(site=True).set_transform_request(site=True)`` asks for them in a pipeline.
    Without ``site`` all rows are one site and nothing is adjusted. The target is used nowhere: to keep the part of
    the features that goes with age or sex, give these as covariates. A covariate known to `fit` must be known to
    `transform`. A feature that does not vary is left as it is. A site with a single row, or in which a feature does
    not vary, has no variance of its own there; only its mean is adjusted, and other features are as without it.

    References
    ----------
    Johnson WE, Li C, Rabinovic A. Adjusting batch effects in microarray expression data using empirical Bayes methods.
    Biostatistics 2007;8:118-127.
    Fortin JP, Cullen N, Sheline YI, et al. Harmonization of cortical thickness measurements across scanners and sites.
    NeuroImage 2018;167:104-120.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.harmonization import ComBat
    >>> rng = np.random.default_rng(0)
    >>> site = np.repeat(["A", "B"], 50)
    >>> X = rng.normal(size=(100, 5)) * np.where(site == "A", 1, 3)[:, None] + np.where(site == "A", 0, 4)[:, None]
    >>> adjusted = ComBat().fit(X, site=site).transform(X, site=site)
    >>> bool(abs(adjusted[site == "A"].mean() - adjusted[site == "B"].mean()) < 0.1)
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        "parametric": ["boolean"],
        "unseen": [StrOptions({"raise", "pooled"})],
        "tolerance": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, *, parametric=True, unseen="raise", tolerance=1e-4):
        self.parametric = parametric
        self.unseen = unseen
        self.tolerance = tolerance

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, site=None, covariates=None):
        """Learn what each site adds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, finite.
        y : array-like of shape (n_samples,), default=None
            Not used.
        site : array-like of shape (n_samples,), default=None
            Site of each row; None means one site.
        covariates : array-like of shape (n_samples, n_covariates), default=None
            Numbers whose part in the features is kept, such as age and sex as 0 and 1.

        Returns
        -------
        ComBat
            The fitted transformer.

        Raises
        ------
        InputError
            If there is not one site a row, or covariates and sites say the same.
        """
        check_same_rows("X", X, site=site, covariates=covariates)
        X = validate_data(self, X, dtype=np.float64)
        site, covariates = _checked_site(site, len(X)), _checked_covariates(covariates, len(X))
        self.sites_, member = np.unique(site, return_inverse=True)
        indicator = np.eye(len(self.sites_))[member]
        design = np.column_stack([indicator, covariates])
        if np.linalg.matrix_rank(design) < design.shape[1]:
            raise InputError("the covariates say what the sites say; leave out the one that does")
        coefficients = np.linalg.lstsq(design, X, rcond=None)[0]
        self.grand_mean_ = indicator.mean(axis=0) @ coefficients[: len(self.sites_)]
        self.covariate_coefficients_ = coefficients[len(self.sites_) :]
        spread = np.sqrt(((X - design @ coefficients) ** 2).mean(axis=0))
        self.spread_ = np.where(spread > 1e-12 * np.abs(X).max(axis=0, initial=0), spread, 0)
        standard = self._standardised(X, covariates)
        estimates = [self._site_effect(standard[member == number]) for number in range(len(self.sites_))]
        self.location_, self.scale_ = (np.array(values) for values in zip(*estimates, strict=True))
        return self

    def fit_transform(self, X, y=None, *, site=None, covariates=None):
        """Learn what each site adds, and remove it from the same rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, finite.
        y : array-like of shape (n_samples,), default=None
            Not used.
        site : array-like of shape (n_samples,), default=None
            Site of each row; None means one site.
        covariates : array-like of shape (n_samples, n_covariates), default=None
            Numbers whose part in the features is kept.

        Returns
        -------
        float array of shape (n_samples, n_features)
            Adjusted features.
        """
        fitted = self.fit(X, y, site=site, covariates=covariates)
        return fitted.transform(X, site=site, covariates=covariates)

    def transform(self, X, *, site=None, covariates=None):
        """Remove what each site adds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, finite.
        site : array-like of shape (n_samples,), default=None
            Site of each row; None where `fit` had none, or one site only.
        covariates : array-like of shape (n_samples, n_covariates), default=None
            As given to `fit`.

        Returns
        -------
        float array of shape (n_samples, n_features)
            Adjusted features.

        Raises
        ------
        InputError
            If a site is unknown or not given, or the covariates are not those of `fit`.
        """
        check_is_fitted(self)
        check_same_rows("X", X, site=site, covariates=covariates)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        covariates = _checked_covariates(covariates, len(X))
        if covariates.shape[1] != len(self.covariate_coefficients_):
            raise InputError(
                f"{covariates.shape[1]} covariates, and fit had {len(self.covariate_coefficients_)}; give the same"
            )
        if site is None and len(self.sites_) > 1:
            raise InputError(f"transform got no site, and fit learned {len(self.sites_)} sites; give site=, one a row")
        site = np.repeat(self.sites_, len(X)) if site is None else _checked_site(site, len(X))
        location, scale = self._effects(site)
        adjusted = (self._standardised(X, covariates) - location) / np.sqrt(scale)
        adjusted = adjusted * self.spread_ + self.grand_mean_ + covariates @ self.covariate_coefficients_
        return np.where(self.spread_ > 0, adjusted, X)

    def _standardised(self, X, covariates):
        centred = X - self.grand_mean_ - covariates @ self.covariate_coefficients_
        return centred / np.where(self.spread_ > 0, self.spread_, 1)

    def _effects(self, site):
        """Location and scale of each row's site: (n_samples, n_features) each."""
        unknown = ~np.isin(site, self.sites_)
        if unknown.any() and self.unseen == "raise":
            raise InputError(
                f"{unknown.sum()} rows are of sites that fit did not see, first in row {np.flatnonzero(unknown)[0]}; "
                f"{len(self.sites_)} known sites can be adjusted; unseen='pooled' leaves others as they are"
            )
        rows = np.where(unknown, 0, np.searchsorted(self.sites_, site).clip(max=len(self.sites_) - 1))
        location = np.where(unknown[:, None], 0.0, self.location_[rows])
        return location, np.where(unknown[:, None], 1.0, self.scale_[rows])

    def _site_effect(self, rows):
        """Shrunk location and scale of one site from its standardised rows (n_rows, n_features)."""
        location = rows.mean(axis=0)
        known = self.spread_ > 0
        if len(self.sites_) == 1 or not known.any():
            return np.zeros_like(location), np.ones_like(location)
        scale = rows.var(axis=0, ddof=1) if len(rows) > 1 else np.ones_like(location)
        # A feature that does not vary at a site has no variance to be adjusted, and no say about those of others.
        varies = known & (scale > 1e-12)
        shrink = self._parametric if self.parametric else _nonparametric
        shrunk_location, shrunk_scale = location.copy(), np.ones_like(scale)
        if varies.any():
            found = shrink(rows[:, varies], location[varies], scale[varies])
            shrunk_location[varies], shrunk_scale[varies] = found
        return shrunk_location, shrunk_scale if len(rows) > 1 else np.ones_like(scale)

    def _parametric(self, rows, location, scale):
        """Posterior means under a normal prior of the location and an inverse gamma prior of the scale."""
        n, prior_mean = len(rows), location.mean()
        prior_variance = location.var(ddof=1) if len(location) > 1 else np.inf
        mean, variance = scale.mean(), scale.var(ddof=1) if len(scale) > 1 else 0.0
        if variance < 1e-12 * mean**2 or prior_variance == 0:
            return location, scale
        shape, rate = (2 * variance + mean**2) / variance, (mean * variance + mean**3) / variance
        old_location, old_scale = location, scale
        for _ in range(_MOST_STEPS):
            weight = n * prior_variance if np.isfinite(prior_variance) else np.inf
            new_location = (weight * location + old_scale * prior_mean) / (weight + old_scale)
            squares = ((rows - new_location) ** 2).sum(axis=0)
            new_scale = (squares / 2 + rate) / (n / 2 + shape - 1)
            change = max(_relative(new_location, old_location), _relative(new_scale, old_scale))
            old_location, old_scale = new_location, new_scale
            if change < self.tolerance:
                break
        return old_location, old_scale


def _nonparametric(rows, location, scale):
    """Means of the other features' effects, weighted by how well they explain each feature's rows."""
    n, n_features = rows.shape
    if n_features < 2:
        return location, scale
    shrunk = np.empty((2, n_features))
    for j in range(n_features):
        others = np.arange(n_features) != j
        squares = ((rows[:, j][:, None] - location[others]) ** 2).sum(axis=0)
        log_likelihood = -n / 2 * np.log(2 * np.pi * scale[others]) - squares / (2 * scale[others])
        weight = np.exp(log_likelihood - log_likelihood.max())
        shrunk[:, j] = np.average([location[others], scale[others]], axis=1, weights=weight)
    return shrunk


def _relative(new, old):
    return float(np.max(np.abs(new - old) / np.maximum(np.abs(old), 1e-12)))


def _checked_site(site, n_rows):
    site = np.zeros(n_rows, dtype=int) if site is None else np.asarray(site)
    if site.shape != (n_rows,):
        raise InputError(f"site of shape {site.shape} for {n_rows} rows; give one site a row", code="length")
    missing = pd.isna(site) | np.array([not str(cell).strip() for cell in site], dtype=bool)
    if missing.any():
        raise InputError(f"row {missing.argmax()} has no site ({missing.sum()} such rows); name it")
    kinds = sorted({type(cell).__name__ for cell in site}) if site.dtype == object else []
    if len(kinds) > 1:
        raise InputError(f"site holds {' and '.join(kinds)}; write all sites as text", code="table")
    return site


def _are_numbers(column):
    cells = pd.to_numeric(column, errors="coerce") if column.dtype == object else column
    return cells.dtype.kind in "biuf" and cells.notna().all()


def _checked_covariates(covariates, n_rows):
    if covariates is not None:
        words = [name for name, column in pd.DataFrame(covariates).items() if not _are_numbers(column)]
        if words:
            raise InputError(
                f"covariate {words[0]!r} holds words, dates or empty cells; give numbers, such as 0 and 1 for sex"
            )
    covariates = np.empty((n_rows, 0)) if covariates is None else np.asarray(covariates, dtype=float)
    if covariates.ndim != 2 or len(covariates) != n_rows or not np.isfinite(covariates).all():
        raise InputError(
            f"covariates of shape {covariates.shape} for {n_rows} rows; give finite numbers, one row a row",
            code="length",
        )
    return covariates
