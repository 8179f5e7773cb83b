"""Tries to fool a comparison in every way that an audit of an early version found, and prints what happens now.

python benchmarks/honesty.py [DATA] [--smoke]; DATA is a folder with the knees, which are left out without it. The
column "then" is what that audit wrote down; the column "now" is run. Seeds are fixed in the code.
"""

import argparse
import json
import warnings
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from jsonschema import Draft202012Validator
from scipy.stats import norm
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LassoCV, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from copies import KINDS, table_of
from deepradiomics import clinical_encoder, compare_feature_sets, compare_models
from deepradiomics.comparison import check_separating_columns, duplicate_groups, near_duplicates
from deepradiomics.comparison.copies import check_copies
from deepradiomics.exceptions import DeepRadiomicsError
from deepradiomics.harmonization import ComBat
from deepradiomics.metrics import (
    bootstrap_interval,
    delong_covariance,
    delong_test,
    diagnostic_rates,
    multiclass_auc,
    roc_auc_ci,
)
from deepradiomics.simulation import make_hips
from few_events import draws
from power import FOLDS, cohort, fitted, folds

N = 60
RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(N, 8))).add_prefix("x")
Y = np.arange(N) % 2


def compare(table=X, y=Y, model=None, **given):
    """A comparison with two folds."""
    model = LogisticRegression() if model is None else model
    return compare_models({"m": model}, table, y, cv=2, random_state=0, **given)


def seen(call):
    """Whether an attack is refused, listed in the report, or passes."""
    try:
        found = call()
    except DeepRadiomicsError as error:
        return f"refused: {error.code}"
    listed = len(found) if isinstance(found, pd.DataFrame) else len(found.settings["possible_leaks"])
    return "listed" if listed else "PASSES"


def each(calls):
    """The same for several attacks of a kind."""
    found = [seen(call) for call in calls]
    kinds = pd.Series(found).value_counts()
    return "; ".join(f"{kind} ({n} of {len(found)})" if len(kinds) > 1 else kind for kind, n in kinds.items())


# Numbers that are not defined.


def one_event():
    y = np.r_[np.zeros(40), 1]
    found = roc_auc_ci(y, np.arange(41.0))
    return f"[{found.low}, {found.high}]: {found.reason}"


def one_event_test():
    return f"p = {delong_test(np.r_[np.zeros(40), 1], *np.random.default_rng(0).normal(size=(2, 41))).p_value}"


def one_event_elsewhere():
    y = np.r_[np.zeros(39), 1].astype(int)
    score = np.random.default_rng(0).normal(size=40)
    outside = compare(external={"B": (X[:40] + 9, y)})
    labels = np.where((Y == 1) & (np.arange(N) > 1), "A", "B")
    subgroup = compare().subgroups(labels).loc["B"]
    classes = multiclass_auc(np.r_[y[:-1], 1, 2, 2], np.random.default_rng(0).random((42, 3)))
    lows = {
        "external cohort": outside.table.loc[("B", "m"), "auc_low"],
        "subgroup": subgroup["auc_low"].iloc[0],
        "class of several": classes[1].low,
        "one patient in several rows": roc_auc_ci(y[-4:] * 0 + [0, 0, 1, 1], score[:4], groups=[1, 2, 3, 3]).low,
    }
    return "no interval: " + ", ".join(name for name, low in lows.items() if np.isnan(low))


def coverage(n_draws):
    covered = {}
    for n_events in (2, 3, 5, 10, 20):
        shares = []
        for seed, area in enumerate((0.6, 0.8, 0.9, 0.99)):
            y, scores = draws(area, n_events, 100, 1.0, n_draws, seed)
            shares.append(np.mean([area in roc_auc_ci(y, score) for score in scores]))
        covered[n_events] = f"{min(shares):.2f} to {max(shares):.2f} ({n_events})"
    return ", ".join(covered.values())


def random_tests(n_draws):
    called = []
    for n_events in (2, 3, 5, 10, 20):
        y = np.repeat([0, 1], [100, n_events])
        scores = np.random.default_rng(n_events).normal(size=(n_draws, 2, len(y)))
        share = np.mean([delong_test(y, *pair).p_value < 0.05 for pair in scores])
        called.append(f"{share:.2f} ({n_events})")
    return ", ".join(called)


