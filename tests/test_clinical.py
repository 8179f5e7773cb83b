"""The clinical encoder against the closed form, and its rules for missing and unknown values."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer

from deepradiomics import clinical_encoder

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
