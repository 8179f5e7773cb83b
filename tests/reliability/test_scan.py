"""A folder as hospitals export it becomes one table: what is in it, what was left out and why, and no name."""

import os
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydicom import Dataset, dcmread

from deepradiomics import archive, cli
from deepradiomics.exceptions import InputError
from deepradiomics.reading import read_radiograph
from deepradiomics.simulation import make_hips, write_dicom

KEY = b"sixteen bytes and more"


@pytest.fixture
def folder(tmp_path):
    """Two DICOM files of simulated hips, whose patients are p0 and p1."""
    write_dicom(make_hips(2, random_state=0, image_shape=(64, 64)), tmp_path / "in")
    for number, path in enumerate(sorted((tmp_path / "in").iterdir())):
        change(path, PatientID=f"p{number}")
    return tmp_path / "in"


def change(path, **values):
    dataset = dcmread(path)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)


def by_name(table):
    return table.set_index(table["path"].map(lambda path: Path(path).name))


def test_columns_come_from_the_header(folder):
    change(
        folder / "00000_radiograph.dcm",
        PatientBirthDate="19400615",
        AcquisitionDate="20200614",
        PatientAge="079Y",
        PatientWeight="61.5",
        BodyPartExamined="HIP",
        KVP="75",
        ExposureInuAs=12500,
        InstitutionName="Somewhere",
        ImagerPixelSpacing=[0.2, 0.2],
        PixelSpacing=[0.2, 0.2],
        DistanceSourceToDetector="1200",
        DistanceSourceToPatient="1000",
    )
    row = by_name(archive.scan(folder, key=KEY)).loc["00000_radiograph.dcm"]
    assert row["age"] == 79  # a day before the eightieth birthday
    assert (row["weight_kg"], row["kvp"], row["mas"], row["body_part"], row["view"]) == (61.5, 75, 12.5, "HIP", "AP")
    assert row["magnification"] == pytest.approx(1.2)
    assert row["row_mm"] == pytest.approx(0.2 / 1.2)
    assert (row["spacing_source"], row["left_out"]) == ("detector / magnification", None)
    assert archive.scan(folder, key=KEY, pixels=False)["row_mm"][0] == read_radiograph(row["path"]).spacing[0]
    assert len(row["site"]) == 16


@pytest.mark.parametrize(
    ("values", "source"),
    [
        ({"PixelSpacing": [0.1, 0.15], "ImagerPixelSpacing": [0.2, 0.2]}, "calibrated"),
        ({"PixelSpacing": [0.1, 0.15], "PixelSpacingCalibrationType": "FIDUCIAL"}, "calibrated by fiducial"),
        (
            {"PixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": "1.25"},
            "pixel spacing of unknown kind / magnification",
        ),
        ({"ImagerPixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": "7"}, None),
    ],
)
def test_spacing_is_that_of_the_reader(folder, values, source):
    path = folder / "00000_radiograph.dcm"
    dataset = dcmread(path)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "PixelSpacingCalibrationType"):
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.save_as(path)
    change(path, **values)
    row = archive.scan(folder, key=KEY).iloc[0]
    assert row["spacing_source"] == source
    if source is None:
        assert row["left_out"] == "magnification makes no sense"
        assert row[["row_mm", "magnification"]].isna().all()
    else:
        assert (row["row_mm"], row["column_mm"]) == read_radiograph(path).spacing


def test_ages_that_contradict_each_other_are_none(folder):
    change(folder / "00000_radiograph.dcm", PatientBirthDate="19400615", StudyDate="20200614", PatientAge="012Y")
    row = archive.scan(folder, key=KEY).iloc[0]
    assert pd.isna(row["age"])
    assert row["doubts"] == "age"


def test_days_count_from_the_first_image_of_the_patient(folder):
    change(folder / "00000_radiograph.dcm", PatientID="same", StudyDate="20200301")
    change(folder / "00001_radiograph.dcm", PatientID="same", StudyDate="20200201")
    table = archive.scan(folder, key=KEY)
    assert table["days"].tolist() == [29, 0]  # 2020 was a leap year
    assert table["patient"][0] == table["patient"][1]


