"""DeepExtractor: a network as a supervised transformer and as a classifier."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from deepradiomics.deep.alignment import aligned_views
from deepradiomics.deep.columns import image_columns
from deepradiomics.deep.folds import check_groups, cross_fit_splits, validation_split
from deepradiomics.deep.networks import Architecture
from deepradiomics.deep.rows import Patients, augmented_loader, encode_labels
from deepradiomics.deep.scores import class_shares, embed, loss_weights, mean_auc
from deepradiomics.exceptions import InputError
from deepradiomics.training import (
    Batches,
    PreparedImages,
    Schedule,
    cross_entropy,
    fit_network,
    resolve_device,
    seeded,
)


class DeepExtractor(ClassifierMixin, TransformerMixin, BaseEstimator):
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
        ``"tiulpin"``, the branch of Kim et al. 2022 (six convolutions, 128 features), or any name that timm knows.
    shared_weights : bool, default=True
        One branch for all columns, or one a column.
    n_features : int, default=256
        Length of a patient's embedding, divided evenly among the columns. A linear layer brings the backbone's
        output to this length; ``"tiulpin"`` at 128 a column needs none.
    pretrained : bool or str, default=False
        True takes timm's weights (from the internet, once), a path those of a safetensors file, False none.
    cv : int, splitter or None, default=None
        How `fit_transform` cross-fits. None is 5 folds; a number of folds is stratified and shuffled, and keeps
        groups together where ``groups`` are given. A splitter must test each row exactly once.
    epochs : int, default=30
        Times to go through the training rows.
    batch_size : int, default=16
        Patients a step.
    learning_rate : float, default=1e-3
        Peak rate of AdamW. About 1e-4 suits pretrained backbones.
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
        Weights of the classes in the loss; a dict maps labels to weights.
    label_smoothing : float, default=0.0
        Share of each target that is spread over all classes, against overconfidence; below 1.
    validation_fraction : float, default=0.0
        Share of the rows held out for early stopping, whole groups where ``groups`` are given. 0 trains on all rows
        to the end.
    patience : int, default=5
        Epochs without a smaller validation loss after which training stops. The best epoch's weights are kept.
    device : str, default="auto"
        ``"auto"`` is CUDA where there is one, else the CPU.
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
        Number of image columns.
    feature_names_in_ : array of str of shape (n_features_in_,)
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

    **Memory.** Prepared images are kept in float16 up to 1 GiB a call (10,700 images at 224 x 224), and beyond that
    are read again each epoch. Masks of the radiographs are not used: the network sees the crop.

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
        "backbone": [str],
        "shared_weights": ["boolean"],
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "pretrained": ["boolean", str],
        "cv": ["cv_object"],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "augmentation": ["boolean", dict],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(  # noqa: PLR0913
        self,
        backbone="tiulpin",
        *,
        shared_weights=True,
        n_features=256,
        pretrained=False,
        cv=None,
        epochs=30,
        batch_size=16,
        learning_rate=1e-3,
        weight_decay=1e-2,
        image_size=224,
        augmentation=True,
        dropout=0.3,
        class_weight="balanced",
        label_smoothing=0.0,
        validation_fraction=0.0,
        patience=5,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.backbone = backbone
        self.shared_weights = shared_weights
        self.n_features = n_features
        self.pretrained = pretrained
        self.cv = cv
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.image_size = image_size
        self.augmentation = augmentation
        self.dropout = dropout
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, groups=None):
        """Train the network on all rows.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            Image columns; cells are paths, 2-D arrays, `Radiograph` or None.
        y : array-like of shape (n_samples,)
            Labels of two or more classes.
        groups : array-like of shape (n_samples,), default=None
            Patients, which the validation part takes whole.

        Returns
        -------
        DeepExtractor
            The fitted estimator.

        Raises
        ------
        InputError
            If an image cannot be read or used, or there are fewer than two classes.
        LeakageError
            If ``cv`` splits by group and no groups are given.
        TrainingError
            If the loss stops being finite, or memory does not hold one image.
        """
        self._fit_final(self._patients(X, y, groups))
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None, *, groups=None):
        """Train the final network on all rows, and embed each row by a network that never saw it.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            Image columns; cells are paths, 2-D arrays, `Radiograph` or None.
        y : array-like of shape (n_samples,), default=None
            Labels of two or more classes; required.
        groups : array-like of shape (n_samples,), default=None
            Patients; no patient is on both sides of a split.

        Returns
        -------
        float array of shape (n_samples, n_features)
            Cross-fitted embeddings, in the coordinates of the final network.

        Raises
        ------
        InputError
            If an image cannot be read or used, a class is too small for the folds, or ``cv`` does not test each row
            exactly once.
        LeakageError
            If ``cv`` splits by group and no groups are given, or a group is on both sides of a split.
        TrainingError
            If the loss stops being finite, or memory does not hold one image.
        """
        patients = self._patients(X, y, groups)
        splits = cross_fit_splits(self.cv, patients.codes, patients.groups, patients.usable, patients.seed)
        self._fit_final(patients)
        rows = np.flatnonzero(patients.usable)
        reference = self._embed(self.network_, patients.images, rows, patients.device)
        embeddings = np.full((len(patients.codes), self.n_features), np.nan)
        self.cross_fitted_proba_ = np.tile(self.class_prior_, (len(patients.codes), 1))
        for number, (train, test) in enumerate(splits, start=1):
            network, _ = self._train(patients, train, f"fold {number}/{len(splits)}")
            known = self._embed(network, patients.images, train, patients.device)
            new = self._embed(network, patients.images, test, patients.device)
            self.cross_fitted_proba_[test] = class_shares(network, new, self.class_prior_)
            present = patients.images.present()
            embeddings[test] = aligned_views(
                known, reference[np.searchsorted(rows, train)], new, present[train], present[test], self.shared_weights
            )
        return embeddings

    def transform(self, X):
        """Embed images with the final network.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            The columns seen by fit.

        Returns
        -------
        float array of shape (n_samples, n_features)
            Embeddings; NaN for a patient without any view. Of rows seen by fit they are in-sample: use
            `fit_transform` for those.

        Raises
        ------
        InputError
            If an image cannot be read or used, or the columns are not those of fit.
        """
        check_is_fitted(self)
        images, usable, device = self._seen(X)
        embeddings = np.full((len(usable), self.architecture_.n_features), np.nan)
        rows = np.flatnonzero(usable)
        if len(rows):
            embeddings[rows] = self._embed(self.network_, images, rows, device)
        return embeddings

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
        embeddings = self.transform(X)
        return class_shares(self.network_, embeddings, self.class_prior_)

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

    def get_feature_names_out(self, input_features=None):
        """Name the embedding's columns.

        Parameters
        ----------
        input_features : None, default=None
            Ignored; the names come from fit.

        Returns
        -------
        object array of shape (n_features,)
            ``<column>__deep_000``, ...
        """
        check_is_fitted(self)
        each = self.architecture_.n_features // self.architecture_.n_views
        width = max(3, len(str(each - 1)))
        return np.array(
            [f"{name}__deep_{number:0{width}d}" for name in self._names for number in range(each)], dtype=object
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.no_validation = True
        return tags

    def __getstate__(self):
        # Networks are kept as arrays on the CPU: a pickle made on a GPU opens anywhere.
        state = dict(super().__getstate__())
        network = state.pop("network_", None)
        if network is not None:
            state["_weights"] = {name: value.cpu().numpy() for name, value in network.state_dict().items()}
        return state

    def __setstate__(self, state):
        state = dict(state)
        weights = state.pop("_weights", None)
        super().__setstate__(state)
        if weights is not None:
            with seeded(0):
                network = self.architecture_.build()
            network.load_state_dict({name: torch.as_tensor(np.array(value)) for name, value in weights.items()})
            self.network_ = network.eval()

    def _patients(self, X, y, groups):
        """Check the input of fit and set what is learned from it alone."""
        check_groups(self.cv, groups)
        names, columns = image_columns(X)
        _check_feature_names(self, X, reset=True)
        self.n_features_in_, self._names = len(names), names
        self.classes_, codes = encode_labels(y, len(columns[0]))
        images = PreparedImages(columns, names, self.image_size)
        usable = images.present().any(axis=1)
        if len(np.unique(codes[usable])) < max(2, len(self.classes_)):
            raise InputError(
                f"training needs at least two classes and an image for each; the labels are {self.classes_.tolist()}, "
                f"those with an image {self.classes_[np.unique(codes[usable])].tolist()}",
                code="one_class",
            )
        self.class_prior_ = np.bincount(codes[usable], minlength=len(self.classes_)) / usable.sum()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        groups = None if groups is None else np.asarray(groups)
        return Patients(images, codes, groups, usable, seed, resolve_device(self.device))

    def _fit_final(self, patients):
        self.architecture_ = Architecture(
            self.backbone,
            n_views=self.n_features_in_,
            n_outputs=len(self.classes_),
            n_features=self.n_features,
            shared_weights=self.shared_weights,
            dropout=self.dropout,
            image_size=self.image_size,
        )
        self.network_, self.history_ = self._train(patients, np.flatnonzero(patients.usable), "all rows")

    def _train(self, patients, rows, title):
        """Train a network on some rows; the network and its history."""
        device = patients.device
        train, validation = rows, None
        if self.validation_fraction:
            train, validation = validation_split(
                rows, patients.codes, patients.groups, self.validation_fraction, patients.seed
            )
        with seeded(patients.seed, device):
            network = self.architecture_.build(self.pretrained).to(device)
            weights = loss_weights(self.class_weight, self.classes_, patients.codes[train])
            loss = cross_entropy(weights, self.label_smoothing)
            history = fit_network(
                network,
                Batches(
                    augmented_loader(patients, self.augmentation),
                    train,
                    self.batch_size,
                    seed=patients.seed,
                    device=device,
                ),
                loss,
                Schedule(
                    self.epochs,
                    learning_rate=self.learning_rate,
                    weight_decay=self.weight_decay,
                    patience=self.patience if self.validation_fraction else None,
                ),
                validate=self._validator(patients, validation, loss),
                progress=f"DeepExtractor, {title}" if self.verbose else None,
            )
        return network, history

    def _validator(self, patients, rows, loss):
        """Build the function that measures a network on held-out rows."""
        if rows is None:
            return None
        codes = patients.codes[rows]

        def validate(network):
            embedding = self._embed(network, patients.images, rows, patients.device)
            logits = network.head(torch.as_tensor(embedding, dtype=torch.float32, device=patients.device)).cpu()
            return {
                "validation_loss": float(loss(logits, torch.as_tensor(codes))),
                "validation_auc": mean_auc(codes, logits.softmax(dim=1).numpy()),
            }

        return validate

    def _seen(self, X):
        """Check the input of transform: the images, which rows have one, and the device."""
        names, columns = image_columns(X)
        if len(names) != self.n_features_in_:
            raise InputError(
                f"X has {len(names)} image columns, fit saw {self.n_features_in_}: {', '.join(self._names)}",
                code="columns",
            )
        _check_feature_names(self, X, reset=False)
        device = resolve_device(self.device)
        self.network_.to(device)
        size = self.architecture_.image_size
        images = PreparedImages(columns, names, size, cache=False)
        return images, images.present().any(axis=1), device

    def _embed(self, network, images, rows, device):
        return embed(network, images, rows, device, batch_size=4 * self.batch_size)
