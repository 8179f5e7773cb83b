"""Save a fitted model as a folder or zip file that holds no code."""

import json
from copy import deepcopy
from pathlib import Path

from sklearn.base import BaseEstimator

from deepradiomics.estimators import estimators_in
from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.persistence._estimators import KINDS, MARK, without_places
from deepradiomics.persistence._files import write_parts
from deepradiomics.persistence._manifest import CARD, MANIFEST, MODEL, card_of, manifest_of, sizes_of
from deepradiomics.persistence._networks import network_bytes
from deepradiomics.persistence._skops import read_skops
from deepradiomics.persistence._trees import booster_bytes, check_forests

# What skops and deepcopy raise on an object that they cannot write.
_UNWRITABLE = (AttributeError, LookupError, NotImplementedError, RecursionError, TypeError, ValueError)
_FILES = {"network": "network.safetensors", "trees": "trees.json", "history": "history.json"}


def save(model, path):
    """Save a fitted estimator or pipeline.

    Parameters
    ----------
    model : estimator
        One of ours, of XGBoost, or of scikit-learn (but for nearest neighbours, its own boosting, isolation forests,
        and `TunedThresholdClassifierCV`), or a pipeline of them.
    path : str or Path
        A new folder, or a file ending in ``.zip``.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    InputError
        If the path exists already or cannot be written, or the model holds something that `load` would refuse, such
        as a function.

    Notes
    -----
    Networks are written as safetensors, XGBoost's trees as its own JSON, the rest through skops. ``manifest.json`` has
    versions, hashes, settings and feature names, ``card.md`` a model card to be filled in.

    Left out, as rows of patients or places on a disk: ``failures_`` and what is cross-fitted, the ``repeats`` of
    `StabilitySelector`, the ``memory`` of a pipeline, the ``checkpoint`` of a network, and of files of pretrained
    weights all but the name. An estimator that keeps rows by its nature (support vectors) is written with
    them.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.linear_model import LogisticRegression
    >>> import deepradiomics as dr
    >>> model = LogisticRegression().fit([[50.0], [60.0], [70.0], [80.0]], [0, 0, 1, 1])
    >>> with TemporaryDirectory() as folder:
    ...     dr.load(dr.save(model, Path(folder) / "model.zip")).predict([[79.0]])
    array([1])
    """
    from skops import io as skops

    if not isinstance(model, BaseEstimator):
        raise InputError(f"the model is a {type(model).__name__}; give a fitted estimator or pipeline")
    path = Path(path)
    if path.exists() or path.is_symlink():
        raise InputError(f"{path.name} exists already; remove it, or give another name", code="exists")
    try:
        plain, parts = _taken_apart(model)
        parts[MODEL] = skops.dumps(plain)
        # What load would refuse is not written.
        check_forests(read_skops(parts[MODEL], "the model"), "the model")
    except (DeepRadiomicsError, *_UNWRITABLE) as error:
        raise InputError(
            f"a {type(model).__name__} cannot be saved ({type(error).__name__}: {str(error).partition(';')[0]}); "
            "docs/persistence.md lists what can: no functions or objects of your own or of other libraries, no nearest "
            "neighbours, no boosting of scikit-learn (XGBoost's can)"
        ) from error
    manifest = manifest_of(model, plain, parts)
    parts[CARD] = card_of(plain, manifest, sizes_of(model)).encode()
    write_parts(path, {MANIFEST: json.dumps(manifest, indent=1).encode(), **parts})
    return path


def _taken_apart(model):
    """Copy a model without networks, trees and tables, and give these as parts: (copy, {name: bytes})."""
    plain, parts = deepcopy(model), {}
    for number, owner in enumerate(estimators_in(plain)):
        without_places(owner)
        kinds = [kind for kind, attribute in KINDS.items() if vars(owner).get(attribute) is not None]
        for kind in kinds:
            parts[f"{number}-{_FILES[kind]}"] = _bytes(kind, vars(owner).pop(KINDS[kind]))
        if kinds:
            setattr(owner, MARK, kinds)
    return plain, parts


def _bytes(kind, value):
    """Bytes of a network, of XGBoost's trees, or of a table."""
    if kind == "network":
        return network_bytes(value)
    if kind == "trees":
        return booster_bytes(value)
    return json.dumps({name: value[name].tolist() for name in value}).encode()
