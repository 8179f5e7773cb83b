"""Three ordered classes: does a cumulative-link model beat the multinomial one on tables?

Both are ridge logistic regressions of standardized columns; each takes that of four strengths with the best log loss in
three folds of its training rows. The classes are cuts of one simulated score (proportional odds hold) or of two scores
of different columns (they do not), or of the T-score of simulated hips or real knees, told from clinical columns and
texture. A repeat draws n rows for training and judges on all others; repeats of hips and of knees share patients, so
that their intervals are too narrow. ``python benchmarks/ordinal.py [../shared/data/knees] [--smoke]``; the seed of a
repeat is its number.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from scipy.stats import t as student
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from statsmodels.miscmodels.ordinal_model import OrderedModel

from deepradiomics.preprocessing import bone_area
from deepradiomics.reading import read_radiograph
from deepradiomics.simulation import make_hips
from deepradiomics.texture import extract

MEASURES = {"macro area": 1, "kappa": 1, "RPS": -1, "log loss": -1}
TEXTURE = {"feature_classes": ["firstorder", "glcm"]}


class CumulativeLogit(ClassifierMixin, BaseEstimator):
    """P(class <= k) = expit(cut_k - X b), with scikit-learn's ridge: C times the log loss plus half of b squared."""

    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y):
        self.classes_, codes = np.unique(y, return_inverse=True)
        p, shares = X.shape[1], np.cumsum(np.bincount(codes))[:-1] / len(codes)
        cuts = np.log(shares / (1 - shares))

        def loss(values):
            # The first cut, then the logarithms of the steps to the next.
            steps = np.append(values[p], np.exp(values[p + 1 :]))
            edges = np.concatenate([[-np.inf], np.cumsum(steps), [np.inf]])
            low, high = (edges[codes + side] - X @ values[:p] for side in (0, 1))
            log_likelihood = log_expit(high) + log_expit(-low) + np.log1p(-np.exp(low - high))
            shared = 1 / np.expm1(high - low)
            by_high, by_low = expit(-high) + shared, -expit(low) - shared
            by_edge = np.bincount(codes + 1, by_high, len(edges)) + np.bincount(codes, by_low, len(edges))
            by_step = np.cumsum(by_edge[-2:0:-1])[::-1] * np.append(1.0, steps[1:])
            slope = self.C * np.append(X.T @ (by_high + by_low), -by_step)
            slope[:p] += values[:p]
            return values[:p] @ values[:p] / 2 - self.C * log_likelihood.sum(), slope

        start = np.concatenate([np.zeros(p), cuts[:1], np.log(np.diff(cuts))])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
        self.coef_, self.cuts_ = found[:p], np.cumsum(np.append(found[p], np.exp(found[p + 1 :])))
        return self

    def predict_proba(self, X):
        below = expit(self.cuts_ - (X @ self.coef_)[:, None])
        return np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))))


def simulated(holds, seed, n=2500):
    """Eight columns and classes of 40, 35 and 25 %."""
    rng = np.random.default_rng(seed)
    X, noise, weights = rng.normal(size=(n, 8)), rng.logistic(size=n), np.array([1.0, 0.7, 0.5, 0.3, 0, 0, 0, 0])
    first, second = X @ weights + noise, X @ (weights if holds else weights[::-1]) + noise
    sick = second > np.quantile(second, 0.75)
    return X, np.where(sick, 2, first > np.quantile(first[~sick], 0.4 / 0.75))


def hips(n):
    found = make_hips(n, random_state=0, image_shape=(128, 128))
    films, X = list(found.data["radiograph"]), found.data[["age", "weight"]].assign(sex=found.data["sex"] == "F")
    texture = [extract(films, [mask == side for mask in found.masks], **TEXTURE) for side in (1, 2)]
    return np.column_stack([*texture, X]).astype(float), np.digitize(-found.t_score, [1, 2.5])


def knees(folder):
    """Each picture once, since some are stored again under other names and even labels."""
    table = pd.read_csv(folder / "clinical.csv", skipinitialspace=True)
    films = [read_radiograph(folder / "images" / name) for name in table["image"]]
    texture = extract(films, [bone_area(film.pixels) for film in films], **TEXTURE)
    X = np.column_stack([texture, table[["age", "weight_kg", "bmi"]], table["sex"] == "female"]).astype(float)
    once = ~pd.Series([film.pixels.tobytes() for film in films]).duplicated()
    return X[once], pd.Categorical(table["label"], ["normal", "osteopenia", "osteoporosis"]).codes[once]


def measured(X, y, X_test, y_test):
    """MEASURES of the nominal and of the ordinal model (2, 4)."""
    rows = []
    for model in (LogisticRegression(max_iter=1000), CumulativeLogit()):
        chosen = GridSearchCV(model, {"C": [0.001, 0.01, 0.1, 1.0]}, scoring="neg_log_loss", cv=3)
        p = make_pipeline(StandardScaler(), chosen).fit(X, y).predict_proba(X_test)
        beyond = p.cumsum(axis=1)[:, :2] - (y_test[:, None] <= np.arange(2))
        kappa = cohen_kappa_score(y_test, p.argmax(axis=1), weights="quadratic")
        area = roc_auc_score(y_test, p, multi_class="ovr")
        rows.append([area, kappa, (beyond**2).sum(axis=1).mean() / 2, log_loss(y_test, p)])
    return rows


def check():
    """Stop where the model without a ridge is not that of statsmodels."""
    X, y = simulated(True, 0, 300)
    own, peer = CumulativeLogit(C=1e8).fit(X, y), OrderedModel(y, X, distr="logit")
    found = peer.fit(method="bfgs", disp=False, gtol=1e-8).params
    np.testing.assert_allclose(own.coef_, found[:8], atol=1e-3)
    np.testing.assert_allclose(own.predict_proba(X), peer.predict(found), atol=1e-3)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="?", type=Path, help="folder with knees")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    check()
    n_repeats, sizes, n_hips = (2, (60,), 90) if options.smoke else (50, (60, 150, 400), 600)
    pools = {"proportional odds hold": None, "they do not": None, "simulated hips": hips(n_hips)}
    pools |= {"real knees": knees(options.data)} if options.data else {}
    print(
        "cohort | n | measure | nominal | ordinal less nominal, mean of repeats [95 % interval] | ordinal is better in"
    )
    for case, pool in pools.items():
        for n in sizes if case != "real knees" else (60, 90):
            rows = []
            for seed in range(n_repeats):
                X, y = pool or simulated(case == "proportional odds hold", seed)
                X, X_test, y, y_test = train_test_split(X, y, train_size=n, stratify=y, random_state=seed)
                rows.append(measured(X, y, X_test, y_test))
            for (name, sign), (nominal, ordinal) in zip(MEASURES.items(), np.transpose(rows), strict=True):
                gap = ordinal - nominal
                half = student.isf(0.025, n_repeats - 1) * gap.std(ddof=1) / np.sqrt(n_repeats)
                interval = f"{gap.mean():+.4f} [{gap.mean() - half:+.4f}, {gap.mean() + half:+.4f}]"
                print(f"{case} | {n} | {name} | {nominal.mean():.3f} | {interval} | {np.mean(sign * gap > 0):.0%}")


if __name__ == "__main__":
    main()
