"""Regimes of the best assignment by load: Theorems 4 to 8 of Jeff and Modiano."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InputError
from .modes import Canonical, of_canonical
from .stability import one_load


@dataclass(frozen=True)
class Regimes:
    """Loads at which the theorems on the best p* begin or end to apply, jobs per unit of time.

    A load is None where its theorem does not apply to the system.

    Attributes
    ----------
    redundant : bool
        Whether f1 >= 1/(K+1): then p* = 1 at every load (Theorem 4).
    single_mode_until : float or None
        Load up to which p* = 1, where f*(load) reaches f1 (Theorem 5).
    breaks_by : float or None
        Load from which p* < 1, as the cloud cannot carry mode 1 alone; it may be above the largest
        load (Theorem 6).
    both_modes_from : float or None
        Load above which 0 < p* < 1 (Theorem 7).
    saturation : float or None
        Limit of p* as the load tends to the largest load (Theorem 7).
    mode_2_from : float or None
        Load from which p* = 0, where f*(load) reaches f2 (Theorem 8).
    """

    redundant: bool
    single_mode_until: float | None
    breaks_by: float | None
    both_modes_from: float | None
    saturation: float | None
    mode_2_from: float | None


@of_canonical
def regimes(system: Canonical) -> Regimes:
    """Return the loads at which Theorems 4 to 8 begin or end to apply.

    Parameters
    ----------
    system : Canonical

    Returns
    -------
    Regimes

    Raises
    ------
    InputError
        For K <= 1: in the theorems the cloud is the faster server.

    Examples
    --------
    >>> round(regimes(Canonical(mu0=1.0, K=4.0, f1=0.1, f2=0.3)).saturation, 12)
    0.5
    """
    if system.K <= 1:
        problem = "Theorems 4 to 8 take the cloud to be faster than the local server, K > 1"
        remedy = "call the faster server the cloud: swap the servers, and with them the modes"
        raise InputError("K", system.K, problem, remedy)
    mu0, K, f1, f2 = system.mu0, system.K, system.f1, system.f2
    balanced = 1 / (K + 1)
    if f1 >= balanced:
        return Regimes(True, None, None, None, None, None)
    efficient = system.throughput_efficient
    return Regimes(
        redundant=False,
        single_mode_until=_matches(system, f1),
        breaks_by=K * mu0 / (1 - f1),
        both_modes_from=max(mu0 / f2, K * mu0 / (1 - f1)) if efficient else None,
        saturation=(f2 - balanced) / (f2 - f1) if efficient else None,
        mode_2_from=_matches(system, f2) if f2 <= balanced else None,
    )


@of_canonical
def touch_points(system: Canonical) -> tuple[float, ...]:
    """Return the loads at which one mode alone is as fast as the tunable-mode optimum.

    There f*(load) is f1 or f2; Section VII.C of Jeff and Modiano. With f1 = 0 the two delays are
    equal at every load up to the one returned.

    Parameters
    ----------
    system : Canonical

    Returns
    -------
    tuple of float
        Up to two loads, jobs per unit of time; empty where f1 and f2 are 1/(K+1) or more.

    Raises
    ------
    InputError
        For K <= 1, as `regimes`.
    """
    regimes(system)
    return tuple(_matches(system, f) for f in (system.f1, system.f2) if f < 1 / (system.K + 1))


def _matches(system: Canonical, f: float) -> float:
    """Return the load at which f*(load) = f: the inverse of Theorem 1."""
    root = math.sqrt(system.K)
    return system.mu0 * (system.K - root) / (1 - f * (1 + root))


@dataclass(frozen=True)
class Regime:
    """Bounds of the best p* at a load, by the theorem that applies.

    Attributes
    ----------
    theorem : int or None
        Number of the theorem, 4 to 8; None where none applies.
    low, high : float
        Bounds of p*, which may be equal to them.
    """

    theorem: int | None
    low: float
    high: float


@of_canonical
def regime(system: Canonical, load: float) -> Regime:
    """Return the regime of a system at a load.

    Parameters
    ----------
    system : Canonical
    load : float
        Total load above 0 and below the largest load, jobs per unit of time.

    Returns
    -------
    Regime

    Raises
    ------
    LoadError
        On a load that is not above 0 and below the largest load.
    InputError
        For K <= 1, as `regimes`.

    Examples
    --------
    >>> regime(Canonical(mu0=1.0, K=4.0, f1=0.1, f2=0.3), load=2.0)
    Regime(theorem=5, low=1.0, high=1.0)
    """
    load = one_load(system.dual_mode, load)
    loads = regimes(system)
    if loads.redundant:
        return Regime(4, 1.0, 1.0)
    if loads.single_mode_until is not None and load <= loads.single_mode_until:
        return Regime(5, 1.0, 1.0)
    if loads.mode_2_from is not None and load >= loads.mode_2_from:
        return Regime(8, 0.0, 0.0)
    below_one = math.nextafter(1.0, 0.0)
    if loads.both_modes_from is not None and load > loads.both_modes_from:
        return Regime(7, math.ulp(0.0), below_one)
    if loads.breaks_by is not None and load >= loads.breaks_by:
        return Regime(6, 0.0, below_one)
    return Regime(None, 0.0, 1.0)
