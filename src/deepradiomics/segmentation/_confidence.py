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

    ``outlines`` is the cleaned label map (H, W), ``probabilities`` (n_classes + 1, H, W) what it was made from,
    background first, ``others`` (n_views, n_classes + 1, H, W) those of the image mirrored or smaller, brought back to
    where it was. Returns (n_classes, n_views + 3): the Dice between the outline and the probabilities of the class
    taken as a soft mask, between the outline and the most probable class of each other view, the share of the class's
    pixels that lie in the outline, and its solidity: its area over that of its rows from border to border. NaN for a
    class without an outline.
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
    """Turn agreements (n, n_agreements) into the Dice to expect, 0 to 1; NaN where there is no outline.

    ``calibration`` has the intercept and slopes of `fit_calibration`; None takes the mean of the agreements but the
    last, which has the right order and not the right value.
    """
    agreements = np.asarray(agreements, dtype=float)
    if calibration is None:
        return agreements[:, :-1].mean(axis=1)
    return 1 / (1 + np.exp(-(calibration[0] + _logits(agreements) @ np.asarray(calibration[1:]))))


def fit_calibration(agreements, true_dice):
    """Fit the Dice to expect on 20 outlines or more whose truth is known: intercept and slopes.

    A logistic regression of the true Dice (n,) on the logits of the agreements (n, n_agreements), the Dice taken as a
    proportion (Papke LE, Wooldridge JM, J Appl Econom 1996;11:619-632). Rows without an outline (NaN) are left out.
    """
    agreements, true_dice = np.asarray(agreements, dtype=float), np.asarray(true_dice, dtype=float)
    known = ~np.isnan(agreements).any(axis=1)
    if known.sum() < _MIN_OUTLINES:
        raise InputError(
            f"{known.sum()} outlines are too few to say how good the next one will be; give {_MIN_OUTLINES} at least, "
            "of images that were not trained on"
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
