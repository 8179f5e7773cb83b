"""Does a triage keep what it promises? 1,000 simulated cohorts whose truth is known by formula.

Healthy and sick patients are normal in six columns, so that the best score has an area of 0.94; a logistic regression
learns it. What its thresholds are worth in all future patients follows from the normal distribution. A cohort in which
nothing is promised breaks no promise and decides nobody. ``python benchmarks/triage.py [--smoke] [--figure FILE]``.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib.pyplot import subplots
from scipy.special import logit
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from deepradiomics import Triage
from deepradiomics.exceptions import InputError
from deepradiomics.metrics import wilson

SHIFT = np.full(6, 2.2 / np.sqrt(6))


def future(triage, prevalence):
    """PPV, NPV and the share decided of all future patients; NaN where nobody is ruled in or out."""
    model = triage.classifier_
    length = np.linalg.norm(model.coef_)
    cuts = logit([min(triage.upper_, 1), max(triage.lower_, 0)])
    upper, lower = (cuts - model.intercept_) / length
    shift = (model.coef_ @ SHIFT).item() / length
    sick_in, healthy_in = prevalence * norm.sf(upper - shift), (1 - prevalence) * norm.sf(upper)
    sick_out, healthy_out = prevalence * norm.cdf(lower - shift), (1 - prevalence) * norm.cdf(lower)
    with np.errstate(invalid="ignore"):
        ppv, npv = sick_in / (sick_in + healthy_in), healthy_out / (sick_out + healthy_out)
    return ppv, npv, sick_in + healthy_in + sick_out + healthy_out


def main():
    """Print a line a setting, and draw a panel each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--figure", help="file of the picture")
    options = parser.parse_args()
    settings = [(600, 0.4, 0.9), (1500, 0.4, 0.95)]
    n_cohorts, settings = (5, settings[:1]) if options.smoke else (1000, settings)
    figure, axes = subplots(1, len(settings), figsize=(4.2 * len(settings), 4.2), layout="constrained", squeeze=False)
    print("patients | sick | promise | both kept in [95 % interval] | nothing promised in | decided, mean")
    for (n, prevalence, promise), ax in zip(settings, axes[0], strict=True):
        found = np.full((n_cohorts, 3), np.nan)
        for seed in range(n_cohorts):
            rng = np.random.default_rng(seed)
            y = (rng.random(n) < prevalence).astype(int)
            triage = Triage(LogisticRegression(), promise, promise, random_state=seed)
            try:
                triage.fit(rng.normal(size=(n, 6)) + y[:, None] * SHIFT, y)
            except InputError:
                continue
            found[seed] = future(triage, prevalence)
        broken, none = (found[:, :2] < promise).any(axis=1), np.isnan(found[:, 2])
        kept, share = wilson(n_cohorts - broken.sum(), n_cohorts), f"{100 * prevalence:.0f} %"
        decided = np.nan_to_num(found[:, 2]).mean()
        print(f"{n} | {share} | {promise} | {kept:.3f} | {none.mean():.3f} | {decided:.2f}", flush=True)
        ax.plot(*found[~broken, :2].T, ".", *found[broken, :2].T, "r.", markersize=4, alpha=0.5)
        ax.axvline(promise, color="0.3", linewidth=0.8)
        ax.axhline(promise, color="0.3", linewidth=0.8)
        title = f"{n} patients, {share} sick: both kept in {100 * kept.estimate:.1f} %"
        ax.set(xlabel="PPV in future patients", ylabel="NPV in future patients", title=title)
        ax.title.set_fontsize("medium")
    if options.figure:
        figure.savefig(options.figure, dpi=80)


if __name__ == "__main__":
    main()
