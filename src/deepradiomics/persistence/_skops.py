"""Check the part that skops writes: types, nodes, and sizes of arrays."""

import ast
import json
from functools import cache
from importlib.metadata import version
from math import prod

import numpy as np

from deepradiomics.exceptions import InputError
from deepradiomics.persistence._estimators import KINDS
from deepradiomics.persistence._files import damaged, packed, unpacked
from deepradiomics.persistence._manifest import MODEL, check_version

# What a file may make besides what skops itself trusts (estimators of scikit-learn, numpy's and Python's plain types).
_TRUSTED = {
    "deepradiomics.clinical": ("ClinicalReader", "category_name"),
    "deepradiomics.comparison.recalibration": ("RecalibratedClassifier",),
    "deepradiomics.comparison.triage": ("Triage",),
    "deepradiomics.deep.embedding": ("EmbeddingExtractor",),
    "deepradiomics.deep.extractor": ("DeepExtractor",),
    "deepradiomics.deep.networks": ("Architecture",),
    "deepradiomics.deep.regressor": ("DeepRegressor",),
    "deepradiomics.fusion": ("OrdinalLogisticRegression", "StackedFusionClassifier"),
    "deepradiomics.harmonization": ("ComBat",),
    "deepradiomics.preprocessing.normalizer": ("GrayscaleNormalizer",),
    "deepradiomics.quality.gate": ("ImageGate",),
    "deepradiomics.regions.femur_transformer": ("FemurRegions",),
    "deepradiomics.regions.vertebra_transformer": ("VertebraRegions",),
    "deepradiomics.segmentation.architecture": ("UNetArchitecture",),
    "deepradiomics.segmentation.unet": ("UNetSegmenter",),
    "deepradiomics.selection.bilateral": ("BilateralSelector",),
    "deepradiomics.selection.redundancy": ("CorrelationPruner", "MRMRSelector"),
    "deepradiomics.selection.stability": ("StabilitySelector",),
    "deepradiomics.texture.extractor": ("TextureExtractor",),
    "numpy": ("dtype",),
    "sklearn.calibration": ("_CalibratedClassifier", "_SigmoidCalibration"),
    "sklearn.compose._column_transformer": ("make_column_selector",),
    # Functions of fit, which load does not call.
    "sklearn.feature_selection._mutual_info": ("mutual_info_classif", "mutual_info_regression"),
    "sklearn.feature_selection._univariate_selection": ("chi2", "f_classif", "f_regression"),
    "sklearn.metrics._scorer": ("_PassthroughScorer",),
    "sklearn.model_selection._split": (
        "GroupKFold",
        "KFold",
        "RepeatedStratifiedKFold",
        "StratifiedGroupKFold",
        "StratifiedKFold",
    ),
    "sklearn.neural_network._stochastic_optimizers": ("AdamOptimizer", "SGDOptimizer"),
    # Their nodes are checked by _trees, so that no forged one is followed out of its array.
    "sklearn.tree._tree": ("Tree",),
    "sklearn.utils._bunch": ("Bunch",),
    "xgboost.sklearn": ("XGBClassifier", "XGBRFClassifier", "XGBRFRegressor", "XGBRegressor"),
}
TRUSTED = frozenset(f"{module}.{name}" for module, names in _TRUSTED.items() for name in names)
# They hand their rows to trees without a check of their own, so forged ones could read beyond them.
_REFUSED = frozenset(
    f"sklearn.ensemble.{place}"
    for place in (
        "_forest.RandomTreesEmbedding",
        "_gb.GradientBoostingClassifier",
        "_gb.GradientBoostingRegressor",
        "_iforest.IsolationForest",
    )
)
# Kinds of nodes that a schema may have: none that calls a method or a function with arguments.
_LOADERS = frozenset(
    f"{kind}Node"
    for kind in (
        "DefaultDict",
        "Dict",
        "DType",
        "Function",
        "Json",
        "List",
        "Loss",
        "MaskedArray",
        "NdArray",
        "Object",
        "RandomGenerator",
        "RandomState",
        "Set",
        "Slice",
        "Tree",
        "Tuple",
        "Type",
    )
)
_SCHEMA = "schema.json"
# What is given back by load from parts of its own may not come by this way.
_APART = frozenset({*KINDS.values(), "_weights"})


def read_skops(data, name):
    """Make the model of a skops file, after every piece of it was checked."""
    from skops import io as skops

    checked = checked_skops(data, name)
    found = skops.get_untrusted_types(data=checked)
    unknown = sorted((set(found) - TRUSTED) | (_classes(checked) & _REFUSED))
    if unknown:
        raise InputError(
            f"{name} would make {', '.join(unknown[:5])}, which is not among the types that load trusts; do not use it",
            code="untrusted",
        )
    return skops.loads(checked, trusted=found)


