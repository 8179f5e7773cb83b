"""Forged, changed and damaged files are refused by name; each file here is made for its refusal."""

import hashlib
import io
import json
import os
import stat
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

import deepradiomics as dr
from deepradiomics.exceptions import DeepRadiomicsError, InputError

N_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
RNG = np.random.default_rng(0)
Y = np.arange(40) % 2
X = RNG.normal(size=(40, 3)) + Y[:, None]
IMAGES = [RNG.normal(size=(24, 24)) + label for label in Y]
NETWORK = dr.DeepExtractor("resnet10t", n_features=8, image_size=32, epochs=1, random_state=0).fit(IMAGES, Y)
BOOSTED = make_pipeline(StandardScaler(), XGBClassifier(n_estimators=3, max_depth=2, random_state=0)).fit(X, Y)
TREE = DecisionTreeClassifier(random_state=0).fit(X, Y)


@pytest.fixture
def network(tmp_path):
    return dr.save(NETWORK, tmp_path / "model")


@pytest.fixture
def boosted(tmp_path):
    return dr.save(BOOSTED, tmp_path / "model")


@pytest.fixture
def tree(tmp_path):
    return dr.save(TREE, tmp_path / "model")


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def members_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(folder, name, data):
    """Change a part and its hash in the manifest, as a forger would."""
    (folder / name).write_bytes(data)
    edit_manifest(folder, lambda manifest: manifest["parts"].update({name: hashlib.sha256(data).hexdigest()}))


def edit_manifest(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def edit_schema(folder, change):
    """Change the schema of the skops part, in place."""
    members = members_of((folder / "model.skops").read_bytes())
    schema = json.loads(members["schema.json"])
    change(schema)
    rewrite(folder, "model.skops", zipped(members | {"schema.json": json.dumps(schema)}))


def edit_trees(folder, change):
    """Change XGBoost's JSON, in place."""
    part = next(folder.glob("*trees.json"))
    model = json.loads(part.read_bytes())
    change(model["learner"]["gradient_booster"]["model"])
    rewrite(folder, part.name, json.dumps(model).encode())


def edit_weights(folder, change):
    """Change the weights, in place."""
    part = next(folder.glob("*.safetensors"))
    weights = read_tensors(part.read_bytes())
    change(weights)
    rewrite(folder, part.name, write_tensors(weights))


def nodes(schema):
    if isinstance(schema, dict):
        if "__loader__" in schema:
            yield schema
        for value in schema.values():
            yield from nodes(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from nodes(value)


def refused(path, message, code):
    with pytest.raises(InputError, match=message) as caught:
        dr.load(path)
    assert caught.value.code == code
    return str(caught.value)


# Folders and zip files.


def test_what_is_no_model(tmp_path):
    import pickle

    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LogisticRegression()))
    refused(tmp_path / "model.pkl", r"model.pkl is no saved model", "untrusted")
    refused(tmp_path / "nowhere", r"nowhere is no saved model", "no_file")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", r"no manifest that can be read", "untrusted")
    os.mkfifo(tmp_path / "fifo")
    refused(tmp_path / "fifo", r"no saved model", "untrusted")


def test_a_link_in_a_folder(network):
    os.symlink("/etc/hostname", network / "link")
    refused(network, "holds a link", "untrusted")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:evil", "..\\evil", "a/b", "..", "a\0b"])
def test_names_that_lead_elsewhere(tmp_path, name):
    data = zipped({"x" * len(name): b"x"}).replace(b"x" * len(name), name.encode())
    (tmp_path / "m.zip").write_bytes(data)
    refused(tmp_path / "m.zip", "leads outside", "untrusted")
    assert [path.name for path in tmp_path.iterdir()] == ["m.zip"]


