"""The archive: shards, resuming, manifests of every kind, failures, settings."""

import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
from archive_estimators import Missing, Sums
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import deepradiomics as dr
from deepradiomics import archive
from deepradiomics.comparison import duplicate_groups
from deepradiomics.exceptions import InputError
from deepradiomics.simulation import make_hips


def manifest(n, **what):
    """A manifest of numbers; ``what={7: 1}`` lets image 7 misbehave."""
    table = pd.DataFrame({"image_id": [f"i{k:05d}" for k in range(n)], "number": np.arange(n, dtype=float)})
    misbehaving = what.get("what", {})
    return table.assign(what=[float(misbehaving.get(k, 0)) for k in range(n)])


def expected(table):
    return pd.DataFrame(
        {"image_id": table["image_id"], "sine": np.sin(table["number"]), "square": table["number"] ** 2}
    )


def files(output):
    return {path.relative_to(output): path.read_bytes() for path in output.rglob("*.parquet")}


def test_values_and_order(tmp_path):
    table = manifest(250)
    done = archive.extract(table.sample(frac=1, random_state=0), tmp_path, Sums(), chunk_size=40, batch_size=7)
    assert done[1:] == (250, 250, 0)
    pd.testing.assert_frame_equal(archive.read_all(tmp_path), expected(table), check_exact=True)
    assert len(files(tmp_path)) == 7
    assert not archive.failures(tmp_path).size


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_manifests_from_files(tmp_path, kind):
    table = manifest(9000).assign(note="someone")
    path = tmp_path / f"list.{kind}"
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    archive.extract(path, tmp_path / "out", Sums(), columns=["number", "what"], batch_size=1000)
    pd.testing.assert_frame_equal(archive.read_all(tmp_path / "out"), expected(table), check_exact=True)


def test_missing_cells_of_files_stay_missing(tmp_path):
    text = "image_id,hip,number\n1,NA,1\n2,,2.5\n"
    (tmp_path / "list.csv").write_text(text)
    pd.read_csv(tmp_path / "list.csv", keep_default_na=False, na_values=[""]).to_parquet(tmp_path / "list.parquet")
    for kind in ("csv", "parquet"):
        archive.extract(tmp_path / f"list.{kind}", tmp_path / kind, Missing(), batch_size=2)
        table = archive.read_all(tmp_path / kind)
        assert table.to_numpy().tolist() == [["1", 0, 0, 2], ["2", 1, 0, 5]]


def test_run_again_does_nothing_and_changes_no_byte(tmp_path):
    archive.extract(manifest(100), tmp_path, Sums(), chunk_size=20)
    before = files(tmp_path)
    assert archive.extract(manifest(100), tmp_path, Sums(), chunk_size=20).n_computed == 0
    assert files(tmp_path) == before


def test_rows_added_and_changed_are_done_alone(tmp_path):
    table = manifest(100)
    archive.extract(table, tmp_path, Sums(), chunk_size=10)
    before = files(tmp_path)
    table.loc[3, "number"] = -5.0
    more = pd.concat([table, manifest(102).iloc[100:]])
    assert archive.extract(more, tmp_path, Sums(), chunk_size=10).n_computed == 3
    changed = [name for name, data in files(tmp_path).items() if data != before.get(name)]
    assert 1 <= len(changed) <= 3
    pd.testing.assert_frame_equal(archive.read_all(tmp_path), expected(more.reset_index(drop=True)), check_exact=True)


def test_an_archive_that_outgrows_its_layout_equals_a_clean_one(tmp_path):
    archive.extract(manifest(30), tmp_path / "grown", Sums(), chunk_size=15)
    done = archive.extract(manifest(400), tmp_path / "grown", Sums(), chunk_size=15)
    assert done.n_computed == 370
    archive.extract(manifest(400), tmp_path / "clean", Sums(), chunk_size=15)
    assert len(files(tmp_path / "grown")) > 20
    pd.testing.assert_frame_equal(
        archive.read_all(tmp_path / "grown"), archive.read_all(tmp_path / "clean"), check_exact=True
    )


