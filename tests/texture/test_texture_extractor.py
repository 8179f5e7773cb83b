"""TextureExtractor as estimator, and the gate before it."""

import pickle
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.utils import get_tags
from sklearn.utils._param_validation import InvalidParameterError

from deepradiomics import Radiograph, TextureExtractor
from deepradiomics.exceptions import InputError, MissingDependencyError, RegionError
from deepradiomics.texture import _engine, describe_features, extract

radiomics = pytest.importorskip("radiomics", reason="the reference engine is pyradiomics")

SMALL = {"firstorder": ["Mean", "Energy"], "glcm": ["Contrast"]}
ENGINES = ["native", "pyradiomics"]


def image(seed=0, shape=(20, 24)):
    return np.random.default_rng(seed).normal(100, 20, shape)


def region(seed=0, **kwargs):
    mask = np.zeros((20, 24), dtype=bool)
    mask[3:17, 4:20] = True
    return Radiograph(image(seed), mask, **kwargs)


@pytest.fixture
def table():
    return pd.DataFrame(
        {"left": [region(0), None, region(1)], "right": [region(2), region(3), np.nan]}, index=[7, 8, 9]
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_values_and_names(table, engine):
    extractor = TextureExtractor(["Original", "Square"], SMALL, engine=engine).set_output(transform="pandas")
    found = extractor.fit_transform(table)
    assert list(found.index) == [7, 8, 9]
    assert list(found.columns) == [
        f"{side}__{kind}_{feature}"
        for side in ("left", "right")
        for kind in ("original", "square")
        for feature in ("firstorder_Mean", "firstorder_Energy", "glcm_Contrast")
    ]
    assert list(found.columns) == list(extractor.get_feature_names_out())
    expected = np.float32(image(1)).astype(float)[3:17, 4:20]
    assert found.loc[9, "left__original_firstorder_Mean"] == pytest.approx(expected.mean(), rel=1e-12)
    assert found.loc[9, "left__original_firstorder_Energy"] == pytest.approx((expected**2).sum(), rel=1e-12)
    missing = found.isna()
    assert missing.loc[8, [name for name in found if name.startswith("left")]].all()
    assert missing.to_numpy().sum() == 2 * 6


def test_default_is_93_features_of_the_original_in_the_order_of_pyradiomics():
    featureextractor = pytest.importorskip("radiomics.featureextractor")
    sitk = pytest.importorskip("SimpleITK")
    theirs = featureextractor.RadiomicsFeatureExtractor(additionalInfo=False)
    del theirs.enabledFeatures["shape"]
    mask = sitk.GetImageFromArray(CENTRE.astype(np.uint8))
    expected = list(theirs.execute(sitk.GetImageFromArray(image()), mask))
    assert list(extract([image()]).columns) == expected
    assert len(expected) == 93


def test_transform_needs_no_fit(table):
    extractor = TextureExtractor(feature_classes=SMALL)
    assert not get_tags(extractor).requires_fit
    straight = extractor.transform(table)
    assert isinstance(straight, np.ndarray)
    np.testing.assert_array_equal(straight, clone(extractor).fit(table).transform(table))
    framed = TextureExtractor(feature_classes=SMALL).set_output(transform="pandas").transform(table)
    assert framed.columns[0] == "left__original_firstorder_Mean"


@pytest.mark.parametrize("jobs", [2, -1])
@pytest.mark.parametrize("engine", ENGINES)
def test_jobs_change_nothing(table, jobs, engine):
    one = TextureExtractor(["Original", "Wavelet"], SMALL, engine=engine)
    np.testing.assert_array_equal(one.transform(table), clone(one).set_params(n_jobs=jobs).transform(table))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_batch_equals_one_by_one_in_any_order(engine):
    images = [image(seed, (12 + seed, 30 - seed)) for seed in range(6)]
    settings = {"image_types": ["Original", "Gradient"], "feature_classes": ["glcm", "glszm"], "engine": engine}
    together = extract(images, **settings)
    single = pd.concat([extract([one], **settings) for one in images], ignore_index=True)
    pd.testing.assert_frame_equal(together, single, rtol=1e-12)
    pd.testing.assert_frame_equal(extract(images[::-1], **settings)[::-1].reset_index(drop=True), together, rtol=1e-12)


def test_kinds_of_input_are_the_same(tmp_path):
    pixels = image()
    extractor = TextureExtractor(feature_classes=SMALL)
    expected = extractor.transform(pd.DataFrame({"x0": [pixels, pixels]}, dtype=object))
    objects = np.empty(2, dtype=object)
    objects[:] = [pixels, Radiograph(pixels)]
    for X in ([pixels, pixels], np.stack([pixels, pixels]), objects, objects[:, None], pd.Series([pixels, pixels])):
        np.testing.assert_array_equal(extractor.transform(X), expected)
        assert extractor.fit(X).get_feature_names_out()[0] == "x0__original_firstorder_Mean"
    with pytest.raises(InputError, match="wrap a single image in a list"):
        extractor.transform(pixels)


def test_in_a_column_transformer(table):
    blocks = ColumnTransformer([("texture", TextureExtractor(feature_classes=SMALL), ["left"])], remainder="drop")
    frame = blocks.set_output(transform="pandas").fit_transform(table)
    assert frame.columns[0] == "texture__left__original_firstorder_Mean"


def test_pickle_and_clone_keep_everything(table):
    extractor = TextureExtractor(["LoG"], bin_count=16).set_params(image_types={"LoG": {"sigma": [1.0]}}).fit(table)
    copy = pickle.loads(pickle.dumps(extractor))
    np.testing.assert_array_equal(copy.transform(table), extractor.transform(table))
    assert clone(extractor).get_params() == extractor.get_params()


def test_other_columns_than_in_fit_are_refused(table):
    extractor = TextureExtractor(feature_classes=SMALL).fit(table)
    with pytest.raises(InputError, match="give the same columns in the same order"):
        extractor.transform(table[["right", "left"]])


def flat(value=3.0):
    return np.full((20, 24), value)


def with_nan(row, column):
    pixels = image()
    pixels[row, column] = np.nan
    return pixels


CENTRE = np.pad(np.ones((10, 12), dtype=bool), ((5, 5), (6, 6)))
GATE = [
    ("empty", image(), CENTRE & False, {}, "empty_region", "has no pixel"),
    ("tiny", image(), np.pad(np.ones((2, 4), bool), ((9, 9), (10, 10))), {}, "too_few_pixels", "8 pixels, at least 9"),
    ("small", image(), CENTRE, {"minimum_roi_size": 120}, "too_few_pixels", "120 pixels, at least 121"),
    ("one row", image(), np.pad(np.ones((1, 24), bool), ((9, 10), (0, 0))), {}, "too_thin", "minimum_roi_dimensions=1"),
    ("flat", flat(), CENTRE, {}, "too_few_levels", "1 grey levels after binning with bin_count=32"),
    ("wide bins", image(), CENTRE, {"bin_width": 25}, "too_few_levels", "bin with bin_count=32"),
    ("narrow bins", image(), CENTRE, {"bin_width": 0.01}, "too_many_levels", "at most 4096"),
    ("NaN inside", with_nan(9, 9), CENTRE, {}, "not_finite", "1 pixels inside the mask are NaN"),
    ("NaN outside", with_nan(0, 0), CENTRE, {"image_types": ["Wavelet"]}, "not_finite", "which filters"),
    ("NaN beside bone", with_nan(0, 0), CENTRE, {"feature_classes": ["lbp"]}, "not_finite", "which filters"),
    ("NaN normalised", with_nan(0, 0), CENTRE, {"normalize": True}, "not_finite", "which filters and normalisation"),
    ("resegmented", image(), CENTRE, {"resegment_range": [1000]}, "empty_region", "no pixel after resegmentation"),
    ("no spacing", image(), CENTRE, {"resampled_pixel_spacing": (0.2, 0.2)}, "unknown_spacing", "spacing is unknown"),
    ("filtered", image(), CENTRE, {"image_types": {"LBP2D": {"lbp2d_method": "var", "lbp2d_samples": 1}}},
     "filter_undefined", "the lbp-2D image has NaN"),
]  # fmt: skip


@pytest.mark.parametrize(("pixels", "mask", "settings", "code", "message"), [case[1:] for case in GATE],
                         ids=[case[0] for case in GATE])  # fmt: skip
@pytest.mark.parametrize("engine", ENGINES)
def test_gate(pixels, mask, settings, code, message, engine):
    X = pd.DataFrame({"hip": [region(), Radiograph(pixels, mask), region(4)]})
    X["hip"] = [Radiograph(one.pixels, one.mask, (0.3, 0.3) if k != 1 else None) for k, one in enumerate(X["hip"])]
    extractor = TextureExtractor(feature_classes=SMALL, engine=engine).set_params(**settings)
    if code in ("too_few_levels", "too_many_levels") and "bin_width" in settings:
        extractor.set_params(min_levels=8)
    with pytest.raises((RegionError, InputError), match=message) as caught:
        extractor.transform(X.iloc[[1]])
    assert caught.value.code == code
    assert str(caught.value).startswith("row 0, column 'hip': ")
    if code in ("too_few_levels", "too_many_levels", "filter_undefined") and len(settings):
        return
    if "resegment_range" in settings or "minimum_roi_size" in settings:
        return
    values = extractor.set_params(on_error="skip").transform(X)
    assert np.isnan(values[1]).all() and np.isfinite(values[[0, 2]]).all()
    assert extractor.failures_[["row", "column", "code"]].to_numpy().tolist() == [[1, "hip", code]]
    assert message in extractor.failures_.loc[0, "reason"]


@pytest.mark.parametrize("engine", ENGINES)
def test_nan_outside_the_mask_does_not_matter_without_filters(engine):
    settings = {"feature_classes": ["firstorder", "glcm", "glszm", "ngtdm", "gldm", "glrlm"], "engine": engine}
    clean, dirty = image(), with_nan(0, 0)
    dirty[5, 5] = np.inf
    pd.testing.assert_frame_equal(extract([clean], [CENTRE], **settings), extract([dirty], [CENTRE], **settings))


def test_an_unreadable_image_is_a_failure_like_any_other():
    frame = extract(["no/such/file.png", image()], feature_classes=SMALL, on_error="skip")
    assert frame.isna().all(axis=1).tolist() == [True, False]
    assert [failure["row"] for failure in frame.attrs["failures"]] == [0]
    assert "file.png" in frame.attrs["failures"][0]["reason"]


@pytest.mark.parametrize("engine", ENGINES)
def test_flat_region_gets_the_conventional_values_of_the_table(engine):
    """Where the table states a value, pyradiomics and the native engine give it."""
    found = extract([flat()], min_levels=None, engine=engine).iloc[0]
    stated = describe_features().set_index("name")["degenerate"].dropna()
    stated = stated[[f"original_{name}" in found.index for name in stated.index]]
    assert len(stated) == 10
    assert found[[f"original_{name}" for name in stated.index]].tolist() == stated.tolist()


def test_masks_of_every_kind():
    expected = extract([Radiograph(image(), CENTRE)], feature_classes=SMALL)
    for mask in (CENTRE, CENTRE.astype(np.uint8), CENTRE.astype(np.uint8) * 255):
        pd.testing.assert_frame_equal(extract([image()], [mask], feature_classes=SMALL), expected)
    assert extract([image(), None], [CENTRE, CENTRE], feature_classes=SMALL).isna().all(axis=1).tolist() == [
        False,
        True,
    ]
    with pytest.raises(InputError, match="2 images and 1 masks"):
        extract([image(), image()], [CENTRE])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_types": ["wavelet"]}, "unknown image type 'wavelet'; did you mean 'Wavelet'"),
        ({"image_types": {"Wavelet": {"wavlet": "haar"}}}, "did you mean 'wavelet'"),
        ({"image_types": ["LoG"]}, "LoG needs its widths"),
        ({"image_types": {"Detrended": {"sigma": [0]}}}, "Detrended needs its widths in mm, above 0"),
        ({"image_types": {"Wavelet": {"wavelet": "bior13"}}}, "unknown wavelet 'bior13'; did you mean 'bior1.3'"),
        ({"image_types": {"Wavelet": {"bands": ["LLH"]}}}, "unknown band 'LLH'"),
        ({"image_types": {"Wavelet": {"level": 0}}}, "'level' parameter of image type Wavelet"),
        ({"image_types": {"LBP2D": {"lbp2d_method": "nri"}}}, "unknown lbp2d_method"),
        ({"image_types": {"Square": {"bin_count": 8, "bin_width": 3}}}, "bin_count=8 and bin_width=3 are both set"),
        ({"resampled_pixel_spacing": (1, 1, 1)}, "two numbers"),
        ({"resegment_range": []}, "one or two numbers"),
        ({"distances": [0]}, "whole numbers from 1 on"),
        ({"feature_classes": ["shape2"]}, "did you mean 'shape2D'"),
        ({"feature_classes": {"glcm": ["contrast"]}}, "did you mean 'Contrast'"),
        ({"bin_count": 16, "bin_width": 25}, "bin_count=16 and bin_width=25 are both set"),
        ({"bin_count": None}, "neither bin_count nor bin_width"),
        ({"standard": "ibsi", "engine": "pyradiomics"}, "has no standard 'ibsi'"),
    ],
)
def test_settings_that_do_not_exist(settings, message):
    with pytest.raises(InputError, match=message):
        extract([image()], **settings)


