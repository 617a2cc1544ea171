"""A latency made of measurements: the convex increasing curve that fits the samples of a server best, a few gross errors among them or not.

How it is fitted is in `sojourn.models.latency.fit`. Beyond X, the largest sampled load, it is the straight line on, the least that convexity
allows: nothing was measured there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import cvxpy as cp
import numpy as np
import numpy.typing as npt
from scipy import sparse

from ...reference.errors import Array, InputError
from ...reference.server_bank import Operated, Operation
from ...reference.validation import as_index, as_integer, as_server_array, list_or_none
from ..core.progress import reports_progress
from .base import ArrayLike, Latency
from .cone import Cone
from .fit import fit, padded, spread
from .samples import check_capacity, check_delay, check_samples, nested, pairs, places, read, rows

PIECES = 8
FAR = 4.0  # spreads from which a sample is an outlier
OWN = (
    0.01  # part of a latency that a curve of few pieces may be off by itself: less makes no outlier
)
ROUNDING = 1e-9  # part of the largest sampled load by which a flow may exceed it


class Measured(Operated, Latency):
    """Servers whose latency is the convex increasing curve that fits their samples best; gross errors in a few of them hardly move it.

    Parameters
    ----------
    load, latency : array_like, shape (m,), or a sequence of n of them
        Loads of one server, or of each of n, >= 0, three of them different; and the mean latencies seen at them, > 0.
    pieces : int, default 8
        Largest number P of quadratic pieces, >= 1; two fewer than different loads at most. Knots are at quantiles of the loads.
    delay : array_like, shape (n,) or (), default 0
        Part of the latency that is a delay whatever the load, >= 0: the rest is fitted.
    capacity : array_like, shape (n,) or (), optional
        Load that a utilisation is a part of, > 0, such as in `MaxUtilisation`; by default the
        largest sampled load. It bounds no flow by itself.

    Attributes
    ----------
    rate : ndarray, shape (n,)
        Infinite: no load is too much, but see `last` and `caveats`.
    starts, values, slopes, bends : ndarray, shape (n, P + 1)
        Where each piece starts, and the latency without the delay, its slope and its second derivative there. The last column is the straight
        line beyond the samples; pieces of no width fill the rows of servers that have fewer.
    samples : ndarray of object, shape (n,)
        (load, latency without the delay) of each server.
    capacity : ndarray, shape (n,), or None
    spread : ndarray, shape (n,)
        Robust standard deviation of the residuals: 1.4826 times the median absolute deviation.

    Raises
    ------
    InputError
        Naming the field, the index and the value; or the server whose samples no solver could fit.

    Examples
    --------
    Samples of an M/M/1 server of rate 10, without noise:

    >>> import numpy as np
    >>> load = np.linspace(0.0, 8.0, 41)
    >>> bank = Measured(load, 1 / (10 - load))
    >>> bank.latency([4.0]).round(3)
    array([0.167])
    >>> bank.caveats([9.0], ["server 1"])[0][:62]
    'server 1 carries 9, more than any of its samples (at most 8): '
    """

    rates = ("load", "capacity")
    times: ClassVar[tuple[str, ...]] = ("latency", "delay")
    files = ("samples",)

    @reports_progress
    def __init__(
        self, load: Any, latency: Any, pieces: int = PIECES, delay: Any = 0.0, capacity: Any = None
    ) -> None:
        loads, latencies = rows("load", load), rows("latency", latency)
        n = len(loads)
        if len(latencies) != n:
            raise InputError(
                "latency",
                latency,
                f"is of {len(latencies)} servers where load is of {n}",
                "give both for every server",
            )
        for i in range(n):
            check_samples(loads[i], latencies[i], places(i if n > 1 or nested(load) else None))
        self.pieces, self.delay = (
            as_integer("pieces", pieces, "a number of pieces"),
            check_delay(delay, latencies),
        )
        self.capacity = None if capacity is None else check_capacity(capacity, n)
        rest = [y - d for y, d in zip(latencies, self.delay, strict=True)]
        fits = [
            fit(x, y, self.pieces, f"latency[{i}]")
            for i, (x, y) in enumerate(zip(loads, rest, strict=True))
        ]
        self.rate = np.full(n, np.inf)
        self.starts, self.values, self.slopes, self.bends = padded(fits)
        self.samples = pairs(loads, rest)
        self.spread = np.array([spread(self.residuals(i)) for i in range(n)])

    def __repr__(self) -> str:
        full = f"{'last' if self.capacity is None else 'capacity'}={self.full_load.tolist()}"
        samples = [len(loads) for loads, _ in self.samples]
        return f"Measured(samples={samples}, {full}, delay={self.delay.tolist()})"

    @classmethod
    def from_csv(
        cls,
        path: Any,
        pieces: int = PIECES,
        delay: Any = 0.0,
        capacity: Any = None,
        *,
        columns: Mapping[str, str] | None = None,
    ) -> Self:
        """Fit the samples in files, one a server, that have a header line with the columns ``load`` and ``latency`` among others.

        A row with an empty cell in one of the two is skipped, with a warning that counts them.
        Files are regular ones, in UTF-8, of at most 64 MiB and a million lines.

        Parameters
        ----------
        path : path or sequence of paths
        pieces, delay, capacity
            As for the class.
        columns : mapping of str to str, optional
            Other names of the two columns, such as ``{"load": "rps", "latency": "p50_ms"}``.

        Raises
        ------
        InputError
            Naming the file, the row and the column.
        """
        paths = [path] if (many := list_or_none(path)) is None else many
        tables = [read(p, columns) for p in paths]
        return cls([t[0] for t in tables], [t[1] for t in tables], pieces, delay, capacity)

    @classmethod
    def of_fields(cls, servers: Sequence[Mapping[str, Any]]) -> Measured:
        """Return the server that a scenario file says: its samples as lists, or by the name of a CSV file in ``samples``."""
        said = dict(servers[0])
        pieces = said.get("pieces")
        if isinstance(pieces, float) and pieces.is_integer():  # a file says numbers as floats
            said["pieces"] = int(pieces)
        return cls.from_csv(said.pop("samples"), **said) if "samples" in said else cls(**said)

    @classmethod
    def sample(cls) -> Measured:
        """Return three servers; see `Latency.sample`."""
        load = np.linspace(0.0, 0.9, 60)
        noise = 1.0 + 0.05 * np.sin(np.arange(60.0) ** 2)
        return cls(
            [load * rate for rate in (100.0, 80.0, 200.0)],
            [noise / (rate * (1.0 - load)) for rate in (100.0, 80.0, 200.0)],
        )

    @property
    def last(self) -> Array:
        """Largest sampled load of each server, shape (n,)."""
        return self.starts[:, -1]

    @property
    def full_load(self) -> Array:
        """The capacity, where it is given, else the largest sampled load; see `Latency.full_load`."""
        return self.last if self.capacity is None else self.capacity

    @property
    def full_load_is(self) -> tuple[str, ...]:
        """Which of them; see `Latency.full_load_is`."""
        return ("largest sample" if self.capacity is None else "capacity",) * len(self)

    @property
    def service(self) -> Array:
        """Latency without the delay at no load, shape (n,)."""
        return self.values[:, 0]

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Latency; see `ServerBank.latency`."""
        _, u, (value, slope, bend) = self._piece(flow)
        return np.asarray(self.delay + (value + u * (slope + 0.5 * bend * u)))

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Marginal delay, l(x) + x l'(x); see `ServerBank.marginal`."""
        return self.latency(flow) + np.asarray(flow, dtype=np.float64) * self.latency_slope(flow)

    def potential(self, flow: ArrayLike) -> Array:
        """Integral, that of the pieces before and L u + S u^2/2 + q u^3/6; see `ServerBank.potential`."""
        j, u, (value, slope, bend) = self._piece(flow)
        w = np.diff(self.starts, axis=1)
        whole = w * (
            self.values[:, :-1] + w * (self.slopes[:, :-1] / 2.0 + w * self.bends[:, :-1] / 6.0)
        )
        before = np.concatenate([np.zeros((len(self), 1)), np.cumsum(whole, axis=1)], axis=1)
        inside = before[np.arange(len(self)), j] + u * (value + u * (slope / 2.0 + u * bend / 6.0))
        return np.asarray(self.delay * np.asarray(flow, dtype=np.float64) + inside)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the latency: continuous."""
        _, u, (_, slope, bend) = self._piece(flow)
        return np.asarray(slope + bend * u)

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Derivative of the marginal delay, 2 l' + x l'': it jumps at the knots; at one it is that of the piece on the right."""
        _, u, (_, slope, bend) = self._piece(flow)
        return np.asarray(2.0 * (slope + bend * u) + np.asarray(flow, dtype=np.float64) * bend)

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Operating point at a latency above that of an empty server; see `ServerBank.at_latency`."""
        return self._operate(excess, 0.0)

    def at_marginal(self, excess: ArrayLike) -> Operation:
        """Operating point at a marginal delay above that of an empty server; see `ServerBank.at_marginal`."""
        return self._operate(excess, 1.0)

    def at_player(self, excess: ArrayLike, players: float) -> Operation:
        """Operating point as one of K players sees it; see `ServerBank.at_player`."""
        return self._operate(excess, 1.0 / players)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Delay carried, sum over the pieces of (L + t S) u + (S + t q/2) u^2 + q/2 u^3, as second-order cones."""
        linear = self.values + self.starts * self.slopes
        square = self.slopes + 0.5 * self.starts * self.bends
        return self._cone(flow, cp.multiply(self.delay, flow), linear, square, 0.5 * self.bends)

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Integral of the latency, sum over the pieces of L u + S u^2/2 + q u^3/6, as second-order cones."""
        return self._cone(
            flow, cp.multiply(self.delay, flow), self.values, 0.5 * self.slopes, self.bends / 6.0
        )

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Latency, L_0 + sum over the pieces of S u + q u^2/2, as second-order cones."""
        return self._cone(
            flow, self.idle_latency, self.slopes, 0.5 * self.bends, np.zeros_like(self.bends)
        )

    def scaled(self, rate: float, time: float) -> Self:
        """Return the servers with rates and times multiplied, not fitted again; see `Latency.scaled`."""
        return self._with(
            starts=self.starts * rate,
            values=self.values * time,
            slopes=self.slopes * (time / rate),
            bends=self.bends * (time / rate / rate),
            delay=self.delay * time,
            spread=self.spread * time,
            capacity=None if self.capacity is None else self.capacity * rate,
            samples=pairs([x * rate for x, _ in self.samples], [y * time for _, y in self.samples]),
        )

    def residuals(self, server: int) -> Array:
        """Latencies of a server's samples less those of the fit at their loads, shape (m,)."""
        one = self.take(as_index("server", [server], len(self)))
        load, latency = one.samples[0]
        return np.asarray(latency - (one.latency(load[:, None]) - one.delay)[:, 0])

    def outliers(self, server: int) -> npt.NDArray[np.bool_]:
        """Which samples of a server are farther from the fit than 4 robust spreads, and than 1 % of it, which can be the fit's own error."""
        one = self.take(as_index("server", [server], len(self)))
        off, latency = one.residuals(0), one.samples[0][1]
        return np.asarray(
            np.abs(off) > np.maximum(FAR * one.spread[0], OWN * np.abs(latency - off))
        )

    def caveats(self, flow: ArrayLike, names: Sequence[str]) -> list[str]:
        """Return a sentence for every server that carries more than was ever measured.

        Parameters
        ----------
        flow : array_like, shape (n,)
        names : sequence of n str
        """
        said = (
            "its latency there is the straight line on from them, the least that convexity allows"
        )
        rows = zip(names, as_server_array("flow", flow, len(self)), self.last, strict=True)
        beyond = [(name, x, most) for name, x, most in rows if x > most * (1.0 + ROUNDING)]
        return [
            f"{name} carries {x:.6g}, more than any of its samples (at most {most:.6g}): {said}"
            for name, x, most in beyond
        ]

    def _piece(
        self, flow: ArrayLike
    ) -> tuple[npt.NDArray[np.intp], Array, tuple[Array, Array, Array]]:
        """Piece of each flow, how far it is into it, and the value, slope and bend of the piece."""
        flow = np.asarray(flow, dtype=np.float64)
        j, server = _last_at_most(flow, self.starts), np.arange(len(self))
        return (
            j,
            flow - self.starts[server, j],
            (self.values[server, j], self.slopes[server, j], self.bends[server, j]),
        )

    def _operate(self, excess: ArrayLike, own: float) -> Operation:
        """Operating point where l + own x l' is as given: L + own t S + u ((1 + own) S + own t q) + (1/2 + own) q u^2 at t + u; 0 below."""
        excess = np.maximum(np.asarray(excess, dtype=np.float64), 0.0)
        heights = self.values - self.values[:, :1] + own * self.starts * self.slopes
        at = np.arange(len(self)), _last_at_most(excess, heights)
        start, slope, bend = self.starts[at], self.slopes[at], self.bends[at]
        c, b, a = excess - heights[at], (1.0 + own) * slope + own * start * bend, (0.5 + own) * bend
        under = b * b + 4.0 * np.multiply(
            a, c, where=a > 0, out=np.zeros_like(c)
        )  # an infinite price has an infinite flow, not NaN
        flow = np.asarray(start + 2.0 * c / (b + np.sqrt(under)))
        return self._operation(
            flow, lambda x: own * self.marginal_slope(x) + (1.0 - own) * self.latency_slope(x)
        )

    def _cone(
        self, flow: cp.Expression, rest: Any, linear: Array, square: Array, cube: Array
    ) -> Cone:
        """Rest, and sum over the pieces of linear u + square u^2 + cube u^3, where the u of a server add up to its flow.

        Minimised, the pieces fill up one after another, as what is written here has slopes that rise from each to the next: those of a convex
        function of the flow. So the sum is that function, and nothing feasible is below it.
        """
        width = np.diff(self.starts, axis=1, append=np.inf)
        server, piece = at = np.nonzero(width > 0)
        # parts of a piece, of the largest sample beyond it: all numbers that a solver works with are then of one size
        size = np.where(np.isfinite(width), width, self.last[:, None])[at]
        part = cp.Variable(size.size, nonneg=True)
        bounded = np.flatnonzero(piece < self.starts.shape[1] - 1)
        constraints = (flow == _sum_by(server, size, len(self)) @ part, part[bounded] <= 1)
        value, kinds = _sum_by(server, linear[at] * size, len(self)) @ part + rest, frozenset[str]()
        for power, factor in ((2, square[at]), (3, cube[at])):
            if (used := np.flatnonzero(factor > 0)).size:
                value += _sum_by(server[used], (factor * size**power)[used], len(self)) @ cp.power(
                    part[used], power
                )
                kinds = frozenset({"SOC"})
        return Cone(value, constraints, kinds)


def _last_at_most(value: Array, edges: Array) -> npt.NDArray[np.intp]:
    """Last column of rising edges, shape (n, k), that is at most the value, shape (..., n); the first below all."""
    shape = np.broadcast_shapes(value.shape, edges[:, 0].shape)
    column = np.zeros(shape, dtype=np.intp)
    for edge in edges.T[1:]:
        column += value >= edge
    return column


def _sum_by(row: npt.NDArray[np.intp], factor: Array, rows: int) -> Any:
    """Sparse matrix that multiplies numbers by the factors, and adds up those of each row."""
    return sparse.csr_matrix((factor, (row, np.arange(row.size))), shape=(rows, row.size))
