"""Mistakes of users: exit code 2 and one line, before any work, without a cell of a patient; what is there is kept."""

import json
import os
import sys
from argparse import Namespace
from configparser import ConfigParser
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pyarrow.parquet import read_schema
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import deepradiomics as dr
from deepradiomics.cli import _parser, main
from deepradiomics.cli._cohorts import _value
from deepradiomics.cli._log import log_to, speaking
from deepradiomics.cli._tables import read_cohort, read_table, write_table
from deepradiomics.exceptions import InputWarning

PARAMETERS = "imageType: {Original: {}}\nfeatureClass: {firstorder: [Mean]}\nsetting: {binCount: 16}\n"
MEAN = "original_firstorder_Mean"
# 20 patients whose images are not there: what is refused is refused before one is opened.
COHORT = pd.DataFrame(
    {
        "patient": [f"P{row:04d}" for row in range(20)],
        "radiograph": [f"{row:04d}" for row in range(20)],
        "mask": [f"{row:04d}_mask" for row in range(20)],
        "age": np.arange(51, 71).astype(str),
        "sex": ["F", "M"] * 10,
        "weight": np.linspace(50, 90, 20).round(1),
        "label": [1, 1, 2, 2] * 5,
    }
)


def refused(words, capsys):
    """What a command says that ends with exit code 2: one line, no traceback."""
    assert main([str(word) for word in words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("deepradiomics: ")
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    return said.err


@pytest.fixture
def cases(tmp_path):
    """A table of six images with masks, and a parameter file."""
    rng = np.random.default_rng(0)
    for row in range(6):
        Image.fromarray(rng.integers(0, 255, (24, 24)).astype(np.uint8)).save(tmp_path / f"i{row}.png")
        Image.fromarray(np.full((24, 24), 255, np.uint8)).save(tmp_path / f"m{row}.png")
    (tmp_path / "p.yaml").write_text(PARAMETERS)
    table = pd.DataFrame({"Image": [f"i{row}.png" for row in range(6)], "Mask": [f"m{row}.png" for row in range(6)]})
    table.to_csv(tmp_path / "cases.csv", index=False)
    return tmp_path


def extract(folder, *words, table="cases.csv", output="out.csv"):
    return ["extract", str(folder / table), "-p", str(folder / "p.yaml"), "-o", str(folder / output), *words]


@pytest.fixture
def cohort(tmp_path):
    COHORT.to_csv(tmp_path / "cohort.csv", index=False)
    return tmp_path


@pytest.fixture
def model(tmp_path):
    """A model of age and sex."""
    blocks = ColumnTransformer([("clinical", dr.clinical_encoder(), ["age", "sex"])])
    table = COHORT.astype({"age": int})
    return dr.save(make_pipeline(blocks, LogisticRegression()).fit(table, table["label"]), tmp_path / "model.zip")


def test_failures_of_rows_that_are_gone_are_not_reported(cases, capsys):
    table = pd.read_csv(cases / "cases.csv")
    table.loc[5, "Image"] = "missing.png"
    table.to_csv(cases / "cases.csv", index=False)
    assert main(extract(cases, "--resume")) == 1
    assert "row 5: no_file" in capsys.readouterr().err
    table.iloc[:5].to_csv(cases / "cases.csv", index=False)
    assert main(extract(cases, "--resume")) == 0
    said = capsys.readouterr()
    assert "row" not in said.err
    assert "5 regions, 1 features, 0 failed" in said.out


@pytest.mark.parametrize("resume", [[], ["--resume"]])
@pytest.mark.parametrize(
    ("column", "cell"), [("Label", "abc"), ("Label", "inf"), ("Label", "1.5"), ("Image", ""), ("Mask", "")]
)
def test_cells_of_regions_are_checked_first(cases, capsys, column, cell, resume):
    table = pd.read_csv(cases / "cases.csv", dtype=str).assign(Label="1")
    table.loc[2, column] = cell
    table.to_csv(cases / "cases.csv", index=False)
    said = refused(extract(cases, *resume), capsys)
    assert f"row 2, column {column!r}" in said
    assert not cell or cell not in said
    assert not (cases / "out.csv").exists()


def test_regions_without_a_label_are_the_whole_mask(cases):
    pd.read_csv(cases / "cases.csv").assign(Label=[1, None, 1, "1.0", 255, None]).to_csv(cases / "cases.csv")
    for row in (0, 2, 3):
        Image.fromarray(np.ones((24, 24), np.uint8)).save(cases / f"m{row}.png")
    assert main(extract(cases)) == 0
    assert pd.read_csv(cases / "out.csv")[MEAN].notna().all()


@pytest.mark.parametrize(
    ("output", "message"),
    [("nowhere/out.csv", "no folder nowhere"), ("folder.csv", "is a folder"), ("cases.csv", "is an input")],
)
def test_outputs_of_extract_that_cannot_be_written(cases, capsys, output, message):
    (cases / "folder.csv").mkdir()
    (cases / "i0.png").unlink()
    before = (cases / "cases.csv").read_bytes()
    assert message in refused(extract(cases, output=output), capsys)
    assert (cases / "cases.csv").read_bytes() == before


@pytest.mark.parametrize("output", ["again.csv", "again.parquet"])
def test_a_table_that_was_measured_already(cases, capsys, output):
    assert main(extract(cases)) == 0
    capsys.readouterr()
    assert f"column {MEAN!r} already" in refused(extract(cases, table="out.csv", output=output), capsys)
    assert not (cases / output).exists()


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_a_file_that_cannot_be_read_is_left_empty(cases, capsys, resume):
    (cases / "i2.png").unlink()
    (cases / "m4.png").write_bytes(b"nothing")
    assert main(extract(cases, "--on-error", "skip", *resume)) == 1
    said = capsys.readouterr().err
    assert said.index("row 2: ") < said.index("row 4: ")
    assert pd.read_csv(cases / "out.csv")[MEAN].isna().tolist() == [False, False, True, False, True, False]


def test_names_of_digits_pass_through_extract(cases):
    for row in range(6):
        (cases / f"i{row}.png").rename(cases / f"000{row}")
    table = pd.DataFrame({"Case": [f"{row:03d}" for row in range(6)], "Site": range(6)})
    table = table.assign(Image=[f"000{row}" for row in range(6)], Mask=[f"m{row}.png" for row in range(6)])
    table.to_csv(cases / "cases.csv", index=False)
    assert main(extract(cases, output="out.parquet")) == 0
    kinds = {field.name: str(field.type) for field in read_schema(cases / "out.parquet")}  # as R's arrow sees them
    assert (kinds["Case"].removeprefix("large_"), kinds["Site"], kinds[MEAN]) == ("string", "int64", "double")
    found = pd.read_parquet(cases / "out.parquet")
    assert found["Case"].tolist() == table["Case"].tolist()
    assert found["Site"].tolist() == list(range(6))
    assert found[MEAN].notna().all()


def test_rows_with_more_cells_than_the_header(cases, capsys):
    (cases / "cases.csv").write_text("Image,Mask\ni0.png,m0.png,1\n")
    assert "more cells than its header" in refused(extract(cases), capsys)


def test_settings_of_extract(cases, capsys):
    (cases / "i0.png").unlink()
    assert "--jobs is 0" in refused(extract(cases, "--jobs", "0"), capsys)
    (cases / "p.yaml").write_text("setting: {binWidth: abc}\n")
    said = refused(extract(cases), capsys)
    assert "bin_width" in said
    assert "'abc'" in said


@pytest.mark.parametrize(
    ("column", "row", "cell", "message"),
    [
        ("age", 3, "old", "row 3, column 'age' holds no number"),
        ("age", 3, "61.000,5", "row 3, column 'age' holds no number"),
        ("weight", 4, "inf", "row 4, column 'weight' is infinite"),
        ("label", 5, "", "row 5, column 'label'"),
        ("patient", 6, "", "row 6 has no patient"),
    ],
)
@pytest.mark.parametrize("command", ["train", "compare"])
def test_cells_of_patients_are_checked_first(cohort, capsys, command, column, row, cell, message):
    table = COHORT.astype(str)
    table.loc[row, column] = cell
    table.to_csv(cohort / "cohort.csv", index=False)
    said = refused([command, cohort / "cohort.csv", "--label", "label", "-o", cohort / "out"], capsys)
    assert message in said
    assert not cell or cell not in said.split()


@pytest.mark.parametrize("command", ["train", "compare"])
def test_tables_of_patients_are_checked_first(cohort, capsys, command):
    words = [command, cohort / "cohort.csv", "--label", "label", "-o", cohort / "out"]
    for table, message in (
        (COHORT.drop(columns="sex"), "no column 'sex'"),
        (COHORT.drop(columns="radiograph"), "no column 'radiograph'"),
        (COHORT.iloc[:0], "has no rows"),
        (COHORT.assign(label=1), "holds 1 "),
        (COHORT.assign(label=COHORT["patient"]), "holds 20 "),
        (COHORT.assign(label=-1.5 + COHORT["label"]), "holds 2 different values"),
    ):
        table.to_csv(cohort / "cohort.csv", index=False)
        said = refused(words, capsys)
        assert message in said
        assert "P0" not in said


def test_a_class_of_one_row_is_not_learned(cohort, capsys):
    COHORT.assign(label=["yes", *["no"] * 19]).to_csv(cohort / "cohort.csv", index=False)
    words = ["train", cohort / "cohort.csv", "--label", "label", "-o", cohort / "m.zip"]
    assert "in a single row" in refused(words, capsys)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("epochs=abc", "'epochs'"),
        ("image_size=-1", "'image_size'"),
        ("segmenter=femur", "segmenter"),
        ("mask=[1]", "mask"),
        ("mask=outline", "no column 'outline'"),
        ("random_state=x", "'random_state'"),
    ],
)
def test_settings_of_a_recipe_are_checked_first(cohort, capsys, given, message):
    words = ["train", cohort / "cohort.csv", "--label", "label", "-o", cohort / "m.zip", "--set", given]
    assert message in refused(words, capsys)


