"""How often intervals of areas cover the truth, and how often tests of two random scores call a difference.

python benchmarks/few_events.py [--smoke]; seeds are printed with each line.
"""

import argparse

import numpy as np
from scipy.stats import norm

from deepradiomics.metrics import delong_test, roc_auc_ci


def draws(area, n_events, n_others, spread, n_draws, seed):
    """Labels and scores (n_draws, n) of two normal classes with this area; the sick vary by ``spread``."""
    y = np.repeat([0, 1], [n_others, n_events])
    shift = np.sqrt(1 + spread**2) * norm.ppf(area)
    noise = np.random.default_rng(seed).normal(size=(n_draws, len(y)))
    return y, shift * y + np.where(y == 1, spread, 1) * noise


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    smoke = parser.parse_args().smoke
    n_draws = 20 if smoke else 1000
    print("events | others | spread of the sick | area | seed | interval covers | mean length")
    for spread in (1.0,) if smoke else (1.0, 2.0, 0.5):
        for n_events in (1, 2, 3, 5, 10, 20, 100):
            for seed, area in enumerate((0.6, 0.8, 0.9, 0.99)):
                y, scores = draws(area, n_events, 100, spread, n_draws, seed)
                found = [roc_auc_ci(y, score) for score in scores]
                covered = np.mean([area in interval for interval in found]) if n_events > 1 else np.nan
                length = np.mean([interval.high - interval.low for interval in found])
                print(f"{n_events} | 100 | {spread} | {area} | {seed} | {covered:.3f} | {length:.2f}")
    print("events | others | seed | two random scores differ, p < 0.05")
    for n_events in (2, 3, 5, 10, 20, 50):
        y = np.repeat([0, 1], [100, n_events])
        scores = np.random.default_rng(n_events).normal(size=(n_draws, 2, len(y)))
        called = np.mean([delong_test(y, *pair).p_value < 0.05 for pair in scores])
        print(f"{n_events} | 100 | {n_events} | {called:.3f}")


if __name__ == "__main__":
    main()
