"""Save and load fitted models without running a line of code that a file brings along."""

import hashlib
import io
import json
import zipfile
import zlib
from copy import deepcopy
from datetime import date
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from deepradiomics.exceptions import InputError

_FORMAT = 1
_MANIFEST, _MODEL, _CARD = "manifest.json", "model.skops", "card.md"
_PACKAGES = ("deepradiomics", "scikit-learn", "numpy", "xgboost", "torch", "skops")
# Bytes of a whole model, of one part when unpacked, and parts; a VGG16 has 0.55 GB.
_MOST_BYTES, _MOST_PARTS = 4 * 2**30, 20_000

# What skops and zipfile raise on an object that they cannot write, or on a file that was forged.
_UNREADABLE = (
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)

# What a file may make besides what skops itself trusts (scikit-learn, numpy, scipy and Python's plain types).
_OURS = {
    "deepradiomics.deep.extractor": ("DeepExtractor",),
    "deepradiomics.deep.networks": ("Architecture",),
    "deepradiomics.fusion": ("StackedFusionClassifier",),
    "deepradiomics.harmonization": ("ComBat",),
    "deepradiomics.preprocessing.normalizer": ("GrayscaleNormalizer",),
    "deepradiomics.regions.transformers": ("FemurRegions",),
    "deepradiomics.regions.vertebra_transformer": ("VertebraRegions",),
    "deepradiomics.segmentation.architecture": ("UNetArchitecture",),
    "deepradiomics.segmentation.unet": ("UNetSegmenter",),
    "deepradiomics.selection.bilateral": ("BilateralSelector",),
    "deepradiomics.selection.redundancy": ("CorrelationPruner", "MRMRSelector"),
    "deepradiomics.selection.stability": ("StabilitySelector",),
    "deepradiomics.texture.extractor": ("TextureExtractor",),
    "numpy": ("dtype",),
    "sklearn.compose._column_transformer": ("make_column_selector",),
    "sklearn.utils._bunch": ("Bunch",),
    "xgboost.sklearn": ("XGBClassifier", "XGBRegressor"),
}
TRUSTED = tuple(f"{module}.{name}" for module, names in _OURS.items() for name in names)