def test_a_recipe_that_the_command_line_does_not_run(cohort, capsys):
    words = ["train", cohort / "cohort.csv", "--label", "label", "-o", cohort / "m.zip", "--recipe", "frozen"]
    assert "runs no recipe 'frozen'; known are kim2022, " in refused(words, capsys)


def test_outputs_of_models_that_cannot_be_written(cohort, model, capsys):
    (cohort / "file").write_text("kept")
    table = cohort / "cohort.csv"
    for words, message in (
        (["train", table, "--label", "label", "-o", cohort / "file"], "file exists already"),
        (["train", table, "--label", "label", "-o", cohort / "file/m.zip"], "file is a file"),
        (["compare", table, "--label", "label", "-o", cohort / "file"], "file is a file"),
        (["report", table, "--label", "label", "-o", cohort / "file"], "file is a file"),
        (["segment", __file__, "-o", cohort / "file"], "file is a file"),
        (["predict", table, "-m", model, "-o", cohort / "nowhere/p.csv"], "no folder nowhere"),
        (["predict", table, "-m", model, "-o", table], "is an input"),
        (["predict", table, "-m", model, "-o", model], "is an input"),
    ):
        assert message in refused(words, capsys)
    assert (cohort / "file").read_text() == "kept"


def test_words_of_a_comparison(cohort, capsys):
    words = ["report", cohort / "cohort.csv", "--label", "label", "-o", cohort / "out"]
    twice = ["--external", f"B={cohort / 'cohort.csv'}", "--external", f"B={cohort / 'cohort.csv'}"]
    for given, message in (
        (["--folds", "1"], "--folds is 1"),
        (["--repeats", "0"], "--repeats is 0"),
        (["--jobs", "0"], "--jobs is 0"),
        (["--seed", "-1"], "--seed is -1"),
        (["--subgroups", "race"], "no column 'race'"),
        (twice, "names 'B' twice"),
    ):
        assert message in refused([*words, *given], capsys)
    COHORT.assign(label=[1, 2, 3, 3] * 5).to_csv(cohort / "cohort.csv", index=False)
    assert "not only those of --classes" in refused([*words, "--classes", "1,2"], capsys)
    COHORT.assign(label=range(20)).to_csv(cohort / "cohort.csv", index=False)
    assert "holds 20 classes" in refused(words, capsys)


