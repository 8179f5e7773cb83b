"""The array kernels of torch against the compiled loops; on a GPU, too, where there is one."""

from collections import Counter
from threading import get_ident

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deepradiomics import TextureExtractor
from deepradiomics.exceptions import InputError, RegionError
from deepradiomics.texture import _cpu, _engine, extract, matrices

torch = pytest.importorskip("torch")
from deepradiomics.training import Portions  # noqa: E402

TorchFunctionMode = torch.overrides.TorchFunctionMode
TorchDispatchMode = pytest.importorskip("torch.utils._python_dispatch").TorchDispatchMode

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
CLASSES = {name: None for name in ("shape2D", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")}
LEVELS = hnp.arrays(
    np.int64, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 4)
)


@pytest.fixture(autouse=True)
def _device_is_there(request):
    """Skip what needs a GPU where there is none."""
    if request.node.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("no CUDA device")


def regions():
    """Regions of many sizes and kinds."""
    rng = np.random.default_rng(0)
    found = []
    for height, width in [(40, 50), (17, 33), (64, 64), (9, 80)]:
        image = rng.normal(size=(height, width)).cumsum(axis=1) * 20
        found += [(image, np.ones(image.shape, bool)), (image, rng.random(image.shape) > 0.4)]
    row = rng.normal(size=(1, 30)) * 30
    found += [(row, rng.random(row.shape) > 0.4), (row.T, rng.random(row.T.shape) > 0.4)]
    found += [(np.full((12, 13), 5.0), np.ones((12, 13), bool)), (np.eye(6) * 40, rng.random((6, 6)) > 0.8)]
    found.append((rng.integers(0, 255, (30, 30)).astype(np.float32), np.ones((30, 30), bool)))
    return [list(part) for part in zip(*found, strict=True)]


@settings(max_examples=60, deadline=None)
@given(LEVELS, st.sampled_from([(1,), (2,), (1, 2)]), st.booleans())
def test_matrices_are_equal(levels, distances, lone):
    other = torch.as_tensor(levels)
    for count, keywords in (
        (matrices.glcm, {"distances": distances, "symmetric": lone}),
        (matrices.glrlm, {"lone": lone}),
        (matrices.gldm, {"distances": distances, "largest_difference": int(lone)}),
    ):
        assert np.array_equal(count(other, 4, **keywords).numpy(), count(levels, 4, **keywords))
    wanted, found = (matrices.ngtdm(own, 4, distances=distances, lone=lone) for own in (levels, other))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-13)
    (counts, sizes), (wanted, wanted_sizes) = matrices.glszm(other, 4), matrices.glszm(levels, 4)
    assert np.array_equal(counts.numpy(), wanted)
    assert np.array_equal(sizes.numpy(), wanted_sizes)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("standard", ["pyradiomics", "ibsi"])
@pytest.mark.parametrize(
    "keywords",
    [
        {"bin_count": 32},
        {"bin_width": 3.5},
        {"bin_count": 16, "symmetrical_glcm": False, "distances": (1, 2), "gldm_a": 1},
        {"bin_count": 8, "weighting_norm": "euclidean"},
        {"bin_count": 8, "weighting_norm": "no_weighting"},
    ],
    ids=str,
)
def test_features_are_equal_on_every_device(device, standard, keywords):
    images, masks = regions()
    spacings = [(0.4, 0.7)] * len(images)
    common = {"spacings": spacings, "standard": standard, **keywords}
    wanted = _engine.measure(images, masks, CLASSES, device="cpu", **common)
    found = _engine.measure(images, masks, CLASSES, device=torch.device(device), **common)
    # 2e-7: Imc2 and MCC are roots, so a rounding of 1e-15 near 0 shows as 3e-8.
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=2e-7)


PAIRS = ["not symmetric", "one level", "independent", "four levels", "disconnected", "nearly disconnected"]
PAIRS += ["alternating", "all alike", "smooth"]


