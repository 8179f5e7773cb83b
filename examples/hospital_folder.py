"""From a hospital's folder to a report
====================================

An export of the archive (DICOM), a sheet of the clinic (semicolons), outlines from an annotation tool (COCO): what is
in them, what is left out and why, and what texture adds to age and sex. No name leaves the folder.

Run it as ``python examples/hospital_folder.py OUTPUT``. The first part simulates the hospital; put your own
paths there.
"""

# sphinx_gallery_thumbnail_path = '_static/review_sheet.jpg'

import sys
from pathlib import Path
from shutil import copyfile, rmtree

import matplotlib

matplotlib.use("Agg")

from pydicom import dcmread
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import deepradiomics as dr
from deepradiomics import archive
from deepradiomics.annotations import read_coco_masks, write_coco
from deepradiomics.simulation import make_hips, write_dicom

output = Path(sys.argv[1] if len(sys.argv) > 1 else "output")
export, sheet, outlines = output / "export", output / "clinic.csv", output / "outlines.json"
output.mkdir(parents=True, exist_ok=True)

# %%
# The hospital: 80 patients, of whom one was stored as a mirror image, one is there twice, and one file is a CT.
rmtree(export, ignore_errors=True)
hips = make_hips(80, image_shape=(256, 256), random_state=0)
paths = [Path(path) for path in write_dicom(hips, export, identity={"PatientName": "DOE^JANE"})["radiograph"]]
write_coco(outlines, [path.name for path in paths], [mask.shape for mask in hips.masks], label_maps=hips.masks,
           classes=["left femur", "right femur"])  # fmt: skip
for path, keyword, value in ((paths[3], "PatientOrientation", ["R", "F"]), (paths[5], "Modality", "CT")):
    dataset = dcmread(path)
    setattr(dataset, keyword, value)
    dataset.save_as(path)
copyfile(paths[7], export / "copy of an image")
(export / "letter.txt").write_text("Dear colleague")
lines = [
    f"{number};{score:.1f}".replace(".", ",") for number, score in zip(hips.data["patient"], hips.t_score, strict=True)
]
sheet.write_text(
    "\ufeffNumber;T-score\n" + "\n".join([*lines[:-1], lines[-2], "unknown;-1,0"]) + "\n", encoding="utf-8"
)

# %%
# One row a file, with pseudonyms. The key stays with you; without it nobody finds the patient of a pseudonym.
table = archive.scan(export, key=output / "secret.key", progress=output / "scan.progress")
print(table["left_out"].value_counts().to_string())
print(f"{table['same_pixels_as'].notna().sum()} images are copies of others")

# %%
# The sheet, by patient. What does not fit is listed, not dropped.
joined = archive.join_clinical(table, sheet, key=output / "secret.key", patient="Number", columns=["T-score"])
print(f"patients without a row: {len(joined.without_row)}; with several rows: {joined.double['patient'].nunique()}")
print(joined.without_image[["row", "reason"]].to_string(index=False))
use = joined.table["left_out"].isna() & joined.table["same_pixels_as"].isna() & joined.table["T-score"].notna()
cohort = joined.table[use].reset_index(drop=True)
print(f"{len(cohort)} images of {cohort['patient'].nunique()} patients, {cohort['spacing_source'].unique().tolist()}")

# %%
# Outlines to regions, regions to texture, and the comparison with a report.
names = ["left femur", "right femur"]
cohort["mask"] = [read_coco_masks(outlines, image_name=Path(path).name, classes=names) for path in cohort["path"]]
bones = ["left_neck", "right_neck"]
texture = make_pipeline(
    dr.TextureExtractor(bin_count=32, feature_classes=["firstorder", "glcm"], on_error="skip"),
    SimpleImputer(keep_empty_features=True),
    StandardScaler(),
)
model = Pipeline(
    [
        ("regions", dr.FemurRegions(image="path", mask="mask", on_error="skip")),
        (
            "blocks",
            ColumnTransformer([("clinical", dr.clinical_encoder(), ["age", "sex"]), ("texture", texture, bones)]),
        ),
        ("classifier", LogisticRegression(C=0.01, max_iter=1000)),
    ]
)
columns = cohort[["path", "mask", "age", "sex"]].astype({"age": float})
osteoporosis = (cohort["T-score"] <= -2.5).astype(int)
comparison = dr.compare_feature_sets(model, columns, osteoporosis, groups=cohort["patient"], cv=5, random_state=0)
print(comparison.formatted()[["auc", "sensitivity", "specificity"]].to_string())
page = comparison.to_html(output / "hospital.html", title="Osteoporosis on hip radiographs (simulated hospital)")
text = page.read_text(encoding="utf-8")
print(f"report: {page}; a name in it: {'DOE^JANE' in text or any(number in text for number in hips.data['patient'])}")