def test_settings_decide_the_folder(tmp_path):
    folders = [archive.extract(manifest(3), tmp_path, Sums(delay)).folder for delay in (0.0, 0.001, 0.0)]
    assert folders[0] == folders[2] != folders[1]
    with pytest.raises(InputError, match="2 settings"):
        archive.read_all(tmp_path)
    assert len(archive.read_all(tmp_path, settings=folders[1].name[:8])) == 3
    assert json.loads((folders[1] / "settings.json").read_text())["parameters"] == {"delay": 0.001}


def test_what_was_learned_decides_the_folder(tmp_path):
    table = manifest(50)
    models = [make_pipeline(Sums(), StandardScaler()).fit(table.iloc[rows]) for rows in (slice(20), slice(30))]
    again = make_pipeline(Sums(), StandardScaler()).fit(table.iloc[:20])
    folders = [archive.extract(table, tmp_path, model).folder for model in (*models, again)]
    assert folders[0] == folders[2] != folders[1]


def test_jobs_and_calls_do_not_decide_the_folder(tmp_path):
    table = pd.DataFrame({"image_id": ["a"], "hip": [np.arange(100.0).reshape(10, 10)]})
    texture = dr.TextureExtractor(feature_classes=["firstorder"])
    first = archive.extract(table, tmp_path, texture).folder
    texture.set_params(n_jobs=2).fit_transform(table[["hip"]])
    assert archive.extract(table, tmp_path, texture).folder == first


def test_images_that_fail_are_set_aside(tmp_path):
    table = manifest(60, what={7: 2, 8: 4, 20: 3, 21: 3, 59: 2})
    done = archive.extract(table, tmp_path, Sums(), chunk_size=30, batch_size=16)
    assert done.n_failed == 3
    failed = archive.failures(tmp_path)
    assert failed.to_numpy().tolist() == [
        ["i00007", "", "ValueError", False],
        ["i00008", "", "out_of_memory", True],
        ["i00059", "", "ValueError", False],
    ]
    right = expected(table)
    right.loc[[7, 8, 59], ["sine", "square"]] = np.nan
    pd.testing.assert_frame_equal(archive.read_all(tmp_path), right, check_exact=True)
    # The second run tries again what may pass, and nothing else.
    assert archive.extract(table, tmp_path, Sums(), chunk_size=30).n_computed == 1


def test_failures_that_the_estimator_wrote_down(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(16, 16)), np.zeros((16, 16)), str(tmp_path / "SECRET" / "gone.dcm")]
    table = pd.DataFrame({"image_id": ["a", "b", "c"], "hip": images, "knee": [images[0]] * 3})
    texture = dr.TextureExtractor(feature_classes=["firstorder"], on_error="skip")
    archive.extract(table, tmp_path / "out", texture)
    assert archive.failures(tmp_path / "out").to_numpy().tolist() == [
        ["b", "hip", "too_few_levels", False],
        ["c", "hip", "no_file", True],
    ]
    values = archive.read_all(tmp_path / "out").drop(columns="image_id").to_numpy()
    np.testing.assert_array_equal(values, texture.transform(table[["hip", "knee"]]))
    assert not any(b"SECRET" in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())


