"""Counts in texts."""

import numpy as np
import pytest

from sojourn.reference.plural import counted


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 loads"),
        (1, "1 load"),
        (10**9, "1000000000 loads"),
        (np.int64(2), "2 loads"),
        (np.float64(1.0), "1 load"),
        (2.5, "2.5 loads"),
        (np.inf, "inf loads"),
    ],
)
def test_a_count_of_one_is_singular(count, text):
    assert counted(count, "load") == text