def pairs(kind, seed, size=16):
    """Counts of pairs of some kind, (L, L)."""
    rng = np.random.default_rng(seed)
    half = rng.integers(1, 60, (size // 2, size // 2)).astype(float)
    half = half + half.T
    if kind == "not symmetric":
        return rng.integers(0, 9, (size, size)) ** 3.0
    if kind == "one level":
        return np.diag(np.r_[7.0, np.zeros(size - 1)])
    if kind == "independent":
        return np.outer(1.0 + np.arange(size), 1.0 + np.arange(size))
    if kind == "four levels":
        return np.pad(half[:4, :4], 6)
    # Two halves that no pair joins, that few pairs join, or of which one alternates: eigenvalue 1, nearly, or -1.
    apart = np.kron(np.eye(2), half)
    return {
        "disconnected": apart,
        "nearly disconnected": apart + 10.0 ** -rng.integers(1, 13),
        "alternating": np.kron([[0, 1], [1, 0]], half),
        "all alike": np.eye(size) + 10.0 ** -rng.integers(3, 11),
        "smooth": half.sum() * np.exp(-(np.subtract.outer(np.arange(size), np.arange(size)) ** 2) / 9),
    }[kind]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", PAIRS)
def test_mcc_is_the_second_eigenvalue_of_haralicks_q(kind, seed):
    """By numpy's solver of all eigenvalues of Q, which is not symmetric; neither kernel uses one."""
    from deepradiomics.texture import _gpu

    p = pairs(kind, seed) / pairs(kind, seed).sum()
    px, py = (np.where(own > 0, own, 1.0) for own in (p.sum(axis=1), p.sum(axis=0)))
    wanted = np.sort(np.abs(np.linalg.eigvals((p / px[:, None]) @ (p / py).T)))[-2]
    counts = pairs(kind, seed)[None, None]
    for sums in (_cpu.pair_sums(counts), _gpu.pair_sums(torch.as_tensor(counts))):
        assert float(sums[4][0, 0, 6]) ** 2 == pytest.approx(wanted, rel=1e-9, abs=1e-14)


def test_long_zones_are_found():
    """A spiral and a comb: zones whose parts meet late."""
    comb = np.ones((40, 41), np.int64)
    comb[:-1, 1::2] = 2
    spiral = np.full((31, 31), 2)
    row, column, step = 0, 0, (0, 1)
    for length in [30, 30, 30, 28, 28, 26, 26, 24, 24, 22, 22, 20, 20, 18, 18, 16, 16, 14, 14, 12, 12, 10]:
        for _ in range(length):
            spiral[row, column] = 1
            row, column = row + step[0], column + step[1]
        step = (step[1], -step[0])
    for levels in (comb, spiral):
        (counts, sizes), (wanted, wanted_sizes) = matrices.glszm(torch.as_tensor(levels), 2), matrices.glszm(levels, 2)
        assert np.array_equal(counts.numpy(), wanted)
        assert np.array_equal(sizes.numpy(), wanted_sizes)
    assert wanted[0, 0].sum() == 1


@pytest.fixture
def small_device(monkeypatch):
    """The CPU as a device whose memory holds so many pixels; what was sent to it, as numbers of regions."""

    def holds(n_pixels):
        send, sent = _engine._sent, []

        def send_or_fail(held, *how):
            sent.append(len(held))
            if sum(mask.size for _, mask, _ in held) > n_pixels:
                raise torch.OutOfMemoryError("no room")
            return send(held, *how)

        monkeypatch.setattr(_engine, "_sent", send_or_fail)
        monkeypatch.setattr(_engine, "find_device", lambda name: None if name in (None, "cpu") else torch.device("cpu"))
        return sent

    return holds


def test_out_of_memory_halves_the_batch_and_the_next_ones(monkeypatch, small_device):
    images = [np.random.default_rng(k).normal(size=(20, 20)) for k in range(16)]
    masks = [np.ones(image.shape, bool) for image in images]
    wanted = _engine.measure(images, masks, CLASSES, bin_count=16, device="cpu")
    monkeypatch.setattr(_engine, "_DEVICE_BATCH_NUMBERS", 8 * 4 * 16**2)
    sent = small_device(3 * 400)
    found = _engine.measure(images, masks, CLASSES, bin_count=16, device="cuda", portions=Portions())
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=2e-7)
    assert sent == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]


def test_a_region_that_a_device_does_not_hold_is_named(small_device):
    images = [np.random.default_rng(k).normal(size=(20, 20 + 50 * (k == 2))) for k in range(5)]
    settings = {"image_types": ["Original", "Square"], "feature_classes": ["firstorder"], "device": "cuda"}
    small_device(1000)
    message = "memory of the device does not hold the region of 20 x 70 pixels; measure it with device='cpu'"
    with pytest.raises(RegionError, match=f"row 2: the {message}") as caught:
        extract(images, **settings)
    assert caught.value.code == "out_of_memory"
    found = extract(images, on_error="skip", **settings)
    assert found.isna().all(axis=1).tolist() == [False, False, True, False, False]
    assert [(own["row"], own["code"]) for own in found.attrs["failures"]] == [(2, "out_of_memory")]
    wanted = extract(images, **settings | {"device": "cpu"})
    np.testing.assert_allclose(found.drop(index=2), wanted.drop(index=2), rtol=1e-9)


