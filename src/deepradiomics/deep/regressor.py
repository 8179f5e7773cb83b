"""DeepRegressor: a network as a supervised transformer and as a regressor, for the T-score."""

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional

from deepradiomics.deep._estimator import _NetworkEstimator
from deepradiomics.deep._scores import head_outputs
from deepradiomics.exceptions import InputError


class DeepRegressor(RegressorMixin, _NetworkEstimator):
    """Learn a value, such as the T-score, from radiographs with a network: a supervised transformer, and a regressor.

    As :class:`deepradiomics.DeepExtractor` in all but its loss: one view, Siamese, or one branch a view; missing views;
    cross-fitted `fit_transform`.

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
        rows, an unknown one as their mean. `predict` uses them, `transform` does not return them.
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
    network_ : MultiViewNetwork
        The final network, trained on all rows.
    architecture_ : Architecture
        What it was built from.
    history_ : DataFrame
        A row an epoch of the final network: ``epoch``, ``loss``, ``learning_rate`` and, with a validation part,
        ``validation_loss`` and ``validation_mae``, the mean absolute error. Losses are of standardised values.
    mean_ : float
        Mean of the values of the rows with an image; what `predict` says of a patient without any view.
    cross_fitted_prediction_ : array of shape (n_samples,)
        Values of the rows given to `fit_transform`, each from the network that never saw the row. Only after
        `fit_transform`.
    n_features_in_ : int
        Number of image and clinical columns.
    feature_names_in_ : array of str of shape (`n_features_in_`,)
        Their names, where X is a data frame with names.

    See Also
    --------
    deepradiomics.DeepExtractor : The same for classes, with notes on missing views, folds and memory.

    Notes
    -----
    The loss is the smooth L1 of the standardised values, which a few odd values do not rule. Folds are stratified by
    thirds of the values.

    References
    ----------
    Hsieh CI, Zheng K, Lin C, et al. Automated bone mineral density prediction and fracture risk assessment using plain
    radiographs via deep learning. Nature Communications 12, 5472 (2021).

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.deep import DeepRegressor
    >>> rng = np.random.default_rng(0)
    >>> t_score = np.linspace(-4, 1, 16)
    >>> images = [rng.normal(size=(64, 64)) * np.exp(score) + np.arange(64) for score in t_score]
    >>> network = DeepRegressor(n_features=8, image_size=64, epochs=2, random_state=0).fit(images, t_score)
    >>> network.predict(images[:2]).shape
    (2,)
    """

    _parameter_constraints = {**_NetworkEstimator._parameter_constraints}  # noqa: RUF012

    def __init__(  # noqa: PLR0913
        self,
        backbone="tiulpin",
        *,
        shared_weights=True,
        n_features=256,
        pretrained=False,
        clinical=None,
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
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.checkpoint = checkpoint
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X):
        """Predict the value of each patient with the final network.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            The columns seen by fit.

        Returns
        -------
        float array of shape (n_samples,)
            Values; ``mean_`` for a patient without any view.

        Raises
        ------
        InputError
            If an image cannot be read or used, or the columns are not those of fit.
        """
        check_is_fitted(self)
        return self._values(self.network_, *self._seen(X))

    def _values(self, network, embeddings, clinical):
        values = head_outputs(network, embeddings, clinical)[:, 0]
        return np.where(np.isnan(values), self.mean_, values)

    def _encoded(self, y, usable):
        """Check the values; their thirds, for the folds, and the values themselves, for the loss."""
        values = _checked_values(y, len(usable))
        if not usable.any() or np.ptp(values[usable]) == 0:
            raise InputError(
                f"{usable.sum()} rows have an image, and their values do not differ; there is nothing to learn"
            )
        self.mean_ = float(values[usable].mean())
        thirds = np.zeros(len(values), dtype=int)
        # By rank: many rows may share a value, such as the end of a scale.
        ranks = rankdata(values[usable], method="ordinal").astype(int) - 1
        thirds[usable] = ranks * min(3, len(ranks)) // len(ranks)
        return thirds, values.astype(np.float32)

    def _n_outputs(self):
        return 1

    def _balanced(self, codes):
        return None

    def _loss(self, values):
        """Build the loss, which asks the network for standardised values, and tell mean and deviation."""
        centre, scale = float(values.mean()), float(values.std()) or 1.0

        def loss(outputs, values):
            return functional.smooth_l1_loss(outputs[0][:, 0].float(), (values - centre) / scale)

        return loss, centre, scale

    def _judged(self, outputs, values):
        return {"validation_mae": float(np.abs(outputs[:, 0].numpy() - values).mean())}

    def _start_cross_fitting(self, n_samples):
        self.cross_fitted_prediction_ = np.full(n_samples, self.mean_)

    def _cross_fit(self, network, embeddings, clinical, rows):
        """Keep what a network says of rows that it never saw."""
        self.cross_fitted_prediction_[rows] = self._values(network, embeddings, clinical)


def _checked_values(y, n_samples):
    if y is None:
        raise InputError("DeepRegressor is supervised: give values y")
    values = pd.to_numeric(pd.Series(np.asarray(y).ravel()), errors="coerce").to_numpy(dtype=float)
    if np.shape(y) != (n_samples,):
        raise InputError(f"y has shape {np.shape(y)}, X {n_samples} rows; give one value a row", code="length")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"the value of row {row} is no finite number; drop such rows")
    return values
