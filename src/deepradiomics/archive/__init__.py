"""A whole archive of radiographs: features into shards that survive crashes, and the way back to a table."""

from deepradiomics.archive.extraction import Extracted, extract
from deepradiomics.archive.tables import failures, read, read_all

__all__ = ["Extracted", "extract", "failures", "read", "read_all"]
