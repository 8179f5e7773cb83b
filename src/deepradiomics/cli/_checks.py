"""What is refused before any work is done: counts that cannot be, and outputs that cannot be written."""

import os

from deepradiomics.exceptions import InputError

# What numpy takes as a seed.
_LARGEST_SEED = 2**32 - 1


def check_counts(options):
    """Refuse a number of an option that cannot be."""
    given = vars(options)
    if given.get("jobs") == 0:
        raise InputError("--jobs is 0; give a number from 1 up, or -1 for one a core")
    for name, low, high in (("folds", 2, None), ("repeats", 1, None), ("seed", 0, _LARGEST_SEED)):
        value = given.get(name)
        if value is not None and (value < low or (high is not None and value > high)):
            limits = f"from {low} up" if high is None else f"from {low} to {high}"
            raise InputError(f"--{name} is {value}; give a whole number {limits}")


def check_file(path, *inputs):
    """Refuse a file that cannot be written, or that is one of the inputs; another one is replaced."""
    if path.is_dir():
        raise InputError(f"the output {path.name} is a folder; give the name of a file", code="output")
    if not path.absolute().parent.is_dir():
        raise InputError(f"there is no folder {path.parent.name} for {path.name}; make it first", code="output")
    for source in inputs:
        if source is not None and path.exists() and source.exists() and path.samefile(source):
            raise InputError(f"the output {path.name} is an input, too; give another name", code="output")
    _check_access(path if path.exists() else path.absolute().parent)


def check_new(path):
    """Refuse a model's place where there is something already, or where nothing can be made."""
    if path.exists() or path.is_symlink():
        raise InputError(f"{path.name} exists already; remove it, or give another name", code="exists")
    check_folder(path.absolute().parent)


def check_folder(path):
    """Refuse a folder that neither is there nor can be made."""
    path = path.absolute()
    there = next(place for place in (path, *path.parents) if place.exists() or place.is_symlink())
    if not there.is_dir():
        raise InputError(f"{there.name} is a file; give a folder, or a name that is free", code="output")
    _check_access(there)


def _check_access(path):
    if not os.access(path, os.W_OK):
        raise InputError(f"{path.name} may not be written to; give an output elsewhere", code="output")
