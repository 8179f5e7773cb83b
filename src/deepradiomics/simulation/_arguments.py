"""What the simulators are asked for, checked before anything is drawn."""

from collections.abc import Mapping, Sequence
from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from deepradiomics.exceptions import InputError

SMALLEST = 32  # pixels a side


def checked_number(n_patients):
    """Return the number of patients, a whole one of at least 1."""
    if not _whole(n_patients) or n_patients < 1:
        raise InputError(f"n_patients is {said(n_patients)}; give a whole number, at least one patient is simulated")
    return int(n_patients)


def checked_shape(image_shape):
    """Return rows and columns as two ints."""
    shape = tuple(image_shape) if isinstance(image_shape, Sequence | np.ndarray) else ()
    if len(shape) != 2 or not all(_whole(side) and side >= SMALLEST for side in shape):
        raise InputError(
            f"image_shape is {image_shape!r}; give two whole numbers, rows and columns, of at least {SMALLEST} pixels"
        )
    return int(shape[0]), int(shape[1])


def drawn_entropy(random_state):
    """Draw the number that seeds all patients."""
    try:
        generator = check_random_state(random_state)
    except ValueError:
        raise InputError(
            f"random_state is {said(random_state)}, which is no seed; give a whole number from 0 to "
            f"{2**32 - 1}, a numpy RandomState or None"
        ) from None
    return int(generator.randint(2**31 - 1))


def checked_fractures(fractures, levels, causes, shapes):
    """Return the fractures asked for, level -> (cause, shape, loss), or None for those that chance draws."""
    if fractures is None:
        return None
    if not isinstance(fractures, Mapping):
        raise InputError(
            f"fractures is a {type(fractures).__name__}; give a dict such as {{'L1': ('acute', 'wedge', 0.3)}}, or "
            "None for chance"
        )
    for level, fracture in fractures.items():
        if not _possible(level, fracture, levels, causes, shapes):
            raise InputError(
                f"a fracture of {level!r}, {fracture!r} was asked for; give a cause, a shape and a loss, such as "
                f"('acute', 'wedge', 0.3): levels are {', '.join(levels)}, causes {', '.join(causes)}, shapes "
                f"{', '.join(shapes)}, and up to 0.7 of the height is lost"
            )
    return {level: tuple(fracture) for level, fracture in fractures.items()}


def _possible(level, fracture, levels, causes, shapes):
    """Whether a fracture is of a known level, cause and shape and takes a possible share of the height."""
    if not isinstance(fracture, tuple | list) or len(fracture) != 3:
        return False
    words, loss = (level, *fracture[:2]), fracture[2]
    known = all(
        isinstance(word, str) and word in allowed for word, allowed in zip(words, (levels, causes, shapes), strict=True)
    )
    return known and isinstance(loss, Real) and 0 < loss <= 0.7


def said(value):
    """Return what a message says of a value: a number, or its type, since words may be a patient's."""
    return f"{value}" if isinstance(value, Real) else f"of type {type(value).__name__}"


def _whole(value):
    """Whether a value is a whole number, and no truth value."""
    return isinstance(value, Integral) and not isinstance(value, bool)