def test_an_estimator_that_raises_gives_the_same_table(tmp_path):
    images = [np.random.default_rng(k).normal(size=(16, 16)) * (k != 3) for k in range(9)]
    table = pd.DataFrame({"image_id": list("abcdefghi"), "hip": images})
    for on_error in ("skip", "raise"):
        archive.extract(table, tmp_path / on_error, dr.TextureExtractor(on_error=on_error))
    tables = [archive.read_all(tmp_path / on_error) for on_error in ("skip", "raise")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert archive.failures(tmp_path / "raise")["code"].tolist() == ["too_few_levels"]


def test_wrong_settings_stop_the_run(tmp_path):
    with pytest.raises(ValueError, match="somebody"):
        archive.extract(manifest(12, what=dict.fromkeys(range(12), 2)), tmp_path, Sums())
    with pytest.raises(InputError, match="no image could be measured"):
        archive.extract(manifest(3, what=dict.fromkeys(range(3), 2)), tmp_path, Sums())
    with pytest.raises(ValueError, match="not fitted"):
        archive.extract(manifest(12), tmp_path, make_pipeline(Sums(), StandardScaler()))
    assert not files(tmp_path)


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        (manifest(0), {}, "no rows"),
        (manifest(2).assign(image_id=["a", "a"]), {}, "more than once"),
        (manifest(2).assign(image_id=["a", None]), {}, "row 1 of the manifest has no id"),
        (manifest(2), {"id_column": "name"}, r"it lacks \['name'\]"),
        (manifest(2), {"columns": ["hips"]}, r"it lacks \['hips'\]"),
        (manifest(2)[["image_id"]], {}, "it lacks a column with images"),
        (manifest(2), {"chunk_size": 0}, "chunk_size is 0"),
        ([1, 2], {}, "the manifest is a DataFrame, or the path"),
        ("gone.csv", {}, "there is no manifest gone.csv"),
    ],
)
def test_bad_manifests_are_named(tmp_path, table, settings, message):
    with pytest.raises(InputError, match=message):
        archive.extract(table, tmp_path, Sums(), **settings)


@pytest.mark.parametrize("content", ['a,b\n"', "image_id,number\n1,2,3,4\n5\n1,2,3\n", b"\xff\xfe\x00garbage,\x00"])
def test_damaged_csv_files_are_named(tmp_path, content):
    path = tmp_path / "list.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError):
        archive.extract(path, tmp_path / "out", Sums())


