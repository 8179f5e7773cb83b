"""Radiographs with known truth, drawn from parametric anatomy and projected like X-rays."""

from deepradiomics.simulation.hips import make_hips

__all__ = ["make_hips"]
