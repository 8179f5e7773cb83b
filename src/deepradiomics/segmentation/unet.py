"""UNetSegmenter: a U-Net as an estimator that outlines bones."""

from copy import deepcopy
from dataclasses import replace
from numbers import Integral, Real
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError, did_you_mean
from deepradiomics.metrics.overlap import dice
from deepradiomics.segmentation._confidence import agreement, expected_dice, fit_calibration
from deepradiomics.segmentation._frames import unframe
from deepradiomics.segmentation._pairs import (
    UNKNOWN,
    Pairs,
    as_sequence,
    dice_and_cross_entropy,
    loader,
    mean_dice,
    missing,
    paired,
    read_frame,
    read_labels,
    read_pairs,
    validator,
)
from deepradiomics.segmentation._prediction import outlines_of, views_of
from deepradiomics.segmentation._settings import (
    checked_classes,
    limits_of,
    mirrored_codes,
    read_settings,
    written_settings,
)
from deepradiomics.segmentation.architecture import UNetArchitecture
from deepradiomics.splits import encode_groups, validation_split
from deepradiomics.training import (
    Batches,
    PickledNetwork,
    Schedule,
    fit_network,
    load_weights,
    resolve_device,
    save_weights,
    seeded,
)

_WEIGHTS = Path(__file__).parent / "weights"
# In a trial on real pelves a network that found all of 80 femora lost 10 after 6 outlines of one's own, 5 after 12.
_MIN_OUTLINES = 10


