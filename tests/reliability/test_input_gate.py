"""Every kind of bad input, in one table: each ends in its named error, or in the stated result, within two seconds.

The rows are those a user meets. Files that lie about themselves (bombs, cut-off files, headers that claim too much)
are read in a process of their own, with its memory measured, by `tests/reading/test_reading_gate.py`; the details of
formats stand in `tests/reading`, `tests/annotations` and `tests/texture`.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydicom import dcmread
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import deepradiomics as dr

# Loaded beforehand, since what the first use of a network imports is no part of the answer to bad input.
from deepradiomics import deep  # noqa: F401
from deepradiomics.exceptions import DeepRadiomicsError, InputWarning
from deepradiomics.simulation import make_hips, write_dicom

RNG = np.random.default_rng(0)
GREY = RNG.normal(100, 20, (40, 48))
WHOLE = np.ones((40, 48), dtype=bool)


def box(top, left, height, width, value=True):
    """A mask with one rectangle."""
    mask = np.zeros((40, 48), dtype=np.asarray(value).dtype)
    mask[top : top + height, left : left + width] = value
    return mask


def texture(image=GREY, mask=WHOLE, **settings):
    """Four features of one region."""
    return dr.texture.extract(
        [image], [mask], feature_classes={"firstorder": ["Mean"], "glcm": ["Contrast"]}, **settings
    )


def changed(folder, **tags):
    """A good DICOM file with some tags changed; None removes one."""
    path = Path(write_dicom(make_hips(1, random_state=0, image_shape=(64, 64)), folder)["radiograph"][0])
    dataset = dcmread(path)
    for name, value in tags.items():
        if value is None:
            if name in dataset:
                delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset.save_as(path)
    return path


def spacing(folder, **tags):
    return dr.read_radiograph(changed(folder, **tags)).spacing


def written(folder, name, content):
    (folder / name).write_bytes(content)
    return folder / name


def fifo(folder):
    os.mkfifo(folder / "pipe.png")
    return dr.read_radiograph(folder / "pipe.png")


def voc(folder, xmin=1, ymin=1, xmax=9, ymax=9, filename="a.png", head=""):
    text = f"""{head}<annotation><filename>{filename}</filename><size><width>48</width><height>40</height></size>
    <object><name>L1</name><bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>
    </annotation>"""
    return dr.annotations.read_voc(written(folder, "a.xml", text.encode()))


BOMB = '<!DOCTYPE a [<!ENTITY b "xx"><!ENTITY c "&b;&b;&b;&b;">]>'
EXTERNAL = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'


def parameters(folder, text):
    return dr.TextureExtractor.from_params(written(folder, "Params.yaml", text.encode()))


TABLE = pd.DataFrame(
    {"age": RNG.integers(50, 90, 40), "sex": ["F", "M"] * 20, "weight": RNG.normal(70, 9, 40), "patient": range(40)}
)
FIRST, LAST = np.arange(20), np.arange(20, 40)
LABELS = RNG.permutation(np.arange(40) % 2)


def compare(table=TABLE, y=LABELS, columns=("age", "weight"), **settings):
    from sklearn.compose import ColumnTransformer

    blocks = ColumnTransformer([("clinical", dr.clinical_encoder(), list(columns))])
    return dr.compare_feature_sets(make_pipeline(blocks, LogisticRegression()), table, y, random_state=0, **settings)


def mask_of(mask, label=None):
    return dr.read_radiograph(GREY, mask=mask, label=label).mask


# What a user does, and the code of the error it ends in.
REFUSED = {
    "not an image": (lambda folder: dr.read_radiograph(written(folder, "a.dcm", b"no image")), "unreadable"),
    "an empty file": (lambda folder: dr.read_radiograph(written(folder, "a.png", b"")), "empty_file"),
    "a directory": (lambda folder: dr.read_radiograph(folder), "no_file"),
    "a FIFO": (fifo, "no_file"),
    "no such file": (lambda folder: dr.read_radiograph(folder / "nothing.dcm"), "no_file"),
    "truncated DICOM": (
        lambda folder: dr.read_radiograph(written(folder, "b.dcm", changed(folder).read_bytes()[:-3000])),
        "unreadable",
    ),
    "colour": (lambda folder: dr.read_radiograph(RNG.random((9, 9, 3))), "not_an_image"),
    "multi-frame": (lambda folder: dr.read_radiograph(changed(folder, NumberOfFrames=3)), "volume"),
    "a volume": (lambda folder: dr.read_radiograph(RNG.random((4, 9, 9))), "not_an_image"),
    "spacing of zero": (lambda folder: spacing(folder, PixelSpacing=[0, 0]), "spacing"),
    "spacing without sense": (lambda folder: spacing(folder, PixelSpacing=[-1, 0.2]), "spacing"),
    "infinite pixels inside the mask": (lambda folder: texture(np.where(WHOLE, np.inf, 0)), "not_finite"),
    "NaN inside the mask": (lambda folder: texture(np.where(box(3, 3, 1, 1), np.nan, GREY)), "not_finite"),
    "an empty mask": (lambda folder: texture(mask=box(0, 0, 0, 0)), "empty_region"),
    "a label that is absent": (lambda folder: mask_of(box(3, 3, 9, 9, np.uint8(2)), label=1), "mask_label"),
    "several labels, none chosen": (
        lambda folder: mask_of(box(3, 3, 9, 9, np.uint8(2)) + box(20, 20, 5, 5, np.uint8(1))),
        "mask_label",
    ),
    "a mask of fractions": (lambda folder: mask_of(RNG.random((40, 48))), "mask_values"),
    "a colour mask": (lambda folder: mask_of(RNG.integers(0, 2, (40, 48, 3))), "mask_values"),
    "a mask of another shape": (lambda folder: mask_of(np.ones((41, 48), bool)), "mask_shape"),
    "a transposed mask": (lambda folder: mask_of(WHOLE.T), "mask_shape"),
    "one pixel": (lambda folder: texture(mask=box(3, 3, 1, 1)), "too_few_pixels"),
    "a flat region": (lambda folder: texture(np.ones((40, 48))), "too_few_levels"),
    "two grey levels": (lambda folder: texture(bin_count=2), "too_few_levels"),
    "bins so wide that few levels remain": (lambda folder: texture(bin_count=None, bin_width=100), "too_few_levels"),
    "bins so narrow that there are more than 4,096": (
        lambda folder: texture(bin_count=None, bin_width=0.001),
        "too_many_levels",
    ),
    "a typing error in a parameter file": (
        lambda folder: parameters(folder, "setting: {binwidth: 3}"),
        "invalid_input",
    ),
    "both settings of bins": (
        lambda folder: parameters(folder, "setting: {binWidth: 3, binCount: 9}"),
        "invalid_input",
    ),
    "a parameter file that is no YAML": (lambda folder: parameters(folder, "\t{"), "invalid_input"),
    "an entity bomb": (lambda folder: voc(folder, head=BOMB), "invalid_input"),
    "an external entity": (lambda folder: voc(folder, head=EXTERNAL), "invalid_input"),
    "an inverted box": (lambda folder: voc(folder, xmin=9, xmax=1), "invalid_input"),
    "a box outside": (lambda folder: voc(folder, xmax=99), "box_outside"),
    "YOLO out of range": (
        lambda folder: dr.annotations.read_yolo(written(folder, "a.txt", b"0 1.5 0.5 0.2 0.2"), image_shape=(40, 48)),
        "box_outside",
    ),
    "COCO out of range": (
        lambda folder: dr.annotations.read_coco(
            written(
                folder,
                "a.json",
                b'{"images": [{"id": 1, "file_name": "a.png", "width": 48, "height": 40}], "categories": [{"id": 1, '
                b'"name": "L1"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [40, 1, 30, 9]}]}',
            ),
            image_name="a.png",
        ),
        "box_outside",
    ),
    "words where numbers are needed": (
        lambda folder: dr.DeepExtractor(clinical=["sex"]).fit(TABLE, LABELS),
        "invalid_input",
    ),
    "one class only": (lambda folder: compare(y=np.zeros(40)), "invalid_input"),
    "too few rows of a class": (lambda folder: compare(y=np.arange(40) == 3), "few_patients"),
    "one patient in both parts": (
        lambda folder: compare(cv=[(FIRST, LAST), (LAST, FIRST)], groups=np.arange(40) % 35),
        "patient_overlap",
    ),
    "a row in both parts": (lambda folder: compare(cv=[(FIRST, LAST), (np.arange(15, 40), FIRST)]), "row_overlap"),
    "an internal patient in an external cohort": (
        lambda folder: compare(external={"B": (TABLE, LABELS)}),
        "patient_overlap",
    ),
    "the label among the features": (
        lambda folder: compare(TABLE.assign(t_score=LABELS - 0.5), columns=["age", "t_score"]),
        "separating_column",
    ),
    "an id column among the features": (
        lambda folder: compare(columns=["age", "patient"]),
        "id_column",
    ),
    "a side that the file contradicts": (
        lambda folder: dr.read_radiograph(changed(folder, ImageLaterality="L"), laterality="R"),
        "laterality",
    ),
}


def good(**tags):
    """Spacing that a file with these tags has."""
    return lambda folder: spacing(folder, **tags)


def equal_pictures(folder):
    """Whether a picture and its twin in MONOCHROME1 are equal to a bit."""
    hips = make_hips(1, random_state=0, image_shape=(64, 64))
    path = Path(write_dicom(hips, folder)["radiograph"][0])
    first, dataset = dr.read_radiograph(path).pixels, dcmread(path)
    highest = 2**dataset.BitsStored - 1
    twin = {"MONOCHROME1": "MONOCHROME2", "MONOCHROME2": "MONOCHROME1"}[dataset.PhotometricInterpretation]
    dataset.PhotometricInterpretation = twin
    dataset.PixelData = (highest - dataset.pixel_array).astype(np.uint16).tobytes()
    dataset.save_as(path)
    return np.array_equal(dr.read_radiograph(path).pixels, first)


def encoded(**columns):
    """What the clinical encoder makes of new rows after learning from the table."""
    encoder = dr.clinical_encoder().fit(TABLE[["age", "sex"]])
    return encoder.transform(pd.DataFrame({"age": [70.0], "sex": ["F"]} | columns))


def unseen_sex(_):
    with pytest.warns(InputWarning, match="column 'sex' holds values that fit did not see in 1 of 1 rows"):
        return bool(np.isfinite(encoded(sex=["X"])).all())


# What a user does, and whether the stated result comes out.
TAKEN = {
    "no spacing": (good(PixelSpacing=None, ImagerPixelSpacing=None), None),
    "spacing at the detector only": (good(PixelSpacing=None, ImagerPixelSpacing=[0.3, 0.3]), (0.3, 0.3)),
    "both spacings": (good(PixelSpacing=[0.2, 0.2], ImagerPixelSpacing=[0.3, 0.3]), (0.2, 0.2)),
    "pixels that are not square": (good(PixelSpacing=[0.2, 0.4]), (0.2, 0.4)),
    "MONOCHROME1 and its twin": (equal_pictures, True),
    "a mask of 0 and 255": (lambda folder: int(mask_of(box(3, 3, 4, 5, np.uint8(255))).sum()), 20),
    "a mask of 0.0 and 1.0": (lambda folder: int(mask_of(box(3, 3, 4, 5, np.uint8(1)), label=1).sum()), 20),
    "NaN outside the mask": (
        lambda folder: bool(texture(np.where(box(0, 0, 2, 2), np.nan, GREY), box(5, 5, 20, 20)).notna().all(axis=None)),
        True,
    ),
    "a region at the border": (
        lambda folder: bool(texture(mask=box(0, 0, 12, 12)).notna().all(axis=None)),
        True,
    ),
    "one row, where that is allowed": (
        lambda folder: bool(texture(mask=box(4, 0, 1, 48), minimum_roi_dimensions=1).notna().all(axis=None)),
        True,
    ),
    "failed regions among good ones": (
        lambda folder: (
            dr.texture.extract(
                [GREY, np.ones((40, 48)), GREY], feature_classes={"firstorder": ["Mean"]}, on_error="skip"
            )["original_firstorder_Mean"]
            .isna()
            .tolist()
        ),
        [False, True, False],
    ),
    "a clinical number that is unknown": (lambda folder: bool(np.isfinite(encoded(age=[np.nan])).all()), True),
    "a category that training did not have": (unseen_sex, True),
    "a constant column": (
        lambda folder: bool(
            np.isfinite(dr.clinical_encoder().fit_transform(pd.DataFrame({"age": [70.0] * 9, "sex": ["F"] * 9}))).all()
        ),
        True,
    ),
    "an old parameter file with sections left empty": (
        lambda folder: parameters(folder, "imageType: {Original: {}}\nfeatureClass:\nsetting:\n").bin_width,
        25,
    ),
    "a box file with an absolute path": (
        lambda folder: [name for name, _ in voc(folder, filename="C:/x/a.png")],
        ["L1"],
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name, tmp_path):
    action, result = TAKEN[name]
    assert action(tmp_path) == result


@pytest.mark.parametrize("bin_count", [0, 4097])
def test_a_number_of_bins_that_cannot_be_is_refused_as_scikit_learn_refuses_parameters(bin_count):
    with pytest.raises(ValueError, match="bin_count"):
        texture(bin_count=bin_count)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    action, code = REFUSED[name]
    if name == "a FIFO" and sys.platform == "win32":
        pytest.skip("no FIFO on this system")
    start = time.perf_counter()
    with pytest.raises(DeepRadiomicsError) as caught:
        action(tmp_path)
    assert time.perf_counter() - start < 2
    message = str(caught.value)
    assert caught.value.code == code, message
    assert str(tmp_path) not in message
    assert "\n" not in message.split(":")[0]
