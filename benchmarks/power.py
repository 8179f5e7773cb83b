"""Which paired test of cross-validated areas keeps its level, and which finds that a block helps?

Two blocks of normal features, a ridge logistic regression, 5 folds in 10 repeats, 40 % events. Level: a block of pure
noise is added; the added block only repeats what the first one knows; two blocks of equal worth are compared. Power:
areas of 0.74 against 0.78, 0.82 and 0.86 for the two blocks together (of the best rule; learned ones have less).

python benchmarks/power.py [--smoke]; the seed of each line is printed.
"""

import argparse
from itertools import combinations, product
from zlib import crc32

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.ensemble import ExtraTreesClassifier

from deepradiomics.metrics import delong_covariance

FOLDS, REPEATS, RIDGE = 5, 10, 1.0
BASE = np.sqrt(2) * norm.ppf(0.74)


def cohort(case, n, rng):
    """Labels, and the columns of the two sets that are compared: features (n, p), columns of set A, of set B."""
    y = np.zeros(n, dtype=int)
    y[: round(0.4 * n)] = 1
    clinical = rng.normal(size=(n, 3)) + y[:, None] * BASE / np.sqrt(3)
    if case == "equal":
        return y, np.c_[clinical, rng.normal(size=(n, 3)) + y[:, None] * BASE / np.sqrt(3)], [3, 4, 5], [0, 1, 2]
    texture = rng.normal(size=(n, 5))
    if case == "repeats":
        texture += clinical @ rng.normal(size=(3, 5))
    elif case != "noise":
        texture += y[:, None] * np.sqrt(2 * norm.ppf(float(case)) ** 2 - BASE**2) / np.sqrt(5)
    return y, np.c_[clinical, texture], list(range(8)), [0, 1, 2]


def folds(y, rng):
    """Fold of each row in each repeat (n_repeats, n), the classes spread evenly."""
    found = np.empty((REPEATS, len(y)), dtype=int)
    for own in found:
        for label in (0, 1):
            rows = rng.permutation(np.flatnonzero(y == label))
            own[rows] = (np.arange(len(rows)) + rng.integers(FOLDS)) % FOLDS
    return found


def fitted(features, y, weights):
    """Coefficients (n_fits, p + 1) of ridge logistic regressions on the rows of weight 1 (n_fits, n), by Newton."""
    X = np.c_[features / features.std(axis=0), np.ones(len(y))]
    products = (X[:, :, None] * X[:, None, :]).reshape(len(y), -1)
    penalty = RIDGE * np.diag([1.0] * features.shape[1] + [1e-6])
    beta = np.zeros((len(weights), X.shape[1]))
    for _ in range(7):
        p = 1 / (1 + np.exp(-np.clip(beta @ X.T, -30, 30)))
        slope = (weights * (y - p)) @ X - beta @ penalty
        curvature = ((weights * p * (1 - p)) @ products).reshape(len(weights), X.shape[1], -1) + penalty
        beta += np.linalg.solve(curvature, slope[..., None])[..., 0]
    return beta, X


def area(y, score):
    """Area of scores without ties (..., n)."""
    ranks = score.argsort(axis=-1).argsort(axis=-1) + 1
    n_events = y.sum()
    return (ranks[..., y == 1].sum(axis=-1) - n_events * (n_events + 1) / 2) / (n_events * (len(y) - n_events))


def p_normal(difference, variance):
    return difference, 2 * norm.sf(abs(difference) / np.sqrt(variance))


