"""How sure a segmenter is of an outline: what can be measured without the truth, and the Dice to expect from it."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from deepradiomics.exceptions import InputError
from deepradiomics.metrics.overlap import dice

# Agreements nearer to 0 or 1 than this say nothing more.
_CLIP = 0.003
# Fewer outlines than these cannot show how often one fails.
_MIN_OUTLINES = 20


def agreement(outlines, probabilities, others):
    """Measure how well an outline agrees with what the network says of the same image in other views.

    Parameters
    ----------
    outlines : integer array of shape (H, W)
        The cleaned label map.
    probabilities : float array of shape (n_classes + 1, H, W)
        Those it was made from, background first.
    others : float array of shape (n_views, n_classes + 1, H, W)
        Probabilities of the same image mirrored or smaller, brought back to where it was.

    Returns
    -------
    float array of shape (n_classes, n_views + 3)
        For each class the Dice between the outline and the probabilities of the class taken as a soft mask, between the
        outline and the most probable class of each other view, the share of the class's pixels that lie in the
        outline, and its solidity: its area over the area of its rows from border to border. NaN for a class that has
        no outline.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.segmentation.confidence import agreement
    >>> one = np.array([[0.8, 0.6, 0.2]])
    >>> views = np.stack([1 - one, one])
    >>> agreement(np.array([[1, 1, 0]]), views, views[None]).round(3)
    array([[0.778, 1.   , 1.   , 1.   ]])
    """
    found = np.full((len(probabilities) - 1, len(others) + 3), np.nan)
    drawn, views = probabilities.argmax(axis=0), others.argmax(axis=1)
    for code in range(1, len(probabilities)):
        mask = outlines == code
        if not mask.any():
            continue
        soft = probabilities[code]
        filled = np.logical_or.accumulate(mask, axis=1) & np.logical_or.accumulate(mask[:, ::-1], axis=1)[:, ::-1]
        found[code - 1] = [
            2 * soft[mask].sum() / (soft.sum() + mask.sum()),
            *(dice(mask, view == code) for view in views),
            (mask & (drawn == code)).sum() / max((drawn == code).sum(), 1),
            mask.sum() / filled.sum(),
        ]
    return found


def expected_dice(agreements, calibration=None):
    """Turn agreements into the Dice to expect.

    Parameters
    ----------
    agreements : float array of shape (n, n_agreements)
        As `agreement` returns them.
    calibration : sequence of floats of length n_agreements + 1, default=None
        Intercept and slopes that `fit_calibration` found; None takes the mean of the agreements but the last, which has
        the right order and not the right value.

    Returns
    -------
    float array of shape (n,)
        Between 0 and 1; NaN where there is no outline.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.segmentation.confidence import expected_dice
    >>> expected_dice(np.array([[0.9, 0.8, 1.0, 0.7]]))
    array([0.9])
    """
    agreements = np.asarray(agreements, dtype=float)
    if calibration is None:
        return agreements[:, :-1].mean(axis=1)
    return 1 / (1 + np.exp(-(calibration[0] + _logits(agreements) @ np.asarray(calibration[1:]))))


def fit_calibration(agreements, true_dice):
    """Fit the Dice to expect on outlines whose truth is known.

    A logistic regression of the true Dice on the logits of the agreements, the Dice taken as a proportion.

    Parameters
    ----------
    agreements : float array of shape (n, n_agreements)
        As `agreement` returns them; rows without an outline (NaN) are left out.
    true_dice : float array of shape (n,)
        Dice of each outline with the truth, 0 where there is nothing in truth.

    Returns
    -------
    tuple of floats of length n_agreements + 1
        Intercept and slopes.

    Raises
    ------
    InputError
        If there are fewer than 20 outlines.

    References
    ----------
    Papke LE, Wooldridge JM. Econometric methods for fractional response variables. J Appl Econom 1996;11:619-632.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.segmentation.confidence import expected_dice, fit_calibration
    >>> agreements = np.repeat(np.linspace(0.5, 0.99, 30)[:, None], 4, axis=1)
    >>> calibration = fit_calibration(agreements, agreements[:, 0] - 0.1)  # every outline is worse than it seems
    >>> bool(abs(expected_dice(agreements[15:16], calibration)[0] - (agreements[15, 0] - 0.1)) < 0.05)
    True
    """
    agreements, true_dice = np.asarray(agreements, dtype=float), np.asarray(true_dice, dtype=float)
    known = ~np.isnan(agreements).any(axis=1)
    if known.sum() < _MIN_OUTLINES:
        raise InputError(
            f"{known.sum()} outlines are too few to say how good the next one will be; give {_MIN_OUTLINES} at least, "
            "of images that were not trained on",
            code="few_outlines",
        )
    logits, proportion = _logits(agreements[known]), true_dice[known]
    # Each outline counts as a hit with the weight of its Dice and as a miss with the rest.
    model = LogisticRegression(C=10.0, max_iter=1000).fit(
        np.vstack([logits, logits]),
        np.repeat([1, 0], len(logits)),
        sample_weight=np.concatenate([proportion, 1 - proportion]),
    )
    return (float(model.intercept_[0]), *map(float, model.coef_[0]))


def _logits(agreements):
    """Logits of agreements, which make 0.96 and 0.99 as different as 0.6 and 0.86."""
    clipped = np.clip(agreements, _CLIP, 1 - _CLIP)
    return np.log(clipped / (1 - clipped))