def test_a_link_in_a_zip_file(tmp_path):
    info = zipfile.ZipInfo("manifest.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    (tmp_path / "m.zip").write_bytes(zipped({info: "/etc/passwd"}))
    refused(tmp_path / "m.zip", "is a link", "untrusted")


def test_a_bomb_that_says_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", bytes(100 * 2**20))
    refused(tmp_path / "m.zip", "would unpack to 1 parts of 100 MiB", "untrusted")


def test_many_parts(tmp_path):
    (tmp_path / "m.zip").write_bytes(zipped({f"{number}": b"" for number in range(20_001)}))
    refused(tmp_path / "m.zip", "would unpack to 20001 parts", "untrusted")


def lying_bomb(name, method):
    """A zip file whose one part says it has 10 bytes and unpacks to 256 MiB."""
    with zipfile.ZipFile(stream := io.BytesIO(), "w", method) as archive:
        archive.writestr(name, bytes(2**28))
    data, size = bytearray(stream.getvalue()), struct.pack("<L", 2**28)
    for place in (data.index(b"PK\x03\x04") + 14, data.index(b"PK\x01\x02") + 16):
        assert data[place + 8 : place + 12] == size
        data[place : place + 4] = struct.pack("<L", zlib.crc32(bytes(10)))
        data[place + 8 : place + 12] = struct.pack("<L", 10)
    return bytes(data)


def test_a_bomb_that_lies_is_unpacked_no_further_than_it_says(tmp_path):
    import tracemalloc

    (tmp_path / "m.zip").write_bytes(lying_bomb("manifest.json", zipfile.ZIP_DEFLATED))
    tracemalloc.start()
    refused(tmp_path / "m.zip", "no manifest that can be read", "untrusted")
    assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    tracemalloc.stop()


def test_a_bomb_that_lies_inside_the_skops_part(boosted):
    import tracemalloc

    rewrite(boosted, "model.skops", lying_bomb("schema.json", zipfile.ZIP_DEFLATED))
    tracemalloc.start()
    refused(boosted, "damaged", "unreadable")
    assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing(tmp_path, method):
    (tmp_path / "m.zip").write_bytes(lying_bomb("manifest.json", method))
    refused(tmp_path / "m.zip", "packed in another way", "untrusted")


def test_two_parts_of_one_name(tmp_path):
    data = zipped({"manifest.json": b"{}", "manifest.jsoX": b"{}"}).replace(b"jsoX", b"json")
    (tmp_path / "m.zip").write_bytes(data)
    refused(tmp_path / "m.zip", "two parts of one name", "changed")


# The manifest.


def test_a_changed_part(network):
    part = next(network.glob("*.safetensors"))
    data = bytearray(part.read_bytes())
    data[-1] ^= 1
    part.write_bytes(data)
    refused(network, "is not what was written", "changed")


def test_a_missing_and_an_added_part(network):
    part = next(network.glob("*history.json"))
    data = part.read_bytes()
    part.unlink()
    refused(network, "other parts than its manifest says", "changed")
    edit_manifest(network, lambda manifest: manifest["parts"].pop(part.name))
    refused(network, "lacks the history of its DeepExtractor", "changed")
    rewrite(network, part.name, data)
    rewrite(network, "7-history.json", data)
    refused(network, "belongs to no estimator", "changed")


@pytest.mark.parametrize(
    "text", ["", "[" * 100_000, "{}", '{"parts": 3}', "\xff", "null", '{"parts": {}, "format": 1}']
)
def test_a_manifest_that_cannot_be_read(network, text):
    (network / "manifest.json").write_text(text, encoding="latin1")
    refused(network, "no manifest that can be read", "untrusted")


def test_other_settings_in_the_manifest(network):
    edit_manifest(network, lambda manifest: manifest["settings"].update(image_size=64))
    refused(network, "settings in model's manifest are not those", "changed")


def test_other_columns_in_the_manifest(network):
    edit_manifest(network, lambda manifest: manifest.update(feature_names=["age"]))
    refused(network, "feature names in model's manifest are not those", "changed")


def test_a_newer_format(network):
    edit_manifest(network, lambda manifest: manifest.update(format=2))
    refused(network, "has format 2, this version reads 1; update deepradiomics", "version")


def test_another_scikit_learn(network):
    edit_manifest(network, lambda manifest: manifest["versions"].update({"scikit-learn": "1.2.3"}))
    refused(network, "saved with scikit-learn 1.2.3, this is", "version")


# The skops part.


def test_a_type_that_is_not_trusted(boosted):
    """It would call os.system when it is loaded."""
    edit_schema(boosted, lambda schema: schema.update(__module__="os", __class__="system"))
    refused(boosted, r"would make .*os\.system", "untrusted")


@pytest.mark.parametrize("loader", ["MethodNode", "PartialNode", "OperatorFuncNode", "ConstructorFromReduceNode", "x"])
def test_nodes_that_call_something(boosted, loader):
    edit_schema(boosted, lambda schema: next(iter(nodes(schema["content"]))).update(__loader__=loader))
    refused(boosted, f"holds a {loader}", "changed")


@pytest.mark.parametrize("protocol", [0, 1, 99, True, "2"])
def test_another_protocol(boosted, protocol):
    edit_schema(boosted, lambda schema: schema.update(protocol=protocol))
    refused(boosted, "protocol .* of skops", "version")


def test_two_objects_of_one_number(boosted):
    def change(schema):
        first, second = [node for node in nodes(schema) if node["__loader__"] == "JsonNode"][:2]
        second.update(__id__=first["__id__"], content='"other"')

    edit_schema(boosted, change)
    refused(boosted, "two objects of one number", "changed")


def test_weights_that_come_by_another_way(network):
    def change(schema):
        content = schema["content"]["content"]
        content["_weights"] = content["epochs"]

    edit_schema(network, change)
    refused(network, "weights or trees where none belong", "changed")


def test_an_object_made_of_text(network):
    def change(schema):
        schema["content"] = {
            "__class__": "str",
            "__module__": "builtins",
            "__loader__": "JsonNode",
            "content": '{"_weights": {}}',
        }

    edit_schema(network, change)
    refused(network, "an object made of text", "changed")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"'shape': (3,)", b"'shape': (9,)"),
        (b"'shape': (3,), }        ", b"'shape': (999999999,), }"),
        (b"'<f8'", b"'|O' "),
        (b"'<f8'", b"'<U0'"),
        (b"\x93NUMPY\x01", b"\x93NUMPY\x02"),
    ],
)
def test_arrays_that_are_not_what_they_say(boosted, old, new):
    members = members_of((boosted / "model.skops").read_bytes())
    name = next(name for name, data in members.items() if name.endswith("npy") and b"(3,)" in data and b"'<f8'" in data)
    assert old in members[name]
    rewrite(boosted, "model.skops", zipped(members | {name: members[name].replace(old, new)}))
    refused(boosted, "holds an array", "changed")