def test_threads_prepare_for_one_device(monkeypatch, small_device):
    """Slices of a few images reach all threads; what they prepare is measured together, where the call is made."""
    images = [np.random.default_rng(k).normal(size=(9, 9)) for k in range(40)]
    sent, threads, prepare = small_device(10**6), set(), _engine.prepare_region

    def noted(*arguments):
        threads.add(get_ident())
        return prepare(*arguments)

    monkeypatch.setattr(_engine, "prepare_region", noted)
    extract(images, device="cuda", n_jobs=2, feature_classes=["glcm"])
    assert sent == [40]
    assert get_ident() not in threads
    # Alone, or a few, regions are measured on the CPU where the device is left to us.
    extract(images, feature_classes=["glcm"])
    assert sent == [40]
    extract(images * 2, feature_classes=["glcm"])
    assert sent == [40, 80]


VIEWS = {"_unsafe_view", "alias", "as_strided", "detach", "diagonal", "expand", "permute", "reshape", "select", "slice"}
VIEWS |= {"split", "squeeze", "t", "transpose", "unbind", "unsqueeze", "view"}
# What makes a CPU wait for a GPU: a number, a truth, or a size that depends on what was computed.
WAITS = {"_local_scalar_dense", "_unique2", "bincount", "equal", "is_nonzero", "masked_select", "nonzero"}


class Launches(TorchDispatchMode):
    """Counts kernels, and what a GPU would be waited for."""

    def __init__(self):
        super().__init__()
        self.kernels, self.waits = Counter(), Counter()

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        name = function.overloadpacket.__name__
        self.kernels[name] += name not in VIEWS
        places = arguments[1] if name in ("index", "index_put_") else []
        by_truth = any(own is not None and own.dtype == torch.bool for own in places)
        self.waits[name] += name in WAITS or by_truth
        return function(*arguments, **(keywords or {}))


class Copies(TorchFunctionMode):
    """Counts what is brought to the host."""

    def __init__(self):
        super().__init__()
        self.n = 0

    def __torch_function__(self, function, types, arguments=(), keywords=None):
        self.n += getattr(function, "__name__", "") in ("cpu", "tolist", "item", "__bool__", "__int__", "__float__")
        return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize("n_regions", [1, 12])
def test_a_batch_is_few_launches_and_fewer_waits(n_regions):
    """Six classes of a batch, counted on the CPU: the path is that of a GPU, and no tensor needs one to be counted."""
    images = [np.random.default_rng(k).normal(size=(48, 48)).cumsum(axis=0) for k in range(n_regions)]
    classes = {name: None for name in CLASSES if name != "shape2D"}
    call = images, [np.ones(image.shape, bool) for image in images], classes
    with Launches() as found, Copies() as copies:
        _engine.measure(*call, bin_count=32, device=torch.device("cpu"))
    assert sum(found.kernels.values()) < 480, found.kernels
    assert sum(found.waits.values()) + copies.n < 5, (found.waits, copies.n)


@pytest.mark.gpu
def test_the_extractor_on_a_gpu():
    images = [image for image, mask in zip(*regions(), strict=True) if mask.all() and min(image.shape) > 8][:4]
    common = {"image_types": {"Original": {}, "Wavelet": {}}, "min_levels": None}
    wanted, found = (extract(images, device=device, **common) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=2e-7)


def test_a_device_that_is_not_there_is_named():
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(InputError, match="device 'cuda' cannot be used here"):
        TextureExtractor(device="cuda").transform([np.arange(100.0).reshape(10, 10)])


def test_a_device_without_the_numbers_is_refused():
    with pytest.raises(InputError, match="not on 'meta'"):
        extract([np.arange(100.0).reshape(10, 10)], device="meta")


def test_automatic_is_the_cpu_where_there_is_no_gpu():
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert _engine.find_device("auto") is None


def test_no_regions_give_no_rows():
    assert _engine.measure([], [], {"glcm": ["Contrast"]}, bin_count=4).shape == (0, 1)
