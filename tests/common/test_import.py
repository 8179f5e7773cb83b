"""Importing the library is cheap and pulls in nothing heavy."""

import json
import subprocess
import sys

HEAVY = ("torch", "torchvision", "timm", "segmentation_models_pytorch", "matplotlib", "SimpleITK", "xgboost", "numba")


def fresh_interpreter(code):
    """Run code in a new interpreter in which every warning is an error; return what it printed."""
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def test_import_is_light():
    loaded = json.loads(fresh_interpreter("import deepradiomics, json, sys; print(json.dumps(list(sys.modules)))"))
    assert not [module for module in loaded if module.partition(".")[0] in (*HEAVY, "numpy", "sklearn", "pandas")]


def test_organs_without_networks_do_not_load_torch():
    organs = "reading, annotations, simulation, regions, clinical, comparison, metrics, texture"
    code = f"from deepradiomics import {organs}; import json, sys; print(json.dumps(list(sys.modules)))"
    loaded = {module.partition(".")[0] for module in json.loads(fresh_interpreter(code))}
    assert not loaded & set(HEAVY)
