"""The protocol of Mao et al. 2022 at reduced size: three classes, one or two views, with and without covariates.

Paper: 6,908 participants (postmenopausal women, men of 50 and over), training, validation and two test sets as 8:1:1:1,
DenseNet on 512 x 512. ``python benchmarks/studies/mao2022.py`` simulates spines; with ``--data FOLDER`` it reads
``cohort.csv`` there (cohort ``internal`` is trained on, all others are tests; label 0, 1, 2 for normal, osteopenia and
osteoporosis; ap, ap_mask, lateral, lateral_mask, age, sex, bmi).
"""

import argparse

import pandas as pd
from cohorts import NOTE, arguments, read_folder
from sklearn.compose import ColumnTransformer

import deepradiomics as dr
from deepradiomics.metrics.intervals import join_intervals
from deepradiomics.simulation import make_spines

SETS = {name: [block] for name, block in (("AP", "ap"), ("LAT", "lat"), ("AP+LAT", "both"))}
SETS |= {f"{name}+covariates": [*blocks, "clinical"] for name, blocks in SETS.items()}
CLASSES = ["normal", "osteopenia", "osteoporosis"]
PAPER = "paper, AP + LAT: AUC of osteoporosis 0.909 to 0.937 in three test cohorts, of osteopenia 0.785 at most"


def cohorts(options):
    """Training part and two test sets; the validation part of the paper is held out inside the networks."""
    if options.data:
        parts = read_folder(options.data, ["ap", "ap_mask", "lateral", "lateral_mask"])
        return {name: (part, part.pop("label").to_numpy()) for name, part in parts.items()}
    found = {}
    n_test = 12 if options.smoke else options.patients // 8
    shape = (128, 96) if options.smoke else (256, 192)
    for name, site, n in (("internal", "A", options.patients), ("test 1", "A", n_test), ("test 2", "B", n_test)):
        spines = make_spines(n, site=site, random_state=10 + len(found), image_shape=shape)
        # Patients are numbered anew in each cohort.
        patient = [f"{name}, {own}" for own in spines.data["patient"]]
        table = spines.data.assign(patient=patient)
        found[name] = (table, spines.bmd_class)
    return found


def named(labels):
    """Classes in their order."""
    return pd.Categorical.from_codes(labels, CLASSES, ordered=True)


def model(options):
    """One network a view and one for both, each fitted once in a fold and shared by the six sets."""
    settings = {"backbone": options.backbone, "epochs": options.epochs, "image_size": options.image_size}
    masks = {"ap": "ap_mask"}, {"lateral": "lateral_mask"}
    ap, lateral, both = (
        dr.recipes.mao2022(view, mask=mask, **settings, random_state=0)
        for view, mask in (("AP", masks[0]), ("LAT", masks[1]), ("both", masks[0] | masks[1]))
    )
    networks = [(name, *own["blocks"].transformers[0][1:]) for name, own in (("ap", ap), ("lat", lateral))]
    (_, *pair), clinical = both["blocks"].transformers
    blocks = ColumnTransformer([*networks, ("both", *pair), clinical]).set_output(transform="pandas")
    both.set_params(blocks=blocks)
    if options.smoke:
        both.set_params(**{f"blocks__{name}__deepextractor__cv": 2 for name in ("ap", "lat", "both")})
    return both


def main():
    """Run the protocol and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="tiulpin", help="densenet121 in the paper")
    options = arguments(parser, patients=240)
    data = {name: (table, named(labels)) for name, (table, labels) in cohorts(options).items()}
    X, y = data.pop("internal")
    folds = 2 if options.smoke else 3
    found = dr.compare_feature_sets(model(options), X, y, feature_sets=SETS, cv=folds, external=data, random_state=0)
    print(found)
    rates = join_intervals(found.by_class)[["auc", "sensitivity", "specificity", "ppv", "npv", "events"]]
    print(f"\nby class:\n{rates.xs('AP+LAT+covariates', level='features').to_string()}")
    print(f"\n{PAPER}\n{len(y)} patients were trained on\n{NOTE}")


if __name__ == "__main__":
    main()
