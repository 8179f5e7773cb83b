"""The clinical encoder against the closed form, and its rules for missing and unknown values."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer

from deepradiomics import clinical_encoder, load, save
from deepradiomics.clinical import check_numbers
from deepradiomics.exceptions import InputError

PATIENTS = pd.DataFrame(
    {
        "age": [60, 70, np.nan, 80],
        "sex": ["F", "M", "F", "M"],
        "weight": [55.0, 80.0, 60.0, 65.0],
        "smoker": [True, False] * 2,
    }
)


def test_numbers_are_imputed_and_standardised():
    encoded = clinical_encoder().set_output(transform="pandas").fit_transform(PATIENTS)
    assert list(encoded.columns) == ["age", "weight", "smoker", "sex_F", "sex_M"]
    age = np.array([60, 70, 70, 80])
    np.testing.assert_allclose(encoded["age"], (age - 70) / age.std())
    assert encoded["sex_F"].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("sex", ["X", None, np.nan])
def test_an_unknown_category_counts_as_none(sex):
    encoder = clinical_encoder().set_output(transform="pandas").fit(PATIENTS)
    new = encoder.transform(PATIENTS.head(1).assign(sex=pd.Series([sex], dtype=object)))
    assert new[["sex_F", "sex_M"]].to_numpy().tolist() == [[0, 0]]


def test_a_missing_category_seen_in_training_is_a_category():
    encoder = clinical_encoder().fit(PATIENTS.assign(sex=["F", "M", None, "F"]))
    assert len(encoder.get_feature_names_out()) == 6


def test_an_empty_column_is_zero():
    encoded = clinical_encoder().set_output(transform="pandas").fit_transform(PATIENTS.assign(age=np.nan))
    assert (encoded["age"] == 0).all()


def test_as_a_block():
    block = ColumnTransformer([("clinical", clinical_encoder(), ["age", "sex", "weight"])]).fit(PATIENTS)
    assert list(block.get_feature_names_out()) == [f"clinical__{name}" for name in ("age", "weight", "sex_F", "sex_M")]


@pytest.mark.parametrize("word", ["SECRET", "72y", "61,5", "<50"])
def test_a_word_among_numbers_is_named_by_row_and_column(word):
    table = pd.DataFrame({"sex": ["F", "M", "F", "M"], "age": ["61", None, word, "70"]})
    with pytest.raises(InputError, match=r"^row 2, column 'age' ") as caught:
        check_numbers(table, ["sex", "age"])
    assert word not in str(caught.value)
    check_numbers(table, ["sex"])


@pytest.mark.parametrize(
    "cells",
    [
        [61, None, 70.5],
        ["61", None, "70.5"],
        ["F", "M", None],
        ["1", "a", "b"],
        [None, None, None],
        [True, False, None],
        pd.Series(["1", "2", "x"], dtype="category"),
        pd.array([1, None, 3], dtype="Int64"),
    ],
)
def test_columns_of_numbers_and_columns_of_words_pass(cells):
    check_numbers(pd.DataFrame({"covariate": cells}), ["covariate"])


def test_what_was_a_number_in_training_must_be_one():
    table = pd.DataFrame({"age": ["old"]})
    check_numbers(table, ["age"])
    with pytest.raises(InputError, match="row 0, column 'age' holds no number"):
        check_numbers(table, ["age"], numeric={"age"})


def test_an_infinite_number_is_named():
    with pytest.raises(InputError, match="row 1, column 'age' is infinite"):
        check_numbers(pd.DataFrame({"age": [60, np.inf]}), ["age"])


def test_the_encoder_refuses_a_word_among_numbers(tmp_path):
    table = PATIENTS.assign(age=["61", "old", "70", None])
    with pytest.raises(InputError, match="row 1, column 'age'"):
        clinical_encoder().fit(table)
    ages = [str(age) for age in range(60, 72)]
    with pytest.raises(InputError, match="column 'age' holds numbers as text, 12 different ones"):
        clinical_encoder().fit(pd.DataFrame({"age": ages}))
    assert clinical_encoder().fit(pd.DataFrame({"hospital": pd.Categorical(ages)})).n_features_in_ == 1
    assert clinical_encoder().fit(pd.DataFrame({"menopause": ["0", "1"] * 8})).n_features_in_ == 1
    fitted = clinical_encoder().fit(PATIENTS)
    again = load(save(fitted, tmp_path / "m.zip"))
    np.testing.assert_array_equal(again.transform(PATIENTS), fitted.transform(PATIENTS))
