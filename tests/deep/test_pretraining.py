"""A start without labels, the attend-and-compare module, and the picture of a training."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from two_roughnesses import SMALL, make_views

from deepradiomics import DeepExtractor
from deepradiomics.deep import Architecture, AttendCompare, plot_history, pretrain
from deepradiomics.exceptions import InputError
from deepradiomics.training import read_weights


def embedded(extractor, X):
    """Embeddings of a network that was trained no further."""
    network = Architecture(extractor.backbone, n_views=1, n_outputs=2, n_features=128, image_size=64).build(
        extractor.pretrained
    )
    images = torch.stack([torch.as_tensor(np.array(cell)) for cell in X["left"]])[:, None, None]
    low, high = images.amin(dim=(1, 2, 3, 4), keepdim=True), images.amax(dim=(1, 2, 3, 4), keepdim=True)
    with torch.inference_mode():
        return network.eval().embed((images - low) / (high - low), torch.ones(len(X), 1, dtype=torch.bool)).numpy()


def test_the_start_knows_a_radiograph_again(tmp_path):
    X, _ = make_views(60, effect=1.0, views=("left",))
    # Blur and noise would teach the network to look past what tells these classes apart.
    kept = {"blur": 0, "noise": 0, "erasing": 0.3, "exposure": 0.3, "rotation": 10}
    extractor = DeepExtractor(**SMALL | {"augmentation": kept, "learning_rate": 3e-3})
    started = pretrain(X, extractor, tmp_path / "start.safetensors", epochs=8, batch_size=30)
    assert extractor.pretrained is False
    assert started.pretrained == str(tmp_path / "start.safetensors")
    again = pretrain(X, extractor, tmp_path / "again.safetensors", epochs=8, batch_size=30)
    first, second = (read_weights(model.pretrained) for model in (started, again))
    assert all(torch.equal(first[name], second[name]) for name in first)
    unseen, labels = make_views(60, effect=1.0, views=("left",), seed=9)
    model = LogisticRegression(max_iter=5000)
    plain = cross_val_score(model, embedded(extractor, unseen), labels, scoring="roc_auc").mean()
    learned = cross_val_score(model, embedded(started, unseen), labels, scoring="roc_auc").mean()
    assert learned > plain
    assert learned > 0.8


@pytest.mark.parametrize("backbone", ["tiulpin_acm", "resnet18"])
def test_every_backbone_can_be_started(tmp_path, backbone):
    X, y = make_views(8)
    X.loc[3, "right"] = None
    extractor = DeepExtractor(backbone, **SMALL | {"epochs": 1})
    started = pretrain(X, extractor, tmp_path / "start.safetensors", epochs=1, batch_size=8)
    assert np.isfinite(started.fit(X, y).transform(X)).all()


@pytest.mark.parametrize(
    ("images", "settings", "message"),
    [([np.eye(64)], {}, "1 image"), ([np.eye(64)] * 4, {"augmentation": False}, "augmentation")],
)
def test_what_cannot_be_learned_is_refused(tmp_path, images, settings, message):
    with pytest.raises(InputError, match=message):
        pretrain(images, DeepExtractor(**SMALL | settings), tmp_path / "start.safetensors", epochs=1)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named_before_anything_is_learned(tmp_path):
    with pytest.raises(InputError, match="no folder for start") as caught:
        pretrain([np.eye(64)] * 4, DeepExtractor(**SMALL), tmp_path / "nothing" / "start.safetensors", epochs=10**6)
    assert str(tmp_path) not in str(caught.value)


def test_the_module_compares_two_places():
    torch.manual_seed(0)
    module, features = AttendCompare(8, n_groups=2).double(), torch.rand(3, 8, 4, 5, dtype=torch.float64)
    found = module(features)
    places, expected = module.places, torch.empty_like(features)
    for n in range(3):
        centred = features[n] - features[n].mean(dim=(1, 2), keepdim=True)
        weight = module.weight(features[n : n + 1])[0]
        for group in range(2):
            own = centred[4 * group : 4 * group + 4].reshape(4, -1)
            chosen = []
            for number in (2 * group, 2 * group + 1):
                score = (places.weight[number, :, 0, 0] @ own) + places.bias[number]
                chosen.append(own @ torch.exp(score) / torch.exp(score).sum())
            moved = own + (chosen[0] - chosen[1])[:, None]
            expected[n, 4 * group : 4 * group + 4] = moved.reshape(4, 4, 5)
        expected[n] *= weight
    assert torch.allclose(found, expected)


def test_the_module_stands_in_kims_branch():
    X, y = make_views(24, effect=1.5)
    network = DeepExtractor("tiulpin_acm", **SMALL | {"epochs": 10, "learning_rate": 5e-3}).fit(X, y)
    names = [name for name, _ in network.network_.named_parameters() if "places" in name]
    assert names == ["branches.0.0.8.places.weight", "branches.0.0.8.places.bias"]
    assert network.score(X, y) > 0.8


def test_the_history_is_drawn():
    history = pd.DataFrame(
        {"epoch": [1, 2, 3], "loss": [3, 2, 1], "validation_loss": [3, 1, 2.0], "validation_auc": [0.5, 0.9, 0.8]}
    )
    ax = plot_history(history)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[3, 2, 1], [3, 1, 2]]
    assert ax.collections[0].get_offsets().tolist() == [[2, 1]]
    assert [other.get_ylabel() for other in ax.figure.axes] == ["loss", "validation AUC"]
