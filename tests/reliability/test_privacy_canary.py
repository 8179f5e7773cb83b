"""Markers in every identifying tag and in the path: none comes out anywhere, also where something fails."""

import logging
import warnings

import matplotlib
import numpy as np
import pytest

import deepradiomics as dr
from deepradiomics.exceptions import DeepRadiomicsError
from deepradiomics.simulation import make_hips, write_dicom

matplotlib.use("Agg")
MARKER = "CANARY"
IDENTITY = {
    "PatientName": f"{MARKER}^Anna",
    "PatientID": f"{MARKER}-1",
    "OtherPatientIDs": f"{MARKER}-2",
    "PatientAddress": f"{MARKER} Street",
    "PatientTelephoneNumbers": f"{MARKER} 555",
    "PatientMotherBirthName": f"{MARKER}^Eva",
    "PatientComments": f"{MARKER} comment",
    "AccessionNumber": f"{MARKER}-A",
    "StudyID": f"{MARKER}-S",
    "StudyDescription": f"{MARKER} study",
    "SeriesDescription": f"{MARKER} series",
    "ReferringPhysicianName": f"{MARKER}^Doc",
    "OperatorsName": f"{MARKER}^Op",
    "InstitutionName": f"{MARKER} Hospital",
    "InstitutionAddress": f"{MARKER} Road",
    "StationName": f"{MARKER}-ST",
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A table of DICOM files of patients with a name, in a folder with a name."""
    folder = tmp_path_factory.mktemp("archive") / f"{MARKER}_Anna_1950"
    hips = make_hips(48, random_state=0, image_shape=(256, 256))
    table = write_dicom(hips, folder, identity=IDENTITY).assign(mask=hips.masks)
    return table.assign(patient=[f"{MARKER}-{number}" for number in range(48)]), hips.target


def everything(cohort, folder):
    """Run the chain, keep what it writes in the folder, and yield every error's text."""
    table, y = cohort
    radiographs = [dr.read_radiograph(path) for path in table["radiograph"]]
    yield repr(radiographs[0])
    model = dr.recipes.kim2022(mask="mask", epochs=1, image_size=64, random_state=0)
    model.set_params(blocks__texture__textureextractor__min_levels=None)
    comparison = dr.compare_feature_sets(model, table, y, cv=2, checkpoint=folder / "folds", random_state=0)
    yield comparison.table.to_string() + comparison.predictions.to_string() + comparison.tests.to_string()
    comparison.to_html(folder / "report.html", subgroups={"sex": table["sex"]})
    fitted = model.fit(table, y)
    dr.save(fitted, folder / "model")
    yield repr(fitted) + repr(dr.load(folder / "model"))
    yield fitted._repr_html_()
    path = folder.parent / f"{MARKER}_broken"
    path.mkdir(exist_ok=True)
    for name, data in ((f"{MARKER}.dcm", b"no image"), (f"{MARKER}.png", b"\x89PNG"), (f"{MARKER}.xml", b"<a>")):
        (path / name).write_bytes(data)
    failing = [
        lambda: dr.read_radiograph(path / f"{MARKER}.dcm"),
        lambda: dr.read_radiograph(path / "nothing.png"),
        lambda: dr.annotations.read_voc(path / f"{MARKER}.xml"),
        lambda: dr.TextureExtractor().transform(table[["radiograph"]].assign(radiograph=str(path / "nothing.dcm"))),
        lambda: dr.FemurRegions(mask="mask").transform(table.assign(mask=[np.zeros((9, 9), int)] * 48)),
        lambda: dr.compare_feature_sets(model, table, y, groups=np.arange(48) // 60, cv=2),
        lambda: dr.compare_feature_sets(model, table, y, cv=2, external={"B": (table, y)}),
        lambda: dr.load(path),
    ]
    for fail in failing:
        with pytest.raises(DeepRadiomicsError) as error:
            fail()
        yield _all_messages(error.value)


def _all_messages(error):
    """Text of an error and of what it came from, as a traceback would show."""
    texts = []
    while error is not None:
        if isinstance(error, DeepRadiomicsError):
            texts.append(str(error))
        error = error.__cause__
    return "\n".join(texts)


def test_no_marker_comes_out(cohort, tmp_path, caplog, capfd):
    folder = tmp_path / "results"
    folder.mkdir()
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        texts = list(everything(cohort, folder))
    texts += [str(warning.message) for warning in seen] + [record.getMessage() for record in caplog.records]
    texts += list(capfd.readouterr())
    for number, text in enumerate(texts):
        # A file's own name may be said, as the user chose it; nothing of the folders or of the tags may.
        cleaned = text.replace(f"{MARKER}.dcm", "").replace(f"{MARKER}.xml", "").replace(f"{MARKER}_broken", "")
        assert MARKER not in cleaned, (number, cleaned[max(cleaned.index(MARKER) - 200, 0) :][:400])
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 6
    for path in files:
        assert MARKER.encode() not in path.read_bytes(), path.name
