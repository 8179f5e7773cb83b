"""Load a saved model, or say why it cannot be trusted."""

import json
from os import PathLike
from pathlib import Path

import pandas as pd

from deepradiomics.estimators import estimators_in
from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.persistence._estimators import KINDS, MARK
from deepradiomics.persistence._files import damaged, read_parts
from deepradiomics.persistence._manifest import CARD, MANIFEST, MODEL, check_settings, checked_manifest
from deepradiomics.persistence._networks import give_network
from deepradiomics.persistence._skops import read_skops
from deepradiomics.persistence._trees import check_forests, give_booster

# What skops and the estimators' own unpickling raise on a file that was forged.
_UNREADABLE = (
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)


def load(path):
    """Load what `save` wrote. Nothing in the file is run.

    Parameters
    ----------
    path : str or Path
        The folder or zip file.

    Returns
    -------
    estimator
        The fitted model.

    Raises
    ------
    InputError
        If it is no saved model, a part is missing, changed, too large or outside the folder, a type is not among the
        trusted ones, weights are not finite or of another shape, settings differ from the manifest, the format is
        another, or it was saved with another scikit-learn.

    Examples
    --------
    See `save`.
    """
    if not isinstance(path, str | PathLike):
        raise InputError(f"the path is a {type(path).__name__}; give a folder or zip file")
    path = Path(path)
    parts = read_parts(path)
    manifest = checked_manifest(parts, path.name)
    try:
        model = read_skops(parts[MODEL], f"{MODEL} in {path.name}")
        check_forests(model, path.name)
        _put_together(model, parts, path.name)
        check_settings(model, manifest, path.name)
    except DeepRadiomicsError:
        # Most of them are ValueErrors, too.
        raise
    except _UNREADABLE as error:
        raise damaged(path.name, error) from error
    return model


def _put_together(model, parts, name):
    """Give networks, trees and tables back to the estimators they were taken from."""
    waiting = {part: data for part, data in parts.items() if part not in (MANIFEST, MODEL, CARD)}
    for number, owner in enumerate(estimators_in(model)):
        for kind in vars(owner).pop(MARK, []):
            part = next((part for part in waiting if part.startswith(f"{number}-{kind}.")), None)
            if part is None:
                raise InputError(
                    f"{name} lacks the {kind} of its {type(owner).__name__}; copy it again from where it came",
                    code="changed",
                )
            _give(owner, kind, waiting.pop(part), f"{part} in {name}")
    if waiting:
        raise InputError(
            f"{name} has a part {min(waiting)[:40]} that belongs to no estimator; it was not written by save",
            code="changed",
        )


def _give(owner, kind, data, name):
    """Set the attribute that was written as a part."""
    if kind == "network":
        give_network(owner, data, name)
    elif kind == "trees":
        give_booster(owner, data, name)
    elif kind == "history":
        setattr(owner, KINDS[kind], pd.DataFrame(json.loads(data)))
    else:
        raise InputError(f"{name} is of a kind that there is not; it was not written by save", code="changed")
