"""Simulated radiographs written as DICOM: the same pixels come back, and the files are what they say they are."""

import numpy as np
import pandas as pd
import pydicom
import pytest

from deepradiomics import Radiograph, read_radiograph
from deepradiomics.exceptions import InputError
from deepradiomics.simulation import make_hips, make_spines, write_dicom

VARIANTS = [
    {"photometric": photometric, "bits": bits, "with_spacing": with_spacing}
    for photometric in ("MONOCHROME1", "MONOCHROME2")
    for bits in (12, 16)
    for with_spacing in (True, False)
]
# Attributes of type 1 of the modules that PS3.3 A.26 makes mandatory for the DX IOD, conditional ones left out.
TYPE_1 = [
    "StudyInstanceUID",
    "Modality",
    "SeriesInstanceUID",
    "PresentationIntentType",
    "ImageLaterality",
    "ImageType",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelIntensityRelationship",
    "PixelIntensityRelationshipSign",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "PresentationLUTShape",
    "LossyImageCompression",
    "BurnedInAnnotation",
    "PatientOrientation",
    "ImagerPixelSpacing",
    "Rows",
    "Columns",
    "PixelData",
    "SOPClassUID",
    "SOPInstanceUID",
]
# Attributes of type 2: there, perhaps empty.
TYPE_2 = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "ReferringPhysicianName",
    "AccessionNumber",
    "SeriesNumber",
    "InstanceNumber",
    "Manufacturer",
    "AnatomicRegionSequence",
    "DetectorType",
    "AcquisitionContextSequence",
]


@pytest.fixture(scope="module")
def spines():
    return make_spines(2, random_state=0, image_shape=(96, 72))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_the_same_pixels_come_back(spines, variant, tmp_path):
    paths = write_dicom(spines, tmp_path, **variant)
    for column in ("ap", "lateral"):
        for path, radiograph in zip(paths[column], spines.data[column], strict=True):
            read = read_radiograph(path)
            assert np.array_equal(read.pixels, radiograph.pixels)
            assert read.view == radiograph.view
            assert read.spacing == (pytest.approx(radiograph.spacing) if variant["with_spacing"] else None)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_pydicom_sees_the_variant(spines, variant, tmp_path):
    """The stored numbers, without the reader of this library."""
    dataset = pydicom.dcmread(write_dicom(spines, tmp_path, **variant)["ap"][0])
    pixels = spines.data["ap"][0].pixels
    top = 2 ** variant["bits"] - 1
    expected = top - pixels if variant["photometric"] == "MONOCHROME1" else pixels
    assert np.array_equal(dataset.pixel_array, expected)
    assert (dataset.BitsStored, dataset.HighBit) == (variant["bits"], variant["bits"] - 1)
    assert ("PixelSpacing" in dataset) == ("ImagerPixelSpacing" in dataset) == variant["with_spacing"]


def test_the_attributes_of_the_dx_iod_are_there(spines, tmp_path):
    for column, position in (("ap", "AP"), ("lateral", "LL")):
        dataset = pydicom.dcmread(write_dicom(spines, tmp_path)[column][0])
        assert not [keyword for keyword in TYPE_1 if keyword not in dataset or dataset[keyword].is_empty]
        assert not [keyword for keyword in TYPE_2 if keyword not in dataset]
        assert dataset.SOPClassUID.name == "Digital X-Ray Image Storage - For Presentation"
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.ViewPosition == position
        assert dataset.PatientID == spines.data["patient"][0]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_display_window_holds_the_picture(spines, photometric, tmp_path):
    dataset = pydicom.dcmread(write_dicom(spines, tmp_path, photometric=photometric)["lateral"][1])
    low, high = (dataset.WindowCenter + sign * dataset.WindowWidth / 2 for sign in (-1, 1))
    assert 0.97 < ((dataset.pixel_array >= low) & (dataset.pixel_array <= high)).mean() <= 1


def test_views_of_a_patient_are_series_of_one_study(spines, tmp_path):
    paths = write_dicom(spines, tmp_path)
    uids = paths[["ap", "lateral"]].map(lambda path: pydicom.dcmread(path, stop_before_pixels=True))
    studies, images = uids.map(lambda d: d.StudyInstanceUID), uids.map(lambda d: d.SOPInstanceUID)
    assert (studies["ap"] == studies["lateral"]).all()
    assert studies["ap"].nunique() == 2
    assert len({*images["ap"], *images["lateral"]}) == 4


def test_the_same_simulation_gives_the_same_bytes(spines, tmp_path):
    first, second = (write_dicom(spines, tmp_path / folder)["ap"][0] for folder in ("one", "two"))
    with open(first, "rb") as a, open(second, "rb") as b:
        assert a.read() == b.read()


