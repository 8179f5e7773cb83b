"""The one loop that trains a network."""

import math
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from tqdm.auto import tqdm

from deepradiomics.exceptions import TrainingError
from deepradiomics.training._checkpoints import Checkpoint
from deepradiomics.training._cuda import has_bfloat16
from deepradiomics.training.devices import Portions


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Parameters
    ----------
    epochs : int
        Times to go through the data.
    learning_rate : float, default=1e-3
        Its peak, reached after the warm-up; then it falls along half a cosine to zero.
    weight_decay : float, default=1e-2
        Of AdamW; biases and normalisation layers are left out.
    warm_up : float, default=0.1
        Share of all steps over which the rate rises.
    patience : int, default=None
        Stop after so many epochs without a smaller validation loss; None goes to the end. Either way the network
        with the smallest validation loss is kept, where there is a validation part.
    accumulate : int, default=1
        Batches whose gradients are added up before a step.
    checkpoint : str or path, default=None
        File that holds the whole state after each epoch; a training that was interrupted goes on there, with the
        same numbers as one that was not. None keeps nothing.

    Examples
    --------
    >>> from deepradiomics.training import Schedule
    >>> Schedule(epochs=10).rate(0, 100), Schedule(epochs=10).rate(10, 100)
    (0.1, 1.0)
    """

    epochs: int
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    warm_up: float = 0.1
    patience: int | None = None
    accumulate: int = 1
    checkpoint: str | Path | None = None

    def rate(self, step, n_steps):
        """Return the share of the peak learning rate at a step.

        Parameters
        ----------
        step : int
            Steps done.
        n_steps : int
            All steps.

        Returns
        -------
        float
            Between 0 and 1.
        """
        rising = max(1, round(self.warm_up * n_steps))
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, n_steps - rising)))


def fit_network(network, batches, loss, schedule, *, validate=None, parameters=None, mixed=None, progress=None):
    """Train a network in place.

    AdamW with a warm-up and a cosine; a batch that does not fit into memory is halved and its gradients are added up.
    Seed the random numbers outside, with `seeded`.

    Parameters
    ----------
    network : torch.nn.Module
        The network, on its device.
    batches : iterable of (inputs, target), with a length
        Gone through once an epoch; ``inputs`` is a tuple of tensors and ``target`` a tensor, on the same device.
    loss : callable
        ``loss(network(*inputs), target)``, a mean over rows.
    schedule : Schedule
        How long and how fast.
    validate : callable, default=None
        ``validate(network)`` returns a dict that holds ``"validation_loss"``; called after each epoch in eval mode.
    parameters : list of dicts, default=None
        Groups of parameters as torch's optimizers take them, with ``lr`` as a multiple of the schedule's rate; None
        means all that require gradients.
    mixed : bool, default=None
        Whether to compute in 16 bits where that is safe; None does so on CUDA. It pays on a CPU that has bfloat16.
    progress : str, default=None
        Title of a progress bar on stderr; None shows none.

    Returns
    -------
    DataFrame of one row an epoch
        ``epoch``, ``loss``, ``learning_rate`` and what ``validate`` returned.

    Raises
    ------
    TrainingError
        If the loss stops being finite, or a single image does not fit into memory.

    Examples
    --------
    >>> import torch
    >>> from deepradiomics.training import Schedule, fit_network
    >>> x = torch.linspace(-1, 1, 32)[:, None]
    >>> network = torch.nn.Linear(1, 1)
    >>> history = fit_network(network, [((x,), 3 * x)], torch.nn.MSELoss(), Schedule(epochs=300, learning_rate=0.1))
    >>> round(network.weight.item(), 1)
    3.0
    """
    optimizer = _optimizer(network, schedule, parameters)
    n_steps = schedule.epochs * -(-len(batches) // schedule.accumulate)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule.rate(step, n_steps))
    stepper = _Stepper(network, loss, optimizer, rates, schedule.accumulate, mixed)
    best = _Best(network)
    checkpoint = Checkpoint(schedule.checkpoint, stepper, best, batches)
    history = checkpoint.resume()
    stopped = validate is not None and _is_over(schedule, len(history), best)
    left = range(len(history) + 1, 1 + (len(history) if stopped else schedule.epochs))
    with tqdm(left, desc=progress, disable=progress is None, unit="epoch") as bar:
        for epoch in bar:
            row = {"epoch": epoch, "loss": stepper.epoch(batches), "learning_rate": rates.get_last_lr()[-1]}
            _check_finite(row["loss"], epoch)
            if validate is not None:
                row |= _validated(network, validate)
                best.look(row["validation_loss"], epoch)
            history.append(row)
            checkpoint.keep(history)
            bar.set_postfix({name: f"{value:.3g}" for name, value in row.items() if name != "epoch"})
            if validate is not None and _is_over(schedule, epoch, best):
                break
    best.restore()
    network.eval()
    return pd.DataFrame(history)


class _Stepper:
    """One epoch of forward, backward and step."""

    def __init__(self, network, loss, optimizer, rates, accumulate, mixed):
        self.network, self.loss, self.optimizer, self.rates = network, loss, optimizer, rates
        self.accumulate = accumulate
        self.parameters = [value for group in optimizer.param_groups for value in group["params"]]
        self.device = self.parameters[0].device
        self.half = torch.bfloat16 if self.device.type != "cuda" or has_bfloat16(self.device) else torch.float16
        self.mixed = self.device.type == "cuda" if mixed is None else mixed
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.mixed and self.half is torch.float16)
        self.portions, self.steps = Portions(), 0
        kinds = torch.nn.modules.batchnorm._BatchNorm
        norms = {name: layer for name, layer in network.named_modules() if isinstance(layer, kinds)}
        # Statistics that were learned before are kept, they only move on; those of a layer that is frozen stay.
        self.norms = {name: (layer, layer.momentum) for name, layer in norms.items() if layer.momentum is not None}
        self.fresh = [name for name in self.norms if norms[name].num_batches_tracked == 0]
        self.statistics = [value for layer in norms.values() for value in layer.buffers()]
        self.frozen = [layer for layer in norms.values() if layer.weight is not None and not layer.weight.requires_grad]

    def epoch(self, batches):
        """Go through the batches once; the mean loss over rows."""
        self.network.train()
        for layer in self.frozen:
            layer.eval()
        self.optimizer.zero_grad(set_to_none=True)
        total, count = 0.0, 0
        for number, (inputs, target) in enumerate(batches, start=1):
            self.warm_norms()
            total = total + self.backward(inputs, target) * len(target)
            count += len(target)
            if number % self.accumulate == 0 or number == len(batches):
                self.scaler.step(self.optimizer)
                self.scaler.update()
                self.rates.step()
                self.optimizer.zero_grad(set_to_none=True)
        for layer, momentum in self.norms.values():
            layer.momentum = momentum
        return float(total) / count

    def warm_norms(self):
        """Let statistics that start anew be plain means at first; else the initial ones weigh 0.35 after 10 steps."""
        self.steps += 1
        for name in self.fresh:
            layer, momentum = self.norms[name]
            layer.momentum = max(momentum, 1 / self.steps)

    def backward(self, inputs, target):
        """Add the gradients of one batch, in as many parts as memory asks for; the loss."""

        def part(rows):
            some = slice(rows.start, rows.stop)
            return self.part(tuple(value[some] for value in inputs), target[some], len(target))

        return sum(self.portions(part, range(len(target))))

    def part(self, inputs, target, n_rows):
        """Forward and backward of some rows of a batch."""
        # When memory runs out half way the part is repeated: so no backward(), which may have added some gradients by
        # then, and statistics of batches go back to where they were.
        before = [value.clone() for value in self.statistics]
        try:
            with torch.autocast(self.device.type, dtype=self.half, enabled=self.mixed):
                value = self.loss(self.network(*inputs), target) * (len(target) / n_rows)
            scaled = self.scaler.scale(value / self.accumulate)
            gradients = torch.autograd.grad(scaled, self.parameters, allow_unused=True)
        except RuntimeError:
            for statistic, old in zip(self.statistics, before, strict=True):
                statistic.copy_(old)
            raise
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            if gradient is not None:
                parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        return value.detach()


class _Best:
    """The weights with the smallest validation loss."""

    def __init__(self, network):
        self.network, self.loss, self.epoch, self.state = network, math.inf, 0, None

    def look(self, loss, epoch):
        """Keep a copy when the loss is the smallest so far."""
        if loss < self.loss:
            self.loss, self.epoch, self.state = loss, epoch, deepcopy(self.network.state_dict())

    def restore(self):
        """Put the kept weights back, if any."""
        if self.state is not None:
            self.network.load_state_dict(self.state)


def _optimizer(network, schedule, parameters):
    """AdamW over groups whose ``lr`` is a multiple of the schedule's; no decay for vectors."""
    groups = []
    for group in parameters or [{"params": list(network.parameters())}]:
        rate = schedule.learning_rate * group.get("lr", 1.0)
        wanted = [value for value in group["params"] if value.requires_grad]
        for decay, some in (
            (schedule.weight_decay, [value for value in wanted if value.ndim > 1]),
            (0.0, [value for value in wanted if value.ndim <= 1]),
        ):
            if some:
                groups.append({"params": some, "lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups)


def _validated(network, validate):
    """Call the validation in eval mode, without gradients."""
    network.eval()
    with torch.inference_mode():
        return validate(network)


def _is_over(schedule, epoch, best):
    """Tell whether the validation loss has not fallen for too long."""
    return schedule.patience is not None and epoch - best.epoch >= schedule.patience


def _check_finite(loss, epoch):
    if not math.isfinite(loss):
        raise TrainingError(f"the loss became {loss} in epoch {epoch}; give a smaller learning_rate")
