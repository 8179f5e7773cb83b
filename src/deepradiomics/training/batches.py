"""Images of any size become batches of one size on the device."""

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed, effective_n_jobs
from torch.nn import functional

from deepradiomics.exceptions import DeepRadiomicsError, InputError
from deepradiomics.reading import as_radiograph

# Prepared images are kept up to this many bytes: 1 GiB is 10,700 images of 224 x 224 in float16.
CACHE_BYTES = 2**30


def prepare_image(pixels, image_size, *, letterbox=True, interpolation="bilinear", device="cpu"):
    """Stretch the grey values to 0..1 and resize to a square.

    Parameters
    ----------
    pixels : float array of shape (H, W)
        Grey values, of any range.
    image_size : int
        Side of the square, in pixels.
    letterbox : bool, default=True
        Keep the proportions and fill the rest with 0; otherwise the image is distorted to fill the square.
    interpolation : {"bilinear", "bicubic"}, default="bilinear"
        How to resize; either averages over the pixels that fall together.
    device : torch.device or str, default="cpu"
        Where to resize.

    Returns
    -------
    float16 tensor of shape (1, image_size, image_size)
        The image. A flat image becomes 0 throughout.

    Raises
    ------
    InputError
        If a grey value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.training import prepare_image
    >>> image = prepare_image(np.full((10, 5), 7.0), 4)
    >>> image.shape, image.dtype
    (torch.Size([1, 4, 4]), torch.float16)
    """
    low, high = float(np.min(pixels)), float(np.max(pixels))
    if not np.isfinite([low, high]).all():
        raise InputError(
            "the image holds grey values that are not finite; replace them before a network sees the image",
            code="not_finite",
        )
    image = torch.from_numpy(np.array(pixels, dtype=np.float32)).to(device)[None, None]
    image = (image - low) / max(high - low, 1e-12)
    height, width = image.shape[-2:]
    side = max(height, width)
    size = [image_size, image_size]
    if letterbox:
        size = [max(1, round(image_size * height / side)), max(1, round(image_size * width / side))]
    image = functional.interpolate(image, size=size, mode=interpolation, align_corners=False, antialias=True)
    top, left = (image_size - size[0]) // 2, (image_size - size[1]) // 2
    image = functional.pad(image, (left, image_size - size[1] - left, top, image_size - size[0] - top))
    return image[0].clamp_(0, 1).half()


class PreparedImages:
    """Views of patients, read and resized when they are first asked for.

    Images are kept in memory, in float16, up to `CACHE_BYTES`; beyond that they are read again each time, so memory
    does not grow with their number.

    Parameters
    ----------
    columns : list of lists
        One list a view; the cells are paths, arrays, `Radiograph` or None, a row per patient.
    names : list of str
        Names of the columns, for messages.
    image_size : int
        Side of the prepared images, in pixels.
    letterbox : bool, default=True
        As in `prepare_image`.
    cache : bool, default=True
        Whether to keep images at all.

    Examples
    --------
    >>> import numpy as np
    >>> from deepradiomics.training import PreparedImages
    >>> images = PreparedImages([[np.eye(9), None]], ["hip"], image_size=8)
    >>> images.batch([0, 1])[1]
    tensor([[ True],
            [False]])
    """

    def __init__(self, columns, names, image_size, *, letterbox=True, cache=True):
        self.columns = columns
        self.names = names
        self.image_size = image_size
        self.letterbox = letterbox
        self._room = CACHE_BYTES // (2 * image_size**2) if cache else 0
        self._kept = {}

    def __len__(self):
        return len(self.columns[0])

    def present(self):
        """Tell which views there are, without reading an image.

        Returns
        -------
        bool array of shape (n, n_views)
            False where a cell is None or NaN.
        """
        return np.array([[not is_missing(cell) for cell in cells] for cells in self.columns]).T

    def image(self, row, view):
        """Return one prepared image, or None where the view is missing.

        Parameters
        ----------
        row : int
            Which patient.
        view : int
            Which column.

        Returns
        -------
        float16 tensor of shape (1, image_size, image_size) or None
            The image.

        Raises
        ------
        DeepRadiomicsError
            If the image cannot be read or used; the message names row and column.
        """
        key = (int(row), int(view))
        if key in self._kept:
            return self._kept[key]
        place = f"row {row}, column {self.names[view]!r}"
        image = _prepared(self.columns[view][row], place, self.image_size, self.letterbox)
        if len(self._kept) < self._room:
            self._kept[key] = image
        return image

    def batch(self, rows):
        """Stack the views of some patients.

        Parameters
        ----------
        rows : int array of shape (n,)
            Which patients.

        Returns
        -------
        images : float16 tensor of shape (n, n_views, 1, image_size, image_size)
            The images, 0 where a view is missing.
        present : bool tensor of shape (n, n_views)
            Where there is an image.
        """
        return self._stacked([[self.image(row, view) for view in range(len(self.columns))] for row in rows])

    def batches(self, rows, size, *, n_jobs=None):
        """Yield batches of patients in their order; other processes read the next ones while one is in use.

        Parameters
        ----------
        rows : int array of shape (n,)
            Which patients.
        size : int
            Patients a batch.
        n_jobs : int, default=None
            Processes that read and resize, as joblib understands it; None is this one.

        Yields
        ------
        images, present : tensors
            As of `batch`.
        """
        chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
        if effective_n_jobs(n_jobs) == 1:
            yield from map(self.batch, chunks)
            return
        tasks = (delayed(_prepared_rows)(*self._cells(chunk), self.image_size, self.letterbox) for chunk in chunks)
        for prepared in Parallel(n_jobs=n_jobs, return_as="generator")(tasks):
            yield self._stacked(
                [[None if image is None else torch.from_numpy(image) for image in views] for views in prepared]
            )

    def keep(self, rows, *, n_jobs=None):
        """Read images ahead, as many as may be kept, so that a training finds them in memory.

        Parameters
        ----------
        rows : int array of shape (n,)
            Which patients.
        n_jobs : int, default=None
            Processes that read and resize, as joblib understands it; None is this one.
        """
        rows = rows[: self._room // len(self.columns)]
        done = 0
        for images, present in self.batches(rows, 16, n_jobs=n_jobs):
            for row, views, there in zip(rows[done:], images, present, strict=False):
                for view, image in enumerate(views):
                    self._kept[int(row), view] = image.clone() if there[view] else None
            done += len(images)

    def _cells(self, rows):
        """Cells of some rows, and their places for messages."""
        cells = [[column[row] for column in self.columns] for row in rows]
        return cells, [[f"row {row}, column {name!r}" for name in self.names] for row in rows]

    def _stacked(self, rows):
        """Stack images, None where there is none."""
        shape = (len(rows), len(self.columns))
        images = torch.zeros((*shape, 1, self.image_size, self.image_size), dtype=torch.float16)
        present = torch.zeros(shape, dtype=torch.bool)
        for position, view in np.ndindex(shape):
            image = rows[position][view]
            if image is not None:
                images[position, view] = image
                present[position, view] = True
        return images, present


def _prepared(cell, place, image_size, letterbox):
    """Read and resize one cell; None where there is no image."""
    if is_missing(cell):
        return None
    try:
        return prepare_image(as_radiograph(cell).pixels, image_size, letterbox=letterbox)
    except DeepRadiomicsError as error:
        raise error.at(place) from error


def _prepared_rows(cells, places, image_size, letterbox):
    """Read and resize some rows in another process; arrays, which travel more lightly than tensors."""
    prepared = [
        [_prepared(cell, place, image_size, letterbox) for cell, place in zip(*row, strict=True)]
        for row in zip(cells, places, strict=True)
    ]
    return [[None if image is None else image.numpy() for image in views] for views in prepared]


def is_missing(cell):
    """Tell whether a cell of a table holds no image.

    Parameters
    ----------
    cell : object
        What a table holds.

    Returns
    -------
    bool
        True for None, NaN and pandas.NA.

    Examples
    --------
    >>> from deepradiomics.training import is_missing
    >>> is_missing(None), is_missing("hip.png")
    (True, False)
    """
    return cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell))


