"""DeLong on the data of its own paper."""

import numpy as np
import pytest

from deepradiomics.metrics import delong_covariance, delong_test

# Albumin, total protein, K-G score, outcome of 43 patients with ovarian cancer: SAS/STAT User's Guide, PROC LOGISTIC,
# "Comparing Receiver Operating Characteristic Curves" (data of DeLong et al. 1988).
PATIENTS = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""


def test_areas_and_errors_of_three_tests():
    """Areas and standard errors as SAS reports them for these data."""
    albumin, protein, kg_score, outcome = np.array(PATIENTS.split(), dtype=float).reshape(-1, 4).T
    auc, covariance = delong_covariance(outcome, [albumin, 10 - kg_score, protein])
    assert auc.round(4).tolist() == [0.7366, 0.7258, 0.6478]
    assert np.sqrt(np.diag(covariance)).round(4).tolist() == [0.0927, 0.1028, 0.1000]
    # The contrasts must follow from the areas and their covariance.
    for k, score in ((0, albumin), (2, protein)):
        test = delong_test(outcome, score, 10 - kg_score)
        error = np.sqrt(covariance[k, k] + covariance[1, 1] - 2 * covariance[k, 1])
        assert test.difference == pytest.approx(auc[k] - auc[1])
        assert test.z == pytest.approx((auc[k] - auc[1]) / error)