def test_what_is_no_image_says_why(folder):
    whole = (folder / "00000_radiograph.dcm").read_bytes()
    (folder / "IM0001").write_bytes(whole)
    (folder / "cut").write_bytes(whole[:-500])
    (folder / "letter.txt").write_text("Dear Sir")
    (folder / "empty").touch()
    change(folder / "00001_radiograph.dcm", Modality="CT")
    Image.fromarray(np.arange(4096, dtype=np.uint8).reshape(64, 64)).save(folder / "hip.png")
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(folder / "colour.jpg")
    table = by_name(archive.scan(folder, key=KEY))
    assert table.loc["IM0001", "same_uid_as"] == table.loc["00000_radiograph.dcm", "image_id"]
    assert table.loc["IM0001", "same_pixels_as"] == table.loc["00000_radiograph.dcm", "image_id"]
    assert table.loc["hip.png", ["format", "rows", "bits", "left_out"]].tolist() == ["PNG", 64, 8, None]
    left_out = table["left_out"].dropna().to_dict()
    assert left_out == {
        "00001_radiograph.dcm": "modality CT",
        "colour.jpg": "color picture",
        "cut": left_out["cut"],
        "empty": "empty file",
        "letter.txt": "no image",
    }


def test_zip_files_are_unpacked_under_names_that_say_nothing(folder, tmp_path):
    with zipfile.ZipFile(folder / "export.zip", "w") as packed:
        packed.write(folder / "00000_radiograph.dcm", "Smith_Anna/IM1")
        packed.writestr("bomb", bytes(2**22), zipfile.ZIP_DEFLATED)
    assert archive.scan(folder, key=KEY)["left_out"].notna().sum() == 1
    table = archive.scan(folder, key=KEY, unpack=tmp_path / "out")
    copy = table[table["path"].str.contains("/out/")].iloc[0]
    assert copy["left_out"] is None
    assert copy["same_pixels_as"] == table["image_id"].iloc[0]
    assert Path(copy["path"]).read_bytes() == (folder / "00000_radiograph.dcm").read_bytes()
    assert "larger than its file can hold" in table["left_out"].dropna().iloc[0]


def element(group, number, kind, value):
    value += b" " * (len(value) % 2)
    return struct.pack("<HH2sH", group, number, kind, len(value)) + value


def test_a_dicomdir_names_what_is_missing(folder, tmp_path):
    """Written byte by byte: one record with the name of a file that is not there."""
    inner = element(0x0004, 0x1500, b"CS", b"IMAGES\\IM7")
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    body = struct.pack("<HH2sHI", 0x0004, 0x1220, b"SQ", 0, len(item)) + item
    meta = element(2, 2, b"UI", b"1.2.840.10008.1.3.10").replace(b" ", b"\0")
    meta += element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1").replace(b" ", b"\0")
    (folder / "DICOMDIR").write_bytes(
        bytes(128) + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(meta))) + meta + body
    )
    left_out = by_name(archive.scan(folder, key=KEY, progress=tmp_path / "progress"))["left_out"].dropna()
    assert b"IM7" not in (tmp_path / "progress").read_bytes()
    assert left_out["IM7"] == "named by a DICOMDIR, and not there"
    assert left_out["DICOMDIR"].startswith("DICOMDIR, the index")


def test_pseudonyms_follow_from_the_key_alone(folder, tmp_path):
    first, again = archive.scan(folder, key=KEY), archive.scan(folder, key=KEY, n_jobs=2)
    pd.testing.assert_frame_equal(first, again)
    other = archive.scan(folder, key=b"another key, just as long")
    assert not set(first["patient"]) & set(other["patient"])
    made = archive.scan(folder, key=tmp_path / "secret.key")
    assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0
    assert made["patient"].tolist() == archive.scan(folder, key=tmp_path / "secret.key")["patient"].tolist()
    with pytest.raises(InputError, match="16 bytes"):
        archive.scan(folder, key=b"short")


def test_a_path_that_names_its_patient_is_marked(folder):
    change(folder / "00000_radiograph.dcm", PatientName="Smith^Anna")
    (folder / "smith").mkdir()
    (folder / "00000_radiograph.dcm").rename(folder / "smith" / "1")
    assert archive.scan(folder, key=KEY)["path_identifies"].tolist() == [False, True]


