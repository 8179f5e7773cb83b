"""segment, train, predict, compare and report from files, against the library's own calls."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.frozen import FrozenEstimator

import deepradiomics as dr
from deepradiomics.cli import main
from deepradiomics.recipes import kim2022, mao2022
from deepradiomics.simulation import make_hips, make_spines, write_dicom


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Hips as DICOM files with masks as PNG files, and tables whose paths start from their folder."""
    folder = tmp_path_factory.mktemp("study")
    for name, n, seed in (("cohort", 36, 0), ("elsewhere", 16, 1)):
        hips = make_hips(n, random_state=seed, image_shape=(256, 256))
        table = write_dicom(hips, folder / name)
        for row, mask in enumerate(hips.masks):
            Image.fromarray(mask).save(folder / name / f"{row}.png")
        table["radiograph"] = [f"{name}/{path.rsplit('/', 1)[1]}" for path in table["radiograph"]]
        table["mask"] = [f"{name}/{row}.png" for row in range(n)]
        table = table.assign(label=np.where(hips.target, "yes", "no"), patient=[f"{name}{row}" for row in range(n)])
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


SMALL = ["--set", "epochs=1", "--set", "image_size=64"]


def test_label_maps_are_those_of_the_segmenter(study, tmp_path, capsys):
    images = [str(study / path) for path in pd.read_csv(study / "cohort.csv")["radiograph"][:2]]
    assert main(["segment", *images, "-o", str(tmp_path / "masks")]) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = dr.UNetSegmenter.pretrained("femur").predict(images)
    assert lines.pop() == "2 of 2 images outlined: confidence.csv"
    for image, mask, line in zip(images, expected, lines, strict=True):
        name = image.rsplit("/", 1)[1].replace(".dcm", "_mask.png")
        assert np.array_equal(np.asarray(Image.open(tmp_path / "masks" / name)), mask)
        assert line.startswith(f"{image.rsplit('/', 1)[1]}: ")
        assert all(bone in line for bone in dr.UNetSegmenter.pretrained("femur").classes_)
    found = pd.read_csv(tmp_path / "masks" / "confidence.csv")
    assert found["bone"].tolist() == list(dr.UNetSegmenter.pretrained("femur").classes_) * 2
    pytest.importorskip("highdicom")
    words = ["segment", images[0], "-o", str(tmp_path / "archive"), "--format", "dcm", "--overlays"]
    assert main(words) == 0
    seg, overlay = sorted((tmp_path / "archive").glob("0*"))
    assert np.array_equal(dr.reading.read_label_map(seg), expected[0])
    with Image.open(overlay) as drawn:
        assert drawn.size[0] > 256
    assert main(["segment", images[0], images[0], "-o", str(tmp_path)]) == 2
    assert main(["segment", images[0], "-o", str(tmp_path), "--model", "knee"]) == 2
    assert "lumbar-ap" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_outlines_as_nifti_and_coco(tmp_path):
    """Read back by ITK and by COCO's own reader."""
    coco, sitk = pytest.importorskip("pycocotools.coco"), pytest.importorskip("SimpleITK")
    hip = make_hips(1, random_state=0, image_shape=(256, 256)).data["radiograph"][0]
    image = sitk.GetImageFromArray(hip.pixels[None])
    image.SetSpacing((0.5, 0.4, 1.0))
    image.SetOrigin((5.0, -7.0, 3.0))
    films, out = tmp_path / "films", tmp_path / "out"
    films.mkdir()
    sitk.WriteImage(image, str(films / "placed.nii.gz"))
    Image.fromarray(np.rint(255 * (hip.pixels - hip.pixels.min()) / np.ptp(hip.pixels)).astype(np.uint8)).save(
        films / "picture.png"
    )
    (films / "damaged.png").write_bytes(b"nothing")
    segmenter = dr.UNetSegmenter.pretrained("femur")
    expected = dict(
        zip(names := ("picture.png", "placed.nii.gz"), segmenter.predict([films / n for n in names]), strict=True)
    )
    assert main(["segment", str(films), "-o", str(out), "--format", "nii.gz"]) == 1
    found = sitk.ReadImage(str(out / "placed_mask.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(found)[0], expected["placed.nii.gz"])
    np.testing.assert_allclose([*found.GetSpacing(), *found.GetOrigin()], [0.5, 0.4, 1, 5, -7, 3], rtol=1e-6)
    assert dr.read_radiograph(films / "placed.nii.gz", mask=out / "placed_mask.nii.gz", label=1).mask.any()
    unit = sitk.ReadImage(str(out / "picture_mask.nii.gz")).GetMetaData("xyzt_units")
    assert unit == "0"
    assert np.array_equal(dr.reading.read_label_map(out / "picture_mask.nii.gz"), expected["picture.png"])
    assert main(["segment", str(films), "-o", str(out), "--format", "coco"]) == 1
    read = coco.COCO(out / "outlines.json")
    assert [entry["file_name"] for entry in read.dataset["images"]] == list(names)
    for number, name in enumerate(names, 1):
        drawn = np.zeros((256, 256), np.uint8)
        for entry in read.loadAnns(read.getAnnIds(number)):
            drawn[read.annToMask(entry) > 0] = entry["category_id"]
        assert (drawn != expected[name]).mean() < 0.005  # COCO's reader rounds corners to whole pixels
        assert drawn.any()
    assert [kind["name"] for kind in read.dataset["categories"]] == list(segmenter.classes_)
    assert main(["segment", str(films), "-o", str(out), "--format", "coco"]) == 2


@pytest.mark.slow
def test_a_model_is_trained_saved_and_applied(study, tmp_path, capsys):
    model, out = tmp_path / "model.zip", tmp_path / "found.csv"
    assert main(["train", str(study / "cohort.csv"), "--label", "label", "-o", str(model), *SMALL]) == 0
    assert "36 rows, classes 0 = no, 1 = yes" in capsys.readouterr().out
    assert main(["predict", str(study / "elsewhere.csv"), "-m", str(model), "-o", str(out)]) == 0
    found = pd.read_csv(out)
    table = pd.read_csv(study / "elsewhere.csv")
    for column in ("radiograph", "mask"):
        table[column] = [str(study / path) for path in table[column]]
    expected = dr.load(model).predict_proba(table.drop(columns="label"))
    assert found["patient"].equals(table["patient"])
    np.testing.assert_allclose(found[["probability_no", "probability_yes"]], expected, rtol=1e-6)
    assert found["call"].tolist() == np.where(expected[:, 1] >= 0.5, "yes", "no").tolist()
    assert (found["threshold"] == 0.5).all()


@pytest.mark.slow
def test_comparison_and_report(study, tmp_path, capsys):
    pytest.importorskip("jinja2")
    words = [str(study / "cohort.csv"), "--label", "label", "-o", str(tmp_path), "--folds", "2", *SMALL]
    words += ["--external", f"elsewhere={study / 'elsewhere.csv'}", "--event", "no"]
    assert main(["compare", *words]) == 0
    first = capsys.readouterr().out
    assert first.startswith("event: no")
    table = pd.read_csv(tmp_path / "table.csv", index_col=[0, 1])
    assert set(table.index.get_level_values(0)) == {"internal", "elsewhere"}
    assert set(table.index.get_level_values(1)) == {"C", "T", "D", "TC", "DC", "DT", "DTC"}
    predictions = pd.read_csv(tmp_path / "predictions.csv")
    assert not predictions.astype(str).apply(lambda column: column.str.contains("cohort0|elsewhere0")).to_numpy().any()
    assert main(["report", *words, "--subgroups", "sex"]) == 0
    assert capsys.readouterr().out.startswith(first)
    page = (tmp_path / "report.html").read_text()
    assert "elsewhere" in page
    assert "sex" in page
    assert main(["report", *words, "--subgroups", "race"]) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--label", "nothing"], "has no column 'nothing'"),
        (["--label", "label", "--recipe", "kim"], "runs no recipe 'kim'"),
        (["--label", "label", "--set", "epoch=3"], "did you mean 'epochs'?"),
        (["--label", "label", "--set", "epochs"], "NAME=VALUE"),
    ],
)
def test_bad_words_are_one_line(study, tmp_path, capsys, words, message):
    assert main(["train", str(study / "cohort.csv"), "-o", str(tmp_path / "m.zip"), *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_an_event_that_no_row_has_is_refused(study, tmp_path, capsys):
    words = [str(study / "cohort.csv"), "--label", "label", "-o", str(tmp_path / "out"), *SMALL]
    assert main(["compare", *words, "--event", "green"]) == 2
    assert "event is 'green'; it names one of two labels" in capsys.readouterr().err


def test_where_masks_are_missing_the_weights_of_the_package_outline(tmp_path):
    from deepradiomics.cli._cohorts import _outlines

    table = pd.DataFrame({"radiograph": ["a.dcm"], "ap": ["a.dcm"], "lateral": ["a.dcm"], "ap_mask": ["a.png"]})
    assert _outlines("kim2022", table, {}) == _outlines("lumbar_transfer2024", table, {}) == {}
    assert _outlines("kim2022", table.assign(mask="m.png"), {}) == {"mask": "mask"}
    assert _outlines("mao2022", table, {}) == _outlines("mao2022", table, {"view": "AP"}) == {"mask": {"ap": "ap_mask"}}
    regions = [mao2022(mask={"ap": "ap_mask"})[0], mao2022(mask={"ap": "ap_mask"})[1], kim2022()[0]]
    assert [isinstance(step.segmenter, FrozenEstimator) for step in regions] == [False, True, True]
    assert _outlines("vcfnet2022", table.assign(boxes="b.xml"), {}) == {"boxes": "boxes"}


@pytest.mark.slow
def test_a_spine_recipe_without_masks(tmp_path, capsys):
    spines = make_spines(12, random_state=0, image_shape=(256, 192))
    # One film shows no spine; that patient is left out and named.
    film = spines.data.loc[3, "lateral"]
    spines.data.loc[3, "lateral"] = replace(film, pixels=film.pixels[:, :60])
    table = write_dicom(spines, tmp_path / "files")[["ap", "lateral"]].assign(low=np.arange(12) % 2)
    table.to_csv(tmp_path / "spines.csv", index=False)
    words = [str(tmp_path / "spines.csv"), "--label", "low", "--recipe", "lumbar_transfer2024", *SMALL]
    words += ["--set", "backbone=resnet18", "--set", "pretrained=false"]
    assert main(["train", *words, "-o", str(tmp_path / "m.zip")]) == 2
    assert "row 3" in capsys.readouterr().err
    assert main(["train", *words, "-o", str(tmp_path / "m.zip"), "--on-error", "skip"]) == 1
    assert "row 3" in capsys.readouterr().err
    assert main(["predict", str(tmp_path / "spines.csv"), "-m", str(tmp_path / "m.zip")]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[0].endswith(",probability_0,probability_1,call,threshold")
    assert len(said.out.splitlines()) == 13
    assert "row 3" in said.err
