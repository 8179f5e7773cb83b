"""The public names are an inventory: one cannot vanish, or appear, unnoticed."""

import json
from importlib import import_module
from pathlib import Path

import pytest

import deepradiomics

INVENTORY = json.loads((Path(__file__).parent / "public_names.json").read_text())


def public_names(module_name):
    return sorted(getattr(import_module(module_name), "__all__", []))


@pytest.mark.parametrize("module_name", sorted(INVENTORY))
def test_inventory(module_name):
    """A name that is added on purpose is added to public_names.json in the same commit."""
    assert public_names(module_name) == INVENTORY[module_name]


@pytest.mark.parametrize("name", deepradiomics.__all__)
def test_every_name_loads(name):
    assert getattr(deepradiomics, name) is not None
    assert name in dir(deepradiomics)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'TextureExtracter'"):
        _ = deepradiomics.TextureExtracter
