"""Markers in every identifying tag and in the path: none comes out anywhere, also where something fails."""

import logging
import re
import tempfile
import traceback
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom import Dataset, dcmread
from sklearn.pipeline import make_pipeline

import deepradiomics as dr
from deepradiomics import archive, cli
from deepradiomics.deep import grad_cam
from deepradiomics.exceptions import DeepRadiomicsError
from deepradiomics.simulation import make_hips, write_dicom

MARKER, BIRTH, VISIT, UID = "CANARY", "19010203", "19870605", "1.2.826.0.1.3680043.8.498.4242424242"
MARKS = re.compile("|".join(map(re.escape, (MARKER, BIRTH, VISIT, UID))).encode(), re.IGNORECASE)
IDENTITY = {
    "AccessionNumber": f"{MARKER}-A",
    "AdditionalPatientHistory": f"{MARKER} history",
    "AcquisitionDate": VISIT,
    "AdmissionID": f"{MARKER}-AD",
    "ClinicalTrialSubjectID": f"{MARKER}-T",
    "ContentDate": VISIT,
    "CurrentPatientLocation": f"{MARKER} ward",
    "DeviceSerialNumber": f"{MARKER}-DV",
    "EthnicGroup": MARKER,
    "ImageComments": f"{MARKER} image",
    "InstitutionAddress": f"{MARKER} Road",
    "InstitutionName": f"{MARKER} Hospital",
    "IssuerOfPatientID": f"{MARKER} issuer",
    "MilitaryRank": f"{MARKER} rank",
    "Occupation": f"{MARKER} work",
    "OperatorsName": f"{MARKER}^Op",
    "OtherPatientIDs": f"{MARKER}-2",
    "OtherPatientNames": f"{MARKER}^Maiden",
    "PatientAddress": f"{MARKER} Street",
    "PatientBirthDate": BIRTH,
    "PatientBirthName": f"{MARKER}^Born",
    "PatientComments": f"{MARKER} comment",
    "PatientID": f"{MARKER}-1",
    "PatientMotherBirthName": f"{MARKER}^Eva",
    "PatientName": f"{MARKER}^Anna",
    "PatientReligiousPreference": MARKER,
    "PatientTelephoneNumbers": f"{MARKER} 555",
    "PerformingPhysicianName": f"{MARKER}^Perf",
    "PhysiciansOfRecord": f"{MARKER}^Rec",
    "ProtocolName": f"{MARKER} protocol",
    "ReferringPhysicianName": f"{MARKER}^Doc",
    "RequestedProcedureDescription": f"{MARKER} procedure",
    "RequestingPhysician": f"{MARKER}^Req",
    "SeriesDate": VISIT,
    "SeriesDescription": f"{MARKER} series",
    "SeriesInstanceUID": f"{UID}.2",
    "StationName": f"{MARKER}-ST",
    "StudyDate": VISIT,
    "StudyDescription": f"{MARKER} study",
    "StudyID": f"{MARKER}-S",
    "StudyInstanceUID": f"{UID}.1",
}
N_PATIENTS = 40


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A table of DICOM files and masks of patients with a name, in a folder with a name; index and ids with names."""
    folder = tmp_path_factory.mktemp("archive") / f"{MARKER}_Anna_{BIRTH}"
    hips = make_hips(N_PATIENTS, random_state=0, image_shape=(256, 256))
    table = write_dicom(hips, folder, identity=IDENTITY)
    masks = []
    for number, path in enumerate(table["radiograph"]):
        identify_further(path)
        masks.append(str(folder / f"{number:05d}.png"))
        write_mask(hips.masks[number], masks[-1])
    names = [f"{MARKER}-{number}" for number in range(N_PATIENTS)]
    return table.assign(mask=masks, patient=names).set_index(pd.Index(names, name="who")), hips.target


def identify_further(path):
    """Add what a flat list of keywords cannot hold: private tags, and a patient inside a sequence."""
    dataset = dcmread(path)
    other = Dataset()
    other.PatientID, other.PatientName = f"{MARKER}-7", f"{MARKER}^Nested"
    dataset.OtherPatientIDsSequence = [other]
    dataset.private_block(0x0011, MARKER, create=True).add_new(1, "LO", f"{MARKER} private")
    dataset.save_as(path)


def write_mask(mask, path):
    from PIL import Image

    Image.fromarray(np.asarray(mask, dtype=np.uint8)).save(path)


def recipe():
    model = dr.recipes.kim2022(mask="mask", epochs=1, image_size=64, random_state=0)
    return model.set_params(
        blocks__texture__textureextractor__min_levels=None,
        blocks__deep__deepextractor__cv=2,
        blocks__deep__deepextractor__verbose=1,
    )


def running(cohort, folder):
    """Run the chain; yield what a user would print, leave what it writes in the folder."""
    table, y = cohort
    radiograph = dr.read_radiograph(table["radiograph"].iloc[0], mask=table["mask"].iloc[0], label=1)
    yield repr(radiograph)
    regions = dr.FemurRegions(mask="mask").set_output(transform="pandas").fit_transform(table)
    yield regions.drop(columns=["patient", "radiograph", "mask"]).reset_index(drop=True).to_string()
    texture = (
        dr.TextureExtractor(feature_classes=["firstorder"]).set_output(transform="pandas").fit(regions[["left_neck"]])
    )
    yield texture.transform(regions[["left_neck"]]).reset_index(drop=True).to_string()
    comparison = dr.compare_feature_sets(recipe(), table, y, cv=2, checkpoint=folder / "folds", random_state=0)
    yield comparison.table.to_string() + comparison.folds.to_string() + comparison.tests.to_string()
    yield comparison.predictions.drop(columns="group", errors="ignore").to_string() + repr(comparison)
    comparison.to_html(folder / "report.html", subgroups={"sex": table["sex"]})
    np.ravel(comparison.plot_roc())[0].figure.savefig(folder / "roc.svg")
    fitted = recipe().fit(table, y)
    yield repr(fitted) + fitted._repr_html_()
    dr.save(fitted, folder / "model")
    dr.save(fitted, folder / "model.zip")
    yield repr(dr.load(folder / "model").get_params())
    yield repr(
        grad_cam(
            fitted["blocks"].named_transformers_["deep"]["deepextractor"], regions[["left_femur", "right_femur"]][:2]
        )
    )


def extracting(cohort, folder):
    """Run the archive and the command, whose tables hold what the user put there: ids without names."""
    table, _ = cohort
    manifest = table[["radiograph", "mask"]].assign(image_id=[f"i{number}" for number in range(N_PATIENTS)])[:6]
    manifest.loc[manifest.index[2], "radiograph"] += ".lost"
    chain = make_pipeline(
        dr.FemurRegions(mask="mask", on_error="skip"),
        dr.TextureExtractor(feature_classes=["firstorder"], on_error="skip"),
    ).set_output(transform="pandas")
    archive.extract(manifest.reset_index(drop=True), folder / "archive", chain)
    yield archive.failures(folder / "archive").to_string() + archive.read_all(folder / "archive").to_string()
    csv = Path(table["radiograph"].iloc[0]).parent / "regions.csv"
    lost = manifest.rename(columns={"radiograph": "Image", "mask": "Mask"}).assign(Label=1)
    lost.to_csv(csv, index=False)
    with redirect_stdout(StringIO()) as out:
        assert cli.main(["extract", str(csv), "--output", str(folder / "features.csv")]) == 2
        lost[:2].to_csv(csv, index=False)
        cli.main(["extract", str(csv), "--output", str(folder.parent / "features.csv"), "--on-error", "skip"])
    yield out.getvalue()


def scanning(cohort, folder):
    """List the folder and join a sheet of patients with a name; the paths are the user's own words."""
    table, _ = cohort
    source, key, progress = Path(table["radiograph"].iloc[0]).parent, b"sixteen bytes and more", folder / "progress"
    images = archive.scan(source, key=key, progress=progress)
    yield images.drop(columns="path").to_string() + images["path_identifies"].to_string()
    sheet = pd.DataFrame({"number": [f"{MARKER}-1", f"{MARKER}-lost"], "name": MARKER, "t_score": [-2.0, 1.0]})
    joined = archive.join_clinical(images, sheet, key=key, patient="number", columns=["t_score"])
    assert joined.table["t_score"].notna().any()
    for part in joined:
        yield part.drop(columns="path", errors="ignore").to_string()
    images.drop(columns="path").to_csv(folder / "table.csv", index=False)
    with redirect_stdout(StringIO()) as out:
        assert cli.main(["scan", str(source), "-o", str(folder / "t.csv"), "--key", str(folder / "key")]) == 0
    (folder / "t.csv").unlink()  # has the paths
    yield out.getvalue()


