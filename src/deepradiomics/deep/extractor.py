"""DeepExtractor: a network as a supervised transformer and as a classifier."""

from numbers import Real

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from deepradiomics.deep._estimator import _NetworkEstimator
from deepradiomics.deep._rows import encode_labels
from deepradiomics.deep._scores import class_shares, head_outputs, loss_weights, mean_auc
from deepradiomics.exceptions import InputError
from deepradiomics.training import cross_entropy, supervised_contrastive, triplet


class DeepExtractor(ClassifierMixin, _NetworkEstimator):
    """Learn features from radiographs with a network: a supervised transformer, and a classifier.

    One image column is a single view. Several columns with shared weights are a Siamese network: one branch is
    applied to each view and the embeddings stand side by side (right hips are mirrored by the regions step). Without
    shared weights each view has a branch of its own.

    `transform` gives the embedding of the final network, which was trained on all rows. `fit_transform` is
    cross-fitted instead: each patient's embedding comes from a network that never saw the patient, so that a
    classifier behind it learns from embeddings as honest as those it will meet.

    Parameters
    ----------
    backbone : str, default="tiulpin"
        ``"tiulpin"``, the branch of Kim et al. 2022 (six convolutions, 128 features), ``"tiulpin_acm"``, the same with
        an attend-and-compare module, or any name that timm knows.
    shared_weights : bool, default=True
        One branch for all columns, or one a column.
    n_features : int, default=256
        Length of a patient's embedding, divided evenly among the columns. A linear layer brings the backbone's
        output to this length; ``"tiulpin"`` at 128 a column needs none.
    pretrained : bool or str, default=False
        True takes timm's weights (from the internet, once), a path those of a safetensors file, False none.
    clinical : list of str, default=None
        Columns of numbers (age, weight) that join the embedding before the last layer, standardised by the training
        rows, an unknown one as their mean. `predict_proba` uses them, `transform` does not return them.
    metric_loss : {"contrastive", "triplet"} or None, default=None
        What is added to the cross-entropy so that embeddings of one class lie together: the supervised contrastive
        loss, or the triplet loss with the hardest pairs of a batch.
    balanced_sampling : bool, default=False
        Whether each batch draws the classes equally often.
    cv : int, splitter or None, default=None
        How `fit_transform` cross-fits. None is 5 folds; a number of folds is stratified and shuffled, and keeps
        groups together where ``groups`` are given. A splitter must test each row exactly once.
    epochs : int, default=30
        Times to go through the training rows.
    frozen_epochs : int, default=0
        How many of the epochs come first in which only the layers behind the backbone learn.
    batch_size : int, default=16
        Patients a batch.
    accumulate : int, default=1
        Batches a step, their gradients added up.
    learning_rate : float, default=1e-3
        Peak rate of AdamW. About 1e-4 suits pretrained backbones.
    layer_decay : float, default=1.0
        Factor of the rate from each stage of the backbone to the one before it; 0.5 to 0.9 suits pretrained ones.
    weight_decay : float, default=1e-2
        Of AdamW.
    image_size : int, default=224
        Side of the square in pixels to which images are resized, proportions kept, the rest filled with 0, after
        their grey values were stretched to 0..1 each.
    augmentation : bool or dict, default=True
        True for the defaults of `deepradiomics.training.Augmentation`, some of its fields, or False for none. There
        are no flips unless asked for.
    dropout : float, default=0.3
        Share of the embedding dropped before the last layer, in training.
    class_weight : "balanced", dict or None, default="balanced"
        Weights of the classes in the loss; a dict maps labels to weights. Where sampling is balanced, "balanced" adds
        no weights to it.
    label_smoothing : float, default=0.0
        Share of each target that is spread over all classes, against overconfidence; below 1.
    validation_fraction : float, default=0.0
        Share of the rows held out for early stopping, whole groups where ``groups`` are given. 0 trains on all rows
        to the end.
    patience : int, default=5
        Epochs without a smaller validation loss after which training stops. The best epoch's weights are kept.
    checkpoint : str or path, default=None
        Folder that keeps the state of each training after every epoch. Fit again with the same data, settings and
        ``random_state`` (a number), an interrupted training goes on in the middle and ends with the same network. It
        holds weights and no image; remove it when all is done.
    device : str, default="auto"
        ``"auto"`` is CUDA where there is one, else the CPU.
    n_jobs : int, default=None
        Processes that read and resize images, as joblib understands it; None is this one. It pays for files, and for
        backbones that are fast against reading them.
    random_state : int, RandomState instance or None, default=None
        Fixes initial weights, order, augmentation, dropout and folds. torch's global random state is neither used
        nor changed.
    verbose : int, default=0
        1 shows a progress bar with loss and validation metrics on stderr, one for each network.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels.
    network_ : MultiViewNetwork
        The final network, trained on all rows.
    architecture_ : Architecture
        What it was built from.
    history_ : DataFrame
        A row an epoch of the final network: ``epoch``, ``loss``, ``learning_rate`` and, with a validation part,
        ``validation_loss`` and ``validation_auc``.
    class_prior_ : array of shape (n_classes,)
        Share of each class among the rows with an image.
    cross_fitted_proba_ : array of shape (n_samples, n_classes)
        Class probabilities of the rows given to `fit_transform`, each from the network that never saw the row. Only
        after `fit_transform`.
    n_features_in_ : int
        Number of image and clinical columns.
    feature_names_in_ : array of str of shape (`n_features_in_`,)
        Their names, where X is a data frame with names.

    Notes
    -----
    **Missing views.** A cell of None gives a view of zeros in the embedding and reaches no branch, so it does not touch
    batch statistics. A patient without any view is left out of training; the embedding is NaN and the probabilities
    are the class shares of the training rows.

    **Cross-fitted embeddings.** Networks trained on different folds learn the same things in different coordinates;
    side by side they are useless to a linear classifier. So all networks of one fit start from the same initial
    weights, and each fold network is then brought into the final network's coordinates by an orthogonal Procrustes
    rotation, one a branch, fitted on the embeddings of that fold's training rows and without their labels. A rotation
    keeps all distances of the fold network, so the held-out rows become no easier to separate than that network left
    them.

    **Last bits.** Convolutions add in another order for another number of images, so the embedding of a row differs by
    about 1e-6 with the rows that are given along with it; given the same rows, it is the same to the bit.

    **Memory.** Prepared images are kept in float16 up to 1 GiB a call (10,700 images at 224 x 224), and beyond that
    are read again each epoch. Masks of the radiographs are not used: the network sees the crop.

    **Clinical columns.** Mao et al. 2022 join age, sex and body mass index to the image in this way; a patient without
    any view gets the class shares, clinical columns or not.

    References
    ----------
    Kim S, Kim BR, Chae HD, et al. Deep radiomics-based approach to the diagnosis of osteoporosis using hip
    radiographs. Radiology: Artificial Intelligence 4(4), e210212 (2022).

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from deepradiomics import DeepExtractor
    >>> rng = np.random.default_rng(0)
    >>> y = np.array(["smooth", "rough"] * 10)
    >>> images = [rng.normal(size=(64, 64)) + (label == "smooth") * np.arange(64) for label in y]
    >>> X = pd.DataFrame({"left": images, "right": images[:-1] + [None]})
    >>> extractor = DeepExtractor(n_features=16, image_size=64, epochs=4, cv=2, random_state=0)
    >>> extractor.fit_transform(X, y).shape
    (20, 16)
    >>> extractor.predict(X[:2]).tolist()
    ['smooth', 'rough']
    """

    _parameter_constraints = {  # noqa: RUF012
        **_NetworkEstimator._parameter_constraints,
        "metric_loss": [StrOptions({"contrastive", "triplet"}), None],
        "balanced_sampling": ["boolean"],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(  # noqa: PLR0913
        self,
        backbone="tiulpin",
        *,
        shared_weights=True,
        n_features=256,
        pretrained=False,
        clinical=None,
        metric_loss=None,
        balanced_sampling=False,
        cv=None,
        epochs=30,
        frozen_epochs=0,
        batch_size=16,
        accumulate=1,
        learning_rate=1e-3,
        layer_decay=1.0,
        weight_decay=1e-2,
        image_size=224,
        augmentation=True,
        dropout=0.3,
        class_weight="balanced",
        label_smoothing=0.0,
        validation_fraction=0.0,
        patience=5,
        checkpoint=None,
        device="auto",
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.backbone = backbone
        self.shared_weights = shared_weights
        self.n_features = n_features
        self.pretrained = pretrained
        self.clinical = clinical
        self.metric_loss = metric_loss
        self.balanced_sampling = balanced_sampling
        self.cv = cv
        self.epochs = epochs
        self.frozen_epochs = frozen_epochs
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.learning_rate = learning_rate
        self.layer_decay = layer_decay
        self.weight_decay = weight_decay
        self.image_size = image_size
        self.augmentation = augmentation
        self.dropout = dropout
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.checkpoint = checkpoint
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def predict_proba(self, X):
        """Estimate the probability of each class with the final network.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            The columns seen by fit.

        Returns
        -------
        float array of shape (n_samples, n_classes)
            Probabilities in the order of ``classes_``; ``class_prior_`` for a patient without any view.

        Raises
        ------
        InputError
            If an image cannot be read or used, or the columns are not those of fit.
        """
        check_is_fitted(self)
        return class_shares(head_outputs(self.network_, *self._seen(X)), self.class_prior_)

    def predict(self, X):
        """Predict the most probable class.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            The columns seen by fit.

        Returns
        -------
        array of shape (n_samples,)
            Labels.

        Raises
        ------
        InputError
            If an image cannot be read or used, or the columns are not those of fit.
        """
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _encoded(self, y, usable):
        """Learn the classes; the class of each row, for the folds and for the loss."""
        self.classes_, codes = encode_labels(y, len(usable))
        if len(np.unique(codes[usable])) < max(2, len(self.classes_)):
            raise InputError(
                f"training needs at least two classes and an image for each; the labels are {self.classes_.tolist()}, "
                f"those with an image {self.classes_[np.unique(codes[usable])].tolist()}"
            )
        self.class_prior_ = np.bincount(codes[usable], minlength=len(self.classes_)) / usable.sum()
        return codes, codes

    def _n_outputs(self):
        return len(self.classes_)

    def _balanced(self, codes):
        return codes if self.balanced_sampling else None

    def _loss(self, codes):
        """Build the loss for training rows of these classes, whose logits are meant as they are."""
        weights = self.class_weight
        if self.balanced_sampling and weights == "balanced":
            weights = None
        entropy = cross_entropy(loss_weights(weights, self.classes_, codes), self.label_smoothing)
        metric = {"contrastive": supervised_contrastive, "triplet": triplet, None: None}[self.metric_loss]

        def loss(outputs, codes):
            logits, embedding = outputs
            return entropy(logits, codes) + (0 if metric is None else metric(embedding, codes))

        return loss, 0.0, 1.0

    def _judged(self, logits, codes):
        return {"validation_auc": mean_auc(codes, logits.softmax(dim=1).numpy())}

    def _start_cross_fitting(self, n_samples):
        self.cross_fitted_proba_ = np.tile(self.class_prior_, (n_samples, 1))

    def _cross_fit(self, network, embeddings, clinical, rows):
        """Keep what a network says of rows that it never saw."""
        self.cross_fitted_proba_[rows] = class_shares(head_outputs(network, embeddings, clinical), self.class_prior_)
