"""The protocol of the lumbar transfer study of 2024 at reduced size: four fine-tuned networks, osteoporosis or not.

L1 to L3 in lateral radiographs, VGG16, VGG19, ResNet50 and Xception; accuracy, precision, recall, F1, AUC and confusion
matrix. ``python benchmarks/studies/lumbar_transfer2024.py`` simulates spines; with ``--data FOLDER`` it reads
``cohort.csv`` there (patient, cohort ``internal`` or ``test``, label 0 or 1, lateral, lateral_mask).
"""

import argparse
import time

import pandas as pd
from cohorts import NOTE, arguments, read_folder

import deepradiomics as dr
from deepradiomics.metrics import diagnostic_rates, roc_auc_ci
from deepradiomics.simulation import make_spines

BACKBONES = ("vgg16", "vgg19", "resnet50", "legacy_xception")


def cohorts(options):
    """Training and test part."""
    if options.data:
        parts = read_folder(options.data, ["lateral", "lateral_mask"])
        return {name: (part, part.pop("label").to_numpy()) for name, part in parts.items()}
    found = {}
    for name, n in (("internal", options.patients), ("test", options.patients // 3)):
        spines = make_spines(n, random_state=20 + len(found), image_shape=(128, 96) if options.smoke else (256, 192))
        found[name] = (spines.data.assign(lateral_mask=spines.masks_lateral), spines.target)
    return found


def main():
    """Run the protocol and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pretrained", action="store_true", help="start from timm's weights, as in the study")
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES))
    options = arguments(parser, patients=90)
    if options.smoke:
        options.backbones = ["resnet18"]
    data = cohorts(options)
    (X, y), (X_test, y_test) = data["internal"], data["test"]
    rows = []
    for backbone in options.backbones:
        start = time.perf_counter()
        model = dr.recipes.lumbar_transfer2024(
            backbone,
            pretrained=options.pretrained,
            epochs=options.epochs,
            image_size=options.image_size,
            random_state=0,
        ).fit(X, y)
        probability = model.predict_proba(X_test)[:, 1]
        rates = diagnostic_rates(y_test, probability >= 0.5)
        row = {"accuracy": rates.accuracy, "precision": rates.ppv, "recall": rates.sensitivity, "F1": rates.f1}
        row |= {"AUC": roc_auc_ci(y_test, probability), "TP, FP, FN, TN": rates.counts}
        rows.append(row | {"seconds": round(time.perf_counter() - start)})
    print(pd.DataFrame(rows, index=options.backbones).to_string())
    print(f"\n{len(y)} patients were trained on, {len(y_test)} tested\n{NOTE}")


if __name__ == "__main__":
    main()
