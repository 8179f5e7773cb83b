"""Bone density from lumbar radiographs in one or two views, after Mao et al. 2022."""

from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from deepradiomics.clinical import clinical_encoder
from deepradiomics.deep import DeepExtractor
from deepradiomics.exceptions import InputError
from deepradiomics.preprocessing import GrayscaleNormalizer
from deepradiomics.recipes._outlines import outliner
from deepradiomics.regions import VertebraRegions

_VIEWS = {"AP": ["ap"], "LAT": ["lateral"], "both": ["ap", "lateral"]}


def mao2022(  # noqa: PLR0913
    view="both",
    covariates=True,
    *,
    segmenter=None,
    mask=None,
    backbone="densenet121",
    pretrained=False,
    epochs=20,
    image_size=512,
    random_state=None,
):
    """Build the model of Mao et al. 2022: one network a view of L1 to L4, with or without clinical covariates.

    Each radiograph is cut to the smallest rectangle round the bodies of L1 to L4, with a side margin of 2 mm and edges
    in mid-disc, blurred, equalised, brought into a square frame with grey borders and read by a network; both views
    join behind their networks, and age, sex and body mass index join them.

    Parameters
    ----------
    view : {"AP", "LAT", "both"}, default="both"
        The views to read: columns ``ap``, ``lateral`` or both.
    covariates : bool, default=True
        Whether ``age``, ``sex`` and ``bmi`` join.
    segmenter : dict of str to fitted estimator, default=None
        What outlines the bodies in the columns ``ap`` and ``lateral``, wrapped in
        :class:`sklearn.frozen.FrozenEstimator`. A column that is named neither here nor in `mask` is outlined by the
        network of the package, ``UNetSegmenter.pretrained("lumbar-ap")`` or ``"lumbar-lateral"``.
    mask : dict of str to str, default=None
        The columns with label maps, 1 to 4 for L1 to L4, in place of segmenters, such as ``{"ap": "ap_mask"}``.
    backbone : str, default="densenet121"
        The network of each view.
    pretrained : bool or str, default=False
        Weights to start from, as in :class:`deepradiomics.DeepExtractor`.
    epochs : int, default=20
        Epochs of each training of the network.
    image_size : int, default=512
        Side of the frame in pixels.
    random_state : int or RandomState instance, default=None
        Seed of the network and its folds.

    Returns
    -------
    sklearn.pipeline.Pipeline
        A classifier of any number of classes; the paper has three by T-score: up to -2.5, -2.5 to -1, above.

    Raises
    ------
    InputError
        If the view is none of these, covariates is no bool, a segmenter or a mask is for another column,
        or both are for one.

    Notes
    -----
    Left open by the paper and chosen here: the blur has a standard deviation of 1 pixel; the embedding has 64
    features. Other than in the paper, covariates do not enter the network: a logistic regression joins them to
    cross-fitted embeddings, so that sets with and without them share one network.

    References
    ----------
    Mao L, Xia Z, Pan L, et al. Deep learning for screening primary osteopenia and osteoporosis using spine radiographs
    and patient clinical covariates. Front Endocrinol 2022;13:971877.

    Examples
    --------
    >>> from deepradiomics.recipes import mao2022
    >>> [name for name, _ in mao2022("AP", random_state=0).steps]
    ['ap', 'blocks', 'classifier']
    """
    if not isinstance(view, str) or view not in _VIEWS:
        raise InputError(f"view is one of {', '.join(_VIEWS)}, not {view!r}")
    if not isinstance(covariates, bool):
        raise InputError(f"covariates is {covariates!r}; give True or False")
    columns = _VIEWS[view]
    for name, given in (("segmenter", segmenter), ("mask", mask)):
        if given is not None and (not isinstance(given, dict) or set(given) - set(columns)):
            named = sorted(map(str, given)) if isinstance(given, dict) else type(given).__name__
            raise InputError(f"{name} is {named}; give a dict with the keys {columns}")
    regions = [(column, _spine(column, (segmenter or {}).get(column), (mask or {}).get(column))) for column in columns]
    network = DeepExtractor(
        backbone,
        shared_weights=False,
        n_features=64,
        pretrained=pretrained,
        cv=5,
        epochs=epochs,
        image_size=image_size,
        random_state=random_state,
    )
    frames = GrayscaleNormalizer(method="equalize", sigma=1.0, within_mask=False)
    deep = make_pipeline(frames.set_output(transform="pandas"), network, StandardScaler())
    parts = [("deep", deep, [f"{column}_L1-L4" for column in columns])]
    if covariates:
        parts.append(("clinical", clinical_encoder(), ["age", "sex", "bmi"]))
    blocks = ColumnTransformer(parts).set_output(transform="pandas")
    return Pipeline([*regions, ("blocks", blocks), ("classifier", LogisticRegression(C=0.1, max_iter=2000))])


def _spine(column, segmenter, mask):
    segmenter = outliner(f"lumbar-{column}", segmenter, mask)
    return VertebraRegions(segmenter, image=column, mask=mask, levels=("L1-L4",), prefix=f"{column}_", context=0.0)
