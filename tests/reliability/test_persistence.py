"""Saved models answer as before; forged, changed and damaged files are refused by name."""

import io
import json
import os
import stat
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from xgboost import XGBClassifier

import deepradiomics as dr
from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.harmonization import ComBat
from deepradiomics.selection import BilateralSelector, CorrelationPruner, MRMRSelector
from deepradiomics.simulation import make_hips

RNG = np.random.default_rng(0)
Y = np.arange(40) % 2
X = pd.DataFrame(
    RNG.normal(size=(40, 4)) + Y[:, None], columns=["clinical__age", "clinical__bmi", "texture__a", "texture__b"]
)
IMAGES = [RNG.normal(size=(40, 40)) + label for label in Y]


def network():
    return dr.DeepExtractor("tiulpin", n_features=8, image_size=64, epochs=1, random_state=0).fit(IMAGES, Y)


def models():
    """Fitted models, what they are asked, and how."""
    blocks = ColumnTransformer([("a", StandardScaler(), ["clinical__age"]), ("b", StandardScaler(), ["texture__a"])])
    late = dr.late_fusion(["clinical", "texture"], LogisticRegression())
    stacked = dr.StackedFusionClassifier(["clinical", "texture"], random_state=0)
    patients = pd.DataFrame({"age": [60.0, 70, 80, 75], "sex": ["F", "M", "F", "M"]})
    site = np.arange(40) // 2 % 2
    return {
        "xgboost behind blocks": (
            make_pipeline(blocks, XGBClassifier(n_estimators=5, random_state=0)).fit(X, Y),
            X,
            "predict_proba",
        ),
        "late fusion": (late.fit(X, Y), X, "predict_proba"),
        "stacked fusion": (stacked.fit(X, Y), X, "predict_proba"),
        "clinical encoder": (dr.clinical_encoder().fit(patients), patients, "transform"),
        "texture": (dr.TextureExtractor(feature_classes=["glcm"]).fit(IMAGES), IMAGES, "transform"),
        "network": (network(), IMAGES, "predict_proba"),
        "pruner": (CorrelationPruner().fit(X, Y), X, "transform"),
        "mrmr": (MRMRSelector(n_features=2).fit(X, Y), X, "transform"),
        "bilateral": (BilateralSelector().fit(X, Y), X, "transform"),
        "combat": (ComBat().fit(X, site=site), X, "transform"),
    }


MODELS = models()


@pytest.mark.parametrize("kind", ["folder", "model.zip"])
@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_answers_to_the_bit(tmp_path, name, kind):
    model, table, method = MODELS[name]
    keywords = {"site": np.zeros(40, dtype=int)} if name == "combat" else {}
    wanted = getattr(model, method)(table, **keywords)
    found = getattr(dr.load(dr.save(model, tmp_path / kind)), method)(table, **keywords)
    assert np.array_equal(np.asarray(found), np.asarray(wanted))
    # Saving leaves the model as it was.
    assert np.array_equal(np.asarray(getattr(model, method)(table, **keywords)), np.asarray(wanted))


def test_the_recipe_of_kim_with_its_network_and_trees(tmp_path):
    hips = make_hips(24, random_state=0, image_shape=(256, 256))
    table = hips.data.assign(mask=hips.masks)
    model = dr.recipes.kim2022(mask="mask", epochs=1, image_size=64, random_state=0)
    model.set_params(blocks__texture__textureextractor__min_levels=None).fit(table, hips.target)
    path = dr.save(model, tmp_path / "kim.zip")
    assert np.array_equal(dr.load(path).predict_proba(table), model.predict_proba(table))
    names = zipfile.ZipFile(path).namelist()
    assert sum(name.endswith("network.safetensors") for name in names) == 1
    assert sum(name.endswith("trees.json") for name in names) == 1
    card = zipfile.ZipFile(path).read("card.md").decode()
    assert "steps: regions, blocks, classifier" in card
    assert not any(patient in card for patient in hips.groups)


def test_the_segmenter(tmp_path):
    masks = [np.pad(np.ones((16, 16), np.uint8), 8) for _ in range(4)]
    images = [mask + RNG.normal(0, 0.2, mask.shape) for mask in masks]
    model = dr.UNetSegmenter(("bone",), decoder_channels=(16, 8, 8), image_size=32, epochs=1, random_state=0).fit(
        images, masks
    )
    loaded = dr.load(dr.save(model, tmp_path / "unet"))
    assert np.array_equal(loaded.predict(images)[0], model.predict(images)[0])
    pd.testing.assert_frame_equal(loaded.history_, model.history_)


