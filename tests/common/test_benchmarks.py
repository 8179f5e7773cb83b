"""Every benchmark runs in its smallest form, so that none can rot."""

import logging
import os
import runpy
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from joblib.externals.loky import get_reusable_executor

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = sorted(
    path for path in (ROOT / "benchmarks").rglob("*.py") if path.name not in ("common.py", "cohorts.py", "real_hips.py")
)


# Among the few patients of a small run no feature may tell the classes apart.
@pytest.mark.filterwarnings("ignore:No features were selected:UserWarning")
@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda path: path.stem)
def test_benchmark_runs(script, tmp_path, monkeypatch, capfd):
    # As a program, but in this process: most of the time of a small run is the import of its libraries.
    monkeypatch.setattr(sys, "argv", [str(script), "--smoke"])
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.syspath_prepend(script.parent)
    monkeypatch.chdir(tmp_path)
    # Worker processes that live from an earlier test do not know the folder of the benchmarks.
    get_reusable_executor().shutdown()
    threads = torch.get_num_threads()
    try:
        with patch.dict(os.environ):
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        assert not ended.code
    finally:
        torch.set_num_threads(threads)
        logging.disable(logging.NOTSET)
    assert capfd.readouterr().out.strip()
