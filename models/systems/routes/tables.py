"""Tables of links, from files, DataFrames and graphs, and the banks of their latencies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ....reference.errors import Array, InputError
from ....reference.plural import counted
from ....reference.validation import as_float, as_positive, check_text, check_within, place
from ...latency.base import Latency, parameters
from ...latency.bpr import BPR
from .inputs import is_mapping

LinkLatency = type[Latency] | Callable[[Mapping[str, npt.NDArray[Any]]], Latency]
"""A family whose parameters are columns, or a function from the columns to a bank of links."""

Pair = tuple[Any, Any]
SHOWN = 200  # letters of the error of a function that a message shows


@dataclass(frozen=True, eq=False)
class LinkTable:
    """Links with their columns of numbers.

    Attributes
    ----------
    ends : list of (node, node)
        First and last node of each link.
    columns : dict of str to ndarray, shape (A,)
        Values by name.
    places : sequence of str
        Place of each link in its source, for errors, such as ``net.tntp:12``.
    """

    ends: list[Pair]
    columns: Mapping[str, npt.NDArray[Any]]
    places: Sequence[str]

    def only(self, rows: npt.NDArray[np.bool_]) -> LinkTable:
        """Return some of the links."""
        kept = np.flatnonzero(rows).tolist()
        columns = {name: values[rows] for name, values in self.columns.items()}
        return LinkTable([self.ends[a] for a in kept], columns, [self.places[a] for a in kept])

    def name(self, a: int) -> str:
        """Return the name of a link, with its place in the source."""
        first, last = self.ends[a]
        return f"{self.places[a]}, link {first} -> {last}"

    def bank(
        self, latency: LinkLatency, *, toll_weight: float = 0.0, length_weight: float = 0.0
    ) -> Latency:
        """Return the links as one bank.

        Parameters
        ----------
        latency : family of latencies or function of the columns
        toll_weight, length_weight : float, default 0
            Time that one unit of the columns ``toll`` and ``length`` is worth, as a further delay.

        Raises
        ------
        InputError
            Where the columns do not make a bank of A links; it names the link.
        """
        weights = {"toll": toll_weight, "length": length_weight}
        remedy = "give the time that one unit is worth, 0 or more"
        weights = {
            column: check_within(f"{column}_weight", weight, 0.0, 1e300, "is not 0 or more", remedy)
            for column, weight in weights.items()
        }
        bank = self._made(latency)
        if not isinstance(bank, Latency) or len(bank) != len(self.ends):
            problem = f"does not return a bank of {counted(len(self.ends), 'link')}"
            raise InputError("latency", latency, problem, "return one server for each link")
        fixed = np.zeros(len(self.ends))
        for column, weight in weights.items():
            if weight:
                fixed += weight * self.numbers(column, 0.0)
        return bank.with_extra_delay(fixed) if fixed.any() else bank

    def numbers(self, column: str, least: float = -np.inf) -> Array:
        """Return a column as finite numbers; InputError on others, naming the link."""
        if column not in self.columns:
            known = ", ".join(self.columns)
            raise InputError("links", column, "is not a column", f"the columns are {known}")
        values = self.columns[column]
        if values.dtype.kind not in "iuf":
            each = [as_float(f"{self.name(a)}: {column}", v) for a, v in enumerate(values.tolist())]
            values = np.array(each)
        for a in np.flatnonzero(~(np.isfinite(values) & (values >= least))):
            problem = "is not a finite number"
            if np.isfinite(least):
                problem += f" of {least:g} or more"
            field = f"{self.name(int(a))}: {column}"
            raise InputError(field, values[a], problem, "correct the number")
        return np.asarray(values, dtype=np.float64)

    def _made(self, latency: Any) -> Any:
        """Return the value of the function, or the family with its columns."""
        if not callable(latency):
            problem = "is neither a family of latencies nor a function"
            remedy = "give BPR, another family, or a function from columns to a bank"
            raise InputError("latency", latency, problem, remedy)
        if not (isinstance(latency, type) and issubclass(latency, Latency)):
            return self._called(latency, lambda: latency(self.columns))
        values = {}
        for name, required in parameters(latency).items():
            if name in self.columns:
                values[name] = self.numbers(name)
            elif required:
                known = ", ".join(self.columns)
                problem = f"has no column {name}, which {latency.__name__} needs"
                raise InputError("links", known, problem, "add it, or give latency a function")
        if latency is BPR and "capacity" in values:
            flat = self.has_one_time & (values["capacity"] == 0)
            values["capacity"] = np.where(flat, 1.0, values["capacity"])
        return self._called(latency, lambda: latency(**values))

    @property
    def has_one_time(self) -> npt.NDArray[np.bool_]:
        """Whether the travel time by the `BPR` function does not depend on the load, shape (A,)."""
        columns = (self.columns.get(name, np.array(np.nan)) for name in ("free_flow", "b", "power"))
        flat = [np.broadcast_to(column, len(self.ends)) == 0 for column in columns]
        return np.asarray(np.logical_or.reduce(flat))

    def _called(self, latency: Any, make: Callable[[], Any]) -> Any:
        """Return a bank; an error on the number of one server also names its link."""
        try:
            return make()
        except InputError as error:
            index = re.search(r"\[(\d+)\]$", error.field)
            if index is None or int(index[1]) >= len(self.ends):
                raise
            field = f"{self.name(int(index[1]))}: {error.field[: index.start()]}"
            raise InputError(field, error.value, error.problem, error.remedy) from None
        except Exception as error:  # a function of a user may raise anything
            problem = f"raises {type(error).__name__} ({str(error)[:SHOWN]})"
            remedy = f"return a bank of links; the columns are {', '.join(self.columns)}"
            raise InputError("latency", latency, problem, remedy) from error


@dataclass(frozen=True, eq=False)
class Found:
    """A network as its files state it.

    Attributes
    ----------
    links : LinkTable
    arguments : dict
        Arguments of `sojourn.models.systems.routes.Network` beside the bank.
    """

    links: LinkTable
    arguments: dict[str, Any]


def as_load_factor(value: object) -> float:
    """Return a factor of all loads; InputError unless it is finite and above 0."""
    return as_positive("load_factor", value, "give a factor of all loads, such as 1")


def from_dataframe(links: Any, tail: str, head: str) -> LinkTable:
    """Return the table of links of a DataFrame or of a mapping of columns."""
    remedy = "give a DataFrame, or a mapping of column names to lists"
    if not is_mapping(links):
        raise InputError("links", links, "is not a table", remedy)
    columns = {str(name): np.asarray(links[name]) for name in links.keys()}  # noqa: SIM118
    for field, name in (("tail", tail), ("head", head)):
        check_text(field, name)
        if name not in columns:
            known = ", ".join(columns)
            raise InputError(field, name, "is not a column", f"the columns are {known}")
    count = columns[tail].size
    for name, values in columns.items():
        if values.shape != (count,):
            problem = f"does not have one value for each of {count} links"
            raise InputError(f"links[{name!r}]", values.tolist(), problem, remedy)
    ends = list(zip(columns.pop(tail).tolist(), columns.pop(head).tolist(), strict=True))
    return LinkTable(ends, columns, [place("links", (a,)) for a in range(count)])


def from_networkx(graph: Any) -> tuple[LinkTable, dict[Any, tuple[float, float]]]:
    """Return the table of links of a graph of networkx, and the positions of its nodes."""
    remedy = "give a graph of networkx, or a DataFrame to from_dataframe"
    try:
        edges = [(first, last, dict(data)) for first, last, data in graph.edges(data=True)]
    except Exception:  # any other object
        raise InputError("graph", graph, "has no edges with data", remedy) from None
    if not graph.is_directed():
        edges += [(last, first, data) for first, last, data in edges if first != last]
    names = dict.fromkeys(str(name) for *_, data in edges for name in data)
    columns = {name: _column([data.get(name) for *_, data in edges]) for name in names}
    table = LinkTable([(first, last) for first, last, _ in edges], columns, ["graph"] * len(edges))
    placed = graph.nodes(data="pos") if hasattr(graph, "nodes") else ()
    return table, {node: tuple(pos) for node, pos in placed if pos is not None}


def _column(values: list[Any]) -> npt.NDArray[Any]:
    """Return values as an array, of numbers where they are; those that are missing are NaN."""
    if all(value is None or isinstance(value, int | float | np.number) for value in values):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.array(values, dtype=object)
