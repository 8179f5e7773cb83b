"""No source file unpickles, evaluates text or unpacks an archive to disk."""

import re
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).resolve().parents[2] / "src").rglob("*.py"))
FORBIDDEN = {
    "pickle": r"^\s*(import|from) +(c?[Pp]ickle|dill|cloudpickle)\b",
    "torch.load": r"torch\.load\((?!.*weights_only=True)",
    "joblib.load": r"joblib\.load\(|from joblib import .*\bload\b",
    "eval": r"(?<![\w.])eval\(",
    "exec": r"(?<![\w.])exec\(",
    "yaml.load": r"yaml\.(unsafe_|full_)?load\(",
    "extractall": r"\.extractall\(",
    "numpy pickles": r"allow_pickle *= *True",
    "shell": r"shell *= *True|os\.system\(",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_sources_are_free_of(what):
    found = [
        f"{path.name}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(FORBIDDEN[what], line)
    ]
    assert len(SOURCES) > 80
    assert not found
