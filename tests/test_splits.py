"""Patients and folds: one meaning of `cv` and of `groups`."""

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from deepradiomics.exceptions import InputError, LeakageError
from deepradiomics.splits import cross_validation_splits, encode_groups, validation_split

Y = np.arange(40) % 2
GROUPS = np.arange(40) // 2


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_a_number_is_scikit_learns_stratified_and_shuffled_splitter(groups):
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    theirs = list(kind(5, shuffle=True, random_state=3).split(Y, Y, groups))
    for cv in (5, None):
        ours = cross_validation_splits(cv, Y, groups, random_state=3)
        for split, expected in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(np.concatenate(split), np.concatenate(expected))


def test_rows_that_take_no_part_are_in_no_fold():
    rows = np.flatnonzero(np.arange(40) % 7)
    splits = cross_validation_splits(4, Y, GROUPS, random_state=0, rows=rows)
    assert sorted(np.concatenate([test for _, test in splits])) == rows.tolist()
    assert all(set(train) | set(test) == set(rows) for train, test in splits)


@pytest.mark.parametrize(
    ("cv", "y", "groups", "message"),
    [
        (1, Y, None, "cv is 1; it must be"),
        (True, Y, None, "cv is True; it must be"),
        ("5", Y, None, "cv is '5'; give a number of folds"),
        (2.5, Y, None, "cv is 2.5; give a number of folds"),
        ([], Y, None, "row 0 is tested 0 times"),
        (5, np.arange(40) < 4, None, "has 4 patient.*fewer than the 5 folds"),
        (5, np.arange(40) < 8, GROUPS, "has 4 patient.*fewer than the 5 folds"),
        (KFold(2), np.arange(40) < 20, None, "lacks a class"),
        (
            [(np.arange(30), np.arange(20)), (np.arange(20), np.arange(20, 40))],
            Y,
            None,
            "trains on row .* and tests it",
        ),
        (KFold(5, shuffle=True, random_state=0), Y, GROUPS, "on both sides of the split"),
        (GroupKFold(5), Y, None, "splits by group and there are no groups"),
    ],
)
def test_splits_that_cannot_be_are_refused(cv, y, groups, message):
    with pytest.raises((InputError, LeakageError), match=message):
        cross_validation_splits(cv, np.asarray(y), groups)


@pytest.mark.parametrize("groups", [[1, 2], [[1], [2], [3]], [[1], [2, 3], [4]], [None, 1, 2], [np.nan, "CANARY", "b"]])
def test_groups_that_are_none_are_refused_and_never_named(groups):
    with pytest.raises(InputError) as caught:
        encode_groups(groups, 3)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("y", [None, Y])
def test_a_validation_part_holds_whole_patients(y):
    train, validation = validation_split(np.arange(40), 0.25, y=y, groups=GROUPS, random_state=0)
    assert not set(GROUPS[train]) & set(GROUPS[validation])
    assert sorted([*train, *validation]) == list(range(40))
    assert len(validation) == 10
