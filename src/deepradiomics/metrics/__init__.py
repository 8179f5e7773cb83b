"""How good answers are: areas, rates, intervals, calibration, agreement, overlap. Arrays in, numbers out."""

from deepradiomics.metrics.agreement import icc, mcnemar, weighted_kappa
from deepradiomics.metrics.bootstrap import bootstrap_interval
from deepradiomics.metrics.calibration import Calibration, calibration_curve, calibration_measures
from deepradiomics.metrics.decision import net_benefit
from deepradiomics.metrics.displays import (
    CalibrationPlot,
    DecisionCurvePlot,
    ForestPlot,
    ImportancePlot,
    RocPlot,
)
from deepradiomics.metrics.drift import drift, plot_drift
from deepradiomics.metrics.holm import holm
from deepradiomics.metrics.intervals import Interval, clopper_pearson, wilson, wilsoncc
from deepradiomics.metrics.multiclass import multiclass_auc, multiclass_rates
from deepradiomics.metrics.overlap import SurfaceDistance, dice, iou, overlap_ratio, surface_distance
from deepradiomics.metrics.rates import (
    DiagnosticRates,
    diagnostic_rates,
    rates_from_counts,
    sensitivity_threshold,
    youden_threshold,
)
from deepradiomics.metrics.readers import ClassReaderStudy, MRMCResult, ReaderStudy, obuchowski_rockette, reader_study
from deepradiomics.metrics.recalibration import plot_recalibration_curve, recalibration_curve
from deepradiomics.metrics.regression import conformal_radius, regression_measures
from deepradiomics.metrics.roc import DelongResult, delong_covariance, delong_test, delong_tests, roc_auc_ci

__all__ = [
    "Calibration",
    "CalibrationPlot",
    "ClassReaderStudy",
    "DecisionCurvePlot",
    "DelongResult",
    "DiagnosticRates",
    "ForestPlot",
    "ImportancePlot",
    "Interval",
    "MRMCResult",
    "ReaderStudy",
    "RocPlot",
    "SurfaceDistance",
    "bootstrap_interval",
    "calibration_curve",
    "calibration_measures",
    "clopper_pearson",
    "conformal_radius",
    "delong_covariance",
    "delong_test",
    "delong_tests",
    "diagnostic_rates",
    "dice",
    "drift",
    "holm",
    "icc",
    "iou",
    "mcnemar",
    "multiclass_auc",
    "multiclass_rates",
    "net_benefit",
    "obuchowski_rockette",
    "overlap_ratio",
    "plot_drift",
    "plot_recalibration_curve",
    "rates_from_counts",
    "reader_study",
    "recalibration_curve",
    "regression_measures",
    "roc_auc_ci",
    "sensitivity_threshold",
    "surface_distance",
    "weighted_kappa",
    "wilson",
    "wilsoncc",
    "youden_threshold",
]
