"""Late fusion of blocks of features: one classifier a block, and a vote of their probabilities."""

import re

from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import make_pipeline


def columns_of(block):
    """Build the selector of the columns that a block of a ColumnTransformer has given.

    Parameters
    ----------
    block : str
        Name of the block, such as ``"texture"``.

    Returns
    -------
    callable
        Takes a data frame, gives the names of its columns that begin with the block's name and two underscores, as a
        `ColumnTransformer` with ``set_output(transform="pandas")`` names them.

    Examples
    --------
    >>> import pandas as pd
    >>> from deepradiomics.fusion import columns_of
    >>> columns_of("deep")(pd.DataFrame({"deep__0": [0.1], "deep__1": [0.2], "clinical__age": [70]}))
    ['deep__0', 'deep__1']
    """
    return make_column_selector(pattern=f"^{re.escape(block)}__")


def late_fusion(blocks, classifier, *, weights=None):
    """Build a classifier that fits one classifier a block and averages their probabilities.

    Parameters
    ----------
    blocks : ColumnTransformer or list of str
        Named blocks. A `ColumnTransformer` gives a model of the table that it would transform. A list of names gives a
        model of its pandas output, to stand behind it: the blocks are then fitted once, and
        :func:`deepradiomics.compare_feature_sets` can share them.
    classifier : estimator
        A classifier with ``predict_proba``; each block gets a clone.
    weights : list of float, default=None
        Weight of each block in the mean; None is the plain mean.

    Returns
    -------
    sklearn.ensemble.VotingClassifier
        Soft vote; its estimators carry the names of the blocks, and one is left out by ``set_params(texture="drop")``.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.compose import ColumnTransformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from deepradiomics import late_fusion
    >>> X = pd.DataFrame({"age": [50, 60, 70, 80], "entropy": [5.0, 4.0, 4.5, 3.0]})
    >>> blocks = ColumnTransformer([("clinical", "passthrough", ["age"]), ("texture", "passthrough", ["entropy"])])
    >>> model = late_fusion(blocks, LogisticRegression()).fit(X, [0, 0, 1, 1])
    >>> model.predict(X).tolist()
    [0, 0, 1, 1]
    """
    if isinstance(blocks, ColumnTransformer):
        parts = [(name, transformer, columns) for name, transformer, columns in blocks.transformers]
    else:
        parts = [(name, "passthrough", columns_of(name)) for name in blocks]
    voters = [(part[0], make_pipeline(ColumnTransformer([part]), clone(classifier))) for part in parts]
    return VotingClassifier(voters, voting="soft", weights=weights)
