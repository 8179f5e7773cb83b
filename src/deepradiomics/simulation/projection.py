"""From millimetres of bone and soft tissue to a radiograph: Beer-Lambert, blur, noise, exposure."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from deepradiomics.exceptions import InputError

# Linear attenuation in 1/mm at these energies in keV: mass attenuation (NIST, Hubbell and Seltzer 2004, ICRU-44
# cortical bone and soft tissue) times density (1.92 and 1.06 g/cm3).
_ENERGY = np.array([40.0, 50.0, 60.0, 80.0])
_BONE = np.array([0.6655, 0.4242, 0.3148, 0.2229]) * 0.192
_SOFT = np.array([0.2688, 0.2264, 0.2048, 0.1823]) * 0.106


@dataclass(frozen=True)
class Site:
    """What differs between two hospitals.

    Parameters
    ----------
    spacing : float
        Pixel size in mm where the shorter side has 512 pixels.
    kilovolts : float
        Tube voltage.
    blur : float
        Standard deviation of the detector's and the focal spot's blur, in mm.
    photons : float
        Photons a pixel that would arrive without a patient.
    scatter : float
        Share of scattered rays in what arrives behind a pelvis.
    enhancement : float
        How much of the difference to the surroundings the picture's processing adds.

    Examples
    --------
    >>> from deepradiomics.simulation.projection import SITES
    >>> SITES["A"].spacing
    0.72
    """

    spacing: float
    kilovolts: float
    blur: float
    photons: float
    scatter: float
    enhancement: float


SITES = {
    "A": Site(spacing=0.72, kilovolts=75, blur=0.40, photons=6.0e5, scatter=0.22, enhancement=0.5),
    "B": Site(spacing=0.78, kilovolts=81, blur=0.60, photons=3.5e5, scatter=0.30, enhancement=0.3),
    "C": Site(spacing=0.68, kilovolts=70, blur=0.35, photons=4.5e5, scatter=0.18, enhancement=0.7),
}


def site_named(name):
    """Look a site up.

    Parameters
    ----------
    name : {"A", "B", "C"}
        Name of the site.

    Returns
    -------
    Site
        Its settings.

    Raises
    ------
    InputError
        If there is no such site.

    Examples
    --------
    >>> from deepradiomics.simulation.projection import site_named
    >>> site_named("B").kilovolts
    81
    """
    if not isinstance(name, str) or name not in SITES:
        raise InputError(f"there is no site {name!r}; the sites are {', '.join(SITES)}", code="site")
    return SITES[name]


def attenuation(kilovolts):
    """Effective linear attenuation of compact bone and soft tissue.

    Parameters
    ----------
    kilovolts : float
        Tube voltage. The effective energy behind a pelvis is taken as 0.42 keV a kV plus 18 keV.

    Returns
    -------
    bone, soft : float
        In 1/mm.

    Examples
    --------
    >>> from deepradiomics.simulation.projection import attenuation
    >>> bone, soft = attenuation(75)
    >>> round(bone, 3), round(soft, 4)
    (0.084, 0.0242)
    """
    energy = 0.42 * kilovolts + 18
    return float(np.interp(energy, _ENERGY, _BONE)), float(np.interp(energy, _ENERGY, _SOFT))


def expose(bone, soft, site, spacing, rng, *, scatter=0.0, enhancement=0.0, gain=520.0):
    """Take the radiograph.

    The line integral of attenuation is blurred on the detector as intensity, gets the noise of the photons that
    arrive (Poisson in its normal limit), and is turned into 12-bit grey values through a logarithm and an exposure
    that varies from patient to patient, as automatic processing does.

    Parameters
    ----------
    bone, soft : float arrays of shape (H, W)
        Compact bone and soft tissue along the beam, in mm.
    site : Site
        Tube and detector.
    spacing : float
        Pixel size in mm.
    rng : numpy.random.Generator
        Draws noise and exposure.
    scatter : float, default=0.0
        Share of scattered rays, which spread over some 4 cm.
    enhancement : float, default=0.0
        How much of the difference to the surroundings is added, over 4 mm and over 3 cm.

    gain : float, default=520.0
        Grey values for each unit of attenuation.

    Returns
    -------
    float32 array of shape (H, W)
        Whole grey values 0..4095, brighter is denser.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.projection import SITES, expose
    >>> bone = np.zeros((64, 64))
    >>> bone[:, 32:] = 20
    >>> picture = expose(bone, np.full((64, 64), 180.0), SITES["A"], 0.72, np.random.default_rng(0))
    >>> bool(picture[:, 40:].mean() > picture[:, :24].mean())
    True
    """
    mu_bone, mu_soft = attenuation(site.kilovolts)
    passed = np.exp(-(mu_bone * bone + mu_soft * soft)).astype(np.float32)
    passed = ndimage.gaussian_filter(passed, site.blur / spacing)
    if scatter:
        passed = (1 - scatter) * passed + scatter * _blurred(passed, 40 / spacing)
    # Larger pixels collect more photons.
    photons = np.maximum(site.photons * (spacing / site.spacing) ** 2 * rng.uniform(0.7, 1.4) * passed, 4)
    noise = rng.standard_normal(passed.shape, dtype=np.float32)
    integral = -np.log(np.maximum(passed, 1e-7)) + noise / np.sqrt(photons)
    if enhancement:
        near, far = _blurred(integral, 4 / spacing), _blurred(integral, 30 / spacing)
        integral = integral + enhancement * (integral - near) - 0.3 * (far - far.mean())
    gain, offset = gain * rng.uniform(0.9, 1.1), rng.uniform(-150, 150)
    return np.rint(np.clip(gain * (integral - 2.2) + 300 + offset, 0, 4095)).astype(np.float32)


def _blurred(picture, sigma):
    """Gaussian blur; a wide one on a coarser raster, which loses nothing that is seen."""
    step = max(1, int(sigma / 3))
    if step == 1 or min(picture.shape) < 2 * step:
        return ndimage.gaussian_filter(picture, sigma, truncate=3)
    rows, columns = (length // step for length in picture.shape)
    means = picture[: rows * step, : columns * step].reshape(rows, step, columns, step).mean(axis=(1, 3))
    blurred = ndimage.gaussian_filter(means, sigma / step, truncate=3)
    zoom = np.array(picture.shape) / means.shape
    return ndimage.zoom(blurred, zoom, order=1, grid_mode=True, mode="nearest").astype(np.float32)
