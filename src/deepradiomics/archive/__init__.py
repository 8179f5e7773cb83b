"""A whole archive of radiographs: features into shards that survive crashes, and the way back to a table."""

from deepradiomics.archive.duplicates import find_duplicates
from deepradiomics.archive.extraction import Extracted, extract
from deepradiomics.archive.tables import failures, read, read_all

__all__ = ["Extracted", "extract", "failures", "find_duplicates", "read", "read_all"]
