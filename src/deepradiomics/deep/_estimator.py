"""What networks as estimators have in common: the rows, the training, the folds, the state."""

from functools import partial
from hashlib import sha256
from numbers import Integral, Real
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_feature_names, check_is_fitted
from torch import nn

from deepradiomics.deep._rows import Patients, augmented_loader
from deepradiomics.deep._scores import embed
from deepradiomics.deep._stages import learning_stages
from deepradiomics.deep.alignment import aligned_views
from deepradiomics.deep.columns import clinical_columns, image_columns
from deepradiomics.deep.networks import Architecture
from deepradiomics.estimators import check_same_rows
from deepradiomics.exceptions import InputError
from deepradiomics.splits import check_groups_given, cross_validation_splits, encode_groups, validation_split
from deepradiomics.training import (
    Batches,
    PickledNetwork,
    PreparedImages,
    Schedule,
    fit_network,
    resolve_device,
    seeded,
)


class _NetworkEstimator(TransformerMixin, PickledNetwork, BaseEstimator):
    """A network with views as input; children say what its outputs are compared with and what they mean."""

    _parameter_constraints = {  # noqa: RUF012
        "backbone": [str],
        "shared_weights": ["boolean"],
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "pretrained": ["boolean", str],
        "clinical": ["array-like", None],
        "cv": ["cv_object"],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "frozen_epochs": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "accumulate": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "layer_decay": [Interval(Real, 0, 1, closed="right")],
        "checkpoint": [str, PathLike, None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "image_size": [Interval(Integral, 8, None, closed="left")],
        "augmentation": ["boolean", dict],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, groups=None):
        """Train the network on all rows.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            Image columns; cells are paths, 2-D arrays, `Radiograph` or None. And the clinical columns.
        y : array-like of shape (n_samples,)
            Labels of two or more classes; or values, for a regressor.
        groups : array-like of shape (n_samples,), default=None
            Patients, which the validation part takes whole.

        Returns
        -------
        self
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
            Image columns; cells are paths, 2-D arrays, `Radiograph` or None. And the clinical columns.
        y : array-like of shape (n_samples,), default=None
            Labels of two or more classes, or values for a regressor; required.
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
        rows = np.flatnonzero(patients.usable)
        splits = cross_validation_splits(
            self.cv,
            patients.codes,
            patients.groups,
            random_state=patients.seed,
            rows=rows,
            owner=type(self).__name__,
        )
        self._fit_final(patients)
        reference = self._embed(self.network_, patients.images, rows, patients.device)
        embeddings = np.full((len(patients.codes), self.n_features), np.nan)
        self._start_cross_fitting(len(patients.codes))
        for number, (train, test) in enumerate(splits, start=1):
            network, _ = self._train(patients, train, f"fold {number}/{len(splits)}")
            known = self._embed(network, patients.images, train, patients.device)
            new = self._embed(network, patients.images, test, patients.device)
            self._cross_fit(network, new, patients.clinical[test], test)
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
            `fit_transform` for those. The clinical columns are not in them.

        Raises
        ------
        InputError
            If an image cannot be read or used, or the columns are not those of fit.
        """
        check_is_fitted(self)
        return self._seen(X)[0]

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

    def _patients(self, X, y, groups):
        """Check the input of fit and set what is learned from it alone."""
        # Of an earlier call.
        for name in ("cross_fitted_proba_", "cross_fitted_prediction_"):
            vars(self).pop(name, None)
        check_groups_given(self.cv, groups)
        check_same_rows("X", X, y=y, groups=groups)
        images, clinical = clinical_columns(X, self.clinical)
        names, columns = image_columns(images)
        _check_feature_names(self, X, reset=True)
        self.n_features_in_, self._names = len(names) + clinical.shape[1], names
        prepared = PreparedImages(columns, names, self.image_size)
        usable = prepared.present().any(axis=1)
        if effective_n_jobs(self.n_jobs) > 1:
            prepared.keep(np.flatnonzero(usable), n_jobs=self.n_jobs)
        codes, targets = self._encoded(y, usable)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return Patients(
            prepared,
            codes,
            None if groups is None else encode_groups(groups, len(usable)),
            usable,
            seed,
            resolve_device(self.device),
            targets,
            clinical,
        )

    def _fit_final(self, patients):
        self.architecture_ = Architecture(
            self.backbone,
            n_views=len(self._names),
            n_outputs=self._n_outputs(),
            n_features=self.n_features,
            shared_weights=self.shared_weights,
            dropout=self.dropout,
            image_size=self.image_size,
            n_clinical=patients.clinical.shape[1],
        )
        self.network_, self.history_ = self._train(patients, np.flatnonzero(patients.usable), "all rows")

    def _train(self, patients, rows, title):
        """Train a network on some rows; the network and its history."""
        device = patients.device
        train, validation = validation_split(
            rows, self.validation_fraction, y=patients.codes, groups=patients.groups, random_state=patients.seed
        )
        with seeded(patients.seed, device):
            network = self.architecture_.build(self.pretrained)
            if network.covariates is not None:
                network.covariates.learn(patients.clinical[train])
            network.to(device)
            loss, centre, scale = self._loss(patients.targets[train])
            batches = Batches(
                augmented_loader(patients, self.augmentation),
                train,
                self.batch_size,
                seed=patients.seed,
                device=device,
                classes=self._balanced(patients.codes),
            )
            validate = None
            if len(validation):
                validate = partial(self._judged_on, network, patients, validation, loss, centre, scale)
            files = self._files(network, patients, train, validation)
            history = self._run(network, batches, loss, validate, title, files)
        with torch.no_grad():
            network.head.weight.mul_(scale)
            network.head.bias.mul_(scale).add_(centre)
        return network, history

    def _files(self, network, patients, train, validation):
        """Files for the state of a training, named by all that decides its outcome; stage by stage."""
        if self.checkpoint is None:
            return [None, None]
        decisive = sha256()
        aside = ("checkpoint", "cv", "device", "n_jobs", "pretrained", "verbose", "random_state")
        settings = {name: value for name, value in self.get_params(deep=False).items() if name not in aside}
        decisive.update(repr((settings, self.architecture_, patients.seed)).encode())
        # The weights it starts from: a file of the same name may hold others by now.
        for name, values in sorted(network.state_dict().items()):
            decisive.update(name.encode() + values.cpu().numpy().tobytes())
        for rows in (train, validation):
            for values in (rows, patients.targets[rows], patients.clinical[rows]):
                decisive.update(np.ascontiguousarray(values).tobytes())
            for images, present in patients.images.batches(rows, 64, n_jobs=self.n_jobs):
                decisive.update(images.numpy().tobytes() + present.numpy().tobytes())
        folder = Path(self.checkpoint)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"checkpoint {folder.name} is a file; give a folder")
        return [folder / f"{decisive.hexdigest()[:24]}-{stage}.safetensors" for stage in (1, 2)]

    def _run(self, network, batches, loss, validate, title, files):
        """Train stage by stage; the history of all."""
        stages = learning_stages(network, self.epochs, frozen_epochs=self.frozen_epochs, layer_decay=self.layer_decay)
        histories = []
        for number, (epochs, parameters) in enumerate(stages, start=1):
            last = number == len(stages)
            schedule = Schedule(
                epochs,
                learning_rate=self.learning_rate,
                weight_decay=self.weight_decay,
                patience=self.patience if self.validation_fraction and last else None,
                accumulate=self.accumulate,
                checkpoint=files[number - 1],
            )
            name = f"{type(self).__name__}, {title}" + (", behind the backbone" if not last else "")
            histories.append(
                fit_network(
                    _Scored(network),
                    batches,
                    loss,
                    schedule,
                    validate=validate,
                    parameters=parameters,
                    progress=name if self.verbose else None,
                )
            )
        history = pd.concat(histories, ignore_index=True)
        return history.assign(epoch=np.arange(1, len(history) + 1))

    def _judged_on(self, network, patients, rows, loss, centre, scale, _):
        """Measure the network on held-out rows."""
        embedding = self._embed(network, patients.images, rows, patients.device)
        embedding, clinical = (
            torch.as_tensor(values, dtype=torch.float32, device=patients.device)
            for values in (embedding, patients.clinical[rows])
        )
        outputs, targets = network.score(embedding, clinical).cpu(), patients.targets[rows]
        value = float(loss((outputs, embedding.cpu()), torch.as_tensor(targets)))
        return {"validation_loss": value} | self._judged(outputs * scale + centre, targets)

    def _columns(self, X):
        """Image columns, as lists, and clinical numbers of a table with the columns of fit."""
        images, clinical = clinical_columns(X, self.clinical)
        names, columns = image_columns(images)
        if len(names) != len(self._names):
            raise InputError(
                f"X has {len(names)} image columns, fit saw {len(self._names)}: {', '.join(self._names)}",
                code="columns",
            )
        try:
            _check_feature_names(self, X, reset=False)
        except ValueError as error:
            raise InputError(str(error).strip(), code="columns") from None
        return columns, clinical

    def _seen(self, X):
        """Check the input of transform; embeddings and clinical numbers of its rows."""
        columns, clinical = self._columns(X)
        device = resolve_device(self.device)
        self.network_.to(device)
        prepared = PreparedImages(columns, self._names, self.architecture_.image_size, cache=False)
        rows = np.flatnonzero(prepared.present().any(axis=1))
        embeddings = np.full((len(prepared), self.architecture_.n_features), np.nan)
        if len(rows):
            embeddings[rows] = self._embed(self.network_, prepared, rows, device)
        return embeddings, clinical

    def _embed(self, network, images, rows, device):
        return embed(network, images, rows, device, batch_size=4 * self.batch_size, n_jobs=self.n_jobs)


class _Scored(nn.Module):
    """A network that also shows the embedding its scores come from, for losses that look at it."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images, present, clinical):
        embedding = self.network.embed(images, present)
        return self.network.score(embedding, clinical), embedding
