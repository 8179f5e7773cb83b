"""Honest comparison: intervals, tests, thresholds, and cross-validation that keeps patients together."""

from deepradiomics.evaluation.agreement import icc, mcnemar, weighted_kappa
from deepradiomics.evaluation.bootstrap import bootstrap_interval
from deepradiomics.evaluation.calibration import Calibration, calibration_curve, calibration_measures
from deepradiomics.evaluation.comparison import compare_feature_sets, compare_models
from deepradiomics.evaluation.decision import net_benefit
from deepradiomics.evaluation.displays import (
    CalibrationDisplay,
    DecisionCurveDisplay,
    ForestDisplay,
    ImportanceDisplay,
    RocIntervalDisplay,
)
from deepradiomics.evaluation.importance import contributions, feature_importance
from deepradiomics.evaluation.intervals import Interval, clopper_pearson, wilson, wilsoncc
from deepradiomics.evaluation.leakage import (
    check_separating_columns,
    duplicate_groups,
    likeness,
    near_duplicates,
    perceptual_hash,
    pixel_hash,
)
from deepradiomics.evaluation.multiclass import multiclass_auc, multiclass_rates
from deepradiomics.evaluation.rates import (
    DiagnosticRates,
    diagnostic_rates,
    rates_from_counts,
    sensitivity_threshold,
    youden_threshold,
)
from deepradiomics.evaluation.readers import MRMCResult, ReaderStudy, obuchowski_rockette, reader_study
from deepradiomics.evaluation.result import Comparison
from deepradiomics.evaluation.roc import DelongResult, delong_covariance, delong_test, delong_tests, holm, roc_auc_ci

__all__ = [
    "Calibration",
    "CalibrationDisplay",
    "Comparison",
    "DecisionCurveDisplay",
    "DelongResult",
    "DiagnosticRates",
    "ForestDisplay",
    "ImportanceDisplay",
    "Interval",
    "MRMCResult",
    "ReaderStudy",
    "RocIntervalDisplay",
    "bootstrap_interval",
    "calibration_curve",
    "calibration_measures",
    "check_separating_columns",
    "clopper_pearson",
    "compare_feature_sets",
    "compare_models",
    "contributions",
    "delong_covariance",
    "delong_test",
    "delong_tests",
    "diagnostic_rates",
    "duplicate_groups",
    "feature_importance",
    "holm",
    "icc",
    "likeness",
    "mcnemar",
    "multiclass_auc",
    "multiclass_rates",
    "near_duplicates",
    "net_benefit",
    "obuchowski_rockette",
    "perceptual_hash",
    "pixel_hash",
    "rates_from_counts",
    "reader_study",
    "roc_auc_ci",
    "sensitivity_threshold",
    "weighted_kappa",
    "wilson",
    "wilsoncc",
    "youden_threshold",
]
