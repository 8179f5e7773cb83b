"""The largest piece of each class without holes, against SimpleITK and by hand."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepradiomics.exceptions import InputError
from deepradiomics.segmentation import clean_up

LABELS = hnp.arrays(np.uint8, (8, 10), elements=st.integers(0, 2))


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, (12, 12), elements=st.integers(0, 1)))
def test_one_class_is_the_largest_component_of_simpleitk_filled(labels):
    components = sitk.RelabelComponent(sitk.ConnectedComponent(sitk.GetImageFromArray(labels)))
    sizes = np.bincount(sitk.GetArrayFromImage(components).ravel(), minlength=3)[1:]
    if len(sizes) > 1 and sizes[0] == sizes[1]:
        return  # which of two equal pieces is kept is our own choice
    filled = sitk.BinaryFillhole(components == 1, fullyConnected=False)
    assert (clean_up(labels, 1) == sitk.GetArrayFromImage(filled)).all()


@settings(max_examples=60, deadline=None)
@given(LABELS)
def test_each_class_is_one_piece_and_cleaning_twice_changes_nothing(labels):
    once = clean_up(labels, 2)
    assert (clean_up(once, 2) == once).all()
    for code in (1, 2):
        components = sitk.ConnectedComponent(sitk.GetImageFromArray((once == code).astype(np.uint8)))
        assert sitk.GetArrayFromImage(components).max() == (labels == code).any()


def test_a_hole_of_another_class_stays_that_class():
    labels = np.ones((5, 5), dtype=np.uint8)
    labels[2, 2], labels[0, 0] = 2, 0
    assert clean_up(labels, 2)[2, 2] == 2
    assert clean_up(np.zeros((3, 3), dtype=np.uint8), 2).sum() == 0


def test_equal_pieces_keep_the_first():
    assert clean_up(np.array([[1, 0, 1]]), 1).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize(
    "labels", [np.array([[0, 3]]), np.array([[-1, 0]]), np.array([[0.5]]), np.zeros((1, 2, 3), int)]
)
def test_other_values_are_refused(labels):
    with pytest.raises(InputError):
        clean_up(labels, 2)


@pytest.mark.parametrize("n_classes", [300, 256, -1, 1.5, "2", None])
def test_a_number_of_classes_that_a_label_map_cannot_hold_is_refused(n_classes):
    with pytest.raises(InputError, match=r"n_classes is .*; give a whole number from 0 to 255"):
        clean_up(np.zeros((2, 2), int), n_classes)
    assert clean_up(np.array([[255, 0]]), 255).tolist() == [[255, 0]]
