"""DeepExtractor behaves as a scikit-learn transformer and classifier, whatever is missing."""

import pickle
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from two_roughnesses import SMALL, make_views

from deepradiomics import DeepExtractor, Radiograph
from deepradiomics.exceptions import InputError, TrainingError
from deepradiomics.training import PreparedImages, save_weights


@pytest.fixture(scope="module")
def fitted(hips):
    return DeepExtractor(**SMALL).fit(*hips)


def test_output_shapes_and_names(fitted, hips):
    X, y = hips
    assert fitted.transform(X).shape == (24, 16)
    assert fitted.predict_proba(X).sum(axis=1) == pytest.approx(1)
    assert set(fitted.predict(X)) <= set(y)
    assert list(fitted.get_feature_names_out())[7:9] == ["left__deep_007", "right__deep_000"]
    assert list(fitted.history_.columns) == ["epoch", "loss", "learning_rate"]


def test_learns_what_can_be_seen():
    train, test = make_views(80, seed=1), make_views(80, seed=2)
    extractor = DeepExtractor(**SMALL | {"epochs": 10}).fit(*train)
    assert roc_auc_score(test[1], extractor.predict_proba(test[0])[:, 1]) > 0.8


def test_fitted_twice_gives_the_same_whatever_the_global_state(hips):
    X, y = hips
    torch.manual_seed(1)
    first = clone(DeepExtractor(**SMALL)).fit_transform(X, y)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = clone(DeepExtractor(**SMALL)).fit_transform(X, y)
    np.testing.assert_array_equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


def test_another_seed_gives_another_network(fitted, hips):
    other = clone(fitted).set_params(random_state=1).fit(*hips)
    assert np.abs(other.transform(hips[0]) - fitted.transform(hips[0])).max() > 1e-3


@pytest.mark.parametrize("batch_size", [2, 7])
def test_inference_does_not_depend_on_batch_size(fitted, hips, batch_size):
    other = pickle.loads(pickle.dumps(fitted)).set_params(batch_size=batch_size)
    np.testing.assert_allclose(other.transform(hips[0]), fitted.transform(hips[0]), atol=1e-5, rtol=1e-5)


def test_pickle_gives_identical_output(fitted, hips):
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.transform(hips[0]), fitted.transform(hips[0]))
    np.testing.assert_array_equal(copy.predict_proba(hips[0]), fitted.predict_proba(hips[0]))


def test_siamese_branch_treats_both_sides_alike(fitted, hips):
    swapped = fitted.transform(hips[0][["right", "left"]].set_axis(["left", "right"], axis=1))
    straight = fitted.transform(hips[0])
    np.testing.assert_allclose(swapped[:, :8], straight[:, 8:], atol=1e-5)


def test_separate_branches_differ(hips):
    extractor = DeepExtractor(shared_weights=False, **SMALL).fit(*hips)
    same = pd.DataFrame({"left": hips[0]["left"], "right": hips[0]["left"]})
    embedding = extractor.transform(same)
    assert np.abs(embedding[:, :8] - embedding[:, 8:]).max() > 1e-3


@pytest.mark.parametrize("shared", [True, False])
def test_missing_views_are_masked(hips, shared):
    X, y = hips[0].copy(), hips[1]
    X.iloc[0, 0], X.iloc[1, 1], X.iloc[2, 0], X.iloc[2, 1] = None, np.nan, None, None
    extractor = DeepExtractor(shared_weights=shared, cv=2, **SMALL)
    for embedding in (extractor.fit_transform(X, y), extractor.transform(X)):
        assert (embedding[0, :8] == 0).all()
        assert (embedding[0, 8:] != 0).any()
        assert (embedding[1, 8:] == 0).all()
        assert np.isnan(embedding[2]).all()
        assert np.isfinite(np.delete(embedding, 2, axis=0)).all()
    np.testing.assert_allclose(extractor.predict_proba(X)[2], extractor.class_prior_)
    assert np.isfinite(extractor.cross_fitted_proba_).all()


def test_present_views_do_not_feel_the_missing_ones(fitted, hips):
    X = hips[0].copy()
    full = fitted.transform(X)
    X.loc[3:, "right"] = None
    np.testing.assert_allclose(fitted.transform(X)[:, :8], full[:, :8], atol=1e-5)