@pytest.mark.parametrize("name", ["1234.dcm", "anna.dcm", "2021-03-04.dcm", "李.dcm", "mu\u0308ller_1.dcm", "hip.dcm"])
def test_words_of_the_patient_are_found_in_names_of_files(folder, name):
    path = folder / "00000_radiograph.dcm"
    change(
        path, SpecificCharacterSet="ISO_IR 192", PatientName="Anna^李^Müller", PatientID="1234", StudyDate="20210304"
    )
    path.rename(folder / name)
    table = archive.scan(folder, key=KEY).set_index("path")
    assert table.loc[str(folder / name), "path_identifies"] == (name != "hip.dcm")


def test_killed_and_resumed_equals_in_one_go(folder, tmp_path):
    """A second process is killed after its first rows are on the disk; the next one does the rest only."""
    content = (folder / "00000_radiograph.dcm").read_bytes()
    for number in range(150):
        (folder / f"copy{number:03d}").write_bytes(content)
    store = tmp_path / "progress"
    code = f"from deepradiomics import archive; archive.scan({str(folder)!r}, key={KEY!r}, progress={str(store)!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    end = time.monotonic() + 60
    while n_done(store) < 64 and time.monotonic() < end:
        time.sleep(0.005)
    process.kill()
    process.wait()
    before = n_done(store)
    assert before >= 64
    resumed = archive.scan(folder, key=KEY, progress=store)
    pd.testing.assert_frame_equal(resumed, archive.scan(folder, key=KEY))
    assert n_done(store) == len(resumed) == 152


def n_done(store):
    import sqlite3
    from contextlib import closing

    if not store.exists():
        return 0
    with closing(sqlite3.connect(store, timeout=10)) as opened:
        try:
            return opened.execute("SELECT count(*) FROM done").fetchone()[0]
        except sqlite3.OperationalError:
            return 0


def test_a_sheet_with_semicolons_and_decimal_commas_is_joined(folder, tmp_path):
    sheet = tmp_path / "sheet.csv"
    text = "nr;name;t_score;fx\np0;Anna;-2,5;0\nnobody;Eva;1,0;1\np1;Ida;0,3;0\np1;Ida;0,4;0\n;Nn;1;1\n"
    sheet.write_bytes(b"\xef\xbb\xbf" + text.encode())
    table = archive.scan(folder, key=KEY)
    joined = archive.join_clinical(table, sheet, key=KEY, patient="nr", columns=["t_score", "fx"])
    assert joined.table["t_score"].iloc[0] == -2.5
    assert pd.isna(joined.table["t_score"].iloc[1])
    assert joined.double["row"].tolist() == [3, 4]
    assert joined.without_image[["row", "reason"]].to_numpy().tolist() == [
        [2, "no image"],
        [5, "no number of a patient"],
    ]
    assert "Anna" not in joined.table.to_string()
    with pytest.raises(InputError, match="lacks"):
        archive.join_clinical(table, sheet, key=KEY, patient="number", columns=["t_score"])


def test_cells_beyond_the_header_shift_no_column(folder, tmp_path):
    sheet, table = tmp_path / "sheet.csv", archive.scan(folder, key=KEY)
    sheet.write_text("nr;age;t\np0;55;-1.0;\np1;60;-2.0;\n")
    joined = archive.join_clinical(table, sheet, key=KEY, patient="nr", columns=["t"])
    assert joined.table["t"].tolist() == [-1.0, -2.0]
    sheet.write_text("nr;age;t\np0;55;-1.0;7\np1;60;-2.0;8\n")
    with pytest.raises(InputError, match="lines differ"):
        archive.join_clinical(table, sheet, key=KEY, patient="nr", columns=["t"])


def test_messages_about_columns_hold_no_cell_and_the_number_stays_out(folder, tmp_path):
    sheet, table = tmp_path / "sheet.csv", archive.scan(folder, key=KEY)
    sheet.write_text("p0;Anna Smith;-1.0\np1;Eva;-2.0\n")
    with pytest.raises(InputError, match="3 columns and lacks") as caught:
        archive.join_clinical(table, sheet, key=KEY, patient="nr", columns=["t"])
    assert "Anna" not in str(caught.value)
    frame = pd.DataFrame({"nr": ["p0", "p1"], "row": [7, 8]})
    with pytest.raises(InputError, match="take it out"):
        archive.join_clinical(table, frame, key=KEY, patient="nr", columns=["nr"])
    joined = archive.join_clinical(table, frame, key=KEY, patient="nr", columns=["row"])
    assert joined.table["row"].tolist() == [7, 8]


