"""See every outline and box on one page, correct what is wrong, and put the corrections back into the table."""

import sys
from types import ModuleType

from deepradiomics.review.agreement import ReviewAgreement, agreement
from deepradiomics.review.cohort import plot_cohort
from deepradiomics.review.decisions import apply
from deepradiomics.review.page import review

__all__ = ["ReviewAgreement", "agreement", "apply", "plot_cohort", "review"]


class _Review(ModuleType):
    """The module can be called: ``deepradiomics.review(table, ...)`` is `review`."""

    def __call__(self, table, **settings):
        return review(table, **settings)


sys.modules[__name__].__class__ = _Review
