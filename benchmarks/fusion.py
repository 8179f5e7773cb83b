"""Which fusion is worth its name? Early, late, stacked and gated fusion of three blocks, on the same simulated cohorts.

Run: python benchmarks/fusion.py [--smoke]

For each of several seeds, hips of one hospital are trained on and those of another are tested on: clinical covariates,
texture of neck and cortex, and cross-fitted embeddings of the femora. In a second round each block but the first is
missing in a third of the patients of both hospitals. The gate is a small torch network: a layer a block, a softmax
over the blocks that are there which weighs them patient by patient, and a last layer. It stands here and not in the
library, since it earns no place there (see docs/comparison.md). Printed are areas under the ROC curve: the mean over
seeds, and the mean difference from early fusion with its standard error.
"""

import argparse

import numpy as np
import pandas as pd
import torch
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from xgboost import XGBClassifier

import deepradiomics as dr
from common import print_setting
from deepradiomics.simulation import make_hips

BLOCKS = ("clinical", "texture", "deep")


class Gate(nn.Module):
    """Blocks (n, n_features) each, and which are there (n, n_blocks) -> logits (n,)."""

    def __init__(self, widths, size=16):
        super().__init__()
        self.read = nn.ModuleList(nn.Sequential(nn.Linear(width, size), nn.ReLU(), nn.Dropout(0.3)) for width in widths)
        self.weigh, self.last = nn.Linear(size, 1), nn.Linear(size, 1)

    def forward(self, blocks, present):
        hidden = torch.stack([read(block) for read, block in zip(self.read, blocks, strict=True)], dim=1)
        scores = self.weigh(hidden)[..., 0].masked_fill(~present, -torch.inf)
        return self.last((torch.softmax(scores, dim=1)[..., None] * hidden).sum(dim=1))[:, 0]


def gated(train, y, test, seed, epochs):
    """Scores of the gate on the test rows."""
    torch.manual_seed(seed)
    fill = {name: make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()) for name in BLOCKS}
    sets = []
    for table, step in ((train, "fit_transform"), (test, "transform")):
        parts = [of_block(table, name) for name in BLOCKS]
        values = [getattr(fill[name], step)(part) for name, part in zip(BLOCKS, parts, strict=True)]
        present = np.column_stack([part.notna().any(axis=1) for part in parts])
        sets.append(([torch.tensor(part, dtype=torch.float32) for part in values], torch.tensor(present)))
    (blocks, present), (test_blocks, test_present) = sets
    network = Gate([part.shape[1] for part in blocks])
    steps = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-1)
    labels = torch.tensor(y, dtype=torch.float32)
    for _ in range(epochs):
        for rows in torch.randperm(len(labels)).split(32):
            steps.zero_grad()
            logits = network([part[rows] for part in blocks], present[rows])
            nn.functional.binary_cross_entropy_with_logits(logits, labels[rows]).backward()
            steps.step()
    with torch.no_grad():
        return network.eval()(test_blocks, test_present).numpy()


def of_block(table, name):
    return table.filter(regex=f"^{name}__")


def logistic():
    return make_pipeline(
        SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(C=0.05, max_iter=2000)
    )


def fusions(seed):
    """The library's ways to join blocks."""
    pieces = [(name, logistic(), make_column_selector(f"^{name}__")) for name in BLOCKS]
    blocks = ColumnTransformer([(name, "passthrough", columns) for name, _, columns in pieces])
    return {
        "early, logistic": logistic(),
        "early, XGBoost": XGBClassifier(n_estimators=100, max_depth=3, learning_rate=0.1, random_state=seed),
        "late, mean": dr.late_fusion(list(BLOCKS), logistic()),
        "stacked": dr.StackedFusionClassifier(blocks, logistic(), random_state=seed),
    }


def cohort(seed, n, epochs):
    """Blocks of a training and of a test hospital, and the labels."""
    parts = [make_hips(n, site=site, random_state=2 * seed + k, image_shape=(256, 256)) for k, site in enumerate("AB")]
    tables = [part.data for part in parts]
    regions = [dr.FemurRegions(mask="mask", on_error="skip").fit_transform(table) for table in tables]
    texture = dr.TextureExtractor(min_levels=None, on_error="skip")
    network = dr.DeepExtractor("tiulpin", n_features=32, image_size=64, epochs=epochs, random_state=seed)
    boxes, femora = ["left_neck", "left_cortex", "right_neck", "right_cortex"], ["left_femur", "right_femur"]
    encoder = dr.clinical_encoder()
    labels = [part.target for part in parts]
    found = []
    for number, table in enumerate(regions):
        step = "transform" if number else "fit_transform"
        values = {
            "clinical": getattr(encoder, step)(table[["age", "sex", "weight"]]),
            "texture": texture.fit_transform(table[boxes]),
            "deep": network.transform(table[femora]) if number else network.fit_transform(table[femora], labels[0]),
        }
        frames = [
            pd.DataFrame(np.asarray(part)).rename(columns=lambda k, name=name: f"{name}__{k}")
            for name, part in values.items()
        ]
        found.append(pd.concat(frames, axis=1))
    return found, labels


def with_holes(table, rng):
    """Leave each block but the first empty in a third of the rows."""
    table = table.copy()
    for name in BLOCKS[1:]:
        table.loc[rng.random(len(table)) < 1 / 3, of_block(table, name).columns] = np.nan
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="the smallest run, to see that it works")
    smoke = parser.parse_args().smoke
    n_seeds, n, epochs = (1, 24, 1) if smoke else (6, 240, 12)
    print_setting("deepradiomics", "torch", "xgboost")
    rows = []
    for seed in range(n_seeds):
        tables, (y, other) = cohort(seed, n, epochs)
        holes = [with_holes(table, np.random.default_rng([seed, k])) for k, table in enumerate(tables)]
        for what, (train, test) in {"all blocks": tables, "a third missing": holes}.items():
            for name, model in fusions(seed).items():
                score = model.fit(train, y).predict_proba(test)[:, 1]
                rows.append((what, name, seed, roc_auc_score(other, score)))
            score = gated(train, y, test, seed, 4 if smoke else 60)
            rows.append((what, "gated", seed, roc_auc_score(other, score)))
    areas = pd.DataFrame(rows, columns=["blocks", "fusion", "seed", "auc"])
    areas = areas.pivot_table(index=["blocks", "fusion"], columns="seed", values="auc")
    for what, part in areas.groupby(level=0, sort=False):
        against = part - part.loc[(what, "early, logistic")]
        table = pd.DataFrame({"auc": part.mean(axis=1), "difference": against.mean(axis=1)})
        table["standard_error"] = against.std(axis=1) / np.sqrt(n_seeds)
        print(f"\n{what}, {n_seeds} pairs of cohorts of {n} patients")
        print(table.droplevel(0).sort_values("auc", ascending=False).round(3).to_string())


if __name__ == "__main__":
    main()
