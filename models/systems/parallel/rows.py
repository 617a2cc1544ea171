"""Results by the rows of a scenario file: the replicas of a server are one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ....reference.errors import Array, InputError
from ....reference.plural import counted
from ...frontend.servers import Server
from ...latency import Latency
from .evaluation import Evaluation
from .solution import Solution

if TYPE_CHECKING:
    import xarray as xr

PER_SERVER = ("optimum_thresholds", "equilibrium_thresholds")
"""Attributes of a curve with a number for each server."""


@dataclass(frozen=True, eq=False)
class Rows:
    """G rows that stand for n servers: each row is a server with its replicas.

    Attributes
    ----------
    names : tuple of str, length G
        Names for tables, such as ``web x 2,220``.
    replicas : ndarray of int, shape (G,)
        Number of servers of each row.
    """

    names: tuple[str, ...]
    replicas: Any

    @classmethod
    def of(cls, servers: Sequence[Server]) -> Rows:
        """Return the rows of the servers of a file."""
        names = tuple(s.name if s.replicas == 1 else f"{s.name} x {s.replicas:,}" for s in servers)
        return cls(names, np.array([s.replicas for s in servers]))

    @property
    def first(self) -> Any:
        """Index of the first server of each row, shape (G,)."""
        return np.cumsum(self.replicas) - self.replicas

    @property
    def single(self) -> bool:
        """Whether every row is one server."""
        return bool(np.all(self.replicas == 1))

    def weights(self, option: str, text: str) -> Array:
        """Return the weight of each server, shape (n,), from a text with one for each row.

        The replicas of a row have equal parts of its weight.

        Parameters
        ----------
        option : str
            Name of the option of the command, for messages.
        text : str
            The text, such as ``50,30,20``.

        Raises
        ------
        InputError
            On another text, and on another number of weights.
        """
        try:
            weights = np.array([float(word) for word in text.split(",")])
        except ValueError:
            remedy = f"give one a row, such as {','.join('1' for _ in self.names[:3])}"
            problem = "is not a list of numbers with commas between"
            raise InputError(option, text, problem, remedy) from None
        if weights.size != len(self.names):
            problem = f"has {counted(weights.size, 'number')} for {len(self.names)} rows of servers"
            remedy = f"give one for each of {', '.join(self.names)}"
            raise InputError(option, text, problem, remedy)
        return np.repeat(weights / self.replicas, self.replicas)

    def total(self, numbers: Array) -> Array:
        """Return the sum over each row of one number a server: from shape (..., n) to (..., G)."""
        out: Array = np.add.reduceat(numbers, self.first, axis=-1)
        return out

    def solution(self, found: Solution, bank: Latency) -> Solution:
        """Return a solution by row: flow, latency and limits of one server, share of the row."""
        if self.single:
            return found
        limits = tuple(limit.only(self.first) for limit in found.limits)
        return replace(
            found,
            **self._split(found, bank),
            active=self.total(found.active.astype(float)) > 0,
            limits=limits,
        )

    def evaluation(self, found: Evaluation, bank: Latency) -> Evaluation:
        """Return an evaluation by row: share of the row, all else of one server."""
        if self.single:
            return found
        names = np.repeat(np.array(self.names, dtype=object), self.replicas)
        row = dict(zip(found.names, names, strict=True))
        return replace(
            found,
            **self._split(found, bank),
            utilisation=found.utilisation[self.first],
            overloaded=tuple(dict.fromkeys(row[name] for name in found.overloaded)),
            move=None if found.move is None else (row[found.move[0]], row[found.move[1]]),
        )

    def _split(self, found: Solution | Evaluation, bank: Latency) -> dict[str, Any]:
        """Return the fields of ``ServerSplit`` by row."""
        flow = self.total(found.flow) / self.replicas
        return {
            "names": self.names,
            "flow": flow,
            "share": self.total(found.share),
            "latency": found.latency[self.first],
            "caveats": tuple(bank.take(self.first).caveats(flow, self.names)),
        }

    def dataset(self, data: xr.Dataset) -> xr.Dataset:
        """Return a curve by row, with the coordinate ``replicas``.

        ``<goal>_flow`` is that of one server, and ``<goal>_total_flow`` that of the row.
        """
        if self.single:
            return data
        out = data.isel(server=self.first).assign_coords(
            server=list(self.names), replicas=("server", self.replicas)
        )
        for name in [str(n) for n in data.data_vars if str(n).endswith("_flow")]:
            total = out[name].copy(data=self.total(data[name].transpose(..., "server").values))
            out[name] = total / self.replicas
            out[name].attrs.update(
                data[name].attrs, long_name=f"{data[name].attrs['long_name']}, of one server"
            )
            out[name.replace("_flow", "_total_flow")] = total.assign_attrs(
                long_name=f"{data[name].attrs['long_name']}, of all replicas"
            )
        for name in PER_SERVER:
            if name in data.attrs:
                out.attrs[name] = np.asarray(data.attrs[name])[self.first]
        return out
