"""The manifest of a saved model, and its card."""

import hashlib
import json
from datetime import date
from importlib.metadata import version
from math import isfinite

import numpy as np
from sklearn.base import BaseEstimator

from deepradiomics.estimators import estimators_in
from deepradiomics.exceptions import InputError

FORMAT = 1
MANIFEST, MODEL, CARD = "manifest.json", "model.skops", "card.md"
_PACKAGES = ("deepradiomics", "scikit-learn", "numpy", "xgboost", "torch", "skops")
_MOST_SETTINGS = 16 * 2**20


def manifest_of(model, plain, parts):
    """Describe a model by its copy without places, and its parts."""
    return {
        "format": FORMAT,
        "versions": {package: version(package) for package in _PACKAGES},
        "parts": {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()},
        **described(plain),
        # XGBoost keeps the names with its trees, which the copy has not.
        "feature_names": _names(model),
    }


def described(model):
    """Class, settings and columns of a model, as they stand in a manifest."""
    return {
        "class": f"{type(model).__module__}.{type(model).__name__}",
        "settings": {name: _plain(value) for name, value in sorted(model.get_params().items())},
        "feature_names": _names(model),
    }


def _names(model):
    """Names of the columns that a model reads, or None."""
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _plain(value):
    """Turn a parameter into what JSON can hold; objects into the name of their class."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return getattr(value, "__name__", type(value).__name__)


def checked_manifest(parts, name):
    """Refuse a model whose parts are not those that were written."""
    manifest, wanted = _read_manifest(parts, name)
    if manifest["format"] != FORMAT:
        raise InputError(
            f"{name} has format {str(manifest['format'])[:20]}, this version reads {FORMAT}; update deepradiomics, or "
            "save the model anew",
            code="version",
        )
    if MODEL not in wanted or set(wanted) != set(parts) - {MANIFEST, CARD}:
        raise InputError(
            f"{name} has other parts than its manifest says; it was changed, copy it again from where it came",
            code="changed",
        )
    for part, digest in wanted.items():
        if hashlib.sha256(parts[part]).hexdigest() != digest:
            raise InputError(
                f"{part} in {name} is not what was written; it was changed or damaged, copy it again from where it "
                "came",
                code="changed",
            )
    check_version(manifest["versions"]["scikit-learn"], name)
    return manifest


def _read_manifest(parts, name):
    """Read the manifest: (manifest, {part: digest})."""
    try:
        text = parts[MANIFEST]
        manifest = json.loads(text) if len(text) <= _MOST_SETTINGS else None
        wanted = {str(part): str(digest) for part, digest in manifest["parts"].items()}
        manifest["format"], manifest["versions"]["scikit-learn"], manifest["settings"], manifest["class"]
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InputError(
            f"{name} has no manifest that can be read ({type(error).__name__}); it is no saved model, give one that "
            "save has written",
            code="untrusted",
        ) from error
    return manifest, wanted


def check_version(found, name):
    """Refuse another scikit-learn, whose fitted attributes may mean something else."""
    found, here = str(found), version("scikit-learn")
    if found.split(".")[:2] != here.split(".")[:2]:
        raise InputError(
            f"{name} was saved with scikit-learn {found[:20]}, this is {here}, and fitted models may not be carried "
            "from one to another; install the version it was saved with, or fit it anew",
            code="version",
        )


def check_settings(model, manifest, name):
    """Refuse a model that is not the one of its manifest."""
    for key, found in described(model).items():
        if manifest.get(key) != found:
            raise InputError(
                f"the {key.replace('_', ' ')} in {name}'s manifest are not those of its model; the file was changed, "
                "copy it again from where it came",
                code="changed",
            )


def card_of(model, manifest, sizes):
    """Model card: what is known here, and what the author has to add; ``sizes`` are the lines of `sizes_of`."""
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
        "## What it learned from, as far as the model knows",
        *(sizes or ["- not known"]),
        "",
        "## For the author to fill in",
        "- intended use, and what it must not be used for:",
        "- patients it was trained on (number, age, sex, sites, prevalence):",
        "- how it did on patients it had not seen, with intervals:",
        "- known failures:",
        "",
        "## Settings",
        *_settings(model),
        "",
        "## Versions",
        ", ".join(f"{name} {number}" for name, number in manifest["versions"].items()),
        "",
    ]
    return "\n".join(lines)


def _settings(model):
    """Lines of settings, those of nested estimators by their full names."""
    return [
        f"- `{name}`: {json.dumps(_plain(value))}"
        for name, value in sorted(model.get_params().items())
        if not (isinstance(value, BaseEstimator) or (isinstance(value, list) and estimators_in(value)))
    ]


def sizes_of(model):
    """Lines on training sizes that fitted attributes tell."""
    lines = []
    for owner in estimators_in(model):
        fitted = vars(owner)
        known = {
            "rows": fitted.get("n_samples_seen_"),
            "columns": fitted.get("n_features_in_"),
            "epochs": len(fitted["history_"]) if "history_" in fitted else None,
            "weights": _n_weights(fitted.get("network_")),
        }
        told = [f"{int(value)} {what}" for what, value in known.items() if isinstance(value, int | float | np.number)]
        lines += [f"- {type(owner).__name__}: {', '.join(told)}"] if told else []
    return list(dict.fromkeys(lines))


def _n_weights(network):
    return None if network is None else sum(value.numel() for value in network.parameters())
