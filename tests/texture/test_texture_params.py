"""Parameter files of pyradiomics, unchanged."""

import json

import numpy as np
import pytest

from deepradiomics import Radiograph, TextureExtractor
from deepradiomics.exceptions import InputError
from deepradiomics.texture._parameter_files import read_parameters

# A file as the project pyradiomics ships them for slices, with most of what its schema allows.
FULL = """
imageType:
  Original: {}
  LoG:
    sigma: [1.0, 3]
    binWidth: 10
  Wavelet: {wavelet: bior1.3, level: 2}
  LBP2D: {}
featureClass:
  shape:
  shape2D: []
  firstorder: [Mean, 90Percentile]
  glcm:
setting:
  binWidth: 25
  force2D: true
  force2Ddimension: 0
  label: 1
  normalize: true
  normalizeScale: 100
  removeOutliers: 3
  resampledPixelSpacing: [0.5, 0.4, 0]
  interpolator: 3
  padDistance: 10
  preCrop: true
  distances: [1, 2]
  weightingNorm: manhattan
  symmetricalGLCM: false
  gldm_a: 1
  voxelArrayShift: 300
  resegmentRange: [-3, 3]
  resegmentMode: sigma
  resegmentShape: true
  minimumROIDimensions: 2
  minimumROISize: 50
  geometryTolerance: 1.0e-5
  correctMask: true
  additionalInfo: false
  lbp2DRadius: 2
voxelSetting:
  kernelRadius: 2
"""


