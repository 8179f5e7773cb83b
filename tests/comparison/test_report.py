"""The report is one page without network, answers first, escapes what it is given, and has the comparison's numbers."""

import json
import re
import subprocess
from collections import Counter
from functools import partial
from html import unescape
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from shutil import which
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import f_oneway, kruskal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from deepradiomics import compare_feature_sets, compare_models
from deepradiomics.comparison._record import _all_settings
from deepradiomics.exceptions import InputError
from deepradiomics.metrics import (
    CalibrationPlot,
    DecisionCurvePlot,
    ForestPlot,
    RocPlot,
    roc_auc_ci,
)
from deepradiomics.selection import BilateralSelector

matplotlib.use("Agg")
RNG = np.random.default_rng(0)
Y = np.arange(120) % 2


def table(seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"age": rng.normal(Y), "entropy": rng.normal(Y * 0.5), "width": np.where(Y + rng.random(120) > 0.7, 448, 300)}
    )


def hostile():
    """Covariates with names that a page or a spreadsheet would run, and with the names of patients."""
    return pd.DataFrame(
        {"<script>alert(1)</script>": table(0)["age"], "=HYPERLINK(1)": Y, "who": [f"Zeppelin {n}" for n in range(120)]}
    )


@pytest.fixture(scope="module")
def comparison():
    blocks = ColumnTransformer([("clinical", StandardScaler(), ["age"]), ("texture", StandardScaler(), ["entropy"])])
    model = make_pipeline(blocks, LogisticRegression())
    return compare_feature_sets(model, table(0), Y, cv=3, external={"<b>B</b>": (table(1), Y)}, random_state=0)


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.text, self.headings = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" not in self.open and "style" not in self.open:
            self.text.append(data)
            if self.open[-1:] == ["h2"]:
                self.headings.append(data)


