"""Texture, a frozen embedding and clinical columns, with heads that suit few rows."""

from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from deepradiomics.clinical import clinical_encoder
from deepradiomics.deep import EmbeddingExtractor
from deepradiomics.texture import TextureExtractor


def frozen(model, boxes, *, weights=None, clinical=(), n_components=16, strength=0.01, checkpoint=None, n_jobs=None):
    """Build a pipeline of texture, a frozen embedding and clinical columns.

    Each block is standardized and, but for the clinical columns, brought to its first principal components inside the
    fold; logistic regression with a strong ridge answers.

    Parameters
    ----------
    model : str
        A name of timm's for the network, as in :class:`deepradiomics.EmbeddingExtractor`.
    boxes : list of str
        Columns of X that hold images or regions.
    weights : str or path, default=None
        Weights of the network, as in :class:`deepradiomics.EmbeddingExtractor`.
    clinical : list of str, default=()
        Clinical columns; without any there is no such block.
    n_components : int, default=16
        Principal components of each block; below the number of training rows.
    strength : float, default=0.01
        ``C`` of the logistic regression: the smaller, the stronger the ridge.
    checkpoint : str or path, default=None
        Folder in which embeddings are kept.
    n_jobs : int, default=None
        Threads of texture and embedding.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Steps ``blocks`` (``texture``, ``deep``, ``clinical``) and ``classifier``. Another head, such as TabPFN, goes in
        with ``set_params(classifier=...)``.

    Examples
    --------
    >>> from deepradiomics.recipes import frozen
    >>> [name for name, *_ in frozen("tf_efficientnet_lite0", ["femur"], clinical=["age"])["blocks"].transformers]
    ['texture', 'deep', 'clinical']
    """

    def reduced():
        imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        return imputer, StandardScaler(), PCA(n_components, whiten=True, svd_solver="full")

    embedding = EmbeddingExtractor(model, weights, checkpoint=checkpoint, n_jobs=n_jobs)
    blocks = [
        ("texture", make_pipeline(TextureExtractor(bin_count=32, n_jobs=n_jobs), *reduced()), list(boxes)),
        ("deep", make_pipeline(embedding, *reduced()), list(boxes)),
    ]
    if len(clinical):
        blocks.append(("clinical", clinical_encoder(), list(clinical)))
    transformer = ColumnTransformer(blocks).set_output(transform="pandas")
    classifier = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)
    return Pipeline([("blocks", transformer), ("classifier", classifier)])
