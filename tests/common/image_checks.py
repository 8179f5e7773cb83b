"""What every image estimator owes its user, as functions of (estimator, X, y); test_estimators runs all on all."""

import pickle

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils import get_tags


def output(estimator, X):
    """Return the output of transform as a data frame of numbers or of regions."""
    return pd.DataFrame(np.asarray(estimator.transform(X), dtype=object))


def numbers(frame):
    """Replace each region by its pixels' sum and its mask's size, so that frames of regions can be compared."""
    return frame.map(lambda cell: cell if _is_plain(cell) else _summary(cell))


def _is_plain(cell):
    return cell is None or isinstance(cell, float | int | str | np.number)


def _summary(cell):
    if isinstance(cell, np.ndarray):
        return float(cell.sum())
    if isinstance(cell, dict):
        return str(cell)
    return f"{cell.pixels.sum():.3f} {0 if cell.mask is None else cell.mask.sum()}"


def assert_same(left, right, tolerance=1e-5):
    for column in left:
        a, b = numbers(left[[column]])[column], numbers(right[[column]])[column]
        try:
            np.testing.assert_allclose(a.astype(float), b.astype(float), rtol=tolerance, atol=tolerance)
        except (ValueError, TypeError):
            assert a.tolist() == b.tolist()


def check_clone_keeps_parameters(estimator, X, y):
    copy = clone(estimator)
    assert repr(copy.get_params()) == repr(estimator.get_params())


def check_set_params_round_trip(estimator, X, y):
    copy = clone(estimator)
    assert copy.set_params(**estimator.get_params(deep=False)) is copy
    assert repr(copy.get_params()) == repr(estimator.get_params())


def check_fit_returns_self(estimator, X, y):
    copy = clone(estimator)
    assert copy.fit(X, y) is copy


def check_fit_leaves_parameters_alone(estimator, X, y):
    copy = clone(estimator)
    before = repr(copy.get_params())
    copy.fit(X, y)
    assert repr(copy.get_params()) == before


def check_fit_leaves_data_alone(estimator, X, y):
    before = [id(cell) for column in X for cell in X[column] if not _is_plain(cell)]
    columns = list(X.columns)
    clone(estimator).fit(X, y).transform(X)
    assert list(X.columns) == columns
    assert [id(cell) for column in X for cell in X[column] if not _is_plain(cell)] == before


def check_fitted_twice_gives_the_same(estimator, X, y):
    assert_same(output(clone(estimator).fit(X, y), X), output(clone(estimator).fit(X, y), X), tolerance=0)


def check_row_order(estimator, X, y):
    fitted = clone(estimator).fit(X, y)
    straight, turned = output(fitted, X), output(fitted, X.iloc[::-1])
    assert_same(straight, turned.iloc[::-1].reset_index(drop=True))


def check_rows_do_not_depend_on_each_other(estimator, X, y):
    fitted = clone(estimator).fit(X, y)
    assert_same(output(fitted, X).iloc[:2], output(fitted, X.iloc[:2]))


def check_pickle_round_trip(estimator, X, y):
    fitted = clone(estimator).fit(X, y)
    assert_same(output(fitted, X), output(pickle.loads(pickle.dumps(fitted)), X), tolerance=0)


def check_names_are_the_columns(estimator, X, y):
    fitted = clone(estimator).fit(X, y)
    names = fitted.get_feature_names_out()
    assert len(names) == len(set(names)) == output(fitted, X).shape[1]


def check_set_output_pandas(estimator, X, y):
    fitted = clone(estimator).set_output(transform="pandas").fit(X, y)
    frame = fitted.transform(X)
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(fitted.get_feature_names_out())
    assert list(frame.index) == list(X.index)


def check_stateless_means_requires_no_fit(estimator, X, y):
    if not get_tags(estimator).requires_fit:
        assert_same(output(clone(estimator), X), output(clone(estimator).fit(X, y), X), tolerance=0)


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]