def write(folder, text, name="Params.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def test_every_setting_arrives(tmp_path):
    extractor = TextureExtractor.from_params(write(tmp_path, FULL), min_levels=None)
    found = extractor.get_params()
    assert found["image_types"] == {
        "Original": {},
        "LoG": {"sigma": [1.0, 3], "bin_width": 10},
        "Wavelet": {"wavelet": "bior1.3", "level": 2},
        "LBP2D": {"lbp2d_radius": 2},
    }
    assert found["feature_classes"] == {
        "shape": None,
        "shape2D": None,
        "firstorder": ["Mean", "90Percentile"],
        "glcm": None,
    }
    expected = {
        "bin_width": 25,
        "bin_count": None,
        "normalize": True,
        "normalize_scale": 100,
        "remove_outliers": 3,
        "resampled_pixel_spacing": (0.4, 0.5),
        "interpolator": "sitkBSpline",
        "pad_distance": 10,
        "pre_crop": True,
        "distances": [1, 2],
        "weighting_norm": "manhattan",
        "symmetrical_glcm": False,
        "gldm_a": 1,
        "voxel_array_shift": 300,
        "resegment_range": [-3, 3],
        "resegment_mode": "sigma",
        "resegment_shape": True,
        "minimum_roi_dimensions": 2,
        "minimum_roi_size": 50,
        "min_levels": None,
    }
    assert {name: found[name] for name in expected} == expected
    assert len(extractor.get_feature_names_out(["hip"])) == 14 + 9 + (1 + 2 + 7 + 1) * (2 + 24)


# pykwalify, which pyradiomics validates with, calls a function that Python deprecates.
@pytest.mark.filterwarnings("ignore:.*load_module:DeprecationWarning")
def test_pyradiomics_accepts_the_same_file(tmp_path):
    """The file above is a valid one: pyradiomics' own schema says so."""
    featureextractor = pytest.importorskip("radiomics.featureextractor")
    extractor = featureextractor.RadiomicsFeatureExtractor(str(write(tmp_path, FULL)))
    assert extractor.settings["weightingNorm"] == "manhattan"


def test_json_is_yaml_with_brackets(tmp_path):
    content = {"imageType": {"Original": {}}, "setting": {"binCount": 16}, "featureClass": {"ngtdm": []}}
    extractor = TextureExtractor.from_params(write(tmp_path, json.dumps(content, indent="\t"), "params.json"))
    assert (extractor.bin_count, extractor.bin_width) == (16, None)
    assert extractor.get_feature_names_out(["hip"])[0] == "hip__original_ngtdm_Busyness"


def test_an_empty_section_means_pyradiomics_defaults(tmp_path):
    extractor = TextureExtractor.from_params(write(tmp_path, "setting:\nimageType:\n"))
    assert (extractor.bin_count, extractor.bin_width) == (None, 25)
    assert len(extractor.get_feature_names_out(["hip"])) == 93 + 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("setting: {binwidht: 5}", "unknown setting 'binwidht'; did you mean 'binWidth'"),
        ("setting: {symetricalGLCM: true}", "did you mean 'symmetricalGLCM'"),
        ("settings: {binWidth: 5}", "did you mean 'setting'"),
        ("imageType: {wavelets: {}}", "unknown imageType 'wavelets'; did you mean 'Wavelet'"),
        ("imageType: {Wavelet: {sigma: [1]}}", "unknown setting of imageType Wavelet 'sigma'"),
        ("imageType: {LBP3D: {}}", "LBP3D needs a volume"),
        ("featureClass: {GLCM: []}", "unknown featureClass 'GLCM'; did you mean 'glcm'"),
        ("featureClass: {glcm: [Contrasts]}", "unknown feature of glcm 'Contrasts'; did you mean 'Contrast'"),
        ("setting: {binWidth: 5, binCount: 32}", "bin_count=32 and bin_width=5 are both set"),
        ("setting: {binCount: 8}\nimageType: {LoG: {sigma: [1], binWidth: 5}}", "bin_count=8 and bin_width=5"),
        ("setting: {label: 2}", "choose the label when the mask is read"),
        ("- a list", "is a list, not key: value pairs"),
        ("setting: {binWidth: 5", "cannot be read"),
        ("setting: !!python/object/apply:os.getcwd []", "cannot be read"),
        ("setting: [binWidth]", "section setting .* is a list"),
        ("featureClass: {glcm: Contrast}", "featureClass glcm is a str, not a list"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        TextureExtractor.from_params(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.yaml cannot be read"):
        TextureExtractor.from_params(tmp_path / "nothing.yaml")


SAME_VALUES = {
    "slices": FULL.replace("  LoG:\n    sigma: [1.0, 3]\n    binWidth: 10\n", "")
    .replace("  LBP2D: {}\n", "  Square: {binWidth: 3}\n  Gradient: {gradientUseSpacing: false}\n")
    .replace("interpolator: 3", "interpolator: sitkBSpline"),
    "defaults": """
        setting: {force2D: true}
        imageType: {Original: {}, Logarithm: {}}
        featureClass: {ngtdm: , gldm: []}
        """,
    "bin count": """
        setting: {force2D: true, binCount: 24, start_level: 1}
        imageType: {Wavelet: {level: 1, binCount: 8}}
        featureClass: {glrlm: [RunEntropy, ShortRunEmphasis], glszm: [ZoneEntropy]}
        """,
}


# pykwalify, which pyradiomics validates with, calls a function that Python deprecates.
@pytest.mark.filterwarnings("ignore:.*load_module:DeprecationWarning")
@pytest.mark.parametrize("text", SAME_VALUES.values(), ids=SAME_VALUES)
def test_the_same_file_gives_the_same_values_as_in_pyradiomics(tmp_path, text):
    """Read by both, measured by both: pyradiomics on a volume of one slice, as its users have it."""
    featureextractor = pytest.importorskip("radiomics.featureextractor")
    sitk = pytest.importorskip("SimpleITK")
    path = write(tmp_path, text)
    rng = np.random.default_rng(0)
    pixels = np.float32(rng.normal(0, 9, (40, 50)).cumsum(0) + 300)
    mask = np.zeros((40, 50), bool)
    mask[5:31, 8:40] = rng.random((26, 32)) < 0.9
    image, region = sitk.GetImageFromArray(pixels[None].astype(float)), sitk.GetImageFromArray(mask[None].astype(int))
    for volume in (image, region):
        volume.SetSpacing((0.6, 0.8, 1.0))
    theirs = featureextractor.RadiomicsFeatureExtractor(str(path))
    theirs.addProvenance(False)
    expected = {name: float(value) for name, value in theirs.execute(image, region).items()}
    ours = TextureExtractor.from_params(path, min_levels=None, engine="pyradiomics").set_output(transform="pandas")
    found = ours.fit_transform([Radiograph(pixels, mask, (0.8, 0.6))]).iloc[0]
    assert [name.removeprefix("x0__") for name in found.index] == list(expected)
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("setting: {interpolator: 0, resampledPixelSpacing: [1, 1]}", "interpolator is 0"),
        ("setting: {interpolator: 20, resampledPixelSpacing: [1, 1]}", "interpolator is 20"),
        ("setting: {resampledPixelSpacing: [0.6]}", "resampledPixelSpacing"),
        ("setting: {resampledPixelSpacing: 1}", "resampledPixelSpacing"),
        ("setting: {binWidth: 5, binWidth: 7}", "given twice"),
        ("setting: {distances: [1, 1]}", "distances"),
        ("imageType: {LoG: {sigma: 2}}", "sigma"),
        ("imageType: {LoG: {sigma: [2, 2]}}", "sigma"),
        ("imageType: {Original: {binWidth: -10}}", "bin_width"),
        ("imageType: {Original: {weightingNorm: foo}}", "weighting_norm"),
        ("imageType: {Original: {distances: [0]}}", "distances"),
        ("imageType: {Wavelet: {level: 1.5}}", "level"),
        ("imageType: {LBP2D: {lbp2DRadius: -1}}", "lbp2d_radius"),
    ],
)
def test_settings_that_cannot_be_are_named_before_anything_is_measured(tmp_path, text, message):
    (tmp_path / "Params.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        TextureExtractor.from_params(tmp_path / "Params.yaml").fit([np.arange(100.0).reshape(10, 10)])


def test_a_number_of_the_newer_yaml(tmp_path):
    (tmp_path / "Params.yaml").write_text("setting: {binWidth: 1e1}")
    assert TextureExtractor.from_params(tmp_path / "Params.yaml").bin_width == 10


@pytest.mark.parametrize("nothing", [{"image_types": []}, {"feature_classes": {}}])
def test_nothing_to_measure_is_named(nothing):
    with pytest.raises(InputError, match="no image type or no feature class"):
        TextureExtractor(**nothing).fit([np.arange(100.0).reshape(10, 10)])


def test_each_feature_that_pyradiomics_has_deprecated_names_what_says_the_same(tmp_path):
    radiomics = pytest.importorskip("radiomics")
    names = {name: kind.getFeatureNames() for name, kind in radiomics.getFeatureClasses().items()}
    deprecated = [(name, feature) for name, features in names.items() for feature, old in features.items() if old]
    assert ("firstorder", "StandardDeviation") in deprecated
    for name, feature in deprecated:
        with pytest.raises(InputError, match=f"feature {feature} of {name} is deprecated in pyradiomics; it is "):
            TextureExtractor.from_params(write(tmp_path, f"featureClass: {{{name}: [{feature}]}}"))


def test_a_change_takes_the_place_of_a_setting_under_an_image_type(tmp_path):
    types = "LoG: {sigma: [1.0, 3.0], binWidth: 5}, Wavelet: {wavelet: coif1}"
    path = write(tmp_path, f"setting: {{binCount: 8}}\nimageType: {{Original:, {types}}}")
    found = read_parameters(path, ["sigma:1,2", "wavelet:haar", "binWidth:10"])
    assert found["image_types"] == {"Original": {}, "LoG": {"sigma": [1, 2]}, "Wavelet": {"wavelet": "haar"}}
    assert (found["bin_width"], found["bin_count"]) == (10, None)
    with pytest.raises(InputError, match="setting lbp2DRadius is read by no image type; add LBP2D"):
        read_parameters(path, ["lbp2DRadius:2"])


def test_a_date_that_is_none_is_a_fault_of_the_file(tmp_path):
    with pytest.raises(InputError, match=r"parameter file \S+ cannot be read: month"):
        TextureExtractor.from_params(write(tmp_path, "setting: {binCount: 2024-13-45}"))
