"""Weights of other projects: timm's network gives what the project's own network gives."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from deepradiomics import DeepExtractor, EmbeddingExtractor
from deepradiomics.deep.networks import timm_backbone
from deepradiomics.exceptions import InputError


@pytest.fixture(scope="module")
def pictures():
    return torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(0))


def shaken(model):
    """Give every weight a random value, also those that start as zeros or ones."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.05 * torch.randn(value.shape, generator=generator))
        for name, value in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                value.add_(0.1 * torch.rand(value.shape, generator=generator))
    return model.eval()


def loaded(path, weights, name, size):
    save_file({key: value.detach().clone().contiguous() for key, value in weights.items()}, path)
    return timm_backbone(name, size, str(path), in_chans=3).eval()


def assert_equal(found, wanted):
    assert wanted.std() > 0.01
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def transformers_model(kind):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    sizes = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3, "intermediate_size": 768}
    # The default of these two, 1e-12 where timm has 1e-6, moves values by up to 1e-4.
    sizes["layer_norm_eps"] = 1e-6
    small = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6}
    return {
        "mae": lambda: transformers.ViTMAEModel(
            transformers.ViTMAEConfig(**sizes, patch_size=16, image_size=48, mask_ratio=0.0)
        ),
        "vit": lambda: transformers.ViTModel(transformers.ViTConfig(**sizes, patch_size=16, image_size=48)),
        "dinov2": lambda: transformers.Dinov2Model(transformers.Dinov2Config(**small, patch_size=14, image_size=56)),
        "dinov2_registers": lambda: transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(**small, patch_size=14, image_size=56)
        ),
        "dinov3": lambda: transformers.DINOv3ViTModel(
            transformers.DINOv3ViTConfig(
                **small, intermediate_size=1536, patch_size=16, image_size=48, num_register_tokens=4
            )
        ),
        "siglip": lambda: transformers.SiglipVisionModel(
            transformers.SiglipVisionConfig(
                hidden_size=768,
                num_hidden_layers=12,
                num_attention_heads=12,
                intermediate_size=3072,
                patch_size=16,
                image_size=48,
                hidden_act="gelu",
            )
        ),
    }[kind]()


TRANSFORMERS = [
    ("mae", "vit_tiny_patch16_224", 48),
    ("vit", "vit_tiny_patch16_224", 48),
    ("dinov2", "vit_small_patch14_dinov2", 56),
    ("dinov2_registers", "vit_small_patch14_reg4_dinov2", 56),
    ("dinov3", "vit_small_patch16_dinov3_qkvb", 48),
    ("siglip", "vit_base_patch16_siglip_224", 48),
]


@pytest.mark.parametrize("names", ["in memory", "in files"])
@pytest.mark.parametrize(("kind", "name", "size"), TRANSFORMERS)
def test_transformers(kind, name, size, names, tmp_path, pictures):
    model, images = shaken(transformers_model(kind)), pictures[:, :, :size, :size]
    if names == "in files":
        # Files keep the names of before version 5, which are those of the published ones.
        model.save_pretrained(tmp_path)
        own = timm_backbone(name, size, str(tmp_path / "model.safetensors"), in_chans=3).eval()
    else:
        own = loaded(tmp_path / "weights.safetensors", model.state_dict(), name, size)
    options = {"noise": torch.arange(9.0).expand(2, -1)} if kind == "mae" else {}
    with torch.no_grad():
        theirs, ours = model(images, **options), own.forward_features(images)
        assert_equal(ours, theirs.last_hidden_state)
        if kind == "siglip":
            assert_equal(own.forward_head(ours, pre_logits=True), theirs.pooler_output)


@pytest.mark.parametrize(("kind", "name", "size"), [TRANSFORMERS[2], TRANSFORMERS[3]])
def test_the_repository_of_dinov2(kind, name, size, tmp_path, pictures):
    """Its names, written here by hand, with the forward of transformers, which is checked against it there."""
    model = shaken(transformers_model(kind))
    own = {}
    for key, value in model.state_dict().items():
        new = key.replace("embeddings.position_embeddings", "pos_embed").replace("encoder.layer.", "blocks.")
        new = new.replace("embeddings.patch_embeddings.projection", "patch_embed.proj").replace("layernorm", "norm")
        new = new.replace("embeddings.", "").replace(".attention.o_proj", ".attn.proj")
        new = new.replace("layer_scale1.lambda1", "ls1.gamma").replace("layer_scale2.lambda1", "ls2.gamma")
        own[new] = value
    for key in [key for key in own if "attention.q_proj" in key]:
        parts = [own.pop(key.replace("q_proj", part)) for part in ("q_proj", "k_proj", "v_proj")]
        own[key.replace("attention.q_proj", "attn.qkv")] = torch.cat(parts)
    network = loaded(tmp_path / "weights.safetensors", own, name, size)
    with torch.no_grad():
        assert_equal(network.forward_features(pictures), model(pictures).last_hidden_state)