def checked_skops(data, name):
    """Bytes of a skops file packed anew from checked pieces, so that skops sees nothing else."""
    pieces = unpacked(data, name)
    try:
        schema = json.loads(pieces[_SCHEMA])
        arrays = {piece: content for piece, content in pieces.items() if piece != _SCHEMA}
        counts = {piece: _n_values(content, name) for piece, content in arrays.items()}
        _check_protocol(schema["protocol"], name)
        _check_nodes(schema, counts, name)
        _check_numbers(schema, arrays, name)
    except InputError:
        # An InputError is a ValueError, too.
        raise
    except (AttributeError, LookupError, MemoryError, SyntaxError, RecursionError, TypeError, ValueError) as error:
        raise damaged(name, error) from error
    return packed(pieces | {_SCHEMA: json.dumps(schema).encode()}, compressed=False)


def _check_protocol(found, name):
    """Refuse another protocol than this skops writes: older ones are read by older, laxer code."""
    here = _protocol()
    if type(found) is not int or found != here:
        raise InputError(
            f"{name} has protocol {str(found)[:20]} of skops, this skops writes {here}; install the version it was "
            "saved with, or save it anew",
            code="version",
        )


@cache
def _protocol():
    from skops import io as skops

    return json.loads(unpacked(skops.dumps(None), MODEL)[_SCHEMA])["protocol"]


def _nodes(schema):
    """Yield every node of a schema."""
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "__loader__" in value:
                yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _classes(checked):
    """Names of all classes in a checked skops file."""
    schema = json.loads(unpacked(checked, MODEL)[_SCHEMA])
    return {f"{node['__module__']}.{node['__class__']}" for node in _nodes(schema)}


def _check_nodes(schema, counts, name):
    """Refuse nodes of kinds that save does not write, arrays that are not there, and what belongs into other parts."""
    for node in _nodes(schema):
        if node["__loader__"] not in _LOADERS:
            raise _invalid(name, f"a {str(node['__loader__'])[:40]}")
        if node["__loader__"] == "DictNode":
            _check_attributes(node["content"], name)
        state = node.get("content") if node["__loader__"] == "ObjectNode" else None
        # A state in JSON would escape the checks of nodes; save writes none but null.
        if state is not None and state["__loader__"] == "JsonNode" and state["content"] != "null":
            raise _invalid(name, "an object made of text")
        if node.get("file") is not None and node["file"] not in counts:
            raise _invalid(name, "an array that is not there")
        if node["__loader__"] == "TreeNode":
            _check_tree(node, counts, name)


def _check_attributes(content, name):
    """Refuse what belongs into other parts, and another scikit-learn than this one."""
    if _APART & set(content):
        raise _invalid(name, "weights or trees where none belong")
    if "_sklearn_version" in content:
        # scikit-learn warns of any other version; here those that differ in the last number only are alike.
        written = content["_sklearn_version"]
        check_version(json.loads(written["content"]), name)
        written["content"] = json.dumps(version("scikit-learn"))


def _check_numbers(schema, arrays, name):
    """Refuse two different nodes of one number: skops makes the first and leaves the second unread."""
    first = {}
    for node in _nodes(schema):
        known = first.setdefault(node.get("__id__"), node)
        if known is not node and _contents(known, arrays) != _contents(node, arrays):
            raise _invalid(name, "two objects of one number")


def _contents(node, arrays):
    """Content of a node without numbers and names of pieces, which differ where equal things are written twice."""
    if isinstance(node, dict):
        return {
            key: arrays[value] if key == "file" else _contents(value, arrays)
            for key, value in node.items()
            if key not in ("__id__", "protocol", "_skops_version")
        }
    return [_contents(item, arrays) for item in node] if isinstance(node, list) else node


def _check_tree(node, counts, name):
    """Refuse a tree whose numbers are not those of its arrays."""
    attributes = node["content"]["content"]
    _, n_classes, n_outputs = node["__reduce__"]["args"]["content"]
    declared = [json.loads(attributes["node_count"]["content"]), json.loads(n_outputs["content"])]
    if declared != [counts[attributes["nodes"]["file"]], counts[n_classes["file"]]]:
        raise _invalid(name, "a tree of another size than its arrays")


def _n_values(content, name):
    """Count the values of an array in numpy's format, which must hold as many bytes as its header says."""
    start = 10 + int.from_bytes(content[8:10], "little")
    if content[:8] != b"\x93NUMPY\x01\x00":
        raise _invalid(name, "an array that numpy has not written")
    header = ast.literal_eval(content[10:start].decode("latin1"))
    shape, dtype = header["shape"], np.lib.format.descr_to_dtype(header["descr"])
    if dtype != _node_dtype() and dtype.kind not in "biufcSUmM":
        raise _invalid(name, "an array of a type that is not plain")
    n_values = prod(shape)
    if n_values * dtype.itemsize != len(content) - start or not 0 <= n_values <= len(content):
        raise _invalid(name, "an array of another size than it says")
    return n_values


@cache
def _node_dtype():
    from sklearn.tree._tree import NODE_DTYPE

    return NODE_DTYPE


def _invalid(name, what):
    return InputError(f"{name} holds {what}; it was not written by save, do not use it", code="changed")
