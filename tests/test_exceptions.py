"""One family of errors that tell where, and that survive a trip to another process."""

import pickle

import pytest

from deepradiomics.exceptions import (
    DeepRadiomicsError,
    InputError,
    LeakageError,
    MissingDependencyError,
    RegionError,
    TrainingError,
    require,
)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (InputError, ValueError),
        (RegionError, ValueError),
        (LeakageError, ValueError),
        (TrainingError, RuntimeError),
        (MissingDependencyError, ImportError),
    ],
)
def test_family(kind, builtin):
    error = pickle.loads(pickle.dumps(kind("what", code="why").at("row 3")))
    assert isinstance(error, DeepRadiomicsError)
    assert isinstance(error, builtin)
    assert (str(error), error.code) == ("row 3: what", "why")


def test_a_missing_package_names_the_command():
    with pytest.raises(MissingDependencyError, match=r"pip install 'deepradiomics\[report\]'"):
        require("no_such_package", "report")
    with pytest.raises(MissingDependencyError, match=r"no-build-isolation pyradiomics==3\.0\.1"):
        require("no_such_package", "pyradiomics")
