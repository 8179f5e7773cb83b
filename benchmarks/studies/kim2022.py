"""The protocol of Kim et al. 2022 at reduced size: seven feature sets, an external cohort, six readers.

Paper: 4,924 hip radiographs of 4,308 patients (3,632 women, 62 +- 13 years), 444 radiographs of another institution,
six radiologists without and with the model. ``python benchmarks/studies/kim2022.py`` simulates two sites; with ``--data
FOLDER`` it reads ``cohort.csv`` there (columns patient, cohort, label, radiograph, mask, age, sex, weight).
"""

import argparse

import numpy as np
import pandas as pd
from cohorts import NOTE, arguments, paper_beside, read_folder
from scipy.stats import norm

import deepradiomics as dr
from deepradiomics.metrics import reader_study
from deepradiomics.simulation import make_hips

AUC = {
    "internal": {"C": 0.784, "T": 0.852, "D": 0.933, "DC": 0.938, "DTC": 0.932},
    "external": {"C": 0.832, "T": 0.808, "D": 0.878, "DC": 0.903, "DTC": 0.916},
}


def cohorts(options):
    """(table, label, T-score) of both cohorts; the T-score is None for a user's own data."""
    if options.data:
        parts = read_folder(options.data, ["radiograph", "mask"])
        return {name: (part, part.pop("label").to_numpy(), None) for name, part in parts.items()}
    found = {}
    for name, site, n in (("internal", "A", options.patients), ("external", "B", options.patients // 2)):
        hips = make_hips(n, site=site, random_state=len(found), image_shape=(384, 384))
        found[name] = (hips.data, hips.target, hips.t_score)
    return found


def readers_of(y, model_score, seed=0):
    """Six simulated readers of an area near the paper's 0.77, and what they say after they saw the model's score."""
    rng = np.random.default_rng(seed)
    latent = np.sqrt(2) * norm.ppf(0.77) * y + rng.normal(0, 0.6, len(y))
    alone = {f"reader {k + 1}": latent + rng.normal(0, 0.8, len(y)) for k in range(6)}
    ranks = norm.ppf((pd.Series(model_score).rank() - 0.5) / len(y))
    aided = {name: score + 0.8 * ranks for name, score in alone.items()}
    return [{name: graded(score) for name, score in scores.items()} for scores in (alone, aided)]


def graded(score):
    """Five grades of certainty with equally many cases."""
    return np.digitize(score, np.quantile(score, [0.2, 0.4, 0.6, 0.8])) + 1


def main():
    """Run the protocol and print its tables."""
    options = arguments(argparse.ArgumentParser(description=__doc__), patients=120)
    folds = 2 if options.smoke else 3
    data = cohorts(options)
    X, y, _ = data.pop("internal")
    model = dr.recipes.kim2022(mask="mask", epochs=options.epochs, image_size=options.image_size, random_state=0)
    if options.smoke:
        model.set_params(blocks__deep__deepextractor__cv=2)
    external = {name: (table, labels) for name, (table, labels, _) in data.items()}
    found = dr.compare_feature_sets(model, X, y, cv=folds, external=external, random_state=0)
    for cohort, paper in AUC.items():
        if cohort in found.table.index.get_level_values(0):
            own = found.formatted().loc[cohort]
            print(f"\n{cohort}: {own['n'].iloc[0]} patients, {own['events'].iloc[0]} with osteoporosis")
            print(paper_beside(own[["auc", "sensitivity", "specificity"]], paper).to_string())
    print("\nDeLong, Holm-corrected, internal:")
    print(found.tests.loc["internal"][["difference", "p_value", "p_holm"]].head(6).to_string())
    if not options.data:
        score = found.predictions.query("cohort == 'external' and features == 'DTC'").sort_values("row")
        truth = score["y"].to_numpy()
        alone, aided = readers_of(truth, score["score"].to_numpy())
        study = reader_study(truth, alone, score["score"].to_numpy(), aided)
        print("\nreaders without and with the model (paper: mean AUC 0.77 to 0.87):")
        print(study.table.to_string())
        gain = study.gain
        print(f"gain {gain.difference:.3f} [{gain.low:.3f}, {gain.high:.3f}], p = {gain.p_value:.3f}")
    print(f"\n{NOTE}")


if __name__ == "__main__":
    main()
