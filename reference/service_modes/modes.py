"""Service modes at stages in series, and the canonical form of the dual-mode system: Section II of Jeff and Modiano."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..errors import Array, InputError
from ..pickling import state
from ..server_bank import store
from ..validation import LEAST, as_floats, as_fraction, as_positive, raise_at_first, takes_arguments


@dataclass(frozen=True, eq=False)
class Modes:
    """What each of M service modes asks of each of S stages that every job passes in turn.

    Each stage divides its capacity between the modes and queues them apart: an M/M/1 queue a stage and mode.

    Parameters
    ----------
    rate : array_like, shape (S, M)
        Service rate of a stage that serves one mode alone, jobs per unit of time; infinite where the mode asks nothing of the stage.

    Raises
    ------
    InputError
        On a rate that is not above 0, or a mode that asks nothing of any stage.

    Examples
    --------
    >>> device_edge_cloud = Modes([[4.0, 2.0], [30.0, 40.0], [80.0, 200.0]])
    >>> device_edge_cloud.time.shape
    (3, 2)
    """

    rate: Array

    def __init__(self, rate: npt.ArrayLike) -> None:
        array = as_floats("rate", rate)
        if array.ndim != 2 or array.size == 0:
            raise InputError(
                "rate",
                array.tolist(),
                "is not an array of stages by modes",
                "give one row a stage, one number a mode",
            )
        remedy = "give a service rate above 0, inf for no work there, or leave the mode out"
        raise_at_first("rate", array, array >= LEAST, "is not above 0", remedy)
        for m in np.flatnonzero(np.isinf(array).all(axis=0)):
            raise InputError(
                f"rate[:][{m}]",
                array[:, m].tolist(),
                "the mode asks nothing of any stage",
                "give it a finite rate somewhere",
            )
        array.flags.writeable = False
        store(self, rate=array)

    @property
    def stages(self) -> int:
        """Number of stages S."""
        return int(self.rate.shape[0])

    @property
    def modes(self) -> int:
        """Number of modes M."""
        return int(self.rate.shape[1])

    __getstate__ = state

    @cached_property
    def time(self) -> Array:
        """Mean service time of a mode at a whole stage, 1 / rate, shape (S, M)."""
        return 1.0 / self.rate


@dataclass(frozen=True)
class Canonical:
    """The dual-mode system by its capacities and the part of a job's work that each mode does locally.

    Parameters
    ----------
    mu0 : float
        Capacity of the local server, jobs per unit of time.
    K : float
        Capacity of the cloud server over that of the local one; the paper takes K > 1.
    f1, f2 : float
        Part of a job's work done locally in the cloud-heavy and in the local-heavy mode, 0 <= f1 < f2 <= 1.

    Raises
    ------
    InputError
        On a capacity that is not above 0, a part outside [0, 1], or modes the wrong way round.

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
        store(
            self,
            mu0=mu0,
            K=K,
            f1=as_fraction("f1", self.f1, "the work"),
            f2=as_fraction("f2", self.f2, "the work"),
        )
        if self.f1 == self.f2:
            raise InputError(
                "f",
                (self.f1, self.f2),
                "the two modes are the same",
                "use the tunable-mode system with this one f",
            )
        if self.f1 > self.f2:
            remedy = f"mode 1 is the one with less local work: give f = ({self.f2:g}, {self.f1:g})"
            raise InputError("f", (self.f1, self.f2), "the modes are the wrong way round", remedy)

    __getstate__ = state

    @cached_property
    def dual_mode(self) -> Modes:
        """Rates (mu_l1, mu_l2), (mu_c1, mu_c2) = mu0 / f, K mu0 / (1 - f); infinite where a mode does no work."""
        local, cloud = np.array([self.f1, self.f2]), np.array([1 - self.f1, 1 - self.f2])
        with np.errstate(divide="ignore", over="ignore"):
            return Modes([self.mu0 / local, self.K * self.mu0 / cloud])

    @property
    def throughput_efficient(self) -> bool:
        """Whether f1 < 1/(K + 1) < f2, so that both servers can be filled: Definition 1."""
        return self.f1 < 1 / (self.K + 1) < self.f2

    @property
    def bottleneck(self) -> str | None:
        """Server that limits the load below (K + 1) mu0: "local" or "cloud"; None where neither does. Section IV.B."""
        balanced = 1 / (self.K + 1)
        return "local" if self.f1 > balanced else "cloud" if self.f2 < balanced else None

    @np.errstate(all="ignore")
    def local_part(self, p: npt.ArrayLike) -> Array:
        """f(p) = p f1 + (1 - p) f2: part of the work done locally when mode 1 gets the part p of the jobs."""
        share = as_floats("p", p)
        return share * self.f1 + (1 - share) * self.f2


