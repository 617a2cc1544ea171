"""Nodes of a network, links and loads between them, and their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.plural import counted
from ....reference.validation import as_float, as_floats, list_or_none
from .inputs import has

Pair = tuple[Any, Any]
LOAD_REMEDY = "give {(origin, destination): load}, {origin: {destination: load}} or a DataFrame"


class Nodes:
    """The nodes that links join, in the order in which the links name them.

    Parameters
    ----------
    ends : sequence of (node, node)
        First and last node of each link.
    links : int
        Number of links A.

    Attributes
    ----------
    ends : tuple of (node, node)
    names : tuple
        The nodes.
    index : dict
        Position of each node in `names`.
    """

    def __init__(self, ends: Any, links: int) -> None:
        is_table = isinstance(ends, np.ndarray) and ends.ndim > 0
        listed = list(ends) if is_table else list_or_none(ends)
        remedy = "give a pair (first node, last node) for each link"
        if listed is None or len(listed) != links:
            count = "no list" if listed is None else f"a list of {len(listed)}"
            raise InputError("ends", ends, f"is {count} for {counted(links, 'link')}", remedy)
        self.ends = tuple(_pair(f"ends[{a}]", end, remedy) for a, end in enumerate(listed))
        self.index: dict[Any, int] = {}
        for end in self.ends:
            for node in end:
                self.index.setdefault(node, len(self.index))
        self.names = tuple(self.index)

    def indices(self, pairs: Sequence[Pair]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return the positions of the first and of the last node of each pair."""
        places = [(self.index[first], self.index[last]) for first, last in pairs]
        first, last = np.array(places, dtype=np.intp).reshape(-1, 2).T
        return first.copy(), last.copy()

    def check(self, field: str, node: Any) -> Any:
        """Return a node; InputError unless a link starts or ends there."""
        try:
            known = node in self.index
        except TypeError:  # a list, which is not hashable
            known = False
        if not known:
            some = ", ".join(map(str, self.names[:12]))
            more = ", ..." if len(self.names) > 12 else ""
            raise InputError(field, node, "is not a node of a link", f"the nodes are {some}{more}")
        return self.names[self.index[node]]

    def listed(self, field: str, nodes: Any) -> tuple[Any, ...]:
        """Return some of the nodes, each once; InputError unless they are a collection of nodes."""
        if isinstance(nodes, set | frozenset):
            nodes = list(nodes)
        given = list_or_none(nodes)
        if given is None:
            raise InputError(field, nodes, "is not a list of nodes", "give the nodes in a list")
        checked = (self.check(f"{field}[{i}]", node) for i, node in enumerate(given))
        return tuple(dict.fromkeys(checked))

    def coordinates(self, positions: Any) -> dict[Any, tuple[float, float]]:
        """Return the coordinates of nodes as pairs of floats; those of other nodes are left out."""
        if positions is None:
            return {}
        if not has(positions, "items"):
            problem = "is not a mapping of nodes to coordinates"
            raise InputError("positions", positions, problem, "give {node: (x, y)}")
        out = {}
        for node, given in positions.items():
            point = as_floats(f"positions[{node!r}]", given)
            if point.shape != (2,) or not np.isfinite(point).all():
                problem = "is not a pair of finite numbers"
                raise InputError(f"positions[{node!r}]", given, problem, "give (x, y)")
            if node in self.index:
                out[node] = (float(point[0]), float(point[1]))
        return out


def _pair(field: str, pair: Any, remedy: str) -> Pair:
    """Return a pair of nodes; InputError on anything else."""
    both = list_or_none(pair)
    if both is None or len(both) != 2:
        raise InputError(field, pair, "is not a pair of nodes", remedy)
    for node in both:
        try:
            good = node == node and node is not None and hash(node) is not None
        except Exception:  # an object may raise anything
            good = False
        if not good:
            problem = "has a node that is missing or not hashable"
            raise InputError(field, pair, problem, "name nodes by text or numbers")
    first, last = (node.item() if isinstance(node, np.generic) else node for node in both)
    return first, last


def pair_loads(load: Any, nodes: Nodes) -> tuple[tuple[Pair, ...], Array]:
    """Return the origin and destination of each group, and its load, shape (G,).

    Raises
    ------
    InputError
        Where there is no group, an origin is its destination, a node is not one of the nodes, a
        pair is given twice, or a load is not above 0 and finite.
    """
    out: dict[Pair, float] = {}
    for field, pair, given in _entries(load):
        first, last = _pair(field, pair, LOAD_REMEDY)
        origin, destination = nodes.check(field, first), nodes.check(field, last)
        value = as_float(field, given)
        if not 0 < value < np.inf:
            problem, remedy = "is not above 0 and finite", "leave an idle group out"
            raise InputError(field, value, problem, remedy)
        if origin == destination:
            problem = f"starts and ends at {origin}: it passes no link"
            raise InputError(field, value, problem, "leave it out")
        if (origin, destination) in out:
            problem = "is a second load for the same pair"
            raise InputError(field, value, problem, "give the sum of the loads")
        out[origin, destination] = value
    if not out:
        raise InputError("load", load, "has no load from an origin to a destination", LOAD_REMEDY)
    return tuple(out), np.array(list(out.values()))


def _entries(load: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the field, the pair of nodes and the load of each group; no 0 in tables."""
    if has(load, "columns", "to_numpy"):
        load = {o: dict(zip(load.columns, row, strict=True)) for o, row in _rows(load)}
    if not has(load, "items"):
        raise InputError("load", load, "is not a mapping of pairs of nodes", LOAD_REMEDY)
    for key, value in load.items():
        if not has(value, "items"):
            yield f"load[{key!r}]", key, value
            continue
        for destination, entry in value.items():
            field = f"load[{key!r}][{destination!r}]"
            if as_float(field, entry) != 0:
                yield field, (key, destination), entry


def _rows(frame: Any) -> Iterable[tuple[Any, Any]]:
    """Return the origins and the rows of a table of loads."""
    return zip(frame.index.tolist(), frame.to_numpy(), strict=True)


def pair_names(pairs: Sequence[Pair]) -> list[str]:
    """Return a name for each pair of nodes: ``1 -> 2``."""
    return [f"{first} -> {last}" for first, last in pairs]


def numbered(names: Sequence[str]) -> list[str]:
    """Return different names: the second of the same ends in ``(2)``, and so on."""
    seen, out, taken = Counter[str](), [], set(names)
    for name in names:
        seen[name] += 1
        new = name
        while seen[name] > 1 and (new := f"{name} ({seen[name]})") in taken:
            seen[name] += 1
        taken.add(new)
        out.append(new)
    return out
