"""Settings found by Optuna
========================

How many grey levels, which filters, how strong a penalty? Optuna tries settings of the whole pipeline, scored by folds
that keep patients together; the best one is then tried once on another hospital. The score that won the search is the
best of several, and so optimistic: only that of the other hospital counts. Needs ``pip install optuna``; run it as
``python examples/optuna_search.py FOLDER [trials]``.
"""

# sphinx_gallery_thumbnail_path = '_static/roc.jpg'

import sys
from pathlib import Path

try:
    import optuna
except ImportError:
    print("skipped: this example needs optuna (pip install optuna)")
    sys.exit()

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import deepradiomics as dr
from deepradiomics.metrics import roc_auc_ci
from deepradiomics.simulation import make_hips

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "output")
n_trials = int(sys.argv[2]) if len(sys.argv) > 2 else 8
folder.mkdir(parents=True, exist_ok=True)

# %%
# Regions depend on no setting that is searched, so they are cut out once.
necks = ["left_neck", "right_neck"]
regions = dr.FemurRegions(mask="mask").set_output(transform="pandas")
hips, other_site = (
    make_hips(n, site=site, random_state=seed, image_shape=(256, 256)) for n, site, seed in ((60, "A", 0), (50, "B", 1))
)
X, X_other = (regions.fit_transform(cohort.data)[necks] for cohort in (hips, other_site))


# %%
# A trial is a pipeline; every setting of an estimator can be searched.
def pipeline(trial):
    """The pipeline with the settings that a trial suggests."""
    filters = {"none": ["Original"], "wavelet": ["Original", "Wavelet"]}
    texture = dr.TextureExtractor(
        filters[trial.suggest_categorical("filters", list(filters))],
        ["firstorder", "glcm"],
        bin_count=trial.suggest_categorical("bin_count", [8, 16, 32, 64]),
    )
    penalty = trial.suggest_float("C", 1e-4, 1.0, log=True)
    return make_pipeline(texture, StandardScaler(), LogisticRegression(C=penalty, max_iter=5000))


def score(trial):
    """Mean area over folds of patients."""
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    areas = cross_val_score(pipeline(trial), X, hips.target, groups=hips.groups, cv=folds, scoring="roc_auc")
    return areas.mean()


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(score, n_trials=n_trials)
trials = study.trials_dataframe(attrs=("value", "params")).sort_values("value", ascending=False)
print(trials.round(4).to_string(index=False))
trials.to_csv(folder / "optuna_trials.csv", index=False)

# %%
# The best settings, fitted on all of the first hospital and tried once on the other.
best = pipeline(optuna.trial.FixedTrial(study.best_params)).fit(X, hips.target)
there = roc_auc_ci(other_site.target, best.predict_proba(X_other)[:, 1])
print(f"\nBest of {n_trials} in the search: AUC {study.best_value:.2f}; at the other hospital, once: {there}")
print(f"Table: {folder / 'optuna_trials.csv'}")
