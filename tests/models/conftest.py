"""The families that a test registers."""

import pytest

from sojourn.models.latency import registry


@pytest.fixture
def names():
    """Whatever a test registers is forgotten after it."""
    before = dict(registry._families)
    yield
    registry._families.clear()
    registry._families.update(before)