class Batches:
    """Shuffled batches, in another order each time they are gone through.

    Parameters
    ----------
    load : callable
        ``load(rows, generator)`` returns ``(inputs, target)``: a tuple of tensors for the network and a tensor for the
        loss, all on the device, first axis of length ``len(rows)``. It may augment, drawing from the generator.
    rows : int array of shape (n,)
        What to go through.
    batch_size : int
        Largest batch. Batches are of nearly equal size, so that none is left with a single image.
    seed : int
        Fixes order and augmentation.
    device : torch.device or str, default="cpu"
        Where the generator lives.
    classes : int array, default=None
        Class of each row that there is, also of those that are not gone through. Given, each class is drawn equally
        often: rows of a small class come again, each as often as the others, some of a large class stay out.

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.training import Batches
    >>> def load(rows, generator):
    ...     return (torch.tensor(rows),), torch.tensor(rows)
    >>> batches = Batches(load, [0, 1, 2, 3, 4], batch_size=4, seed=0)
    >>> [len(target) for _, target in batches]
    [3, 2]
    """

    def __init__(self, load, rows, batch_size, *, seed, device="cpu", classes=None):
        self.load = load
        self.rows = np.asarray(rows)
        self.batch_size = batch_size
        self.classes = classes
        self._order = np.random.default_rng(seed)
        self._generator = torch.Generator(device=device).manual_seed(seed)

    def __len__(self):
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self):
        rows = self.rows if self.classes is None else self._balanced()
        for some in np.array_split(self._order.permutation(rows), len(self)):
            yield self.load(some, self._generator)

    def state(self):
        """Return where the random order and the augmentation are.

        Returns
        -------
        order : dict
            State of numpy's generator, numbers and words only.
        generator : uint8 tensor
            State of torch's.
        """
        return self._order.bit_generator.state, self._generator.get_state()

    def set_state(self, order, generator):
        """Go on from a state.

        Parameters
        ----------
        order : dict
            As `state` returned it.
        generator : uint8 tensor
            As `state` returned it.
        """
        self._order.bit_generator.state = order
        if generator.shape == self._generator.get_state().shape:
            self._generator.set_state(generator)
        else:
            # Of another kind of device, whose numbers this one cannot draw: others that follow from where it was.
            self._generator.manual_seed(order["state"]["state"] % 2**63)

    def _balanced(self):
        """Draw as many rows as there are, the same number of each class or one more."""
        codes = np.asarray(self.classes)[self.rows]
        kinds = self._order.permutation(np.unique(codes))
        sizes = [len(part) for part in np.array_split(self.rows, len(kinds))]
        drawn = []
        for kind, size in zip(kinds, sizes, strict=True):
            own = self.rows[codes == kind]
            rounds = [self._order.permutation(own) for _ in range(-(-size // len(own)))]
            drawn.append(np.concatenate(rounds)[:size])
        return np.concatenate(drawn)
