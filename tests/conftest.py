"""What all tests share: a plotting backend that needs no screen, and examples that are the same in each run.

A change is refused for what it does, not for the luck of a draw. ``HYPOTHESIS_PROFILE=random`` draws other examples,
as ``make release-check`` does; give what fails a line ``@example`` of its own.
"""

import os

import hypothesis
import matplotlib

matplotlib.use("Agg")
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.register_profile("random", print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
