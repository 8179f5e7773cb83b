"""A training's whole state in one safetensors file, so that it goes on where it was interrupted."""

import json
import math
import os
from pathlib import Path

import torch

from deepradiomics.exceptions import InputError


def save_training(path, tensors, numbers):
    """Write tensors (part -> name -> tensor) and numbers that JSON can hold to a file, wholly or not at all."""
    from safetensors.torch import save_file

    path = Path(path)
    flat = {
        f"{part}/{name}": value.detach().cpu().contiguous().clone()
        for part, values in tensors.items()
        for name, value in values.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f"{path.name}.{os.getpid()}")
    save_file(flat, whole, {"state": json.dumps(numbers)})
    os.replace(whole, path)


def read_training(path):
    """Read the tensors and the numbers that `save_training` wrote."""
    from safetensors import SafetensorError, safe_open

    tensors = {}
    try:
        with safe_open(path, "pt") as file:
            numbers = json.loads((file.metadata() or {})["state"])
            for key in file.keys():  # noqa: SIM118
                part, name = key.split("/", 1)
                tensors.setdefault(part, {})[name] = file.get_tensor(key)
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"{Path(path).name} is no state of a training ({type(error).__name__}); remove it to start anew"
        ) from error
    return tensors, numbers


class Checkpoint:
    """State of one run of the training loop in a file: read at its start, written after each epoch; None keeps nothing.

    ``stepper`` and ``best`` are the loop's; ``batches`` has ``state`` and ``set_state`` where its order is random.
    """

    def __init__(self, path, stepper, best, batches):
        self.path, self.stepper, self.best, self.batches = path, stepper, best, batches

    def resume(self):
        """Bring everything into the state of the last finished epoch; return its history, empty where there is
        no file.
        """
        if self.path is None or not Path(self.path).exists():
            return []
        tensors, numbers = read_training(self.path)
        stepper, best = self.stepper, self.best
        stepper.network.load_state_dict(tensors["network"])
        stepper.optimizer.load_state_dict(_unflattened(tensors.get("optimizer", {}), stepper.optimizer))
        stepper.rates.load_state_dict(numbers["rates"])
        # The scheduler's own state has no learning rates.
        for group, rate in zip(stepper.optimizer.param_groups, numbers["rates"]["_last_lr"], strict=True):
            group["lr"] = rate
        # Another kind of device may scale where this one does not, or the other way round.
        if numbers["scaler"]:
            stepper.scaler.load_state_dict(numbers["scaler"])
        stepper.steps, stepper.portions.share, stepper.fresh = (
            numbers["steps"],
            numbers.get("share", 1.0),
            numbers["fresh"],
        )
        best.loss = math.inf if numbers["best_loss"] is None else numbers["best_loss"]
        best.epoch, best.state = numbers["best_epoch"], tensors.get("best")
        if hasattr(self.batches, "set_state"):
            self.batches.set_state(numbers["order"], tensors["batches"]["generator"])
        torch.set_rng_state(tensors["random"]["cpu"])
        if stepper.device.type == "cuda" and "cuda" in tensors["random"]:
            torch.cuda.set_rng_state(tensors["random"]["cuda"], stepper.device)
        return numbers["history"]

    def keep(self, history):
        """Write the state after an epoch, with the history so far (list of dict)."""
        if self.path is None:
            return
        stepper, best = self.stepper, self.best
        tensors = {
            "network": stepper.network.state_dict(),
            "optimizer": _flattened(stepper.optimizer),
            "random": {"cpu": torch.get_rng_state()},
        }
        if stepper.device.type == "cuda":
            tensors["random"]["cuda"] = torch.cuda.get_rng_state(stepper.device)
        if best.state is not None:
            tensors["best"] = best.state
        rates = {name: value for name, value in stepper.rates.state_dict().items() if name != "lr_lambdas"}
        numbers = {
            "history": history,
            "rates": rates | {"lr_lambdas": [None] * len(stepper.optimizer.param_groups)},
            "scaler": stepper.scaler.state_dict(),
            "steps": stepper.steps,
            "share": stepper.portions.share,
            "fresh": stepper.fresh,
            "best_loss": None if math.isinf(best.loss) else best.loss,
            "best_epoch": best.epoch,
        }
        if hasattr(self.batches, "set_state"):
            numbers["order"], generator = self.batches.state()
            tensors["batches"] = {"generator": generator}
        save_training(self.path, tensors, numbers)


def _flattened(optimizer):
    """Tensors of an optimizer's state by number of the parameter and name."""
    state = optimizer.state_dict()["state"]
    return {f"{number}/{name}": torch.as_tensor(value) for number, own in state.items() for name, value in own.items()}


def _unflattened(tensors, optimizer):
    state = {}
    for key, value in tensors.items():
        number, name = key.split("/")
        state.setdefault(int(number), {})[name] = value
    return {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
