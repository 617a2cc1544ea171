"""Service modes at stages in series, and the canonical form: Section II of Jeff and Modiano."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..bank_fields import store
from ..errors import Array, InputError
from ..pickling import state
from ..plural import counted
from ..validation import (
    LARGEST,
    LEAST,
    as_floats,
    as_fraction,
    as_index,
    as_positive,
    raise_at_first,
    takes_arguments,
)

STAGES_BY_MODES = "is not an array of stages by modes"


@dataclass(frozen=True, eq=False)
class Modes:
    """Service rates of S stages for M service modes; every job passes all stages in turn.

    Each stage divides its capacity between the modes, and each mode has an M/M/1 queue of its own
    at each stage.

    Parameters
    ----------
    rate : array_like, shape (S, M)
        Service rate of a stage that serves one mode alone, jobs per unit of time; infinite where
        the mode has no work at the stage.
    delay : array_like, shape (M,), optional
        Fixed delay of each mode, in the unit of time, such as that of an upload that does not
        queue. By default there is none.

    Attributes
    ----------
    rate : ndarray, shape (S, M)
        As given, or 1 / work.
    time : ndarray, shape (S, M)
        Mean service time of a mode at a stage of its own: 1 / rate, or the work as given.
    delay : ndarray, shape (M,)

    Raises
    ------
    InputError
        On a rate that is not above 0, a mode without work at any stage, a stage without work of any
        mode, or a delay that is not a finite number of 0 or more.

    Examples
    --------
    >>> device_edge_cloud = Modes([[4.0, 2.0], [30.0, 40.0], [80.0, 200.0]])
    >>> device_edge_cloud.time.shape
    (3, 2)
    """

    rate: Array
    delay: Array
    time: Array = field(repr=False)

    def __init__(self, rate: npt.ArrayLike, delay: npt.ArrayLike | None = None) -> None:
        array = _stages_by_modes("rate", rate, "one number a mode")
        remedy = "give a service rate above 0, inf for no work there, or leave the mode out"
        raise_at_first("rate", array, array >= LEAST, "is not above 0", remedy)
        _check_used("rate", array, np.isinf(array), "finite rate")
        _store(self, array, 1.0 / array, as_mode_delays(delay, array.shape[1]))

    @classmethod
    def from_work(cls, work: npt.ArrayLike, delay: npt.ArrayLike | None = None) -> Modes:
        """Return the modes of given mean works, which `time` holds exactly.

        Parameters
        ----------
        work : array_like, shape (S, M)
            Mean work of a job of each mode at each stage, in the unit of time: the mean service
            time of a stage that serves the mode alone; 0 for no work.
        delay : array_like, shape (M,), optional
            Fixed delay of each mode.

        Returns
        -------
        Modes

        Raises
        ------
        InputError
            On a work that is not 0 or a finite number above 0, a mode without work at any stage, a
            stage without work of any mode, or a delay that is not a finite number of 0 or more.

        Examples
        --------
        >>> Modes.from_work([[0.1, 0.4], [0.5, 0.0]]).rate
        array([[10. ,  2.5],
               [ 2. ,  inf]])
        """
        array = _stages_by_modes("work", work, "one work a mode")
        good = (array == 0) | ((array >= LEAST) & (array <= 1 / LEAST))
        remedy = "give a work above 0, 0 for none there, or leave the mode out"
        raise_at_first("work", array, good, "is not a finite work of 0 or more", remedy)
        _check_used("work", array, array == 0, "work above 0")
        delays = as_mode_delays(delay, array.shape[1])
        with np.errstate(divide="ignore"):
            return _store(object.__new__(cls), 1.0 / (array + 0.0), array + 0.0, delays)

    def take(self, indices: npt.ArrayLike | slice) -> Modes:
        """Return the system of some of the modes, in the order of the indices.

        It keeps all stages, also one of which none of these modes asks anything.

        Parameters
        ----------
        indices : array_like of int, or slice
            Modes, at least one.

        Raises
        ------
        InputError
            On an index that is no mode, or none at all.
        """
        chosen = as_index("indices", indices, self.modes)
        rate, time, delay = self.rate[:, chosen], self.time[:, chosen], self.delay[chosen]
        if not delay.size:
            raise InputError("indices", indices, "there is no mode", "give at least one")
        return _store(object.__new__(type(self)), rate, time, delay)

    @property
    def stages(self) -> int:
        """Number of stages S."""
        return int(self.rate.shape[0])

    @property
    def modes(self) -> int:
        """Number of modes M."""
        return int(self.rate.shape[1])

    __getstate__ = state


def _store(modes: Modes, rate: Array, time: Array, delay: Array) -> Modes:
    """Store the arrays of modes, read-only, and return the modes."""
    for array in (rate, time, delay):
        array.flags.writeable = False
    return store(modes, rate=rate, delay=delay, time=time)


def _stages_by_modes(name: str, value: npt.ArrayLike, entry: str) -> Array:
    """Return an array of shape (S, M); InputError on another shape, or none of either."""
    array = as_floats(name, value)
    if array.ndim != 2 or array.size == 0:
        remedy = f"give one row a stage, {entry}"
        raise InputError(name, array.tolist(), STAGES_BY_MODES, remedy)
    return array


def _check_used(name: str, array: Array, idle: npt.NDArray[np.bool_], entry: str) -> None:
    """Raise InputError on a mode without work at any stage, or a stage without work of any."""
    for m in np.flatnonzero(idle.all(axis=0)):
        remedy = f"give it a {entry} somewhere"
        problem = "the mode asks nothing of any stage"
        raise InputError(f"{name}[:][{m}]", array[:, m].tolist(), problem, remedy)
    for s in np.flatnonzero(idle.all(axis=1)):
        remedy = f"give a mode a {entry} there, or leave the stage out"
        raise InputError(f"{name}[{s}]", array[s].tolist(), "no mode uses the stage", remedy)


def as_mode_delays(delay: npt.ArrayLike | None, modes: int) -> Array:
    """Return the fixed delay of each mode, shape (M,); InputError unless they are 0 or more."""
    if delay is None:
        return np.zeros(modes)
    array = as_floats("delay", delay)
    if array.shape != (modes,):
        problem = f"is not one number for each of {counted(modes, 'mode')}"
        raise InputError("delay", array.tolist(), problem, "give one delay a mode, 0 for none")
    good = (array >= 0) & (array <= LARGEST)
    remedy = "give the fixed delay of the mode, 0 for none"
    raise_at_first("delay", array, good, "is not a finite number of 0 or more", remedy)
    return array + 0.0


@dataclass(frozen=True)
class Canonical:
    """The dual-mode system in canonical form: capacities, and fractions of local work.

    Parameters
    ----------
    mu0 : float
        Capacity of the local server, jobs per unit of time.
    K : float
        Capacity of the cloud server over that of the local one; the paper takes K > 1.
    f1, f2 : float
        Fraction of the work of a job that is done locally in mode 1 (cloud-heavy) and mode 2
        (local-heavy), 0 <= f1 < f2 <= 1.

    Raises
    ------
    InputError
        On a capacity that is not above 0, a fraction outside [0, 1], or f1 >= f2.

    Examples
    --------
    >>> Canonical(mu0=1.0, K=4.0, f1=0.1, f2=0.3).dual_mode.rate.round(4)
    array([[10.    ,  3.3333],
           [ 4.4444,  5.7143]])
    """

    mu0: float
    K: float
    f1: float
    f2: float

    def __post_init__(self) -> None:
        mu0, K = check_capacities(self.mu0, self.K)
        f1, f2 = (as_fraction(name, getattr(self, name), "the work") for name in ("f1", "f2"))
        store(self, mu0=mu0, K=K, f1=f1, f2=f2)
        if self.f1 == self.f2:
            remedy = "use the tunable-mode system with this one f"
            raise InputError("f", (self.f1, self.f2), "the two modes are the same", remedy)
        if self.f1 > self.f2:
            remedy = f"mode 1 is the one with less local work: give f = ({self.f2:g}, {self.f1:g})"
            raise InputError("f", (self.f1, self.f2), "the modes are the wrong way round", remedy)

    __getstate__ = state

    @cached_property
    def dual_mode(self) -> Modes:
        """Rates (mu_l1, mu_l2) = mu0 / f and (mu_c1, mu_c2) = K mu0 / (1 - f).

        A rate is infinite where the mode has no work at the server.
        """
        local, cloud = np.array([self.f1, self.f2]), np.array([1 - self.f1, 1 - self.f2])
        with np.errstate(divide="ignore", over="ignore"):
            return Modes([self.mu0 / local, self.K * self.mu0 / cloud])

    @property
    def throughput_efficient(self) -> bool:
        """Whether f1 < 1/(K + 1) < f2, so that both servers can be full: Definition 1."""
        return self.f1 < 1 / (self.K + 1) < self.f2

    @property
    def bottleneck(self) -> str | None:
        """Server that limits the load below (K + 1) mu0, ``"local"``, ``"cloud"`` or None.

        Section IV.B of Jeff and Modiano.
        """
        balanced = 1 / (self.K + 1)
        return "local" if self.f1 > balanced else "cloud" if self.f2 < balanced else None

    @np.errstate(all="ignore")
    def local_part(self, p: npt.ArrayLike) -> Array:
        """Return f(p) = p f1 + (1 - p) f2, the local fraction of the work.

        Parameters
        ----------
        p : array_like
            Fraction of the jobs in mode 1.
        """
        share = as_floats("p", p)
        return share * self.f1 + (1 - share) * self.f2


of_modes = takes_arguments(Modes, "is not the rates of service modes", "give Modes")
of_canonical = takes_arguments(
    Canonical, "is not a dual-mode system", "give Canonical, such as canonical(modes) returns"
)


@of_modes
def canonical(modes: Modes) -> Canonical:
    """Return the canonical form of a dual-mode system; Section II.A of Jeff and Modiano.

    Both modes have the same total work: mu0 / mu_l + K mu0 / mu_c = 1 for each. These two equations
    determine mu0 and K; they are solved in service times 1/mu.

    Parameters
    ----------
    modes : Modes
        Two stages (local, cloud) and two modes, with mu_l2 < mu_l1 and mu_c1 < mu_c2.

    Returns
    -------
    Canonical

    Raises
    ------
    InputError
        On another number of stages or modes, where mode 1 is not the cloud-heavy one, or on fixed
        delays.

    Examples
    --------
    >>> round(canonical(Modes([[10.0, 10 / 3], [4 / 0.9, 4 / 0.7]])).K, 12)
    4.0
    """
    check_dual(modes)
    if modes.delay.any():
        remedy = "give modes without fixed delays"
        raise InputError("delay", modes.delay.tolist(), "the canonical form has none", remedy)
    unit = float(modes.time.max())
    (l1, l2), (c1, c2) = (modes.time / unit).tolist()
    mu0 = (c1 - c2) / (l2 * c1 - l1 * c2)
    f1, f2 = min(mu0 * l1, 1.0), min(mu0 * l2, 1.0)
    return Canonical(mu0=mu0 / unit, K=(l2 - l1) / (c1 - c2), f1=f1, f2=f2)


def check_dual(modes: Modes) -> None:
    """Raise InputError unless there are two stages and two modes, the cloud-heavy mode first."""
    if modes.rate.shape != (2, 2):
        problem = f"has {counted(modes.stages, 'stage')}, {counted(modes.modes, 'mode')}"
        remedy = "give two rates of each of two stages, as [[l1, l2], [c1, c2]]"
        raise InputError("rate", modes.rate.tolist(), problem, remedy)
    (l1, l2), (c1, c2) = modes.rate.tolist()
    if l2 < l1 and c1 < c2:
        return
    if l1 < l2 and c2 < c1:
        swapped = f"local=({l2:g}, {l1:g}), cloud=({c2:g}, {c1:g})"
        remedy = f"mode 1 is the cloud-heavy one: give {swapped}"
        raise InputError("local", (l1, l2), "the modes are the wrong way round", remedy)
    faster, slower = (2, 1) if l1 <= l2 and c1 <= c2 else (1, 2)
    problem = f"mode {faster} is at least as fast on both servers: mode {slower} is of no use"
    remedy = f"leave mode {slower} out, or give it the higher rate on one server"
    raise InputError("local, cloud", ((l1, l2), (c1, c2)), problem, remedy)


def check_capacities(mu0: float, K: float) -> tuple[float, float]:
    """Return the two capacities as floats; InputError unless they are finite and above 0."""
    local = as_positive("mu0", mu0, "give the rate of the local server", LEAST)
    return local, as_positive("K", K, "give the cloud's capacity over the local one's", LEAST)


def check_two_modes(modes: Modes, what: str) -> None:
    """Raise InputError unless there are two modes; `what` is the noun of what needs two."""
    if modes.modes != 2:
        remedy = "give p as a list, one part a mode, to partition"
        raise InputError("modes", modes.modes, f"{what} is for two modes", remedy)