def test_the_table_keeps_everything_else(spines, tmp_path):
    before = spines.data.copy()
    paths = write_dicom(spines, tmp_path)
    assert list(paths) == [name for name in before if not name.endswith("_mask")]
    numbers = ["patient", "age", "sex", "weight", "height", "bmi"]
    assert paths[numbers].equals(before[numbers])
    assert all(isinstance(cell, Radiograph) for cell in spines.data["ap"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "00000_ap.dcm",
        "00000_lateral.dcm",
        "00001_ap.dcm",
        "00001_lateral.dcm",
    ]


def test_laterality_is_written_where_it_is_known_and_a_missing_view_stays_missing(tmp_path):
    hips = make_hips(2, random_state=0, image_shape=(48, 48))
    hips.data["radiograph"] = [Radiograph(hips.data["radiograph"][0].pixels, laterality="L"), None]
    paths = write_dicom(hips, tmp_path)["radiograph"]
    assert read_radiograph(paths[0]).laterality == "L"
    assert paths[1] is None


def test_identity_fills_the_attributes_asked_for(spines, tmp_path):
    markers = {"PatientName": "MARKER^NAME", "InstitutionName": "MARKER HOUSE", "PatientID": "MARKER-7"}
    dataset = pydicom.dcmread(write_dicom(spines, tmp_path, identity=markers)["ap"][0])
    assert {keyword: str(dataset[keyword].value) for keyword in markers} == markers


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"photometric": "RGB"}, "'RGB' with 12 bits was asked for"),
        ({"bits": 8}, "with 8 bits was asked for"),
        ({"identity": {"PatientNmae": "x"}}, "PatientNmae"),
        ({"identity": {"Rows": "7"}}, "Rows"),
        ({"identity": {7: "x"}}, "7"),
        ({"identity": {"PatientName": 5}}, "PatientName"),
        ({"identity": {"PatientName": None}}, "PatientName"),
        ({"identity": {"PatientBirthDate": "CANARY"}}, "PatientBirthDate"),
        ({"identity": {"PatientSex": "canary"}}, "PatientSex"),
        ({"identity": {"PatientID": 65 * "CANARY"}}, "PatientID"),
        ({"identity": ["CANARY"]}, "identity is a list"),
    ],
)
def test_what_cannot_be_written_is_said(spines, wrong, message, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        write_dicom(spines, tmp_path, **wrong)
    assert "canary" not in str(caught.value).lower()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pixels", [[[0.5, 1.0]], [[-1.0, 1.0]], [[0.0, 4096.0]]])
def test_grey_values_that_would_change_are_refused(pixels, tmp_path):
    hips = make_hips(1, random_state=0, image_shape=(48, 48))
    hips.data["radiograph"] = [Radiograph(pixels)]
    with pytest.raises(InputError, match=r"row 0, column 'radiograph': grey values from .* 4095 can be written"):
        write_dicom(hips, tmp_path)


def test_a_table_without_radiographs_is_refused(spines, tmp_path):
    spines = type(spines)(data=spines.data.drop(columns=["ap", "lateral"]))
    with pytest.raises(InputError, match="no column"):
        write_dicom(spines, tmp_path)


@pytest.mark.parametrize("bunch", [None, make_spines, {"data": 5}])
def test_what_is_no_simulation_is_refused(spines, bunch, tmp_path):
    for wrong in (bunch, spines.data):
        with pytest.raises(InputError, match="give what make_hips or make_spines returned"):
            write_dicom(wrong, tmp_path)


def one_hip(**columns):
    hips = make_hips(1, random_state=0, image_shape=(32, 32))
    hips.data = hips.data.assign(**columns)
    return hips


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_what_is_missing_of_a_patient_stays_empty(missing, tmp_path):
    columns = {name: pd.Series([missing], dtype=object) for name in ("age", "sex", "patient")}
    dataset = pydicom.dcmread(write_dicom(one_hip(**columns), tmp_path)["radiograph"][0])
    assert "PatientAge" not in dataset
    assert [dataset.PatientSex, dataset.PatientID] == ["", ""]


@pytest.mark.parametrize(
    ("age", "found"),
    [(-3, "-3"), (1000, "1000"), (float("inf"), "inf"), ("CANARY", "of type str"), ([7], "of type list")],
)
def test_an_age_that_is_no_number_of_years_is_refused(age, found, tmp_path):
    with pytest.raises(InputError, match=f"row 0: the age is {found}; give years"):
        write_dicom(one_hip(age=pd.Series([age], dtype=object)), tmp_path)


@pytest.mark.parametrize("name", [0, "hip/left", "hip\\left", "hip\n", ("hip", "left")])
def test_a_column_whose_name_no_file_can_have_is_refused(name, tmp_path):
    hips = one_hip()
    hips.data.columns = pd.Index([name if column == "radiograph" else column for column in hips.data], dtype=object)
    with pytest.raises(InputError, match="rename it"):
        write_dicom(hips, tmp_path)


def test_columns_of_one_name_are_refused(spines, tmp_path):
    twins = type(spines)(data=spines.data.rename(columns={"lateral": "ap"}))
    with pytest.raises(InputError, match="several columns are named 'ap'"):
        write_dicom(twins, tmp_path)


def test_a_folder_that_cannot_be_written_to_is_named_without_its_path(tmp_path):
    (tmp_path / "file").write_text("here")
    (tmp_path / "taken" / "00000_radiograph.dcm").mkdir(parents=True)
    wrong = {
        tmp_path / "file": "the folder 'file' cannot be made",
        tmp_path / "file" / "below": "the folder 'below' cannot be made",
        tmp_path / "taken": "00000_radiograph.dcm cannot be written",
        None: "the folder is of type NoneType; give a path",
    }
    for folder, reason in wrong.items():
        with pytest.raises(InputError, match=reason) as caught:
            write_dicom(one_hip(), folder)
        assert str(tmp_path) not in str(caught.value)