def test_tables_for_prediction(cohort, model, capsys):
    words = ["predict", cohort / "cohort.csv", "-m", model]
    for table, message in (
        (COHORT.drop(columns="sex"), "no column 'sex'"),
        (COHORT.iloc[:0], "has no rows"),
        (COHORT.assign(age=["SECRET", *COHORT["age"][1:]]), "row 0, column 'age'"),
        (COHORT.assign(age="SECRET").iloc[:1], "row 0, column 'age'"),
    ):
        table.to_csv(cohort / "cohort.csv", index=False)
        said = refused(words, capsys)
        assert message in said
        assert "SECRET" not in said
    COHORT.to_csv(cohort / "cohort.csv", index=False)
    assert main([str(word) for word in words]) == 0
    found = pd.read_csv(StringIO(capsys.readouterr().out))
    assert list(found) == ["row", *KEPT, "probability_1", "probability_2", "call", "threshold"]
    assert found["patient"].equals(COHORT["patient"])
    np.testing.assert_allclose(found[["probability_1", "probability_2"]], answers(model), rtol=1e-12)


KEPT = ["patient", "radiograph", "mask", "weight", "label"]


def answers(model):
    return dr.load(model).predict_proba(COHORT.astype({"age": int}))


def as_excel(path, table):
    pytest.importorskip("openpyxl")
    table.to_excel(path, index=False)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.csv", lambda path, table: table.to_csv(path, sep=";", decimal=",", index=False)),
        ("t.csv", lambda path, table: table.to_csv(path, sep="\t", encoding="utf-16", index=False)),
        ("t.CSV", lambda path, table: table.to_csv(path, encoding="utf-8-sig", index=False)),
        ("t.xlsx", as_excel),
        (
            "t.csv",
            lambda path, table: path.write_text(
                table.to_csv(sep=";", index=False).replace("age", " age ") + ";;\n;;\n"
            ),
        ),
        ("t.csv", lambda path, table: path.write_text(table.to_csv(index=False).replace("\n", ",\n"))),
    ],
)
def test_tables_as_excel_writes_them(cohort, model, capsys, name, write):
    write(cohort / name, COHORT.assign(age=COHORT["age"].astype(float) + 0.5, sex="weiblich"))
    assert main(["predict", str(cohort / name), "-m", str(model), "-o", str(cohort / "found.json")]) == 0
    found = pd.read_json(cohort / "found.json", dtype={"radiograph": str})
    expected = dr.load(model).predict_proba(COHORT.assign(age=COHORT["age"].astype(float) + 0.5, sex="F"))
    np.testing.assert_allclose(found[["probability_1", "probability_2"]], expected, rtol=1e-9)
    assert [column for column in KEPT if column not in found] == []


