"""A hospital's folder to a table: files/s of `archive.scan` with 1 and 2 workers, memory, killed and resumed.

Run ``python benchmarks/scan.py`` (about two minutes on two cores), or with ``--smoke`` for a check that it works. The
files are simulated hips of 128 x 128 pixels under numbers of their own; the peer is a plain loop of pydicom that reads
the same headers and pixels and keeps nothing. Each figure comes from a process of its own.
"""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from pydicom import dcmread

from common import peak_mib, print_setting
from deepradiomics import archive
from deepradiomics.simulation import make_hips, write_dicom

KEY = b"the key of this benchmark"
PATIENT = b"PATIENT000000"  # a number that is written over


def write_files(folder, n_files):
    """Simulated hips, copied under numbers, instances and pixels of their own, 1,000 files a folder."""
    hips = make_hips(4, random_state=0, image_shape=(128, 128))
    identity = {"PatientID": PATIENT.decode() + " ", "StudyDate": "20200301", "InstitutionName": "Somewhere"}
    paths = write_dicom(hips, folder / "templates", identity=identity)["radiograph"]
    templates = [(Path(path).read_bytes(), dcmread(path).SOPInstanceUID.encode()) for path in paths]
    for path in paths:
        Path(path).unlink()
    for number in range(n_files):
        content, instance = templates[number % len(templates)]
        content = content.replace(PATIENT, b"%013d" % (number // 2))
        content = content.replace(instance, instance[:-8] + b"%08d" % (10_000_000 + number))
        pixel = b"%03x" % (number % 4096)
        place = folder / f"{number // 1000:03d}" / f"IM{number:06d}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content[:-8] + int(pixel, 16).to_bytes(2, "little") * 4)


def drive(folder, progress, n_jobs, table=None):
    """Scan; print the figures of this process."""
    before, start = peak_mib(), time.perf_counter()
    found = archive.scan(folder, key=KEY, progress=progress, n_jobs=int(n_jobs))
    spent = time.perf_counter() - start
    print(f"{n_jobs:>9} {len(found) / spent:9.0f} {before:13.0f} {peak_mib() - before:9.0f}")
    if table is not None:
        found.to_parquet(table)


def peer(folder):
    """Read the header and the pixels of each file with pydicom, and keep nothing."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    start = time.perf_counter()
    for path in paths:
        _ = dcmread(path).pixel_array
    print(f"  pydicom {len(paths) / (time.perf_counter() - start):9.0f}")


def child(*arguments):
    """Run a part of this script in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    return subprocess.Popen(command, start_new_session=True, env=environment, **pipes)


def apart(smoke, part, *arguments):
    """Run a part of this script in a process of its own, whose memory it measures; of a smoke run in this one."""
    if smoke:
        part(*arguments)
    else:
        print(child(f"--{part.__name__}", *arguments).communicate()[0], end="", flush=True)


def n_done(progress):
    """Files that are kept."""
    try:
        store = sqlite3.connect(f"file:{progress}?mode=ro", uri=True)
        count = store.execute("SELECT count(*) FROM done").fetchone()[0]
        store.close()
    except sqlite3.Error:  # not made yet, or being written
        return 0
    return count


def crash(folder, place, n_files, shares, n_jobs):
    """Kill the scan and its workers after shares of the files, go on, and compare with a clean run."""
    progress, done = place / "killed", 0
    for share in shares:
        process = child("--drive", folder, progress, n_jobs)
        while done < share * n_files and process.poll() is None:
            time.sleep(0.05)
            done = n_done(progress)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        print(f"killed after {n_done(progress)} files")
    start = time.perf_counter()
    apart(n_jobs == 1, drive, folder, progress, n_jobs, place / "killed.parquet")
    print(f"resumed and finished in {time.perf_counter() - start:.0f} s")
    same = pd.read_parquet(place / "killed.parquet").equals(pd.read_parquet(place / "clean.parquet"))
    print(f"killed and resumed equals clean: {same}")
    if not same:
        sys.exit(1)


def measure(n_files, shares, workers):
    """All figures."""
    print_setting("numpy", "pandas", "pydicom", "joblib")
    with TemporaryDirectory() as name:
        place = Path(name)
        write_files(place / "files", n_files)
        print(f"\n{n_files} DICOM files of 128 x 128\n  workers   files/s  MiB at start  MiB more (driver)", flush=True)
        smoke = workers == (1,)  # one worker, and it is this process
        apart(smoke, peer, place / "files")
        for n_jobs in workers:
            apart(smoke, drive, place / "files", place / f"jobs{n_jobs}", n_jobs, place / "clean.parquet")
        table = pd.read_parquet(place / "clean.parquet")
        print(f"{table['left_out'].isna().sum()} images of {table['patient'].nunique()} patients\n", flush=True)
        crash(place / "files", place, n_files, shares, workers[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--drive", nargs="+")
    parser.add_argument("--peer")
    arguments = parser.parse_args()
    if arguments.drive:
        drive(*arguments.drive)
    elif arguments.peer:
        peer(arguments.peer)
    else:
        measure(*((130, (0.1,), (1,)) if arguments.smoke else (10_000, (1 / 3, 2 / 3), (1, 2))))


if __name__ == "__main__":
    main()