def perfect():
    lows = [f"{roc_auc_ci(np.repeat([0, 1], n), np.arange(2 * n)).low:.2f} at {n}/{n}" for n in (5, 10, 20, 50)]
    rates = diagnostic_rates(np.repeat([0, 1], 10), np.repeat([0, 1], 10))
    return f"{', '.join(lows)}; at 10/10 F1 from {rates.f1.low:.2f}, sensitivity from {rates.sensitivity.low:.2f}"


def clusters(n_draws):
    """Ten patients a class with three rows each, of which two thirds of the variance are the patient's."""
    rng, area = np.random.default_rng(0), 0.8
    patient, y = np.repeat(np.arange(20), 3), np.repeat([0, 1], 30)
    shift = np.sqrt(2) * norm.ppf(area) * y
    inside = 0
    for _ in range(n_draws):
        score = shift + np.sqrt(2 / 3) * rng.normal(size=20)[patient] + np.sqrt(1 / 3) * rng.normal(size=60)
        inside += area in roc_auc_ci(y, score, groups=patient)
    return f"covers in {inside / n_draws:.2f} with 10 patients a class"


def float_labels():
    y, score = np.repeat([0, 1], [20, 4]), np.random.default_rng(0).normal(size=24)

    def area(y, score):
        return roc_auc_ci(y, score).estimate

    whole, floats = (
        bootstrap_interval(area, labels, score, n_resamples=200, random_state=0) for labels in (y, y.astype(float))
    )
    return "as whole numbers" if whole == floats else "NOT as whole numbers"


def constant_at_a_site():
    rng, site = np.random.default_rng(0), np.repeat(["A", "B"], 30)
    table = rng.normal(size=(60, 5))
    constant = table.copy()
    constant[:30, 0] = 3.0
    rest = []
    for parametric in (True, False):
        own = ComBat(parametric=parametric).fit_transform(constant, site=site)
        alone = ComBat(parametric=parametric).fit_transform(constant[:, 1:], site=site)
        rest.append(abs(own[:30, 1:] - alone[:30]).max())
        assert np.ptp(own[:30, 0]) < 1e-9
    return f"its mean only; the other features of the site differ by {max(rest):.0e} from those without it"


# Power.


def power(n_draws):
    """How often the library's test with one split finds 0.82 better than 0.74, and calls two equal sets different."""
    shares = {}
    for case in ("0.82", "equal"):
        rng, called = np.random.default_rng(0), {1.0: 0, 1.45: 0, 2.25: 0}
        for _ in range(n_draws):
            y, features, *columns = cohort(case, 100, rng)
            held_out = folds(y, rng)[0] == np.arange(FOLDS)[:, None]
            scores = []
            for own in columns:
                beta, table = fitted(features[:, own], y, (~held_out).astype(float))
                scores.append(((beta @ table.T) * held_out).sum(axis=0))
            auc, cov = delong_covariance(y, scores)
            z = (auc[0] - auc[1]) / np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
            for factor in called:
                called[factor] += (z if case != "equal" else abs(z)) / np.sqrt(factor) > norm.isf(0.025)
        shares[case] = called
    return (
        f"{shares['0.82'][1.45] / n_draws:.2f}, level {shares['equal'][1.45] / n_draws:.2f} (in the same cohorts "
        f"before {shares['0.82'][2.25] / n_draws:.2f} and {shares['equal'][2.25] / n_draws:.2f}, plain DeLong "
        f"{shares['0.82'][1.0] / n_draws:.2f} and {shares['equal'][1.0] / n_draws:.2f})"
    )


# Patients.

NAMES = ("pid", "subject", "PatientID", "mrn", "patient_id", "study_uid", "Patient")


def named_patients():
    pairs = np.arange(N) // 2
    tables = [X.assign(**{name: pairs}) for name in NAMES] + [X.set_index(pd.Index(pairs, name="mrn"))]
    return each([lambda table=table: compare(table) for table in tables])


def duplicate_rows(n_columns):
    table = pd.concat([X.iloc[:30, :n_columns]] * 2, ignore_index=True)
    return lambda: seen(lambda: compare(table, np.random.default_rng(1).integers(0, 2, 30)[np.arange(N) % 30]))