def candidates(y, features, columns, fold, rng):
    """(difference, p) of each test for one cohort."""
    held_out = fold[:, None, :] == np.arange(FOLDS)[None, :, None]
    out_of_fold, betas, tables = [], [], []
    for own in columns:
        beta, X = fitted(features[:, own], y, (~held_out).reshape(-1, len(y)).astype(float))
        scores = (beta @ X.T).reshape(held_out.shape)
        out_of_fold.append((scores * held_out).sum(axis=1))
        betas.append(beta)
        tables.append(X)
    pooled = [delong_covariance(y, pair) for pair in zip(*out_of_fold, strict=True)]
    differences = np.array([auc[0] - auc[1] for auc, _ in pooled])
    variances = np.array([cov[0, 0] + cov[1, 1] - 2 * cov[0, 1] for _, cov in pooled])
    shared = FOLDS / (FOLDS - 1)  # sum of n_test / n_train over the folds, of Nadeau and Bengio
    found = {"DeLong, 1 split": p_normal(differences[0], variances[0])}
    found["DeLong x 1.45, 1 split"] = p_normal(differences[0], 1.45 * variances[0])
    for n in (1, 3, 10):
        mean, variance = differences[:n].mean(), variances[:n].mean()
        found[f"DeLong x (1.25 + 1/{n}), {n} splits"] = p_normal(mean, (1 / n + shared) * variance)
    found["DeLong, 10 splits"] = p_normal(mean, variance)
    several = shared * variance + (0.2 * variance + differences.var(ddof=1)) / REPEATS
    found["DeLong x 1.27 + variance between 10 splits"] = p_normal(mean, several)
    auc, cov = delong_covariance(y, [scores.mean(axis=0) for scores in out_of_fold])
    own = cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]
    found["DeLong x 1.25, scores averaged over 10 splits"] = p_normal(auc[0] - auc[1], shared * own)
    by_fold = np.empty((REPEATS, FOLDS))
    for r, k in np.ndindex(*by_fold.shape):
        rows = fold[r] == k
        by_fold[r, k] = area(y[rows], out_of_fold[0][r, rows]) - area(y[rows], out_of_fold[1][r, rows])
    corrected = (1 / by_fold.size + 1 / (FOLDS - 1)) * by_fold.var(ddof=1)
    z = by_fold.mean() / np.sqrt(corrected)
    found["Nadeau-Bengio, areas of 50 folds"] = by_fold.mean(), 2 * student.sf(abs(z), by_fold.size - 1)
    if len(y) == 100:
        found |= nested(y, features, columns, fold, by_fold, out_of_fold, variance)
        found["block permuted in the test rows"] = permuted(y, features, columns, fold, betas, out_of_fold, rng)
    return found


def nested(y, features, columns, fold, by_fold, out_of_fold, variance):
    """Models without two folds each: the jackknife of whole folds, and the nested cross-validation of Bates 2021."""
    pairs = list(combinations(range(FOLDS), 2))
    kept = np.array([[(own != i) & (own != j) for i, j in pairs] for own in fold])
    scores = []
    for own in columns:
        beta, X = fitted(features[:, own], y, kept.reshape(-1, len(y)).astype(float))
        scores.append((beta @ X.T).reshape(kept.shape))
    inner, noise = np.empty((REPEATS, FOLDS)), np.empty((REPEATS, FOLDS))
    for r, k in np.ndindex(*inner.shape):
        rows, left = fold[r] != k, np.zeros((2, len(y)))
        for place, pair in enumerate(pairs):
            if k in pair:
                other = fold[r] == sum(pair) - k
                left[:, other] = [side[r, place][other] for side in scores]
        inner[r, k] = area(y[rows], left[0, rows]) - area(y[rows], left[1, rows])
        _, cov = delong_covariance(y[~rows], [side[r, ~rows] for side in out_of_fold])
        noise[r, k] = cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]
    jackknife = (FOLDS - 1) * inner.var(axis=1).mean()
    z = by_fold.mean() / np.sqrt(jackknife)
    # Bates and others bound their standard error by the naive one and that of a single fold.
    bates = (FOLDS - 1) / FOLDS * np.mean((inner - by_fold) ** 2 - noise)
    return {
        "jackknife of whole folds, 10 splits": (by_fold.mean(), 2 * student.sf(abs(z), FOLDS - 1)),
        "nested (Bates), 10 splits": p_normal(inner.mean(), np.clip(bates, variance, FOLDS * variance)),
    }


