"""Table 1 has the numbers of pandas and statsmodels, or of a formula that stands here, and names nobody."""

import re
from math import comb

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.stats import chi2, norm, t
from statsmodels.stats.weightstats import ttest_ind

from deepradiomics.comparison._covariates import describe_covariates
from deepradiomics.exceptions import InputError

RNG = np.random.default_rng(0)
N = 90
Y = np.arange(N) % 2
THREE = np.arange(N) % 3
X = pd.DataFrame(
    {
        "age": RNG.normal(65 + 3 * Y, 8),
        "ferritin": RNG.exponential(80, N),
        "sex": np.where(RNG.random(N) < 0.7 - 0.3 * Y, "F", "M"),
        "smoker": RNG.choice(["never", "past", "now"], N),
    }
)


def row(found, name):
    return found[found["covariate"] == name].iloc[0]


def two_of_each(column):
    return X.loc[Y == 0, column], X.loc[Y == 1, column]


@pytest.fixture(scope="module")
def two():
    return describe_covariates(X, Y, classes=["healthy", "osteoporosis"])


def test_means_are_pandas_and_welch_is_statsmodels(two):
    a, b = two_of_each("age")
    found = row(two, "age")
    assert found["measure"] == "mean (SD)"
    assert found["healthy (n = 45)"] == f"{a.mean():.1f} ({a.std():.1f})"
    assert found["osteoporosis (n = 45)"] == f"{b.mean():.1f} ({b.std():.1f})"
    assert found["test"] == "Welch's t"
    assert found["p"] == pytest.approx(ttest_ind(a, b, usevar="unequal")[1])


def test_skewed_numbers_have_medians_and_ranks(two):
    a, b = two_of_each("ferritin")
    found = row(two, "ferritin")
    quarter, half, three = a.quantile([0.25, 0.5, 0.75])
    assert found["healthy (n = 45)"] == f"{half:.0f} [{quarter:.0f}, {three:.0f}]"
    # Mann and Whitney's normal approximation with correction for continuity; there are no ties.
    u = X["ferritin"].rank()[Y == 0].sum() - len(a) * (len(a) + 1) / 2
    spread = np.sqrt(len(a) * len(b) * (N + 1) / 12)
    assert found["test"] == "Mann-Whitney"
    assert found["p"] == pytest.approx(2 * norm.sf((abs(u - len(a) * len(b) / 2) - 0.5) / spread))


def test_levels_have_counts_and_chi_square(two):
    counts = pd.crosstab(X["sex"], Y).to_numpy()
    found = two[two["covariate"] == "sex"]
    shares = 100 * counts / counts.sum(axis=0)
    assert found["measure"].tolist() == ["F, n (%)", "M, n (%)"]
    for place, name in enumerate(["healthy (n = 45)", "osteoporosis (n = 45)"]):
        assert found[name].tolist() == [
            f"{n} ({share:.0f} %)" for n, share in zip(counts[:, place], shares[:, place], strict=True)
        ]
    (a, b), (c, d) = counts
    yates = N * (abs(a * d - b * c) - N / 2) ** 2 / np.prod([*counts.sum(axis=0), *counts.sum(axis=1)])
    assert found["test"].iloc[0] == "chi-square (Yates)"
    assert found["p"].iloc[0] == pytest.approx(chi2.sf(yates, 1))
    smoker = row(two, "smoker")
    table = sm.stats.Table(pd.crosstab(X["smoker"], Y), shift_zeros=False)
    assert smoker["p"] == pytest.approx(table.test_nominal_association().pvalue)


def test_few_expected_counts_take_fishers_test():
    # A count of 0 is shown, so nothing is hidden.
    y, implant = np.repeat([0, 1], [12, 30]), np.repeat([1, 0, 0], [5, 7, 30])
    found = row(describe_covariates(pd.DataFrame({"implant": implant}), y, classes="ab"), "implant")
    # All tables with the same margins that are no more likely than the one found.
    ways = {k: comb(12, k) * comb(30, 5 - k) for k in range(6)}
    assert found["test"] == "Fisher's exact"
    assert found["p"] == pytest.approx(sum(n for n in ways.values() if n <= ways[5]) / sum(ways.values()))


@pytest.mark.parametrize(("n", "p"), [(7, "< 0.05"), (3, "≥ 0.05")])
def test_a_test_does_not_tell_a_hidden_count(n, p):
    y, implant = np.repeat([0, 1], [12, 30]), np.repeat([1, 0, 1, 0], [n, 12 - n, 4, 26])
    found = row(describe_covariates(pd.DataFrame({"implant": implant}), y, classes="ab"), "implant")
    assert found["b (n = 30)"] == "≥ 26"
    assert found["p"] == p
    assert found["test"] == "chi-square or Fisher's exact"


