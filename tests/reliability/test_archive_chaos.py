"""The archive when workers are killed, the driver is killed, the disk is full, or two want to write at once."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from archive_estimators import Sums
from joblib import parallel_config

from deepradiomics import TextureExtractor, archive
from deepradiomics.exceptions import InputError
from deepradiomics.simulation import make_hips

HERE = Path(__file__).parent
posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")


def manifest(n, what=()):
    table = pd.DataFrame({"image_id": [f"i{k:05d}" for k in range(n)], "number": np.arange(n, dtype=float)})
    misbehaving = dict(what)
    return table.assign(what=[float(misbehaving.get(k, 0)) for k in range(n)])


def files(output):
    return {str(path.relative_to(output)): path.read_bytes() for path in sorted(output.rglob("*.parquet"))}


def driver(code, *arguments):
    """Start a process that calls the archive."""
    start = "import sys; from archive_estimators import Sums; from deepradiomics import archive\n"
    return subprocess.Popen(
        [sys.executable, "-c", start + code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end_group(process):
    """End the workers that a killed driver left: they wait for work for some minutes, and hold its pipes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@contextmanager
def cluster(n_workers=2):
    """Processes of dask, and joblib set to use them."""
    from distributed import Client, LocalCluster

    settings = {"n_workers": n_workers, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(**settings) as local, Client(local) as client:
        client.run(sys.path.insert, 0, str(HERE))
        with parallel_config("dask", n_jobs=n_workers, wait_for_workers_timeout=60):
            yield


@contextmanager
def workers(backend):
    if backend == "dask":
        with cluster():
            yield
    else:
        with parallel_config(backend, n_jobs=1 if backend == "sequential" else 2):
            yield


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing", "dask"])
def test_all_workers_give_the_same_bytes(tmp_path, backend):
    hips = make_hips(10, random_state=0, image_shape=(96, 96))
    table = pd.DataFrame({"image_id": [f"h{k}" for k in range(12)], "hip": [*hips.data["radiograph"], None, 3.0]})
    texture = TextureExtractor(feature_classes=["firstorder", "glcm"], on_error="skip")
    archive.extract(table, tmp_path / "alone", texture, chunk_size=3, n_jobs=1)
    with workers(backend):
        archive.extract(table, tmp_path / backend, texture, chunk_size=3)
    assert len(files(tmp_path / "alone")) >= 3
    assert files(tmp_path / backend) == files(tmp_path / "alone")
    assert archive.failures(tmp_path / backend)["image_id"].tolist() == ["h11"]
    tables = [archive.read_all(tmp_path / name) for name in ("alone", backend)]
    assert tables[0].to_csv() == tables[1].to_csv()
    assert tables[0].iloc[:, 1:].to_numpy().tobytes() == tables[1].iloc[:, 1:].to_numpy().tobytes()


@posix
@pytest.mark.parametrize(("n_images", "killers"), [(12, [5]), (16, [2, 15])])
def test_images_that_kill_their_worker_are_named(tmp_path, n_images, killers):
    table = manifest(n_images, [(k, 1) for k in killers])
    done = archive.extract(table, tmp_path / "chaos", Sums(0.001), chunk_size=n_images // 4, n_jobs=2)
    assert done.n_failed == len(killers)
    failed = archive.failures(tmp_path / "chaos")
    assert failed.to_numpy().tolist() == [[f"i{k:05d}", "", "killed", False] for k in killers]
    archive.extract(manifest(n_images), tmp_path / "clean", Sums(0.001), chunk_size=n_images // 4)
    right = archive.read_all(tmp_path / "clean")
    right.loc[killers, ["sine", "square"]] = np.nan
    pd.testing.assert_frame_equal(archive.read_all(tmp_path / "chaos"), right, check_exact=True)
    # They are not tried again.
    assert archive.extract(table, tmp_path / "chaos", Sums(0.001), n_jobs=2).n_computed == 0


RAY = """
import os
os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
import joblib, pandas as pd, ray
from ray.util.joblib import register_ray
try:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
except Exception as error:
    print(error, file=sys.stderr)
    os._exit(77)
register_ray()
with joblib.parallel_config("ray", n_jobs=2):
    for name in ("clean", "chaos"):
        archive.extract(pd.read_parquet(f"{sys.argv[1]}/{name}.parquet"), f"{sys.argv[1]}/{name}", Sums(), chunk_size=4)
"""


@posix
@pytest.mark.slow
def test_ray_gives_the_same_bytes_and_names_an_image_that_kills(tmp_path):
    pytest.importorskip("ray")
    manifest(8).to_parquet(tmp_path / "clean.parquet")
    manifest(8, [(5, 1)]).to_parquet(tmp_path / "chaos.parquet")
    process = driver(RAY, tmp_path)
    message = process.communicate(timeout=600)[1]
    end_group(process)
    if process.returncode == 77:
        pytest.skip(f"no node of ray starts here now: {message[-200:]}")
    assert process.returncode == 0, message
    archive.extract(manifest(8), tmp_path / "alone", Sums(), chunk_size=4)
    assert files(tmp_path / "clean") == files(tmp_path / "alone")
    assert archive.failures(tmp_path / "chaos").to_numpy().tolist() == [["i00005", "", "killed", False]]
    right = archive.read_all(tmp_path / "alone")
    right.loc[5, ["sine", "square"]] = np.nan
    pd.testing.assert_frame_equal(archive.read_all(tmp_path / "chaos"), right, check_exact=True)


@posix
@pytest.mark.slow
def test_an_image_that_never_ends_is_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(archive._crew, "_GRACE", 6)
    monkeypatch.setattr(archive._crew, "_SLOWEST", 0.1)
    archive.extract(manifest(8, [(5, 5)]), tmp_path, Sums(), chunk_size=4, n_jobs=2)
    assert archive.failures(tmp_path).to_numpy().tolist() == [["i00005", "", "killed", False]]
    assert archive.read_all(tmp_path)["sine"].isna().sum() == 1


@posix
@pytest.mark.slow
def test_a_worker_killed_from_outside_costs_no_image(tmp_path):
    code = "import pandas as pd; archive.extract(pd.read_parquet(sys.argv[1]), sys.argv[2], Sums(0.02), chunk_size=10)"
    table = manifest(150)
    table.to_parquet(tmp_path / "list.parquet")
    code = f"import joblib\nwith joblib.parallel_config('loky', n_jobs=2):\n    {code}"
    process = driver(code, tmp_path / "list.parquet", tmp_path / "chaos")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    killed, end = 0, time.monotonic() + 240
    while process.poll() is None and time.monotonic() < end:
        if killed < 3 and files(tmp_path / "chaos"):
            time.sleep(0.3)
            workers_alive = [pid for pid in map(int, children.read_text().split()) if is_worker(pid)]
            for pid in workers_alive[:1]:
                os.kill(pid, signal.SIGKILL)
                killed += 1
        time.sleep(0.05)
    assert process.communicate()[1].count("Error") == 0
    assert killed
    archive.extract(table, tmp_path / "clean", Sums(0.02), chunk_size=10, n_jobs=2)
    assert files(tmp_path / "chaos") == files(tmp_path / "clean")


def is_worker(pid):
    try:
        return b"popen_loky" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


@posix
@pytest.mark.parametrize(("n_jobs", "n_kills"), [(1, 4), pytest.param(2, 2, marks=pytest.mark.slow)])
def test_a_killed_driver_goes_on_where_it_was(tmp_path, n_jobs, n_kills):
    manifest(200).to_csv(tmp_path / "list.csv", index=False)
    code = "archive.extract(sys.argv[1], sys.argv[2], Sums(0.005), chunk_size=8, n_jobs=int(sys.argv[3]))"
    rng, counts = np.random.default_rng(n_jobs), []
    for _ in range(n_kills):
        process = driver(code, tmp_path / "list.csv", tmp_path / "chaos", n_jobs)
        seen, end = len(files(tmp_path / "chaos")), time.monotonic() + 240
        while len(files(tmp_path / "chaos")) == seen and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        process.wait()
        end_group(process)
        counts.append(len(files(tmp_path / "chaos")))
        assert not archive.read_all(tmp_path / "chaos").isna().to_numpy().any()
    assert 0 < counts[0] < 25
    assert counts == sorted(counts)
    done = archive.extract(tmp_path / "list.csv", tmp_path / "chaos", Sums(0.005), chunk_size=8)
    assert done.n_computed < 200
    archive.extract(tmp_path / "list.csv", tmp_path / "clean", Sums(0.005), chunk_size=8)
    assert files(tmp_path / "chaos") == files(tmp_path / "clean")
    assert not list((tmp_path / "chaos").rglob("*.unfinished"))


@posix
def test_a_full_disk_is_an_error_that_keeps_what_is_finished(tmp_path):
    manifest(4000).to_parquet(tmp_path / "list.parquet")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))\n"
    code = "archive.extract(sys.argv[1], sys.argv[2], Sums(), chunk_size=500, batch_size=500)"
    archive.extract(tmp_path / "list.parquet", tmp_path / "clean", Sums(), chunk_size=500, batch_size=500)
    sizes = [len(data) for data in files(tmp_path / "clean").values()]
    assert sizes[0] < max(sizes)
    process = driver(limit + code, tmp_path / "list.parquet", tmp_path / "full", sizes[0])
    message = process.communicate(timeout=240)[1]
    assert process.returncode == 1
    assert "could not be written (File too large)" in message.splitlines()[-1]
    assert 0 < len(files(tmp_path / "full")) < len(sizes)
    assert not list((tmp_path / "full").rglob("*.unfinished"))
    archive.extract(tmp_path / "list.parquet", tmp_path / "full", Sums(), chunk_size=500, batch_size=500)
    assert files(tmp_path / "full") == files(tmp_path / "clean")


def test_the_second_driver_is_told_so(tmp_path):
    table = manifest(100)
    table.to_csv(tmp_path / "list.csv", index=False)
    code = "archive.extract(sys.argv[1], sys.argv[2], Sums(0.02), chunk_size=5)"
    process = driver(code, tmp_path / "list.csv", tmp_path / "out")
    end = time.monotonic() + 240
    while not files(tmp_path / "out") and time.monotonic() < end:
        time.sleep(0.01)
    with pytest.raises(InputError, match="another process is writing") as caught:
        archive.extract(table, tmp_path / "out", Sums(0.02), chunk_size=5)
    assert caught.value.code == "busy"
    # Other settings go to another folder, where nobody writes; and reading is always possible.
    assert archive.extract(table, tmp_path / "out", Sums(), chunk_size=5).n_computed == 100
    process.kill()
    process.communicate()
    archive.extract(table, tmp_path / "out", Sums(0.02), chunk_size=5)


def test_an_output_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="no folder that can be written to"):
        archive.extract(manifest(2), tmp_path / "file", Sums())
