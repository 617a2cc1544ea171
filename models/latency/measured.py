"""Latencies from measurements: the convex increasing curve that fits samples best.

The fit, robust against a few gross errors, is in `sojourn.models.latency.fit`. Beyond the largest
sampled load the curve continues as a straight line, the least that convexity allows: nothing was
measured there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import cvxpy as cp
import numpy as np
import numpy.typing as npt
from scipy import sparse

from ...reference.errors import Array, InputError
from ...reference.plural import counted
from ...reference.server_bank import Operated, Operation
from ...reference.validation import as_index, as_integer, as_server_array, list_or_none
from ..core.progress import reports_progress
from .base import ArrayLike, Latency
from .cone import Cone
from .fit import fit, padded, spread
from .samples import (
    check_capacity,
    check_delay,
    check_samples,
    is_nested,
    pairs,
    read,
    rows,
    sample_names,
)

PIECES = 8
OUTLIER_SPREADS = 4.0  # distance of an outlier from the fit, in robust spreads
# Error of a fit with few pieces, relative to the latency: a smaller distance makes no outlier.
FIT_ERROR = 0.01
ROUNDING = 1e-9  # relative excess over the largest sampled load that is rounding error


class Measured(Operated, Latency):
    """Servers whose latency is the convex increasing curve that fits their samples best.

    The curve is piecewise quadratic; gross errors in a few samples hardly move it. Beyond the
    largest sampled load it is a straight line.

    Parameters
    ----------
    load, latency : array_like, shape (m,), or a sequence of n of them
        Loads of one server, or of each of n, in jobs per unit of time, >= 0, at least three of them
        different; and the mean latencies measured at them, in units of time, > 0.
    pieces : int, default 8
        Largest number P of quadratic pieces, >= 1. There are at most two fewer than different
        loads; knots are at quantiles of the loads.
    delay : array_like, shape (n,) or (), default 0
        Part of the latency that does not depend on the load, in the unit of time, >= 0: the rest
        is fitted.
    capacity : array_like, shape (n,) or (), optional
        Load at a utilisation of 1, such as in `MaxUtilisation`, > 0; by default the largest
        sampled load. It bounds no flow by itself.

    Attributes
    ----------
    rate : ndarray, shape (n,)
        Infinite: any load is possible, but see `last` and `caveats`.
    starts, values, slopes, bends : ndarray, shape (n, P + 1)
        Start of each piece, and there the latency without the delay, its slope and its second
        derivative. The last column is the straight line beyond the samples; a server with fewer
        pieces has pieces of no width.
    samples : ndarray of object, shape (n,)
        (load, latency without the delay) of each server, two arrays of shape (m,).
    capacity : ndarray, shape (n,), or None
    spread : ndarray, shape (n,)
        Robust standard deviation of the residuals: 1.4826 times the median absolute deviation.

    Raises
    ------
    InputError
        If a value is missing, not finite or out of range, or no solver can fit the samples of a
        server; it names the field, index and value.

    Notes
    -----
    Second-order cones for the total delay, the potential and the latency.

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
            problem = f"is of {counted(len(latencies), 'server')} where load is of {n}"
            raise InputError("latency", latency, problem, "give both for every server")
        for i in range(n):
            name = sample_names(i if n > 1 or is_nested(load) else None)
            check_samples(loads[i], latencies[i], name)
        self.pieces = as_integer("pieces", pieces, "a number of pieces")
        self.delay = check_delay(delay, latencies)
        self.capacity = None if capacity is None else check_capacity(capacity, n)
        fitted = [y - d for y, d in zip(latencies, self.delay, strict=True)]
        fits = [
            fit(x, y, self.pieces, f"latency[{i}]")
            for i, (x, y) in enumerate(zip(loads, fitted, strict=True))
        ]
        self.rate = np.full(n, np.inf)
        self.starts, self.values, self.slopes, self.bends = padded(fits)
        self.samples = pairs(loads, fitted)
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
        """Return the bank fitted to the samples in CSV files, one file per server.

        The first line of a file names its columns, ``load`` and ``latency`` among others. A row
        with an empty cell in one of the two is skipped, with a warning that counts such rows. Files
        are regular ones in UTF-8, of at most 64 MiB and a million lines.

        Parameters
        ----------
        path : path or sequence of paths
            One file, or one per server.
        pieces, delay, capacity
            As for the class.
        columns : mapping of str to str, optional
            Other names of the two columns, such as ``{"load": "rps", "latency": "p50_ms"}``.

        Returns
        -------
        Measured

        Raises
        ------
        InputError
            If a file cannot be read or its samples cannot be fitted; it names the file, the row
            and the column.
        """
        several = list_or_none(path)
        samples = [read(file, columns) for file in ([path] if several is None else several)]
        loads, latencies = ([pair[k] for pair in samples] for k in range(2))
        return cls(loads, latencies, pieces, delay, capacity)

    @classmethod
    def from_fields(cls, servers: Sequence[Mapping[str, Any]]) -> Measured:
        """Return the bank of one server of a scenario file.

        Its samples are lists, or in a CSV file that ``samples`` names.
        """
        fields = dict(servers[0])
        pieces = fields.get("pieces")
        if isinstance(pieces, float) and pieces.is_integer():  # numbers of a file are floats
            fields["pieces"] = int(pieces)
        if "samples" in fields:
            return cls.from_csv(fields.pop("samples"), **fields)
        return cls(**fields)

    @classmethod
    def sample(cls) -> Measured:
        """Return a bank of three servers; see `Latency.sample`."""
        rates = (100.0, 80.0, 200.0)
        utilisation = np.linspace(0.0, 0.9, 60)
        noise = 1.0 + 0.05 * np.sin(np.arange(60.0) ** 2)
        latencies = [noise / (rate * (1.0 - utilisation)) for rate in rates]
        return cls([utilisation * rate for rate in rates], latencies)

    @property
    def last(self) -> Array:
        """Largest sampled load of each server, shape (n,)."""
        return self.starts[:, -1]

    @property
    def full_load(self) -> Array:
        """Load at a utilisation of 1, shape (n,): the capacity, else the largest sampled load."""
        return self.last if self.capacity is None else self.capacity

    @property
    def full_load_kind(self) -> tuple[str, ...]:
        """Kind of the full load, n strings: ``"capacity"`` or ``"largest sample"``."""
        return ("largest sample" if self.capacity is None else "capacity",) * len(self)

    @property
    def service(self) -> Array:
        """Latency at no load without the delay, shape (n,)."""
        return self.values[:, 0]

    def latency(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the latency; see `ServerBank.latency`."""
        _, u, (value, slope, bend) = self._piece(flow)
        return np.asarray(self.delay + (value + u * (slope + 0.5 * bend * u)))

    def marginal(self, flow: ArrayLike, spare_capacity: ArrayLike | None = None) -> Array:
        """Return the marginal delay, l(x) + x l'(x); see `ServerBank.marginal`."""
        return self.latency(flow) + np.asarray(flow, dtype=np.float64) * self.latency_slope(flow)

    def potential(self, flow: ArrayLike) -> Array:
        """Return the integral of the latency; see `ServerBank.potential`.

        It is L u + S u^2/2 + q u^3/6 in the piece of the flow, and the integrals of those below.
        """
        j, u, (value, slope, bend) = self._piece(flow)
        w, last = np.diff(self.starts, axis=1), np.s_[:, :-1]
        rise = w * (self.slopes[last] / 2.0 + w * self.bends[last] / 6.0)
        pieces = w * (self.values[last] + rise)
        below = np.concatenate([np.zeros((len(self), 1)), np.cumsum(pieces, axis=1)], axis=1)
        inside = below[np.arange(len(self)), j] + u * (value + u * (slope / 2.0 + u * bend / 6.0))
        return np.asarray(self.delay * np.asarray(flow, dtype=np.float64) + inside)

    def latency_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the latency, which is continuous."""
        _, u, (_, slope, bend) = self._piece(flow)
        return np.asarray(slope + bend * u)

    def marginal_slope(self, flow: ArrayLike) -> Array:
        """Return the derivative of the marginal delay, 2 l' + x l''.

        It jumps at the knots; at a knot it is that of the piece on the right.
        """
        _, u, (_, slope, bend) = self._piece(flow)
        return np.asarray(2.0 * (slope + bend * u) + np.asarray(flow, dtype=np.float64) * bend)

    def at_latency(self, excess: ArrayLike) -> Operation:
        """Return the operating point at a latency; see `ServerBank.at_latency`."""
        return self._operate(excess, 0.0)

    def at_marginal(self, excess: ArrayLike) -> Operation:
        """Return the operating point at a marginal delay; see `ServerBank.at_marginal`."""
        return self._operate(excess, 1.0)

    def at_player(self, excess: ArrayLike, players: float) -> Operation:
        """Return the operating point at a player's cost; see `ServerBank.at_player`."""
        return self._operate(excess, 1.0 / players)

    def total_cone(self, flow: cp.Expression, form: str | None = None) -> Cone:
        """Return the total delay x l(x) as second-order cones.

        It is the sum over the pieces of (L + t S) u + (S + t q/2) u^2 + q/2 u^3.
        """
        linear = self.values + self.starts * self.slopes
        square = self.slopes + 0.5 * self.starts * self.bends
        return self._cone(flow, cp.multiply(self.delay, flow), linear, square, 0.5 * self.bends)

    def potential_cone(self, flow: cp.Expression) -> Cone:
        """Return the integral of the latency as second-order cones.

        It is the sum over the pieces of L u + S u^2/2 + q u^3/6.
        """
        delay = cp.multiply(self.delay, flow)
        return self._cone(flow, delay, self.values, 0.5 * self.slopes, self.bends / 6.0)

    def latency_cone(self, flow: cp.Expression) -> Cone:
        """Return the latency, L_0 + sum over the pieces of S u + q u^2/2, as second-order cones."""
        cubic = np.zeros_like(self.bends)
        return self._cone(flow, self.idle_latency, self.slopes, 0.5 * self.bends, cubic)

    def scaled(self, rate: float, time: float) -> Self:
        """Return the servers in other units, without another fit; see `Latency.scaled`."""
        samples = pairs([x * rate for x, _ in self.samples], [y * time for _, y in self.samples])
        return self._with(
            starts=self.starts * rate,
            values=self.values * time,
            slopes=self.slopes * (time / rate),
            bends=self.bends * (time / rate / rate),
            delay=self.delay * time,
            spread=self.spread * time,
            capacity=None if self.capacity is None else self.capacity * rate,
            samples=samples,
        )

    def residuals(self, server: int) -> Array:
        """Return the latencies of a server's samples less those of the fit, shape (m,).

        Parameters
        ----------
        server : int
            Index of the server.
        """
        bank = self.take(as_index("server", [server], len(self)))
        load, latency = bank.samples[0]
        return np.asarray(latency - (bank.latency(load[:, None]) - bank.delay)[:, 0])

    def outliers(self, server: int) -> npt.NDArray[np.bool_]:
        """Return which samples of a server are outliers, shape (m,).

        An outlier is farther from the fit than 4 robust spreads, and than 1 % of the latency, which
        can be the error of the fit itself.

        Parameters
        ----------
        server : int
            Index of the server.
        """
        bank = self.take(as_index("server", [server], len(self)))
        residuals, latency = bank.residuals(0), bank.samples[0][1]
        fit_error = FIT_ERROR * np.abs(latency - residuals)
        return np.asarray(
            np.abs(residuals) > np.maximum(OUTLIER_SPREADS * bank.spread[0], fit_error)
        )

    def caveats(self, flow: ArrayLike, names: Sequence[str]) -> list[str]:
        """Return a warning for every server whose flow exceeds its largest sampled load.

        Parameters
        ----------
        flow : array_like, shape (n,)
            Load of each server.
        names : sequence of n str
            Names of the servers, for the warnings.
        """
        flows = as_server_array("flow", flow, len(self))
        return [
            f"{name} carries {x:.6g}, more than any of its samples (at most {last:.6g}): its "
            "latency there is the straight line on from them, the least that convexity allows"
            for name, x, last in zip(names, flows, self.last, strict=True)
            if x > last * (1.0 + ROUNDING)
        ]

    def _piece(
        self, flow: ArrayLike
    ) -> tuple[npt.NDArray[np.intp], Array, tuple[Array, Array, Array]]:
        """Return the piece of each flow, the flow within it, and its value, slope and bend."""
        flow = np.asarray(flow, dtype=np.float64)
        piece, server = _last_at_most(flow, self.starts), np.arange(len(self))
        coefficients = (
            self.values[server, piece],
            self.slopes[server, piece],
            self.bends[server, piece],
        )
        return piece, flow - self.starts[server, piece], coefficients

    def _operate(self, excess: ArrayLike, weight: float) -> Operation:
        """Return the operating point where l + weight x l' is `excess` above the idle latency.

        In the piece from t, at x = t + u, the price is L + weight t S
        + u ((1 + weight) S + weight t q) + (1/2 + weight) q u^2. An excess below 0 counts as 0.
        """
        excess = np.maximum(np.asarray(excess, dtype=np.float64), 0.0)
        heights = self.values - self.values[:, :1] + weight * self.starts * self.slopes
        piece = np.arange(len(self)), _last_at_most(excess, heights)
        start, slope, bend = self.starts[piece], self.slopes[piece], self.bends[piece]
        c, b = excess - heights[piece], (1.0 + weight) * slope + weight * start * bend
        a = (0.5 + weight) * bend
        # `where` keeps 0 times an infinite excess, whose flow is infinite, from being NaN
        discriminant = b * b + 4.0 * np.multiply(a, c, where=a > 0, out=np.zeros_like(c))
        flow = np.asarray(start + 2.0 * c / (b + np.sqrt(discriminant)))

        def price_slope(x: Array) -> Array:
            return weight * self.marginal_slope(x) + (1.0 - weight) * self.latency_slope(x)

        return self._operation(flow, price_slope)

    def _cone(
        self, flow: cp.Expression, rest: Any, linear: Array, square: Array, cubic: Array
    ) -> Cone:
        """Return `rest` and the sum over the pieces of linear u + square u^2 + cubic u^3.

        The u of a server add up to its flow. The sum is convex in the flow, with slopes that rise
        from each piece to the next, so minimised the pieces fill up one after another: the cone is
        exact. `linear`, `square` and `cubic` have shape (n, P + 1).
        """
        width = np.diff(self.starts, axis=1, append=np.inf)
        used = np.nonzero(width > 0)
        server, piece = used
        # Variables are fractions of a piece, or of the largest sampled load beyond it: a solver
        # then works with numbers of one size.
        size = np.where(np.isfinite(width), width, self.last[:, None])[used]
        fraction = cp.Variable(size.size, nonneg=True)
        bounded = np.flatnonzero(piece < self.starts.shape[1] - 1)
        balance = flow == _sum_by(server, size, len(self)) @ fraction
        value = _sum_by(server, linear[used] * size, len(self)) @ fraction + rest
        kinds: frozenset[str] = frozenset()
        for power, coefficient in ((2, square[used]), (3, cubic[used])):
            positive = np.flatnonzero(coefficient > 0)
            if positive.size:
                factor = (coefficient * size**power)[positive]
                powers = cp.power(fraction[positive], power)
                value += _sum_by(server[positive], factor, len(self)) @ powers
                kinds = frozenset({"SOC"})
        return Cone(value, (balance, fraction[bounded] <= 1), kinds)


def _last_at_most(value: Array, edges: Array) -> npt.NDArray[np.intp]:
    """Return the last column of rising edges, shape (n, k), that is at most the value.

    Values have shape (..., n); below all edges it is the first column.
    """
    shape = np.broadcast_shapes(value.shape, edges[:, 0].shape)
    column = np.zeros(shape, dtype=np.intp)
    for edge in edges.T[1:]:
        column += value >= edge
    return column


def _sum_by(row: npt.NDArray[np.intp], factor: Array, rows: int) -> Any:
    """Return the sparse matrix that multiplies numbers by factors and sums those of each row."""
    return sparse.csr_matrix((factor, (row, np.arange(row.size))), shape=(rows, row.size))