# Networks.


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(network, value):
    edit_weights(network, lambda weights: weights["head.weight"].fill(value))
    refused(network, "head.weight .* not finite", "weights")


def test_weights_of_another_shape_or_type(network):
    edit_weights(network, lambda weights: weights.update({"head.weight": weights["head.weight"][:1]}))
    refused(network, r"head.weight .* has shape \(1, 8\) .*, the network's is \(2, 8\)", "weights")
    edit_weights(network, lambda weights: weights.update({"head.weight": np.zeros((2, 8), np.float16)}))
    refused(network, r"float16, the network's is .*float32", "weights")


def test_missing_and_surplus_weights(network):
    edit_weights(network, lambda weights: weights.update(extra=np.zeros(3)))
    refused(network, "too many of 1 weights, first 'extra'", "weights")
    edit_weights(network, lambda weights: [weights.pop("extra"), weights.pop("head.bias")])
    refused(network, "lacks .*'head.bias'", "weights")


def test_weights_that_are_no_safetensors(network):
    rewrite(network, next(network.glob("*.safetensors")).name, b"\x80\x04K\x01.")
    refused(network, "damaged", "unreadable")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("backbone", '"hf-hub:someone/network"', "backbone = 'hf-hub:"),
        ("backbone", '"../weights"', "backbone"),
        ("n_features", "1000000000000", "n_features"),
        ("n_features", "1048576", "has shape"),
        ("image_size", "100000", "image_size"),
        ("n_views", "65", "n_views"),
        ("n_views", "[]", "damaged"),
        ("n_outputs", "3", "has shape"),
        ("backbone", '"vit_7b_patch16_dinov3"', "weights"),
        ("backbone", '"nothing"', "no backbone"),
    ],
)
def test_architectures_that_are_gigantic_or_lead_elsewhere(network, field, value, message):
    """They are refused before memory is taken for them."""

    def change(schema):
        architecture = schema["content"]["content"]["architecture_"]["content"]["content"]
        number = architecture[field]["__id__"]
        architecture[field].update(content=value, __id__=number + 1)

    edit_schema(network, change)
    with pytest.raises(InputError, match=message):
        dr.load(network)


# Trees.


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("left_children", 0),
        ("left_children", 99),
        ("right_children", -2),
        ("split_indices", 3),
        ("split_indices", -1),
        ("split_conditions", 1e999),
        ("base_weights", float("nan")),
        ("split_type", 1),
        ("left_children", "1"),
        ("parents", None),
    ],
)
def test_forged_trees_of_xgboost(boosted, key, value):
    def change(forest):
        if value is None:
            forest["trees"][1][key].pop()
        else:
            forest["trees"][1][key][0] = value

    edit_trees(boosted, change)
    refused(boosted, "holds", "untrusted")


@pytest.mark.parametrize(
    "change",
    [
        lambda forest: forest["trees"].pop(),
        lambda forest: forest["tree_info"].__setitem__(0, 5),
        lambda forest: forest["iteration_indptr"].__setitem__(1, 99),
        lambda forest: forest.pop("iteration_indptr"),
        lambda forest: forest["gbtree_model_param"].update(num_trees="many"),
    ],
)
def test_forged_forests_of_xgboost(boosted, change):
    edit_trees(boosted, change)
    refused(boosted, "holds", "untrusted")


