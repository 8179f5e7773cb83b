"""Osteoporosis from lateral lumbar radiographs by transfer learning, after a study of four networks of 2024."""

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from deepradiomics.deep import DeepExtractor
from deepradiomics.preprocessing import GrayscaleNormalizer
from deepradiomics.recipes._outlines import outliner
from deepradiomics.regions import VertebraRegions


def lumbar_transfer2024(
    backbone="vgg16", *, segmenter=None, mask=None, pretrained=True, epochs=20, image_size=224, random_state=None
):
    """Build one of four fine-tuned networks that read L1 to L3 in a lateral radiograph.

    Parameters
    ----------
    backbone : str, default="vgg16"
        ``"vgg16"``, ``"vgg19"``, ``"resnet50"`` or ``"legacy_xception"``; any name of timm will do.
    segmenter : fitted estimator, default=None
        What outlines the bodies in the column ``lateral``, wrapped in :class:`sklearn.frozen.FrozenEstimator`. None
        without a mask means the network of the package, ``UNetSegmenter.pretrained("lumbar-lateral")``.
    mask : str, default=None
        Name of the column with label maps, 1 to 3 for L1 to L3, in place of a segmenter.
    pretrained : bool or str, default=True
        Weights to start from, as in :class:`deepradiomics.DeepExtractor`.
    epochs : int, default=20
        Epochs of the training.
    image_size : int, default=224
        Side in pixels to which the region is resized.
    random_state : int or RandomState instance, default=None
        Seed of the network.

    Returns
    -------
    sklearn.pipeline.Pipeline
        A classifier; the study has two classes, a T-score of -2.5 or less and the rest.

    Raises
    ------
    InputError
        If a segmenter and a mask are given.

    Notes
    -----
    Window and level are set by each image: its 1st and 99th percentiles become 0 and 1. Left open by the study and
    chosen here: the region is the smallest rectangle round L1 to L3 with 2 mm of margin, up to the middle of the discs.

    Examples
    --------
    >>> from deepradiomics.recipes import lumbar_transfer2024
    >>> lumbar_transfer2024("resnet50", pretrained=False)[-1].backbone
    'resnet50'
    """
    segmenter = outliner("lumbar-lateral", segmenter, mask)
    regions = VertebraRegions(segmenter, image="lateral", mask=mask, levels=("L1-L3",), context=0.0)
    window = GrayscaleNormalizer(method="percentile", percentiles=(1.0, 99.0), within_mask=False)
    frames = ColumnTransformer([("spine", window, ["L1-L3"])], verbose_feature_names_out=False)
    network = DeepExtractor(
        backbone,
        n_features=256,
        pretrained=pretrained,
        epochs=epochs,
        image_size=image_size,
        learning_rate=1e-4,
        random_state=random_state,
    )
    return Pipeline([("regions", regions), ("frames", frames.set_output(transform="pandas")), ("network", network)])
