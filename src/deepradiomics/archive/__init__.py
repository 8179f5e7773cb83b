"""From a hospital's folder to a table, features of an archive in files that survive crashes, and back as tables."""

from deepradiomics.archive.clinical_sheet import Joined, join_clinical
from deepradiomics.archive.duplicates import find_duplicates
from deepradiomics.archive.extraction import Extracted, extract
from deepradiomics.archive.scanning import scan
from deepradiomics.archive.tables import failures, read, read_all

__all__ = ["Extracted", "Joined", "extract", "failures", "find_duplicates", "join_clinical", "read", "read_all", "scan"]
