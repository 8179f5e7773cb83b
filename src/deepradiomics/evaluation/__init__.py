"""Honest comparison: intervals, tests, thresholds, and cross-validation that keeps patients together."""

from deepradiomics.evaluation.comparison import Comparison, compare_feature_sets
from deepradiomics.evaluation.intervals import Interval, clopper_pearson, wilson, wilsoncc
from deepradiomics.evaluation.rates import DiagnosticRates, diagnostic_rates, sensitivity_threshold, youden_threshold
from deepradiomics.evaluation.roc import DelongResult, delong_covariance, delong_test, delong_tests, holm, roc_auc_ci

__all__ = [
    "Comparison",
    "DelongResult",
    "DiagnosticRates",
    "Interval",
    "clopper_pearson",
    "compare_feature_sets",
    "delong_covariance",
    "delong_test",
    "delong_tests",
    "diagnostic_rates",
    "holm",
    "roc_auc_ci",
    "sensitivity_threshold",
    "wilson",
    "wilsoncc",
    "youden_threshold",
]
