"""Regions in tables: sides, missing hips, context, failures."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from deepradiomics import Box, FemurRegions, Radiograph, VertebraRegions, plot_regions
from deepradiomics.exceptions import DeepRadiomicsError, InputError, RegionError
from deepradiomics.simulation import make_hips


@pytest.fixture(scope="module")
def table():
    hips = make_hips(2, random_state=0)
    return hips.data


class KnownMasks(BaseEstimator):
    """A segmenter that looks the answer up by the picture's sum."""

    def __init__(self, answers=None):
        self.answers = answers

    def fit(self, images, masks):
        self.known_ = {float(image.pixels.sum()): mask for image, mask in zip(images, masks, strict=True)}
        return self

    def predict(self, images):
        return [(self.answers or self.known_)[float(image.pixels.sum())] for image in images]


def test_right_hips_are_mirrored_and_regions_lie_in_the_bone(table):
    regions = FemurRegions(mask="mask").transform(table)
    mirrored = table.assign(
        radiograph=[image.mirrored() for image in table["radiograph"]],
        mask=[np.choose(mask[:, ::-1], [0, 2, 1]) for mask in table["mask"]],
    )
    swapped = FemurRegions(mask="mask").transform(mirrored)
    for name in ("neck", "cortex", "ward", "trochanter", "femur"):
        left, other = regions[f"left_{name}"][0], swapped[f"right_{name}"][0]
        assert (left.laterality, other.laterality) == ("L", "R")
        assert np.array_equal(left.pixels, other.pixels)
        assert np.array_equal(left.mask, other.mask)


def test_context_surrounds_the_region(table):
    tight, wide = (FemurRegions(mask="mask", context_mm=mm).transform(table)["left_neck"][0] for mm in (0, 10))
    assert np.array_equal(tight.pixels[tight.mask], wide.pixels[wide.mask])
    assert min(np.subtract(wide.pixels.shape, tight.pixels.shape)) >= 2 * 10 / 0.72 - 2


def test_a_missing_hip_is_none(table):
    one = table.assign(mask=[np.where(mask == 1, 1, 0) for mask in table["mask"]])
    one.loc[1, "radiograph"] = None
    regions = FemurRegions(mask="mask").transform(one)
    assert regions["right_neck"].isna().all()
    assert regions["left_neck"].isna().tolist() == [False, True]


def test_a_bool_mask_needs_a_side(table):
    masks = [mask == 2 for mask in table["mask"]]
    with pytest.raises(InputError, match="does not say which hip"):
        FemurRegions(mask="mask").transform(table.assign(mask=masks))
    sided = [Radiograph(image.pixels, None, image.spacing, "R") for image in table["radiograph"]]
    regions = FemurRegions(mask="mask").transform(table.assign(mask=masks, radiograph=sided))
    assert regions["left_neck"].isna().all()
    assert regions["right_neck"].notna().all()


def test_a_segmenter_is_fitted_or_frozen(table):
    fitted = FemurRegions(KnownMasks(), mask="mask").fit(table)
    frozen = FemurRegions(FrozenEstimator(KnownMasks().fit(table["radiograph"], table["mask"])))
    assert get_tags(FemurRegions(KnownMasks(), mask="mask")).requires_fit
    assert not get_tags(frozen).requires_fit
    wanted = FemurRegions(mask="mask").transform(table)["left_ward"][1]
    for regions in (fitted.transform(table), frozen.fit(table).transform(table.drop(columns="mask"))):
        assert np.array_equal(regions["left_ward"][1].pixels, wanted.pixels)


def test_failures_raise_with_their_place_or_are_written_down(table):
    broken = table.assign(mask=[table["mask"][0], np.full_like(table["mask"][1], 1)])
    with pytest.raises(RegionError, match="row 1, left hip: "):
        FemurRegions(mask="mask").transform(broken)
    lenient = FemurRegions(mask="mask", on_error="skip")
    regions = lenient.transform(broken)
    assert regions["left_neck"].isna().tolist() == [False, True]
    assert lenient.failures_[["row", "region"]].to_numpy().tolist() == [[1, "left hip"]]


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (FemurRegions(), "needs to know where the femora are"),
        (FemurRegions(mask="masks"), r"lacks the columns \['masks'\]"),
        (FemurRegions(mask="mask", image="x"), r"lacks the columns \['x'\]"),
    ],
)
def test_tables_that_cannot_be_used(table, estimator, message):
    with pytest.raises(InputError, match=message):
        estimator.fit(table)


