"""From millimetres of bone and soft tissue to a radiograph: Beer-Lambert, blur, noise, exposure."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from deepradiomics.exceptions import InputError
from deepradiomics.simulation.anatomy import _enlarged

# Linear attenuation in 1/mm at these energies in keV: mass attenuation (NIST, Hubbell and Seltzer 2004, ICRU-44
# cortical bone and soft tissue) times density (1.92 and 1.06 g/cm3).
_ENERGY = np.array([40.0, 50.0, 60.0, 80.0])
_BONE = np.array([0.6655, 0.4242, 0.3148, 0.2229]) * 0.192
_SOFT = np.array([0.2688, 0.2264, 0.2048, 0.1823]) * 0.106


@dataclass(frozen=True)
class Site:
    """The table of what differs between two hospitals: one number where it is fixed, a range where it is drawn.

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
    glare : float, default=0.03
        Share of veiling glare, which spreads over the whole picture.
    grid : float, default=0.0
        Largest amplitude of the lines of an anti-scatter grid, as a share of full brightness.
    toe : tuple of two floats, default=(0.0, 0.0)
        Range of the share of full brightness below which all is black.
    shoulder : tuple of two floats, default=(1.0, 1.0)
        Range of the share of full brightness above which all is white.
    gamma : tuple of two floats, default=(1.3, 1.7)
        Range of the exponent of the curve from attenuation to brightness; its latitude.
    flexion : tuple of two floats, default=(3, 3)
        Mean and standard deviation of a leg's flexion in degrees.
    outward : tuple of two floats, default=(-4, 7)
        The same of its outward rotation.
    abduction : tuple of two floats, default=(2, 3)
        The same of its abduction.
    frog, one_hip, metal, osteophytes, calcification, clips, shield, collimated, bed_lines, letter : float, default=0.0
        Chance of a frog's leg, of a picture of one hip alone, of an operated femur, of spurs or a calcified artery of
        a side, of surgical clips, of a gonad shield, and of what is on the film.

    Examples
    --------
    >>> from deepradiomics.simulation.projection import SITES
    >>> SITES["A"].spacing, SITES["A"].metal
    (0.72, 0.0)
    """

    spacing: float
    kilovolts: float
    blur: float
    photons: float
    scatter: float
    enhancement: float
    glare: float = 0.03
    grid: float = 0.0
    toe: tuple[float, float] = (0.0, 0.0)
    shoulder: tuple[float, float] = (1.0, 1.0)
    gamma: tuple[float, float] = (1.3, 1.7)
    flexion: tuple[float, float] = (3, 3)
    outward: tuple[float, float] = (-4, 7)
    abduction: tuple[float, float] = (2, 3)
    frog: float = 0.0
    one_hip: float = 0.0
    metal: float = 0.0
    osteophytes: float = 0.0
    calcification: float = 0.0
    clips: float = 0.0
    shield: float = 0.0
    collimated: float = 0.0
    bed_lines: float = 0.0
    letter: float = 0.0


SITES = {
    "A": Site(spacing=0.72, kilovolts=75, blur=0.40, photons=6.0e5, scatter=0.22, enhancement=0.5),
    "B": Site(spacing=0.78, kilovolts=81, blur=0.60, photons=3.5e5, scatter=0.30, enhancement=0.3),
    "C": Site(spacing=0.68, kilovolts=70, blur=0.35, photons=4.5e5, scatter=0.18, enhancement=0.7),
    "rare": Site(
        spacing=0.75,
        kilovolts=77,
        blur=0.45,
        photons=2.5e5,
        scatter=0.25,
        enhancement=0.6,
        glare=0.06,
        grid=0.012,
        toe=(0.0, 0.25),
        shoulder=(0.8, 1.0),
        gamma=(0.9, 2.0),
        flexion=(5, 6),
        outward=(-2, 12),
        abduction=(2, 6),
        frog=0.15,
        one_hip=0.3,
        metal=0.2,
        osteophytes=0.3,
        calcification=0.2,
        clips=0.15,
        shield=0.1,
        collimated=0.4,
        bed_lines=0.2,
        letter=0.5,
    ),
}


def site_named(name, among=tuple(SITES)):
    """Look a site up.

    Parameters
    ----------
    name : {"A", "B", "C", "rare"}
        Name of the site.
    among : sequence of str, default=("A", "B", "C", "rare")
        Sites that there are for this kind of picture.

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
    if not isinstance(name, str) or name not in among:
        raise InputError(f"there is no site {name!r}; the sites are {', '.join(among)}")
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


def expose(bone, soft, site, spacing, rng, *, scatter=(0.0, 0.0), enhancement=0.0, gain=520.0):
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
    scatter : tuple of two floats, default=(0.0, 0.0)
        Share of scattered rays, which spread over some 4 cm, and of veiling glare, which spreads over the picture.
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
    near, wide = scatter
    if near:
        passed = (1 - near) * passed + near * _blurred(passed, 40 / spacing)
    if wide:
        passed = (1 - wide) * passed + wide * passed.mean()
    # Larger pixels collect more photons.
    photons = np.maximum(site.photons * (spacing / site.spacing) ** 2 * np.exp(rng.uniform(-1.2, 0.2)) * passed, 4)
    noise = rng.standard_normal(passed.shape, dtype=np.float32)
    integral = -np.log(np.maximum(passed, 1e-7)) + noise / np.sqrt(photons)
    if enhancement:
        near, far = _blurred(integral, 4 / spacing), _blurred(integral, 30 / spacing)
        integral = integral + enhancement * (integral - near) - 0.3 * (far - far.mean())
    gain, offset = gain * rng.uniform(0.9, 1.1), rng.uniform(-150, 150)
    return np.rint(np.clip(gain * (integral - 2.2) + 300 + offset, 0, 4095)).astype(np.float32)


def tone(picture, site, rng):
    """Give a picture its latitude: a curve from black to white, perhaps burnt at its ends.

    Parameters
    ----------
    picture : float32 array of shape (H, W)
        Grey values.
    site : Site
        Ranges of toe, shoulder and gamma.
    rng : numpy.random.Generator
        Draws within them.

    Returns
    -------
    float32 array of shape (H, W)
        Whole grey values 0..4095.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.simulation.projection import SITES, tone
    >>> picture = np.linspace(0, 3000, 10000, dtype=np.float32).reshape(100, 100)
    >>> bool((np.diff(tone(picture, SITES["A"], np.random.default_rng(0)).ravel()) >= 0).all())
    True
    """
    full = float(np.percentile(picture[::4, ::4], 99.8))
    low, high = rng.uniform(*site.toe) * full, rng.uniform(*site.shoulder) * full
    share = np.clip((picture - low) / max(high - low, 1.0), 0, 1.15) ** np.float32(rng.uniform(*site.gamma))
    return np.rint(np.minimum(rng.uniform(2700, 3500) * share, 4095)).astype(np.float32)


def _blurred(picture, sigma):
    """Gaussian blur; a wide one on a coarser raster, which loses nothing that is seen."""
    step = max(1, int(sigma / 3))
    if step == 1 or min(picture.shape) < 2 * step:
        return ndimage.gaussian_filter(picture, sigma, truncate=3)
    rows, columns = (length // step for length in picture.shape)
    means = picture[: rows * step, : columns * step].reshape(rows, step, columns, step).mean(axis=(1, 3))
    blurred = ndimage.gaussian_filter(means, sigma / step, truncate=3)
    return _enlarged(blurred, picture.shape)
