"""Shared stages as stations, modes as routes: the system of `sojourn.reference.routes`.

Each stage serves all jobs at once by processor sharing, each at the same speed. Jobs arrive as a
Poisson stream, and the mode of a job is drawn independently of the state; the works of a job at the
stages may depend on each other. The mean delay of a job of mode m is then

    L_m = d_m + sum_s a_sm / (1 - rho_s),    rho_s = load sum_m p_m a_sm,

with the mean works a_sm and the fixed delay d_m, whatever the joint law of the works: processor
sharing is insensitive to it (F. P. Kelly, *Reversibility and Stochastic Networks*, chapter 3). A
stage that serves first come, first served has this delay only where the works of all modes there
are exponential with one mean, and independent of those at the other stages.

So a stage is a station of rate 1 with the latency 1 / (1 - rho_s), and a mode is a route with the
work a_sm there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from ...errors import Array
from ...mg1 import MM1
from ...routes import Columns, ListedRoutes, RoutedSystem, RouteFlow, capacity
from ...routes import equilibrium as routed_equilibrium
from ...routes.bounds import RouteCertificate
from ...routes.capacity import check_multiple
from ..modes import Modes, of_modes
from .few_modes import few_modes

Index = npt.NDArray[np.intp]
JOBS = ("jobs",)  # the one group of users


def different(modes: Modes) -> Index:
    """Return the modes of which none before has the same works and delay, ascending."""
    rows = np.vstack([modes.time, modes.delay[None]])
    return np.sort(np.unique(rows, axis=1, return_index=True)[1]).astype(np.intp)


def routes_of(modes: Modes) -> ListedRoutes:
    """Return a route for each of the different modes."""
    kept = different(modes)
    work = csr_array(modes.time.T[kept])
    return ListedRoutes(Columns(np.zeros(kept.size, np.intp), work, modes.delay[kept]), 1)


def routed(modes: Modes) -> RoutedSystem:
    """Return the stations and routes of one group of users with the load 1."""
    return RoutedSystem(MM1(np.ones(modes.stages)), routes_of(modes), np.ones(1), groups=JOBS)


def assignment_of(modes: Modes, found: RouteFlow) -> Array:
    """Return the fraction of the jobs in each mode, shape (M,), of flows on the routes."""
    kept, out = different(modes), np.zeros(modes.modes)
    out[kept[routes_of(modes).columns.places(found.columns)]] = found.flow
    return np.asarray(out / out.sum())


def mode_delay(modes: Modes, stretch: Array) -> Array:
    """Return the mean delay of a job of each mode, also of unused ones, shape (..., M).

    Parameters
    ----------
    modes : Modes
        S stages, M modes.
    stretch : ndarray, shape (..., S)
        Time in a stage per unit of work there, 1 / (1 - utilisation).
    """
    work = modes.time
    with np.errstate(invalid="ignore"):  # no work at a full stage takes no time
        terms = np.where(work > 0, work * np.asarray(stretch)[..., :, None], 0.0)
    return np.asarray(terms.sum(axis=-2) + modes.delay)


@dataclass(frozen=True, eq=False)
class SharedAssignment:
    """Jobs over the modes of stages that serve all modes by processor sharing.

    Attributes
    ----------
    assignment : ndarray, shape (M,)
        Fraction of the jobs in each mode; of at most S modes, S + 1 with fixed delays.
    utilisation : ndarray, shape (S,)
        Fraction of the time in which each stage is busy.
    mode_delay : ndarray, shape (M,)
        Mean delay of a job of each mode, also of unused ones.
    mean_delay : float
        Mean delay of a job.
    certificate : RouteCertificate
        Bounds of the true mean delay, and what a change of mode saves.
    """

    assignment: Array
    utilisation: Array
    mode_delay: Array
    mean_delay: float
    certificate: RouteCertificate


@of_modes
def equilibrium(modes: Modes, load: float, players: float = np.inf) -> SharedAssignment:
    """Return the assignment that users reach when each of them takes the fastest mode.

    Parameters
    ----------
    modes : Modes
        S stages, each shared by M modes.
    load : float
        Total load above 0 and below the largest load, jobs per unit of time.
    players : float, default infinity
        Number K of equal players, 1 or more; of one player it is the optimum, infinitely many
        are selfish users.

    Returns
    -------
    SharedAssignment

    Raises
    ------
    LoadError
        On a load that the stages cannot carry.

    Notes
    -----
    The fractions minimise sum_s -log(1 - rho_s) + load sum_m p_m d_m, which is convex, and the
    utilisations are unique.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> found = equilibrium(Canonical(1.0, 4.0, 0.1, 0.3).dual_mode, load=4.0)
    >>> found.assignment.round(4), round(found.mean_delay, 6)
    (array([0.875, 0.125]), 2.0)
    """
    system = routed(modes)
    check_multiple(system, load)
    found = routed_equilibrium(system, load, players)
    parts = few_modes(modes.time, modes.delay, assignment_of(modes, found.flow))
    utilisation = load * (modes.time @ parts)
    delays = mode_delay(modes, 1.0 / (1.0 - utilisation))
    return SharedAssignment(parts, utilisation, delays, found.mean_delay, found.certificate)


@of_modes
def optimum(modes: Modes, load: float) -> SharedAssignment:
    """Return the assignment of least mean delay; see `equilibrium`.

    Examples
    --------
    >>> from sojourn.reference.service_modes import Canonical
    >>> found = optimum(Canonical(1.0, 4.0, 0.1, 0.3).dual_mode, load=4.0)
    >>> found.assignment.round(4), round(found.mean_delay, 6)
    (array([0.6667, 0.3333]), 1.75)
    """
    return equilibrium(modes, load, 1.0)


def max_load(modes: Modes) -> float:
    """Return the largest load of the stages: that of reserved stages, Theorem 2."""
    return capacity(routed(modes)).max_load