def test_a_table_of_another_hospital_is_told(cohort, model, capsys):
    COHORT.assign(age=COHORT["age"].astype(int) * 12).to_csv(cohort / "months.csv", index=False)
    assert main(["predict", str(cohort / "months.csv"), "-m", str(model)]) == 0
    said = capsys.readouterr().err
    assert said.startswith("deepradiomics: warning: column 'age': ")
    assert said.count("\n") == 1
    (cohort / "umlaut.csv").write_bytes("Größe,age\nä,3\n".encode("cp1252"))
    assert "save it as 'CSV UTF-8'" in refused(["predict", cohort / "umlaut.csv", "-m", model], capsys)
    (cohort / "bar.csv").write_text("age|sex\n61|F\n")
    assert "comma, semicolon or tab" in refused(["predict", cohort / "bar.csv", "-m", model], capsys)


def test_a_threshold_of_ones_own(cohort, model, capsys):
    words = ["predict", str(cohort / "cohort.csv"), "-m", str(model), "--threshold", "0.3"]
    assert main(words) == 0
    found = pd.read_csv(StringIO(capsys.readouterr().out))
    assert found["call"].tolist() == np.where(answers(model)[:, 1] >= 0.3, 2, 1).tolist()
    assert (found["threshold"] == 0.3).all()


