"""Frames of polars go in where frames of pandas do, and give the same."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from deepradiomics import FemurRegions, TextureExtractor, clinical_encoder, compare_feature_sets
from deepradiomics.deep import image_columns
from deepradiomics.exceptions import InputError, LeakageError
from deepradiomics.preprocessing import GrayscaleNormalizer

polars = pytest.importorskip("polars")
RNG = np.random.default_rng(0)
Y = np.arange(60) % 2
X = pd.DataFrame(
    {"age": RNG.normal(60 + 5 * Y, 6), "sex": np.where(RNG.random(60) < 0.6, "F", "M"), "t": RNG.normal(Y)}
)


def test_a_comparison_of_polars_is_that_of_pandas():
    blocks = ColumnTransformer([("clinical", clinical_encoder(), ["age", "sex"]), ("texture", "passthrough", ["t"])])
    model = make_pipeline(blocks, LogisticRegression())
    tables = [
        compare_feature_sets(
            model, kind(X), Y, cv=2, external={"B": (kind(X.assign(age=X["age"] + 1)), Y)}, random_state=0
        )
        for kind in (lambda table: table, polars.from_pandas)
    ]
    pd.testing.assert_frame_equal(tables[0].table, tables[1].table)
    pd.testing.assert_frame_equal(*(table.settings["covariates"]["internal"] for table in tables))
    with pytest.raises(LeakageError, match="column 'patient' names the patient"):
        table = polars.from_pandas(X.assign(patient=range(60)))
        compare_feature_sets(
            make_pipeline(ColumnTransformer([("clinical", "passthrough", ["age", "patient"])]), model[-1]), table, Y
        )


def test_transformers_read_polars_or_say_what_lacks():
    np.testing.assert_array_equal(
        clinical_encoder().fit_transform(polars.from_pandas(X)), clinical_encoder().fit_transform(X)
    )
    names, (cells,) = image_columns(polars.DataFrame({"hip": ["a.png", None]}))
    assert names == ["hip"]
    assert cells[0] == "a.png"
    assert pd.isna(cells[1])
    # Numbers go into a frame of polars, images do not.
    hips = polars.DataFrame({"hip": ["a.npy", None]})
    rows = RNG.normal(size=(2, 12, 12))
    extractor = TextureExtractor(feature_classes=["firstorder"], on_error="skip")
    assert extractor.fit(hips[1:]).transform(hips[1:]).shape == (1, 18)
    out = extractor.set_output(transform="polars").transform(pd.DataFrame({"hip": [*rows, None]}))
    assert isinstance(out, polars.DataFrame)
    assert out.columns == list(extractor.get_feature_names_out())
    np.testing.assert_allclose(out["hip__original_firstorder_Mean"][:2].to_numpy(), rows.mean(axis=(1, 2)), rtol=1e-6)
    films = pd.DataFrame({"radiograph": [rows[0]], "mask": [None]})
    for images, given in (
        (FemurRegions(mask="mask", on_error="skip"), films),
        (GrayscaleNormalizer(), films[["radiograph"]]),
    ):
        with pytest.raises(InputError, match="gives images, which polars does not hold; use pandas"):
            images.set_output(transform="polars").fit_transform(given)
    with pytest.raises(InputError, match=r"X lacks the columns \['radiograph'\]"):
        FemurRegions(mask="mask").fit(polars.DataFrame({"mask": ["a.png"]}))