@pytest.mark.parametrize(
    ("place", "value"),
    [(side, value) for side in ("left_child", "right_child") for value in (0, 2**40, -7)]
    + [("feature", 3), ("feature", -7)],
)
def test_forged_trees_of_scikit_learn(tree, place, value):
    members = members_of((tree / "model.skops").read_bytes())
    name = next(name for name, data in members.items() if b"left_child" in data)
    nodes_of_tree = np.load(io.BytesIO(members[name]))
    nodes_of_tree[place][0] = value
    np.save(stream := io.BytesIO(), nodes_of_tree)
    rewrite(tree, "model.skops", zipped(members | {name: stream.getvalue()}))
    refused(tree, "a tree", "untrusted")


@pytest.mark.parametrize("key", ["node_count", "max_depth"])
def test_trees_of_scikit_learn_of_another_size(tree, key):
    def change(schema):
        attributes = next(node for node in nodes(schema) if node["__loader__"] == "TreeNode")["content"]["content"]
        attributes[key].update(content="1000000", __id__=1)

    edit_schema(tree, change)
    with pytest.raises(InputError, match="a tree of another size"):
        dr.load(tree)


def test_a_tree_in_the_forest_of_others(tmp_path):
    forest = RandomForestClassifier(2, random_state=0).fit(X, Y)
    forest.estimators_[1] = DecisionTreeClassifier(random_state=0).fit(np.hstack([X[:, :1] * 0, X]), Y)
    with pytest.raises(InputError, match="another number of columns than its forest"):
        dr.save(forest, tmp_path / "forest")


def test_a_forged_tree_inside_a_calibrated_forest(tmp_path):
    calibrated = CalibratedClassifierCV(RandomForestClassifier(2, random_state=0), cv=2).fit(X, Y)
    forest = calibrated.calibrated_classifiers_[0].estimator
    forest.estimators_[1] = DecisionTreeClassifier(random_state=0).fit(np.hstack([X[:, :1] * 0, X]), Y)
    with pytest.raises(InputError, match="another number of columns than its forest"):
        dr.save(calibrated, tmp_path / "forest")


@pytest.mark.parametrize("kind", [GradientBoostingClassifier, HistGradientBoostingClassifier])
def test_forests_that_do_not_check_their_rows(tmp_path, kind):
    with pytest.raises(InputError, match=f"a {kind.__name__} cannot be saved"):
        dr.save(
            kind(max_iter=2).fit(X, Y) if "Hist" in kind.__name__ else kind(n_estimators=2).fit(X, Y), tmp_path / "m"
        )


# Whatever else.


@settings(max_examples=N_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), value=st.integers(0, 255), cut=st.booleans())
def test_damaged_files_are_refused_or_harmless(tmp_path, place, value, cut):
    whole, broken = tmp_path / "whole.zip", tmp_path / "broken.zip"
    if not whole.exists():
        dr.save(BOOSTED, whole)
    data = bytearray(whole.read_bytes())
    where = int(place * (len(data) - 1))
    if cut:
        del data[where:]
    else:
        data[where] = value
    broken.write_bytes(data)
    try:
        found = dr.load(broken)
    except DeepRadiomicsError:
        return
    assert np.array_equal(found.predict_proba(X), BOOSTED.predict_proba(X))


@settings(max_examples=N_EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_pieces_that_are_forged_with_their_hashes(tmp_path, data):
    """Any change inside a piece, hash and checksums renewed: a named error or a model, never anything else."""
    name, model = data.draw(st.sampled_from([("network", NETWORK), ("boosted", BOOSTED), ("tree", TREE)]))
    folder = tmp_path / name
    if not folder.exists():
        dr.save(model, folder)
    part = data.draw(st.sampled_from(sorted(path.name for path in folder.iterdir() if path.name != "card.md")))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    members = members_of(before[part]) if part == "model.skops" else {part: before[part]}
    member = data.draw(st.sampled_from(sorted(members)))
    content = bytearray(members[member])
    where = data.draw(st.integers(0, len(content) - 1))
    new = data.draw(
        st.binary(min_size=0, max_size=3) | st.sampled_from([b"0", b"9", b'"', b"-1", b"[", b"null", b"e9"])
    )
    content[where : where + data.draw(st.integers(0, 3))] = new
    members[member] = bytes(content)
    if part == "manifest.json":
        (folder / part).write_bytes(bytes(content))
    else:
        rewrite(folder, part, zipped(members) if part == "model.skops" else bytes(content))
    try:
        assert type(dr.load(folder)).__module__.startswith(("sklearn.", "deepradiomics.", "xgboost."))
    except DeepRadiomicsError as error:
        assert error.code != "error"
    finally:
        for file, old in before.items():
            (folder / file).write_bytes(old)
