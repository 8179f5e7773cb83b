"""``deepradiomics review`` makes the page of a table of files."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import deepradiomics as dr
from deepradiomics.cli import main
from deepradiomics.simulation import make_hips


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two hips as files, in a folder beside their table, and a row without an image."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "films").mkdir()
    hips = make_hips(2, random_state=0, image_shape=(256, 256))
    for number, (radiograph, mask) in enumerate(zip(hips.data["radiograph"], hips.masks, strict=True)):
        Image.fromarray(radiograph.pixels.astype(np.uint16)).save(folder / f"films/i{number}.png")
        Image.fromarray(mask).save(folder / f"films/m{number}.png")
    table = pd.DataFrame({"film": ["films/i0.png", "films/i1.png", None], "outline": ["films/m0.png", None, None]})
    table.assign(hospital=["A", "B", "B"], seen="metal").to_csv(folder / "table.csv", index=False)
    return folder, hips


def content(page):
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.read_text(), re.DOTALL)
    return json.loads(found[1])


@pytest.mark.parametrize("output", ["page.html", "page"])
def test_the_page_of_a_table(study, capsys, output):
    folder, hips = study
    page = folder / output if output.endswith("html") else folder / output / "index.html"
    arguments = ["--image", "film", "--masks", "outline", "--boxes", "femur", "--site", "hospital", "--flags", "seen"]
    assert main(["review", str(folder / "table.csv"), "--output", str(folder / output), *arguments]) == 0
    assert f"open {page.relative_to(folder)} in a browser" in capsys.readouterr().out
    first, second = content(page)["cases"]
    boxes = dr.FemurRegions(mask="mask", on_error="skip").place(hips.data)[0]
    assert first["boxes"].keys() == boxes.keys()
    assert first["boxes"]["left_neck"]["top"] == pytest.approx(boxes["left_neck"].top, abs=1)
    rows, columns = np.nonzero(hips.masks[0] == 2)
    points = np.concatenate(first["outlines"]["right"])
    np.testing.assert_allclose(points.min(axis=0), (columns.min(), rows.min()), atol=1.5)
    np.testing.assert_allclose(points.max(axis=0), (columns.max() + 1, rows.max() + 1), atol=1.5)
    assert (first["site"], second["site"], second["outlines"], second["boxes"]) == ("A", "B", {}, {})
    assert "metal" in second["flags"]
    # No path of a file is on the page.
    assert "films/" not in page.read_text()
    assert (page.parent / "pictures").is_dir() == (output == "page")


def test_boxes_without_outlines_are_refused(study, capsys):
    folder, _ = study
    arguments = ["review", str(folder / "table.csv"), "--output", str(folder / "no.html"), "--image", "film"]
    assert main([*arguments, "--boxes", "femur"]) != 0
    assert "--boxes needs --masks" in capsys.readouterr().err
    assert main([*arguments, "--masks", "mask"]) != 0
    assert "lacks the columns ['mask']" in capsys.readouterr().err
    assert not (folder / "no.html").exists()
