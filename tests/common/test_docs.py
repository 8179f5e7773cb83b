"""The guides' code runs, and the reference holds every public name."""

import json
import re
from configparser import ConfigParser
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

plt.switch_backend("Agg")
ROOT = Path(__file__).parents[2]
GUIDES = [
    "getting_started",
    "pyradiomics_users",
    "leakage",
    "external_validation",
    "reader_studies",
    "clusters",
]


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES)
def test_the_code_of_a_guide_runs(guide, monkeypatch, tmp_path):
    pytest.importorskip("jinja2")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / f"docs/{guide}.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert blocks
    namespace = {"__name__": guide}
    for block in blocks:
        exec(compile(block, f"docs/{guide}.md", "exec"), namespace)
    plt.close("all")


def test_every_public_name_is_in_the_reference():
    modules = re.split(r"^\.\. currentmodule:: (\S+)$", (ROOT / "docs/api.rst").read_text(), flags=re.MULTILINE)
    listed = {
        name: set(re.findall(r"^   (\w+)$", text, re.MULTILINE))
        for name, text in zip(modules[1::2], modules[2::2], strict=True)
    }
    public = json.loads((Path(__file__).parent / "public_names.json").read_text())
    for module, names in public.items():
        if module == "deepradiomics":
            # Types and functions stand under their own module.
            everywhere = set.union(*listed.values()) | {name.rsplit(".", 1)[1] for name in listed}
            assert set(names) <= everywhere
        else:
            assert set(names) == listed[module]


def test_every_page_is_reached_from_the_first():
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"api"}
    index = (ROOT / "docs/index.md").read_text()
    trees = "\n".join(re.findall(r"^```{toctree}\n(.*?)^```", index, re.DOTALL | re.MULTILINE))
    assert pages - {"index"} <= set(re.findall(r"(?:<|^)([\w/]+)>?$", trees, re.MULTILINE))


def test_the_picture_of_the_layers_is_that_of_the_rule():
    rule = ConfigParser()
    rule.read(ROOT / "setup.cfg")
    lines = rule["importlinter:contract:layers"]["layers"]
    drawn = re.findall(r"<text[^>]*>([^<]+)</text>", (ROOT / "docs/_static/layers.svg").read_text())
    assert drawn == re.findall(r"deepradiomics\.(\w+)", lines), "run python docs/draw_layers.py"