@pytest.mark.parametrize(("number", "cell"), [("123456789012345678", "123456789012345678"), ("42", "42.0")])
def test_numbers_of_patients_keep_all_digits_beside_a_blank_cell(folder, tmp_path, number, cell):
    change(folder / "00000_radiograph.dcm", PatientID=number)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(f"nr,t\n{cell},1\n,2\n")
    table = archive.scan(folder, key=KEY)
    assert archive.join_clinical(table, sheet, key=KEY, patient="nr", columns=["t"]).table["t"].iloc[0] == 1


def test_lost_zeros_are_named(folder):
    change(folder / "00000_radiograph.dcm", PatientID="00042")
    sheet = pd.DataFrame({"nr": [42.0], "t": [1]})
    joined = archive.join_clinical(archive.scan(folder, key=KEY), sheet, key=KEY, patient="nr", columns=["t"])
    assert "3 more zeros" in joined.without_image["reason"][0]


def test_patients_of_pictures_come_from_their_path(folder):
    (folder / "p0").mkdir()
    Image.fromarray(np.eye(16, dtype=np.uint8) * 255).save(folder / "p0" / "a.png")
    table = archive.scan(folder, key=KEY, patient_in_path=r"^(p\d+)/")
    assert table["patient"].value_counts().tolist() == [2, 1]


def test_the_command_writes_the_table(folder, tmp_path, capsys):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("nr;t_score\np0;-2,5\n")
    arguments = ["scan", str(folder), "-o", str(tmp_path / "table.csv"), "--key", str(tmp_path / "key")]
    assert cli.main([*arguments, "--clinical", str(sheet), "--patient", "nr", "--columns", "t_score"]) == 0
    table = pd.read_csv(tmp_path / "table.csv")
    assert (tmp_path / table["path"][0]).is_file()
    assert table["t_score"].iloc[0] == -2.5
    assert "1 patients without a row" in capsys.readouterr().out


def test_nested_sequences_do_not_come_out(folder):
    region = Dataset()
    region.CodeMeaning = "Hip of Smith"
    change(folder / "00000_radiograph.dcm", PatientName="Smith^Anna", AnatomicRegionSequence=[region])
    assert archive.scan(folder, key=KEY)["body_part"][0] is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_not_utf_8_and_pipes_are_left_out(folder, tmp_path):
    Path(os.fsdecode(bytes(folder) + b"/h\xfcfte.dcm")).write_bytes((folder / "00000_radiograph.dcm").read_bytes())
    os.mkfifo(folder / "pipe")
    left_out = by_name(archive.scan(folder, key=KEY, progress=tmp_path / "progress"))["left_out"].dropna()
    assert sorted(left_out.index) == ["h\\udcfcfte.dcm", "pipe"]
    assert left_out.str.startswith("cannot be opened").all()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_zip_files_are_left_out(folder, tmp_path, method):
    text = b"".join(b"%d " % (number * number) for number in range(500))
    for number in range(30):
        with zipfile.ZipFile(folder / f"{number:02d}.zip", "w", method) as packed:
            packed.writestr("a", text)
        content = bytearray((folder / f"{number:02d}.zip").read_bytes())
        content[31 + number :: 40] = bytes(len(content[31 + number :: 40]))
        (folder / f"{number:02d}.zip").write_bytes(content)
    table = archive.scan(folder, key=KEY, unpack=tmp_path / "out")
    assert table["left_out"].notna().sum() == 30


def test_headers_with_several_rows_are_damaged(folder):
    path = folder / "00000_radiograph.dcm"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(element(0x28, 0x10, b"US", b"\x40\0"), element(0x28, 0x10, b"US", b"\x40\0\x40\0")))
    assert archive.scan(folder, key=KEY)["left_out"][0] == "damaged header (TypeError)"
    odd = struct.pack("<HH2sH", 0x28, 0x10, b"US", 3) + b"\x40\0\0"
    path.write_bytes(whole.replace(element(0x28, 0x10, b"US", b"\x40\0"), odd))
    assert archive.scan(folder, key=KEY)["left_out"][0] == "damaged header (BytesLengthException)"
    frames = element(0x28, 8, b"IS", b"1\\1") + element(0x28, 0x10, b"US", b"\x40\0")
    path.write_bytes(whole.replace(element(0x28, 0x10, b"US", b"\x40\0"), frames))
    assert archive.scan(folder, key=KEY)["left_out"][0] == "damaged header (TypeError)"


