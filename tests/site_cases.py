"""Seeded groups and sites on a map, and the least costs that other programs found for them."""

from typing import NamedTuple

import numpy as np
import pytest

FREE = (
    (1, 5, 3, 96.3086523438),
    (3, 12, 6, 223.4850797283),
    (5, 20, 8, 316.4213030014),
    (9, 40, 15, 548.5668269454),
)
"""Seed, groups, sites, least cost without largest rates."""

CAPPED = (
    (1, 5, 3, 14.0, 126.626416753, 126.626416882),
    (3, 12, 6, 25.0, 266.628691815, 266.628691887),
    (5, 20, 8, 30.0, 425.418132552, 425.418132800),
)
"""Seed, groups, sites, largest rate, lower bound and cost of the best choice that is known."""


def capped_cases():
    """Return the cases of `CAPPED`; the largest for a release."""
    *small, large = CAPPED
    return [*small, pytest.param(*large, marks=pytest.mark.exhaustive)]


class Map(NamedTuple):
    """Groups and sites: places, loads, distances, prices of the rates and opening costs."""

    groups: np.ndarray
    sites: np.ndarray
    load: np.ndarray
    distance: np.ndarray
    price: np.ndarray
    opening: np.ndarray


def places(seed, count, n):
    """Return the map of a seed."""
    r = np.random.default_rng(seed)
    groups, sites = r.random((count, 2)), r.random((n, 2))
    load = r.uniform(2, 10, count).round(2)
    distance = np.linalg.norm(groups[:, None] - sites, axis=-1).round(3)
    return Map(
        groups, sites, load, distance, r.uniform(0.8, 1.5, n).round(2), r.uniform(5, 20, n).round(1)
    )
