"""How often the checks for columns that are the label and for rows that are one patient refuse honest tables.

python benchmarks/columns.py [--smoke]; seeds are printed with each line.
"""

import argparse

import numpy as np
import pandas as pd
from scipy.stats import norm

from deepradiomics.comparison import check_separating_columns
from deepradiomics.comparison.leakage import check_hidden_patients
from deepradiomics.exceptions import LeakageError

# (what the columns are, rows, columns, area of each, tables)
DESIGNS = (
    ("honest", 100, 3, 0.9, 200),
    ("noise", 20, 30, 0.5, 300),
    ("honest", 20, 1, 0.9, 200),
)


def clinical_table(kind, n, rng):
    """Rows of different patients with columns that go together, as numbers."""
    burden, age = rng.normal(size=(n, 1)), rng.integers(40, 90, n)
    if kind == "40 findings that go together, age":
        return pd.DataFrame(rng.normal(size=(n, 40)) + 1.5 * burden > 1.5).astype(int).assign(age=age)
    if kind == "100 findings that go together":
        return pd.DataFrame(rng.normal(size=(n, 100)) + 2 * burden > 2).astype(int)
    if kind == "12 risk factors, age, body mass index":
        factors = rng.random((n, 12)) < 0.4 * rng.random(12)
        return pd.DataFrame(factors).astype(int).assign(age=age, bmi=rng.normal(25, 4, n).round(1))
    height, scores = rng.normal(165, 8, n).round(), np.clip(burden + rng.normal(size=(n, 6)), -2, 2).round()
    weight = (rng.normal(0, 12, n) + 0.9 * (height - 100)).round()
    bmi = (weight / (height / 100) ** 2).round(1)
    return pd.DataFrame(scores).assign(age=age, height=height, weight=weight, bmi=bmi)


def is_refused(table):
    """Whether rows of a table are taken for one patient."""
    try:
        check_hidden_patients(table, list(table))
    except LeakageError:
        return True
    return False


ROWS = (
    "40 findings that go together, age",
    "100 findings that go together",
    "12 risk factors, age, body mass index",
    "6 scores, age, height, weight, body mass index",
)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    smoke = parser.parse_args().smoke
    print("columns | area | rows | seed | tables | tables refused | columns listed")
    for seed, (kind, n_rows, n_columns, area, n_tables) in enumerate(DESIGNS):
        rng, refused, listed = np.random.default_rng(seed), 0, 0
        for _ in range(5 if smoke else n_tables):
            y = np.arange(n_rows) % 2
            shift = np.sqrt(2) * norm.ppf(area)
            X = pd.DataFrame(shift * y[:, None] + rng.normal(size=(n_rows, n_columns)))
            try:
                listed += len(check_separating_columns(X, y))
            except LeakageError:
                refused += 1
        print(f"{n_columns} {kind} | {area} | {n_rows} | {seed} | {5 if smoke else n_tables} | {refused} | {listed}")
    n_tables = 2 if smoke else 30
    print("equal rows: columns | rows | tables, seeds from 0 | tables refused")
    for kind in ROWS:
        refused = sum(is_refused(clinical_table(kind, 100, np.random.default_rng(seed))) for seed in range(n_tables))
        print(f"{kind} | 100 | {n_tables} | {refused}", flush=True)
    for n_columns in (2, 3, 4, 8):
        found = 0
        for seed in range(n_tables):
            table = pd.DataFrame(np.random.default_rng(seed).normal(size=(60, n_columns)))
            table.iloc[-1] = table.iloc[0]
            found += is_refused(table)
        print(f"{n_columns} measurements, one row twice | 60 | {n_tables} | {found}", flush=True)


if __name__ == "__main__":
    main()
