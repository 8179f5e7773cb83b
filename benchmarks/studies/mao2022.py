"""The protocol of Mao et al. 2022 at reduced size: three classes, one or two views, with and without covariates.

Paper: 6,908 participants (postmenopausal women, men of 50 and over), training, validation and two test sets as 8:1:1:1,
DenseNet on 512 x 512. ``python benchmarks/studies/mao2022.py`` simulates spines; with ``--data FOLDER`` it reads
``cohort.csv`` there (cohort ``internal`` is trained on, all others are tests; label 0, 1, 2 for normal, osteopenia and
osteoporosis; ap, ap_mask, lateral, lateral_mask, age, sex, bmi).
"""

import argparse

import pandas as pd
from cohorts import NOTE, arguments, read_folder

import deepradiomics as dr
from deepradiomics.metrics import multiclass_auc, multiclass_rates
from deepradiomics.simulation import make_spines

CLASSES = ["normal", "osteopenia", "osteoporosis"]
PAPER = "paper, AP + LAT: AUC of osteoporosis 0.909 to 0.937 in three test cohorts, of osteopenia 0.785 at most"


def cohorts(options):
    """Training part and two test sets; the validation part of the paper is held out inside the networks."""
    if options.data:
        parts = read_folder(options.data, ["ap", "ap_mask", "lateral", "lateral_mask"])
        return {name: (part, part.pop("label").to_numpy()) for name, part in parts.items()}
    found = {}
    n_test = max(options.patients // 8, 12)
    for name, site, n in (("internal", "A", options.patients), ("test 1", "A", n_test), ("test 2", "B", n_test)):
        spines = make_spines(n, site=site, random_state=10 + len(found), image_shape=(256, 192))
        table = spines.data.assign(ap_mask=spines.masks_ap, lateral_mask=spines.masks_lateral)
        found[name] = (table, spines.bmd_class)
    return found


def main():
    """Run the protocol and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="tiulpin", help="densenet121 in the paper")
    options = arguments(parser, patients=240)
    data = cohorts(options)
    X, y = data.pop("internal")
    rows = []
    for view in ("AP", "LAT", "both"):
        for covariates in (False, True):
            model = dr.recipes.mao2022(
                view,
                covariates,
                backbone=options.backbone,
                epochs=options.epochs,
                image_size=options.image_size,
                random_state=0,
            )
            model.fit(X, y)
            for cohort, (table, labels) in data.items():
                probability = model.predict_proba(table)
                auc = multiclass_auc(labels, probability, classes=[0, 1, 2])
                rates = multiclass_rates(labels, probability.argmax(axis=1), classes=[0, 1, 2])
                row = {"cohort": cohort, "views": view, "covariates": covariates}
                row |= {f"AUC {name}": auc[k] for k, name in enumerate(CLASSES)}
                rows.append(row | {"sensitivity of osteoporosis": rates.loc[2, "sensitivity"], "n": len(labels)})
    print(pd.DataFrame(rows).set_index(["cohort", "views", "covariates"]).sort_index(level=0).to_string())
    print(f"\n{PAPER}\n{len(y)} patients were trained on\n{NOTE}")


if __name__ == "__main__":
    main()
