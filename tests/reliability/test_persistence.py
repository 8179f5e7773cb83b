"""Saved models answer as before, and nothing of a patient or a disk is in their files."""

import inspect
import json
import pkgutil
import zipfile
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier

import deepradiomics as dr
from deepradiomics.exceptions import InputError
from deepradiomics.harmonization import ComBat
from deepradiomics.persistence._skops import TRUSTED
from deepradiomics.preprocessing import GrayscaleNormalizer
from deepradiomics.selection import BilateralSelector, CorrelationPruner, MRMRSelector, StabilitySelector
from deepradiomics.simulation import make_hips

RNG = np.random.default_rng(0)
Y = np.arange(40) % 2
X = pd.DataFrame(
    RNG.normal(size=(40, 4)) + Y[:, None], columns=["clinical__age", "clinical__bmi", "texture__a", "texture__b"]
)
# Two features come out alike when measured again, two do not.
REPEATS = RNG.normal(size=(40, 4, 1)) + RNG.normal(size=(40, 4, 3)) * [[0.1], [0.1], [3], [3]]
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
        "stability": (StabilitySelector(REPEATS).fit(X), X, "transform"),
        "forest": (RandomForestClassifier(3, random_state=0).fit(X, Y), X, "predict_proba"),
        "regression trees": (XGBRegressor(n_estimators=3).fit(X, Y), X, "predict"),
        "search": (
            GridSearchCV(
                make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=2
            ).fit(X, Y),
            X,
            "predict_proba",
        ),
        "calibrated": (CalibratedClassifierCV(LogisticRegression(), cv=2).fit(X, Y), X, "predict_proba"),
        "calibrated trees": (
            CalibratedClassifierCV(XGBClassifier(n_estimators=3), method="isotonic", cv=2).fit(X, Y),
            X,
            "predict_proba",
        ),
        "perceptron": (MLPClassifier((4,), tol=0.1, random_state=0).fit(X, Y), X, "predict_proba"),
        "best features": (make_pipeline(SelectKBest(f_classif, k=2), LogisticRegression()).fit(X, Y), X, "predict"),
        "forest of XGBoost": (XGBRFClassifier(n_estimators=3, random_state=0).fit(X, Y), X, "predict_proba"),
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


# In 40 patients few features are selected, or none; a file must hold either.
@pytest.mark.filterwarnings("ignore:No features were selected")
def test_the_recipe_of_kim_with_its_network_and_trees(tmp_path):
    hips = make_hips(40, random_state=2, image_shape=(256, 256))
    table = hips.data
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
    # Whoever saves has forged nothing.
    with pytest.raises(InputError, match="a KNeighborsClassifier cannot be saved") as caught:
        dr.save(KNeighborsClassifier().fit(X, Y), tmp_path / "f")
    assert "not written by save" not in str(caught.value)
    with pytest.raises(InputError, match="the model is a dict"):
        dr.save({"a": 1}, tmp_path / "f")
    with pytest.raises(InputError, match="the path is a int"):
        dr.load(5)
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="there exists already"):
        dr.save(MODELS["pruner"][0], tmp_path / "there")


def test_every_estimator_of_ours_may_be_loaded():
    modules = [import_module(info.name) for info in pkgutil.walk_packages(dr.__path__, "deepradiomics.")]
    classes = {value for module in modules for value in vars(module).values() if inspect.isclass(value)}
    ours = {value for value in classes if value.__module__.startswith("deepradiomics")}
    public = {value for value in ours if issubclass(value, BaseEstimator) and value.__name__[0] != "_"}
    assert len(public) >= 12
    assert {f"{value.__module__}.{value.__name__}" for value in public} <= TRUSTED


def test_a_network_behind_a_frozen_segmenter(tmp_path):
    """Two networks in one pipeline; a backbone of timm; a splitter among the settings."""
    hips = make_hips(12, random_state=0, image_shape=(256, 256))
    femora = [(np.asarray(mask) > 0).astype(np.uint8) for mask in hips.masks]
    segmenter = dr.UNetSegmenter(decoder_channels=(16, 8, 8), image_size=64, epochs=1, random_state=0)
    segmenter.fit(hips.data["radiograph"], femora)
    network = dr.DeepExtractor(
        "resnet10t", n_features=8, image_size=64, epochs=1, cv=StratifiedGroupKFold(2), random_state=0
    )
    network.fit_transform(hips.data[["radiograph"]], hips.target, groups=hips.groups)
    for model, question in (
        (FrozenEstimator(segmenter), lambda model: model.predict(hips.data["radiograph"])),
        (network, lambda model: model.transform(hips.data[["radiograph"]])),
    ):
        loaded = dr.load(dr.save(model, tmp_path / type(model).__name__))
        assert all(np.array_equal(a, b) for a, b in zip(question(loaded), question(model), strict=True))
    pd.testing.assert_frame_equal(loaded.history_, network.history_)
    assert hasattr(network, "cross_fitted_proba_")
    assert not hasattr(loaded, "cross_fitted_proba_")


