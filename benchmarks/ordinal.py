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
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deepradiomics.fusion import OrdinalLogisticRegression
from deepradiomics.preprocessing import bone_area
from deepradiomics.reading import read_radiograph
from deepradiomics.simulation import make_hips
from deepradiomics.texture import extract

HOLD, MEASURES = "proportional odds hold", {"macro area": 1, "kappa": 1, "RPS": -1, "log loss": -1}
TEXTURE = {"feature_classes": ["firstorder", "glcm"]}


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
    for model in (LogisticRegression(max_iter=1000), OrdinalLogisticRegression()):
        chosen = GridSearchCV(model, {"C": [0.001, 0.01, 0.1, 1.0]}, scoring="neg_log_loss", cv=3)
        p = make_pipeline(StandardScaler(), chosen).fit(X, y).predict_proba(X_test)
        beyond = p.cumsum(axis=1)[:, :2] - (y_test[:, None] <= np.arange(2))
        kappa = cohen_kappa_score(y_test, p.argmax(axis=1), weights="quadratic")
        area = roc_auc_score(y_test, p, multi_class="ovr")
        rows.append([area, kappa, (beyond**2).sum(axis=1).mean() / 2, log_loss(y_test, p)])
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="?", type=Path, help="folder with knees")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    n_repeats, sizes, n_hips = (2, (60,), 80) if options.smoke else (25, (60, 150, 400), 320)
    cases = {HOLD: None, "they do not": None, "simulated hips": lambda: hips(n_hips)}
    cases |= {"real knees": lambda: knees(options.data)} if options.data else {}
    print("cohort | n | measure | nominal | ordinal less nominal, mean [95 % interval] | ordinal is better in")
    for case, load in cases.items():
        pool = load and load()
        for n in [n for n in sizes if pool is None or n < 0.75 * len(pool[1])]:
            rows = []
            for seed in range(n_repeats):
                X, y = pool or simulated(case == HOLD, seed)
                X, X_test, y, y_test = train_test_split(X, y, train_size=n, stratify=y, random_state=seed)
                rows.append(measured(X, y, X_test, y_test))
            for (name, sign), (nominal, ordinal) in zip(MEASURES.items(), np.transpose(rows), strict=True):
                gap = ordinal - nominal
                half = student.isf(0.025, n_repeats - 1) * gap.std(ddof=1) / np.sqrt(n_repeats)
                interval = f"{gap.mean():+.4f} [{gap.mean() - half:+.4f}, {gap.mean() + half:+.4f}]"
                shown = f"{case} | {n} | {name} | {nominal.mean():.3f} | {interval} | {np.mean(sign * gap > 0):.0%}"
                print(shown, flush=True)


if __name__ == "__main__":
    main()
