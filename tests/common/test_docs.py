"""The guides' code runs, and the reference holds every public name."""

import json
import re
from configparser import ConfigParser
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline

plt.switch_backend("Agg")
ROOT = Path(__file__).parents[2]
# What a page takes for granted: its reader has tables, files and a model already.
COHORT = """
import deepradiomics as dr
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
rng = np.random.default_rng(0)
X, X_b = (pd.DataFrame(rng.normal(size=(90, 3)), columns=["age", "weight", "contrast"]) for _ in range(2))
y, y_b = ((table["age"] + 0.4 * rng.normal(size=90) > 0).to_numpy() for table in (X, X_b))
X["sex"], X["site"], patients = np.tile(["F", "M", "F"], 30), np.tile(["north", "south"], 45), np.arange(90)
t_score = -1.7 - X["age"] + 0.6 * rng.normal(size=90)
blocks = ColumnTransformer([("clinical", "passthrough", ["age", "weight"]), ("texture", "passthrough", ["contrast"])])
model = make_pipeline(blocks, LogisticRegression())
"""
GIVEN = {
    "getting_started": "",
    "pyradiomics_users": "",
    "leakage": "",
    "external_validation": "",
    "reader_studies": "",
    "clusters": "",
    "review": "",
    "quality": "",
    "comparison": COHORT,
    "shortcuts": COHORT + "comparison = dr.compare_feature_sets(model, X, y, random_state=0)",
    "persistence": """
import deepradiomics as dr
from sklearn.linear_model import LogisticRegression
model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
""",
    "reading": """
from deepradiomics.simulation import make_hips, write_dicom
hips = make_hips(1, random_state=0, image_shape=(128, 128))
Path(write_dicom(hips, "dicom")["radiograph"][0]).rename("hip.dcm")
picture = hips.data["radiograph"][0].pixels
Image.fromarray(np.uint8(255 * (picture - picture.min()) / np.ptp(picture))).save("hip.png")
Image.fromarray(np.uint8(hips.masks[0])).save("femora.png")
box = "<xmin>1</xmin><ymin>11</ymin><xmax>10</xmax><ymax>30</ymax>"
Path("spine.xml").write_text(f"<annotation><object><name>L1</name><bndbox>{box}</bndbox></object></annotation>")
""",
    "texture": """
images = list(np.random.default_rng(0).normal(100, 20, size=(2, 32, 32)))
masks = [np.ones((32, 32), dtype=np.uint8)] * 2
settings = "{imageType: {Original: {}}, featureClass: {glcm: [Contrast]}, setting: {binWidth: 25}}"
Path("Params.yaml").write_text(settings)
""",
}


@pytest.mark.parametrize("guide", GIVEN)
def test_the_code_of_a_guide_runs(guide, monkeypatch, tmp_path):
    pytest.importorskip("jinja2")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / f"docs/{guide}.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert blocks
    namespace = {"__name__": guide}
    if GIVEN[guide]:
        namespace |= {"np": np, "pd": pd, "Path": Path, "Image": Image, "make_pipeline": make_pipeline}
        exec(compile(GIVEN[guide], f"what docs/{guide}.md takes for granted", "exec"), namespace)
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


def test_every_code_of_an_error_is_on_the_page():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    classes = {"invalid_input", "invalid_region", "training_failed", "leakage", "missing_dependency"}
    assert not re.findall(r"code=(?!self\.code|None)[a-z]", sources)
    raised = set(re.findall(r'\bcode="([a-z_]+)"', sources))
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert (
        set(re.findall(r"`([a-z_]+)`", page)) - {"error.code", "load", "failures_", "reason", "compare_models"}
        == raised | classes
    )
    # Tables of codes on other pages.
    for other in ("reading", "texture"):
        text = (ROOT / "docs" / f"{other}.md").read_text(encoding="utf-8")
        cells = re.search(r"^\| code \|.*\n((?:\|.*\n)+)", text, re.M)[1]
        assert {code for row in cells.splitlines() for code in re.findall(r"`([a-z_]+)`", row.split("|")[1])} <= raised
    told = re.findall(r"^\| `(\w+)` \|", (ROOT / "AGENTS.md").read_text(encoding="utf-8"), re.M)
    assert set(told) <= raised | classes


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