def test_geometry_table(table):
    measures = FemurRegions(mask="mask").geometry(table)
    assert measures["left_neck_width"].between(25, 38).all()
    assert measures["right_neck_shaft_angle"].between(110, 145).all()
    assert measures["left_neck_axis_length"].gt(measures["left_head_diameter"]).all()


def test_vertebrae_from_boxes(tmp_path):
    image = np.arange(300 * 200.0).reshape(300, 200)
    (tmp_path / "a.xml").write_text(
        "<annotation><object><name>L2</name><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
        "</object></annotation>"
    )
    X = pd.DataFrame(
        {
            "radiograph": [image] * 4,
            "boxes": [{"L1": Box(40, 50, 60, 80)}, [("L2", Box(1, 2, 30, 40))], tmp_path / "a.xml", None],
        }
    )
    regions = VertebraRegions(levels=("L1", "L2"), context=0).transform(X)
    assert regions["L1"].isna().tolist() == [False, True, True, True]
    assert np.array_equal(regions["L2"][2].pixels, image[20:40, 10:30])
    assert np.array_equal(regions["L1"][0].pixels, image[40:100, 50:130])


def test_vertebra_boxes_that_cannot_be(tmp_path):
    X = pd.DataFrame({"radiograph": [np.ones((30, 20))], "boxes": [{"L1": Box(20, 10, 60, 80)}]})
    with pytest.raises(InputError, match=r"row 0, box 'L1': .*sticks out"):
        VertebraRegions().transform(X)
    with pytest.raises(InputError, match="two boxes are named 'L1'"):
        VertebraRegions().transform(X.assign(boxes=[[("L1", Box(0, 0, 5, 5))] * 2]))
    with pytest.raises(InputError, match="named 'l1', the vertebra 'L1'"):
        VertebraRegions().transform(X.assign(boxes=[[("l1", Box(0, 0, 5, 5))]]))


def test_plot_draws_what_it_is_given(table):
    ax = plot_regions(table["radiograph"][0], table["mask"][0], boxes={"a": Box(1, 2, 3, 4), "b": Box(5, 5, 9, 9, 20)})
    assert len(ax.patches) == 2
    assert {text.get_text() for text in ax.texts} == {"a", "b"}
    assert len(ax.collections) == 2
    plt.close(ax.figure)


def test_pixels_that_are_not_square_cost_one_row():
    hips = make_hips(3, random_state=0, image_shape=(256, 256))
    spacings = [(0.7, 0.7), (0.2, 0.3), (0.7, 0.7)]
    pictures = [radiograph.pixels for radiograph in hips.data["radiograph"]]
    radiographs = [Radiograph(pixels, None, spacing) for pixels, spacing in zip(pictures, spacings, strict=True)]
    table = pd.DataFrame({"radiograph": pd.Series(radiographs, dtype=object), "mask": hips.masks})
    regions = FemurRegions(mask="mask", on_error="skip")
    found = regions.fit_transform(table)
    assert found["left_neck"].isna().tolist() == [False, True, False]
    assert regions.failures_["row"].tolist() == [1, 1]
    assert len(regions.geometry(table)) == 3
    with pytest.raises(DeepRadiomicsError, match="row 1, left hip"):
        FemurRegions(mask="mask").fit_transform(table)


def test_a_column_that_is_there_already_is_refused():
    hips = make_hips(2, random_state=0, image_shape=(256, 256))
    regions = FemurRegions(mask="mask", on_error="skip")
    once = regions.fit_transform(hips.data)
    with pytest.raises(InputError, match=r"column 'left_[a-z]+' already"):
        FemurRegions(mask="mask", on_error="skip").fit_transform(once)


def test_geometry_has_the_same_columns_whatever_is_in_the_image(table):
    both = FemurRegions(mask="mask").geometry(table)
    right = FemurRegions(mask="mask").geometry(table.assign(mask=[np.where(mask == 2, 2, 0) for mask in table["mask"]]))
    assert list(right) == list(both)
    assert set(right.drop(columns=["left_flags", "right_flags"]).dtypes) == {np.dtype(float)}
    assert right["left_head_diameter"].isna().all()
    assert right["right_head_diameter"].equals(both["right_head_diameter"])


def test_a_mask_of_255_is_no_femur(table):
    with pytest.raises(InputError, match="row 0, column 'mask': the mask holds the label 255"):
        FemurRegions(mask="mask").transform(table.assign(mask=[np.uint8(mask > 0) * 255 for mask in table["mask"]]))


def test_names_are_known_once_columns_were_seen(table):
    with pytest.raises(NotFittedError):
        FemurRegions(mask="mask").get_feature_names_out()
    assert "left_neck" in FemurRegions(mask="mask").fit(table).get_feature_names_out()
