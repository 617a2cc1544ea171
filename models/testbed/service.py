"""Service times that a server draws: a mean, and either a coefficient of variation or samples."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """Distribution of service times.

    Parameters
    ----------
    mean : float
        Mean service time, in s.
    cv : float, default 0
        Coefficient of variation of gamma distributed service times: 0 is deterministic, 1
        exponential.
    samples : sequence of float
        Service times of mean 1 that are drawn at random instead.
    """

    mean: float
    cv: float = 0.0
    samples: Sequence[float] = ()

    def draw(self, rng: random.Random) -> float:
        """Return a service time, in s."""
        if self.samples:
            return self.mean * rng.choice(self.samples)
        if self.cv == 0.0:
            return self.mean
        shape = self.cv**-2
        return self.mean * rng.gammavariate(shape, 1.0 / shape)
