"""Features of a whole archive of radiographs, in parquet files that survive crashes, and back as tables."""

from deepradiomics.archive.duplicates import find_duplicates
from deepradiomics.archive.extraction import Extracted, extract
from deepradiomics.archive.tables import failures, read, read_all

__all__ = ["Extracted", "extract", "failures", "find_duplicates", "read", "read_all"]