@pytest.mark.parametrize("counts", [(4, 4), (4, 1), (4, 3, 2), (5, 1), (6, 2), (5, 4, 3)])
def test_a_bound_that_would_tell_a_small_count_is_not_shown(counts):
    words = np.concatenate([np.repeat(list("vwx")[: len(counts)], counts), np.repeat(list("vwx"), 10)])
    y = np.repeat([0, 1], [sum(counts), 30])
    found = describe_covariates(pd.DataFrame({"stage": words}), y, classes="ab")
    assert set(found[f"a (n = {sum(counts)})"]) == {"not shown"}


def test_what_cannot_be_described_is_refused():
    with pytest.raises(InputError, match="column 'age' has infinite numbers"):
        describe_covariates(X.assign(age=X["age"].where(Y == 0, np.inf)), Y, classes="ab")
    with pytest.raises(InputError, match="2 columns are named 'age'"):
        describe_covariates(pd.concat([X, X[["age"]]], axis=1), Y, classes="ab")


def test_three_classes_and_numbers():
    three = describe_covariates(X, THREE, classes=["a", "b", "c"])
    line = smf.ols("age ~ C(y)", X.assign(y=THREE)).fit()
    assert row(three, "age")["test"] == "analysis of variance"
    assert row(three, "age")["p"] == pytest.approx(line.f_pvalue)
    sums = X["ferritin"].rank().groupby(THREE).sum()
    h = 12 / (N * (N + 1)) * (sums**2 / 30).sum() - 3 * (N + 1)
    assert row(three, "ferritin")["p"] == pytest.approx(chi2.sf(h, 2))
    values = RNG.normal(X["age"])
    numbers = describe_covariates(X, values)
    rho = X["age"].corr(pd.Series(values), method="spearman")
    assert list(numbers)[2] == "all (n = 90)"
    assert row(numbers, "age")["p"] == pytest.approx(2 * t.sf(abs(rho) * np.sqrt((N - 2) / (1 - rho**2)), N - 2))
    assert row(numbers, "smoker")["test"] == "Kruskal-Wallis"


def test_nothing_that_fewer_than_five_share_is_shown():
    words = pd.DataFrame(
        {
            "name": [f"Zeppelin {number}" for number in range(60)],
            "sex": ["M"] * 3 + ["F"] * 27 + ["M"] * 10 + ["F"] * 20,
            "stage": ["i"] * 2 + ["ii"] * 3 + ["iii"] * 25 + ["i"] * 10 + ["ii"] * 10 + ["iii"] * 10,
            "film": [np.zeros((2, 2))] * 60,
            "born": pd.Timestamp("1950-01-01"),
        }
    )
    found = describe_covariates(words, np.arange(60) // 30, classes=["a", "b"])
    assert "Zeppelin" not in found.to_string()
    assert set(found["covariate"]) == {"name", "sex", "stage"}
    assert found.loc[found["covariate"] == "sex", "a (n = 30)"].tolist() == ["≥ 26", "< 5"]
    assert found.loc[found["covariate"] == "stage", "a (n = 30)"].tolist() == ["< 5", "< 5", "≥ 22"]
    assert found.loc[found["covariate"] == "stage", "b (n = 30)"].tolist() == ["10 (33 %)"] * 3
    # No count that is shown is a small one.
    shown = [int(n) for cell in found.iloc[:, 2:4].to_numpy().ravel() for n in re.findall(r"^(\d+) \(", cell)]
    assert min(shown) >= 5
    few = describe_covariates(pd.DataFrame({"age": np.arange(12.0)}), np.arange(12) // 8, classes=["a", "b"])
    assert few.iloc[0]["b (n < 5)"] == "fewer than 5"
    assert few.iloc[0]["test"] == "not defined: fewer than 5 patients in a group"


def test_patients_count_once_and_missing_values_are_counted():
    table = pd.DataFrame({"age": [60, 99, *range(61, 79), None, None], "ward": ["east"] * 22})
    patients = [0, 0, *range(1, 21)]
    y = [0] * 11 + [1] * 11
    found = describe_covariates(table, y, patients, ["a", "b"])
    assert list(found)[2:4] == ["a (n = 10)", "b (n = 11)"]
    known = pd.Series([60, *range(61, 70)])
    assert row(found, "age")["a (n = 10)"] == f"{known.mean():.1f} ({known.std():.1f})"
    assert row(found, "age")["missing"] == "< 5"
    assert row(found, "ward")["test"].startswith("not defined: one level")
    both = describe_covariates(table, y, [*patients[:-1], 0], ["a", "b"])
    assert row(both, "age")["test"] == "not tested: fewer than 5 patients are in several classes"
    assert np.isnan(row(both, "age")["p"])
