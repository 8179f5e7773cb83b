"""What all tests share: a plotting backend that needs no screen."""

import matplotlib

matplotlib.use("Agg")
