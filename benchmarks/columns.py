"""How often the check for columns that are the label refuses or lists honest ones.

python benchmarks/columns.py [--smoke]; seeds are printed with each line.
"""

import argparse

import numpy as np
import pandas as pd
from scipy.stats import norm

from deepradiomics.comparison import check_separating_columns
from deepradiomics.exceptions import LeakageError

# (what the columns are, rows, columns, area of each, tables)
DESIGNS = (
    ("honest", 100, 3, 0.9, 200),
    ("noise", 20, 30, 0.5, 300),
    ("honest", 20, 1, 0.9, 200),
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


if __name__ == "__main__":
    main()