def one_duplicate():
    table = X.copy()
    table.iloc[40] = table.iloc[5]
    return seen(lambda: compare(table))


def outside(shift=9.0, **columns):
    return (X[:2] + shift).assign(**columns)


def written_otherwise():
    calls = []
    for one, other in ((7, 7.0), ("007", 7), ("P1", "p1 ")):
        own = X.assign(patient=pd.Series([one, *(f"q{i}" for i in range(N - 1))], dtype=object))
        far = outside(patient=pd.Series([other, "z"], dtype=object))
        calls.append(lambda own=own, far=far: compare(own, external={"B": (far, [0, 1])}))
    return each(calls)


def groups_against_column():
    return seen(lambda: compare(groups=[f"P{i}" for i in range(N)], external={"B": (outside(mrn=["P5", "z"]), [0, 1])}))


def two_outside():
    cohorts = {"A": (outside(mrn=["P1", "x"]), [0, 1]), "B": (outside(20, PatientID=["y", "p1 "]), [0, 1])}
    return seen(lambda: compare(external=cohorts))


def rows_under_new_ids():
    far, named = outside(patient=[1, 2]), X.assign(patient=np.arange(N) + 100)
    far.iloc[1, :8] = X.iloc[5]
    twice = named.copy()
    twice.iloc[40, :8] = twice.iloc[5, :8]
    across = seen(lambda: compare(named, external={"B": (far, [0, 1])}))
    return f"in two cohorts {across}; in one {seen(lambda: compare(twice))}"


# Images.


def changed_copies(n_hips):
    hips = [hip.pixels for hip in make_hips(n_hips, random_state=0, image_shape=(256, 256)).data["radiograph"]]
    found = []
    for kind in ("cropped by 1 % on each side", "shifted by 3 %", "turned by 1 degree", "mirrored", "inverted"):
        copies = [np.ascontiguousarray(KINDS[kind](hip)) for hip in hips]
        pairs = near_duplicates(table_of(hips + copies), None)
        n = len({(i, n_hips + i) for i in range(n_hips)} & set(zip(pairs["row_a"], pairs["row_b"], strict=True)))
        found.append(f"{kind} {n}")
    return f"listed, of {n_hips}: " + ", ".join(found)


def a_row_a_hip():
    """One film of a patient in two rows of an external cohort."""
    film = np.random.default_rng(0).normal(size=(3, 32, 32))
    tables = {"internal": pd.DataFrame({"film": [film[0]]}), "B": pd.DataFrame({"film": [film[1], film[1]]})}
    same = len(check_copies(tables, None, {"B": np.array([0, 0])}))
    return f"one patient: passes, {same} pairs listed; unknown patients {seen(lambda: check_copies(tables, None))}"


# Columns.


def label_as_column(n, n_events, n_columns):
    def call():
        y = np.random.default_rng(0).permutation(np.arange(n) < n_events).astype(int)
        table = pd.DataFrame(np.random.default_rng(1).normal(size=(n, n_columns))).assign(hidden=y)
        return check_separating_columns(table, y)

    return lambda: seen(call)


def disguised(make):
    y, rng = np.random.default_rng(0).permutation(np.arange(100) < 50).astype(int), np.random.default_rng(3)
    return lambda: seen(lambda: check_separating_columns(pd.DataFrame({"x": make(y, rng)}), y))


DISGUISES = {
    "with noise of sd 0.3": ("passes (area 0.99)", lambda y, rng: y + rng.normal(0, 0.3, 100)),
    "with one of 100 rows flipped": ("passes (0.98)", lambda y, _: np.where(np.arange(100) == 7, 1 - y, y)),
    "as even and odd": ("passes (1.00)", lambda y, rng: 2 * rng.integers(0, 500, 100) + y),
    "as a middle band": (
        "passes (1.00)",
        lambda y, rng: np.where(y, rng.uniform(-1, 1, 100), rng.choice([-2, 2], 100) + y),
    ),
    "as what is missing": ("passes", lambda y, rng: np.where(y, rng.normal(size=100), np.nan)),
}


# Order.