def test_a_dry_run_names_every_bad_row(cases, model, capsys):
    table = COHORT.iloc[:6].assign(
        radiograph=[f"i{row}.png" for row in range(6)], mask=[f"m{row}.png" for row in range(6)]
    )
    table["radiograph"] = table["radiograph"].str.replace("i1", "sub\\i1")
    (cases / "sub").mkdir()
    (cases / "i1.png").rename(cases / "sub" / "i1.png")
    table.to_csv(cases / "t.csv", index=False)
    words = ["--label", "label", "-o", str(cases / "out"), "--dry-run"]
    for command in ("train", "compare", "report"):
        assert main([command, str(cases / "t.csv"), *words]) == 0
        assert "6 rows, 0 problems" in capsys.readouterr().out
    (cases / "i2.png").write_bytes(b"damaged")
    (cases / "m4.png").unlink()
    table.assign(weight=["SECRET", *table["weight"].astype(str)[1:]]).to_csv(cases / "t.csv", index=False)
    assert main(["train", str(cases / "t.csv"), *words]) == 2
    lines = capsys.readouterr().out.splitlines()
    places = ["row 0, column 'weight'", "row 2, column 'radiograph'", "row 4, column 'mask'", "6 rows, 3 problems"]
    assert all(place in line for place, line in zip(places, lines, strict=True))
    assert "SECRET" not in "".join(lines)
    assert not (cases / "out").exists()
    assert main(["predict", str(cases / "t.csv"), "-m", str(model), "--dry-run"]) == 0
    assert main([*extract(cases), "--dry-run"]) == 2
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line[:5] for line in lines] == ["row 1", "row 2", "row 4", "6 row"]
    assert not (cases / "out.csv").exists()


def test_one_case_and_its_mask(cases, capsys):
    words = ["extract", str(cases / "i0.png"), str(cases / "m0.png"), "-p", str(cases / "p.yaml")]
    assert main(words) == 0
    shown = dict(line.split(",") for line in capsys.readouterr().out.splitlines())
    assert main([*words, "-o", str(cases / "one.json")]) == 0
    assert "1 regions, 1 features, 0 failed" in capsys.readouterr().out
    (found,) = json.loads((cases / "one.json").read_text())
    expected = dr.read_radiograph(cases / "i0.png").pixels.mean()
    assert float(shown["original_firstorder_Mean"]) == pytest.approx(expected)
    assert found["original_firstorder_Mean"] == pytest.approx(expected)
    assert "--output" in refused(["extract", cases / "cases.csv"], capsys)


def test_a_folder_is_outlined_and_damaged_files_are_named(tmp_path, capsys):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.png").write_bytes(b"damaged")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)).save(tmp_path / "films/b.png")
    words = ["segment", str(tmp_path / "films"), "-o", str(tmp_path / "masks")]
    assert main(words) == 1
    said = capsys.readouterr()
    assert said.err.startswith("deepradiomics: a.png ")
    assert "1 of 2 images outlined" in said.out
    table = pd.read_csv(tmp_path / "masks" / "confidence.csv")
    assert table["image"].unique().tolist() == ["a.png", "b.png"]
    assert table["reason"].iloc[0].startswith("a.png ")
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["b_mask.png", "confidence.csv"]
    (tmp_path / "empty").mkdir()
    assert "no image in the folder empty" in refused(["segment", tmp_path / "empty", "-o", tmp_path / "masks"], capsys)


