"""Table 1: what the patients of each class are like, and whether the classes differ in it."""

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, f_oneway, fisher_exact, kruskal, mannwhitneyu, spearmanr, ttest_ind
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from deepradiomics.comparison._stateless import columns_read
from deepradiomics.comparison.leakage import _is_plain
from deepradiomics.estimators import _as_pandas, check_names_differ
from deepradiomics.exceptions import InputError

# A number that fewer patients share could tell who they are; statistical offices draw the line here, too.
FEW = 5
# Numbers that are more skewed than this in a class are described by their median and compared by ranks.
_SKEWED = 1.0
_TOO_FEW = f"fewer than {FEW}"
_NOT_SHOWN = "not shown"


def clinical_columns(models, X):
    """Take the columns that blocks named ``clinical`` read; none where it cannot be known which."""
    read = set()
    for parts, _ in models if isinstance(X, pd.DataFrame) else ():
        blocks = [block for block in parts.front[-1].transformers if block[0] == "clinical"]
        alone = Pipeline([*parts.front.steps[:-1], ("blocks", ColumnTransformer(blocks))])
        names, is_sure = columns_read(alone, X)
        read |= names if is_sure else set()
    return X[[name for name in X.columns if name in read]] if read else pd.DataFrame(index=range(len(X)))


def describe_covariates(X, y, patients=None, classes=None):
    """Describe columns of numbers or words by class; without ``classes``, y is a value and there is one column of all.

    Returns a DataFrame: ``covariate``, ``measure``, a column a class, ``missing`` (patients), ``p`` and ``test``. A
    patient with several rows counts once in each class, with the first of them. Other columns, such as images, are left
    out. Nothing is said of fewer than 5 patients: a smaller count is ``< 5``, the largest count beside it a lower
    bound, so that the small one cannot be computed, and levels that fewer patients have are joined. Where the bound
    would be too close, no level of the class is shown. Beside a hidden count ``p`` is ``< 0.05`` or ``≥ 0.05``.

    Raises
    ------
    InputError
        If two columns have one name, or a number is infinite; both name the column.
    """
    X = _as_pandas(X)
    check_names_differ(X)
    rows = pd.DataFrame({"patient": range(len(X)) if patients is None else np.asarray(patients), "y": np.asarray(y)})
    first = ~rows.duplicated(["patient", "y"] if classes is not None else "patient").to_numpy()
    X, rows = X[first].reset_index(drop=True), rows[first].reset_index(drop=True)
    n_shared = 0 if classes is None else int((rows["patient"].value_counts() > 1).sum())
    names = [None] if classes is None else classes
    parts = {
        "all" if name is None else str(name): np.ones(len(rows), dtype=bool) if name is None else rows["y"] == code
        for code, name in enumerate(names)
    }
    parts = {
        f"{name} (n < {FEW})" if 0 < part.sum() < FEW else f"{name} (n = {part.sum()})": np.asarray(part)
        for name, part in parts.items()
    }
    found = []
    for name in X.columns:
        column = X[name]
        is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        if is_number:
            column = column.astype("float64")
            if np.isinf(column).any():
                raise InputError(f"column {name!r} has infinite numbers; give numbers, or leave the cells empty")
        elif pd.api.types.is_datetime64_any_dtype(column) or not _is_plain(column.dropna()):
            continue
        known = column.notna().to_numpy()
        if is_number and column.nunique() > 2:
            lines, p_value, test = _number(column, rows["y"], parts, known, classes is not None)
        else:
            lines, p_value, test = _levels(column, rows["y"], parts, known, classes is not None)
            shown = {str(line[part]) for line in lines for part in parts}
            if shown & {_TOO_FEW, _NOT_SHOWN, f"< {FEW}"} and not np.isnan(p_value):
                # From the p-value, and from which test was right, a hidden count could be computed.
                p_value = "< 0.05" if p_value < 0.05 else "≥ 0.05"
                test = "chi-square or Fisher's exact" if classes is not None else test
        if n_shared:
            n = _TOO_FEW if n_shared < FEW else n_shared
            p_value, test = np.nan, f"not tested: {n} patients are in several classes"
        n_missing = int((~known).sum())
        last = {"missing": f"< {FEW}" if 0 < n_missing < FEW else n_missing, "p": p_value, "test": test}
        for line in lines:
            found.append({"covariate": str(name)} | line | last)
            last = {"missing": "", "p": "", "test": ""}
    return pd.DataFrame(found, columns=["covariate", "measure", *parts, "missing", "p", "test"])