def test_what_makes_images_of_images(tmp_path):
    table = pd.DataFrame({"radiograph": IMAGES[:3]})
    model = GrayscaleNormalizer().fit(table)
    loaded = dr.load(dr.save(model, tmp_path / "normalizer"))
    for found, wanted in zip(loaded.transform(table).iloc[:, 0], model.transform(table).iloc[:, 0], strict=True):
        assert np.array_equal(found.pixels, wanted.pixels)
    vertebrae = dr.VertebraRegions(levels=("L1", "L2"))
    assert dr.load(dr.save(vertebrae, tmp_path / "vertebrae")).get_params() == vertebrae.get_params()


def test_rows_of_patients_and_places_on_a_disk_are_left_out(tmp_path):
    secret = tmp_path / "MARKER-Doe"
    secret.mkdir()
    weights = secret / "weights.safetensors"
    images, labels = IMAGES[:8], Y[:8]
    settings = {"n_features": 128, "image_size": 64, "epochs": 1, "random_state": 0}
    from deepradiomics.training import save_weights

    save_weights(dr.DeepExtractor("tiulpin", **settings).fit(images, labels).network_.branches[0], weights)
    network = dr.DeepExtractor("tiulpin", pretrained=str(weights), **settings).fit(images, labels)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(), memory=str(secret)).fit(X, Y)
    stable = StabilitySelector(REPEATS).fit(X)
    for number, model in enumerate([network, pipeline, stable]):
        path = dr.save(model, tmp_path / str(number))
        assert not [file for file in path.iterdir() if b"MARKER" in file.read_bytes()]
    assert dr.load(tmp_path / "0").pretrained == "weights.safetensors"
    assert network.pretrained == str(weights)
    assert dr.load(tmp_path / "1").memory is None
    assert dr.load(tmp_path / "2").repeats is None


def test_the_manifest_and_the_card_say_what_it_is(tmp_path):
    path = dr.save(MODELS["network"][0], tmp_path / "model")
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["class"] == "deepradiomics.deep.extractor.DeepExtractor"
    assert manifest["settings"]["image_size"] == 64
    assert manifest["versions"]["deepradiomics"] == dr.__version__
    card = (path / "card.md").read_text()
    # TiulpinBranch has 148,448 weights, the layer to 8 features 1,032, that to two classes 18.
    assert "- DeepExtractor: 1 columns, 1 epochs, 149498 weights" in card
    assert "- intended use" in card
    blocks = dr.save(MODELS["xgboost behind blocks"][0], tmp_path / "blocks")
    assert "- StandardScaler: 40 rows, 1 columns" in (blocks / "card.md").read_text()
    assert json.loads((blocks / "manifest.json").read_text())["feature_names"] == list(X.columns)


def test_nothing_half_written_stays(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"model.zip cannot be written \(.*\); is there room"):
        dr.save(MODELS["pruner"][0], tmp_path / "file" / "model.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


SMALL = {"n_features": 8, "image_size": 64, "epochs": 1, "cv": 2, "random_state": 0}


def test_a_model_that_asked_for_groups_is_saved(tmp_path):
    table = pd.DataFrame({"radiograph": IMAGES[:8]})
    with config_context(enable_metadata_routing=True):
        network = dr.DeepExtractor(**SMALL).set_fit_request(groups=True)
        model = make_pipeline(network, LogisticRegression()).fit(table, [0, 1] * 4, groups=np.arange(8))
    again = dr.load(dr.save(model, tmp_path / "model.zip"))
    assert np.array_equal(again.predict_proba(table), model.predict_proba(table))


def test_a_regressor_is_saved_without_its_cross_fitted_values(tmp_path):
    table = pd.DataFrame({"radiograph": IMAGES[:8]})
    network = dr.DeepRegressor(**SMALL, checkpoint=str(tmp_path / "states"))
    network.fit_transform(table, np.arange(8.0))
    again = dr.load(dr.save(network, tmp_path / "model.zip"))
    assert np.array_equal(again.predict(table), network.predict(table))
    assert hasattr(network, "cross_fitted_prediction_")
    assert again.checkpoint is None
    assert not hasattr(again, "cross_fitted_prediction_")