def test_a_group_of_the_path_that_is_not_there_is_no_patient(folder):
    Image.fromarray(np.eye(16, dtype=np.uint8) * 255).save(folder / "a.png")
    table = by_name(archive.scan(folder, key=KEY, patient_in_path=r"^(p\d+/)?"))
    assert table.loc["a.png", "patient"] is None


def test_mirrored_files_and_contradictions_of_the_polarity_are_said(folder):
    change(folder / "00000_radiograph.dcm", PatientOrientation=["R", "F"])
    change(folder / "00001_radiograph.dcm", PresentationLUTShape="INVERSE")
    for pixels in (False, True):
        table = archive.scan(folder, key=KEY, pixels=pixels)
        assert table["left_out"].tolist() == ["mirrored or turned, as its orientation says", None]
        assert table["doubts"].tolist() == [None, "photometric"]


def excel(path, *sheets):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl, which reads and writes Excel, is not installed")
    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        place = book.active if number == 0 else book.create_sheet()
        for row in rows:
            place.append(row)
    book.save(path)
    return path


def test_a_sheet_of_excel_gives_numbers_words_and_dates(folder, tmp_path):
    table = archive.scan(folder, key=KEY)
    rows = [["nr", "t_score", "smoker", "ward", "typed"], ["p0", -2.5, "yes", 3, "1,5"]]
    rows.append(["p1", None, "no", 4, None, "a cell beyond the header"])
    sheet = excel(tmp_path / "sheet.xlsx", rows, [])
    joined = archive.join_clinical(table, sheet, key=KEY, patient="nr", columns=rows[0][1:])
    found = joined.table[rows[0][1:]]
    assert found["t_score"].tolist()[0] == -2.5
    assert [found[name].dtype.kind for name in ("t_score", "ward", "typed")] == ["f", "i", "f"]
    assert found["typed"][0] == 1.5
    assert found["smoker"].tolist() == ["yes", "no"]
    assert joined.without_row.empty
    assert joined.without_image.empty


@pytest.mark.parametrize("kind", ["csv", "xlsx", "frame"])
def test_a_column_that_is_there_twice_is_refused_where_it_is_taken(folder, tmp_path, kind):
    table, rows = archive.scan(folder, key=KEY), [["nr", "t", "age", "t"], ["p0", -1.5, 60, -2.5], ["p1", 1, 61, 0]]
    if kind == "xlsx":
        sheet = excel(tmp_path / "sheet.xlsx", rows)
    elif kind == "csv":
        sheet = tmp_path / "sheet.csv"
        sheet.write_text("\n".join(",".join(map(str, row)) for row in rows))
    else:
        sheet = pd.DataFrame(rows[1:], columns=rows[0])
    with pytest.raises(InputError, match=r"the sheet has \['t'\] more than once"):
        archive.join_clinical(table, sheet, key=KEY, patient="nr", columns=["age", "t"])
    with pytest.raises(InputError, match=r"lacks \['t\.1'\]"):
        archive.join_clinical(table, sheet, key=KEY, patient="nr", columns=["t.1"])
    joined = archive.join_clinical(table.drop(columns="age"), sheet, key=KEY, patient="nr", columns=["age"])
    assert joined.table["age"].tolist() == [60, 61]


def test_excel_that_is_no_table_is_named(folder, tmp_path):
    table = archive.scan(folder, key=KEY)
    rows = [["nr", "sex"], ["p0", "F"]]
    with pytest.raises(InputError, match="2 sheets with rows"):
        sheet = excel(tmp_path / "two.xlsx", rows, rows)
        archive.join_clinical(table, sheet, key=KEY, patient="nr", columns=["sex"])
    (tmp_path / "bad.xlsx").write_bytes(b"PK nonsense")
    with pytest.raises(InputError, match=r"bad\.xlsx cannot be read as Excel"):
        archive.join_clinical(table, tmp_path / "bad.xlsx", key=KEY, patient="nr", columns=["sex"])
    with pytest.raises(InputError, match=r"table of images has \['sex'\] already"):
        sheet = excel(tmp_path / "one.xlsx", rows)
        archive.join_clinical(table, sheet, key=KEY, patient="nr", columns=["sex"])