def permuted(y, features, columns, fold, betas, out_of_fold, rng, n_permutations=99):
    """Permute what B lacks among the rows of each test fold; the models stay. Not defined for two unlike sets."""
    added = [place for place, column in enumerate(columns[0]) if column not in columns[1]]
    if len(added) == len(columns[0]):
        return np.nan, np.nan
    X = np.c_[features[:, columns[0]] / features[:, columns[0]].std(axis=0), np.ones(len(y))]
    beta = betas[0].reshape(REPEATS, FOLDS, -1)[0]
    rows = [np.flatnonzero(fold[0] == k) for k in range(FOLDS)]
    seen, score = area(y, out_of_fold[0][0]), np.empty((n_permutations, len(y)))
    for own in score:
        for k in range(FOLDS):
            mixed = X[rows[k]].copy()
            mixed[:, added] = mixed[rng.permutation(len(rows[k]))][:, added]
            own[rows[k]] = mixed @ beta[k]
    null = area(y, score)
    above = (1 + (null >= seen).sum()) / (n_permutations + 1)
    below = (1 + (null <= seen).sum()) / (n_permutations + 1)
    return (1.0 if above < below else -1.0), min(1.0, 2 * min(above, below))


def forest(n_draws):
    """Level of the tests with a model that depends more on the split: 30 trees, two sets of equal worth, n = 100."""
    seed = crc32(b"forest")
    rng, draws = np.random.default_rng(seed), []
    for _ in range(n_draws):
        y, features, *columns = cohort("equal", 100, rng)
        scores = np.empty((2, 3, len(y)))
        for r, fold in enumerate(folds(y, rng)[:3]):
            for k, (side, own) in product(range(FOLDS), enumerate(columns)):
                train = fold != k
                model = ExtraTreesClassifier(30, min_samples_leaf=3, random_state=rng.integers(2**31))
                proba = model.fit(features[train][:, own], y[train]).predict_proba(features[~train][:, own])
                scores[side, r, ~train] = proba[:, 1]
        pooled = [delong_covariance(y, scores[:, r]) for r in range(3)]
        differences = np.array([auc[0] - auc[1] for auc, _ in pooled])
        variances = np.array([cov[0, 0] + cov[1, 1] - 2 * cov[0, 1] for _, cov in pooled])
        several = 1.25 * variances.mean() + (0.2 * variances.mean() + differences.var(ddof=1)) / 3
        draws.append(
            [
                p_normal(differences[0], variances[0]),
                p_normal(differences[0], 1.45 * variances[0]),
                p_normal(differences.mean(), several),
            ]
        )
    names = "DeLong, 1 split", "DeLong x 1.45, 1 split", "DeLong x (1.25 + 0.2 / 3) + variance between 3 splits"
    for name, (difference, p_value) in zip(names, np.transpose(draws, (1, 2, 0)), strict=True):
        a, b = np.mean((p_value < 0.05) & (difference > 0)), np.mean((p_value < 0.05) & (difference < 0))
        print(f"equal, forest | 100 | {seed} | {name} | {a:.3f} | {b:.3f} | {a + b:.3f} | {difference.mean():.3f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--draws", type=int, default=400)
    arguments = parser.parse_args()
    n_draws, sizes = (2, (100,)) if arguments.smoke else (arguments.draws, (100, 200, 400))
    print("case | n | seed | test | A called better | B called better | p < 0.05 | mean difference")
    for n in sizes:
        for case in ("noise", "repeats", "equal", "0.78", "0.82", "0.86"):
            seed = crc32(f"{case} {n}".encode())
            rng = np.random.default_rng(seed)
            draws = []
            for _ in range(n_draws):
                y, features, *columns = cohort(case, n, rng)
                draws.append(candidates(y, features, columns, folds(y, rng), rng))
            for name in draws[0]:
                difference, p_value = np.array([draw[name] for draw in draws]).T
                a, b = np.mean((p_value < 0.05) & (difference > 0)), np.mean((p_value < 0.05) & (difference < 0))
                called = f"{a:.3f} | {b:.3f} | {a + b:.3f}"
                print(f"{case} | {n} | {seed} | {name} | {called} | {difference.mean():.3f}", flush=True)
    forest(n_draws)


if __name__ == "__main__":
    main()
