"""Which of Theorems 4 to 8 of Jeff and Modiano speaks of a load, and what it says there of the best assignment."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InputError
from .modes import Canonical, of_canonical
from .stability import one_load


@dataclass(frozen=True)
class Regimes:
    """The loads between which the theorems speak; None where one does not apply to the system.

    Attributes
    ----------
    redundant : bool
        Theorem 4: f1 >= 1/(K+1), and p* = 1 at every load.
    single_mode_until : float or None
        Theorem 5: p* = 1 up to this load, where f*(load) reaches f1.
    breaks_by : float or None
        Theorem 6: p* < 1 from this load on, where the cloud can no longer carry mode 1 alone; it may be above the largest load.
    both_modes_from : float or None
        Theorem 7: 0 < p* < 1 above this load.
    saturation : float or None
        Theorem 7: limit of p* as the load tends to the largest.
    mode_2_from : float or None
        Theorem 8: p* = 0 from this load on, where f*(load) reaches f2.
    """

    redundant: bool
    single_mode_until: float | None
    breaks_by: float | None
    both_modes_from: float | None
    saturation: float | None
    mode_2_from: float | None


@of_canonical
def regimes(system: Canonical) -> Regimes:
    """Return the loads between which the theorems speak.

    Raises
    ------
    InputError
        For K <= 1: the theorems take the cloud to be the faster server.

    Examples
    --------
    >>> round(regimes(Canonical(mu0=1.0, K=4.0, f1=0.1, f2=0.3)).saturation, 12)
    0.5
    """
    if system.K <= 1:
        remedy = "call the faster server the cloud: swap the servers, and with them the modes"
        raise InputError(
            "K",
            system.K,
            "Theorems 4 to 8 take the cloud to be faster than the local server, K > 1",
            remedy,
        )
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
    """Loads at which one mode alone is as fast as the tunable-mode optimum: where f*(load) is f1 or f2; Section VII.C.

    With f1 = 0 the two agree at every load up to the one returned. Empty where both modes do too much work locally.

    Raises
    ------
    InputError
        For K <= 1, as `regimes`.
    """
    regimes(system)
    return tuple(_matches(system, f) for f in (system.f1, system.f2) if f < 1 / (system.K + 1))


def _matches(system: Canonical, f: float) -> float:
    """Load at which the tunable-mode optimum does the part f of the work locally; Theorem 1 turned round."""
    root = math.sqrt(system.K)
    return system.mu0 * (system.K - root) / (1 - f * (1 + root))


@dataclass(frozen=True)
class Regime:
    """What the theorems say of p* at a load.

    Attributes
    ----------
    theorem : int or None
        The one that speaks: 4 to 8; None between them.
    low, high : float
        p* is between them, ends included.
    """

    theorem: int | None
    low: float
    high: float


@of_canonical
def regime(system: Canonical, load: float) -> Regime:
    """Return which regime a system is in at a load.

    Raises
    ------
    LoadError, InputError

    Examples
    --------
    >>> regime(Canonical(mu0=1.0, K=4.0, f1=0.1, f2=0.3), load=2.0)
    Regime(theorem=5, low=1.0, high=1.0)
    """
    load = one_load(system.dual_mode, load)
    edge = regimes(system)
    if edge.redundant:
        return Regime(4, 1.0, 1.0)
    if edge.single_mode_until is not None and load <= edge.single_mode_until:
        return Regime(5, 1.0, 1.0)
    if edge.mode_2_from is not None and load >= edge.mode_2_from:
        return Regime(8, 0.0, 0.0)
    below_one = math.nextafter(1.0, 0.0)
    if edge.both_modes_from is not None and load > edge.both_modes_from:
        return Regime(7, math.ulp(0.0), below_one)
    if edge.breaks_by is not None and load >= edge.breaks_by:
        return Regime(6, 0.0, below_one)
    return Regime(None, 0.0, 1.0)
