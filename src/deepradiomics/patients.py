"""Patients of the rows of a table, as numbers: what keeps rows together that belong together."""

import numpy as np
import pandas as pd

from deepradiomics.exceptions import InputError


def number_patients(labels, n_rows):
    """Number the patients of some rows.

    Parameters
    ----------
    labels : array-like of shape (n_rows,)
        Patient of each row.
    n_rows : int
        How many rows there are.

    Returns
    -------
    int array of shape (n_rows,)
        The same number for rows of one patient.

    Raises
    ------
    InputError
        If there is not one patient a row, or one is missing.

    Examples
    --------
    >>> from deepradiomics.patients import number_patients
    >>> number_patients(["b", "a", "b"], 3).tolist()
    [0, 1, 0]
    """
    labels = np.asarray(labels)
    if labels.shape != (n_rows,):
        raise InputError(f"groups of shape {labels.shape} for {n_rows} rows; give one patient a row", code="length")
    numbers = pd.factorize(labels)[0]
    missing = np.flatnonzero(numbers < 0)
    if len(missing):
        raise InputError(
            f"row {missing[0]} has no patient ({len(missing)} such rows); name the patient of each row, a made-up "
            "one where unknown",
            code="missing_patient",
        )
    return numbers
