"""DeLong on the data of its own paper, as SAS prints the result."""

import numpy as np
import pytest

from deepradiomics.evaluation import delong_covariance, delong_test

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


def test_the_areas_and_errors_that_sas_prints():
    albumin, protein, kg_score, outcome = np.array(PATIENTS.split(), dtype=float).reshape(-1, 4).T
    auc, covariance = delong_covariance(outcome, [albumin, 10 - kg_score, protein])
    assert auc.round(4).tolist() == [0.7366, 0.7258, 0.6478]
    assert np.sqrt(np.diag(covariance)).round(4).tolist() == [0.0927, 0.1028, 0.1000]
    # Its contrasts with the K-G score: estimate and chi-square.
    for score, difference, p_value in [(albumin, 0.0108, 0.9102), (protein, -0.0780, 0.4561)]:
        test = delong_test(outcome, score, 10 - kg_score)
        assert test.difference == pytest.approx(difference, abs=5e-5)
        assert test.p_value == pytest.approx(p_value, abs=5e-5)
