"""EmbeddingExtractor: a network that does not learn, as a stateless transformer."""

import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib.metadata import version
from numbers import Integral
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from deepradiomics.deep.columns import image_columns
from deepradiomics.deep.networks import timm_backbone
from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.radiograph import Radiograph
from deepradiomics.reading import as_radiograph
from deepradiomics.training import Portions, hash_weights, is_missing, prepare_image, resolve_device
from deepradiomics.training._cuda import exact_inference, has_bfloat16, is_device_fault, is_out_of_memory


class EmbeddingExtractor(TransformerMixin, BaseEstimator):
    """Embed radiographs with a network that was trained by others and stays as it is.

    It learns nothing, so a comparison computes it once for all folds and feature sets.

    Parameters
    ----------
    model : str
        Any name that timm knows, such as ``"vit_base_patch14_dinov2"``.
    weights : str or path, default=None
        A safetensors file, of timm or of the projects that `deepradiomics.deep.timm_names` knows. None takes timm's
        published weights (from the internet, once), or those of the extra ``imagenet`` for ``"tf_efficientnet_lite0"``.
    image_size : int or "native", default="native"
        Side of the square in pixels into which images are fitted, proportions kept, the rest black; ``"native"`` is the
        model's own.
    pooling : {"native", "cls", "mean", "cls+mean"}, default="native"
        What of the last layer is kept: what the model hands to its own classifier, the class token, the mean over the
        places of the image, or both.
    layers : list of int, default=None
        Blocks whose output is pooled instead of that of the last, side by side; -1 is the last. Not with ``"native"``.
    region : {"crop", "image", "tiles"}, default="crop"
        ``"crop"``: the rectangle round the mask, all where there is none; ``"image"``: the whole picture; ``"tiles"``:
        the mean over squares of the image's own resolution, of those with a pixel of the mask.
    average_columns : bool, default=False
        Whether the embeddings of several image columns are averaged instead of standing side by side.
    mean : float or sequence of three floats, default=None
        Subtracted from grey values between 0 and 1; None is the model's own.
    std : float or sequence of three floats, default=None
        Grey values are divided by it; None is the model's own.
    batch_size : int, default=16
        Pictures at a time; halved where memory runs out.
    checkpoint : str or path, default=None
        Folder that keeps each embedding under a hash of the image, the model and its weights; a second study of the
        same images costs nothing. It holds neither images nor names.
    on_error : {"raise", "skip"}, default="raise"
        Whether an image that cannot be used is an error, or a row of NaN and a line in ``failures_``.
    device : str, default="auto"
        ``"auto"`` is CUDA where there is one, else the CPU. On CUDA the network runs in bfloat16,
        in 32 bits on cards before Ampere, which have none.
    n_jobs : int, default=None
        Threads that read images while the network works.

    Attributes
    ----------
    failures_ : DataFrame
        After `transform`: ``row``, ``column``, ``code`` and ``reason`` of each image that was skipped.
    weights_hash_ : str
        After `fit`: of the weights. `transform` refuses others, so that a saved model cannot change unnoticed.
    n_features_in_ : int
        Number of image columns, after `fit`.
    feature_names_in_ : array of str of shape (`n_features_in_`,)
        Their names, after `fit`.

    Notes
    -----
    Grey values of each image are stretched to 0..1 and repeated in three channels; resizing is bicubic or bilinear, as
    the model's weights expect. Position embeddings are resampled by timm.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics import EmbeddingExtractor
    >>> extractor = EmbeddingExtractor("tf_efficientnet_lite0", image_size=64)
    >>> extractor.transform([np.random.default_rng(0).random((90, 60)), None]).shape
    (2, 1280)
    """

    _parameter_constraints = {  # noqa: RUF012
        "model": [str],
        "weights": [str, PathLike, None],
        "image_size": [Interval(Integral, 8, None, closed="left"), StrOptions({"native"})],
        "pooling": [StrOptions({"native", "cls", "mean", "cls+mean"})],
        "layers": ["array-like", None],
        "region": [StrOptions({"crop", "image", "tiles"})],
        "average_columns": ["boolean"],
        "mean": ["array-like", float, int, None],
        "std": ["array-like", float, int, None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "checkpoint": [str, PathLike, None],
        "on_error": [StrOptions({"raise", "skip"})],
        "device": [str],
        "n_jobs": [Integral, None],
    }

    def __init__(  # noqa: PLR0913
        self,
        model,
        weights=None,
        *,
        image_size="native",
        pooling="native",
        layers=None,
        region="crop",
        average_columns=False,
        mean=None,
        std=None,
        batch_size=16,
        checkpoint=None,
        on_error="raise",
        device="auto",
        n_jobs=None,
    ):
        self.model = model
        self.weights = weights
        self.image_size = image_size
        self.pooling = pooling
        self.layers = layers
        self.region = region
        self.average_columns = average_columns
        self.mean = mean
        self.std = std
        self.batch_size = batch_size
        self.checkpoint = checkpoint
        self.on_error = on_error
        self.device = device
        self.n_jobs = n_jobs

    def fit(self, X, y=None):
        """Check the parameters, and remember the columns and which weights these are.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            Image columns; cells are paths, 2-D arrays, `Radiograph` or None.
        y : None, default=None
            Not used.

        Returns
        -------
        EmbeddingExtractor
            The extractor itself.

        Raises
        ------
        InputError
            If the model is unknown, its weights cannot be had, or the settings do not suit it.
        """
        self._validate_params()
        names, _ = image_columns(X)
        self.weights_hash_ = hash_weights(self._network())
        self.n_features_in_, self.feature_names_in_ = len(names), np.array(names, dtype=object)
        return self

    def transform(self, X):
        """Embed each image.

        Parameters
        ----------
        X : DataFrame, Series, object array or list
            Image columns; cells are paths, 2-D arrays, `Radiograph` or None.

        Returns
        -------
        float32 array of shape (n_samples, n_features)
            The embeddings of the columns one after another, or their mean; NaN where there is no image.

        Raises
        ------
        InputError
            If an image cannot be read or used, the columns or the weights are not those of fit, or the settings do not
            suit the model.
        TrainingError
            If memory does not hold one image.
        """
        self._validate_params()
        names, columns = image_columns(X)
        seen = getattr(self, "feature_names_in_", None)
        if seen is not None and list(seen) != names:
            raise InputError(f"X has the image columns {names}, fit saw {list(seen)}", code="columns")
        network = self._network()
        if self.checkpoint is not None or hasattr(self, "weights_hash_"):
            found = hash_weights(network)
            if getattr(self, "weights_hash_", found) != found:
                raise InputError(
                    f"the weights of {self.model!r} are not those that fit saw; give the same file, or fit again",
                    code="weights",
                )
            self._begin_checkpoint(found)
        device = resolve_device(self.device)
        network = network.to(device, memory_format=torch.channels_last)
        self._parts = [(part, len(values)) for part, values in self._embedded(network, self._blank(), device)]
        width, failures = sum(length for _, length in self._parts), []
        values = np.full((len(columns[0]), len(columns), width), np.nan, dtype=np.float32)
        cells = [(row, column) for column in range(len(columns)) for row in range(len(columns[0]))]
        cells = [(row, column) for row, column in cells if not is_missing(columns[column][row])]
        chunks = [cells[start : start + self.batch_size] for start in range(0, len(cells), self.batch_size)]
        portions = Portions()
        with ThreadPoolExecutor(effective_n_jobs(self.n_jobs)) as threads:
            # While the network works on one chunk the next is read; no more than two are in memory.
            ahead = None
            for number, chunk in enumerate(chunks):
                reading = ahead or [threads.submit(self._read, columns[c][r]) for r, c in chunk]
                following = chunks[number + 1] if number + 1 < len(chunks) else []
                ahead = [threads.submit(self._read, columns[c][r]) for r, c in following]
                read = []
                for (row, column), future in zip(chunk, reading, strict=True):
                    try:
                        read.append((row, column, *future.result()))
                    except DeepRadiomicsError as error:
                        if self.on_error == "raise":
                            raise error.at(f"row {row}, column {names[column]!r}") from error
                        failures.append((row, names[column], error.code, str(error)))
                self._fill(values, network, read, device, portions)
        self.failures_ = pd.DataFrame(failures, columns=["row", "column", "code", "reason"])
        self._seen = names
        if self.average_columns:
            there = ~np.isnan(values[:, :, :1])
            total = np.where(there, values, 0).sum(axis=1)
            with np.errstate(invalid="ignore"):
                return (total / there.sum(axis=1)).astype(np.float32)
        return values.reshape(len(values), -1)

    def get_feature_names_out(self, input_features=None):
        """Name the embedding's columns.

        Parameters
        ----------
        input_features : sequence of str, default=None
            Names of the image columns; None means those seen.

        Returns
        -------
        object array of shape (n_features,)
            ``<column>__embedding_0000``, ``<column>__cls_0000``, ``<column>__layer11_mean_0000``, ...; ``mean__...``
            where columns are averaged.
        """
        check_is_fitted(self, ["feature_names_in_", "_seen"], all_or_any=any)
        if input_features is None:
            input_features = getattr(self, "feature_names_in_", None)
        names = self._seen if input_features is None else input_features
        if not hasattr(self, "_parts"):
            network = self._network()
            found = self._embedded(network, self._blank(), torch.device("cpu"))
            self._parts = [(part, len(values)) for part, values in found]
        names = ["mean"] if self.average_columns else names
        return np.array(
            [f"{name}__{part}_{i:04d}" for name in names for part, length in self._parts for i in range(length)],
            dtype=object,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        return tags

    def _network(self):
        """Build the network, ready to embed, and set what its pictures must be like."""
        size = None if self.image_size == "native" else int(self.image_size)
        network = timm_backbone(self.model, size, True if self.weights is None else str(self.weights), in_chans=3)
        settings = network.pretrained_cfg
        self._side = size or settings["input_size"][-1]
        self._interpolation = "bilinear" if settings.get("interpolation") == "bilinear" else "bicubic"
        self._scale = [
            np.ravel(settings[key] if given is None else given).tolist()
            for key, given in (("mean", self.mean), ("std", self.std))
        ]
        patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
        if isinstance(patch, tuple) and self._side % max(patch):
            raise InputError(
                f"{self.model!r} looks at patches of {max(patch)} pixels, image_size is {self._side}; give another "
                f"image_size, such as {max(1, round(self._side / max(patch))) * max(patch)}"
            )
        return network.eval()

    def _blank(self):
        return torch.zeros((1, 3, self._side, self._side))

    def _embedded(self, network, pictures, device):
        """Run the network on one blank picture: names and values of the parts of an embedding."""
        try:
            with exact_inference():
                return [
                    (part, found[0].float().cpu().numpy()) for part, found in self._pooled(network, pictures.to(device))
                ]
        except (AssertionError, RuntimeError, IndexError) as error:
            if is_out_of_memory(error) or is_device_fault(error):
                raise
            raise InputError(
                f"the model {self.model!r} cannot embed images of {self._side} x {self._side} pixels with "
                f"layers={self.layers} ({error}); give another image_size or other layers"
            ) from error

    def _pooled(self, network, pictures):
        """Yield the name of each part of an embedding with its values, (n, length)."""
        if self.pooling == "native":
            if self.layers is not None:
                raise InputError("layers need pooling 'cls', 'mean' or 'cls+mean'")
            return [("embedding", network(pictures))]
        prefix = getattr(network, "num_prefix_tokens", 0)
        if "cls" in self.pooling and not (prefix and getattr(network, "cls_token", None) is not None):
            raise InputError(f"{self.model!r} has no class token; give pooling='mean'")
        layers = [-1] if self.layers is None else [int(layer) for layer in self.layers]
        settings = {"return_prefix_tokens": True} if prefix else {}
        depth = len(network.blocks) if prefix else len(network.feature_info)
        found = network.forward_intermediates(
            pictures,
            indices=[layer % depth for layer in layers],
            norm=bool(prefix),
            intermediates_only=True,
            output_fmt="NCHW",
            **settings,
        )
        # timm gives the layers in their own order.
        order = {layer: place for place, layer in enumerate(sorted({layer % depth for layer in layers}))}
        parts = []
        for layer in layers:
            places, tokens = found[order[layer % depth]] if prefix else (found[order[layer % depth]], None)
            title = "" if self.layers is None else f"layer{layer % depth}_"
            if "cls" in self.pooling:
                parts.append((f"{title}cls", tokens[:, 0]))
            if "mean" in self.pooling:
                parts.append((f"{title}mean", places.mean(dim=(2, 3))))
        return parts

    def _begin_checkpoint(self, weights_hash):
        """Make the part of a key that all images share."""
        if self.checkpoint is None:
            return
        if Path(self.checkpoint).exists() and not Path(self.checkpoint).is_dir():
            raise InputError(f"checkpoint {Path(self.checkpoint).name} is a file; give a folder")
        precision = "bfloat16" if has_bfloat16(resolve_device(self.device)) else "float32"
        layers = None if self.layers is None else [int(layer) for layer in self.layers]
        shared = (version("deepradiomics"), self.model, weights_hash, self._side, self._interpolation, self._scale)
        self._key = repr((*shared, self.pooling, layers, self.region, precision))

    def _read(self, cell):
        """Read a cell: its file in the checkpoint or None, and its pictures or the embedding that was kept."""
        path = None
        if self.checkpoint is not None:
            path = Path(self.checkpoint) / f"{sha256(self._key.encode() + _content(cell)).hexdigest()}.npy"
            if path.exists():
                try:
                    return path, np.load(path, allow_pickle=False)
                except (ValueError, OSError, EOFError) as error:
                    raise InputError(f"the checkpoint {path.name} is damaged; delete it") from error
        radiograph = as_radiograph(cell)
        pictures = [
            prepare_image(part, self._side, interpolation=self._interpolation) for part in self._cut(radiograph)
        ]
        return path, torch.stack(pictures)

    def _cut(self, radiograph):
        """Cut out what is looked at: arrays of grey values, stretched alike."""
        pixels, mask = radiograph.pixels, radiograph.mask
        if mask is not None and not mask.any():
            raise InputError("the mask has no pixel; leave the image out or draw it", code="empty_region")
        if self.region == "crop" and mask is not None:
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            return [pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]]
        side = self._side
        if self.region != "tiles" or max(pixels.shape) <= side:
            return [pixels]
        tops, lefts = (
            np.linspace(0, max(0, length - side), -(-length // side)).round().astype(int) for length in pixels.shape
        )
        boxes = [(slice(top, top + side), slice(left, left + side)) for top in tops for left in lefts]
        return [pixels[box] for box in boxes if mask is None or mask[box].any()]

    def _fill(self, values, network, read, device, portions):
        """Embed the pictures of a chunk and put them, and what was kept, into their places."""
        fresh = [item for item in read if isinstance(item[3], torch.Tensor)]
        for row, column, _, kept in read:
            if isinstance(kept, np.ndarray):
                values[row, column] = kept
        if not fresh:
            return
        pictures = torch.cat([item[3] for item in fresh])
        mean, std = (torch.tensor(values, device=device).reshape(-1, 1, 1) for values in self._scale)

        def embedded(some):
            batch = ((some.to(device).float() - mean) / std).expand(-1, 3, -1, -1)
            batch = batch.contiguous(memory_format=torch.channels_last)
            with exact_inference(), torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
                return torch.cat([found.float().cpu() for _, found in self._pooled(network, batch)], dim=1)

        found = torch.cat(portions(embedded, pictures, self.batch_size)).numpy()
        start = 0
        for row, column, path, own in fresh:
            values[row, column] = found[start : start + len(own)].mean(axis=0)
            start += len(own)
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                whole = path.with_name(f"{path.name}.{os.getpid()}")
                with open(whole, "wb") as file:
                    np.save(file, values[row, column])
                os.replace(whole, path)


def _content(cell):
    """Hash what a cell holds: the bytes of a file, or grey values and mask."""
    if isinstance(cell, str | PathLike) and Path(cell).is_file():
        return sha256(Path(cell).read_bytes()).digest()
    radiograph = cell if isinstance(cell, Radiograph) else as_radiograph(cell)
    mask = b"" if radiograph.mask is None else radiograph.mask.tobytes()
    return sha256(repr(radiograph.pixels.shape).encode() + radiograph.pixels.tobytes() + mask).digest()
