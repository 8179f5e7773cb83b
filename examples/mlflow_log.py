"""A comparison logged to MLflow
=============================

What a run of MLflow should hold of a comparison: the settings, an area with its interval for each cohort and feature
set, the tables and the report. No table of patients is logged: out-of-fold scores stay where the patients are. Needs
``pip install mlflow "deepradiomics[report]"``; run it as ``python examples/mlflow_log.py FOLDER``, then look with
``mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db``.
"""

# sphinx_gallery_thumbnail_path = '_static/roc.jpg'

import sys
from pathlib import Path

try:
    import mlflow
except ImportError:
    print("skipped: this example needs mlflow (pip install mlflow)")
    sys.exit()

import matplotlib

matplotlib.use("Agg")

from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import deepradiomics as dr
from deepradiomics.simulation import make_hips

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "output").resolve()
folder.mkdir(parents=True, exist_ok=True)

# %%
# Two hospitals and a model of two blocks: clinical covariates, and texture of the femoral necks.
internal, external = (
    make_hips(n, site=site, random_state=seed, image_shape=(256, 256)) for n, site, seed in ((60, "A", 0), (50, "B", 1))
)
texture = make_pipeline(dr.TextureExtractor(feature_classes=["firstorder", "glcm"]), StandardScaler())
blocks = ColumnTransformer(
    [
        ("clinical", dr.clinical_encoder(), ["age", "sex", "weight"]),
        ("texture", texture, ["left_neck", "right_neck"]),
    ]
)
model = Pipeline(
    [
        ("regions", dr.FemurRegions(mask="mask")),
        ("blocks", blocks),
        ("classifier", LogisticRegression(C=0.01, max_iter=5000)),
    ]
)
comparison = dr.compare_feature_sets(
    model,
    internal.data,
    internal.target,
    groups=internal.groups,
    external={"site B": (external.data, external.target)},
    random_state=0,
)
print(comparison.formatted()["auc"].to_string())

# %%
# One run. The database and the files lie in the folder; an address of a server does as well.
mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
experiment = mlflow.get_experiment_by_name("hips")
number = (
    experiment.experiment_id if experiment else mlflow.create_experiment("hips", (folder / "mlflow_files").as_uri())
)
with mlflow.start_run(experiment_id=number, run_name="clinical and texture") as run:
    mlflow.log_params({"version": dr.__version__, "folds": 5, "bin_count": 32, "C": 0.01, "random_state": 0})
    for (cohort, features), row in comparison.table.iterrows():
        name = f"{cohort}/{features}"
        mlflow.log_metrics({f"{name}/{column}": row[column] for column in ("auc", "auc_low", "auc_high")})
    for name, table in (("table", comparison.table), ("tests", comparison.tests)):
        mlflow.log_text(table.to_csv(), f"{name}.csv")
    mlflow.log_artifact(str(comparison.to_html(folder / "mlflow_report.html")))

# %%
# What was logged, read back.
logged = mlflow.get_run(run.info.run_id)
print(f"{len(logged.data.metrics)} metrics and {len(logged.data.params)} settings in {folder / 'mlflow.db'}")
