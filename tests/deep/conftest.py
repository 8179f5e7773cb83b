"""Fixtures for networks."""

import pytest
from two_roughnesses import make_views


@pytest.fixture(scope="session")
def hips():
    """Twenty-four patients with two views."""
    return make_views(24)
