"""Radiographs with known truth, drawn from parametric anatomy and projected like X-rays."""

from deepradiomics.simulation.dicom import write_dicom
from deepradiomics.simulation.hips import make_hips
from deepradiomics.simulation.spines import make_spines

__all__ = ["make_hips", "make_spines", "write_dicom"]