@pytest.mark.parametrize("settings", [{"bin_count": 0}, {"engine": "mirp"}, {"on_error": "warn"}, {"bin_count": 5000}])
def test_settings_of_the_wrong_kind(settings):
    with pytest.raises(InvalidParameterError):
        TextureExtractor(**settings).transform([image()])


def test_a_filter_may_have_its_own_bins():
    settings = {"feature_classes": {"firstorder": ["Entropy"]}}
    both = extract([image()], image_types={"Original": {}, "Square": {"bin_count": 4}}, **settings).iloc[0]
    alone = extract([image()], image_types=["Square"], bin_count=4, min_levels=None, **settings).iloc[0]
    assert both["square_firstorder_Entropy"] == alone["square_firstorder_Entropy"] < both["original_firstorder_Entropy"]


def test_without_pyradiomics_the_reference_engine_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "radiomics", None)
    with pytest.raises(MissingDependencyError, match=r"pyradiomics==3\.0\.1"):
        extract([image()], engine="pyradiomics")


def test_progress_goes_to_stderr_and_only_when_asked(capfd):
    extract([image()] * 3, feature_classes=SMALL)
    assert capfd.readouterr() == ("", "")
    extract([image()] * 3, feature_classes=SMALL, verbose=True)
    out, err = capfd.readouterr()
    assert out == "" and "texture: 100%" in err and "3/3" in err


