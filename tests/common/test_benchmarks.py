"""Every benchmark runs in its smallest form, so that none can rot."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = sorted(
    path for path in (ROOT / "benchmarks").rglob("*.py") if path.name not in ("common.py", "cohorts.py", "real_hips.py")
)


@pytest.mark.slow
@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda path: path.stem)
def test_benchmark_runs(script, tmp_path):
    result = subprocess.run(
        [sys.executable, script, "--smoke"], capture_output=True, text=True, cwd=tmp_path, timeout=900
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()
