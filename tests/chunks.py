"""Seeds of random cases in chunks of one test each.

The first chunks are in the quick tier, more are in every run, the others are for a release.
"""

import math

import pytest


def chunks(total, size, quick=math.inf, often=math.inf):
    """Return ranges of seeds: from `quick` on they are marked slow, from `often` on exhaustive."""
    return [
        pytest.param(range(at, at + size), id=f"from {at}", marks=_marks(at, quick, often))
        for at in range(0, total, size)
    ]


def some(total, quick=math.inf, often=math.inf):
    """Return seeds of one case each, marked as chunks are."""
    return [pytest.param(seed, marks=_marks(seed, quick, often)) for seed in range(total)]


def _marks(at, quick, often):
    return pytest.mark.exhaustive if at >= often else pytest.mark.slow if at >= quick else ()