def test_describe_features_is_the_whole_inventory():
    table = describe_features()
    classes = table["class"].drop_duplicates().tolist()
    frame = extract([Radiograph(image(), spacing=(0.2, 0.2))], feature_classes=classes)
    assert sorted(frame.columns) == sorted("original_" + table["name"])
    coded = table["ibsi"][table["ibsi"] != ""]
    assert coded.is_unique and coded.str.fullmatch("[0-9A-Z]{4}").all()
    assert (table["source"] != "").all()


def peak_memory(n_regions):
    """Largest number of bytes that numpy and Python held while a generator of regions was measured."""
    images = (image(seed, (96, 96)) for seed in range(n_regions))
    tracemalloc.start()
    frame = extract(images, image_types=["Original", "Wavelet"], feature_classes=SMALL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(frame) == n_regions
    return peak


def test_memory_does_not_grow_with_the_number_of_regions(monkeypatch):
    monkeypatch.setattr(_engine, "_PIXELS_HELD", 40 * 96 * 96)
    peak_memory(8)
    few, many = peak_memory(16), peak_memory(96)
    assert many < 1.2 * few + 96 * 96 * 8


def test_a_bad_region_among_many_is_isolated():
    images = [image(seed, (12, 12)) for seed in range(60)]
    images[17], images[41] = flat()[:12, :12], np.full((12, 12), np.nan)
    found = extract(images, feature_classes=SMALL, on_error="skip")
    assert np.flatnonzero(found.isna().any(axis=1)).tolist() == [17, 41]
    assert [(bad["row"], bad["code"]) for bad in found.attrs["failures"]] == [
        (17, "too_few_levels"),
        (41, "not_finite"),
    ]
    good = [one for row, one in enumerate(images) if row not in (17, 41)]
    pd.testing.assert_frame_equal(found.dropna().reset_index(drop=True), extract(good, feature_classes=SMALL))


def test_nothing_to_measure():
    assert extract([], feature_classes=SMALL).shape == (0, 3)
    assert extract(iter([None]), feature_classes=SMALL).isna().all(axis=None)


def test_settings_are_checked_again_when_they_change():
    """A plan is kept for settings that come again; a change deep inside them is seen."""
    extractor = TextureExtractor({"LoG": {"sigma": [1.0]}}, SMALL, min_levels=None)
    first = extractor.transform([image()])
    extractor.image_types["LoG"]["sigma"].append(2.0)
    assert extractor.transform([image()]).shape[1] == 2 * first.shape[1]
    extractor.image_types["LoG"]["sigma"][1] = -2.0
    with pytest.raises(InputError, match="above 0"):
        extractor.transform([image()])
    with pytest.raises(ValueError, match="bin_count"):
        extractor.set_params(bin_count=lambda: 32).transform([image()])


def test_the_shape_of_a_flat_region_is_its_shape():
    found = extract([flat()], [CENTRE], feature_classes={"shape2D": ["PixelSurface", "MaximumDiameter"]})
    assert found.iloc[0].tolist() == [120.0, 15.0]  # 15 = hypot(9, 12), between the midpoints of sides


def test_generators_of_unequal_length_lose_no_row():
    images, masks = (image(seed, (12, 12)) for seed in range(3)), (np.ones((12, 12), bool) for _ in range(2))
    with pytest.raises(InputError, match="not equally many"):
        extract(images, masks, feature_classes=SMALL)


def test_a_bin_width_stands_alone():
    """Beside a width the default number of bins is not used, whether left out, set to None, or to what it is."""
    found = [extract([100 * image()], bin_width=5, **other) for other in ({}, {"bin_count": None}, {"bin_count": 32})]
    for table in found[1:]:
        pd.testing.assert_frame_equal(table, found[0])
    assert not found[0].equals(extract([100 * image()]))


def test_threads_open_few_images_ahead_of_what_is_measured(monkeypatch):
    """Prepared regions hold all filtered images, so they must not pile up."""
    opened, ahead = [], []

    def sources():
        for number in range(600):
            opened.append(number)
            yield image(number)

    def slow(results, **_):
        for number, result in enumerate(results):
            ahead.append(len(opened) - number)
            yield result

    monkeypatch.setattr(_engine, "tqdm", contextmanager(lambda results, **_: (yield slow(results))))
    found = extract(sources(), feature_classes=SMALL, n_jobs=2, verbose=True)
    assert len(found) == 600
    assert max(ahead) <= 2 * 2 * _engine._SLICE + _engine._SLICE
