"""When a measure becomes a flag, and the reason in words."""

from typing import NamedTuple

import numpy as np


class Rule(NamedTuple):
    """Which way a measure is bad, how bad it must be at least for a flag, the reason in words, the largest limit."""

    sign: int
    least: float
    reason: str
    most: float = np.inf


# least: values that no picture is refused for, however uniform the accepted pictures are. Blocks: a JPEG of quality 50
# of 59 test films has up to 3.2, one of quality 10 at least 4.1. most: is flagged even if many accepted have it.
# Text: two lines over a femur have 0.0034 and more in 95 % of training films, 95 % of the films alone at most 0.0018.
RULES = {
    "no_femur": Rule(1, 0.5, "no femur is seen as in an AP hip (1 - expected Dice {value:.2f}, {limit:.2f} allowed)"),
    "unlike": Rule(1, 0.0, "unlike the accepted radiographs (distance {value:.2f}, {limit:.2f} allowed)"),
    "turned": Rule(1, 0.0, "lies on its side or upside down (turned, it is nearer to the accepted by {value:.2f})"),
    "inverted": Rule(1, 0.0, "bone is dark (its negative is nearer to the accepted by {value:.2f})"),
    "lateral": Rule(1, 0.5, "the file says that it is a lateral view"),
    "wrong_side": Rule(1, 0.5, "the femur seen is of the other side than the file says (by {value:.2f})"),
    "side_marker": Rule(1, 0.5, "an R is in mirror writing, or a letter R or L is not of the side it stands at"),
    "cut_off": Rule(1, 0.5, "a femur is cut off by the border (width over length {value:.2f}, {limit:.2f} allowed)"),
    "text": Rule(1, 0.001, "text or white strokes over the bone ({value:.2%} of it, {limit:.2%} allowed)", 0.0035),
    "clipped": Rule(1, 0.02, "exposure or window clipped ({value:.1%} of the bone, {limit:.1%} allowed)"),
    "gray_levels": Rule(-1, 6.0, "too few gray levels ({value:.1f} bits, {limit:.1f} needed)"),
    "blocks": Rule(1, 3.2, "blocks of a JPEG (steps {value:.2f} times as high as elsewhere, {limit:.2f} allowed)"),
    "fine_detail": Rule(-1, 0.0, "enlarged or smoothed (fine detail {value:.2f}, {limit:.2f} needed)"),
}
NAMES = list(RULES)
SIGNS = np.array([rule.sign for rule in RULES.values()])
LEAST = np.array([rule.least for rule in RULES.values()])
MOST = np.array([rule.most for rule in RULES.values()])


def limits(values, signs, least, most, false_alarms):
    """Limits (n_measures,) of measures (n, n_measures) that flag at most this share of accepted radiographs together.

    Each is the same quantile of its measure, but not below the least. What is above the most is flagged besides.
    """
    bad = signs * values
    for share in false_alarms * np.linspace(1, 0, 101):
        found = np.maximum(np.quantile(bad, 1 - share, axis=0), signs * least)
        if (bad > found).any(axis=1).mean() <= false_alarms:
            break
    return signs * np.minimum(found, most)