@pytest.mark.parametrize("kind", ["list", "series", "array", "radiographs", "paths"])
def test_one_column_in_any_form(hips, kind, tmp_path):
    from PIL import Image

    frame, y = hips[0][["left"]], hips[1]
    grey = [np.uint8(np.clip(cell * 40 + 128, 0, 255)) for cell in frame["left"]]
    forms = {
        "list": grey,
        "series": pd.Series(grey, name="left"),
        "array": np.stack(grey),
        "radiographs": pd.DataFrame({"left": [Radiograph(cell) for cell in grey]}),
    }
    if kind == "paths":
        for number, cell in enumerate(grey):
            Image.fromarray(cell).save(tmp_path / f"{number}.png")
        forms["paths"] = pd.DataFrame({"left": [str(tmp_path / f"{number}.png") for number in range(len(grey))]})
    reference = DeepExtractor(**SMALL | {"epochs": 1}).fit_transform(grey, y)
    np.testing.assert_allclose(DeepExtractor(**SMALL | {"epochs": 1}).fit_transform(forms[kind], y), reference)


def test_three_classes_with_words(hips):
    labels = np.array(["acute", "chronic", "pathologic"])[np.arange(24) % 3]
    extractor = DeepExtractor(cv=2, **SMALL)
    assert extractor.fit_transform(hips[0], labels).shape == (24, 16)
    assert extractor.classes_.tolist() == ["acute", "chronic", "pathologic"]
    assert set(extractor.predict(hips[0])) <= set(labels)


def test_validation_part_stops_early(hips):
    extractor = DeepExtractor(**SMALL | {"epochs": 40, "learning_rate": 0.03}, validation_fraction=0.25, patience=1)
    history = extractor.fit(*hips).history_
    assert len(history) < 40
    assert {"validation_loss", "validation_auc"} <= set(history.columns)
    assert history["validation_loss"].iloc[-1] >= history["validation_loss"].min()


def test_class_weight_moves_the_probabilities(hips):
    proba = [
        DeepExtractor(class_weight={0: weight, 1: 1}, **SMALL | {"epochs": 6, "learning_rate": 1e-2})
        .fit(*hips)
        .predict_proba(hips[0])[:, 0]
        .mean()
        for weight in (0.1, 10)
    ]
    assert proba[0] < proba[1] - 0.2


def test_any_timm_backbone(hips):
    extractor = DeepExtractor("resnet18", **SMALL | {"epochs": 1}).fit(*hips)
    assert extractor.transform(hips[0][:3]).shape == (3, 16)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(extractor)).transform(hips[0][:3]), extractor.transform(hips[0][:3])
    )


def test_local_weights_are_where_training_starts(hips, tmp_path):
    from deepradiomics.deep import TiulpinBranch

    branch = TiulpinBranch()
    with torch.no_grad():
        branch[0][0].weight.fill_(0.25)
    save_weights(branch, tmp_path / "branch.safetensors")
    extractor = DeepExtractor(
        **SMALL | {"epochs": 1, "learning_rate": 1e-12}, pretrained=str(tmp_path / "branch.safetensors")
    ).fit(*hips)
    weight = next(extractor.network_.parameters())
    assert weight.detach().numpy() == pytest.approx(0.25, abs=1e-6)


def test_without_internet_each_estimator_says_how_to_bring_the_weights(tmp_path):
    """Behind a proxy that refuses, and where the hub is switched off: two kinds of errors."""
    code = """
import numpy as np
from huggingface_hub import constants
from deepradiomics import DeepExtractor, EmbeddingExtractor, UNetSegmenter
from deepradiomics.exceptions import InputError
images = list(np.random.default_rng(0).random((10, 32, 32)))
masks = [image > np.quantile(image, 0.7) for image in images]
for constants.HF_HUB_OFFLINE in (False, True):
    for estimator, y, word in (
        (DeepExtractor("resnet10t", pretrained=True, image_size=32), [0, 1] * 5, "give weights="),
        (EmbeddingExtractor("resnet10t", image_size=32), None, "pretrained='weights.safetensors' to DeepExtractor"),
        (UNetSegmenter(encoder="resnet18", encoder_weights="imagenet", image_size=32), masks, "encoder_weights="),
        (UNetSegmenter(encoder="tu-resnet10t", encoder_weights="imagenet", image_size=32), masks, "encoder.model.st"),
    ):
        try:
            estimator.fit(images, y)
        except InputError as error:
            print(type(error).__name__, "copy the file here" in str(error) and word in str(error))
"""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as proxy:  # answers 501 to everything
        Thread(target=proxy.serve_forever, daemon=True).start()
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"HF_HOME": str(tmp_path), "PATH": "", "HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_port}"}
            | _python_path(),
            capture_output=True,
            text=True,
            check=False,
        )
        proxy.shutdown()
    assert done.stdout.split() == ["InputError", "True"] * 8, (done.stdout, done.stderr)


