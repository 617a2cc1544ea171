"""Limits on the flow of each server alone, as bounds, for questions that take no other limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .....reference.errors import Array, InputError
from ....latency.base import Latency
from ..combined_limits import combine_limits
from ..convex_limit import ConvexLimit
from ..linear_limit import Limit

REMEDY = "use limits on each server, such as MinShare, MaxShare or MaxUtilisation"


def bounds_of_flows(
    bank: Latency, load: Array, limits: Sequence[Limit], why: str
) -> Iterator[tuple[Array, Array]]:
    """Yield the least and the largest flows within which the limits hold, for each load.

    Parameters
    ----------
    bank : Latency
        n servers.
    load : ndarray, shape (m,)
        Total loads.
    limits : sequence of Limit
        At least one.
    why : str
        Why limits that bound several servers together are refused.

    Raises
    ------
    InputError
        On a limit that bounds several servers together.
    LoadError
        Where no split meets the limits.
    """
    for i, limit in enumerate(limits):
        together = isinstance(limit, ConvexLimit)
        if together or not limit.linearise(bank, float(load.max()))._checked(len(bank))._per_server:
            problem = f"bounds several servers together: {why}"
            raise InputError(f"subject_to[{i}]", limit, problem, REMEDY)
    for found in combine_limits(limits, bank, load):
        if isinstance(found, InputError):
            raise found
        combined, k = found
        yield combined.least[k], combined.most[k]