def shuffled():
    order = np.random.default_rng(0).permutation(N)
    other, labels = pd.Series(np.arange(N) // 2).iloc[order], np.arange(N) // 2 % 2
    found = compare()
    return each(
        [
            lambda: compare(X.iloc[order], pd.Series(Y)),
            lambda: compare(groups=other),
            lambda: compare(model=make_pipeline(ComBat(), LogisticRegression()), site=other % 2),
            lambda: compare(external={"B": ((X + 9).iloc[order], pd.Series(Y))}),
            lambda: found.subgroups(pd.Series(labels).iloc[order]),
            lambda: found.shortcuts(pd.DataFrame({"sex": labels}).iloc[order]),
            lambda: roc_auc_ci(pd.Series(Y), pd.Series(X["x0"]).iloc[order]),
        ]
    )


def row_numbers():
    rng = np.random.default_rng(5)
    numbers = np.arange(N), rng.permutation(N), np.arange(N) + rng.normal(0, 3, N)
    calls = [lambda values=values: compare(X.assign(number=values)) for values in numbers]
    return f"in order {seen(calls[0])}; shuffled {seen(calls[1])}; noisy {seen(calls[2])}"


# Steps, sites, event, shortcuts, record.


def steps():
    holds = FunctionTransformer(lambda table, kept=Y: table)
    scaler = FrozenEstimator(StandardScaler().fit(X))
    numbers = np.random.default_rng(0).normal(size=N)
    pairs = np.arange(N) // 2
    return (
        f"holds y: {seen(lambda: compare(model=make_pipeline(holds, LogisticRegression())))}; "
        f"fitted on all rows: {seen(lambda: compare(model=make_pipeline(scaler, LogisticRegression())))}; "
        f"cv=3: {seen(lambda: compare(y=numbers, model=LassoCV(cv=3), groups=pairs))}"
    )


def site_effect(n=200):
    """A feature that tells y once the shift of the site is gone; the area with and without ComBat."""
    rng, site, y = np.random.default_rng(0), np.arange(n) // 2 % 2, np.arange(n) % 2
    table = pd.DataFrame({"x": rng.normal(size=n) + 1.2 * y + 6.0 * site, "z": rng.normal(size=n)})
    model = make_pipeline(ComBat(), LogisticRegression())
    plain, adjusted = (found.table["auc"].iloc[0] for found in (compare(table, y), compare(table, y, model, site=site)))
    late = ComBat().fit(table, site=site)
    return (
        f"without site= {seen(lambda: compare(table, y, model))}; with it the area is {adjusted:.2f} and not "
        f"{plain:.2f}; transform without site {seen(lambda: late.transform(table))}"
    )


def events():
    found = [compare(y=np.array(pair)[Y]) for pair in (("abnormal", "normal"), ("case", "control"))]
    asked = seen(lambda: compare(y=np.array(["green", "red"])[Y]))
    return f"{found[0].classes[1]}, {found[1].classes[1]}; above the table '{repr(found[0]).splitlines()[0]}'; " + (
        f"green/red {asked}"
    )


def shortcuts(shift, n=200):
    rng, y = np.random.default_rng(3), np.arange(n) % 2
    site = np.where(rng.random(n) < np.where(y == 1, 0.8, 0.2), "A", "B")
    table = pd.DataFrame(rng.normal(size=(n, 3)) + shift * (site == "A")[:, None], columns=list("abc"))
    blocks = ColumnTransformer([("texture", StandardScaler(), list("abc"))])
    model = make_pipeline(blocks, LogisticRegression())
    found = compare_feature_sets(model, table, y, cv=3, random_state=0).shortcuts(pd.DataFrame({"site": site}))
    told, matched = found.told.iloc[0], found.matched.iloc[0]
    return (
        f"tells the site with {told.auc:.2f} [{told.auc_low:.2f}, {told.auc_high:.2f}]; diagnosis {matched.auc:.2f}, "
        f"within matched pairs {matched.auc_matched:.2f}"
    )


def record():
    found = compare(X.assign(patient=[f"secret{i}" for i in range(N)])).record()
    schema = json.loads(files("deepradiomics.comparison").joinpath("templates/record.schema.json").read_text())
    errors = list(Draft202012Validator(schema).iter_errors(found))
    return f"{len(errors)} errors against its schema; names a patient: {'secret' in json.dumps(found)}"


def knees(data):
    if data is None or not (data / "knees").is_dir():
        return "not tried: no folder of knees"
    table = pd.read_csv(data / "knees/clinical.csv", skipinitialspace=True)
    film = [str(data / "knees/images" / name) for name in table["image"]]
    y, table = table["label"] == "osteoporosis", table[["age"]].assign(film=film, patient=table["id"])
    # The second copy of each film that is there twice, and ten films of its own.
    part_b = pd.Series(duplicate_groups(film)).duplicated() | (table.index % 13 == 3)
    blocks = ColumnTransformer(
        [
            ("clinical", clinical_encoder(), ["age"]),
            ("texture", FunctionTransformer(lambda films: np.array([[len(name)] for name in films["film"]])), ["film"]),
        ]
    )
    model = make_pipeline(blocks, LogisticRegression())
    given = {"cv": 2, "external": {"part B": (table[part_b], y[part_b])}}
    try:
        compare_feature_sets(model, table[~part_b], y[~part_b], **given)
    except DeepRadiomicsError as error:
        return f"{(~part_b).sum()} and {part_b.sum()} knees: refused, {str(error).split(' and could')[0]}"
    return "PASSES"


def lines(smoke, data):
    """Each line of the audit: its name, what it found, and what to run."""
    n = 20 if smoke else 400
    yield "one event: interval of the area", "covers in 35 %", one_event
    yield "one event: test of two random scores", "p < 0.05 in 62 %", one_event_test
    yield "one event elsewhere", "an interval", one_event_elsewhere
    yield "2, 3, 5, 10, 20 events: interval covers", "76 % (2), 82 % (3)", lambda: coverage(n)
    yield "2, 3, 5, 10, 20 events: two random scores differ", "not noted", lambda: random_tests(n)
    yield "area of exactly 1: lower end", "none", perfect
    yield "clustered rows, few patients", "normal quantiles", lambda: clusters(n)
    yield "labels as floats in `bootstrap_interval`", "not as labels", float_labels
    yield "ComBat: a feature is constant at a site", "changes others", constant_at_a_site
    yield "n = 100: 0.82 is found better than 0.74", "4 % (plain DeLong 38 %, level 6 to 14 %)", lambda: power(n // 4)
    yield "patients under another name, 8 names", "passes", named_patients
    yield "all rows twice, 8 columns, random labels", "area 0.86", duplicate_rows(8)
    yield "all rows twice, 4 columns, random labels", "passes", duplicate_rows(4)
    yield "one row twice, 8 columns", "passes", one_duplicate
    yield "ids 7 and 7.0, `007` and 7, `P1` and `p1 `", "passes", written_otherwise
    yield "`groups=` inside, a column outside", "passes", groups_against_column
    yield "two external cohorts share a patient", "passes", two_outside
    yield "equal clinical rows under new ids", "passes", rows_under_new_ids
    yield "changed copies of an image", "passes", lambda: changed_copies(3 if smoke else 40)
    yield "external cohort with a row a hip", "refused", a_row_a_hip
    yield "the label as a column, 20 rows", "passes", label_as_column(20, 10, 1)
    yield "the label as a column, 3 events in 100", "passes", label_as_column(100, 3, 1)
    yield "the label among 1,500 columns", "passes", label_as_column(100, 50, 1500)
    for name, (then, make) in DISGUISES.items():
        yield f"the label {name}", then, disguised(make)
    yield "y, groups, site, cohort, subgroups, nuisances, scores in another order", "passes", shuffled
    yield "the number of the row", "passes", row_numbers
    yield "steps", "passes", steps
    yield "ComBat in a comparison", "does nothing", site_effect
    yield "event of abnormal/normal and case/control", "normal, control", events
    yield "texture that knows only the site", "not asked", lambda: shortcuts(2.0)
    yield "twins without an effect of the site", "not asked", lambda: shortcuts(0.0)
    yield "record", "none", record
    yield "133 knees in two parts that share films under other ids", "refused", lambda: knees(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="folder with knees")
    parser.add_argument("--smoke", action="store_true", help="the smallest run, to see that it works")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    print("| attack | then | now |\n|---|---|---|")
    for name, then, now in lines(arguments.smoke, arguments.data):
        print(f"| {name} | {then} | {now()} |", flush=True)


if __name__ == "__main__":
    main()
