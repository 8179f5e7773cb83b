"""Leaks are found and named: on made-up tables, and on the real knees with their known traps."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LassoCV, LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from deepradiomics import Radiograph, clinical_encoder, compare_feature_sets, compare_models
from deepradiomics.comparison import (
    check_separating_columns,
    duplicate_groups,
    likeness,
    near_duplicates,
    perceptual_hash,
    pixel_hash,
)
from deepradiomics.comparison._steps import suspicious_steps
from deepradiomics.comparison.copies import check_copies
from deepradiomics.comparison.leakage import check_hidden_patients
from deepradiomics.exceptions import InputError, LeakageError
from deepradiomics.simulation import make_hips

KNEES = Path(__file__).resolve().parents[2] / "../shared/data/knees"
needs_knees = pytest.mark.skipif(not KNEES.exists(), reason=f"no real radiographs in {KNEES}")


@dataclass
class Film:
    pixels: np.ndarray


def picture(seed, size=64):
    rng = np.random.default_rng(seed)
    return np.cumsum(np.cumsum(rng.normal(size=(size, size)), axis=0), axis=1)


def test_identical_images_share_a_hash_and_others_do_not(tmp_path):
    a = picture(0)
    assert pixel_hash(a) == pixel_hash(Film(a.astype(np.float32)))
    assert pixel_hash(a) != pixel_hash(a.T)
    for name in ("one.png", "two.png"):
        Image.fromarray((picture(1) % 255).astype(np.uint8)).save(tmp_path / name)
    assert duplicate_groups([tmp_path / "one.png", str(tmp_path / "two.png"), None]).tolist() == [0, 0, 1]


def test_resized_and_brightened_copies_are_near_and_others_far():
    images = [picture(seed) for seed in range(6)]
    copies = [np.kron(image, np.ones((2, 2))) * 3 + 10 for image in images]
    noisy = [image + np.random.default_rng(9).normal(0, 0.01 * image.std(), image.shape) for image in images]
    assert duplicate_groups([*images, *copies], min_likeness=0.97).tolist() == list(range(6)) * 2
    distances = [(perceptual_hash(a) != perceptual_hash(b)).sum() for a, b in zip(images, noisy, strict=True)]
    assert max(distances) <= 4
    assert (perceptual_hash(images[0]) != perceptual_hash(images[1])).sum() > 10
    with pytest.raises(InputError, match="perceptual"):
        perceptual_hash(np.zeros((3, 3)))


@needs_knees
def test_the_real_knees_hold_the_copies_that_their_readme_names():
    knees = pd.read_csv(KNEES / "clinical.csv", skipinitialspace=True)
    groups = pd.Series(duplicate_groups([KNEES / "images" / name for name in knees["image"]]), index=knees["id"])
    for same in (["OP102", "OS40"], ["OP53", "OS8", "OS9"], ["N22", "N27"]):
        assert len(set(groups[same])) == 1


@needs_knees
def test_two_cohorts_of_real_knees_that_share_films_under_other_ids_are_refused_by_row():
    knees = pd.read_csv(KNEES / "clinical.csv", skipinitialspace=True)
    knees["film"] = [str(KNEES / "images" / name) for name in knees["image"]]
    X = pd.DataFrame({"age": knees["age"], "film": knees["film"], "patient": knees["id"]})
    y = (knees["label"] == "osteoporosis").astype(int)
    # Part B holds the second copy of each film that is there twice, and ten films of its own; ids tell nothing.
    outside = pd.Series(duplicate_groups(list(X["film"]))).duplicated() | (X.index % 13 == 3)
    part_b = X[outside], y[outside]
    with pytest.raises(LeakageError, match=r"row \d+ of internal .* row \d+ of part B .* the same image") as caught:
        compare_feature_sets(model(["age"]), X[~outside], y[~outside], external={"part B": part_b}, cv=2)
    assert caught.value.code == "duplicate_image"
    assert "OS" not in str(caught.value)


@needs_knees
def test_the_score_that_made_the_label_is_refused_by_name():
    knees = pd.read_csv(KNEES / "clinical.csv", skipinitialspace=True)
    y = (knees["label"] == "osteoporosis").astype(int)
    check_separating_columns(knees, y, ["age", "sex", "weight_kg", "bmi"])
    with pytest.raises(LeakageError, match="'t_score_qus' alone separates"):
        check_separating_columns(knees, y, ["age", "t_score_qus", "weight_kg"])


def table(n=60):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    return pd.DataFrame({"age": rng.normal(60 + y, 8), "film": [Film(picture(i, 16)) for i in range(n)]}), y


def model(columns=("age",)):
    read = FunctionTransformer(lambda X: np.array([[film.pixels.mean()] for film in X["film"]]))
    return make_pipeline(
        ColumnTransformer([("clinical", clinical_encoder(), list(columns)), ("texture", read, ["film"])]),
        LogisticRegression(max_iter=1000),
    )


def test_a_comparison_refuses_an_image_in_two_groups_and_takes_it_in_one():
    X, y = table()
    X.loc[7, "film"] = Film(X.loc[3, "film"].pixels.copy())
    with pytest.raises(LeakageError, match=r"row 3 of internal .* row 7 of internal"):
        compare_feature_sets(model(), X, y)
    assert compare_feature_sets(model(), X, y, groups=duplicate_groups(X["film"])).table.shape[0] == 3


def test_a_comparison_refuses_an_image_in_two_cohorts():
    X, y = table()
    other = X.iloc[[5, 6]].assign(film=[Film(picture(500, 16)), X.loc[2, "film"]])
    with pytest.raises(LeakageError, match=r"row 2 of internal .* row 1 of B"):
        compare_feature_sets(model(), X, y, external={"B": (other, [0, 1])})


def test_equal_empty_label_maps_are_no_duplicates():
    X, y = table()
    X["mask"] = [np.zeros((16, 16), dtype=np.uint8)] * 60
    assert len(compare_feature_sets(model(), X, y).table) == 3


@pytest.mark.parametrize("values", [lambda y: -2.5 - y, lambda y: np.where(y, "clinic", "screening")])
def test_a_comparison_refuses_the_label_in_disguise(values):
    X, y = table()
    with pytest.raises(LeakageError, match="'score' alone separates"):
        compare_feature_sets(model(["age", "score"]), X.assign(score=values(y)), y)
    assert len(compare_feature_sets(model(["age"]), X.assign(score=values(y)), y).table) == 3  # No block reads it.


def test_a_patient_under_two_ids_is_named_where_each_has_two_rows():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(100, 12)))
    X.iloc[60] = X.iloc[5]
    X = X.loc[np.repeat(np.arange(100), 2)].reset_index(drop=True).assign(side=[0, 1] * 100)
    said = check_hidden_patients(X, list(X), np.repeat(np.arange(100), 2))
    assert said == [
        "rows 10 and 120 are equal in all numbers that the model reads, and may be one patient under two ids"
    ]


def test_small_tables_pass():
    check_separating_columns(pd.DataFrame({"age": [1, 2, 3, 4]}), [0, 0, 1, 1])


def test_patients_in_one_position_are_no_copies_and_copies_are_found():
    hips = make_hips(12, random_state=0, image_shape=(256, 256)).data["radiograph"]
    rng = np.random.default_rng(0)
    copies = {
        "resized": ndimage.zoom(hips[0].pixels, 0.7, order=1),
        "gamma": np.sqrt(hips[1].pixels),
        "compressed": np.round(hips[2].pixels / 16) * 16 + rng.normal(0, 20, hips[2].pixels.shape),
    }
    images = [*hips, *map(Radiograph, copies.values())]
    table = pd.DataFrame({"radiograph": images})
    pairs = near_duplicates({"internal": table}, None)
    assert pairs[["row_a", "row_b"]].to_numpy().tolist() == [[0, 12], [1, 13], [2, 14]]
    assert duplicate_groups(images, min_likeness=0.97).tolist() == [*range(12), 0, 1, 2]
    others = [likeness(hips[i], hips[j]) for i in range(12) for j in range(i)]
    assert max(others) < 0.95 < pairs["likeness"].min()


def test_images_named_by_their_files_are_looked_into(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (3, 64, 64), dtype=np.uint8)
    box = np.zeros((64, 64), dtype=np.uint8)
    box[20:40, 10:50] = 255
    for number, image in enumerate([noise[0], noise[1], noise[0], box, box, noise[2]]):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    names = [str(tmp_path / f"{number}.png") for number in range(6)]
    table = pd.DataFrame({"hip": names[:3], "mask": names[3:5] + [names[3]], "id": list("abc")})
    with pytest.raises(LeakageError, match=r"row 0 of internal .* and row 2 of internal") as caught:
        check_copies({"internal": table}, None)
    assert str(tmp_path) not in str(caught.value)
    check_copies({"internal": table}, np.array([0, 1, 0]))
    # Rows without a file, and files that hold no image, are none of its business.
    (tmp_path / "5.png").write_bytes(b"no image")
    odd = pd.DataFrame({"hip": [names[0], names[5], str(tmp_path / "nothing.png"), None]})
    check_copies({"internal": odd}, None)
    with pytest.raises(LeakageError, match="external"):
        check_copies({"internal": odd, "external": table[["hip"]][2:]}, None)


def test_the_patients_number_never_reaches_a_model():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    ids = np.where(rng.random(60) < 0.15, 1 - y, y) * 1000 + rng.permutation(60)
    X = pd.DataFrame({"noise": rng.normal(size=60), "patient": ids})
    alone = compare_models({"forest": RandomForestClassifier(random_state=0)}, X, y, random_state=0)
    without = compare_models(
        {"forest": RandomForestClassifier(random_state=0)}, X[["noise"]], y, groups=ids, random_state=0
    )
    np.testing.assert_array_equal(alone.predictions["score"], without.predictions["score"])
    for columns, rest in (
        (["noise", "patient"], "drop"),
        ([0, 1], "drop"),
        (slice(None), "drop"),
        (lambda table: list(table.columns), "drop"),
        (["noise"], "passthrough"),
    ):
        blocks = ColumnTransformer([("all", "passthrough", columns)], remainder=rest)
        with pytest.raises(LeakageError, match="'patient' names the patient"):
            compare_feature_sets(make_pipeline(blocks, LogisticRegression()), X, y, random_state=0)


@pytest.mark.parametrize("kind", ["objects", "dates", "array"])
def test_the_label_in_disguise_of_another_type(kind):
    y = np.arange(60) % 2
    hidden = {
        "objects": pd.Series([int(label) for label in y], dtype=object),
        "dates": pd.Series(pd.to_datetime("2020-01-01") + pd.to_timedelta(400 * y + np.arange(60), unit="D")),
        "array": pd.Series(y * 1.0),
    }[kind]
    X = pd.DataFrame({"noise": np.random.default_rng(0).normal(size=60), "hidden": hidden})
    with pytest.raises(LeakageError, match="alone separates"):
        compare_models({"a": LogisticRegression()}, X.to_numpy() if kind == "array" else X, y, random_state=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.array([0, 1, None] * 20, dtype=object)}, "row 2 has no label"),
        ({"external": [("a", "b")]}, "external is a list; give a dict"),
        ({"external": {"B": (pd.DataFrame({"other": [1.0, 2.0]}), [0, 1])}}, "lacks 1 columns"),
        ({"external": {"B": (pd.DataFrame({"noise": []}), [])}}, "has no row"),
        (
            {"external": {"B": (pd.DataFrame({"noise": [1.0, 2.0], "patient": ["3", "x"]}), [0, 1])}},
            "row 3 of internal and row 0 of B are of one patient by their ids",
        ),
        ({"groups": pd.array(["a", None] * 30, dtype="string")}, "row 1 has no patient"),
    ],
)
def test_tables_that_cannot_be_compared_say_so(change, message):
    X = pd.DataFrame({"noise": np.random.default_rng(0).normal(size=60), "patient": range(60)})
    given = {"y": np.arange(60) % 2} | change
    with pytest.raises((InputError, LeakageError), match=message):
        compare_models({"a": LogisticRegression()}, X, **given, random_state=0)


@pytest.mark.parametrize(
    "change",
    [
        lambda film: film[3:-3, 3:-3],
        lambda film: ndimage.shift(film, (8, -8), order=1),
        lambda film: ndimage.rotate(film, 1, reshape=False, order=1),
        lambda film: film[:, ::-1],
        lambda film: np.rot90(film),
        lambda film: film.max() - film,
        lambda film: film.max() - ndimage.rotate(film[3:-3, 3:-3][:, ::-1], 1, reshape=False, order=1),
    ],
    ids=["cropped", "shifted", "turned", "mirrored", "turned by 90", "inverted", "all together"],
)
def test_copies_in_another_frame_are_found(change, hips):
    images = [*hips, change(hips[4])]
    pairs = near_duplicates({"internal": pd.DataFrame({"film": pd.Series(images, dtype=object)})}, None)
    assert pairs[["row_a", "row_b"]].to_numpy().tolist() == [[4, 12]]


@pytest.fixture(scope="module")
def hips():
    return [hip.pixels for hip in make_hips(12, random_state=0, image_shape=(256, 256)).data["radiograph"]]


def classes(n, n_events):
    return np.random.default_rng(0).permutation(np.arange(n) < n_events).astype(int)


@pytest.mark.parametrize(("n", "n_events", "n_columns"), [(20, 10, 1), (20, 10, 1500), (100, 3, 1), (100, 3, 1500)])
def test_the_label_is_refused_in_small_rare_and_wide_tables(n, n_events, n_columns):
    y = classes(n, n_events)
    X = pd.DataFrame(np.random.default_rng(1).normal(size=(n, n_columns))).assign(hidden=y)
    with pytest.raises(LeakageError, match="'hidden' alone separates"):
        check_separating_columns(X, y)
    assert len(check_separating_columns(X.drop(columns="hidden").iloc[:, :20], y)) == 0


@pytest.mark.parametrize(
    ("make", "split"),
    [
        (lambda y, rng: 2 * rng.integers(0, 500, len(y)) + y, "even and odd"),
        (lambda y, rng: np.where(y, rng.uniform(-1, 1, len(y)), rng.choice([-2, 2], len(y)) + y), "a band"),
        (lambda y, rng: rng.choice([0, 3, 5], len(y)) * 2.5 + rng.choice([0, 1], len(y)) + 0.1 * y, "its levels"),
        (lambda y, rng: np.where(y, rng.normal(size=len(y)), np.nan), "what is missing"),
    ],
)
def test_any_split_of_the_values_counts(make, split):
    y = classes(100, 40)
    with pytest.raises(LeakageError, match=rf"'x' alone separates .* \(by {split}"):
        check_separating_columns(pd.DataFrame({"x": make(y, np.random.default_rng(2))}), y)


def test_near_copies_of_the_label_are_listed_and_strong_predictors_are_not_refused():
    y, rng = classes(100, 50), np.random.default_rng(3)
    flipped = np.where(np.arange(100) == 7, 1 - y, y)
    X = pd.DataFrame({"noisy": y + rng.normal(0, 0.3, 100), "flipped": flipped, "age": rng.normal(size=100)})
    assert check_separating_columns(X, y)["column"].tolist() == ["noisy", "flipped"]
    # The area of two normal distributions that lie 1.81 deviations apart is 0.90.
    for seed in range(20):
        honest = 1.81 * y[:, None] + np.random.default_rng(seed).normal(size=(100, 3))
        check_separating_columns(pd.DataFrame(honest).add_prefix("x"), y)


def test_a_value_of_a_patient_with_several_rows_is_no_leak():
    y = classes(40, 20)
    # 20 patients with 2 rows and 18 different ages: each age has one class, as chance would have it.
    patient = np.repeat(np.arange(10), 2)
    X = pd.DataFrame({"age": np.repeat(np.random.default_rng(0).permutation(10), 2)})
    check_separating_columns(X, np.repeat(y[:10], 2), groups=patient)


def test_row_numbers_are_refused_and_noisy_ones_listed():
    y, (X, _) = classes(60, 30), table()
    for numbers in (np.arange(60), 5.5 - 0.25 * np.arange(60), np.random.default_rng(5).permutation(60) + 1):
        with pytest.raises(LeakageError, match="'number' numbers the rows"):
            compare_feature_sets(model(["age", "number"]), X.assign(number=numbers), y)
    noisy = np.arange(60) + np.random.default_rng(0).normal(0, 3, 60)
    found = compare_feature_sets(model(["age", "number"]), X.assign(number=noisy), y, cv=2, random_state=0)
    assert found.settings["possible_leaks"] == ["column 'number' follows the number of the row"]
    # A table that was sorted by a measurement.
    found = compare_feature_sets(model(["age", "number"]), X.assign(number=np.sort(X["age"]) ** 2), y, cv=2)
    assert found.settings["possible_leaks"] == []


def steps_of(y, X):
    def answer(table):
        return np.column_stack([table, y[: len(table)]])

    scaled = StandardScaler().fit(X)
    return {
        "closure": (FunctionTransformer(answer), "holds the labels"),
        "keyword": (FunctionTransformer(np.add, kw_args={"x2": y[:, None]}), "holds the labels"),
        "words": (FunctionTransformer(partial(np.add, np.where(y, "b", "a"))), "holds the labels"),
        "neighbors": (FrozenEstimator(KNeighborsClassifier().fit(X, y)), "holds the labels"),
        "scaled": (FrozenEstimator(scaled), "may have been fitted on them"),
        "other": (FrozenEstimator(StandardScaler().fit(X[:50])), "frozen after a fit on a table"),
        "folds": (LassoCV(cv=3), "tears patients apart"),
        "group folds": (LassoCV(cv=GroupKFold(3)), None),
        "honest": (StandardScaler(), None),
    }


@pytest.mark.parametrize("name", steps_of(np.arange(60) % 2, np.zeros((60, 2))))
def test_steps_that_saw_the_rows(name):
    y = classes(60, 30)
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
    step, said = steps_of(y, X)[name]
    if said == "holds the labels":
        with pytest.raises(LeakageError, match=said):
            suspicious_steps(make_pipeline(step, LogisticRegression()), y, None)
        return
    found = suspicious_steps(make_pipeline(step, LogisticRegression()), y, np.arange(60) // 2)
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_one_undefined_pixel_hides_no_copy_of_others(tmp_path):
    rng = np.random.default_rng(0)
    images = [ndimage.gaussian_filter(rng.normal(size=(96, 96)), 2).astype("f4") for _ in range(8)]
    broken = images[0] + 1.0
    broken[3, 4] = np.nan
    dark = np.zeros((96, 96), "f4")
    dark[40, 40] = 1e-3
    table = pd.DataFrame({"film": pd.Series([*images, images[5][:, ::-1], broken, dark], dtype=object)})
    pairs = near_duplicates({"internal": table}, None)[["row_a", "row_b"]].to_numpy().tolist()
    assert [5, 8] in pairs
    # Files are opened.
    paths = [tmp_path / f"{k}.npy.png" for k in range(2)]
    for path, image in zip(paths, (images[1], images[1][:, ::-1]), strict=True):
        Image.fromarray(np.uint8(255 * (image - image.min()) / np.ptp(image))).save(path)
    assert duplicate_groups(paths, min_likeness=0.8).tolist() == [0, 0]
