"""The report is one page without network, escapes what it is given, and shows the numbers of the comparison."""

import json
import re
import subprocess
from html.parser import HTMLParser
from shutil import which

import matplotlib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import kruskal
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepradiomics import compare_feature_sets
from deepradiomics.exceptions import InputError
from deepradiomics.metrics import (
    CalibrationPlot,
    DecisionCurvePlot,
    ForestPlot,
    RocPlot,
    roc_auc_ci,
)

matplotlib.use("Agg")
RNG = np.random.default_rng(0)
Y = np.arange(120) % 2


def table(seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"age": rng.normal(Y), "entropy": rng.normal(Y * 0.5), "width": np.where(Y + rng.random(120) > 0.7, 448, 300)}
    )


@pytest.fixture(scope="module")
def comparison():
    blocks = ColumnTransformer([("clinical", StandardScaler(), ["age"]), ("texture", StandardScaler(), ["entropy"])])
    model = make_pipeline(blocks, LogisticRegression())
    return compare_feature_sets(model, table(0), Y, cv=3, external={"<b>B</b>": (table(1), Y)}, random_state=0)


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(comparison, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    width = table(0)["width"]
    out = comparison.to_html(path, title="Hips & <knees>", subgroups={"scanner width": width}, excluded={"no DXA": 7})
    assert out == path
    source = path.read_text(encoding="utf-8")
    parser = Page()
    parser.feed(source)
    assert parser.open == []
    return source, parser


def test_it_is_whole_and_needs_no_network(page):
    source, parser = page
    links = [value for _, attrs in parser.attributes for key, value in attrs.items() if key in ("src", "href")]
    assert links
    assert all(link.startswith("data:") for link in links)
    assert "http" not in re.sub(r"data:image/png;base64,[^\"]*", "", source)


def test_it_escapes_and_shows_the_numbers(page, comparison):
    source, parser = page
    text = " ".join(parser.text)
    assert "Hips & <knees>" in text
    assert "<b>B</b>" not in source
    assert str(comparison.formatted().loc[("internal", "TC"), "auc"]) in text
    assert "7 (no DXA)" in text
    assert "Possible confounder" in text
    assert "scanner width" in text


def test_subgroups_are_those_rows_alone(comparison):
    width = table(0)["width"].to_numpy()
    own = comparison.predictions.query("cohort == 'internal' and features == 'C'")
    result = comparison.subgroups(width, features=["C"])
    assert result["n"].sum() == 120
    part = own[width == 448]
    assert result.loc[(448, "C"), "auc"] == pytest.approx(roc_auc_ci(part["y"], part["score"]).estimate)
    assert result["p_association"].iloc[0] < 0.01
    assert comparison.subgroups(np.arange(120) // 2 % 2)["p_association"].iloc[0] > 0.5
    with pytest.raises(InputError, match="one a row"):
        comparison.subgroups(width[:5])


def test_displays_hold_what_they_draw(comparison):
    own = comparison.predictions.query("cohort == 'internal' and features == 'C'")
    roc = RocPlot.from_predictions(own["y"], own["score"], readers={"r1": own["call"]}, name="C")
    assert np.trapezoid(roc.true_positive, roc.false_positive) == pytest.approx(roc.auc.estimate)
    calls = own["call"]
    assert roc.readers["r1"] == pytest.approx((calls[own["y"] == 0].mean(), calls[own["y"] == 1].mean()))
    assert CalibrationPlot.from_predictions(own["y"], own["score"], n_bins=4).groups["n"].sum() == 120
    assert len(DecisionCurvePlot.from_predictions(own["y"], own["score"]).curve) == 99
    tests = comparison.tests.loc["internal"].reset_index()
    assert len(ForestPlot(tests).plot().ax_.get_yticklabels()) == len(tests)
    matplotlib.pyplot.close("all")


def test_scores_that_know_the_scanner_are_named(tmp_path):
    rng = np.random.default_rng(0)
    scanner = np.arange(120) // 60
    X = pd.DataFrame({"age": rng.normal(Y), "entropy": rng.normal(3 * scanner + Y)})
    blocks = ColumnTransformer([("clinical", StandardScaler(), ["age"]), ("texture", StandardScaler(), ["entropy"])])
    found = compare_feature_sets(make_pipeline(blocks, LogisticRegression()), X, Y, cv=3, random_state=0)
    table = found.subgroups(scanner).reset_index().drop_duplicates("features").set_index("features")
    assert table.loc["T", "p_score"] < 1e-6 < table.loc["C", "p_score"]
    rows = found.predictions.query("features == 'T' and y == 0").sort_values("row")
    samples = [rows["score"][(scanner[rows["row"]] == k).tolist()] for k in (0, 1)]
    assert table.loc["T", "p_score"] == pytest.approx(kruskal(*samples).pvalue)
    page = found.to_html(tmp_path / "page.html", subgroups={"scanner": scanner}).read_text()
    assert "scores differ by <b>scanner</b>" in page


# Runs in the page: are the images there, and does a click on a heading sort its table?
PROBE = """
<script>
addEventListener("load", () => {
  const images = [...document.images], table = document.querySelector("#results");
  const areas = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[2].dataset.key));
  table.tHead.rows[0].cells[2].querySelector("button").click();
  const rising = areas(), sorted = [...rising].sort((a, b) => a - b);
  const found = {images: images.length, loaded: images.filter((image) => image.naturalWidth > 0).length,
                 sorted: JSON.stringify(rising) === JSON.stringify(sorted), rows: rising.length};
  document.body.insertAdjacentHTML("beforeend", `<p id="probe">${JSON.stringify(found)}</p>`);
});
</script>
"""
BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := which(name))), None)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_it_opens_in_a_browser(comparison, tmp_path):
    path = comparison.to_html(tmp_path / "report.html", subgroups={"scanner": table(0)["width"]})
    path.write_text(path.read_text().replace("</body>", PROBE + "</body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--enable-logging=stderr"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    run = subprocess.run(
        [BROWSER, *options, profile, "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(re.findall(r'<p id="probe">(.*?)</p>', run.stdout)[-1])
    assert found == {"images": found["loaded"], "loaded": found["images"], "sorted": True, "rows": 6}
    assert found["loaded"] >= 4
    assert "CONSOLE" not in run.stderr
