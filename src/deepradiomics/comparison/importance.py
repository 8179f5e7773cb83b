"""What a fitted classifier leans on: contributions of features and of blocks to each answer."""

import numpy as np
import pandas as pd

from deepradiomics.exceptions import InputError


def contributions(classifier, X):
    """Split each answer of a classifier into contributions of its features.

    Parameters
    ----------
    classifier : fitted XGBClassifier or linear classifier
        Of two classes. Trees give SHAP values through XGBoost's own ``pred_contribs``; a linear classifier gives
        coefficient times distance from the mean, its SHAP values where features are independent.
    X : DataFrame of shape (n_samples, n_features)
        What the classifier gets, with named columns.

    Returns
    -------
    DataFrame of shape (n_samples, n_features)
        Contributions in log-odds (the unit of ``decision_function``). With a constant they add up to the answer.

    Raises
    ------
    InputError
        If the classifier is of another kind or has more than two classes.

    References
    ----------
    Lundberg SM, Lee SI. A unified approach to interpreting model predictions. NeurIPS 2017.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from deepradiomics.comparison import contributions
    >>> X = pd.DataFrame({"clinical__age": [50.0, 60.0, 70.0, 80.0], "texture__entropy": [1.0, 1.0, 1.0, 1.0]})
    >>> contributions(LogisticRegression().fit(X, [0, 0, 1, 1]), X).abs().mean().round(1).to_dict()
    {'clinical__age': 5.7, 'texture__entropy': 0.0}
    """
    values = pd.DataFrame(X)
    if hasattr(classifier, "get_booster") and len(classifier.classes_) == 2:
        from xgboost import DMatrix

        booster = classifier.get_booster()
        data = DMatrix(values.to_numpy(dtype=float), feature_names=booster.feature_names)
        found = booster.predict(data, pred_contribs=True)[:, :-1]  # the last column is the constant
    elif np.shape(getattr(classifier, "coef_", None)) == (1, values.shape[1]):
        found = (values.to_numpy(dtype=float) - values.to_numpy(dtype=float).mean(axis=0)) * classifier.coef_[0]
    else:
        raise InputError(
            f"{type(classifier).__name__} has no contributions here; give an XGBClassifier or a linear classifier of "
            "two classes, or use sklearn.inspection.permutation_importance"
        )
    return pd.DataFrame(found, columns=values.columns, index=values.index)


def feature_importance(model, X):
    """Rank what a fitted model leans on, by feature and by block.

    Parameters
    ----------
    model : fitted Pipeline
        Ends in an XGBClassifier or a linear classifier of two classes; the steps before name their columns
        ``<block>__<feature>``, as a `ColumnTransformer` does.
    X : DataFrame of shape (n_samples, n_columns)
        Rows to average over. Rows the model was not fitted on tell what it does, training rows what it learned.

    Returns
    -------
    DataFrame
        A row a feature, largest first: ``feature``, ``block``, ``importance`` (mean absolute contribution in log-odds)
        and ``block_importance`` (mean absolute sum of the contributions of its block).

    Raises
    ------
    InputError
        If the classifier is of another kind.

    Notes
    -----
    Importance is about the model, not about bone: of two features that tell the same, either may get all of it.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.compose import ColumnTransformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from deepradiomics.comparison import feature_importance
    >>> X = pd.DataFrame({"age": [50.0, 60.0, 70.0, 80.0], "entropy": [1.0, 2.0, 1.0, 2.0]})
    >>> blocks = ColumnTransformer([("clinical", "passthrough", ["age"]), ("texture", "passthrough", ["entropy"])])
    >>> model = make_pipeline(blocks, LogisticRegression()).fit(X, [0, 0, 1, 1])
    >>> feature_importance(model, X)["feature"].tolist()
    ['clinical__age', 'texture__entropy']
    """
    features, names = model[:-1].transform(X), model[:-1].get_feature_names_out()
    found = contributions(model[-1], pd.DataFrame(np.asarray(features, dtype=float), columns=names))
    blocks = pd.Series([str(name).split("__", 1)[0] for name in names], index=names)
    by_block = found.T.groupby(blocks, sort=False).sum().abs().mean(axis=1)
    table = pd.DataFrame({"feature": names, "block": blocks.to_numpy(), "importance": found.abs().mean().to_numpy()})
    table["block_importance"] = by_block.loc[table["block"]].to_numpy()
    return table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)