def save(model, path):
    """Save a fitted estimator or pipeline.

    Parameters
    ----------
    model : estimator
        One of ours, of scikit-learn or of XGBoost, or a pipeline of them.
    path : str or Path
        A new folder, or a file ending in ``.zip``.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    InputError
        If the path exists already, or the model holds something that is not saved, such as a function.

    Notes
    -----
    Networks are written as safetensors, XGBoost's trees as its own JSON, the rest through skops. ``manifest.json`` has
    versions, hashes, settings and feature names, ``card.md`` a model card to be filled in. What the last call of
    ``transform`` could not do (``failures_``) is left out, as are rows and labels of patients, which no estimator of
    ours keeps.

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

    path = Path(path)
    if path.exists():
        raise InputError(f"{path.name} exists already; remove it, or give another name", code="exists")
    plain, parts = _taken_apart(model)
    try:
        parts[_MODEL] = skops.dumps(plain)
        unknown = sorted(set(skops.get_untrusted_types(data=parts[_MODEL])) - set(TRUSTED))
    except _UNREADABLE as error:
        raise InputError(
            f"the model cannot be saved ({type(error).__name__}: {error}); it may hold a function or an object of "
            "another library",
            code="not_saved",
        ) from error
    if unknown:
        raise InputError(
            f"the model holds {', '.join(unknown[:5])}, which load would refuse; use estimators of scikit-learn, "
            "XGBoost and deepradiomics, without functions",
            code="not_saved",
        )
    manifest = _manifest(model, parts)
    parts[_CARD] = _card(model, manifest).encode()
    _write(path, {_MANIFEST: json.dumps(manifest, indent=1).encode(), **parts})
    return path


def load(path):
    """Load what :func:`save` wrote. Nothing in the file is run.

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
        trusted ones, weights are not finite or of another shape, or settings differ from the manifest.

    Examples
    --------
    See :func:`save`.
    """
    from skops import io as skops

    path = Path(path)
    parts = _read(path)
    manifest = _checked_manifest(parts, path.name)
    data = parts[_MODEL]
    _check_archive(data, f"{path.name}: {_MODEL}")
    try:
        found = skops.get_untrusted_types(data=data)
        unknown = sorted(set(found) - set(TRUSTED))
        if unknown:
            raise InputError(
                f"{path.name} would make {', '.join(unknown[:5])}, which is not among the trusted types; it was not "
                "written by deepradiomics.save",
                code="untrusted",
            )
        model = skops.loads(data, trusted=found)
    except InputError:
        # An InputError is a ValueError, too.
        raise
    except _UNREADABLE as error:
        raise InputError(
            f"{path.name} is no saved model: {_MODEL} cannot be read ({type(error).__name__})", code="damaged"
        ) from error
    _put_together(model, parts, path.name)
    if _settings(model) != manifest["settings"]:
        raise InputError(
            f"the settings in {path.name}'s manifest are not those of its model; the file was changed", code="changed"
        )
    return model


def _taken_apart(model):
    """Copy a model without networks, trees and tables, and give these as parts: (copy, {name: bytes})."""
    from safetensors.torch import save as tensors

    # Networks and trees are not copied, only left out.
    shared = {id(value): value for owner in _estimators(model) for _, value in _apart(owner)}
    plain = deepcopy(model, shared)
    parts = {}
    for number, owner in enumerate(_estimators(plain)):
        for kind, value in list(_apart(owner)):
            del owner.__dict__[kind]
            if kind == "network_":
                weights = {name: tensor.detach().cpu().contiguous() for name, tensor in value.state_dict().items()}
                parts[f"{number}-network.safetensors"] = tensors(weights)
            elif kind == "_Booster":
                parts[f"{number}-trees.json"] = bytes(value.save_raw("json"))
            elif kind == "history_":
                parts[f"{number}-history.json"] = value.to_json(orient="split", double_precision=15).encode()
    return plain, parts


def _put_together(model, parts, name):
    """Give networks, trees and tables back to the estimators they were taken from."""
    owners = list(_estimators(model))
    for part in sorted(set(parts) - {_MANIFEST, _MODEL, _CARD}):
        number, _, kind = part.partition("-")
        owner = owners[int(number)] if number.isdigit() and int(number) < len(owners) else None
        if owner is None or kind not in _lacks(owner):
            raise InputError(f"{name} has a part {part} that belongs to no estimator", code="changed")
        _give(owner, kind, parts[part])
    for owner in owners:
        if {"network.safetensors", "trees.json"} & set(_lacks(owner)):
            raise InputError(f"{name} lacks the weights of its {type(owner).__name__}", code="damaged")


def _lacks(owner):
    """Kinds of parts that a fitted estimator is without."""
    fitted = vars(owner)
    kinds = []
    if "architecture_" in fitted and "network_" not in fitted:
        kinds.append("network.safetensors")
    if "architecture_" in fitted and "history_" not in fitted:
        kinds.append("history.json")
    if type(owner).__module__.startswith("xgboost") and "n_classes_" in fitted and "_Booster" not in fitted:
        kinds.append("trees.json")
    return kinds


def _give(owner, kind, data):
    if kind == "network.safetensors":
        owner.network_ = _network(owner, data)
    elif kind == "trees.json":
        from xgboost import Booster

        owner._Booster = Booster(model_file=bytearray(data))
    else:
        owner.history_ = pd.read_json(io.StringIO(data.decode()), orient="split")


def _network(owner, data):
    """Build the network of an estimator and fill it with checked weights."""
    from tempfile import TemporaryDirectory

    from deepradiomics.training import load_weights, seeded

    with seeded(0):
        network = owner.architecture_.build()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        file.write_bytes(data)
        return load_weights(network, file).eval()


def _apart(owner):
    """Yield (attribute, value) of what is not written by skops: network, trees, tables."""
    for kind in ("network_", "_Booster", "history_", "failures_"):
        if vars(owner).get(kind) is not None:
            yield kind, vars(owner)[kind]


def _estimators(model, seen=None):
    """All estimators in a model, each once, in a fixed order."""
    seen = set() if seen is None else seen
    if id(model) in seen or isinstance(model, str | bytes | np.ndarray | pd.DataFrame):
        return
    seen.add(id(model))
    if isinstance(model, BaseEstimator):
        yield model
        model = vars(model)
    values = model.values() if isinstance(model, dict) else model if isinstance(model, list | tuple) else ()
    for value in values:
        yield from _estimators(value, seen)


def _settings(model):
    """Plain parameters by name; objects by the name of their class."""
    plain = (str, int, float, bool, type(None))
    return {
        name: value if isinstance(value, plain) else type(value).__name__
        for name, value in sorted(model.get_params().items())
        if value == value or not isinstance(value, float)
    }


def _manifest(model, parts):
    names = getattr(model, "feature_names_in_", None)
    return {
        "format": _FORMAT,
        "class": f"{type(model).__module__}.{type(model).__name__}",
        "versions": {package: version(package) for package in _PACKAGES},
        "parts": {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()},
        "settings": _settings(model),
        "feature_names": None if names is None else [str(name) for name in names],
    }


def _card(model, manifest):
    """Model card: what is known here, and what the author has to add."""
    steps = [name for name, _ in getattr(model, "steps", [])]
    lines = [
        f"# {type(model).__name__}",
        "",
        f"Saved {date.today().isoformat()} by deepradiomics {manifest['versions']['deepradiomics']}.",
        "",
        "## What it is",
        f"- class: `{manifest['class']}`" + (f", steps: {', '.join(steps)}" if steps else ""),
        f"- columns it reads: {', '.join(manifest['feature_names'] or ['not named'])}",
        f"- classes: {', '.join(map(str, getattr(model, 'classes_', ['none'])))}",
        "",
        "## For the author to fill in",
        "- intended use, and what it must not be used for:",
        "- patients it was trained on (number, age, sex, sites, prevalence):",
        "- how it did on patients it had not seen, with intervals:",
        "- known failures:",
        "",
        "## Versions",
        ", ".join(f"{name} {number}" for name, number in manifest["versions"].items()),
        "",
    ]
    return "\n".join(lines)


def _write(path, parts):
    """Write a folder or a zip file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    if path.suffix == ".zip":
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
    else:
        unfinished.mkdir()
        for name, data in parts.items():
            (unfinished / name).write_bytes(data)
    unfinished.rename(path)