@pytest.fixture(scope="module")
def page(comparison, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    width = table(0)["width"]
    given = {"subgroups": {"scanner width": width}, "excluded": {"no DXA": 7}, "covariates": hostile()}
    out = comparison.to_html(path, title="Hips & <knees>", **given)
    assert out == path
    source = path.read_text(encoding="utf-8")
    parser = Page()
    parser.feed(source)
    assert parser.open == []
    return source, parser


def test_it_is_whole_and_needs_no_network(page):
    source, parser = page
    links = [value for _, attrs in parser.attributes for key, value in attrs.items() if key in ("src", "href")]
    ids = [attrs["id"] for _, attrs in parser.attributes if "id" in attrs]
    assert len(links) > 10
    assert all(link.startswith("data:") or link[1:] in ids for link in links)
    assert len(ids) == len(set(ids))
    assert "http" not in source


def test_the_answer_comes_first_and_nothing_is_cut(page, comparison):
    _, parser = page
    text = " ".join(parser.text)
    assert parser.headings == [
        "The answer",
        "Who was compared",
        "Table 1: the patients",
        "ROC curves and rates",
        "Planned contrasts",
        "Calibration",
        "Decision curve",
        "Areas of each fold",
        "Subgroups",
        "Chosen features",
        "Failures",
        "What the run itself answers",
        "Settings",
        "Record",
    ]
    assert "What does texture add to clinical in telling 1 from 0?" in text
    said = comparison.summary().rstrip(".").split(". ")
    assert [item for item in said if item.replace("p < ", "p\u00a0<\u00a0") + "." not in parser.text] == []
    assert str(comparison.formatted().loc[("internal", "TC"), "auc"]) in parser.text
    assert "..." not in text
    for words in ("sensitivity", "positive predictive value", "Holm-corrected p", "area under the ROC curve"):
        assert words in text
    assert not {"auc", "ppv", "npv", "p_holm", "n_features"} & set(parser.text)
    assert json.loads(next(part for part in parser.text if '"schema"' in part)) == comparison.record()


def test_each_table_and_figure_can_be_saved_and_nobody_is_named(page):
    source, parser = page
    kinds = Counter(tag for tag, _ in parser.attributes)
    saved = Counter(kind for _, attrs in parser.attributes for kind in attrs.get("class", "").split()[1:])
    assert saved["csv"] == kinds["table"] > 8
    assert saved["svg"] == kinds["figure"] == kinds["svg"] > 8
    assert "<script>alert" not in source
    assert "<script>alert(1)</script>" in parser.text
    assert "Zeppelin" not in source


def test_a_gain_has_one_sign_on_the_whole_page(page, comparison):
    _, parser = page
    known = comparison.contrasts.loc[("internal", "C", "TC"), "difference"]
    place = next(n for n, part in enumerate(parser.text) if part.startswith("texture added to C"))
    assert f"{-known.estimate:+.2f} [{-known.high:+.2f}, {-known.low:+.2f}]" in parser.text[place]
    assert f"{-known.estimate:.2f} [{-known.high:.2f}, {-known.low:.2f}]" in parser.text


def test_chosen_features_are_those_of_the_folds(tmp_path):
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(60, 4)), columns=["age", *"xyz"])
    y, cv = np.arange(60) % 2, KFold(4)
    texture = make_pipeline(StandardScaler(), SelectKBest(k=1))
    blocks = ColumnTransformer([("clinical", "passthrough", ["age"]), ("texture", texture, list("xyz"))])
    chain = make_pipeline(blocks.set_output(transform="pandas"), LogisticRegression())
    options = {"cv": cv, "checkpoint": tmp_path / "folds", "random_state": 0}
    found, again = (compare_feature_sets(chain, X, y, **options).settings["chosen"] for _ in "ab")
    best = Counter()
    for train, _ in cv.split(X):
        own, label = X.iloc[train], y[train]
        best[max("xyz", key=lambda name: f_oneway(own.loc[label == 0, name], own.loc[label == 1, name]).statistic)] += 1
    fits = found.set_index("feature")["fits"].to_dict()
    assert fits == {"clinical__age": 4} | {f"texture__{name}": n for name, n in best.items()}
    # One that is chosen in every fold is listed, too.
    page = compare_feature_sets(chain, X, y, **options).to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    listed = [*fits, *(f"texture__{name}" for name in "xyz" if name not in best)]
    assert [f">{name}<" in page for name in listed] == [True] * len(fits) + [False] * (3 - len(best))
    pd.testing.assert_frame_equal(found, again)
    settings = compare_feature_sets(chain, X, y, **options).settings["model"].set_index("step")
    assert settings.loc["columntransformer__texture", "columns"] == "['x', 'y', 'z']"
    assert "k=1" in settings.loc["columntransformer__texture__selectkbest", "settings"]


def test_a_selector_behind_the_blocks_chooses_too(tmp_path):
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(60, 4)), columns=["age", *"xyz"])
    y, cv = np.arange(60) % 2, KFold(4)
    X[["x", "z"]] += y[:, None] * [0.8, 0.7]
    blocks = ColumnTransformer([("clinical", "passthrough", ["age"]), ("texture", "passthrough", list("xyz"))])
    blocks.set_output(transform="pandas")
    # Rotated columns are all that there were: what is kept of them is none of the blocks'.
    behind = {
        "all": [StandardScaler(), SelectKBest(k=1)],
        "imputed": [SimpleImputer(), StandardScaler(), SelectKBest(k=1)],
        "bilateral": [BilateralSelector(SelectKBest(k=1), keep="either"), StandardScaler()],
        "mixed": [PCA(), SelectKBest(k=1)],
        "inside": [make_pipeline(PCA(), SelectKBest(k=1))],
        "pca": [PCA(2)],
    }
    models = {name: make_pipeline(blocks, *steps, LogisticRegression()) for name, steps in behind.items()}
    found = compare_models(models, X, y, cv=cv, random_state=0)
    best = Counter(
        max(X, key=lambda name: f_oneway(*(X.iloc[train].loc[y[train] == code, name] for code in (0, 1))).statistic)
        for train, _ in cv.split(X)
    )
    chosen = found.settings["chosen"].set_index(["model", "feature"])["fits"]
    names = {name: f"clinical__{name}" if name == "age" else f"texture__{name}" for name in X}
    assert chosen.loc["all"].to_dict() == {names[name]: n for name, n in best.items()}
    assert chosen.loc["pca"].to_dict() == dict.fromkeys(names.values(), 4)
    n_features = found.predictions.groupby("features")["n_features"].unique().str[0].to_dict()
    assert n_features == {"all": 1, "imputed": 1, "bilateral": 2, "mixed": 1, "inside": 1, "pca": 2}
    assert chosen.loc["imputed"].to_dict() == chosen.loc["all"].to_dict()
    assert chosen.loc["bilateral"].to_dict() == {names["x"]: 4, names["z"]: 4}
    assert not {"mixed", "inside"} & set(chosen.index.get_level_values("model"))
    page = found.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "such as PCA mixes" in page
    alone = compare_feature_sets(models["mixed"], X, y, cv=cv, random_state=0)
    page = alone.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "No names; nothing was chosen, or no name is kept." in page
    assert "set_output" not in page[page.index('id="chosen-features"') : page.index('id="failures"')]


