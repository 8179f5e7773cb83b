"""The protocol of the lumbar transfer study of 2024 at reduced size: four fine-tuned networks, osteoporosis or not.

L1 to L3 in lateral radiographs, VGG16, VGG19, ResNet50 and Xception; accuracy, precision, recall, F1, AUC and confusion
matrix. ``python benchmarks/studies/lumbar_transfer2024.py`` simulates spines; with ``--data FOLDER`` it reads
``cohort.csv`` there (patient, cohort ``internal`` or another one, label 0 or 1, lateral, lateral_mask).
"""

import argparse

import pandas as pd
from cohorts import NOTE, arguments, read_folder

import deepradiomics as dr
from deepradiomics.metrics import diagnostic_rates
from deepradiomics.simulation import make_spines


def cohorts(options):
    """Training and test part."""
    if options.data:
        parts = read_folder(options.data, ["lateral", "lateral_mask"])
        return {name: (part, part.pop("label").to_numpy()) for name, part in parts.items()}
    found = {}
    for name, n in (("internal", options.patients), ("test", max(options.patients // 3, 20))):
        spines = make_spines(n, random_state=20 + len(found), image_shape=(128, 96) if options.smoke else (256, 192))
        # Patients are numbered anew in each cohort.
        patient = [f"{name}, {own}" for own in spines.data["patient"]]
        found[name] = (spines.data.assign(patient=patient), spines.target)
    return found


def main():
    """Run the protocol and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pretrained", action="store_true", help="start from timm's weights, as in the study")
    parser.add_argument("--backbones", nargs="+", default=["vgg16", "vgg19", "resnet50", "legacy_xception"])
    options = arguments(parser, patients=90)
    names = ["tiulpin"] if options.smoke else options.backbones
    settings = {"pretrained": options.pretrained, "epochs": options.epochs, "image_size": options.image_size}
    models = {
        name: dr.recipes.lumbar_transfer2024(name, mask="lateral_mask", **settings, random_state=0) for name in names
    }
    tests = cohorts(options)
    X, y = tests.pop("internal")
    found = dr.compare_models(models, X, y, cv=2 if options.smoke else 3, external=tests, random_state=0)
    print(found)
    rows = {}
    for key, part in found.predictions.query("fold == -1").groupby(["cohort", "features"], sort=False):
        # As in the study, the call is the likelier class; the threshold of the table above is chosen in training.
        rates = diagnostic_rates(part["y"], part["score"] >= 0.5)
        rows[key] = {"accuracy": rates.accuracy, "precision": rates.ppv, "recall": rates.sensitivity, "F1": rates.f1}
        rows[key] |= {"AUC": found.formatted().loc[key, "auc"], "TP, FP, FN, TN": rates.counts}
    print(f"\ncalled from 0.5 on:\n{pd.DataFrame.from_dict(rows, orient='index').to_string()}")
    print(f"\n{len(y)} patients were trained on\n{NOTE}")


if __name__ == "__main__":
    main()
