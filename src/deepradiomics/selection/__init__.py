"""Choose features inside the fold: by both sides of the body, by redundancy, by relevance, by repeatability."""

from deepradiomics.selection.bilateral import BilateralSelector
from deepradiomics.selection.redundancy import CorrelationPruner, MRMRSelector
from deepradiomics.selection.stability import StabilitySelector, remeasure

__all__ = ["BilateralSelector", "CorrelationPruner", "MRMRSelector", "StabilitySelector", "remeasure"]