@pytest.mark.parametrize("alone", [True, False])
def test_open_clip(alone, tmp_path, pictures):
    open_clip = pytest.importorskip("open_clip", reason="open_clip is not installed")
    tower = open_clip.model.VisionTransformer(
        image_size=48, patch_size=16, width=256, layers=10, heads=4, mlp_ratio=4, output_dim=32
    )
    tower = shaken(tower)
    weights = {f"{'' if alone else 'visual.'}{key}": value for key, value in tower.state_dict().items()}
    network = loaded(tmp_path / "weights.safetensors", weights, "vit_xsmall_patch16_clip_224", 48)
    tower.proj = None
    with torch.no_grad():
        assert_equal(network(pictures[:, :, :48, :48]), tower(pictures[:, :, :48, :48]))


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "vgg11"])
def test_torchvision(name, tmp_path):
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)(weights=None).eval()
    network = timm.create_model(name)
    images = torch.randn(2, 3, 224, 224)
    if name == "vgg11":
        # The head of VGG is convolutional in timm; what is embedded lies before it.
        path = tmp_path / "weights.safetensors"
        save_file({key: value for key, value in theirs.state_dict().items() if key.startswith("features.")}, path)
        network.features.load_state_dict(theirs.features.state_dict())
        with torch.no_grad():
            assert_equal(network.eval().features(images), theirs.features(images))
        return
    network = loaded(tmp_path / "weights.safetensors", theirs.state_dict(), name, None)
    with torch.no_grad():
        features = theirs.features(images).relu() if name == "densenet121" else None
        if features is None:
            theirs.fc = torch.nn.Identity()
            wanted = theirs(images)
        else:
            wanted = features.mean(dim=(2, 3))
        assert_equal(network(images), wanted)


def test_vision_transformer_of_torchvision(tmp_path, pictures):
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    theirs = shaken(
        torchvision.models.VisionTransformer(
            image_size=48, patch_size=16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768
        )
    )
    network = loaded(tmp_path / "weights.safetensors", theirs.state_dict(), "vit_tiny_patch16_224", 48)
    theirs.heads = torch.nn.Identity()
    with torch.no_grad():
        assert_equal(network(pictures[:, :, :48, :48]), theirs(pictures[:, :, :48, :48]))


def test_a_bias_that_would_be_lost_is_refused(tmp_path):
    model = shaken(transformers_model("dinov3"))
    with pytest.raises(InputError, match="_qkvb"):
        loaded(tmp_path / "weights.safetensors", model.state_dict(), "vit_small_patch16_dinov3", 48)


def test_the_recipe_of_the_error_message_works_at_other_sizes(tmp_path):
    path = tmp_path / "weights.safetensors"
    model = timm.create_model("vit_small_patch14_dinov2", pretrained=False)
    assert model.pos_embed.shape == (1, 1370, 384)
    save_file(model.state_dict(), path)
    image = np.random.default_rng(0).random((60, 40))
    for size in (224, 518):
        found = EmbeddingExtractor("vit_small_patch14_dinov2", path, image_size=size).transform([image])
        resized = timm.create_model("vit_small_patch14_dinov2", pretrained=False, img_size=size, num_classes=0)
        # timm's own way to read a file and resample the positions.
        timm.models.load_checkpoint(
            resized, str(path), filter_fn=timm.models.vision_transformer.checkpoint_filter_fn, strict=False
        )
        extractor = EmbeddingExtractor("vit_small_patch14_dinov2", path, image_size=size)
        state = extractor._network().state_dict()
        assert all(torch.equal(value, state[key]) for key, value in resized.state_dict().items())
        assert found.shape == (1, 384)
        assert np.isfinite(found).all()
    network = DeepExtractor(
        "vit_small_patch14_dinov2", pretrained=str(path), image_size=224, n_features=8, epochs=1, cv=2
    )
    assert network.set_params(batch_size=2).fit([image, image.T], [0, 1]).transform([image]).shape == (1, 8)