def _number(column, y, parts, known, are_classes):
    """Describe a column of numbers; return its row, the p-value and the name of the test."""
    samples = {name: column[part & known].to_numpy() for name, part in parts.items()}
    enough = [sample for sample in samples.values() if len(sample) >= FEW]
    is_skewed = any(sample.std() == 0 or abs(pd.Series(sample).skew()) > _SKEWED for sample in enough)
    show = f"{{:.{int(np.clip(1 - np.log10(column.std()) // 1, 0, 6))}f}}".format
    cells = dict.fromkeys(samples, _TOO_FEW)
    for name, sample in samples.items():
        if len(sample) >= FEW and is_skewed:
            quarter, half, three = map(show, np.quantile(sample, [0.25, 0.5, 0.75]))
            cells[name] = f"{half} [{quarter}, {three}]"
        elif len(sample) >= FEW:
            cells[name] = f"{show(sample.mean())} ({show(sample.std(ddof=1))})"
    line = {"measure": "median [quartiles]" if is_skewed else "mean (SD)"} | cells
    if not are_classes:
        if min(y[known].nunique(), column[known].nunique()) < 2 or known.sum() < FEW:
            return [line], np.nan, "not defined: fewer than 5 patients, or one value"
        return [line], spearmanr(column[known], y[known]).pvalue, "Spearman's rank correlation with the target"
    return [line], *_compare(list(samples.values()), by_rank=is_skewed)


def _compare(samples, by_rank):
    """Test whether samples of numbers differ."""
    if len(samples) < 2 or min(map(len, samples)) < FEW:
        return np.nan, f"not defined: fewer than {FEW} patients in a group"
    if len(np.unique(np.concatenate(samples))) < 2:
        return np.nan, "not defined: one value"
    if len(samples) == 2:
        if by_rank:
            return mannwhitneyu(*samples).pvalue, "Mann-Whitney"
        return ttest_ind(*samples, equal_var=False).pvalue, "Welch's t"
    if by_rank:
        return kruskal(*samples).pvalue, "Kruskal-Wallis"
    return f_oneway(*samples).pvalue, "analysis of variance"


def _levels(column, y, parts, known, are_classes):
    """Describe a column of words; return a row a level, the p-value and the name of the test."""
    words = column[known].astype(object).map(lambda value: f"{value:g}" if isinstance(value, float) else str(value))
    counts = words.value_counts()
    levels = sorted(counts.index[counts >= FEW])
    if len(levels) < len(counts):
        levels.append(f"others (levels of fewer than {FEW} patients)")
        words = words.where(words.isin(levels), levels[-1])
    table = pd.DataFrame({name: words[part[known]].value_counts() for name, part in parts.items()})
    table = table.reindex(levels).fillna(0).astype(int)
    cells = table.apply(_counts)
    lines = [{"measure": f"{level}, n (%)"} | cells.loc[level].to_dict() for level in table.index]
    lines = lines or [{"measure": "n (%)"} | dict.fromkeys(parts, _TOO_FEW)]
    if not are_classes:
        return lines, *_compare([y[words.index[words == level]].to_numpy() for level in table.index], by_rank=True)
    if len(table) < 2 or table.shape[1] < 2 or table.sum().min() < FEW:
        return lines, np.nan, f"not defined: one level, or fewer than {FEW} patients in a class"
    chi_square = chi2_contingency(table)
    if chi_square.expected_freq.min() >= FEW:
        return lines, chi_square.pvalue, "chi-square" + (" (Yates)" if table.shape == (2, 2) else "")
    if table.shape == (2, 2):
        return lines, fisher_exact(table).pvalue, "Fisher's exact"
    return lines, chi_square.pvalue, "chi-square, though a count below 5 is expected"


def _counts(counts):
    """Counts of the levels of one class, from which no count below 5 can be computed."""
    n, is_small = counts.sum(), (counts > 0) & (counts < FEW)
    if n < FEW:
        return pd.Series(_TOO_FEW, index=counts.index)
    cells = pd.Series([f"{count} ({100 * count / n:.0f} %)" for count in counts], index=counts.index)
    if is_small.any():
        largest = counts.idxmax()
        least = counts[largest] + counts[is_small].sum() - (FEW - 1) * is_small.sum()
        if is_small[largest] or least < FEW:
            # The bound, and that the largest count is no small one, would tell the small ones.
            return pd.Series(_NOT_SHOWN, index=counts.index)
        cells[is_small] = f"< {FEW}"
        cells[largest] = f"≥ {least}"
    return cells
