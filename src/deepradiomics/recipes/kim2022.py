"""Osteoporosis from one AP radiograph of both hips, after Kim et al. 2022."""

from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectFromModel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LassoCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from deepradiomics.clinical import clinical_encoder
from deepradiomics.deep import DeepExtractor
from deepradiomics.exceptions import InputError
from deepradiomics.recipes._outlines import outliner
from deepradiomics.regions import FemurRegions
from deepradiomics.texture import TextureExtractor

# The published texture block: 79 features of each image, 18 + 24 + 16 + 16 + 5.
_FEATURE_CLASSES = {"firstorder": None, "glcm": None, "glszm": None, "glrlm": None, "ngtdm": None}
_IMAGE_TYPES = {"Original": {}, "Wavelet": {"wavelet": "bior1.3"}}
_BONES = ["left_neck", "left_cortex", "right_neck", "right_cortex"]
_FEMORA = ["left_femur", "right_femur"]


def kim2022(segmenter=None, *, mask=None, faithful=False, epochs=20, image_size=224, n_jobs=None, random_state=None):
    """Build the pipeline of Kim et al. 2022: texture, deep and clinical features of both hips.

    The published system reads 79 texture features from the original image and its wavelet bands, 128 deep features a
    hip from one branch shared by both hips, and sex, age and weight. Each block is standardised and its features are
    chosen by the lasso, inside the fold; gradient-boosted trees answer.

    Parameters
    ----------
    segmenter : fitted estimator, default=None
        What outlines the femora: ``predict(images)`` gives label maps with 1 for the left and 2 for the right
        femur. Wrap it in :class:`sklearn.frozen.FrozenEstimator`, so that it is not fitted again in each fold.
        None without a mask means the network of the package, ``UNetSegmenter.pretrained("femur")``.
    mask : str, default=None
        Name of the column with the label maps, in place of a segmenter.
    faithful : bool, default=False
        Whether texture is read as published: 330 features a hip from the whole proximal femur, 14 of them of its shape
        as a slab, grey values as z-scores in bins of width 25, which leaves two grey levels.
    epochs : int, default=20
        Epochs of each training of the network.
    image_size : int, default=224
        Side in pixels to which each femur is resized for the network.
    n_jobs : int, default=None
        Threads of the texture engine and of the classifier, as in scikit-learn.
    random_state : int or RandomState instance, default=None
        Seed of the network, of its folds and of the trees.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Steps ``regions``, ``blocks`` (``texture``, ``deep``, ``clinical``) and ``classifier``. X has the columns
        ``radiograph``, ``age``, ``sex`` and ``weight``; y is 0 and 1, as lasso and trees need it
        (:func:`deepradiomics.compare_feature_sets` sees to that).

    Raises
    ------
    InputError
        If ``faithful`` is no bool, or a segmenter and a mask are given.

    Notes
    -----
    Chosen here where the published system is left, without ``faithful``: texture is read from boxes in the femoral
    neck and the medial cortex and not from the whole hip; grey levels are binned by count (32); the approximation band
    (LL) of the wavelet transform is kept beside LH, HL and HH; the shape features, which say nothing about a
    projection, are left out.

    Left open by the paper and chosen here, with ``faithful`` too: the wavelet transform is the stationary one, as in
    pyradiomics; the slab of the shape features is 1 mm thick; a missing hip is imputed with the median of the training
    part; embeddings are cross-fitted over five folds of patients. The paper's linear and random-forest classifiers go
    into the last step with ``set_params(classifier=...)``, and :class:`deepradiomics.selection.BilateralSelector` in
    the place of the selection keeps what is chosen on both sides.

    References
    ----------
    Kim S, Kim BR, Chae HD, et al. Deep radiomics-based approach to the diagnosis of osteoporosis using hip
    radiographs. Radiology: Artificial Intelligence 2022;4(4):e210212.

    Examples
    --------
    >>> from deepradiomics.recipes import kim2022
    >>> [name for name, _ in kim2022(mask="mask", random_state=0).steps]
    ['regions', 'blocks', 'classifier']
    """
    if not isinstance(faithful, bool):
        raise InputError(f"faithful is {faithful!r}; give True or False")
    extractor = TextureExtractor(_IMAGE_TYPES, _FEATURE_CLASSES, bin_count=32, n_jobs=n_jobs)
    if faithful:
        extractor = TextureExtractor(
            {"Original": {}, "Wavelet": {"wavelet": "bior1.3", "bands": ("LH", "HL", "HH")}},
            {"shape": None} | _FEATURE_CLASSES,
            bin_count=None,
            bin_width=25,
            normalize=True,
            min_levels=None,
            n_jobs=n_jobs,
        )
    texture = make_pipeline(extractor, *_lasso_selection(0.01))
    network = DeepExtractor(
        "tiulpin",
        shared_weights=True,
        n_features=256,
        dropout=0.3,
        cv=5,
        epochs=epochs,
        image_size=image_size,
        random_state=random_state,
    )
    blocks = ColumnTransformer(
        [
            ("texture", texture, _FEMORA if faithful else _BONES),
            ("deep", make_pipeline(network, *_lasso_selection(0.03)), _FEMORA),
            ("clinical", clinical_encoder(), ["age", "sex", "weight"]),
        ]
    ).set_output(transform="pandas")
    classifier = XGBClassifier(
        n_estimators=100, max_depth=3, learning_rate=0.1, n_jobs=n_jobs or 1, random_state=random_state
    )
    regions = FemurRegions(outliner("femur", segmenter, mask), image="radiograph", mask=mask)
    return Pipeline([("regions", regions), ("blocks", blocks), ("classifier", classifier)])


def _lasso_selection(threshold):
    """Impute, standardise, keep the features whose lasso coefficient exceeds the threshold."""
    return (
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        SelectFromModel(LassoCV(alphas=50, max_iter=20_000), threshold=threshold),
    )
