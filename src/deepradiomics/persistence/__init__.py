"""Save and load fitted models without running a line of code that a file brings along."""

from deepradiomics.persistence.loading import load
from deepradiomics.persistence.saving import save

__all__ = ["load", "save"]