def failing(cohort, bad):
    """Calls that must fail, on files in a folder with a name."""
    table, y = cohort
    whole = Path(table["radiograph"].iloc[0]).read_bytes()
    contents = {
        "text.dcm": b"no image",
        "cut.dcm": whole[:-1000],
        "header.dcm": whole[:900],
        "garbage.dcm": whole[:400] + b"\xff" * 400 + whole[800:],
        "picture.png": b"\x89PNG",
        "boxes.xml": b"<a>",
        "boxes.txt": b"0 9 9 9 9",
        "boxes.json": b"{",
        "parameters.yaml": b"setting: {binwidth: 3}",
        "no.yaml": b"\t{",
        "weights.safetensors": b"no weights",
        "weights.pt": b"\x80\x04K\x01.",
        "model.zip": b"PK\x05\x06" + bytes(18),
        "table.csv": b"a,b\n1,2\n",
    }
    for name, content in contents.items():
        (bad / name).write_bytes(content)
    column = table[["radiograph"]]
    small = dict(image_size=64, n_features=128, epochs=1, random_state=0)
    yield from (lambda path=bad / name: dr.read_radiograph(path) for name in contents)
    yield from (
        lambda: dr.read_radiograph(bad),
        lambda: dr.read_radiograph(bad / "nothing.dcm"),
        lambda: dr.read_radiograph(table["radiograph"].iloc[0], mask=bad / "nothing.png"),
        lambda: dr.read_radiograph(table["radiograph"].iloc[0], laterality="X"),
        lambda: dr.annotations.read_voc(bad / "boxes.xml"),
        lambda: dr.annotations.read_voc(bad / "nothing.xml"),
        lambda: dr.annotations.read_yolo(bad / "boxes.txt", image_shape=(9, 9), classes=["a"]),
        lambda: dr.annotations.read_coco(bad / "boxes.json", image_name=f"{MARKER}.dcm"),
        lambda: dr.TextureExtractor.from_params(bad / "parameters.yaml"),
        lambda: dr.TextureExtractor.from_params(bad / "no.yaml"),
        lambda: dr.TextureExtractor.from_params(bad / "nothing.yaml"),
        lambda: dr.TextureExtractor().transform(column.assign(radiograph=str(bad / "nothing.dcm"))),
        lambda: dr.TextureExtractor().transform(column.assign(radiograph=str(bad / "cut.dcm"))),
        lambda: dr.TextureExtractor(min_levels=5000).transform(column),
        lambda: dr.FemurRegions(mask="mask").transform(table.assign(mask=[np.zeros((9, 9), int)] * N_PATIENTS)),
        lambda: dr.FemurRegions(mask="mask").transform(table.assign(mask=str(bad / "nothing.png"))),
        lambda: dr.FemurRegions(mask="masks").transform(table),
        lambda: dr.DeepExtractor("tiulpin", **small).fit(column.assign(radiograph=str(bad / "cut.dcm")), y),
        lambda: dr.DeepExtractor("tiulpin", **small).fit(column, np.zeros(N_PATIENTS)),
        lambda: dr.DeepExtractor(pretrained=str(bad / "weights.safetensors"), **small).fit(column, y),
        lambda: dr.DeepExtractor(pretrained=str(bad / "nothing.safetensors"), **small).fit(column, y),
        lambda: dr.UNetSegmenter.from_weights(bad / "weights.safetensors"),
        lambda: dr.UNetSegmenter.from_weights(bad / "nothing.safetensors"),
        lambda: dr.UNetSegmenter(image_size=64).fit(column["radiograph"], [bad / "nothing.png"] * N_PATIENTS),
        lambda: dr.UNetSegmenter.pretrained().predict([bad / "cut.dcm"]),
        lambda: dr.compare_feature_sets(recipe(), table, y, groups=np.arange(N_PATIENTS) // 60, cv=2),
        lambda: dr.compare_feature_sets(recipe(), table, y, cv=2, external={"B": (table, y)}),
        lambda: dr.compare_feature_sets(recipe(), table, np.zeros(N_PATIENTS), cv=2),
        lambda: dr.compare_feature_sets(
            recipe(), table, y, cv=[(np.arange(30), np.arange(20, 40))], groups=table["patient"]
        ),
        lambda: dr.compare_feature_sets(
            recipe(), table.assign(radiograph=table["radiograph"].iloc[0]), y, cv=2, groups=table["patient"]
        ),
        lambda: dr.load(bad),
        lambda: dr.load(bad / "model.zip"),
        lambda: dr.load(bad / "weights.pt"),
        lambda: dr.save(dr.TextureExtractor(), bad / "table.csv"),
        lambda: dr.save(dr.TextureExtractor(), bad / "table.csv" / "model.zip"),
        lambda: archive.extract(bad / "table.csv", bad / "archive", dr.TextureExtractor()),
        lambda: archive.extract(bad / "nothing.csv", bad / "archive", dr.TextureExtractor()),
        lambda: archive.read_all(bad / "nothing"),
        lambda: archive.scan(bad / "nothing", key=b"sixteen bytes and more"),
        lambda: archive.scan(bad, key=b"short"),
        lambda: archive.join_clinical(table, bad / "picture.png", key=b"s" * 16, patient="a", columns=["b"]),
        lambda: archive.join_clinical(table, bad / "nothing.csv", key=b"s" * 16, patient="a", columns=["b"]),
    )


def as_shown(error):
    """All that a traceback shows of an error and of what it came from, without the lines of this file."""
    shown = traceback.TracebackException.from_exception(error)
    texts = []
    while shown is not None:
        texts += shown.format_exception_only()
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    return "".join(texts)


def marked(data):
    found = MARKS.search(data)
    return found and data[max(found.start() - 150, 0) : found.end() + 150]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for everything that is written, temporary files too."""
    (tmp_path / "results" / "tmp").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "results" / "tmp"))
    return tmp_path / "results"


def said(texts, caplog, capfd):
    """All that was said while the texts were made: texts, warnings, logs, both streams."""
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        texts = list(texts)
    texts += [str(warning.message) for warning in seen] + [record.getMessage() for record in caplog.records]
    return [text.encode() for text in [*texts, *capfd.readouterr()]]


def test_the_markers_are_there_to_be_found(cohort):
    table, _ = cohort
    content = Path(table["radiograph"].iloc[0]).read_bytes()
    for word in {*IDENTITY.values(), f"{MARKER} private", f"{MARKER}^Nested"}:
        assert word.encode() in content
    assert marked(table["radiograph"].iloc[0].encode())


@pytest.mark.parametrize("chain", [running, extracting, scanning])
def test_no_marker_comes_out_of_what_works(cohort, folder, caplog, capfd, chain):
    for text in said(chain(cohort, folder), caplog, capfd):
        assert not marked(text)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 3
    for path in files:
        assert MARKER.lower() not in str(path.relative_to(folder)).lower()
        assert not marked(path.read_bytes()), path.name


def test_no_marker_comes_out_of_what_fails(cohort, folder, tmp_path, caplog, capfd):
    bad = tmp_path / f"{MARKER}_{VISIT}" / "files"
    bad.mkdir(parents=True)

    def messages():
        for number, call in enumerate(failing(cohort, bad)):
            with pytest.raises(Exception, match=r"\w") as caught:
                call()
            ours = isinstance(caught.value, DeepRadiomicsError)
            yield f"{number} {type(caught.value).__name__} {ours} {as_shown(caught.value)}"

    texts = said(messages(), caplog, capfd)
    assert len(texts) > 50
    assert not [marked(text) for text in texts if marked(text)]
    assert not [text for text in texts[:50] if b" False " in text]
