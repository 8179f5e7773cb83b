"""UNetSegmenter as an estimator: what fit, predict and score promise, on images that take a second to learn."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from deepradiomics import Radiograph, UNetSegmenter
from deepradiomics.exceptions import InputError
from deepradiomics.segmentation import dice

SMALL = {
    "classes": ("left bar", "right bar"),
    "encoder": "tu-resnet10t",
    "decoder_channels": (32, 16, 8),
    "image_size": 32,
    "epochs": 12,
    "batch_size": 4,
    "augmentation": {"erasing": 0.0},
    "random_state": 0,
    "device": "cpu",
}
PAIR = (("left bar", "right bar"),)


def bars(n, seed, shape=(48, 40)):
    """Images with a bar slanting to each side, of labels 1 and 2: mirroring one gives the other."""
    rng = np.random.default_rng(seed)
    images, masks = [], []
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    for _ in range(n):
        mask = np.zeros(shape, dtype=np.uint8)
        for label, sign in ((1, 1), (2, -1)):
            middle = shape[1] / 2 + sign * (shape[1] / 4 + rng.uniform(-2, 2))
            mask[np.abs(columns - middle - sign * 0.2 * (rows - shape[0] / 2)) < shape[1] / 9] = label
        images.append(1000 * (mask > 0) + rng.normal(0, 150, shape) + rng.uniform(0, 500))
        masks.append(mask)
    return images, masks


@pytest.fixture(scope="module")
def data():
    return bars(12, seed=0)


@pytest.fixture(scope="module")
def fitted(data):
    return UNetSegmenter(**SMALL, mirror_classes=PAIR).fit(*data)


def test_it_learns_both_classes_and_scores_their_mean_dice(fitted):
    images, masks = bars(4, seed=1)
    found = fitted.predict(images)
    each = [dice(one == code, two == code) for one, two in zip(found, masks, strict=True) for code in (1, 2)]
    assert fitted.score(images, masks) == pytest.approx(np.mean(each))
    assert np.mean(each) > 0.85
    assert fitted.history_["loss"].iloc[-1] < 0.5 * fitted.history_["loss"].iloc[0]


def test_each_map_has_the_size_of_its_image(fitted):
    shapes = [(48, 40), (40, 96), (33, 7), (5, 5), (300, 211)]
    for shape, found in zip(shapes, fitted.predict([np.random.default_rng(0).random(s) for s in shapes]), strict=True):
        assert found.shape == shape
        assert found.dtype == np.uint8
        assert found.max() <= 2


def test_a_tall_image_is_not_stretched(fitted):
    # The same picture with a wide black border below: its outline moves by not a pixel, but for the coarser frame.
    image, mask = (value[0] for value in bars(1, seed=2))
    tall = np.pad(image, ((0, 24), (0, 0)), constant_values=image.min())
    assert dice(fitted.predict([tall])[0][:48] > 0, mask > 0) > 0.8


def test_a_prediction_depends_on_its_image_alone(fitted):
    images, _ = bars(5, seed=3)
    together = fitted.predict(images)
    other = pickle.loads(pickle.dumps(fitted)).set_params(batch_size=2)
    for image, found in zip(images, together, strict=True):
        assert (other.predict([image])[0] == found).all()


def test_brightness_and_contrast_do_not_matter(fitted):
    images, _ = bars(2, seed=4)
    for one, two in zip(fitted.predict(images), fitted.predict([5 * image + 300 for image in images]), strict=True):
        assert (one == two).mean() > 0.995


def test_same_seed_same_network_and_global_random_state_untouched(data):
    before = torch.get_rng_state()
    networks = [UNetSegmenter(**SMALL | {"epochs": 2}).fit(*data).network_ for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    for one, two in zip(*(network.state_dict().values() for network in networks), strict=True):
        assert torch.equal(one, two)


def test_mixed_precision_learns_as_well(data):
    exact = UNetSegmenter(**SMALL).fit(*data).history_["loss"]
    mixed = UNetSegmenter(**SMALL, mixed_precision=True).fit(*data)
    assert (mixed.history_["loss"] != exact).all()
    np.testing.assert_allclose(mixed.history_["loss"], exact, rtol=0.2)
    assert {value.dtype for value in mixed.network_.parameters()} == {torch.float32}


def test_fit_changes_no_parameter_and_clone_has_no_network(fitted):
    assert fitted.get_params() == UNetSegmenter(**SMALL, mirror_classes=PAIR).get_params()
    with pytest.raises(NotFittedError):
        clone(fitted).predict([np.eye(9)])


def test_warm_start_goes_on(data):
    segmenter = UNetSegmenter(**SMALL | {"epochs": 4}, warm_start=True).fit(*data)
    first = segmenter.history_["loss"]
    again = segmenter.fit(*data).history_["loss"]
    assert again.iloc[0] < first.iloc[0] - 0.1
    with pytest.raises(InputError, match="warm_start"):
        segmenter.set_params(decoder_channels=(16, 8)).fit(*data)


def test_early_stopping_keeps_patients_together(data):
    images, masks = data
    segmenter = UNetSegmenter(**SMALL | {"epochs": 3}, validation_fraction=0.3).fit(images, masks, np.arange(12) // 3)
    assert list(segmenter.history_) == ["epoch", "loss", "learning_rate", "validation_loss", "validation_dice"]
    # One group holds everything: there is nothing to validate on.
    with pytest.raises(InputError, match="different patients"):
        segmenter.fit(images, masks, np.zeros(12))


def test_training_stops_when_validation_does_not_improve(data):
    restless = SMALL | {"epochs": 40, "learning_rate": 1e-7}
    segmenter = UNetSegmenter(**restless, validation_fraction=0.25, patience=2).fit(*data)
    best = segmenter.history_["validation_loss"].idxmin()
    assert len(segmenter.history_) < 40
    assert len(segmenter.history_) == best + 1 + 2


def test_mirrored_images_give_mirrored_maps_with_test_time_mirroring(fitted):
    images, _ = bars(3, seed=5, shape=(32, 32))
    both = pickle.loads(pickle.dumps(fitted)).set_params(test_time_mirroring=True)
    swap = np.array([0, 2, 1])
    straight = both.predict_proba(images)
    turned = both.predict_proba([image[:, ::-1] for image in images])
    for one, two in zip(straight, turned, strict=True):
        np.testing.assert_allclose(one, two[swap][:, :, ::-1], atol=1e-5)


def test_mirrored_training_learns_the_other_side(data):
    # Only label 1 is ever shown; mirrored images with swapped labels teach what label 2 looks like.
    images, masks = (list(values) for values in data)
    images = [
        np.where(mask == 2, np.median(image[mask == 0]), image) for image, mask in zip(images, masks, strict=True)
    ]
    masks = [np.where(mask == 2, 0, mask) for mask in masks]
    segmenter = UNetSegmenter(**SMALL | {"epochs": 20}, mirror_classes=PAIR).fit(images, masks)
    found = segmenter.predict([image[:, ::-1] for image in images])
    assert np.mean([dice(one == 2, two[:, ::-1] == 1) for one, two in zip(found, masks, strict=True)]) > 0.8


def test_confidence_is_high_on_what_it_knows_and_missing_where_nothing_was_found(fitted):
    known, _ = bars(2, seed=6)
    masks, confidence = fitted.predict_with_confidence([*known, np.full((48, 40), 7.0), None])
    assert confidence.shape == (4, 2)
    assert (confidence[:2] > 0.7).all()
    assert masks[3] is None
    assert np.isnan(confidence[3]).all()
    for code in (1, 2):
        assert np.isnan(confidence[2, code - 1]) == (not (masks[2] == code).any())


@pytest.fixture(scope="module")
def calibrated(fitted):
    """A network whose confidence was fitted on images of which some are hard to see, some show nothing."""
    images, masks = hard(30, seed=20)
    return pickle.loads(pickle.dumps(fitted)).set_params(min_confidence=0).calibrate_confidence(images, masks)


def hard(n, seed):
    """Bars in more and more noise, and pictures of noise alone."""
    images, masks = bars(n, seed)
    rng = np.random.default_rng(seed)
    images = [image + number / n * 2500 * rng.standard_normal(image.shape) for number, image in enumerate(images)]
    nothing = [1000 * rng.random((48, 40)) for _ in range(5)]
    return images + nothing, masks + [np.zeros((48, 40), dtype=np.uint8)] * 5


def test_calibrated_confidence_is_the_dice_to_expect(calibrated):
    images, masks = hard(30, seed=21)
    outlines, confidence = calibrated.predict_with_confidence(images)
    true = np.array(
        [[dice(one == code, two == code) for code in (1, 2)] for one, two in zip(outlines, masks, strict=True)]
    )
    drawn = ~np.isnan(confidence)
    assert np.std(true[drawn]) > 0.15
    assert np.abs(confidence - true)[drawn].mean() < 0.1
    assert abs((confidence - true)[drawn].mean()) < 0.05
    assert pd.Series(confidence[drawn]).corr(pd.Series(true[drawn]), method="spearman") > 0.7


def test_outlines_below_the_least_confidence_are_left_out(calibrated):
    images, _ = hard(30, seed=21)
    every, confidence = calibrated.predict_with_confidence(images)
    limit = float(np.nanmedian(confidence))
    strict = pickle.loads(pickle.dumps(calibrated)).set_params(min_confidence=limit)
    kept, of_kept = strict.predict_with_confidence(images)
    np.testing.assert_array_equal(of_kept, np.where(confidence < limit, np.nan, confidence))
    for outlines, before, doubt, alone in zip(kept, every, confidence < limit, strict.predict(images), strict=True):
        np.testing.assert_array_equal(outlines, np.where(np.isin(before, np.flatnonzero(doubt) + 1), 0, before))
        np.testing.assert_array_equal(outlines, alone)


def test_a_calibration_is_written_with_the_weights_and_ends_with_another_training(calibrated, data, tmp_path):
    calibrated.save_weights(tmp_path / "bars.safetensors", half=False)
    images, _ = hard(3, seed=22)
    again = UNetSegmenter.from_weights(tmp_path / "bars.safetensors").set_params(min_confidence=0)
    assert again.calibration_ == calibrated.calibration_
    np.testing.assert_allclose(
        again.predict_with_confidence(images)[1], calibrated.predict_with_confidence(images)[1], rtol=1e-5
    )
    assert again.set_params(**SMALL | {"epochs": 1}).fit(*data).calibration_ is None


def test_a_calibration_needs_outlines(fitted):
    with pytest.raises(InputError, match="outlines are too few"):
        pickle.loads(pickle.dumps(fitted)).calibrate_confidence(*bars(2, seed=0))


def test_what_is_unknown_counts_neither_in_the_loss_nor_in_the_score(data):
    # The lower half of every mask is wrong: bars that are there are said not to be.
    images, masks = data
    wrong = [np.where(np.arange(48)[:, None] < 24, mask, 0).astype(np.uint8) for mask in masks]
    unknown = [np.where(np.arange(48)[:, None] < 24, mask, 255).astype(np.uint8) for mask in masks]
    new_images, new_masks = bars(4, seed=1)
    taught = UNetSegmenter(**SMALL).fit(images, wrong)
    spared = UNetSegmenter(**SMALL, ignore_label=255).fit(images, unknown)
    lower = [np.where(np.arange(48)[:, None] < 24, 255, mask).astype(np.uint8) for mask in new_masks]
    for segmenter, least, most in ((taught, 0.0, 0.3), (spared, 0.6, 1.0)):
        assert least <= segmenter.set_params(ignore_label=255).score(new_images, lower) <= most
    # Where everything but the upper half is unknown, an outline below it is no fault.
    upper = [np.where(np.arange(48)[:, None] < 24, mask, 255).astype(np.uint8) for mask in new_masks]
    found = spared.predict(new_images)
    by_hand = [
        dice(one[:24] == code, two[:24] == code) for one, two in zip(found, upper, strict=True) for code in (1, 2)
    ]
    assert spared.score(new_images, upper) == pytest.approx(np.mean(by_hand))
    with pytest.raises(InputError, match="ignore_label"):
        spared.set_params(ignore_label=None).fit(images, unknown)


def test_a_warm_start_keeps_the_statistics_and_a_frozen_encoder_stays(data):
    segmenter = UNetSegmenter(**SMALL | {"epochs": 6}, warm_start=True).fit(*data)
    before = {name: value.clone() for name, value in segmenter.network_.state_dict().items()}
    segmenter.set_params(epochs=1, learning_rate=1e-9, frozen_encoder=True).fit(*data)
    after = segmenter.network_.state_dict()
    for name, value in before.items():
        if name.startswith("encoder."):
            assert torch.equal(value, after[name]), name
    moved = [name for name in before if name.endswith("running_var") and not torch.equal(before[name], after[name])]
    assert moved  # the decoder learns; that it does not start anew is in tests/training/test_loop.py


def test_a_warm_start_with_few_outlines_is_refused(data):
    segmenter = UNetSegmenter(**SMALL | {"epochs": 1}, warm_start=True).fit(*data)
    with pytest.raises(InputError, match="warm_start with 9 outlines"):
        segmenter.fit(data[0][:9], data[1][:9])


def test_an_encoder_starts_from_a_file(data, tmp_path):
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(7)
    weights = timm.create_model("resnet10t", pretrained=False).state_dict()
    save_file({name: value.contiguous() for name, value in weights.items()}, tmp_path / "encoder.safetensors")
    network = UNetSegmenter(**SMALL)._architecture().build(tmp_path / "encoder.safetensors")
    own = network.encoder.model.state_dict()
    # A grey image is three equal channels: the first convolution is summed over them.
    assert torch.equal(own["conv1.0.weight"], weights["conv1.0.weight"].sum(dim=1, keepdim=True))
    assert torch.equal(own["layer1.0.conv1.weight"], weights["layer1.0.conv1.weight"])
    segmenter = UNetSegmenter(**SMALL | {"epochs": 1}, encoder_weights=tmp_path / "encoder.safetensors").fit(*data)
    assert len(segmenter.history_) == 1


def test_probabilities_add_up_to_one(fitted):
    (probabilities,) = fitted.predict_proba([np.random.default_rng(0).random((70, 31))])
    assert probabilities.shape == (3, 70, 31)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)


def test_a_bar_counts_images_where_it_is_asked_for(fitted, capsys):
    images, _ = bars(3, seed=1)
    loud = pickle.loads(pickle.dumps(fitted)).set_params(verbose=1)
    loud.predict(images)
    shown = capsys.readouterr().err
    assert "outlines: 100%" in shown
    assert "3/3" in shown
    fitted.predict(images)
    assert capsys.readouterr().err == ""


def test_files_of_images_and_masks(fitted, tmp_path):
    images, masks = bars(3, seed=7)
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        grey = np.clip(255 * (image - image.min()) / np.ptp(image), 0, 255).astype(np.uint8)
        Image.fromarray(grey).save(tmp_path / f"image_{number}.png")
        Image.fromarray(mask).save(tmp_path / f"mask_{number}.png")
    paths = sorted(tmp_path.glob("image_*.png")), sorted(tmp_path.glob("mask_*.png"))
    read = [Radiograph(np.asarray(Image.open(path), dtype=float)) for path in paths[0]]
    assert fitted.score(*paths) == fitted.score(read, masks) > 0.8
    for number, mask in enumerate(masks):
        sitk.WriteImage(sitk.GetImageFromArray(mask), tmp_path / f"mask_{number}.nii.gz")
    nifti = sorted(tmp_path.glob("mask_*.nii.gz"))
    few = SMALL | {"epochs": 1}
    histories = [UNetSegmenter(**few).fit(paths[0], each).history_ for each in (paths[1], nifti, masks)]
    assert histories[0].equals(histories[1])
    assert histories[0].equals(histories[2])


def test_weights_go_out_and_in(fitted, tmp_path):
    images, _ = bars(2, seed=8)
    fitted.save_weights(tmp_path / "bars.safetensors", half=False)
    again = UNetSegmenter.from_weights(tmp_path / "bars.safetensors")
    assert again.classes_ == SMALL["classes"]
    assert again.mirror_classes == PAIR
    for one, two in zip(fitted.predict_proba(images), again.predict_proba(images), strict=True):
        assert (one == two).all()
    fitted.save_weights(tmp_path / "half.safetensors")
    assert 1.8 < (tmp_path / "bars.safetensors").stat().st_size / (tmp_path / "half.safetensors").stat().st_size < 2.1
    rounded = UNetSegmenter.from_weights(tmp_path / "half.safetensors")
    assert (rounded.predict(images)[0] == again.predict(images)[0]).mean() > 0.99


def test_a_file_of_other_weights_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    for name, reason in (("other", "what network"), ("text", "not a safetensors"), ("missing", "no file")):
        with pytest.raises(InputError, match=reason):
            UNetSegmenter.from_weights(tmp_path / f"{name}.safetensors")


def test_score_leaves_out_classes_that_are_nowhere(fitted):
    (image,), (mask,) = bars(1, seed=9)
    found = fitted.predict([image])[0]
    # A class that only the network sees counts as 0; one that neither sees does not count.
    assert fitted.score([image], [np.where(mask == 1, 1, 0)]) == pytest.approx(dice(found == 1, mask == 1) / 2)


def one_pair(**change):
    images, masks = bars(2, seed=0)
    return {"images": images, "masks": masks} | change


@pytest.mark.parametrize(
    ("change", "settings", "reason"),
    [
        ({"masks": bars(1, seed=0)[1]}, {}, "2 images and 1 masks"),
        ({"images": [], "masks": []}, {}, "at least one"),
        ({"images": [None, np.eye(9)]}, {}, "image 0 is missing"),
        ({"masks": [np.ones((3, 3), int)] * 2}, {}, r"mask 0 has shape \(3, 3\), its image \(48, 40\)"),
        ({"masks": [np.full((48, 40), 255)] * 2}, {}, "label 255, but there are 2 classes"),
        ({"masks": [np.full((48, 40), 0.5)] * 2}, {}, "mask 0: a mask is"),
        ({"images": ["nowhere.png"] * 2}, {}, "image 0: "),
        ({"images": [np.full((48, 40), np.nan)] * 2}, {}, "image 0: "),
        ({"images": np.eye(9)}, {}, r"images are an array of shape \(9, 9\); give a sequence"),
        ({"masks": "mask.png"}, {}, "masks are of type str; give a sequence"),
        ({"groups": [1]}, {"validation_fraction": 0.5}, r"groups of shape \(1,\) for 2 rows"),
        ({"groups": [1, 2, 3]}, {}, r"groups of shape \(3,\) for 2 rows"),
        ({"groups": [[1], [2]]}, {}, r"groups of shape \(2, 1\) for 2 rows"),
        ({"groups": [[1], [2, 3]]}, {}, "a group is no number or text"),
        ({"groups": ["CANARY", None]}, {"validation_fraction": 0.5}, "row 1 has no patient"),
        ({"groups": [np.nan, 7.0]}, {"validation_fraction": 0.5}, "row 0 has no patient"),
        ({}, {"validation_fraction": 0.9}, "0.9 of 2 images leaves none to train on; give at most 0.5"),
        ({}, {"image_size": 36}, "multiple of 8"),
        ({}, {"encoder": "resnet19"}, "resnet19"),
        ({}, {"encoder": "tu-nothing"}, "tu-nothing"),
        ({}, {"classes": ()}, "classes holds 0 names"),
        ({}, {"classes": ("left bar", "left bar")}, "2 names, 1 of them different"),
        ({}, {"classes": ("left bar", 2)}, "classes holds 2 of type int"),
        ({}, {"decoder_channels": (0, 8)}, r"decoder_channels is \(0, 8\)"),
        ({}, {"decoder_channels": ()}, r"decoder_channels is \(\)"),
        ({}, {"decoder_channels": (8.0, 8)}, r"decoder_channels is \(8.0, 8\)"),
        ({}, {"mirror_classes": (("left bar", "middle bar"),)}, "middle bar"),
        ({}, {"mirror_classes": ("left bar",)}, "holds 'left bar'; give pairs"),
        ({}, {"mirror_classes": (("left bar", "right bar", "left bar"),)}, "give pairs"),
        ({}, {"mirror_classes": (("left bar", 2),)}, "give pairs"),
        ({}, {"mirror_classes": (("left bar", "right bar"), ("right bar", "left bar"))}, "name each once"),
        ({}, {"augmentation": {"flip": True}}, "give mirror_classes"),
        ({}, {"augmentation": {"flip": 0.5}}, "flip is 0.5; give True"),
        ({}, {"augmentation": {"rotation": "x"}}, "rotation is 'x'"),
        ({}, {"test_time_mirroring": True}, "needs mirror_classes"),
    ],
)
def test_what_cannot_be_used_is_named(change, settings, reason):
    with pytest.raises(InputError, match=reason) as caught:
        UNetSegmenter(**SMALL | settings).fit(**one_pair(**change))
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "setting", [{"epochs": 0}, {"learning_rate": 0}, {"validation_fraction": 1.0}, {"classes": "femur"}]
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        UNetSegmenter(**SMALL | setting).fit(*bars(2, seed=0))


def test_patients_of_any_name_stay_together(data):
    images, masks = data
    histories = []
    for names in (np.arange(12) // 3, [f"p{number // 3}" for number in range(12)]):
        segmenter = UNetSegmenter(**SMALL | {"epochs": 1}, validation_fraction=0.3)
        histories.append(segmenter.fit(images, masks, names).history_)
    assert histories[0].equals(histories[1])
    mixed = ["a", 1, 2.5, "b"] * 3  # no order among them
    assert len(segmenter.fit(images, masks, mixed).history_) == 1


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_an_image_that_is_missing_has_no_score(fitted, missing):
    images, masks = bars(2, seed=0)
    with pytest.raises(InputError, match="image 1 is missing; leave it and its mask out") as caught:
        fitted.score([images[0], missing], masks)
    assert caught.value.code == "image_missing"


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_with_confidence"])
@pytest.mark.parametrize(
    ("images", "found"),
    [
        (np.eye(9), r"an array of shape \(9, 9\)"),
        (np.array([["a.png"]], dtype=object), r"an array of shape \(1, 1\)"),
        (np.float64(3), r"an array of shape \(\)"),
        ("CANARY/a.png", "of type str"),
        (Path("CANARY/a.png"), "of type .*Path"),
        (Radiograph(np.eye(9)), "of type Radiograph"),
        (pd.DataFrame({"CANARY": [None]}), "of type DataFrame"),
        ({"CANARY": None}, "of type dict"),
        (None, "of type NoneType"),
        (7, "of type int"),
    ],
)
def test_what_is_no_sequence_of_images_is_refused(fitted, method, images, found):
    with pytest.raises(InputError, match=f"the images are {found}; give a sequence") as caught:
        getattr(fitted, method)(images)
    assert "CANARY" not in str(caught.value)


def test_any_sequence_of_images_is_taken(fitted):
    images, _ = bars(3, seed=5)
    expected = fitted.predict(images)
    column = pd.Series(images, index=[4, 2, 0])
    for given in (tuple(images), np.stack(images), column, iter(images), column.to_numpy()):
        assert np.array_equal(fitted.predict(given), expected)
    assert fitted.predict([]) == []


def rewritten(path, text, tmp_path):
    from safetensors.torch import load_file, save_file

    save_file(load_file(path), tmp_path / "CANARY.safetensors", {"unet_segmenter": text})
    return tmp_path / "CANARY.safetensors"


GOOD = {
    "classes": ["left bar", "right bar"],
    "encoder": "tu-resnet10t",
    "decoder_channels": [32, 16, 8],
    "image_size": 32,
    "mirror_classes": [["left bar", "right bar"]],
    "test_time_mirroring": False,
    "calibration": None,
}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "no JSON"),
        (100_000 * "[", "no JSON"),
        ("[]", "gives a list"),
        ("{}", r"gives \[\]; this version"),
        (json.dumps(GOOD | {"attention": True}), "'attention'.*; this version"),
        (json.dumps(GOOD | {"classes": "left bar"}), "classes is a str"),
        (json.dumps(GOOD | {"classes": [1, 2]}), "classes holds 1"),
        (json.dumps(GOOD | {"classes": ["one"]}), "mirror_classes names"),
        (json.dumps(GOOD | {"calibration": [1.0, 2.0]}), "calibration is not 6 finite numbers"),
        (json.dumps(GOOD | {"calibration": [1.0] * 5 + [float("nan")]}), "calibration is not 6 finite numbers"),
        (json.dumps(GOOD | {"encoder": "tu-nothing"}), "tu-nothing"),
        (json.dumps(GOOD | {"encoder": "tu-hf-hub:some/where"}), "looked up in the internet"),
        (json.dumps(GOOD | {"decoder_channels": [32, -1]}), "decoder_channels"),
        (json.dumps(GOOD | {"decoder_channels": [32, None, 8]}), "decoder_channels"),
        (json.dumps(GOOD | {"decoder_channels": [60_000, 16, 8]}), "60000 channels"),
        (json.dumps(GOOD | {"decoder_channels": [32, 16, 16]}), "has shape|lacks"),
        (json.dumps(GOOD | {"image_size": "32"}), "image_size is a str"),
        (json.dumps(GOOD | {"image_size": 33}), "image_size is 33"),
        (json.dumps(GOOD | {"mirror_classes": [1]}), "holds 1; give pairs"),
        (json.dumps(GOOD | {"mirror_classes": None, "test_time_mirroring": True}), "needs mirror_classes"),
        (json.dumps(GOOD | {"test_time_mirroring": "no"}), "test_time_mirroring is a str"),
    ],
)
def test_a_file_that_describes_no_network_of_ours_is_refused(fitted, text, reason, tmp_path):
    fitted.save_weights(tmp_path / "good.safetensors")
    with pytest.raises(InputError, match=reason) as caught:
        UNetSegmenter.from_weights(rewritten(tmp_path / "good.safetensors", text, tmp_path))
    assert caught.value.code in ("weights", "invalid_input")
    assert str(tmp_path) not in str(caught.value)
    again = UNetSegmenter.from_weights(rewritten(tmp_path / "good.safetensors", json.dumps(GOOD), tmp_path))
    assert again.classes_ == SMALL["classes"]


def test_settings_of_numpy_are_written_and_wrong_ones_are_not(data, tmp_path):
    settings = SMALL | {"epochs": 1, "image_size": np.int64(32), "decoder_channels": (np.int64(16), np.int32(8))}
    segmenter = UNetSegmenter(**settings).fit(*data)
    segmenter.save_weights(tmp_path / "bars.safetensors")
    assert UNetSegmenter.from_weights(tmp_path / "bars.safetensors").decoder_channels == (16, 8)
    with pytest.raises(InputError, match="needs mirror_classes"):
        segmenter.set_params(test_time_mirroring=True).save_weights(tmp_path / "wrong.safetensors")
    assert not (tmp_path / "wrong.safetensors").exists()
