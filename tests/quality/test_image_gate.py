"""ImageGate: what it learns, flags, refuses and says."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from deepradiomics import ImageGate, Radiograph, UNetSegmenter, review
from deepradiomics.exceptions import InputError
from deepradiomics.quality._rules import limits
from deepradiomics.segmentation import unet
from deepradiomics.training import hash_weights

PELVIS = Path(__file__).parents[3] / "shared/data/pelvis"


def films(n, seed):
    """Dark pictures with two bright shafts, all in one position, and their label maps (2 on the left)."""
    rng = np.random.default_rng(seed)
    images, masks = [], []
    for _ in range(n):
        mask = np.zeros((64, 64), dtype=np.uint8)
        top, left = rng.integers(14, 20), rng.integers(10, 14)
        mask[top:, left : left + 8], mask[top:, left + 30 : left + 38] = 2, 1
        shade = np.linspace(0, 60, 64)[:, None]
        images.append(shade + 100 * (mask > 0) + rng.normal(0, 6, mask.shape))
        masks.append(mask)
    return images, masks


@pytest.fixture(scope="module")
def segmenter():
    images, masks = films(24, 0)
    network = UNetSegmenter(
        ("left femur", "right femur"),
        encoder="tu-resnet10t",
        decoder_channels=(16, 16, 8),
        image_size=64,
        epochs=12,
        augmentation=False,
        random_state=0,
    )
    return network.fit(images, masks)


@pytest.fixture(scope="module")
def gate(segmenter):
    return ImageGate(segmenter, false_alarms=0.05).fit(pd.DataFrame({"hip": pd.Series(films(24, 1)[0], dtype=object)}))


def table_of(*pictures):
    return pd.DataFrame({"hip": pd.Series([*pictures], dtype=object)})


def test_flags_say_what_is_wrong(gate):
    good = films(6, 2)[0]
    damaged = {
        "turned": np.rot90(good[0], 2),
        "inverted": -good[1],
        "gray_levels": good[2] // 40 * 40,
        "lateral": Radiograph(good[3], view="LAT"),
    }
    cells = [*good[4:], *damaged.values()]
    report = gate.report(pd.DataFrame({"hip": pd.Series(cells, dtype=object)}))
    assert report["row"].tolist() == list(range(6))
    for flag, (_, found) in zip(damaged, report.iloc[2:].iterrows(), strict=True):
        assert flag in found["flags"].split(",")
        assert not found["accepted"] and found["score"] > 1
    assert "lateral view" in report["reasons"].iloc[-1]
    assert (gate.predict(pd.DataFrame({"hip": pd.Series(cells, dtype=object)}))[2:] == -1).all()


def test_accepted_films_pass(gate):
    fresh = pd.DataFrame({"hip": pd.Series(films(8, 3)[0], dtype=object)})
    report = gate.report(fresh)
    assert report["accepted"].mean() >= 0.7  # 5 % of those it learned from, and new ones are a little further away
    assert ((report["score"] > 1) == ~report["accepted"]).all()
    np.testing.assert_array_equal(gate.transform(fresh)[:, 0], report["no_femur"])


def test_all_limits_together_flag_no_more_than_asked():
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.normal(size=1000), -rng.normal(size=1000), rng.exponential(size=1000)])
    signs, least = np.array([1, -1, 1]), np.array([0.0, 0.0, 99.0])
    most = np.full(3, np.inf)
    found = limits(values, signs, least, most, 0.1)
    flagged = signs * values > signs * found
    assert 0.09 <= flagged.any(axis=1).mean() <= 0.1
    assert np.ptp(flagged[:, :2].sum(axis=0)) <= 1
    assert found[2] == 99.0 and found[1] < 0
    assert not (signs * values > signs * limits(values, signs, least, most, 0.0)).any()
    most[0] = 0.5
    assert limits(values, signs, least, most, 0.0)[0] == 0.5


def test_rows_of_one_group_are_not_held_against_each_other(segmenter):
    rng = np.random.default_rng(0)
    twice = [film + rng.normal(0, 0.1, film.shape) for film in films(20, 6)[0] for _ in range(2)]
    apart = ImageGate(segmenter).fit(twice)
    together = ImageGate(segmenter).fit(twice, groups=np.repeat(np.arange(20), 2))
    unlike = list(together.get_feature_names_out()).index("image__unlike")
    assert together.typical_[unlike] > 1.05 * apart.typical_[unlike]
    np.testing.assert_array_equal(together.center_, apart.center_)


def test_the_side_of_the_file_is_held_against_the_femur_seen(gate, segmenter):
    pixels, _ = films(1, 5)
    half = np.full((64, 64), 30.0)
    half[:, :30] = pixels[0][:, :30]
    outlines = segmenter.predict([half])[0]
    seen = "R" if (outlines == 2).sum() > (outlines == 1).sum() else "L"
    other = {"R": "L", "L": "R"}[seen]
    cells = [Radiograph(half, laterality=seen), Radiograph(half, laterality=other), half]
    found = gate.report(pd.DataFrame({"hip": pd.Series(cells, dtype=object)}))["wrong_side"].to_numpy()
    assert found[1] == -found[0] > 0 == found[2]


def test_a_letter_on_the_film_is_held_against_the_femora(gate, segmenter):
    picture = Image.fromarray(films(1, 5)[0][0].repeat(6, axis=0).repeat(6, axis=1).clip(0, 200).astype(np.uint8))
    labels = segmenter.predict([np.asarray(picture)])[0]
    left_first = np.nonzero(labels == 1)[1].mean() < np.nonzero(labels == 2)[1].mean()
    letters = "LR" if left_first else "RL"  # as the outlines are named, from left to right
    for text, flagged in ((letters[0], 0), (letters[1], 1)):
        film = picture.copy()
        ImageDraw.Draw(film).text((20, 20), text, fill=255, font_size=32)
        assert gate.report(table_of(np.asarray(film)))["side_marker"][0] == flagged
    assert gate.report(table_of(np.asarray(picture)))["side_marker"][0] == 0


def test_missing_and_unreadable_images(gate, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    table = pd.DataFrame({"hip": pd.Series([None, str(tmp_path / "broken.png"), films(1, 2)[0][0]], dtype=object)})
    report = gate.report(table)
    assert report["row"].tolist() == [1, 2]
    assert report["flags"][0] == "unread" and not report["accepted"][0]
    assert gate.failures_["row"].tolist() == [1]
    assert gate.predict(table)[:2].tolist() == [-1, -1]
    with pytest.raises(InputError, match="row 1, column 'hip'"):
        gate.transform(table)


def test_statistics_go_to_a_file_and_come_back_for_the_same_weights_only(gate, segmenter, tmp_path):
    gate.save_statistics(tmp_path / "gate.npz")
    again = ImageGate.from_statistics(tmp_path / "gate.npz", segmenter)
    images = films(2, 2)[0]
    table = pd.DataFrame({"hip": pd.Series(images, dtype=object)})
    np.testing.assert_allclose(again.transform(images), gate.transform(table), rtol=1e-4, atol=1e-6)
    other = pickle.loads(pickle.dumps(segmenter))
    next(other.network_.parameters()).data += 0.1
    with pytest.raises(InputError, match="other weights"):
        ImageGate.from_statistics(tmp_path / "gate.npz", other)
    with pytest.raises(InputError, match="holds no statistics"):
        ImageGate.from_statistics(tmp_path / "nothing.npz", segmenter)


def test_a_network_that_went_on_learning_is_refused(segmenter, gate):
    changed = pickle.loads(pickle.dumps(gate))
    next(changed.segmenter_.network_.parameters()).data += 0.1
    with pytest.raises(InputError, match="other weights"):
        changed.transform(pd.DataFrame({"hip": pd.Series(films(1, 2)[0], dtype=object)}))


def test_bad_input_is_named(gate, segmenter):
    with pytest.raises(InputError, match="give 20 at least"):
        ImageGate(segmenter).fit(films(3, 0)[0])
    with pytest.raises(InputError, match="fit saw"):
        gate.transform(films(1, 0)[0])
    for groups in (range(3), [0, 1, 2, 3] * 6, np.zeros((24, 2))):
        with pytest.raises(InputError, match="give one for each of the 24 rows"):
            ImageGate(segmenter).fit(films(24, 0)[0], groups=groups)
    with pytest.raises(InputError, match="no statistics are named 'hand'"):
        ImageGate.pretrained("hand")


def test_shipped_statistics_belong_to_the_shipped_weights():
    gate = ImageGate.pretrained("femur")
    shipped = UNetSegmenter.from_weights(unet._WEIGHTS / "femur.safetensors")
    assert gate.weights_hash_ == hash_weights(shipped.network_)
    film = np.random.default_rng(0).normal(size=(80, 100))
    assert "no_femur" in gate.report([film])["flags"][0]


@pytest.mark.skipif(not PELVIS.exists(), reason="../shared/data/pelvis, real radiographs, is not here")
def test_the_shipped_limits_accept_the_real_films_they_come_from(monkeypatch):
    """A limit that moved, or another way to measure, shows here; new films, and the rates, are the benchmark's."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    from real_hips import films as real_films

    chosen = [film for film in real_films(PELVIS) if film.part == "choice" and film.kind == "normal"]
    pixels = [film.read()[0] for film in chosen if not film.sideways][:6]
    report = ImageGate.pretrained("femur").report([*pixels, -pixels[0]])
    assert report["accepted"][:6].mean() >= 0.7
    assert "inverted" in report["flags"][6].split(",")


def test_report_feeds_the_plot_and_the_page(gate, tmp_path):
    images = [*films(2, 2)[0], -films(1, 2)[0][0]]
    table = pd.DataFrame({"hip": pd.Series(images, dtype=object)})
    report = gate.report(table)
    axes = gate.plot(report)
    bars = {label.get_text(): bar.get_width() for label, bar in zip(axes.get_yticklabels(), axes.patches, strict=True)}
    assert bars["inverted"] == report["flags"].str.contains("inverted").sum()
    page = review(table.assign(flags=report["flags"]), image="hip", flags="flags", output=tmp_path / "page.html")
    assert "inverted" in page.read_text()
    gap = pd.concat([pd.DataFrame({"hip": [None]}, dtype=object), table], ignore_index=True)
    flags = gate.report(gap).set_index("row")["flags"].reindex(range(4)).to_numpy()  # as docs/quality.md does
    assert pd.isna(flags[0]) and flags[1:].tolist() == report["flags"].tolist()
