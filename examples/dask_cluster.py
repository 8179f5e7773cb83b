"""Texture of an archive on a Dask cluster
=======================================

``archive.extract`` hands its chunks to whatever ``joblib.parallel_config`` names. Here that is a small cluster inside
this process; with the address of a scheduler it is a real one, and the files must then lie where every worker sees
them. Needs ``pip install "dask[distributed]"``; run it as ``python examples/dask_cluster.py FOLDER [SCHEDULER]``.
"""

# sphinx_gallery_thumbnail_path = '_static/hip_boxes.jpg'

import sys
from pathlib import Path

try:
    from distributed import Client
except ImportError:
    print('skipped: this example needs dask (pip install "dask[distributed]")')
    sys.exit()

from joblib import parallel_config
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline

from deepradiomics import FemurRegions, TextureExtractor, archive
from deepradiomics.simulation import make_hips, write_dicom

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "output") / "dask"
cluster = {"address": sys.argv[2]} if len(sys.argv) > 2 else {"processes": False, "dashboard_address": None}

# %%
# A manifest: a row an image, an id that is no patient's number, the file, and what else the estimator reads.
hips = make_hips(24, random_state=0, image_shape=(256, 256))
manifest = write_dicom(hips, folder / "files")[["radiograph"]]
manifest = manifest.assign(mask=hips.masks, image_id=[f"image{number:03d}" for number in range(len(manifest))])

# %%
# What is done with each image. Both steps learn nothing, so fitting on two rows only tells them the columns.
texture = TextureExtractor(feature_classes=["firstorder", "glcm"], on_error="skip")
estimator = make_pipeline(
    FemurRegions(mask="mask", on_error="skip"), ColumnTransformer([("texture", texture, ["left_neck", "right_neck"])])
)
estimator.fit(manifest[:2])

# %%
# Every chunk is a task of the cluster. Run it again: what is finished is not done again.
with Client(**cluster) as client, parallel_config("dask", wait_for_workers_timeout=60):
    done = archive.extract(manifest, folder / "features", estimator, chunk_size=6)
print(f"{done.n_images} images, {done.n_computed} computed now, {done.n_failed} failed")
features = archive.read_all(folder / "features")
print(f"a table of {features.shape[0]} rows and {features.shape[1]} columns; failures:")
print(archive.failures(folder / "features").to_string())
