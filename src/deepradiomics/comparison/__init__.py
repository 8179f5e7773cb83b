"""Compare feature sets and models: cross-validation with whole patients, external cohorts, leaks, a report."""

from deepradiomics.comparison.class_result import ClassComparison
from deepradiomics.comparison.compare import compare_feature_sets, compare_models
from deepradiomics.comparison.copies import (
    duplicate_groups,
    likeness,
    near_duplicates,
    perceptual_hash,
    pixel_hash,
)
from deepradiomics.comparison.importance import contributions, feature_importance
from deepradiomics.comparison.leakage import check_separating_columns
from deepradiomics.comparison.recalibration import RecalibratedClassifier, recalibrate
from deepradiomics.comparison.regression_result import RegressionComparison
from deepradiomics.comparison.result import Comparison
from deepradiomics.comparison.shortcuts import Shortcuts
from deepradiomics.comparison.triage import Triage

__all__ = [
    "ClassComparison",
    "Comparison",
    "RecalibratedClassifier",
    "RegressionComparison",
    "Shortcuts",
    "Triage",
    "check_separating_columns",
    "compare_feature_sets",
    "compare_models",
    "contributions",
    "duplicate_groups",
    "feature_importance",
    "likeness",
    "near_duplicates",
    "perceptual_hash",
    "pixel_hash",
    "recalibrate",
]
