"""The protocol of VCFNet at reduced size: why is a vertebra broken? Five cohorts, three readers.

Paper (Xu et al. 2023): 1,904 patients of four hospitals; a development cohort with its test set, a prospective cohort
and three external ones; ResNet-18; a trainee, a competent and an expert radiologist, alone and with the model. ``python
benchmarks/studies/vcfnet2022.py`` simulates fractures; with ``--data FOLDER`` it reads ``cohort.csv`` there (patient,
cohort, label, vertebra: the path of a picture of one vertebra).
"""

import argparse

import numpy as np
import pandas as pd
from cohorts import NOTE, arguments, read_folder

import deepradiomics as dr
from deepradiomics.metrics import reader_study
from deepradiomics.simulation import make_spines

CAUSES = ["acute", "chronic", "pathologic"]
PAPER_ACCURACY = {"test": 0.850, "prospective": 0.829, "external 1": "0.757 to 0.832"}
READERS = {"trainee": 0.3, "competent": 0.8, "expert": 0.9}
PAPER_AUC = {
    "model": (0.780, 0.809, 0.734),
    "trainee": (0.573, 0.618, 0.541),
    "competent": (0.701, 0.782, 0.665),
    "expert": (0.707, 0.732, 0.667),
    "model + trainee": (0.722, 0.744, 0.610),
    "model + competent": (0.767, 0.779, 0.729),
    "model + expert": (0.801, 0.825, 0.751),
}


def fractured(n, site, seed, shape):
    """One broken vertebra a patient, cut out of a radiograph of a shape with some context."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(n):
        cause, level = str(rng.choice(CAUSES, p=(0.4, 0.4, 0.2))), str(rng.choice(["L1", "L2", "L3"]))
        fracture = (cause, str(rng.choice(["wedge", "biconcave", "crush"])), float(rng.uniform(0.2, 0.45)))
        spine = make_spines(
            1, site=site, random_state=int(rng.integers(2**31)), image_shape=shape, fractures={level: fracture}
        )
        table = spine.data.assign(mask=spine.masks_lateral)
        cut = dr.VertebraRegions(image="lateral", mask="mask", levels=(level,), context=0.15).transform(table)
        rows.append({"patient": f"{site}{seed}-{patient}", "vertebra": cut[level][0], "label": cause})
    return pd.DataFrame(rows)


def cohorts(options):
    """Development part and five tests."""
    if options.data:
        return read_folder(options.data, ["vertebra"])
    n_test, shape = (8, (192, 144)) if options.smoke else (options.patients // 5, (384, 288))
    plan = [("internal", "A", options.patients), ("test", "A", n_test), ("prospective", "A", n_test)]
    if not options.smoke:
        plan += [("external 1", "B", n_test), ("external 2", "C", n_test), ("external 3", "B", n_test)]
    return {name: fractured(n, site, seed, shape) for seed, (name, site, n) in enumerate(plan)}


def reader(labels, skill, rng):
    """Probabilities that a simulated reader would give."""
    score = np.exp(skill * np.eye(3)[np.searchsorted(CAUSES, labels)] + rng.normal(size=(len(labels), 3)))
    return score / score.sum(axis=1, keepdims=True)


def main():
    """Run the protocol and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--pretrained", action="store_true", help="start from timm's weights, as in the paper")
    options = arguments(parser, patients=150)
    if options.smoke:
        options.backbone = "tiulpin"
    data = cohorts(options)
    train = data.pop("internal")
    model = dr.recipes.vcfnet2022(
        backbone=options.backbone,
        pretrained=options.pretrained,
        epochs=options.epochs,
        image_size=options.image_size,
        random_state=0,
    )
    model.set_params(network__learning_rate=1e-3)
    external = {name: (part[["vertebra"]], part["label"]) for name, part in data.items()}
    X, y = train[["vertebra"]], train["label"]
    groups = train.get("patient")
    found = dr.compare_feature_sets(
        model, X, y, groups=groups, cv=2 if options.smoke else 3, external=external, random_state=0
    )
    print(found)
    print(f"accuracy in the paper: {PAPER_ACCURACY}")
    if not options.data:
        # All tests together, as the readers are only as many as the cases allow.
        labels = pd.concat([part["label"] for part in data.values()]).to_numpy()
        columns = [f"score {cause}" for cause in CAUSES]
        outside = found.predictions[found.predictions["cohort"] != "internal"]
        own, rng = outside[columns].to_numpy(), np.random.default_rng(0)
        alone = {name: reader(labels, skill, rng) for name, skill in READERS.items()}
        aided = {name: (scores + own) / 2 for name, scores in alone.items()}
        alone, aided = (
            {name: np.array(CAUSES)[scores.argmax(axis=1)] for name, scores in way.items()} for way in (alone, aided)
        )
        study = reader_study(labels, alone, own, aided)
        areas = pd.DataFrame({cause: view.table["auc"] for cause, view in study.views.items()})
        print(f"\nreaders are simulated, {len(labels)} cases:\n{study.table.join(areas).to_string()}")
        print(f"areas of the paper: {PAPER_AUC}\n{study.gain.round(3).to_string()}")
    print(f"\n{len(train)} patients were trained on\n{NOTE}")


if __name__ == "__main__":
    main()
