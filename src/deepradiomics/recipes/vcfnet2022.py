"""Acute, chronic or pathologic vertebral fracture, after VCFNet 2022."""

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from deepradiomics.deep import DeepExtractor
from deepradiomics.preprocessing import GrayscaleNormalizer
from deepradiomics.regions import VertebraRegions


def vcfnet2022(*, boxes=None, backbone="resnet18", pretrained=True, epochs=30, image_size=224, random_state=None):
    """Build the network that tells why a vertebra is broken, from a box round it.

    Parameters
    ----------
    boxes : str, default=None
        Column with the box of the vertebra in each row's ``radiograph``: a labelImg file, or a dict with the key
        ``"vertebra"``. None means that the column ``vertebra`` holds pictures that were cut out before.
    backbone : str, default="resnet18"
        The network.
    pretrained : bool or str, default=True
        Weights to start from, as in :class:`deepradiomics.DeepExtractor`.
    epochs : int, default=30
        Epochs of the training.
    image_size : int, default=224
        Side in pixels to which the vertebra is resized.
    random_state : int or RandomState instance, default=None
        Seed of the network.

    Returns
    -------
    sklearn.pipeline.Pipeline
        A classifier of any number of classes; the paper has ``acute``, ``chronic`` and ``pathologic``.

    Notes
    -----
    Other than in the paper, pictures are not flipped upside down: gravity tells the endplates apart. They are turned,
    shifted and scaled a little and vary in exposure while the network learns. Grey values are set by the 1st and 99th
    percentile of each picture.

    References
    ----------
    Xu F, Xiong Y, Ye G, et al. Deep learning-based artificial intelligence model for classification of vertebral
    compression fractures: a multicenter diagnostic study. Front Endocrinol 2023;14:1025749.

    Examples
    --------
    >>> from deepradiomics.recipes import vcfnet2022
    >>> [name for name, _ in vcfnet2022(boxes="boxes", pretrained=False).steps]
    ['regions', 'frames', 'network']
    """
    window = GrayscaleNormalizer(method="percentile", percentiles=(1.0, 99.0), within_mask=False)
    frames = ColumnTransformer([("fracture", window, ["vertebra"])], verbose_feature_names_out=False)
    network = DeepExtractor(
        backbone,
        n_features=256,
        pretrained=pretrained,
        epochs=epochs,
        image_size=image_size,
        learning_rate=1e-4,
        random_state=random_state,
    )
    steps = [("frames", frames.set_output(transform="pandas")), ("network", network)]
    if boxes is not None:
        steps.insert(0, ("regions", VertebraRegions(boxes=boxes, levels=("vertebra",), context=0.0)))
    return Pipeline(steps)