class UNetSegmenter(PickledNetwork, BaseEstimator):
    """Outline bones in radiographs with a U-Net.

    Images of any size are fitted into a square frame without stretching, outlined there, and the outline is brought
    back to the image's own resolution. Of each class the largest piece is kept and its holes are filled.

    Parameters
    ----------
    classes : tuple of str, default=("femur",)
        Names of what the masks hold: label 1 is the first, label 2 the second, and so on; 0 is background.
    encoder : str, default="resnet18"
        Any encoder of segmentation-models-pytorch; ``"tu-"`` before a name of timm's takes that.
    encoder_weights : str or path, default=None
        Weights for the encoder to start from: a name such as ``"imagenet"`` (from the internet, once), or a
        safetensors file that holds them under the encoder's names; None starts at random.
    decoder_channels : tuple of ints, default=(256, 128, 64, 32, 16)
        Channels of the decoder from coarse to fine. Fewer are faster and smaller; fewer steps use the finer part of
        the encoder only.
    image_size : int, default=256
        Side of the frame in pixels, a multiple of 32 (of 2 to the number of decoder steps).
    epochs : int, default=30
        Times to go through the training images.
    batch_size : int, default=8
        Images a step.
    learning_rate : float, default=2e-3
        Peak rate of AdamW.
    weight_decay : float, default=1e-2
        Of AdamW.
    augmentation : bool or dict, default=True
        True for the defaults of `deepradiomics.training.Augmentation`, some of its fields but ``flip``, or False for
        none.
    mirror_classes : tuple of pairs of str, default=None
        Allows mirrored images in training, half of them, and names the classes that change places then:
        ``(("left femur", "right femur"),)``. An empty tuple mirrors without a change; None never mirrors.
    test_time_mirroring : bool, default=False
        Whether to average each prediction with that of the mirrored image. Needs ``mirror_classes``.
    validation_fraction : float, default=0.0
        Share of the images held out for early stopping, whole groups where ``groups`` are given. 0 trains on all
        images to the end.
    patience : int, default=5
        Epochs without a smaller validation loss after which training stops. The best epoch's weights are kept.
    min_confidence : float, default=0.5
        Outlines whose expected Dice is lower are left out: such a one is more likely wrong than right, and what it
        shows is often no bone of these classes. Without `calibrate_confidence` nothing is left out.
    ignore_label : int, default=None
        Label of pixels of which nobody knows what they show, such as the bone beyond the end of an outline. They count
        neither in the loss nor in a Dice. None means that masks hold no such pixels.
    warm_start : bool, default=False
        Whether a further call of fit goes on from the weights there are; ``image_size`` may change in between. At
        least 10 outlines are needed then.
    frozen_encoder : bool, default=False
        Whether the encoder stays as it is, its statistics too, and only the decoder learns. With few outlines of
        one's own, it keeps what the encoder has learned from many.
    device : str, default="auto"
        ``"auto"`` is CUDA where there is one, else the CPU.
    mixed_precision : bool or "auto", default="auto"
        Whether training computes in 16 bits where that is safe. ``"auto"`` does so on CUDA; True pays on a CPU that
        has bfloat16 as well. Prediction always runs in 32 bits.
    random_state : int, RandomState instance or None, default=None
        Fixes initial weights, order, augmentation and the validation part. torch's global random state is neither
        used nor changed.
    verbose : int, default=0
        1 shows a progress bar on stderr: of fit with the losses, of prediction with the images that are done.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained network.
    architecture_ : UNetArchitecture
        What it was built from.
    classes_ : tuple of str
        Names of the classes, in the order of the labels.
    calibration_ : tuple of floats or None
        Intercept and slopes that turn agreements into the expected Dice; None before `calibrate_confidence`.
    history_ : DataFrame
        A row an epoch: ``epoch``, ``loss``, ``learning_rate`` and, with a validation part, ``validation_loss`` and
        ``validation_dice`` (of the frames, before cleaning).

    Notes
    -----
    The loss is Dice plus cross-entropy. Grey values between the 0.5 and 99.5 percentiles of each image become 0 to 1.
    Prediction goes image by image, so a result does not depend on the others. Training keeps the framed images in
    memory, 3 bytes a pixel of the frame: 2 GB for 10,000 at 256.

    References
    ----------
    Ronneberger O, Fischer P, Brox T. U-Net: convolutional networks for biomedical image segmentation. MICCAI (2015).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics import UNetSegmenter
    >>> rng = np.random.default_rng(0)
    >>> masks = [np.zeros((40, 32), dtype=np.uint8) for _ in range(8)]
    >>> for mask in masks:
    ...     top, left = rng.integers(4, 16, 2)
    ...     mask[top : top + 20, left : left + 12] = 1
    >>> images = [mask + rng.normal(0, 0.3, mask.shape) for mask in masks]
    >>> segmenter = UNetSegmenter(("bone",), decoder_channels=(32, 16, 8), image_size=32, epochs=15, random_state=0)
    >>> segmenter.fit(images, masks).predict(images[:1])[0].shape
    (40, 32)
    >>> segmenter.score(images, masks) > 0.8
    True
    """

    _parameter_constraints = {  # noqa: RUF012
        "classes": [tuple, list],
        "encoder": [str],
        "encoder_weights": [str, PathLike, None],
        "decoder_channels": [tuple, list],
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "augmentation": ["boolean", dict],
        "mirror_classes": [tuple, list, None],
        "test_time_mirroring": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "min_confidence": [Interval(Real, 0, 1, closed="both")],
        "ignore_label": [Interval(Integral, 1, None, closed="left"), None],
        "warm_start": ["boolean"],
        "frozen_encoder": ["boolean"],
        "device": [str],
        "mixed_precision": ["boolean", StrOptions({"auto"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(  # noqa: PLR0913
        self,
        classes=("femur",),
        *,
        encoder="resnet18",
        encoder_weights=None,
        decoder_channels=(256, 128, 64, 32, 16),
        image_size=256,
        epochs=30,
        batch_size=8,
        learning_rate=2e-3,
        weight_decay=1e-2,
        augmentation=True,
        mirror_classes=None,
        test_time_mirroring=False,
        validation_fraction=0.0,
        patience=5,
        min_confidence=0.5,
        ignore_label=None,
        warm_start=False,
        frozen_encoder=False,
        device="auto",
        mixed_precision="auto",
        random_state=None,
        verbose=0,
    ):
        self.classes = classes
        self.encoder = encoder
        self.encoder_weights = encoder_weights
        self.decoder_channels = decoder_channels
        self.image_size = image_size
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.augmentation = augmentation
        self.mirror_classes = mirror_classes
        self.test_time_mirroring = test_time_mirroring
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.min_confidence = min_confidence
        self.ignore_label = ignore_label
        self.warm_start = warm_start
        self.frozen_encoder = frozen_encoder
        self.device = device
        self.mixed_precision = mixed_precision
        self.random_state = random_state
        self.verbose = verbose

    @classmethod
    def pretrained(cls, name="femur"):
        """Load a segmenter whose weights come with the package.

        Parameters
        ----------
        name : str, default="femur"
            ``"femur"``: both proximal femora, AP, trained on real and simulated radiographs. ``"lumbar-ap"``,
            ``"lumbar-lateral"``: bodies of L1 to L5, T12 and S1, trained on simulated radiographs only. Cards in
            ``segmentation/weights`` say where they fail.

        Returns
        -------
        UNetSegmenter
            Fitted; wrap it in `sklearn.frozen.FrozenEstimator` to use it as it is inside a pipeline.

        Raises
        ------
        InputError
            If there are no weights of that name.
        """
        names = sorted(path.stem for path in _WEIGHTS.glob("*.safetensors"))
        if name not in names:
            raise InputError(f"no weights are named {name!r}; {did_you_mean(name, names)}", code="weights")
        return cls.from_weights(_WEIGHTS / f"{name}.safetensors")

    @classmethod
    def from_weights(cls, path):
        """Load a segmenter from a file that `save_weights` wrote.

        Parameters
        ----------
        path : str or path
            The safetensors file.

        Returns
        -------
        UNetSegmenter
            Fitted, with the parameters that shape the network and its predictions; the others have their defaults.

        Raises
        ------
        InputError
            If the file is missing, damaged, of another format, or not one of a segmenter of this version.
        """
        settings, calibration = read_settings(path)
        segmenter = cls(**settings)
        segmenter._set_network(load_weights(segmenter._architecture().build(), path))
        segmenter.calibration_ = calibration
        return segmenter

    def save_weights(self, path, *, half=True):
        """Write the network and what it needs to be used again to a safetensors file.

        Parameters
        ----------
        path : str or path
            The file, usually ending in ``.safetensors``.
        half : bool, default=True
            Whether to write 16 bits a weight instead of 32.

        Raises
        ------
        NotFittedError
            If there is no network yet.
        InputError
            If there is no such folder, or ``mirror_classes`` no longer fits to the classes.
        """
        check_is_fitted(self)
        network = deepcopy(self.network_).cpu()
        save_weights(network.half() if half else network, path, written_settings(self))

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, images, masks, groups=None):
        """Train the network.

        Parameters
        ----------
        images : sequence of paths, arrays of shape (H, W) or `Radiograph`
            Radiographs of any size.
        masks : sequence of integer or bool arrays of shape (H, W), or paths
            One label map an image, of its size: 0 for background, then ``classes`` in order, ``ignore_label`` where
            nobody knows. A file is a PNG, TIFF, NIfTI or whatever else `read_radiograph` reads.
        groups : array-like of shape (n,), default=None
            Patients, which the validation part takes whole; none may be missing.

        Returns
        -------
        UNetSegmenter
            The fitted estimator.

        Raises
        ------
        InputError
            If an image or mask is missing, cannot be read or does not fit, a setting makes no sense, or a warm start
            has fewer than 10 outlines.
        TrainingError
            If the loss stops being finite, or memory does not hold one image.
        """
        architecture = self._architecture()
        limits = limits_of(self.augmentation)
        mirror = mirrored_codes(self.mirror_classes, self.classes, needed=self.test_time_mirroring)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        check_same_rows("images", images, groups=groups)
        images, masks = paired(images, masks)
        if self._goes_on() and len(images) < _MIN_OUTLINES:
            raise InputError(
                f"warm_start with {len(images)} outlines: fewer than {_MIN_OUTLINES} can make a trained network worse; "
                "give more, or add images of make_hips with their masks"
            )
        codes = None if groups is None else encode_groups(groups, len(images), sort=True)
        parts = validation_split(np.arange(len(images)), self.validation_fraction, groups=codes, random_state=seed)
        framed = read_pairs(images, masks, len(self.classes), self.image_size, self.ignore_label)
        pairs = Pairs(*framed, *parts, seed, resolve_device(self.device))
        with seeded(pairs.seed, pairs.device):
            network = self._start(architecture).to(pairs.device, memory_format=torch.channels_last)
            network.encoder.requires_grad_(not self.frozen_encoder)
            loss = dice_and_cross_entropy()
            self.history_ = fit_network(
                network,
                Batches(
                    loader(pairs, limits, mirror, fill=0 if self.ignore_label is None else UNKNOWN),
                    pairs.train,
                    self.batch_size,
                    seed=pairs.seed,
                    device=pairs.device,
                ),
                loss,
                Schedule(
                    self.epochs,
                    learning_rate=self.learning_rate,
                    weight_decay=self.weight_decay,
                    patience=self.patience if len(pairs.validation) else None,
                ),
                validate=validator(pairs, loss, self.batch_size),
                mixed=None if self.mixed_precision == "auto" else self.mixed_precision,
                progress="UNetSegmenter" if self.verbose else None,
            )
        self._set_network(network)
        return self

    def predict(self, images):
        """Outline the classes.

        Parameters
        ----------
        images : sequence of paths, arrays of shape (H, W), `Radiograph` or None
            Radiographs of any size.

        Returns
        -------
        list of uint8 arrays of shape (H, W), or None where an image is None
            A label map in the size of each image: 0 for background, then ``classes_`` in order. Outlines below
            ``min_confidence`` are left out.

        Raises
        ------
        InputError
            If an image cannot be read or used; the message says which.
        """
        check_is_fitted(self)
        if self.calibration_ is not None:
            return self.predict_with_confidence(images)[0]
        views = self._views(as_sequence(images, "image"), smaller=False)
        return [None if frame is None else outlines_of(self._averaged(each), frame)[1] for frame, each in views]

    def predict_with_confidence(self, images):
        """Outline the classes, and say how good each outline is expected to be.

        Parameters
        ----------
        images : sequence of paths, arrays of shape (H, W), `Radiograph` or None
            Radiographs of any size.

        Returns
        -------
        masks : list of uint8 arrays of shape (H, W), or None where an image is None
            As `predict` returns them.
        confidence : float array of shape (n, n_classes)
            Expected Dice of each outline, between 0 and 1; NaN where the class was not found. It comes from how well
            the outline agrees with those of the image mirrored and made smaller. Without `calibrate_confidence` it has
            the right order, but its value is no Dice. The weights of the femora are calibrated; their card says how
            far the value is from the true Dice.

        Raises
        ------
        InputError
            If an image cannot be read or used; the message says which.
        """
        check_is_fitted(self)
        images = as_sequence(images, "image")
        masks, confidence = [], np.full((len(images), len(self.classes_)), np.nan)
        codes = np.arange(1, len(self.classes_) + 1)
        for number, (outlines, agreements) in enumerate(self._judged(images)):
            masks.append(outlines)
            if outlines is None:
                continue
            expected = expected_dice(agreements, self.calibration_)
            if self.calibration_ is not None:
                outlines[np.isin(outlines, codes[expected < self.min_confidence])] = 0
            confidence[number] = np.where(np.isin(codes, outlines), expected, np.nan)
        return masks, confidence

    def calibrate_confidence(self, images, masks):
        """Fit the confidence on outlines that were not trained on, so that it is the Dice to expect.

        Parameters
        ----------
        images : sequence of paths, arrays of shape (H, W) or `Radiograph`
            Radiographs that fit has not seen; some without any class show what an invented outline looks like.
        masks : sequence of integer or bool arrays of shape (H, W), or paths
            The true label maps.

        Returns
        -------
        UNetSegmenter
            The same estimator, with ``calibration_``; `save_weights` writes it along.

        Raises
        ------
        InputError
            If an image or mask is missing or cannot be read or used, or fewer than 20 outlines are found.
        """
        check_is_fitted(self)
        images, masks = paired(images, masks)
        agreements, truths = [], []
        for number, (outlines, found) in enumerate(self._judged(images)):
            if outlines is None:
                raise missing(number)
            truth = read_labels(masks[number], outlines.shape, len(self.classes_), number, self.ignore_label)
            outlines[truth == UNKNOWN] = 0
            agreements.append(found)
            truths.append([dice(outlines == code, truth == code) for code in range(1, len(self.classes_) + 1)])
        self.calibration_ = fit_calibration(np.concatenate(agreements), np.concatenate(truths))
        return self

    def predict_proba(self, images):
        """Estimate the probability of each class at each pixel, before any cleaning.

        Parameters
        ----------
        images : sequence of paths, arrays of shape (H, W), `Radiograph` or None
            Radiographs of any size.

        Returns
        -------
        list of float32 arrays of shape (n_classes + 1, H, W), or None where an image is None
            Background first, then ``classes_``; they add up to 1.

        Raises
        ------
        InputError
            If an image cannot be read or used; the message says which.
        """
        return [
            None if frame is None else unframe(self._averaged(views), frame).cpu().numpy()
            for frame, views in self._views(as_sequence(images, "image"), smaller=False)
        ]

    def score(self, images, masks):
        """Compute the mean Dice coefficient.

        Parameters
        ----------
        images : sequence of paths, arrays of shape (H, W) or `Radiograph`
            Radiographs of any size.
        masks : sequence of integer or bool arrays of shape (H, W), or paths
            The true label maps.

        Returns
        -------
        float
            Mean over all pairs of image and class of which the class is in the true or in the predicted map.

        Raises
        ------
        InputError
            If an image or mask is missing or cannot be read or used, or no class is anywhere.
        """
        check_is_fitted(self)
        images, masks = paired(images, masks)
        return mean_dice(self.predict(images), masks, len(self.classes_), self.ignore_label)

    def _architecture(self):
        n_outputs = len(checked_classes(self.classes)) + 1
        return UNetArchitecture(self.encoder, n_outputs, tuple(self.decoder_channels), self.image_size)

    def _goes_on(self):
        return self.warm_start and hasattr(self, "network_")

    def _set_network(self, network):
        """Set everything that prediction needs."""
        self._keep(network)
        self.architecture_, self.classes_ = self._architecture(), tuple(self.classes)
        # What was measured of other weights says nothing of these.
        self.calibration_ = None

    def _keep(self, network):
        self.network_ = network.to(memory_format=torch.channels_last).eval()

    def _start(self, architecture):
        """Build a network, or go on with the one there is."""
        if not self._goes_on():
            return architecture.build(self.encoder_weights)
        if replace(architecture, image_size=self.architecture_.image_size) != self.architecture_:
            raise InputError(
                f"warm_start goes on with {self.architecture_}, but the parameters now ask for {architecture}; only "
                "image_size may change"
            )
        return self.network_

    def _views(self, images, *, smaller):
        """Yield the frame of one image after the other and `views_of` it, or None twice."""
        check_is_fitted(self)
        mirrored = mirrored_codes(self.mirror_classes, self.classes_, needed=self.test_time_mirroring)
        if not (self.test_time_mirroring or smaller):
            mirrored = None
        self.network_.to(resolve_device(self.device))
        side, step = self.architecture_.image_size, 2 ** len(self.architecture_.decoder_channels)
        for number, image in enumerate(tqdm(images, desc="outlines", unit="image", disable=not self.verbose)):
            frame = read_frame(image, side, number)
            views = None if frame is None else views_of(self.network_, frame.pixels, mirrored, step, smaller=smaller)
            yield frame, views

    def _averaged(self, views):
        return views[: 2 if self.test_time_mirroring else 1].mean(dim=0)

    def _judged(self, images):
        """Yield the outlines (H, W) of one image after the other and the agreements of each class, or None twice."""
        for frame, views in self._views(images, smaller=True):
            if frame is None:
                yield None, None
                continue
            probabilities = self._averaged(views)
            in_frame, outlines = outlines_of(probabilities, frame)
            yield outlines, agreement(in_frame, probabilities.cpu().numpy(), views[1:].cpu().numpy())
