"""How every benchmark here measures: warm up, repeat, median; the versions and the commit beside the figures."""

import platform
import statistics
import subprocess
import time
from importlib.metadata import version
from pathlib import Path


def milliseconds(action, *, repeats=5, clock=time.perf_counter):
    """Median time of a call in ms, by the clock on the wall, after one call that is not counted."""
    action()
    times = []
    for _ in range(repeats):
        start = clock()
        action()
        times.append(clock() - start)
    return 1e3 * statistics.median(times)


def print_setting(*packages):
    """Print what was measured, on what."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    print(f"commit {commit.stdout.strip() or 'unknown'}, Python {platform.python_version()}, {versions}")
    print(f"{platform.machine()}, {platform.processor() or platform.system()}")


def peak_mib():
    """Peak of this process; that of getrusage would be its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