def test_what_cannot_be_saved_is_said(tmp_path):
    with pytest.raises(InputError, match=r"cannot be saved|would refuse"):
        dr.save(make_pipeline(FunctionTransformer(lambda table: table), LogisticRegression()).fit(X, Y), tmp_path / "f")
    assert not (tmp_path / "f").exists()
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="there exists already"):
        dr.save(MODELS["pruner"][0], tmp_path / "there")


@pytest.fixture
def folder(tmp_path):
    return dr.save(MODELS["network"][0], tmp_path / "model")


def rewrite(folder, name, data):
    """Change a part and the hash of it in the manifest, as a forger would."""
    import hashlib

    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["parts"][name] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_changed_part(folder):
    part = next(folder.glob("*.safetensors"))
    data = bytearray(part.read_bytes())
    data[-1] ^= 1
    part.write_bytes(data)
    with pytest.raises(InputError, match="is not what was written"):
        dr.load(folder)


def test_a_missing_and_an_added_part(folder):
    next(folder.glob("*history.json")).unlink()
    with pytest.raises(InputError, match="other parts than its manifest says"):
        dr.load(folder)


def test_weights_that_are_not_finite(folder):
    from safetensors.numpy import load as read
    from safetensors.numpy import save as write

    part = next(folder.glob("*.safetensors"))
    weights = read(part.read_bytes())
    first = next(name for name, value in weights.items() if value.dtype == np.float32)
    weights[first] = np.full_like(weights[first], np.nan)
    rewrite(folder, part.name, write(weights))
    with pytest.raises(InputError, match=r"not finite|NaN"):
        dr.load(folder)


def test_weights_of_another_shape(folder):
    from safetensors.numpy import load as read
    from safetensors.numpy import save as write

    part = next(folder.glob("*.safetensors"))
    weights = read(part.read_bytes())
    first = next(name for name, value in weights.items() if value.ndim == 4)
    weights[first] = weights[first][:1]
    rewrite(folder, part.name, write(weights))
    with pytest.raises(InputError, match="shape"):
        dr.load(folder)


def test_other_settings_in_the_manifest(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["settings"]["image_size"] = 32
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="settings in model's manifest are not those"):
        dr.load(folder)


def test_a_newer_format(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["format"] = 2
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="has format 2, this version reads 1"):
        dr.load(folder)


def test_a_type_that_is_not_trusted(folder):
    """A skops file that would call os.system when it is loaded."""
    with zipfile.ZipFile(folder / "model.skops") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    schema["__module__"], schema["__class__"] = "os", "system"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in (members | {"schema.json": json.dumps(schema)}).items():
            archive.writestr(name, data)
    rewrite(folder, "model.skops", stream.getvalue())
    with pytest.raises(InputError, match=r"would make .*os\.system"):
        dr.load(folder)


def test_a_pickle(tmp_path):
    import pickle

    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LogisticRegression()))
    with pytest.raises(InputError, match=r"model.pkl is no saved model"):
        dr.load(tmp_path / "model.pkl")


def test_a_link(folder):
    os.symlink("/etc/hostname", folder / "link")
    with pytest.raises(InputError, match="holds a link"):
        dr.load(folder)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:evil"])
def test_names_that_lead_elsewhere(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(InputError, match="leads outside"):
        dr.load(tmp_path / "m.zip")


def test_a_link_inside_a_zip_file(tmp_path):
    info = zipfile.ZipInfo("manifest.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(InputError, match="leads outside"):
        dr.load(tmp_path / "m.zip")


def test_a_bomb(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("manifest.json", bytes(200 * 2**20))
    with pytest.raises(InputError, match="would unpack to"):
        dr.load(tmp_path / "m.zip")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), value=st.integers(0, 255), cut=st.booleans())
def test_damaged_files_are_refused_or_harmless(tmp_path, place, value, cut):
    model, table, _ = MODELS["xgboost behind blocks"]
    whole, broken = tmp_path / "whole.zip", tmp_path / "broken.zip"
    if not whole.exists():
        dr.save(model, whole)
    data = bytearray(whole.read_bytes())
    where = int(place * (len(data) - 1))
    if cut:
        del data[where:]
    else:
        data[where] = value
    broken.write_bytes(data)
    try:
        found = dr.load(broken)
    except DeepRadiomicsError:
        return
    assert np.array_equal(found.predict_proba(table), model.predict_proba(table))
