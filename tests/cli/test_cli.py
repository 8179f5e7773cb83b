"""The command against pyradiomics' own command on the same files, and its exit codes."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepradiomics.cli import main
from deepradiomics.cli._regions import _labelled, _numbers, _region_table

sitk = pytest.importorskip("SimpleITK")
PARAMETERS = """
imageType:
  Original: {}
  Wavelet: {wavelet: bior1.3}
featureClass:
  firstorder:
  glcm:
  glszm:
setting:
  binCount: 16
"""


@pytest.fixture
def study(tmp_path):
    """Two images with masks, the second with two labels, in a folder of their own."""
    rng, rows = np.random.default_rng(0), []
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(2):
        # Whole numbers, as detectors give, in 64 bits, in which pyradiomics then filters.
        image = sitk.GetImageFromArray(np.rint(rng.normal(100, 20, (40, 44)).cumsum(axis=1)))
        labels = np.zeros((40, 44), np.uint8)
        labels[5:20, 5:30], labels[24:36, 8:40] = 1, 2
        mask = sitk.GetImageFromArray(labels)
        for part in (image, mask):
            part.SetSpacing((0.5, 0.5))
        sitk.WriteImage(image, str(folder / f"i{number}.nrrd"))
        sitk.WriteImage(mask, str(folder / f"m{number}.nrrd"))
        rows += [{"Image": f"images/i{number}.nrrd", "Mask": f"images/m{number}.nrrd", "Label": 1 + number}]
    pd.DataFrame(rows).to_csv(tmp_path / "cases.csv", index=False)
    (tmp_path / "Params.yaml").write_text(PARAMETERS)
    return tmp_path


@pytest.mark.parametrize(
    ("label", "changes"),
    [(None, []), (2, ["binWidth:9", "distances:1,2", "normalize:true", "normalizeScale:100", "symmetricalGLCM:False"])],
    ids=["labels of the table", "label of the file, settings of the command"],
)
def test_a_users_table_and_parameters_give_pyradiomics_own_numbers(study, capsys, label, changes):
    pytest.importorskip("radiomics")
    words = [word for change in changes for word in ("-s", change)]
    if label is not None:
        pd.read_csv(study / "cases.csv").drop(columns="Label").to_csv(study / "cases.csv", index=False)
        (study / "Params.yaml").write_text(f"{PARAMETERS}  label: {label}\n")
    words = [
        "extract",
        str(study / "cases.csv"),
        "-p",
        str(study / "Params.yaml"),
        "-o",
        str(study / "ours.csv"),
        *words,
    ]
    assert main(words) == 0
    assert "2 regions" in capsys.readouterr().out
    if label is not None:
        # Its own -s fails with the ruamel.yaml of today, so pyradiomics has the settings in its file.
        lines = [f"  {name}: {value}" for name, value in (change.split(":") for change in changes)]
        text = "\n".join([PARAMETERS.replace("binCount: 16", f"label: {label}"), *lines]).replace("1,2", "[1, 2]")
        (study / "Params.yaml").write_text(text)
    command = Path(sys.executable).parent / "pyradiomics"
    words = ["cases.csv", "-o", "theirs.csv", "-f", "csv", "--param", "Params.yaml", "-j", "1"]
    subprocess.run([command, *words], check=True, cwd=study, capture_output=True, timeout=120)
    ours, theirs = (pd.read_csv(study / name) for name in ("ours.csv", "theirs.csv"))
    names = [name for name in theirs if name.startswith(("original_", "wavelet"))]
    assert len(names) == 5 * (18 + 24 + 16)
    assert [name for name in ours if name not in ("Image", "Mask", "Label")] == names
    np.testing.assert_allclose(ours[names], theirs[names], rtol=1e-6, atol=1e-7)


def test_parquet_and_failures(study, capsys):
    mask = sitk.GetImageFromArray(np.zeros((40, 44), np.uint8))
    flat = sitk.GetImageFromArray(np.ones((40, 44)))
    mask[3:20, 3:20] = 1
    sitk.WriteImage(mask, str(study / "images/m1.nrrd"))
    sitk.WriteImage(flat, str(study / "images/i1.nrrd"))
    table = pd.read_csv(study / "cases.csv").assign(Label=1)
    table.to_csv(study / "cases.csv", index=False)
    words = ["extract", str(study / "cases.csv"), "-o", str(study / "out.parquet")]
    assert main(words) == 2
    assert "row 1" in capsys.readouterr().err
    assert main([*words, "--on-error", "skip"]) == 1
    found = pd.read_parquet(study / "out.parquet")
    assert found["original_firstorder_Mean"].isna().tolist() == [False, True]
    assert "row 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "output", "message"),
    [
        ("Image,Label\na.png,1\n", "o.csv", "no column 'Mask' (1 missing); it has Image, Label"),
        ("Image,Mask\nnothing.png,nothing.png\n", "o.csv", "row 0"),
        ("Image,Mask\n", "o.csv", "has no rows"),
        ("Image,Mask\na,b\n", "o.txt", "ends in none of .csv, .parquet, .json"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, content, output, message):
    (tmp_path / "t.csv").write_text(content)
    assert main(["extract", str(tmp_path / "t.csv"), "-o", str(tmp_path / output)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert said.count("\n") == 1


def test_info_names_versions_and_the_device(capsys):
    assert main(["info", "--warm"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1].startswith("loops ready after ")
    assert "scikit-learn" in said
    assert "texture on" in said


def test_help_is_fast_and_loads_nothing_heavy():
    code = "import sys; from deepradiomics.cli import _parser; _parser(); print({'torch', 'pandas'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_resumed_features_are_those_of_one_go(study, capsys, jobs):
    words = ["extract", str(study / "cases.csv"), "-p", str(study / "Params.yaml"), "-o"]
    assert main([*words, str(study / "once.csv")]) == 0
    resumed = [*words, str(study / "resumed.csv"), "--resume", "--jobs", jobs]
    assert main(resumed) == 0
    once, found = (pd.read_csv(study / f"{name}.csv") for name in ("once", "resumed"))
    pd.testing.assert_frame_equal(once, found, check_exact=False, rtol=1e-12)
    # What is finished is not measured again: the images may be gone.
    for path in (study / "images").iterdir():
        path.unlink()
    capsys.readouterr()
    assert main(resumed) == 0
    assert "2 regions" in capsys.readouterr().out


def test_a_row_that_fails_is_named_when_resumed(study, capsys):
    (study / "images/m1.nrrd").write_bytes(b"nothing")
    words = ["extract", str(study / "cases.csv"), "-o", str(study / "out.csv"), "--resume"]
    assert main(words) == 1
    assert "row 1: " in capsys.readouterr().err
    assert pd.read_csv(study / "out.csv")["original_firstorder_Mean"].isna().tolist() == [False, True]


def test_the_label_of_the_file_or_the_command_holds_for_rows_without_one(tmp_path):
    (tmp_path / "Params.yaml").write_text("setting: {label: 2}\n")
    table = pd.DataFrame({"Image": ["a", "b", "c"], "Label": [3, None, 1]})
    of_file = Namespace(param=tmp_path / "Params.yaml", setting=[])
    assert _numbers(_labelled(table, of_file), "Label") == [3, 2, 1]
    assert _numbers(_labelled(table.drop(columns="Label"), of_file), "Label") == [2, 2, 2]
    of_command = Namespace(param=tmp_path / "Params.yaml", setting=["label:4"])
    assert _numbers(_labelled(table, of_command), "Label") == [3, 4, 1]
    assert _numbers(_labelled(table, Namespace(param=None, setting=[])), "Label") == [3, None, 1]


def test_settings_of_the_command(study, capsys):
    extract = ["extract", str(study / "cases.csv"), "-o", str(study / "out.csv")]
    for words, message in (
        (["binCount"], "not of the form NAME:VALUE"),
        (["gldm_a:{1"], "not of the form NAME:VALUE"),
        (["gldm_a:x"], "gldm_a"),
        (["binCuont:3"], "did you mean 'binCount'?"),
        (["binCount:8", "binWidth:5"], "only one can be"),
        (["label:one"], "give a whole number"),
        (["binCount:2024-13-45"], "not of the form NAME:VALUE"),
        (["sigma:1,2"], "setting sigma is read by no image type; add LoG"),
        (["wavelet:haar"], "setting wavelet is read by no image type; add Wavelet"),
    ):
        assert main([*extract, *(word for change in words for word in ("-s", change))]) == 2
        assert message in capsys.readouterr().err
    # Without a file the other settings are those of TextureExtractor, which bins by count.
    assert main([*extract, "-s", "voxelArrayShift:1000"]) == 0
    energy = pd.read_csv(study / "out.csv")
    assert main(extract) == 0
    plain = pd.read_csv(study / "out.csv")
    n, mean = np.array([15 * 25, 12 * 32]), plain["original_firstorder_Mean"]  # pixels of the masks of `study`
    expected = plain["original_firstorder_Energy"] + 2000 * n * mean + n * 1000.0**2
    np.testing.assert_allclose(energy["original_firstorder_Energy"], expected, rtol=1e-9)
    same = [name for name in plain if "glcm" in name]
    np.testing.assert_allclose(energy[same], plain[same], rtol=1e-12)


def test_the_column_label_channel_chooses_the_layer(tmp_path):
    layers = np.zeros((2, 12, 12), dtype=np.uint8)
    layers[0, 2:5], layers[1, 6:11] = 1, 1
    vectors = sitk.GetImageFromArray(np.moveaxis(layers, 0, 2), isVector=True)
    sitk.WriteImage(vectors, str(tmp_path / "m.seg.nrrd"))
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(144.0).reshape(12, 12)), str(tmp_path / "a.nrrd"))
    table = pd.DataFrame({"Image": ["a.nrrd"] * 2, "Mask": ["m.seg.nrrd"] * 2, "Label_channel": [0, "1"]})
    regions = _region_table(table, tmp_path)["region"]
    assert all(np.array_equal(region.mask, layer) for region, layer in zip(regions, layers, strict=True))
