"""Docstrings are complete, and the parameters and defaults they state are those of the signature."""

import ast
import inspect
import pkgutil
import re
from importlib import import_module

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate

import deepradiomics
from deepradiomics.exceptions import DeepRadiomicsError

# numpydoc.validate codes that must not occur: no docstring, no summary, parameters missing, unknown or out of order,
# undescribed parameter, no return or its description, section order, unknown section.
# A class of errors has the constructor, and its example, of the base class.
ERRORS = {"GL06", "GL07", "GL08", "SS01", "PR01", "PR02", "PR03", "PR07", "RT01", "RT03"}


def public_objects():
    """Yield the path of every public function, class and public method defined in the package."""
    for module_info in pkgutil.walk_packages(deepradiomics.__path__, "deepradiomics."):
        if any(part.startswith("_") for part in module_info.name.split(".")):
            continue
        module = import_module(module_info.name)
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(value) or inspect.isclass(value):
                yield f"{module.__name__}.{name}"
            if inspect.isclass(value):
                yield from (
                    f"{module.__name__}.{name}.{method}"
                    for method, function in vars(value).items()
                    if not method.startswith("_") and inspect.isfunction(inspect.unwrap(function))
                )


PATHS = sorted(set(public_objects()))


def resolve(path):
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            target = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            target = getattr(target, part)
        return target
    raise AssertionError(path)


@pytest.mark.parametrize("path", PATHS)
def test_docstring_is_complete(path):
    codes = dict(validate(path)["errors"])
    if is_error_class(resolve(path)) or is_named_tuple(resolve(path)):
        codes.pop("PR01", None)
    assert not {code: text for code, text in codes.items() if code in ERRORS}


def stated_defaults(target):
    """Map each documented parameter to the default that its docstring states."""
    doc = ClassDoc(target) if inspect.isclass(target) else FunctionDoc(target)
    for parameter in doc["Parameters"]:
        match = re.search(r"default\s*[=:]?\s*(.+)$", parameter.type)
        for name in parameter.name.split(", "):
            yield name.lstrip("*"), match and match.group(1).strip().strip("`")


@pytest.mark.parametrize("path", PATHS)
def test_stated_defaults_are_those_of_the_signature(path):
    target = resolve(path)
    parameters = inspect.signature(target).parameters
    for name, stated in stated_defaults(target):
        if name not in parameters or parameters[name].kind in (
            inspect.Parameter.VAR_KEYWORD,
            inspect.Parameter.VAR_POSITIONAL,
        ):
            continue
        actual = parameters[name].default
        if actual is inspect.Parameter.empty:
            assert stated is None, f"{name} has no default, its docstring states {stated}"
        else:
            assert stated is not None, f"the docstring of {name} states no default, it is {actual!r}"
            assert str(actual) == stated.strip("\"'") or repr(actual) == stated or _same(actual, stated), name


def _same(actual, stated):
    """Compare a default with its written form, which may be an expression of literals."""
    try:
        return ast.literal_eval(stated) == actual
    except (ValueError, SyntaxError):
        return False


def is_error_class(target):
    return inspect.isclass(target) and DeepRadiomicsError in target.__mro__[1:]


def is_named_tuple(target):
    """A result, whose fields stand under Attributes."""
    return inspect.isclass(target) and issubclass(target, tuple)


def is_method(path):
    return inspect.isclass(resolve(path.rpartition(".")[0]))


@pytest.mark.parametrize("path", [path for path in PATHS if not is_method(path) and not is_error_class(resolve(path))])
def test_every_public_object_has_an_example(path):
    target = resolve(path)
    doc = ClassDoc(target) if inspect.isclass(target) else FunctionDoc(target)
    assert doc["Examples"], f"{path} has no runnable example"
