"""Routes that carry the flow from one origin, traced back from its destinations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

ROUNDING = 1e-12  # of a load, or of the largest flow: less is no flow

Steps = tuple[list[int], float]  # the links of a route, and its flow


def traced(
    start: int,
    loads: Sequence[tuple[int, float]],
    tail: Sequence[int],
    head: Sequence[int],
    flow: Sequence[float],
) -> Iterator[tuple[int, Steps]]:
    """Yield the place of a destination, and a route to it with its flow, until all is carried.

    Each route takes at every node the link into it with the largest flow that no earlier route has.
    Cycles of flow are left out, and so is flow that comes from no origin.

    Parameters
    ----------
    start : int
        Node of the origin.
    loads : sequence of (int, float)
        Node of each destination and the load that it gets, jobs per unit of time.
    tail, head : sequence of int, length A
        First and last node of each link.
    flow : sequence of float, length A
        Flow from this origin on each link, jobs per unit of time.
    """
    least = ROUNDING * max(flow, default=0.0)
    left = [value if value > least else 0.0 for value in flow]
    into: dict[int, list[int]] = {}
    for a, value in enumerate(left):
        if value:
            into.setdefault(head[a], []).append(a)
    for place, (node, load) in enumerate(loads):
        rest = load
        while rest > ROUNDING * load and (route := _back(start, node, into, tail, left)):
            amount = min(rest, *(left[a] for a in route))
            for a in route:
                left[a] -= amount
            rest -= amount
            yield place, (route, amount)


def _back(
    start: int, node: int, into: dict[int, list[int]], tail: Sequence[int], left: list[float]
) -> list[int]:
    """Return the links of a route with flow from the start to a node, the last first; or none.

    Cycles and dead ends that the search meets lose their flow.
    """
    while True:
        route: list[int] = []
        passed, at = {node: 0}, node
        while at != start:
            last = max(into.get(at, ()), key=left.__getitem__, default=-1)
            if last < 0 or not left[last]:
                if not route:
                    return []
                left[route[-1]] = 0.0
                break
            route.append(last)
            at = tail[last]
            if at in passed:
                cycle = route[passed[at] :]
                amount = min(left[a] for a in cycle)
                for a in cycle:
                    left[a] -= amount
                break
            passed[at] = len(route)
        else:
            return route
