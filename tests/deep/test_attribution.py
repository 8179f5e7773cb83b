"""Maps show where the answer is, for every kind of backbone and side, and fade when the weights are random."""

import numpy as np
import pandas as pd
import pytest
import torch

from deepradiomics import DeepExtractor
from deepradiomics.deep import grad_cam
from deepradiomics.exceptions import InputError

Y = np.arange(48) % 2


def spotted(seed, label, size=128):
    """Noise, and for label 1 a bright disc in the upper left quarter."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 0.3, (size, size))
    rows, columns = np.ogrid[:size, :size]
    if label:
        image[(rows - 36) ** 2 + (columns - 36) ** 2 < 300] += 3
    # The grey scale is set by each image's own range.
    image[0, 0], image[-1, -1] = 4, -2
    return image


IMAGES = [spotted(seed, label) for seed, label in enumerate(Y)]
SETTINGS = {"image_size": 128, "random_state": 0, "augmentation": False, "epochs": 6}


@pytest.fixture(scope="module")
def trained():
    return DeepExtractor("tiulpin", n_features=16, **SETTINGS).fit(IMAGES, Y)


def share_in_quarter(found):
    return found.map[:68, :68].sum() / max(found.map.sum(), 1e-9)


def test_the_map_lies_on_what_tells_the_classes_apart(trained):
    maps = [grad_cam(trained, [IMAGES[row]])[0] for row in (1, 3, 5, 7)]
    shares = [share_in_quarter(next(iter(found.values()))) for found in maps]
    assert np.mean(shares) > 0.6
    found = next(iter(maps[0].values()))
    assert found.map.shape == found.image.shape == (128, 128)
    assert found.map.max() == pytest.approx(1)


def test_random_weights_destroy_the_map(trained):
    before = next(iter(grad_cam(trained, [IMAGES[1]])[0].values())).map
    kept = {name: value.clone() for name, value in trained.network_.state_dict().items()}
    torch.manual_seed(0)
    for module in trained.network_.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    after = next(iter(grad_cam(trained, [IMAGES[1]])[0].values())).map
    trained.network_.load_state_dict(kept)
    # A map of zeros, where nothing speaks for the class, is another map, too.
    assert np.ptp(after) == 0 or np.corrcoef(before.ravel(), after.ravel())[0, 1] < 0.7
    again = next(iter(grad_cam(trained, [IMAGES[1]])[0].values())).map
    np.testing.assert_allclose(again, before, atol=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_each_side_has_its_own_map(shared):
    rights = [spotted(seed + 100, 0) for seed in range(24)]
    table = pd.DataFrame({"left": IMAGES[:24], "right": rights}, dtype=object)
    table.loc[2, "right"] = None
    extractor = DeepExtractor("tiulpin", n_features=32, shared_weights=shared, **SETTINGS | {"epochs": 8}).fit(
        table, Y[:24]
    )
    maps = grad_cam(extractor, table.iloc[[1, 2]])
    assert list(maps[0]) == ["left", "right"]
    assert list(maps[1]) == ["left"]
    assert share_in_quarter(maps[0]["left"]) > share_in_quarter(maps[0]["right"])


@pytest.mark.parametrize("backbone", ["resnet18", "vgg11", "densenet121"])
def test_every_backbone_has_maps(backbone):
    extractor = DeepExtractor(backbone, n_features=8, image_size=64, epochs=1, random_state=0).fit(IMAGES[:4], Y[:4])
    found = grad_cam(extractor, IMAGES[:2])
    assert all(np.isfinite(one.map).all() for row in found for one in row.values())


def test_the_other_class_and_an_unknown_one(trained):
    with pytest.raises(InputError, match="there is no class 7"):
        grad_cam(trained, IMAGES[:1], label=7)
    one, other = (next(iter(grad_cam(trained, [IMAGES[1]], label=label)[0].values())).map for label in (0, 1))
    assert not np.allclose(one, other)


def test_it_draws(trained):
    import matplotlib

    matplotlib.use("Agg")
    ax = next(iter(grad_cam(trained, [IMAGES[1]])[0].values())).plot()
    assert len(ax.images) == 2
