"""The clinical encoder against the closed form, and its rules for missing and unknown values."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import KFold

from deepradiomics import clinical_encoder, load, save
from deepradiomics.clinical import check_numbers
from deepradiomics.exceptions import InputError, InputWarning

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


@pytest.mark.parametrize("sex", [None, np.nan, pd.NA, " "])
def test_a_missing_category_counts_as_none(sex):
    encoder = clinical_encoder().set_output(transform="pandas").fit(PATIENTS)
    new = encoder.transform(PATIENTS.head(1).assign(sex=pd.Series([sex], dtype=object)))
    assert new[["sex_F", "sex_M"]].to_numpy().tolist() == [[0, 0]]


COHORT = pd.DataFrame({"age": np.arange(50.0, 80), "sex": ["F", "M", "F"] * 10, "osteoporosis": [0, 1, 1] * 10})
COHORT["weight"] = 50 + COHORT["age"] / 4


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("sex", ["female", "male", "Female "]),
        ("sex", ["weiblich", "männlich", "W"]),
        ("sex", [2, 1, 2]),
        ("sex", [2.0, 1.0, 2.0]),
        ("sex", ["2", "1", "2"]),
        ("age", ["050Y", "051Y", "052Y"]),
        ("age", ["600M", "051Y", "624M"]),
        ("age", ["50,0", "51", "52"]),
        ("osteoporosis", ["no", "yes", "Ja"]),
        ("osteoporosis", [False, True, True]),
        ("weight", ["62,5", "62,750", "63"]),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_known_spellings_are_read_as_one(column, cells, swapped):
    """Fitted on one spelling, the other gives the same numbers, also the other way round."""
    other = COHORT.assign(**{column: pd.Series(cells * 10, dtype=None if isinstance(cells[0], bool) else object)})
    for name in {"age", "weight"} & {column}:
        other[name] = pd.Series((cells * 10)[:3] + COHORT[name].astype(str).str.replace(".", ",")[3:].tolist())
    fitted, new = (other.infer_objects(), COHORT) if swapped else (COHORT, other)
    encoder = clinical_encoder().fit(fitted)
    np.testing.assert_allclose(encoder.transform(new), encoder.transform(fitted), atol=1e-12)
    if column == "age":
        np.testing.assert_allclose(encoder.transform(new), clinical_encoder().fit_transform(COHORT), atol=1e-12)


@pytest.mark.parametrize(
    ("column", "cells", "message"),
    [
        ("sex", ["frau", "X"] + ["X"] * 28, "column 'sex' holds values that fit did not see in 29 of 30"),
        ("sex", [1] * 29 + [0], "column 'sex' holds values that fit did not see in 1 of 30"),
        ("sex", [True] * 30, "column 'sex' holds values that fit did not see in 30 of 30"),
        ("age", ["SECRET"] + ["60"] * 29, "row 0, column 'age' holds no number"),
        ("weight", ["1,234"] * 30, "row 0, column 'weight' holds no number"),
        ("osteoporosis", ["SECRET"] * 30, "row 0, column 'osteoporosis' holds no number"),
    ],
)
def test_what_fit_did_not_see_is_refused(column, cells, message):
    with pytest.raises(InputError, match=message) as caught:
        clinical_encoder().fit(COHORT).transform(COHORT.assign(**{column: cells}))
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("sex", lambda cells: cells.where(cells.index > 0, "X"), "column 'sex' .* in 1 of 30 rows; they count as none"),
        ("weight", lambda cells: cells * 2.2046, "column 'weight': .* pounds in place of kilograms"),
        ("weight", lambda cells: cells / 2.2046, "column 'weight': .* the reverse of pounds in place of kilograms"),
        ("age", lambda cells: cells * 12, "column 'age': .* months in place of years"),
        ("age", lambda cells: cells * 365.25, "column 'age': .* days in place of years"),
        ("age", lambda cells: cells - 60, "column 'age': the median of 30 rows is beyond 98 %"),
        ("age", lambda cells: cells.where(cells.index != 3, 999.0), "row 3, column 'age' is far from all values"),
        ("osteoporosis", lambda cells: cells + 1, "column 'osteoporosis' .* in 20 of 30 rows; .* the codes the same"),
    ],
)
def test_what_looks_otherwise_than_in_fit_is_said(column, change, message):
    encoder = clinical_encoder().fit(COHORT)
    encoder.transform(COHORT.sample(frac=0.5, random_state=0))
    with pytest.warns(InputWarning, match=message):
        encoder.transform(COHORT.assign(**{column: change(COHORT[column])}))


STAGES = pd.DataFrame({"stage": ["1", "2", "3"] * 10, "sex": ["F", "M", "F"] * 10, "scanner": ["A", "B", "A"] * 10})


@pytest.mark.parametrize(
    ("column", "cells", "refused"),
    [
        ("stage", ["1"] * 9 + ["4"], False),
        ("stage", ["4"], False),
        ("sex", ["diverse"], False),
        ("sex", ["0"], True),
        ("scanner", ["C"] * 10, False),
        ("scanner", ["a-1", "b-1"] * 2, False),
        ("scanner", ["a-1", "b-1"] * 5, True),
    ],
)
def test_a_rare_category_warns_and_another_spelling_is_refused(column, cells, refused):
    encoder = clinical_encoder().fit(STAGES)
    new = STAGES.head(len(cells)).assign(**{column: cells})
    where = f"column '{column}' holds values that fit did not see"
    with pytest.raises(InputError, match=where) if refused else pytest.warns(InputWarning, match=where):
        encoder.transform(new)


def test_columns_whose_names_are_numbers_or_equal():
    table = pd.DataFrame({5: [0, 1, 1], 0: ["F", "M", "F"], 1: [60.0, 70, 80], "age": [1, 2, 3]})
    encoder = clinical_encoder().fit(table)
    assert encoder.get_feature_names_out().tolist() == ["5", "1", "age", "0_F", "0_M"]
    np.testing.assert_array_equal(encoder.transform(table)[:, 3], [1, 0, 1])
    with pytest.raises(InputError, match="2 columns are named 'age'"):
        clinical_encoder().fit(pd.DataFrame([[1, 2], [3, 4]], columns=["age", "age"]))


def test_one_patient_in_another_unit_is_told():
    with pytest.warns(InputWarning, match="row 0, column 'weight' .* pounds in place of kilograms"):
        clinical_encoder().fit(COHORT).transform(COHORT.head(1).assign(weight=140))


def test_a_category_in_two_spellings_is_refused_unless_they_are_known():
    with pytest.raises(InputError, match="column 'smoker' writes a category in two ways"):
        clinical_encoder().fit(pd.DataFrame({"smoker": ["never", "Never", "now"]}))
    encoder = clinical_encoder().fit(pd.DataFrame({"Sex": ["F", "F", "female", "m"]}))
    assert encoder.get_feature_names_out().tolist() == ["Sex_F", "Sex_m"]


def test_a_missing_category_seen_in_training_is_a_category():
    encoder = clinical_encoder().fit(PATIENTS.assign(sex=["F", "M", None, "F"]))
    assert len(encoder.get_feature_names_out()) == 6


def test_an_empty_column_is_zero():
    encoded = clinical_encoder().set_output(transform="pandas").fit_transform(PATIENTS.assign(age=np.nan))
    assert (encoded["age"] == 0).all()


def test_as_a_block():
    block = ColumnTransformer([("clinical", clinical_encoder(), ["age", "sex", "weight"])]).fit(PATIENTS)
    assert list(block.get_feature_names_out()) == [f"clinical__{name}" for name in ("age", "weight", "sex_F", "sex_M")]


@pytest.mark.parametrize("word", ["SECRET", "72y", "61.000,5", "<50"])
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


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series(["F", pd.NA, "M", None], dtype=object),
        pd.Series(["F", pd.NA, "M", pd.NA], dtype="string"),
        pd.Series(["F", np.nan, "M", None], dtype=object),
        pd.Categorical(["F", None, "M", None]),
    ],
)
def test_a_missing_word_is_missing_however_it_is_spelled(cells, tmp_path):
    table = pd.DataFrame({"sex": cells})
    encoder = clinical_encoder().set_output(transform="pandas").fit(table)
    wanted = pd.DataFrame({"sex_F": [1.0, 0, 0, 0], "sex_M": [0, 0, 1.0, 0], "sex_nan": [0, 1.0, 0, 1]})
    pd.testing.assert_frame_equal(encoder.transform(table), wanted)
    pd.testing.assert_frame_equal(load(save(encoder, tmp_path / "m.zip")).transform(table), wanted)
    known = clinical_encoder().fit(pd.DataFrame({"sex": ["F", "M"]}))
    assert known.transform(table).tolist() == [[1, 0], [0, 0], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (pd.Series(["yes", 1, "no", 0], dtype=object), "column 'q' holds int and str"),
        (pd.date_range("2020-01-01", periods=4), "column 'q' holds dates"),
        ([pd.Timestamp("2020-01-01").date()] * 4, "column 'q' holds dates"),
        (["2020-01-01", "2020-02-01", None, "2020-02-01"], "column 'q' holds dates as text"),
        (["1.2.2020", "31.12.1999", "today", None], None),
        (["01/02/2020", "31/12/99"] * 2, "column 'q' holds dates as text"),
        ([[1], [2], [3], [4]], "column 'q' holds list"),
    ],
)
def test_a_column_of_dates_or_of_two_kinds_is_named(cells, message):
    table = pd.DataFrame({"q": cells})
    if message is None:
        clinical_encoder().fit(table)
    else:
        with pytest.raises(InputError, match=message):
            clinical_encoder().fit(table)


def test_a_number_among_words_is_named_when_it_comes_later():
    fitted = clinical_encoder().fit(pd.DataFrame({"q": ["yes", "no"]}))
    with pytest.raises(InputError, match="column 'q' holds int and str"):
        fitted.transform(pd.DataFrame({"q": pd.Series(["yes", 1], dtype=object)}))


def test_categories_can_stand_before_xgboost():
    from sklearn.pipeline import make_pipeline
    from xgboost import XGBClassifier

    table = pd.DataFrame({"age": ["<60", "[60,70)", ">70"] * 4})
    encoder = clinical_encoder().set_output(transform="pandas")
    model = make_pipeline(encoder, XGBClassifier(n_estimators=20, min_child_weight=0)).fit(table, [0, 1, 1] * 4)
    assert list(encoder.fit(table).get_feature_names_out()) == ["age_lt60", "age_>70", "age_(60,70)"]
    assert model.predict(table).tolist() == [0, 1, 1] * 4
    with pytest.raises(InputError, match=r"XGBoost refuses, first 'texture__b\[0\]'"):
        _compared(XGBClassifier(n_estimators=2))


def test_two_columns_of_one_name_are_named():
    from sklearn.linear_model import LogisticRegression

    from deepradiomics import FemurRegions, TextureExtractor

    with pytest.raises(InputError, match="2 columns are named 'age'"):
        _compared(LogisticRegression(), twice=True)
    twins = pd.DataFrame([[None, None]] * 2, columns=["radiograph", "radiograph"])
    for estimator in (FemurRegions(mask="radiograph"), TextureExtractor()):
        with pytest.raises(InputError, match="2 columns are named 'radiograph'"):
            estimator.fit_transform(twins)


def _compared(classifier, twice=False):
    from sklearn.pipeline import make_pipeline

    from deepradiomics import compare_feature_sets

    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(size=24), "b[0]": rng.normal(size=24)})
    X = pd.concat([X, X[["age"]]], axis=1) if twice else X
    blocks = ColumnTransformer([("clinical", "passthrough", ["age"]), ("texture", "passthrough", ["b[0]"])])
    model = make_pipeline(blocks.set_output(transform="pandas"), classifier)
    return compare_feature_sets(model, X, np.arange(24) % 2, cv=2)


def test_tables_of_other_libraries():
    import pyarrow

    encoder = clinical_encoder().fit(COHORT)
    np.testing.assert_array_equal(encoder.transform(pyarrow.Table.from_pandas(COHORT)), encoder.transform(COHORT))
    with pytest.raises(InputError, match="clinical columns are a DataFrame, whose columns have names, not ndarray"):
        clinical_encoder().fit(COHORT.to_numpy())
    with pytest.raises(InputError, match="no column 'sex'"):
        encoder.transform(COHORT.drop(columns="sex"))


KNEES = Path(__file__).resolve().parents[1] / "../shared/data/knees/clinical.csv"


@pytest.mark.skipif(not KNEES.exists(), reason=f"no table of real patients at {KNEES}")
def test_real_patients_of_one_clinic_give_no_warning():
    """A warning is an error here; each fold is another draw of the same 133 patients."""
    knees = pd.read_csv(KNEES, skipinitialspace=True)[["age", "sex", "weight_kg", "bmi"]]
    for seed in range(4):
        for train, test in KFold(5, shuffle=True, random_state=seed).split(knees):
            clinical_encoder().fit(knees.iloc[train]).transform(knees.iloc[test])