def test_chosen_features_do_not_hang_on_the_order_of_the_sets():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 90)
    X = pd.DataFrame(rng.normal(size=(90, 2)), columns=["p", "q"])
    X["word"] = np.where(rng.random(90) < 0.9, y, 1 - y).astype(str)
    hot = OneHotEncoder(sparse_output=False)
    blocks = ColumnTransformer([("texture", "passthrough", ["p", "q"]), ("clinical", hot, ["word"])])
    chain = make_pipeline(blocks.set_output(transform="pandas"), SelectKBest(k=2), LogisticRegression())
    found = [
        compare_feature_sets(chain, X, y, cv=3, feature_sets=sets, random_state=0).settings["chosen"]
        for sets in (["T", "TC"], ["TC", "T"])
    ]
    # Both columns of the word are better than p and q, so that the set of both blocks leaves nothing of texture.
    assert [len(own) for own in found] == [0, 0]


class Spelled(TransformerMixin, BaseEstimator):
    """An encoder as people write one: fitted, with names of its own."""

    def fit(self, X, y=None):
        self.words_ = sorted(set(X.iloc[:, 0]))
        return self

    def transform(self, X):
        return np.column_stack([X.iloc[:, 0] == word for word in self.words_]).astype(float)

    def get_feature_names_out(self, input_features=None):
        return np.array([f"was.{word}" for word in self.words_], dtype=object)


class Hot(OneHotEncoder):
    """One by another name."""


@pytest.mark.parametrize(
    "encode",
    [
        OneHotEncoder(sparse_output=False, handle_unknown="ignore"),
        Hot(sparse_output=False, handle_unknown="ignore"),
        FunctionTransformer(pd.get_dummies),
        Spelled(),
    ],
    ids=["sklearn", "inherited", "pandas", "own"],
)
def test_words_of_cells_are_no_names_on_the_page_and_own_names_no_headings(tmp_path, encode):
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(60, 4)), columns=["age", *"xyz"])
    X["job"] = ["organist of Steinkirch"] * 2 + [f"trade {n % 3}" for n in range(58)]
    one_hot = make_pipeline(encode, VarianceThreshold(0.02), SelectKBest(k=1))
    blocks = ColumnTransformer([("n", SelectKBest(k=1), list("xyz")), ("job", one_hot, ["job"])])
    chain = make_pipeline(blocks.set_output(transform="pandas"), LogisticRegression())
    sets = {"n": ["n"], "mae": ["n", "job"]}
    found = compare_feature_sets(chain, X, np.arange(60) % 2, cv=KFold(4), feature_sets=sets)
    page = found.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Steinkirch" not in page
    assert "trade" not in page
    # Such names are not even kept.
    assert set(found.settings["chosen"]["block"]) == {"n"}
    assert "Not listed: job; " in page
    assert ">n__y<" in page
    fold = page[page.index('id="areas-of-each-fold"') :]
    headings = re.findall(r'<th .*?<button type="button">(.*?)</button>', fold[: fold.index("</thead>")])
    assert headings == ["fold", "n", "mae"]