def test_parquet_manifests_with_dates_or_garbage_are_named(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 garbage")
    with pytest.raises(InputError, match=r"a\.parquet is no parquet file"):
        archive.extract(tmp_path / "a.parquet", tmp_path / "out", Sums())
    manifest(3).assign(day=pd.Timestamp("2020-01-01")).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(InputError, match="'day'"):
        archive.extract(tmp_path / "b.parquet", tmp_path / "out", Sums())
    archive.extract(tmp_path / "b.parquet", tmp_path / "out", Sums(), columns=["number"])
    assert len(archive.read_all(tmp_path / "out")) == 3


def test_a_damaged_shard_is_named_and_made_anew(tmp_path):
    archive.extract(manifest(40), tmp_path, Sums(), chunk_size=10)
    path = sorted(tmp_path.rglob("*.parquet"))[1]
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(InputError, match="delete it"):
        archive.extract(manifest(40), tmp_path, Sums(), chunk_size=10)
    path.unlink()
    archive.extract(manifest(40), tmp_path, Sums(), chunk_size=10)
    assert path.read_bytes() == whole


def test_reading_back_is_lazy_and_selects_columns(tmp_path):
    archive.extract(manifest(40), tmp_path, Sums(), chunk_size=10)
    tables = archive.read(tmp_path, columns=["square"])
    assert list(next(tables).columns) == ["image_id", "square"]
    assert 1 + sum(1 for _ in tables) == 4
    with pytest.raises(InputError, match="no features"):
        archive.read_all(tmp_path, columns=["cube"])
    with pytest.raises(InputError, match="no archive"):
        archive.read_all(tmp_path / "elsewhere")


def test_duplicates_are_those_of_a_comparison_of_all_pairs(tmp_path):
    hips = make_hips(12, random_state=0, image_shape=(256, 256))
    images = [radiograph.pixels for radiograph in hips.data["radiograph"]]
    copies = {12: images[3], 13: images[5] * 2 + 3, 14: images[5].reshape(128, 2, 128, 2).mean(axis=(1, 3)), 15: None}
    cells = pd.Series([*images, *copies.values()], dtype=object)
    table = pd.DataFrame({"image_id": [f"h{k:02d}" for k in range(16)], "hip": cells})
    found = archive.find_duplicates(table, tmp_path, image="hip", chunk_size=4)
    assert found[["id_a", "id_b", "kind"]].to_numpy().tolist() == [
        ["h03", "h12", "identical"],
        ["h05", "h13", "near"],
        ["h05", "h14", "near"],
        ["h13", "h14", "near"],
    ]
    groups = duplicate_groups(list(cells), min_likeness=0.97)
    ids = table["image_id"]
    together = {(ids[i], ids[j]) for i in range(16) for j in range(i) if groups[i] == groups[j]}
    assert together == set(zip(found["id_b"], found["id_a"], strict=True))
    archive.find_duplicates(table, tmp_path, image="hip", chunk_size=4, min_likeness=0.99)


def test_identical_images_of_an_archive_are_each_paired_with_the_first(tmp_path):
    image = np.random.default_rng(0).normal(size=(32, 32))
    table = pd.DataFrame({"image_id": list("dacb"), "radiograph": [image] * 4})
    found = archive.find_duplicates(table, tmp_path)
    assert found[["id_a", "id_b"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["a", "d"]]


def scaled(factor, of=np.sin):
    def compute(X):
        return pd.DataFrame({"value": factor * of(X["number"])})

    return compute


LIMIT = 3.0


def limited(X):
    return pd.DataFrame({"value": X["number"].clip(upper=LIMIT)})


def test_what_a_function_computes_decides_the_folder(tmp_path, monkeypatch):
    def done(function):
        return archive.extract(manifest(4), tmp_path, FunctionTransformer(function)).folder.name

    kinds = [scaled(2), scaled(3), scaled(2, np.cos), partial(scaled(2)), limited]
    folders = [done(kind) for kind in kinds]
    monkeypatch.setattr(sys.modules[__name__], "LIMIT", 2.0)
    assert len({*folders, done(limited)}) == 6
    monkeypatch.undo()
    assert [done(kind) for kind in [scaled(2), scaled(3), scaled(2, np.cos), partial(scaled(2)), limited]] == folders


def test_the_code_of_an_own_estimator_decides_the_folder(tmp_path):
    def kind(power):
        class Power(Sums):
            def transform(self, X):
                return X[["number"]].to_numpy() ** power

            def get_feature_names_out(self, input_features=None):
                return np.array(["power"], dtype=object)

        return Power()

    folders = {archive.extract(manifest(4), tmp_path, kind(power)).folder.name for power in (2, 3)}
    assert len(folders) == 2


def test_files_that_are_missing_stop_neither_the_first_run_nor_the_next(tmp_path):
    images = [f"gone{k}.png" for k in range(12)] + [np.arange(64.0).reshape(8, 8) + k for k in range(3)]
    table = pd.DataFrame({"image_id": [f"{k:02d}" for k in range(15)], "hip": pd.Series(images, dtype=object)})
    texture = dr.TextureExtractor(feature_classes={"firstorder": ["Mean"]})
    first, again = (archive.extract(table, tmp_path, texture) for _ in range(2))
    assert (first.n_computed, first.n_failed) == (15, 12)
    assert (again.n_computed, again.n_failed) == (12, 12)
    assert set(archive.failures(tmp_path)["code"]) == {"no_file"}


def test_a_search_for_copies_looks_only_at_what_the_manifest_names(tmp_path):
    knee, other = np.random.default_rng(0).normal(size=(2, 64, 64)).cumsum(axis=1)
    images = pd.Series([knee, other, 3 * knee + 7, other], dtype=object)
    table = pd.DataFrame({"image_id": list("abcd"), "radiograph": images})
    assert len(archive.find_duplicates(table, tmp_path)) == 2
    pairs = archive.find_duplicates(table.iloc[[0, 1, 3]], tmp_path)
    assert pairs[["id_a", "id_b"]].to_numpy().tolist() == [["b", "d"]]


def test_a_change_deep_inside_a_cell_is_seen(tmp_path):
    def table(value, kind):
        values = np.zeros(2000, dtype=kind)
        values[1000] = value
        cells = pd.Series([{"values": values}, [values]], dtype=object)
        return pd.DataFrame({"image_id": ["a", "b"], "cell": cells, "number": [0.0, 1.0]})

    for kind in (float, object):
        archive.extract(table(0, kind), tmp_path / kind.__name__, Sums())
        assert archive.extract(table(5, kind), tmp_path / kind.__name__, Sums()).n_computed == 2
        assert archive.extract(table(5, kind), tmp_path / kind.__name__, Sums()).n_computed == 0


def test_names_of_files_with_leading_zeros_stay_text(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text("image_id,number,name\n1,01,007\n2,2,008\n")
    seen = []

    def look(X):
        seen.extend(X["name"])
        return pd.DataFrame({"value": X["number"].astype(float)})

    archive.extract(path, tmp_path / "out", FunctionTransformer(look))
    assert sorted(seen) == ["007", "008"]


def test_a_damaged_shard_cannot_be_read(tmp_path):
    archive.extract(manifest(4), tmp_path, Sums())
    next(tmp_path.rglob("*.parquet")).write_bytes(b"x")
    with pytest.raises(InputError, match="is damaged"):
        archive.read_all(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimator": Sums}, "the estimator is the class Sums"),
        ({"estimator": "texture"}, "the estimator is a str"),
        ({"manifest": manifest(2).rename(columns={"what": "number"})}, "two columns 'number'"),
        (
            {"manifest": manifest(2).assign(image_id=pd.Series(["a", "b\udce9"], dtype=object))},
            r"id of row 1 .* no text in UTF-8",
        ),
        ({"id_column": 0}, "id_column is the name"),
        ({"columns": "number"}, "columns a list of names"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"manifest": manifest(2).rename(columns={"image_id": "sine"}), "id_column": "sine"}, "names a feature 'sine'"),
    ],
)
def test_bad_calls_are_named(tmp_path, options, message):
    call = {"manifest": manifest(2), "output": tmp_path, "estimator": Sums()} | options
    with pytest.raises(InputError, match=message):
        archive.extract(**call)


def test_settings_that_are_not_there(tmp_path):
    archive.extract(manifest(2), tmp_path, Sums())
    with pytest.raises(InputError, match="holds no settings 'zzz'"):
        archive.read_all(tmp_path, settings="zzz")


def test_the_hash_of_a_function_is_the_same_in_every_process(tmp_path):
    script = tmp_path / "task.py"
    script.write_text(
        "import pandas as pd, sys\n"
        "from sklearn.preprocessing import FunctionTransformer\n"
        "from deepradiomics import archive\n"
        "def sided(X):\n"
        "    kept = [side in {'left', 'right', 'both'} for side in X['side']]\n"
        "    return pd.DataFrame({'kept': kept}, dtype=float)\n"
        "table = pd.DataFrame({'image_id': ['a', 'b'], 'side': ['left', 'up']})\n"
        "print(archive.extract(table, sys.argv[1], FunctionTransformer(sided)).n_computed)\n"
    )
    done = [
        subprocess.run(
            [sys.executable, script, tmp_path / "out"],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in "123"
    ]
    assert done == ["2", "0", "0"]


class Halved:
    """A callable of the user's own, not a function."""

    @staticmethod
    def share():
        return 0.5

    def __call__(self, X):
        return pd.DataFrame({"value": X["number"] * self.share()})

    def apply(self, X):
        return self(X)


@pytest.mark.parametrize("make", [Halved, lambda: Halved().apply], ids=["object", "method"])
def test_callables_of_the_users_own_are_looked_into(tmp_path, monkeypatch, make):
    def done():
        return archive.extract(manifest(4), tmp_path, FunctionTransformer(make())).folder.name

    first = done()
    monkeypatch.setattr(Halved, "share", staticmethod(lambda: 0.25))
    assert done() != first
