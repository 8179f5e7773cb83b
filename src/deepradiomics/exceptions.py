"""Everything this library raises on purpose: one base class and five children."""

from difflib import get_close_matches
from importlib import import_module


class DeepRadiomicsError(Exception):
    """Base class of every error that this library raises on purpose.

    Parameters
    ----------
    message : str
        Which item, what was found, what is allowed, and what to do about it.
    code : str, default=None
        A stable word for programs, such as ``"empty_region"``; None means the code of the class.

    Attributes
    ----------
    code : str
        The stable word.

    Examples
    --------
    >>> from deepradiomics.exceptions import RegionError
    >>> error = RegionError("the mask has no pixel", code="empty_region")
    >>> print(error.at("row 3, column 'left_neck'"))
    row 3, column 'left_neck': the mask has no pixel
    """

    code = "error"

    def __init__(self, message, *, code=None):
        super().__init__(message)
        if code is not None:
            self.code = code

    def at(self, place):
        """Return the same error with the place where it happened in front.

        Parameters
        ----------
        place : str
            The item in the user's words, such as ``"row 3, column 'left_neck'"``.

        Returns
        -------
        DeepRadiomicsError
            A new error of the same class and code.

        Examples
        --------
        >>> from deepradiomics.exceptions import InputError
        >>> InputError("no such file").at("row 0").args
        ('row 0: no such file',)
        """
        return type(self)(f"{place}: {self}", code=self.code)


class InputError(DeepRadiomicsError, ValueError):
    """A file, array, table or parameter file cannot be used as it is."""

    code = "invalid_input"


class RegionError(DeepRadiomicsError, ValueError):
    """A region cannot be placed or measured: empty, tiny, flat or not finite."""

    code = "invalid_region"


class LeakageError(DeepRadiomicsError, ValueError):
    """Information from the test part would reach the training part."""

    code = "leakage"


class TrainingError(DeepRadiomicsError, RuntimeError):
    """A network could not be trained or run."""

    code = "training_failed"


class MissingDependencyError(DeepRadiomicsError, ImportError):
    """An optional package is needed and not installed."""

    code = "missing_dependency"


class InputWarning(UserWarning):
    """Input is used as it is, and does not look like what a model was fitted on.

    Parameters
    ----------
    message : str
        Which column, what was found, and what it may mean.

    Examples
    --------
    >>> import warnings
    >>> from deepradiomics.exceptions import InputWarning
    >>> warnings.simplefilter("error", InputWarning)  # to stop at each
    """

    def __init__(self, message):
        super().__init__(message)


def did_you_mean(word, known):
    """Name the known word nearest to a wrong one, or all that are known.

    Parameters
    ----------
    word : str
        The wrong one.
    known : iterable of str
        The right ones.

    Returns
    -------
    str
        The end of a message.

    Examples
    --------
    >>> from deepradiomics.exceptions import did_you_mean
    >>> did_you_mean("glmc", ["gldm", "glcm"]), did_you_mean("shape", ["gldm", "glcm"])
    ("did you mean 'glcm'?", 'known are gldm, glcm')
    """
    lowered = {name.lower(): name for name in known}
    # Two letters that changed places are more likely than another letter.
    swapped = [name for name in lowered if sorted(name) == sorted(str(word).lower())]
    near = swapped or get_close_matches(str(word).lower(), lowered, n=1, cutoff=0.5)
    return f"did you mean {lowered[near[0]]!r}?" if near else f"known are {', '.join(lowered.values())}"


# pyradiomics 3.0.1 has no wheel for recent Python versions and its build needs numpy to be there already.
_HOW_TO_INSTALL = {
    "pyradiomics": (
        "pip install numpy setuptools wheel versioneer && pip install --no-build-isolation pyradiomics==3.0.1"
    ),
}


def require(package, extra):
    """Import an optional package, or say how to install it.

    Parameters
    ----------
    package : str
        The name to import, such as ``"radiomics"``.
    extra : str
        The extra of this library that brings it, such as ``"pyradiomics"``.

    Returns
    -------
    module
        The imported package.

    Raises
    ------
    MissingDependencyError
        If the package is not installed; the message holds the command that installs it.

    Examples
    --------
    >>> from deepradiomics.exceptions import require
    >>> require("numpy", "dev").__name__
    'numpy'
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.partition(".")[0]:
            raise
        command = _HOW_TO_INSTALL.get(extra, f"pip install 'deepradiomics[{extra}]'")
        raise MissingDependencyError(
            f"the package {package!r} is needed for this and is not installed; install it with: {command}"
        ) from error
