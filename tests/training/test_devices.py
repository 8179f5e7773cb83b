"""Memory that runs out, devices that fail, random numbers of cards: the errors are made up, and no GPU is needed."""

import gc
import weakref
from threading import Event, Thread

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin

from deepradiomics import EmbeddingExtractor, archive
from deepradiomics.exceptions import InputError, TrainingError
from deepradiomics.segmentation import _prediction
from deepradiomics.segmentation._frames import frame_image
from deepradiomics.training import Batches, Portions, Schedule, fit_network, resolve_device, seeded
from deepradiomics.training._cuda import exact_inference, has_bfloat16, is_device_fault, is_out_of_memory

FULL = "CUDA out of memory. Tried to allocate 2.00 GiB."
MEMORY = [
    torch.OutOfMemoryError(FULL),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: out of memory"),
]
FAULTS = [
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle)`"),
    RuntimeError("cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR, when calling `cusolverDnDsyevj_bufferSize`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
]


def test_errors_of_a_device_are_told_apart():
    assert all(is_out_of_memory(error) for error in MEMORY)
    assert all(is_device_fault(error) and not is_out_of_memory(error) for error in FAULTS)
    for error in (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("cuda error"), KeyError(FULL)):
        assert not is_out_of_memory(error)
        assert not is_device_fault(error)


def test_a_size_that_did_not_fit_is_not_tried_again():
    portions, asked = Portions(), []

    def small(some):
        asked.append(len(some))
        if len(some) > 3:
            raise torch.OutOfMemoryError(FULL)
        return sum(some)

    assert sum(portions(small, range(10), size=8)) == 45
    assert asked == [8, 4, 2, 2, 2, 2, 2]
    asked.clear()
    portions(small, range(8), size=8)
    assert asked == [2, 2, 2, 2]
    with pytest.raises(TrainingError, match="does not hold a single image") as caught:
        portions(lambda some: small([1] * 9), [1])
    assert caught.value.code == "out_of_memory"
    with pytest.raises(RuntimeError, match="shapes"):
        portions(lambda some: torch.ones(2, 3) @ torch.ones(2, 3), [1, 2])


def test_the_cache_is_emptied_when_the_failed_frames_are_gone(monkeypatch):
    kept, alive = [], []

    def hungry(some):
        held = torch.zeros(4)
        kept.append(weakref.ref(held))
        if len(some) > 1:
            raise torch.OutOfMemoryError(FULL)

    def empty_cache():
        gc.disable()
        alive.append(kept[-1]() is not None)
        gc.enable()

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", empty_cache)
    Portions()(hungry, [1, 2])
    assert alive == [False]


def test_a_part_that_is_repeated_counts_once_in_batch_statistics():
    class Hungry(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.linear = torch.nn.BatchNorm1d(1), torch.nn.Linear(1, 1)
            self.norm.num_batches_tracked.fill_(5)

        def forward(self, rows):
            rows = self.norm(rows)
            if len(rows) > 2:
                raise torch.OutOfMemoryError(FULL)
            return self.linear(rows)

    network, rows = Hungry(), torch.tensor([[1.0], [3.0], [5.0], [7.0]])
    fit_network(network, [((rows,), rows)], torch.nn.MSELoss(), Schedule(epochs=1, learning_rate=1e-6))
    # Two halves with means 2 and 6, at torch's momentum of 0.1; the whole, whose mean is 4, was not seen.
    assert network.norm.running_mean.item() == pytest.approx(0.9 * 0.1 * 2 + 0.1 * 6)
    assert network.norm.num_batches_tracked.item() == 7


def test_one_card_is_seeded_and_gets_its_numbers_back(monkeypatch):
    cards = [torch.Generator().manual_seed(number) for number in (10, 11)]
    before = [card.get_state() for card in cards]
    monkeypatch.setattr(torch.cuda, "default_generators", tuple(cards))
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: cards[device].get_state())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: cards[device].set_state(state))
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: [card.manual_seed(seed) for card in cards])
    with seeded(3, "cuda:1"):
        assert torch.equal(torch.rand(2, generator=cards[1]), torch.rand(2, generator=torch.Generator().manual_seed(3)))
        assert torch.equal(cards[0].get_state(), before[0])
    assert all(torch.equal(card.get_state(), old) for card, old in zip(cards, before, strict=True))


@pytest.mark.parametrize("chosen", [True, False])
def test_tf32_is_off_in_prediction_and_else_what_the_user_chose(chosen):
    cudnn = torch.backends.cudnn
    cudnn.allow_tf32 = chosen
    try:
        with seeded(0):
            assert cudnn.allow_tf32 is chosen
            assert cudnn.deterministic
        with exact_inference():
            assert cudnn.conv.fp32_precision == "ieee" if hasattr(cudnn, "conv") else not cudnn.allow_tf32
            assert torch.is_inference_mode_enabled()
        assert cudnn.allow_tf32 is chosen
        assert not cudnn.deterministic
    finally:
        cudnn.allow_tf32 = True


@pytest.mark.parametrize(("capability", "wanted"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_older_cards_have_no_bfloat16_of_their_own(monkeypatch, capability, wanted):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert has_bfloat16(torch.device("cuda")) is wanted


def test_a_card_that_a_forked_process_sees_but_cannot_use_is_named(monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(InputError, match="device 'auto' cannot be used here") as caught:
        resolve_device("auto")
    assert caught.value.code == "device"


def test_a_random_state_of_another_kind_of_device_goes_on_with_other_numbers():
    batches = [Batches(lambda rows, generator: torch.rand(3, generator=generator), [0, 1], 2, seed=1) for _ in range(3)]
    order, generator = batches[0].state()
    for own in batches[1:]:
        own.set_state(order, generator[:16])
    first, second, third = (next(iter(own)) for own in batches)
    assert torch.equal(second, third)
    assert not torch.equal(first, second)


class Failing(TransformerMixin, BaseEstimator):
    """Raises what it is told for one image."""

    def __init__(self, kind=None):
        self.kind = kind

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        if self.kind is not None and (X["number"] == 3).any():
            raise (MEMORY + FAULTS + [InputError("the device 'cuda' cannot be used here", code="device")])[self.kind]
        return X[["number"]].to_numpy(dtype=float)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


@pytest.mark.parametrize("kind", range(len(MEMORY) + len(FAULTS) + 1))
def test_a_device_that_fails_is_no_fault_of_an_image(tmp_path, kind):
    table = pd.DataFrame({"image_id": list("abcdef"), "number": np.arange(6.0)})
    call = {"chunk_size": 3, "batch_size": 3}
    if kind < len(MEMORY):
        assert archive.extract(table, tmp_path, Failing(kind), **call).n_failed == 1
        assert archive.failures(tmp_path)[["image_id", "code", "retryable"]].to_numpy().tolist() == [
            ["d", "out_of_memory", True]
        ]
    else:
        with pytest.raises((RuntimeError, InputError), match=r"error|device"):
            archive.extract(table, tmp_path, Failing(kind), **call)
        # What was finished before is there, and no image is written down as faulty.
        assert not any(pd.read_parquet(path)["x0"].isna().any() for path in tmp_path.rglob("*.parquet"))


@pytest.mark.parametrize("error", [MEMORY[0], FAULTS[0], FAULTS[1]], ids=str)
def test_a_device_that_fails_is_no_wrong_size_of_a_picture(monkeypatch, error):
    def fail(*arguments):
        raise error

    extractor = EmbeddingExtractor("tf_efficientnet_lite0", image_size=32)
    monkeypatch.setattr(extractor, "_pooled", fail)
    with pytest.raises(type(error), match="CUDA"):
        extractor._embedded(None, torch.zeros(1, 3, 32, 32), torch.device("cpu"))


def test_labels_leave_the_device_and_not_probabilities(monkeypatch):
    """Counted on the CPU: what is asked to come to the host, by the method of torch that brings it."""
    brought, cpu = [], torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: brought.append((self.dtype, self.ndim)) or cpu(self))
    frame = frame_image(np.random.default_rng(0).random((90, 60)), 32)
    network = torch.nn.Conv2d(1, 2, 1)
    views = _prediction.views_of(network, frame.pixels, None, 8, smaller=True)
    assert views.shape == (2, 2, 32, 32)
    assert not brought
    _prediction.outlines_of(views[0], frame)
    assert set(brought) == {(torch.uint8, 2)}


def test_threads_that_predict_together_put_the_users_choice_back():
    cudnn = torch.backends.cudnn
    owner, name = (cudnn.conv, "fp32_precision") if hasattr(cudnn, "conv") else (cudnn, "allow_tf32")
    chosen, entered, leave = getattr(owner, name), Event(), Event()

    def longer():
        with exact_inference():
            entered.set()
            leave.wait(30)

    other = Thread(target=longer)
    with exact_inference():
        other.start()
        assert entered.wait(30)
        inside = getattr(owner, name)
    assert getattr(owner, name) == inside != chosen
    leave.set()
    other.join()
    assert getattr(owner, name) == chosen


def test_any_whole_number_is_a_seed():
    with seeded(np.int64(3)):
        first = torch.rand(1)
    with seeded(3):
        assert torch.rand(1) == first