def test_settings_name_no_patient_and_take_classes():
    path, words = "/home/anna/Mueller_Hans.csv", pd.DataFrame({"who": ["Zeppelin"]})
    read = {"path": path, "all": [(path, Path(path))], "by": partial(max, words["who"], key=words.to_numpy())}
    load = FunctionTransformer(kw_args=read, inv_kw_args={"table": words, "there": "C:\\anna\\Mueller.csv"})
    load.func = type("Loader", (), {"__repr__": lambda self: "<Loader at 0x7F2A>"})()
    found = _all_settings({"": make_pipeline(OneHotEncoder(), load)}).set_index("step")["settings"]
    assert "dtype=<class 'numpy.float64'>" in found["onehotencoder"]
    shown = found["functiontransformer"]
    assert not re.search("anna|Zeppelin|0x", shown)
    assert "kw_args={'path': 'Mueller_Hans.csv', 'all': [('Mueller_Hans.csv', 'Mueller_Hans.csv')]" in shown
    assert "functools.partial(<built-in function max>, Series of shape (1,), key=ndarray of shape (1, 1))" in shown
    assert "inv_kw_args={'table': DataFrame of shape (1, 1), 'there': 'Mueller.csv'}" in shown


def test_it_escapes_and_shows_the_numbers(page, comparison):
    source, parser = page
    text = " ".join(parser.text)
    assert "Hips & <knees>" in text
    assert "<b>B</b>" not in source
    assert str(comparison.formatted().loc[("internal", "TC"), "auc"]) in text
    assert "no DXA" in text
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
    assert "scores differ by scanner: T" in page


# Runs in the page: does a click on a heading sort its table, and what do the buttons save?
PROBE = """
<script>
addEventListener("load", () => {
  const table = document.querySelector("#roc-curves-and-rates table");
  const areas = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[2].dataset.key));
  table.tHead.rows[0].cells[2].querySelector("button").click();
  const rising = areas(), sorted = [...rising].sort((a, b) => a - b), blobs = [], names = [];
  URL.createObjectURL = (blob) => { blobs.push(blob); return "data:,"; };
  HTMLAnchorElement.prototype.click = function () { names.push(this.download); };
  for (const button of document.querySelectorAll(".save")) button.click();
  Promise.all(blobs.map((blob) => blob.text())).then((texts) => {
    const probe = document.createElement("p");
    const saved = Object.fromEntries(names.map((name, place) => [name, texts[place]]));
    const found = {sorted: JSON.stringify(rising) === JSON.stringify(sorted), rows: rising.length, saved};
    probe.textContent = JSON.stringify(found);
    probe.id = "probe";
    document.body.append(probe);
  });
});
</script>
"""
BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := which(name))), None)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_it_opens_in_a_browser(comparison, tmp_path):
    path = comparison.to_html(tmp_path / "report.html", covariates=hostile())
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
    found = json.loads(unescape(re.findall(r'<p id="probe">(.*?)</p>', run.stdout, re.S)[-1]))
    assert (found["sorted"], found["rows"]) == (True, 6)
    saved = found["saved"]
    rates = pd.read_csv(StringIO(saved["roc-curves-and-rates-1.csv"])).set_index(["cohort", "feature set"])
    known = comparison.formatted()
    assert rates.loc[("internal", "TC"), "sensitivity"] == str(known.loc[("internal", "TC"), "sensitivity"])
    one = pd.read_csv(StringIO(saved["table-1-the-patients-1.csv"]))
    # A spreadsheet takes what starts with an apostrophe for text.
    assert set(one["covariate"]) == {"<script>alert(1)</script>", "'=HYPERLINK(1)", "who"}
    contrasts = pd.read_csv(StringIO(saved["planned-contrasts-1.csv"]))
    assert not contrasts["difference"].str.startswith("'").any()
    assert json.loads(saved["record.json"]) == comparison.record()
    drawn = ElementTree.fromstring(saved["overview.svg"])
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert "internal" in [part.text for part in drawn.iter() if part.tag.endswith("text")]
    assert "CONSOLE" not in run.stderr