def _read(path):
    """Bytes of each part of a folder or a zip file, which may hold no links, folders or names that lead elsewhere."""
    if path.is_dir():
        files = list(path.iterdir())
        if any(file.is_symlink() or not file.is_file() for file in files):
            raise InputError(f"{path.name} holds a link or a folder; a saved model has plain files only", code="link")
        if sum(file.stat().st_size for file in files) > _MOST_BYTES:
            raise InputError(f"{path.name} is larger than {_MOST_BYTES / 2**30:.0f} GiB", code="too_large")
        return {file.name: file.read_bytes() for file in files}
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise InputError(
            f"{path.name} is no saved model; give a folder or zip file that save has written", code="no_model"
        )
    data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
    _check_archive(data, path.name)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        try:
            return {info.filename: archive.read(info) for info in archive.infolist()}
        except _UNREADABLE as error:
            raise InputError(f"{path.name} is damaged ({type(error).__name__})", code="damaged") from error


def _check_archive(data, name):
    """Refuse a zip file that would unpack to too much, or outside its folder."""
    try:
        members = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except _UNREADABLE as error:
        raise InputError(f"{name} is damaged ({type(error).__name__})", code="damaged") from error
    size = sum(member.file_size for member in members)
    if len(members) > _MOST_PARTS or size > _MOST_BYTES or size > 1100 * max(len(data), 1):
        raise InputError(
            f"{name} would unpack to {len(members)} parts of {size / 2**20:.0f} MiB; that is no saved model",
            code="too_large",
        )
    for member in members:
        place = PurePosixPath(member.filename.replace("\\", "/"))
        link = member.external_attr >> 16 & 0o170000 == 0o120000
        if place.is_absolute() or ".." in place.parts or ":" in member.filename or member.is_dir() or link:
            raise InputError(f"{name} has a part that leads outside of it; it was not written by save", code="link")


def _checked_manifest(parts, name):
    """Refuse a model whose parts are not those that were written."""
    try:
        manifest = json.loads(parts[_MANIFEST])
        written, number, settings = manifest["parts"], manifest["format"], manifest["settings"]
        wanted = {str(part): str(digest) for part, digest in written.items()}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{name} has no manifest that can be read; it is no saved model", code="no_model") from error
    if number != _FORMAT or not isinstance(settings, dict):
        raise InputError(
            f"{name} has format {number!r}, this version reads {_FORMAT}; update deepradiomics, or save it anew",
            code="format",
        )
    if _MODEL not in wanted or set(wanted) != set(parts) - {_MANIFEST, _CARD}:
        raise InputError(f"{name} has other parts than its manifest says; it was changed", code="changed")
    for part, digest in wanted.items():
        if hashlib.sha256(parts[part]).hexdigest() != digest:
            raise InputError(f"{part} in {name} is not what was written; it was changed or damaged", code="changed")
    return manifest