of_modes = takes_arguments(Modes, "is not the rates of service modes", "give Modes")
of_canonical = takes_arguments(
    Canonical, "is not a dual-mode system", "give Canonical, such as canonical(modes) returns"
)


@of_modes
def canonical(modes: Modes) -> Canonical:
    """Return the canonical form of a dual-mode system; Section II.A of Jeff and Modiano, in service times 1/mu.

    Both modes must take the same work: mu0 / mu_l + K mu0 / mu_c = 1 for each, which two equations settle.

    Parameters
    ----------
    modes : Modes
        Two stages (local, cloud) and two modes, with mu_l2 < mu_l1 and mu_c1 < mu_c2.

    Raises
    ------
    InputError
        On another number of stages or modes, or modes the wrong way round.

    Examples
    --------
    >>> round(canonical(Modes([[10.0, 10 / 3], [4 / 0.9, 4 / 0.7]])).K, 12)
    4.0
    """
    check_dual(modes)
    unit = float(modes.time.max())
    (l1, l2), (c1, c2) = (modes.time / unit).tolist()
    mu0 = (c1 - c2) / (l2 * c1 - l1 * c2)
    return Canonical(
        mu0=mu0 / unit, K=(l2 - l1) / (c1 - c2), f1=min(mu0 * l1, 1.0), f2=min(mu0 * l2, 1.0)
    )


def check_dual(modes: Modes) -> None:
    """Raise InputError unless there are two stages and two modes, the cloud-heavy mode first."""
    if modes.rate.shape != (2, 2):
        shape = f"{modes.stages} stages, {modes.modes} modes"
        raise InputError(
            "rate",
            modes.rate.tolist(),
            f"has {shape}",
            "give two rates of each of two stages, as [[l1, l2], [c1, c2]]",
        )
    (l1, l2), (c1, c2) = modes.rate.tolist()
    if l2 < l1 and c1 < c2:
        return
    if l1 < l2 and c2 < c1:
        remedy = (
            f"mode 1 is the cloud-heavy one: give local=({l2:g}, {l1:g}), cloud=({c2:g}, {c1:g})"
        )
        raise InputError("local", (l1, l2), "the modes are the wrong way round", remedy)
    faster, slower = (2, 1) if l1 <= l2 and c1 <= c2 else (1, 2)
    problem = f"mode {faster} is at least as fast on both servers: mode {slower} is of no use"
    raise InputError(
        "local, cloud",
        ((l1, l2), (c1, c2)),
        problem,
        f"leave mode {slower} out, or give it the higher rate on one server",
    )


def check_capacities(mu0: float, K: float) -> tuple[float, float]:
    """Return both as floats; InputError unless they are finite numbers above 0."""
    local = as_positive("mu0", mu0, "give the rate of the local server", LEAST)
    return local, as_positive("K", K, "give the cloud's capacity over the local one's", LEAST)


def check_two_modes(modes: Modes, what: str) -> None:
    """Raise InputError unless there are two modes."""
    if modes.modes != 2:
        raise InputError(
            "modes",
            modes.modes,
            f"{what} is for two modes",
            "give p as a list, one part a mode, to partition",
        )
