"""Which class is the event, and patients under other names."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepradiomics.comparison import compare_models
from deepradiomics.comparison.copies import check_copies
from deepradiomics.comparison.leakage import check_id_columns, check_shared_patients
from deepradiomics.exceptions import InputError, LeakageError
from deepradiomics.harmonization import ComBat


def table(n=60):
    return pd.DataFrame(np.random.default_rng(0).normal(size=(n, 2)), columns=["a", "b"]), np.arange(n) % 2


def compare(X, y, **options):
    return compare_models({"m": LogisticRegression()}, X, y, cv=3, random_state=0, **options)


@pytest.mark.parametrize(
    ("labels", "event"),
    [(["normal", "abnormal"], "abnormal"), (["control", "case"], "case"), ([False, True], True), ([0, 1], 1)],
)
def test_the_event_is_the_sick_class(labels, event):
    X, y = table()
    comparison = compare(X, np.array(labels)[y])
    assert comparison.classes[1] == event
    assert f"event: {event}" in repr(comparison)
    np.testing.assert_array_equal(comparison.predictions["y"], y)


def test_the_event_is_named_or_ordered_or_asked_for():
    X, y = table()
    words = np.array(["red", "blue"])[y]
    with pytest.raises(InputError, match="event="):
        compare(X, words)
    named = compare(X, words, event="blue", external={"B": (X.iloc[:4] + 1, words[:4])})
    np.testing.assert_array_equal(named.predictions.query("cohort == 'B'")["y"], y[:4])
    ordered = pd.Series(pd.Categorical(words, categories=["blue", "red"], ordered=True))
    assert compare(X, ordered).classes == ("blue", "red")
    with pytest.raises(InputError, match="names one of two labels"):
        compare(X, words, event="green")


@pytest.mark.parametrize("name", ["pid", "subject", "PatientID", "mrn", "patient_id", "study_uid", "Patient", "index"])
def test_patients_under_other_names(name):
    X, y = table()
    numbers = np.arange(60) // 2
    X = X.set_index(pd.Index(numbers, name="mrn")) if name == "index" else X.assign(**{name: numbers})
    with pytest.raises(LeakageError, match=r"rows 0 and 1|names the patient"):
        compare(X, y)


def test_equal_rows_are_one_patient_unless_said_otherwise():
    y = np.arange(60) % 2
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 8))).add_prefix("x")
    X.iloc[40] = X.iloc[5]
    with pytest.raises(LeakageError, match="rows 5 and 40"):
        compare(X, y)
    assert len(compare(X, y, groups=range(60)).table) == 1
    # Few values are equal by chance.
    assert len(compare(X.round(), y).table) == 1


@pytest.mark.parametrize(("one", "other"), [(7, 7.0), ("007", 7), ("P1", "p1 ")])
def test_ids_that_are_written_differently(one, other):
    X, y = table()
    own = pd.Series([one, *(f"x{i}" for i in range(59))], dtype=object)
    far = X.iloc[:2].assign(a=[5.0, 6.0], patient=pd.Series([other, "z"], dtype=object))
    with pytest.raises(LeakageError, match="row 0 of internal and row 0 of B are of one patient"):
        compare(X.assign(patient=own), y, external={"B": (far, [0, 1])})


def test_an_index_that_disagrees_is_refused():
    X, y = table()
    with pytest.raises(InputError, match="put both in one order by a column that names each row once"):
        compare(X.sample(frac=1, random_state=0), pd.Series(y))
    assert len(compare(X, pd.Series(y)).table) == 1


def test_one_image_in_two_rows_of_a_patient_of_an_external_cohort():
    film = np.random.default_rng(0).normal(size=(3, 32, 32))
    tables = {"internal": pd.DataFrame({"film": [film[0]]}), "B": pd.DataFrame({"film": [film[1], film[1]]})}
    assert len(check_copies(tables, None, {"B": np.array([0, 0])}).columns) == 6
    with pytest.raises(LeakageError, match="third of X, y, groups"):
        check_copies(tables, None, {"B": np.array([0, 1])})


def test_combat_that_would_do_nothing_is_refused():
    X, y = table()
    with pytest.raises(InputError, match="site of each row"):
        compare_models({"m": make_pipeline(ComBat(), LogisticRegression())}, X, y)


def test_labels_in_a_list_and_the_index_of_a_cohort():
    X, y = table()
    assert len(compare(X, y.tolist()).table) == 1
    far = X.iloc[:4] + 1
    with pytest.raises(InputError, match="not that of X of cohort 'B'"):
        compare(X, y, external={"B": (far, pd.Series(y[:4], index=[3, 2, 1, 0]))})
    with pytest.raises(InputError, match="X is a NoneType"):
        compare(X, y, external={"B": (None, [0])})


def test_one_image_in_two_cohorts_of_different_length():
    film = np.random.default_rng(0).normal(size=(3, 32, 32))
    tables = {"internal": pd.DataFrame({"film": list(film)}), "B": pd.DataFrame({"film": [film[2]]})}
    with pytest.raises(LeakageError, match="row 2 of internal"):
        check_copies(tables, None, {"B": np.array([0])})


@pytest.mark.parametrize("labels", [["1", "2"], ["2", "yes"], ["1", "no"]])
def test_a_code_that_names_no_event_is_asked_for(labels):
    X, y = table()
    words = np.array(labels)[y]
    with pytest.raises(InputError, match="event="):
        compare(X, words)
    with pytest.raises(InputError, match="one of two labels"):
        compare(X, words, event=np.array([1, 0]))
    assert compare(X, np.array(["0", "1"])[y]).classes == ("0", "1")


def test_empty_regions_and_columns_that_say_the_same_are_no_patients():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = pd.DataFrame(rng.normal(size=(60, 8))).add_prefix("x")
    X.iloc[[5, 40]] = 0.0
    assert len(compare(X, y).table) == 1
    grade = rng.integers(0, 5, 60)
    same = pd.DataFrame({f"x{power}": (grade + 1) ** power for power in range(1, 12)}).assign(z=1.0)
    assert len(compare(same.astype(float) / same.max(), y).table) == 1


class Sites(StandardScaler):
    """Takes sites and can do without."""

    def fit(self, X, y=None, site=None):
        return super().fit(X, y)


def test_a_step_that_can_do_without_sites_is_let_through():
    X, y = table()
    assert len(compare_models({"m": make_pipeline(Sites(), LogisticRegression())}, X, y, cv=3).table) == 1


def test_two_external_cohorts_that_share_a_patient():
    X, y = table()
    far = X.iloc[:2].assign(a=[5.0, 6.0])
    one, other = far.assign(mrn=["P1", "x"]), (far + 1).assign(PatientID=["y", "p1 "])
    with pytest.raises(LeakageError, match="row 0 of A and row 1 of B are of one patient") as caught:
        compare(X, y, external={"A": (one, [0, 1]), "B": (other, [0, 1])})
    assert "p1" not in str(caught.value).lower()
    # groups= in one cohort, a column in the other; numbers from 0 are no ids.
    with pytest.raises(LeakageError, match="row 3 of internal and row 0 of A"):
        compare(X, y, groups=[f"P{row}" for row in range(-2, 58)], external={"A": (one, [0, 1])})
    assert len(compare(X, y, groups=range(60), external={"A": (far, [0, 1], range(2))}).table) == 2


def test_equal_clinical_rows_under_new_ids():
    y = np.arange(60) % 2
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 8))).add_prefix("x")
    far = X.iloc[:4].add(1)
    far.iloc[2] = X.iloc[5]
    with pytest.raises(LeakageError, match="row 5 of internal and row 2 of B are equal"):
        compare(X.assign(patient=range(100, 160)), y, external={"B": (far.assign(patient=range(4)), y[:4])})
    X.iloc[40] = X.iloc[5]
    found = compare(X.assign(patient=range(100, 160)), y).settings["possible_leaks"]
    assert len(found) == 1
    assert "rows 5 and 40" in found[0]


def test_patients_of_two_cohorts_are_told_by_ids_of_one_kind():
    """The column of patients counts before others, studies are no patients, and a missing id is nobody's."""
    first = pd.DataFrame({"study_uid": ["s1", "s2"], "patient": ["P1", "P2"]})
    other = pd.DataFrame({"study_uid": ["s3", "s4"], "patient": ["P9", "p1 "]})
    with pytest.raises(LeakageError, match="row 0 of A and row 1 of B"):
        check_shared_patients({"A": (first, None), "B": (other, None)}, [])
    cases = pd.DataFrame({"case_id": ["P1", "P2"]})
    check_shared_patients({"A": (cases, None), "B": (other, None)}, [])
    with pytest.raises(LeakageError, match="row 1 of A and row 1 of B"):
        check_shared_patients({"A": (cases, ["P7", "P1"]), "B": (other, None)}, [])
    unknown = [pd.DataFrame({"mrn": ids}) for ids in (["a", None, " "], ["b", None, " "])]
    check_shared_patients({"A": (unknown[0], None), "B": (unknown[1], None)}, [])


def test_a_measurement_that_both_hips_share_is_no_id():
    bmi = np.repeat(np.random.default_rng(0).normal(25, 4, 20).round(2), 2)
    check_id_columns(pd.DataFrame({"bmi": bmi}), np.repeat(np.arange(20), 2), ["bmi"])
