"""Grade of a vertebral fracture by the heights of the body."""

from typing import NamedTuple

import numpy as np

from deepradiomics.exceptions import InputError

# Share of height lost from which a fracture is mild, moderate and severe.
_GRADES = (0.20, 0.25, 0.40)


class Genant(NamedTuple):
    """Grade of a vertebral fracture.

    Parameters
    ----------
    grade : int
        0 none, 1 mild (20 to 25 % of the height lost), 2 moderate (25 to 40 %), 3 severe (more).
    shape : {"normal", "wedge", "biconcave", "crush"}
        Which height is lost: the anterior one, the middle one, or all.
    loss : float
        Largest share of height lost, 0 or more.

    Examples
    --------
    >>> from deepradiomics.regions import genant_grade
    >>> genant_grade(20.0, 26.0, 27.0).shape
    'wedge'
    """

    grade: int
    shape: str
    loss: float


def genant_grade(anterior, middle, posterior, *, reference=None):
    """Grade a vertebra by the heights of its body.

    Parameters
    ----------
    anterior, middle, posterior : float
        Heights of the body, in any unit; None in the middle where it was not measured, and then no biconcave body is
        seen.
    reference : float, default=None
        Posterior height to be expected, such as the mean of the vertebrae above and below: without it a crush, in
        which all heights are lost, is not seen.

    Returns
    -------
    Genant
        Grade, shape and the share of height that is lost.

    Raises
    ------
    InputError
        If a height is not a positive number.

    References
    ----------
    Genant HK, Wu CY, van Kuijk C, Nevitt MC. Vertebral fracture assessment using a semiquantitative technique. J Bone
    Miner Res 1993;8:1137-1148: 20 to 25 % mild, 25 to 40 % moderate, more severe.

    Examples
    --------
    >>> from deepradiomics.regions import genant_grade
    >>> genant_grade(19.0, 24.0, 27.0)
    Genant(grade=2, shape='wedge', loss=0.296...)
    >>> genant_grade(15.0, 15.0, 15.0, reference=27.0).shape
    'crush'
    """
    heights = [height for height in (anterior, posterior, middle, reference) if height is not None]
    if not np.all(np.isfinite(heights)) or min(heights) <= 0:
        raise InputError(f"heights are positive numbers, not {heights}")
    crushed = 0.0 if reference is None else 1 - posterior / reference
    # Against the larger of both, so that a crushed posterior wall does not make the anterior one look whole.
    whole = posterior if reference is None else max(posterior, reference)
    losses = {"wedge": 1 - anterior / whole} | ({} if middle is None else {"biconcave": 1 - middle / whole})
    shape = "crush" if crushed >= _GRADES[0] else max(losses, key=losses.get)
    loss = max(crushed, *losses.values(), 0.0)
    grade = int(np.searchsorted(_GRADES, loss + 1e-9, side="right"))
    return Genant(grade, shape if grade else "normal", float(loss))