@pytest.mark.parametrize(
    "command", ["scan", "extract", "segment", "train", "predict", "compare", "report", "review", "info"]
)
def test_help_has_an_example_that_is_right(command, capsys):
    """The example in the help is one that the command's own parser takes."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    example = said.rpartition("Example: deepradiomics ")[2].partition(";")[0]
    assert example.startswith(command)
    assert _parser().parse_args(example.split()).run
    assert "(default: None)" not in said


def test_the_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"deepradiomics {dr.__version__}\n"


def test_the_same_version_everywhere():
    root = Path(__file__).parents[2]
    assert f"\nversion: {dr.__version__}\n" in (root / "CITATION.cff").read_text()
    assert f"\n## {dr.__version__} " in (root / "CHANGELOG.md").read_text()
    assert "\nversion = attr: deepradiomics.__version__\n" in (root / "setup.cfg").read_text()


def test_tested_versions_are_those_of_all_that_is_installed_with_it():
    root, settings = Path(__file__).parents[2], ConfigParser()
    settings.read(root / "setup.cfg")
    lines = (root / "constraints.txt").read_text().splitlines()[1:]
    tested = dict(line.split("==") for line in lines)
    for line in settings["options"]["install_requires"].split():
        name, least = line.split(">=")
        found = tested[name.lower().replace("_", "-")]
        assert [int(part) for part in found.split(".")] >= [int(part) for part in least.split(".")], name


def test_regions_that_are_left_empty_are_named(cases, capsys):
    table = pd.DataFrame({"hip": [str(cases / f"i{row}.png") for row in range(6)]})
    texture = dr.TextureExtractor(feature_classes={"firstorder": ["Mean"]}, on_error="skip")
    blocks = ColumnTransformer([("texture", make_pipeline(texture, SimpleImputer()), ["hip"])])
    dr.save(make_pipeline(blocks, LogisticRegression()).fit(table, [0, 1] * 3), cases / "m.zip")
    table.to_csv(cases / "t.csv", index=False)
    words = ["predict", str(cases / "t.csv"), "-m", str(cases / "m.zip")]
    assert main(words) == 0
    Image.fromarray(np.ones((24, 24), np.uint8)).save(cases / "i3.png")
    capsys.readouterr()
    assert main(words) == 1
    said = capsys.readouterr()
    assert "row 3, hip: " in said.err
    assert len(said.out.splitlines()) == 7


def test_what_other_libraries_refuse_is_a_line_without_their_words(cohort, capsys):
    table = COHORT.astype({"age": int})[["age", "weight"]]
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(table, COHORT["label"])
    dr.save(plain, cohort / "plain.zip")
    table.astype(str).assign(age=["SECRET", *table["age"][1:]]).to_csv(cohort / "cohort.csv", index=False)
    words = ["predict", cohort / "cohort.csv", "-m", cohort / "plain.zip"]
    said = refused(words, capsys)
    assert "ValueError" in said
    assert "SECRET" not in said
    with pytest.raises(ValueError, match="SECRET"):
        main(["--debug", *map(str, words)])
    dr.save(StandardScaler().fit(table), cohort / "scaler.zip")
    words[-1] = cohort / "scaler.zip"
    assert "holds a StandardScaler" in refused(words, capsys)


def test_pictures_with_names_of_digits_and_labels_of_any_number(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for row in range(12):
        Image.fromarray(rng.integers(0, 255, (32, 32)).astype(np.uint8)).save(tmp_path / f"{row:04d}", format="PNG")
    names = [f"{row:04d}" for row in range(12)]
    table = pd.DataFrame({"patient": names, "vertebra": names, "kind": [1, 2] * 6})
    table.to_csv(tmp_path / "t.csv", index=False)
    words = [str(tmp_path / "t.csv"), "--label", "kind", "--recipe", "vcfnet2022", "-o", str(tmp_path / "m.zip")]
    words += ["--set", "epochs=1", "--set", "image_size=32", "--set", "pretrained=false"]
    assert main(["train", *words]) == 0
    assert "12 rows, classes 0 = 1, 1 = 2" in capsys.readouterr().out
    assert main(["predict", str(tmp_path / "t.csv"), "-m", str(tmp_path / "m.zip")]) == 0
    paths = table.assign(vertebra=[str(tmp_path / name) for name in names])
    expected = dr.load(tmp_path / "m.zip").predict_proba(paths)
    found = pd.read_csv(StringIO(capsys.readouterr().out), dtype={"patient": str})
    assert found["patient"].tolist() == names
    np.testing.assert_allclose(found[["probability_1", "probability_2"]], expected, rtol=1e-6)


def test_label_maps_are_not_overwritten(tmp_path, capsys):
    image, mask = tmp_path / "hip.png", tmp_path / "hip_mask.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)).save(image)
    mask.write_bytes(b"by hand")
    words = ["segment", image, "-o", tmp_path]
    assert "hip_mask.png exists already" in refused(words, capsys)
    assert mask.read_bytes() == b"by hand"
    assert "no image missing.png" in refused(["segment", image, tmp_path / "missing.png", "-o", tmp_path], capsys)
    assert main([*map(str, words), "--overwrite"]) == 0
    assert np.asarray(Image.open(mask)).shape == (64, 64)


@pytest.mark.parametrize(
    ("text", "value"), [("False", False), ("true", True), ("None", None), ("0.5", 0.5), ("AP", "AP")]
)
def test_words_of_python_and_of_json_mean_the_same(text, value):
    assert repr(_value("faithful", text)) == repr(value)


CODES = {
    "zeros": ["007", "12", "5"],
    "exponent": ["12E4", "7", "8"],
    "long": ["123456789012345678901", "1", "2"],
    "age": ["073Y", "061Y", "9"],
    "blank": ["1", None, "x"],
    "spaces": ["\u00a07", "1\u00a0000", "5"],
    "digits": ["\u0661", "\u0662", "3"],
}
NUMBERS = {
    "whole": (["61", "0", "-7"], [61, 0, -7]),
    "fraction": (["0.5", ".5", "5."], [0.5, 0.5, 5.0]),
    "exponents": (["1e-05", "1E+20", None], [1e-5, 1e20, np.nan]),
    "spaced": (["61\u00a0", "\u202f7", " 5 "], [61, 7, 5]),
    "truths": (["TRUE", "False\u00a0", "true"], [True, False, True]),
}


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
def test_codes_stay_text_and_numbers_become_numbers(tmp_path, name):
    table = pd.DataFrame(CODES | {column: cells for column, (cells, _) in NUMBERS.items()} | {"empty": None})
    if name == "t.xlsx":
        as_excel(tmp_path / name, table.assign(whole=[61, 0, -7]))
    else:
        table.to_csv(tmp_path / name, index=False)
    found = read_table(tmp_path / name)
    for column, cells in CODES.items():
        assert found[column].astype(object).where(found[column].notna(), None).tolist() == cells
    for column, (_, values) in NUMBERS.items():
        assert found[column].dtype.kind in "ifb"
        np.testing.assert_array_equal(found[column], values)


def test_clinical_numbers_with_zeros_in_front(cohort):
    blocks = ColumnTransformer([("clinical", dr.clinical_encoder(), ["age", "sex"])])
    table = COHORT.assign(age="0" + COHORT["age"], sex=["01", "02"] * 10, label=["01", "02"] * 10)
    table.to_csv(cohort / "cohort.csv", index=False)
    X, y = read_cohort(cohort / "cohort.csv", make_pipeline(blocks, LogisticRegression()), "label")
    assert X["age"].tolist() == list(range(51, 71))
    assert X["sex"].tolist() == y.tolist() == ["01", "02"] * 10


def test_codes_are_what_the_model_or_the_table_before_took_them_for(tmp_path, capsys):
    train = pd.DataFrame({"ward": ["01", "02", "03"] * 4, "age": [f"0{age}" for age in range(51, 63)]})
    wards = pd.DataFrame({"ward": [f"{row:02d}" for row in range(1, 13)], "age": ["061", "062", "063"] * 4})
    train.assign(label=[0, 1] * 6).to_csv(tmp_path / "train.csv", index=False)
    wards.assign(label=[0, 1] * 6).to_csv(tmp_path / "wards.csv", index=False)
    blocks = ColumnTransformer([("clinical", dr.clinical_encoder(), ["ward", "age"])])
    model = make_pipeline(blocks, LogisticRegression())
    X, y = read_cohort(tmp_path / "train.csv", model, "label")
    before, _ = read_cohort(tmp_path / "wards.csv", model, "label", X)
    learned, _ = read_cohort(tmp_path / "wards.csv", model.fit(X, y), "label")
    assert before["ward"].tolist() == learned["ward"].tolist() == wards["ward"].tolist()
    assert learned["age"].tolist() == [61, 62, 63] * 4
    dr.save(model, tmp_path / "m.zip")
    assert main(["predict", str(tmp_path / "wards.csv"), "-m", str(tmp_path / "m.zip")]) == 0
    said = capsys.readouterr()
    assert "column 'ward' holds values that fit did not see in 9 of 12 rows" in said.err
    with pytest.warns(InputWarning, match="9 of 12 rows"):
        expected = model.predict_proba(wards.assign(age=wards["age"].astype(int)))[:, 1]
    np.testing.assert_allclose(pd.read_csv(StringIO(said.out))["probability_1"], expected, rtol=1e-9)


def test_json_keeps_digits_and_lines_are_rows(tmp_path):
    table = pd.DataFrame({"id": ["007", "8"], "value": [1 / 3, 2.5e-13]})
    for name in ("t.json", "t.jsonl"):
        write_table(table, tmp_path / name)
    rows = json.loads((tmp_path / "t.json").read_text())
    assert rows == [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["007", "8"]
    np.testing.assert_allclose([row["value"] for row in rows], table["value"], rtol=1e-14)


def test_a_log_says_what_was_done_and_no_folder(cases, capsys):
    (cases / "i2.png").write_bytes(b"damaged")
    words = extract(cases, "--on-error", "skip", "--log", str(cases / "run.log"))
    assert main(words) == 1
    said = capsys.readouterr()
    lines = [line[20:] for line in (cases / "run.log").read_text().splitlines()]
    version_words = ["extract", "cases.csv", "-p", "p.yaml", "-o", "out.csv", "--on-error", "skip", "--log", "run.log"]
    assert lines[0] == f"deepradiomics {dr.__version__} {' '.join(version_words)}"
    assert f"deepradiomics: {lines[1]}" in said.err.splitlines()[-1]  # behind the progress bar
    assert lines[1].startswith("row 2: i2.png ")
    assert lines[2:] == [*said.out.splitlines(), "exit code 1"]
    assert main(extract(cases, "--log", str(cases / "run.log"))) == 2
    again = (cases / "run.log").read_text()
    assert [line[20:] for line in again.splitlines()][:4] == lines
    assert again.splitlines()[-2][20:] == capsys.readouterr().err.rpartition("deepradiomics: ")[2].rstrip()
    assert again.endswith("exit code 2\n")
    assert str(cases) not in again
    (cases / "i2.png").unlink()
    before = (cases / "cases.csv").read_bytes()
    for name in ("cases.csv", "m0.png", "out.csv"):
        (cases / "out.csv").unlink(missing_ok=True)
        assert "is no log" in refused(extract(cases, "--log", str(cases / name)), capsys)
    assert (cases / "cases.csv").read_bytes() == before
    assert not (cases / "out.csv").exists()


def test_what_stdout_cannot_write_is_escaped_and_a_closed_pipe_is_told(cases, capsys, monkeypatch):
    (cases / "i0.png").unlink()
    table = (cases / "cases.csv").read_text().replace("i0.png", "fälle.png")
    (cases / "fälle.png").write_bytes(b"damaged")
    (cases / "cases.csv").write_text(table, encoding="utf-8")
    words = extract(cases, "--dry-run", "--log", str(cases / "run.log"))
    content = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(content, encoding="ascii"))
    assert main(words) == 2
    assert b"row 0: f\\xe4lle.png" in content.getvalue()
    assert "row 0: fälle.png" in (cases / "run.log").read_text(encoding="utf-8")
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert main(words) == 2
    assert capsys.readouterr().err == "deepradiomics: stdout was closed before all was said\n"
    assert "stdout was closed" in (cases / "run.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("/data/Max Mueller/t.csv", "t.csv"),
        ("B=/data/Max=Mueller/t.csv", "B=t.csv"),
        ("--model=C:\\Mueller\\m.zip", "--model=m.zip"),
        ("FILMS/", "FILMS"),
        ("--external=B=/data/Max=Mueller/t.csv", "--external=B=t.csv"),
        ("--external=B=C=Mueller/t.csv", "--external=B=t.csv"),
        ("epochs=10", "epochs=10"),
    ],
)
def test_words_in_a_log_have_no_folder(tmp_path, word, said):
    with speaking():
        log_to(Namespace(log=tmp_path / "a.log"), ["extract", word])
    assert (tmp_path / "a.log").read_text()[20:] == f"deepradiomics {dr.__version__} extract {said}\n"