def _python_path():
    import os

    return {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "resnet19"}, "no backbone 'resnet19'"),
        ({"pretrained": True}, "no published weights"),
        ({"pretrained": "nowhere.safetensors"}, "nowhere.safetensors cannot be read|there is no .*nowhere.safetensors"),
        ({"n_features": 15}, "n_features=15"),
        ({"image_size": 32}, "cannot take images of 32 x 32"),
        ({"augmentation": {"spin": 3}}, "spin"),
        ({"device": "abacus"}, "the device 'abacus'"),
        ({"class_weight": {"sick": 2}}, "class_weight names"),
    ],
)
def test_settings_that_cannot_work_say_so(hips, settings, message):
    with pytest.raises(InputError, match=message):
        DeepExtractor(**SMALL | settings).fit(*hips)


def test_bad_input_names_the_item(hips):
    X, y = hips[0].copy(), hips[1]
    X["right"] = [*X["right"][:3], np.full((9, 9), np.inf), *X["right"][4:]]
    with pytest.raises(InputError, match="row 3, column 'right'"):
        DeepExtractor(**SMALL).fit(X, y)
    for labels, message in ((y[:5], "y has shape"), (None, "give labels y"), (np.zeros(24), "at least two classes")):
        with pytest.raises(InputError, match=message):
            DeepExtractor(**SMALL).fit(hips[0], labels)
    with pytest.raises(InputError, match="table of numbers"):
        DeepExtractor(**SMALL).fit(np.zeros((24, 3)), y)


def test_a_loss_that_explodes_is_an_error(hips):
    with pytest.raises(TrainingError, match="learning_rate"):
        DeepExtractor(**SMALL | {"learning_rate": 1e30}).fit(*hips)


def test_other_columns_at_transform_are_refused(fitted, hips):
    with pytest.raises(InputError, match="left, right"):
        fitted.transform(hips[0][["left"]])


def test_in_a_pipeline_beside_clinical_columns(hips):
    X, y = hips[0].assign(age=np.arange(24.0)), hips[1]
    blocks = ColumnTransformer(
        [("deep", DeepExtractor(cv=2, **SMALL), ["left", "right"]), ("clinical", "passthrough", ["age"])]
    ).set_output(transform="pandas")
    model = Pipeline([("blocks", blocks), ("classifier", LogisticRegression(max_iter=1000))]).fit(X, y)
    assert model.predict_proba(X).shape == (24, 2)
    assert model[:-1].get_feature_names_out()[0] == "deep__left__deep_000"


def test_progress_is_shown_only_when_asked(hips, capfd):
    DeepExtractor(**SMALL | {"epochs": 1}).fit(*hips)
    assert capfd.readouterr() == ("", "")
    DeepExtractor(**SMALL | {"epochs": 1}, verbose=1).fit(*hips)
    out, err = capfd.readouterr()
    assert out == ""
    assert "all rows" in err
    assert "loss=" in err


def test_processes_that_read_change_nothing(tmp_path):
    X, y = make_views(12)
    X.loc[4, "left"] = None
    files = X.copy()
    for column in X:
        for row, image in X[column].items():
            if image is not None:
                Image.fromarray(image).save(tmp_path / f"{column}{row}.tiff")
                files.loc[row, column] = str(tmp_path / f"{column}{row}.tiff")
    one = DeepExtractor(**SMALL).fit(files, y)
    two = DeepExtractor(**SMALL, n_jobs=2).fit(files, y)
    assert np.array_equal(one.transform(files), two.transform(files))
    files.loc[5, "right"] = str(tmp_path / "nothing.tiff")
    with pytest.raises(InputError, match="row 5, column 'right'"):
        two.transform(files)


def test_only_so_many_images_are_kept(monkeypatch):
    monkeypatch.setattr("deepradiomics.training.batches.CACHE_BYTES", 5 * 2 * 64**2)
    X, _ = make_views(8)
    images = PreparedImages([X["left"].tolist(), X["right"].tolist()], ["left", "right"], 64)
    images.keep(np.arange(8), n_jobs=2)
    assert sorted(images._kept) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    again = PreparedImages([X["left"].tolist(), X["right"].tolist()], ["left", "right"], 64)
    assert torch.equal(images.batch([1, 6])[0], again.batch([1, 6])[0])
